//! Makes an archive: walk, tar stream, members, index, sidecar.

mod assemble;
mod links;
mod prepare;

use crate::archive::{ArchiveWriter, EntryKind, IndexWriter};
use crate::error::EngineError;
use crate::observer::{Observer, warning};
use crate::parallel::{Feed, Pool, cores, lock, ordered};
use crate::source::{Found, Visit, Walk};
use crate::store::{Parts, index_path, sidecar_path, write_manifest};
use assemble::Assembly;
use backup_model::{
    ArchiveFile, ArchiveId, Compression, FileSource, IndexFile, Kind, MANIFEST_VERSION, Manifest, Name, Note, NoteLevel, RunId,
};
use chrono::{DateTime, FixedOffset};
use links::LinkTable;
use nix::libc;
use prepare::{Batch, Item, PreparedBatch, prepare};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
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
    /// Files and bytes of the last backup, for progress; `None` lets them be counted beside the work.
    pub expected: Option<(u64, u64)>,
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
    walk(plan, observer).run(&mut count)?;
    Ok((count.0, count.1))
}

fn walk<'a>(plan: &'a BackupPlan, observer: &'a dyn Observer) -> Walk<'a> {
    Walk { source: &plan.source, roots: &plan.roots, never: inodes(&plan.never), scratch: &plan.folder, observer }
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
    // How many bytes there are to read, as far as is known.
    let total = &AtomicU64::new(0);

    let writer = ArchiveWriter::new(file, &archive, plan.compression)?;
    let mut assembly = Assembly::new(writer, IndexWriter::new(index_file, &index)?, &heard);
    let over = &AtomicBool::new(false);
    let walked = std::thread::scope(|scope| {
        let expect = move |(files, bytes)| {
            total.store(bytes, Ordering::Relaxed);
            observer.expect(files, bytes);
        };
        match plan.expected {
            Some(expected) => expect(expected),
            // How much there is to do is counted beside the work, for whoever waits.
            None => {
                scope.spawn(move || scan(plan, &Counting { inner: observer, over }).map(expect));
            }
        }
        let pool = Pool::default();
        let started = readers(&pool).map_err(EngineError::io("start reading for", &archive));
        let done = started.and_then(|(feed, results)| {
            let walker = scope.spawn(|| {
                let mut feeder =
                    Feeder { feed, batch: Batch::default(), links: LinkTable::new(&plan.folder), plan, observer: &heard };
                walk(plan, &heard).run(&mut feeder)?;
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
            let walked = walker.join().unwrap_or_else(|_| {
                Err(EngineError::io("read the sources of", &archive)(std::io::Error::other("the walk stopped early")))
            });
            assembled.and(walked)
        });
        over.store(true, Ordering::Relaxed);
        done
    });
    let Assembly { writer, index: index_writer, files, folders, others, bytes, .. } = assembly;
    let full = |e: EngineError, stored: u64| no_space(e, &archive, stored, bytes, total.load(Ordering::Relaxed));
    let stored = writer.stored();
    if let Err(e) = walked {
        return Err(full(e, stored));
    }
    let written = writer.finish().map_err(|e| full(e, stored))?;
    let (index_file, index_size, index_sha) =
        index_writer.finish(plan.compression, &written.members).map_err(|e| full(e, written.sums.size))?;
    let size = written.sums.size;

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
            size,
            tar_size: written.tar_size,
            md5: written.sums.md5.unwrap_or_default(),
            sha256: written.sums.sha256,
        },
        index: Some(IndexFile { name: file_name(&index), size: index_size, sha256: index_sha }),
        extra: serde_json::Map::new(),
    };
    let sidecar = sidecar_path(&archive);
    let mut sidecar_file = parts.create(&sidecar)?;
    write_manifest(&mut sidecar_file, &manifest, &sidecar).map_err(|e| full(e, size))?;
    // What the disk holds must be what was sent to it.
    let on_disk = written.file.metadata().map_err(EngineError::io("look at", &archive))?.len();
    if on_disk != size {
        return Err(EngineError::damaged(&archive, format!("{size} bytes were written, {on_disk} are there")));
    }
    if observer.cancelled() {
        return Err(EngineError::Cancelled);
    }
    let path = parts.publish(&[&written.file, &index_file, &sidecar_file]).map_err(|e| full(e, size))?;
    observer.progress(files, bytes, size, b"");
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

/// Threads that open and read what the walk finds.
fn readers(pool: &Pool) -> std::io::Result<(Feed<Batch, PreparedBatch>, crate::parallel::Results<PreparedBatch>)> {
    // More than there are cores: a disk serves several better than one.
    let threads = (2 * cores()).clamp(2, 16);
    let workers = (0..threads)
        .map(|_| {
            let pool = pool.clone();
            move |batch: Batch| prepare(batch, &pool)
        })
        .collect();
    ordered("read", 2 * threads, workers)
}

/// Gives what the walk finds to the readers.
struct Feeder<'a> {
    feed: Feed<Batch, PreparedBatch>,
    batch: Batch,
    links: LinkTable,
    plan: &'a BackupPlan,
    observer: &'a dyn Observer,
}

impl Feeder<'_> {
    fn flush(&mut self) -> Result<(), EngineError> {
        // Nobody takes it when the work has failed, and then that failure counts.
        if self.feed.send(std::mem::take(&mut self.batch)) { Ok(()) } else { Err(EngineError::Cancelled) }
    }
}

impl Visit for Feeder<'_> {
    fn visit(&mut self, found: Found) -> Result<(), EngineError> {
        let kind = match found.stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => EntryKind::File,
            libc::S_IFDIR => EntryKind::Folder,
            libc::S_IFLNK => EntryKind::Symlink,
            libc::S_IFIFO => EntryKind::Fifo,
            libc::S_IFCHR => EntryKind::CharDevice,
            libc::S_IFBLK => EntryKind::BlockDevice,
            libc::S_IFSOCK => EntryKind::Socket,
            _ => {
                self.observer.note(warning(&found.path, "is of a kind that cannot be stored"));
                return Ok(());
            }
        };
        let stat = &found.stat;
        let first = if stat.st_nlink > 1 && !matches!(kind, EntryKind::Folder | EntryKind::Socket) {
            let met = self.links.meet((stat.st_dev, stat.st_ino), stat.st_nlink, &found.path);
            met.map_err(EngineError::io("keep the table of hard links in", &self.plan.folder))?
        } else {
            None
        };
        if self.batch.add(Item { found, kind, first }) { self.flush() } else { Ok(()) }
    }
}
