//! What no run tells: backups that do not come, disks that fill up.

use crate::{App, OperationError};
use backup_catalogue::ScheduleState;
use backup_model::{AlertKind, Schedule, format_size};
use chrono::{DateTime, Duration, Utc};

/// A run may take so long before its absence is told, if it has no timeout of its own.
const GRACE: Duration = Duration::hours(1);
/// Of a disk that stays full somebody hears again after so long.
const AGAIN: Duration = Duration::hours(24);

/// When a schedule without a good backup since `base` counts as stale: two planned times have passed, and the second
/// had time to end.
fn stale_at(schedule: &Schedule, base: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zone = schedule.timezone;
    // Most have none planned since: looking for the second would be in vain.
    let first = schedule.trigger.next_after(zone, base).filter(|first| *first <= now)?;
    let second = schedule.trigger.next_after(zone, first)?;
    let time = schedule.timeout.and_then(|t| Duration::from_std(t).ok()).unwrap_or(GRACE).max(GRACE);
    Some(second + time + Duration::from_std(schedule.jitter).unwrap_or_default())
}

/// Since when a schedule has been without a good backup for too long, if it has.
pub(crate) fn stale(schedule: &Schedule, state: Option<&ScheduleState>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if !schedule.enabled {
        return None;
    }
    let state = state?;
    let base = state.last_good.max(state.since)?;
    stale_at(schedule, base, now).filter(|at| *at <= now)
}

impl App {
    /// Tells of schedules that have had no good backup for longer than they should, once each.
    pub(crate) async fn watch_stale(&self) -> Result<(), OperationError> {
        let file = self.file();
        let states = self.schedule_states().await?;
        for schedule in &file.schedules {
            let name = schedule.name.as_str();
            let state = states.get(name);
            if state.is_some_and(|s| s.stale_told.is_some()) || stale(schedule, state, self.now()).is_none() {
                continue;
            }
            let local = |t: DateTime<Utc>| t.with_timezone(&schedule.timezone).format("%Y-%m-%d %H:%M");
            let last = match state.and_then(|s| s.last_good) {
                Some(good) => format!("the last good backup is of {}", local(good)),
                None => "there has never been one".to_owned(),
            };
            let text = format!("no good backup although two were planned since; {last}. See `backupctl history {name}`");
            tracing::error!("alert (stale) about {name}: {text}");
            let alert = self.new_alert(AlertKind::Stale, name, None, text);
            let hearers = self.hearers(&alert);
            self.catalogue().set_stale_told(name, (alert, hearers)).await?;
        }
        Ok(())
    }

    /// Tells of a disk that fills up, once a day.
    pub(crate) async fn watch_disk(&self) -> Result<(), OperationError> {
        let folder = self.need_home()?.backups();
        let Ok(disk) = nix::sys::statvfs::statvfs(&folder) else { return Ok(()) };
        let (free, all) = (disk.blocks_available() * disk.fragment_size(), disk.blocks() * disk.fragment_size());
        if !crate::maintenance::is_nearly_full(free, all) {
            return Ok(());
        }
        if self.catalogue().last_alert(AlertKind::Disk).await?.is_some_and(|at| at + AGAIN > self.now()) {
            return Ok(());
        }
        let text = format!(
            "{} of {} are left on the disk of {}; remove archives with `backupctl prune`, or give it more room",
            format_size(free),
            format_size(all),
            folder.display()
        );
        self.alert(AlertKind::Disk, self.host(), None, text).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_model::{FileSource, Name, Trigger};

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect(text).with_timezone(&Utc)
    }

    #[test]
    fn stale_after_two_planned_times() {
        let trigger =
            Trigger::from_parts(&[Trigger::parse_time("09:00").expect("a time")], None, None, false).expect("a trigger");
        let mut schedule = Schedule::new(Name::new("s").expect("a name"), FileSource::default(), trigger, chrono_tz::UTC);
        let good = utc("2026-11-20T09:05:00Z");
        let state = ScheduleState { last_good: Some(good), since: Some(utc("2026-01-01T00:00:00Z")), ..ScheduleState::default() };
        assert_eq!(stale(&schedule, Some(&state), utc("2026-11-21T12:00:00Z")), None, "one may still come");
        assert_eq!(stale(&schedule, Some(&state), utc("2026-11-22T09:59:00Z")), None, "the second is at work");
        assert_eq!(stale(&schedule, Some(&state), utc("2026-11-22T10:00:00Z")), Some(utc("2026-11-22T10:00:00Z")));
        // A schedule that was just changed has its time too.
        let changed = ScheduleState { since: Some(utc("2026-11-22T09:30:00Z")), ..state };
        assert_eq!(stale(&schedule, Some(&changed), utc("2026-11-23T12:00:00Z")), None);
        let never = ScheduleState { since: Some(utc("2026-11-01T00:00:00Z")), ..ScheduleState::default() };
        assert!(stale(&schedule, Some(&never), utc("2026-11-22T10:00:00Z")).is_some());
        schedule.enabled = false;
        assert_eq!(stale(&schedule, Some(&never), utc("2026-11-22T10:00:00Z")), None);
        schedule.enabled = true;
        schedule.trigger = Trigger::from_parts(&[], None, None, true).expect("a trigger");
        assert_eq!(stale(&schedule, Some(&never), utc("2027-11-22T10:00:00Z")), None);
    }
}
