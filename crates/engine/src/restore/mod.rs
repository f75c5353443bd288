//! Brings files back: whole archives by reading them once, parts by reading only their members.

mod extract;
mod limits;
mod place;
mod tree;

use crate::archive::{Entry, EntryKind, IndexReader, MemberReader, Stream, Sums, TarEntry, TarReader};
use crate::error::EngineError;
use crate::observer::Observer;
use crate::store::{index_path, read_manifest};
use backup_model::{Manifest, is_beneath};
use extract::{Base, Extractor};
use limits::Limits;
use std::io;
use std::path::{Path, PathBuf};

/// What to do where a file exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it.
    #[default]
    Never,
    /// Replace it if the archive's is newer.
    Older,
    /// Replace it.
    Always,
}

/// What to restore, and where.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// The archive file.
    pub archive: PathBuf,
    /// The folder to write beneath; made if it is not there.
    pub target: PathBuf,
    /// Paths in the archive; empty means everything.
    pub paths: Vec<Vec<u8>>,
    /// What to do where a file exists already.
    pub overwrite: Overwrite,
    /// Only say what would be done.
    pub dry_run: bool,
    /// The most entries that are taken from the archive; `None` is as many as its sidecar or index says, or
    /// a million if it has neither.
    pub max_entries: Option<u64>,
    /// The most bytes that it may unpack to; `None` is as many as its sidecar says, or 200 times its size
    /// and a GiB if it has none.
    pub max_bytes: Option<u64>,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Regular files written.
    pub files: u64,
    /// Folders made or completed.
    pub folders: u64,
    /// Links, fifos, devices.
    pub others: u64,
    /// Bytes of contents written.
    pub bytes: u64,
    /// Entries that were there already, equal in kind, size and time.
    pub unchanged: u64,
    /// Entries left out because something else stood in their place, or that failed.
    pub left: u64,
    /// Entries whose owner could not be given back because the caller is not root.
    pub owners: u64,
    /// Whether the archive's checksums were all compared and fit.
    pub proven: bool,
}

/// Restores from an archive. Only the archive is needed; with its index a part is read without the
/// rest, with its sidecar all of it is proven.
///
/// # Errors
/// The archive is damaged, asks for something that is refused, does not hold what was asked for, or
/// the target cannot be written to. What was restored by then stays; running it again goes on.
pub fn restore(plan: &RestorePlan, observer: &dyn Observer) -> Result<RestoreReport, EngineError> {
    let size = plan.archive.metadata().map_err(EngineError::io("open the archive", &plan.archive))?.len();
    let manifest = read_manifest(&plan.archive).ok().flatten();
    if let Some(manifest) = &manifest {
        observer.expect(manifest.files, manifest.bytes);
        if manifest.kind != backup_model::Kind::Full {
            return Err(EngineError::Refused {
                path: plan.archive.display().to_string(),
                what: "increments are not in this version; use tar --listed-incremental=/dev/null -xf on each archive in order"
                    .into(),
            });
        }
    }
    let index = index_path(&plan.archive);
    let index = if index.exists() { Some(IndexReader::open(&index)?) } else { None };
    let limits = Limits::new(plan, size, manifest.as_ref(), index.as_ref());
    let base = Base::new(plan, observer);
    std::thread::scope(|scope| {
        let mut extractor = Extractor::open(&base, limits, scope)?;
        let proven = match &index {
            Some(index) if !plan.paths.is_empty() => {
                part(plan, index, &mut extractor)?;
                true
            }
            _ => whole(plan, index.as_ref(), &mut extractor)?,
        };
        extractor.finish(proven)
    })
}

fn chosen(plan: &RestorePlan, path: &[u8]) -> bool {
    plan.paths.is_empty() || plan.paths.iter().any(|p| is_beneath(path, p))
}

pub(crate) fn read_error(path: &Path) -> impl Fn(io::Error) -> EngineError {
    move |e| match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => EngineError::damaged(path, e),
        _ => EngineError::io("read", path)(e),
    }
}

/// Reads the archive from end to end; answers whether its sidecar has proven it.
fn whole(plan: &RestorePlan, index: Option<&IndexReader>, extractor: &mut Extractor<'_>) -> Result<bool, EngineError> {
    let failed = read_error(&plan.archive);
    let mut tar = TarReader::new(Stream::open(&plan.archive, index, false)?);
    // Contents are compared with the index where there is one, entry by entry.
    let mut entries = index.map(|i| i.all().peekable());
    let mut found = vec![false; plan.paths.len()];
    // Further names of files that were not asked for themselves.
    let mut names: Vec<TarEntry> = Vec::new();
    while let Some(entry) = tar.next_entry().map_err(&failed)? {
        extractor.count(&plan.archive, entry.offset.saturating_add(entry.stored))?;
        let expected = match &mut entries {
            Some(list) => advance(list, &entry, &plan.archive)?,
            None => None,
        };
        for (i, path) in plan.paths.iter().enumerate() {
            found[i] |= is_beneath(&entry.header.path, path);
        }
        if chosen(plan, &entry.header.path) {
            if entry.header.kind == Some(EntryKind::HardLink) && !chosen(plan, &entry.header.link) {
                names.push(entry);
                continue;
            }
            extractor.entry(&entry, &mut tar, expected.and_then(|e| e.hash), &failed)?;
        }
    }
    if let Some(missing) = found.iter().position(|f| !f) {
        return Err(not_found(plan, missing));
    }
    let sums = tar.finish().and_then(Stream::finish).map_err(&failed)?;
    let manifest = read_manifest(&plan.archive)?;
    if let Some(manifest) = &manifest {
        check_sums(&plan.archive, manifest, &sums)?;
    }
    if !names.is_empty() {
        contents_of_names(plan, index, names, extractor)?;
    }
    Ok(manifest.is_some())
}

/// Reads the archive again for the contents of files that only a further name was asked of.
fn contents_of_names(
    plan: &RestorePlan,
    index: Option<&IndexReader>,
    names: Vec<TarEntry>,
    extractor: &mut Extractor<'_>,
) -> Result<(), EngineError> {
    let failed = read_error(&plan.archive);
    let mut tar = TarReader::new(Stream::open(&plan.archive, index, false)?);
    while let Some(mut entry) = tar.next_entry().map_err(&failed)? {
        let first = entry.header.path.clone();
        for name in names.iter().filter(|n| n.header.link == first) {
            if extractor.has_written(&first)? {
                extractor.entry(name, &mut tar, None, &failed)?;
            } else {
                entry.header.path.clone_from(&name.header.path);
                extractor.entry(&entry, &mut tar, None, &failed)?;
                extractor.instead_of(&first, &name.header.path);
            }
        }
    }
    Ok(())
}

/// Compares the checksums of an archive file with its sidecar.
pub(crate) fn check_sums(archive: &Path, manifest: &Manifest, found: &Sums) -> Result<(), EngineError> {
    let expected = &manifest.archive;
    let what = if expected.size != found.size {
        format!("it has {} bytes, its sidecar says {}", found.size, expected.size)
    } else if expected.sha256 != found.sha256 {
        "its SHA-256 is not the one of its sidecar".to_owned()
    } else if found.md5.as_ref().is_some_and(|md5| *md5 != expected.md5) {
        "its MD5 is not the one of its sidecar".to_owned()
    } else {
        return Ok(());
    };
    Err(EngineError::damaged(archive, what))
}

/// Moves the index to the entry that the tar stream holds: both have the same order, and the index
/// alone has sockets.
pub(crate) fn advance(
    list: &mut std::iter::Peekable<crate::archive::Entries<'_>>,
    entry: &TarEntry,
    archive: &Path,
) -> Result<Option<Entry>, EngineError> {
    loop {
        match list.next().transpose()? {
            Some(line) if line.kind == EntryKind::Socket => {}
            Some(line) if line.path == entry.header.path && Some(line.kind) == entry.header.kind => return Ok(Some(line)),
            _ => {
                let path = backup_model::display_bytes(&entry.header.path).to_string();
                return Err(EngineError::damaged(
                    archive,
                    format!("its index does not fit it at {path}; remove the index to restore without it"),
                ));
            }
        }
    }
}

fn not_found(plan: &RestorePlan, at: usize) -> EngineError {
    EngineError::NotFound {
        path: plan.archive.display().to_string(),
        what: backup_model::display_bytes(&plan.paths[at]).to_string(),
    }
}

/// Reads only what was asked for, by the index.
fn part(plan: &RestorePlan, index: &IndexReader, extractor: &mut Extractor<'_>) -> Result<(), EngineError> {
    let failed = read_error(&plan.archive);
    let mut members = MemberReader::open(&plan.archive, index.compression, &index.members)?;
    // A path beneath another is restored with it.
    let mut paths = plan.paths.clone();
    paths.sort_by(|a, b| crate::archive::compare_paths(a, b));
    paths.dedup_by(|b, a| is_beneath(b, a));
    let mut expected_files = 0;
    let mut expected_bytes = 0;
    for path in &paths {
        for entry in beneath(index, path) {
            let entry = entry?;
            if entry.kind == EntryKind::File || entry.kind == EntryKind::HardLink {
                expected_files += 1;
                expected_bytes += entry.size;
            }
        }
    }
    extractor.observer.expect(expected_files, expected_bytes);
    let mut taken = 0u64;
    for (i, path) in paths.iter().enumerate() {
        let mut any = false;
        for line in beneath(index, path) {
            let line = line?;
            any = true;
            let Some(offset) = line.offset else { continue };
            let (mut tar, mut entry) = entry_at(plan, &mut members, offset)?;
            if entry.header.path != line.path {
                return Err(EngineError::damaged(&plan.archive, "its index points to another entry"));
            }
            let mut expected = line.clone();
            // A further name whose file is not restored with it gets the contents itself.
            if line.kind == EntryKind::HardLink && !extractor.has_written(&line.link)? {
                let first = index.get(&line.link)?.and_then(|f| f.offset.map(|offset| (f, offset)));
                let Some((first, offset)) = first else {
                    return Err(EngineError::damaged(&plan.archive, "a hard link names a file that is not there"));
                };
                (tar, entry) = entry_at(plan, &mut members, offset)?;
                entry.header.path.clone_from(&line.path);
                extractor.instead_of(&line.link, &line.path);
                expected = first;
            }
            taken = taken.saturating_add(entry.stored);
            extractor.count(&plan.archive, taken)?;
            extractor.entry(&entry, &mut tar, expected.hash, &failed)?;
        }
        if !any {
            let at = plan.paths.iter().position(|p| p == &paths[i]).unwrap_or(0);
            return Err(not_found(plan, at));
        }
    }
    Ok(())
}

/// The entry whose header begins at a place in the tar stream, and a reader of its data.
fn entry_at<'a>(
    plan: &RestorePlan,
    members: &'a mut MemberReader,
    offset: u64,
) -> Result<(TarReader<&'a mut MemberReader>, TarEntry), EngineError> {
    let failed = read_error(&plan.archive);
    members.seek(offset).map_err(&failed)?;
    let mut tar = TarReader::new(members);
    let entry = tar.next_entry().map_err(&failed)?;
    entry.map(|entry| (tar, entry)).ok_or_else(|| EngineError::damaged(&plan.archive, "its index points to its end"))
}

fn beneath<'a>(index: &'a IndexReader, path: &'a [u8]) -> impl Iterator<Item = Result<Entry, EngineError>> + 'a {
    let everything = path.is_empty() || path == b".";
    let start: &[u8] = if everything { b"" } else { path };
    index.entries_from(start).take_while(move |e| everything || e.as_ref().map_or(true, |e| is_beneath(&e.path, path)))
}
