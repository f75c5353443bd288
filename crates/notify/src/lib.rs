//! Tells somebody: mail over SMTP, webhooks over HTTP. Knows nothing of backups but the words of alerts.

mod address;
mod email;
mod error;
mod message;
mod webhook;

pub use email::Mail;
pub use error::NotifyError;
pub use message::{Message, render};
pub use webhook::Hook;

use std::time::Duration;

/// A connection, a sign-in or an answer that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(20);
