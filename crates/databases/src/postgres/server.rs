//! Signing in, asking questions, choosing client programs.

use crate::connection::Connection;
use crate::process::Running;
use crate::secret_file::SecretFile;
use crate::tools::{Tool, find, handed_over};
use crate::{DatabaseError, Watch};
use backup_model::{Databases, Steps};
use serde_json::Value;

/// Names a database as SQL wants it.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL wants it.
pub(super) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// How a client program signs in: a service file and a password file in memory, or the words of a connection
/// string where a program stands between.
pub(super) struct SignIn {
    files: Vec<SecretFile>,
    /// What `-d` gets.
    pub(super) database: String,
}

impl SignIn {
    pub(super) fn new(c: &Connection, database: &str) -> Result<Self, DatabaseError> {
        let url = &c.settings().url;
        if database.trim() != database {
            let text =
                format!("the name {database:?} begins or ends with a space, which a service file of PostgreSQL cannot hold");
            return Err(DatabaseError::Invalid(text));
        }
        let mut pairs: Vec<(&str, String)> = vec![("dbname", database.to_owned())];
        let host =
            url.socket.as_ref().map(|s| s.display().to_string()).or_else(|| Some(url.host.clone()).filter(|h| !h.is_empty()));
        pairs.extend(host.map(|h| ("host", h)));
        pairs.extend(url.port.map(|p| ("port", p.to_string())));
        pairs.extend(url.user.clone().map(|u| ("user", u)));
        pairs.push(("sslmode", url.tls.as_str().to_owned()));
        pairs.extend(url.ca.as_ref().map(|ca| ("sslrootcert", ca.display().to_string())));
        pairs.push(("connect_timeout", "10".to_owned()));
        pairs.push(("application_name", "backupctl".to_owned()));
        if !c.settings().client.is_empty() {
            let quoted = |v: &str| format!("'{}'", v.replace('\\', "\\\\").replace('\'', "\\'"));
            let words: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={}", quoted(v))).collect();
            return Ok(Self { files: Vec::new(), database: words.join(" ") });
        }
        // Without a password of ours none shall be found elsewhere either, but for the account's own ~/.pgpass.
        let mut files = Vec::new();
        if let Some(password) = c.password() {
            pairs.push(("passfile", handed_over(1)));
            let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
            files.push(SecretFile::new(&format!("*:*:*:*:{escaped}\n"))?);
        }
        let lines: String = pairs.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        files.insert(0, SecretFile::new(&format!("[backup]\n{lines}"))?);
        Ok(Self { files, database: "service=backup".to_owned() })
    }

    /// Starts a client program that signs in so.
    pub(super) fn start(&self, tool: &Tool, arguments: &[&str]) -> Result<Running, DatabaseError> {
        let files: Vec<&SecretFile> = self.files.iter().collect();
        tool.start(&files, |command| {
            if !self.files.is_empty() {
                command.env("PGSERVICEFILE", handed_over(0));
            }
            command.args(["-w", "-d", &self.database]).args(arguments);
        })
    }
}

/// A conversation with the server, by psql.
pub(super) struct Session<'w> {
    running: Option<Running>,
    held: Vec<u8>,
    watch: &'w dyn Watch,
    place: String,
}

const END: &str = "--end of the answer--";

impl<'w> Session<'w> {
    fn start(c: &Connection, psql: &Tool, database: &str, watch: &'w dyn Watch) -> Result<Self, DatabaseError> {
        let sign_in = SignIn::new(c, database)?;
        let running = sign_in.start(psql, &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=default"])?;
        let mut session = Self { running: Some(running), held: Vec::new(), watch, place: format!("{database} on {}", c.place()) };
        session.run("SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET datestyle = 'ISO'; SET search_path = pg_catalog")?;
        Ok(session)
    }

    /// Sends statements and answers the lines that come of them.
    pub(super) fn run(&mut self, sql: &str) -> Result<Vec<String>, DatabaseError> {
        let Some(running) = &mut self.running else {
            return Err(DatabaseError::server(
                format!("the conversation with {} is over", self.place),
                "an earlier question failed",
            ));
        };
        // What cannot be written is told by the end of the output.
        let _ = running.write(format!("{sql};\n\\echo '{END}'\n").as_bytes());
        if let Some(input) = &mut running.input {
            let _ = std::io::Write::flush(input);
        }
        let mut lines = Vec::new();
        loop {
            match running.line(&mut self.held, self.watch)? {
                Some(line) if line == END.as_bytes() => return Ok(lines),
                Some(line) => lines.push(String::from_utf8_lossy(&line).into_owned()),
                None => break,
            }
        }
        let error = match self.running.take().map(Running::finish) {
            Some(Err(DatabaseError::Program { text, .. })) => text,
            _ => "psql ended early".to_owned(),
        };
        Err(DatabaseError::server(format!("PostgreSQL ({})", self.place), error.trim_start_matches("psql: error: ").trim()))
    }

    /// The rows that a query answers, as JSON objects.
    pub(super) fn rows(&mut self, query: &str) -> Result<Vec<Value>, DatabaseError> {
        let lines = self.run(&format!("SELECT coalesce(jsonb_agg(q), '[]'::jsonb)::text FROM ({query}) q"))?;
        let text = lines.join("\n");
        match serde_json::from_str(&text) {
            Ok(Value::Array(rows)) => Ok(rows),
            _ => Err(DatabaseError::server(
                format!("PostgreSQL ({})", self.place),
                format!("an answer is not understood: {text:.200}"),
            )),
        }
    }

    /// One value of one row; empty if there is none.
    pub(super) fn text(&mut self, query: &str) -> Result<String, DatabaseError> {
        let rows = self.rows(&format!("SELECT ({query})::text AS v"))?;
        Ok(rows.first().map(|r| field(r, "v")).unwrap_or_default())
    }
}

/// A field of a row as text; empty for none.
pub(super) fn field(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().or_else(|| field(row, name).parse().ok()).unwrap_or(0)
}

/// A server that was reached.
pub(super) struct Server<'c> {
    pub(super) c: &'c Connection,
    /// As in 150018.
    pub(super) version: u32,
    pub(super) version_text: String,
    pub(super) superuser: bool,
}

impl<'c> Server<'c> {
    /// Signs in to a database.
    pub(super) fn open<'w>(
        c: &'c Connection,
        database: &str,
        watch: &'w dyn Watch,
    ) -> Result<(Self, Session<'w>), DatabaseError> {
        let mut all = find(c.settings(), &["psql"]);
        all.sort_by_key(|t| t.version);
        let psql = all.pop().ok_or_else(|| no_program(c, "psql", None))?;
        let mut session = Session::start(c, &psql, database, watch)?;
        let row = session
            .rows("SELECT current_setting('server_version_num')::int AS n, current_setting('server_version') AS t, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS s")?
            .pop()
            .unwrap_or_default();
        let server = Self {
            c,
            version: number(&row, "n") as u32,
            version_text: field(&row, "t"),
            superuser: row["s"].as_bool().unwrap_or(false),
        };
        Ok((server, session))
    }

    /// Signs in to a database that is always there.
    pub(super) fn open_any<'w>(c: &'c Connection, watch: &'w dyn Watch) -> Result<(Self, Session<'w>), DatabaseError> {
        match Self::open(c, "postgres", watch) {
            Err(DatabaseError::Server { text, .. }) if text.contains("does not exist") || text.contains("permission denied") => {
                Self::open(c, "template1", watch)
            }
            other => other,
        }
    }

    pub(super) fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// The program of the server's own major version, else the smallest newer one: an older one refuses.
    pub(super) fn tool(&self, name: &str) -> Result<Tool, DatabaseError> {
        let mut fit: Vec<Tool> = find(self.c.settings(), &[name]).into_iter().filter(|t| t.version.0 >= self.major()).collect();
        // Within a major version the latest.
        fit.sort_by_key(|t| (t.version.0, std::cmp::Reverse(t.version)));
        fit.into_iter().next().ok_or_else(|| no_program(self.c, name, Some(self.major())))
    }

    /// The program to load a dump with: of the server's own major version, else whichever is nearest.
    pub(super) fn loader(&self, name: &str) -> Result<Tool, DatabaseError> {
        let mut all = find(self.c.settings(), &[name]);
        all.sort_by_key(|t| (t.version.0.abs_diff(self.major()), std::cmp::Reverse(t.version)));
        all.into_iter().next().ok_or_else(|| no_program(self.c, name, Some(self.major())))
    }
}

fn no_program(c: &Connection, name: &str, major: Option<u32>) -> DatabaseError {
    let version = major.map(|m| format!(" of version {m} or newer")).unwrap_or_default();
    let package = major.map_or("postgresql-client".to_owned(), |m| format!("postgresql-client-{m}"));
    DatabaseError::NoProgram {
        program: format!("{name}{version}"),
        remedy: format!(
            "install the package {package} (https://www.postgresql.org/download/ has every version), name its folder in [databases.{0}] programs = [\"/path/to/bin\"], or set client = [\"docker\", \"exec\", \"-i\", \"CONTAINER\"]",
            c.settings().name
        ),
    }
}

const LISTED: &str =
    "SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname COLLATE \"C\"";

pub(crate) fn databases(c: &Connection, watch: &dyn Watch) -> Result<Vec<String>, DatabaseError> {
    let (_, mut session) = Server::open_any(c, watch)?;
    Ok(session.rows(LISTED)?.iter().map(|r| field(r, "name")).collect())
}

/// What a complete dump of the database needs and the account lacks.
pub(super) fn missing_rights(server: &Server<'_>, session: &mut Session<'_>) -> Result<Option<String>, DatabaseError> {
    if server.superuser {
        return Ok(None);
    }
    let rows = session.rows(
        "SELECT format('%I.%I', n.nspname, c.relname) AS name,
                CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'USAGE on its schema'
                     WHEN c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'SELECT') THEN 'SELECT'
                     WHEN c.relkind IN ('r','p','m') AND NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT'
                     WHEN c.relrowsecurity AND row_security_active(c.oid) THEN 'BYPASSRLS: its row security would hide rows' END AS lacks
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r','p','m','S') AND c.relpersistence <> 't'",
    )?;
    let lacking: Vec<&Value> = rows.iter().filter(|r| !r["lacks"].is_null()).collect();
    let Some(first) = lacking.first() else { return Ok(None) };
    let user = session.text("current_user")?;
    let remedy = if field(first, "lacks").starts_with("BYPASSRLS") {
        format!("ALTER ROLE {} BYPASSRLS;", ident(&user))
    } else {
        format!("GRANT pg_read_all_data TO {};", ident(&user))
    };
    let shown: Vec<String> = lacking.iter().take(5).map(|r| format!("{} ({})", field(r, "name"), field(r, "lacks"))).collect();
    Ok(Some(format!(
        "the role {user} cannot read {} of the relations: {}; as a superuser say: {remedy}",
        lacking.len(),
        shown.join(", ")
    )))
}

pub(crate) fn test(c: &Connection, watch: &dyn Watch, steps: &mut Steps) {
    let opened = match &c.settings().url.databases {
        Databases::List(names) => Server::open(c, names.first().map_or("postgres", String::as_str), watch),
        Databases::All => Server::open_any(c, watch),
    };
    let (server, session) = match opened {
        Ok(opened) => opened,
        Err(e) => return connect_failed(c, &e, steps),
    };
    drop(session);
    steps.ok("connect", format!("signed in on {}{}", c.place(), if server.superuser { " as a superuser" } else { "" }));
    steps.ok("version", format!("PostgreSQL {}", server.version_text));
    match server.tool("pg_dump").and_then(|dump| Ok((dump, server.loader("psql")?))) {
        Ok((dump, psql)) => steps.ok("client", format!("{}; {}", dump.title(), psql.title())),
        Err(e) => steps.wrong("client", e.to_string()),
    }
    let names = match c.databases(watch) {
        Ok(names) => names,
        Err(e) => return steps.wrong("databases", e.to_string()),
    };
    for name in names {
        let looked = Server::open(c, &name, watch).and_then(|(server, mut session)| {
            let row = session
                .rows("SELECT pg_database_size(current_database()) AS size, (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema') AS tables")?
                .pop()
                .unwrap_or_default();
            let lacks = missing_rights(&server, &mut session)?;
            Ok((number(&row, "size"), number(&row, "tables"), lacks))
        });
        match looked {
            Ok((size, tables, lacks)) => {
                steps.ok("databases", format!("{name}: {tables} tables, {}", backup_model::format_size(size)));
                match lacks {
                    None => steps.ok("rights", format!("{name}: all can be read")),
                    Some(lacks) => steps.wrong("rights", format!("{name}: {lacks}")),
                }
            }
            Err(e) => steps.wrong("databases", format!("{name}: {e}")),
        }
    }
}

fn connect_failed(c: &Connection, e: &DatabaseError, steps: &mut Steps) {
    if matches!(e, DatabaseError::NoProgram { .. }) {
        return steps.wrong("client", e.to_string());
    }
    let text = e.to_string();
    let remedy = if text.contains("password authentication failed") || text.contains("no password supplied") {
        format!("check the user in the URL and the password of [databases.{}]", c.settings().name)
    } else if text.contains("Connection refused") || text.contains("No such file") || text.contains("timeout") {
        "check host, port or socket, that the server runs, and that it listens there (listen_addresses)".to_owned()
    } else if text.contains("no pg_hba.conf entry") {
        "add a line for this machine, user and database to the server's pg_hba.conf".to_owned()
    } else if text.contains("SSL") || text.contains("certificate") {
        "check tls= and ca= in the URL against what the server offers".to_owned()
    } else if text.contains("does not exist") {
        "check the name of the database or user in the URL".to_owned()
    } else {
        "check the URL".to_owned()
    };
    steps.wrong("connect", format!("{text}; {remedy}"));
}
