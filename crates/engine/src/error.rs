//! Why the engine could not do its work.

use std::io;
use std::path::Path;

/// An error that ends a run. Trouble with one file is a note to the observer instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An operation on a path failed.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// The system's word.
        source: io::Error,
    },
    /// The disk is full.
    #[error(
        "no space left on the disk of {path}: {written} bytes were written, about {missing} more are needed; free some space or shorten retention"
    )]
    NoSpace {
        /// The file that was written.
        path: String,
        /// Bytes that went in.
        written: u64,
        /// An estimate of what was still to come.
        missing: u64,
    },
    /// The disk that is restored to is nearly full.
    #[error("no space left to restore to {path}: {what}; free some space and restore again: what is there already is kept")]
    TargetFull {
        /// The target.
        path: String,
        /// How much is left, or the system's word.
        what: String,
    },
    /// A source is not there.
    #[error("the source {path} cannot be read: {source}; nothing was backed up")]
    Source {
        /// The source.
        path: String,
        /// The system's word.
        source: io::Error,
    },
    /// A source went away in the middle.
    #[error("the source {path} went away while it was read: {source}; nothing was kept of this backup")]
    SourceGone {
        /// The source.
        path: String,
        /// The system's word.
        source: io::Error,
    },
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// An archive or index is not what it should be.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What does not fit.
        what: String,
    },
    /// An archive asks for something that is never done.
    #[error("{path} is refused: {what}")]
    Refused {
        /// The archive.
        path: String,
        /// What it asks for.
        what: String,
    },
    /// An archive is encrypted, and nothing here opens it.
    #[error("{path} is encrypted and there is no key here that opens it: {what}")]
    NoKey {
        /// The archive.
        path: String,
        /// What it was encrypted to, and what to give.
        what: String,
    },
    /// Something that was asked for is not there.
    #[error("{what} is not in {path}")]
    NotFound {
        /// The archive.
        path: String,
        /// What was asked for.
        what: String,
    },
    /// An archive holds a database where files are needed.
    #[error("{path} holds a database, not files; restore it with `backupctl restore … --into DATABASE`")]
    NotFiles {
        /// The archive.
        path: String,
    },
    /// A pattern of an exclude list is wrong.
    #[error("the exclude pattern {pattern:?} is wrong: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
}

impl EngineError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { doing, path, source }
    }

    pub(crate) fn damaged(path: &Path, what: impl ToString) -> Self {
        Self::Damaged { path: path.display().to_string(), what: what.to_string() }
    }
}
