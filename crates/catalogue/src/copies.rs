//! Copies of archives in destinations.

use crate::rows::{archive, millis, time};
use crate::{Catalogue, CatalogueError};
use backup_model::{ArchiveId, ArchiveRecord};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::any::AnyRow;

/// Where a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// It is still to be made.
    Waiting,
    /// It is there.
    Stored,
    /// It is being removed.
    Deleting,
    /// It was there and is gone; it is not made again.
    Gone,
}

impl CopyState {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Stored => "stored",
            Self::Deleting => "deleting",
            Self::Gone => "gone",
        }
    }

    fn of(text: &str) -> Result<Self, CatalogueError> {
        [Self::Waiting, Self::Stored, Self::Deleting, Self::Gone]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| CatalogueError::Content(format!("a copy in the state {text:?}")))
    }
}

/// A copy of an archive in a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The archive.
    pub archive: ArchiveId,
    /// The destination's name.
    pub destination: String,
    /// Where it stands.
    pub state: CopyState,
    /// When it is tried next.
    pub due: DateTime<Utc>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Since when it is there.
    pub stored: Option<DateTime<Utc>>,
}

/// How many copies a destination has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationCounts {
    /// Those that are there.
    pub stored: u64,
    /// Bytes of their archives.
    pub bytes: u64,
    /// Those that are still to be made.
    pub waiting: u64,
    /// Why the last try of one of these failed.
    pub error: Option<String>,
    /// When the newest was stored.
    pub last: Option<DateTime<Utc>>,
}

fn copy(row: &AnyRow) -> Result<Copy, CatalogueError> {
    Ok(Copy {
        archive: crate::rows::word(&row.try_get::<String, _>("archive")?)?,
        destination: row.try_get("destination")?,
        state: CopyState::of(&row.try_get::<String, _>("state")?)?,
        due: time(row.try_get("due")?),
        attempts: row.try_get::<i64, _>("attempts")? as u32,
        error: row.try_get("error")?,
        stored: row.try_get::<Option<i64>, _>("stored")?.map(time),
    })
}

/// Forgets an archive of which nothing is left, here or anywhere.
async fn forget_if_nowhere(connection: &mut sqlx::AnyConnection, id: ArchiveId) -> Result<(), CatalogueError> {
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM archives WHERE id = $1 AND away = 0) + \
         (SELECT COUNT(*) FROM copies WHERE archive = $1 AND state <> 'gone')",
    )
    .bind(id.to_string())
    .fetch_one(&mut *connection)
    .await?;
    if left == 0 {
        for sql in ["DELETE FROM copies WHERE archive = $1", "DELETE FROM archives WHERE id = $1"] {
            sqlx::query(sql).bind(id.to_string()).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

const COLUMNS: &str = "c.archive, c.destination, c.state, c.due, c.attempts, c.error, c.stored";

impl Catalogue {
    /// Says that an archive shall have a copy in a destination; one that it has stays.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn want_copy(&self, archive: ArchiveId, destination: &str, due: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query(
            "INSERT INTO copies (archive, destination, state, due) VALUES ($1, $2, 'waiting', $3) ON CONFLICT DO NOTHING",
        )
        .bind(archive.to_string())
        .bind(destination)
        .bind(millis(due))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Copies that are to be made or removed by now, of archives in the order in which they were made.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn due_copies(&self, now: DateTime<Utc>, limit: u64) -> Result<Vec<Copy>, CatalogueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM copies c LEFT JOIN archives a ON a.id = c.archive \
             WHERE c.state IN ('waiting', 'deleting') AND c.due <= $1 ORDER BY c.destination, COALESCE(a.started, 0), c.archive LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(millis(now)).bind(limit as i64).fetch_all(&self.pool).await?;
        rows.iter().map(copy).collect()
    }

    /// The copies of an archive.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn copies_of(&self, archive: ArchiveId) -> Result<Vec<Copy>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM copies c WHERE c.archive = $1 ORDER BY c.destination");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(archive.to_string()).fetch_all(&self.pool).await?;
        rows.iter().map(copy).collect()
    }

    /// The copies of all archives, or of those of one schedule.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn copies(&self, schedule: Option<&str>) -> Result<Vec<Copy>, CatalogueError> {
        let filter = if schedule.is_some() { "a.schedule = $1" } else { "$1 = ''" };
        let sql = format!(
            "SELECT {COLUMNS} FROM copies c JOIN archives a ON a.id = c.archive WHERE {filter} ORDER BY c.archive, c.destination"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(schedule.unwrap_or("")).fetch_all(&self.pool).await?;
        rows.iter().map(copy).collect()
    }

    /// Archives that a destination has, of one schedule, newest first.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn stored_in(&self, destination: &str, schedule: &str) -> Result<Vec<ArchiveRecord>, CatalogueError> {
        let rows = sqlx::query(
            "SELECT a.path, a.pinned, a.verified, a.verified_deep, a.verified_ok, a.taken_in, a.away, a.manifest \
             FROM archives a JOIN copies c ON c.archive = a.id \
             WHERE c.destination = $1 AND a.schedule = $2 AND c.state = 'stored' ORDER BY a.started DESC, a.id DESC",
        )
        .bind(destination)
        .bind(schedule)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(archive).collect()
    }

    /// Remembers that a copy is there.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn copy_stored(&self, archive: ArchiveId, destination: &str, now: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query(
            "INSERT INTO copies (archive, destination, state, due, stored) VALUES ($1, $2, 'stored', $3, $3) \
             ON CONFLICT (archive, destination) DO UPDATE SET state = 'stored', attempts = 0, error = NULL, due = $3, stored = $3",
        )
        .bind(archive.to_string())
        .bind(destination)
        .bind(millis(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes what waits for a destination (or for any) due now: it can be reached again.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn hurry_copies(&self, destination: Option<&str>, now: DateTime<Utc>) -> Result<u64, CatalogueError> {
        let filter = if destination.is_some() { "destination = $1" } else { "$1 = ''" };
        let sql = format!("UPDATE copies SET due = $2 WHERE {filter} AND state IN ('waiting', 'deleting')");
        let hurry = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(destination.unwrap_or("")).bind(millis(now));
        let done = self.write(hurry).await?;
        Ok(done.rows_affected())
    }

    /// Remembers that a try failed, and when the next one is due.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn copy_failed(
        &self,
        archive: ArchiveId,
        destination: &str,
        error: &str,
        due: DateTime<Utc>,
    ) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE copies SET attempts = attempts + 1, error = $1, due = $2 WHERE archive = $3 AND destination = $4")
            .bind(error)
            .bind(millis(due))
            .bind(archive.to_string())
            .bind(destination)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Marks a copy as being removed: a crash from here on ends with the copy gone.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn copy_going(&self, archive: ArchiveId, destination: &str, now: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE copies SET state = 'deleting', due = $1, attempts = 0 WHERE archive = $2 AND destination = $3")
            .bind(millis(now))
            .bind(archive.to_string())
            .bind(destination)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Remembers that a copy is gone, and forgets the archive if nothing of it is left anywhere.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn forget_copy(&self, archive: ArchiveId, destination: &str) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE copies SET state = 'gone', error = NULL WHERE archive = $1 AND destination = $2")
            .bind(archive.to_string())
            .bind(destination)
            .execute(&mut *transaction)
            .await?;
        forget_if_nowhere(&mut transaction, archive).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Drops the wish for a copy that is not there.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn drop_copy(&self, archive: ArchiveId, destination: &str) -> Result<(), CatalogueError> {
        sqlx::query("DELETE FROM copies WHERE archive = $1 AND destination = $2 AND state <> 'stored'")
            .bind(archive.to_string())
            .bind(destination)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Says that the home has an archive's files no longer. It is forgotten with its waiting copies unless a
    /// destination has it.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn files_gone(&self, id: ArchiveId) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM copies WHERE archive = $1 AND state = 'waiting'")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE archives SET away = 1, deleting = 0 WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        forget_if_nowhere(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes in an archive that a destination has and the home has not.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn adopt_copy(
        &self,
        manifest: &backup_model::Manifest,
        path: &str,
        destination: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogueError> {
        if self.archive_by_prefix(&manifest.id.to_string()).await?.is_none() {
            let mut transaction = self.begin().await?;
            crate::archives::insert(&mut transaction, manifest, path, now).await?;
            sqlx::query("UPDATE archives SET away = 1 WHERE id = $1")
                .bind(manifest.id.to_string())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        self.copy_stored(manifest.id, destination, now).await
    }

    /// What a destination holds.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn destination_counts(&self, destination: &str) -> Result<DestinationCounts, CatalogueError> {
        let row = sqlx::query(
            "SELECT COUNT(CASE WHEN c.state = 'stored' THEN 1 END) AS there, \
             CAST(COALESCE(SUM(CASE WHEN c.state = 'stored' THEN a.size ELSE 0 END), 0) AS BIGINT) AS bytes, \
             COUNT(CASE WHEN c.state = 'waiting' THEN 1 END) AS waiting, MAX(c.stored) AS last \
             FROM copies c JOIN archives a ON a.id = c.archive WHERE c.destination = $1",
        )
        .bind(destination)
        .fetch_one(&self.pool)
        .await?;
        let error: Option<String> = sqlx::query_scalar(
            "SELECT error FROM copies WHERE destination = $1 AND state <> 'stored' AND error IS NOT NULL ORDER BY due DESC LIMIT 1",
        )
        .bind(destination)
        .fetch_optional(&self.pool)
        .await?;
        Ok(DestinationCounts {
            stored: row.try_get::<i64, _>("there")? as u64,
            bytes: row.try_get::<i64, _>("bytes")? as u64,
            waiting: row.try_get::<i64, _>("waiting")? as u64,
            last: row.try_get::<Option<i64>, _>("last")?.map(time),
            error,
        })
    }
}
