//! The page and the API over TCP, with or without TLS.
//!
//! The settings are looked at every two seconds: another address is listened on, a new certificate is taken, without
//! a restart. An address that cannot be had is tried again; backups do not wait for it.

use crate::auth::{Limits, arrive, browsers};
use crate::problem::ApiError;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsConfig, from_tcp_rustls};
use backup_operations::App;
use backup_operations::config::{TlsFiles, WebSettings};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, watch};

/// How often the settings and the certificate are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often an address is tried that cannot be had.
const AGAIN: Duration = Duration::from_secs(10);
/// A request's head must come within this time.
const HEAD: Duration = Duration::from_secs(15);
/// Requests at work at a time; more are told to come back.
const AT_ONCE: usize = 512;
/// Open requests get so long to end when the server stops.
const ENDING: Duration = Duration::from_secs(3);

/// The API for callers over TCP: from where, as whom, and nothing that a foreign page makes a browser send.
fn open(app: &App, api: Router, tls: bool) -> Router {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let limits = Arc::new(Limits::default());
    let (for_browsers, for_arrivals) = (app.clone(), app.clone());
    let api = api
        .layer(from_fn(move |request: Request, next: Next| browsers(for_browsers.clone(), request, next)))
        .layer(from_fn(move |request: Request, next: Next| arrive(for_arrivals.clone(), Arc::clone(&limits), tls, request, next)))
        .layer(from_fn(move |request: Request, next: Next| {
            let permits = Arc::clone(&permits);
            async move {
                match permits.try_acquire() {
                    Ok(_permit) => next.run(request).await,
                    Err(_) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at a time; try again")
                        .into_response(),
                }
            }
        }));
    // What is refused before it reaches a predecessor's route is told in its shape too.
    api.layer(from_fn(crate::predecessors::dress))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads certificate and key.
fn certificate(files: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, String> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let said = |path: &std::path::Path, e: &dyn std::fmt::Display| format!("cannot use {}: {e}", path.display());
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(|list| list.collect::<Result<Vec<_>, _>>())
        .map_err(|e| said(&files.cert, &e))?;
    if chain.is_empty() {
        return Err(said(&files.cert, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| said(&files.key, &e))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| said(&files.cert, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn stamp(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    [&files.cert, &files.key].map(|p| std::fs::metadata(p).and_then(|m| m.modified()).ok())
}

/// One listener at work.
struct Serving {
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<io::Result<()>>,
    settings: WebSettings,
    tls: Option<(RustlsConfig, [Option<SystemTime>; 2])>,
}

fn tune(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
}

fn begin(app: &App, api: &Router, address: SocketAddr) -> Result<Serving, String> {
    let settings = app.file().daemon.web.clone();
    let said = |e: io::Error| match e.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program; end that one, or set another address as [daemon] listen")
        }
        _ => format!("cannot listen on {address}: {e}"),
    };
    let tls = match &settings.tls {
        Some(files) => Some((RustlsConfig::from_config(certificate(files)?), stamp(files))),
        None => None,
    };
    let listener = TcpListener::bind(address).map_err(said)?;
    let address = listener.local_addr().map_err(said)?;
    listener.set_nonblocking(true).map_err(said)?;
    let handle = Handle::new();
    let service = open(app, api.clone(), tls.is_some()).into_make_service_with_connect_info::<SocketAddr>();
    let task = match &tls {
        Some((config, _)) => {
            let mut server = from_tcp_rustls(listener, config.clone()).map_err(said)?.http1_only().handle(handle.clone());
            tune(server.http_builder());
            tokio::spawn(server.serve(service))
        }
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(said)?.http1_only().handle(handle.clone());
            tune(server.http_builder());
            tokio::spawn(server.serve(service))
        }
    };
    let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
    tracing::info!("the page and the API are served on {url}");
    app.set_web(Some(url));
    Ok(Serving { handle, task, settings, tls })
}

impl Serving {
    async fn end(self) {
        self.handle.graceful_shutdown(Some(ENDING));
        let _ = self.task.await;
    }

    /// Takes a certificate that was renewed; one that cannot be used leaves the old one in force.
    fn renew(&mut self) -> Option<Result<(), String>> {
        let (files, (config, seen)) = (self.settings.tls.as_ref()?, self.tls.as_mut()?);
        let now = stamp(files);
        if now == *seen {
            return None;
        }
        *seen = now;
        Some(match certificate(files) {
            Ok(new) => {
                config.reload_from_config(new);
                tracing::info!("took the new certificate {}", files.cert.display());
                Ok(())
            }
            Err(error) => Err(format!("{error}; the certificate before it stays in force")),
        })
    }
}

/// Serves the API over TCP as the settings say, until `stop` is told.
pub async fn serve_tcp(app: App, api: Router, mut stop: watch::Receiver<bool>) {
    let mut serving: Option<Serving> = None;
    let mut tried: Option<std::time::Instant> = None;
    loop {
        let wanted = app.file().daemon.web.clone();
        let fits = |s: &Serving| s.settings.listen == wanted.listen && s.settings.tls == wanted.tls && !s.task.is_finished();
        if let Some(old) = serving.take_if(|s| !fits(s)) {
            app.set_web(None);
            old.end().await;
            tried = None;
        }
        match (&mut serving, wanted.listen) {
            (None, None) => app.set_web_error(None),
            (None, Some(address)) => {
                if tried.is_none_or(|t| t.elapsed() >= AGAIN) {
                    tried = Some(std::time::Instant::now());
                    match begin(&app, &api, address) {
                        Ok(begun) => {
                            serving = Some(begun);
                            app.set_web_error(None);
                        }
                        Err(error) => app.set_web_error(Some(error)),
                    }
                }
            }
            (Some(s), _) => {
                if let Some(done) = s.renew() {
                    app.set_web_error(done.err());
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|s| *s) => break,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    if let Some(s) = serving {
        s.end().await;
    }
}
