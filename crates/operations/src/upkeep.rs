//! Chains into full archives, lost indexes and sidecars made again, files found across versions.

use crate::live::LiveRun;
use crate::locks::ScheduleLock;
use crate::request::new_uuid;
use crate::work::{Outcome, blocking};
use crate::{App, OperationError};
use backup_engine::{ConsolidatePlan, Needle, Observer, Rebuilt, Receipt, Versions, store};
use backup_model::{
    ArchiveId, ArchiveRecord, Cause, Compression, Kind, Manifest, Name, Note, NoteLevel, Operation, Run, RunCounts,
};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files found in the archives of one schedule.
#[derive(Debug)]
pub struct Found {
    /// The schedule.
    pub schedule: String,
    /// The archives that were looked through, oldest first.
    pub archives: Vec<ArchiveRecord>,
    /// What was found; the places are in `archives`.
    pub versions: Versions,
    /// Whether there is more than was answered.
    pub more: bool,
    /// Archives that could not be looked through, and why.
    pub unread: Vec<(String, String)>,
}

impl App {
    /// Asks for a full archive out of the chain of a schedule's newest version.
    ///
    /// # Errors
    /// There is no archive, or the newest is full already.
    pub async fn request_consolidate(&self, name: &str, cause: Cause) -> Result<Run, OperationError> {
        let newest = self.catalogue().archives(Some(name), Some(1), 0).await?.into_iter().next();
        let Some(newest) = newest else {
            return Err(OperationError::NotFound(format!("there are no archives of {name}; `backupctl backups` lists all")));
        };
        if newest.manifest.kind == Kind::Full {
            return Err(OperationError::Conflict(format!("the newest archive of {name} is full already: {}", newest.path)));
        }
        let mut new = self.new_run(Operation::Consolidate, cause, name);
        new.archive = Some((Some(newest.manifest.id), newest.path.clone()));
        new.request = json!({ "archive": newest.path });
        self.submit_new(new).await
    }

    fn lock_schedule(&self, name: &str) -> Result<Option<ScheduleLock>, OperationError> {
        let Ok(name) = Name::new(name) else { return Ok(None) };
        match ScheduleLock::try_take(self.need_home()?, &name)? {
            Some(lock) => Ok(Some(lock)),
            None => Err(OperationError::Conflict(format!("another program is at work on {name}"))),
        }
    }

    pub(crate) async fn work_consolidate(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let _lock = self.lock_schedule(&run.name)?;
        let archive = run.archive_path.clone().unwrap_or_default();
        let made = self.consolidate(run, Path::new(&archive), live).await?;
        let counts = RunCounts::of(&made.manifest);
        Ok(Outcome { counts, warning: None, made: vec![made] })
    }

    /// Makes a full archive out of a chain; the caller holds the schedule's lock.
    pub(crate) async fn consolidate(&self, run: &Run, archive: &Path, live: &Arc<LiveRun>) -> Result<Receipt, OperationError> {
        let file = self.file();
        let schedule = file.schedule(&run.name);
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let own = Compression::of_file_name(&name).unwrap_or(Compression::None);
        let plan = ConsolidatePlan {
            archive: archive.to_owned(),
            id: ArchiveId(new_uuid()),
            run: run.id,
            compression: schedule.map_or(own, |s| s.compression),
            seal: match schedule {
                Some(schedule) => self.seal_of(schedule).await?,
                // In clear it would tell what was to be secret.
                None if backup_engine::is_sealed(archive) => {
                    return Err(OperationError::Conflict(format!(
                        "{} is encrypted, and its schedule is gone: nothing says how to encrypt anew",
                        archive.display()
                    )));
                }
                None => None,
            },
            access: self.access(Some(&run.name)).await?,
            tool: format!("backupctl {}", crate::VERSION),
        };
        let zone = schedule.map_or(self.zone(), |s| s.timezone);
        let clock = self.clone();
        let observer = Arc::clone(live);
        blocking(move || backup_engine::consolidate(&plan, &|| clock.now().with_timezone(&zone).fixed_offset(), &*observer)).await
    }

    /// Asks for missing and damaged indexes and sidecars to be made again: in one schedule's folder, a folder
    /// given by its path, or all.
    ///
    /// # Errors
    /// There is no such folder.
    pub async fn request_rebuild(&self, name: Option<&str>) -> Result<Run, OperationError> {
        if let Some(name) = name {
            let folder = self.need_home()?.backups().join(name);
            if Name::new(name).is_err() || !folder.is_dir() {
                return Err(OperationError::NotFound(format!("there is no folder {}", folder.display())));
            }
        }
        let new = self.new_run(Operation::Rebuild, Cause::Manual, name.unwrap_or("all"));
        self.submit_new(crate::catalogue::NewRun { request: json!({ "schedule": name }), ..new }).await
    }

    pub(crate) async fn work_rebuild(&self, run: &Run, live: &Arc<LiveRun>) -> Result<Outcome, OperationError> {
        let home = self.need_home()?;
        let only = run.request.get("schedule").and_then(serde_json::Value::as_str);
        let mut names: Vec<String> = match only {
            Some(name) => vec![name.to_owned()],
            None => std::fs::read_dir(home.backups())
                .map_err(|e| OperationError::Failed(format!("cannot read {}: {e}", home.backups().display())))?
                .flatten()
                .filter_map(|f| f.file_name().into_string().ok())
                .filter(|n| Name::new(n).is_ok())
                .collect(),
        };
        names.sort();
        let mut counts = RunCounts::default();
        let mut failed = Vec::new();
        for name in names {
            let _lock = self.lock_schedule(&name)?;
            let folder = home.backups().join(&name);
            let access = self.access(Some(&name)).await?;
            let file = self.file();
            let seal = match file.schedule(&name) {
                Some(schedule) => self.seal_of(schedule).await?,
                None => None,
            };
            for archive in store::archive_files(&folder)? {
                if backup_engine::is_stream(&archive) {
                    counts.files += 1;
                    if !matches!(store::read_manifest(&archive), Ok(Some(_))) {
                        let text = "a dump's sidecar cannot be made again; it can be restored without: backupctl restore FILE --into URL";
                        live.note(Note { level: NoteLevel::Warning, path: archive.display().to_string(), text: text.into() });
                        failed.push(archive);
                    }
                    continue;
                }
                let observer = Arc::clone(live);
                let path = archive.clone();
                let (access, seal) = (access.clone(), seal.clone());
                let done = blocking(move || backup_engine::rebuild(&path, &access, seal.as_ref(), &*observer)).await;
                counts.files += 1;
                match done {
                    Ok(Rebuilt { index: false, sidecar: false }) => {}
                    Ok(made) => {
                        let what = match (made.index, made.sidecar) {
                            (true, true) => "index and sidecar were made again",
                            (true, false) => "its index was made again",
                            _ => "its sidecar was made again",
                        };
                        counts.others += 1;
                        live.note(Note { level: NoteLevel::Info, path: archive.display().to_string(), text: what.into() });
                        if let Some(manifest) = store::read_manifest(&archive)? {
                            self.catalogue().adopt(&manifest, &archive.display().to_string(), self.now()).await?;
                        }
                    }
                    Err(OperationError::Engine(backup_engine::EngineError::Cancelled)) => {
                        return Err(OperationError::Engine(backup_engine::EngineError::Cancelled));
                    }
                    Err(e) => {
                        live.note(Note { level: NoteLevel::Warning, path: archive.display().to_string(), text: e.to_string() });
                        failed.push(archive);
                    }
                }
            }
        }
        match failed.first() {
            Some(first) => Err(OperationError::Failed(format!(
                "{} archives could not be read, the first is {}",
                failed.len(),
                first.display()
            ))),
            None => Ok(Outcome { counts, warning: None, made: Vec::new() }),
        }
    }

    /// Finds files across all versions of one schedule or of all; files that were deleted since too.
    ///
    /// # Errors
    /// The pattern is wrong, or there is no archive.
    pub async fn find(
        &self,
        pattern: &str,
        any_case: bool,
        schedule: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found>, OperationError> {
        let needle = Arc::new(Needle::new(pattern, any_case)?);
        let mut by_schedule: std::collections::BTreeMap<String, Vec<ArchiveRecord>> = std::collections::BTreeMap::new();
        // Databases hold no files.
        let records =
            self.catalogue().archives(schedule, None, 0).await?.into_iter().filter(|r| r.manifest.database.is_none() && !r.away);
        for record in records {
            by_schedule.entry(record.manifest.schedule.to_string()).or_default().push(record);
        }
        if by_schedule.is_empty() {
            let of = schedule.map(|s| format!(" of {s}")).unwrap_or_default();
            return Err(OperationError::NotFound(format!("there are no archives{of} to look through")));
        }
        let mut all = Vec::new();
        for (schedule, mut archives) in by_schedule {
            archives.reverse();
            let access = self.access(Some(&schedule)).await?;
            let needle = Arc::clone(&needle);
            let looked = blocking(move || {
                let mut unread = Vec::new();
                let mut paths: Vec<PathBuf> = Vec::new();
                archives.retain(|a| {
                    let path = PathBuf::from(&a.path);
                    match backup_engine::can_look(&path, &access) {
                        Ok(()) => paths.push(path),
                        Err(e) => unread.push((a.path.clone(), e.to_string())),
                    }
                    paths.last().is_some_and(|p| *p == Path::new(&a.path))
                });
                let (versions, more) = backup_engine::find(&paths, &needle, limit, &access)?;
                Ok((archives, versions, more, unread))
            });
            let (archives, versions, more, unread) = looked.await?;
            all.push(Found { schedule, archives, versions, more, unread });
        }
        Ok(all)
    }
}

/// What retention knows of an archive's date: one in the future counts as the moment at which it was taken in.
pub(crate) fn believed(manifest: &Manifest, taken_in: chrono::DateTime<chrono::Utc>) -> chrono::DateTime<chrono::Utc> {
    manifest.started.with_timezone(&chrono::Utc).min(taken_in)
}
