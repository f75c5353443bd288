//! What callers of the programs that this one replaces know schedules by.

use crate::rows::{millis, time};
use crate::{Catalogue, CatalogueError};
use chrono::{DateTime, Utc};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// A schedule that a predecessor's route has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: i64,
    /// `s0` or `s3`.
    pub kind: String,
    /// The schedule.
    pub name: String,
    /// Of S0: the folder that is copied.
    pub source: String,
    /// Of S0: where the copy goes.
    pub folder: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
}

fn known(row: &AnyRow) -> Result<Known, CatalogueError> {
    Ok(Known {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        source: row.try_get("source")?,
        folder: row.try_get("folder")?,
        created: time(row.try_get("created")?),
        updated: time(row.try_get("updated")?),
    })
}

const COLUMNS: &str = "id, kind, name, source, folder, created, updated";

impl Catalogue {
    /// Those of a kind, by number.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn predecessors(&self, kind: &str) -> Result<Vec<Known>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM predecessors WHERE kind = $1 ORDER BY id");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(kind).fetch_all(&self.pool).await?;
        rows.iter().map(known).collect()
    }

    /// The one of a schedule.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn predecessor_of(&self, name: &str) -> Result<Option<Known>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM predecessors WHERE name = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(known).transpose()
    }

    /// Gives a schedule a number. It is named after it: `prefix` and the number.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn add_predecessor(
        &self,
        kind: &str,
        prefix: &str,
        source: &str,
        folder: &str,
        now: DateTime<Utc>,
    ) -> Result<Known, CatalogueError> {
        let mut transaction = self.begin().await?;
        let last: Option<i64> = sqlx::query_scalar("SELECT MAX(id) FROM predecessors").fetch_one(&mut *transaction).await?;
        let id = last.unwrap_or(0) + 1;
        let name = format!("{prefix}{id}");
        sqlx::query(
            "INSERT INTO predecessors (id, kind, name, source, folder, created, updated) VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id)
        .bind(kind)
        .bind(&name)
        .bind(source)
        .bind(folder)
        .bind(millis(now))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Known { id, kind: kind.into(), name, source: source.into(), folder: folder.into(), created: now, updated: now })
    }

    /// Remembers that one was changed.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn touch_predecessor(&self, id: i64, now: DateTime<Utc>) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE predecessors SET updated = $1 WHERE id = $2").bind(millis(now)).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Forgets one.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn forget_predecessor(&self, id: i64) -> Result<(), CatalogueError> {
        sqlx::query("DELETE FROM predecessors WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }
}
