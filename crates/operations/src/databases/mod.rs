//! Databases: settings and tests, copies, restores.

mod copy;
mod restore;

pub use restore::DatabaseWish;

use crate::live::LiveRun;
use crate::secrets::{Entry, GivenSecret};
use crate::{App, OperationError, secrets};
use backup_config::Section;
use backup_databases::{Connection, Watch};
use backup_engine::{LiveDatabases, Observer};
use backup_model::{DatabaseSettings, Note, Step, Steps};
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

/// Joins work on a database on a thread of its own.
pub(crate) async fn working<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
) -> Result<T, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(OperationError::Failed(format!("the work ended by a fault of the program: {e}"))),
    }
}

/// A database to add to the file, or what is to change of one.
pub struct DatabaseEntry {
    /// Its name.
    pub name: String,
    /// Where it is; one that is added needs it.
    pub url: Option<String>,
    /// Its password.
    pub password: Option<GivenSecret>,
    /// Keys to take away.
    pub unset: Vec<String>,
}

fn secret_name(database: &str) -> String {
    format!("database-{database}")
}

fn entry(wish: DatabaseEntry) -> Result<Entry, OperationError> {
    let mut entry = Entry::default();
    entry.set("url", wish.url);
    entry.secret("password", secret_name(&wish.name), wish.password);
    entry.unset(&wish.unset, &["password"], |_| Some(secret_name(&wish.name)))?;
    Ok(entry)
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

    /// Looks at everything that backups of a database need, step by step.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn test_database(&self, name: &str) -> Result<Vec<Step>, OperationError> {
        let mut steps = Steps::start();
        let connection = match self.connection(name).await {
            Ok(connection) => connection,
            Err(e @ OperationError::NotFound(_)) => return Err(e),
            Err(e) => {
                steps.wrong("settings", e.to_string());
                return Ok(steps.into_list());
            }
        };
        working(move || {
            connection.test(&Deaf, &mut steps);
            Ok(steps.into_list())
        })
        .await
    }

    /// Adds a database to the file.
    ///
    /// # Errors
    /// The name is taken or wrong, or the URL is.
    pub fn add_database(&self, new: DatabaseEntry) -> Result<(), OperationError> {
        let name = new.name.clone();
        let new = DatabaseEntry { url: Some(new.url.unwrap_or_default()), ..new };
        self.add_entry(Section::Databases, &name, entry(new)?)
    }

    /// Changes what is given of a database of the file and takes away what is to be unset; the rest stays.
    ///
    /// # Errors
    /// There is none of this name, or a value is wrong. The file is then unchanged.
    pub fn change_database(&self, change: DatabaseEntry) -> Result<(), OperationError> {
        let name = change.name.clone();
        self.change_entry(Section::Databases, &name, entry(change)?)
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
        self.editor()?.delete_entry(Section::Databases, name)?;
        self.forget_secret(&secret_name(name))?;
        self.edited(&format!("deleted the database {name}"));
        Ok(())
    }
}
