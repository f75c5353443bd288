//! Files and folders of archives as downloads.

use super::archives::entry_path;
use crate::auth::{AuditNote, by_name};
use crate::download::attachment;
use crate::extract::Params;
use crate::problem::{ApiError, ApiResult};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::Response;
use backup_operations::{App, Caller, OperationError};
use backup_wire::Problem;
use serde::Deserialize;
use std::io::{self, Write};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are sent at a time.
const STEP: usize = 128 << 10;

/// What is downloaded.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentParams {
    /// The archive: an id, or `NAME[@latest|@TIME]`.
    archive: String,
    /// Paths of entries, as a JSON list of strings.
    #[serde(default)]
    paths: Option<String>,
    /// The same as base64, for those that are not UTF-8.
    #[serde(default)]
    paths_b64: Option<String>,
}

type Piece = Result<Bytes, io::Error>;

/// Collects what is written and hands it on in pieces.
struct Pieces {
    sender: mpsc::Sender<Piece>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= STEP {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn list(text: Option<&String>) -> ApiResult<Vec<String>> {
    let Some(text) = text else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|e| ApiError::invalid(format!("the paths are no JSON list of strings: {e}")))
}

/// Downloads one file of an archive as it was, or several entries and folders as one tar.gz. What is damaged is not sent:
/// the connection is broken off.
#[utoipa::path(get, path = "/api/v1/contents", params(ContentParams), responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub(super) async fn contents(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<ContentParams>,
) -> ApiResult<Response> {
    by_name(&caller, &params.archive)?;
    let mut paths = Vec::new();
    for path in list(params.paths.as_ref())? {
        paths.push(entry_path(&path, None)?);
    }
    for path in list(params.paths_b64.as_ref())? {
        paths.push(entry_path("", Some(&path))?);
    }
    let note = paths.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>().join(", ");
    let contents = app.contents(&params.archive, paths).await?;
    let name = contents.name();
    let (sender, mut receiver) = mpsc::channel::<Piece>(4);
    let work = tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { sender: sender.clone(), piece: Vec::new() };
        let done = contents.write(&mut pieces).and_then(|()| pieces.flush().map_err(|e| OperationError::Failed(e.to_string())));
        if let Err(e) = &done {
            // Whoever reads must not take it for whole.
            let _ = sender.blocking_send(Err(io::Error::other(e.to_string())));
        }
        done
    });
    // What fails before anything was sent is told as it is.
    let first = match receiver.recv().await {
        Some(Ok(piece)) => Some(piece),
        Some(Err(_)) | None => {
            work.await.map_err(|e| OperationError::Failed(e.to_string()))??;
            None
        }
    };
    let (more, stream) = mpsc::channel::<Piece>(4);
    tokio::spawn(async move {
        if let Some(first) = first {
            let _ = more.send(Ok(first)).await;
        }
        while let Some(piece) = receiver.recv().await {
            if more.send(piece).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(stream)));
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    if let Some(value) = attachment(&name) {
        set.insert(header::CONTENT_DISPOSITION, value);
    }
    response.extensions_mut().insert(AuditNote(format!("downloaded {note}")));
    Ok(response)
}
