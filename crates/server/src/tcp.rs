//! The page and the API, and the receiver, over TCP, with or without TLS.
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
use backup_operations::config::TlsFiles;
use backup_operations::{App, Door};
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

/// Makes the routes; told whether TLS protects them.
type MakeRoutes = Box<dyn Fn(&App, bool) -> Router + Send + Sync>;

/// What listens on an address, with what is served there and where its settings stand.
struct Served {
    door: Door,
    /// What it is, for messages.
    what: &'static str,
    /// The table of the file that sets it up.
    table: &'static str,
    settings: fn(&App) -> Option<Address>,
    routes: MakeRoutes,
}

/// Where to listen.
#[derive(Clone, PartialEq, Eq)]
struct Address {
    listen: SocketAddr,
    tls: Option<TlsFiles>,
}

/// A limit on requests at work at a time.
pub(crate) fn at_once(routes: Router) -> Router {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    routes.layer(from_fn(move |request: Request, next: Next| {
        let permits = Arc::clone(&permits);
        async move {
            match permits.try_acquire() {
                Ok(_permit) => next.run(request).await,
                Err(_) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at a time; try again")
                    .into_response(),
            }
        }
    }))
}

/// The API for callers over TCP: from where, as whom, and nothing that a foreign page makes a browser send.
fn open(app: &App, api: Router, tls: bool) -> Router {
    let limits = Arc::new(Limits::default());
    let (for_browsers, for_arrivals) = (app.clone(), app.clone());
    let api = api.layer(from_fn(move |request: Request, next: Next| browsers(for_browsers.clone(), request, next))).layer(
        from_fn(move |request: Request, next: Next| arrive(for_arrivals.clone(), Arc::clone(&limits), tls, request, next)),
    );
    // What is refused before it reaches a predecessor's route is told in its shape too.
    at_once(api).layer(from_fn(crate::predecessors::dress)).layer(from_fn(crate::numbered::numbered))
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
    settings: Address,
    tls: Option<(RustlsConfig, [Option<SystemTime>; 2])>,
}

fn tune(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
}

fn begin(app: &App, served: &Served, settings: Address) -> Result<Serving, String> {
    let address = settings.listen;
    let said = |e: io::Error| match e.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program; end that one, or set another address as {} listen", served.table)
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
    let service = (served.routes)(app, tls.is_some()).into_make_service_with_connect_info::<SocketAddr>();
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
    tracing::info!("{} served on {url}", served.what);
    app.set_web(served.door, Some(url));
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
pub async fn serve_tcp(app: App, api: Router, stop: watch::Receiver<bool>) {
    let served = Served {
        door: Door::Page,
        what: "the page and the API are",
        table: "[daemon]",
        settings: |app| {
            let web = &app.file().daemon.web;
            Some(Address { listen: web.listen?, tls: web.tls.clone() })
        },
        routes: Box::new(move |app, tls| open(app, api.clone(), tls)),
    };
    serve(app, served, stop).await;
}

/// Serves the receiver as the settings say, until `stop` is told.
pub async fn serve_receiver(app: App, stop: watch::Receiver<bool>) {
    let served = Served {
        door: Door::Receiver,
        what: "the receiver is",
        table: "[receiver]",
        settings: |app| {
            let file = app.file();
            let receiver = file.receiver.as_ref()?;
            Some(Address { listen: receiver.listen?, tls: receiver.tls.clone() })
        },
        routes: Box::new(|app, tls| at_once(crate::receiver::routes(app, tls))),
    };
    serve(app, served, stop).await;
}

async fn serve(app: App, served: Served, mut stop: watch::Receiver<bool>) {
    let mut serving: Option<Serving> = None;
    let mut tried: Option<std::time::Instant> = None;
    loop {
        let wanted = (served.settings)(&app);
        let fits = |s: &Serving| wanted.as_ref() == Some(&s.settings) && !s.task.is_finished();
        if let Some(old) = serving.take_if(|s| !fits(s)) {
            app.set_web(served.door, None);
            old.end().await;
            tried = None;
        }
        match (&mut serving, wanted) {
            (None, None) => app.set_web_error(served.door, None),
            (None, Some(address)) => {
                if tried.is_none_or(|t| t.elapsed() >= AGAIN) {
                    tried = Some(std::time::Instant::now());
                    match begin(&app, &served, address) {
                        Ok(begun) => {
                            serving = Some(begun);
                            app.set_web_error(served.door, None);
                        }
                        Err(error) => app.set_web_error(served.door, Some(error)),
                    }
                }
            }
            (Some(s), _) => {
                if let Some(done) = s.renew() {
                    app.set_web_error(served.door, done.err());
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
