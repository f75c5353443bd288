//! What stores over HTTP have in common: a client, and what an answer means.

use crate::{Meter, Sink, StoreError};
use reqwest::{Client, Response, StatusCode};
use std::path::Path;
use std::time::Duration;

/// A connection that takes longer has failed.
const CONNECT: Duration = Duration::from_secs(15);
/// So long may nothing at all come or go. A server may compute a checksum of all before it answers.
const SILENCE: Duration = Duration::from_secs(120);
/// Of an answer that is an error so much is read.
const MOST_ANSWER: usize = 4000;

/// A client, which trusts the machine's authorities or those in a file.
pub(crate) fn client(ca: Option<&Path>) -> Result<Client, StoreError> {
    let tls = backup_tls::client(ca).map_err(StoreError::Invalid)?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent("backupd")
        .build()
        .map_err(|e| StoreError::Invalid(format!("TLS cannot be set up: {e}")))
}

/// An error of the way there. Addresses may hold signatures, so they are not shown.
pub(crate) fn unreachable(what: &str) -> impl Fn(reqwest::Error) -> StoreError {
    move |e| {
        let e = e.without_url();
        let mut words = e.to_string();
        let mut source = std::error::Error::source(&e);
        while let Some(inner) = source {
            words = format!("{words}: {inner}");
            source = inner.source();
        }
        if words.contains("cancelled") {
            return StoreError::Cancelled;
        }
        StoreError::Unreachable(format!("{what}: {words}"))
    }
}

/// The words of an answer that is an error.
async fn words(mut response: Response) -> String {
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > MOST_ANSWER {
            break;
        }
    }
    let text = String::from_utf8_lossy(&said);
    let between = |open: &str, close: &str| {
        let start = text.find(open)? + open.len();
        Some(text[start..start + text[start..].find(close)?].to_owned())
    };
    // S3 answers in XML, the receiver in JSON.
    let code = between("<Code>", "</Code>").map(|c| format!("{c}: ")).unwrap_or_default();
    let said = between("<Message>", "</Message>")
        .or_else(|| serde_json::from_str::<serde_json::Value>(&text).ok()?.get("message")?.as_str().map(str::to_owned));
    let said = said.unwrap_or_else(|| text.to_string());
    format!("{code}{said}").chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// Sorts an answer that is no success.
pub(crate) async fn refused(what: &str, response: Response) -> StoreError {
    let status = response.status();
    let said = words(response).await;
    let text = format!("{what}: the server answered {status}: {}", said.trim());
    match status.as_u16() {
        401 | 403 => StoreError::Denied(text),
        404 => StoreError::NotFound(text),
        405 => StoreError::Refused(text),
        409 | 412 => StoreError::Exists(text),
        // WebDAV says 507, the receiver 413 with its quota.
        507 | 413 => StoreError::Full(text),
        408 | 425 | 429 | 423 => StoreError::Unreachable(text),
        _ if said.contains("BadDigest") || said.contains("XAmzContentSHA256Mismatch") => StoreError::Damaged(text),
        300..=399 => StoreError::Invalid(format!("{text}; redirects are not followed: give the last address")),
        500..=599 => StoreError::Unreachable(text),
        _ => StoreError::Invalid(text),
    }
}

/// An answer that is a success, or the error.
pub(crate) async fn success(what: &str, sent: Result<Response, reqwest::Error>) -> Result<Response, StoreError> {
    let response = sent.map_err(unreachable(what))?;
    if response.status().is_success() { Ok(response) } else { Err(refused(what, response).await) }
}

/// Gives an answer to a question for a range to the sink.
pub(crate) async fn receive(
    what: &str,
    mut response: Response,
    length: u64,
    sink: Sink<'_>,
    meter: &Meter,
) -> Result<(), StoreError> {
    if response.status() != StatusCode::PARTIAL_CONTENT && response.content_length() != Some(length) {
        return Err(StoreError::Refused(format!("{what}: the server does not give ranges of files")));
    }
    let mut left = length;
    while let Some(chunk) = response.chunk().await.map_err(unreachable(what))? {
        if meter.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        meter.add_received(chunk.len());
        let Some(after) = left.checked_sub(chunk.len() as u64) else {
            return Err(StoreError::Damaged(format!("{what}: more came than was asked for")));
        };
        left = after;
        sink(&chunk).map_err(|e| StoreError::local("write", Path::new(what))(e))?;
    }
    if left > 0 {
        return Err(StoreError::Unreachable(format!("{what}: it broke off with {left} bytes missing")));
    }
    Ok(())
}

/// The length that an answer to a HEAD tells; none if there is no such file.
pub(crate) async fn length(what: &str, sent: Result<Response, reqwest::Error>) -> Result<Option<u64>, StoreError> {
    let response = match success(what, sent).await {
        Err(StoreError::NotFound(_)) => return Ok(None),
        other => other?,
    };
    let length = response.headers().get("content-length").and_then(|v| v.to_str().ok()?.parse().ok());
    length.map(Some).ok_or_else(|| StoreError::Refused(format!("{what}: the server gives no length")))
}

/// The value of a `Range` header.
pub(crate) fn range(start: u64, end: u64) -> String {
    format!("bytes={start}-{}", end.saturating_sub(1))
}
