//! How a schedule works: whose secrets, how gently, with what around it, how it is checked.

use chrono::NaiveTime;
use std::path::PathBuf;
use std::time::Duration;

/// Where a secret comes from. The secret itself is never here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment of the program that works.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a program prints.
    Command(Vec<String>),
}

/// How archives are encrypted (OpenPGP); each way by itself opens them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encrypt {
    /// Files with public keys.
    pub to: Vec<PathBuf>,
    /// A passphrase.
    pub passphrase: Option<SecretSource>,
    /// A file with the private key, where this machine shall be able to open its own archives.
    pub key: Option<PathBuf>,
    /// The passphrase of that key.
    pub key_passphrase: Option<SecretSource>,
}

/// How gently a run treats the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// Niceness, -20 to 19 (nice(2)).
    pub nice: Option<i8>,
    /// Class and level of input and output (ioprio_set(2)).
    pub ionice: Option<IoNice>,
}

/// Class and level of input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoNice {
    /// Only when nobody else wants the disk.
    Idle,
    /// The usual class, with a level from 0 (first) to 7 (last).
    BestEffort(u8),
}

impl std::str::FromStr for IoNice {
    type Err = crate::ParseWordError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || crate::ParseWordError::new(text, "ionice (idle, best-effort, best-effort:0 to best-effort:7)");
        match text.split_once(':') {
            None if text == "idle" => Ok(Self::Idle),
            None if text == "best-effort" => Ok(Self::BestEffort(4)),
            Some(("best-effort", level)) => level.parse().ok().filter(|l| *l <= 7).map(Self::BestEffort).ok_or_else(error),
            _ => Err(error()),
        }
    }
}

/// A limit on how fast a source is read, for a part of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Bytes of contents a second.
    pub rate: u64,
    /// From this time of the schedule's zone.
    pub from: NaiveTime,
    /// To this time; the same as `from` means the whole day, an earlier one the next day.
    pub to: NaiveTime,
}

impl RateLimit {
    /// Whether it holds at a time of day.
    #[must_use]
    pub fn holds(&self, time: NaiveTime) -> bool {
        match self.from.cmp(&self.to) {
            std::cmp::Ordering::Less => self.from <= time && time < self.to,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => time >= self.from || time < self.to,
        }
    }
}

/// Programs that run around a backup: argv lists, no shell between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Before; one that fails fails the run.
    pub before: Vec<Vec<String>>,
    /// After a backup that was made, and after one that failed once `before` had begun.
    pub after: Vec<Vec<String>>,
    /// After a run that failed.
    pub on_failure: Vec<Vec<String>>,
    /// How long each may take.
    pub timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { before: Vec::new(), after: Vec::new(), on_failure: Vec::new(), timeout: Duration::from_secs(300) }
    }
}

/// How much is read back, how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scrub {
    /// Share of the bytes of all archives, in percent.
    pub percent: f64,
    /// In so much time.
    pub every: Duration,
}

impl std::str::FromStr for Scrub {
    type Err = crate::ParseWordError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || crate::ParseWordError::new(text, "scrub (such as 5%/week or 100%/month)");
        let (percent, every) = text.split_once("%/").ok_or_else(error)?;
        let percent: f64 = percent.trim().parse().map_err(|_| error())?;
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(error());
        }
        Ok(Self { percent, every: rhythm(every).ok_or_else(error)? })
    }
}

/// `day`, `daily`, `week`, … or a duration of at least an hour.
#[must_use]
pub fn rhythm(text: &str) -> Option<Duration> {
    let days = match text.trim() {
        "day" | "daily" => 1,
        "week" | "weekly" => 7,
        "month" | "monthly" => 30,
        "quarter" | "quarterly" => 91,
        "year" | "yearly" => 365,
        other => return crate::parse_duration(other).ok().filter(|d| d.as_secs() >= 3600),
    };
    Some(Duration::from_secs(days * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        assert_eq!("5%/week".parse(), Ok(Scrub { percent: 5.0, every: Duration::from_secs(604_800) }));
        for wrong in ["5/week", "0%/day", "101%/day", "5%/x", ""] {
            assert!(wrong.parse::<Scrub>().is_err(), "{wrong}");
        }
        assert_eq!("best-effort:7".parse(), Ok(IoNice::BestEffort(7)));
        assert!("best-effort:8".parse::<IoNice>().is_err() && "realtime".parse::<IoNice>().is_err());
    }

    #[test]
    fn windows_run_over_midnight() {
        let at = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("a time");
        let night = RateLimit { rate: 1, from: at(22), to: at(6) };
        assert!(night.holds(at(23)) && night.holds(at(0)) && !night.holds(at(6)) && !night.holds(at(12)));
        let day = RateLimit { rate: 1, from: at(8), to: at(18) };
        assert!(day.holds(at(8)) && !day.holds(at(18)));
        assert!(RateLimit { rate: 1, from: at(0), to: at(0) }.holds(at(13)));
    }
}
