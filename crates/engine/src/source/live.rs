//! Database files that a program may be writing to: found by their begin, copied by somebody who knows them.

use crate::sys;
use backup_model::Note;
use nix::sys::stat::{FileStat, futimens};
use nix::sys::time::TimeSpec;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The first bytes of a database of SQLite (<https://www.sqlite.org/fileformat.html>, 1.3).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";
/// What lies beside such a file while it is in use, and is part of no copy.
const BESIDE: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];

/// Copies a database file, from a path to a path that is free.
pub type CopyFile = dyn Fn(&Path, &Path) -> Result<(), String> + Send + Sync;

/// Takes live databases in a source by a consistent copy.
#[derive(Clone)]
pub struct LiveDatabases {
    /// Makes the copy.
    pub copy: Arc<CopyFile>,
    /// A folder for copies while they are read.
    pub scratch: PathBuf,
    /// Counts copies.
    pub count: Arc<AtomicU64>,
}

impl fmt::Debug for LiveDatabases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveDatabases").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

fn begins_as_database(file: &File) -> bool {
    let mut start = [0; SQLITE.len()];
    file.read_exact_at(&mut start, 0).is_ok() && start == *SQLITE
}

/// Whether a name belongs to a database beside it that is copied whole.
pub(crate) fn is_beside(dir: &OwnedFd, name: &[u8]) -> bool {
    let Some(main) = BESIDE.iter().find_map(|suffix| name.strip_suffix(*suffix)).filter(|n| !n.is_empty()) else { return false };
    sys::open_file_at(dir, main).is_ok_and(|file| begins_as_database(&file))
}

impl LiveDatabases {
    /// A consistent copy of a file, if it is a database: it has no name any more and the times, owner and mode of
    /// the file itself.
    pub(crate) fn copy_of(&self, dir: &OwnedFd, name: &[u8], file: &File, stat: &FileStat) -> Option<Result<File, String>> {
        if !begins_as_database(file) {
            return None;
        }
        Some(self.copy(dir, name, stat))
    }

    fn copy(&self, dir: &OwnedFd, name: &[u8], stat: &FileStat) -> Result<File, String> {
        let said = |e: io::Error| e.to_string();
        let folder =
            self.scratch.join(format!(".database-{}-{}.part", std::process::id(), self.count.fetch_add(1, Ordering::Relaxed)));
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder).map_err(said)?;
        let path = folder.join("copy");
        // By the folder's handle: what is meant by the name cannot be swapped on the way to it.
        let from = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(std::ffi::OsStr::from_bytes(name));
        let copied = (self.copy)(&from, &path).and_then(|()| File::open(&path).map_err(said));
        let dressed = copied.and_then(|copy| {
            let times = |sec: i64, nsec: i64| TimeSpec::new(sec, nsec);
            let mode = nix::sys::stat::Mode::from_bits_truncate(stat.st_mode);
            // Without root it stays ours, and so does what is told of its owner.
            let _ = std::os::unix::fs::fchown(copy.as_fd(), Some(stat.st_uid), Some(stat.st_gid));
            nix::sys::stat::fchmod(copy.as_fd(), mode).map_err(|e| e.to_string())?;
            futimens(copy.as_fd(), &times(stat.st_atime, stat.st_atime_nsec), &times(stat.st_mtime, stat.st_mtime_nsec))
                .map_err(|e| e.to_string())?;
            Ok(copy)
        });
        let _ = std::fs::remove_dir_all(&folder);
        dressed
    }
}

/// What is said of a database that could not be copied so.
pub(crate) fn not_copied(path: &[u8], why: &str) -> Note {
    let text = format!("is a database that could not be copied consistently ({why}): it was copied as any file");
    crate::observer::warning(path, text)
}
