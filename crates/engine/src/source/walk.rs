//! Walks a tree by directory handles, in the order of the index: no path is too long, and a folder
//! that is swapped for a link meanwhile leads nowhere.

use super::names::{Name, NameKind, Names};
use super::{Accept, Exclude, Local};
use crate::error::EngineError;
use crate::observer::{Observer, note, warning};
use crate::sys;
use backup_model::{FileSource, NoteLevel, entry_path_of, nearest_common_sources};
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use std::collections::HashSet;
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

/// An open folder, the names in it and the patterns that hold there.
type Inner = (Arc<OwnedFd>, Names, Local);

struct Frame {
    dir: Arc<OwnedFd>,
    names: Names,
    /// Length of the folder's path in the archive and of its path relative to the source.
    path: usize,
    relative: usize,
    local: Local,
}

/// What a folder holds, as the record `GNU.dumpdir` of GNU tar tells it ("Dumpdir" in its manual): for each
/// name `D` if it is a folder, else `Y`, the name and a zero byte; one more zero byte at the end.
fn dumpdir(names: &mut Names, is_folder: &dyn Fn(&[u8]) -> bool) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
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
            let mut tree = Tree { walk: self, root, device: stat.st_dev, exclude, visit };
            let in_archive: &[u8] = if path == b"." { b"" } else { &path };
            let mut inner = tree.read(&dir, in_archive, b"", &Local::default())?.map_err(failed)?;
            let dumpdir = tree.dumpdir(&mut inner)?;
            let folder = Some(Arc::clone(&dir));
            tree.visit.visit(Found { dir, name: b".".to_vec(), path: path.clone(), stat, folder, dumpdir })?;
            return tree.run(inner, path);
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
    visit: &'a mut dyn Visit,
}

fn join(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

impl Tree<'_> {
    fn run(&mut self, inner: Inner, mut path: Vec<u8>) -> Result<(), EngineError> {
        // The root of the file system is "." in the archive, and its contents have no prefix.
        if path == b"." {
            path.clear();
        }
        let mut relative: Vec<u8> = Vec::new();
        let mut stack = vec![Frame { dir: inner.0, names: inner.1, path: path.len(), relative: 0, local: inner.2 }];
        while let Some(frame) = stack.last_mut() {
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
            if let Some((dir, names, local)) = self.entry(&frame.dir, name, &path, &relative, &frame.local)? {
                stack.push(Frame { dir, names, path: path.len(), relative: relative.len(), local });
            }
        }
        Ok(())
    }

    /// The names in a folder that are not left out, and the patterns that hold beneath it.
    fn read(&self, dir: &Arc<OwnedFd>, path: &[u8], relative: &[u8], above: &Local) -> Result<Result<Inner, Errno>, EngineError> {
        let (local, wrong) = self.exclude.enter(dir.as_fd(), relative, above);
        for text in wrong {
            self.walk.observer.note(warning(path, text));
        }
        if self.exclude.is_empty(&local) && self.walk.source.max_file_size.is_none() {
            let names = Names::read(dir, self.walk.scratch, &|_, _| true)?;
            return Ok(names.map(|names| (Arc::clone(dir), names, local)));
        }
        let (mut whole, mut short) = (path.to_vec(), relative.to_vec());
        let buffers = std::cell::RefCell::new((&mut whole, &mut short));
        let wanted = |kind: NameKind, name: &[u8]| {
            let mut buffers = buffers.borrow_mut();
            let (whole, short) = &mut *buffers;
            whole.truncate(path.len());
            short.truncate(relative.len());
            join(whole, name);
            join(short, name);
            let is_folder = match kind {
                NameKind::Unknown => is_folder(dir, name),
                kind => kind == NameKind::Folder,
            };
            !self.exclude.leaves_out(short, whole, is_folder, &local) && !self.too_large(dir, kind, name, whole)
        };
        let names = Names::read(dir, self.walk.scratch, &wanted)?;
        Ok(names.map(|names| (Arc::clone(dir), names, local)))
    }

    fn too_large(&self, dir: &OwnedFd, kind: NameKind, name: &[u8], path: &[u8]) -> bool {
        let Some(limit) = self.walk.source.max_file_size else { return false };
        if !matches!(kind, NameKind::File | NameKind::Unknown) {
            return false;
        }
        let large = sys::stat_at(dir, name)
            .ok()
            .filter(|s| s.st_mode & nix::libc::S_IFMT == nix::libc::S_IFREG && s.st_size as u64 > limit);
        if let Some(stat) = large {
            self.info(path, format!("left out: {} bytes are more than max_file_size", stat.st_size));
        }
        large.is_some()
    }

    fn dumpdir(&self, inner: &mut Inner) -> Result<Option<Vec<u8>>, EngineError> {
        if !self.walk.dumpdirs {
            return Ok(None);
        }
        let (dir, names, _) = inner;
        dumpdir(names, &|name| is_folder(dir, name)).map(Some).map_err(EngineError::io("read names from", self.walk.scratch))
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

    fn info(&self, path: &[u8], text: impl ToString) {
        self.walk.observer.note(note(NoteLevel::Info, path, text));
    }

    /// One entry; a folder to go into is answered.
    fn entry(
        &mut self,
        dir: &Arc<OwnedFd>,
        name: Name,
        path: &[u8],
        relative: &[u8],
        above: &Local,
    ) -> Result<Option<Inner>, EngineError> {
        let name = name.bytes;
        let stat = match sys::stat_at(dir, &name) {
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
            let dir = Arc::clone(dir);
            self.visit.visit(Found { dir, name, path: path.to_vec(), stat, folder: None, dumpdir: None })?;
            return Ok(None);
        }
        let empty = self.walk.dumpdirs.then(|| vec![0]);
        let inner = match sys::open_dir_at(dir, &name) {
            Ok(inner) => Arc::new(inner),
            Err(e) => {
                let text = match e {
                    Errno::ENOENT => "vanished while the folder was read".to_owned(),
                    Errno::ENOTDIR | Errno::ELOOP => "was replaced by something else while the folder was read".to_owned(),
                    e => format!("cannot be opened, its contents are missing: {}", e.desc()),
                };
                self.trouble(path, e, text)?;
                if e == Errno::EACCES {
                    let dir = Arc::clone(dir);
                    self.visit.visit(Found { dir, name, path: path.to_vec(), stat, folder: None, dumpdir: empty })?;
                }
                return Ok(None);
            }
        };
        // The handle is the truth; the name may have changed hands since.
        let stat = sys::stat_fd(&inner).unwrap_or(stat);
        let mut contents = None;
        if self.walk.never.contains(&(stat.st_dev, stat.st_ino)) {
            self.info(path, "left out: the archives themselves are there");
        } else if self.walk.source.one_file_system && stat.st_dev != self.device {
            self.info(path, "left out: another file system is mounted there");
        } else if !(self.walk.source.exclude_caches && is_cache(inner.as_fd())) {
            match self.read(&inner, path, relative, above)? {
                Ok(read) => contents = Some(read),
                Err(e) => {
                    let text = format!("cannot be listed, its contents are missing: {}", e.desc());
                    self.trouble(path, e, text)?;
                }
            }
        }
        let dumpdir = match &mut contents {
            Some(contents) => self.dumpdir(contents)?,
            None => empty,
        };
        let (dir, folder) = (Arc::clone(dir), Some(inner));
        self.visit.visit(Found { dir, name, path: path.to_vec(), stat, folder, dumpdir })?;
        Ok(contents)
    }
}

fn is_folder(dir: &OwnedFd, name: &[u8]) -> bool {
    sys::stat_at(dir, name).is_ok_and(|s| s.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR)
}
