//! Brings files back: whole archives by reading them once, parts by reading only their members.

mod extract;
mod limits;
mod place;
mod select;
mod tree;

pub use select::{Owners, Selection};

use crate::archive::{Chain, Entry, EntryKind, IndexReader, Stream, Sums, TarEntry, TarReader, read_error, sums_of};
use crate::error::EngineError;
use crate::observer::{Observer, warning};
use crate::rebuild;
use crate::seal::Access;
use crate::store::{file_name, index_path, read_manifest};
use backup_model::{Kind, Manifest, is_beneath};
use extract::{Base, Extractor};
use limits::Limits;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

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
    /// Goes on where an archive is damaged: what cannot be read is left out, each with a warning.
    pub skip_damaged: bool,
    /// Patterns as in gitignore(5); of what `paths` names only what matches one is restored.
    pub patterns: Vec<String>,
    /// Leading components of names that are dropped; what has no more is left out.
    pub strip: usize,
    /// Whose the files shall be.
    pub owners: Owners,
    /// What opens encrypted archives.
    pub access: Access,
}

impl RestorePlan {
    /// Whether everything is restored, so that whole archives are read and proven.
    fn is_whole(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_empty() && !self.skip_damaged
    }
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

/// Restores from an archive. Only the archive is needed, of an increment those beneath it too; with its index
/// a part is read without the rest, with its sidecar all of it is proven.
///
/// # Errors
/// The archive is damaged, asks for something that is refused, does not hold what was asked for, or
/// the target cannot be written to. What was restored by then stays; running it again goes on.
pub fn restore(plan: &RestorePlan, observer: &dyn Observer) -> Result<RestoreReport, EngineError> {
    crate::stream::only_files(&plan.archive)?;
    let size = plan.archive.metadata().map_err(EngineError::io("open the archive", &plan.archive))?.len();
    let manifest = read_manifest(&plan.archive).unwrap_or_else(|e| {
        observer.note(warning(b".", format!("{e}; restoring without it")));
        None
    });
    if let Some(manifest) = &manifest {
        observer.expect(manifest.files, manifest.bytes);
    }
    let path = index_path(&plan.archive);
    let without = |e: &EngineError| observer.note(warning(b".", format!("{e}; restoring without it")));
    let index = match plan.access.index(&plan.archive, manifest.as_ref()) {
        Ok(index) => index,
        Err(e @ EngineError::NoKey { .. }) => return Err(e),
        Err(e) => {
            without(&e);
            None
        }
    };
    let work = |index: Option<&IndexReader>| Work { plan, size, manifest: manifest.as_ref(), index }.run(observer);
    match work(index.as_ref()) {
        Err(e) if index.is_some() && matches!(&e, EngineError::Damaged { path: at, .. } if Path::new(at) == path) => {
            without(&e);
            work(None)
        }
        other => other,
    }
}

/// What is known of the archive that is restored from.
struct Work<'a> {
    plan: &'a RestorePlan,
    size: u64,
    manifest: Option<&'a Manifest>,
    index: Option<&'a IndexReader>,
}

impl Work<'_> {
    fn run(&self, observer: &dyn Observer) -> Result<RestoreReport, EngineError> {
        let plan = self.plan;
        let increment = match (self.manifest, self.index) {
            (Some(manifest), _) => manifest.kind != Kind::Full,
            (None, Some(index)) => !index.lineage.archives.is_empty(),
            (None, None) => Kind::of_file_name(&file_name(&plan.archive)).is_some_and(|k| k != Kind::Full),
        };
        let made;
        let index = match self.index {
            None if increment => {
                // Which archive holds what is told by the increment itself and by the index beneath it.
                made = rebuild::scratch_index(&plan.archive, &plan.target, &plan.access, observer)?;
                Some(&made)
            }
            index => index,
        };
        let wanted = Selection::new(&plan.paths, &plan.patterns)?;
        let base = Base::new(plan, &wanted, observer);
        let over = &AtomicBool::new(false);
        std::thread::scope(|scope| match index {
            Some(index) if increment || !plan.is_whole() => {
                let chain = Chain::new(&plan.archive, index, &plan.access);
                let archives = chain.archives()?;
                let limits = Limits::of_chain(plan, index, &archives)?;
                let mut extractor = Extractor::open(&base, limits, scope)?;
                let sums = plan.is_whole().then(|| scope.spawn(move || check_all(&archives, over)));
                let done = by_index(plan, index, chain, &mut extractor);
                // Who has failed needs no proof.
                over.store(done.is_err(), Ordering::Relaxed);
                let proven = match sums.map(ScopedJoinHandle::join) {
                    None => true,
                    Some(Ok(proven)) => done.as_ref().map_or(Ok(false), |()| proven)?,
                    Some(Err(_)) => {
                        return Err(EngineError::io("check", &plan.archive)(io::Error::other("a thread stopped early")));
                    }
                };
                done?;
                extractor.finish(proven)
            }
            index => {
                let limits = Limits::new(plan, self.size, self.manifest, index);
                plan.access.check(&plan.archive, self.manifest)?;
                let mut extractor = Extractor::open(&base, limits, scope)?;
                let proven = whole(plan, self.manifest, index, &mut extractor)?;
                extractor.finish(proven)
            }
        })
    }
}

/// Compares the checksums of all archives with their sidecars; answers whether each has one.
fn check_all(archives: &[(Arc<Path>, Option<Manifest>)], over: &AtomicBool) -> Result<bool, EngineError> {
    let mut all = true;
    for (path, manifest) in archives {
        let Some(manifest) = manifest else {
            all = false;
            continue;
        };
        let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
        let mut heard = |_| if over.load(Ordering::Relaxed) { Err(io::Error::other("given up")) } else { Ok(()) };
        let sums = sums_of(&file, false, &mut heard).map_err(EngineError::io("read", path))?;
        check_sums(path, manifest, &sums)?;
    }
    Ok(all)
}

/// Reads the archive from end to end; answers whether its sidecar has proven it.
fn whole(
    plan: &RestorePlan,
    manifest: Option<&Manifest>,
    index: Option<&IndexReader>,
    extractor: &mut Extractor<'_>,
) -> Result<bool, EngineError> {
    let failed = read_error(&plan.archive);
    let archive: Arc<Path> = plan.archive.as_path().into();
    let mut tar = TarReader::new(Stream::open(&plan.archive, index, false, &plan.access)?);
    // Contents are compared with the index where there is one, entry by entry.
    let mut entries = index.map(|i| i.all().peekable());
    let mut found = vec![false; plan.paths.len()];
    let mut any = plan.patterns.is_empty();
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
        if extractor.wanted.takes(&entry.header.path) {
            any = true;
            if entry.header.kind == Some(EntryKind::HardLink) && !extractor.wanted.takes(&entry.header.link) {
                names.push(entry);
                continue;
            }
            extractor.entry(&entry, &mut tar, expected.and_then(|e| e.hash), &archive)?;
        }
    }
    if let Some(missing) = found.iter().position(|f| !f) {
        return Err(not_found(plan, &plan.paths[missing]));
    }
    if !any {
        return Err(not_found(plan, b""));
    }
    // A file whose contents are wrong says more than a wrong sum of all.
    extractor.settle()?;
    let sums = tar.finish().and_then(Stream::finish).map_err(&failed)?;
    if let Some(manifest) = manifest {
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
    let archive: Arc<Path> = plan.archive.as_path().into();
    let mut tar = TarReader::new(Stream::open(&plan.archive, index, false, &plan.access)?);
    while let Some(mut entry) = tar.next_entry().map_err(&failed)? {
        let first = entry.header.path.clone();
        for name in names.iter().filter(|n| n.header.link == first) {
            if extractor.has_written(&first)? {
                extractor.entry(name, &mut tar, None, &archive)?;
            } else {
                entry.header.path.clone_from(&name.header.path);
                extractor.entry(&entry, &mut tar, None, &archive)?;
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
/// alone has sockets and what lies in other archives.
pub(crate) fn advance(
    list: &mut std::iter::Peekable<crate::archive::Entries<'_>>,
    entry: &TarEntry,
    archive: &Path,
) -> Result<Option<Entry>, EngineError> {
    loop {
        match list.next().transpose()? {
            Some(line) if line.kind == EntryKind::Socket || line.archive != 0 => {}
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

fn not_found(plan: &RestorePlan, path: &[u8]) -> EngineError {
    let path = backup_model::display_bytes(path).to_string();
    let what = match (path.as_str(), plan.patterns.as_slice()) {
        (path, []) => path.to_owned(),
        ("", patterns) => format!("anything that matches {}", patterns.join(" or ")),
        (path, patterns) => format!("anything in {path} that matches {}", patterns.join(" or ")),
    };
    EngineError::NotFound { path: plan.archive.display().to_string(), what }
}

/// Reads what was asked for by the index, each entry from the archive that holds it.
fn by_index(plan: &RestorePlan, index: &IndexReader, mut chain: Chain, extractor: &mut Extractor<'_>) -> Result<(), EngineError> {
    // A path beneath another is restored with it.
    let mut paths = plan.paths.clone();
    if paths.is_empty() {
        paths.push(Vec::new());
    }
    paths.sort_by(|a, b| crate::archive::compare_paths(a, b));
    paths.dedup_by(|b, a| is_beneath(b, a));
    if !plan.is_whole() {
        let mut expected = (0, 0);
        for path in &paths {
            for entry in beneath(index, path) {
                let entry = entry?;
                if extractor.wanted.matches(&entry.path) && matches!(entry.kind, EntryKind::File | EntryKind::HardLink) {
                    expected = (expected.0 + 1, expected.1 + entry.size);
                }
            }
        }
        extractor.observer.expect(expected.0, expected.1);
    }
    let mut taken = 0u64;
    for path in &paths {
        let mut any = false;
        for line in beneath(index, path) {
            let line = line?;
            if !extractor.wanted.matches(&line.path) {
                continue;
            }
            any = true;
            let Some(offset) = line.offset else { continue };
            match one(index, &mut chain, &line, offset, &mut taken, extractor) {
                Err(e @ EngineError::Damaged { .. }) if plan.skip_damaged => extractor.damaged(&line.path, &e),
                done => done?,
            }
        }
        if !any {
            return Err(not_found(plan, path));
        }
    }
    extractor.settle()
}

/// Restores what one line of the index stands for.
fn one(
    index: &IndexReader,
    chain: &mut Chain,
    line: &Entry,
    offset: u64,
    taken: &mut u64,
    extractor: &mut Extractor<'_>,
) -> Result<(), EngineError> {
    let mut hash = line.hash;
    let alone = line.kind == EntryKind::HardLink && !extractor.wanted.is_everything() && !extractor.has_written(&line.link)?;
    let first = if alone {
        // A further name whose file is not restored with it gets the contents itself.
        let first = index.get(&line.link)?.and_then(|f| f.offset.map(|offset| (f, offset)));
        Some(first.ok_or_else(|| EngineError::damaged(chain.path(0), "a hard link names a file that is not there"))?)
    } else {
        None
    };
    let (number, offset) = match &first {
        Some((first, offset)) => {
            hash = first.hash;
            (first.archive, *offset)
        }
        None => (line.archive, offset),
    };
    let (mut tar, mut entry, path) = chain.entry_at(number, offset)?;
    if entry.header.path != first.as_ref().map_or(&line.path, |f| &f.0.path)[..] {
        return Err(EngineError::damaged(&path, "its index points to another entry"));
    }
    if first.is_some() {
        entry.header.path.clone_from(&line.path);
        extractor.instead_of(&line.link, &line.path);
    }
    *taken = taken.saturating_add(entry.stored);
    extractor.count(&path, *taken)?;
    extractor.entry(&entry, &mut tar, hash, &path)
}

fn beneath<'a>(index: &'a IndexReader, path: &'a [u8]) -> impl Iterator<Item = Result<Entry, EngineError>> + 'a {
    let everything = path.is_empty() || path == b".";
    let start: &[u8] = if everything { b"" } else { path };
    index.entries_from(start).take_while(move |e| everything || e.as_ref().map_or(true, |e| is_beneath(&e.path, path)))
}
