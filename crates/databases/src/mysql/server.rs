//! Signing in, asking questions, choosing client programs, reading grants.

use crate::connection::Connection;
use crate::process::Running;
use crate::secret_file::SecretFile;
use crate::tools::{Tool, find, handed_over, version_in};
use crate::{DatabaseError, Watch};
use backup_model::{DatabaseEngine, Databases, Steps, Tls};

/// Databases that are the server's own.
const SYSTEM: &str = "'information_schema', 'performance_schema', 'mysql', 'sys'";

pub(super) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether a client program is MariaDB's.
fn is_mariadb(tool: &Tool) -> bool {
    tool.text.contains("MariaDB") || tool.text.starts_with("mariadb")
}

/// An option file in memory for a client program ("Using Option Files" in the manuals of both).
pub(super) fn options(c: &Connection, tool: &Tool, database: Option<&str>) -> Result<SecretFile, DatabaseError> {
    let url = &c.settings().url;
    let quoted = |v: &str| format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from("[client]\n");
    let mut set = |key: &str, value: &str| text.push_str(&format!("{key}={}\n", quoted(value)));
    if let Some(socket) = &url.socket {
        set("socket", &socket.display().to_string());
    } else if !url.host.is_empty() {
        set("host", &url.host);
        set("protocol", "tcp");
    }
    if let Some(port) = url.port {
        set("port", &port.to_string());
    }
    if let Some(user) = &url.user {
        set("user", user);
    }
    if let Some(password) = c.password() {
        set("password", password);
    }
    if let Some(ca) = &url.ca {
        set("ssl-ca", &ca.display().to_string());
    }
    if is_mariadb(tool) {
        // Clients since 11.4 check certificates unless they are told not to.
        let unchecked = if tool.version >= (11, 4, 0) { "disable-ssl-verify-server-cert\n" } else { "" };
        text.push_str(match url.tls {
            Tls::Disable => "skip-ssl\n",
            Tls::Prefer => unchecked,
            Tls::Require => "ssl\n",
            Tls::VerifyCa | Tls::VerifyFull => "ssl\nssl-verify-server-cert\n",
        });
        if url.tls == Tls::Require {
            text.push_str(unchecked);
        }
    } else {
        let mode = match url.tls {
            Tls::Disable => "DISABLED",
            Tls::Prefer => "PREFERRED",
            Tls::Require => "REQUIRED",
            Tls::VerifyCa => "VERIFY_CA",
            Tls::VerifyFull => "VERIFY_IDENTITY",
        };
        text.push_str(&format!("ssl-mode={mode}\n"));
    }
    // The dumper does not know these.
    text.push_str("[mysql]\nconnect-timeout=10\n");
    if let Some(database) = database {
        text.push_str(&format!("database={}\n", quoted(database)));
    }
    SecretFile::new(&text)
}

/// Starts a client program that signs in with such a file.
pub(super) fn start(c: &Connection, tool: &Tool, database: Option<&str>, arguments: &[&str]) -> Result<Running, DatabaseError> {
    if c.settings().client.is_empty() {
        let file = options(c, tool, database)?;
        return tool.start(&[&file], |command| {
            command.arg(format!("--defaults-file={}", handed_over(0))).args(arguments);
        });
    }
    let url = &c.settings().url;
    let mut words = Vec::new();
    let mut add = |key: &str, value: Option<String>| words.extend(value.map(|v| format!("--{key}={v}")));
    add("host", Some(url.host.clone()).filter(|h| !h.is_empty()));
    add("port", url.port.map(|p| p.to_string()));
    add("socket", url.socket.as_ref().map(|s| s.display().to_string()));
    add("user", url.user.clone());
    add("database", database.map(str::to_owned));
    tool.start(&[], |command| {
        command.args(words).args(arguments);
    })
}

/// A server that was reached.
pub(super) struct Server<'c> {
    pub(super) c: &'c Connection,
    pub(super) vendor: DatabaseEngine,
    pub(super) version: (u32, u32, u32),
    pub(super) version_text: String,
    client: Tool,
}

/// What the client program prints of a field: tabs, line ends and backslashes are escaped.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, _) => out.push(c),
        }
    }
    out
}

fn ask(
    c: &Connection,
    client: &Tool,
    database: Option<&str>,
    sql: &str,
    watch: &dyn Watch,
) -> Result<Vec<Vec<String>>, DatabaseError> {
    let mut running = start(c, client, database, &["--batch", "--skip-column-names", "--default-character-set=utf8mb4"])?;
    let _ = running.write(format!("{sql};\n").as_bytes());
    drop(running.input.take());
    let mut held = Vec::new();
    let mut rows = Vec::new();
    while let Some(line) = running.line(&mut held, watch)? {
        rows.push(String::from_utf8_lossy(&line).split('\t').map(unescape).collect());
    }
    running.finish().map_err(|e| match e {
        DatabaseError::Program { text, .. } => DatabaseError::server(format!("the server on {}", c.place()), text),
        other => other,
    })?;
    Ok(rows)
}

impl<'c> Server<'c> {
    /// Signs in, with a client program of the server's own vendor if there is one.
    pub(super) fn open(c: &'c Connection, watch: &dyn Watch) -> Result<Self, DatabaseError> {
        let mut clients = find(c.settings(), &["mariadb", "mysql"]);
        let wanted = c.settings().url.engine == DatabaseEngine::Mariadb;
        clients.sort_by_key(|t| (is_mariadb(t) != wanted, std::cmp::Reverse(t.version)));
        let client = clients.first().cloned().ok_or_else(|| no_program(c, "mariadb or mysql", c.settings().url.engine))?;
        let rows = ask(c, &client, None, "SELECT VERSION()", watch)?;
        let version_text = rows.first().and_then(|r| r.first()).cloned().unwrap_or_default();
        let vendor = if version_text.contains("MariaDB") { DatabaseEngine::Mariadb } else { DatabaseEngine::Mysql };
        // Old MariaDB servers put a number for old clients in front.
        let version = version_in(version_text.strip_prefix("5.5.5-").unwrap_or(&version_text)).unwrap_or_default();
        let own = clients.into_iter().find(|t| is_mariadb(t) == (vendor == DatabaseEngine::Mariadb));
        Ok(Self { c, vendor, version, version_text, client: own.unwrap_or(client) })
    }

    pub(super) fn ask(&self, sql: &str, watch: &dyn Watch) -> Result<Vec<Vec<String>>, DatabaseError> {
        ask(self.c, &self.client, None, sql, watch)
    }

    /// The first field of the first row.
    pub(super) fn value(&self, sql: &str, watch: &dyn Watch) -> Result<String, DatabaseError> {
        Ok(self.ask(sql, watch)?.into_iter().next().and_then(|r| r.into_iter().next()).unwrap_or_default())
    }

    fn own(&self, names: &[&str]) -> Vec<Tool> {
        let mine = self.vendor == DatabaseEngine::Mariadb;
        find(self.c.settings(), names).into_iter().filter(|t| is_mariadb(t) == mine).collect()
    }

    /// The program of the server's vendor: another vendor's breaks generated columns and asks for tables that are
    /// not there.
    fn program(&self, names: &[&str]) -> Result<Tool, DatabaseError> {
        let mut all = self.own(names);
        // The server's own major version, else the nearest newer, else the newest.
        let (major, minor, _) = self.version;
        all.sort_by_key(|t| {
            let own = (t.version.0, t.version.1) != (major, minor);
            let older = (t.version.0, t.version.1) < (major, minor);
            (own, older, t.version)
        });
        all.into_iter().next().ok_or_else(|| no_program(self.c, names[0], self.vendor))
    }

    pub(super) fn dumper(&self) -> Result<Tool, DatabaseError> {
        match self.vendor {
            DatabaseEngine::Mariadb => self.program(&["mariadb-dump", "mysqldump"]),
            _ => self.program(&["mysqldump"]),
        }
    }

    pub(super) fn loader(&self) -> Result<Tool, DatabaseError> {
        match self.vendor {
            DatabaseEngine::Mariadb => self.program(&["mariadb", "mysql"]),
            _ => self.program(&["mysql"]),
        }
    }
}

fn no_program(c: &Connection, name: &str, vendor: DatabaseEngine) -> DatabaseError {
    let install = match vendor {
        DatabaseEngine::Mariadb => "install the package mariadb-client",
        _ => "install MySQL's own client (https://dev.mysql.com/downloads/; MariaDB's would leave things out)",
    };
    DatabaseError::NoProgram {
        program: format!("{name} of {}", vendor.title()),
        remedy: format!(
            "{install}, name its folder in [databases.{}] programs = [\"/path/to/bin\"], or set client = [\"docker\", \"exec\", \"-i\", \"CONTAINER\"]",
            c.settings().name
        ),
    }
}

pub(crate) fn databases(c: &Connection, watch: &dyn Watch) -> Result<Vec<String>, DatabaseError> {
    let server = Server::open(c, watch)?;
    let sql = format!(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({SYSTEM}) ORDER BY BINARY SCHEMA_NAME"
    );
    Ok(server.ask(&sql, watch)?.into_iter().filter_map(|r| r.into_iter().next()).collect())
}

/// Whether a pattern of a grant means a database: `%` and `_` stand for others unless they are escaped.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('%', rest)), _) => matches(rest, name) || name.split_first().is_some_and(|(_, n)| matches(pattern, n)),
        (Some(('\\', rest)), Some((n, name))) => rest.split_first().is_some_and(|(p, rest)| p == n && matches(rest, name)),
        (Some(('_', rest)), Some((_, name))) => matches(rest, name),
        (Some((p, rest)), Some((n, name))) => p == n && matches(rest, name),
        _ => false,
    }
}

/// What of the rights is missing for a complete dump: without them parts of a database are left out without a word.
pub(super) fn missing_rights(
    server: &Server<'_>,
    database: &str,
    full: bool,
    watch: &dyn Watch,
) -> Result<Option<String>, DatabaseError> {
    let name: Vec<char> = database.chars().collect();
    let (mut everywhere, mut here) = (Vec::new(), Vec::new());
    for line in server.ask("SHOW GRANTS", watch)?.into_iter().filter_map(|r| r.into_iter().next()) {
        let Some((rights, rest)) = line.strip_prefix("GRANT ").and_then(|l| l.split_once(" ON ")) else { continue };
        let rights: Vec<String> = rights.split(", ").map(|r| r.trim().to_uppercase()).collect();
        if rest.starts_with("*.*") {
            everywhere.extend(rights);
        } else if let Some(of) = rest.strip_prefix('`')
            && let Some((pattern, _)) = of.split_once("`.*")
            && matches(&pattern.replace("``", "`").chars().collect::<Vec<_>>(), &name)
        {
            here.extend(rights);
        }
    }
    let has = |list: &[String], right: &str| list.iter().any(|r| r == right || r.starts_with("ALL PRIVILEGES"));
    let mut lacking: Vec<&str> = Vec::new();
    let wanted: &[&str] = if full { &["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"] } else { &["SELECT"] };
    for right in wanted {
        if !has(&everywhere, right) && !has(&here, right) {
            lacking.push(right);
        }
    }
    let mut grants = Vec::new();
    let sees_routines = match server.vendor {
        DatabaseEngine::Mariadb => {
            has(&everywhere, "SELECT")
                || has(&everywhere, "SHOW CREATE ROUTINE")
                || has(&here, "SHOW CREATE ROUTINE")
                || has(&here, "ALL PRIVILEGES")
                || server.ask("SELECT 1 FROM mysql.proc LIMIT 1", watch).is_ok()
        }
        _ => has(&everywhere, "SHOW_ROUTINE") || has(&everywhere, "SELECT"),
    };
    let user = server.value("SELECT CURRENT_USER()", watch)?;
    let account = user.rsplit_once('@').map_or(literal(&user), |(u, h)| format!("{}@{}", literal(u), literal(h)));
    if !lacking.is_empty() {
        grants.push(format!("GRANT {} ON {}.* TO {account};", lacking.join(", "), ident(database)));
    }
    // Without it nobody can tell whether there are routines of others.
    if full && !sees_routines {
        lacking.push("the right to see routines");
        grants.push(match server.vendor {
            DatabaseEngine::Mariadb => format!("GRANT SELECT ON mysql.proc TO {account};"),
            _ => format!("GRANT SHOW_ROUTINE ON *.* TO {account};"),
        });
    }
    if lacking.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "the account {user} lacks {} on {database}, and parts of it would be left out without a word; as an administrator say: {}",
        lacking.join(", "),
        grants.join(" ")
    )))
}

pub(crate) fn test(c: &Connection, watch: &dyn Watch, steps: &mut Steps) {
    let server = match Server::open(c, watch) {
        Ok(server) => server,
        Err(e @ DatabaseError::NoProgram { .. }) => return steps.wrong("client", e.to_string()),
        Err(e) => {
            let text = e.to_string();
            let remedy = if text.contains("Access denied") {
                format!("check the user in the URL and the password of [databases.{}]", c.settings().name)
            } else if text.contains("SSL") || text.contains("TLS") || text.contains("certificate") {
                "check tls= and ca= in the URL against what the server offers".to_owned()
            } else {
                "check host, port or socket, that the server runs, and that it listens there (bind-address)".to_owned()
            };
            return steps.wrong("connect", format!("{text}; {remedy}"));
        }
    };
    let user = server.value("SELECT CURRENT_USER()", watch).unwrap_or_default();
    steps.ok("connect", format!("signed in on {} as {user}", c.place()));
    steps.ok("version", format!("{} {}", server.vendor.title(), server.version_text));
    match server.dumper().and_then(|dump| Ok((dump, server.loader()?))) {
        Ok((dump, load)) => steps.ok("client", format!("{}; {}", dump.title(), load.title())),
        Err(e) => steps.wrong("client", e.to_string()),
    }
    let names = match &c.settings().url.databases {
        Databases::List(names) => Ok(names.clone()),
        Databases::All => databases(c, watch),
    };
    let names = match names {
        Ok(names) => names,
        Err(e) => return steps.wrong("databases", e.to_string()),
    };
    for name in names {
        let sql = format!(
            "SELECT COUNT(*), COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0), (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {0}) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {0} AND TABLE_TYPE = 'BASE TABLE'",
            literal(&name)
        );
        match server.ask(&sql, watch) {
            Ok(rows) => {
                let row = rows.into_iter().next().unwrap_or_default();
                let number = |n: usize| row.get(n).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
                if number(2) == 0 {
                    steps.wrong(
                        "databases",
                        format!("{name} is not there, or the account may not see it; check its name in the URL"),
                    );
                    continue;
                }
                steps.ok("databases", format!("{name}: {} tables, {}", number(0), backup_model::format_size(number(1))));
                match missing_rights(&server, &name, true, watch) {
                    Ok(None) => steps.ok("rights", format!("{name}: all can be read")),
                    Ok(Some(lacks)) => steps.wrong("rights", lacks),
                    Err(e) => steps.wrong("rights", format!("{name}: {e}")),
                }
            }
            Err(e) => steps.wrong("databases", format!("{name}: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_grants_mean_databases() {
        let of = |p: &str, n: &str| matches(&p.chars().collect::<Vec<_>>(), &n.chars().collect::<Vec<_>>());
        assert!(of("shop", "shop") && of("sh%", "shop") && of("sho_", "shop") && of("%", "") && of("a\\_b", "a_b"));
        assert!(!of("a\\_b", "axb") && !of("shop", "shop2") && !of("_", "") && !of("sh%x", "shop"));
        assert_eq!(unescape("a\\tb\\\\n\\nc"), "a\tb\\n\nc");
    }
}
