//! Makes an archive: walk, tar stream, members, index, sidecar.

mod assemble;
mod base;
mod feed;
mod links;
mod prepare;

pub use base::BaseArchive;

use crate::archive::{ArchiveWriter, IndexWriter, Lineage, encode_comment, write_encrypted};
use crate::error::EngineError;
use crate::observer::{Observer, note};
use crate::parallel::{Pool, lock};
use crate::seal::{Recipients, SEALED_SUFFIX, local_index};
use crate::source::{Accept, Found, LiveDatabases, Visit, Walk};
use crate::store::{Parts, file_name, hex, index_path, sidecar_path, write_manifest};
use crate::sys::scratch_file;
use crate::throttle::Throttle;
use assemble::Assembly;
use backup_model::{
    ArchiveFile, ArchiveId, Compression, Detect, Encryption, FileSource, Form, IndexFile, Kind, MANIFEST_VERSION, Manifest, Name,
    Note, NoteLevel, RateLimit, RunId,
};
use base::{Base, BaseEntries};
use chrono::{DateTime, FixedOffset};
use feed::{Feeder, readers};
use nix::libc;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

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
    /// Names that archives have which lie elsewhere only.
    pub taken: Vec<String>,
    /// The kind to make; without a fit base it is full.
    pub kind: Kind,
    /// What an increment builds on.
    pub base: Option<BaseArchive>,
    /// Why it is full although the schedule makes increments.
    pub full_because: Option<String>,
    /// What counts as changed since the base.
    pub detect: Detect,
    /// How live databases in the source are copied.
    pub live: Option<LiveDatabases>,
    /// How fast the source may be read.
    pub limits: Vec<RateLimit>,
    /// A folder whose contents are never taken: the archives themselves.
    pub never: Vec<PathBuf>,
    /// How to compress.
    pub compression: Compression,
    /// How to encrypt.
    pub seal: Option<Seal>,
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
    /// Files and bytes of the last backup, for progress; `None` lets them be counted beside the work.
    pub expected: Option<(u64, u64)>,
}

/// How archives are encrypted.
#[derive(Clone, Debug)]
pub struct Seal {
    /// What opens them.
    pub recipients: Recipients,
    /// A folder of this machine for indexes in clear. They are kept there if `keep` says so, and lie there
    /// without a name while they are made.
    pub local: PathBuf,
    /// Whether the index stays there.
    pub keep: bool,
}

impl Seal {
    pub(crate) fn described(&self) -> Encryption {
        Encryption {
            format: "openpgp".to_owned(),
            to: self.recipients.fingerprints(),
            passphrase: self.recipients.has_passphrase(),
        }
    }
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
fn scan(plan: &BackupPlan, observer: &dyn Observer) -> Result<(u64, u64), EngineError> {
    struct Count(u64, u64);
    impl Visit for Count {
        fn visit(&mut self, found: Found) -> Result<(), EngineError> {
            if found.stat.st_mode & libc::S_IFMT == libc::S_IFREG {
                self.0 += 1;
                self.1 += found.stat.st_size as u64;
            }
            Ok(())
        }
    }
    let mut count = Count(0, 0);
    let accept = Accept::new(&plan.roots, &plan.source.accept_unreadable)?;
    walk(plan, &accept, false, observer).run(&mut count)?;
    Ok((count.0, count.1))
}

fn walk<'a>(plan: &'a BackupPlan, accept: &'a Accept, dumpdirs: bool, observer: &'a dyn Observer) -> Walk<'a> {
    let never = inodes(&plan.never);
    Walk { source: &plan.source, roots: &plan.roots, never, scratch: &plan.folder, dumpdirs, accept, observer }
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
            let mut first = lock(&self.first);
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

/// Makes one archive. `now` is asked for the time at the end. An increment whose base has a damaged index
/// becomes a full archive.
///
/// # Errors
/// A source is not there, the disk is full, the work was cancelled, or the archive could not be
/// written. Nothing is left behind then.
pub fn backup(
    plan: &BackupPlan,
    now: &dyn Fn() -> DateTime<FixedOffset>,
    observer: &dyn Observer,
) -> Result<Receipt, EngineError> {
    let index = plan.base.as_ref().map(|base| index_path(&base.archive));
    match attempt(plan, now, observer) {
        Err(EngineError::Damaged { path, what }) if index.is_some_and(|index| Path::new(&path) == index) => {
            let full_because = Some(format!("the index of the last archive is damaged ({path}: {what})"));
            attempt(&BackupPlan { base: None, kind: Kind::Full, full_because, ..plan.clone() }, now, observer)
        }
        other => other,
    }
}

fn attempt(plan: &BackupPlan, now: &dyn Fn() -> DateTime<FixedOffset>, observer: &dyn Observer) -> Result<Receipt, EngineError> {
    for root in &plan.roots {
        root.metadata().map_err(|source| EngineError::Source { path: root.display().to_string(), source })?;
    }
    let heard = &Heard { inner: observer, warnings: AtomicU64::new(0), first: Mutex::default() };
    let fingerprint = base::fingerprint(plan);
    let (base, full_because) = find_base(plan);
    if let Some(reason) = &full_because {
        observer.note(note(NoteLevel::Info, b".", format!("a full archive, because {reason}")));
    }
    let base = base.as_ref();
    let kind = if base.is_some() { plan.kind } else { Kind::Full };
    let mut manifest = manifest(plan, kind, base.map(|b| b.id), full_because, now());
    let accept = Accept::new(&plan.roots, &plan.source.accept_unreadable)?;
    let seal = plan.seal.as_ref();
    let (mut parts, file) = Parts::begin(&plan.folder, kind, plan.started, &suffix(plan.compression, seal), &plan.taken)?;
    let archive = parts.archive().to_owned();
    let index = index_path(&archive);
    let index_file = IndexFiles::begin(&mut parts, &index, seal)?;
    // How many bytes there are to read, as far as is known.
    let total = &AtomicU64::new(0);

    let mut writer = ArchiveWriter::new(file, &archive, plan.compression, seal.map(|s| &s.recipients))?;
    describe(&mut writer, &manifest, &fingerprint)?;
    let mut assembly =
        Assembly::new(writer, IndexWriter::new(index_file.writer()?, &index)?, &accept, Throttle::new(&plan.limits, now), heard);
    let over = &AtomicBool::new(false);
    let walked = std::thread::scope(|scope| {
        let expect = move |(files, bytes)| {
            total.store(bytes, Ordering::Relaxed);
            observer.expect(files, bytes);
        };
        match plan.expected {
            Some(expected) => expect(expected),
            // How much there is to do is counted beside the work, for whoever waits.
            None if base.is_some() => {}
            None => {
                scope.spawn(move || scan(plan, &Counting { inner: observer, over }).map(expect));
            }
        }
        let pool = Pool::default();
        let started = readers(&pool, plan.live.as_ref()).map_err(EngineError::io("start reading for", &archive));
        let done = started.and_then(|(feed, results)| {
            let entries = base.map(|base| {
                let (entries, to) = BaseEntries::new(base);
                scope.spawn(move || base::decode(base, &to));
                entries
            });
            let checker = base.map(|base| scope.spawn(|| base.check()));
            let (walk, accept) = (&walk, &accept);
            let walker = scope.spawn(move || {
                let mut feeder = Feeder::new(feed, plan, entries, heard);
                walk(plan, accept, base.is_some(), heard).run(&mut feeder)?;
                feeder.flush()
            });
            let assembled = loop {
                match results.next() {
                    Ok(Some(batch)) => {
                        if let Err(e) = assembly.batch(batch, &pool) {
                            break Err(e);
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(e) => break Err(EngineError::io("read the sources of", &archive)(e)),
                }
            };
            // A walk that goes on for nobody ends at its next batch.
            drop(results);
            let joined = |thread: ScopedJoinHandle<'_, Result<(), EngineError>>| {
                let early = || EngineError::io("read the sources of", &archive)(std::io::Error::other("the walk stopped early"));
                thread.join().unwrap_or_else(|_| Err(early()))
            };
            let walked = joined(walker);
            let sound = checker.map_or(Ok(()), joined);
            assembled.and(walked).and(sound)
        });
        over.store(true, Ordering::Relaxed);
        done
    });
    let Assembly { mut writer, index: index_writer, counts, changed, .. } = assembly;
    let full = |e: EngineError, stored: u64| no_space(e, &archive, stored, changed.bytes, total.load(Ordering::Relaxed));
    let stored = writer.stored();
    if let Err(e) = walked {
        return Err(full(e, stored));
    }
    manifest.warnings = heard.warnings.load(Ordering::Relaxed);
    manifest.notes = std::mem::take(&mut *lock(&heard.first));
    manifest.status = if manifest.warnings == 0 { "completed" } else { "warning" }.to_owned();
    (manifest.files, manifest.folders, manifest.others) = (counts.files, counts.folders, counts.others);
    manifest.bytes = counts.bytes;
    manifest.changed = base.map(|_| changed);
    manifest.ended = now();
    describe(&mut writer, &manifest, &fingerprint).map_err(|e| full(e, stored))?;
    let written = writer.finish().map_err(|e| full(e, stored))?;
    let lineage = match base {
        Some(base) => base.lineage(fingerprint),
        None => Lineage { archives: Vec::new(), fingerprint },
    };
    let finished = index_writer.finish(plan.compression, &written.members, &lineage);
    let indexed = finished.and_then(|made| index_file.finish(made, plan.id));
    let indexed = indexed.map_err(|e| full(e, written.sums.size))?;
    let size = written.sums.size;
    manifest.archive = ArchiveFile {
        name: file_name(&archive),
        compression: plan.compression.method().to_owned(),
        size,
        tar_size: written.tar_size,
        md5: written.sums.md5.unwrap_or_default(),
        sha256: written.sums.sha256,
    };
    manifest.index = Some(indexed.described);
    let sidecar = sidecar_path(&archive);
    let mut sidecar_file = parts.create(&sidecar)?;
    let shown = sidecar_of(&manifest);
    write_manifest(&mut sidecar_file, &shown, &sidecar).map_err(|e| full(e, size))?;
    // What the disk holds must be what was sent to it.
    let on_disk = written.file.metadata().map_err(EngineError::io("look at", &archive))?.len();
    if on_disk != size {
        return Err(EngineError::damaged(&archive, format!("{size} bytes were written, {on_disk} are there")));
    }
    if observer.cancelled() {
        return Err(EngineError::Cancelled);
    }
    let path = parts.publish(&[&written.file, &indexed.file, &sidecar_file]).map_err(|e| full(e, size))?;
    observer.progress(manifest.files, manifest.bytes, size, b"");
    Ok(Receipt { path, manifest })
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

/// The suffix of an archive's name.
pub(crate) fn suffix(compression: Compression, seal: Option<&Seal>) -> String {
    format!("{}{}{}", Form::Tar.suffix(), compression.suffix(), if seal.is_some() { SEALED_SUFFIX } else { "" })
}

/// What a sidecar may say to anybody: of an encrypted archive no name of a file.
pub(crate) fn sidecar_of(manifest: &Manifest) -> Manifest {
    let mut shown = manifest.clone();
    if shown.encryption.is_some() {
        shown.sources.clear();
        shown.exclude.clear();
        shown.notes.clear();
        if let Some(database) = &mut shown.database {
            database.tables.clear();
            database.properties.clear();
        }
    }
    shown
}

/// The index while it is made: in clear under its own name, or in clear without a name on this machine and
/// then encrypted beside the archive.
pub(crate) struct IndexFiles<'a> {
    path: PathBuf,
    part: File,
    sealed: Option<(&'a Seal, File)>,
}

/// An index that was made.
pub(crate) struct Indexed {
    pub(crate) file: File,
    pub(crate) described: IndexFile,
}

impl<'a> IndexFiles<'a> {
    pub(crate) fn begin(parts: &mut Parts, path: &Path, seal: Option<&'a Seal>) -> Result<Self, EngineError> {
        let part = parts.create(path)?;
        let sealed = match seal {
            None => None,
            Some(seal) => {
                std::fs::create_dir_all(&seal.local).map_err(EngineError::io("make the folder", &seal.local))?;
                let clear = scratch_file(&seal.local).map_err(EngineError::io("make a scratch file in", &seal.local))?;
                Some((seal, clear))
            }
        };
        Ok(Self { path: path.to_owned(), part, sealed })
    }

    /// Where the index is written to.
    pub(crate) fn writer(&self) -> Result<File, EngineError> {
        let file = self.sealed.as_ref().map_or(&self.part, |(_, clear)| clear);
        file.try_clone().map_err(EngineError::io("write", &self.path))
    }

    /// Encrypts what was written, if it is to be, and keeps the clear copy.
    pub(crate) fn finish(mut self, made: (File, u64, String), id: ArchiveId) -> Result<Indexed, EngineError> {
        let name = file_name(&self.path);
        let Some((seal, mut clear)) = self.sealed else {
            let (file, size, sha256) = made;
            return Ok(Indexed { file, described: IndexFile { name, size, sha256 } });
        };
        let failed = EngineError::io("write", &self.path);
        let sums = std::io::Seek::rewind(&mut clear)
            .and_then(|()| write_encrypted(&mut self.part, &seal.recipients, &clear, Pool::default(), |_| {}))
            .map_err(failed)?;
        if seal.keep {
            keep_local(&mut clear, &local_index(&seal.local, id))?;
        }
        Ok(Indexed { file: self.part, described: IndexFile { name, size: sums.size, sha256: sums.sha256 } })
    }
}

/// Puts a copy of an index in clear in its place on this machine, for its owner only.
fn keep_local(clear: &mut File, path: &Path) -> Result<(), EngineError> {
    let part = path.with_extension("part");
    let failed = || EngineError::io("keep the index", &part);
    let _ = std::fs::remove_file(&part);
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(&part).map_err(failed())?;
    std::io::Seek::rewind(clear)
        .and_then(|()| std::io::copy(clear, &mut file))
        .and_then(|_| file.sync_all())
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(failed())
}

/// The base of an increment, or why the archive is full instead.
fn find_base(plan: &BackupPlan) -> (Option<Base>, Option<String>) {
    match &plan.base {
        Some(base) if plan.kind != Kind::Full => match base::open(base, plan) {
            Ok(base) => (Some(base), None),
            Err(reason) => (None, Some(reason)),
        },
        _ => (None, plan.full_because.clone()),
    }
}

/// What is known of an archive before it is made.
fn manifest(
    plan: &BackupPlan,
    kind: Kind,
    parent: Option<ArchiveId>,
    full_because: Option<String>,
    now: DateTime<FixedOffset>,
) -> Manifest {
    let shown = |path: &PathBuf| backup_model::display_bytes(path.as_os_str().as_bytes()).to_string();
    Manifest {
        version: MANIFEST_VERSION,
        id: plan.id,
        schedule: plan.schedule.clone(),
        run: plan.run,
        kind,
        parent,
        full_because,
        content: "full".to_owned(),
        form: "tar".to_owned(),
        status: "unfinished".to_owned(),
        planned: plan.planned,
        started: plan.started,
        ended: now,
        timezone: plan.timezone.clone(),
        host: plan.host.clone(),
        tool: plan.tool.clone(),
        sources: plan.roots.iter().map(shown).collect(),
        exclude: plan.source.exclude.clone(),
        files: 0,
        folders: 0,
        others: 0,
        bytes: 0,
        changed: None,
        warnings: 0,
        notes: Vec::new(),
        database: None,
        encryption: plan.seal.as_ref().map(Seal::described),
        archive: ArchiveFile::default(),
        index: None,
        sum: None,
        extra: serde_json::Map::new(),
    }
}

/// What an archive says of itself within its tar stream.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    /// What its sidecar says, as far as it is known there.
    pub(crate) manifest: Manifest,
    /// The digest of what was to be copied.
    fingerprint: String,
}

impl Described {
    /// The digest as the index holds it; zeros if it is not one.
    pub(crate) fn digest(&self) -> [u8; 16] {
        u128::from_str_radix(&self.fingerprint, 16).map(u128::to_be_bytes).unwrap_or_default()
    }
}

/// Writes into the tar stream itself what its sidecar will say, as far as it is known: by it a lost sidecar
/// is made again.
pub(crate) fn describe(writer: &mut ArchiveWriter, manifest: &Manifest, fingerprint: &[u8; 16]) -> Result<(), EngineError> {
    let described = Described { manifest: manifest.clone(), fingerprint: hex(fingerprint) };
    let text = serde_json::to_string(&described).map_err(|e| EngineError::damaged(Path::new(&manifest.archive.name), e))?;
    writer.write(&encode_comment(text.as_bytes()))
}
