//! A file system that fails on purpose, by FUSE: a disk with bad sectors, a server that went away.

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, Request,
};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// The file `07` cannot be read after its first 256 KiB.
    BadSectors,
    /// After so many reads the server does not answer any more.
    Vanishes(u64),
}

/// Size of each of the files `00` to `19`.
const SIZE: u64 = 1 << 20;
const FILES: u64 = 20;
/// The kernel asks again each time.
const TTL: Duration = Duration::ZERO;

struct Broken {
    breaks: Breaks,
    reads: AtomicU64,
}

impl Broken {
    fn gone(&self) -> bool {
        matches!(self.breaks, Breaks::Vanishes(after) if self.reads.load(Ordering::Relaxed) > after)
    }
}

fn attr(ino: INodeNo) -> FileAttr {
    let folder = ino == INodeNo::ROOT;
    FileAttr {
        ino,
        size: if folder { 0 } else { SIZE },
        blocks: if folder { 0 } else { SIZE / 512 },
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if folder { FileType::Directory } else { FileType::RegularFile },
        perm: 0o755,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4096,
    }
}

impl Filesystem for Broken {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name.to_str().and_then(|n| n.parse::<u64>().ok()).filter(|n| *n < FILES) {
            _ if self.gone() => reply.error(Errno::ENOTCONN),
            Some(n) => reply.entry(&TTL, &attr(INodeNo(n + 2)), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        if self.gone() { reply.error(Errno::ENOTCONN) } else { reply.attr(&TTL, &attr(ino)) }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.gone() {
            return reply.error(Errno::ENOTCONN);
        }
        if self.breaks == Breaks::BadSectors && ino == INodeNo(9) && offset + u64::from(size) > 256 << 10 {
            return reply.error(Errno::EIO);
        }
        let end = (offset + u64::from(size)).min(SIZE);
        reply.data(&(offset..end).map(|at| (at / 7) as u8).collect::<Vec<_>>());
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if self.gone() {
            return reply.error(Errno::ENOTCONN);
        }
        for n in offset..FILES {
            if reply.add(INodeNo(n + 2), n + 1, FileType::RegularFile, format!("{n:02}")) {
                break;
            }
        }
        reply.ok();
    }
}

/// Mounts it at a folder until the answer is dropped. Needs root, or fusermount3.
///
/// # Errors
/// There is no FUSE here.
pub fn mount_broken(at: &Path, breaks: Breaks) -> std::io::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::RO, MountOption::FSName("broken".into())];
    fuser::spawn_mount(Broken { breaks, reads: AtomicU64::new(0) }, at, &config)
}
