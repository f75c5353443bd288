//! Speaks the HTTP API: to a daemon over its Unix socket, or in process to the same router.

use axum::Router;
use axum::body::Body;
pub use axum::http::Method;
use axum::http::{Request, Response, StatusCode, header};
use backup_wire::{Problem, RunEvent};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tower::ServiceExt;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("the daemon does not answer on {0}")]
    NotRunning(String),
    /// The socket may not be used.
    #[error("you may not use the daemon's socket {0}; run as its user or as root")]
    Denied(String),
    /// The API's word.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The connection broke, or the answer was not understood.
    #[error("the daemon's answer cannot be read: {0}")]
    Transport(String),
}

/// A way to the API.
#[derive(Clone)]
pub enum Client {
    /// A daemon's socket.
    Socket(PathBuf),
    /// The router, in this process.
    InProcess(Router),
}

fn transport(e: impl std::fmt::Display) -> ClientError {
    ClientError::Transport(e.to_string())
}

/// Percent-encodes a word for a path or query (RFC 3986).
#[must_use]
pub fn encode(word: &str) -> String {
    word.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

async fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    let shown = path.display().to_string();
    UnixStream::connect(path).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => ClientError::Denied(shown),
        _ => ClientError::NotRunning(shown),
    })
}

impl Client {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, ClientError> {
        match self {
            Self::InProcess(router) => router.clone().oneshot(request).await.map_err(|e| match e {}),
            Self::Socket(path) => {
                let stream = connect(path).await?;
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(transport)?;
                tokio::spawn(connection);
                Ok(sender.send_request(request).await.map_err(transport)?.map(Body::new))
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<String>) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let response = self.send(request(method, path, body)?).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(transport)?.to_bytes().to_vec();
        if status.is_success() { Ok((status, bytes)) } else { Err(problem(status, &bytes)) }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        parse(&self.call(Method::GET, path, None).await?.1)
    }

    /// Asks for text that is no JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        String::from_utf8(self.call(Method::GET, path, None).await?.1).map_err(transport)
    }

    /// Sends something and reads the answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_string(body).map_err(transport)?;
        let (_, bytes) = self.call(method, path, Some(body)).await?;
        parse(if bytes.is_empty() { b"null" } else { &bytes })
    }

    /// [`Client::send_json`] with POST.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send_json(Method::POST, path, body).await
    }

    /// Listens to a run until its end; every event is given to `hear`. Answers the last one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, run: &str, mut hear: impl FnMut(&RunEvent)) -> Result<RunEvent, ClientError> {
        let response = self.send(request(Method::GET, &format!("/api/v1/runs/{run}/events"), None)?).await?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            return Err(problem(status, &body.collect().await.map_err(transport)?.to_bytes()));
        }
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(transport)?.into_data() else { continue };
            pending.extend_from_slice(&data);
            // Events are parted by an empty line (HTML standard, server-sent events).
            while let Some(end) = pending.windows(2).position(|w| w == b"\n\n") {
                let block: Vec<u8> = pending.drain(..end + 2).collect();
                for line in block.split(|b| *b == b'\n') {
                    let Some(data) = line.strip_prefix(b"data:") else { continue };
                    let event: RunEvent = parse(data)?;
                    hear(&event);
                    if matches!(event, RunEvent::Result { .. }) {
                        return Ok(event);
                    }
                }
            }
        }
        Err(transport("the daemon stopped before the run had ended"))
    }
}

fn request(method: Method, path: &str, body: Option<String>) -> Result<Request<Body>, ClientError> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    let body = match body {
        Some(text) => Body::from(text),
        None => Body::empty(),
    };
    request.header(header::CONTENT_TYPE, "application/json").body(body).map_err(transport)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes).map_err(transport)
}

fn problem(status: StatusCode, bytes: &[u8]) -> ClientError {
    match serde_json::from_slice(bytes) {
        Ok(problem) => ClientError::Problem(Box::new(problem)),
        Err(_) => ClientError::Transport(format!("{status}: {}", String::from_utf8_lossy(bytes))),
    }
}
