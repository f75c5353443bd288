//! What a restore may take of the target, whatever the archive says.

use super::RestorePlan;
use crate::archive::IndexReader;
use crate::error::EngineError;
use backup_model::Manifest;
use nix::sys::statvfs::fstatvfs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries of an archive that neither a sidecar nor an index describes.
const UNKNOWN_ENTRIES: u64 = 1_000_000;
/// Bytes of tar stream for each byte of such an archive, beside the first GiB.
const UNKNOWN_RATIO: u64 = 200;
/// Bytes between two looks at the disk.
const LOOK_BYTES: u64 = 16 << 20;
/// Entries between two looks at the disk.
const LOOK_ENTRIES: u64 = 1024;
/// A disk of the target keeps a hundredth free, at most this.
const RESERVE: u64 = 64 << 20;
/// And so many inodes.
const RESERVE_INODES: u64 = 1000;

/// How much an archive may hold.
pub(super) struct Limits {
    entries: u64,
    bytes: u64,
    /// Who says so, for the message.
    by: &'static str,
}

impl Limits {
    /// From what is known of the archive, if the plan does not say.
    pub(super) fn new(plan: &RestorePlan, size: u64, manifest: Option<&Manifest>, index: Option<&IndexReader>) -> Self {
        let (entries, by) = match (manifest, index) {
            (Some(m), _) => (m.files.saturating_add(m.folders).saturating_add(m.others), "its sidecar says"),
            (None, Some(i)) => (i.entries, "its index says"),
            (None, None) => (UNKNOWN_ENTRIES, "is allowed without a sidecar; if you trust it, use --max-entries or --max-size"),
        };
        let bytes = match manifest {
            Some(m) => m.archive.tar_size,
            None => size.saturating_mul(UNKNOWN_RATIO).saturating_add(1 << 30),
        };
        Self { entries: plan.max_entries.unwrap_or(entries), bytes: plan.max_bytes.unwrap_or(bytes), by }
    }

    /// Refuses an archive that goes beyond.
    pub(super) fn check(&self, archive: &Path, entries: u64, position: u64) -> Result<(), EngineError> {
        let what = if entries > self.entries {
            format!("it holds more entries than {} ({})", self.by, self.entries)
        } else if position > self.bytes {
            format!("it unpacks to more bytes than {} ({})", self.by, self.bytes)
        } else {
            return Ok(());
        };
        Err(EngineError::Refused { path: archive.display().to_string(), what })
    }
}

/// Watches the target's disk, so that a restore never fills it to the last byte.
#[derive(Default)]
pub(super) struct Space {
    bytes: AtomicU64,
    entries: AtomicU64,
}

impl Space {
    /// Notes what was written beneath `target`, and looks at the disk now and then.
    pub(super) fn took(&self, target: impl AsFd, path: &Path, bytes: u64, entries: u64) -> Result<(), EngineError> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let count = self.entries.fetch_add(entries, Ordering::Relaxed);
        let crossed = |before: u64, more: u64, step: u64| before / step != (before + more) / step;
        if before + count > 0 && !crossed(before, bytes, LOOK_BYTES) && !crossed(count, entries, LOOK_ENTRIES) {
            return Ok(());
        }
        // What the disk does not tell cannot be watched.
        let Ok(disk) = fstatvfs(target) else { return Ok(()) };
        let unit = disk.fragment_size();
        let free = disk.blocks_available() * unit;
        if disk.blocks() > 0 && free < (disk.blocks() * unit / 100).min(RESERVE) {
            return Err(EngineError::TargetFull { path: path.display().to_string(), what: format!("{free} bytes") });
        }
        let inodes = disk.files_available();
        if disk.files() > 0 && inodes < (disk.files() / 100).min(RESERVE_INODES) {
            return Err(EngineError::TargetFull { path: path.display().to_string(), what: format!("{inodes} inodes") });
        }
        Ok(())
    }
}
