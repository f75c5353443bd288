//! Cron expressions, read as crontab(5) reads them, evaluated on the naive local calendar.

use chrono::{DateTime, NaiveDateTime, Utc};
use std::fmt;
use std::str::FromStr;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const FIELDS: [&str; 7] = ["second", "minute", "hour", "day of month", "month", "day of week", "year"];

/// A cron expression of 5 (crontab), 6 (seconds first) or 7 fields (year last).
///
/// In all three, days of the week count from 0 (Sunday) to 7 (Sunday again) or have names, and where
/// both day fields are restricted a day that matches either of them counts, as crontab(5) says.
#[derive(Clone, Debug)]
pub struct CronExpr {
    text: String,
    /// One pattern, or two whose union is meant.
    patterns: Vec<cron::Schedule>,
    rhythm: bool,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not 5, 6 or 7 fields.
    #[error(
        "the cron expression {text:?} has {count} fields; 5 (minute hour day month weekday), 6 (seconds first) or 7 (year last) are needed, for example \"30 2 * * *\""
    )]
    Fields {
        /// The text given.
        text: String,
        /// The number of fields it has.
        count: usize,
    },
    /// One field is wrong.
    #[error("the {field} field {value:?} of the cron expression {text:?} is wrong; write {example}")]
    Field {
        /// The text given.
        text: String,
        /// The name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        example: &'static str,
    },
    /// It names no date that exists, such as 30 February.
    #[error("the cron expression {0:?} never happens; its day and month do not meet")]
    Never(String),
}

fn example(field: &str) -> &'static str {
    match field {
        "second" | "minute" => "0 to 59, *, */15 or a list such as 0,30",
        "hour" => "0 to 23, *, */6 or a list such as 8,20",
        "day of month" => "1 to 31, * or a list such as 1,15",
        "month" => "1 to 12, Jan to Dec or *",
        "day of week" => "0 to 7 (0 and 7 are Sunday), Mon to Sun, Mon-Fri or *",
        _ => "a year such as 2027, or *",
    }
}

/// Turns a day-of-week field into a list of names, which leaves no doubt about the numbering.
fn weekdays(field: &str) -> Option<String> {
    let day = |word: &str| -> Option<usize> {
        word.parse::<usize>().ok().filter(|n| *n <= 7).or_else(|| {
            let word = word.to_ascii_lowercase();
            DAYS.iter().position(|d| {
                let d = d.to_ascii_lowercase();
                word == d || (word.len() > 3 && FULL_DAYS.contains(&word.as_str()) && word.starts_with(&d))
            })
        })
    };
    let mut set = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((from, to)) => (day(from)?, day(to)?),
            None if part.contains('/') => (day(range)?, 6),
            None => (day(range)?, day(range)?),
        };
        // Fri-Sun and Sat-Mon run over the end of the week.
        let to = if to < from { to + 7 } else { to };
        for n in (from..=to).step_by(step) {
            set[n % 7] = true;
        }
    }
    let names: Vec<&str> = DAYS.iter().zip(set).filter(|(_, on)| *on).map(|(d, _)| *d).collect();
    if names.len() == 7 { Some("*".to_owned()) } else { Some(names.join(",")) }
}

const FULL_DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl FromStr for CronExpr {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let expanded = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let words: Vec<&str> = expanded.split_whitespace().collect();
        let mut fields: Vec<String> = match words.len() {
            5 => std::iter::once("0").chain(words.iter().copied()).chain(["*"]).map(str::to_owned).collect(),
            6 => words.iter().copied().chain(["*"]).map(str::to_owned).collect(),
            7 => words.iter().map(|w| (*w).to_owned()).collect(),
            count => return Err(CronError::Fields { text: text.to_owned(), count }),
        };
        for (i, value) in fields.iter_mut().enumerate() {
            let wrong = |value: &str| CronError::Field {
                text: text.to_owned(),
                field: FIELDS[i],
                value: value.to_owned(),
                example: example(FIELDS[i]),
            };
            if *value == "?" && (i == 3 || i == 5) {
                *value = "*".to_owned();
            }
            if i == 5 {
                *value = weekdays(value).ok_or_else(|| wrong(value))?;
            }
            // One field at a time shows which of them is wrong.
            let mut alone = ["*"; 7];
            alone[i] = value;
            if cron::Schedule::from_str(&alone.join(" ")).is_err() {
                return Err(wrong(value));
            }
        }
        let restricted = |field: &str| !field.starts_with('*');
        let mut variants = vec![fields.clone()];
        if restricted(&fields[3]) && restricted(&fields[5]) {
            variants = vec![fields.clone(), fields.clone()];
            variants[0][5] = "*".to_owned();
            variants[1][3] = "*".to_owned();
        }
        let patterns = variants
            .iter()
            .map(|v| cron::Schedule::from_str(&v.join(" ")))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CronError::Fields { text: text.to_owned(), count: words.len() })?;
        let expr = Self { text: text.trim().to_owned(), patterns, rhythm: fields[2].starts_with('*') };
        let start = DateTime::<Utc>::UNIX_EPOCH.naive_utc();
        if expr.next_naive(start).is_none() {
            return Err(CronError::Never(text.to_owned()));
        }
        Ok(expr)
    }
}

impl CronExpr {
    /// Whether the hour field is `*` or a step: such an expression keeps its rhythm through a change
    /// of the clocks.
    #[must_use]
    pub fn is_rhythm(&self) -> bool {
        self.rhythm
    }

    /// The first match strictly after `after`, on a calendar without zones.
    #[must_use]
    pub fn next_naive(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = after.and_utc();
        self.patterns.iter().filter_map(|p| p.after(&after).next()).min().map(|t| t.naive_utc())
    }
}

impl PartialEq for CronExpr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronExpr {}

impl fmt::Display for CronExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn naive(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a date")
    }

    #[test]
    fn crontab_numbering() {
        let next = |e: &str| e.parse::<CronExpr>().expect(e).next_naive(naive("2026-11-21 12:00")).expect("a next");
        // 2026-11-22 is a Sunday.
        assert_eq!(next("0 9 * * 0"), naive("2026-11-22 09:00"));
        assert_eq!(next("0 9 * * 7"), naive("2026-11-22 09:00"));
        assert_eq!(next("0 9 * * 1"), naive("2026-11-23 09:00"));
        assert_eq!(next("0 9 * * 5-7"), naive("2026-11-22 09:00"));
        assert_eq!(next("0 9 * * Sat-Mon"), naive("2026-11-22 09:00"));
        assert_eq!(next("0 0 9 * * Monday"), naive("2026-11-23 09:00"));
        assert_eq!(next("0 0 9 1 1 ? 2028"), naive("2028-01-01 09:00"));
        // Day of month or day of week.
        assert_eq!(next("0 9 25 * 1"), naive("2026-11-23 09:00"));
        assert_eq!(next("0 9 22 * 1"), naive("2026-11-22 09:00"));
        assert_eq!(NaiveDate::from_ymd_opt(2028, 2, 29), Some(next("0 1 29 2 *").date()));
    }

    #[test]
    fn says_which_field() {
        let error = |e: &str| e.parse::<CronExpr>().expect_err(e).to_string();
        assert!(error("61 2 * * *").contains("minute"));
        assert!(error("0 25 * * *").contains("hour"));
        assert!(error("0 2 * * 8").contains("day of week"));
        assert!(error("0 2 * * Mno").contains("day of week"));
        assert!(error("0 2 * *").contains("4 fields"));
        assert!(error("0 2 30 2 *").contains("never"));
        assert!(error("").contains("0 fields"));
    }
}
