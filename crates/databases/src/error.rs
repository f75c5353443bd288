//! Why a database could not be copied or brought back.

/// An error of a copy, a restore or a test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A client program is not there.
    #[error("{program} is not there: {remedy}")]
    NoProgram {
        /// The program.
        program: String,
        /// What to install or set.
        remedy: String,
    },
    /// A client program failed.
    #[error("{program} failed ({how}): {text}")]
    Program {
        /// The program.
        program: String,
        /// Its exit status.
        how: String,
        /// What it said last.
        text: String,
    },
    /// The server said something unexpected, or nothing.
    #[error("{doing}: {text}")]
    Server {
        /// What was tried.
        doing: String,
        /// What it said, and what to do.
        text: String,
    },
    /// The account cannot read everything.
    #[error("{0}")]
    Rights(String),
    /// A dump does not hold what the server has.
    #[error("the dump is not complete: {0}")]
    Incomplete(String),
    /// Definitions were changed while they were copied; it may be tried again.
    #[error("definitions were changed while the database was copied: {0}")]
    Changed(String),
    /// A dump that is being loaded is damaged or hostile.
    #[error("the dump is refused: {0}; nothing of it counts")]
    Refused(String),
    /// What is there would be overwritten.
    #[error("{0}")]
    Exists(String),
    /// What was loaded is not what the dump holds.
    #[error("what was loaded is not what the dump holds: {0}")]
    Differs(String),
    /// It cannot be told here whether it would work elsewhere.
    #[error("inconclusive: {0}")]
    Inconclusive(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Reading or writing failed.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// The system's word.
        source: std::io::Error,
    },
}

impl DatabaseError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn server(doing: impl Into<String>, text: impl ToString) -> Self {
        Self::Server { doing: doing.into(), text: text.to_string() }
    }
}
