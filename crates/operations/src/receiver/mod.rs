//! Other machines' archives: taken in, listed, read back. Who sends them can neither change nor remove what is here;
//! how long it stays is decided by this machine's rules and this machine's clock.
//!
//! They lie as S1 stored them, `FULL|INC|DIFF/<machine>/<profile>/<name>`, each with `<name>.received.json` beside it.

mod incoming;
mod keep;
mod resume;

pub use incoming::{Incoming, Part};
pub use resume::Resumable;

use crate::App;
use backup_config::ReceiverSettings;
use backup_engine::store::{INDEX_SUFFIX, SIDECAR_SUFFIX};
use backup_model::{Compression, Name, ReceivedType, format_size};
use chrono::{DateTime, Utc};
use incoming::Reserved;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands behind the name of an archive for what is known of its coming.
const RECORD_SUFFIX: &str = ".received.json";
/// Where files lie that are still coming.
const INCOMING: &str = ".incoming";
/// The machine of callers without a token, where the file lets them in.
pub const OPEN_MACHINE: &str = "open";

/// Why the receiver does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such file.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken, or somebody else is at it.
    #[error("{0}")]
    Exists(String),
    /// It is larger than is allowed.
    #[error("{0}")]
    TooLarge(String),
    /// It is not what its name says.
    #[error("{0}")]
    NotAnArchive(String),
    /// The disk's word.
    #[error("{0}")]
    Failed(String),
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> ReceiveError {
    let text = format!("cannot {what} {}", path.display());
    move |e| {
        tracing::error!("receiver: {text}: {e}");
        // Who sends need not know where this machine stores what.
        ReceiveError::Failed(match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the receiver's disk is full; tell its admin".into(),
            kind => format!("the receiver could not store or read it ({kind}); its log says more"),
        })
    }
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The machine that sends it.
    pub machine: Name,
    /// Full, incremental or differential.
    #[serde(rename = "type", with = "type_word")]
    pub kind: ReceivedType,
    /// What it is a backup of.
    pub profile: Name,
    /// The file's name.
    pub name: String,
}

mod type_word {
    use backup_model::ReceivedType;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(kind: &ReceivedType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ReceivedType, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// The archive that a file belongs to: itself, or the one it lies beside.
fn archive_of(name: &str) -> &str {
    [SIDECAR_SUFFIX, INDEX_SUFFIX].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name)
}

impl Place {
    /// Checks what somebody asked for.
    ///
    /// # Errors
    /// A name that could be misread as a path, or that no archive has.
    pub fn new(machine: &Name, kind: &str, profile: &str, name: &str) -> Result<Self, ReceiveError> {
        let kind = kind.parse().map_err(|e: backup_model::ParseWordError| ReceiveError::Invalid(e.to_string()))?;
        let profile = Name::new(profile).map_err(|e| ReceiveError::Invalid(format!("profile: {e}")))?;
        if name.is_empty() {
            return Err(ReceiveError::Invalid("the file has no name".into()));
        }
        if name.contains(['/', '\\']) || name.starts_with('.') || name.contains(char::is_control) {
            return Err(ReceiveError::Invalid(format!("{name:?} is no plain file name")));
        }
        if name.len() + RECORD_SUFFIX.len() > 255 {
            return Err(ReceiveError::Invalid("the name of the file is too long".into()));
        }
        if name.ends_with(RECORD_SUFFIX) || Compression::of_file_name(archive_of(name)).is_none() {
            return Err(ReceiveError::NotAnArchive(format!(
                "{name:?} has no name of an archive: .tar.gz, or another form that backupctl writes"
            )));
        }
        Ok(Self { machine: machine.clone(), kind, profile, name: name.to_owned() })
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join(self.kind.as_str()).join(self.machine.as_str()).join(self.profile.as_str())
    }

    fn path(&self, root: &Path) -> PathBuf {
        self.folder(root).join(&self.name)
    }
}

/// What is known of an archive that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Where it lies.
    #[serde(flatten)]
    pub place: Place,
    /// Bytes.
    pub size: u64,
    /// MD5, in hexadecimal.
    pub md5: String,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// When it came, by this machine's clock.
    pub received: DateTime<Utc>,
}

/// A file that can be read back: an archive, its sidecar or its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it lies.
    pub place: Place,
    /// Bytes.
    pub size: u64,
}

/// What the receiver remembers between requests.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Bytes of each machine in each folder, files that are still coming among them.
    used: Mutex<HashMap<(PathBuf, String), u64>>,
    /// Resumable uploads that somebody is sending to.
    busy: Mutex<HashSet<String>>,
}

/// The receiver as the file sets it up now.
#[derive(Clone)]
pub struct Receiver {
    app: App,
    root: PathBuf,
    settings: ReceiverSettings,
}

impl App {
    /// The receiver, if this home has one.
    #[must_use]
    pub fn receiver(&self) -> Option<Receiver> {
        let settings = self.file().receiver.clone()?;
        let root = self.home()?.root().join(&settings.dir);
        Some(Receiver { app: self.clone(), root, settings })
    }

    /// Puts the receiver in order, now and then each hour: what never came to its end is removed, and what its rules
    /// no longer keep.
    pub async fn run_receiver(&self) {
        let mut first = true;
        loop {
            if let Some(receiver) = self.receiver() {
                let done = tokio::task::spawn_blocking(move || {
                    receiver.sweep(first);
                    receiver.apply_keep_everywhere();
                });
                if let Err(e) = done.await {
                    tracing::error!("the receiver could not be put in order: {e}");
                }
            }
            first = false;
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        }
    }
}

/// Folders and files in a folder whose names are text; one that is not there holds none.
fn list(folder: &Path) -> Vec<(String, fs::Metadata)> {
    let mut out: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.metadata().ok()?)))
        .collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

impl Receiver {
    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &ReceiverSettings {
        &self.settings
    }

    /// Now, in this machine's zone.
    #[must_use]
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<chrono_tz::Tz> {
        at.with_timezone(&self.app.zone())
    }

    fn memory(&self) -> &Arc<Memory> {
        self.app.receiver_memory()
    }

    /// Profiles of a machine: the types and names of their folders.
    fn profiles(&self, machine: &Name) -> Vec<(ReceivedType, Name)> {
        let mut out = Vec::new();
        for kind in ReceivedType::ALL {
            let folder = self.root.join(kind.as_str()).join(machine.as_str());
            for (name, meta) in list(&folder) {
                if let Ok(profile) = Name::new(&name)
                    && meta.is_dir()
                {
                    out.push((*kind, profile));
                }
            }
        }
        out
    }

    /// Every file of a machine that can be read back.
    #[must_use]
    pub fn files(&self, machine: &Name) -> Vec<Stored> {
        let mut out = Vec::new();
        for (kind, profile) in self.profiles(machine) {
            let any = Place { machine: machine.clone(), kind, profile, name: String::new() };
            for (name, meta) in list(&any.folder(&self.root)) {
                if meta.is_file() && !name.ends_with(RECORD_SUFFIX) && Compression::of_file_name(archive_of(&name)).is_some() {
                    out.push(Stored { place: Place { name, ..any.clone() }, size: meta.len() });
                }
            }
        }
        out
    }

    /// Every archive of a machine with what is known of it.
    ///
    /// # Errors
    /// One of which nothing is known yet cannot be read.
    pub fn archives(&self, machine: &Name, kind: Option<ReceivedType>) -> Result<Vec<Received>, ReceiveError> {
        let files = self.files(machine).into_iter();
        let archives = files.filter(|s| archive_of(&s.place.name) == s.place.name && kind.is_none_or(|k| s.place.kind == k));
        archives.map(|s| self.known(&s)).collect()
    }

    /// What is known of an archive; where its record is lost, it is made again from the file.
    fn known(&self, stored: &Stored) -> Result<Received, ReceiveError> {
        let path = stored.place.path(&self.root);
        let record = record_path(&path);
        let read: Option<Received> = fs::read(&record).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(known) = read.filter(|r| r.size == stored.size && r.place == stored.place) {
            return Ok(known);
        }
        let file = File::open(&path).map_err(failed("read", &path))?;
        let received = file.metadata().and_then(|m| m.modified()).map_err(failed("read", &path))?;
        let (md5, sha256, size) = incoming::sums(&file).map_err(failed("read", &path))?;
        let known = Received { place: stored.place.clone(), size, md5, sha256, received: received.into() };
        self.write_record(&path, &known)?;
        Ok(known)
    }

    fn write_record(&self, path: &Path, known: &Received) -> Result<(), ReceiveError> {
        let record = record_path(path);
        let text = serde_json::to_vec_pretty(known).map_err(|e| ReceiveError::Failed(e.to_string()))?;
        let part = self.part_folder(&known.place.machine)?.join(format!("{}.record", uuid::Uuid::now_v7()));
        let write = || -> io::Result<()> {
            fs::write(&part, &text)?;
            File::open(&part)?.sync_all()?;
            fs::rename(&part, &record)
        };
        write().map_err(failed("write", &record))
    }

    /// The folder of a machine for files that are still coming.
    fn part_folder(&self, machine: &Name) -> Result<PathBuf, ReceiveError> {
        let folder = self.root.join(INCOMING).join(machine.as_str());
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        Ok(folder)
    }

    /// Begins to take a file in. Nothing of it is left unless it is published.
    ///
    /// # Errors
    /// The disk's word.
    pub fn begin(&self, machine: &Name) -> Result<Incoming, ReceiveError> {
        let part = self.part_folder(machine)?.join(format!("{}.part", uuid::Uuid::now_v7()));
        let limit = self.settings.max_upload;
        Incoming::begin(part, limit, self.reserved(machine))
    }

    fn reserved(&self, machine: &Name) -> Reserved {
        let key = (self.root.clone(), machine.to_string());
        {
            let mut used = self.memory().used.lock().unwrap_or_else(PoisonError::into_inner);
            used.entry(key.clone()).or_insert_with(|| {
                let coming: u64 = list(&self.root.join(INCOMING).join(machine.as_str())).iter().map(|(_, m)| m.len()).sum();
                coming + self.files(machine).iter().map(|s| s.size).sum::<u64>()
            });
        }
        Reserved::new(Arc::clone(self.memory()), key, self.settings.quota)
    }

    /// Has the bytes of a machine counted anew when it sends again.
    fn recount(&self, machine: &Name) {
        let key = (self.root.clone(), machine.to_string());
        self.memory().used.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Says why a place cannot be had, if it is taken.
    ///
    /// # Errors
    /// [`ReceiveError::Exists`].
    pub fn check_free(&self, place: &Place) -> Result<(), ReceiveError> {
        if place.path(&self.root).symlink_metadata().is_ok() {
            return Err(taken(place));
        }
        Ok(())
    }

    /// Gives a file that has come its name, if it is what the name says and nothing has it.
    ///
    /// # Errors
    /// [`ReceiveError`]; nothing is left of the file then.
    pub fn publish(&self, part: Part, place: &Place) -> Result<Received, ReceiveError> {
        let file = File::open(part.path()).map_err(failed("read", part.path()))?;
        let archive = archive_of(&place.name);
        if archive == place.name {
            backup_engine::recognise(&place.name, file)
        } else {
            backup_engine::recognise_beside(&place.name, file, archive)
        }
        .map_err(|e| ReceiveError::NotAnArchive(format!("{}: {e}", place.name)))?;
        let folder = place.folder(&self.root);
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        let path = place.path(&self.root);
        match backup_engine::store::rename_new(part.path(), &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(taken(place)),
            other => other.map_err(failed("store", &path))?,
        }
        let known = Received {
            place: place.clone(),
            size: part.size,
            md5: part.md5.clone(),
            sha256: part.sha256.clone(),
            received: self.app.now(),
        };
        part.keep();
        if archive == place.name {
            self.write_record(&path, &known)?;
        }
        backup_engine::store::sync_folder(&folder).map_err(|e| ReceiveError::Failed(e.to_string()))?;
        tracing::info!("received {} {} of {} ({})", place.kind.as_str(), place.name, place.machine, format_size(known.size));
        self.apply_keep(&place.machine, &place.profile);
        Ok(known)
    }

    /// The path of a file that can be read back.
    ///
    /// # Errors
    /// There is none.
    pub fn path_of(&self, place: &Place) -> Result<PathBuf, ReceiveError> {
        let path = place.path(&self.root);
        match path.symlink_metadata() {
            Ok(meta) if meta.is_file() => Ok(path),
            _ => Err(ReceiveError::NotFound(format!("there is no {} of the profile {}", place.name, place.profile))),
        }
    }

    /// Removes what never came to its end: uploads in one go at the start of the program, resumable ones after a week.
    fn sweep(&self, first: bool) {
        for (machine, meta) in list(&self.root.join(INCOMING)) {
            if !meta.is_dir() {
                continue;
            }
            let folder = self.root.join(INCOMING).join(&machine);
            let files = list(&folder);
            for (name, meta) in &files {
                let resumable =
                    name.split_once('.').is_some_and(|(id, _)| files.iter().any(|(n, _)| *n == resume::note_name(id)));
                let old = meta.modified().is_ok_and(|m| m.elapsed().is_ok_and(|age| age > resume::LASTS));
                let left = first && meta.modified().is_ok_and(|m| DateTime::<Utc>::from(m) < self.app.started());
                if if resumable { old } else { left || old } {
                    let path = folder.join(name);
                    match fs::remove_file(&path) {
                        Ok(()) => tracing::info!("removed {}, which never came to its end", path.display()),
                        Err(e) => tracing::warn!("cannot remove {}: {e}", path.display()),
                    }
                }
            }
        }
        self.memory().used.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn record_path(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(RECORD_SUFFIX);
    PathBuf::from(name)
}

fn taken(place: &Place) -> ReceiveError {
    ReceiveError::Exists(format!(
        "{} of the profile {} is here already; nothing is ever overwritten: send it under another name",
        place.name, place.profile
    ))
}
