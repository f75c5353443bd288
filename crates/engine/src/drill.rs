//! A trial: restores a version into a scratch folder, then looks at what came out as if it were foreign.

use crate::archive::{Entry, EntryKind, IndexReader, compare_paths, xattr_digest};
use crate::error::EngineError;
use crate::gather::Version;
use crate::observer::Observer;
use crate::restore::{Overwrite, Owners, RestorePlan, restore};
use crate::seal::Access;
use crate::sys;
use backup_model::display_bytes;
use nix::libc;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What to try.
#[derive(Clone, Debug)]
pub struct DrillPlan {
    /// The archive.
    pub archive: PathBuf,
    /// A folder of its own for what comes out; it must not exist, and is removed by the caller.
    pub scratch: PathBuf,
    /// Share of the files to restore, in percent; 100 is everything.
    pub percent: f64,
    /// Chooses the sample.
    pub seed: u64,
    /// What opens encrypted archives.
    pub access: Access,
}

/// What a trial came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrillReport {
    /// Entries restored and compared.
    pub entries: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// What came out otherwise than it went in, the first hundred; none means that the version is proven.
    pub mismatches: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// Whether owners, devices and attributes of the system were compared too: only root can restore them.
    pub as_root: bool,
}

/// No more files than this make a sample, so that it fits into memory.
const MAX_SAMPLE: usize = 100_000;

fn sample(index: &IndexReader, plan: &DrillPlan) -> Result<Vec<Vec<u8>>, EngineError> {
    let part = (plan.percent / 100.0 * u32::MAX as f64) as u32;
    let mut paths = Vec::new();
    let mut smallest: Option<(u32, Vec<u8>)> = None;
    for entry in index.all() {
        let entry = entry?;
        if entry.kind != EntryKind::File || entry.offset.is_none() {
            continue;
        }
        let mut hash = blake3::Hasher::new();
        hash.update(&plan.seed.to_le_bytes());
        hash.update(&entry.path);
        let [a, b, c, d, ..] = *hash.finalize().as_bytes();
        let number = u32::from_le_bytes([a, b, c, d]);
        if number <= part && paths.len() < MAX_SAMPLE {
            paths.push(entry.path);
        } else if smallest.as_ref().is_none_or(|(n, _)| number < *n) {
            smallest = Some((number, entry.path));
        }
    }
    // At least one file, if there is any.
    if paths.is_empty() {
        paths.extend(smallest.map(|(_, path)| path));
    }
    Ok(paths)
}

/// Restores a version, or a sample of its files, and compares every entry that came out with the index: kind,
/// contents (read back), size, mode, time, link target, extended attributes, and as root the owner.
///
/// # Errors
/// An archive is damaged or missing, or the scratch folder cannot be used. A mismatch is no error but in the
/// report.
pub fn drill(plan: &DrillPlan, observer: &dyn Observer) -> Result<DrillReport, EngineError> {
    let parent = plan.scratch.parent().unwrap_or(Path::new("/"));
    let version = Version::open(&plan.archive, parent, &plan.access, observer)?;
    let everything = plan.percent >= 100.0;
    let paths = if everything { Vec::new() } else { sample(&version.index, plan)? };
    let mut report = DrillReport { as_root: nix::unistd::geteuid().is_root(), ..DrillReport::default() };
    if !everything && paths.is_empty() {
        return Ok(report);
    }
    std::fs::create_dir(&plan.scratch).map_err(EngineError::io("make the folder", &plan.scratch))?;
    let restoring = RestorePlan {
        archive: plan.archive.clone(),
        target: plan.scratch.clone(),
        paths: paths.clone(),
        overwrite: Overwrite::Never,
        dry_run: false,
        max_entries: None,
        max_bytes: None,
        skip_damaged: false,
        patterns: Vec::new(),
        strip: 0,
        owners: Owners::default(),
        access: plan.access.clone(),
    };
    restore(&restoring, observer)?;
    let root = sys::open_root(&plan.scratch).map_err(|e| EngineError::io("open", &plan.scratch)(e.into()))?;
    let mut wanted = paths.iter().peekable();
    for entry in version.index.all() {
        let entry = entry?;
        if observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        if !everything {
            while wanted.peek().is_some_and(|p| compare_paths(p, &entry.path).is_lt()) {
                wanted.next();
            }
            if wanted.peek().is_none_or(|p| **p != entry.path) {
                continue;
            }
        }
        if entry.offset.is_none() || entry.path == b"." {
            continue;
        }
        if !report.as_root && matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
            continue;
        }
        report.entries += 1;
        if let Err(what) = compare(&root, &entry, &version.index, report.as_root) {
            report.count += 1;
            if report.mismatches.len() < 100 {
                report.mismatches.push(format!("{}: {what}", display_bytes(&entry.path)));
            }
        }
        if entry.kind == EntryKind::File {
            report.files += 1;
            report.bytes += entry.size;
        }
        observer.progress(report.files, report.bytes, 0, &entry.path);
    }
    Ok(report)
}

/// Says in what an entry that was restored differs from its line of the index.
fn compare(root: &OwnedFd, entry: &Entry, index: &IndexReader, as_root: bool) -> Result<(), String> {
    let parts: Vec<&[u8]> = entry.path.split(|b| *b == b'/').collect();
    let Some((name, folders)) = parts.split_last() else { return Ok(()) };
    let mut dir = sys::open_dir_at(root, b".").map_err(|e| e.desc().to_owned())?;
    for folder in folders {
        dir = sys::open_dir_at(&dir, folder).map_err(|e| format!("its folder is not there: {}", e.desc()))?;
    }
    let stat = sys::stat_at(&dir, name).map_err(|e| format!("it is not there: {}", e.desc()))?;
    let first;
    let line = if entry.kind == EntryKind::HardLink {
        first = index.get(&entry.link).ok().flatten().ok_or("the file that it is a further name of is not in the index")?;
        &first
    } else {
        entry
    };
    let format = match line.kind {
        EntryKind::File | EntryKind::HardLink => libc::S_IFREG,
        EntryKind::Symlink => libc::S_IFLNK,
        EntryKind::CharDevice => libc::S_IFCHR,
        EntryKind::BlockDevice => libc::S_IFBLK,
        EntryKind::Folder => libc::S_IFDIR,
        EntryKind::Fifo => libc::S_IFIFO,
        EntryKind::Socket => return Ok(()),
    };
    if stat.st_mode & libc::S_IFMT != format {
        return Err("it is of another kind".into());
    }
    if sys::mtime(&stat) != line.mtime {
        return Err("its time is another".into());
    }
    if as_root && (stat.st_uid, stat.st_gid) != (line.uid, line.gid) {
        return Err("its owner is another".into());
    }
    // Without root a file of somebody else loses its setuid bits, on purpose.
    let mask = if as_root { 0o7777 } else { 0o1777 };
    if line.kind != EntryKind::Symlink && stat.st_mode & mask != line.mode & mask {
        return Err(format!("its mode is {:o} instead of {:o}", stat.st_mode & mask, line.mode & mask));
    }
    if line.kind == EntryKind::Symlink {
        let target = sys::read_link_at(&dir, name).map_err(|e| e.desc().to_owned())?;
        return if target == line.link { Ok(()) } else { Err("its target is another".into()) };
    }
    if as_root && matches!(line.kind, EntryKind::File | EntryKind::Folder) {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(sys::proc_path(dir.as_fd(), name));
        let xattrs = opened.and_then(sys::xattrs_of).map_err(|e| e.to_string())?;
        if xattr_digest(&xattrs) != line.xattrs {
            return Err("its extended attributes are others".into());
        }
    }
    if line.kind != EntryKind::File {
        return Ok(());
    }
    if stat.st_size as u64 != line.size {
        return Err(format!("it has {} bytes instead of {}", stat.st_size, line.size));
    }
    let file = sys::open_file_at(&dir, name).map_err(|e| e.desc().to_owned())?;
    contents(&file, line)
}

/// Compares the contents of a restored file with the hash of its line. Of a file stored with holes the map is
/// not in the index: there the restore itself has compared the hash, and the size has to do.
fn contents(file: &File, line: &Entry) -> Result<(), String> {
    if line.sparse {
        return Ok(());
    }
    let mut hash = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    if line.hash == Some(*hash.finalize().as_bytes()) { Ok(()) } else { Err("its contents are others".into()) }
}
