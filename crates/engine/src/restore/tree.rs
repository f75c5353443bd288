//! The target of a restore as a chain of open folders. Every step is one name in one open folder,
//! links are never followed, so nothing that is swapped meanwhile leads out of the target.

use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

struct Level<M> {
    name: Vec<u8>,
    dir: OwnedFd,
    /// What to give the folder when its contents are complete.
    meta: Option<M>,
}

/// The open folders from the target down to where work goes on.
pub(super) struct Tree<M> {
    root: OwnedFd,
    levels: Vec<Level<M>>,
}

/// What stood in the way of a folder.
pub(super) enum Blocked {
    /// Something that is no folder, at this depth.
    Taken,
    /// The system's word.
    Sys(Errno),
}

impl From<Errno> for Blocked {
    fn from(e: Errno) -> Self {
        Self::Sys(e)
    }
}

impl<M> Tree<M> {
    pub(super) fn open(target: &Path) -> Result<Self, Errno> {
        let root = open(target, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { root, levels: Vec::new() })
    }

    fn last(&self) -> BorrowedFd<'_> {
        self.levels.last().map_or_else(|| self.root.as_fd(), |l| l.dir.as_fd())
    }

    /// Goes to the folder of these names; folders left on the way are given to `done`, innermost
    /// first. Missing folders are made with mode 0755 when they are parents only, else 0700.
    pub(super) fn enter(
        &mut self,
        names: &[&[u8]],
        replace: bool,
        mut done: impl FnMut(BorrowedFd<'_>, M),
    ) -> Result<BorrowedFd<'_>, Blocked> {
        let same = self.levels.iter().zip(names).take_while(|(l, n)| l.name == **n).count();
        while self.levels.len() > same {
            if let Some(Level { dir, meta: Some(meta), .. }) = self.levels.pop() {
                done(dir.as_fd(), meta);
            }
        }
        for name in &names[same..] {
            let dir = self.step(name, replace, 0o755)?;
            self.levels.push(Level { name: name.to_vec(), dir, meta: None });
        }
        Ok(self.last())
    }

    fn step(&self, name: &[u8], replace: bool, mode: u32) -> Result<OwnedFd, Blocked> {
        let parent = self.last();
        match sys::open_dir_at(parent, name) {
            Ok(dir) => return Ok(dir),
            Err(Errno::ENOENT) => {}
            Err(Errno::ENOTDIR | Errno::ELOOP) if replace => unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)?,
            Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(Blocked::Taken),
            Err(e) => return Err(e.into()),
        }
        match mkdirat(parent, name, Mode::from_bits_truncate(mode)) {
            Ok(()) | Err(Errno::EEXIST) => Ok(sys::open_dir_at(parent, name)?),
            Err(e) => Err(e.into()),
        }
    }

    /// Goes into a folder of the archive, making it if need be; its metadata follows when it is left.
    pub(super) fn enter_folder(&mut self, name: &[u8], replace: bool, meta: M) -> Result<(), Blocked> {
        let dir = self.step(name, replace, 0o700)?;
        self.levels.push(Level { name: name.to_vec(), dir, meta: Some(meta) });
        Ok(())
    }

    /// Leaves all folders.
    pub(super) fn leave(mut self, mut done: impl FnMut(BorrowedFd<'_>, M)) {
        while let Some(level) = self.levels.pop() {
            if let Some(meta) = level.meta {
                done(level.dir.as_fd(), meta);
            }
        }
    }

    /// A file of the target, opened by names from its root without changing where work goes on.
    pub(super) fn find(&self, names: &[&[u8]]) -> Result<OwnedFd, Errno> {
        let mut dir: Option<OwnedFd> = None;
        for name in names {
            let next = sys::open_dir_at(dir.as_ref().map_or(self.root.as_fd(), AsFd::as_fd), name)?;
            dir = Some(next);
        }
        dir.map_or_else(|| self.root.try_clone().map_err(|_| Errno::EMFILE), Ok)
    }
}

/// `linkat` that never follows.
pub(super) const NO_FOLLOW: AtFlags = AtFlags::empty();
