//! Retention: what stays, what goes, and the going.

use crate::remote::{decide, stays_here};
use crate::{App, OperationError};
use backup_catalogue::Finish;
use backup_engine::store;
use backup_model::{
    ArchiveId, ArchiveRecord, Candidate, Cause, Decision, Keep, Kind, Operation, Reason, RunCounts, RunId, RunStatus, Schedule,
    plan_retention,
};
use chrono::{DateTime, Duration, Utc};
use std::collections::HashSet;
use std::path::Path;

/// What retention would do, or has done, for one schedule.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The schedule.
    pub schedule: String,
    /// Why nothing is removed, if a sanity warning froze retention.
    pub frozen: Option<String>,
    /// Every archive with what becomes of it, newest first.
    pub archives: Vec<(ArchiveRecord, Decision)>,
    /// The run that removed them, if something was removed.
    pub run: Option<RunId>,
}

/// What rules of retention come to once a schedule has run for a while.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// When that is.
    pub at: DateTime<Utc>,
    /// Runs until then.
    pub runs: u64,
    /// Archives that are kept of them.
    pub kept: u64,
    /// When the oldest of those was made.
    pub oldest: Option<DateTime<Utc>>,
}

/// What a schedule will have kept of full archives after a year, or after the runs that are looked at if they are denser.
#[must_use]
pub fn outlook(schedule: &Schedule, now: DateTime<Utc>) -> Option<Outlook> {
    const RUNS: usize = 2000;
    // What a chain needs depends on when its full archives come, which nobody knows that far ahead.
    if schedule.kinds.kind != Kind::Full || schedule.keep == Keep::default() {
        return None;
    }
    let year = now + Duration::days(365);
    let mut made: Vec<Candidate> = Vec::new();
    let mut at = now;
    while let Some(time) = schedule.trigger.next_after(schedule.timezone, at).filter(|t| *t <= year && made.len() < RUNS) {
        let id = ArchiveId(crate::request::new_uuid());
        made.push(Candidate { id, time, good: true, pinned: false, parent: None });
        at = time;
    }
    let end = made.last()?.time;
    let runs = made.len() as u64;
    let decided = plan_retention(&made, &schedule.keep, schedule.timezone, end);
    let kept: HashSet<ArchiveId> = decided.iter().filter(|d| !d.reasons.is_empty()).map(|d| d.id).collect();
    let oldest = made.iter().filter(|c| kept.contains(&c.id)).map(|c| c.time).min();
    Some(Outlook { at: end, runs, kept: kept.len() as u64, oldest })
}

impl PrunePlan {
    /// Archives that go.
    pub fn going(&self) -> impl Iterator<Item = &ArchiveRecord> {
        self.archives.iter().filter(|(_, d)| d.reasons.is_empty()).map(|(a, _)| a)
    }
}

impl App {
    /// Decides for every archive of a schedule.
    ///
    /// # Errors
    /// There is no such schedule, or the catalogue cannot be used.
    pub async fn plan_prune(&self, name: &str) -> Result<PrunePlan, OperationError> {
        self.plan_with(name, None).await
    }

    /// Decides by other rules than those in force.
    ///
    /// # Errors
    /// As [`App::plan_prune`].
    pub async fn plan_with(&self, name: &str, keep: Option<Keep>) -> Result<PrunePlan, OperationError> {
        let file = self.valid_file()?;
        let Some(schedule) = file.schedule(name) else {
            return Err(OperationError::NotFound(format!("there is no schedule {name}; `backupctl list` shows all")));
        };
        let all = self.catalogue().archives(Some(name), None, 0).await?;
        let records: Vec<ArchiveRecord> = all.into_iter().filter(|r| !r.away).collect();
        let frozen = self.catalogue().schedule_states().await?.remove(name).and_then(|s| s.frozen);
        // Where the home is no destination, it keeps what the next increment builds on.
        let here = if stays_here(schedule) { keep.unwrap_or(schedule.keep) } else { Keep { last: Some(1), ..Keep::default() } };
        let mut decisions = decide(&records, &here, schedule.timezone, self.now());
        let waiting = self.not_copied(schedule).await?;
        for decision in &mut decisions {
            if frozen.is_some() {
                decision.reasons.push(Reason::Frozen);
            }
            if decision.reasons.is_empty() && waiting.contains(&decision.id) {
                decision.reasons.push(Reason::NotCopied);
            }
        }
        let mut archives = Vec::new();
        for decision in decisions {
            if let Some(record) = records.iter().find(|r| r.manifest.id == decision.id) {
                archives.push((record.clone(), decision));
            }
        }
        Ok(PrunePlan { schedule: name.to_owned(), frozen, archives, run: None })
    }

    /// Applies retention to a schedule, or only says what it would do.
    ///
    /// # Errors
    /// As [`App::plan_prune`], or a file cannot be removed.
    pub async fn prune(&self, name: &str, dry_run: bool, cause: Cause) -> Result<PrunePlan, OperationError> {
        let mut plan = self.plan_prune(name).await?;
        let going: Vec<ArchiveRecord> = plan.going().cloned().collect();
        if dry_run || going.is_empty() {
            return Ok(plan);
        }
        let new = self.new_run(Operation::Prune, cause, name);
        let id = new.id;
        let now = self.now();
        self.catalogue().request(&new).await?;
        self.catalogue().claim(id, self.lease(), now, now + crate::work::LEASE).await?;
        let mut removed = 0;
        let mut bytes = 0;
        let mut failure = None;
        for record in &going {
            match self.remove_archive(record).await {
                Ok(()) => {
                    removed += 1;
                    bytes += record.manifest.archive.size;
                }
                Err(e) => {
                    failure = Some(e);
                    break;
                }
            }
        }
        let finish = Finish {
            status: if failure.is_some() { RunStatus::Failed } else { RunStatus::Completed },
            ended: self.now(),
            counts: RunCounts { files: removed, bytes, ..RunCounts::default() },
            error: failure.as_ref().map(ToString::to_string),
            made: Vec::new(),
            notes: Vec::new(),
            alerts: Vec::new(),
        };
        self.end_run_of(id, &finish).await?;
        crate::work::log_end(Operation::Prune, name, &finish, "");
        plan.run = Some(id);
        failure.map_or(Ok(plan), Err)
    }

    /// Removes one archive: marked first, so that a crash ends with it gone, and forgotten last.
    pub(crate) async fn remove_archive(&self, record: &ArchiveRecord) -> Result<(), OperationError> {
        let id = record.manifest.id;
        self.catalogue().mark_deleting(id).await?;
        let path = record.path.clone();
        let local = self.local_indexes();
        let removed = tokio::task::spawn_blocking(move || store::remove(Path::new(&path), id, local.as_deref())).await;
        removed.map_err(|e| OperationError::Failed(e.to_string()))??;
        self.catalogue().files_gone(id).await?;
        tracing::info!("removed {}", record.path);
        Ok(())
    }

    /// Removes one archive that somebody chose.
    ///
    /// # Errors
    /// There is none, it is pinned, or another archive builds on it.
    pub async fn delete_archive(&self, word: &str) -> Result<ArchiveRecord, OperationError> {
        let record = self.archive_record(word).await?;
        if record.pinned {
            return Err(OperationError::Conflict(format!("{} is pinned; unpin it first", record.path)));
        }
        let id = record.manifest.id;
        let others = self.catalogue().archives(Some(record.manifest.schedule.as_str()), None, 0).await?;
        if let Some(child) = others.iter().find(|r| r.manifest.parent == Some(id)) {
            return Err(OperationError::Conflict(format!("{} builds on it; remove that one first", child.path)));
        }
        self.remove_everywhere(&record).await?;
        Ok(record)
    }

    /// Removes an archive here at once, and from its destinations as soon as they can be reached.
    async fn remove_everywhere(&self, record: &ArchiveRecord) -> Result<(), OperationError> {
        let id = record.manifest.id;
        for copy in self.catalogue().copies_of(id).await? {
            self.catalogue().copy_going(id, &copy.destination, self.now()).await?;
        }
        if !record.away {
            self.remove_archive(record).await?;
        }
        // A daemon sees to the copies at once.
        self.wake_copies();
        Ok(())
    }

    /// Retention after a backup; its trouble is logged and does not touch the backup's outcome.
    pub(crate) async fn prune_after(&self, name: &str) {
        if let Err(e) = self.prune(name, false, Cause::Schedule).await {
            tracing::error!("retention of {name} failed: {e}");
        }
    }

    /// Confirms that a sanity warning is all right: retention goes on.
    ///
    /// # Errors
    /// There is nothing to confirm.
    pub async fn confirm(&self, name: &str) -> Result<String, OperationError> {
        let frozen = self.catalogue().schedule_states().await?.remove(name).and_then(|s| s.frozen);
        let Some(reason) = frozen else {
            return Err(OperationError::NotFound(format!("{name} has no warning to confirm")));
        };
        self.catalogue().set_frozen(name, "").await?;
        tracing::info!("{name}: confirmed ({reason}); retention goes on");
        Ok(reason)
    }

    /// Pins or unpins an archive.
    ///
    /// # Errors
    /// There is no such archive.
    pub async fn pin(&self, word: &str, pinned: bool) -> Result<ArchiveRecord, OperationError> {
        let record = self.archive_record(word).await?;
        self.catalogue().set_pinned(record.manifest.id, pinned).await?;
        tracing::info!("{} {}", if pinned { "pinned" } else { "unpinned" }, record.path);
        Ok(ArchiveRecord { pinned, ..record })
    }

    /// The catalogue's record of an archive.
    ///
    /// # Errors
    /// There is none.
    pub async fn archive_record(&self, word: &str) -> Result<ArchiveRecord, OperationError> {
        let resolved = self.resolve(word).await?;
        let none = || OperationError::NotFound(format!("{} is not in this home's catalogue", resolved.path.display()));
        let id = resolved.manifest.as_ref().map(|m| m.id.to_string()).ok_or_else(none)?;
        self.catalogue().archive_by_prefix(&id).await?.ok_or_else(none)
    }

    /// Removes all archives of a schedule that is deleted.
    ///
    /// # Errors
    /// The first archive that cannot be removed.
    pub async fn remove_all(&self, name: &str) -> Result<u64, OperationError> {
        let records = self.catalogue().archives(Some(name), None, 0).await?;
        if let Some(pinned) = records.iter().find(|r| r.pinned) {
            return Err(OperationError::Conflict(format!("{} is pinned; `backupctl unpin` it first", pinned.path)));
        }
        for record in &records {
            self.remove_everywhere(record).await?;
        }
        Ok(records.len() as u64)
    }
}
