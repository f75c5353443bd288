//! Statistics over runs (H3).

use crate::{Catalogue, CatalogueError};
use sqlx::AssertSqlSafe;

/// Which runs statistics are about.
#[derive(Clone, Debug, Default)]
pub struct StatsFilter {
    /// One schedule, or all.
    pub name: Option<String>,
    /// First day, counted from 1970 (UTC).
    pub from_day: i64,
    /// The day after the last.
    pub to_day: i64,
}

/// Sums of a group of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupCount {
    /// What they have in common: a kind, a status or a schedule's name.
    pub key: String,
    /// How many.
    pub count: u64,
    /// How many completed, with or without warnings.
    pub good: u64,
    /// How many failed.
    pub failed: u64,
    /// Milliseconds of the good ones together.
    pub good_ms: u64,
    /// Bytes of the archives they made.
    pub stored: u64,
}

/// Sums of one day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayCount {
    /// The day, counted from 1970 (UTC).
    pub day: i64,
    /// Its sums; the key is empty.
    pub sums: GroupCount,
}

/// Backups of one schedule that ended the same way on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayState {
    /// The schedule.
    pub name: String,
    /// The day, counted from 1970 (UTC).
    pub day: i64,
    /// How they ended, or that they have not.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Statistics over backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// All together.
    pub total: GroupCount,
    /// By day.
    pub by_day: Vec<DayCount>,
    /// By kind.
    pub by_kind: Vec<GroupCount>,
    /// By status.
    pub by_status: Vec<GroupCount>,
}

const SUMS: &str = "CAST(SUM(n) AS BIGINT), \
    CAST(SUM(CASE WHEN status IN ('completed', 'warning') THEN n ELSE 0 END) AS BIGINT), \
    CAST(SUM(CASE WHEN status = 'failed' THEN n ELSE 0 END) AS BIGINT), \
    CAST(SUM(CASE WHEN status IN ('completed', 'warning') THEN ms ELSE 0 END) AS BIGINT), \
    CAST(SUM(stored) AS BIGINT)";

type Sums = (String, i64, i64, i64, i64, i64);

fn group((key, count, good, failed, good_ms, stored): Sums) -> GroupCount {
    GroupCount {
        key,
        count: count as u64,
        good: good as u64,
        failed: failed as u64,
        good_ms: good_ms as u64,
        stored: stored as u64,
    }
}

impl Catalogue {
    async fn grouped(&self, filter: &StatsFilter, key: &str) -> Result<Vec<GroupCount>, CatalogueError> {
        let sql = format!(
            "SELECT CAST({key} AS TEXT), {SUMS} FROM days WHERE name = $1 AND day >= $2 AND day < $3 AND operation = 'backup' \
             GROUP BY 1 HAVING SUM(n) > 0 ORDER BY 1"
        );
        let rows: Vec<Sums> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.name.clone().unwrap_or_default())
            .bind(filter.from_day)
            .bind(filter.to_day)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(group).collect())
    }

    /// Statistics over backups in a range of days.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn statistics(&self, filter: &StatsFilter) -> Result<Statistics, CatalogueError> {
        let total = self.grouped(filter, "''").await?.into_iter().next().unwrap_or_default();
        let mut by_day = Vec::new();
        for sums in self.grouped(filter, "day").await? {
            let day = sums.key.parse().map_err(|_| CatalogueError::Content(format!("day {}", sums.key)))?;
            by_day.push(DayCount { day, sums: GroupCount { key: String::new(), ..sums } });
        }
        by_day.sort_by_key(|d| d.day);
        Ok(Statistics {
            total,
            by_day,
            by_kind: self.grouped(filter, "kind").await?,
            by_status: self.grouped(filter, "status").await?,
        })
    }

    /// Sums by schedule in a range of days.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn statistics_by_schedule(&self, filter: &StatsFilter) -> Result<Vec<GroupCount>, CatalogueError> {
        let sql = format!(
            "SELECT name, {SUMS} FROM days WHERE name <> '' AND day >= $1 AND day < $2 AND operation = 'backup' GROUP BY name HAVING SUM(n) > 0 ORDER BY name"
        );
        let rows: Vec<Sums> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(filter.from_day).bind(filter.to_day).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(group).collect())
    }

    /// How many backups of each schedule ended how on each day.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn day_states(&self, from_day: i64, to_day: i64) -> Result<Vec<DayState>, CatalogueError> {
        let sql = "SELECT name, day, status, CAST(SUM(n) AS BIGINT) FROM days WHERE name <> '' AND day >= $1 AND day < $2 \
                   AND operation = 'backup' GROUP BY name, day, status HAVING SUM(n) > 0 ORDER BY name, day, status";
        let rows: Vec<(String, i64, String, i64)> = sqlx::query_as(sql).bind(from_day).bind(to_day).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(name, day, status, n)| DayState { name, day, status, count: n as u64 }).collect())
    }

    /// How many runs there are by operation and status.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn run_sums(&self) -> Result<Vec<(String, String, u64)>, CatalogueError> {
        let sql = "SELECT operation, status, CAST(SUM(n) AS BIGINT) FROM days WHERE name = '' GROUP BY operation, status ORDER BY operation, status";
        let rows: Vec<(String, String, i64)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(o, s, n)| (o, s, n as u64)).collect())
    }

    /// How many runs have failed, by operation and by what started them.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn failures(&self) -> Result<Vec<(String, String, u64)>, CatalogueError> {
        let sql = "SELECT operation, cause, COUNT(*) FROM runs WHERE status = 'failed' GROUP BY operation, cause ORDER BY operation, cause";
        let rows: Vec<(String, String, i64)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(o, c, n)| (o, c, n as u64)).collect())
    }

    /// How many archives each schedule has, and their bytes.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn archive_sums(&self) -> Result<Vec<(String, u64, u64)>, CatalogueError> {
        let sql = "SELECT schedule, COUNT(*), CAST(SUM(size) AS BIGINT) FROM archives WHERE deleting = 0 GROUP BY schedule ORDER BY schedule";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(s, n, b)| (s, n as u64, b as u64)).collect())
    }

    /// The last backup of each schedule.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn last_runs(&self) -> Result<Vec<backup_model::Run>, CatalogueError> {
        let sql = format!(
            "SELECT {} FROM runs WHERE id IN (SELECT last_run FROM schedules WHERE last_run IS NOT NULL)",
            crate::rows::RUN
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        rows.iter().map(crate::rows::run).collect()
    }
}
