//! Runs: what was done, when, why, and how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

use crate::{ArchiveId, Kind, Manifest};

/// A word that is not one of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}")]
pub struct ParseWordError {
    word: String,
    what: &'static str,
}

impl ParseWordError {
    pub(crate) fn new(word: &str, what: &'static str) -> Self {
        Self { word: word.to_owned(), what }
    }
}

/// The id of a run: a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = ParseWordError;
    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        Uuid::parse_str(text).map(Self).map_err(|_| ParseWordError::new(text, "run id"))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[$vdoc])* $variant,)* }

        impl $type {
            /// All words, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the API and the catalogue.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $type {
            type Err = ParseWordError;
            fn from_str(text: &str) -> Result<Self, ParseWordError> {
                match text { $($word => Ok(Self::$variant),)* _ => Err(ParseWordError::new(text, $what)) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }
    };
}

pub(crate) use words;

words! {
    /// What a run does.
    Operation, "operation (backup, restore, verify, prune, drill, scrub, consolidate, rebuild)" {
        /// Makes an archive.
        Backup = "backup",
        /// Brings files back.
        Restore = "restore",
        /// Checks archives.
        Verify = "verify",
        /// Removes archives by the retention rules.
        Prune = "prune",
        /// Restores a version for a trial.
        Drill = "drill",
        /// Reads a share of the archives back.
        Scrub = "scrub",
        /// Makes a full archive out of a chain.
        Consolidate = "consolidate",
        /// Makes indexes and sidecars again.
        Rebuild = "rebuild",
    }
}

words! {
    /// Where a run stands.
    RunStatus, "status (pending, running, completed, warning, failed, cancelled)" {
        /// Waits for its turn.
        Pending = "pending",
        /// Is at work.
        Running = "running",
        /// Did everything.
        Completed = "completed",
        /// Did its work, but something is named as missing or inexact.
        Warning = "warning",
        /// Did not do its work.
        Failed = "failed",
        /// Was stopped on request.
        Cancelled = "cancelled",
    }
}

words! {
    /// What started a run.
    Cause, "trigger (schedule, catch_up, manual)" {
        /// The clock, on time.
        Schedule = "schedule",
        /// The clock, to make up for a run that was missed.
        CatchUp = "catch_up",
        /// Somebody asked.
        Manual = "manual",
    }
}

words! {
    /// What an alert is about.
    AlertKind, "kind of alert" {
        /// A run failed.
        Failure = "failure",
        /// A run completed with warnings.
        Warning = "warning",
        /// A run completed.
        Success = "success",
        /// A run completed after the one before it failed.
        Recovery = "recovery",
        /// A planned run did not happen and is not made up for.
        Missed = "missed",
        /// A schedule has had no good backup for longer than it should.
        Stale = "stale",
        /// A disk fills up.
        Disk = "disk",
        /// An archive is damaged or missing.
        Damaged = "damaged",
        /// A version could not be restored for a trial, or came out otherwise than it went in.
        DrillFailed = "drill_failed",
        /// Nothing: somebody tries a notifier.
        Test = "test",
    }
}

impl AlertKind {
    /// Whether it says that something is well.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Success | Self::Recovery | Self::Test)
    }
}

/// Something that somebody should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its id: a UUIDv7.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// What it is about.
    pub kind: AlertKind,
    /// The schedule, or what else it is about.
    pub name: String,
    /// The run that found it.
    pub run: Option<RunId>,
    /// What is wrong, and what to do.
    pub text: String,
}

/// Statuses by what they mean for somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusGroup {
    /// Pending or running.
    Open,
    /// Completed, perhaps with warnings.
    Good,
    /// Failed or cancelled.
    Bad,
}

impl RunStatus {
    /// The group of this status.
    #[must_use]
    pub fn group(self) -> StatusGroup {
        match self {
            Self::Pending | Self::Running => StatusGroup::Open,
            Self::Completed | Self::Warning => StatusGroup::Good,
            Self::Failed | Self::Cancelled => StatusGroup::Bad,
        }
    }
}

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Everything else.
    pub others: u64,
    /// Bytes of contents.
    pub bytes: u64,
    /// Bytes of the archive.
    pub stored: u64,
    /// Warnings.
    pub warnings: u64,
    /// Tables of databases.
    #[serde(default)]
    pub tables: u64,
    /// Their rows.
    #[serde(default)]
    pub records: u64,
}

impl RunCounts {
    /// What the archive of a run holds; its warnings are counted while it runs.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            files: manifest.files,
            folders: manifest.folders,
            others: manifest.others,
            bytes: manifest.bytes,
            stored: manifest.archive.size,
            warnings: 0,
            tables: manifest.database.as_ref().map_or(0, |d| d.tables_count),
            records: manifest.database.as_ref().map_or(0, |d| d.rows_count),
        }
    }
}

/// A run, as the catalogue remembers it (H1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What it does.
    pub operation: Operation,
    /// What started it.
    pub cause: Cause,
    /// The schedule's name, or what else it is about (the path of an archive).
    pub name: String,
    /// Kind of archive, of backups.
    pub kind: Option<Kind>,
    /// Content: `full`.
    pub content: String,
    /// Form: `tar`.
    pub form: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When the clock meant it to start.
    pub planned: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created: DateTime<Utc>,
    /// When work began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Counts, final or as far as known.
    pub counts: RunCounts,
    /// Why it failed, or the first warning.
    pub error: Option<String>,
    /// The archive it made, restored or verified.
    pub archive: Option<ArchiveId>,
    /// Path of that archive.
    pub archive_path: Option<String>,
    /// Host that did it.
    pub host: String,
    /// What was asked, as JSON (restore target, verify depth).
    pub request: serde_json::Value,
}

impl Run {
    /// Seconds of work, if it began and ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        Some((self.ended? - self.started?).num_milliseconds() as f64 / 1000.0)
    }
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Files done.
    pub files: u64,
    /// Bytes of contents done.
    pub bytes: u64,
    /// Bytes written.
    pub stored: u64,
    /// Files expected, if known.
    pub total_files: Option<u64>,
    /// Bytes expected, if known.
    pub total_bytes: Option<u64>,
    /// The path at work, made safe to show.
    pub current: String,
    /// Warnings so far.
    pub warnings: u64,
    /// Seconds since the start.
    pub seconds: f64,
}
