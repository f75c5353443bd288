//! Puts prepared entries into the archive and the index, in order.

use super::links::FileId;
use super::prepare::{
    self, Content, Contents, Item, OpenFile, Prepared, PreparedBatch, Trouble, changed, one, shrank, unreadable,
};
use crate::archive::{
    ArchiveWriter, ContentHash, Entry, EntryHeader, EntryKind, IndexWriter, Segment, encode_entry, padding, xattr_digest,
};
use crate::error::EngineError;
use crate::observer::{Observer, note, warning};
use crate::parallel::{Buffer, Pool};
use crate::source::{Accept, Found, not_copied};
use crate::sys::{self, Time, Xattrs};
use crate::throttle::Throttle;
use backup_model::{Changed, NoteLevel};
use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::FileStat;
use nix::unistd::{Group, User};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a tree holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) others: u64,
    pub(super) bytes: u64,
}

/// The archive while it is made.
pub(super) struct Assembly<'a> {
    pub(super) writer: ArchiveWriter,
    pub(super) index: IndexWriter,
    accept: &'a Accept,
    throttle: Throttle<'a>,
    observer: &'a dyn Observer,
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
    /// Files with several names whose first one could not be stored.
    lost: HashSet<FileId>,
    /// Such files, and the path under which another of their names was stored.
    instead: HashMap<FileId, Vec<u8>>,
    /// Files with several names that the next increment has to take again.
    again: HashSet<FileId>,
    /// What the source holds.
    pub(super) counts: Counts,
    /// What of it went into this archive.
    pub(super) changed: Changed,
}

fn id(stat: &FileStat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

impl<'a> Assembly<'a> {
    pub(super) fn new(
        writer: ArchiveWriter,
        index: IndexWriter,
        accept: &'a Accept,
        throttle: Throttle<'a>,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            writer,
            index,
            accept,
            throttle,
            observer,
            users: HashMap::new(),
            groups: HashMap::new(),
            lost: HashSet::new(),
            instead: HashMap::new(),
            again: HashSet::new(),
            counts: Counts::default(),
            changed: Changed::default(),
        }
    }

    /// Adds a batch; its buffer goes back to the pool.
    pub(super) fn batch(&mut self, batch: PreparedBatch, pool: &Pool) -> Result<(), EngineError> {
        for prepared in batch.items {
            if self.observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            self.entry(prepared, &batch.data)?;
        }
        pool.give(batch.data);
        Ok(())
    }

    fn entry(&mut self, prepared: Prepared, data: &Buffer) -> Result<(), EngineError> {
        let Prepared { mut found, kind, xattrs, content } = prepared;
        match content {
            Content::Same(entry) => self.same(&found, kind, &entry),
            Content::Link(first) => self.further_name(found, kind, first),
            Content::Special(target) => self.special(&mut found, kind, xattrs, target),
            Content::File(Ok(open)) => {
                if id(&open.stat) != id(&found.stat) {
                    // Another file has taken the name; the one that the walk saw is not stored.
                    self.lose(&found);
                }
                self.file(&found, *open, xattrs, data)
            }
            Content::File(Err(missing)) => self.missing(&found, missing),
        }
    }

    /// What is unchanged stands in the index only.
    fn same(&mut self, found: &Found, kind: EntryKind, entry: &Entry) -> Result<(), EngineError> {
        if kind == EntryKind::File {
            self.counts.files += 1;
            if entry.kind == EntryKind::File {
                self.counts.bytes += entry.size;
            }
        } else {
            self.counts.others += 1;
        }
        self.index.add(entry)?;
        // There are many of them, and each is done in a moment.
        if self.counts.files.is_multiple_of(512) {
            self.observer.progress(self.counts.files, self.counts.bytes, self.writer.stored(), &found.path);
        }
        Ok(())
    }

    fn lose(&mut self, found: &Found) {
        if found.stat.st_nlink > 1 {
            self.lost.insert(id(&found.stat));
        }
    }

    fn missing(&mut self, found: &Found, missing: Trouble) -> Result<(), EngineError> {
        self.lose(found);
        self.source_gone(found, missing.gone)?;
        self.observer.note(self.accept.note(&found.path, missing.text));
        Ok(())
    }

    fn source_gone(&self, found: &Found, gone: Option<Errno>) -> Result<(), EngineError> {
        match gone {
            None => Ok(()),
            Some(e) => {
                Err(EngineError::SourceGone { path: format!("/{}", backup_model::display_bytes(&found.path)), source: e.into() })
            }
        }
    }

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
            dumpdir: None,
        }
    }

    fn add(
        &mut self,
        header: EntryHeader,
        stat: &FileStat,
        hash: Option<[u8; 32]>,
        offset: Option<u64>,
        inexact: bool,
    ) -> Result<(), EngineError> {
        let kind = header.kind.unwrap_or(EntryKind::File);
        let special = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        self.index.add(&Entry {
            path: header.path,
            kind,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size: header.size,
            mtime: header.mtime,
            // No change time: the next increment takes it again.
            ctime: if self.again.contains(&id(stat)) { Time::default() } else { sys::ctime(stat) },
            inode: stat.st_ino,
            device: if special { header.device } else { (0, 0) },
            link: header.link,
            hash,
            xattrs: xattr_digest(&header.xattrs),
            archive: 0,
            offset,
            inexact,
            sparse: header.sparse.is_some(),
        })
    }

    fn xattrs(&self, found: &Found, read: io::Result<Xattrs>) -> Xattrs {
        read.unwrap_or_else(|e| {
            self.observer.note(warning(&found.path, format!("its extended attributes cannot be read: {e}")));
            Vec::new()
        })
    }

    /// A further name of a file that is stored already.
    fn further_name(&mut self, found: Found, kind: EntryKind, first: Vec<u8>) -> Result<(), EngineError> {
        let file = id(&found.stat);
        let first = match self.instead.get(&file) {
            Some(path) => path.clone(),
            None if self.lost.contains(&file) => {
                // Its first name could not be stored: this one is now the first.
                let mut data = Buffer::default();
                let path = found.path.clone();
                let prepared = one(Item { found, kind, first: None, same: None, compare: false }, &mut data, None);
                let stored = !matches!(prepared.content, Content::File(Err(_)) | Content::Special(Err(_)));
                self.entry(prepared, &data)?;
                if stored {
                    self.instead.insert(file, path);
                }
                return Ok(());
            }
            None => first,
        };
        let mut header = self.header(&found.path, &found.stat, EntryKind::HardLink, Vec::new());
        header.link = first;
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        // For readers of the index the size is that of the file it names.
        header.size = found.stat.st_size as u64;
        self.add(header, &found.stat, None, Some(offset), false)?;
        if kind == EntryKind::File {
            self.counts.files += 1;
            self.changed.files += 1;
        } else {
            self.counts.others += 1;
            self.changed.others += 1;
        }
        Ok(())
    }

    fn special(
        &mut self,
        found: &mut Found,
        kind: EntryKind,
        xattrs: io::Result<Xattrs>,
        target: Result<Vec<u8>, Trouble>,
    ) -> Result<(), EngineError> {
        let target = match target {
            Ok(target) => target,
            Err(missing) => return self.missing(found, missing),
        };
        let xattrs = self.xattrs(found, xattrs);
        let mut header = self.header(&found.path, &found.stat, kind, xattrs);
        header.link = target;
        header.dumpdir = found.dumpdir.take();
        if kind == EntryKind::Folder {
            self.counts.folders += 1;
        } else {
            self.counts.others += 1;
        }
        if kind == EntryKind::Socket {
            self.observer.note(note(NoteLevel::Info, &found.path, "is a socket, which programs make anew; noted, not stored"));
            return self.add(header, &found.stat, None, None, false);
        }
        if kind != EntryKind::Folder {
            self.changed.others += 1;
        }
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        self.add(header, &found.stat, None, Some(offset), false)
    }

    fn file(&mut self, found: &Found, open: OpenFile, xattrs: io::Result<Xattrs>, data: &Buffer) -> Result<(), EngineError> {
        let OpenFile { stat, mut recent, sparse, contents, lost } = open;
        if let Some(why) = lost {
            self.observer.note(not_copied(&found.path, &why));
        }
        let xattrs = self.xattrs(found, xattrs);
        let mut header = self.header(&found.path, &stat, EntryKind::File, xattrs);
        header.sparse = sparse;
        let offset = self.writer.position();
        self.writer.write(&encode_entry(&header))?;
        let (hash, trouble) = match contents {
            Contents::Read { place, hash, trouble } => {
                self.writer.write(&data.bytes()[place])?;
                self.writer.zeros(padding(header.size) as u64)?;
                self.throttle.took(header.size, self.observer)?;
                (hash, trouble)
            }
            Contents::Open(file) => {
                let read = self.stream(&file, &header, &stat)?;
                recent = prepare::recent(&stat);
                read
            }
        };
        if let Some(trouble) = &trouble {
            self.source_gone(found, trouble.gone)?;
            self.observer.note(warning(&found.path, &trouble.text));
        }
        self.counts.files += 1;
        self.counts.bytes += header.size;
        self.changed.files += 1;
        self.changed.bytes += header.size;
        let again = recent || trouble.is_some();
        if again {
            self.again.insert(id(&stat));
        }
        self.add(header, &stat, Some(hash), Some(offset), trouble.is_some())?;
        if stat.st_nlink < 2 {
            self.again.remove(&id(&stat));
        }
        self.observer.progress(self.counts.files, self.counts.bytes, self.writer.stored(), &found.path);
        Ok(())
    }

    /// The contents of a large file, and what was wrong with them.
    fn stream(&mut self, file: &File, header: &EntryHeader, stat: &FileStat) -> Result<([u8; 32], Option<Trouble>), EngineError> {
        let mut trouble = None;
        let whole = [Segment { offset: 0, length: header.size }];
        let mut hash = ContentHash::new(header.sparse.is_some());
        let mut stored = 0;
        for segment in header.sparse.as_deref().unwrap_or(&whole) {
            hash.segment(*segment);
            self.copy(file, *segment, &header.path, &mut hash.hasher, &mut trouble)?;
            stored += segment.length;
        }
        self.writer.zeros(padding(stored) as u64)?;
        let trouble = trouble.or_else(|| changed(file, stat));
        Ok((hash.finish(header.size), trouble))
    }

    /// Copies exactly the bytes that the header has promised: what is missing becomes zeros.
    fn copy(
        &mut self,
        file: &File,
        segment: Segment,
        path: &[u8],
        hash: &mut blake3::Hasher,
        trouble: &mut Option<Trouble>,
    ) -> Result<(), EngineError> {
        let mut at = segment.offset;
        let end = segment.offset + segment.length;
        while at < end {
            if self.observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            let n = self.writer.fill(end - at, |room| {
                let n = match file.read_at(room, at) {
                    Ok(0) => {
                        trouble.get_or_insert_with(|| shrank(end - at));
                        None
                    }
                    Ok(n) => Some(n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => Some(0),
                    Err(e) => {
                        trouble.get_or_insert_with(|| unreadable(at, &e));
                        None
                    }
                };
                let n = n.unwrap_or_else(|| {
                    room.fill(0);
                    room.len()
                });
                hash.update(&room[..n]);
                n
            })?;
            at += n as u64;
            self.throttle.took(n as u64, self.observer)?;
            self.observer.progress(self.counts.files, self.counts.bytes + at, self.writer.stored(), path);
        }
        Ok(())
    }
}
