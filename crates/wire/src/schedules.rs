//! Schedules.

use crate::{DrillView, ProvenView};
use backup_model::{Keep, Kind, Schedule};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A schedule, complete, with where it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// Place in the file, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Changes whenever something about it does: the `ETag`.
    #[serde(default)]
    pub version: String,
    /// Free text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether the clock starts it.
    pub enabled: bool,
    /// What is copied, as written in the file.
    pub source: Vec<String>,
    /// The database that is copied instead of files, by its name in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What of a database is copied: `full`, `metadata` or `data`.
    pub content: String,
    /// Patterns that are left out.
    pub exclude: Vec<String>,
    /// When it runs, in words.
    pub trigger: String,
    /// The one-line form, where it fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_line: Option<String>,
    /// The zone of its times.
    pub timezone: String,
    /// `full`, `incremental` or `differential`.
    pub kind: String,
    /// When an archive is full all the same: a number of archives, `weekly`, `monthly` or an age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_every: Option<String>,
    /// Full archives after the first are put together from the chain.
    pub consolidate: bool,
    /// Whether archives are encrypted.
    pub encrypted: bool,
    /// How often a version is restored for a trial, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill_seconds: Option<u64>,
    /// How much is read back, how often: percent and seconds.
    #[schema(value_type = Option<Vec<f64>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub: Option<(f64, u64)>,
    /// When a version was last proven restorable, unless something withdrew that since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<ProvenView>,
    /// The last trial restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<DrillView>,
    /// `gzip`, `zstd` or `none`, with a level if it is not the usual one.
    pub compression: String,
    /// Which archives are kept; nothing set keeps all.
    pub keep: KeepView,
    /// Whether a missed run is made up for.
    pub catch_up: bool,
    /// Upper bound of the random delay, in seconds.
    pub jitter_seconds: u64,
    /// Limit of a run, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Do not cross into other file systems.
    pub one_file_system: bool,
    /// Leave out the contents of folders marked by `CACHEDIR.TAG`.
    pub exclude_caches: bool,
    /// Leave out larger files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_size: Option<u64>,
    /// Where its archives go; empty is the home alone.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// Who hears of it.
    #[serde(default)]
    pub notify: Vec<String>,
    /// The keys that it sets itself, as they stand in the file: what an edit may change. In lists only where asked for.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// When it runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<DateTime<FixedOffset>>,
    /// Its last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRunView>,
    /// When a backup last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<DateTime<FixedOffset>>,
    /// Why retention is frozen until somebody confirms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// Since when it has had no good backup for longer than it should.
    #[serde(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<DateTime<FixedOffset>>,
}

/// What a schedule with certain settings would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewView {
    /// When it would run, in words.
    pub trigger: String,
    /// The zone of its times.
    pub timezone: String,
    /// Its next runs, five at most.
    pub next: Vec<DateTime<FixedOffset>>,
    /// What its rules of retention would do to the archives of the schedule that was named.
    pub retention: Option<crate::PruneView>,
    /// What they come to after a year; of full archives only.
    pub outlook: Option<OutlookView>,
}

/// What rules of retention come to once a schedule has run for a while.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OutlookView {
    /// When that is: in a year, or after 2000 runs.
    pub at: DateTime<FixedOffset>,
    /// Runs until then.
    pub runs: u64,
    /// Archives that are kept of them.
    pub kept: u64,
    /// When the oldest of those was made.
    pub oldest: Option<DateTime<FixedOffset>>,
}

/// The last run of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastRunView {
    /// The run.
    pub run: String,
    /// How it ended.
    pub status: String,
    /// When.
    pub ended: Option<DateTime<FixedOffset>>,
    /// Its error or first warning.
    pub error: Option<String>,
}

/// Rules of retention.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeepView {
    /// The newest so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// The newest of so many hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// The newest of so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// The newest of so many weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// The newest of so many months.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// The newest of so many years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// All that are at most so many days old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// All that are at most so many seconds older than the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u64>,
}

impl From<Keep> for KeepView {
    fn from(k: Keep) -> Self {
        Self {
            last: k.last,
            hourly: k.hourly,
            daily: k.daily,
            weekly: k.weekly,
            monthly: k.monthly,
            yearly: k.yearly,
            days: k.days,
            within_seconds: k.within,
        }
    }
}

impl ScheduleView {
    /// The view of a schedule that stands at an index; where it stands in time is added by the server.
    #[must_use]
    pub fn new(index: usize, s: &Schedule) -> Self {
        let source: Vec<String> = s.source.paths.iter().map(|p| p.display().to_string()).collect();
        let one_line = match source.as_slice() {
            [only] => s.trigger.one_line(only, &s.name),
            _ => None,
        };
        Self {
            index,
            name: s.name.to_string(),
            version: String::new(),
            title: s.title.clone(),
            enabled: s.enabled,
            source,
            database: s.database.as_ref().map(ToString::to_string),
            content: s.content.as_str().to_owned(),
            exclude: s.source.exclude.clone(),
            trigger: s.trigger.to_string(),
            one_line,
            timezone: s.timezone.name().to_owned(),
            kind: s.kinds.kind.as_str().to_owned(),
            full_every: (s.kinds.kind != Kind::Full).then(|| s.kinds.full_every.to_string()),
            consolidate: s.kinds.consolidate,
            encrypted: s.encrypt.is_some(),
            drill_seconds: s.drill.map(|d| d.as_secs()),
            scrub: s.scrub.map(|s| (s.percent, s.every.as_secs())),
            proven: None,
            last_drill: None,
            compression: s.compression.to_string(),
            keep: s.keep.into(),
            catch_up: s.catch_up,
            jitter_seconds: s.jitter.as_secs(),
            timeout_seconds: s.timeout.map(|t| t.as_secs()),
            one_file_system: s.source.one_file_system,
            exclude_caches: s.source.exclude_caches,
            max_file_size: s.source.max_file_size,
            destinations: s.destinations.clone().unwrap_or_default(),
            notify: s.notify.iter().flatten().map(ToString::to_string).collect(),
            settings: serde_json::Map::new(),
            stale: None,
            next: None,
            last: None,
            last_good: None,
            frozen: None,
        }
    }
}
