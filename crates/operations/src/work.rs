//! Works on one run, from the claim to the end.

use crate::live::{KeptEnd, LiveRun};
use crate::remote::Want;
use crate::request::{RestoreWish, VerifyWish, overwrite};
use crate::{App, OperationError};
use backup_catalogue::{CatalogueError, Finish};
use backup_engine::{EngineError, Observer, Owners, Receipt, RestorePlan, Selection, VerifyDepth};
use backup_model::{AlertKind, Note, NoteLevel, Operation, Run, RunCounts, RunId, RunStatus, format_size};
use std::sync::Arc;
use std::time::Duration;

/// How long a lease holds; it is renewed well before.
pub(crate) const LEASE: chrono::Duration = chrono::Duration::seconds(90);

/// What a run came to, before it is written down.
pub(crate) struct Outcome {
    pub(crate) counts: RunCounts,
    pub(crate) warning: Option<String>,
    pub(crate) made: Vec<Receipt>,
}

pub(crate) fn log_end(operation: Operation, name: &str, finish: &Finish, more: &str) {
    let counts = finish.counts;
    let what = if counts.tables > 0 || counts.records > 0 {
        format!("{} tables, {} rows, {}", counts.tables, counts.records, format_size(counts.bytes))
    } else {
        format!("{} files, {}", counts.files, format_size(counts.bytes))
    };
    match finish.status {
        RunStatus::Completed => tracing::info!("{operation} of {name} completed: {what}{more}"),
        RunStatus::Warning => {
            tracing::warn!(
                "{operation} of {name} completed with {} warnings: {what}{more}; first: {}",
                counts.warnings,
                finish.error.as_deref().unwrap_or("-")
            );
        }
        RunStatus::Cancelled => tracing::warn!("{operation} of {name} was cancelled{more}"),
        _ => tracing::error!("{operation} of {name} failed: {}{more}", finish.error.as_deref().unwrap_or("-")),
    }
    for note in finish.notes.iter().filter(|n| n.level == NoteLevel::Warning).take(1000) {
        tracing::warn!("{operation} of {name}: {}: {}", note.path, note.text);
    }
}

/// Joins a task of the engine; a panic in it is a failure of this run only.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, OperationError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(OperationError::from),
        Err(e) => Err(OperationError::Failed(format!("the work ended by a fault of the program: {e}"))),
    }
}

impl App {
    /// Claims a pending run and works on it to its end.
    pub(crate) async fn take_and_work(&self, id: RunId) {
        let mut failure = String::new();
        for wait in [0, 1, 5] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            let now = self.now();
            match self.catalogue().claim(id, self.lease(), now, now + LEASE).await {
                Ok(true) => return self.work(id).await,
                Ok(false) => return,
                Err(e) => {
                    tracing::error!("the run {id} cannot be begun: {e}");
                    failure = e.to_string();
                }
            }
        }
        // Somebody may wait for it, and no queue will take it up in this process.
        let error = format!("it could not be begun: {failure}");
        let finish = Finish {
            status: RunStatus::Failed,
            ended: self.now(),
            counts: RunCounts::default(),
            error: Some(error.clone()),
            made: Vec::new(),
            notes: Vec::new(),
            alerts: Vec::new(),
        };
        self.live().keep_end(id, KeptEnd { finish, error });
    }

    /// Works on a run that this process has claimed.
    pub(crate) async fn work(&self, id: RunId) {
        let run = match self.catalogue().run(id).await {
            Ok(Some(run)) => run,
            Ok(None) => return self.live().end(id),
            Err(e) => {
                tracing::error!("the run {id} cannot be read: {e}");
                return self.live().end(id);
            }
        };
        let live = self.live().get(id).unwrap_or_else(|| self.live().begin(id));
        let watch = tokio::spawn(self.clone().look_after(id, Arc::clone(&live)));
        tracing::info!("{} of {} begins (run {id}, {})", run.operation, run.name, run.cause);
        let done = match run.operation {
            Operation::Backup => self.work_backup(&run, &live).await,
            Operation::Restore => self.work_restore(&run, &live).await,
            Operation::Verify => self.work_verify(&run, &live).await,
            Operation::Drill => self.work_drill(&run, &live).await,
            Operation::Scrub => self.work_scrub(&run, &live).await,
            Operation::Consolidate => self.work_consolidate(&run, &live).await,
            Operation::Rebuild => self.work_rebuild(&run, &live).await,
            Operation::Prune => Err(OperationError::Failed("a prune is no work for the queue".into())),
        };
        let mut reached = Vec::new();
        let done = match done {
            Ok(outcome) => {
                if matches!(run.operation, Operation::Backup | Operation::Consolidate) {
                    let made: Vec<_> = outcome.made.iter().map(|r| (r.manifest.clone(), r.path.clone())).collect();
                    reached = self.ship(&run.name, &made, &live).await;
                }
                Ok(self.delivered(&run, outcome).await)
            }
            failed => failed,
        };
        watch.abort();
        let notes = live.take_notes();
        let made = done.as_ref().ok().and_then(|o| o.made.first()).map(|r| r.path.display().to_string());
        let finish = self.finish_of(done, &live, notes);
        let more = made.map(|p| format!(" in {p}")).unwrap_or_default();
        match self.write_down(&run, &finish).await {
            Ok(()) => log_end(run.operation, &run.name, &finish, &more),
            Err(e) => {
                // The archive has its sidecar and is taken in when the catalogue works again.
                let was = finish.error.clone().unwrap_or_else(|| format!("it was {}{more}", finish.status));
                let error = format!("its end could not be recorded: {e}; {was}");
                self.live().keep_end(id, KeptEnd { finish: finish.clone(), error });
            }
        }
        if matches!(run.operation, Operation::Backup | Operation::Consolidate)
            && matches!(finish.status, RunStatus::Completed | RunStatus::Warning)
        {
            self.prune_after(&run.name).await;
            self.after_shipping(&run.name, &reached).await;
        }
        // Where no daemon runs, nobody else sends what is to be told.
        if self.mode() == crate::Mode::InProcess
            && self.catalogue().is_recorded()
            && let Err(e) = self.send_waiting(true).await
        {
            tracing::error!("the outbox cannot be read: {e}");
        }
        self.live().end(id);
        self.wake().notify_one();
    }

    /// Puts a copy where S0's caller wants it. The archive itself is made: what goes wrong is a warning.
    async fn delivered(&self, run: &Run, mut outcome: Outcome) -> Outcome {
        if run.operation == Operation::Backup
            && let Some(made) = outcome.made.first()
        {
            match self.deliver(&run.name, &made.path).await {
                Ok(Some(path)) => tracing::info!("copied the archive of {} to {}", run.name, path.display()),
                Ok(None) => {}
                Err(e) => outcome.warning = Some(e.to_string()),
            }
        }
        outcome
    }

    /// Renews the lease, and hears of wishes to cancel that another process has recorded.
    async fn look_after(self, id: RunId, live: Arc<LiveRun>) {
        for n in 1u64.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if n.is_multiple_of(20)
                && let Err(e) = self.catalogue().renew(self.lease(), self.now() + LEASE).await
            {
                tracing::warn!("the lease of run {id} cannot be renewed: {e}");
            }
            if n.is_multiple_of(2) && self.catalogue().cancel_wishes().await.is_ok_and(|w| w.contains(&id)) {
                live.cancel();
            }
        }
    }

    fn finish_of(&self, done: Result<Outcome, OperationError>, live: &LiveRun, notes: Vec<Note>) -> Finish {
        let ended = self.now();
        match done {
            Ok(outcome) => {
                let mut counts = outcome.counts;
                counts.warnings = live.warnings();
                let first = notes.iter().find(|n| n.level == NoteLevel::Warning).map(|n| format!("{}: {}", n.path, n.text));
                let error = outcome.warning.or(first);
                let status = if error.is_some() { RunStatus::Warning } else { RunStatus::Completed };
                Finish {
                    status,
                    ended,
                    counts,
                    error,
                    made: outcome.made.into_iter().map(|r| (r.manifest, r.path.display().to_string())).collect(),
                    notes,
                    alerts: Vec::new(),
                }
            }
            Err(e) => {
                let cancelled = matches!(e, OperationError::Engine(EngineError::Cancelled));
                Finish {
                    status: if cancelled { RunStatus::Cancelled } else { RunStatus::Failed },
                    ended,
                    counts: RunCounts { warnings: live.warnings(), ..RunCounts::default() },
                    error: Some(e.to_string()),
                    made: Vec::new(),
                    notes,
                    alerts: Vec::new(),
                }
            }
        }
    }

    /// Writes the end of a run down; a disk that is full for the moment gets a few chances.
    async fn write_down(&self, run: &Run, finish: &Finish) -> Result<(), CatalogueError> {
        let mut done = Ok(());
        for wait in [0, 1, 5, 20] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            done = self.end_run(run, finish).await;
            match &done {
                Ok(()) => break,
                Err(e) => tracing::error!("the end of run {} ({}) cannot be recorded: {e}", run.id, finish.status),
            }
        }
        done
    }

    /// Tries again to record ends that the catalogue would not take.
    pub(crate) async fn record_kept_ends(&self) {
        for (id, end) in self.live().kept_ends() {
            if self.end_run_of(id, &end.finish).await.is_ok() {
                self.live().forget_end(id);
            }
        }
    }

    async fn work_restore(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        if let Some(wish) = run.request.get("database") {
            let wish = serde_json::from_value(wish.clone()).map_err(|e| OperationError::Invalid(e.to_string()))?;
            return self.work_database_restore(run, wish, live).await;
        }
        let wish: RestoreWish =
            serde_json::from_value(run.request.clone()).map_err(|e| OperationError::Invalid(e.to_string()))?;
        let access = self.access(Some(&run.name)).await?;
        let fetched = match &wish.elsewhere {
            Some(place) => {
                let whole = wish.paths.is_empty() && wish.patterns.is_empty();
                let want = if whole && !wish.dry_run || wish.skip_damaged {
                    Want::Whole
                } else {
                    Want::Part(Selection::new(&wish.paths, &wish.patterns)?)
                };
                Some(self.fetch(place, want, &access, Some(live)).await?)
            }
            None => None,
        };
        let plan = RestorePlan {
            archive: fetched.as_ref().map_or(wish.archive, |f| f.path.clone()),
            access,
            target: wish.target,
            paths: wish.paths,
            overwrite: overwrite(&wish.overwrite)?,
            dry_run: wish.dry_run,
            max_entries: wish.max_entries,
            max_bytes: wish.max_bytes,
            skip_damaged: wish.skip_damaged,
            patterns: wish.patterns,
            strip: wish.strip,
            owners: Owners {
                by_name: wish.owners_by_name,
                users: wish.map_users.into_iter().collect(),
                groups: wish.map_groups.into_iter().collect(),
                all: wish.all_to,
            },
        };
        let observer = Arc::clone(live);
        let report = blocking(move || backup_engine::restore(&plan, &*observer)).await?;
        let counts = RunCounts {
            files: report.files,
            folders: report.folders,
            others: report.others,
            bytes: report.bytes,
            ..RunCounts::default()
        };
        if report.unchanged > 0 {
            live.note(Note {
                level: NoteLevel::Info,
                path: ".".into(),
                text: format!("{} entries were there already", report.unchanged),
            });
        }
        if !report.proven && !wish.dry_run {
            let text = "the archive is readable to its end; there was neither a sidecar nor an index to compare it with";
            live.note(Note { level: NoteLevel::Info, path: ".".into(), text: text.into() });
        }
        Ok(Outcome { counts, warning: None, made: Vec::new() })
    }

    async fn work_verify(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let wish: VerifyWish = serde_json::from_value(run.request.clone()).map_err(|e| OperationError::Invalid(e.to_string()))?;
        let depth = if wish.deep { VerifyDepth::Deep } else { VerifyDepth::Checksums };
        let observer = Arc::clone(live);
        let access = self.access(Some(&run.name)).await?;
        if let Some(place) = &wish.elsewhere {
            // A copy is judged by itself: what it comes to says nothing of the archive in the home.
            let fetched = self.fetch(place, Want::Whole, &access, Some(live)).await?;
            let path = fetched.path.clone();
            let seen = blocking(move || backup_engine::verify(&path, depth, &access, &*observer)).await?;
            let counts = RunCounts { files: seen.files, bytes: seen.bytes, ..RunCounts::default() };
            return Ok(Outcome { counts, warning: None, made: Vec::new() });
        }
        let seen = blocking(move || backup_engine::verify(&wish.archive, depth, &access, &*observer)).await;
        // What was stopped, or cannot be opened here, says nothing of the archive.
        let says = !matches!(seen, Err(OperationError::Engine(EngineError::Cancelled | EngineError::NoKey { .. })));
        if let Some(id) = run.archive
            && says
        {
            self.catalogue().set_verified(id, self.now(), wish.deep, seen.is_ok()).await?;
        }
        if let Err(e) = &seen
            && says
        {
            self.alert(AlertKind::Damaged, &run.name, Some(run.id), e.to_string()).await;
        }
        let seen = match seen {
            Err(OperationError::Engine(e @ EngineError::NoKey { .. })) => {
                return Err(OperationError::Failed(crate::checks::inconclusive(&e)));
            }
            seen => seen?,
        };
        let counts = RunCounts { files: seen.files, bytes: seen.bytes, ..RunCounts::default() };
        let warning = (!seen.sidecar).then(|| "readable to its end, but there is no sidecar to compare with".to_owned());
        Ok(Outcome { counts, warning, made: Vec::new() })
    }
}
