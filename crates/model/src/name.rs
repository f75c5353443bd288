//! The name of a schedule.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A schedule's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, not digits only.
///
/// It names a folder under `backups/`, so nothing that a path could misread is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no schedule name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty; write for example docs_morning")]
    Empty,
    /// Longer than 64 characters.
    #[error("the name {name:?} has {length} characters, 64 are allowed")]
    TooLong {
        /// The text given.
        name: String,
        /// Its length in characters.
        length: usize,
    },
    /// Digits only: such a word is an index of `list`.
    #[error("the name {0:?} has digits only, which would be read as an index; add a letter, for example s{0}")]
    Digits(String),
    /// A character that is not allowed.
    #[error(
        "the name {name:?} holds {found:?}; use letters, digits, '.', '_' and '-' and begin with a letter or digit (free text goes in title)"
    )]
    Character {
        /// The text given.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl Name {
    /// Checks a text and makes a name of it.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with the text.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let mut chars = text.chars();
        let Some(first) = chars.next() else {
            return Err(NameError::Empty);
        };
        let bad = if first.is_ascii_alphanumeric() {
            chars.find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        } else {
            Some(first)
        };
        if let Some(found) = bad {
            return Err(NameError::Character { name: text.to_owned(), found });
        }
        if text.len() > 64 {
            return Err(NameError::TooLong { name: text.to_owned(), length: text.len() });
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::Digits(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["docs_morning", "a", "0a", "A.b-c_d", &"x".repeat(64)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "12", ".hidden", "-x", "a b", "a/b", "é", "..", &"x".repeat(65), "a\n"] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }
}
