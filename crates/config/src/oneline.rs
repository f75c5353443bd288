//! The one-line form, `path;hh:mm;name`.

use backup_model::{Name, NameError, Trigger, TriggerError};
use chrono::NaiveTime;
use std::str::FromStr;

/// A schedule in one line: back up `path` every day at `time`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneLine {
    /// The path, relative to the home or absolute.
    pub path: String,
    /// The local time.
    pub time: NaiveTime,
    /// The schedule's name.
    pub name: Name,
}

/// Why a text is not of the one-line form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneLineError {
    /// Not three parts.
    #[error("{0:?} is not of the form \"path;hh:mm;name\"; write for example \"documents;09:00;docs_morning\"")]
    Parts(String),
    /// No path.
    #[error("{0:?} names no path before the first ';'; write for example \"documents;09:00;docs_morning\"")]
    Path(String),
    /// No time of day.
    #[error(transparent)]
    Time(#[from] TriggerError),
    /// No name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for OneLine {
    type Err = OneLineError;
    fn from_str(text: &str) -> Result<Self, OneLineError> {
        // The path comes first and may itself hold a ';'.
        let mut parts = text.rsplitn(3, ';');
        let (Some(name), Some(time), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(OneLineError::Parts(text.to_owned()));
        };
        let path = path.trim();
        if path.is_empty() || path.contains('\0') {
            return Err(OneLineError::Path(text.to_owned()));
        }
        Ok(Self { path: path.to_owned(), time: Trigger::parse_time(time.trim())?, name: Name::new(name.trim())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        let one: OneLine = "my;docs;09:00;docs_morning".parse().expect("one line");
        assert_eq!((one.path.as_str(), one.name.as_str()), ("my;docs", "docs_morning"));
        for bad in ["x", "a;25:00;b", ";09:00;b", "a;09:00;", "a;09:00;12", "", ";;"] {
            assert!(bad.parse::<OneLine>().is_err(), "{bad}");
        }
    }
}
