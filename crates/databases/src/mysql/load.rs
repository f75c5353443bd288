//! Restores into MySQL and MariaDB. Databases cannot be swapped there: over existing data the dump is first tried in
//! a scratch database, and should replacing fail then, the safety dump is loaded back.

use super::dump::inventory;
use super::server::{Server, ident, literal, start};
use crate::connection::Connection;
use crate::dump_text::{Dialect, MysqlReader, Verdict, words};
use crate::restore::{
    Open, RestoreFrom, RestorePlan, Restored, differences, holds_something, must_be_empty, number_of, same_objects,
};
use crate::stream::{Unhurried, give};
use crate::{DatabaseError, Watch};
use backup_model::{Content, DatabaseEngine, DatabaseFacts, Note, NoteLevel};
use std::collections::BTreeMap;

/// Characters of a database's name.
const NAME_LIMIT: usize = 64;

/// Versions of MariaDB's client that know `--sandbox` (release notes of May 2024).
fn knows_sandbox((major, minor, patch): (u32, u32, u32)) -> bool {
    match (major, minor) {
        (10, 5) => patch >= 25,
        (10, 6) => patch >= 18,
        (10, 11) => patch >= 8,
        (11, 0) => patch >= 6,
        (11, 1) => patch >= 5,
        (11, 2) => patch >= 4,
        (11, minor) => minor >= 4,
        (major, _) => major >= 12,
    }
}

fn table_names(server: &Server<'_>, database: &str, watch: &dyn Watch) -> Result<Vec<String>, DatabaseError> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        literal(database)
    );
    Ok(server.ask(&sql, watch)?.into_iter().filter_map(|r| r.into_iter().next()).collect())
}

fn count(server: &Server<'_>, database: &str, watch: &dyn Watch) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let mut out = BTreeMap::new();
    for table in table_names(server, database, watch)? {
        let rows = server.value(&format!("SELECT COUNT(*) FROM {}.{}", ident(database), ident(&table)), watch)?;
        let rows = number_of(&table, &rows)?;
        out.insert(crate::dump_text::table_key(&[table]), rows);
    }
    Ok(out)
}

/// Takes `DEFINER=…` out of a statement's begin.
fn without_definer(text: &[u8]) -> Option<Vec<u8>> {
    let start = memchr::memmem::find(text, b"DEFINER=`")?;
    let mut i = start + b"DEFINER=".len();
    // Two quoted names with an at sign between them.
    for _ in 0..2 {
        if text.get(i) == Some(&b'@') {
            i += 1;
        }
        if text.get(i) != Some(&b'`') {
            break;
        }
        i += 1;
        while i < text.len() && (text[i] != b'`' || text.get(i + 1) == Some(&b'`')) {
            i += 1 + usize::from(text[i] == b'`');
        }
        i += 1;
    }
    Some([&text[..start], text.get(i..)?].concat())
}

fn judge(plan: &RestorePlan, strip_definer: bool, text: &[u8]) -> Verdict {
    let first = words(text, 3, Dialect::Mysql { escapes: true });
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    match first.as_slice() {
        ["INSERT" | "REPLACE", ..] | ["LOCK" | "UNLOCK", "TABLES", ..] if plan.metadata_only => Verdict::Drop,
        ["CREATE", ..] if strip_definer => without_definer(text).map_or(Verdict::Keep, Verdict::Replace),
        _ => Verdict::Keep,
    }
}

fn explain(error: DatabaseError) -> DatabaseError {
    let DatabaseError::Program { program, how, text } = error else { return error };
    let remedy = if text.contains("1227") || text.contains("SET USER") || text.contains("SUPER") {
        "; restore as an account that may set definers, or set strip_definer = true for this database"
    } else if text.contains("1524") || text.contains("1286") {
        "; a plugin or storage engine of the dump is not on this server: install it and try again"
    } else {
        ""
    };
    if text.contains("1524") || text.contains("1286") {
        return DatabaseError::Inconclusive(format!("{}{remedy}", text.trim()));
    }
    DatabaseError::Program { program, how, text: format!("{text}{remedy}") }
}

fn load(
    server: &Server<'_>,
    plan: &RestorePlan,
    database: &str,
    open: Open<'_>,
    watch: &dyn Watch,
) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let tool = server.loader()?;
    let mut arguments = vec!["--batch", "--binary-mode", "--default-character-set=utf8mb4"];
    if server.vendor == DatabaseEngine::Mariadb && knows_sandbox(tool.version) {
        arguments.push("--sandbox");
    }
    let mut running = start(server.c, &tool, Some(database), &arguments)?;
    let strip = server.c.settings().strip_definer;
    let mut stream = open()?;
    let mut reader = MysqlReader::new(Some(Box::new(move |text: &[u8]| judge(plan, strip, text))));
    match give(&mut running, Some(&mut reader), &mut *stream, watch) {
        Ok(()) => {}
        Err(e @ (DatabaseError::Refused(_) | DatabaseError::Cancelled)) => return Err(e),
        Err(e) => return Err(explain(running.failure(e))),
    }
    stream.finish().map_err(DatabaseError::Refused)?;
    let counted = reader.finish(&mut |bytes| running.write(bytes)).map_err(|e| DatabaseError::Refused(e.to_string()))?;
    running.finish().map_err(explain)?;
    Ok(counted.tables)
}

fn create(server: &Server<'_>, name: &str, facts: Option<&DatabaseFacts>, watch: &dyn Watch) -> Result<(), DatabaseError> {
    let word = |key: &str| {
        let value = facts.and_then(|f| f.properties.get(key))?;
        value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(value.as_str())
    };
    let charset = word("charset").map(|c| format!(" CHARACTER SET {c}")).unwrap_or_default();
    let collation = word("collation").map(|c| format!(" COLLATE {c}")).unwrap_or_default();
    server.ask(&format!("CREATE DATABASE {}{charset}{collation}", ident(name)), watch).map(|_| ())
}

/// Loads and compares.
fn fill(
    server: &Server<'_>,
    plan: &RestorePlan,
    name: &str,
    open: Open<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    let counted = load(server, plan, name, open, watch)?;
    let found = count(server, name, watch)?;
    if !plan.metadata_only {
        differences(&counted, &found)?;
    }
    if let Some(facts) = &plan.facts
        && plan.content != Content::Data
    {
        same_objects(&facts.objects, &inventory(server, name, watch)?.objects)?;
    }
    Ok(Restored { tables: found.len() as u64, rows: found.values().sum(), ..Restored::default() })
}

fn remove(server: &Server<'_>, name: &str, watch: &dyn Watch) -> Result<(), DatabaseError> {
    server.ask(&format!("DROP DATABASE IF EXISTS {}", ident(name)), &Unhurried(watch)).map(|_| ())
}

/// Makes a database, fills it, and removes it again if that fails.
fn make(
    server: &Server<'_>,
    plan: &RestorePlan,
    name: &str,
    open: Open<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    create(server, name, plan.facts.as_ref(), watch)?;
    let filled = fill(server, plan, name, open, watch);
    if filled.is_err() {
        remove_or_say(server, name, watch);
    }
    filled
}

fn remove_or_say(server: &Server<'_>, name: &str, watch: &dyn Watch) {
    if let Err(e) = remove(server, name, watch) {
        let text = format!("the database {name} could not be removed: {e}; remove it by hand");
        watch.note(Note { level: NoteLevel::Warning, path: name.to_owned(), text });
    }
}

/// Rows only go into the tables that are there, which must be empty.
fn restore_rows(
    server: &Server<'_>,
    plan: &RestorePlan,
    from: &RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    let target = &plan.database;
    let before = count(server, target, watch)?;
    must_be_empty(target, &before)?;
    let loaded = load(server, plan, target, from.open, watch).and_then(|counted| {
        differences(&counted, &count(server, target, watch)?)?;
        Ok(counted)
    });
    if loaded.is_err() {
        // There is no transaction around it: what came in goes out again.
        for table in table_names(server, target, &Unhurried(watch))? {
            server.ask(
                &format!("SET FOREIGN_KEY_CHECKS = 0; DELETE FROM {}.{}", ident(target), ident(&table)),
                &Unhurried(watch),
            )?;
        }
    }
    let counted = loaded?;
    Ok(Restored { tables: counted.len() as u64, rows: counted.values().sum(), ..Restored::default() })
}

pub(crate) fn restore(
    c: &Connection,
    plan: &RestorePlan,
    from: &mut RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    if plan.table.is_some() {
        return Err(DatabaseError::Invalid("one table alone comes out of PostgreSQL's custom format only".into()));
    }
    let server = Server::open(c, watch)?;
    let target = plan.database.as_str();
    if plan.content == Content::Data {
        if plan.trial || plan.metadata_only {
            return Err(DatabaseError::Inconclusive(
                "an archive of rows only cannot be restored without the tables they go into".into(),
            ));
        }
        return restore_rows(&server, plan, from, watch);
    }
    let scratch = plan.scratch(NAME_LIMIT);
    if plan.trial {
        let tried = make(&server, plan, &scratch, from.open, watch)?;
        remove_or_say(&server, &scratch, watch);
        return Ok(tried);
    }
    let there = server
        .value(&format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(target)), watch)?
        != "0";
    if !there {
        return make(&server, plan, target, from.open, watch);
    }
    let made: u64 = inventory(&server, target, watch)?.objects.values().sum();
    if made > 0 && !plan.overwrite {
        return Err(holds_something(target, &c.place(), made));
    }
    // Whether the dump loads at all is found out beside what it shall replace.
    make(&server, plan, &scratch, from.open, watch)?;
    remove_or_say(&server, &scratch, watch);
    let safety = match &mut from.safety {
        Some(safety) if made > 0 => Some(safety(target)?),
        _ => None,
    };
    let place = safety.as_ref().map(|s| s.place.clone());
    remove(&server, target, watch)?;
    match make(&server, plan, target, from.open, &Unhurried(watch)) {
        Ok(mut restored) => {
            restored.safety = place;
            Ok(restored)
        }
        Err(e) => {
            let Some(safety) = safety else {
                return Err(DatabaseError::server(
                    format!("replacing {target} failed and no safety dump was wanted: the database is gone"),
                    e,
                ));
            };
            let back = RestorePlan {
                facts: Some(safety.copied.facts.clone()),
                content: Content::Full,
                metadata_only: false,
                ..plan.clone()
            };
            let loaded = make(&server, &back, target, &*safety.open, &Unhurried(watch));
            Err(match loaded {
                Ok(_) => DatabaseError::server(
                    format!(
                        "replacing {target} failed; what was there is back again, loaded from the safety dump {}",
                        safety.place
                    ),
                    e,
                ),
                Err(again) => DatabaseError::server(
                    format!(
                        "replacing {target} failed, and the safety dump {} could not be loaded back either ({again})",
                        safety.place
                    ),
                    e,
                ),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definers_are_taken_out() {
        let text = b"/*!50003 CREATE*/ /*!50017 DEFINER=`a``b@c`@`%`*/ /*!50003 TRIGGER x */";
        assert_eq!(without_definer(text).expect("changed"), b"/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER x */");
        assert!(without_definer(b"CREATE TABLE x").is_none());
    }
}
