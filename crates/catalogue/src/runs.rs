//! Runs from their request to their end.

use crate::rows::{RUN, millis, run};
use crate::{Catalogue, CatalogueError};
use backup_model::{Alert, ArchiveId, Cause, Kind, Manifest, Note, NoteLevel, Operation, Run, RunCounts, RunId, RunStatus};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

/// A run to ask for.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// What it does.
    pub operation: Operation,
    /// What started it.
    pub cause: Cause,
    /// The schedule, or what else it is about.
    pub name: String,
    /// Kind of archive, of backups.
    pub kind: Option<Kind>,
    /// When the clock meant it.
    pub planned: Option<DateTime<Utc>>,
    /// Now.
    pub created: DateTime<Utc>,
    /// This machine.
    pub host: String,
    /// What was asked, as JSON.
    pub request: serde_json::Value,
    /// The archive it is about, where it is about one.
    pub archive: Option<(Option<ArchiveId>, String)>,
}

/// Who is at work on a run, so that a death is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Host name.
    pub host: String,
    /// The kernel's boot id.
    pub boot: String,
    /// Process id.
    pub pid: u32,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The status.
    pub status: RunStatus,
    /// When.
    pub ended: DateTime<Utc>,
    /// What was counted.
    pub counts: RunCounts,
    /// Why it failed, or the first warning.
    pub error: Option<String>,
    /// The archives that were made, with their paths. The run's own is the first.
    pub made: Vec<(Manifest, String)>,
    /// What it had to say about paths.
    pub notes: Vec<Note>,
    /// What somebody shall hear of it, and who.
    pub alerts: Vec<(Alert, Vec<String>)>,
}

/// Notes kept for each run; the count in the run is exact all the same.
const MAX_NOTES: usize = 10_000;

impl Catalogue {
    /// The row of what a search looks through in a run.
    async fn text_id(
        &self,
        connection: &mut sqlx::AnyConnection,
        name: &str,
        host: &str,
        error: Option<&str>,
    ) -> Result<i64, CatalogueError> {
        let mut body = format!("{name}\n{host}");
        if let Some(error) = error {
            body.push('\n');
            body.push_str(error);
        }
        if let Some(id) =
            sqlx::query_scalar("SELECT id FROM texts WHERE body = $1").bind(&body).fetch_optional(&mut *connection).await?
        {
            return Ok(id);
        }
        Ok(sqlx::query_scalar("INSERT INTO texts (body) VALUES ($1) RETURNING id")
            .bind(&body)
            .fetch_one(&mut *connection)
            .await?)
    }

    /// Records a wish for a run. `false`: a run for this planned time exists already.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn request(&self, new: &NewRun) -> Result<bool, CatalogueError> {
        let mut transaction = self.begin().await?;
        let text = self.text_id(&mut transaction, &new.name, &new.host, None).await?;
        let (archive, path) = match &new.archive {
            Some((id, path)) => (id.map(|i| i.to_string()), Some(path.clone())),
            None => (None, None),
        };
        let done = sqlx::query(
            "INSERT INTO runs (id, operation, cause, name, kind, content, form, status, planned, created, host, request, text_id, archive, archive_path) \
             VALUES ($1, $2, $3, $4, $5, 'full', 'tar', 'pending', $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        )
        .bind(new.id.to_string())
        .bind(new.operation.as_str())
        .bind(new.cause.as_str())
        .bind(&new.name)
        .bind(new.kind.map_or("", Kind::as_str))
        .bind(new.planned.map(millis))
        .bind(millis(new.created))
        .bind(&new.host)
        .bind(new.request.to_string())
        .bind(text)
        .bind(archive)
        .bind(path)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// The next pending run whose schedule is not at work, oldest first.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn next_pending(&self) -> Result<Option<Run>, CatalogueError> {
        let sql = format!(
            "SELECT {RUN} FROM runs WHERE status = 'pending' AND name NOT IN (SELECT name FROM runs WHERE status = 'running' AND operation = 'backup') \
             ORDER BY created, id LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&self.pool).await?;
        row.as_ref().map(run).transpose()
    }

    /// Takes a pending run to work on. `false`: somebody else has it, or it is over.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn claim(
        &self,
        id: RunId,
        lease: &Lease,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, CatalogueError> {
        let claim = sqlx::query(
            "UPDATE runs SET status = 'running', started = $1, lease_host = $2, lease_boot = $3, lease_pid = $4, lease_until = $5 \
             WHERE id = $6 AND status = 'pending'",
        )
        .bind(millis(now))
        .bind(&lease.host)
        .bind(&lease.boot)
        .bind(i64::from(lease.pid))
        .bind(millis(until))
        .bind(id.to_string());
        let done = self.write(claim).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Prolongs the lease of everything that this process has at work.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), CatalogueError> {
        let renew = sqlx::query("UPDATE runs SET lease_until = $1 WHERE status = 'running' AND lease_host = $2 AND lease_boot = $3 AND lease_pid = $4")
            .bind(millis(until))
            .bind(&lease.host)
            .bind(&lease.boot)
            .bind(i64::from(lease.pid));
        self.write(renew).await?;
        Ok(())
    }

    /// Ends a run: its row, its archive, its notes and where its schedule stands, in one transaction.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn finish(&self, id: RunId, finish: &Finish) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        let key = id.to_string();
        let sql = format!("SELECT {RUN} FROM runs WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(&key).fetch_optional(&mut *transaction).await?;
        let Some(before) = row.as_ref().map(run).transpose()? else {
            return Err(CatalogueError::Content(format!("there is no run {id}")));
        };
        let text = self.text_id(&mut transaction, &before.name, &before.host, finish.error.as_deref()).await?;
        let started = before.started.unwrap_or(finish.ended);
        let c = finish.counts;
        sqlx::query(
            "UPDATE runs SET status = $1, ended = $2, ms = $3, files = $4, folders = $5, others = $6, bytes = $7, stored = $8, warnings = $9, \
             error = $10, text_id = $11, started = $12, kind = CASE WHEN $13 = '' THEN kind ELSE $13 END, \
             tables = $14, records = $15 WHERE id = $16",
        )
        .bind(finish.status.as_str())
        .bind(millis(finish.ended))
        .bind((finish.ended - started).num_milliseconds().max(0))
        .bind(c.files as i64)
        .bind(c.folders as i64)
        .bind(c.others as i64)
        .bind(c.bytes as i64)
        .bind(c.stored as i64)
        .bind(c.warnings as i64)
        .bind(finish.error.clone())
        .bind(text)
        .bind(millis(started))
        .bind(finish.made.first().map_or("", |(m, _)| m.kind.as_str()))
        .bind(c.tables as i64)
        .bind(c.records as i64)
        .bind(&key)
        .execute(&mut *transaction)
        .await?;
        for (manifest, path) in &finish.made {
            crate::archives::insert(&mut transaction, manifest, path, finish.ended).await?;
        }
        if let Some((manifest, path)) = finish.made.first() {
            sqlx::query("UPDATE runs SET archive = $1, archive_path = $2, content = $3, form = $4 WHERE id = $5")
                .bind(manifest.id.to_string())
                .bind(path)
                .bind(&manifest.content)
                .bind(&manifest.form)
                .bind(&key)
                .execute(&mut *transaction)
                .await?;
        }
        for (seq, note) in finish.notes.iter().take(MAX_NOTES).enumerate() {
            sqlx::query("INSERT INTO notes (run, seq, level, path, text) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
                .bind(&key)
                .bind(seq as i64)
                .bind(if note.level == NoteLevel::Warning { "warning" } else { "info" })
                .bind(&note.path)
                .bind(&note.text)
                .execute(&mut *transaction)
                .await?;
        }
        crate::alerts::insert(&mut transaction, &finish.alerts).await?;
        if before.operation == Operation::Backup {
            let good = matches!(finish.status, RunStatus::Completed | RunStatus::Warning);
            sqlx::query(
                "INSERT INTO schedules (name, last_run, last_status, last_ended, last_error, last_good) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (name) DO UPDATE SET last_run = $2, last_status = $3, last_ended = $4, last_error = $5, \
                 last_good = COALESCE($6, schedules.last_good), \
                 stale_told = CASE WHEN $6 IS NULL THEN schedules.stale_told ELSE NULL END",
            )
            .bind(&before.name)
            .bind(&key)
            .bind(finish.status.as_str())
            .bind(millis(finish.ended))
            .bind(finish.error.clone())
            .bind(good.then(|| millis(finish.ended)))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes runs of another catalogue in, as they are, in one transaction; those that are known stay.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn import_runs(&self, runs: &[Run]) -> Result<(), CatalogueError> {
        let mut transaction = self.begin().await?;
        for run in runs {
            let text = self.text_id(&mut transaction, &run.name, &run.host, run.error.as_deref()).await?;
            let (c, ms) = (run.counts, run.seconds().map_or(0, |s| (s * 1000.0) as i64));
            sqlx::query(
                "INSERT INTO runs (id, operation, cause, name, kind, content, form, status, planned, created, started, ended, ms, \
                 files, folders, others, bytes, stored, warnings, error, archive, archive_path, host, request, text_id, tables, records) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(run.id.to_string())
            .bind(run.operation.as_str())
            .bind(run.cause.as_str())
            .bind(&run.name)
            .bind(run.kind.map_or("", Kind::as_str))
            .bind(&run.content)
            .bind(&run.form)
            .bind(run.status.as_str())
            .bind(run.planned.map(millis))
            .bind(millis(run.created))
            .bind(run.started.map(millis))
            .bind(run.ended.map(millis))
            .bind(ms)
            .bind(c.files as i64)
            .bind(c.folders as i64)
            .bind(c.others as i64)
            .bind(c.bytes as i64)
            .bind(c.stored as i64)
            .bind(c.warnings as i64)
            .bind(run.error.clone())
            .bind(run.archive.map(|a| a.to_string()))
            .bind(run.archive_path.clone())
            .bind(&run.host)
            .bind(run.request.to_string())
            .bind(text)
            .bind(c.tables as i64)
            .bind(c.records as i64)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Asks a run to stop. `false`: it is over already, or not known.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn ask_cancel(&self, id: RunId) -> Result<bool, CatalogueError> {
        let done = sqlx::query("UPDATE runs SET cancel = 1 WHERE id = $1 AND status IN ('pending', 'running')")
            .bind(id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Open runs that somebody has asked to stop.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn cancel_wishes(&self) -> Result<Vec<RunId>, CatalogueError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM runs WHERE status IN ('pending', 'running') AND cancel = 1")
            .fetch_all(&self.pool)
            .await?;
        ids.iter().map(|i| crate::rows::word(i)).collect()
    }

    /// Runs that are pending or at work, with their leases.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn open_runs(&self) -> Result<Vec<(Run, Lease, DateTime<Utc>)>, CatalogueError> {
        use sqlx::Row;
        let sql = format!(
            "SELECT {RUN}, lease_host, lease_boot, lease_pid, lease_until FROM runs WHERE status IN ('pending', 'running') ORDER BY created, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let lease = Lease {
                    host: row.try_get("lease_host")?,
                    boot: row.try_get("lease_boot")?,
                    pid: row.try_get::<i64, _>("lease_pid")? as u32,
                };
                Ok((run(row)?, lease, crate::rows::time(row.try_get("lease_until")?)))
            })
            .collect()
    }

    /// When the newest run was asked for.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn newest_run(&self) -> Result<Option<DateTime<Utc>>, CatalogueError> {
        let at: Option<i64> = sqlx::query_scalar("SELECT MAX(created) FROM runs").fetch_one(&self.pool).await?;
        Ok(at.map(crate::rows::time))
    }

    /// One run.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, CatalogueError> {
        let sql = format!("SELECT {RUN} FROM runs WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(run).transpose()
    }

    /// One run by the beginning of its id.
    ///
    /// # Errors
    /// [`CatalogueError::Ambiguous`] if several begin so.
    pub async fn run_by_prefix(&self, prefix: &str) -> Result<Option<Run>, CatalogueError> {
        let prefix = prefix.to_ascii_lowercase();
        let sql = format!("SELECT {RUN} FROM runs WHERE id >= $1 AND id < $2 LIMIT 2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(&prefix).bind(format!("{prefix}~")).fetch_all(&self.pool).await?;
        if rows.len() > 1 {
            return Err(CatalogueError::Ambiguous(prefix));
        }
        rows.first().map(run).transpose()
    }

    /// What a run had to say about paths.
    ///
    /// # Errors
    /// [`CatalogueError`] from the database.
    pub async fn notes(&self, id: RunId) -> Result<Vec<Note>, CatalogueError> {
        use sqlx::Row;
        let rows = sqlx::query("SELECT level, path, text FROM notes WHERE run = $1 ORDER BY seq")
            .bind(id.to_string())
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let level: String = row.try_get("level")?;
                let level = if level == "warning" { NoteLevel::Warning } else { NoteLevel::Info };
                Ok(Note { level, path: row.try_get("path")?, text: row.try_get("text")? })
            })
            .collect()
    }
}
