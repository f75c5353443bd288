//! One entry of `[databases]` with its password, and what can be done with it.

use crate::dump_text::Counted;
use crate::restore::{RestoreFrom, RestorePlan, Restored};
use crate::{DatabaseError, Watch, mysql, postgres, sqlite};
use backup_model::{Content, DatabaseEngine, DatabaseFacts, DatabaseSettings, Databases, Steps};
use std::net::ToSocketAddrs;

/// A database server (or file) that can be signed in to.
pub struct Connection {
    settings: DatabaseSettings,
    password: Option<String>,
}

/// What to copy.
#[derive(Clone, Debug)]
pub struct CopyPlan {
    /// The database.
    pub database: String,
    /// What of it.
    pub content: Content,
}

/// What was copied.
#[derive(Clone, Debug)]
pub struct Copied {
    /// What the dump holds.
    pub facts: DatabaseFacts,
    /// Its bytes.
    pub bytes: u64,
}

/// Takes the bytes of a dump.
pub type Target<'a> = &'a mut dyn FnMut(&[u8]) -> std::io::Result<()>;

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection; nothing is done yet.
    ///
    /// # Errors
    /// The settings contradict each other.
    pub fn new(settings: DatabaseSettings, password: Option<String>) -> Result<Self, DatabaseError> {
        if password.is_some() && !settings.client.is_empty() {
            return Err(DatabaseError::Invalid(format!(
                "{}: a password cannot be handed through `client` without showing it; let the account sign in there without one (its own socket, a .pgpass or an option file in the container), or leave `client` out",
                settings.name
            )));
        }
        Ok(Self { settings, password })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &DatabaseSettings {
        &self.settings
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        let url = &self.settings.url;
        match (&url.file, &url.socket) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(socket)) => socket.display().to_string(),
            (None, None) if url.host.is_empty() => "this machine".to_owned(),
            (None, None) => url.port.map_or(url.host.clone(), |port| format!("{}:{port}", url.host)),
        }
    }

    /// The databases that are meant, as they are there now.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub fn databases(&self, watch: &dyn Watch) -> Result<Vec<String>, DatabaseError> {
        match (&self.settings.url.databases, self.settings.url.engine) {
            (_, DatabaseEngine::Sqlite) => Ok(vec![sqlite::name_of(self.file())]),
            (Databases::List(names), _) => Ok(names.clone()),
            (Databases::All, DatabaseEngine::Postgresql) => postgres::databases(self, watch),
            (Databases::All, _) => mysql::databases(self, watch),
        }
    }

    pub(crate) fn file(&self) -> &std::path::Path {
        self.settings.url.file.as_deref().unwrap_or(std::path::Path::new(""))
    }

    /// Copies one database. What went to `out` counts only if the answer is good.
    ///
    /// # Errors
    /// Any program failed, the rights do not suffice, the dump lacks something, `out` failed, or
    /// [`DatabaseError::Changed`]: it may be tried again.
    pub fn copy(&self, plan: &CopyPlan, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
        match self.settings.url.engine {
            DatabaseEngine::Postgresql => postgres::dump(self, plan, out, watch),
            DatabaseEngine::Mysql | DatabaseEngine::Mariadb => mysql::dump(self, plan, out, watch),
            DatabaseEngine::Sqlite => sqlite::dump(self, plan, out, watch),
        }
    }

    /// Copies roles or users with their rights; nothing of SQLite.
    ///
    /// # Errors
    /// As [`Connection::copy`].
    pub fn copy_roles(&self, out: Target<'_>, watch: &dyn Watch) -> Result<Option<Copied>, DatabaseError> {
        match self.settings.url.engine {
            DatabaseEngine::Postgresql => postgres::dump_roles(self, out, watch).map(Some),
            DatabaseEngine::Mysql | DatabaseEngine::Mariadb => mysql::dump_users(self, out, watch).map(Some),
            DatabaseEngine::Sqlite => Ok(None),
        }
    }

    /// Loads a dump into a database. If it fails, the database is as it was.
    ///
    /// # Errors
    /// What is there would be overwritten, the dump is refused, or loading failed.
    pub fn restore(&self, plan: &RestorePlan, from: &mut RestoreFrom<'_>, watch: &dyn Watch) -> Result<Restored, DatabaseError> {
        match self.settings.url.engine {
            DatabaseEngine::Postgresql => postgres::restore(self, plan, from, watch),
            DatabaseEngine::Mysql | DatabaseEngine::Mariadb => mysql::restore(self, plan, from, watch),
            DatabaseEngine::Sqlite => sqlite::restore(self, plan, from, watch),
        }
    }

    /// Looks at everything that a backup needs, step by step; steps after one that fails are left out where
    /// they need it.
    pub fn test(&self, watch: &dyn Watch, steps: &mut Steps) {
        let url = &self.settings.url;
        if url.engine == DatabaseEngine::Sqlite {
            return sqlite::test(self, steps);
        }
        if url.socket.is_none() && !url.host.is_empty() && self.settings.client.is_empty() {
            let port = url.port.unwrap_or(if url.engine == DatabaseEngine::Postgresql { 5432 } else { 3306 });
            match (url.host.as_str(), port).to_socket_addrs() {
                Ok(found) => {
                    let list: Vec<String> = found.map(|a| a.ip().to_string()).collect();
                    steps.ok("resolve", format!("{} has the address {}", url.host, list.join(", ")));
                }
                Err(e) => {
                    let remedy = "check the host name in the URL and this machine's name service";
                    return steps.wrong("resolve", format!("{} cannot be resolved: {e}; {remedy}", url.host));
                }
            }
        }
        match url.engine {
            DatabaseEngine::Postgresql => postgres::test(self, watch, steps),
            _ => mysql::test(self, watch, steps),
        }
    }

    pub(crate) fn facts(
        &self,
        engine: DatabaseEngine,
        server_version: &str,
        client: String,
        database: Option<&str>,
        counted: Counted,
    ) -> DatabaseFacts {
        DatabaseFacts {
            engine,
            server_version: server_version.to_owned(),
            client,
            connection: self.settings.name.to_string(),
            database: database.map(str::to_owned),
            tables_count: counted.tables.len() as u64,
            rows_count: counted.rows(),
            tables: counted.tables,
            objects: counted.objects,
            properties: std::collections::BTreeMap::new(),
        }
    }
}
