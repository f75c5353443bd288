//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>) with creation, termination and expiration: chosen because it
//! is finished and has clients in every language, while the draft of the IETF still changes from version to version.

use super::{Answer, Here, Refusal, Who, blocking};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backup_operations::{Place, ReceiveError, Resumable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

const VERSION: &str = "1.0.0";

fn answer(status: StatusCode, more: &[(&'static str, String)]) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in more {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}

fn known_version(headers: &HeaderMap) -> Answer<()> {
    match headers.get("tus-resumable") {
        Some(v) if v == VERSION => Ok(()),
        _ => Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "this is tus 1.0.0: send Tus-Resumable: 1.0.0")),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Answer<u64> {
    let found = headers.get(name).and_then(|v| v.to_str().ok()?.parse().ok());
    found.ok_or_else(|| Refusal::invalid(format!("the header {name} is missing or no number")))
}

pub(super) async fn options(receiver: Here) -> Response {
    let mut more = vec![("tus-version", VERSION.to_owned()), ("tus-extension", "creation,termination,expiration".to_owned())];
    if let Some(quota) = receiver.settings().quota {
        more.push(("tus-max-size", quota.to_string()));
    }
    answer(StatusCode::NO_CONTENT, &more)
}

/// The metadata that a client announces: `filename`, `type`, `profile`, and `sha256` if it knows it.
fn metadata(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get("upload-metadata")?.to_str().ok()?;
    let value = text.split(',').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix(' '))?;
    String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()
}

pub(super) async fn create(receiver: Here, sender: Who, headers: HeaderMap) -> Answer<Response> {
    sender.may_send()?;
    known_version(&headers)?;
    let length = number(&headers, "upload-length")?;
    let text = |name: &str| metadata(&headers, name);
    let name = text("filename").ok_or_else(|| Refusal::invalid("Upload-Metadata names no filename"))?;
    let kind = text("type").ok_or_else(|| Refusal::invalid("Upload-Metadata names no type: FULL, INC or DIFF"))?;
    let profile = text("profile").unwrap_or_else(|| "default".into());
    let place = Place::new(sender.machine(), &kind, &profile, &name)?;
    let sha256 = text("sha256");
    let id = blocking(move || receiver.announce(&place, length, sha256)).await?;
    Ok(answer(StatusCode::CREATED, &[("location", format!("/uploads/{id}"))]))
}

async fn take(receiver: Here, sender: &Who, id: String) -> Answer<Resumable> {
    let machine = sender.machine().clone();
    blocking(move || receiver.resume(&machine, &id)).await
}

pub(super) async fn offset(receiver: Here, sender: Who, Path(id): Path<String>, headers: HeaderMap) -> Answer<Response> {
    sender.may_send()?;
    known_version(&headers)?;
    let upload = take(receiver, &sender, id).await?;
    Ok(answer(StatusCode::OK, &[("upload-offset", upload.offset().to_string()), ("upload-length", upload.length().to_string())]))
}

pub(super) async fn append(
    receiver: Here,
    sender: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    sender.may_send()?;
    known_version(&headers)?;
    if headers.get(header::CONTENT_TYPE).is_none_or(|t| t != "application/offset+octet-stream") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/offset+octet-stream"));
    }
    let from = number(&headers, "upload-offset")?;
    let mut upload = take(receiver, &sender, id).await?;
    if from != upload.offset() {
        let text = format!("this upload goes on at {}", upload.offset());
        return Err(Refusal::new(StatusCode::CONFLICT, text));
    }
    let (portions, mut coming) = mpsc::channel::<bytes::Bytes>(4);
    let writer = tokio::task::spawn_blocking(move || -> Result<Resumable, ReceiveError> {
        let mut file = upload.open()?;
        while let Some(portion) = coming.blocking_recv() {
            upload.append(&mut file, &portion)?;
        }
        Ok(upload)
    });
    let mut body = body;
    while let Some(Ok(frame)) = body.frame().await {
        // A connection that breaks off leaves what came: the client asks where to go on.
        if let Ok(data) = frame.into_data()
            && portions.send(data).await.is_err()
        {
            break;
        }
    }
    drop(portions);
    let upload = writer.await.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))??;
    let offset = upload.offset();
    blocking(move || upload.settle()).await?;
    Ok(answer(StatusCode::NO_CONTENT, &[("upload-offset", offset.to_string())]))
}

/// Ends an upload that is not complete; what is complete cannot be removed by anybody.
pub(super) async fn abort(receiver: Here, sender: Who, Path(id): Path<String>, headers: HeaderMap) -> Answer<Response> {
    sender.may_send()?;
    known_version(&headers)?;
    take(receiver, &sender, id).await?.abort();
    Ok(answer(StatusCode::NO_CONTENT, &[]))
}
