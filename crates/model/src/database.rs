//! Databases: where they are, what of them is copied, and what a copy holds.

use crate::{Name, ParseWordError, SecretSource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A program that keeps databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseEngine {
    /// PostgreSQL.
    Postgresql,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// SQLite: one file.
    Sqlite,
}

impl DatabaseEngine {
    /// The word in sidecars and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

/// How much a connection is protected; the words and their meaning are those of libpq (PostgreSQL manual, "SSL
/// Mode Descriptions").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// In clear.
    Disable,
    /// Encrypted if the server can.
    #[default]
    Prefer,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the certificate is from a known authority.
    VerifyCa,
    /// Encrypted, and the certificate names the host.
    VerifyFull,
}

impl Tls {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Disable, "disable"),
        (Self::Prefer, "prefer"),
        (Self::Require, "require"),
        (Self::VerifyCa, "verify-ca"),
        (Self::VerifyFull, "verify-full"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(tls, _)| *tls == self).map_or("prefer", |(_, word)| word)
    }
}

impl FromStr for Tls {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text).map(|(tls, _)| *tls);
        found.ok_or_else(|| ParseWordError::new(text, "TLS mode (disable, prefer, require, verify-ca, verify-full)"))
    }
}

/// Which databases of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Databases {
    /// All that are there when it runs, but for the server's own.
    All,
    /// These.
    List(Vec<String>),
}

/// Where databases are. It holds no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// What the URL says it is; MySQL may turn out to be MariaDB and the reverse.
    pub engine: DatabaseEngine,
    /// Host name or address; empty means this machine.
    pub host: String,
    /// TCP port.
    pub port: Option<u16>,
    /// A Unix socket: for PostgreSQL the folder that holds it.
    pub socket: Option<PathBuf>,
    /// Who signs in.
    pub user: Option<String>,
    /// Protection of the connection.
    pub tls: Tls,
    /// A file with certificates of authorities.
    pub ca: Option<PathBuf>,
    /// Which databases.
    pub databases: Databases,
    /// The file, of SQLite.
    pub file: Option<PathBuf>,
}

/// What a URL looks like, for messages.
pub const DATABASE_URL_HELP: &str = "write for example postgres://backup@localhost:5432/shop, mariadb://backup@localhost/shop, mysql:///shop?socket=/run/mysqld/mysqld.sock or sqlite:///srv/app/app.db";

fn decode(text: &str) -> Result<String, String> {
    let bytes = percent_encoding::percent_decode_str(text).decode_utf8();
    let text = bytes.map_err(|_| format!("{text:?} is no UTF-8 after %-decoding"))?.into_owned();
    match text.contains(['\0', '\n', '\r']) {
        true => Err("no part of it may hold a line break or a zero byte".to_owned()),
        false => Ok(text),
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    /// Parts are %-decoded one by one; the path names databases, parted by commas, `*` meaning all.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("it is no URL of a database: {why}; {DATABASE_URL_HELP}");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme".into()))?;
        let engine = match scheme {
            "postgres" | "postgresql" => DatabaseEngine::Postgresql,
            "mysql" => DatabaseEngine::Mysql,
            "mariadb" => DatabaseEngine::Mariadb,
            "sqlite" => DatabaseEngine::Sqlite,
            other => return Err(wrong(format!("{other:?} is no scheme of one"))),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(a, b)| (a, b));
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
        let mut url = Self {
            engine,
            host: String::new(),
            port: None,
            socket: None,
            user: None,
            tls: Tls::default(),
            ca: None,
            databases: Databases::All,
            file: None,
        };
        if engine == DatabaseEngine::Sqlite {
            if !authority.is_empty() || path.is_empty() || !query.is_empty() {
                return Err(wrong("of SQLite it is sqlite:// and the absolute path of the file".into()));
            }
            url.file = Some(PathBuf::from(format!("/{}", decode(path).map_err(wrong)?)));
            url.databases = Databases::List(Vec::new());
            return Ok(url);
        }
        let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(u, h)| (u, h));
        if user.contains(':') {
            return Err("a password does not stand in a URL; write password = { file = \"/path\" } beside it, or give --password-file, --password-env or --password-stdin".into());
        }
        url.user = Some(decode(user).map_err(wrong)?).filter(|u| !u.is_empty());
        let (host, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
            Some((address, rest)) => (address, rest.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(h, p)| (h, Some(p))),
        };
        url.host = decode(host).map_err(wrong)?;
        if let Some(port) = port.filter(|p| !p.is_empty()) {
            url.port = Some(port.parse().map_err(|_| wrong(format!("{port:?} is no port")))?);
        }
        url.databases = match path {
            "" => return Err(wrong("it names no database; * means all of them".into())),
            "*" => Databases::All,
            list => {
                let names = list.split(',').map(decode).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
                if names.iter().any(String::is_empty) {
                    return Err(wrong("a name of a database is empty".into()));
                }
                Databases::List(names)
            }
        };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong(format!("{pair:?} has no value")))?;
            let value = decode(value).map_err(wrong)?;
            let postgres = engine == DatabaseEngine::Postgresql;
            match key {
                "sslmode" | "tls" => url.tls = value.parse().map_err(|e: ParseWordError| wrong(e.to_string()))?,
                "sslrootcert" | "ca" => url.ca = Some(PathBuf::from(value)),
                "socket" => url.socket = Some(PathBuf::from(value)),
                "host" if postgres && value.starts_with('/') => url.socket = Some(PathBuf::from(value)),
                "host" => url.host = value,
                "port" => url.port = Some(value.parse().map_err(|_| wrong(format!("{value:?} is no port")))?),
                "user" => url.user = Some(value),
                "password" => {
                    return Err("a password does not stand in a URL; write password = { file = \"/path\" } beside it".into());
                }
                other => return Err(wrong(format!("{other:?} is no option; known are tls, ca, socket, host, port, user"))),
            }
        }
        Ok(url)
    }
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, ENCODED).to_string()
}

/// What is %-encoded in URLs and in names of archives.
const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// A database's name as part of a file name: %-encoded, so that it holds neither dots nor slashes.
#[must_use]
pub fn encoded_name(name: &str) -> String {
    encode(name)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.engine {
            DatabaseEngine::Postgresql => "postgres",
            DatabaseEngine::Mysql => "mysql",
            DatabaseEngine::Mariadb => "mariadb",
            DatabaseEngine::Sqlite => return write!(f, "sqlite://{}", self.file.clone().unwrap_or_default().display()),
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encode(user))?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.databases {
            Databases::All => f.write_str("/*")?,
            Databases::List(names) => write!(f, "/{}", names.iter().map(|n| encode(n)).collect::<Vec<_>>().join(","))?,
        }
        let mut options = Vec::new();
        if let Some(socket) = &self.socket {
            options.push(format!("socket={}", socket.display()));
        }
        if self.tls != Tls::default() {
            options.push(format!("tls={}", self.tls.as_str()));
        }
        if let Some(ca) = &self.ca {
            options.push(format!("ca={}", ca.display()));
        }
        if options.is_empty() { Ok(()) } else { write!(f, "?{}", options.join("&")) }
    }
}

/// One `[databases.NAME]` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Its name in the file.
    pub name: Name,
    /// Where it is.
    pub url: DatabaseUrl,
    /// Where the password comes from.
    pub password: Option<SecretSource>,
    /// A program and arguments that stand before each client program, for example `docker exec -i db`.
    pub client: Vec<String>,
    /// Folders that are searched for client programs first.
    pub programs: Vec<PathBuf>,
    /// How dumps are written: SQL, or PostgreSQL's custom format.
    pub form: Form,
    /// Whether roles, users and their rights are copied too.
    pub roles: bool,
    /// How long a dump waits for a lock on a table (PostgreSQL).
    pub lock_timeout: Duration,
    /// Where trial restores are made, if not on the same server: another of the file's databases.
    pub scratch: Option<Name>,
    /// Take `DEFINER` out of what MySQL and MariaDB load, so that an account without rights for it can.
    pub strip_definer: bool,
}

impl DatabaseSettings {
    /// With the usual settings.
    #[must_use]
    pub fn new(name: Name, url: DatabaseUrl) -> Self {
        Self {
            name,
            form: if url.engine == DatabaseEngine::Sqlite { Form::Sqlite } else { Form::Sql },
            url,
            password: None,
            client: Vec::new(),
            programs: Vec::new(),
            roles: true,
            lock_timeout: Duration::from_secs(60),
            scratch: None,
            strip_definer: false,
        }
    }
}

/// What of a database is copied (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Definitions and rows.
    #[default]
    Full,
    /// Definitions only.
    Metadata,
    /// Rows only.
    Data,
}

impl Content {
    /// The word in the file, the API and sidecars.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Metadata => "metadata",
            Self::Data => "data",
        }
    }
}

impl FromStr for Content {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        [Self::Full, Self::Metadata, Self::Data]
            .into_iter()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| ParseWordError::new(text, "content (full, metadata, data)"))
    }
}

/// What the bytes of an archive are, once unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A tar stream of files.
    Tar,
    /// SQL, for psql or mariadb.
    Sql,
    /// PostgreSQL's custom format, for `pg_restore`.
    Custom,
    /// A database file of SQLite.
    Sqlite,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Tar, Self::Sql, Self::Custom, Self::Sqlite];

    /// The word in sidecars.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Sql => "sql",
            Self::Custom => "custom",
            Self::Sqlite => "sqlite",
        }
    }

    /// The suffix in file names, before that of the compression.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Tar => ".tar",
            Self::Sql => ".sql",
            Self::Custom => ".dump",
            Self::Sqlite => ".sqlite",
        }
    }

    /// The form that an archive's file name tells.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".gpg").unwrap_or(name);
        let name = [".gz", ".zst"].into_iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        Self::ALL.into_iter().find(|f| name.ends_with(f.suffix()))
    }

    /// The database that an archive's file name tells: `full_<time>.<database>.sql.gz`.
    #[must_use]
    pub fn database_of_file_name(name: &str) -> Option<String> {
        let form = Self::of_file_name(name).filter(|f| *f != Self::Tar)?;
        let (stem, _) = name.rsplit_once(form.suffix())?;
        let (_, database) = stem.split_once('.')?;
        percent_encoding::percent_decode_str(database).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    }
}

/// The archive of roles and users has this in place of a database's name.
pub const ROLES: &str = "roles";

/// What an archive holds of a database; part of its sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// What keeps it.
    pub engine: DatabaseEngine,
    /// The server's version.
    pub server_version: String,
    /// The program that dumped it, with its version.
    pub client: String,
    /// Its name in `schedules.toml`.
    pub connection: String,
    /// The database; nothing for roles and users.
    pub database: Option<String>,
    /// Tables with rows of their own.
    pub tables_count: u64,
    /// Rows in all of them.
    pub rows_count: u64,
    /// Rows of each table, as they stand in the dump. Encrypted archives do not tell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, u64>,
    /// How many of each kind of object the server said there are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objects: BTreeMap<String, u64>,
    /// Settings of the database itself that no dump holds: encoding, collation, owner, rights.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        let url: DatabaseUrl =
            "postgres://me@db.example:5433/shop,we%22ird%3Bdb?sslmode=verify-full&sslrootcert=/ca.pem".parse().expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.user.as_deref()), ("db.example", Some(5433), Some("me")));
        assert_eq!(url.databases, Databases::List(vec!["shop".into(), "we\"ird;db".into()]));
        assert_eq!((url.tls, url.ca.clone()), (Tls::VerifyFull, Some("/ca.pem".into())));
        assert_eq!(url.to_string().parse::<DatabaseUrl>().expect("again"), url);
        let url: DatabaseUrl = "mariadb://root@/*?socket=/run/my.sock".parse().expect("a URL");
        assert_eq!((url.databases.clone(), url.socket.clone()), (Databases::All, Some("/run/my.sock".into())));
        assert_eq!(url.to_string().parse::<DatabaseUrl>().expect("again"), url);
        let url: DatabaseUrl = "mysql://u@[::1]:3307/a".parse().expect("a URL");
        assert_eq!((url.host.as_str(), url.port), ("::1", Some(3307)));
        let url: DatabaseUrl = "sqlite:///srv/a%20b.db".parse().expect("a URL");
        assert_eq!(url.file, Some("/srv/a b.db".into()));
        for (wrong, why) in [
            ("shop", "no scheme"),
            ("oracle://x/y", "no scheme of one"),
            ("postgres://me:secret@h/db", "a password does not stand"),
            ("postgres://h/db?password=x", "a password does not stand"),
            ("postgres://h", "names no database"),
            ("postgres://h:x/db", "no port"),
            ("mysql://h/a,,b", "is empty"),
            ("mysql://h/a?color=red", "no option"),
            ("mysql://h/a%0Ab", "line break"),
            ("sqlite://host/x?y=z", "absolute path"),
        ] {
            let error = wrong.parse::<DatabaseUrl>().expect_err(wrong);
            assert!(error.contains(why) && !error.contains("secret"), "{wrong}: {error}");
        }
    }

    #[test]
    fn names_of_archives_tell_form_and_database() {
        for name in ["shop", "we\"ird;db", "-x", "a.b/c", "host=evil", "été"] {
            let file = format!("full_2026-11-21_09-00-00.{}.sql.gz", encoded_name(name));
            assert!(!file.contains('/') && !file.contains('"'), "{file}");
            assert_eq!(Form::of_file_name(&file), Some(Form::Sql));
            assert_eq!(Form::database_of_file_name(&file).as_deref(), Some(name));
        }
        assert_eq!(Form::of_file_name("full_x.tar.zst.gpg"), Some(Form::Tar));
        assert_eq!(Form::of_file_name("full_x.shop.dump"), Some(Form::Custom));
        assert_eq!(Form::of_file_name("letter.odt"), None);
    }
}
