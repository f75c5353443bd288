//! What is still to be told, to whom: written with the alert, gone only when somebody has taken it.

use crate::alerts::{COLUMNS, alert, insert};
use crate::rows::{millis, time};
use crate::{Catalogue, CatalogueError};
use backup_model::{Alert, RunId};
use chrono::{DateTime, Duration, Utc};
use sqlx::{AssertSqlSafe, Row};

/// An alert that a notifier has not taken yet.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// The notifier.
    pub notifier: String,
    /// When it was written.
    pub created: DateTime<Utc>,
    /// Not before this time.
    pub due: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// The alert.
    pub alert: Alert,
}

/// How a notifier stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Alerts that wait.
    pub waiting: u64,
    /// When something was last sent.
    pub last_sent: Option<DateTime<Utc>>,
    /// Why the last try failed, if something waits because of that.
    pub error: Option<String>,
}

/// More are not taken into one message.
const MOST: i64 = 500;

impl Catalogue {
    /// Records alerts with those who shall hear of them, in one transaction.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn add_alerts(&self, alerts: &[(Alert, Vec<String>)]) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, alerts).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether a run has raised an alert already.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn has_alert(&self, run: RunId) -> Result<bool, CatalogueError> {
        let n: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM alerts WHERE run = $1").bind(run.to_string()).fetch_one(&self.pool).await?;
        Ok(n > 0)
    }

    /// When there was last an alert of a kind.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn last_alert(&self, kind: backup_model::AlertKind) -> Result<Option<DateTime<Utc>>, CatalogueError> {
        let at: Option<i64> =
            sqlx::query_scalar("SELECT MAX(at) FROM alerts WHERE kind = $1").bind(kind.as_str()).fetch_one(&self.pool).await?;
        Ok(at.map(time))
    }

    /// What waits to be told, oldest first, at most 500 for each notifier.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn outbox_waiting(&self) -> Result<Vec<OutboxRow>, CatalogueError> {
        let notifiers: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT notifier FROM outbox WHERE sent IS NULL ORDER BY notifier")
                .fetch_all(&self.pool)
                .await?;
        let columns = COLUMNS.split(", ").map(|c| format!("a.{c}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {columns}, o.notifier, o.created, o.due, o.attempts FROM outbox o JOIN alerts a ON a.id = o.alert \
             WHERE o.sent IS NULL AND o.notifier = $1 ORDER BY a.at, a.id LIMIT {MOST}"
        );
        let mut out = Vec::new();
        for notifier in notifiers {
            let rows = sqlx::query(AssertSqlSafe(sql.clone())).bind(&notifier).fetch_all(&self.pool).await?;
            for row in &rows {
                out.push(OutboxRow {
                    notifier: notifier.clone(),
                    created: time(row.try_get("created")?),
                    due: time(row.try_get("due")?),
                    attempts: row.try_get::<i64, _>("attempts")? as u32,
                    alert: alert(row)?,
                });
            }
        }
        Ok(out)
    }

    /// Remembers that a notifier has taken alerts, and forgets what it took a month ago.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn outbox_sent(&self, rows: &[OutboxRow], at: DateTime<Utc>) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        for row in rows {
            sqlx::query("UPDATE outbox SET sent = $1, error = NULL WHERE notifier = $2 AND alert = $3")
                .bind(millis(at))
                .bind(&row.notifier)
                .bind(row.alert.id.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("DELETE FROM outbox WHERE sent < $1")
            .bind(millis(at - Duration::days(30)))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers that a notifier did not take alerts, and when it is tried again.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn outbox_failed(&self, rows: &[OutboxRow], due: DateTime<Utc>, error: &str) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        for row in rows {
            sqlx::query("UPDATE outbox SET attempts = attempts + 1, due = $1, error = $2 WHERE notifier = $3 AND alert = $4")
                .bind(millis(due))
                .bind(error)
                .bind(&row.notifier)
                .bind(row.alert.id.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Gives alerts up: nobody is told of them any more.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn outbox_drop(&self, rows: &[OutboxRow]) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        for row in rows {
            sqlx::query("DELETE FROM outbox WHERE notifier = $1 AND alert = $2")
                .bind(&row.notifier)
                .bind(row.alert.id.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// How a notifier stands.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn outbox_state(&self, notifier: &str) -> Result<OutboxState, CatalogueError> {
        let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE notifier = $1 AND sent IS NULL")
            .bind(notifier)
            .fetch_one(&self.pool)
            .await?;
        let last: Option<i64> =
            sqlx::query_scalar("SELECT MAX(sent) FROM outbox WHERE notifier = $1").bind(notifier).fetch_one(&self.pool).await?;
        let error: Option<String> = sqlx::query_scalar(
            "SELECT error FROM outbox WHERE notifier = $1 AND sent IS NULL AND error IS NOT NULL ORDER BY due DESC LIMIT 1",
        )
        .bind(notifier)
        .fetch_optional(&self.pool)
        .await?;
        Ok(OutboxState { waiting: waiting as u64, last_sent: last.map(time), error })
    }
}
