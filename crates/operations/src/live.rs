//! Runs at work in this process: their progress, their notes, and the wish to stop them.

use backup_catalogue::Finish;
use backup_engine::Observer;
use backup_model::{Note, NoteLevel, Progress, RunId, display_bytes};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Notes kept for one run; the count of warnings is exact all the same.
const MAX_NOTES: usize = 10_000;

#[derive(Debug)]
struct Inner {
    progress: Progress,
    notes: Vec<Note>,
}

/// One run at work.
#[derive(Debug)]
pub(crate) struct LiveRun {
    inner: Mutex<Inner>,
    cancel: AtomicBool,
    started: Instant,
}

/// A look at a run at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// How far it has come.
    pub progress: Progress,
}

impl LiveRun {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut self.lock().notes)
    }

    pub(crate) fn warnings(&self) -> u64 {
        self.lock().progress.warnings
    }

    fn snapshot(&self) -> Snapshot {
        let mut progress = self.lock().progress.clone();
        progress.seconds = self.started.elapsed().as_secs_f64();
        Snapshot { progress }
    }
}

impl Observer for LiveRun {
    fn progress(&self, files: u64, bytes: u64, stored: u64, current: &[u8]) {
        let mut inner = self.lock();
        inner.progress.files = files;
        inner.progress.bytes = bytes;
        inner.progress.stored = stored;
        inner.progress.current.clear();
        use std::fmt::Write;
        let _ = write!(inner.progress.current, "{}", display_bytes(current));
    }

    fn expect(&self, files: u64, bytes: u64) {
        let mut inner = self.lock();
        inner.progress.total_files = Some(files);
        inner.progress.total_bytes = Some(bytes);
    }

    fn note(&self, note: Note) {
        let mut inner = self.lock();
        if note.level == NoteLevel::Warning {
            inner.progress.warnings += 1;
        }
        if inner.notes.len() < MAX_NOTES {
            inner.notes.push(note);
        }
    }

    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }
}

/// The end of a run that the catalogue would not take.
#[derive(Clone, Debug)]
pub(crate) struct KeptEnd {
    pub(crate) finish: Finish,
    /// What whoever waits is told: a run that is not recorded has failed.
    pub(crate) error: String,
}

/// All runs at work in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    runs: Arc<Mutex<HashMap<RunId, Arc<LiveRun>>>>,
    /// Told when a run begins or ends.
    pub(crate) changed: Arc<Notify>,
    /// Ends of runs that the catalogue would not take.
    unrecorded: Arc<Mutex<HashMap<RunId, KeptEnd>>>,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, id: RunId) -> Arc<LiveRun> {
        let run = Arc::new(LiveRun {
            inner: Mutex::new(Inner { progress: Progress::default(), notes: Vec::new() }),
            cancel: AtomicBool::new(false),
            started: Instant::now(),
        });
        self.lock().insert(id, Arc::clone(&run));
        self.changed.notify_waiters();
        run
    }

    pub(crate) fn end(&self, id: RunId) {
        self.lock().remove(&id);
        self.changed.notify_waiters();
    }

    pub(crate) fn get(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.lock().get(&id).cloned()
    }

    pub(crate) fn snapshot(&self, id: RunId) -> Option<Snapshot> {
        self.get(id).map(|r| r.snapshot())
    }

    fn unrecorded(&self) -> MutexGuard<'_, HashMap<RunId, KeptEnd>> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the end of a run until the catalogue takes it.
    pub(crate) fn keep_end(&self, id: RunId, end: KeptEnd) {
        self.unrecorded().insert(id, end);
        self.changed.notify_waiters();
    }

    /// An end that is not in the catalogue yet.
    pub(crate) fn end_of(&self, id: RunId) -> Option<KeptEnd> {
        self.unrecorded().get(&id).cloned()
    }

    /// All ends that are not in the catalogue yet.
    pub(crate) fn kept_ends(&self) -> Vec<(RunId, KeptEnd)> {
        self.unrecorded().iter().map(|(id, end)| (*id, end.clone())).collect()
    }

    pub(crate) fn forget_end(&self, id: RunId) {
        self.unrecorded().remove(&id);
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn cancel_all(&self) {
        for run in self.lock().values() {
            run.cancel();
        }
    }
}
