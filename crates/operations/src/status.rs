//! How things stand: for `status`, `list` and the page.

use crate::{App, OperationError};
use backup_catalogue::ScheduleState;
use backup_model::{Run, Schedule};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Whether the schedules file is in force.
#[derive(Clone, Debug)]
pub struct ConfigStatus {
    /// Schedules in force.
    pub schedules: usize,
    /// What is wrong with the file as it stands, if something is.
    pub error: Option<String>,
}

/// The next run of a schedule.
#[derive(Clone, Debug)]
pub struct NextRun {
    /// The schedule.
    pub name: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How the daemon stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// When it started.
    pub started: DateTime<Utc>,
    /// The schedules file.
    pub config: ConfigStatus,
    /// Runs that wait or are at work.
    pub open: Vec<Run>,
    /// The next run of all.
    pub next: Option<NextRun>,
    /// Archives and their bytes.
    pub archives: (u64, u64),
    /// Schedules whose retention is frozen, with the reason.
    pub frozen: Vec<(String, String)>,
}

impl App {
    /// The next run of a schedule: what is missed and not yet made up for counts as now.
    #[must_use]
    pub fn next_run(&self, schedule: &Schedule, state: Option<&ScheduleState>) -> Option<DateTime<Utc>> {
        if !schedule.enabled {
            return None;
        }
        let now = self.now();
        let after = state.and_then(|s| s.dealt_until).filter(|d| *d > now).unwrap_or(now);
        schedule.trigger.next_after(schedule.timezone, after)
    }

    /// Since when a schedule has been without a good backup for too long, if it has.
    #[must_use]
    pub fn stale_since(&self, schedule: &Schedule, state: Option<&ScheduleState>) -> Option<DateTime<Utc>> {
        crate::alerts::stale(schedule, state, self.now())
    }

    /// All schedules with where they stand, in the file's order.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn schedule_states(&self) -> Result<BTreeMap<String, ScheduleState>, OperationError> {
        Ok(self.catalogue().schedule_states().await?)
    }

    /// How the daemon stands.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn status(&self) -> Result<Status, OperationError> {
        let file = self.file();
        let states = self.schedule_states().await?;
        let next = file
            .schedules
            .iter()
            .filter_map(|s| self.next_run(s, states.get(s.name.as_str())).map(|at| NextRun { name: s.name.to_string(), at }))
            .min_by_key(|n| n.at);
        let frozen = states.into_iter().filter_map(|(name, s)| s.frozen.map(|f| (name, f))).collect();
        Ok(Status {
            started: self.started(),
            config: ConfigStatus { schedules: file.schedules.len(), error: self.config_error() },
            open: self.catalogue().open_runs().await?.into_iter().map(|(r, ..)| r).collect(),
            next,
            archives: self.catalogue().archive_totals(None).await?,
            frozen,
        })
    }
}
