//! Which parts of which archives a restore reads: for archives that lie elsewhere and are fetched first.

use crate::archive::{Entry, EntryKind, IndexReader, MEMBER_SIZE, MemberMap};
use crate::error::EngineError;
use crate::restore::Selection;
use crate::seal::{Access, is_sealed};
use crate::store::read_manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What stands before an entry's contents: its header, extended attributes, a long name.
const BEFORE: u64 = 64 << 10;
/// The same for a folder of an increment, which names all that lies in it.
const FOLDER: u64 = 4 << 20;

/// The file names of the archives that a version builds on, by its index. Without an index it is not known.
///
/// # Errors
/// The index is damaged, or no key opens it.
pub fn builds_on(archive: &Path, access: &Access) -> Result<Vec<String>, EngineError> {
    let index = access.index(archive, read_manifest(archive)?.as_ref())?;
    Ok(index.map(|i| i.lineage.archives.into_iter().map(|a| a.name).collect()).unwrap_or_default())
}

/// What a restore reads of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The archive file; only its index and sidecar need to be there.
    pub archive: PathBuf,
    /// Stretches of it, first byte and the one after the last, in order; none means all of it.
    pub ranges: Option<Vec<(u64, u64)>>,
}

/// What a restore of a part of a version reads. Indexes and sidecars of all archives of the version must be there.
///
/// # Errors
/// An index is damaged, or no key opens it.
pub fn parts(archive: &Path, wanted: &Selection, access: &Access) -> Result<Vec<Part>, EngineError> {
    let index = access.index(archive, read_manifest(archive)?.as_ref())?;
    let Some(index) = index else { return Ok(vec![Part { archive: archive.to_owned(), ranges: None }]) };
    let beneath = index.lineage.archives.iter().map(|a| archive.with_file_name(&a.name));
    let files: Vec<PathBuf> = std::iter::once(archive.to_owned()).chain(beneath).collect();
    // Members of the tar stream that are needed, by the number of the archive.
    let mut members: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    let mut need = |entry: &Entry| {
        if let Some(offset) = entry.offset {
            let before = if entry.kind == EntryKind::Folder { FOLDER } else { BEFORE };
            let end = offset + before + if entry.kind == EntryKind::File { entry.size } else { 0 };
            members.entry(entry.archive).or_default().extend(offset / MEMBER_SIZE as u64..=end / MEMBER_SIZE as u64);
        }
    };
    for entry in index.all() {
        let entry = entry?;
        if !wanted.takes(&entry.path) {
            continue;
        }
        need(&entry);
        if entry.kind == EntryKind::HardLink
            && let Some(first) = index.get(&entry.link)?
        {
            need(&first);
        }
    }
    let mut out = Vec::new();
    for (number, members) in members {
        let Some(path) = files.get(number as usize) else {
            return Err(EngineError::damaged(archive, "its index names an archive that it does not know"));
        };
        let own;
        let sizes = if number == 0 {
            Some(&index.members)
        } else {
            own = access.index(path, read_manifest(path)?.as_ref())?;
            own.as_ref().map(|i: &IndexReader| &i.members)
        };
        let ranges = match sizes {
            // An encrypted archive is proven to its end before anything of it is used.
            Some(sizes) if !is_sealed(path) => Some(ranges(path, sizes, &members)?),
            _ => None,
        };
        out.push(Part { archive: path.clone(), ranges });
    }
    Ok(out)
}

fn ranges(path: &Path, sizes: &[u32], members: &BTreeSet<u64>) -> Result<Vec<(u64, u64)>, EngineError> {
    let map = MemberMap::unchecked(path, sizes)?;
    let mut out: Vec<(u64, u64)> = Vec::new();
    for member in members {
        let Some((start, end)) = map.place(*member as usize) else { continue };
        match out.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => out.push((start, end)),
        }
    }
    Ok(out)
}
