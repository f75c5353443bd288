//! Archives and the sidecar that describes each of them.

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

use crate::{DatabaseFacts, Form, Name, ParseWordError, RunId};

/// The id of an archive: a UUIDv7, so that ids sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArchiveId(pub Uuid);

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ArchiveId {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        Uuid::parse_str(text).map(Self).map_err(|_| ParseWordError::new(text, "archive id"))
    }
}

/// What an archive holds in relation to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Everything.
    Full,
    /// What changed since the last archive of any kind.
    Incremental,
    /// What changed since the last full archive.
    Differential,
}

impl Kind {
    /// The word in the API and the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Differential => "differential",
        }
    }

    /// The kind that an archive's file name tells.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let prefix = name.split_once('_')?.0;
        [Self::Full, Self::Incremental, Self::Differential].into_iter().find(|k| k.prefix() == prefix)
    }

    /// The beginning of an archive's file name.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "inc",
            Self::Differential => "diff",
        }
    }
}

impl FromStr for Kind {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        match text {
            "full" => Ok(Self::Full),
            "incremental" => Ok(Self::Incremental),
            "differential" => Ok(Self::Differential),
            _ => Err(ParseWordError::new(text, "kind (full, incremental, differential)")),
        }
    }
}

/// How the tar stream is compressed, with the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Independent gzip members (RFC 1952), level 1 to 12.
    Gzip(u8),
    /// Independent zstd frames (RFC 8878), level 1 to 19.
    Zstd(u8),
    /// A plain tar file.
    None,
}

impl Compression {
    /// What it adds to a file name, with its dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip(_) => ".gz",
            Self::Zstd(_) => ".zst",
            Self::None => "",
        }
    }

    /// The word for the method without its level.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
            Self::None => "none",
        }
    }

    /// The compression that a file name tells, that of an encrypted archive too.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        Form::of_file_name(name)?;
        let name = name.strip_suffix(".gpg").unwrap_or(name);
        [Self::Gzip(5), Self::Zstd(3), Self::None].into_iter().find(|c| name.ends_with(c.suffix()))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip(5) => f.write_str("gzip"),
            Self::Zstd(3) => f.write_str("zstd"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Compression {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        let error = || ParseWordError::new(text, "compression (gzip, gzip:1 to gzip:12, zstd, zstd:1 to zstd:19, none)");
        let (method, level) = match text.split_once(':') {
            Some((method, level)) => (method, Some(level.parse::<u8>().map_err(|_| error())?)),
            None => (text, None),
        };
        match (method, level) {
            ("gzip", level) => Some(level.unwrap_or(5)).filter(|l| (1..=12).contains(l)).map(Self::Gzip),
            ("zstd", level) => Some(level.unwrap_or(3)).filter(|l| (1..=19).contains(l)).map(Self::Zstd),
            ("none", None) => Some(Self::None),
            _ => None,
        }
        .ok_or_else(error)
    }
}

/// The version of the sidecar's schema that this program writes. The first had no `sum`.
pub const MANIFEST_VERSION: u32 = 2;

/// The sidecar beside an archive, `<archive>.json`: `doc/format.md` has the schema.
///
/// Fields that a newer program added are kept in `extra` and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the schema, 1 or 2.
    pub version: u32,
    /// The archive's id.
    pub id: ArchiveId,
    /// The schedule that made it.
    pub schedule: Name,
    /// The run that made it.
    pub run: RunId,
    /// Full, incremental or differential.
    pub kind: Kind,
    /// The archive that this one builds on.
    pub parent: Option<ArchiveId>,
    /// Why it is a full archive although the schedule makes increments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_because: Option<String>,
    /// `full`, `metadata` or `data`; files are always `full`.
    pub content: String,
    /// `tar`, or of a database `sql`, `custom` or `sqlite`.
    pub form: String,
    /// `completed` or `warning`.
    pub status: String,
    /// When the clock meant it to start.
    pub planned: Option<DateTime<FixedOffset>>,
    /// When reading began.
    pub started: DateTime<FixedOffset>,
    /// When the archive was complete.
    pub ended: DateTime<FixedOffset>,
    /// IANA name of the schedule's zone.
    pub timezone: String,
    /// The machine's host name.
    pub host: String,
    /// Program and version.
    pub tool: String,
    /// The absolute paths that were copied.
    pub sources: Vec<String>,
    /// The patterns that were left out.
    pub exclude: Vec<String>,
    /// Regular files (hard links to a file already stored count too).
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Symbolic links, fifos, devices and sockets.
    pub others: u64,
    /// Bytes of file contents, holes included.
    pub bytes: u64,
    /// What of that is in this archive itself; the rest is in those beneath it. Only increments have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// How many entries could not be kept exactly; the run's log names each.
    pub warnings: u64,
    /// The first hundred of them.
    pub notes: Vec<Note>,
    /// What it holds of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFacts>,
    /// How it is encrypted, if it is; then neither sources nor notes stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The archive file.
    pub archive: ArchiveFile,
    /// The index file.
    pub index: Option<IndexFile>,
    /// BLAKE3-256 of the sidecar with zeros for these digits, so that a change of any bit of it is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// What an increment holds itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Regular files and further names of files.
    pub files: u64,
    /// Symbolic links, fifos and devices.
    pub others: u64,
    /// Bytes of file contents, holes included.
    pub bytes: u64,
}

/// How an archive and its index are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `openpgp`.
    pub format: String,
    /// Fingerprints of the keys that it was encrypted to.
    pub to: Vec<String>,
    /// Whether a passphrase opens it.
    pub passphrase: bool,
}

/// The archive file as the sidecar describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFile {
    /// File name, beside the sidecar.
    pub name: String,
    /// `gzip`, `zstd` or `none`.
    pub compression: String,
    /// Bytes on disk.
    pub size: u64,
    /// Bytes of the stream inside.
    pub tar_size: u64,
    /// MD5 of the file, hexadecimal (RFC 1321), for comparison with older receivers.
    pub md5: String,
    /// SHA-256 of the file, hexadecimal (FIPS 180-4).
    pub sha256: String,
}

/// The index file as the sidecar describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexFile {
    /// File name, beside the sidecar.
    pub name: String,
    /// Bytes on disk.
    pub size: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// How much a note weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteLevel {
    /// Worth saying; nothing is missing.
    Info,
    /// Something was not kept or not restored exactly.
    Warning,
}

/// Something about one path that a run has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its weight.
    pub level: NoteLevel,
    /// The path, made safe to show.
    pub path: String,
    /// What happened and why.
    pub text: String,
}

/// An archive as the catalogue remembers it.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveRecord {
    /// What its sidecar says.
    pub manifest: Manifest,
    /// Absolute path of the archive file.
    pub path: String,
    /// Whether the file is no longer there: copies in destinations are all there is.
    pub away: bool,
    /// When it was taken in, by this machine's clock.
    pub taken_in: DateTime<chrono::Utc>,
    /// Retention never removes a pinned archive.
    pub pinned: bool,
    /// Last verification: when, deep or not, and whether it passed.
    pub verified: Option<(DateTime<FixedOffset>, bool, bool)>,
}
