//! What can go wrong with a store, by what can be done about it.

/// Why a store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The settings make no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such object.
    #[error("{0}")]
    NotFound(String),
    /// An object of this name is there with other bytes.
    #[error("{0}")]
    Exists(String),
    /// The credentials are wrong or do not suffice.
    #[error("{0}")]
    Denied(String),
    /// There is no room.
    #[error("{0}")]
    Full(String),
    /// It cannot be reached for the moment, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// What arrived is not what was sent.
    #[error("{0}")]
    Damaged(String),
    /// It does not do such things.
    #[error("{0}")]
    Refused(String),
    /// Somebody has asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// This machine's disk.
    #[error("{0}")]
    Local(String),
}

impl StoreError {
    /// Whether the same may go well a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Damaged(_))
    }

    pub(crate) fn local(what: &str, path: &std::path::Path) -> impl Fn(std::io::Error) -> Self {
        let text = format!("cannot {what} {}", path.display());
        move |e| match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(format!("{text}: {e}")),
            std::io::ErrorKind::PermissionDenied => Self::Denied(format!("{text}: {e}")),
            _ => Self::Local(format!("{text}: {e}")),
        }
    }
}
