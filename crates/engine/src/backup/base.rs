//! The base of an increment: the index of the archive before it, and what counts as unchanged.

use super::BackupPlan;
use crate::archive::{ArchiveRef, Entry, EntryKind, IndexReader, Lineage, compare_paths, sums_of};
use crate::error::EngineError;
use crate::seal::Access;
use crate::source::Found;
use crate::store::{index_path, read_manifest};
use crate::sys;
use backup_model::{ArchiveId, Detect, Manifest};
use nix::libc;
use std::cmp::Ordering;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What an increment builds on.
#[derive(Clone, Debug)]
pub struct BaseArchive {
    /// The archive.
    pub archive: PathBuf,
    /// What opens its index.
    pub access: Access,
}

/// A base that was found fit.
pub(super) struct Base {
    pub(super) id: ArchiveId,
    pub(super) index: IndexReader,
    /// The archives that entries of the increment may lie in.
    pub(super) archives: Vec<ArchiveRef>,
    /// Its index file and the SHA-256 that its sidecar gives. That of an encrypted archive is of the encrypted
    /// index; a clear copy has the checksums of its blocks only.
    sum: Option<(PathBuf, String)>,
}

/// Digest of what is to be copied and left out, and of how it is encrypted: who changes a key wants no archive
/// that still needs the old one.
pub(super) fn fingerprint(plan: &BackupPlan) -> [u8; 16] {
    let BackupPlan { source, roots, .. } = plan;
    let mut hash = blake3::Hasher::new();
    let mut list = |what: &str, words: &mut dyn Iterator<Item = &[u8]>| {
        hash.update(what.as_bytes());
        for word in words {
            hash.update(&(word.len() as u64).to_le_bytes());
            hash.update(word);
        }
    };
    list("sources", &mut roots.iter().map(|r| r.as_os_str().as_bytes()));
    list("exclude", &mut source.exclude.iter().map(String::as_bytes));
    list("ignore files", &mut source.ignore_files.iter().map(String::as_bytes));
    list("presets", &mut source.presets.iter().map(|p| p.as_str().as_bytes()));
    let flags = format!(
        "{} {} {:?}{}",
        source.exclude_caches,
        source.one_file_system,
        source.max_file_size,
        if source.sqlite { " sqlite" } else { "" }
    );
    list("flags", &mut std::iter::once(flags.as_bytes()));
    if let Some(seal) = &plan.seal {
        let described = seal.described();
        list("encryption", &mut described.to.iter().map(String::as_bytes));
        list(if described.passphrase { "passphrase" } else { "keys only" }, &mut std::iter::empty());
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    out
}

/// Whether an archive's file is there with the size that its sidecar gives.
fn there(archive: &Path) -> Result<Manifest, String> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = match read_manifest(archive) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(format!("the sidecar of {name} is missing")),
        Err(e) => return Err(e.to_string()),
    };
    match archive.metadata() {
        Err(e) => Err(format!("{name} cannot be read: {e}")),
        Ok(meta) if meta.len() != manifest.archive.size => {
            Err(format!("{name} is damaged: it has {} bytes instead of {}", meta.len(), manifest.archive.size))
        }
        Ok(_) => Ok(manifest),
    }
}

/// Opens the base of an increment; the error says why there can be none.
pub(super) fn open(base: &BaseArchive, plan: &BackupPlan) -> Result<Base, String> {
    let folder = base.archive.parent().unwrap_or(Path::new("/"));
    if folder != plan.folder {
        return Err("the last archive lies in another folder".into());
    }
    let manifest = there(&base.archive)?;
    let expected = manifest.index.as_ref().ok_or_else(|| format!("{} has no index", manifest.archive.name))?;
    let index = match base.access.index(&base.archive, Some(&manifest)) {
        Ok(Some(index)) => index,
        Ok(None) => return Err(format!("the index of {} is missing", manifest.archive.name)),
        Err(EngineError::NoKey { .. }) => {
            return Err(format!(
                "there is neither a clear copy of the index of {} here nor a key that opens it",
                manifest.archive.name
            ));
        }
        Err(e) => return Err(e.to_string()),
    };
    if index.lineage.fingerprint == [0; 16] {
        return Err("the last archive does not say what was to be copied (an older version made it)".into());
    }
    if index.lineage.fingerprint != fingerprint(plan) {
        return Err("the sources, what is left out of them or the encryption have changed".into());
    }
    for beneath in &index.lineage.archives {
        if there(&folder.join(&beneath.name))?.id != beneath.id {
            return Err(format!("{} is not the archive that the chain was built on", beneath.name));
        }
    }
    let mut archives = index.lineage.archives.clone();
    archives.push(ArchiveRef { id: manifest.id, name: manifest.archive.name.clone() });
    let sum = manifest.encryption.is_none().then(|| (index_path(&base.archive), expected.sha256.clone()));
    Ok(Base { id: manifest.id, index, archives, sum })
}

impl Base {
    /// Whether the index is what its sidecar says: checked beside the work, which counts only if it is.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let Some((path, expected)) = &self.sum else { return Ok(()) };
        let file = File::open(path).map_err(EngineError::io("open", path))?;
        let sums = sums_of(&file, false, &mut |_| Ok(())).map_err(EngineError::io("read", path))?;
        if sums.sha256 == *expected {
            Ok(())
        } else {
            Err(EngineError::damaged(path, "its SHA-256 is not the one of the sidecar"))
        }
    }

    /// What the increment's index says of the archives beneath it.
    pub(super) fn lineage(&self, fingerprint: [u8; 16]) -> Lineage {
        Lineage { archives: self.archives.clone(), fingerprint }
    }

    /// An entry of the base as the increment's index holds it: places in the base itself get its number.
    fn carried(&self, mut entry: Entry) -> Entry {
        if entry.archive == 0 && entry.offset.is_some() {
            entry.archive = self.archives.len() as u32;
        }
        entry
    }
}

/// Entries of the base, decoded on a thread of their own.
pub(super) struct BaseEntries<'a> {
    base: &'a Base,
    blocks: Receiver<Result<Vec<Entry>, EngineError>>,
    block: std::vec::IntoIter<Entry>,
    next: Option<Entry>,
}

/// Decodes the base's blocks until nobody takes them any more.
pub(super) fn decode(base: &Base, out: &SyncSender<Result<Vec<Entry>, EngineError>>) {
    for n in 0..base.index.blocks() {
        if out.send(base.index.block(n)).is_err() {
            return;
        }
    }
}

impl<'a> BaseEntries<'a> {
    pub(super) fn new(base: &'a Base) -> (Self, SyncSender<Result<Vec<Entry>, EngineError>>) {
        let (to, blocks) = sync_channel(4);
        (Self { base, blocks, block: Vec::new().into_iter(), next: None }, to)
    }

    fn advance(&mut self) -> Result<Option<Entry>, EngineError> {
        loop {
            if let Some(entry) = self.block.next() {
                return Ok(Some(entry));
            }
            match self.blocks.recv() {
                Ok(block) => self.block = block?.into_iter(),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The base's entry at a path; paths are asked for in order.
    pub(super) fn at(&mut self, path: &[u8]) -> Result<Option<Entry>, EngineError> {
        loop {
            let entry = match self.next.take() {
                Some(entry) => entry,
                None => match self.advance()? {
                    Some(entry) => entry,
                    None => return Ok(None),
                },
            };
            match compare_paths(&entry.path, path) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(self.base.carried(entry))),
                Ordering::Greater => {
                    self.next = Some(entry);
                    return Ok(None);
                }
            }
        }
    }
}

/// Whether what was found is what the base holds, by all that `detect` looks at.
pub(super) fn unchanged(old: &Entry, found: &Found, kind: EntryKind, detect: &Detect) -> bool {
    let stat = &found.stat;
    let device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    old.kind == kind
        && (old.offset.is_some() || kind == EntryKind::Socket)
        // What was not read exactly is read again.
        && !old.inexact
        && (!detect.size || old.size == size_of(found, kind))
        && (!detect.mtime || old.mtime == sys::mtime(stat))
        && (!detect.ctime || old.ctime == sys::ctime(stat))
        && (!detect.inode || old.inode == stat.st_ino)
        && (!detect.mode || old.mode == stat.st_mode & 0o7777)
        && (!detect.owner || (old.uid, old.gid) == (stat.st_uid, stat.st_gid))
        && (!device || old.device == (libc::major(stat.st_rdev), libc::minor(stat.st_rdev)))
}

/// The size that the index gives to an entry.
fn size_of(found: &Found, kind: EntryKind) -> u64 {
    match kind {
        EntryKind::File | EntryKind::HardLink => found.stat.st_size as u64,
        _ => 0,
    }
}
