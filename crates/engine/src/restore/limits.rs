//! What a restore may take of the target, whatever the archive says.

use super::RestorePlan;
use crate::archive::IndexReader;
use crate::error::EngineError;
use backup_model::Manifest;
use nix::sys::statvfs::fstatvfs;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries of an archive that neither a sidecar nor an index describes.
const UNKNOWN_ENTRIES: u64 = 1_000_000;
/// Bytes of tar stream for each byte of such an archive, beside the first GiB.
const UNKNOWN_RATIO: u64 = 200;
/// Bytes between two looks at the disk, if it has plenty.
const LOOK_BYTES: u64 = 16 << 20;
/// Entries between two looks at the disk.
const LOOK_ENTRIES: u64 = 1024;
/// A disk of the target keeps a hundredth free, at most this.
const RESERVE: u64 = 64 << 20;
/// And so many inodes.
const RESERVE_INODES: u64 = 1000;

/// How much an archive may hold.
pub(super) struct Limits {
    entries: Limit,
    bytes: Limit,
}

/// A number, and who says so, for the message.
struct Limit(u64, &'static str);

impl Limits {
    /// From what is known of the archive, if the plan does not say.
    pub(super) fn new(plan: &RestorePlan, size: u64, manifest: Option<&Manifest>, index: Option<&IndexReader>) -> Self {
        let entries = match (plan.max_entries, manifest, index) {
            (Some(entries), ..) => Limit(entries, "--max-entries allows"),
            (_, Some(m), _) => Limit(m.files.saturating_add(m.folders).saturating_add(m.others), "its sidecar says"),
            (_, _, Some(i)) => Limit(i.entries, "its index says"),
            _ => Limit(UNKNOWN_ENTRIES, "is allowed without a sidecar; if you trust it, use --max-entries"),
        };
        let bytes = match (plan.max_bytes, manifest) {
            (Some(bytes), _) => Limit(bytes, "--max-size allows"),
            (_, Some(m)) => Limit(m.archive.tar_size, "its sidecar says"),
            _ => {
                let bytes = size.saturating_mul(UNKNOWN_RATIO).saturating_add(1 << 30);
                Limit(bytes, "is allowed without a sidecar; if you trust it, use --max-size")
            }
        };
        Self { entries, bytes }
    }

    /// From what is known of the archives of a version, if the plan does not say.
    pub(super) fn of_chain(
        plan: &RestorePlan,
        index: &IndexReader,
        archives: &[(Arc<Path>, Option<Manifest>)],
    ) -> Result<Self, EngineError> {
        let mut bytes = 0u64;
        for (path, manifest) in archives {
            let most = match manifest {
                Some(manifest) => manifest.archive.tar_size,
                None => {
                    // One that is missing fails where it is needed.
                    let size = path.metadata().map_or(0, |m| m.len());
                    size.saturating_mul(UNKNOWN_RATIO).saturating_add(1 << 30)
                }
            };
            bytes = bytes.saturating_add(most);
        }
        // A part may hold the contents of a file under several of its names.
        let bytes = if plan.paths.is_empty() { bytes } else { bytes.saturating_mul(2) };
        Ok(Self {
            entries: Limit(plan.max_entries.unwrap_or(index.entries), "its index says"),
            bytes: Limit(plan.max_bytes.unwrap_or(bytes), "its archives hold"),
        })
    }

    /// Refuses an archive that goes beyond.
    pub(super) fn check(&self, archive: &Path, entries: u64, position: u64) -> Result<(), EngineError> {
        let what = if entries > self.entries.0 {
            format!("it holds more than {} entries, more than {}", self.entries.0, self.entries.1)
        } else if position > self.bytes.0 {
            format!("it unpacks to more than {} bytes, more than {}", self.bytes.0, self.bytes.1)
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
    /// At how many bytes the next look is due.
    look_at: AtomicU64,
}

impl Space {
    /// Notes what was written beneath `target`, and looks at the disk now and then.
    pub(super) fn took(&self, target: impl AsFd, path: &Path, bytes: u64, entries: u64) -> Result<(), EngineError> {
        let written = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let count = self.entries.fetch_add(entries, Ordering::Relaxed);
        let many = entries > 0 && count.is_multiple_of(LOOK_ENTRIES);
        if written < self.look_at.load(Ordering::Relaxed) && !many {
            return Ok(());
        }
        // What the disk does not tell cannot be watched.
        let Ok(disk) = fstatvfs(target) else { return Ok(()) };
        let unit = disk.fragment_size();
        let free = disk.blocks_available() * unit;
        let reserve = (disk.blocks() * unit / 100).min(RESERVE);
        if disk.blocks() > 0 && free < reserve {
            let what = format!("{free} bytes are free on its disk, of which {reserve} stay free");
            return Err(EngineError::TargetFull { path: path.display().to_string(), what });
        }
        // The less there is the more often it is looked at.
        let step = ((free - reserve.min(free)) / 4).clamp(1 << 16, LOOK_BYTES);
        self.look_at.store(written + step, Ordering::Relaxed);
        let inodes = disk.files_available();
        if disk.files() > 0 && inodes < (disk.files() / 100).min(RESERVE_INODES) {
            return Err(EngineError::TargetFull {
                path: path.display().to_string(),
                what: format!("{inodes} inodes are free on its disk"),
            });
        }
        Ok(())
    }
}
