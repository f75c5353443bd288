//! `cleanup`: ends runs that are stuck, removes what was left behind.

use super::check::STUCK;
use crate::reconcile::is_dead;
use crate::{App, OperationError};
use backup_model::{Name, RunStatus};
use chrono::{DateTime, Duration, Utc};
use std::path::{Path, PathBuf};

/// Something that was cleaned up, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// `run` or `file`.
    pub what: &'static str,
    /// The run's id, the file's path.
    pub subject: String,
    /// Why.
    pub text: String,
    /// Bytes that were freed.
    pub bytes: u64,
}

fn older(path: &Path, hours: u32, now: DateTime<Utc>) -> bool {
    let changed = std::fs::symlink_metadata(path).and_then(|m| m.modified()).ok().map(DateTime::<Utc>::from);
    changed.is_some_and(|at| at + Duration::hours(i64::from(hours)) <= now)
}

fn size(path: &Path) -> u64 {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| size(&e.path())).sum()
}

impl App {
    /// Temporary files of this program in the home, by the schedule whose lock guards them, if one does.
    fn temporary(&self) -> Result<Vec<(PathBuf, Option<Name>)>, OperationError> {
        let home = self.need_home()?;
        let mut out = Vec::new();
        for folder in std::fs::read_dir(home.backups()).into_iter().flatten().flatten() {
            let Some(name) = folder.file_name().into_string().ok().and_then(|n| Name::new(&n).ok()) else { continue };
            for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let text = file.file_name().to_string_lossy().into_owned();
                if text.starts_with('.') && text.ends_with(".part") {
                    out.push((file.path(), Some(name.clone())));
                }
            }
        }
        for file in std::fs::read_dir(home.state()).into_iter().flatten().flatten() {
            let text = file.file_name().to_string_lossy().into_owned();
            if text.starts_with("drill-") || text == "copies" {
                out.push((file.path(), None));
            }
        }
        for file in std::fs::read_dir(home.root()).into_iter().flatten().flatten() {
            let text = file.file_name().to_string_lossy().into_owned();
            if text.starts_with(".schedules.toml.") && text.ends_with(".new") {
                out.push((file.path(), None));
            }
        }
        Ok(out)
    }

    /// Ends runs that have been pending or running for so many hours and that nobody works on, and removes temporary
    /// files as old. With `force`, runs are ended and files removed whatever their age and whoever seems to work on them;
    /// what this very process has at work is asked to stop. With `dry_run` nothing is done.
    ///
    /// # Errors
    /// The catalogue cannot be used, or a file cannot be removed.
    pub async fn cleanup(&self, hours: u32, force: bool, dry_run: bool) -> Result<Vec<Cleaned>, OperationError> {
        let now = self.now();
        let mut out = Vec::new();
        let mut busy = std::collections::BTreeSet::new();
        for (run, lease, until) in self.catalogue().open_runs().await? {
            let alive = match run.status {
                RunStatus::Running => until + STUCK >= now && !is_dead(&lease, self.lease()),
                // A daemon takes up what waits; without one nobody does.
                _ => self.mode() == crate::Mode::Daemon,
            };
            let old = run.started.unwrap_or(run.created) + Duration::hours(i64::from(hours)) <= now;
            if !(force || old && !alive) {
                busy.insert(run.name.clone());
                continue;
            }
            let text = format!(
                "{} of {} is {} since {}",
                run.operation,
                run.name,
                run.status,
                run.started.unwrap_or(run.created).with_timezone(&self.zone()).format("%Y-%m-%d %H:%M")
            );
            if !dry_run {
                match self.live().get(run.id) {
                    // It ends by itself, cleanly.
                    Some(live) => live.cancel(),
                    None => self.end_stuck(run.id, "ended by cleanup: nobody worked on it any more").await?,
                }
            }
            out.push(Cleaned { what: "run", subject: run.id.to_string(), text, bytes: 0 });
        }
        let mut tidied = std::collections::BTreeSet::new();
        for (path, schedule) in self.temporary()? {
            if !(force || older(&path, hours, self.now())) || schedule.as_ref().is_some_and(|n| busy.contains(n.as_str())) {
                continue;
            }
            // What belongs to no schedule may belong to any run at work.
            if schedule.is_none() && !busy.is_empty() {
                continue;
            }
            let bytes = size(&path);
            if !dry_run {
                match &schedule {
                    Some(name) => {
                        if tidied.insert(name.clone()) {
                            self.tidy_folder(name).await?;
                        }
                    }
                    None => {
                        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                        gone.map_err(|e| OperationError::Failed(format!("cannot remove {}: {e}", path.display())))?;
                    }
                }
                if path.exists() {
                    continue;
                }
            }
            out.push(Cleaned {
                what: "file",
                subject: path.display().to_string(),
                text: "left of work that was interrupted".into(),
                bytes,
            });
        }
        Ok(out)
    }
}
