//! Why a message was not sent.

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The name is not known, or the address not allowed.
    #[error("{0}")]
    Address(String),
    /// The server cannot be reached, or not with TLS.
    #[error("{0}")]
    Connect(String),
    /// The server does not let us in.
    #[error("{0}")]
    SignIn(String),
    /// The server does not take the message.
    #[error("{0}")]
    Refused(String),
}
