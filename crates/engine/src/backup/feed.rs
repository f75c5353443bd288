//! Between the walk and the readers: tells further names of a file and what is unchanged since the base.

use super::BackupPlan;
use super::base::{BaseEntries, unchanged};
use super::links::LinkTable;
use super::prepare::{Batch, Item, PreparedBatch, prepare};
use crate::archive::{Entry, EntryKind};
use crate::error::EngineError;
use crate::observer::{Observer, warning};
use crate::parallel::{Feed, Pool, Results, cores, ordered};
use crate::source::{Found, LiveDatabases, Visit};
use nix::libc;

/// Threads that open and read what the walk finds.
pub(super) fn readers(
    pool: &Pool,
    live: Option<&LiveDatabases>,
) -> std::io::Result<(Feed<Batch, PreparedBatch>, Results<PreparedBatch>)> {
    // More than there are cores: a disk serves several better than one.
    let threads = (2 * cores()).clamp(2, 16);
    let workers = (0..threads)
        .map(|_| {
            let (pool, live) = (pool.clone(), live.cloned());
            move |batch: Batch| prepare(batch, &pool, live.as_ref())
        })
        .collect();
    ordered("read", 2 * threads, workers)
}

/// Gives what the walk finds to the readers.
pub(super) struct Feeder<'a> {
    feed: Feed<Batch, PreparedBatch>,
    batch: Batch,
    links: LinkTable,
    base: Option<BaseEntries<'a>>,
    plan: &'a BackupPlan,
    observer: &'a dyn Observer,
}

fn kind_of(found: &Found) -> Option<EntryKind> {
    match found.stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Some(EntryKind::File),
        libc::S_IFDIR => Some(EntryKind::Folder),
        libc::S_IFLNK => Some(EntryKind::Symlink),
        libc::S_IFIFO => Some(EntryKind::Fifo),
        libc::S_IFCHR => Some(EntryKind::CharDevice),
        libc::S_IFBLK => Some(EntryKind::BlockDevice),
        libc::S_IFSOCK => Some(EntryKind::Socket),
        _ => None,
    }
}

impl<'a> Feeder<'a> {
    pub(super) fn new(
        feed: Feed<Batch, PreparedBatch>,
        plan: &'a BackupPlan,
        base: Option<BaseEntries<'a>>,
        observer: &'a dyn Observer,
    ) -> Self {
        Self { feed, batch: Batch::default(), links: LinkTable::new(&plan.folder), base, plan, observer }
    }

    pub(super) fn flush(&mut self) -> Result<(), EngineError> {
        // Nobody takes it when the work has failed, and then that failure counts.
        if self.feed.send(std::mem::take(&mut self.batch)) { Ok(()) } else { Err(EngineError::Cancelled) }
    }

    /// The base's entry of what was found, if it is unchanged, and the first name of the file if this is a
    /// further one.
    fn known(&mut self, found: &Found, kind: EntryKind) -> Result<(Option<Entry>, Option<Vec<u8>>), EngineError> {
        let old = match &mut self.base {
            Some(base) => base.at(&found.path)?,
            None => None,
        };
        let detect = &self.plan.detect;
        let same_as = |kind: EntryKind| old.as_ref().is_some_and(|old| unchanged(old, found, kind, detect));
        let same = same_as(kind);
        let stat = &found.stat;
        if stat.st_nlink > 1 && !matches!(kind, EntryKind::Folder | EntryKind::Socket) {
            let met = self.links.meet((stat.st_dev, stat.st_ino), stat.st_nlink, &found.path, same);
            let met = met.map_err(EngineError::io("keep the table of hard links in", &self.plan.folder))?;
            if let Some((first, first_same)) = met {
                // All names of a file go into the same archive, or the link between them would be lost where
                // archives are unpacked one after the other.
                let same = first_same && same_as(EntryKind::HardLink) && old.as_ref().is_some_and(|old| old.link == first);
                return Ok((old.filter(|_| same), Some(first)));
            }
        }
        // A folder always tells what it holds now.
        Ok((old.filter(|_| same && kind != EntryKind::Folder), None))
    }
}

impl Visit for Feeder<'_> {
    fn visit(&mut self, found: Found) -> Result<(), EngineError> {
        let Some(kind) = kind_of(&found) else {
            self.observer.note(warning(&found.path, "is of a kind that cannot be stored"));
            return Ok(());
        };
        let (same, first) = self.known(&found, kind)?;
        let compare = self.plan.detect.contents && first.is_none() && kind == EntryKind::File;
        let item = Item { found, kind, first, same: same.map(Box::new), compare };
        if self.batch.add(item) { self.flush() } else { Ok(()) }
    }
}
