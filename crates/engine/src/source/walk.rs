//! Walks a tree by directory handles, in the order of the index: no path is too long, and a folder
//! that is swapped for a link meanwhile leads nowhere.

use super::Exclude;
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

/// Something the walk came upon.
pub(crate) struct Found<'a> {
    /// The folder that holds it.
    pub(crate) dir: BorrowedFd<'a>,
    /// Its name there.
    pub(crate) name: &'a [u8],
    /// Its path in the archive.
    pub(crate) path: &'a [u8],
    /// What it is.
    pub(crate) stat: FileStat,
    /// The open folder, if it is one.
    pub(crate) folder: Option<BorrowedFd<'a>>,
}

/// Takes what a walk finds.
pub(crate) trait Visit {
    fn visit(&mut self, found: &Found<'_>) -> Result<(), EngineError>;
}

/// How to walk.
pub(crate) struct Walk<'a> {
    pub(crate) source: &'a FileSource,
    /// The sources as absolute paths.
    pub(crate) roots: &'a [PathBuf],
    /// Folders, by device and inode, whose contents are never taken (the archives themselves).
    pub(crate) never: HashSet<(u64, u64)>,
    pub(crate) observer: &'a dyn Observer,
}

/// An open folder and the names in it.
type Inner = (OwnedFd, Vec<Vec<u8>>);

struct Frame {
    dir: OwnedFd,
    names: std::vec::IntoIter<Vec<u8>>,
    /// Length of the folder's path in the archive and of its path relative to the source.
    path: usize,
    relative: usize,
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
        let exclude = Exclude::new(root, &self.source.exclude)?;
        let path = entry_path_of(root);
        // A source may itself be a link (/var/run, ~/Documents): what it points to is meant.
        let stat = nix::sys::stat::stat(root).map_err(failed)?;
        if stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR {
            let dir = sys::open_root(root).map_err(failed)?;
            let names = sys::names_in(&dir).map_err(failed)?;
            visit.visit(&Found { dir: dir.as_fd(), name: b".", path: &path, stat, folder: Some(dir.as_fd()) })?;
            return self.tree(dir, names, path, stat.st_dev, &exclude, visit);
        }
        let parent = root.parent().unwrap_or(Path::new("/"));
        let name = root.file_name().map(|n| n.as_bytes().to_vec()).unwrap_or_default();
        let dir = sys::open_root(parent).map_err(failed)?;
        let stat = sys::stat_at(&dir, &name).map_err(failed)?;
        visit.visit(&Found { dir: dir.as_fd(), name: &name, path: &path, stat, folder: None })
    }

    fn tree(
        &self,
        dir: OwnedFd,
        names: Vec<Vec<u8>>,
        mut path: Vec<u8>,
        device: u64,
        exclude: &Exclude,
        visit: &mut dyn Visit,
    ) -> Result<(), EngineError> {
        // The root of the file system is "." in the archive, and its contents have no prefix.
        if path == b"." {
            path.clear();
        }
        let mut relative: Vec<u8> = Vec::new();
        let mut stack = vec![Frame { dir, names: names.into_iter(), path: path.len(), relative: 0 }];
        while let Some(frame) = stack.last_mut() {
            let Some(name) = frame.names.next() else {
                stack.pop();
                continue;
            };
            if self.observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            path.truncate(frame.path);
            relative.truncate(frame.relative);
            for (whole, slash) in [(&mut path, frame.path > 0), (&mut relative, frame.relative > 0)] {
                if slash {
                    whole.push(b'/');
                }
                whole.extend_from_slice(&name);
            }
            if let Some(inner) = self.entry(frame.dir.as_fd(), &name, &path, &relative, device, exclude, visit)? {
                let (dir, names) = inner;
                stack.push(Frame { dir, names: names.into_iter(), path: path.len(), relative: relative.len() });
            }
        }
        Ok(())
    }

    /// One entry; a folder to go into is answered.
    #[expect(clippy::too_many_arguments, reason = "the state of one step of the walk")]
    fn entry(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        relative: &[u8],
        device: u64,
        exclude: &Exclude,
        visit: &mut dyn Visit,
    ) -> Result<Option<Inner>, EngineError> {
        let stat = match sys::stat_at(dir, name) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => {
                self.observer.note(warning(path, "vanished while the folder was read"));
                return Ok(None);
            }
            Err(e) => {
                self.observer.note(warning(path, format!("cannot be looked at: {}", e.desc())));
                return Ok(None);
            }
        };
        let kind = stat.st_mode & nix::libc::S_IFMT;
        let is_folder = kind == nix::libc::S_IFDIR;
        if exclude.leaves_out(relative, is_folder) {
            return Ok(None);
        }
        if let Some(limit) = self.source.max_file_size
            && kind == nix::libc::S_IFREG
            && stat.st_size as u64 > limit
        {
            self.observer.note(note(
                NoteLevel::Info,
                path,
                format!("left out: {} bytes are more than max_file_size", stat.st_size),
            ));
            return Ok(None);
        }
        if !is_folder {
            visit.visit(&Found { dir, name, path, stat, folder: None })?;
            return Ok(None);
        }
        let inner = match sys::open_dir_at(dir, name) {
            Ok(inner) => inner,
            Err(e) => {
                let what = match e {
                    Errno::ENOENT => "vanished while the folder was read".to_owned(),
                    Errno::ENOTDIR | Errno::ELOOP => "was replaced by something else while the folder was read".to_owned(),
                    e => format!("cannot be opened, its contents are missing: {}", e.desc()),
                };
                self.observer.note(warning(path, what));
                if e == Errno::EACCES {
                    visit.visit(&Found { dir, name, path, stat, folder: None })?;
                }
                return Ok(None);
            }
        };
        // The handle is the truth; the name may have changed hands since.
        let stat = sys::stat_fd(&inner).unwrap_or(stat);
        visit.visit(&Found { dir, name, path, stat, folder: Some(inner.as_fd()) })?;
        if self.never.contains(&(stat.st_dev, stat.st_ino)) {
            self.observer.note(note(NoteLevel::Info, path, "left out: the archives themselves are there"));
            return Ok(None);
        }
        if self.source.one_file_system && stat.st_dev != device {
            self.observer.note(note(NoteLevel::Info, path, "left out: another file system is mounted there"));
            return Ok(None);
        }
        if self.source.exclude_caches && is_cache(inner.as_fd()) {
            return Ok(None);
        }
        match sys::names_in(&inner) {
            Ok(names) => Ok(Some((inner, names))),
            Err(e) => {
                self.observer.note(warning(path, format!("cannot be listed, its contents are missing: {}", e.desc())));
                Ok(None)
            }
        }
    }
}
