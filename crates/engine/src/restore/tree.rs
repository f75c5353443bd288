//! The target of a restore as a chain of open folders. Every step is one name in one open folder,
//! links are never followed, so nothing that is swapped meanwhile leads out of the target.

use crate::archive::EntryHeader;
use crate::sys;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// An open folder of the target. Work in it holds it; who lets it go last completes it.
pub(super) struct Folder {
    pub(super) dir: OwnedFd,
    /// What to give it when its contents are complete.
    pub(super) meta: Option<EntryHeader>,
    /// Whether this restore made it, so that nothing of others stands in it.
    pub(super) fresh: bool,
}

/// The open folders from the target down to where work goes on.
pub(super) struct Tree {
    root: Arc<Folder>,
    levels: Vec<(Vec<u8>, Arc<Folder>)>,
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

impl Tree {
    pub(super) fn open(target: &Path) -> Result<Self, Errno> {
        let dir = open(target, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { root: Arc::new(Folder { dir, meta: None, fresh: false }), levels: Vec::new() })
    }

    /// The target itself.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.dir.as_fd()
    }

    fn last(&self) -> &Arc<Folder> {
        self.levels.last().map_or(&self.root, |l| &l.1)
    }

    /// Goes to the folder of these names; folders left on the way are given to `left`, innermost
    /// first. Missing folders are made with mode 0755, as parents only.
    pub(super) fn enter(
        &mut self,
        names: &[&[u8]],
        replace: bool,
        mut left: impl FnMut(Arc<Folder>),
    ) -> Result<Arc<Folder>, Blocked> {
        let same = self.levels.iter().zip(names).take_while(|(l, n)| l.0 == **n).count();
        while self.levels.len() > same {
            if let Some((_, folder)) = self.levels.pop() {
                left(folder);
            }
        }
        for name in &names[same..] {
            let (dir, fresh) = self.step(name, replace, 0o755)?;
            self.levels.push((name.to_vec(), Arc::new(Folder { dir, meta: None, fresh })));
        }
        Ok(Arc::clone(self.last()))
    }

    fn step(&self, name: &[u8], replace: bool, mode: u32) -> Result<(OwnedFd, bool), Blocked> {
        let parent = &self.last().dir;
        match sys::open_dir_at(parent, name) {
            Ok(dir) => return Ok((dir, false)),
            Err(Errno::ENOENT) => {}
            Err(Errno::ENOTDIR | Errno::ELOOP) if replace => unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)?,
            Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(Blocked::Taken),
            Err(e) => return Err(e.into()),
        }
        match mkdirat(parent, name, Mode::from_bits_truncate(mode)) {
            Ok(()) => Ok((sys::open_dir_at(parent, name)?, true)),
            Err(Errno::EEXIST) => Ok((sys::open_dir_at(parent, name)?, false)),
            Err(e) => Err(e.into()),
        }
    }

    /// Goes into a folder of the archive, making it if need be; its metadata follows when it is left.
    pub(super) fn enter_folder(&mut self, name: &[u8], replace: bool, meta: EntryHeader) -> Result<(), Blocked> {
        let (dir, fresh) = self.step(name, replace, 0o700)?;
        self.levels.push((name.to_vec(), Arc::new(Folder { dir, meta: Some(meta), fresh })));
        Ok(())
    }

    /// Leaves all folders.
    pub(super) fn leave(&mut self, mut left: impl FnMut(Arc<Folder>)) {
        while let Some((_, folder)) = self.levels.pop() {
            left(folder);
        }
    }

    /// A folder of the target, opened by names from its root without changing where work goes on.
    pub(super) fn find(&self, names: &[&[u8]]) -> Result<OwnedFd, Errno> {
        // Mostly a hard link names a file in a folder that is open anyway.
        let same = self.levels.iter().zip(names).take_while(|(l, n)| l.0 == **n).count();
        let start = if same == 0 { &self.root } else { &self.levels[same - 1].1 };
        let mut dir = sys::open_dir_at(&start.dir, b".")?;
        for name in &names[same..] {
            dir = sys::open_dir_at(&dir, name)?;
        }
        Ok(dir)
    }
}
