//! How things stand, statistics, retention.

use crate::{ArchiveView, RunView};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the daemon (or, without one, the home) stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Version of the program.
    pub version: String,
    /// Whether a daemon answers.
    pub running: bool,
    /// Its pid.
    pub pid: u32,
    /// When it started.
    pub started: DateTime<FixedOffset>,
    /// The home.
    pub home: String,
    /// The host.
    pub host: String,
    /// The machine's zone.
    pub timezone: String,
    /// Schedules in force.
    pub schedules: usize,
    /// What is wrong with `schedules.toml` as it stands; the last valid state is in force.
    pub config_error: Option<String>,
    /// Where the page and the API are served over TCP.
    pub web: Option<String>,
    /// Why they are not served as they shall be.
    pub web_error: Option<String>,
    /// Where the receiver takes other machines' archives.
    #[serde(default)]
    pub receiver: Option<String>,
    /// Why it does not, if it shall.
    #[serde(default)]
    pub receiver_error: Option<String>,
    /// Whether it takes them from callers without a token.
    #[serde(default)]
    pub receiver_open: bool,
    /// Whether there is no admin yet.
    pub setup_needed: bool,
    /// Runs that wait or are at work.
    pub runs: Vec<RunView>,
    /// The schedule that runs next.
    pub next_schedule: Option<String>,
    /// When it runs.
    pub next: Option<DateTime<FixedOffset>>,
    /// Number of archives.
    pub archives: u64,
    /// Their bytes together.
    pub stored: u64,
    /// Schedules whose retention is frozen until somebody confirms.
    pub frozen: Vec<String>,
    /// Whether it is stopping.
    pub stopping: bool,
    /// Where the page may restore files to.
    #[serde(default)]
    pub restore_roots: Vec<String>,
}

/// How the backups of one schedule ended on one day.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DayStateView {
    /// The schedule.
    pub schedule: String,
    /// The day (UTC), `YYYY-MM-DD`.
    pub date: String,
    /// How they ended, or `pending` or `running`.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// A line of the daemon's log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogLineView {
    /// When.
    pub at: DateTime<FixedOffset>,
    /// `Error`, `Warning`, `Info`, `Debug` or `Trace`.
    pub level: String,
    /// What happened.
    pub text: String,
}

/// An entry of a folder of the daemon's machine.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FolderEntryView {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
}

/// Sums of a group of backups.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// What they have in common.
    pub key: String,
    /// How many.
    pub count: u64,
    /// How many completed, with or without warnings.
    pub good: u64,
    /// How many failed.
    pub failed: u64,
    /// Completed among those that completed or failed, 0 to 1; null if there are none.
    pub success_rate: Option<f64>,
    /// Mean seconds of the good ones.
    pub mean_seconds: Option<f64>,
    /// Bytes of the archives they made.
    pub stored: u64,
}

/// Sums of one day.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DayView {
    /// The day (UTC), `YYYY-MM-DD`.
    pub date: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: GroupView,
}

/// The last seven days against the seven before.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TrendView {
    /// The last seven days.
    pub last: GroupView,
    /// The seven before.
    pub before: GroupView,
    /// Change of the number of backups, 0.1 is ten per cent more; null if there were none before.
    pub change: Option<f64>,
}

/// Statistics over backups (H3).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatsView {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// All together.
    pub total: GroupView,
    /// Number of archives now.
    pub archives: u64,
    /// Bytes of the archives now.
    pub space: u64,
    /// The last seven days against the seven before.
    pub trend: TrendView,
    /// By kind.
    pub by_kind: Vec<GroupView>,
    /// By status.
    pub by_status: Vec<GroupView>,
    /// By schedule.
    pub by_schedule: Vec<GroupView>,
    /// By day: also how space grew.
    pub by_day: Vec<DayView>,
}

/// What retention does with one archive.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PrunedView {
    /// The archive.
    pub archive: ArchiveView,
    /// Whether it stays.
    pub kept: bool,
    /// The rules that keep it.
    pub reasons: Vec<String>,
}

/// What retention does, or would do, with a schedule's archives.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PruneView {
    /// The schedule.
    pub schedule: String,
    /// Whether nothing was removed because only a preview was asked for.
    pub dry_run: bool,
    /// Why nothing is removed, if a sanity warning froze retention.
    pub frozen: Option<String>,
    /// The run that removed them.
    pub run: Option<String>,
    /// Every archive, newest first.
    pub archives: Vec<PrunedView>,
    /// How many go.
    pub removed: u64,
    /// Bytes that become free.
    pub freed: u64,
    /// What goes from destinations, by their own rules.
    #[serde(default)]
    pub there: Vec<PrunedThereView>,
}

/// What retention removes from a destination.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PrunedThereView {
    /// The destination.
    pub destination: String,
    /// Names of the archives, newest first.
    pub archives: Vec<String>,
    /// Their bytes.
    pub freed: u64,
}
