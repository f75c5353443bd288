//! What somebody should hear of.

use crate::rows::{millis, time, word};
use crate::{Catalogue, CatalogueError};
use backup_model::{Alert, AlertKind, RunId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::any::AnyRow;

pub(crate) const COLUMNS: &str = "id, at, kind, name, run, text";

/// Writes alerts, and for each who shall hear of it.
pub(crate) async fn insert(connection: &mut sqlx::AnyConnection, alerts: &[(Alert, Vec<String>)]) -> Result<(), CatalogueError> {
    for (alert, notifiers) in alerts {
        let id = alert.id.to_string();
        sqlx::query("INSERT INTO alerts (id, at, kind, name, run, text) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
            .bind(&id)
            .bind(millis(alert.at))
            .bind(alert.kind.as_str())
            .bind(&alert.name)
            .bind(alert.run.map(|r| r.to_string()))
            .bind(&alert.text)
            .execute(&mut *connection)
            .await?;
        for notifier in notifiers {
            sqlx::query("INSERT INTO outbox (notifier, alert, created, due) VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING")
                .bind(notifier)
                .bind(&id)
                .bind(millis(alert.at))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

pub(crate) fn alert(row: &AnyRow) -> Result<Alert, CatalogueError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let run: Option<String> = row.try_get("run")?;
    Ok(Alert {
        id: word(&text("id")?)?,
        at: time(row.try_get("at")?),
        kind: word::<AlertKind>(&text("kind")?)?,
        name: text("name")?,
        run: run.map(|r| word::<RunId>(&r)).transpose()?,
        text: text("text")?,
    })
}

impl Catalogue {
    /// Alerts, newest first, and how many there are in all.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn alerts(&self, limit: u64, offset: u64) -> Result<(Vec<Alert>, u64), CatalogueError> {
        let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM alerts").fetch_one(&self.pool).await?;
        let sql = format!("SELECT {COLUMNS} FROM alerts ORDER BY at DESC, id DESC LIMIT $1 OFFSET $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit as i64).bind(offset as i64).fetch_all(&self.pool).await?;
        let alerts = rows.iter().map(alert).collect::<Result<_, _>>()?;
        Ok((alerts, total as u64))
    }

    /// Remembers what a trial restore of a schedule came to: `proven` is the archive that was proven, or
    /// nothing, which withdraws the mark.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_drilled(
        &self,
        name: &str,
        at: DateTime<Utc>,
        proven: Option<backup_model::ArchiveId>,
        text: &str,
    ) -> Result<(), CatalogueError> {
        sqlx::query(
            "INSERT INTO schedules (name, last_drill, drill_text, proven, proven_archive) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name) DO UPDATE SET last_drill = $2, drill_text = $3, proven = $4, proven_archive = $5",
        )
        .bind(name)
        .bind(millis(at))
        .bind(text)
        .bind(proven.map(|_| millis(at)))
        .bind(proven.map(|p| p.to_string()))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Remembers a trial restore that said nothing: the mark stays as it is.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_drill_inconclusive(&self, name: &str, at: DateTime<Utc>, text: &str) -> Result<(), CatalogueError> {
        sqlx::query(
            "INSERT INTO schedules (name, last_drill, drill_text) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET last_drill = $2, drill_text = $3",
        )
        .bind(name)
        .bind(millis(at))
        .bind(text)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Remembers when a schedule's archives were last scrubbed.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_scrubbed(&self, name: &str, at: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query("INSERT INTO schedules (name, last_scrub) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET last_scrub = $2")
            .bind(name)
            .bind(millis(at))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
