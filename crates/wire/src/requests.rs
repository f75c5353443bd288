//! What requests carry.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A schedule to make: keys of `schedules.toml` with JSON values.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateSchedule {
    /// Its name.
    pub name: String,
    /// Keys as in the file: `source`, `at`, `cron`, `every`, `manual`, `exclude`, `keep`, …
    #[schema(value_type = Object)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Take sources that do not exist yet.
    #[serde(default)]
    pub allow_missing: bool,
}

/// A copy to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateSchedule {
    /// The copy's name.
    pub name: String,
}

/// A backup to run now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunRequest {
    /// The schedule.
    pub schedule: String,
    /// `full`, `incremental` or `differential`; what the schedule makes if it is left out.
    pub kind: Option<String>,
}

/// A restore.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RestoreRequest {
    /// A file's path, an id, or `NAME[@latest|@TIME]`.
    pub archive: String,
    /// The folder to write beneath, absolute.
    pub target: String,
    /// Paths in the archive; none means everything.
    #[serde(default)]
    pub paths: Vec<String>,
    /// The same as base64, for paths that are not UTF-8.
    #[serde(default)]
    pub paths_b64: Vec<String>,
    /// `never` (default), `older` or `always`.
    #[serde(default)]
    pub overwrite: String,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// The most entries to take from the archive; as many as its sidecar or index says if left out.
    pub max_entries: Option<u64>,
    /// The most bytes that it may unpack to; as many as its sidecar says if left out.
    pub max_bytes: Option<u64>,
    /// Patterns as in gitignore(5); of what `paths` names only what matches one is restored.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Leading components of names to drop.
    #[serde(default)]
    pub strip: usize,
    /// Go on where an archive is damaged: what cannot be read is left out, each with a warning.
    #[serde(default)]
    pub skip_damaged: bool,
    /// Owners by the names that the archive holds instead of by numbers.
    #[serde(default)]
    pub owners_by_name: bool,
    /// Other owners: from a number to a number.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<u32>>)]
    pub map_users: Vec<(u32, u32)>,
    /// Other groups: from a number to a number.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<u32>>)]
    pub map_groups: Vec<(u32, u32)>,
    /// Everybody else's files become these: owner and group.
    #[schema(value_type = Option<Vec<u32>>)]
    pub all_to: Option<(u32, u32)>,
    /// The destination to restore from; without it the home, or where its files are gone the first destination that has
    /// the archive.
    #[serde(default)]
    pub destination: Option<String>,
}

/// A verification.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// A file's path, an id, `NAME@TIME`, or a schedule's name for all of its archives.
    pub archive: Option<String>,
    /// All archives of all schedules.
    #[serde(default)]
    pub all: bool,
    /// Read back every byte and compare with the index.
    #[serde(default)]
    pub deep: bool,
    /// The destination whose copy is meant.
    #[serde(default)]
    pub destination: Option<String>,
}

/// Retention to apply.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PruneRequest {
    /// One schedule; all if it is left out.
    pub schedule: Option<String>,
    /// Only say what would be removed.
    #[serde(default)]
    pub dry_run: bool,
}

/// A stop of the daemon.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StopRequest {
    /// Cancel runs at work instead of waiting for them.
    #[serde(default)]
    pub now: bool,
}

/// A restore or verification that another process did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportRequest {
    /// `restore` or `verify`.
    pub operation: String,
    /// The schedule of the archive, or the archive's path.
    pub name: String,
    /// The archive's id, if it has one.
    pub archive: Option<String>,
    /// The archive's path.
    pub archive_path: String,
    /// How it ended.
    pub status: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, fifos, devices.
    pub others: u64,
    /// Bytes of contents.
    pub bytes: u64,
    /// Warnings.
    pub warnings: u64,
    /// Tables of databases.
    #[serde(default)]
    pub tables: u64,
    /// Their rows.
    #[serde(default)]
    pub records: u64,
    /// Why it failed, or the first warning.
    pub error: Option<String>,
    /// What it had to say about paths.
    pub notes: Vec<crate::NoteView>,
    /// What was asked.
    #[schema(value_type = Object)]
    pub request: serde_json::Value,
}
