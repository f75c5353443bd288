//! Where archives lie: a folder for each schedule, with names that appear only when complete.

use crate::archive::write_encrypted;
use crate::error::EngineError;
use crate::parallel::Pool;
use crate::seal::{Recipients, local_index};
use backup_model::{ArchiveId, Compression, Kind, MANIFEST_VERSION, Manifest};
use chrono::{DateTime, FixedOffset};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Suffix of an index beside its archive.
pub const INDEX_SUFFIX: &str = ".idx";
/// Suffix of a sidecar beside its archive.
pub const SIDECAR_SUFFIX: &str = ".json";

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        use std::fmt::Write as _;
        let _ = write!(text, "{b:02x}");
        text
    })
}

/// The file name of an archive; ours are UTF-8.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The index of an archive.
#[must_use]
pub fn index_path(archive: &Path) -> PathBuf {
    with_suffix(archive, INDEX_SUFFIX)
}

/// The sidecar of an archive.
#[must_use]
pub fn sidecar_path(archive: &Path) -> PathBuf {
    with_suffix(archive, SIDECAR_SUFFIX)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn part_path(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.part"))
}

/// Files that are being written; unless all of them are published they are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Parts {
    archive: PathBuf,
    /// Without their names yet.
    pending: Vec<PathBuf>,
    /// With their names, while others have none.
    named: Vec<PathBuf>,
}

impl Parts {
    /// Picks a free name in the folder and begins the archive's part file. `taken` are names of archives that lie
    /// elsewhere.
    pub(crate) fn begin(
        folder: &Path,
        kind: Kind,
        time: DateTime<FixedOffset>,
        suffix: &str,
        taken: &[String],
    ) -> Result<(Self, File), EngineError> {
        fs::create_dir_all(folder).map_err(EngineError::io("make the folder", folder))?;
        let stem = format!("{}_{}", kind.prefix(), time.format("%Y-%m-%d_%H-%M-%S"));
        for n in 1..10_000 {
            let name = if n == 1 { format!("{stem}{suffix}") } else { format!("{stem}_{n}{suffix}") };
            let archive = folder.join(&name);
            if taken.contains(&name) {
                continue;
            }
            if archive.symlink_metadata().is_ok() || sidecar_path(&archive).symlink_metadata().is_ok() {
                continue;
            }
            let mut parts = Self { archive: archive.clone(), pending: Vec::new(), named: Vec::new() };
            match parts.create(&archive) {
                Ok(file) => return Ok((parts, file)),
                Err(EngineError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(EngineError::io("find a free name in", folder)(io::Error::from(io::ErrorKind::AlreadyExists)))
    }

    pub(crate) fn archive(&self) -> &Path {
        &self.archive
    }

    /// Begins a part file for a name beside the archive.
    pub(crate) fn create(&mut self, path: &Path) -> Result<File, EngineError> {
        let part = part_path(path);
        let file = OpenOptions::new().create_new(true).write(true).read(true).mode(0o640).open(&part);
        let file = file.map_err(EngineError::io("create", &part))?;
        self.pending.push(path.to_owned());
        Ok(file)
    }

    /// Gives every part its name, in the order in which they were begun: the sidecar, begun last,
    /// makes the archive count. All parts are synced before the first is renamed, so a crash between
    /// two renames leaves a set that [`sweep`] completes.
    pub(crate) fn publish(mut self, files: &[&File]) -> Result<PathBuf, EngineError> {
        for file in files {
            file.sync_all().map_err(EngineError::io("sync the parts of", &self.archive))?;
        }
        let folder = self.archive.parent().unwrap_or(Path::new("/")).to_owned();
        while let Some(path) = self.pending.first().cloned() {
            rename_new(&part_path(&path), &path).map_err(EngineError::io("name", &path))?;
            self.named.push(self.pending.remove(0));
        }
        sync_folder(&folder)?;
        self.named.clear();
        Ok(self.archive.clone())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // What cannot be removed now is swept at the next start; the sidecar goes first.
        for path in self.named.iter().rev() {
            let _ = fs::remove_file(path);
        }
        for path in &self.pending {
            let _ = fs::remove_file(part_path(path));
        }
    }
}

/// Files beside an archive that are made anew: written whole, synced, then put in the place of the old ones,
/// the sidecar last.
pub(crate) struct Replacement {
    archive: PathBuf,
    files: Vec<(File, PathBuf)>,
}

impl Replacement {
    pub(crate) fn new(archive: &Path) -> Self {
        Self { archive: archive.to_owned(), files: Vec::new() }
    }

    fn create(&mut self, path: &Path) -> Result<File, EngineError> {
        let part = part_path(path);
        // What an earlier try left is no use.
        let _ = fs::remove_file(&part);
        let file = OpenOptions::new().create_new(true).write(true).read(true).mode(0o640).open(&part);
        file.map_err(EngineError::io("create", &part))
    }

    /// The whole of a file, whatever its position.
    pub(crate) fn copy(&mut self, path: &Path, mut from: File) -> Result<(), EngineError> {
        let mut file = self.create(path)?;
        io::Seek::rewind(&mut from).and_then(|()| io::copy(&mut from, &mut file)).map_err(EngineError::io("write", path))?;
        self.files.push((file, path.to_owned()));
        Ok(())
    }

    /// The same, encrypted; answers size and SHA-256 of what was written.
    pub(crate) fn seal(&mut self, path: &Path, mut from: File, to: &Recipients) -> Result<(u64, String), EngineError> {
        let mut file = self.create(path)?;
        let sums = io::Seek::rewind(&mut from)
            .and_then(|()| write_encrypted(&mut file, to, from, Pool::default(), |_| {}))
            .map_err(EngineError::io("write", path))?;
        self.files.push((file, path.to_owned()));
        Ok((sums.size, sums.sha256))
    }

    pub(crate) fn manifest(&mut self, path: &Path, manifest: &Manifest) -> Result<(), EngineError> {
        let mut file = self.create(path)?;
        write_manifest(&mut file, manifest, path)?;
        self.files.push((file, path.to_owned()));
        Ok(())
    }

    pub(crate) fn publish(mut self) -> Result<(), EngineError> {
        for (file, path) in &self.files {
            file.sync_all().map_err(EngineError::io("sync", path))?;
        }
        for (_, path) in std::mem::take(&mut self.files) {
            fs::rename(part_path(&path), &path).map_err(EngineError::io("name", &path))?;
        }
        self.archive.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        for (_, path) in &self.files {
            let _ = fs::remove_file(part_path(path));
        }
    }
}

/// Renames without ever replacing anything.
///
/// # Errors
/// The system's word; `AlreadyExists` if the name is taken.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some file systems (NFS, FUSE) do not know the flag: a hard link never replaces either.
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

/// Makes names in a folder survive a power cut.
///
/// # Errors
/// The system's word.
pub fn sync_folder(folder: &Path) -> Result<(), EngineError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(EngineError::io("sync the folder", folder))
}

/// What stands before the digits of a sidecar's own sum, and how many they are.
const SUM: &[u8] = b"\n  \"sum\": \"";
const SUM_DIGITS: usize = 64;

/// Where the digits of the sum stand in a sidecar.
fn place_of_sum(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = text.windows(SUM.len()).rposition(|w| w == SUM)? + SUM.len();
    (start + SUM_DIGITS <= text.len()).then_some(start..start + SUM_DIGITS)
}

/// The sum that a sidecar carries: of its bytes, with zeros for the digits of the sum.
fn sum_of(text: &[u8], place: &std::ops::Range<usize>) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(&text[..place.start]);
    hash.update(&[b'0'; SUM_DIGITS]);
    hash.update(&text[place.end..]);
    hash.finalize().to_hex().to_string()
}

/// Reads the text of a sidecar.
///
/// # Errors
/// What is wrong with it.
pub fn parse_manifest(text: &[u8]) -> Result<Manifest, String> {
    let manifest: Manifest = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    match (manifest.version, place_of_sum(text)) {
        (1, None) if manifest.sum.is_none() => Ok(manifest),
        (MANIFEST_VERSION, Some(place)) if sum_of(text, &place).as_bytes() == &text[place.clone()] => Ok(manifest),
        (1 | MANIFEST_VERSION, _) => Err("its own checksum does not fit it".to_owned()),
        (version, _) => Err(format!("it has version {version}, which this program does not know; use the newer program")),
    }
}

/// Writes a sidecar's text into its part file.
pub(crate) fn write_manifest(file: &mut File, manifest: &Manifest, path: &Path) -> Result<(), EngineError> {
    let manifest = Manifest { version: MANIFEST_VERSION, sum: Some("0".repeat(SUM_DIGITS)), ..manifest.clone() };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|e| EngineError::damaged(path, e))?;
    text.push(b'\n');
    let place = place_of_sum(&text).ok_or_else(|| EngineError::damaged(path, "it has no place for its sum"))?;
    let sum = sum_of(&text, &place);
    text[place].copy_from_slice(sum.as_bytes());
    file.write_all(&text).map_err(EngineError::io("write", path))
}

/// Reads the sidecar of an archive; `None` if it has none.
///
/// # Errors
/// The system's word, or [`EngineError::Damaged`].
pub fn read_manifest(archive: &Path) -> Result<Option<Manifest>, EngineError> {
    let path = sidecar_path(archive);
    match fs::read(&path) {
        Ok(bytes) => parse_manifest(&bytes).map(Some).map_err(|e| EngineError::damaged(&path, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EngineError::io("read", &path)(e)),
    }
}

/// An archive's path and what its sidecar says.
pub type FoundArchive = (PathBuf, Result<Manifest, EngineError>);

/// Archives in a schedule's folder that have a sidecar, by name; damaged sidecars are answered as
/// errors beside them. A folder that is not there holds none.
///
/// # Errors
/// The folder cannot be read.
pub fn archives_in(folder: &Path) -> Result<Vec<FoundArchive>, EngineError> {
    let mut found = Vec::new();
    for name in names(folder)? {
        let Some(archive) = name.strip_suffix(SIDECAR_SUFFIX).filter(|n| !n.starts_with('.')) else { continue };
        let archive = folder.join(archive);
        if let Some(manifest) = read_manifest(&archive).transpose() {
            found.push((archive, manifest));
        }
    }
    Ok(found)
}

/// Files in a folder that have the name of an archive, whether they have a sidecar or not.
///
/// # Errors
/// The folder cannot be read.
pub fn archive_files(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let ours =
        |name: &String| !name.starts_with('.') && Compression::of_file_name(name).is_some() && Kind::of_file_name(name).is_some();
    Ok(names(folder)?.into_iter().filter(ours).map(|name| folder.join(name)).collect())
}

fn names(folder: &Path) -> Result<Vec<String>, EngineError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(EngineError::io("read the folder", folder)(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(EngineError::io("read the folder", folder))?;
        // Archives have names of ours, which are UTF-8; anything else is not ours to touch.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Cleans a schedule's folder after a crash: sets whose parts were all complete are given their
/// names, other parts are removed. The caller holds the schedule's lock. Answers what was done.
///
/// # Errors
/// The system's word on the first thing that could not be done.
pub fn sweep(folder: &Path) -> Result<Vec<String>, EngineError> {
    let mut done = Vec::new();
    let names = names(folder)?;
    let parts = || names.iter().filter_map(|n| n.strip_prefix('.').and_then(|n| n.strip_suffix(".part")).map(|t| (n, t)));
    for (part, target) in parts() {
        let Some(archive) = target.strip_suffix(SIDECAR_SUFFIX) else { continue };
        let archive = folder.join(archive);
        let manifest: Option<Manifest> = fs::read(folder.join(part)).ok().and_then(|b| parse_manifest(&b).ok());
        let complete = manifest.is_some_and(|m| {
            let index = index_path(&archive);
            let fits = |path: &Path, size: u64| fs::metadata(path).is_ok_and(|f| f.len() == size);
            fits(&archive, m.archive.size) && m.index.is_none_or(|i| fits(&index, i.size) || fits(&part_path(&index), i.size))
        });
        if complete {
            let index = index_path(&archive);
            if part_path(&index).exists() {
                rename_new(&part_path(&index), &index).map_err(EngineError::io("name", &index))?;
            }
            rename_new(&folder.join(part), &sidecar_path(&archive)).map_err(EngineError::io("name", &archive))?;
            done.push(format!("completed {}", archive.display()));
        }
    }
    for (part, _) in parts() {
        let path = folder.join(part);
        // A folder holds the copy of a database that was not finished.
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Ok(()) => done.push(format!("removed {}", path.display())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(EngineError::io("remove", &path)(e)),
        }
    }
    if !done.is_empty() {
        sync_folder(folder)?;
    }
    Ok(done)
}

/// Removes an archive: sidecar first, so that what is left of a crash does not count as an archive.
/// What is already gone is no error. The clear index of an encrypted one lies in `local`.
///
/// # Errors
/// The system's word on the first file that could not be removed.
pub fn remove(archive: &Path, id: ArchiveId, local: Option<&Path>) -> Result<(), EngineError> {
    let clear = local.map(|folder| local_index(folder, id));
    for path in [sidecar_path(archive), index_path(archive), archive.to_owned()].into_iter().chain(clear) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(EngineError::io("remove", &path)(e)),
            _ => {}
        }
    }
    archive.parent().map_or(Ok(()), sync_folder)
}
