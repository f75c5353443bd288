//! Writes one entry after the other beneath the target: each file beside its place and then renamed,
//! folder metadata when the folder's contents are complete.

use super::tree::{Blocked, NO_FOLLOW, Tree};
use super::{Overwrite, RestorePlan, RestoreReport};
use crate::archive::{ContentHash, EntryHeader, EntryKind, Segment, TarEntry, TarReader};
use crate::error::EngineError;
use crate::observer::{Observer, note, warning};
use crate::sys;
use backup_model::NoteLevel;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat2};
use nix::libc;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, geteuid, linkat, mkfifoat, symlinkat, unlinkat};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use xattr::FileExt as _;

/// What became of an entry.
pub(super) enum Outcome {
    /// Written; a file with the hash of its contents.
    Written(Option<[u8; 32]>),
    /// There already, equal in kind, size and time.
    Same,
    /// Left as it was.
    Left,
}

/// What a folder gets when it is complete.
pub(super) struct FolderMeta {
    header: EntryHeader,
}

pub(super) struct Extractor<'a> {
    pub(super) observer: &'a dyn Observer,
    pub(super) report: RestoreReport,
    plan: &'a RestorePlan,
    tree: Option<Tree<FolderMeta>>,
    root: bool,
    done_bytes: u64,
    /// Reused from file to file.
    buffer: Vec<u8>,
    /// Paths that were not written, so that no hard link is made to what stands there.
    left: HashSet<Vec<u8>>,
    /// Files written under another name than the one that links know.
    moved: HashMap<Vec<u8>, Vec<u8>>,
    /// Paths written by a partial restore.
    written: HashSet<Vec<u8>>,
}

const PART: &[u8] = b".backupctl-restore.part";

fn components(path: &[u8]) -> Option<Vec<&[u8]>> {
    if path.first() == Some(&b'/') {
        return None;
    }
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
    if parts.iter().any(|p| *p == b".." || p.contains(&0) || p.len() > 255) { None } else { Some(parts) }
}

impl<'a> Extractor<'a> {
    pub(super) fn open(plan: &'a RestorePlan, observer: &'a dyn Observer) -> Result<Self, EngineError> {
        let tree = if plan.dry_run {
            Tree::open(&plan.target).ok()
        } else {
            std::fs::create_dir_all(&plan.target).map_err(EngineError::io("make the folder", &plan.target))?;
            let tree = Tree::open(&plan.target).map_err(|e| EngineError::io("open the folder", &plan.target)(e.into()))?;
            Some(tree)
        };
        Ok(Self {
            observer,
            report: RestoreReport::default(),
            plan,
            tree,
            root: geteuid().is_root(),
            done_bytes: 0,
            buffer: Vec::new(),
            left: HashSet::new(),
            moved: HashMap::new(),
            written: HashSet::new(),
        })
    }

    pub(super) fn has_written(&self, path: &[u8]) -> bool {
        self.written.contains(path) || self.moved.contains_key(path)
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

    /// Restores one entry whose data comes from `tar`.
    pub(super) fn entry<R: Read>(
        &mut self,
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        failed: &dyn Fn(io::Error) -> EngineError,
    ) -> Result<Outcome, EngineError> {
        if self.observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let header = &entry.header;
        let Some(names) = components(&header.path) else {
            return Err(self.refused(&header.path, "would lead out of the target"));
        };
        let kind = header.kind.unwrap_or(EntryKind::File);
        if kind == EntryKind::HardLink && components(&header.link).is_none_or(|l| l.is_empty()) {
            return Err(self.refused(&header.path, "is a hard link that leads out of the target"));
        }
        let Some((name, parents)) = names.split_last() else {
            // The root of a file system: it is the target itself, whose own metadata stays.
            return Ok(Outcome::Left);
        };
        if self.plan.dry_run {
            self.dry(header, kind, parents, name);
            return Ok(Outcome::Left);
        }
        let replace = self.plan.overwrite == Overwrite::Always;
        let Some(mut tree) = self.tree.take() else { return Ok(Outcome::Left) };
        let outcome = (|| {
            if let Err(e) = tree.enter(parents, replace, |dir, meta| self.complete(dir, &meta)) {
                self.blocked(&header.path, e)?;
                return Ok(Outcome::Left);
            }
            if kind == EntryKind::Folder {
                return match tree.enter_folder(name, replace, FolderMeta { header: header.clone() }) {
                    Ok(()) => {
                        self.report.folders += 1;
                        Ok(Outcome::Written(None))
                    }
                    Err(e) => self.blocked(&header.path, e),
                };
            }
            let dir = match tree.enter(parents, replace, |_, _| {}) {
                Ok(dir) => dir.try_clone_to_owned().map_err(EngineError::io("open a folder of", &self.plan.target))?,
                Err(e) => return self.blocked(&header.path, e),
            };
            match sys::stat_at(&dir, name) {
                Ok(there) => {
                    if let Some(outcome) = self.keeps(header, kind, &there) {
                        return Ok(outcome);
                    }
                }
                Err(Errno::ENOENT) => {}
                Err(e) => return self.blocked(&header.path, e.into()),
            }
            let written = match kind {
                EntryKind::File => self.file(dir.as_fd(), name, entry, tar, failed)?,
                EntryKind::HardLink => self.hard_link(&tree, dir.as_fd(), name, header)?,
                _ => self.special(dir.as_fd(), name, header, kind)?,
            };
            if matches!(written, Outcome::Written(_)) && !self.plan.paths.is_empty() {
                self.written.insert(header.path.clone());
            }
            Ok(written)
        })();
        self.tree = Some(tree);
        if matches!(outcome, Ok(Outcome::Left)) {
            self.left.insert(header.path.clone());
        }
        outcome
    }

    /// A dry run says of each entry what would become of it, by counting.
    fn dry(&mut self, header: &EntryHeader, kind: EntryKind, parents: &[&[u8]], name: &[u8]) {
        let there = self.tree.as_ref().and_then(|t| t.find(parents).ok()).and_then(|dir| sys::stat_at(&dir, name).ok());
        if kind != EntryKind::Folder
            && let Some(there) = there
            && self.keeps(header, kind, &there).is_some()
        {
            return;
        }
        self.observer.note(note(NoteLevel::Info, &header.path, "would be restored"));
        match kind {
            EntryKind::File | EntryKind::HardLink => {
                self.report.files += 1;
                self.report.bytes += header.size;
            }
            EntryKind::Folder => self.report.folders += 1,
            _ => self.report.others += 1,
        }
    }

    /// Why what stands in the place stays, if it does; says so unless it is the same.
    fn keeps(&mut self, header: &EntryHeader, kind: EntryKind, there: &FileStat) -> Option<Outcome> {
        let format = there.st_mode & libc::S_IFMT;
        let same_kind = match kind {
            EntryKind::File => {
                format == libc::S_IFREG && there.st_size as u64 == header.size && sys::mtime(there) == header.mtime
            }
            EntryKind::HardLink => format == libc::S_IFREG && there.st_nlink > 1 && sys::mtime(there) == header.mtime,
            EntryKind::Symlink => format == libc::S_IFLNK && sys::mtime(there) == header.mtime,
            EntryKind::Fifo => format == libc::S_IFIFO,
            EntryKind::CharDevice => format == libc::S_IFCHR,
            EntryKind::BlockDevice => format == libc::S_IFBLK,
            EntryKind::Folder | EntryKind::Socket => format == libc::S_IFDIR,
        };
        if self.plan.overwrite == Overwrite::Always {
            if format == libc::S_IFDIR {
                self.report.left += 1;
                self.observer
                    .note(warning(&header.path, "left out: a folder stands in its place; move it away and restore again"));
                return Some(Outcome::Left);
            }
            return None;
        }
        if same_kind {
            self.report.unchanged += 1;
            return Some(Outcome::Same);
        }
        if self.plan.overwrite == Overwrite::Older && format != libc::S_IFDIR && sys::mtime(there) < header.mtime {
            return None;
        }
        self.report.left += 1;
        let why = match self.plan.overwrite {
            Overwrite::Older => "left as it is: what stands there is not older",
            _ => "left as it is: something else stands there (--overwrite always replaces it)",
        };
        self.observer.note(warning(&header.path, why));
        Some(Outcome::Left)
    }

    fn blocked(&mut self, path: &[u8], blocked: Blocked) -> Result<Outcome, EngineError> {
        match blocked {
            Blocked::Sys(e @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS | Errno::EIO)) => {
                Err(EngineError::io("write beneath", &self.plan.target)(e.into()))
            }
            Blocked::Sys(e) => {
                self.report.left += 1;
                self.observer.note(warning(path, format!("cannot be restored: {}", e.desc())));
                Ok(Outcome::Left)
            }
            Blocked::Taken => {
                self.report.left += 1;
                self.observer.note(warning(path, "cannot be restored: something that is no folder stands in the place of its folder (--overwrite always replaces it)"));
                Ok(Outcome::Left)
            }
        }
    }

    /// A name for the file while it is written; what an earlier restore left there is removed.
    fn part_name(dir: BorrowedFd<'_>) -> Result<&'static [u8], Errno> {
        match unlinkat(dir, PART, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(PART),
            Err(e) => Err(e),
        }
    }

    fn put_in_place(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        let flags = if self.plan.overwrite == Overwrite::Never { RenameFlags::RENAME_NOREPLACE } else { RenameFlags::empty() };
        match renameat2(dir, PART, dir, name, flags) {
            Err(Errno::EINVAL) => renameat2(dir, PART, dir, name, RenameFlags::empty()),
            other => other,
        }
        .inspect_err(|_| {
            let _ = unlinkat(dir, PART, UnlinkatFlags::NoRemoveDir);
        })
    }

    fn file<R: Read>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        failed: &dyn Fn(io::Error) -> EngineError,
    ) -> Result<Outcome, EngineError> {
        let header = &entry.header;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = Self::part_name(dir).and_then(|part| openat(dir, part, flags, Mode::from_bits_truncate(0o600)));
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(e) => return self.blocked(&header.path, e.into()),
        };
        let result = self.contents(&file, entry, tar, failed).and_then(|digest| {
            self.metadata(&file, header);
            self.put_in_place(dir, name)
                .map_err(|e| EngineError::io("write beneath", &self.plan.target)(e.into()))
                .map(|()| digest)
        });
        let digest = result.inspect_err(|_| {
            let _ = unlinkat(dir, PART, UnlinkatFlags::NoRemoveDir);
        })?;
        self.report.files += 1;
        self.report.bytes += header.size;
        self.done_bytes += header.size;
        self.observer.progress(self.report.files, self.done_bytes, 0, &header.path);
        Ok(Outcome::Written(Some(digest)))
    }

    fn contents<R: Read>(
        &mut self,
        file: &File,
        entry: &TarEntry,
        tar: &mut TarReader<R>,
        failed: &dyn Fn(io::Error) -> EngineError,
    ) -> Result<[u8; 32], EngineError> {
        let header = &entry.header;
        let write_error = |e: io::Error| EngineError::io("write beneath", &self.plan.target)(e);
        let whole = [Segment { offset: 0, length: entry.stored }];
        let mut hash = ContentHash::new(header.sparse.is_some());
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(256 * 1024, 0);
        for segment in header.sparse.as_deref().unwrap_or(&whole) {
            hash.segment(*segment);
            let mut at = segment.offset;
            let end = segment.offset + segment.length;
            while at < end {
                if self.observer.cancelled() {
                    return Err(EngineError::Cancelled);
                }
                let want = (end - at).min(buffer.len() as u64) as usize;
                let n = tar.read_data(&mut buffer[..want]).map_err(failed)?;
                if n == 0 {
                    return Err(EngineError::damaged(&self.plan.archive, "a file ends early"));
                }
                hash.hasher.update(&buffer[..n]);
                file.write_all_at(&buffer[..n], at).map_err(write_error)?;
                at += n as u64;
                self.observer.progress(self.report.files, self.done_bytes + at, 0, &header.path);
            }
        }
        if header.sparse.is_some() {
            file.set_len(header.size).map_err(write_error)?;
        }
        self.buffer = buffer;
        Ok(hash.finish(header.size))
    }

    fn wrong(&self, path: &[u8], what: &str, error: impl std::fmt::Display) {
        self.observer.note(warning(path, format!("its {what} cannot be restored: {error}")));
    }

    /// Owner, extended attributes, mode and times of an open file or folder, in the order in which
    /// one does not undo the other.
    fn metadata(&mut self, file: &File, header: &EntryHeader) {
        let owned = if self.root {
            match fchown(file, Some(Uid::from_raw(header.uid)), Some(Gid::from_raw(header.gid))) {
                Ok(()) => true,
                Err(e) => {
                    self.wrong(&header.path, "owner", e.desc());
                    false
                }
            }
        } else {
            self.owner_kept(file.as_fd(), header)
        };
        for (name, value) in &header.xattrs {
            let name = std::os::unix::ffi::OsStrExt::from_bytes(name.as_slice());
            if let Err(e) = file.set_xattr::<&std::ffi::OsStr>(name, value) {
                self.xattr_trouble(header, name, &e);
            }
        }
        // Without its owner a file must not run with another's rights.
        let mode = if owned { header.mode } else { header.mode & 0o1777 };
        if let Err(e) = fchmod(file, Mode::from_bits_truncate(mode)) {
            self.wrong(&header.path, "mode", e.desc());
        }
        let time = TimeSpec::new(header.mtime.sec, i64::from(header.mtime.nsec));
        if let Err(e) = futimens(file, &time, &time) {
            self.wrong(&header.path, "time", e.desc());
        }
    }

    /// Only root gives files away; for others it counts whether the owner is right anyway.
    fn owner_kept(&mut self, file: BorrowedFd<'_>, header: &EntryHeader) -> bool {
        let group = sys::stat_fd(file).is_ok_and(|s| s.st_gid != header.gid)
            && fchown(file, None, Some(Gid::from_raw(header.gid))).is_ok();
        let kept = sys::stat_fd(file).is_ok_and(|s| s.st_uid == header.uid && (group || s.st_gid == header.gid));
        if !kept {
            self.report.owners += 1;
        }
        kept
    }

    fn xattr_trouble(&self, header: &EntryHeader, name: &std::ffi::OsStr, e: &io::Error) {
        let name = name.to_string_lossy();
        // Only root may set these; a restore by anybody else cannot keep them and says so once each.
        self.observer.note(warning(&header.path, format!("its extended attribute {name} cannot be restored: {e}")));
    }

    fn complete(&mut self, dir: BorrowedFd<'_>, meta: &FolderMeta) {
        match dir.try_clone_to_owned() {
            Ok(fd) => self.metadata(&File::from(fd), &meta.header),
            Err(e) => self.wrong(&meta.header.path, "metadata", e),
        }
    }

    fn hard_link(
        &mut self,
        tree: &Tree<FolderMeta>,
        dir: BorrowedFd<'_>,
        name: &[u8],
        header: &EntryHeader,
    ) -> Result<Outcome, EngineError> {
        if self.left.contains(&header.link) {
            self.report.left += 1;
            self.observer.note(warning(&header.path, "left out: the file that it is a further name of was left as it is"));
            return Ok(Outcome::Left);
        }
        let target = self.moved.get(&header.link).unwrap_or(&header.link).clone();
        let Some(parts) = components(&target) else {
            return Err(self.refused(&header.path, "is a hard link that leads out of the target"));
        };
        let Some((last, folders)) = parts.split_last() else {
            return Err(self.refused(&header.path, "is a hard link to nothing"));
        };
        let linked = tree.find(folders).and_then(|from| {
            let there = sys::stat_at(&from, last)?;
            if sys::stat_at(dir, name).is_ok_and(|s| (s.st_dev, s.st_ino) == (there.st_dev, there.st_ino)) {
                return Ok(());
            }
            Self::part_name(dir)?;
            linkat(from, *last, dir, PART, NO_FOLLOW)?;
            self.put_in_place(dir, name)
        });
        match linked {
            Ok(()) => {
                self.report.files += 1;
                Ok(Outcome::Written(None))
            }
            Err(e) => self.blocked(&header.path, e.into()),
        }
    }

    /// Links, fifos and devices.
    fn special(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        header: &EntryHeader,
        kind: EntryKind,
    ) -> Result<Outcome, EngineError> {
        let device = || libc::makedev(header.device.0, header.device.1);
        let mode = Mode::from_bits_truncate(0o600);
        let made = Self::part_name(dir).and_then(|part| match kind {
            EntryKind::Symlink => symlinkat(header.link.as_slice(), dir, part),
            EntryKind::Fifo => mkfifoat(dir, part, mode),
            EntryKind::CharDevice => mknodat(dir, part, SFlag::S_IFCHR, mode, device()),
            EntryKind::BlockDevice => mknodat(dir, part, SFlag::S_IFBLK, mode, device()),
            _ => Err(Errno::EINVAL),
        });
        if let Err(e) = made {
            return self.blocked(&header.path, e.into());
        }
        let (uid, gid) = (Uid::from_raw(header.uid), Gid::from_raw(header.gid));
        if self.root {
            if let Err(e) = fchownat(dir, PART, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW) {
                self.wrong(&header.path, "owner", e.desc());
            }
        } else if sys::stat_at(dir, PART).is_ok_and(|s| s.st_uid != header.uid) {
            self.report.owners += 1;
        }
        let path = sys::proc_path(dir, PART);
        for (key, value) in &header.xattrs {
            let key: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(key.as_slice());
            if let Err(e) = xattr::set(&path, key, value) {
                self.xattr_trouble(header, key, &e);
            }
        }
        if kind != EntryKind::Symlink {
            // By a handle of the node itself: its name might be a link by now.
            let node = openat(dir, PART, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
            let changed = node.and_then(|node| {
                let itself = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&node));
                let mode = Mode::from_bits_truncate(header.mode & 0o1777);
                fchmodat(nix::fcntl::AT_FDCWD, itself.as_str(), mode, FchmodatFlags::FollowSymlink)
            });
            if let Err(e) = changed {
                self.wrong(&header.path, "mode", e.desc());
            }
        }
        let time = TimeSpec::new(header.mtime.sec, i64::from(header.mtime.nsec));
        if let Err(e) = utimensat(dir, PART, &time, &time, UtimensatFlags::NoFollowSymlink) {
            self.wrong(&header.path, "time", e.desc());
        }
        match self.put_in_place(dir, name) {
            Ok(()) => {
                self.report.others += 1;
                Ok(Outcome::Written(None))
            }
            Err(e) => self.blocked(&header.path, e.into()),
        }
    }

    /// Completes the folders and answers what was done.
    pub(super) fn finish(mut self) -> Result<RestoreReport, EngineError> {
        if let Some(tree) = self.tree.take() {
            tree.leave(|dir, meta| self.complete(dir, &meta));
        }
        if !self.plan.dry_run {
            // Restored means on the disk.
            let target = File::open(&self.plan.target).map_err(EngineError::io("open", &self.plan.target))?;
            nix::unistd::syncfs(&target).map_err(|e| EngineError::io("sync", &self.plan.target)(e.into()))?;
        }
        if self.report.owners > 0 {
            self.observer.note(note(
                NoteLevel::Info,
                b".",
                format!("{} entries keep you as their owner: only root can give files to others", self.report.owners),
            ));
        }
        Ok(self.report)
    }
}
