//! Makes indexes and sidecars again from the archives alone.

use crate::archive::{
    ArchiveRef, Entries, Entry, EntryKind, IndexReader, IndexWriter, Lineage, Stream, Sums, TarEntry, TarReader, compare_paths,
    read_contents, read_error, scan_members, sums_of, xattr_digest,
};
use crate::backup::{Described, Seal, sidecar_of};
use crate::error::EngineError;
use crate::observer::{Observer, note};
use crate::seal::{Access, is_sealed, no_key};
use crate::store::{self, archives_in, file_name, index_path, read_manifest, sidecar_path};
use crate::sys::{self, Time};
use backup_model::{ArchiveFile, ArchiveId, Compression, IndexFile, Kind, Manifest, NoteLevel};
use std::cmp::Ordering;
use std::fs::File;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// What was made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The index.
    pub index: bool,
    /// The sidecar.
    pub sidecar: bool,
}

/// What reading an archive to its end tells.
struct Read {
    file: File,
    size: u64,
    sha256: String,
    sums: Sums,
    compression: Compression,
    tar_size: u64,
    described: Option<Described>,
    counts: (u64, u64, u64, u64),
}

/// Makes what is missing or damaged beside an archive again: its index, its sidecar, or both. What neither the
/// archive nor the archives beneath it tell (change times and inodes of files) is not in the new index, so the
/// next increment takes these files again. The index of an encrypted archive is encrypted as `seal` says.
///
/// # Errors
/// The archive is damaged, or one beneath it is missing.
pub fn rebuild(archive: &Path, access: &Access, seal: Option<&Seal>, observer: &dyn Observer) -> Result<Rebuilt, EngineError> {
    crate::stream::only_files(archive)?;
    let old = read_manifest(archive).ok().flatten();
    let index = index_path(archive);
    let fits = old.as_ref().and_then(|m| m.index.as_ref()).is_some_and(|expected| {
        let sums = File::open(&index).and_then(|f| sums_of(&f, false, &mut |_| Ok(())));
        sums.is_ok_and(|s| s.sha256 == expected.sha256)
    });
    if fits {
        return Ok(Rebuilt::default());
    }
    let sealed = is_sealed(archive);
    if sealed && seal.is_none() {
        return Err(no_key(archive, "its schedule does not say how its index is to be encrypted"));
    }
    access.check(archive, old.as_ref())?;
    // An index without a sidecar may be whole: then it stays, as it knows more than the archive.
    let clear = || access.index(archive, None).ok().flatten();
    let whole = old.is_none() && clear().is_some_and(|i| i.all().all(|e| e.is_ok()));
    let folder = archive.parent().unwrap_or(Path::new("/"));
    // No name of a file lies in clear beside an encrypted archive, not even for a moment.
    let folder = seal.filter(|_| sealed).map_or(folder, |s| &s.local);
    let scratch = sys::scratch_file(folder).map_err(EngineError::io("make a scratch file in", folder))?;
    let read = read(archive, old.as_ref(), scratch, access, observer, 0)?;
    let mut manifest = match (old.clone(), &read.described) {
        (Some(old), _) => old,
        (None, Some(described)) => described.manifest.clone(),
        (None, None) => guess(archive, &read)?,
    };
    if old.is_none() {
        manifest.archive = ArchiveFile {
            name: file_name(archive),
            compression: read.compression.method().to_owned(),
            size: read.sums.size,
            tar_size: read.tar_size,
            md5: read.sums.md5.clone().unwrap_or_default(),
            sha256: read.sums.sha256.clone(),
        };
    }
    let mut parts = store::Replacement::new(archive);
    let (size, sha256) = if whole {
        let file = File::open(&index).map_err(EngineError::io("open", &index))?;
        let sums = sums_of(&file, false, &mut |_| Ok(())).map_err(EngineError::io("read", &index))?;
        (sums.size, sums.sha256)
    } else {
        match seal.filter(|_| sealed) {
            Some(seal) => parts.seal(&index, read.file, &seal.recipients)?,
            None => {
                parts.copy(&index, read.file)?;
                (read.size, read.sha256)
            }
        }
    };
    manifest.index = Some(IndexFile { name: file_name(&index), size, sha256 });
    parts.manifest(&sidecar_path(archive), &sidecar_of(&manifest))?;
    parts.publish()?;
    Ok(Rebuilt { index: !whole, sidecar: old.is_none() })
}

/// What can be said of an archive of the first version, which says nothing of itself.
fn guess(archive: &Path, read: &Read) -> Result<Manifest, EngineError> {
    let name = file_name(archive);
    let cannot = |what: &str| EngineError::damaged(archive, format!("its sidecar cannot be made again: {what}"));
    let kind = Kind::of_file_name(&name).ok_or_else(|| cannot("its name does not begin with full_, inc_ or diff_"))?;
    let stamp = name.split_once('_').map(|(_, rest)| rest.get(..19).unwrap_or_default()).unwrap_or_default();
    let started = chrono::NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d_%H-%M-%S")
        .map_err(|_| cannot("its name does not hold the time at which it was made"))?
        .and_utc()
        .fixed_offset();
    let schedule = archive.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let schedule = backup_model::Name::new(&schedule).map_err(|_| cannot("its folder does not have the name of a schedule"))?;
    let (files, folders, others, bytes) = read.counts;
    Ok(Manifest {
        version: backup_model::MANIFEST_VERSION,
        id: ArchiveId(uuid::Uuid::now_v7()),
        schedule,
        run: backup_model::RunId(uuid::Uuid::nil()),
        kind,
        parent: None,
        full_because: None,
        content: "full".into(),
        form: "tar".into(),
        status: "completed".into(),
        planned: None,
        started,
        ended: started,
        timezone: "UTC".into(),
        host: String::new(),
        tool: "rebuilt from the archive".into(),
        sources: Vec::new(),
        exclude: Vec::new(),
        files,
        folders,
        others,
        bytes,
        changed: None,
        warnings: 0,
        notes: Vec::new(),
        database: None,
        encryption: None,
        archive: ArchiveFile::default(),
        index: None,
        sum: None,
        extra: serde_json::Map::new(),
    })
}

/// An index in a scratch file for an archive that has lost its own.
pub(crate) fn scratch_index(
    archive: &Path,
    folder: &Path,
    access: &Access,
    observer: &dyn Observer,
) -> Result<IndexReader, EngineError> {
    access.check(archive, read_manifest(archive).ok().flatten().as_ref())?;
    scratch(archive, folder, access, observer, 0)
}

/// No chain is longer.
const MAX_CHAIN: usize = 10_000;

fn scratch(
    archive: &Path,
    folder: &Path,
    access: &Access,
    observer: &dyn Observer,
    depth: usize,
) -> Result<IndexReader, EngineError> {
    // Beneath the target if it is there; else where temporary files go.
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    let file = sys::scratch_file(&folder).map_err(EngineError::io("make a scratch file in", &folder))?;
    observer.note(note(NoteLevel::Info, b".", format!("the index of {} is made again from the archive", archive.display())));
    let manifest = read_manifest(archive).ok().flatten();
    let read = read(archive, manifest.as_ref(), file, access, observer, depth)?;
    IndexReader::from_file(read.file, &index_path(archive))
}

/// The archive that an increment builds on: by the id that it gives, among the archives beside it.
fn parent_of(archive: &Path, manifest: Option<&Manifest>, access: &Access) -> Result<(PathBuf, ArchiveId), EngineError> {
    let damaged = |what: &str| EngineError::damaged(archive, what);
    let described;
    let manifest = match manifest {
        Some(manifest) => manifest,
        None => {
            described = describe(archive, access)?.ok_or_else(|| damaged("neither it nor a sidecar says what it builds on"))?;
            &described.manifest
        }
    };
    let parent = manifest.parent.ok_or_else(|| damaged("it does not say what it builds on"))?;
    let folder = archive.parent().unwrap_or(Path::new("/"));
    for (path, found) in archives_in(folder)? {
        if found.is_ok_and(|m| m.id == parent) {
            return Ok((path, parent));
        }
    }
    // Its sidecar may be lost too: the archives say by themselves who they are.
    for path in store::archive_files(folder)? {
        if describe(&path, access).ok().flatten().is_some_and(|d| d.manifest.id == parent) {
            return Ok((path, parent));
        }
    }
    Err(EngineError::NotFound {
        path: folder.display().to_string(),
        what: format!("the archive {parent} that {} builds on", file_name(archive)),
    })
}

/// What an archive says of itself at its begin.
fn describe(archive: &Path, access: &Access) -> Result<Option<Described>, EngineError> {
    let mut tar = TarReader::new(Stream::open(archive, None, false, access)?);
    tar.next_entry().map_err(read_error(archive))?;
    Ok(described(tar.comments()))
}

fn described(comments: &[Vec<u8>]) -> Option<Described> {
    comments.iter().rev().find_map(|c| serde_json::from_slice(c).ok())
}

/// Reads an archive to its end and writes an index of it.
fn read(
    archive: &Path,
    manifest: Option<&Manifest>,
    out: File,
    access: &Access,
    observer: &dyn Observer,
    depth: usize,
) -> Result<Read, EngineError> {
    if depth > MAX_CHAIN {
        return Err(EngineError::damaged(archive, "it builds on itself"));
    }
    let failed = read_error(archive);
    let file = File::open(archive).map_err(EngineError::io("open the archive", archive))?;
    let (compression, members) = scan_members(archive, access.open(archive, file)?)?;
    let mut tar = TarReader::new(Stream::open(archive, None, true, access)?).with_dumpdirs();
    let mut next = tar.next_entry().map_err(&failed)?;
    let head = described(tar.comments());
    let kind = manifest.or(head.as_ref().map(|d| &d.manifest)).map(|m| m.kind);
    let kind = kind.or_else(|| Kind::of_file_name(&file_name(archive))).unwrap_or(Kind::Full);
    let base = if kind == Kind::Full {
        None
    } else {
        let (path, id) = parent_of(archive, manifest.or(head.as_ref().map(|d| &d.manifest)), access)?;
        let parent = read_manifest(&path).ok().flatten();
        let index = match access.index(&path, parent.as_ref()) {
            Ok(Some(index)) => index,
            _ => {
                access.check(&path, parent.as_ref())?;
                let folder = access.local.as_deref().unwrap_or(archive.parent().unwrap_or(Path::new("/")));
                scratch(&path, folder, access, observer, depth + 1)?
            }
        };
        Some((index, ArchiveRef { id, name: file_name(&path) }))
    };
    let index_name = index_path(archive);
    let mut index = IndexWriter::new(out, &index_name)?;
    let mut counts = (0, 0, 0, 0);
    let mut add = |entry: &Entry| {
        match entry.kind {
            EntryKind::File => (counts.0, counts.3) = (counts.0 + 1, counts.3 + entry.size),
            EntryKind::HardLink => counts.0 += 1,
            EntryKind::Folder => counts.1 += 1,
            _ => counts.2 += 1,
        }
        index.add(entry)
    };
    let mut carried = base.as_ref().map(|(index, _)| Carried::new(index));
    while let Some(mut entry) = next {
        if observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        if let Some(carried) = &mut carried {
            carried.before(Some(&entry.header.path), &mut add)?;
            if let Some(dumpdir) = entry.header.dumpdir.take() {
                carried.enter(&entry.header.path, dumpdir);
            }
        }
        let line = line_of(&entry, &mut tar, archive, observer)?;
        add(&line)?;
        next = tar.next_entry().map_err(&failed)?;
    }
    if let Some(carried) = &mut carried {
        carried.before(None, &mut add)?;
    }
    let tail = described(tar.comments());
    let sums = tar.finish().and_then(Stream::finish).map_err(&failed)?;
    let lineage = Lineage {
        fingerprint: tail.as_ref().or(head.as_ref()).map(Described::digest).unwrap_or_default(),
        archives: base.map(|(index, own)| index.lineage.archives.into_iter().chain([own]).collect()).unwrap_or_default(),
    };
    let tar_size = members.tar_size;
    let (file, size, sha256) = index.finish(compression, &members.sizes, &lineage)?;
    Ok(Read { file, size, sha256, sums, compression, tar_size, described: tail.or(head), counts })
}

/// The line of an index for an entry of a tar stream; its contents are read for their hash.
fn line_of(entry: &TarEntry, tar: &mut TarReader<Stream>, archive: &Path, observer: &dyn Observer) -> Result<Entry, EngineError> {
    let h = &entry.header;
    let kind = h.kind.unwrap_or(EntryKind::File);
    let hash = match kind {
        EntryKind::File => Some(read_contents(tar, entry, archive, observer, &mut |_| Ok(()))?),
        _ => None,
    };
    let device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    Ok(Entry {
        path: h.path.clone(),
        kind,
        mode: h.mode,
        uid: h.uid,
        gid: h.gid,
        size: h.size,
        mtime: h.mtime,
        ctime: Time::default(),
        inode: 0,
        device: if device { h.device } else { (0, 0) },
        link: h.link.clone(),
        hash,
        xattrs: xattr_digest(&h.xattrs),
        archive: 0,
        offset: Some(entry.offset),
        inexact: false,
        sparse: h.sparse.is_some(),
    })
}

/// A folder of an increment and the names in it, as its dumpdir tells.
struct Listing {
    path: Vec<u8>,
    dumpdir: Vec<u8>,
    /// Where each record begins.
    records: Vec<usize>,
}

impl Listing {
    fn new(path: &[u8], dumpdir: Vec<u8>) -> Self {
        let mut records = Vec::new();
        let mut at = 0;
        while at < dumpdir.len() && dumpdir[at] != 0 {
            records.push(at);
            at += dumpdir[at..].iter().position(|b| *b == 0).map_or(dumpdir.len(), |n| n + 1);
        }
        let path = if path == b"." { Vec::new() } else { path.to_vec() };
        Self { path, dumpdir, records }
    }

    /// Whether something that is no folder stands there under this name.
    fn lists(&self, name: &[u8]) -> bool {
        let name_at = |at: usize| {
            let rest = &self.dumpdir[at + 1..];
            &rest[..rest.iter().position(|b| *b == 0).unwrap_or(rest.len())]
        };
        self.records.binary_search_by(|at| name_at(*at).cmp(name)).is_ok_and(|i| self.dumpdir[self.records[i]] != b'D')
    }
}

/// The entries that an increment leaves unchanged, in order.
struct Carried<'a> {
    entries: Peekable<Entries<'a>>,
    /// The number that the base gets.
    number: u32,
    /// The folders above the place where reading stands.
    open: Vec<Listing>,
    /// The base's folders there.
    above: Vec<Vec<u8>>,
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(&[], |i| &path[..i])
}

fn is_in(path: &[u8], folder: &[u8]) -> bool {
    backup_model::is_beneath(path, folder)
}

impl<'a> Carried<'a> {
    fn new(index: &'a IndexReader) -> Self {
        let number = index.lineage.archives.len() as u32 + 1;
        Self { entries: index.all().peekable(), number, open: Vec::new(), above: Vec::new() }
    }

    fn enter(&mut self, path: &[u8], dumpdir: Vec<u8>) {
        self.open.retain(|l| is_in(path, &l.path));
        self.open.push(Listing::new(path, dumpdir));
    }

    /// Gives on what lies before a path; an entry at the path itself is replaced by the increment's.
    fn before(&mut self, path: Option<&[u8]>, add: &mut dyn FnMut(&Entry) -> Result<(), EngineError>) -> Result<(), EngineError> {
        loop {
            let order = match (self.entries.peek(), path) {
                (None, _) => return Ok(()),
                (Some(Err(_)), _) | (_, None) => Ordering::Less,
                (Some(Ok(entry)), Some(path)) => compare_paths(&entry.path, path),
            };
            if order == Ordering::Greater {
                return Ok(());
            }
            let Some(mut entry) = self.entries.next().transpose()? else { return Ok(()) };
            self.above.retain(|folder| is_in(&entry.path, folder));
            let stays = order == Ordering::Less && self.stays(&entry);
            if entry.kind == EntryKind::Folder {
                self.above.push(if entry.path == b"." { Vec::new() } else { entry.path.clone() });
            }
            if stays {
                if entry.archive == 0 {
                    entry.archive = self.number;
                }
                add(&entry)?;
            }
        }
    }

    fn stays(&mut self, entry: &Entry) -> bool {
        // Every folder of the increment stands in it, and sockets are not known of.
        if entry.offset.is_none() || entry.kind == EntryKind::Folder {
            return false;
        }
        self.open.retain(|l| is_in(&entry.path, &l.path));
        let folder = parent(&entry.path);
        match self.open.last().filter(|l| l.path == folder) {
            Some(listing) => listing.lists(&entry.path[if folder.is_empty() { 0 } else { folder.len() + 1 }..]),
            // A source that is a file has no folder in the archive, and is there or the run had failed.
            None => self.above.is_empty(),
        }
    }
}
