//! Restores into PostgreSQL: into a new database, which is compared with the dump and only then takes the place
//! of the old one.

use super::dump::{objects, properties, tables};
use super::server::{Server, Session, SignIn, field, ident, literal};
use crate::connection::Connection;
use crate::dump_text::{Dialect, DumpText, PostgresReader, Verdict, words};
use crate::restore::{RestoreFrom, RestorePlan, Restored, differences, holds_something, must_be_empty, number_of, same_objects};
use crate::stream::{Unhurried, give};
use crate::{DatabaseError, Watch};
use backup_model::{Content, Form, Note, NoteLevel};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a database's name (NAMEDATALEN less one).
const NAME_LIMIT: usize = 63;

/// Versions of psql that know `\restrict` (CVE-2025-8714, release notes of August 2025).
fn knows_restrict(version: (u32, u32, u32)) -> bool {
    let (major, minor, _) = version;
    match major {
        13 => minor >= 22,
        14 => minor >= 19,
        15 => minor >= 14,
        16 => minor >= 10,
        17 => minor >= 6,
        major => major >= 18,
    }
}

fn exists(session: &mut Session<'_>, database: &str) -> Result<bool, DatabaseError> {
    Ok(!session.rows(&format!("SELECT 1 AS x FROM pg_database WHERE datname = {}", literal(database)))?.is_empty())
}

/// Rows of every table as they are there.
fn count(session: &mut Session<'_>) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let mut out = BTreeMap::new();
    for (sql, key) in tables(session)? {
        let rows = session.text(&format!("SELECT count(*) FROM ONLY {sql}"))?;
        let rows = number_of(&key, &rows)?;
        out.insert(key, rows);
    }
    Ok(out)
}

/// Removes a database that is not wanted after all.
fn drop_database(c: &Connection, database: &str, watch: &dyn Watch) -> Result<(), DatabaseError> {
    let (server, mut session) = Server::open_any(c, watch)?;
    let force = if server.major() >= 13 { " WITH (FORCE)" } else { "" };
    session.run(&format!("DROP DATABASE IF EXISTS {}{force}", ident(database))).map(|_| ())
}

/// A database that is dropped unless it is kept.
struct Scratch<'c> {
    c: &'c Connection,
    name: Option<String>,
    watch: &'c dyn Watch,
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take()
            && let Err(e) = drop_database(self.c, &name, &Unhurried(self.watch))
        {
            let text = format!("the scratch database {name} could not be removed: {e}; remove it by hand");
            self.watch.note(Note { level: NoteLevel::Warning, path: name, text });
        }
    }
}

/// Makes an empty database like the one that was dumped.
fn create(server: &Server<'_>, session: &mut Session<'_>, name: &str, plan: &RestorePlan) -> Result<(), DatabaseError> {
    let empty = BTreeMap::new();
    let p = plan.facts.as_ref().map_or(&empty, |f| &f.properties);
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", ident(name));
    for (key, word) in [("encoding", "ENCODING"), ("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")] {
        if let Some(value) = p.get(key) {
            sql.push_str(&format!(" {word} {}", literal(value)));
        }
    }
    if let (Some(provider), Some(locale), 15..) = (p.get("provider"), p.get("locale"), server.major()) {
        match provider.as_str() {
            "i" => sql.push_str(&format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale))),
            "b" => sql.push_str(&format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale))),
            _ => {}
        }
    }
    session.run(&sql).map(|_| ()).map_err(|e| match e {
        DatabaseError::Server { doing, text } if text.contains("permission denied") => {
            DatabaseError::server(doing, format!("{text}; the account needs the right to make databases: ALTER ROLE … CREATEDB;"))
        }
        other => other,
    })
}

/// What is left out of a dump on its way in.
fn judge(plan: &RestorePlan, major: u32, superuser: bool, text: &[u8]) -> Verdict {
    let words = words(text, 8, Dialect::Postgres);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let drop = match words.as_slice() {
        // Dumps of 17 and later set it; older servers do not know it.
        ["SET", "TRANSACTION_TIMEOUT", ..] => major < 17,
        ["COMMENT", "ON", "EXTENSION", ..] => !superuser,
        ["COPY", ..] | ["SELECT", "PG_CATALOG", ".", "SETVAL" | "LO_OPEN" | "LOWRITE" | "LO_CLOSE", ..] => plan.metadata_only,
        ["GRANT" | "REVOKE", ..] | ["ALTER", "DEFAULT", "PRIVILEGES", ..] => plan.no_owner,
        ["ALTER", ..] if plan.no_owner => text.len() < 4096 && String::from_utf8_lossy(text).contains(" OWNER TO "),
        _ => false,
    };
    if drop { Verdict::Drop } else { Verdict::Keep }
}

/// What psql or pg_restore says, as an error that helps.
fn explain(error: DatabaseError) -> DatabaseError {
    let DatabaseError::Program { program, how, text } = error else { return error };
    let extension = text.contains("could not open extension control file")
        || text.contains("extension \"") && text.contains("is not available")
        || text.contains("could not access file");
    if extension {
        let line = text.split("; ").find(|l| l.contains("ERROR")).unwrap_or(&text).trim().to_owned();
        return DatabaseError::Inconclusive(format!("{line}; install the extension on this server and try again"));
    }
    let remedy = if text.contains("role \"") && text.contains("does not exist") {
        "; restore the archive of roles first (zcat …roles.sql.gz | psql), or leave owners and rights out with --no-owner"
    } else if text.contains("must be owner of") || text.contains("permission denied") || text.contains("must be able to SET ROLE")
    {
        "; restore as a superuser, or leave owners and rights out with --no-owner"
    } else {
        ""
    };
    DatabaseError::Program { program, how, text: format!("{text}{remedy}") }
}

/// Loads the dump into a database, in one transaction.
fn load(
    server: &Server<'_>,
    plan: &RestorePlan,
    database: &str,
    from: &RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let sign_in = SignIn::new(server.c, database)?;
    let custom = plan.form == Form::Custom;
    let (major, superuser) = (server.major(), server.superuser);
    let mut running = if custom {
        let tool = server.tool("pg_restore")?;
        let mut arguments = vec!["--exit-on-error", "--single-transaction"];
        if plan.metadata_only {
            arguments.push("--schema-only");
        }
        if plan.no_owner {
            arguments.extend(["--no-owner", "--no-acl"]);
        }
        if let Some(table) = &plan.table {
            arguments.extend(["-t", table]);
        }
        sign_in.start(&tool, &arguments)?
    } else {
        let tool = server.loader("psql")?;
        let mut running =
            sign_in.start(&tool, &["-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", "-"])?;
        if knows_restrict(tool.version) {
            let token = uuid::Uuid::now_v7().simple();
            let _ = running.write(format!("\\restrict {token}\n").as_bytes());
        }
        running
    };
    let mut stream = (from.open)()?;
    let mut reader = PostgresReader::new(Some(Box::new(move |text: &[u8]| judge(plan, major, superuser, text))));
    let text: Option<&mut dyn DumpText> = if custom { None } else { Some(&mut reader) };
    let fed = give(&mut running, text, &mut *stream, watch);
    let fed = fed.and_then(|()| stream.finish().map_err(DatabaseError::Refused));
    // Only a whole dump may reach its end: psql would commit what it has when its input ends.
    let counted = match fed {
        Ok(()) if custom => plan.facts.as_ref().map(|f| f.tables.clone()).unwrap_or_default(),
        Ok(()) => match reader.finish(&mut |bytes| running.write(bytes)) {
            Ok(counted) => counted.tables,
            Err(e) => return Err(DatabaseError::Refused(e.to_string())),
        },
        Err(e @ (DatabaseError::Refused(_) | DatabaseError::Cancelled)) => return Err(e),
        Err(e) => return Err(explain(running.failure(e))),
    };
    running.finish().map_err(explain)?;
    Ok(counted)
}

/// Compares what was loaded with the dump and what its sidecar says.
fn compare(
    session: &mut Session<'_>,
    plan: &RestorePlan,
    expected: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let found = count(session)?;
    if plan.metadata_only || plan.table.is_some() {
        return Ok(found);
    }
    differences(expected, &found)?;
    if let Some(facts) = &plan.facts
        && plan.content != Content::Data
    {
        same_objects(&facts.objects, &objects(session)?)?;
    }
    Ok(found)
}

/// Gives a database owner, rights and settings.
fn dress(
    session: &mut Session<'_>,
    database: &str,
    properties: &BTreeMap<String, String>,
    watch: &dyn Watch,
) -> Result<(), DatabaseError> {
    let name = ident(database);
    if let Some(owner) = properties.get("owner") {
        let known = session.rows(&format!("SELECT 1 AS x FROM pg_roles WHERE rolname = {}", literal(owner)))?;
        if known.is_empty() {
            let text = format!("its owner {owner} is not known to this server; it belongs to the account that restored it");
            watch.note(Note { level: NoteLevel::Warning, path: database.to_owned(), text });
            return Ok(());
        }
        session.run(&format!("ALTER DATABASE {name} OWNER TO {}", ident(owner)))?;
    }
    if let Some(comment) = properties.get("comment") {
        session.run(&format!("COMMENT ON DATABASE {name} IS {}", literal(comment)))?;
    }
    if let Some(limit) = properties.get("connection_limit") {
        session.run(&format!("ALTER DATABASE {name} CONNECTION LIMIT {}", limit.parse::<i64>().unwrap_or(-1)))?;
    }
    for key in ["rights", "settings"] {
        if let Some(sql) = properties.get(key) {
            session.run(&sql.replace("%DATABASE%", &name))?;
        }
    }
    Ok(())
}

/// Puts a database in the place of another, both renamed in one transaction.
fn swap(c: &Connection, new: &str, target: &str, old: &str, watch: &dyn Watch) -> Result<(), DatabaseError> {
    let (_, mut session) = Server::open_any(c, watch)?;
    session.run(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", ident(target)))?;
    let swapped = (|| {
        let others = format!(
            "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE datname IN ({}, {}) AND pid <> pg_backend_pid()",
            literal(target),
            literal(new)
        );
        for _ in 0..50 {
            let rows = session.rows(&others)?;
            if rows.first().is_none_or(|r| field(r, "n") == "0") {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let renames = format!(
            "BEGIN; ALTER DATABASE {} RENAME TO {}; ALTER DATABASE {} RENAME TO {}; COMMIT",
            ident(target),
            ident(old),
            ident(new),
            ident(target)
        );
        session.run(&renames).map(|_| ())
    })();
    if swapped.is_err() {
        let (_, mut session) = Server::open_any(c, watch)?;
        if exists(&mut session, target)? {
            session.run(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", ident(target)))?;
        }
    }
    swapped
}

/// Rows only go into the tables that are there, which must be empty.
fn restore_rows(
    c: &Connection,
    plan: &RestorePlan,
    from: &RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    let target = &plan.database;
    let (server, mut session) = Server::open(c, target, watch)?;
    must_be_empty(target, &count(&mut session)?)?;
    let counted = load(&server, plan, target, from, watch)?;
    differences(&counted, &count(&mut session)?)?;
    Ok(Restored { tables: counted.len() as u64, rows: counted.values().sum(), ..Restored::default() })
}

pub(crate) fn restore(
    c: &Connection,
    plan: &RestorePlan,
    from: &mut RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    if plan.content == Content::Data {
        if plan.trial || plan.metadata_only {
            return Err(DatabaseError::Inconclusive(
                "an archive of rows only cannot be restored without the tables they go into".into(),
            ));
        }
        return restore_rows(c, plan, from, watch);
    }
    if plan.table.is_some() && plan.form != Form::Custom {
        return Err(DatabaseError::Invalid(
            "one table alone comes out of archives in the custom format only (format = \"custom\")".into(),
        ));
    }
    let target = plan.database.as_str();
    let (server, mut session) = Server::open_any(c, watch)?;
    let there = exists(&mut session, target)?;
    if there && !plan.trial && !plan.overwrite {
        let (_, mut inside) = Server::open(c, target, watch)?;
        let made: u64 = objects(&mut inside)?.values().sum();
        if made > 0 {
            return Err(holds_something(target, &c.place(), made));
        }
    }
    let name = plan.scratch(NAME_LIMIT);
    create(&server, &mut session, &name, plan)?;
    let mut scratch = Scratch { c, name: Some(name.clone()), watch };
    let counted = load(&server, plan, &name, from, watch)?;
    let (_, mut inside) = Server::open(c, &name, watch)?;
    let found = compare(&mut inside, plan, &counted)?;
    inside.run("ANALYZE")?;
    drop(inside);
    let mut restored = Restored { tables: found.len() as u64, rows: found.values().sum(), ..Restored::default() };
    if plan.trial {
        return Ok(restored);
    }
    let (_, mut session) = Server::open_any(c, watch)?;
    let dress_as = match (there, plan.no_owner) {
        (true, _) => Some(properties(&server, &mut session, target)?),
        (false, false) => plan.facts.as_ref().map(|f| f.properties.clone()),
        (false, true) => None,
    };
    if let Some(properties) = dress_as {
        dress(&mut session, &name, &properties, watch)?;
    }
    if !there {
        session.run(&format!("ALTER DATABASE {} RENAME TO {}", ident(&name), ident(target)))?;
        scratch.name = None;
        return Ok(restored);
    }
    drop(session);
    if let Some(safety) = &mut from.safety {
        restored.safety = Some(safety(target)?.place);
    }
    let old = plan.scratch(NAME_LIMIT).replace("_restore_", "_old_");
    swap(c, &name, target, &old, &Unhurried(watch))?;
    scratch.name = None;
    if plan.keep_old {
        let (_, mut session) = Server::open_any(c, watch)?;
        session.run(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", ident(&old)))?;
        restored.old = Some(old);
    } else if let Err(e) = drop_database(c, &old, &Unhurried(watch)) {
        let text = format!("the replaced database stays as {old}: {e}; remove it by hand");
        watch.note(Note { level: NoteLevel::Warning, path: target.to_owned(), text });
    }
    Ok(restored)
}
