//! Wishes: what is asked for becomes a run in the catalogue, and then work.

use crate::live::KeptEnd;
use crate::{App, Elsewhere, Mode, OperationError};
use backup_catalogue::{Finish, NewRun};
use backup_engine::Overwrite;
use backup_model::{ArchiveId, Cause, Kind, Note, Operation, Run, RunCounts, RunId, RunStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

/// What to restore.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreWish {
    /// The archive file.
    pub archive: PathBuf,
    /// The folder to write beneath.
    pub target: PathBuf,
    /// Paths in the archive, as bytes; empty means everything.
    pub paths: Vec<Vec<u8>>,
    /// `never`, `older` or `always`.
    pub overwrite: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// The most entries to take; `None` leaves it to what is known of the archive.
    pub max_entries: Option<u64>,
    /// The most bytes that it may unpack to; `None` leaves it to what is known of the archive.
    pub max_bytes: Option<u64>,
    /// Patterns as in gitignore(5), which narrow.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Leading components of names to drop.
    #[serde(default)]
    pub strip: usize,
    /// Go on where an archive is damaged.
    #[serde(default)]
    pub skip_damaged: bool,
    /// Owners by name instead of by number.
    #[serde(default)]
    pub owners_by_name: bool,
    /// Other owners: from a number to a number.
    #[serde(default)]
    pub map_users: Vec<(u32, u32)>,
    /// Other groups.
    #[serde(default)]
    pub map_groups: Vec<(u32, u32)>,
    /// Everybody else's files become these: owner and group.
    #[serde(default)]
    pub all_to: Option<(u32, u32)>,
    /// The destination to restore from, if not from the home.
    #[serde(default)]
    pub destination: Option<String>,
    /// The archive in a destination that is meant.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
}

/// What to verify.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyWish {
    /// The archive file.
    pub archive: PathBuf,
    /// Read back every byte.
    pub deep: bool,
    /// The archive in a destination that is meant.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
}

/// A run that another process did and that belongs into this home's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `restore` or `verify`.
    pub operation: String,
    /// The schedule of the archive, or the archive's path.
    pub name: String,
    /// The archive's id, if it has one.
    pub archive: Option<ArchiveId>,
    /// The archive's path.
    pub archive_path: String,
    /// How it ended.
    pub status: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// What was counted.
    pub counts: RunCounts,
    /// Why it failed, or the first warning.
    pub error: Option<String>,
    /// What it had to say about paths.
    pub notes: Vec<Note>,
    /// What was asked.
    pub request: serde_json::Value,
}

pub(crate) fn overwrite(word: &str) -> Result<Overwrite, OperationError> {
    match word {
        "never" | "" => Ok(Overwrite::Never),
        "older" => Ok(Overwrite::Older),
        "always" => Ok(Overwrite::Always),
        other => Err(OperationError::Invalid(format!("{other:?} is no overwrite policy; write never, older or always"))),
    }
}

/// A new id, sorted by time.
pub(crate) fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

impl App {
    pub(crate) fn new_run(&self, operation: Operation, cause: Cause, name: &str) -> NewRun {
        NewRun {
            id: RunId(new_uuid()),
            operation,
            cause,
            name: name.to_owned(),
            kind: (operation == Operation::Backup).then_some(Kind::Full),
            planned: None,
            created: self.now(),
            host: self.host().to_owned(),
            request: serde_json::Value::Null,
            archive: None,
        }
    }

    /// Records a wish and sees to it that it is worked on.
    pub(crate) async fn submit(&self, new: NewRun) -> Result<Option<Run>, OperationError> {
        if self.is_stopping() {
            return Err(OperationError::Conflict("the daemon is stopping; try again once it has started".into()));
        }
        if self.is_sample() {
            return Err(OperationError::Conflict(
                "this home holds sample data, with which nothing real is mixed; make another one: backupctl --home DIR init"
                    .into(),
            ));
        }
        if !self.catalogue().request(&new).await? {
            return Ok(None);
        }
        let run = self.catalogue().run(new.id).await?;
        match self.mode() {
            Mode::Daemon => self.wake().notify_one(),
            Mode::InProcess => {
                let app = self.clone();
                let id = new.id;
                tokio::spawn(async move { app.take_and_work(id).await });
            }
        }
        Ok(run)
    }

    pub(crate) async fn submit_new(&self, new: NewRun) -> Result<Run, OperationError> {
        self.submit(new).await?.ok_or_else(|| OperationError::Failed("the run could not be recorded".into()))
    }

    /// Asks for a backup of a schedule now.
    ///
    /// # Errors
    /// There is no such schedule, the file is not valid, or a run of it waits already.
    pub async fn request_backup(&self, name: &str, kind: Option<&str>) -> Result<Run, OperationError> {
        let asked: Option<Kind> = kind
            .map(|k| k.parse().map_err(|e: backup_model::ParseWordError| OperationError::Invalid(e.to_string())))
            .transpose()?;
        let file = self.valid_file()?;
        let Some(schedule) = file.schedule(name) else {
            return Err(OperationError::NotFound(format!("there is no schedule {name}; `backupctl list` shows all")));
        };
        if schedule.database.is_some() && asked.is_some_and(|kind| kind != Kind::Full) {
            return Err(OperationError::Invalid(format!(
                "{name} copies a database, and a dump of a database is always full: leave --kind out, let it run more often and keep fewer, or back up the server's files with its own tools"
            )));
        }
        for (run, ..) in self.catalogue().open_runs().await? {
            if run.name == name
                && run.operation == Operation::Backup
                && (self.mode() == Mode::Daemon || run.status == RunStatus::Running)
            {
                let what = if run.status == RunStatus::Running { "is running" } else { "is waiting" };
                return Err(OperationError::Conflict(format!("a backup of {name} {what} already (run {})", run.id)));
            }
        }
        let mut new = self.new_run(Operation::Backup, Cause::Manual, schedule.name.as_str());
        new.kind = Some(asked.unwrap_or(schedule.kinds.kind));
        if let Some(kind) = asked {
            new.request = serde_json::json!({ "kind": kind });
        }
        self.submit_new(new).await
    }

    /// Asks for a restore.
    ///
    /// # Errors
    /// The wish makes no sense, or (in the daemon) the target is not beneath `restore_roots`.
    pub async fn request_restore(&self, archive: &str, wish: RestoreWish) -> Result<Run, OperationError> {
        let (resolved, elsewhere) = self.resolve_anywhere(archive, wish.destination.as_deref()).await?;
        overwrite(&wish.overwrite)?;
        if !wish.target.is_absolute() {
            return Err(OperationError::Invalid(format!("the target {} must be an absolute path", wish.target.display())));
        }
        if self.mode() == Mode::Daemon {
            let roots = self.restore_roots();
            let plain = wish.target.components().all(|c| !matches!(c, std::path::Component::ParentDir));
            if !plain || !roots.iter().any(|r| wish.target.starts_with(r)) {
                return Err(OperationError::Forbidden(format!(
                    "the daemon restores only beneath {}, and {} is not; name more folders as [daemon] restore_roots, or use `backupctl restore`, which works with your own rights",
                    roots.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", "),
                    wish.target.display()
                )));
            }
        }
        let name = resolved.manifest.as_ref().map_or_else(|| resolved.path.display().to_string(), |m| m.schedule.to_string());
        let mut new = self.new_run(Operation::Restore, Cause::Manual, &name);
        let wish = RestoreWish { archive: resolved.path.clone(), elsewhere, ..wish };
        new.request = serde_json::to_value(&wish).unwrap_or_default();
        new.archive = Some((resolved.manifest.map(|m| m.id), resolved.path.display().to_string()));
        self.submit_new(new).await
    }

    /// Where the daemon may restore files to: `[daemon] restore_roots`, or the folder `restored` of the home.
    #[must_use]
    pub fn restore_roots(&self) -> Vec<PathBuf> {
        let named = self.file().daemon.restore_roots.clone();
        match self.home() {
            Some(home) if named.is_empty() => vec![home.root().join("restored")],
            _ => named,
        }
    }

    /// Asks for verifications: of one archive, of all of a schedule, or of all. A run for each.
    ///
    /// # Errors
    /// Nothing is found.
    pub async fn request_verify(
        &self,
        archive: Option<&str>,
        all: bool,
        deep: bool,
        destination: Option<&str>,
    ) -> Result<Vec<Run>, OperationError> {
        let mut found = Vec::new();
        let mut elsewhere = None;
        match archive {
            Some(word) if destination.is_some() => {
                let (resolved, place) = self.resolve_anywhere(word, destination).await?;
                elsewhere = place;
                found.push(resolved);
            }
            None if destination.is_some() => {
                return Err(OperationError::Invalid("say which archive of the destination to verify".into()));
            }
            Some(word) => {
                // A bare schedule name means all of its archives; a version of it means one.
                let of_schedule = if word.contains('/') || word.contains('@') {
                    Vec::new()
                } else {
                    self.catalogue().archives(Some(word), None, 0).await?
                };
                if of_schedule.is_empty() {
                    found.push(self.resolve(word).await?);
                }
                found.extend(
                    of_schedule
                        .into_iter()
                        .filter(|r| !r.away)
                        .map(|r| crate::Resolved { path: r.path.into(), manifest: Some(r.manifest) }),
                );
            }
            None if all => {
                let records = self.catalogue().archives(None, None, 0).await?;
                found.extend(
                    records
                        .into_iter()
                        .filter(|r| !r.away)
                        .map(|r| crate::Resolved { path: r.path.into(), manifest: Some(r.manifest) }),
                );
            }
            None => return Err(OperationError::Invalid("say what to verify: an archive, a schedule's name, or --all".into())),
        }
        let mut runs = Vec::new();
        for resolved in found {
            let name = resolved.manifest.as_ref().map_or_else(|| resolved.path.display().to_string(), |m| m.schedule.to_string());
            let mut new = self.new_run(Operation::Verify, Cause::Manual, &name);
            new.request = serde_json::to_value(VerifyWish { archive: resolved.path.clone(), deep, elsewhere: elsewhere.clone() })
                .unwrap_or_default();
            new.archive = Some((resolved.manifest.map(|m| m.id), resolved.path.display().to_string()));
            runs.push(self.submit_new(new).await?);
        }
        Ok(runs)
    }

    /// Takes a report of another process into the history.
    ///
    /// # Errors
    /// Its words are not understood.
    pub async fn record(&self, report: &Report) -> Result<RunId, OperationError> {
        let invalid = |e: backup_model::ParseWordError| OperationError::Invalid(e.to_string());
        let operation: Operation = report.operation.parse().map_err(invalid)?;
        let status: RunStatus = report.status.parse().map_err(invalid)?;
        if !matches!(operation, Operation::Restore | Operation::Verify)
            || matches!(status, RunStatus::Pending | RunStatus::Running)
        {
            return Err(OperationError::Invalid("only restores and verifications that have ended can be reported".into()));
        }
        let mut new = self.new_run(operation, Cause::Manual, &report.name);
        new.created = report.started;
        new.request = report.request.clone();
        new.archive = Some((report.archive, report.archive_path.clone()));
        self.catalogue().request(&new).await?;
        self.catalogue().claim(new.id, self.lease(), report.started, report.ended).await?;
        let finish = Finish {
            status,
            ended: report.ended,
            counts: report.counts,
            error: report.error.clone(),
            made: Vec::new(),
            notes: report.notes.clone(),
            alerts: Vec::new(),
        };
        self.end_run_of(new.id, &finish).await?;
        if operation == Operation::Verify
            && let Some(id) = report.archive
        {
            let deep = report.request.get("deep").and_then(serde_json::Value::as_bool).unwrap_or(false);
            self.catalogue().set_verified(id, report.ended, deep, status == RunStatus::Completed).await?;
        }
        crate::work::log_end(operation, &report.name, &finish, &format!(" by {}", report.archive_path));
        Ok(new.id)
    }

    /// Asks a run to stop.
    ///
    /// # Errors
    /// There is no such run, or it is over.
    pub async fn cancel(&self, word: &str) -> Result<Run, OperationError> {
        let run = self.find_run(word).await?;
        if !self.catalogue().ask_cancel(run.id).await? {
            return Err(OperationError::Conflict(format!("the run {} is over already ({})", run.id, run.status)));
        }
        if let Some(live) = self.live().get(run.id) {
            live.cancel();
        }
        if run.status == RunStatus::Pending {
            let finish = Finish {
                status: RunStatus::Cancelled,
                ended: self.now(),
                counts: RunCounts::default(),
                error: Some("cancelled before it began".into()),
                made: Vec::new(),
                notes: Vec::new(),
                alerts: Vec::new(),
            };
            self.end_run(&run, &finish).await?;
        }
        tracing::info!("cancelling the {} of {} (run {})", run.operation, run.name, run.id);
        self.find_run(&run.id.to_string()).await
    }

    /// A run by its id, the beginning of its id, or (while one is open) its schedule's name.
    ///
    /// # Errors
    /// There is none.
    pub async fn find_run(&self, word: &str) -> Result<Run, OperationError> {
        let none = || OperationError::NotFound(format!("there is no run {word}; `backupctl history` lists them"));
        if backup_model::unique_prefix_ok(word)
            && let Some(run) = self.catalogue().run_by_prefix(word).await?
        {
            return Ok(self.with_kept_end(run));
        }
        let open = self.catalogue().open_runs().await?;
        open.into_iter().map(|(run, ..)| run).find(|r| r.name == word).ok_or_else(none)
    }

    /// A run with its end, also if the catalogue would not take it.
    fn with_kept_end(&self, run: Run) -> Run {
        match self.live().end_of(run.id) {
            Some(KeptEnd { finish, error }) => {
                Run { status: RunStatus::Failed, ended: Some(finish.ended), counts: finish.counts, error: Some(error), ..run }
            }
            None => run,
        }
    }
}
