//! What restores of all servers have in common.

use crate::{Copied, DatabaseError};
use backup_model::{Content, DatabaseFacts, Form};
use std::io::Read;

/// A dump to be read to its end.
pub trait DumpStream: Read {
    /// Whether all that was read is what the archive was made of.
    ///
    /// # Errors
    /// What does not fit.
    fn finish(self: Box<Self>) -> Result<(), String>;
    /// Bytes read, and all there are if that is known.
    fn place(&self) -> (u64, Option<u64>);
}

/// Opens the dump from its begin.
pub type Open<'a> = &'a dyn Fn() -> Result<Box<dyn DumpStream>, DatabaseError>;

/// Where the dump comes from, and what keeps a copy of what it replaces.
pub struct RestoreFrom<'a> {
    /// Opens the dump.
    pub open: Open<'a>,
    /// Makes a copy of the database that is about to be replaced; opened later if it has to be loaded back. None if it
    /// was refused.
    pub safety: Option<&'a mut Safety<'a>>,
}

/// Makes a safety copy of a database and answers how it is opened.
pub type Safety<'a> = dyn FnMut(&str) -> Result<SafetyCopy, DatabaseError> + 'a;

/// A safety copy.
pub struct SafetyCopy {
    /// Where it is, for messages.
    pub place: String,
    /// Opens it.
    pub open: Box<dyn Fn() -> Result<Box<dyn DumpStream>, DatabaseError>>,
    /// What it holds.
    pub copied: Copied,
}

/// What to bring back, and where to.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// The database to restore into.
    pub database: String,
    /// What the dump is.
    pub form: Form,
    /// What of a database it holds.
    pub content: Content,
    /// What its sidecar says of it.
    pub facts: Option<DatabaseFacts>,
    /// Replace a database that holds something.
    pub overwrite: bool,
    /// Definitions only.
    pub metadata_only: bool,
    /// One table only (custom format).
    pub table: Option<String>,
    /// Leave out owners and rights.
    pub no_owner: bool,
    /// Keep the database that is replaced, under another name.
    pub keep_old: bool,
    /// Load into a scratch database, compare, drop it: a trial.
    pub trial: bool,
}

/// What a restore came to.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Where the safety copy is, if one was made.
    pub safety: Option<String>,
    /// The name of the database that was replaced, if it was kept.
    pub old: Option<String>,
}

impl RestorePlan {
    /// The name of a database to try in first.
    pub(crate) fn scratch(&self, limit: usize) -> String {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let mut end = self.database.len().min(limit - 20);
        while !self.database.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}_restore_{}", &self.database[..end], &id[20..])
    }
}

/// A count as a server answers it.
pub(crate) fn number_of(what: &str, answer: &str) -> Result<u64, DatabaseError> {
    answer.parse().map_err(|_| DatabaseError::server(format!("counting {what}"), format!("the answer is no number: {answer:?}")))
}

/// What was made must be as much as the server named when it was dumped.
pub(crate) fn same_objects(
    expected: &std::collections::BTreeMap<String, u64>,
    found: &std::collections::BTreeMap<String, u64>,
) -> Result<(), DatabaseError> {
    let of = |kind: &String| found.get(kind).copied().unwrap_or(0);
    match expected.iter().find(|(kind, n)| of(kind) != **n) {
        None => Ok(()),
        Some((kind, n)) => Err(DatabaseError::Differs(format!("there are {} of {n} objects of the kind {kind}", of(kind)))),
    }
}

/// Rows go into empty tables only.
pub(crate) fn must_be_empty(target: &str, counts: &std::collections::BTreeMap<String, u64>) -> Result<(), DatabaseError> {
    match counts.iter().find(|(_, rows)| **rows > 0) {
        None => Ok(()),
        Some((table, rows)) => Err(DatabaseError::Exists(format!(
            "{table} in {target} holds {rows} rows; an archive of rows goes into empty tables only: restore the definitions into a new database first"
        ))),
    }
}

/// What is said of a database that would be replaced without having been asked for.
pub(crate) fn holds_something(target: &str, place: &str, made: u64) -> DatabaseError {
    DatabaseError::Exists(format!(
        "the database {target} on {place} holds {made} objects already; restore into another name, or replace it with --overwrite (a safety dump is made first)"
    ))
}

/// What differs between the rows that a dump holds and those that are there.
pub(crate) fn differences(
    expected: &std::collections::BTreeMap<String, u64>,
    found: &std::collections::BTreeMap<String, u64>,
) -> Result<(), DatabaseError> {
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(table, rows)| found.get(*table) != Some(rows))
        .map(|(table, rows)| match found.get(table) {
            Some(there) => format!("{table} has {there} rows instead of {rows}"),
            None => format!("{table} is missing"),
        })
        .collect();
    match wrong.len() {
        0 => Ok(()),
        n => Err(DatabaseError::Differs(format!("{} ({n} in all)", wrong.into_iter().take(5).collect::<Vec<_>>().join(", ")))),
    }
}
