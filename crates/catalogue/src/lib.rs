//! What is remembered: runs, their notes, archives, and where each schedule stands.
//!
//! One interface, [`Catalogue`]; statements are written so that SQLite and PostgreSQL both take
//! them, and `tests/conformance.rs` is the suite that every database must pass. File entries are not
//! here: they are in the indexes beside the archives.

mod access;
mod alerts;
mod archives;
mod audit;
mod copies;
mod error;
mod history;
mod outbox;
pub mod predecessors;
mod rows;
mod runs;
mod schedules;
mod stats;

pub use access::{Credential, CredentialKind, User};
pub use audit::{AuditCheck, audit_hash};
pub use copies::{Copy, CopyState, DestinationCounts};
pub use error::CatalogueError;
pub use history::{HistoryFilter, HistoryPage, Sort};
pub use outbox::{OutboxRow, OutboxState};
pub use runs::{Finish, Lease, NewRun};
pub use schedules::ScheduleState;
pub use stats::{DayCount, DayState, GroupCount, Statistics, StatsFilter};

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection};
use std::path::Path;

/// Which database holds the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Postgres,
}

/// The catalogue, open. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pool: AnyPool,
    recorded: bool,
    backend: Backend,
}

/// The schema on PostgreSQL, which began with the version that SQLite had then; what comes later is added as steps.
const POSTGRES: &[(usize, &str)] = &[(7, include_str!("sql/0007_postgres.sql")), (8, include_str!("sql/0008_postgres.sql"))];

/// The steps from an empty database to the present schema, in order.
const SQLITE: &[&str] = &[
    include_str!("sql/0001_sqlite.sql"),
    include_str!("sql/0002_sqlite.sql"),
    include_str!("sql/0003_sqlite.sql"),
    include_str!("sql/0004_sqlite.sql"),
    include_str!("sql/0005_sqlite.sql"),
    include_str!("sql/0006_sqlite.sql"),
    include_str!("sql/0007_sqlite.sql"),
    include_str!("sql/0008_sqlite.sql"),
];

/// How long another program's work on the catalogue is waited for when it is opened.
const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// Whether SQLite says that somebody else is at it (SQLITE_BUSY, 5, and its extended codes).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

/// Connects once and makes SQLite keep a write-ahead log.
async fn first_connection(url: &str, backend: Backend) -> Result<(), sqlx::Error> {
    let mut first = sqlx::AnyConnection::connect(url).await?;
    if backend == Backend::Sqlite {
        sqlx::raw_sql("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL;").execute(&mut first).await?;
    }
    first.close().await
}

impl Catalogue {
    /// Opens or makes the SQLite catalogue at a path.
    ///
    /// # Errors
    /// [`CatalogueError`] if it cannot be opened, is damaged, or belongs to a newer program.
    pub async fn open_file(path: &Path) -> Result<Self, CatalogueError> {
        let shown = path.display().to_string();
        let mut url = "sqlite://".to_owned();
        for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
                url.push(char::from(*byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url.push_str("?mode=rwc");
        Self::connect(&url, 3, true, Backend::Sqlite).await.map_err(|e| e.at(&shown))
    }

    /// Opens or makes the catalogue in a database of PostgreSQL, by its URL.
    ///
    /// # Errors
    /// [`CatalogueError`] if it cannot be reached, or belongs to a newer program.
    pub async fn open_postgres(url: &str, password: Option<&str>) -> Result<Self, CatalogueError> {
        let shown = url.to_owned();
        let mut full = url.to_owned();
        if let Some(password) = password {
            let encoded: String = password.bytes().map(|b| format!("%{b:02X}")).collect();
            full.push(if full.contains('?') { '&' } else { '?' });
            full.push_str(&format!("password={encoded}"));
        }
        Self::connect(&full, 5, true, Backend::Postgres).await.map_err(|e| e.at(&shown))
    }

    /// A catalogue that is forgotten with the process.
    ///
    /// # Errors
    /// [`CatalogueError`] from SQLite.
    pub async fn in_memory() -> Result<Self, CatalogueError> {
        Self::connect("sqlite::memory:", 1, false, Backend::Sqlite).await
    }

    async fn connect(url: &str, connections: u32, recorded: bool, backend: Backend) -> Result<Self, CatalogueError> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(std::time::Duration::from_secs(15))
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if backend == Backend::Postgres {
                        return Ok(());
                    }
                    // WAL with FULL: a commit that was answered survives a power cut
                    // (https://www.sqlite.org/pragma.html#pragma_synchronous).
                    sqlx::raw_sql("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // A full disk makes SQLite roll back by itself, and then the connection counts a
                    // transaction that is none and refuses every other: it is closed. The ping lets a
                    // rollback that is under way end first.
                    Ok(connection.ping().await.is_ok() && !connection.is_in_transaction())
                })
            });
        if recorded {
            // A pool tries again and again and then says only that time was up; one connection by
            // itself says at once what is wrong.
            let since = std::time::Instant::now();
            while let Err(e) = first_connection(url, backend).await {
                // Two that make a catalogue at once stand in each other's way where SQLite does not wait: it cannot
                // while both read and want to change the journal's mode.
                if !is_busy(&e) || since.elapsed() > BUSY {
                    return Err(CatalogueError::open(e));
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        let pool = options.connect(url).await.map_err(CatalogueError::open)?;
        let catalogue = Self { pool, recorded, backend };
        catalogue.migrate().await?;
        Ok(catalogue)
    }

    async fn migrate(&self) -> Result<(), CatalogueError> {
        let version = async || -> Result<usize, CatalogueError> {
            let mut transaction = self.begin().await?;
            sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let found: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&self.pool).await?;
            Ok(found.unwrap_or(0) as usize)
        };
        let have = version().await?;
        let steps: Vec<(usize, &str)> = match self.backend {
            Backend::Sqlite => SQLITE.iter().enumerate().map(|(n, step)| (n + 1, *step)).collect(),
            Backend::Postgres => POSTGRES.to_vec(),
        };
        let know = steps.last().map_or(0, |(n, _)| *n);
        if have > know {
            return Err(CatalogueError::Newer { have, know });
        }
        for (version, step) in steps.into_iter().filter(|(n, _)| *n > have) {
            let mut transaction = self.begin().await?;
            // Another process may have made the step meanwhile.
            let now: Option<i64> =
                sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&mut *transaction).await?;
            if now.unwrap_or(0) as usize >= version {
                continue;
            }
            sqlx::raw_sql(step).execute(&mut *transaction).await?;
            sqlx::query("INSERT INTO schema_version VALUES ($1)").bind(version as i64).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Begins a transaction that will write.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Any>, CatalogueError> {
        match self.backend {
            Backend::Sqlite => Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?),
            Backend::Postgres => {
                let mut transaction = self.pool.begin().await?;
                // One writer at a time, as with SQLite: what is read here stays so to the end.
                sqlx::raw_sql("DO $$ BEGIN PERFORM pg_advisory_xact_lock(8620); END $$").execute(&mut *transaction).await?;
                Ok(transaction)
            }
        }
    }

    /// Carries out one statement that may change several rows, or whose triggers do: by itself it would lock them in
    /// another order than somebody else's transaction, and PostgreSQL would end one of the two (deadlock).
    async fn write(
        &self,
        query: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<sqlx::any::AnyQueryResult, CatalogueError> {
        let mut transaction = self.begin().await?;
        let done = query.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// Whether what is written here outlives the process.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Closes all connections; what was committed is on the disk.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn catalogues_of_the_first_version_are_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("catalogue.db");
        let old =
            Catalogue::connect(&format!("sqlite://{}?mode=rwc", path.display()), 1, true, Backend::Sqlite).await.expect("made");
        sqlx::raw_sql("DROP TABLE copies; DROP TABLE predecessors; DROP TABLE outbox; DROP TABLE audit; DROP TABLE credentials; DROP TABLE users; DROP TABLE alerts; DROP TABLE archives; DROP TABLE schedules; DROP TABLE notes; DROP TABLE days; DROP TABLE runs; DROP TABLE texts; DELETE FROM schema_version;")
            .execute(&old.pool)
            .await
            .expect("emptied");
        sqlx::raw_sql(SQLITE[0]).execute(&old.pool).await.expect("the first schema");
        sqlx::raw_sql("INSERT INTO schema_version VALUES (1); INSERT INTO schedules (name, frozen) VALUES ('docs', 'why');")
            .execute(&old.pool)
            .await
            .expect("filled");
        old.close().await;
        let new = Catalogue::open_file(&path).await.expect("opened");
        let states = new.schedule_states().await.expect("states");
        assert_eq!(states["docs"].frozen.as_deref(), Some("why"));
        assert_eq!(states["docs"].proven, None);
        assert_eq!(new.alerts(10, 0).await.expect("alerts").1, 0);
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_spoils_no_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalogue = Catalogue::open_file(&folder.path().join("catalogue.db")).await.expect("open");
        for _ in 0..5 {
            let mut transaction = catalogue.pool.begin_with("BEGIN IMMEDIATE").await.expect("begun");
            // As SQLite does when the disk is full (https://www.sqlite.org/lang_transaction.html).
            sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await.expect("rolled back");
            drop(transaction);
        }
        for _ in 0..5 {
            catalogue.pool.begin_with("BEGIN IMMEDIATE").await.expect("begun").commit().await.expect("committed");
        }
    }
}
