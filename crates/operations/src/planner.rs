//! The daemon's clockwork: which schedules are due, what was missed, and when to look again.

use crate::App;
use backup_catalogue::ScheduleState;
use backup_model::{AlertKind, Cause, Operation, Schedule};
use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeMap;

/// A run that begins within this much of its time is on time.
const ON_TIME: Duration = Duration::seconds(90);
/// A clock set back by more than this was wrong before: planning begins anew.
const SET_BACK: Duration = Duration::hours(6);

/// What a look at a schedule came to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing to do before this time.
    Later(Option<DateTime<Utc>>),
    /// Times up to `until` are dealt with by one run, or by none.
    Due { until: DateTime<Utc>, run: Option<Cause> },
    /// Planning begins now: it is new, or was changed.
    Begin,
}

fn fingerprint(schedule: &Schedule) -> String {
    format!("{} {} {}", schedule.trigger, schedule.timezone, if schedule.enabled { "on" } else { "off" })
}

/// A delay between 0 and the jitter, the same for the same planned time.
fn delay(schedule: &Schedule, planned: DateTime<Utc>) -> Duration {
    let seconds = schedule.jitter.as_secs();
    if seconds == 0 {
        return Duration::zero();
    }
    // FNV-1a, which is enough to spread times.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in schedule.name.as_str().bytes().chain(planned.timestamp().to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Duration::seconds((hash % (seconds + 1)) as i64)
}

fn look(schedule: &Schedule, state: Option<&ScheduleState>, now: DateTime<Utc>) -> Look {
    let Some((state, dealt)) = state.and_then(|s| s.dealt_until.map(|d| (s, d))) else { return Look::Begin };
    if state.trigger != fingerprint(schedule) || dealt > now + SET_BACK {
        return Look::Begin;
    }
    if !schedule.enabled {
        return Look::Later(None);
    }
    let Some(next) = schedule.trigger.next_after(schedule.timezone, dealt) else { return Look::Later(None) };
    let due = next + delay(schedule, next);
    if due > now {
        return Look::Later(Some(due));
    }
    let Some(latest) = schedule.trigger.last_between(schedule.timezone, dealt, now) else { return Look::Later(Some(due)) };
    let latest_due = latest + delay(schedule, latest);
    // The last of several missed times may itself be about to come due.
    let until = if latest_due > now && latest != next { next } else { latest };
    let late = now - (until + delay(schedule, until));
    let run = if late <= ON_TIME {
        Some(Cause::Schedule)
    } else if schedule.catch_up {
        Some(Cause::CatchUp)
    } else {
        None
    };
    Look::Due { until, run }
}

/// The daemon's clockwork between two looks.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    next: Option<DateTime<Utc>>,
    last_look: Option<DateTime<Utc>>,
    stale: bool,
}

impl Planner {
    /// Whether a look is needed: something is due, the file changed, or the clock jumped.
    fn needed(&self, now: DateTime<Utc>) -> bool {
        let Some(last) = self.last_look else { return true };
        self.stale || now < last || now - last > Duration::seconds(3600) || self.next.is_some_and(|n| n <= now)
    }
}

impl App {
    /// Looks at all schedules and requests what is due. Answers when the next one is.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn plan(&self) -> Result<Option<DateTime<Utc>>, crate::OperationError> {
        let file = self.file();
        let now = self.now();
        let states: BTreeMap<String, ScheduleState> = self.catalogue().schedule_states().await?;
        let mut next: Option<DateTime<Utc>> = None;
        let mut dealt: Vec<(&Schedule, DateTime<Utc>, String)> = Vec::new();
        for schedule in &file.schedules {
            let name = schedule.name.as_str();
            let mut found = look(schedule, states.get(name), now);
            if found == Look::Begin {
                if states.get(name).and_then(|s| s.dealt_until).is_some_and(|d| d > now + SET_BACK) {
                    tracing::warn!("the clock was set back by hours: {name} is planned anew from now");
                }
                dealt.push((schedule, now, fingerprint(schedule)));
                let fresh = ScheduleState { trigger: fingerprint(schedule), dealt_until: Some(now), ..ScheduleState::default() };
                found = look(schedule, Some(&fresh), now);
            }
            match found {
                Look::Later(Some(due)) => next = Some(next.map_or(due, |n| n.min(due))),
                Look::Later(None) | Look::Begin => {}
                Look::Due { until, run } => {
                    if self.fall_due(schedule, until, run).await? {
                        dealt.push((schedule, until, fingerprint(schedule)));
                    }
                    // What follows is found by the next look, which comes at once.
                    next = Some(now);
                }
            }
        }
        let rows: Vec<(&str, &str, DateTime<Utc>)> = dealt.iter().map(|(s, t, f)| (s.name.as_str(), f.as_str(), *t)).collect();
        self.catalogue().set_dealt(&rows).await?;
        Ok(next)
    }

    /// Requests the run of a planned time. `false`: the daemon is stopping, it stays to be done.
    async fn fall_due(
        &self,
        schedule: &Schedule,
        planned: DateTime<Utc>,
        run: Option<Cause>,
    ) -> Result<bool, crate::OperationError> {
        let name = schedule.name.as_str();
        let local = planned.with_timezone(&schedule.timezone);
        let Some(cause) = run else {
            let text = format!("the run of {local} did not happen and is not made up for (catch_up = false)");
            self.alert(AlertKind::Missed, name, None, text).await;
            return Ok(true);
        };
        if cause == Cause::CatchUp {
            tracing::info!("{name} missed its run of {local}; it is made up for now");
        }
        let waiting = self.catalogue().open_runs().await?;
        if waiting
            .iter()
            .any(|(r, ..)| r.name == name && r.operation == Operation::Backup && r.status == backup_model::RunStatus::Pending)
        {
            tracing::warn!("{name} is due, but its last run still waits; not asked for twice");
            return Ok(true);
        }
        let mut new = self.new_run(Operation::Backup, cause, name);
        new.kind = Some(schedule.kinds.kind);
        new.planned = Some(planned);
        match self.submit(new).await {
            Ok(_) => Ok(true),
            Err(crate::OperationError::Conflict(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The daemon's clockwork until it is asked to stop: edits of the file are noticed within two
    /// seconds, due times within one, and the wall clock is read anew every second.
    pub async fn run_clock(&self) {
        let mut planner = Planner::default();
        for second in 0u64.. {
            if self.is_stopping() {
                return;
            }
            // A command that worked in this home when the daemon started may have died since.
            if second % 60 == 59
                && let Err(e) = self.reconcile(false).await
            {
                tracing::error!("the home cannot be put in order: {e}");
            }
            if second % 60 == 5
                && let Err(e) = self.plan_checks().await
            {
                tracing::error!("trial restores and scrubs cannot be planned: {e}");
            }
            if second % 60 == 15
                && let Err(e) = self.watch_stale().await
            {
                tracing::error!("it cannot be found out which backups are overdue: {e}");
            }
            if second % 600 == 25
                && let Err(e) = self.watch_disk().await
            {
                tracing::error!("the disk cannot be looked at: {e}");
            }
            if self.file_changed() {
                self.reload();
                if self.config_error().is_none() {
                    tracing::info!("schedules.toml was read: {} schedules", self.file().schedules.len());
                }
                planner.stale = true;
            }
            let now = self.now();
            if planner.needed(now) {
                planner.stale = false;
                match self.plan().await {
                    Ok(next) => planner.next = next,
                    Err(e) => {
                        tracing::error!("the schedules cannot be planned: {e}");
                        planner.next = Some(now + Duration::seconds(10));
                    }
                }
            }
            planner.last_look = Some(now);
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
                () = self.reload_asked() => { self.reload(); planner.stale = true; }
                () = self.stop_asked() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_model::{FileSource, Name, Trigger};

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect(text).with_timezone(&Utc)
    }

    fn schedule(at: &str) -> Schedule {
        let trigger = Trigger::from_parts(&[Trigger::parse_time(at).expect("a time")], None, None, false).expect("a trigger");
        Schedule::new(Name::new("s").expect("a name"), FileSource::default(), trigger, chrono_tz::Europe::Paris)
    }

    /// Plays a clock against a schedule: every look at the times given, in order.
    fn play(schedule: &Schedule, times: &[&str]) -> Vec<String> {
        let mut state = ScheduleState::default();
        let mut runs = Vec::new();
        for now in times {
            let now = utc(now);
            loop {
                match look(schedule, Some(&state), now) {
                    Look::Later(_) => break,
                    Look::Begin => {
                        state.trigger = fingerprint(schedule);
                        state.dealt_until = Some(now);
                    }
                    Look::Due { until, run } => {
                        state.dealt_until = Some(until);
                        runs.extend(run.map(|c| format!("{c} {}", until.format("%m-%dT%H:%M"))));
                    }
                }
            }
        }
        runs
    }

    #[test]
    fn on_time_and_once() {
        let times = [
            "2026-11-20T12:00:00Z",
            "2026-11-21T07:59:59Z",
            "2026-11-21T08:00:00Z",
            "2026-11-21T08:00:01Z",
            "2026-11-21T12:00:00Z",
        ];
        assert_eq!(play(&schedule("09:00"), &times), ["schedule 11-21T08:00"]);
    }

    #[test]
    fn three_days_off_are_one_catch_up() {
        let times = ["2026-11-18T12:00:00Z", "2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z", "2026-11-22T08:00:00Z"];
        assert_eq!(play(&schedule("09:00"), &times), ["catch_up 11-21T08:00", "schedule 11-22T08:00"]);
        let no = Schedule { catch_up: false, ..schedule("09:00") };
        assert_eq!(play(&no, &times), ["schedule 11-22T08:00"]);
    }

    #[test]
    fn clock_jumps() {
        // A day forward: one catch-up. An hour back: the run is not repeated.
        let times = ["2026-11-20T07:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T09:00:00Z", "2026-11-22T08:00:30Z"];
        assert_eq!(play(&schedule("09:00"), &times), ["catch_up 11-21T08:00", "schedule 11-22T08:00"]);
        let back = [
            "2026-11-21T07:59:00Z",
            "2026-11-21T08:00:10Z",
            "2026-11-21T07:00:10Z",
            "2026-11-21T08:00:10Z",
            "2026-11-22T08:00:00Z",
        ];
        assert_eq!(play(&schedule("09:00"), &back), ["schedule 11-21T08:00", "schedule 11-22T08:00"]);
        // A clock that was a year ahead and is put right: runs go on.
        let wrong = ["2027-11-21T08:30:00Z", "2027-11-22T08:00:00Z", "2026-11-21T07:00:00Z", "2026-11-21T08:00:00Z"];
        assert_eq!(play(&schedule("09:00"), &wrong), ["schedule 11-22T08:00", "schedule 11-21T08:00"]);
    }

    #[test]
    fn dst_days_run_once() {
        let every_half_hour = |from: &str, hours: i64| -> Vec<String> {
            let start = utc(from);
            (0..hours * 60).map(|m| (start + Duration::minutes(m)).to_rfc3339()).collect()
        };
        for (from, wanted) in [("2026-03-28T12:00:00Z", "schedule 03-29T01:00"), ("2026-10-24T12:00:00Z", "schedule 10-25T00:30")]
        {
            let times = every_half_hour(from, 30);
            let times: Vec<&str> = times.iter().map(String::as_str).collect();
            assert_eq!(play(&schedule("02:30"), &times), [wanted]);
        }
    }

    #[test]
    fn jitter_is_the_same_each_time_and_within_its_bound() {
        let s = Schedule { jitter: std::time::Duration::from_secs(300), ..schedule("09:00") };
        let planned = utc("2026-11-21T08:00:00Z");
        let d = delay(&s, planned);
        assert!(d >= Duration::zero() && d <= Duration::seconds(300) && d == delay(&s, planned));
        let mut times = vec!["2026-11-21T07:00:00Z".to_owned()];
        times.extend((0..600).map(|n| (planned + Duration::seconds(n)).to_rfc3339()));
        let times: Vec<&str> = times.iter().map(String::as_str).collect();
        assert_eq!(play(&s, &times), ["schedule 11-21T08:00"]);
    }
}
