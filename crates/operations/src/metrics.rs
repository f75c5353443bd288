//! Figures for monitoring.

use crate::{App, OperationError};
use backup_model::RunStatus;

/// One figure, for all its subjects.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it says, with its unit.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub counter: bool,
    /// Labels and values.
    pub samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// Metrics while they are put together.
#[derive(Default)]
struct Metrics(Vec<Metric>);

impl Metrics {
    fn add(&mut self, name: &'static str, help: &'static str, labels: Vec<(&'static str, String)>, value: f64) {
        match self.0.iter_mut().find(|m| m.name == name) {
            Some(metric) => metric.samples.push((labels, value)),
            None => self.0.push(Metric { name, help, counter: name.ends_with("_total"), samples: vec![(labels, value)] }),
        }
    }
}

impl App {
    /// Whether work can be done: the catalogue answers, the file is valid, the daemon is not stopping.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_stopping() {
            return Err("the daemon is stopping".into());
        }
        if self.config_error().is_some() {
            return Err("schedules.toml is not valid".into());
        }
        self.catalogue().newest_run().await.map_err(|_| "the catalogue cannot be used".to_owned())?;
        Ok(())
    }

    /// All figures.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn metrics(&self) -> Result<Vec<Metric>, OperationError> {
        let now = self.now();
        let mut m = Metrics::default();
        let states = self.schedule_states().await?;
        let last = self.catalogue().last_runs().await?;
        let last: std::collections::BTreeMap<&str, &backup_model::Run> = last.iter().map(|r| (r.name.as_str(), r)).collect();
        m.add("backupd_info", "The program's version.", vec![("version", crate::VERSION.to_owned())], 1.0);
        m.add(
            "backupd_start_time_seconds",
            "When the daemon started, in seconds since 1970.",
            vec![],
            self.started().timestamp() as f64,
        );
        m.add(
            "backupd_config_valid",
            "Whether schedules.toml is valid.",
            vec![],
            f64::from(u8::from(self.config_error().is_none())),
        );
        for destination in self.destinations().await? {
            let own = || vec![("destination", destination.settings.name.to_string())];
            let c = &destination.counts;
            m.add("backupd_destination_archives", "Archives that are there.", own(), c.stored as f64);
            m.add("backupd_destination_bytes", "Bytes of the archives that are there.", own(), c.bytes as f64);
            m.add("backupd_destination_waiting", "Archives that are still to be copied there.", own(), c.waiting as f64);
            if let Some(last) = c.last {
                m.add(
                    "backupd_destination_last_copy_timestamp_seconds",
                    "When the newest copy was stored, in seconds since 1970.",
                    own(),
                    last.timestamp() as f64,
                );
            }
        }
        for schedule in &self.file().schedules {
            let name = schedule.name.to_string();
            let own = || vec![("schedule", name.clone())];
            let state = states.get(name.as_str());
            let enabled = f64::from(u8::from(schedule.enabled));
            m.add("backupd_schedule_enabled", "Whether the clock starts it.", own(), enabled);
            if let Some(good) = state.and_then(|s| s.last_good) {
                m.add(
                    "backupd_schedule_last_success_timestamp_seconds",
                    "When a backup last succeeded, in seconds since 1970.",
                    own(),
                    good.timestamp() as f64,
                );
                m.add(
                    "backupd_schedule_last_success_age_seconds",
                    "Seconds since a backup last succeeded.",
                    own(),
                    (now - good).num_seconds() as f64,
                );
            }
            if let Some(proven) = state.and_then(|s| s.proven) {
                m.add(
                    "backupd_schedule_proven_timestamp_seconds",
                    "When a version was last proven restorable, in seconds since 1970.",
                    own(),
                    proven.timestamp() as f64,
                );
                m.add(
                    "backupd_schedule_proven_age_seconds",
                    "Seconds since a version was last proven restorable.",
                    own(),
                    (now - proven).num_seconds() as f64,
                );
            }
            let status = state.and_then(|s| s.last_status);
            for word in [RunStatus::Completed, RunStatus::Warning, RunStatus::Failed, RunStatus::Cancelled] {
                let labels = vec![("schedule", name.clone()), ("status", word.to_string())];
                m.add(
                    "backupd_schedule_last_status",
                    "1 for the status of the last backup.",
                    labels,
                    f64::from(u8::from(status == Some(word))),
                );
            }
            let stale = crate::alerts::stale(schedule, state, now).is_some();
            m.add(
                "backupd_schedule_stale",
                "Whether there has been no good backup for too long.",
                own(),
                f64::from(u8::from(stale)),
            );
            let frozen = state.is_some_and(|s| s.frozen.is_some());
            m.add(
                "backupd_schedule_frozen",
                "Whether its retention waits for somebody to confirm.",
                own(),
                f64::from(u8::from(frozen)),
            );
            if let Some(next) = self.next_run(schedule, state) {
                m.add(
                    "backupd_schedule_next_run_timestamp_seconds",
                    "When it runs next, in seconds since 1970.",
                    own(),
                    next.timestamp() as f64,
                );
            }
            if let Some(run) = last.get(name.as_str()) {
                if let Some(seconds) = run.seconds() {
                    m.add("backupd_schedule_last_duration_seconds", "How long the last backup took.", own(), seconds);
                }
                m.add("backupd_schedule_last_files", "Files of the last backup.", own(), run.counts.files as f64);
                m.add("backupd_schedule_last_source_bytes", "Bytes that the last backup read.", own(), run.counts.bytes as f64);
                m.add(
                    "backupd_schedule_last_stored_bytes",
                    "Size of the archive of the last backup.",
                    own(),
                    run.counts.stored as f64,
                );
            }
        }
        for (name, count, bytes) in self.catalogue().archive_sums().await? {
            let own = || vec![("schedule", name.clone())];
            m.add("backupd_archives", "Archives that are kept.", own(), count as f64);
            m.add("backupd_archives_bytes", "Bytes of the archives that are kept.", own(), bytes as f64);
        }
        for (operation, status, count) in self.catalogue().run_sums().await? {
            if !matches!(status.as_str(), "pending" | "running") {
                m.add(
                    "backupd_runs_total",
                    "Runs that have ended.",
                    vec![("operation", operation), ("status", status)],
                    count as f64,
                );
            }
        }
        for (operation, cause, count) in self.catalogue().failures().await? {
            m.add(
                "backupd_failures_total",
                "Runs that failed, by what started them.",
                vec![("operation", operation), ("cause", cause)],
                count as f64,
            );
        }
        let open = self.catalogue().open_runs().await?;
        for status in [RunStatus::Pending, RunStatus::Running] {
            let n = open.iter().filter(|(r, ..)| r.status == status).count();
            m.add("backupd_queue", "Runs that wait or are at work.", vec![("status", status.to_string())], n as f64);
        }
        for notifier in self.notifiers().await? {
            let labels = vec![("notifier", notifier.settings.name.to_string())];
            m.add("backupd_outbox_waiting", "Alerts that a notifier has not taken yet.", labels, notifier.outbox.waiting as f64);
        }
        if let Some(home) = self.home()
            && let Ok(disk) = nix::sys::statvfs::statvfs(&home.backups())
        {
            m.add(
                "backupd_disk_free_bytes",
                "Bytes that are free on the disk of backups/.",
                vec![],
                (disk.blocks_available() * disk.fragment_size()) as f64,
            );
            m.add(
                "backupd_disk_size_bytes",
                "Size of the disk of backups/.",
                vec![],
                (disk.blocks() * disk.fragment_size()) as f64,
            );
        }
        Ok(m.0)
    }
}
