//! Makes an archive: walk, tar stream, members, index, sidecar.

use crate::archive::{ArchiveWriter, ContentHash, Entry, EntryHeader, EntryKind, IndexWriter, Segment, encode_entry, padding};
use crate::error::EngineError;
use crate::observer::{Observer, note, warning};
use crate::source::{Found, Visit, Walk};
use crate::store::{Parts, index_path, sidecar_path, write_manifest};
use crate::sys::{self, Xattrs};
use backup_model::{
    ArchiveFile, ArchiveId, Compression, FileSource, IndexFile, Kind, MANIFEST_VERSION, Manifest, Name, Note, NoteLevel, RunId,
};
use chrono::{DateTime, FixedOffset};
use nix::libc;
use nix::sys::stat::FileStat;
use nix::unistd::{Group, User, Whence, lseek};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What to back up, and how.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// Id of the archive to make.
    pub id: ArchiveId,
    /// The run it belongs to.
    pub run: RunId,
    /// The schedule.
    pub schedule: Name,
    /// What is copied; its paths are those of `roots`.
    pub source: FileSource,
    /// The sources as absolute paths.
    pub roots: Vec<PathBuf>,
    /// The schedule's folder of archives.
    pub folder: PathBuf,
    /// A folder whose contents are never taken: the archives themselves.
    pub never: Vec<PathBuf>,
    /// How to compress.
    pub compression: Compression,
    /// When the clock meant it to start.
    pub planned: Option<DateTime<FixedOffset>>,
    /// Now, in the schedule's zone.
    pub started: DateTime<FixedOffset>,
    /// IANA name of the zone.
    pub timezone: String,
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
}

/// What a backup made.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The archive.
    pub path: PathBuf,
    /// Its sidecar.
    pub manifest: Manifest,
}

/// Counts what a backup would read, for progress: files and bytes. Notes go to the observer too.
///
/// # Errors
/// A source is not there, or the work was cancelled.
fn scan(source: &FileSource, roots: &[PathBuf], never: &[PathBuf], observer: &dyn Observer) -> Result<(u64, u64), EngineError> {
    struct Count(u64, u64);
    impl Visit for Count {
        fn visit(&mut self, found: &Found<'_>) -> Result<(), EngineError> {
            if found.stat.st_mode & libc::S_IFMT == libc::S_IFREG {
                self.0 += 1;
                self.1 += found.stat.st_size as u64;
            }
            Ok(())
        }
    }
    let mut count = Count(0, 0);
    Walk { source, roots, never: inodes(never), observer }.run(&mut count)?;
    Ok((count.0, count.1))
}

/// Lets a count beside the work hear nothing but the wish to stop, and the work's end.
struct Counting<'a> {
    inner: &'a dyn Observer,
    over: &'a AtomicBool,
}

impl Observer for Counting<'_> {
    fn progress(&self, _: u64, _: u64, _: u64, _: &[u8]) {}
    fn expect(&self, _: u64, _: u64) {}
    fn note(&self, _: Note) {}
    fn cancelled(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.inner.cancelled()
    }
}

fn inodes(folders: &[PathBuf]) -> HashSet<(u64, u64)> {
    folders.iter().filter_map(|f| f.metadata().ok()).map(|m| (m.dev(), m.ino())).collect()
}

/// Hears notes on their way to the caller: counts warnings and keeps the first hundred.
struct Heard<'a> {
    inner: &'a dyn Observer,
    warnings: AtomicU64,
    first: Mutex<Vec<Note>>,
}

impl Observer for Heard<'_> {
    fn progress(&self, files: u64, bytes: u64, stored: u64, current: &[u8]) {
        self.inner.progress(files, bytes, stored, current);
    }
    fn expect(&self, files: u64, bytes: u64) {
        self.inner.expect(files, bytes);
    }
    fn note(&self, note: Note) {
        if note.level == NoteLevel::Warning {
            self.warnings.fetch_add(1, Ordering::Relaxed);
            let mut first = self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if first.len() < 100 {
                first.push(note.clone());
            }
        }
        self.inner.note(note);
    }
    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

/// Makes one archive. `now` is asked for the time at the end.
///
/// # Errors
/// A source is not there, the disk is full, the work was cancelled, or the archive could not be
/// written. Nothing is left behind then.
pub fn backup(
    plan: &BackupPlan,
    now: &dyn Fn() -> DateTime<FixedOffset>,
    observer: &dyn Observer,
) -> Result<Receipt, EngineError> {
    for root in &plan.roots {
        root.metadata().map_err(|source| EngineError::Source { path: root.display().to_string(), source })?;
    }
    let heard = Heard { inner: observer, warnings: AtomicU64::new(0), first: Mutex::default() };
    let (mut parts, file) = Parts::begin(&plan.folder, Kind::Full, plan.started, plan.compression.suffix())?;
    let archive = parts.archive().to_owned();
    let index = index_path(&archive);
    let index_file = parts.create(&index)?;
    let totals = (AtomicU64::new(0), AtomicU64::new(0));

    let mut work = Work {
        writer: ArchiveWriter::new(file, &archive, plan.compression)?,
        index: IndexWriter::new(index_file, &index)?,
        observer: &heard,
        links: HashMap::new(),
        users: HashMap::new(),
        groups: HashMap::new(),
        buffer: vec![0; 256 * 1024],
        files: 0,
        folders: 0,
        others: 0,
        bytes: 0,
    };
    let over = AtomicBool::new(false);
    let walked = std::thread::scope(|scope| {
        // How much there is to do is counted beside the work, for whoever waits.
        scope.spawn(|| {
            let counting = Counting { inner: observer, over: &over };
            if let Ok((files, bytes)) = scan(&plan.source, &plan.roots, &plan.never, &counting) {
                totals.0.store(files, Ordering::Relaxed);
                totals.1.store(bytes, Ordering::Relaxed);
                observer.expect(files, bytes);
            }
        });
        let walked =
            Walk { source: &plan.source, roots: &plan.roots, never: inodes(&plan.never), observer: &heard }.run(&mut work);
        over.store(true, Ordering::Relaxed);
        walked
    });
    let Work { writer, index: index_writer, files, folders, others, bytes, .. } = work;
    let full = |e: EngineError, stored: u64| no_space(e, &archive, stored, bytes, totals.1.load(Ordering::Relaxed));
    let stored = writer.stored();
    if let Err(e) = walked {
        return Err(full(e, stored));
    }
    let written = writer.finish().map_err(|e| full(e, stored))?;
    let (index_file, index_size, index_sha) =
        index_writer.finish(plan.compression, &written.members).map_err(|e| full(e, written.size))?;

    let warnings = heard.warnings.load(Ordering::Relaxed);
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        id: plan.id,
        schedule: plan.schedule.clone(),
        run: plan.run,
        kind: Kind::Full,
        parent: None,
        content: "full".to_owned(),
        form: "tar".to_owned(),
        status: if warnings == 0 { "completed" } else { "warning" }.to_owned(),
        planned: plan.planned,
        started: plan.started,
        ended: now(),
        timezone: plan.timezone.clone(),
        host: plan.host.clone(),
        tool: plan.tool.clone(),
        sources: plan
            .roots
            .iter()
            .map(|r| backup_model::display_bytes(std::os::unix::ffi::OsStrExt::as_bytes(r.as_os_str())).to_string())
            .collect(),
        exclude: plan.source.exclude.clone(),
        files,
        folders,
        others,
        bytes,
        warnings,
        notes: heard.first.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
        archive: ArchiveFile {
            name: file_name(&archive),
            compression: plan.compression.method().to_owned(),
            size: written.size,
            tar_size: written.tar_size,
            md5: written.md5,
            sha256: written.sha256,
        },
        index: Some(IndexFile { name: file_name(&index), size: index_size, sha256: index_sha }),
        extra: serde_json::Map::new(),
    };
    let sidecar = sidecar_path(&archive);
    let mut sidecar_file = parts.create(&sidecar)?;
    write_manifest(&mut sidecar_file, &manifest, &sidecar).map_err(|e| full(e, written.size))?;
    // What the disk holds must be what was sent to it.
    let on_disk = written.file.metadata().map_err(EngineError::io("look at", &archive))?.len();
    if on_disk != written.size {
        return Err(EngineError::damaged(&archive, format!("{} bytes were written, {on_disk} are there", written.size)));
    }
    if observer.cancelled() {
        return Err(EngineError::Cancelled);
    }
    let path = parts.publish(&[&written.file, &index_file, &sidecar_file]).map_err(|e| full(e, written.size))?;
    observer.progress(files, bytes, written.size, b"");
    Ok(Receipt { path, manifest })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Says of a full disk how much is missing, as far as can be told.
fn no_space(error: EngineError, archive: &Path, stored: u64, done: u64, total: u64) -> EngineError {
    match error {
        EngineError::Io { source, .. } if matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)) => {
            let ratio = if done > 0 { stored as f64 / done as f64 } else { 1.0 };
            let missing = (total.saturating_sub(done) as f64 * ratio.clamp(0.01, 1.1)) as u64;
            EngineError::NoSpace { path: archive.display().to_string(), written: stored, missing: missing.max(1 << 20) }
        }
        other => other,
    }
}

struct Work<'a> {
    writer: ArchiveWriter,
    index: IndexWriter,
    observer: &'a dyn Observer,
    /// Files with further names, by device and inode: the path under which each is stored.
    links: HashMap<(u64, u64), Vec<u8>>,
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
    buffer: Vec<u8>,
    files: u64,
    folders: u64,
    others: u64,
    bytes: u64,
}

fn xattr_digest(xattrs: &Xattrs) -> [u8; 16] {
    if xattrs.is_empty() {
        return [0; 16];
    }
    let mut hash = blake3::Hasher::new();
    for (name, value) in xattrs {
        for part in [name, value] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    out
}

impl Visit for Work<'_> {
    fn visit(&mut self, found: &Found<'_>) -> Result<(), EngineError> {
        if self.observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let kind = match found.stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => EntryKind::File,
            libc::S_IFDIR => EntryKind::Folder,
            libc::S_IFLNK => EntryKind::Symlink,
            libc::S_IFIFO => EntryKind::Fifo,
            libc::S_IFCHR => EntryKind::CharDevice,
            libc::S_IFBLK => EntryKind::BlockDevice,
            libc::S_IFSOCK => EntryKind::Socket,
            _ => {
                self.observer.note(warning(found.path, "is of a kind that cannot be stored"));
                return Ok(());
            }
        };
        if kind == EntryKind::File { self.file(found) } else { self.special(found, kind) }
    }
}

impl Work<'_> {
    fn header(&mut self, path: &[u8], stat: &FileStat, kind: EntryKind, xattrs: Xattrs) -> EntryHeader {
        let user = self
            .users
            .entry(stat.st_uid)
            .or_insert_with(|| User::from_uid(stat.st_uid.into()).ok().flatten().map(|u| u.name))
            .clone();
        let group = self
            .groups
            .entry(stat.st_gid)
            .or_insert_with(|| Group::from_gid(stat.st_gid.into()).ok().flatten().map(|g| g.name))
            .clone();
        EntryHeader {
            path: path.to_vec(),
            kind: Some(kind),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            user,
            group,
            size: if kind == EntryKind::File { stat.st_size as u64 } else { 0 },
            mtime: sys::mtime(stat),
            link: Vec::new(),
            device: (libc::major(stat.st_rdev), libc::minor(stat.st_rdev)),
            xattrs,
            sparse: None,
        }
    }

    fn add(
        &mut self,
        header: &EntryHeader,
        stat: &FileStat,
        hash: Option<[u8; 32]>,
        offset: Option<u64>,
        inexact: bool,
    ) -> Result<(), EngineError> {
        let kind = header.kind.unwrap_or(EntryKind::File);
        let special = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        self.index.add(&Entry {
            path: header.path.clone(),
            kind,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size: header.size,
            mtime: header.mtime,
            ctime: sys::ctime(stat),
            inode: stat.st_ino,
            device: if special { header.device } else { (0, 0) },
            link: header.link.clone(),
            hash,
            xattrs: xattr_digest(&header.xattrs),
            offset,
            inexact,
            sparse: header.sparse.is_some(),
        })
    }

    fn xattrs(&self, found: &Found<'_>, read: io::Result<Xattrs>) -> Xattrs {
        read.unwrap_or_else(|e| {
            self.observer.note(warning(found.path, format!("its extended attributes cannot be read: {e}")));
            Vec::new()
        })
    }

    /// A further name of a file that is stored already.
    fn hard_link(&mut self, found: &Found<'_>) -> Result<bool, EngineError> {
        let Some(first) = self.links.get(&(found.stat.st_dev, found.stat.st_ino)).cloned() else { return Ok(false) };
        let mut header = self.header(found.path, &found.stat, EntryKind::HardLink, Vec::new());
        header.link = first;
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        // For readers of the index the size is that of the file it names.
        header.size = found.stat.st_size as u64;
        self.add(&header, &found.stat, None, Some(offset), false)?;
        Ok(true)
    }

    fn special(&mut self, found: &Found<'_>, kind: EntryKind) -> Result<(), EngineError> {
        let folder = kind == EntryKind::Folder;
        if !folder && found.stat.st_nlink > 1 && kind != EntryKind::Socket {
            if self.hard_link(found)? {
                self.others += 1;
                return Ok(());
            }
            self.links.insert((found.stat.st_dev, found.stat.st_ino), found.path.to_vec());
        }
        let read = match found.folder {
            Some(fd) => fd.try_clone_to_owned().and_then(|fd| sys::xattrs_of(&File::from(fd))),
            None => sys::xattrs_at(found.dir, found.name),
        };
        let xattrs = self.xattrs(found, read);
        let mut header = self.header(found.path, &found.stat, kind, xattrs);
        if kind == EntryKind::Symlink {
            match sys::read_link_at(found.dir, found.name) {
                Ok(target) => header.link = target,
                Err(e) => {
                    self.links.remove(&(found.stat.st_dev, found.stat.st_ino));
                    self.observer.note(warning(found.path, format!("the link cannot be read: {}", e.desc())));
                    return Ok(());
                }
            }
        }
        if folder {
            self.folders += 1
        } else {
            self.others += 1
        }
        if kind == EntryKind::Socket {
            self.observer.note(note(NoteLevel::Info, found.path, "is a socket, which programs make anew; noted, not stored"));
            return self.add(&header, &found.stat, None, None, false);
        }
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        self.add(&header, &found.stat, None, Some(offset), false)
    }

    fn file(&mut self, found: &Found<'_>) -> Result<(), EngineError> {
        if found.stat.st_nlink > 1 && self.hard_link(found)? {
            self.files += 1;
            return Ok(());
        }
        let file = match sys::open_file_at(found.dir, found.name) {
            Ok(file) => file,
            Err(nix::errno::Errno::ENOENT) => {
                self.observer.note(warning(found.path, "vanished before it could be read"));
                return Ok(());
            }
            Err(nix::errno::Errno::ELOOP) => {
                self.observer.note(warning(found.path, "was replaced by a link before it could be read"));
                return Ok(());
            }
            Err(e) => {
                self.observer.note(warning(found.path, format!("cannot be read: {}", e.desc())));
                return Ok(());
            }
        };
        let stat = match sys::stat_fd(&file) {
            Ok(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFREG => stat,
            Ok(_) => {
                self.observer.note(warning(found.path, "was replaced by something else before it could be read"));
                return Ok(());
            }
            Err(e) => {
                self.observer.note(warning(found.path, format!("cannot be looked at: {}", e.desc())));
                return Ok(());
            }
        };
        if stat.st_nlink > 1 {
            self.links.insert((stat.st_dev, stat.st_ino), found.path.to_vec());
        }
        let xattrs = self.xattrs(found, sys::xattrs_of(&file));
        let mut header = self.header(found.path, &stat, EntryKind::File, xattrs);
        header.sparse = segments(&file, &stat);
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        let mut trouble = None;
        let whole = [Segment { offset: 0, length: header.size }];
        let list = header.sparse.clone();
        let mut hash = ContentHash::new(list.is_some());
        let mut stored = 0;
        for segment in list.as_deref().unwrap_or(&whole) {
            hash.segment(*segment);
            self.copy(&file, *segment, found.path, &mut hash.hasher, &mut trouble)?;
            stored += segment.length;
        }
        self.writer.zeros(padding(stored) as u64)?;
        let after = sys::stat_fd(&file);
        let changed = after.is_ok_and(|a| a.st_size != stat.st_size || sys::mtime(&a) != sys::mtime(&stat));
        if changed && trouble.is_none() {
            trouble = Some("changed while it was read".to_owned());
        }
        if let Some(trouble) = &trouble {
            self.observer.note(warning(found.path, trouble));
        }
        let digest = hash.finish(header.size);
        self.add(&header, &stat, Some(digest), Some(offset), trouble.is_some())?;
        self.files += 1;
        self.bytes += header.size;
        self.observer.progress(self.files, self.bytes, self.writer.stored(), found.path);
        Ok(())
    }

    /// Copies exactly the bytes that the header has promised: what is missing becomes zeros.
    fn copy(
        &mut self,
        file: &File,
        segment: Segment,
        path: &[u8],
        hash: &mut blake3::Hasher,
        trouble: &mut Option<String>,
    ) -> Result<(), EngineError> {
        let mut at = segment.offset;
        let end = segment.offset + segment.length;
        while at < end {
            if self.observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            let want = (end - at).min(self.buffer.len() as u64) as usize;
            let n = match file.read_at(&mut self.buffer[..want], at) {
                Ok(0) => {
                    trouble
                        .get_or_insert_with(|| format!("shrank while it was read: zeros stand for the last {} bytes", end - at));
                    0
                }
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    trouble.get_or_insert_with(|| format!("cannot be read after {at} bytes: {e}; zeros stand for the rest"));
                    0
                }
            };
            if n == 0 {
                hash_zeros(hash, end - at);
                return self.writer.zeros(end - at);
            }
            hash.update(&self.buffer[..n]);
            self.writer.write(&self.buffer[..n])?;
            at += n as u64;
            if n as u64 > 128 * 1024 {
                self.observer.progress(self.files, self.bytes + at, self.writer.stored(), path);
            }
        }
        Ok(())
    }
}

/// Bytes that should have been there.
fn hash_zeros(hash: &mut blake3::Hasher, mut count: u64) {
    static ZEROS: [u8; 65536] = [0; 65536];
    while count > 0 {
        let n = count.min(ZEROS.len() as u64);
        hash.update(&ZEROS[..n as usize]);
        count -= n;
    }
}

/// The stretches of a file that hold data, if it has holes worth keeping.
fn segments(file: &File, stat: &FileStat) -> Option<Vec<Segment>> {
    let size = stat.st_size;
    if size <= 4096 || stat.st_blocks * 512 >= size {
        return None;
    }
    let mut list = Vec::new();
    let mut at = 0;
    while at < size {
        match lseek(file.as_fd(), at, Whence::SeekData) {
            Ok(start) if start < size => {
                let end = lseek(file.as_fd(), start, Whence::SeekHole).ok()?.min(size);
                list.push(Segment { offset: start as u64, length: (end - start) as u64 });
                at = end;
            }
            Ok(_) | Err(nix::errno::Errno::ENXIO) => break,
            // The file system does not tell: the file is stored whole.
            Err(_) => return None,
        }
    }
    let whole = list.len() == 1 && list[0].offset == 0 && list[0].length == size as u64;
    if whole { None } else { Some(list) }
}
