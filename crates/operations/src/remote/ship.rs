//! Sends archives to destinations: at the end of each run, and again later where that failed.

use super::{away, key_of};
use crate::live::LiveRun;
use crate::{App, Mode, OperationError};
use backup_catalogue::{Copy, CopyState};
use backup_engine::store::{index_path, sidecar_path};
use backup_engine::{EngineError, Observer};
use backup_model::{ArchiveId, ArchiveRecord, Manifest, Note, NoteLevel, Schedule, format_duration, format_size};
use backup_stores::{Meter, Store, StoreError, Upload};
use chrono::Duration;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How often the queue of copies is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_secs(20);
/// How often all archives are looked at, beside each change of the file.
const NOTE: std::time::Duration = std::time::Duration::from_secs(3600);
/// Copies that are looked at in one go.
const AT_ONCE: u64 = 500;

/// Copies that this process is sending.
#[derive(Debug, Default)]
pub(crate) struct Shipping(Mutex<HashSet<(ArchiveId, String)>>, tokio::sync::Notify);

/// One copy, for as long as this process works on it.
struct Claim<'a>(&'a Shipping, (ArchiveId, String));

impl Shipping {
    fn claim(&self, archive: ArchiveId, destination: &str) -> Option<Claim<'_>> {
        let key = (archive, destination.to_owned());
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        fresh.then_some(Claim(self, key))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// When a copy that failed so often is tried again.
fn pause(attempts: u32) -> Duration {
    match attempts {
        0 => Duration::minutes(1),
        1 => Duration::minutes(5),
        2 => Duration::minutes(15),
        _ => Duration::hours(1),
    }
}

impl App {
    /// Sends the files of an archive: its sidecar last, so that what is there without one does not count.
    async fn send(
        &self,
        store: &dyn Store,
        destination: &str,
        manifest: &Manifest,
        path: &Path,
        meter: &Meter,
    ) -> Result<u64, StoreError> {
        let notes = self.need_home().map_err(|e| StoreError::Local(e.to_string()))?.state().join("uploads").join(destination);
        let mut files: Vec<(PathBuf, Option<String>)> = vec![(path.to_owned(), Some(manifest.archive.sha256.clone()))];
        if index_path(path).exists() {
            files.push((index_path(path), None));
        }
        files.push((sidecar_path(path), None));
        let mut bytes = 0;
        for (file, sha256) in files {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let key = key_of(manifest.schedule.as_str(), &name);
            let note = notes.join(format!("{}-{name}.json", manifest.schedule));
            bytes += tokio::fs::metadata(&file).await.map_or(0, |m| m.len());
            store.put(&key, &Upload { file, sha256, note }, meter).await?;
        }
        Ok(bytes)
    }

    /// Sends one archive to one destination and writes down what came of it.
    async fn ship_one(
        &self,
        destination: &str,
        store: Result<&dyn Store, String>,
        archive: (&Manifest, &Path),
        attempts: u32,
        meter: &Meter,
    ) -> Result<u64, OperationError> {
        let (manifest, path) = archive;
        let Some(_claim) = self.shipping().claim(manifest.id, destination) else { return Ok(0) };
        let done = match store {
            Ok(store) => self.send(store, destination, manifest, path, meter).await,
            Err(e) => Err(StoreError::Invalid(e)),
        };
        match done {
            Ok(bytes) => {
                self.catalogue().copy_stored(manifest.id, destination, self.now()).await?;
                tracing::info!("copied {} to {destination} ({})", path.display(), format_size(bytes));
                Ok(bytes)
            }
            Err(e) => {
                let again = pause(attempts);
                self.catalogue().copy_failed(manifest.id, destination, &e.to_string(), self.now() + again).await?;
                Err(e.into())
            }
        }
    }

    /// Sends what a run has made to the schedule's destinations, each on its own. One that fails is a warning of the run,
    /// and is tried again later. Answers those that were reached.
    pub(crate) async fn ship(&self, name: &str, made: &[(Manifest, PathBuf)], live: &Arc<LiveRun>) -> Vec<String> {
        let file = self.file();
        let Some(schedule) = file.schedule(name) else { return Vec::new() };
        // What an increment builds on goes too, also where the destination was added after it was made.
        if let Err(e) = self.note_wanted_of(schedule).await {
            tracing::error!("the copies that are wanted cannot be noted: {e}");
        }
        let tasks: Vec<_> = away(schedule)
            .map(|destination| {
                let (app, live, destination) = (self.clone(), Arc::clone(live), destination.to_owned());
                let (made, name) = (made.to_vec(), name.to_owned());
                tokio::spawn(async move {
                    let reached = app.ship_to(&name, &destination, &made, &live).await;
                    reached.then_some(destination)
                })
            })
            .collect();
        let mut reached = Vec::new();
        for task in tasks {
            match task.await {
                Ok(destination) => reached.extend(destination),
                Err(e) => tracing::error!("a destination of {name} ended by a fault of the program: {e}"),
            }
        }
        reached
    }

    async fn ship_to(&self, name: &str, destination: &str, made: &[(Manifest, PathBuf)], live: &Arc<LiveRun>) -> bool {
        let warn = |text: String| live.note(Note { level: NoteLevel::Warning, path: destination.to_owned(), text });
        for (manifest, _) in made {
            if let Err(e) = self.catalogue().want_copy(manifest.id, destination, self.now()).await {
                warn(format!("it cannot be noted that the archive shall go there: {e}"));
                return false;
            }
        }
        let store = match self.need_destination(destination) {
            Ok(settings) => self.open_store(&settings).await,
            Err(e) => Err(e),
        };
        let store = store.map_err(|e| e.to_string());
        let meter = Meter::default();
        let watch = tokio::spawn({
            let (live, meter) = (Arc::clone(live), meter.clone());
            async move {
                while !live.is_cancelled() {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
                meter.cancel();
            }
        });
        let begun = std::time::Instant::now();
        let mut reached = false;
        for (manifest, path) in made {
            let store = store.as_ref().map(|s| &**s).map_err(Clone::clone);
            match self.ship_one(destination, store, (manifest, path), 0, &meter).await {
                Ok(bytes) => {
                    reached = true;
                    let text = format!("copied {} in {}", format_size(bytes), format_duration(begun.elapsed().as_secs_f64()));
                    live.note(Note { level: NoteLevel::Info, path: destination.to_owned(), text });
                }
                Err(OperationError::Engine(EngineError::Cancelled)) => {
                    warn(format!("{name} was cancelled before its archive was copied there; it is copied later"));
                }
                Err(e) => warn(format!("{} was not copied there: {e}; it is tried again later", manifest.archive.name)),
            }
        }
        watch.abort();
        reached
    }

    /// What follows a run at the destinations that it has reached, once its end is recorded: what waited for them, what
    /// their rules no longer keep, and the recovery kit.
    pub(crate) async fn after_shipping(&self, name: &str, reached: &[String]) {
        for destination in reached {
            self.catch_up(destination).await;
        }
        if let Err(e) = self.prune_destinations(name, false).await {
            tracing::error!("retention of {name} at its destinations failed: {e}; it is tried again after the next run");
        }
        for destination in reached {
            let store = match self.need_destination(destination) {
                Ok(settings) => self.open_store(&settings).await,
                Err(e) => Err(e),
            };
            match store {
                Ok(store) => self.send_kit(destination, &*store).await,
                Err(e) => tracing::error!("the recovery kit could not be sent to {destination}: {e}"),
            }
        }
    }

    /// Sends what waits for a destination that can be reached again: a daemon beside this run, anybody else in it.
    async fn catch_up(&self, destination: &str) {
        let waiting = self.catalogue().hurry_copies(Some(destination), self.now()).await;
        if waiting.is_ok_and(|n| n == 0) {
            return;
        }
        if self.mode() == Mode::Daemon {
            return self.wake_copies();
        }
        if let Err(e) = self.copy_what_waits().await {
            tracing::error!("the copies that wait cannot be looked at: {e}");
        }
    }

    /// Has a daemon look at once at what waits.
    pub(crate) fn wake_copies(&self) {
        self.shipping().1.notify_one();
    }

    /// Works on copies that wait, and on those that are to go, until the process ends.
    pub async fn run_copies(&self) {
        // What failed before this start may go well now.
        if let Err(e) = self.catalogue().hurry_copies(None, self.now()).await {
            tracing::error!("the copies that wait cannot be looked at: {e}");
        }
        let mut noted: Option<(Arc<backup_config::File>, std::time::Instant)> = None;
        while !self.is_stopping() {
            let file = self.file();
            if noted.as_ref().is_none_or(|(old, at)| !Arc::ptr_eq(old, &file) || at.elapsed() > NOTE) {
                match self.note_wanted().await {
                    Ok(()) => noted = Some((file, std::time::Instant::now())),
                    Err(e) => tracing::error!("the copies that are wanted cannot be noted: {e}"),
                }
            }
            if let Err(e) = self.copy_what_waits().await {
                tracing::error!("the copies that wait cannot be looked at: {e}");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.shipping().1.notified() => {}
                () = self.stop_asked() => {}
            }
        }
    }

    /// Notes every archive that a destination of its schedule shall have and has not.
    async fn note_wanted(&self) -> Result<(), OperationError> {
        for schedule in &self.file().schedules {
            self.note_wanted_of(schedule).await?;
        }
        Ok(())
    }

    /// The same for one schedule.
    async fn note_wanted_of(&self, schedule: &Schedule) -> Result<(), OperationError> {
        if away(schedule).next().is_none() {
            return Ok(());
        }
        let name = schedule.name.as_str();
        let copies = self.catalogue().copies(Some(name)).await?;
        let known: HashSet<(ArchiveId, String)> = copies.into_iter().map(|c| (c.archive, c.destination)).collect();
        for record in self.catalogue().archives(Some(name), None, 0).await? {
            for destination in away(schedule).filter(|_| !record.away) {
                if !known.contains(&(record.manifest.id, destination.to_owned())) {
                    self.catalogue().want_copy(record.manifest.id, destination, self.now()).await?;
                }
            }
        }
        Ok(())
    }

    /// Tries the copies that are due.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn copy_what_waits(&self) -> Result<(), OperationError> {
        let mut waiting: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
        for copy in self.catalogue().due_copies(self.now(), AT_ONCE).await? {
            waiting.entry(copy.destination.clone()).or_default().push(copy);
        }
        let tasks: Vec<_> = waiting
            .into_iter()
            .map(|(destination, copies)| {
                let app = self.clone();
                tokio::spawn(async move { app.work_on(&destination, copies).await })
            })
            .collect();
        for task in tasks {
            match task.await {
                Ok(done) => done?,
                Err(e) => tracing::error!("a destination's copies ended by a fault of the program: {e}"),
            }
        }
        Ok(())
    }

    async fn work_on(&self, destination: &str, copies: Vec<Copy>) -> Result<(), OperationError> {
        let Ok(settings) = self.need_destination(destination) else {
            // It was taken out of the file: what is there stays there.
            for copy in copies {
                self.catalogue().drop_copy(copy.archive, destination).await?;
            }
            return Ok(());
        };
        let store = self.open_store(&settings).await.map_err(|e| e.to_string());
        let meter = Meter::default();
        let mut told = HashSet::new();
        let mut sent = false;
        for copy in copies {
            if self.is_stopping() {
                return Ok(());
            }
            let record = self.catalogue().archive_by_prefix(&copy.archive.to_string()).await?;
            let done = match (copy.state, &record) {
                // Gone from here before it went there.
                (_, None) => self.catalogue().drop_copy(copy.archive, destination).await.map_err(OperationError::from),
                (CopyState::Waiting, Some(r)) if r.away => {
                    self.catalogue().drop_copy(copy.archive, destination).await.map_err(OperationError::from)
                }
                (CopyState::Waiting, Some(r)) => {
                    let store = store.as_ref().map(|s| &**s).map_err(Clone::clone);
                    let archive = (&r.manifest, Path::new(&r.path));
                    let done = self.ship_one(destination, store, archive, copy.attempts, &meter).await;
                    sent |= done.is_ok();
                    done.map(|_| ())
                }
                (_, Some(r)) => match &store {
                    Ok(store) => self.remove_copy(&**store, destination, r, copy.attempts).await,
                    Err(e) => Err(OperationError::Failed(e.clone())),
                },
            };
            if let Err(e) = done
                && told.insert(e.to_string())
            {
                tracing::warn!("{destination}: {e}; it is tried again later");
            }
        }
        if let (true, Ok(store)) = (sent, &store) {
            self.send_kit(destination, &**store).await;
        }
        Ok(())
    }

    /// Removes the files of an archive from a destination: its sidecar first, so that what is left of a crash does not
    /// count as one.
    pub(super) async fn remove_copy(
        &self,
        store: &dyn Store,
        destination: &str,
        record: &ArchiveRecord,
        attempts: u32,
    ) -> Result<(), OperationError> {
        if !store.capabilities().delete {
            self.catalogue().forget_copy(record.manifest.id, destination).await?;
            tracing::info!("{} stays in {destination} for as long as its own rules say", record.manifest.archive.name);
            return Ok(());
        }
        let (id, schedule, name) = (record.manifest.id, record.manifest.schedule.as_str(), &record.manifest.archive.name);
        for suffix in [backup_engine::store::SIDECAR_SUFFIX, backup_engine::store::INDEX_SUFFIX, ""] {
            if let Err(e) = store.delete(&key_of(schedule, &format!("{name}{suffix}"))).await {
                self.catalogue().copy_failed(id, destination, &e.to_string(), self.now() + pause(attempts + 2)).await?;
                return Err(e.into());
            }
        }
        self.catalogue().forget_copy(id, destination).await?;
        tracing::info!("removed {name} of {schedule} from {destination}");
        Ok(())
    }
}
