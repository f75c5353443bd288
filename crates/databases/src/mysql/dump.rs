//! Dumps of MySQL and MariaDB by their own programs. Rows are counted in the stream: a snapshot cannot be shared.

use super::server::{Server, ident, literal, missing_rights, start};
use crate::connection::{Connection, Copied, CopyPlan, Target};
use crate::dump_text::{Counted, DumpText, MysqlReader, table_key};
use crate::process::Running;
use crate::restore::number_of;
use crate::stream::take;
use crate::{DatabaseError, Watch};
use backup_model::{Content, DatabaseEngine, Note, NoteLevel};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// What there is in a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    pub(super) tables: BTreeSet<String>,
    pub(super) objects: BTreeMap<String, u64>,
    /// Tables whose engine has no snapshots.
    plain: Vec<String>,
    /// A digest of all columns: changes that the server makes without a new table are seen by it.
    columns: u64,
}

pub(super) fn inventory(server: &Server<'_>, database: &str, watch: &dyn Watch) -> Result<Inventory, DatabaseError> {
    let name = literal(database);
    let mut out = Inventory::default();
    let sql =
        format!("SELECT TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = {name}");
    for row in server.ask(&sql, watch)? {
        let [table, kind, engine] = row.as_slice() else { continue };
        let kind = match kind.as_str() {
            "BASE TABLE" | "SYSTEM VERSIONED" => {
                out.tables.insert(table_key(std::slice::from_ref(table)));
                if !["InnoDB", "RocksDB", "ROCKSDB"].contains(&engine.as_str()) {
                    out.plain.push(format!("{table} ({engine})"));
                }
                "table"
            }
            "VIEW" => "view",
            "SEQUENCE" => "sequence",
            _ => continue,
        };
        *out.objects.entry(kind.to_owned()).or_default() += 1;
    }
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_TYPE, IS_NULLABLE, COALESCE(COLUMN_DEFAULT, '') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {name} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    let mut digest = std::hash::DefaultHasher::new();
    server.ask(&sql, watch)?.hash(&mut digest);
    out.columns = digest.finish();
    for (kind, table, column) in [
        ("trigger", "TRIGGERS", "TRIGGER_SCHEMA"),
        ("routine", "ROUTINES", "ROUTINE_SCHEMA"),
        ("event", "EVENTS", "EVENT_SCHEMA"),
    ] {
        let answer = server.value(&format!("SELECT COUNT(*) FROM information_schema.{table} WHERE {column} = {name}"), watch)?;
        let n = number_of(kind, &answer)?;
        if n > 0 {
            out.objects.insert(kind.to_owned(), n);
        }
    }
    Ok(out)
}

fn pump(
    running: Running,
    reader: &mut MysqlReader<'_>,
    out: Target<'_>,
    database: &str,
    watch: &dyn Watch,
) -> Result<u64, DatabaseError> {
    let taken = take(running, Some(reader), out, database, watch).map_err(|e| match e {
        DatabaseError::Program { text, .. } if text.contains("1412") || text.contains("1146") || text.contains("1356") => {
            DatabaseError::Changed(text)
        }
        other => other,
    })?;
    Ok(taken.0)
}

/// The events of a database in the server's own words, as dumps hold them.
fn events(server: &Server<'_>, database: &str, watch: &dyn Watch) -> Result<String, DatabaseError> {
    let mut text = String::from("DELIMITER ;;\n");
    let names = server
        .ask(&format!("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {}", literal(database)), watch)?;
    for name in names.into_iter().filter_map(|r| r.into_iter().next()) {
        let row = server.ask(&format!("SHOW CREATE EVENT {}.{}", ident(database), ident(&name)), watch)?;
        let Some([_, mode, zone, create, ..]) = row.first().map(Vec::as_slice) else { continue };
        let (mode, zone) = (literal(mode), literal(zone));
        text.push_str(&format!("SET sql_mode = {mode} ;;\nSET time_zone = {zone} ;;\n{create} ;;\n"));
    }
    text.push_str("DELIMITER ;\n-- Dump completed\n");
    Ok(text)
}

pub(crate) fn dump(c: &Connection, plan: &CopyPlan, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
    let database = plan.database.as_str();
    let server = Server::open(c, watch)?;
    let tool = server.dumper()?;
    let charset = server.ask(
        &format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            literal(database)
        ),
        watch,
    )?;
    let Some([charset, collation]) = charset.first().map(Vec::as_slice) else {
        return Err(DatabaseError::server(
            format!("{database} on {}", c.place()),
            "it is not there, or the account may not see it",
        ));
    };
    if let Some(lacks) = missing_rights(&server, database, plan.content != Content::Data, watch)? {
        return Err(DatabaseError::Rights(lacks));
    }
    let before = inventory(&server, database, watch)?;
    if !before.plain.is_empty() && plan.content != Content::Metadata {
        let shown: Vec<&str> = before.plain.iter().take(5).map(String::as_str).collect();
        let text = format!(
            "{} of its tables are not of InnoDB and may be of another moment than the rest: {}",
            before.plain.len(),
            shown.join(", ")
        );
        watch.note(Note { level: NoteLevel::Warning, path: database.to_owned(), text });
    }
    let mut arguments =
        vec!["--single-transaction", "--quick", "--hex-blob", "--default-character-set=utf8mb4", "--no-tablespaces"];
    if server.vendor == DatabaseEngine::Mysql {
        arguments.push("--set-gtid-purged=OFF");
        if server.version < (8, 0, 0) && tool.version >= (8, 0, 0) {
            arguments.push("--column-statistics=0");
        }
    }
    match plan.content {
        Content::Full => arguments.extend(["--routines", "--triggers"]),
        Content::Metadata => arguments.extend(["--routines", "--triggers", "--no-data"]),
        Content::Data => arguments.extend(["--no-create-info", "--skip-triggers"]),
    }
    // Of a name with these characters the programs do not find the events again (seen with 10.11.19).
    let odd = database.contains(['"', '\'', '\\']) && before.objects.contains_key("event");
    if plan.content != Content::Data && !odd {
        arguments.push("--events");
    }
    arguments.extend(["--", database]);
    let mut reader = MysqlReader::new(None);
    let mut bytes = pump(start(c, &tool, None, &arguments)?, &mut reader, out, database, watch)?;
    if plan.content != Content::Data && odd {
        let text = events(&server, database, watch)?;
        reader.feed(text.as_bytes(), &mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
        out(text.as_bytes()).map_err(DatabaseError::io(format!("keep the dump of {database}")))?;
        bytes += text.len() as u64;
    }
    let mut counted = reader.finish(&mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
    let after = inventory(&server, database, watch)?;
    if before != after {
        return Err(DatabaseError::Changed(format!("{database} does not hold the same tables and routines any more")));
    }
    if plan.content == Content::Data {
        // Without rows a table leaves no trace in a dump of rows.
        for table in &before.tables {
            counted.tables.entry(table.clone()).or_default();
        }
    } else {
        let missing = counted.missing(&before.objects);
        if !missing.is_empty() {
            return Err(DatabaseError::Incomplete(format!("it makes only {}", missing.join(", "))));
        }
        if let Some(lost) = before.tables.iter().find(|t| !counted.tables.contains_key(*t)) {
            return Err(DatabaseError::Incomplete(format!("the table {lost} is not in it")));
        }
    }
    if plan.content == Content::Metadata {
        counted.tables.clear();
    }
    let mut facts = c.facts(server.vendor, &server.version_text, tool.title(), Some(database), counted);
    facts.objects = before.objects;
    if plan.content == Content::Metadata {
        facts.tables_count = before.tables.len() as u64;
    }
    facts.properties = BTreeMap::from([("charset".to_owned(), charset.clone()), ("collation".to_owned(), collation.clone())]);
    Ok(Copied { facts, bytes })
}

/// Users with their rights: MariaDB's program can write them, of MySQL the server itself is asked.
pub(crate) fn dump_users(c: &Connection, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
    let server = Server::open(c, watch)?;
    let tool = server.dumper()?;
    let facts = |counted| c.facts(server.vendor, &server.version_text, tool.title(), None, counted);
    if server.vendor == DatabaseEngine::Mariadb {
        let mut reader = MysqlReader::new(None);
        let bytes = pump(start(c, &tool, None, &["--system=users"])?, &mut reader, out, "users", watch)?;
        let mut counted = reader.finish(&mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
        counted = Counted { objects: BTreeMap::new(), ..counted };
        return Ok(Copied { facts: facts(counted), bytes });
    }
    let mut text = String::from("-- Users and rights\n");
    let users = server.ask("SELECT user, host FROM mysql.user WHERE user NOT LIKE 'mysql.%' ORDER BY user, host", watch)?;
    for row in users {
        let [user, host] = row.as_slice() else { continue };
        let account = format!("{}@{}", literal(user), literal(host));
        for what in ["SHOW CREATE USER", "SHOW GRANTS FOR"] {
            for line in server
                .ask(&format!("SET print_identified_with_as_hex = ON; {what} {account}"), watch)?
                .into_iter()
                .filter_map(|r| r.into_iter().next())
            {
                text.push_str(&line.replacen("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1));
                text.push_str(";\n");
            }
        }
    }
    text.push_str("-- Dump completed\n");
    out(text.as_bytes()).map_err(DatabaseError::io("keep the dump of users"))?;
    Ok(Copied { facts: facts(Counted::default()), bytes: text.len() as u64 })
}
