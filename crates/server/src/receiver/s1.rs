//! S1's routes, and the way back beside them.

use super::{Answer, Here, Refusal, Who, blocking};
use crate::download::download;
use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use backup_model::ReceivedType;
use backup_operations::{Place, ReceiveError, Received, VERSION};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Bytes of a field that is no file.
const MAX_TEXT: usize = 4096;
/// Bytes of a list to compare with.
const MAX_LIST: usize = 64 << 20;

pub(super) async fn about() -> Json<Value> {
    Json(json!({
        "service": "backupd receiver",
        "version": VERSION,
        "endpoints": [
            "GET /", "POST /upload", "GET /list", "GET /list/FULL", "GET /list/INC", "GET /list/DIFF", "POST /verify", "GET /stats",
            "GET /objects", "GET /objects/{type}/{profile}/{name}",
            "POST /uploads", "HEAD /uploads/{id}", "PATCH /uploads/{id}", "DELETE /uploads/{id}",
        ],
    }))
}

/// Sizes in steps of 1024 with one decimal.
fn human(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

fn cut(e: &MultipartError) -> Refusal {
    Refusal::new(e.status(), format!("the form could not be read to its end: {}", e.body_text()))
}

async fn text_of(mut field: Field<'_>, name: &str) -> Answer<String> {
    let mut out = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| cut(&e))? {
        out.extend_from_slice(&chunk);
        if out.len() > MAX_TEXT {
            return Err(Refusal::invalid(format!("the field {name} is too long")));
        }
    }
    String::from_utf8(out).map_err(|_| Refusal::invalid(format!("the field {name} is no text")))
}

pub(super) async fn upload(
    receiver: Here,
    sender: Who,
    headers: HeaderMap,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Answer<Json<Value>> {
    sender.may_send()?;
    let mut form = form.map_err(|e| Refusal::invalid(format!("send a form with the fields file, type and profile: {e}")))?;
    let limit = receiver.settings().max_upload;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    // The form's own lines come on top of the file.
    if announced.is_some_and(|n| n > limit + (64 << 10)) {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "it is larger than the {} that /upload takes (max_upload); send it with `backupctl push` or another tus client",
                human(limit)
            ),
        ));
    }
    let (mut file, mut kind, mut profile) = (None, None, None);
    while let Some(mut field) = form.next_field().await.map_err(|e| cut(&e))? {
        match field.name().unwrap_or_default() {
            "type" => kind = Some(text_of(field, "type").await?),
            "profile" => profile = Some(text_of(field, "profile").await?),
            "file" => {
                if file.is_some() {
                    return Err(Refusal::invalid("one file at a time"));
                }
                let Some(name) = field.file_name().map(str::to_owned) else {
                    return Err(Refusal::invalid("the field file is no file; with curl write -F file=@NAME"));
                };
                // What the name alone refuses need not be sent.
                Place::new(sender.machine(), "FULL", "default", &name)?;
                let mut incoming = receiver.begin(sender.machine())?;
                while let Some(chunk) = field.chunk().await.map_err(|e| cut(&e))? {
                    if !incoming.push(&chunk).await {
                        break;
                    }
                }
                file = Some((name, incoming.end().await?));
            }
            _ => while field.chunk().await.map_err(|e| cut(&e))?.is_some() {},
        }
    }
    let Some((name, part)) = file else {
        return Err(Refusal::invalid("the field file is missing; with curl write -F file=@NAME"));
    };
    let Some(kind) = kind else { return Err(Refusal::invalid("the field type is missing: FULL, INC or DIFF")) };
    let profile = profile.unwrap_or_else(|| "default".into());
    let place = Place::new(sender.machine(), kind.trim(), profile.trim(), &name)?;
    let done = blocking(move || receiver.publish(part, &place)).await?;
    Ok(Json(json!({
        "status": "success",
        "message": format!("{} was received", done.place.name),
        "name": done.place.name,
        "type": done.place.kind.as_str(),
        "profile": done.place.profile.as_str(),
        "size": done.size,
        "md5": done.md5,
    })))
}

async fn archives(receiver: Here, sender: &Who, kind: Option<ReceivedType>) -> Answer<Vec<Received>> {
    let machine = sender.machine().clone();
    blocking(move || receiver.archives(&machine, kind)).await
}

fn by_type<T>(of: impl Fn(ReceivedType) -> T) -> BTreeMap<&'static str, T> {
    ReceivedType::ALL.iter().map(|t| (t.as_str(), of(*t))).collect()
}

fn listed(receiver: &Here, found: &[Received], kinds: &[ReceivedType]) -> Value {
    let entry = |r: &Received| {
        json!({
            "name": r.place.name,
            "size": r.size,
            "size_human": human(r.size),
            "modified": receiver.local(r.received).format("%Y-%m-%dT%H:%M:%S").to_string(),
            "md5": r.md5,
            "profile": r.place.profile.as_str(),
            "machine": r.place.machine.as_str(),
        })
    };
    let mut backups = Map::new();
    for kind in kinds {
        let list: Vec<Value> = found.iter().filter(|r| r.place.kind == *kind).map(entry).collect();
        backups.insert(kind.as_str().to_owned(), list.into());
    }
    json!({ "status": "success", "backups": backups, "total_count": found.len() })
}

pub(super) async fn list(receiver: Here, sender: Who) -> Answer<Json<Value>> {
    let found = archives(receiver.clone(), &sender, None).await?;
    Ok(Json(listed(&receiver, &found, ReceivedType::ALL)))
}

pub(super) async fn list_kind(receiver: Here, sender: Who, Path(kind): Path<String>) -> Answer<Json<Value>> {
    let kind: ReceivedType =
        kind.parse().map_err(|e: backup_model::ParseWordError| Refusal::new(StatusCode::NOT_FOUND, e.to_string()))?;
    let found = archives(receiver.clone(), &sender, Some(kind)).await?;
    Ok(Json(listed(&receiver, &found, &[kind])))
}

#[derive(Deserialize)]
struct LocalList {
    local_backups: BTreeMap<String, Vec<LocalFile>>,
}

#[derive(Deserialize)]
struct LocalFile {
    name: String,
    #[serde(default)]
    md5: String,
}

pub(super) async fn verify(receiver: Here, sender: Who, body: axum::body::Body) -> Answer<Json<Value>> {
    let bytes: Bytes = axum::body::to_bytes(body, MAX_LIST).await.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the list is larger than {}", human(MAX_LIST as u64)))
    })?;
    let local: LocalList = serde_json::from_slice(&bytes).map_err(|e| {
        Refusal::invalid(format!(
            "send {{\"local_backups\":{{\"FULL\":[{{\"name\",\"size\",\"md5\"}}],\"INC\":[],\"DIFF\":[]}}}}: {e}"
        ))
    })?;
    if let Some(wrong) = local.local_backups.keys().find(|k| k.parse::<ReceivedType>().is_err()) {
        return Err(Refusal::invalid(format!("{wrong:?} is no type (FULL, INC, DIFF)")));
    }
    let found = archives(receiver, &sender, None).await?;
    let here = |kind: ReceivedType| local.local_backups.get(kind.as_str()).map(Vec::as_slice).unwrap_or_default();
    let same = |kind: ReceivedType, file: &LocalFile| {
        found.iter().any(|r| r.place.kind == kind && r.place.name == file.name && r.md5.eq_ignore_ascii_case(&file.md5))
    };
    let names = |kind: ReceivedType, synced: bool| -> Vec<&str> {
        here(kind).iter().filter(|f| same(kind, f) == synced).map(|f| f.name.as_str()).collect()
    };
    let synced = by_type(|kind| names(kind, true));
    let missing = by_type(|kind| names(kind, false));
    let extra = by_type(|kind| -> Vec<&str> {
        let of_kind = found.iter().filter(|r| r.place.kind == kind).map(|r| r.place.name.as_str());
        of_kind.filter(|name| here(kind).iter().all(|f| f.name != *name)).collect()
    });
    let count = |list: &BTreeMap<&str, Vec<&str>>| list.values().map(Vec::len).sum::<usize>();
    let summary = json!({ "synced": count(&synced), "missing_on_remote": count(&missing), "extra_remote": count(&extra) });
    Ok(Json(json!({
        "status": "success",
        "synced": synced,
        "missing_on_remote": missing,
        "extra_remote": extra,
        "summary": summary,
    })))
}

pub(super) async fn stats(receiver: Here, sender: Who) -> Answer<Json<Value>> {
    let found = archives(receiver, &sender, None).await?;
    let total: u64 = found.iter().map(|r| r.size).sum();
    let types = by_type(|kind| {
        let of_kind = found.iter().filter(|r| r.place.kind == kind);
        json!({ "count": of_kind.clone().count(), "size": of_kind.map(|r| r.size).sum::<u64>() })
    });
    Ok(Json(json!({
        "status": "success",
        "total_count": found.len(),
        "total_size": total,
        "total_size_human": human(total),
        "by_type": types,
    })))
}

/// Every file of the machine, sidecars and indexes too.
pub(super) async fn objects(receiver: Here, sender: Who) -> Answer<Json<Value>> {
    let machine = sender.machine().clone();
    let files = blocking(move || Ok::<_, ReceiveError>(receiver.files(&machine))).await?;
    let entry = |s: &backup_operations::Stored| json!({ "type": s.place.kind.as_str(), "profile": s.place.profile.as_str(), "name": s.place.name, "size": s.size });
    Ok(Json(json!({ "status": "success", "objects": files.iter().map(entry).collect::<Vec<_>>() })))
}

/// A file, whole or a range of it.
pub(super) async fn object(
    receiver: Here,
    sender: Who,
    Path((kind, profile, name)): Path<(String, String, String)>,
    method: axum::http::Method,
    headers: HeaderMap,
) -> Answer<Response> {
    let place = Place::new(sender.machine(), &kind, &profile, &name)?;
    let path = receiver.path_of(&place)?;
    // Whether it is there, and how large, is no secret to who may send it.
    if method != axum::http::Method::HEAD {
        sender.may_read()?;
    }
    Ok(download(&path, &headers).await?)
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_as_s1_writes_them() {
        for (size, text) in
            [(0, "0.0 B"), (1023, "1023.0 B"), (12_288, "12.0 KB"), (524_288_000, "500.0 MB"), (1 << 42, "4.0 TB")]
        {
            assert_eq!(human(size), text);
        }
    }
}
