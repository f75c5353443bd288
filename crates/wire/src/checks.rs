//! Proofs, upkeep and search.

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A trial restore to do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrillRequest {
    /// A file's path, an id, or `NAME[@latest|@TIME]`.
    pub archive: String,
    /// Share of the files to restore, in percent; all by default.
    pub percent: Option<f64>,
}

/// A scrub to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ScrubRequest {
    /// One schedule; all if it is left out.
    pub schedule: Option<String>,
    /// Share of the bytes of the archives, in percent; 100 by default.
    pub percent: Option<f64>,
    /// No further archive is begun after so many seconds.
    pub seconds: Option<u64>,
}

/// Indexes and sidecars to make again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RebuildRequest {
    /// One schedule's folder; all if it is left out.
    pub schedule: Option<String>,
}

/// Something that somebody should hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// Its id.
    pub id: String,
    /// When.
    pub at: DateTime<FixedOffset>,
    /// `damaged` or `drill_failed`.
    pub kind: String,
    /// The schedule, or what else it is about.
    pub name: String,
    /// The run that found it.
    pub run: Option<String>,
    /// What is wrong, and what to do.
    pub text: String,
}

/// A file that was found, with all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundView {
    /// The schedule.
    pub schedule: String,
    /// Path in the archives.
    pub path: String,
    /// The same as base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What it is.
    pub kind: String,
    /// Whether the newest archive does not hold it any more.
    pub deleted: bool,
    /// Its versions, newest first.
    pub versions: Vec<VersionView>,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// What it is.
    pub kind: String,
    /// Bytes of contents.
    pub size: u64,
    /// Modification time.
    pub mtime: Option<DateTime<FixedOffset>>,
    /// The newest archive that holds it so: what to restore from.
    pub archive: String,
    /// When that archive was made.
    pub last_seen: DateTime<FixedOffset>,
    /// When the oldest archive that holds it so was made.
    pub first_seen: DateTime<FixedOffset>,
}

/// What a search came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindView {
    /// What was found, by schedule and path.
    pub items: Vec<FoundView>,
    /// How many.
    pub total: u64,
    /// Always null: more comes with a higher limit.
    pub next: Option<u64>,
    /// Whether there is more than was answered.
    pub more: bool,
    /// Archives that could not be looked through, with the reason.
    pub unread: Vec<UnreadView>,
}

/// An archive that could not be looked through.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UnreadView {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// When a version was last proven restorable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvenView {
    /// When.
    pub at: DateTime<FixedOffset>,
    /// The archive.
    pub archive: Option<String>,
}

/// The last trial restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrillView {
    /// When.
    pub at: DateTime<FixedOffset>,
    /// What it came to.
    pub text: String,
}
