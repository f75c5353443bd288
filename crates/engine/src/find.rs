//! Finds files across versions, by the indexes alone.

use crate::archive::{Entry, EntryKind};
use crate::error::EngineError;
use crate::parallel::{cores, lock};
use crate::seal::Access;
use crate::sys::Time;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is looked for: a pattern as in gitignore(5); a word without wildcards and slashes is looked for
/// anywhere in names.
pub struct Needle(Gitignore);

impl Needle {
    /// From the pattern.
    ///
    /// # Errors
    /// The pattern is wrong.
    pub fn new(pattern: &str, any_case: bool) -> Result<Self, EngineError> {
        let wrong = |e: ignore::Error| EngineError::Pattern { pattern: pattern.to_owned(), reason: e.to_string() };
        let plain = !pattern.contains(['*', '?', '[', '/', '\\']);
        let whole = if plain { format!("*{pattern}*") } else { pattern.to_owned() };
        // Anywhere in the archive, unless it begins with a slash.
        let whole = if whole.contains('/') && !whole.starts_with(['/', '*']) { format!("**/{whole}") } else { whole };
        // At the begin these mean something else there.
        let whole = if whole.starts_with(['!', '#']) { format!("\\{whole}") } else { whole };
        let mut builder = GitignoreBuilder::new("");
        builder.case_insensitive(any_case).map_err(wrong)?;
        builder.add_line(None, &whole).map_err(wrong)?;
        builder.build().map(Self).map_err(wrong)
    }

    fn matches(&self, entry: &Entry) -> bool {
        let path = Path::new(OsStr::from_bytes(&entry.path));
        self.0.matched(path, entry.kind == EntryKind::Folder).is_ignore()
    }
}

/// A version of something, as it stands in one archive or in several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVersion {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of contents.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Places in the list of archives that was given: the first and the last that hold it so.
    pub first: usize,
    /// See `first`.
    pub last: usize,
    hash: Option<[u8; 32]>,
}

/// The versions of each path that was found, by path; oldest version first.
pub type Versions = BTreeMap<Vec<u8>, Vec<FoundVersion>>;

/// Looks through the indexes of archives, given from the oldest to the newest. At most `limit` paths are answered, and
/// whether there are more.
///
/// # Errors
/// An index is damaged.
pub fn find(archives: &[PathBuf], needle: &Needle, limit: usize, access: &Access) -> Result<(Versions, bool), EngineError> {
    let results: Vec<Mutex<Vec<Entry>>> = archives.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<EngineError>> = Mutex::default();
    let more = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores().min(archives.len()) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= archives.len() || lock(&failed).is_some() {
                        return;
                    }
                    match look(&archives[i], needle, limit, access) {
                        Ok((found, rest)) => {
                            more.fetch_add(usize::from(rest), Ordering::Relaxed);
                            *lock(&results[i]) = found;
                        }
                        Err(e) => *lock(&failed) = Some(e),
                    }
                }
            });
        }
    });
    if let Some(e) = lock(&failed).take() {
        return Err(e);
    }
    let mut versions = Versions::new();
    let mut left_out = more.load(Ordering::Relaxed) > 0;
    for (i, found) in results.into_iter().enumerate() {
        for entry in found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            if versions.len() >= limit && !versions.contains_key(&entry.path) {
                left_out = true;
                continue;
            }
            let list = versions.entry(entry.path).or_default();
            match list.last_mut() {
                Some(v)
                    if v.last + 1 == i
                        && (v.kind, v.size, v.mtime, v.hash) == (entry.kind, entry.size, entry.mtime, entry.hash) =>
                {
                    v.last = i;
                }
                _ => list.push(FoundVersion {
                    kind: entry.kind,
                    size: entry.size,
                    mtime: entry.mtime,
                    first: i,
                    last: i,
                    hash: entry.hash,
                }),
            }
        }
    }
    Ok((versions, left_out))
}

/// Whether the index of an archive can be read here, without reading it.
///
/// # Errors
/// Why it cannot.
pub fn can_look(archive: &Path, access: &Access) -> Result<(), EngineError> {
    crate::browse::open(archive, access).map(|_| ())
}

fn look(archive: &Path, needle: &Needle, limit: usize, access: &Access) -> Result<(Vec<Entry>, bool), EngineError> {
    let reader = crate::browse::open(archive, access)?;
    let mut found = Vec::new();
    for entry in reader.all() {
        let entry = entry?;
        if needle.matches(&entry) {
            if found.len() >= limit {
                return Ok((found, true));
            }
            found.push(entry);
        }
    }
    Ok((found, false))
}
