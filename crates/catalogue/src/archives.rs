//! Archives.

use crate::rows::{archive, millis};
use crate::{Catalogue, CatalogueError};
use backup_model::{ArchiveId, ArchiveRecord, Manifest};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

const COLUMNS: &str = "path, pinned, verified, verified_deep, verified_ok, taken_in, away, manifest";

pub(crate) async fn insert(
    connection: &mut sqlx::AnyConnection,
    manifest: &Manifest,
    path: &str,
    now: DateTime<Utc>,
) -> Result<(), CatalogueError> {
    let text = serde_json::to_string(manifest).map_err(|e| CatalogueError::Content(e.to_string()))?;
    // A path that another archive had is free again: what was there is gone.
    sqlx::query("DELETE FROM archives WHERE path = $1 AND id <> $2")
        .bind(path)
        .bind(manifest.id.to_string())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO archives (id, schedule, path, started, size, manifest, taken_in) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (id) DO UPDATE SET path = $3, size = $5, manifest = $6, away = 0",
    )
    .bind(manifest.id.to_string())
    .bind(manifest.schedule.as_str())
    .bind(path)
    .bind(millis(manifest.started.with_timezone(&Utc)))
    .bind(manifest.archive.size as i64)
    .bind(text)
    .bind(millis(now))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Catalogue {
    /// Takes in an archive that is on the disk (after a crash, or when the catalogue was lost).
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn adopt(&self, manifest: &Manifest, path: &str, now: DateTime<Utc>) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, manifest, path, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Archives, newest first, of one schedule or of all; those being deleted are left out.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn archives(
        &self,
        schedule: Option<&str>,
        limit: Option<u64>,
        offset: u64,
    ) -> Result<Vec<ArchiveRecord>, CatalogueError> {
        let filter = if schedule.is_some() { "schedule = $1" } else { "$1 = ''" };
        let sql = format!(
            "SELECT {COLUMNS} FROM archives WHERE {filter} AND deleting = 0 ORDER BY started DESC, id DESC LIMIT $2 OFFSET $3"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(schedule.unwrap_or(""))
            .bind(limit.map_or(i64::MAX, |l| l as i64))
            .bind(offset as i64)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(archive).collect()
    }

    /// How many archives there are, and how many bytes they take.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn archive_totals(&self, schedule: Option<&str>) -> Result<(u64, u64), CatalogueError> {
        let filter = if schedule.is_some() { "schedule = $1" } else { "$1 = ''" };
        let sql =
            format!("SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM archives WHERE {filter} AND deleting = 0");
        let (n, size): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).bind(schedule.unwrap_or("")).fetch_one(&self.pool).await?;
        Ok((n as u64, size as u64))
    }

    /// One archive by the beginning of its id, which may be all of it.
    ///
    /// # Errors
    /// [`CatalogueError::Ambiguous`] if several begin so.
    pub async fn archive_by_prefix(&self, prefix: &str) -> Result<Option<ArchiveRecord>, CatalogueError> {
        let prefix = prefix.to_ascii_lowercase();
        let sql = format!("SELECT {COLUMNS} FROM archives WHERE id >= $1 AND id < $2 AND deleting = 0 LIMIT 2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(&prefix).bind(format!("{prefix}~")).fetch_all(&self.pool).await?;
        if rows.len() > 1 {
            return Err(CatalogueError::Ambiguous(prefix));
        }
        rows.first().map(archive).transpose()
    }

    /// The newest archive of a schedule at or before a time.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn archive_at(&self, schedule: &str, time: DateTime<Utc>) -> Result<Option<ArchiveRecord>, CatalogueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM archives WHERE schedule = $1 AND started <= $2 AND deleting = 0 ORDER BY started DESC, id DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(schedule).bind(millis(time)).fetch_optional(&self.pool).await?;
        row.as_ref().map(archive).transpose()
    }

    /// Pins or unpins an archive.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_pinned(&self, id: ArchiveId, pinned: bool) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE archives SET pinned = $1 WHERE id = $2")
            .bind(i64::from(pinned))
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Remembers a verification.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_verified(&self, id: ArchiveId, at: DateTime<Utc>, deep: bool, ok: bool) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE archives SET verified = $1, verified_deep = $2, verified_ok = $3 WHERE id = $4")
            .bind(millis(at))
            .bind(i64::from(deep))
            .bind(i64::from(ok))
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Marks an archive as being deleted: a crash from here on ends with the archive gone.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn mark_deleting(&self, id: ArchiveId) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE archives SET deleting = 1 WHERE id = $1").bind(id.to_string()).execute(&self.pool).await?;
        Ok(())
    }

    /// Archives whose deletion was begun: id and path.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn deleting(&self) -> Result<Vec<(ArchiveId, String)>, CatalogueError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT id, path FROM archives WHERE deleting = 1").fetch_all(&self.pool).await?;
        rows.into_iter().map(|(id, path)| Ok((crate::rows::word(&id)?, path))).collect()
    }
}
