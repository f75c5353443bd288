//! Takes entries in the archive's order and sees to it that each is put in its place: folders, links
//! and large files at once, small files by several threads.

use super::limits::{Limits, Space};
use super::place::{PathSet, Placer, SmallFile, keeps_marks};
use super::tree::{Folder, Tree};
use super::{Overwrite, RestorePlan, RestoreReport, Selection};
use crate::archive::{ContentHash, EntryHeader, EntryKind, Segment, TarEntry, TarReader, read_error};
use crate::error::EngineError;
use crate::observer::{Observer, note};
use crate::parallel::{Buffer, Pool, cores, lock};
use backup_model::NoteLevel;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::Scope;

/// Files up to this size are handed to the threads.
const SMALL: u64 = 128 * 1024;
/// Files in one batch, and their bytes.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that wait for one thread.
const QUEUE: usize = 4;

/// Small files of one folder on their way to their place, so that threads meet less often than there
/// are files.
struct Batch {
    folder: Arc<Folder>,
    /// Which thread works in this folder: always the same one, as two would only wait for each other
    /// there, and so that of two entries with one name the later stays the later.
    thread: usize,
    files: Vec<SmallFile>,
    data: Buffer,
}

/// How many files are under way, and the first thing that went wrong.
#[derive(Default)]
struct UnderWay {
    count: Mutex<usize>,
    changed: Condvar,
    failed: Mutex<Option<EngineError>>,
    stop: AtomicBool,
}

impl UnderWay {
    fn done(&self, result: Result<(), EngineError>) {
        if let Err(e) = result {
            lock(&self.failed).get_or_insert(e);
            self.stop.store(true, Ordering::Relaxed);
        }
        *lock(&self.count) -= 1;
        self.changed.notify_all();
    }

    fn failure(&self) -> Result<(), EngineError> {
        if self.stop.load(Ordering::Relaxed) {
            lock(&self.failed).take().map_or(Err(EngineError::Cancelled), Err)
        } else {
            Ok(())
        }
    }

    /// Waits until every file is in its place.
    fn wait(&self) -> Result<(), EngineError> {
        let mut count = lock(&self.count);
        while *count > 0 {
            count = self.changed.wait(count).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        drop(count);
        self.failure()
    }
}

/// What a restore needs for all its threads; lives as long as they.
pub(super) struct Base<'a> {
    placer: Placer<'a>,
    wanted: &'a Selection,
    under_way: UnderWay,
}

impl<'a> Base<'a> {
    pub(super) fn new(plan: &'a RestorePlan, wanted: &'a Selection, observer: &'a dyn Observer) -> Self {
        let placer = Placer {
            plan,
            selective: !wanted.is_everything(),
            observer,
            root: nix::unistd::geteuid().is_root(),
            report: Mutex::default(),
            left: Mutex::default(),
            written: Mutex::new(PathSet::default()),
            space: Space::default(),
            compared: AtomicU64::new(0),
            marks: AtomicBool::new(false),
        };
        Self { placer, wanted, under_way: UnderWay::default() }
    }
}

pub(super) struct Extractor<'a> {
    base: &'a Base<'a>,
    plan: &'a RestorePlan,
    pub(super) observer: &'a dyn Observer,
    pub(super) wanted: &'a Selection,
    limits: Limits,
    entries: u64,
    tree: Option<Tree>,
    queues: Vec<SyncSender<Batch>>,
    batch: Option<Batch>,
    pool: Pool,
    /// Files written under another name than the one that links know.
    moved: HashMap<Vec<u8>, Vec<u8>>,
}

fn components(path: &[u8]) -> Option<Vec<&[u8]>> {
    if path.first() == Some(&b'/') {
        return None;
    }
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
    if parts.iter().any(|p| *p == b".." || p.contains(&0) || p.len() > 255) { None } else { Some(parts) }
}

fn work(base: &Base<'_>, queue: &Receiver<Batch>, pool: &Pool) {
    while let Ok(batch) = queue.recv() {
        let Batch { folder, files, data, .. } = batch;
        let result = files.iter().try_for_each(|file| {
            if base.under_way.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            base.placer.small_file(&folder, file, &data.bytes()[file.place.clone()])
        });
        base.placer.release(folder);
        pool.give(data);
        base.under_way.done(result);
    }
}

impl<'a> Extractor<'a> {
    /// Opens the target and starts the threads.
    pub(super) fn open<'scope>(base: &'a Base<'a>, limits: Limits, scope: &'scope Scope<'scope, '_>) -> Result<Self, EngineError>
    where
        'a: 'scope,
    {
        let plan = base.placer.plan;
        let mut queues = Vec::new();
        let pool = Pool::default();
        let tree = if plan.dry_run {
            Tree::open(&plan.target).ok()
        } else {
            std::fs::create_dir_all(&plan.target).map_err(EngineError::io("make the folder", &plan.target))?;
            let tree = Tree::open(&plan.target).map_err(|e| EngineError::io("open the folder", &plan.target)(e.into()))?;
            base.placer.marks.store(keeps_marks(tree.root()), Ordering::Relaxed);
            for n in 0..cores().min(8) {
                let (queue, jobs) = sync_channel(QUEUE);
                let pool = pool.clone();
                let thread = std::thread::Builder::new().name(format!("restore {n}"));
                thread
                    .spawn_scoped(scope, move || work(base, &jobs, &pool))
                    .map_err(EngineError::io("start restoring to", &plan.target))?;
                queues.push(queue);
            }
            Some(tree)
        };
        let observer = base.placer.observer;
        Ok(Self {
            base,
            plan,
            observer,
            wanted: base.wanted,
            limits,
            entries: 0,
            tree,
            queues,
            batch: None,
            pool,
            moved: HashMap::new(),
        })
    }

    pub(super) fn has_written(&mut self, path: &[u8]) -> Result<bool, EngineError> {
        self.settle()?;
        Ok(lock(&self.base.placer.written).contains(path) || self.moved.contains_key(path))
    }

    /// Notes that a file stands under another of its names.
    pub(super) fn instead_of(&mut self, path: &[u8], stands_at: &[u8]) {
        self.moved.insert(path.to_vec(), stands_at.to_vec());
    }

    fn refused(&self, path: &[u8], what: &str) -> EngineError {
        EngineError::Refused {
            path: self.plan.archive.display().to_string(),
            what: format!("the entry {} {what}", backup_model::display_bytes(path)),
        }
    }

    /// Notes an entry that is left out because its archive is damaged.
    pub(super) fn damaged(&self, path: &[u8], e: &EngineError) {
        self.base.placer.leave(path, format!("cannot be restored: {e}"));
    }

    /// Counts an entry that was read, whether it is restored or not; `end` is where its data ends in the
    /// stream, so that nothing of one that is too large is written.
    pub(super) fn count(&mut self, archive: &Path, end: u64) -> Result<(), EngineError> {
        self.entries += 1;
        self.limits.check(archive, self.entries, end)
    }

    /// Restores one entry of an archive whose data comes from `tar`. `expected` is the hash that the index gives.
    pub(super) fn entry<R: BufRead>(
        &mut self,
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        expected: Option<[u8; 32]>,
        archive: &Arc<Path>,
    ) -> Result<(), EngineError> {
        if self.observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        self.base.under_way.failure()?;
        let mapped;
        let entry = if self.plan.owners.is_plain() {
            entry
        } else {
            let mut header = entry.header.clone();
            self.plan.owners.apply(&mut header);
            mapped = TarEntry { header, ..*entry };
            &mapped
        };
        let header = &entry.header;
        let Some(names) = components(&header.path) else {
            return Err(self.refused(&header.path, "would lead out of the target"));
        };
        let kind = header.kind.unwrap_or(EntryKind::File);
        if kind == EntryKind::HardLink && components(&header.link).is_none_or(|l| l.is_empty()) {
            return Err(self.refused(&header.path, "is a hard link that leads out of the target"));
        }
        let Some((name, parents)) = names.get(self.plan.strip..).and_then(<[_]>::split_last) else {
            // The root of a file system, or what is stripped: it is the target itself, whose own metadata stays.
            return Ok(());
        };
        if self.plan.dry_run {
            self.dry(header, kind, parents, name);
            return Ok(());
        }
        let Some(mut tree) = self.tree.take() else { return Ok(()) };
        let done = self.place(&mut tree, entry, kind, parents, name, tar, expected, archive);
        self.tree = Some(tree);
        done
    }

    #[expect(clippy::too_many_arguments, reason = "one entry, its place, and where its data comes from")]
    fn place<R: BufRead>(
        &mut self,
        tree: &mut Tree,
        entry: &TarEntry,
        kind: EntryKind,
        parents: &[&[u8]],
        name: &[u8],
        tar: &mut TarReader<R>,
        expected: Option<[u8; 32]>,
        archive: &Arc<Path>,
    ) -> Result<(), EngineError> {
        let placer = &self.base.placer;
        let header = &entry.header;
        let replace = self.plan.overwrite == Overwrite::Always;
        let folder = match tree.enter(parents, replace, |left| placer.release(left)) {
            Ok(folder) => folder,
            Err(blocked) => return placer.blocked(&header.path, blocked),
        };
        if kind != EntryKind::File {
            placer.space.took(&folder.dir, &self.plan.target, 0, 1)?;
        }
        if kind == EntryKind::Folder {
            match tree.enter_folder(name, replace, header.clone()) {
                Ok(()) => lock(&placer.report).folders += 1,
                Err(blocked) => placer.blocked(&header.path, blocked)?,
            }
            placer.release(folder);
            return Ok(());
        }
        if kind == EntryKind::File && header.sparse.is_none() && entry.stored <= SMALL {
            return self.hand_over(folder, name, entry, tar, expected, archive);
        }
        let done = if kind == EntryKind::HardLink {
            self.hard_link(tree, &folder, name, header)
        } else if kind == EntryKind::File {
            placer.file(&folder, name, header, (expected, archive), |file| self.contents(&folder, file, entry, tar, archive))
        } else if !placer.free(&folder, name, header, kind)? {
            Ok(())
        } else {
            placer.special(&folder, name, header, kind)
        };
        placer.release(folder);
        done
    }

    /// Hands the batch to its thread.
    fn flush(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        *lock(&self.base.under_way.count) += 1;
        let queue = &self.queues[batch.thread % self.queues.len()];
        if queue.send(batch).is_err() {
            let stopped = io::Error::other("a thread stopped early");
            self.base.under_way.done(Err(EngineError::io("write beneath", &self.plan.target)(stopped)));
        }
    }

    /// Waits until all that was handed over is in its place.
    pub(super) fn settle(&mut self) -> Result<(), EngineError> {
        self.flush();
        self.base.under_way.wait()
    }

    /// Adds a small file to the batch of its folder.
    fn hand_over<R: BufRead>(
        &mut self,
        folder: Arc<Folder>,
        name: &[u8],
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        expected: Option<[u8; 32]>,
        archive: &Arc<Path>,
    ) -> Result<(), EngineError> {
        if self.batch.as_ref().is_some_and(|b| !Arc::ptr_eq(&b.folder, &folder)) {
            self.flush();
        }
        let mut batch = match self.batch.take() {
            Some(batch) => {
                self.base.placer.release(folder);
                batch
            }
            None => {
                let path = entry.header.path.strip_suffix(name).unwrap_or_default();
                let thread = path.iter().fold(0usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(*b)));
                Batch { folder, thread, files: Vec::new(), data: self.pool.take() }
            }
        };
        let start = batch.data.used;
        let end = start + entry.stored as usize;
        let mut at = start;
        while at < end {
            let part = tar.data().map_err(read_error(archive))?;
            let n = part.len();
            batch.data.room(end)[at..at + n].copy_from_slice(part);
            tar.consume(n);
            at += n;
        }
        batch.data.used = end;
        batch.files.push(SmallFile {
            name: name.to_vec(),
            header: entry.header.clone(),
            expected,
            archive: Arc::clone(archive),
            place: start..end,
        });
        let full = batch.files.len() >= BATCH_FILES || end >= BATCH_BYTES;
        self.batch = Some(batch);
        if full {
            self.flush();
        }
        Ok(())
    }

    /// A dry run says of each entry what would become of it, by counting.
    fn dry(&self, header: &EntryHeader, kind: EntryKind, parents: &[&[u8]], name: &[u8]) {
        let placer = &self.base.placer;
        let there = self.tree.as_ref().and_then(|t| t.find(parents).ok()).and_then(|dir| crate::sys::stat_at(&dir, name).ok());
        if kind != EntryKind::Folder
            && let Some(there) = there
            && placer.keeps(header, kind, &there)
        {
            return;
        }
        self.observer.note(note(NoteLevel::Info, &header.path, "would be restored"));
        let mut report = lock(&placer.report);
        match kind {
            EntryKind::File | EntryKind::HardLink => {
                report.files += 1;
                report.bytes += header.size;
            }
            EntryKind::Folder => report.folders += 1,
            _ => report.others += 1,
        }
    }

    /// Writes the contents of a large file and answers their hash.
    fn contents<R: BufRead>(
        &self,
        folder: &Folder,
        file: &File,
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        archive: &Arc<Path>,
    ) -> Result<[u8; 32], EngineError> {
        let header = &entry.header;
        let placer = &self.base.placer;
        let (files, bytes) = {
            let report = lock(&placer.report);
            (report.files, report.bytes)
        };
        let whole = [Segment { offset: 0, length: entry.stored }];
        let mut hash = ContentHash::new(header.sparse.is_some());
        placer.space.took(&folder.dir, &self.plan.target, 0, 1)?;
        for segment in header.sparse.as_deref().unwrap_or(&whole) {
            hash.segment(*segment);
            let mut at = segment.offset;
            let end = segment.offset + segment.length;
            while at < end {
                if self.observer.cancelled() {
                    return Err(EngineError::Cancelled);
                }
                let data = tar.data().map_err(read_error(archive))?;
                let n = (data.len() as u64).min(end - at) as usize;
                if n == 0 {
                    return Err(EngineError::damaged(archive, "a file ends early"));
                }
                hash.hasher.update(&data[..n]);
                file.write_all_at(&data[..n], at).map_err(|e| placer.write_error(e))?;
                tar.consume(n);
                at += n as u64;
                placer.space.took(&folder.dir, &self.plan.target, n as u64, 0)?;
                self.observer.progress(files, bytes + at, 0, &header.path);
            }
        }
        if header.sparse.is_some() {
            file.set_len(header.size).map_err(|e| placer.write_error(e))?;
        }
        Ok(hash.finish(header.size))
    }

    fn hard_link(&mut self, tree: &Tree, folder: &Folder, name: &[u8], header: &EntryHeader) -> Result<(), EngineError> {
        // The file that it names may still be under way.
        self.settle()?;
        let placer = &self.base.placer;
        if lock(&placer.left).contains(&header.link) {
            placer.leave(&header.path, "left out: the file that it is a further name of was left as it is");
            return Ok(());
        }
        if !placer.free(folder, name, header, EntryKind::HardLink)? {
            return Ok(());
        }
        let target = self.moved.get(&header.link).unwrap_or(&header.link);
        let Some(parts) = components(target) else {
            return Err(self.refused(&header.path, "is a hard link that leads out of the target"));
        };
        let Some((last, folders)) = parts.get(self.plan.strip..).and_then(<[_]>::split_last) else {
            if self.plan.strip > 0 {
                placer.leave(&header.path, "left out: the file that it is a further name of is stripped away");
                return Ok(());
            }
            return Err(self.refused(&header.path, "is a hard link to nothing"));
        };
        placer.hard_link(tree.find(folders), last, folder, name, header)
    }

    /// Waits for the threads, completes the folders and answers what was done.
    pub(super) fn finish(mut self, proven: bool) -> Result<RestoreReport, EngineError> {
        self.settle()?;
        let placer = &self.base.placer;
        if let Some(mut tree) = self.tree.take() {
            tree.leave(|folder| placer.release(folder));
            if !self.plan.dry_run {
                // Restored means on the disk.
                nix::unistd::syncfs(tree.root()).map_err(|e| EngineError::io("sync", &self.plan.target)(e.into()))?;
            }
        }
        let mut report = std::mem::take(&mut *lock(&placer.report));
        report.proven = proven || placer.compared.load(Ordering::Relaxed) > 0;
        if report.owners > 0 {
            self.observer.note(note(
                NoteLevel::Info,
                b".",
                format!("{} entries keep you as their owner: only root can give files to others", report.owners),
            ));
        }
        Ok(report)
    }
}

impl Drop for Extractor<'_> {
    fn drop(&mut self) {
        // Given up: what still waits need not be written.
        self.base.under_way.stop.store(true, Ordering::Relaxed);
    }
}
