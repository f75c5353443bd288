//! Databases: settings and tests, copies, restores.

mod copy;
mod restore;

pub use restore::DatabaseWish;

use crate::live::LiveRun;
use crate::{App, OperationError, secrets};
use backup_databases::{Connection, Watch};
use backup_engine::{LiveDatabases, Observer};
use backup_model::{DatabaseSettings, Name, Note};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Lets a run hear of work on a database.
pub(crate) struct Hearing(pub(crate) Arc<LiveRun>);

impl Watch for Hearing {
    fn progress(&self, rows: u64, bytes: u64, what: &str) {
        let what = if rows > 0 { format!("{what}: {rows} rows") } else { what.to_owned() };
        Observer::progress(&*self.0, 0, bytes, 0, what.as_bytes());
    }
    fn note(&self, note: Note) {
        Observer::note(&*self.0, note);
    }
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Hears nothing and never stops.
struct Deaf;

impl Watch for Deaf {
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn note(&self, _: Note) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// Where the password of a database that is added comes from.
pub enum NewPassword {
    /// None is needed.
    None,
    /// The first line of a file.
    File(String),
    /// A variable of the daemon's environment.
    Env(String),
    /// This one: it is kept in a file of the home that only its owner can read.
    Text(String),
}

/// Joins work on a database on a thread of its own.
pub(crate) async fn working<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<T, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(OperationError::Failed(format!("the work ended by a fault of the program: {e}"))),
    }
}

impl App {
    /// A database of the file, with its password.
    ///
    /// # Errors
    /// There is none of this name, or its password cannot be read.
    pub(crate) async fn connection(&self, name: &str) -> Result<Connection, OperationError> {
        let file = self.file();
        let Some(settings) = file.database(name) else {
            let known: Vec<String> = file.databases.iter().map(|d| d.name.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(OperationError::NotFound(format!("there is no database {name} in schedules.toml (there are: {known})")));
        };
        self.connect(settings.clone()).await
    }

    pub(crate) async fn connect(&self, settings: DatabaseSettings) -> Result<Connection, OperationError> {
        let password = match &settings.password {
            Some(source) => {
                let root = self.home().map(|h| h.root().to_owned()).unwrap_or_default();
                Some(secrets::read(source, &root).await?)
            }
            None => None,
        };
        Ok(Connection::new(settings, password)?)
    }

    /// How live databases of SQLite inside file sources are copied.
    pub(crate) fn live_databases(&self, home: &backup_config::Home) -> LiveDatabases {
        let copy = |from: &Path, to: &Path| backup_databases::copy_sqlite(from, to, &Deaf).map_err(|e| e.to_string());
        LiveDatabases { copy: Arc::new(copy), scratch: home.state().join("copies"), count: Arc::default() }
    }

    /// Looks at everything that backups of a database need, step by step: name of the step, whether all is well,
    /// what was seen.
    ///
    /// # Errors
    /// There is none of this name, or its password cannot be read.
    pub async fn test_database(&self, name: &str) -> Result<Vec<(String, bool, String)>, OperationError> {
        let connection = self.connection(name).await?;
        working(move || {
            let mut steps = Vec::new();
            connection.test(&Deaf, &mut |step| steps.push((step.name.to_owned(), step.ok, step.text)));
            Ok(steps)
        })
        .await
    }

    /// Adds a database to the file.
    ///
    /// # Errors
    /// The name is taken or wrong, or the URL is.
    pub fn add_database(&self, name: &str, url: &str, password: NewPassword) -> Result<(), OperationError> {
        let name = Name::new(name).map_err(|e| OperationError::Invalid(e.to_string()))?;
        let reference = |key: &str, value: &str| {
            let mut table = backup_config::InlineTable::new();
            table.insert(key, value.into());
            Some(backup_config::Value::InlineTable(table))
        };
        let password = match password {
            NewPassword::None => None,
            NewPassword::File(path) => reference("file", &path),
            NewPassword::Env(variable) => reference("env", &variable),
            NewPassword::Text(text) => {
                if self.file().database(name.as_str()).is_some() {
                    return Err(OperationError::Conflict(format!("there is already a database {name}; delete it first")));
                }
                reference("file", &self.keep_password(&name, &text)?)
            }
        };
        let mut keys = vec![("url", url.into())];
        keys.extend(password.map(|p| ("password", p)));
        self.editor()?.add_database(&name, keys)?;
        self.edited(&format!("added the database {name}"));
        Ok(())
    }

    /// Writes a password into a file of the home and answers its path relative to the home.
    fn keep_password(&self, name: &Name, text: &str) -> Result<String, OperationError> {
        let home = self.need_home()?;
        let folder = home.root().join("secrets");
        let path = folder.join(format!("database-{name}"));
        let write = || -> std::io::Result<()> {
            use std::os::unix::fs::DirBuilderExt;
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        };
        write().map_err(|e| OperationError::Failed(format!("the password cannot be kept in {}: {e}", path.display())))?;
        Ok(format!("secrets/database-{name}"))
    }

    /// Removes a database from the file; its archives stay. A password that was kept here goes.
    ///
    /// # Errors
    /// There is none, or a schedule copies it.
    pub fn delete_database(&self, name: &str) -> Result<(), OperationError> {
        let file = self.valid_file()?;
        if let Some(schedule) = file.schedules.iter().find(|s| s.database.as_ref().is_some_and(|d| d.as_str() == name)) {
            return Err(OperationError::Conflict(format!(
                "the schedule {} copies {name}; delete or change it first",
                schedule.name
            )));
        }
        if file.database(name).is_none() {
            return Err(OperationError::NotFound(format!("there is no database {name}; `backupctl database list` shows all")));
        }
        self.editor()?.delete_database(name)?;
        let kept = self.need_home()?.root().join("secrets").join(format!("database-{name}"));
        match std::fs::remove_file(&kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => tracing::warn!("the password in {} stays: {e}", kept.display()),
            _ => {}
        }
        self.edited(&format!("deleted the database {name}"));
        Ok(())
    }
}
