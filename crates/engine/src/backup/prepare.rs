//! Opens and reads what the walk has found, on several threads: small files whole, of large ones what
//! is needed to begin.

use crate::archive::{ContentHash, Entry, EntryKind, Segment};
use crate::parallel::{Buffer, Pool};
use crate::source::{Found, LiveDatabases, gone};
use crate::sys::{self, Xattrs};
use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::libc;
use nix::sys::stat::FileStat;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Files up to this size are read here; larger ones are read when their turn comes.
pub(super) const SMALL: u64 = 128 * 1024;
/// Bytes of small files in one batch.
const BATCH_BYTES: u64 = 512 * 1024;
/// Entries in one batch.
const BATCH_ENTRIES: usize = 64;
/// Stretches of data in one file; with more of them the smallest holes are stored as zeros.
const MAX_SEGMENTS: usize = 1 << 20;

/// Something found, and what the walk knows of its other names.
pub(super) struct Item {
    pub(super) found: Found,
    pub(super) kind: EntryKind,
    /// The path of the same file that was met first.
    pub(super) first: Option<Vec<u8>>,
    /// The base's entry, if by its metadata it is unchanged.
    pub(super) same: Option<Box<Entry>>,
    /// Whether the contents are to be compared too.
    pub(super) compare: bool,
}

/// Several entries, so that threads meet less often than there are files.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    bytes: u64,
    light: usize,
}

impl Batch {
    /// Adds an entry; `true` if the batch is now full.
    pub(super) fn add(&mut self, item: Item) -> bool {
        if item.kind == EntryKind::File && (item.same.is_none() || item.compare) {
            let size = item.found.stat.st_size as u64;
            // A large file stays open until its turn comes, and not too many may.
            self.bytes += if size <= SMALL { size } else { BATCH_BYTES / 8 };
        }
        self.items.push(item);
        // What is unchanged costs next to nothing.
        self.light += usize::from(self.items.last().is_some_and(|i| i.same.is_some()));
        self.items.len() - self.light >= BATCH_ENTRIES || self.light >= 16 * BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }
}

/// A batch that was opened and read.
pub(super) struct PreparedBatch {
    pub(super) items: Vec<Prepared>,
    /// The contents of the small files.
    pub(super) data: Buffer,
}

/// What is wrong with an entry: it cannot be stored, or its contents are not exact.
pub(super) struct Trouble {
    pub(super) text: String,
    /// Set if the whole file system went away.
    pub(super) gone: Option<Errno>,
}

impl Trouble {
    fn of(e: Errno, text: String) -> Self {
        Self { text, gone: gone(e).then_some(e) }
    }

    fn opening(e: Errno) -> Self {
        let text = match e {
            Errno::ENOENT => "vanished before it could be read".to_owned(),
            Errno::ELOOP => "was replaced by a link before it could be read".to_owned(),
            e => format!("cannot be read: {}", e.desc()),
        };
        Self::of(e, text)
    }
}

/// How long after the change time of a file a further change may carry the same time: the kernel's clock of
/// files ticks at least this often (Linux, CONFIG_HZ=100, with some room).
const TICK: i128 = 20_000_000;

/// Whether a file that was read just now may be changed yet without its change time telling.
pub(super) fn recent(stat: &FileStat) -> bool {
    let Ok(now) = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME) else { return true };
    let nanos = |sec: i64, nsec: i64| i128::from(sec) * 1_000_000_000 + i128::from(nsec);
    nanos(now.tv_sec(), now.tv_nsec()) - nanos(stat.st_ctime, stat.st_ctime_nsec) < TICK
}

/// A regular file that could be opened.
pub(super) struct OpenFile {
    pub(super) stat: FileStat,
    /// It may be changed yet without its times telling.
    pub(super) recent: bool,
    pub(super) sparse: Option<Vec<Segment>>,
    pub(super) contents: Contents,
    /// Why a live database was copied as any file.
    pub(super) lost: Option<String>,
}

/// How the contents of a file come.
pub(super) enum Contents {
    /// Read: where they lie in the batch's data, their hash, and what was wrong.
    Read { place: Range<usize>, hash: [u8; 32], trouble: Option<Trouble> },
    /// To be read now.
    Open(File),
}

/// What was learned of an entry.
pub(super) enum Content {
    /// Unchanged since the base: nothing was read.
    Same(Box<Entry>),
    /// A further name: nothing was read.
    Link(Vec<u8>),
    /// No regular file; its target if it is a symbolic link.
    Special(Result<Vec<u8>, Trouble>),
    File(Result<Box<OpenFile>, Trouble>),
}

/// An entry that is ready for the archive.
pub(super) struct Prepared {
    pub(super) found: Found,
    pub(super) kind: EntryKind,
    pub(super) xattrs: io::Result<Xattrs>,
    pub(super) content: Content,
}

/// Prepares one batch.
pub(super) fn prepare(batch: Batch, pool: &Pool, live: Option<&LiveDatabases>) -> PreparedBatch {
    let mut data = pool.take();
    let items = batch.items.into_iter().map(|item| one(item, &mut data, live)).collect();
    PreparedBatch { items, data }
}

/// Prepares one entry; the contents of a small file are added to `data`.
pub(super) fn one(item: Item, data: &mut Buffer, live: Option<&LiveDatabases>) -> Prepared {
    let Item { found, kind, first, same, compare } = item;
    if let Some(same) = same
        && (!compare || same_contents(&found, &same))
    {
        return Prepared { found, kind, xattrs: Ok(Vec::new()), content: Content::Same(same) };
    }
    if let Some(first) = first {
        return Prepared { found, kind, xattrs: Ok(Vec::new()), content: Content::Link(first) };
    }
    if kind == EntryKind::File {
        let mut xattrs = Ok(Vec::new());
        let file = open(&found, data, &mut xattrs, live).map(Box::new);
        return Prepared { found, kind, xattrs, content: Content::File(file) };
    }
    let target = match kind {
        EntryKind::Symlink => sys::read_link_at(&found.dir, &found.name)
            .map_err(|e| Trouble::of(e, format!("the link cannot be read: {}", e.desc()))),
        _ => Ok(Vec::new()),
    };
    let xattrs = match &found.folder {
        Some(fd) => sys::xattrs_of(fd),
        None => sys::xattrs_at(found.dir.as_fd(), &found.name),
    };
    Prepared { found, kind, xattrs, content: Content::Special(target) }
}

/// Whether a file holds what the base says. One that cannot be read does not, and is then reported.
fn same_contents(found: &Found, same: &Entry) -> bool {
    let Ok(file) = sys::open_file_at(&found.dir, &found.name) else { return false };
    let Ok(stat) = sys::stat_fd(&file) else { return false };
    let sparse = segments(&file, &stat);
    if sparse.is_some() != same.sparse {
        return false;
    }
    let size = stat.st_size as u64;
    let whole = [Segment { offset: 0, length: size }];
    let mut hash = ContentHash::new(sparse.is_some());
    let mut buffer = vec![0; 1 << 18];
    for segment in sparse.as_deref().unwrap_or(&whole) {
        hash.segment(*segment);
        let (mut at, end) = (segment.offset, segment.offset + segment.length);
        while at < end {
            let want = ((end - at) as usize).min(buffer.len());
            match file.read_at(&mut buffer[..want], at) {
                Ok(0) => return false,
                Ok(n) => {
                    hash.hasher.update(&buffer[..n]);
                    at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
    same.hash == Some(hash.finish(size))
}

fn open(
    found: &Found,
    data: &mut Buffer,
    xattrs: &mut io::Result<Xattrs>,
    live: Option<&LiveDatabases>,
) -> Result<OpenFile, Trouble> {
    let mut file = sys::open_file_at(&found.dir, &found.name).map_err(Trouble::opening)?;
    let mut stat = sys::stat_fd(&file).map_err(Trouble::opening)?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Trouble { text: "was replaced by something else before it could be read".to_owned(), gone: None });
    }
    *xattrs = sys::xattrs_of(&file);
    let mut lost = None;
    match live.and_then(|live| live.copy_of(&found.dir, &found.name, &file, &stat)) {
        Some(Ok(copy)) => {
            // Its inode and change time are not those of the file, so the next increment takes it again: what its
            // journal holds is not told by the times of the file itself.
            stat = sys::stat_fd(&copy).map_err(Trouble::opening)?;
            file = copy;
        }
        Some(Err(why)) => lost = Some(why),
        None => {}
    }
    let sparse = segments(&file, &stat);
    let size = stat.st_size as u64;
    if size > SMALL || sparse.is_some() {
        // The system begins to read what will soon be asked for. It need not.
        let _ = posix_fadvise(&file, 0, stat.st_size.min(8 << 20), PosixFadviseAdvice::POSIX_FADV_WILLNEED);
        return Ok(OpenFile { stat, recent: true, sparse, contents: Contents::Open(file), lost });
    }
    let start = data.used;
    let end = start + size as usize;
    let room = &mut data.room(end)[start..end];
    let mut at = 0;
    let mut trouble = None;
    while at < room.len() {
        match file.read_at(&mut room[at..], at as u64) {
            Ok(0) => {
                trouble = Some(shrank(size - at as u64));
                break;
            }
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                trouble = Some(unreadable(at as u64, &e));
                break;
            }
        }
    }
    room[at..].fill(0);
    let mut hash = ContentHash::new(false);
    hash.hasher.update(room);
    data.used = end;
    let trouble = trouble.or_else(|| changed(&file, &stat));
    Ok(OpenFile {
        stat,
        recent: recent(&stat),
        sparse,
        contents: Contents::Read { place: start..end, hash: hash.finish(size), trouble },
        lost,
    })
}

/// What is said of a file that ended early.
pub(super) fn shrank(missing: u64) -> Trouble {
    Trouble { text: format!("shrank while it was read: zeros stand for the last {missing} bytes"), gone: None }
}

/// What is said of a file that could not be read on.
pub(super) fn unreadable(at: u64, e: &io::Error) -> Trouble {
    let errno = e.raw_os_error().map(Errno::from_raw).filter(|e| gone(*e));
    Trouble { text: format!("cannot be read after {at} bytes: {e}; zeros stand for the rest"), gone: errno }
}

/// Whether a file is not any more what it was when reading began.
pub(super) fn changed(file: &File, before: &FileStat) -> Option<Trouble> {
    let changed = sys::stat_fd(file).is_ok_and(|a| a.st_size != before.st_size || sys::mtime(&a) != sys::mtime(before));
    changed.then(|| Trouble { text: "changed while it was read".to_owned(), gone: None })
}

/// The stretches of a file that hold data, if it has holes worth keeping.
fn segments(file: &File, stat: &FileStat) -> Option<Vec<Segment>> {
    let size = stat.st_size;
    if size <= 4096 || stat.st_blocks * 512 >= size {
        return None;
    }
    let mut list: Vec<Segment> = Vec::new();
    // Holes smaller than this are stored as zeros; it grows when there are too many stretches.
    let mut least = 0;
    let mut at = 0;
    while at < size {
        match lseek(file.as_fd(), at, Whence::SeekData) {
            Ok(start) if start < size => {
                let end = lseek(file.as_fd(), start, Whence::SeekHole).ok()?.min(size);
                add_segment(&mut list, Segment { offset: start as u64, length: (end - start) as u64 }, least);
                at = end;
            }
            Ok(_) | Err(Errno::ENXIO) => break,
            // The file system does not tell: the file is stored whole.
            Err(_) => return None,
        }
        while list.len() > MAX_SEGMENTS {
            least = (least * 2).max(8192);
            let all = std::mem::take(&mut list);
            for segment in all {
                add_segment(&mut list, segment, least);
            }
        }
    }
    let whole = list.len() == 1 && list[0].offset == 0 && list[0].length == size as u64;
    if whole { None } else { Some(list) }
}

fn add_segment(list: &mut Vec<Segment>, next: Segment, least: u64) {
    match list.last_mut() {
        Some(last) if next.offset - (last.offset + last.length) < least => {
            last.length = next.offset + next.length - last.offset;
        }
        _ => list.push(next),
    }
}
