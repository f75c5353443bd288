//! When a schedule runs: local times, the change of the clocks included.

use crate::{CronExpr, Name};
use chrono::{DateTime, Datelike, Days, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use std::fmt;
use std::str::FromStr;

/// A rhythm given by a word or an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Minute 0 of every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every Monday.
    Weekly,
    /// The first of every month.
    Monthly,
    /// Every so many minutes (1 to 720, a divisor of a day), aligned to local midnight.
    Minutes(u32),
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Only when asked.
    Manual,
    /// At these times of the days that `on` names (daily, weekly or monthly).
    At {
        /// Local times, sorted, at least one.
        times: Vec<NaiveTime>,
        /// Which days.
        on: Every,
    },
    /// By a cron expression.
    Cron(CronExpr),
    /// A rhythm below a day.
    Interval(u32),
}

/// A trigger that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// Not a time of day.
    #[error("{0:?} is not a time of day; write hh:mm from 00:00 to 23:59, for example 09:00")]
    Time(String),
    /// Not a rhythm.
    #[error("{0:?} is not a rhythm; write hourly, daily, weekly, monthly, or an interval that divides a day, such as 15m or 6h")]
    Every(String),
    /// `at` beside a rhythm below a day.
    #[error("at = … cannot accompany every = {0:?}; it goes with daily, weekly or monthly")]
    AtWithInterval(String),
    /// More than one of cron, every/at, manual.
    #[error("give one of at, cron, every and manual (at may accompany every = \"daily\", \"weekly\" or \"monthly\")")]
    Several,
    /// None of them.
    #[error("no time is given; write one of at = \"09:00\", cron = \"30 2 * * *\", every = \"hourly\" or manual = true")]
    Missing,
}

impl FromStr for Every {
    type Err = TriggerError;
    fn from_str(text: &str) -> Result<Self, TriggerError> {
        let error = || TriggerError::Every(text.to_owned());
        Ok(match text {
            "hourly" => Self::Hourly,
            "daily" => Self::Daily,
            "weekly" => Self::Weekly,
            "monthly" => Self::Monthly,
            _ => {
                let seconds = crate::parse_duration(text).map_err(|_| error())?.as_secs();
                let minutes = u32::try_from(seconds / 60).map_err(|_| error())?;
                if seconds % 60 != 0 || !(1..=720).contains(&minutes) || 1440 % minutes != 0 {
                    return Err(error());
                }
                Self::Minutes(minutes)
            }
        })
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hourly => f.write_str("hourly"),
            Self::Daily => f.write_str("daily"),
            Self::Weekly => f.write_str("weekly"),
            Self::Monthly => f.write_str("monthly"),
            Self::Minutes(m) if m % 60 == 0 => write!(f, "{}h", m / 60),
            Self::Minutes(m) => write!(f, "{m}m"),
        }
    }
}

impl Trigger {
    /// Reads a time of day, `hh:mm`, 00:00 to 23:59.
    ///
    /// # Errors
    /// [`TriggerError::Time`] if it is none.
    pub fn parse_time(text: &str) -> Result<NaiveTime, TriggerError> {
        let error = || TriggerError::Time(text.to_owned());
        let (h, m) = text.split_once(':').ok_or_else(error)?;
        let number = |s: &str| -> Option<u32> {
            if (1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit()) { s.parse().ok() } else { None }
        };
        let (Some(h), Some(m)) = (number(h), number(m).filter(|_| m.len() == 2)) else { return Err(error()) };
        NaiveTime::from_hms_opt(h, m, 0).ok_or_else(error)
    }

    /// Puts a trigger together from what the file or the command line gives.
    ///
    /// # Errors
    /// [`TriggerError`] if the parts do not fit together.
    pub fn from_parts(
        at: &[NaiveTime],
        cron: Option<CronExpr>,
        every: Option<Every>,
        manual: bool,
    ) -> Result<Self, TriggerError> {
        let ways = usize::from(cron.is_some()) + usize::from(every.is_some() || !at.is_empty()) + usize::from(manual);
        if ways > 1 {
            return Err(TriggerError::Several);
        }
        if let Some(cron) = cron {
            return Ok(Self::Cron(cron));
        }
        if manual {
            return Ok(Self::Manual);
        }
        let mut times = at.to_vec();
        times.sort_unstable();
        times.dedup();
        match (every, times.is_empty()) {
            (None, true) => Err(TriggerError::Missing),
            (None, false) => Ok(Self::At { times, on: Every::Daily }),
            (Some(Every::Hourly), true) => Ok(Self::Interval(60)),
            (Some(Every::Minutes(m)), true) => Ok(Self::Interval(m)),
            (Some(e @ (Every::Hourly | Every::Minutes(_))), false) => Err(TriggerError::AtWithInterval(e.to_string())),
            (Some(on), empty) => {
                if empty {
                    times.push(NaiveTime::MIN);
                }
                Ok(Self::At { times, on })
            }
        }
    }

    /// The first instant strictly after `after` at which the schedule shall run.
    ///
    /// Times of day are evaluated on the local calendar: one that a change of the clocks leaves out
    /// runs once at the first instant after the gap, one that occurs twice runs at the first.
    /// Intervals and expressions whose hour field is `*` or a step keep their real rhythm: they are
    /// counted in elapsed time from the day's beginning.
    #[must_use]
    pub fn next_after(&self, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Manual => None,
            Self::At { times, on } => next_fixed(zone, after, |naive| next_at(times, *on, naive)),
            Self::Cron(expr) if expr.is_rhythm() => next_rhythm(zone, after, |naive| expr.next_naive(naive)),
            Self::Cron(expr) => next_fixed(zone, after, |naive| expr.next_naive(naive)),
            Self::Interval(minutes) => next_rhythm(zone, after, |naive| {
                let minute_of_day =
                    i64::from(naive.signed_duration_since(naive.date().and_time(NaiveTime::MIN)).num_minutes() as i32);
                let step = i64::from(*minutes);
                let next = (minute_of_day / step + 1) * step;
                naive.date().and_time(NaiveTime::MIN).checked_add_signed(Duration::minutes(next))
            }),
        }
    }

    /// The latest planned instant in (`after`, `until`], or none: what a pause has missed.
    #[must_use]
    pub fn last_between(&self, zone: Tz, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Look back through growing windows, so that a long pause of a dense rhythm stays cheap.
        for hours in [1, 24, 24 * 8, 24 * 32, 24 * 367, 24 * 367 * 9] {
            let start = (until - Duration::hours(hours)).max(after);
            let mut latest = None;
            let mut at = start;
            while let Some(next) = self.next_after(zone, at).filter(|t| *t <= until) {
                latest = Some(next);
                at = next;
            }
            if latest.is_some() || start == after {
                return latest;
            }
        }
        None
    }

    /// The `hh:mm` of a plain daily time, where the one-line form can say this trigger.
    #[must_use]
    pub fn plain_daily_time(&self) -> Option<String> {
        match self {
            Self::At { times, on: Every::Daily } if times.len() == 1 => Some(times[0].format("%H:%M").to_string()),
            _ => None,
        }
    }

    /// The one-line form of a schedule, `path;hh:mm;name`, where it fits.
    #[must_use]
    pub fn one_line(&self, path: &str, name: &Name) -> Option<String> {
        self.plain_daily_time().map(|time| format!("{path};{time};{name}"))
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual => f.write_str("manual"),
            Self::At { times, on } => {
                write!(f, "{on} at ")?;
                for (i, t) in times.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { ", " } else { "" }, t.format("%H:%M"))?;
                }
                Ok(())
            }
            Self::Cron(expr) => write!(f, "cron {expr}"),
            Self::Interval(60) => f.write_str("hourly"),
            Self::Interval(m) => write!(f, "every {}", Every::Minutes(*m)),
        }
    }
}

fn next_at(times: &[NaiveTime], on: Every, after: NaiveDateTime) -> Option<NaiveDateTime> {
    let mut date = after.date();
    // A month has at most 31 days, so the next fitting day is always found.
    for _ in 0..=31 {
        let fits = match on {
            Every::Weekly => date.weekday() == Weekday::Mon,
            Every::Monthly => date.day() == 1,
            _ => true,
        };
        if fits && let Some(found) = times.iter().map(|t| date.and_time(*t)).find(|t| *t > after) {
            return Some(found);
        }
        date = date.succ_opt()?;
    }
    None
}

/// Maps a local time to an instant: the first of two, or the first instant after a gap.
#[must_use]
pub fn to_instant(zone: Tz, naive: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => Some(t.with_timezone(&Utc)),
        LocalResult::None => {
            // The gap ends where the local clock has passed `naive`: search its end by the minute
            // of the earlier offset (no gap of the database is longer than a day).
            let before = (1..=48).find_map(|half_hours| {
                zone.from_local_datetime(&naive.checked_sub_signed(Duration::minutes(30 * half_hours))?).latest()
            })?;
            let mut low = before.with_timezone(&Utc);
            let mut high = low.checked_add_signed(Duration::hours(49))?;
            // The first instant whose local clock shows `naive` or later; local time is monotone here.
            while high - low > Duration::seconds(1) {
                let middle = low + (high - low) / 2;
                if middle.with_timezone(&zone).naive_local() >= naive { high = middle } else { low = middle }
            }
            let seconds = high.timestamp();
            let rounded = DateTime::from_timestamp(seconds, 0)?;
            if rounded.with_timezone(&zone).naive_local() >= naive {
                Some(rounded)
            } else {
                DateTime::from_timestamp(seconds + 1, 0)
            }
        }
    }
}

/// The first instant of a local day.
#[must_use]
pub fn local_day_start(zone: Tz, date: NaiveDate) -> Option<DateTime<Utc>> {
    to_instant(zone, date.and_time(NaiveTime::MIN))
}

fn next_fixed(zone: Tz, after: DateTime<Utc>, next: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>) -> Option<DateTime<Utc>> {
    // A day back covers every shift of a zone; candidates at or before `after` are passed over.
    let mut naive = after.with_timezone(&zone).naive_local().checked_sub_signed(Duration::hours(25))?;
    loop {
        naive = next(naive)?;
        let instant = to_instant(zone, naive)?;
        if instant > after {
            return Some(instant);
        }
    }
}

fn next_rhythm(zone: Tz, after: DateTime<Utc>, next: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>) -> Option<DateTime<Utc>> {
    let mut date = after.with_timezone(&zone).date_naive();
    loop {
        let start = local_day_start(zone, date)?;
        let following = date.checked_add_days(Days::new(1))?;
        let end = local_day_start(zone, following)?;
        let midnight = date.and_time(NaiveTime::MIN);
        let day = Duration::hours(24);
        // Elapsed time since the day's start stands for the time of day. Of a day longer than 24
        // hours the rest counts as its first hours again.
        for lap in [Duration::zero(), day] {
            let mut elapsed = (after - start - lap).max(Duration::seconds(-1));
            while let Some(found) = midnight.checked_add_signed(elapsed).and_then(&next) {
                elapsed = found - midnight;
                let instant = start + lap + elapsed;
                if elapsed >= day || instant >= end {
                    break;
                }
                if instant > after {
                    return Some(instant);
                }
            }
        }
        // Jump over days without a match.
        let candidate = next(following.and_time(NaiveTime::MIN).checked_sub_signed(Duration::seconds(1))?)?;
        date = candidate.date();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Europe::Paris;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect(text).with_timezone(&Utc)
    }

    fn runs(trigger: &Trigger, from: &str, count: usize) -> Vec<String> {
        let mut at = utc(from);
        (0..count)
            .map(|_| {
                at = trigger.next_after(Paris, at).expect("a next run");
                at.with_timezone(&Paris).format("%m-%d %H:%M %:z").to_string()
            })
            .collect()
    }

    fn at(text: &str) -> Trigger {
        Trigger::from_parts(&[Trigger::parse_time(text).expect(text)], None, None, false).expect(text)
    }

    fn cron(text: &str) -> Trigger {
        Trigger::Cron(text.parse().expect(text))
    }

    #[test]
    fn spring_gap_runs_once_after_it() {
        for trigger in [at("02:30"), cron("30 2 * * *"), cron("0,30 2 * * *")] {
            let list = runs(&trigger, "2026-03-27T12:00:00Z", 4);
            let on_the_day: Vec<_> = list.iter().filter(|r| r.starts_with("03-29")).collect();
            assert_eq!(on_the_day, ["03-29 03:00 +02:00"], "{trigger}");
        }
        assert_eq!(runs(&at("02:30"), "2026-03-29T01:00:00Z", 1), ["03-30 02:30 +02:00"]);
    }

    #[test]
    fn autumn_overlap_runs_once() {
        for trigger in [at("02:30"), cron("30 2 * * *")] {
            assert_eq!(runs(&trigger, "2026-10-24T12:00:00Z", 2), ["10-25 02:30 +02:00", "10-26 02:30 +01:00"], "{trigger}");
        }
    }

    #[test]
    fn rhythms_stay_real() {
        let hourly = Trigger::from_parts(&[], None, Some(Every::Hourly), false).expect("hourly");
        for trigger in [hourly, cron("0 * * * *")] {
            assert_eq!(
                runs(&trigger, "2026-10-24T23:30:00Z", 4),
                ["10-25 02:00 +02:00", "10-25 02:00 +01:00", "10-25 03:00 +01:00", "10-25 04:00 +01:00"]
            );
            assert_eq!(
                runs(&trigger, "2026-03-28T23:30:00Z", 3),
                ["03-29 01:00 +01:00", "03-29 03:00 +02:00", "03-29 04:00 +02:00"]
            );
            assert_eq!(
                runs(&trigger, "2026-10-25T21:30:00Z", 3),
                ["10-25 23:00 +01:00", "10-26 00:00 +01:00", "10-26 01:00 +01:00"]
            );
        }
        let two = Trigger::Interval(120);
        assert_eq!(runs(&two, "2026-03-28T22:30:00Z", 3), ["03-29 00:00 +01:00", "03-29 03:00 +02:00", "03-29 05:00 +02:00"]);
        let quarter = Trigger::Interval(15);
        let mut t = utc("2026-10-24T20:00:00Z");
        for _ in 0..60 {
            let next = quarter.next_after(Paris, t).expect("next");
            assert_eq!(next - t, Duration::minutes(15));
            t = next;
        }
        // A weekly condition does not lose the 25th hour of a long Sunday.
        let sunday = cron("0 * * * 0");
        let mut t = utc("2026-10-24T20:00:00Z");
        let mut count = 0;
        while let Some(next) = sunday.next_after(Paris, t).filter(|n| *n < utc("2026-10-26T12:00:00Z")) {
            t = next;
            count += 1;
        }
        assert_eq!(count, 25);
    }

    #[test]
    fn month_ends_and_leap_days() {
        let monthly = Trigger::from_parts(&[Trigger::parse_time("04:05").expect("time")], None, Some(Every::Monthly), false)
            .expect("monthly");
        assert_eq!(runs(&monthly, "2026-12-31T23:30:00Z", 2), ["01-01 04:05 +01:00", "02-01 04:05 +01:00"]);
        assert_eq!(runs(&cron("0 12 31 * *"), "2026-12-31T11:30:00Z", 2), ["01-31 12:00 +01:00", "03-31 12:00 +02:00"]);
        assert_eq!(cron("0 12 29 2 *").next_after(Paris, utc("2026-03-01T00:00:00Z")), Some(utc("2028-02-29T11:00:00Z")));
        let weekly = Trigger::from_parts(&[], None, Some(Every::Weekly), false).expect("weekly");
        assert_eq!(runs(&weekly, "2026-11-21T12:00:00Z", 1), ["11-23 00:00 +01:00"]);
    }

    #[test]
    fn what_was_missed() {
        let daily = at("09:00");
        assert_eq!(
            daily.last_between(Paris, utc("2026-11-18T08:00:00Z"), utc("2026-11-21T12:00:00Z")),
            Some(utc("2026-11-21T08:00:00Z"))
        );
        assert_eq!(daily.last_between(Paris, utc("2026-11-21T08:00:00Z"), utc("2026-11-21T12:00:00Z")), None);
        assert_eq!(
            Trigger::Interval(15).last_between(Paris, utc("2016-11-18T08:00:00Z"), utc("2026-11-21T12:01:00Z")),
            Some(utc("2026-11-21T12:00:00Z"))
        );
    }

    #[test]
    fn croner_agrees_on_daily_times() {
        use croner::parser::CronParser;
        for expr in ["30 2 * * *", "0 3 * * *", "15 1 * * 1-5", "59 23 28 * *", "30 2 29 3 *", "30 2 25 10 *", "0 0 13 * 5"] {
            let oracle = CronParser::new().parse(expr).expect(expr);
            let ours = cron(expr);
            for zone in [Paris, chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe, chrono_tz::Asia::Kolkata] {
                let mut t = utc("2025-12-20T12:00:00Z");
                for _ in 0..800 {
                    // The crate `cron` knows no year after 2100.
                    let Some(next) = ours.next_after(zone, t).filter(|n| n.year() < 2099) else { break };
                    let theirs = oracle.find_next_occurrence(&t.with_timezone(&zone), false).expect("oracle").with_timezone(&Utc);
                    assert_eq!(next, theirs, "{expr} in {zone} after {t}");
                    t = next;
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn next_is_later_and_dense(seconds in 0i64..4_000_000_000, pick in 0usize..6) {
            let triggers = [at("02:30"), cron("*/7 * * * *"), Trigger::Interval(360), cron("0 0 1 * 1"), Trigger::Interval(1), cron("30 2 * * 0")];
            let t = DateTime::from_timestamp(seconds, 0).expect("in range");
            let trigger = &triggers[pick];
            let next = trigger.next_after(Paris, t).expect("next");
            proptest::prop_assert!(next > t);
            // Nothing lies between: asking from just before the answer gives the answer.
            proptest::prop_assert_eq!(trigger.next_after(Paris, next - Duration::seconds(1)), Some(next));
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for bad in ["25:00", "9", "9:0", "09:60", "-1:00", "09:00:00", "", "+9:00"] {
            assert!(Trigger::parse_time(bad).is_err(), "{bad}");
        }
        assert!(Trigger::parse_time("9:05").is_ok());
        for bad in ["7m", "0m", "25h", "13h", "often", "90s"] {
            assert!(bad.parse::<Every>().is_err(), "{bad}");
        }
        assert_eq!("6h".parse::<Every>(), Ok(Every::Minutes(360)));
    }
}
