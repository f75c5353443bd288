//! The Unix socket: who may speak on it, and serving it.

use crate::problem::ApiError;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use axum::{Extension, Router};
use backup_model::Scope;
use backup_operations::Caller;
use std::future::Future;
use std::io;
use tokio::net::UnixListener;

/// The process at the other end (unix(7), SO_PEERCRED).
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its effective uid, if the kernel tells.
    pub uid: Option<u32>,
    /// Its pid, if the kernel tells.
    pub pid: Option<i32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let credentials = stream.io().peer_cred().ok();
        Self { uid: credentials.map(|c| c.uid()), pid: credentials.and_then(|c| c.pid()) }
    }
}

/// A caller on this machine, who may do everything: the file permissions have let them through.
fn caller(uid: u32, origin: &str) -> Caller {
    Caller { actor: format!("uid:{uid}"), origin: origin.to_owned(), scope: Scope::Admin, session: None, machine: None }
}

/// The API for calls in this process.
pub fn local(api: Router) -> Router {
    let caller = caller(nix::unistd::geteuid().as_raw(), "local");
    api.layer(Extension(caller))
}

async fn only(allowed: u32, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().and_then(|c| c.0.uid);
    match peer {
        Some(uid) if uid == 0 || uid == allowed => {
            request.extensions_mut().insert(caller(uid, "socket"));
            next.run(request).await
        }
        other => {
            let who = other.map_or_else(|| "an unknown user".to_owned(), |u| format!("uid {u}"));
            tracing::warn!("refused {who} on the socket");
            ApiError::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("only root and the daemon's own user (uid {allowed}) may use its socket, not {who}"),
            )
            .into_response()
        }
    }
}

/// Serves the API on a Unix socket for root and one uid until `stop` is done; requests that are at
/// work then are answered.
///
/// # Errors
/// The system's word.
pub async fn serve_socket(
    listener: UnixListener,
    api: Router,
    uid: u32,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let api = api
        .layer(from_fn(move |request: Request, next: Next| only(uid, request, next)))
        .layer(from_fn(crate::numbered::numbered));
    axum::serve(listener, api.into_make_service_with_connect_info::<Peer>()).with_graceful_shutdown(stop).await
}
