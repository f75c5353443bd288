//! TLS as a client: the machine's authorities, and those of a file.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;

/// Certificates of authorities from a PEM file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("cannot read the authorities in {}: {e}", path.display());
    let list = CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))?;
    let list = list.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
    if list.is_empty() { Err(failed(&"there is no certificate in it")) } else { Ok(list) }
}

/// Settings that trust the machine's authorities, and those of a file beside them.
///
/// # Errors
/// The file cannot be used, or the machine's authorities cannot.
pub fn client(ca: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let set_up = |e: &dyn std::fmt::Display| format!("TLS cannot be set up: {e}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = ca.map(authorities).transpose()?.unwrap_or_default();
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(|e| set_up(&e))?;
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| set_up(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
