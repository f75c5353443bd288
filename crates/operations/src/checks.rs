//! Proofs: trial restores and scrubbing, by hand and by the clock.

use crate::live::LiveRun;
use crate::work::{Outcome, blocking};
use crate::{App, OperationError};
use backup_databases::DatabaseError;
use backup_engine::{DrillPlan, EngineError, Observer, VerifyDepth, is_stream};
use backup_model::{
    AlertKind, ArchiveRecord, Cause, Note, NoteLevel, Operation, Run, RunCounts, Schedule, format_duration, format_size,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DrillWish {
    /// The archive file.
    pub archive: PathBuf,
    /// Share of the files to restore, in percent.
    pub percent: f64,
}

/// What to read back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScrubWish {
    /// One schedule; all if it is left out.
    pub schedule: Option<String>,
    /// Share of the bytes of its archives, in percent; what was not read for longest comes first.
    pub percent: f64,
    /// No further archive is begun after so many seconds.
    pub seconds: Option<u64>,
}

/// How the error of a trial begins that says nothing about the archive.
pub(crate) const INCONCLUSIVE: &str = "inconclusive";

/// What is said of a check that could not say anything.
pub(crate) fn inconclusive(e: &EngineError) -> String {
    match e {
        EngineError::NoKey { .. } => format!("{INCONCLUSIVE}: no key here: {e}"),
        e => format!("{INCONCLUSIVE}: {e}"),
    }
}

/// A time after which nothing was done counts as due at once for the first time.
fn is_due(last: Option<DateTime<Utc>>, every: Duration, now: DateTime<Utc>) -> bool {
    last.is_none_or(|last| now.signed_duration_since(last).to_std().is_ok_and(|age| age >= every))
}

impl App {
    /// Asks for a trial restore of a version: a share of its files, or all.
    ///
    /// # Errors
    /// There is no such archive.
    pub async fn request_drill(&self, archive: &str, percent: f64, cause: Cause) -> Result<Run, OperationError> {
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(OperationError::Invalid("the sample is a share of more than 0 and at most 100 percent".into()));
        }
        self.need_home()?;
        let record = self.archive_record(archive).await?;
        let mut new = self.new_run(Operation::Drill, cause, record.manifest.schedule.as_str());
        let wish = DrillWish { archive: PathBuf::from(&record.path), percent };
        new.request = serde_json::to_value(&wish).unwrap_or_default();
        new.archive = Some((Some(record.manifest.id), record.path));
        self.submit_new(new).await
    }

    /// Asks for a scrub: archives are read back to the last byte, those first that were not for longest.
    ///
    /// # Errors
    /// The share makes no sense, or there is no such schedule.
    pub async fn request_scrub(&self, wish: ScrubWish, cause: Cause) -> Result<Run, OperationError> {
        if !(wish.percent > 0.0 && wish.percent <= 100.0) {
            return Err(OperationError::Invalid("the share is more than 0 and at most 100 percent".into()));
        }
        if let Some(name) = &wish.schedule
            && self.catalogue().archive_totals(Some(name)).await?.0 == 0
        {
            return Err(OperationError::NotFound(format!("there are no archives of {name}; `backupctl backups` lists all")));
        }
        let mut new = self.new_run(Operation::Scrub, cause, wish.schedule.as_deref().unwrap_or("all"));
        new.request = serde_json::to_value(&wish).unwrap_or_default();
        self.submit_new(new).await
    }

    pub(crate) async fn work_drill(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let wish: DrillWish = serde_json::from_value(run.request.clone()).map_err(|e| OperationError::Invalid(e.to_string()))?;
        if is_stream(&wish.archive) {
            return self.drill_databases(run, &wish.archive, live).await;
        }
        let scratch = self.need_home()?.state().join(format!("drill-{}", run.id));
        let plan = DrillPlan {
            archive: wish.archive.clone(),
            scratch: scratch.clone(),
            percent: wish.percent,
            seed: run.id.0.as_u128() as u64,
            access: self.access(Some(&run.name)).await?,
        };
        let observer = Arc::clone(live);
        let begun = Instant::now();
        let done = blocking(move || {
            let done = backup_engine::drill(&plan, &*observer);
            // What was restored for a trial is no use to anybody.
            let _ = std::fs::remove_dir_all(&plan.scratch);
            done
        })
        .await;
        let name = run.name.as_str();
        let proven = wish.percent >= 100.0;
        let what = match &done {
            Ok(report) if report.count == 0 => None,
            Ok(report) => Some(format!(
                "{} of {} restored entries are not what the index says; first: {}",
                report.count,
                report.entries,
                report.mismatches.first().map_or("", String::as_str)
            )),
            Err(OperationError::Engine(EngineError::Cancelled)) => {
                // Not asked for again at once.
                self.catalogue().set_drill_inconclusive(name, self.now(), "inconclusive: it was cancelled").await?;
                return Err(OperationError::Engine(EngineError::Cancelled));
            }
            Err(OperationError::Engine(e @ (EngineError::TargetFull { .. } | EngineError::NoKey { .. }))) => {
                // It says nothing of the archive.
                let text = inconclusive(e);
                self.catalogue().set_drill_inconclusive(name, self.now(), &text).await?;
                return Err(OperationError::Failed(text));
            }
            Err(e) => Some(e.to_string()),
        };
        let newest = self.catalogue().archives(Some(name), Some(1), 0).await?.into_iter().next();
        if let Some(what) = what {
            let text = format!(
                "a trial restore of {} failed: {what}; make a new full backup (`backupctl run {name} --kind full`) and find out why",
                wish.archive.display()
            );
            self.catalogue().set_drilled(name, self.now(), None, &what).await?;
            // What the scratch folder's disk does is not the archive's fault.
            let archive_is_to_blame = matches!(
                done,
                Ok(_)
                    | Err(OperationError::Engine(EngineError::Damaged { .. } | EngineError::Refused { .. })
                        | OperationError::NotFound(_))
            );
            if let Some(id) = run.archive.filter(|_| archive_is_to_blame) {
                self.catalogue().set_verified(id, self.now(), true, false).await?;
            }
            self.alert(AlertKind::DrillFailed, name, Some(run.id), text).await;
            return Err(OperationError::Failed(what));
        }
        let report = done?;
        let sample = if proven { "all".to_owned() } else { format!("a sample ({} %)", wish.percent) };
        let more =
            if report.as_root { "" } else { ", owners, devices and setuid bits were not compared as it did not work as root" };
        let text = format!(
            "{sample} of {} entries came out exactly in {}{more}",
            report.entries,
            format_duration(begun.elapsed().as_secs_f64())
        );
        let id = run.archive.or(newest.map(|n| n.manifest.id));
        self.catalogue().set_drilled(name, self.now(), id, &text).await?;
        live.note(Note { level: NoteLevel::Info, path: ".".into(), text });
        let counts = RunCounts { files: report.files, bytes: report.bytes, ..RunCounts::default() };
        Ok(Outcome { counts, warning: None, made: Vec::new() })
    }

    /// A trial restore of every database of a run, each into a scratch database (D6).
    async fn drill_databases(&self, run: &Run, archive: &Path, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let name = run.name.as_str();
        let begun = Instant::now();
        let (mut tables, mut rows, mut count) = (0, 0, 0);
        for record in self.databases_beside(archive).await? {
            let tried = self.try_database(Path::new(&record.path), live).await;
            let shown = record.manifest.archive.name.as_str();
            match tried {
                Ok(restored) => {
                    (tables, rows, count) = (tables + restored.tables, rows + restored.rows, count + 1);
                }
                Err(e @ OperationError::Engine(EngineError::Cancelled)) => {
                    self.catalogue().set_drill_inconclusive(name, self.now(), "inconclusive: it was cancelled").await?;
                    return Err(e);
                }
                // Only what is wrong with the dump itself withdraws the proof; a server that is not there says nothing.
                Err(OperationError::Database(
                    e @ (DatabaseError::Refused(_) | DatabaseError::Differs(_) | DatabaseError::Program { .. }),
                )) => {
                    let text = format!("a trial restore of {} failed: {e}; make a new backup and find out why", record.path);
                    self.catalogue().set_drilled(name, self.now(), None, &e.to_string()).await?;
                    if matches!(e, DatabaseError::Refused(_)) {
                        self.catalogue().set_verified(record.manifest.id, self.now(), true, false).await?;
                    }
                    self.alert(AlertKind::DrillFailed, name, Some(run.id), text).await;
                    return Err(OperationError::Failed(format!("{shown}: {e}")));
                }
                Err(e) => {
                    let text = e.to_string();
                    let text = if text.starts_with("inconclusive") { text } else { format!("inconclusive: {text}") };
                    self.catalogue().set_drill_inconclusive(name, self.now(), &text).await?;
                    return Err(OperationError::Failed(format!("{shown}: {text}")));
                }
            }
        }
        if count == 0 {
            return Err(OperationError::NotFound(format!("{} has no sidecar that says of what it is", archive.display())));
        }
        let text = format!(
            "{count} databases with {tables} tables and {rows} rows were restored and compared in {}",
            format_duration(begun.elapsed().as_secs_f64())
        );
        self.catalogue().set_drilled(name, self.now(), run.archive, &text).await?;
        live.note(Note { level: NoteLevel::Info, path: ".".into(), text });
        let counts = RunCounts { tables, records: rows, ..RunCounts::default() };
        Ok(Outcome { counts, warning: None, made: Vec::new() })
    }

    pub(crate) async fn work_scrub(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let wish: ScrubWish = serde_json::from_value(run.request.clone()).map_err(|e| OperationError::Invalid(e.to_string()))?;
        let mut archives = self.catalogue().archives(wish.schedule.as_deref(), None, 0).await?;
        archives.retain(|a| !a.away);
        // What was never read back comes first, then what was not for longest.
        archives.sort_by_key(|a| (a.verified.filter(|v| v.1).map(|v| v.0), a.manifest.started));
        let all: u64 = archives.iter().map(|a| a.manifest.archive.size).sum();
        let budget = (all as f64 * wish.percent / 100.0).ceil() as u64;
        let chosen: Vec<ArchiveRecord> = archives
            .into_iter()
            .scan(0, |taken, a| {
                let fits = *taken < budget;
                *taken += a.manifest.archive.size;
                fits.then_some(a)
            })
            .collect();
        let total: u64 = chosen.iter().map(|a| a.manifest.archive.size).sum();
        live.expect(chosen.len() as u64, total);
        let begun = Instant::now();
        let (mut read, mut count) = (0, 0);
        let mut damaged = Vec::new();
        let mut keyless = 0u64;
        for record in &chosen {
            if wish.seconds.is_some_and(|limit| begun.elapsed().as_secs() >= limit) {
                break;
            }
            if live.is_cancelled() {
                return Err(OperationError::Engine(EngineError::Cancelled));
            }
            live.progress(count, read, 0, record.path.as_bytes());
            match self.verify_one(record, live).await {
                Ok(()) => {}
                Err(OperationError::Engine(EngineError::Cancelled)) => {
                    return Err(OperationError::Engine(EngineError::Cancelled));
                }
                Err(OperationError::Engine(e @ EngineError::NoKey { .. })) => {
                    keyless += 1;
                    live.note(Note { level: NoteLevel::Info, path: record.path.clone(), text: inconclusive(&e) });
                }
                Err(e) => {
                    let text = format!("{} is damaged: {e}", record.path);
                    self.alert(AlertKind::Damaged, record.manifest.schedule.as_str(), Some(run.id), text).await;
                    live.note(Note { level: NoteLevel::Warning, path: record.path.clone(), text: e.to_string() });
                    damaged.push(record.path.clone());
                }
            }
            read += record.manifest.archive.size;
            count += 1;
        }
        let left = chosen.len() as u64 - count;
        let text = format!(
            "{count} archives, {} of {} read back{}{}",
            format_size(read),
            format_size(all),
            if left > 0 { format!("; {left} are left for the next time") } else { String::new() },
            if keyless > 0 { format!("; {keyless} could not be read for want of a key") } else { String::new() }
        );
        live.note(Note { level: NoteLevel::Info, path: ".".into(), text });
        match damaged.first() {
            Some(first) => Err(OperationError::Failed(format!(
                "{} of {count} archives are damaged, the first is {first}; `backupctl history --run {}` names all",
                damaged.len(),
                run.id
            ))),
            None => Ok(Outcome {
                counts: RunCounts { files: count, bytes: read, ..RunCounts::default() },
                warning: None,
                made: Vec::new(),
            }),
        }
    }

    /// Reads one archive back and remembers what it came to.
    async fn verify_one(&self, record: &ArchiveRecord, live: &Arc<LiveRun>) -> Result<(), OperationError> {
        struct Quiet(Arc<LiveRun>);
        impl Observer for Quiet {
            fn progress(&self, _: u64, _: u64, _: u64, _: &[u8]) {}
            fn expect(&self, _: u64, _: u64) {}
            fn note(&self, note: Note) {
                self.0.note(note);
            }
            fn cancelled(&self) -> bool {
                self.0.is_cancelled()
            }
        }
        let path = PathBuf::from(&record.path);
        let access = self.access(Some(record.manifest.schedule.as_str())).await?;
        let quiet = Quiet(Arc::clone(live));
        let done = blocking(move || backup_engine::verify(&path, VerifyDepth::Deep, &access, &quiet)).await;
        let says = !matches!(done, Err(OperationError::Engine(EngineError::Cancelled | EngineError::NoKey { .. })));
        if says {
            self.catalogue().set_verified(record.manifest.id, self.now(), true, done.is_ok()).await?;
        }
        done.map(|_| ())
    }

    /// Asks for the trial restores and scrubs that are due.
    pub(crate) async fn plan_checks(&self) -> Result<(), OperationError> {
        let file = self.file();
        let wanting: Vec<&Schedule> =
            file.schedules.iter().filter(|s| s.enabled && (s.drill.is_some() || s.scrub.is_some())).collect();
        if wanting.is_empty() {
            return Ok(());
        }
        let states = self.catalogue().schedule_states().await?;
        let open = self.catalogue().open_runs().await?;
        let now = self.now();
        for schedule in wanting {
            let name = schedule.name.as_str();
            // Nothing to check yet, or something is at work on it.
            if open.iter().any(|(r, ..)| r.name == name) || self.catalogue().archive_totals(Some(name)).await?.0 == 0 {
                continue;
            }
            let state = states.get(name);
            if let Some(every) = schedule.drill
                && is_due(state.and_then(|s| s.last_drill), every, now)
            {
                tracing::info!("a trial restore of {name} is due");
                self.request_drill(&format!("{name}@latest"), 100.0, Cause::Schedule).await?;
            } else if let Some(scrub) = schedule.scrub
                && is_due(state.and_then(|s| s.last_scrub), scrub.every, now)
            {
                self.catalogue().set_scrubbed(name, now).await?;
                let wish = ScrubWish { schedule: Some(name.to_owned()), percent: scrub.percent, seconds: None };
                self.request_scrub(wish, Cause::Schedule).await?;
            }
        }
        Ok(())
    }
}
