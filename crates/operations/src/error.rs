//! Why something could not be done, sorted by what the caller can do about it.

use backup_catalogue::CatalogueError;
use backup_config::EditError;
use backup_databases::DatabaseError;
use backup_engine::EngineError;

/// An error with a kind that decides status codes and exit codes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// Something named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// What was asked makes no sense, or the schedules file is not valid.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else has changed it meanwhile.
    #[error("{0}")]
    Changed(String),
    /// It is not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// The daemon is needed for it.
    #[error("{0}")]
    NeedsDaemon(String),
    /// The engine's word.
    #[error(transparent)]
    Engine(EngineError),
    /// A database's word.
    #[error(transparent)]
    Database(DatabaseError),
    /// The catalogue's word.
    #[error(transparent)]
    Catalogue(CatalogueError),
    /// Something else failed.
    #[error("{0}")]
    Failed(String),
}

impl OperationError {
    /// A stable word for the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::Invalid(_) => "invalid",
            Self::Conflict(_) => "conflict",
            Self::Changed(_) => "changed",
            Self::Forbidden(_) => "forbidden",
            Self::NeedsDaemon(_) => "needs_daemon",
            Self::Engine(EngineError::Damaged { .. }) => "damaged",
            Self::Engine(EngineError::NoSpace { .. }) => "no_space",
            Self::Engine(_) => "engine",
            Self::Database(_) => "database",
            Self::Catalogue(_) => "catalogue",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<EngineError> for OperationError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotFound { .. } => Self::NotFound(error.to_string()),
            EngineError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Self::NotFound(error.to_string())
            }
            other => Self::Engine(other),
        }
    }
}

impl From<DatabaseError> for OperationError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Cancelled => Self::Engine(EngineError::Cancelled),
            DatabaseError::Invalid(text) => Self::Invalid(text),
            other => Self::Database(other),
        }
    }
}

impl From<CatalogueError> for OperationError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::Ambiguous(_) => Self::Invalid(error.to_string()),
            other => Self::Catalogue(other),
        }
    }
}

impl From<EditError> for OperationError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NoSchedule(_) | EditError::NoEntry(..) => Self::NotFound(error.to_string()),
            EditError::Exists(_) | EditError::EntryExists(..) => Self::Conflict(error.to_string()),
            EditError::Changed(_) => Self::Changed(error.to_string()),
            EditError::Before { .. } | EditError::After(_) => Self::Invalid(error.to_string()),
            EditError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Self::NotFound(error.to_string())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}
