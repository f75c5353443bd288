//! Checks, cleaning up, bringing the catalogue into line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that a check has found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// Names it, the same each time: code and subject.
    pub id: String,
    /// What is wrong, in a stable word.
    pub code: String,
    /// With what.
    pub subject: String,
    /// `warning` or `error`.
    pub level: String,
    /// What was seen.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Whether the program can mend it.
    pub fixable: bool,
    /// Whether it was mended now; null if that was not tried.
    pub fixed: Option<bool>,
    /// Why mending failed.
    pub fix_error: Option<String>,
}

/// What a check came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// What is wrong.
    pub items: Vec<FindingView>,
    /// How many.
    pub total: u64,
    /// Always null: all are answered.
    pub next: Option<u64>,
    /// `ok`, `warning` or `error`, without what was mended.
    pub verdict: String,
}

/// What to mend.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FixRequest {
    /// Ids of findings; all that can be mended if it is left out.
    pub ids: Option<Vec<String>>,
}

/// What to clean up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CleanupRequest {
    /// Runs and files that are at least so old.
    pub hours: u32,
    /// Whatever their age.
    pub force: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for CleanupRequest {
    fn default() -> Self {
        Self { hours: 6, force: false, dry_run: false }
    }
}

/// Something that was cleaned up, or would be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CleanedView {
    /// `run` or `file`.
    pub what: String,
    /// The run's id, the file's path.
    pub subject: String,
    /// Why.
    pub text: String,
    /// Bytes that were freed.
    pub bytes: u64,
}

/// What to bring into line.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RescueRequest {
    /// Take archives below this folder in.
    pub scan: Option<String>,
    /// Forget archives that are gone.
    pub fix_missing: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Something that was brought into line, or would be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RescuedView {
    /// `taken_in`, `forgotten`, `no_sidecar` or `unreadable`.
    pub what: String,
    /// The archive's path.
    pub path: String,
    /// What is to be said of it.
    pub text: String,
}
