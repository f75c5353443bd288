//! What can go wrong with the catalogue.

/// An error of the catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// It cannot be opened.
    #[error("cannot open the catalogue{}: {message}", .path.as_ref().map(|p| format!(" {p}")).unwrap_or_default())]
    Open {
        /// Where it lies.
        path: Option<String>,
        /// The database's word.
        message: String,
    },
    /// A newer program has made it.
    #[error("the catalogue has version {have}, this program knows {know}; use the newer program")]
    Newer {
        /// Version found.
        have: usize,
        /// Version known.
        know: usize,
    },
    /// A statement failed.
    #[error("the catalogue cannot be used: {0}")]
    Database(String),
    /// It holds something that this program does not understand.
    #[error("the catalogue holds something that is not understood: {0}")]
    Content(String),
    /// More than one id begins with the prefix.
    #[error("{0} is the beginning of several ids; give more of it")]
    Ambiguous(String),
}

impl CatalogueError {
    pub(crate) fn open(error: sqlx::Error) -> Self {
        Self::Open { path: None, message: text(&error) }
    }

    pub(crate) fn at(self, path: &str) -> Self {
        match self {
            Self::Open { message, .. } => Self::Open { path: Some(path.to_owned()), message },
            other => other,
        }
    }
}

fn text(error: &sqlx::Error) -> String {
    match error {
        // SQLITE_FULL (https://www.sqlite.org/rescode.html#full).
        sqlx::Error::Database(e) if e.code().as_deref() == Some("13") => {
            "the disk of the catalogue is full; free some space and try again".to_owned()
        }
        sqlx::Error::Database(e) => e.message().to_owned(),
        other => other.to_string(),
    }
}

impl From<sqlx::Error> for CatalogueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(text(&error))
    }
}
