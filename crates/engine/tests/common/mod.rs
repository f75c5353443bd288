//! Helpers of the engine's tests.
#![allow(dead_code, reason = "each test file uses a part")]

use backup_engine::{Access, BackupPlan, BaseArchive, Observer, Overwrite, Receipt, RestorePlan, backup};
use backup_model::{ArchiveId, Compression, Detect, FileSource, Kind, Name, Note, RunId};
use chrono::{DateTime, FixedOffset};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Collects notes and can cancel after so many files.
#[derive(Default)]
pub(crate) struct Hears {
    pub(crate) notes: Mutex<Vec<Note>>,
    pub(crate) cancel_after: Option<u64>,
    pub(crate) files: AtomicU64,
    pub(crate) cancel: AtomicBool,
}

impl Observer for Hears {
    fn progress(&self, files: u64, _: u64, _: u64, _: &[u8]) {
        self.files.store(files, Ordering::Relaxed);
        if self.cancel_after.is_some_and(|n| files >= n) {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
    fn expect(&self, _: u64, _: u64) {}
    fn note(&self, note: Note) {
        self.notes.lock().expect("notes").push(note);
    }
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

impl Hears {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.notes.lock().expect("notes").iter().map(|n| format!("{}: {}", n.path, n.text)).collect()
    }
}

pub(crate) fn time() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-11-21T09:00:00+01:00").expect("a time")
}

pub(crate) fn plan(roots: &[&Path], folder: &Path, compression: Compression) -> BackupPlan {
    BackupPlan {
        taken: Vec::new(),
        id: ArchiveId(uuid()),
        run: RunId(uuid()),
        schedule: Name::new("test").expect("a name"),
        source: FileSource::default(),
        roots: roots.iter().map(|r| r.to_path_buf()).collect(),
        folder: folder.to_path_buf(),
        kind: Kind::Full,
        base: None,
        full_because: None,
        detect: Detect::default(),
        live: None,
        limits: Vec::new(),
        seal: None,
        never: vec![folder.to_path_buf()],
        compression,
        planned: None,
        started: time(),
        timezone: "Europe/Paris".into(),
        host: "here".into(),
        tool: "test".into(),
        expected: None,
    }
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

pub(crate) fn make(plan: &BackupPlan) -> (Receipt, Hears) {
    let hears = Hears::default();
    let receipt = backup(plan, &time, &hears).expect("a backup");
    (receipt, hears)
}

pub(crate) fn restoring(archive: &Path, target: &Path) -> RestorePlan {
    RestorePlan {
        archive: archive.to_path_buf(),
        target: target.to_path_buf(),
        paths: Vec::new(),
        overwrite: Overwrite::Never,
        dry_run: false,
        max_entries: None,
        max_bytes: None,
        skip_damaged: false,
        patterns: Vec::new(),
        strip: 0,
        owners: backup_engine::Owners::default(),
        access: backup_engine::Access::default(),
    }
}

/// A plan for an increment on an archive.
pub(crate) fn on(plan: &BackupPlan, kind: Kind, base: &Path) -> BackupPlan {
    let base = BaseArchive { archive: base.to_path_buf(), access: Access::default() };
    BackupPlan { id: ArchiveId(uuid()), run: RunId(uuid()), kind, base: Some(base), ..plan.clone() }
}

/// Waits until the kernel's clock of files has gone on.
pub(crate) fn tick() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

/// The path of a source in a restored tree.
pub(crate) fn inside(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").expect("absolute"))
}
