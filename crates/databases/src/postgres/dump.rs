//! Dumps of PostgreSQL by `pg_dump`, in a snapshot that is held while the server is asked what there is.

use super::server::{Server, Session, SignIn, field, ident, missing_rights, number};
use crate::connection::{Connection, Copied, CopyPlan, Target};
use crate::dump_text::{Counted, DumpText, PostgresReader, table_key};
use crate::restore::number_of;
use crate::stream::take;
use crate::{DatabaseError, Watch};
use backup_model::{Content, DatabaseEngine, Form, Note, NoteLevel};
use serde_json::Value;
use std::collections::BTreeMap;

/// Relations that are nobody's but the user's: not the system's, not of an extension.
const OWN: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Tables with rows of their own, each with its name for comparison.
pub(super) fn tables(session: &mut Session<'_>) -> Result<Vec<(String, String)>, DatabaseError> {
    let query = format!(
        "SELECT n.nspname AS s, c.relname AS t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {OWN}"
    );
    let named = |row: &Value| {
        let (schema, table) = (field(row, "s"), field(row, "t"));
        (format!("{}.{}", ident(&schema), ident(&table)), table_key(&[schema, table]))
    };
    Ok(session.rows(&query)?.iter().map(named).collect())
}

/// How many objects of each kind there are, by the names that dumps have for them.
pub(super) fn objects(session: &mut Session<'_>) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let query = format!(
        "SELECT kind, count(*) AS n FROM (
           SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                                 WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' END AS kind
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','v','m','S','f') AND {OWN}
           UNION ALL
           SELECT CASE p.prokind WHEN 'f' THEN 'function' WHEN 'w' THEN 'function' WHEN 'p' THEN 'procedure' ELSE 'aggregate' END
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
             AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
           UNION ALL
           SELECT 'trigger' FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND {OWN}
           UNION ALL
           SELECT 'extension' FROM pg_extension WHERE extname <> 'plpgsql'
           UNION ALL
           SELECT 'policy' FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OWN}
         ) all_of_them GROUP BY kind"
    );
    Ok(session.rows(&query)?.iter().map(|r| (field(r, "kind"), number(r, "n"))).collect())
}

/// What no dump without `--create` holds: encoding, collation, owner, rights, settings.
pub(super) fn properties(
    server: &Server<'_>,
    session: &mut Session<'_>,
    database: &str,
) -> Result<BTreeMap<String, String>, DatabaseError> {
    let provider = match server.major() {
        17.. => "datlocprovider::text AS provider, datlocale AS locale",
        15.. => "datlocprovider::text AS provider, daticulocale AS locale",
        _ => "'c' AS provider, NULL AS locale",
    };
    let name = super::server::literal(database);
    let query = format!(
        "SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype, {provider}, pg_get_userbyid(datdba) AS owner,
                datconnlimit::text AS connection_limit, shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = {name}"
    );
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    if let Some(Value::Object(row)) = session.rows(&query)?.pop() {
        out.extend(row.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())));
    }
    // Rights and settings, as the statements that bring them back; %DATABASE% stands for the database's name.
    let grants = session.rows(&format!(
        "SELECT format('GRANT %s ON DATABASE %%DATABASE%% TO %s%s;', privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                       CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS s
         FROM pg_database, aclexplode(datacl) WHERE datname = {name} AND datacl IS NOT NULL"
    ))?;
    if !grants.is_empty() {
        let list: Vec<String> = grants.iter().map(|r| field(r, "s")).collect();
        out.insert("rights".into(), format!("REVOKE ALL ON DATABASE %DATABASE% FROM PUBLIC; {}", list.join(" ")));
    }
    // Lists of names are kept as they are (GUC_LIST_QUOTE), all else is a text: as pg_dumpall writes them.
    let settings = session.rows(&format!(
        "SELECT format('ALTER %s SET %s TO %s;', CASE setrole WHEN 0 THEN 'DATABASE %DATABASE%' ELSE 'ROLE ' || quote_ident(pg_get_userbyid(setrole)) || ' IN DATABASE %DATABASE%' END,
                       CASE WHEN key ~ '^[a-z_][a-z0-9_]*$' THEN key ELSE (SELECT string_agg(quote_ident(p), '.') FROM unnest(string_to_array(key, '.')) p) END,
                       CASE WHEN key IN ('local_preload_libraries', 'search_path', 'session_preload_libraries', 'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
                            THEN value ELSE quote_literal(value) END) AS s
         FROM (SELECT setrole, split_part(c, '=', 1) AS key, substr(c, strpos(c, '=') + 1) AS value
               FROM pg_db_role_setting, unnest(setconfig) c WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = {name})) all_of_them"
    ))?;
    if !settings.is_empty() {
        let list: Vec<String> = settings.iter().map(|r| field(r, "s")).collect();
        out.insert("settings".into(), list.join(" "));
    }
    Ok(out)
}

fn warnings(said: &str, watch: &dyn Watch, database: &str) {
    for line in said.lines().filter(|l| !l.trim().is_empty()).take(20) {
        watch.note(Note { level: NoteLevel::Info, path: database.to_owned(), text: line.trim().to_owned() });
    }
}

pub(crate) fn dump(c: &Connection, plan: &CopyPlan, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
    let database = plan.database.as_str();
    let (server, mut session) = Server::open(c, database, watch)?;
    let tool = server.tool("pg_dump")?;
    if let Some(lacks) = missing_rights(&server, &mut session)? {
        return Err(DatabaseError::Rights(format!("{database}: {lacks}")));
    }
    // Held to the end: the dump and all questions see the same moment (PostgreSQL manual, "Snapshot Synchronization").
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let snapshot = session.text("pg_export_snapshot()")?;
    let (there, made) = (tables(&mut session)?, objects(&mut session)?);
    let properties = properties(&server, &mut session, database)?;

    let custom = c.settings().form == Form::Custom;
    let snapshot = format!("--snapshot={snapshot}");
    let wait = format!("--lock-wait-timeout={}", c.settings().lock_timeout.as_millis());
    let mut arguments = vec![snapshot.as_str(), wait.as_str()];
    arguments.extend(if custom { ["-Fc", "-Z0"] } else { ["-Fp", "--encoding=UTF8"] });
    match plan.content {
        Content::Full => {}
        Content::Metadata => arguments.push("--schema-only"),
        Content::Data => arguments.push("--data-only"),
    }
    if properties.get("encoding").is_some_and(|e| e == "SQL_ASCII") {
        arguments.retain(|a| *a != "--encoding=UTF8");
    }
    let sign_in = SignIn::new(c, database)?;
    let mut reader = PostgresReader::new(None);
    let text: Option<&mut dyn DumpText> = if custom { None } else { Some(&mut reader) };
    let (bytes, said) = take(sign_in.start(&tool, &arguments)?, text, out, database, watch)?;
    warnings(&said, watch, database);
    let counted = if custom {
        let mut counted = Counted { objects: made.clone(), ..Counted::default() };
        if plan.content != Content::Metadata {
            for (sql, key) in &there {
                let rows = session.text(&format!("SELECT count(*) FROM ONLY {sql}"))?;
                counted.tables.insert(key.clone(), number_of(key, &rows)?);
            }
        }
        counted
    } else {
        let counted = reader.finish(&mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
        if plan.content != Content::Data {
            let missing = counted.missing(&made);
            if !missing.is_empty() {
                return Err(DatabaseError::Incomplete(format!("it makes only {}", missing.join(", "))));
            }
        }
        if plan.content != Content::Metadata
            && let Some((_, lost)) = there.iter().find(|(_, key)| !counted.tables.contains_key(key))
        {
            return Err(DatabaseError::Incomplete(format!("the rows of {lost} are not in it")));
        }
        counted
    };
    // A snapshot that was lost meanwhile would have been another moment.
    session.run("COMMIT")?;
    let mut facts = c.facts(DatabaseEngine::Postgresql, &server.version_text, tool.title(), Some(database), counted);
    facts.objects = made;
    facts.properties = properties;
    if plan.content == Content::Metadata {
        facts.tables_count = there.len() as u64;
    }
    Ok(Copied { facts, bytes })
}

pub(crate) fn dump_roles(c: &Connection, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
    let (server, mut session) = Server::open_any(c, watch)?;
    let database = session.text("current_database()")?;
    drop(session);
    let tool = server.tool("pg_dumpall")?;
    let sign_in = SignIn::new(c, &database)?;
    let mut arguments = vec!["--globals-only"];
    if !server.superuser {
        // Only superusers can read passwords.
        arguments.push("--no-role-passwords");
        let text = "the roles are kept without their passwords, which only a superuser can read".to_owned();
        watch.note(Note { level: NoteLevel::Info, path: "roles".into(), text });
    }
    let mut reader = PostgresReader::new(None);
    let (bytes, said) = take(sign_in.start(&tool, &arguments)?, Some(&mut reader), out, "roles", watch)?;
    warnings(&said, watch, "roles");
    let counted = reader.finish(&mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
    let mut facts = c.facts(DatabaseEngine::Postgresql, &server.version_text, tool.title(), None, counted);
    facts.objects.clear();
    Ok(Copied { facts, bytes })
}
