//! The work of a backup: what it makes, its hooks, its limits, and what is odd about what came of it.

use crate::hooks::{self, Moment};
use crate::kinds::choose;
use crate::live::LiveRun;
use crate::locks::ScheduleLock;
use crate::request::new_uuid;
use crate::work::Outcome;
use crate::{App, OperationError};
use backup_engine::{BackupPlan, BaseArchive, EngineError, Observer, Receipt};
use backup_model::{
    ArchiveId, Kind, Manifest, Note, NoteLevel, Priority, Run, RunCounts, Schedule, format_duration, format_size,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Joins a task of the engine on a thread of its own, whose priority nobody else gets.
pub(crate) async fn gently<T: Send + 'static>(
    priority: Priority,
    live: &Arc<LiveRun>,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, OperationError> {
    let (answer, result) = tokio::sync::oneshot::channel();
    let heard = Arc::clone(live);
    std::thread::Builder::new()
        .name("backup".into())
        .spawn(move || {
            if let Err(e) = backup_engine::lower_priority(priority) {
                let text = format!("nice or ionice cannot be set: {e}");
                heard.note(Note { level: NoteLevel::Warning, path: ".".into(), text });
            }
            let _ = answer.send(work());
        })
        .map_err(|e| OperationError::Failed(format!("a thread cannot be started: {e}")))?;
    match result.await {
        Ok(result) => result.map_err(OperationError::from),
        Err(_) => Err(OperationError::Failed("the work ended by a fault of the program".into())),
    }
}

impl App {
    pub(crate) async fn work_backup(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let home = self.need_home()?;
        let file = self.file();
        let Some(schedule) = file.schedule(&run.name) else {
            return Err(OperationError::NotFound(format!("the schedule {} is not in schedules.toml any more", run.name)));
        };
        let Some(_lock) = ScheduleLock::try_take(home, &schedule.name)? else {
            return Err(OperationError::Conflict(format!("another program is at work on {}", schedule.name)));
        };
        let mut context = hooks::Context { home, run, status: "", error: "", archive: "" };
        let begun = hooks::run(&schedule.hooks, Moment::Before, &context).await;
        let done = match begun {
            Ok(notes) => {
                notes.into_iter().for_each(|n| live.note(n));
                self.copy(run, schedule, live).await
            }
            Err(wrong) => Err(OperationError::Failed(format!("{wrong}; nothing was backed up"))),
        };
        let (error, archive) = match &done {
            Ok(outcome) => (String::new(), outcome.made.first().map(|r| r.path.display().to_string()).unwrap_or_default()),
            Err(e) => (e.to_string(), String::new()),
        };
        context.status = match &done {
            Err(_) => "failed",
            Ok(outcome) if live.warnings() > 0 || outcome.warning.is_some() => "warning",
            Ok(_) => "completed",
        };
        (context.error, context.archive) = (&error, &archive);
        let mut moments = vec![Moment::After];
        if done.is_err() {
            moments.push(Moment::OnFailure);
        }
        for moment in moments {
            if let Ok(notes) = hooks::run(&schedule.hooks, moment, &context).await {
                notes.into_iter().for_each(|n| live.note(n));
            }
        }
        done
    }

    /// Makes the archive.
    async fn copy(&self, run: &Run, schedule: &Schedule, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        if let Some(database) = &schedule.database {
            return self.copy_databases(run, schedule, database, live).await;
        }
        let home = self.need_home()?;
        let zone = schedule.timezone;
        let archives = self.catalogue().archives(Some(schedule.name.as_str()), None, 0).await?;
        // An increment builds on what lies here.
        let (away, archives): (Vec<_>, Vec<_>) = archives.into_iter().partition(|r| r.away);
        let asked: Option<Kind> = run.request.get("kind").and_then(|k| serde_json::from_value(k.clone()).ok());
        let choice = choose(schedule, &archives, asked, self.now());
        let last = archives.into_iter().next().map(|r| r.manifest);
        let access = self.access(Some(schedule.name.as_str())).await?;
        let plan = BackupPlan {
            id: ArchiveId(new_uuid()),
            run: run.id,
            schedule: schedule.name.clone(),
            source: schedule.source.clone(),
            roots: schedule.source.paths.iter().map(|p| home.root().join(p)).collect(),
            folder: home.backups().join(schedule.name.as_str()),
            taken: away.into_iter().map(|r| r.manifest.archive.name).collect(),
            kind: choice.kind.unwrap_or(Kind::Full),
            base: choice.base.as_ref().map(|r| BaseArchive { archive: PathBuf::from(&r.path), access: access.clone() }),
            full_because: choice.because.clone(),
            detect: schedule.kinds.detect,
            live: schedule.source.sqlite.then(|| self.live_databases(home)),
            limits: schedule.limits.clone(),
            never: vec![home.backups()],
            compression: schedule.compression,
            seal: self.seal_of(schedule).await?,
            planned: run.planned.map(|t| t.with_timezone(&zone).fixed_offset()),
            started: self.now().with_timezone(&zone).fixed_offset(),
            timezone: zone.name().to_owned(),
            host: self.host().to_owned(),
            tool: format!("backupctl {}", crate::VERSION),
            expected: last.as_ref().map(|m| (m.files, m.bytes)),
        };
        let mut receipt = self.timed(schedule, plan, live).await?;
        if choice.consolidate && receipt.manifest.kind != Kind::Full {
            receipt = self.consolidated(run, receipt, live).await?;
        }
        let m = &receipt.manifest;
        let counts = RunCounts::of(m);
        let warning = self.sanity(schedule, last.as_ref(), m.files, m.bytes).await?;
        Ok(Outcome { counts, warning, made: vec![receipt] })
    }

    async fn timed(&self, schedule: &Schedule, plan: BackupPlan, live: &Arc<LiveRun>) -> Result<Receipt, OperationError> {
        let zone = schedule.timezone;
        let clock = self.clone();
        let observer = Arc::clone(live);
        let work = gently(schedule.priority, live, move || {
            backup_engine::backup(&plan, &|| clock.now().with_timezone(&zone).fixed_offset(), &*observer)
        });
        self.within_timeout(schedule, live, work).await
    }

    /// Waits for work as long as the schedule's timeout lets it.
    pub(crate) async fn within_timeout<T>(
        &self,
        schedule: &Schedule,
        live: &Arc<LiveRun>,
        work: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, OperationError> {
        let Some(limit) = schedule.timeout else { return work.await };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(limit) => {
                live.cancel();
                // What it leaves is cleaned up by the work itself, which ends soon.
                let _ = work.await;
                Err(OperationError::Failed(format!(
                    "it took longer than its timeout of {} and was stopped; nothing was kept of it",
                    format_duration(limit.as_secs_f64())
                )))
            }
        }
    }

    /// Makes the full archive that is due out of the chain that an increment has just completed. If that
    /// cannot be, the increment stands.
    async fn consolidated(&self, run: &Run, increment: Receipt, live: &Arc<LiveRun>) -> Result<Receipt, OperationError> {
        self.catalogue().adopt(&increment.manifest, &increment.path.display().to_string(), self.now()).await?;
        match self.consolidate(run, &increment.path, live).await {
            Ok(full) => Ok(full),
            Err(e @ OperationError::Engine(EngineError::Cancelled)) => Err(e),
            Err(e) => {
                let text = format!("no full archive could be made of the chain: {e}");
                live.note(Note { level: NoteLevel::Warning, path: increment.path.display().to_string(), text });
                Ok(increment)
            }
        }
    }

    /// A14: an empty source, or much less than last time, freezes retention until somebody confirms.
    async fn sanity(
        &self,
        schedule: &Schedule,
        last: Option<&Manifest>,
        files: u64,
        bytes: u64,
    ) -> Result<Option<String>, OperationError> {
        let name = schedule.name.as_str();
        let reason = match last {
            _ if files == 0 => Some("the source holds no files".to_owned()),
            Some(m) if m.files >= 10 && files * 2 < m.files => {
                Some(format!("only {files} files, the last time there were {}", m.files))
            }
            Some(m) if m.bytes >= 1 << 20 && bytes * 2 < m.bytes => {
                Some(format!("only {}, the last time it was {}", format_size(bytes), format_size(m.bytes)))
            }
            _ => None,
        };
        let Some(reason) = reason else { return Ok(None) };
        self.catalogue().set_frozen(name, &reason).await?;
        Ok(Some(format!("{reason}; retention of {name} is frozen until `backupctl confirm {name}`")))
    }
}
