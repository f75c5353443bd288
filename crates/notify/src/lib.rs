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

/// A step of a test: what was tried, whether it went well, what was seen or what to do.
pub type Step = (String, bool, String);

/// Certificates of authorities from a PEM file.
fn authorities(path: &std::path::Path) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, NotifyError> {
    use rustls::pki_types::pem::PemObject;
    let failed =
        |e: &dyn std::fmt::Display| NotifyError::Settings(format!("cannot read the authorities in {}: {e}", path.display()));
    let list = rustls::pki_types::CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))?;
    let list = list.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
    if list.is_empty() { Err(failed(&"there is no certificate in it")) } else { Ok(list) }
}
