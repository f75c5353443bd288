//! Where each schedule stands.

use crate::rows::{millis, time, word};
use crate::{Catalogue, CatalogueError};
use backup_model::{ArchiveId, RunId, RunStatus};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Where a schedule stands.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ScheduleState {
    /// The trigger as it was when last looked at.
    pub trigger: String,
    /// Planned times up to here are dealt with; none before the first look.
    pub dealt_until: Option<DateTime<Utc>>,
    /// Why retention is frozen.
    pub frozen: Option<String>,
    /// The last backup run.
    pub last_run: Option<RunId>,
    /// How it ended.
    pub last_status: Option<RunStatus>,
    /// When it ended.
    pub last_ended: Option<DateTime<Utc>>,
    /// Its error or first warning.
    pub last_error: Option<String>,
    /// When a backup last succeeded.
    pub last_good: Option<DateTime<Utc>>,
    /// When a version was last proven restorable, if nothing has withdrawn that since.
    pub proven: Option<DateTime<Utc>>,
    /// The archive that was proven.
    pub proven_archive: Option<ArchiveId>,
    /// The last trial restore, whatever it came to.
    pub last_drill: Option<DateTime<Utc>>,
    /// What it came to.
    pub drill_text: Option<String>,
    /// When its archives were last scrubbed.
    pub last_scrub: Option<DateTime<Utc>>,
    /// Since when the present trigger is in force.
    pub since: Option<DateTime<Utc>>,
    /// When somebody was told that there has been no good backup for too long, since the last good one.
    pub stale_told: Option<DateTime<Utc>>,
}

/// A row as it comes packed from the database.
#[derive(serde::Deserialize)]
struct Row(
    String,
    String,
    i64,
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// The columns of a [`Row`].
macro_rules! columns {
    () => {
        "name, trigger_text, dealt_until, frozen, last_run, last_status, last_ended, last_error, last_good, proven, proven_archive, last_drill, drill_text, last_scrub, since, stale_told"
    };
}

impl Catalogue {
    /// Takes the states of another catalogue over.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn import_schedule_states(&self, states: &BTreeMap<String, ScheduleState>) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        for (name, s) in states {
            sqlx::query("DELETE FROM schedules WHERE name = $1").bind(name).execute(&mut *transaction).await?;
            let sql = concat!(
                "INSERT INTO schedules (",
                columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
            );
            sqlx::query(sql)
                .bind(name)
                .bind(&s.trigger)
                .bind(s.dealt_until.map_or(0, millis))
                .bind(s.frozen.as_deref().unwrap_or(""))
                .bind(s.last_run.map(|r| r.to_string()))
                .bind(s.last_status.map(|w| w.as_str()))
                .bind(s.last_ended.map(millis))
                .bind(s.last_error.clone())
                .bind(s.last_good.map(millis))
                .bind(s.proven.map(millis))
                .bind(s.proven_archive.map(|a| a.to_string()))
                .bind(s.last_drill.map(millis))
                .bind(s.drill_text.clone())
                .bind(s.last_scrub.map(millis))
                .bind(s.since.map(millis))
                .bind(s.stale_told.map(millis))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The states of all schedules that were ever seen.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn schedule_states(&self) -> Result<BTreeMap<String, ScheduleState>, CatalogueError> {
        // One row with all of them: a thousand rows would each cost a switch between threads.
        let packed: String = sqlx::query_scalar(match self.backend {
            crate::Backend::Sqlite => {
                concat!("SELECT CAST(json_group_array(json_array(", columns!(), ")) AS TEXT) FROM schedules")
            }
            crate::Backend::Postgres => {
                concat!("SELECT CAST(COALESCE(json_agg(json_build_array(", columns!(), ")), '[]') AS TEXT) FROM schedules")
            }
        })
        .fetch_one(&self.pool)
        .await?;
        let rows: Vec<Row> = serde_json::from_str(&packed).map_err(|e| CatalogueError::Content(e.to_string()))?;
        rows.into_iter()
            .map(|row| {
                let Row(
                    name,
                    trigger,
                    dealt,
                    frozen,
                    id,
                    status,
                    ended,
                    last_error,
                    good,
                    proven,
                    archive,
                    drill,
                    text,
                    scrub,
                    since,
                    told,
                ) = row;
                let state = ScheduleState {
                    trigger,
                    dealt_until: (dealt != 0).then(|| time(dealt)),
                    frozen: Some(frozen).filter(|f| !f.is_empty()),
                    last_run: id.map(|i| word(&i)).transpose()?,
                    last_status: status.map(|s| word(&s)).transpose()?,
                    last_ended: ended.map(time),
                    last_error,
                    last_good: good.map(time),
                    proven: proven.map(time),
                    proven_archive: archive.map(|a| word(&a)).transpose()?,
                    last_drill: drill.map(time),
                    drill_text: text,
                    last_scrub: scrub.map(time),
                    since: since.map(time),
                    stale_told: told.map(time),
                };
                Ok((name, state))
            })
            .collect()
    }

    /// Remembers up to when planned times of schedules are dealt with, and under which trigger, all
    /// in one transaction: name, trigger, time.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_dealt(&self, list: &[(&str, &str, DateTime<Utc>)]) -> Result<(), CatalogueError> {
        if list.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        for (name, trigger, until) in list {
            sqlx::query("INSERT INTO schedules (name, trigger_text, dealt_until, since) VALUES ($1, $2, $3, $3) ON CONFLICT (name) DO UPDATE SET \
                 since = CASE WHEN schedules.trigger_text = $2 THEN COALESCE(schedules.since, $3) ELSE $3 END, trigger_text = $2, dealt_until = $3")
                .bind(*name)
                .bind(*trigger)
                .bind(millis(*until))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers that somebody was told that a schedule has had no good backup for too long, with the alert.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_stale_told(&self, name: &str, alert: (backup_model::Alert, Vec<String>)) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE schedules SET stale_told = $1 WHERE name = $2")
            .bind(millis(alert.0.at))
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        crate::alerts::insert(&mut transaction, &[alert]).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Freezes a schedule's retention, or with an empty reason thaws it.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn set_frozen(&self, name: &str, reason: &str) -> Result<(), CatalogueError> {
        sqlx::query("INSERT INTO schedules (name, frozen) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET frozen = $2")
            .bind(name)
            .bind(reason)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
