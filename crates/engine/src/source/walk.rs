//! Walks a tree by directory handles, in the order of the index: no path is too long, and a folder
//! that is swapped for a link meanwhile leads nowhere.

use super::ahead::{Ahead, Ending, Ticket};
use super::names::{Name, NameKind, Names};
use super::{Accept, Exclude, Local, is_beside};
use crate::error::EngineError;
use crate::observer::{Observer, note, warning};
use crate::parallel::cores;
use crate::sys;
use backup_model::{FileSource, Note, NoteLevel, entry_path_of, nearest_common_sources};
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether an error means that the file system itself is not there any more: a server that does not
/// answer, a device that was unplugged. What cannot be read for such a reason is no matter of one file.
pub(crate) fn gone(e: Errno) -> bool {
    matches!(
        e,
        Errno::ESTALE
            | Errno::ENOTCONN
            | Errno::EHOSTDOWN
            | Errno::ETIMEDOUT
            | Errno::ENODEV
            | Errno::ESHUTDOWN
            | Errno::EREMOTEIO
    )
}

/// Something the walk came upon.
pub(crate) struct Found {
    /// The folder that holds it.
    pub(crate) dir: Arc<OwnedFd>,
    /// Its name there.
    pub(crate) name: Vec<u8>,
    /// Its path in the archive.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) stat: FileStat,
    /// The open folder, if it is one.
    pub(crate) folder: Option<Arc<OwnedFd>>,
    /// What lies in it, as a dumpdir of GNU tar, if that was asked for.
    pub(crate) dumpdir: Option<Vec<u8>>,
}

/// Takes what a walk finds.
pub(crate) trait Visit {
    fn visit(&mut self, found: Found) -> Result<(), EngineError>;
}

/// How to walk.
pub(crate) struct Walk<'a> {
    pub(crate) source: &'a FileSource,
    /// The sources as absolute paths.
    pub(crate) roots: &'a [PathBuf],
    /// Folders, by device and inode, whose contents are never taken (the archives themselves).
    pub(crate) never: HashSet<(u64, u64)>,
    /// A folder for scratch files.
    pub(crate) scratch: &'a Path,
    /// Whether each folder tells what lies in it.
    pub(crate) dumpdirs: bool,
    /// What may be unreadable.
    pub(crate) accept: &'a Accept,
    pub(crate) observer: &'a dyn Observer,
}

/// What lies in a folder.
struct Inner {
    dir: Arc<OwnedFd>,
    names: Names,
    /// The patterns that hold there.
    local: Local,
}

/// A folder that was opened.
struct Folder {
    dir: Arc<OwnedFd>,
    stat: FileStat,
    contents: Contents,
    /// What it holds, for GNU tar.
    dumpdir: Option<Vec<u8>>,
    /// What has to be said of it.
    notes: Vec<Note>,
}

enum Contents {
    Taken(Inner),
    LeftOut(Option<&'static str>),
    Unreadable(Errno),
}

/// A folder to look at ahead of the walk.
struct Job {
    above: Arc<OwnedFd>,
    name: Vec<u8>,
    /// Its path in the archive and relative to the source.
    path: Vec<u8>,
    relative: Vec<u8>,
    local: Local,
}

/// When a folder is looked into.
#[derive(Clone, Copy)]
enum Reach {
    /// When the walk comes to it.
    Now,
    /// Before, as far as its names fit into little memory.
    Ahead,
}

/// Folders of one folder that are given out at once.
const AHEAD: usize = 8;
/// Threads that look ahead at most.
const MAX_AHEAD: usize = 4;

type FoldersAhead<'a> = Ahead<'a, Job, Folder>;

struct Frame {
    dir: Arc<OwnedFd>,
    names: Names,
    /// Length of the folder's path in the archive and of its path relative to the source.
    path: usize,
    relative: usize,
    local: Local,
    /// The folders in it that were given out, with the places of their names.
    ahead: VecDeque<(usize, Arc<Ticket<Job, Folder>>)>,
}

/// What a folder holds, as the record `GNU.dumpdir` of GNU tar tells it ("Dumpdir" in its manual): for each
/// name `D` if it is a folder, else `Y`, the name and a zero byte; one more zero byte at the end.
fn dumpdir(names: &mut Names, is_folder: &dyn Fn(&[u8]) -> bool) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(names.size() + 1);
    while let Some(name) = names.next()? {
        let folder = match name.kind {
            NameKind::Folder => true,
            // Sockets are not stored, so what stood under their name before has to go.
            NameKind::Socket => continue,
            NameKind::File | NameKind::Other => false,
            NameKind::Unknown => is_folder(&name.bytes),
        };
        out.push(if folder { b'D' } else { b'Y' });
        out.extend_from_slice(&name.bytes);
        out.push(0);
    }
    out.push(0);
    names.restart()?;
    Ok(out)
}

const CACHEDIR_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

fn is_cache(dir: BorrowedFd<'_>) -> bool {
    use std::io::Read;
    let mut start = [0; CACHEDIR_TAG.len()];
    sys::open_file_at(dir, b"CACHEDIR.TAG").is_ok_and(|mut f| f.read_exact(&mut start).is_ok() && start == CACHEDIR_TAG)
}

impl Walk<'_> {
    /// Walks all sources.
    pub(crate) fn run(&self, visit: &mut dyn Visit) -> Result<(), EngineError> {
        for root in nearest_common_sources(self.roots) {
            self.root(&root, visit)?;
        }
        Ok(())
    }

    fn root(&self, root: &Path, visit: &mut dyn Visit) -> Result<(), EngineError> {
        let failed = |e: Errno| EngineError::Source { path: root.display().to_string(), source: e.into() };
        let exclude = Exclude::new(root, self.source)?;
        let path = entry_path_of(root);
        // A source may itself be a link (/var/run, ~/Documents): what it points to is meant.
        let stat = nix::sys::stat::stat(root).map_err(failed)?;
        if stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR {
            let dir = Arc::new(sys::open_root(root).map_err(failed)?);
            return Tree { walk: self, root, device: stat.st_dev, exclude }.run(dir, stat, path, visit);
        }
        let parent = root.parent().unwrap_or(Path::new("/"));
        let name = root.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
        let dir = sys::open_root(parent).map_err(failed)?;
        let stat = sys::stat_at(&dir, &name).map_err(failed)?;
        visit.visit(Found { dir: Arc::new(dir), name, path, stat, folder: None, dumpdir: None })
    }
}

/// The walk of one source.
struct Tree<'a> {
    walk: &'a Walk<'a>,
    root: &'a Path,
    /// The device of the source itself.
    device: u64,
    exclude: Exclude,
}

fn join(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

impl Tree<'_> {
    fn run(&self, dir: Arc<OwnedFd>, stat: FileStat, path: Vec<u8>, visit: &mut dyn Visit) -> Result<(), EngineError> {
        // The root of the file system is "." in the archive, and its contents have no prefix.
        let prefix = if path == b"." { Vec::new() } else { path.clone() };
        let folder = self.contents(dir, stat, &prefix, b"", &Local::default(), Reach::Now)?;
        if let Contents::Unreadable(e) = folder.contents {
            return Err(EngineError::Source { path: self.root.display().to_string(), source: e.into() });
        }
        let dir = Arc::clone(&folder.dir);
        let Some(inner) = self.visit_folder(folder, dir, b".".to_vec(), &path, visit)? else { return Ok(()) };
        let look = |job: Job| self.look(job);
        let ahead = Ahead::new(&look);
        std::thread::scope(|scope| {
            let _ending = Ending(&ahead);
            // One at least, for disks and servers that are slow to answer.
            for _ in 0..(cores() - 1).clamp(1, MAX_AHEAD) {
                let scout = std::thread::Builder::new().name("walk ahead".to_owned());
                scout.spawn_scoped(scope, || ahead.serve()).map_err(EngineError::io("start reading", self.root))?;
            }
            self.descend(inner, prefix, &ahead, visit)
        })
    }

    fn descend(
        &self,
        inner: Inner,
        mut path: Vec<u8>,
        ahead: &FoldersAhead<'_>,
        visit: &mut dyn Visit,
    ) -> Result<(), EngineError> {
        let mut relative: Vec<u8> = Vec::new();
        let mut stack = vec![Frame::new(inner, &path, &relative)];
        while let Some(frame) = stack.last_mut() {
            frame.give(&path, &relative, ahead);
            let Some(name) = frame.names.next().map_err(EngineError::io("read names from", self.walk.scratch))? else {
                stack.pop();
                continue;
            };
            if self.walk.observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            path.truncate(frame.path);
            relative.truncate(frame.relative);
            join(&mut path, &name.bytes);
            join(&mut relative, &name.bytes);
            let looked = frame.ahead.front().is_some_and(|(place, _)| *place == name.place);
            let looked = if looked { ahead.take(&mut frame.ahead) } else { None };
            if let Some(inner) = self.entry(frame, name, looked, &path, &relative, visit)? {
                stack.push(Frame::new(inner, &path, &relative));
            }
        }
        Ok(())
    }

    /// What lies in an open folder and is not left out.
    fn contents(
        &self,
        dir: Arc<OwnedFd>,
        stat: FileStat,
        path: &[u8],
        relative: &[u8],
        above: &Local,
        reach: Reach,
    ) -> Result<Folder, EngineError> {
        let mut notes = Vec::new();
        let left_out = |why| Contents::LeftOut(why);
        // Whoever names a source means it.
        let below = !relative.is_empty();
        let contents = if below && self.walk.never.contains(&(stat.st_dev, stat.st_ino)) {
            left_out(Some("left out: the archives themselves are there"))
        } else if self.walk.source.one_file_system && stat.st_dev != self.device {
            left_out(Some("left out: another file system is mounted there"))
        } else if below && self.walk.source.exclude_caches && is_cache(dir.as_fd()) {
            left_out(None)
        } else {
            let (local, wrong) = self.exclude.enter(dir.as_fd(), relative, above);
            notes.extend(wrong.into_iter().map(|text| warning(path, text)));
            match self.names(&dir, path, relative, &local, reach, &mut notes)? {
                Ok(names) => Contents::Taken(Inner { dir: Arc::clone(&dir), names, local }),
                Err(e) => Contents::Unreadable(e),
            }
        };
        let mut folder = Folder { dir, stat, contents, dumpdir: None, notes };
        if self.walk.dumpdirs {
            folder.dumpdir = Some(match &mut folder.contents {
                Contents::Taken(Inner { dir, names, .. }) => {
                    dumpdir(names, &|name| is_folder(dir, name)).map_err(EngineError::io("read names from", self.walk.scratch))?
                }
                _ => vec![0],
            });
        }
        Ok(folder)
    }

    /// The names in a folder that are not left out.
    fn names(
        &self,
        dir: &OwnedFd,
        path: &[u8],
        relative: &[u8],
        local: &Local,
        reach: Reach,
        notes: &mut Vec<Note>,
    ) -> Result<Result<Names, Errno>, EngineError> {
        let scratch = match reach {
            Reach::Now => Some(self.walk.scratch),
            Reach::Ahead => None,
        };
        if self.exclude.is_empty(local) && self.walk.source.max_file_size.is_none() && !self.walk.source.sqlite {
            return Names::read(dir, scratch, &mut |_, _| true);
        }
        let (mut whole, mut short) = (path.to_vec(), relative.to_vec());
        let mut wanted = |kind: NameKind, name: &[u8]| {
            whole.truncate(path.len());
            short.truncate(relative.len());
            join(&mut whole, name);
            join(&mut short, name);
            let is_folder = match kind {
                NameKind::Unknown => is_folder(dir, name),
                kind => kind == NameKind::Folder,
            };
            if self.exclude.leaves_out(&short, &whole, is_folder, local) {
                return false;
            }
            // The copy of a live database is whole without what lies beside it, and must not meet it again.
            if self.walk.source.sqlite && is_beside(dir, name) {
                return false;
            }
            let large = self.too_large(dir, kind, name);
            if let Some(size) = large {
                let text = format!("left out: {size} bytes are more than max_file_size");
                notes.push(note(NoteLevel::Info, &whole, text));
            }
            large.is_none()
        };
        Names::read(dir, scratch, &mut wanted)
    }

    /// The size of a file that is larger than may be taken.
    fn too_large(&self, dir: &OwnedFd, kind: NameKind, name: &[u8]) -> Option<u64> {
        let limit = self.walk.source.max_file_size?;
        if !matches!(kind, NameKind::File | NameKind::Unknown) {
            return None;
        }
        let stat = sys::stat_at(dir, name).ok()?;
        (stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFREG && stat.st_size as u64 > limit).then_some(stat.st_size as u64)
    }

    /// Looks into a folder ahead of the walk. Whatever is out of the ordinary is left to the walk.
    fn look(&self, job: Job) -> Option<Folder> {
        let dir = sys::open_dir_at(&job.above, &job.name).ok()?;
        let stat = sys::stat_fd(&dir).ok()?;
        let folder = self.contents(Arc::new(dir), stat, &job.path, &job.relative, &job.local, Reach::Ahead);
        let mut folder = folder.ok().filter(|f| !matches!(f.contents, Contents::Unreadable(_)))?;
        if let Contents::Taken(inner) = &mut folder.contents {
            inner.names.look(&inner.dir);
        }
        Some(folder)
    }

    /// Says what is wrong with one entry, or fails if the whole source went away.
    fn trouble(&self, path: &[u8], e: Errno, text: String) -> Result<(), EngineError> {
        let lost = gone(e) || (e == Errno::EIO && sys::open_root(self.root).is_err());
        if lost {
            return Err(EngineError::SourceGone { path: self.root.display().to_string(), source: e.into() });
        }
        self.walk.observer.note(self.walk.accept.note(path, text));
        Ok(())
    }

    /// One entry; a folder to go into is answered.
    fn entry(
        &self,
        frame: &Frame,
        name: Name,
        looked: Option<Folder>,
        path: &[u8],
        relative: &[u8],
        visit: &mut dyn Visit,
    ) -> Result<Option<Inner>, EngineError> {
        let dir = Arc::clone(&frame.dir);
        if let Some(folder) = looked {
            return self.visit_folder(folder, dir, name.bytes, path, visit);
        }
        let (stat, name) = (name.stat, name.bytes);
        let stat = match stat.map_or_else(|| sys::stat_at(&dir, &name), Ok) {
            Ok(stat) => stat,
            Err(e) => {
                let text = match e {
                    Errno::ENOENT => "vanished while the folder was read".to_owned(),
                    e => format!("cannot be looked at: {}", e.desc()),
                };
                return self.trouble(path, e, text).map(|()| None);
            }
        };
        if stat.st_mode & nix::libc::S_IFMT != nix::libc::S_IFDIR {
            visit.visit(Found { dir, name, path: path.to_vec(), stat, folder: None, dumpdir: None })?;
            return Ok(None);
        }
        match sys::open_dir_at(&dir, &name) {
            Ok(inner) => {
                // The handle is the truth; the name may have changed hands since.
                let stat = sys::stat_fd(&inner).unwrap_or(stat);
                let folder = self.contents(Arc::new(inner), stat, path, relative, &frame.local, Reach::Now)?;
                self.visit_folder(folder, dir, name, path, visit)
            }
            Err(e) => {
                let text = match e {
                    Errno::ENOENT => "vanished while the folder was read".to_owned(),
                    Errno::ENOTDIR | Errno::ELOOP => "was replaced by something else while the folder was read".to_owned(),
                    e => format!("cannot be opened, its contents are missing: {}", e.desc()),
                };
                self.trouble(path, e, text)?;
                if e == Errno::EACCES {
                    let dumpdir = self.walk.dumpdirs.then(|| vec![0]);
                    visit.visit(Found { dir, name, path: path.to_vec(), stat, folder: None, dumpdir })?;
                }
                Ok(None)
            }
        }
    }

    /// Tells of a folder that was opened; what lies in it is answered.
    fn visit_folder(
        &self,
        folder: Folder,
        dir: Arc<OwnedFd>,
        name: Vec<u8>,
        path: &[u8],
        visit: &mut dyn Visit,
    ) -> Result<Option<Inner>, EngineError> {
        for note in folder.notes {
            self.walk.observer.note(note);
        }
        let mut inner = None;
        match folder.contents {
            Contents::Taken(taken) => inner = Some(taken),
            Contents::LeftOut(None) => {}
            Contents::LeftOut(Some(why)) => self.walk.observer.note(note(NoteLevel::Info, path, why.to_owned())),
            Contents::Unreadable(e) => {
                let text = format!("cannot be listed, its contents are missing: {}", e.desc());
                self.trouble(path, e, text)?;
            }
        }
        let Folder { dir: open, stat, dumpdir, .. } = folder;
        visit.visit(Found { dir, name, path: path.to_vec(), stat, folder: Some(open), dumpdir })?;
        Ok(inner)
    }
}

impl Frame {
    fn new(inner: Inner, path: &[u8], relative: &[u8]) -> Self {
        let Inner { dir, names, local } = inner;
        Self { dir, names, path: path.len(), relative: relative.len(), local, ahead: VecDeque::new() }
    }

    /// Gives the next folders in this one to those who look ahead.
    fn give(&mut self, path: &[u8], relative: &[u8], ahead: &FoldersAhead<'_>) {
        while self.ahead.len() < AHEAD {
            let Some((place, name)) = self.names.next_folder() else { return };
            let job = || {
                let (mut path, mut relative) = (path[..self.path].to_vec(), relative[..self.relative].to_vec());
                join(&mut path, name);
                join(&mut relative, name);
                Job { above: Arc::clone(&self.dir), name: name.to_vec(), path, relative, local: self.local.clone() }
            };
            let Some(ticket) = ahead.give(job) else { return };
            self.ahead.push_back((place, ticket));
            self.names.given(place);
        }
    }
}

fn is_folder(dir: &OwnedFd, name: &[u8]) -> bool {
    sys::stat_at(dir, name).is_ok_and(|s| s.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR)
}
