//! Looks into archives by their index: folders, and what changed between two.

use crate::archive::{Entry, EntryKind, IndexReader, compare_paths};
use crate::error::EngineError;
use crate::seal::Access;
use crate::store::read_manifest;
use backup_model::is_beneath;
use std::cmp::Ordering;
use std::path::Path;

/// Something in a folder of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the folder.
    pub name: Vec<u8>,
    /// Its path in the archive.
    pub path: Vec<u8>,
    /// Its line of the index; none for a folder above the sources, which is implied only.
    pub entry: Option<Entry>,
}

pub(crate) fn open(archive: &Path, access: &Access) -> Result<IndexReader, EngineError> {
    crate::stream::only_files(archive)?;
    let index = access.index(archive, read_manifest(archive).ok().flatten().as_ref())?;
    index.ok_or_else(|| EngineError::NotFound {
        path: archive.display().to_string(),
        what: "its index (`backupctl rebuild` makes it again)".into(),
    })
}

/// So many entries beneath one child are passed over before the rest is jumped over: about what one block holds.
const JUMP: usize = 500;

/// What lies directly in a folder of an archive (an empty path is the top): at most `limit` after
/// `skip`, and how many there are in all. A path that is no folder is answered alone.
///
/// # Errors
/// The index is missing or damaged, or holds no such path.
pub fn list_folder(
    archive: &Path,
    folder: &[u8],
    skip: usize,
    limit: usize,
    access: &Access,
) -> Result<(Vec<Listed>, usize), EngineError> {
    let index = open(archive, access)?;
    let folder = if folder == b"." { b"" } else { folder };
    let mut list: Vec<Listed> = Vec::new();
    let mut total = 0;
    let mut seen = folder.is_empty();
    let start = if folder.is_empty() { 0 } else { folder.len() + 1 };
    let mut entries = index.entries_from(folder);
    let mut child: Vec<u8> = Vec::new();
    let mut beneath = 0;
    while let Some(entry) = entries.next().transpose()? {
        if !is_beneath(&entry.path, folder) {
            break;
        }
        if entry.path == folder {
            seen = true;
            if entry.kind != EntryKind::Folder {
                let name = folder.rsplit(|b| *b == b'/').next().unwrap_or(folder).to_vec();
                return Ok((vec![Listed { name, path: folder.to_vec(), entry: Some(entry) }], 1));
            }
            continue;
        }
        seen = true;
        if !child.is_empty() && is_beneath(&entry.path, &child) {
            // A few are passed over one by one; what holds many is jumped over, to the place right after it: a slash sorts
            // before byte 1.
            beneath += 1;
            if beneath == JUMP {
                entries = index.entries_from(&[&child[..], b"\x01"].concat());
            }
            continue;
        }
        beneath = 0;
        let end = entry.path[start..].iter().position(|b| *b == b'/').map_or(entry.path.len(), |i| start + i);
        child.clear();
        child.extend_from_slice(&entry.path[..end]);
        if total >= skip && list.len() < limit {
            let own = (entry.path.len() == end).then_some(entry);
            list.push(Listed { name: child[start..].to_vec(), path: child.clone(), entry: own });
        }
        total += 1;
    }
    if !seen {
        return Err(EngineError::NotFound {
            path: archive.display().to_string(),
            what: backup_model::display_bytes(folder).to_string(),
        });
    }
    Ok((list, total))
}

/// How an entry differs between two archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only in the second.
    Added,
    /// Only in the first.
    Removed,
    /// Its contents, kind or link target differ.
    Changed,
    /// Only mode, owner, time or extended attributes differ.
    Metadata,
}

impl ChangeKind {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Metadata => "metadata",
        }
    }
}

/// One difference between two archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How it differs.
    pub kind: ChangeKind,
    /// The entry in the second archive, or in the first if it was removed.
    pub entry: Entry,
    /// The size in the first archive, if it was there.
    pub old_size: Option<u64>,
}

/// Compares two archives by their indexes; every difference is given to `tell`, in order of path.
///
/// # Errors
/// An index is missing or damaged.
pub fn diff(first: &Path, second: &Path, access: &Access, tell: &mut dyn FnMut(Change)) -> Result<(), EngineError> {
    let (a, b) = (open(first, access)?, open(second, access)?);
    let (mut left, mut right) = (a.all(), b.all());
    let (mut x, mut y) = (left.next().transpose()?, right.next().transpose()?);
    loop {
        let order = match (&x, &y) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => compare_paths(&x.path, &y.path),
        };
        let old = if order == Ordering::Greater { None } else { std::mem::replace(&mut x, left.next().transpose()?) };
        let new = if order == Ordering::Less { None } else { std::mem::replace(&mut y, right.next().transpose()?) };
        match (old, new) {
            (Some(entry), None) => tell(Change { kind: ChangeKind::Removed, old_size: Some(entry.size), entry }),
            (None, Some(entry)) => tell(Change { kind: ChangeKind::Added, entry, old_size: None }),
            (Some(old), Some(new)) => {
                let contents = (old.kind, old.size, &old.link, old.device) != (new.kind, new.size, &new.link, new.device)
                    || (old.sparse == new.sparse && old.hash != new.hash);
                let metadata =
                    (old.mode, old.uid, old.gid, old.mtime, old.xattrs) != (new.mode, new.uid, new.gid, new.mtime, new.xattrs);
                let kind = if contents {
                    Some(ChangeKind::Changed)
                } else if metadata {
                    Some(ChangeKind::Metadata)
                } else {
                    None
                };
                if let Some(kind) = kind {
                    tell(Change { kind, old_size: Some(old.size), entry: new });
                }
            }
            (None, None) => {}
        }
    }
}
