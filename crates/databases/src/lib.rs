//! Copies databases and brings them back by driving the servers' own programs: `pg_dump`, `psql`, `pg_restore`,
//! `mariadb-dump`, `mariadb` and their like. SQLite is copied through its backup API.
//!
//! Nothing here knows archives: dumps go to a writer, and come from a reader.

mod connection;
mod dump_text;
mod error;
mod mysql;
mod postgres;
mod process;
mod restore;
mod secret_file;
mod sqlite;
mod stream;
mod tools;

pub use connection::{Connection, Copied, CopyPlan, Target};
pub use dump_text::{Scanned, scan_dump};
pub use error::DatabaseError;
pub use restore::{DumpStream, Open, RestoreFrom, RestorePlan, Restored, Safety, SafetyCopy};
pub use sqlite::copy_sqlite;

use backup_model::Note;

/// Hears how work goes on, and says when it shall stop.
pub trait Watch: Send + Sync {
    /// Work went on: rows and bytes of the dump so far.
    fn progress(&self, rows: u64, bytes: u64, what: &str);
    /// Something has to be said.
    fn note(&self, note: Note);
    /// Whether the work shall stop now.
    fn cancelled(&self) -> bool;
}
