//! Puts one entry in its place in an open folder. A file is made under its name where nothing stands, with a
//! mode that says that it is not finished; anything else is made beside its place and renamed.

use super::limits::Space;
use super::tree::{Blocked, Folder};
use super::{Overwrite, RestorePlan, RestoreReport};
use crate::archive::{ContentHash, EntryHeader, EntryKind};
use crate::error::EngineError;
use crate::observer::{Observer, warning};
use crate::parallel::lock;
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat2};
use nix::libc;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, linkat, mkfifoat, symlinkat, unlinkat};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Many paths in little memory: the first half of their BLAKE3.
#[derive(Default)]
pub(super) struct PathSet(HashSet<[u8; 16]>);

impl PathSet {
    fn key(path: &[u8]) -> [u8; 16] {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(path).as_bytes()[..16]);
        key
    }

    pub(super) fn insert(&mut self, path: &[u8]) {
        self.0.insert(Self::key(path));
    }

    pub(super) fn contains(&self, path: &[u8]) -> bool {
        self.0.contains(&Self::key(path))
    }
}

/// A small file, whose contents lie in a batch's data.
pub(super) struct SmallFile {
    pub(super) name: Vec<u8>,
    pub(super) header: EntryHeader,
    pub(super) expected: Option<[u8; 32]>,
    /// The archive it comes from.
    pub(super) archive: Arc<Path>,
    pub(super) place: std::ops::Range<usize>,
}

/// A file that was just made, and the name that it has now.
type Made<'n> = (File, Cow<'n, [u8]>);

/// What all threads of a restore share.
pub(super) struct Placer<'a> {
    pub(super) plan: &'a RestorePlan,
    /// Only a part is restored.
    pub(super) selective: bool,
    pub(super) observer: &'a dyn Observer,
    pub(super) root: bool,
    pub(super) report: Mutex<RestoreReport>,
    /// Paths that were not written, so that no hard link is made to what stands there.
    pub(super) left: Mutex<PathSet>,
    /// Paths written by a partial restore.
    pub(super) written: Mutex<PathSet>,
    pub(super) space: Space,
    /// Files whose contents were compared with the index.
    pub(super) compared: AtomicU64,
    /// Whether unfinished files can be told by their mode.
    pub(super) marks: AtomicBool,
}

/// The mode of a file that is not finished: the sticky bit, which means nothing on a file and which no
/// program sets there. A restore that runs again knows by it what an earlier one left half-written.
const UNFINISHED: u32 = 0o1200;

/// Whether a file was left unfinished by a restore that was interrupted.
fn unfinished(there: &FileStat, header: &EntryHeader) -> bool {
    let sticky = libc::S_ISVTX;
    there.st_mode & (libc::S_IFMT | sticky) == libc::S_IFREG | sticky && header.mode & sticky == 0
}

/// Whether the target's file system keeps the sticky bit of a file.
pub(super) fn keeps_marks(target: impl AsFd) -> bool {
    let name: &[u8] = b".backupctl-restore-mark.part";
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = openat(&target, name, flags, Mode::from_bits_truncate(UNFINISHED));
    let kept = made.and_then(sys::stat_fd).is_ok_and(|s| s.st_mode & libc::S_ISVTX != 0);
    let _ = unlinkat(&target, name, UnlinkatFlags::NoRemoveDir);
    kept
}

/// The name of an entry while it is made beside what it replaces, or because it cannot be marked. It follows from the entry's own name, so that a restore that
/// runs again finds what an earlier one left.
fn part_name(name: &[u8]) -> Vec<u8> {
    let hash = blake3::hash(name);
    format!(".backupctl-restore-{}.part", &hash.to_hex()[..16]).into_bytes()
}

/// Makes something under its part name; what an earlier restore left there is removed.
fn make<T>(dir: BorrowedFd<'_>, part: &[u8], make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match make() {
        Err(Errno::EEXIST) => {
            unlinkat(dir, part, UnlinkatFlags::NoRemoveDir)?;
            make()
        }
        other => other,
    }
}

impl Placer<'_> {
    pub(super) fn write_error(&self, e: io::Error) -> EngineError {
        match e.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => {
                EngineError::TargetFull { path: self.plan.target.display().to_string(), what: e.to_string() }
            }
            _ => EngineError::io("write beneath", &self.plan.target)(e),
        }
    }

    /// Notes an entry that cannot be restored; a trouble of the whole disk is an error.
    pub(super) fn blocked(&self, path: &[u8], blocked: Blocked) -> Result<(), EngineError> {
        let text = match blocked {
            Blocked::Sys(e @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS | Errno::EIO)) => return Err(self.write_error(e.into())),
            Blocked::Sys(e) => format!("cannot be restored: {}", e.desc()),
            Blocked::Taken => {
                "cannot be restored: something that is no folder stands in the place of its folder (--overwrite always replaces it)"
                    .to_owned()
            }
        };
        self.leave(path, text);
        Ok(())
    }

    /// Notes an entry that stays as it is.
    pub(super) fn leave(&self, path: &[u8], why: impl ToString) {
        lock(&self.report).left += 1;
        lock(&self.left).insert(path);
        self.observer.note(warning(path, why));
    }

    /// Whether what stands in the place stays; says so unless it is the same.
    pub(super) fn keeps(&self, header: &EntryHeader, kind: EntryKind, there: &FileStat) -> bool {
        let format = there.st_mode & libc::S_IFMT;
        let same_time = sys::mtime(there) == header.mtime;
        let same = match kind {
            EntryKind::File => format == libc::S_IFREG && there.st_size as u64 == header.size && same_time,
            EntryKind::HardLink => there.st_nlink > 1 && same_time,
            EntryKind::Symlink => format == libc::S_IFLNK && same_time,
            EntryKind::Fifo => format == libc::S_IFIFO,
            EntryKind::CharDevice => format == libc::S_IFCHR,
            EntryKind::BlockDevice => format == libc::S_IFBLK,
            EntryKind::Folder | EntryKind::Socket => format == libc::S_IFDIR,
        };
        let folder = format == libc::S_IFDIR;
        match self.plan.overwrite {
            Overwrite::Always if folder => {
                self.leave(&header.path, "left out: a folder stands in its place; move it away and restore again");
                true
            }
            Overwrite::Always => false,
            _ if same => {
                lock(&self.report).unchanged += 1;
                true
            }
            Overwrite::Older if !folder && sys::mtime(there) < header.mtime => false,
            Overwrite::Older => {
                self.leave(&header.path, "left as it is: what stands there is not older");
                true
            }
            Overwrite::Never => {
                self.leave(&header.path, "left as it is: something else stands there (--overwrite always replaces it)");
                true
            }
        }
    }

    /// Looks at the place of an entry: `true` if it is to be written.
    pub(super) fn free(&self, folder: &Folder, name: &[u8], header: &EntryHeader, kind: EntryKind) -> Result<bool, EngineError> {
        if folder.fresh {
            return Ok(true);
        }
        match sys::stat_at(&folder.dir, name) {
            Ok(there) => Ok(!self.keeps(header, kind, &there)),
            Err(Errno::ENOENT) => Ok(true),
            Err(e) => self.blocked(&header.path, e.into()).map(|()| false),
        }
    }

    fn put_in_place(&self, dir: BorrowedFd<'_>, part: &[u8], name: &[u8]) -> Result<(), Errno> {
        let flags = if self.plan.overwrite == Overwrite::Never { RenameFlags::RENAME_NOREPLACE } else { RenameFlags::empty() };
        match renameat2(dir, part, dir, name, flags) {
            Err(Errno::EINVAL) => renameat2(dir, part, dir, name, RenameFlags::empty()),
            other => other,
        }
        .inspect_err(|_| {
            let _ = unlinkat(dir, part, UnlinkatFlags::NoRemoveDir);
        })
    }

    /// Makes a regular file where nothing stands, under its own name and with [`UNFINISHED`]; where
    /// something stands that is to be replaced, beside it. `None`: what stands there stays.
    fn create<'n>(&self, folder: &Folder, name: &'n [u8], header: &EntryHeader) -> Result<Option<Made<'n>>, Blocked> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = |name: &[u8]| openat(&folder.dir, name, flags, Mode::from_bits_truncate(UNFINISHED)).map(File::from);
        if self.marks.load(Ordering::Relaxed) {
            match open(name) {
                Ok(file) => return Ok(Some((file, Cow::Borrowed(name)))),
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        match sys::stat_at(&folder.dir, name) {
            Ok(there) if unfinished(&there, header) => unlinkat(&folder.dir, name, UnlinkatFlags::NoRemoveDir)?,
            Ok(there) if self.keeps(header, EntryKind::File, &there) => return Ok(None),
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let part = part_name(name);
        let file = make(folder.dir.as_fd(), &part, || open(&part))?;
        Ok(Some((file, Cow::Owned(part))))
    }

    /// Writes a regular file. `contents` fills it and answers the hash; `expected` is that of the index, with
    /// the archive that is damaged if it is another.
    pub(super) fn file(
        &self,
        folder: &Folder,
        name: &[u8],
        header: &EntryHeader,
        (expected, archive): (Option<[u8; 32]>, &Arc<Path>),
        contents: impl FnOnce(&File) -> Result<[u8; 32], EngineError>,
    ) -> Result<(), EngineError> {
        let (file, made) = match self.create(folder, name, header) {
            Ok(Some(created)) => created,
            Ok(None) => return Ok(()),
            Err(e) => return self.blocked(&header.path, e),
        };
        let remove = || {
            let _ = unlinkat(&folder.dir, &*made, UnlinkatFlags::NoRemoveDir);
        };
        let found = contents(&file).inspect_err(|_| remove())?;
        if let Some(expected) = expected {
            if expected != found {
                remove();
                let path = backup_model::display_bytes(&header.path).to_string();
                let damaged = EngineError::damaged(archive, format!("the contents of {path} are not what the index says"));
                if self.plan.skip_damaged {
                    self.leave(&header.path, format!("cannot be restored: {damaged}"));
                    return Ok(());
                }
                return Err(damaged);
            }
            self.compared.fetch_add(1, Ordering::Relaxed);
        }
        self.metadata(&file, header);
        if *made != *name
            && let Err(e) = self.put_in_place(folder.dir.as_fd(), &made, name)
        {
            return self.blocked(&header.path, e.into());
        }
        let (files, bytes) = {
            let mut report = lock(&self.report);
            report.files += 1;
            report.bytes += header.size;
            (report.files, report.bytes)
        };
        self.wrote(&header.path);
        self.observer.progress(files, bytes, 0, &header.path);
        Ok(())
    }

    fn wrote(&self, path: &[u8]) {
        // Only a part asks later whether a file was among it.
        if self.selective {
            lock(&self.written).insert(path);
        }
    }

    /// Writes a file that lies in memory.
    pub(super) fn small_file(&self, folder: &Folder, file: &SmallFile, data: &[u8]) -> Result<(), EngineError> {
        let SmallFile { name, header, expected, archive, .. } = file;
        self.space.took(&folder.dir, &self.plan.target, data.len() as u64, 1)?;
        self.file(folder, name, header, (*expected, archive), |file| {
            file.write_all_at(data, 0).map_err(|e| self.write_error(e))?;
            let mut hash = ContentHash::new(false);
            hash.hasher.update(data);
            Ok(hash.finish(header.size))
        })
    }

    fn wrong(&self, path: &[u8], what: &str, error: impl std::fmt::Display) {
        self.observer.note(warning(path, format!("its {what} cannot be restored: {error}")));
    }

    /// Owner, extended attributes, mode and times of an open file or folder, in the order in which
    /// one does not undo the other.
    fn metadata(&self, file: impl AsFd, header: &EntryHeader) {
        let file = file.as_fd();
        let owned = if self.root {
            let given = fchown(file, Some(Uid::from_raw(header.uid)), Some(Gid::from_raw(header.gid)));
            given.inspect_err(|e| self.wrong(&header.path, "owner", e.desc())).is_ok()
        } else {
            self.owner_kept(file, header)
        };
        for (name, value) in &header.xattrs {
            let name = std::ffi::OsStr::from_bytes(name);
            if let Err(e) = sys::set_xattr(file, name, value) {
                self.xattr_trouble(header, name, &e);
            }
        }
        let time = TimeSpec::new(header.mtime.sec, i64::from(header.mtime.nsec));
        if let Err(e) = futimens(file, &time, &time) {
            self.wrong(&header.path, "time", e.desc());
        }
        // Last, as the mode says that a file is finished. Without its owner a file must not run with
        // another's rights.
        let mode = if owned { header.mode } else { header.mode & 0o1777 };
        if let Err(e) = fchmod(file, Mode::from_bits_truncate(mode)) {
            self.wrong(&header.path, "mode", e.desc());
        }
    }

    /// Only root gives files away; for others it counts whether the owner is right anyway.
    fn owner_kept(&self, file: BorrowedFd<'_>, header: &EntryHeader) -> bool {
        let group = sys::stat_fd(file).is_ok_and(|s| s.st_gid != header.gid)
            && fchown(file, None, Some(Gid::from_raw(header.gid))).is_ok();
        let kept = sys::stat_fd(file).is_ok_and(|s| s.st_uid == header.uid && (group || s.st_gid == header.gid));
        if !kept {
            lock(&self.report).owners += 1;
        }
        kept
    }

    fn xattr_trouble(&self, header: &EntryHeader, name: &std::ffi::OsStr, e: &io::Error) {
        let name = name.to_string_lossy();
        // Only root may set these; a restore by anybody else cannot keep them and says so once each.
        self.observer.note(warning(&header.path, format!("its extended attribute {name} cannot be restored: {e}")));
    }

    /// Lets a folder go; the last of those that worked in it gives it its metadata.
    pub(super) fn release(&self, folder: Arc<Folder>) {
        if let Some(Folder { dir, meta: Some(header), .. }) = Arc::into_inner(folder) {
            self.metadata(&dir, &header);
        }
    }

    /// Makes a further name of the file `last` in the folder `from`.
    pub(super) fn hard_link(
        &self,
        from: Result<OwnedFd, Errno>,
        last: &[u8],
        folder: &Folder,
        name: &[u8],
        header: &EntryHeader,
    ) -> Result<(), EngineError> {
        let dir = folder.dir.as_fd();
        let linked = from.and_then(|from| {
            let there = sys::stat_at(&from, last)?;
            if sys::stat_at(dir, name).is_ok_and(|s| (s.st_dev, s.st_ino) == (there.st_dev, there.st_ino)) {
                return Ok(());
            }
            let part = part_name(name);
            // Without a flag linkat(2) does not follow links.
            make(dir, &part, || linkat(&from, last, dir, part.as_slice(), AtFlags::empty()))?;
            self.put_in_place(dir, &part, name)
        });
        match linked {
            Ok(()) => {
                lock(&self.report).files += 1;
                self.wrote(&header.path);
                Ok(())
            }
            Err(e) => self.blocked(&header.path, e.into()),
        }
    }

    /// Links, fifos and devices.
    pub(super) fn special(&self, folder: &Folder, name: &[u8], header: &EntryHeader, kind: EntryKind) -> Result<(), EngineError> {
        let dir = folder.dir.as_fd();
        let device = || libc::makedev(header.device.0, header.device.1);
        let mode = Mode::from_bits_truncate(0o600);
        let part = part_name(name);
        let part = part.as_slice();
        let made = make(dir, part, || match kind {
            EntryKind::Symlink => symlinkat(header.link.as_slice(), dir, part),
            EntryKind::Fifo => mkfifoat(dir, part, mode),
            EntryKind::CharDevice => mknodat(dir, part, SFlag::S_IFCHR, mode, device()),
            EntryKind::BlockDevice => mknodat(dir, part, SFlag::S_IFBLK, mode, device()),
            _ => Err(Errno::EINVAL),
        });
        if let Err(e) = made {
            return self.blocked(&header.path, e.into());
        }
        // From here on by a handle: the name might be another's by now, and then it has several names,
        // or is of another kind or owner.
        let node = openat(dir, part, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).and_then(|node| {
            let stat = sys::stat_fd(&node)?;
            let format = match kind {
                EntryKind::Symlink => libc::S_IFLNK,
                EntryKind::Fifo => libc::S_IFIFO,
                EntryKind::CharDevice => libc::S_IFCHR,
                _ => libc::S_IFBLK,
            };
            let ours =
                stat.st_mode & libc::S_IFMT == format && stat.st_nlink == 1 && stat.st_uid == nix::unistd::geteuid().as_raw();
            if ours { Ok((node, stat)) } else { Err(Errno::ESTALE) }
        });
        let (node, stat) = match node {
            Ok(node) => node,
            Err(e) => return self.blocked(&header.path, e.into()),
        };
        self.special_metadata(&node, &stat, header, kind);
        if let Err(e) = self.put_in_place(dir, part, name) {
            return self.blocked(&header.path, e.into());
        }
        lock(&self.report).others += 1;
        self.wrote(&header.path);
        Ok(())
    }

    fn special_metadata(&self, node: &OwnedFd, stat: &FileStat, header: &EntryHeader, kind: EntryKind) {
        let (uid, gid) = (Uid::from_raw(header.uid), Gid::from_raw(header.gid));
        if self.root {
            if let Err(e) = fchownat(node, c"", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH) {
                self.wrong(&header.path, "owner", e.desc());
            }
        } else if stat.st_uid != header.uid {
            lock(&self.report).owners += 1;
        }
        let itself = sys::proc_self(node);
        for (key, value) in &header.xattrs {
            let key = std::ffi::OsStr::from_bytes(key);
            // The kernel's own link leads to the node and no further.
            if let Err(e) = xattr::set_deref(&itself, key, value) {
                self.xattr_trouble(header, key, &e);
            }
        }
        if kind != EntryKind::Symlink {
            let mode = Mode::from_bits_truncate(header.mode & 0o1777);
            if let Err(e) = fchmodat(nix::fcntl::AT_FDCWD, &itself, mode, FchmodatFlags::FollowSymlink) {
                self.wrong(&header.path, "mode", e.desc());
            }
        }
        let time = TimeSpec::new(header.mtime.sec, i64::from(header.mtime.nsec));
        if let Err(e) = utimensat(nix::fcntl::AT_FDCWD, &itself, &time, &time, UtimensatFlags::FollowSymlink) {
            self.wrong(&header.path, "time", e.desc());
        }
    }
}
