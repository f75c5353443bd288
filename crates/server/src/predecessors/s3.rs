//! S3: configurations by number, their runs, the history with its filters, restores.

use super::{tongue, wrong_field};
use crate::api::runs::when;
use crate::auth::AuditNote;
use crate::download::download as send;
use crate::extract::{Body, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use backup_model::{Operation, Run, RunStatus, StatusGroup};
use backup_operations::catalogue::HistoryFilter;
use backup_operations::catalogue::predecessors::Known;
use backup_operations::{App, Configuration, DatabaseWish, OperationError, RestoreWish};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

type Fields = Map<String, Value>;

const FREQUENCIES: &[&str] = &["manual", "daily", "weekly", "monthly"];
const TYPES: &[&str] = &["full", "metadata", "data"];

fn view(app: &App, known: &Known, c: &Configuration) -> Value {
    let time = |t: chrono::DateTime<chrono::Utc>| t.with_timezone(&app.zone()).to_rfc3339();
    json!({
        "id": known.id,
        "name": c.name,
        "backup_type": c.backup_type,
        "frequency": c.frequency,
        "is_active": c.is_active,
        "include_files": c.include_files,
        "compression_enabled": c.compression_enabled,
        "encryption_enabled": c.encryption_enabled,
        "retention_days": c.retention_days,
        "created_at": time(known.created),
        "updated_at": time(known.updated),
    })
}

fn word<'a>(fields: &'a Fields, name: &str, known: &[&str], usual: &'a str) -> Result<&'a str, Box<Response>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(usual),
        Some(Value::String(s)) if known.contains(&s.as_str()) => Ok(s),
        _ => Err(Box::new(wrong_field(name, &known.join(" | ")))),
    }
}

fn flag(fields: &Fields, name: &str, usual: bool) -> Result<bool, Box<Response>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(usual),
        Some(Value::Bool(b)) => Ok(*b),
        _ => Err(Box::new(wrong_field(name, "true | false"))),
    }
}

/// Reads a configuration from what a page sends, over the one that it changes.
fn read(fields: &Fields, before: Option<&Configuration>, headers: &HeaderMap) -> Result<Configuration, Box<Response>> {
    let name = match fields.get("name") {
        Some(Value::String(s)) if !s.trim().is_empty() && s.len() <= 255 => s.trim().to_owned(),
        None if before.is_some() => before.map(|b| b.name.clone()).unwrap_or_default(),
        _ => {
            return Err(Box::new(wrong_field("name", tongue(headers).say("ce champ est obligatoire", "this field is required"))));
        }
    };
    let retention_days = match fields.get("retention_days") {
        None | Some(Value::Null) => before.map_or(30, |b| b.retention_days),
        Some(v) => match v.as_u64().filter(|d| (1..=365).contains(d)) {
            Some(days) => days as u32,
            None => return Err(Box::new(wrong_field("retention_days", "1–365"))),
        },
    };
    Ok(Configuration {
        name,
        backup_type: word(fields, "backup_type", TYPES, before.map_or("full", |b| &b.backup_type))?.to_owned(),
        frequency: word(fields, "frequency", FREQUENCIES, before.map_or("manual", |b| &b.frequency))?.to_owned(),
        is_active: flag(fields, "is_active", before.is_none_or(|b| b.is_active))?,
        include_files: flag(fields, "include_files", before.is_some_and(|b| b.include_files))?,
        compression_enabled: flag(fields, "compression_enabled", before.is_none_or(|b| b.compression_enabled))?,
        encryption_enabled: flag(fields, "encryption_enabled", before.is_some_and(|b| b.encryption_enabled))?,
        retention_days,
    })
}

async fn find(app: &App, id: i64) -> ApiResult<(Known, Configuration)> {
    let found = app.configurations().await?.into_iter().find(|(k, _)| k.id == id);
    found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("configuration {id}")))
}

/// S3: all configurations.
#[utoipa::path(get, path = "/api/backup/configurations/", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn configurations(State(app): State<App>) -> ApiResult<Json<Vec<Value>>> {
    Ok(Json(app.configurations().await?.iter().map(|(k, c)| view(&app, k, c)).collect()))
}

/// S3: makes a configuration.
#[utoipa::path(post, path = "/api/backup/configurations/", request_body = Object, responses((status = 201, body = Object), (status = 400, body = Object)))]
pub(super) async fn add(State(app): State<App>, headers: HeaderMap, Body(fields): Body<Fields>) -> ApiResult<Response> {
    let configuration = match read(&fields, None, &headers) {
        Ok(c) => c,
        Err(refused) => return Ok(*refused),
    };
    let known = app.add_configuration(&configuration).await?;
    let (known, made) = find(&app, known.id).await?;
    Ok((StatusCode::CREATED, Extension(AuditNote(known.name.clone())), Json(view(&app, &known, &made))).into_response())
}

/// S3: one configuration.
#[utoipa::path(get, path = "/api/backup/configurations/{id}/", responses((status = 200, body = Object), (status = 404, body = Object)))]
pub(super) async fn configuration(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<Json<Value>> {
    let (known, c) = find(&app, id).await?;
    Ok(Json(view(&app, &known, &c)))
}

/// S3: changes a configuration; what is left out stays.
#[utoipa::path(put, path = "/api/backup/configurations/{id}/", request_body = Object, responses((status = 200, body = Object), (status = 400, body = Object), (status = 404, body = Object)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    Body(fields): Body<Fields>,
) -> ApiResult<Response> {
    let (known, before) = find(&app, id).await?;
    let configuration = match read(&fields, Some(&before), &headers) {
        Ok(c) => c,
        Err(refused) => return Ok(*refused),
    };
    app.change_configuration(&known, &configuration).await?;
    let (known, made) = find(&app, id).await?;
    Ok(Json(view(&app, &known, &made)).into_response())
}

/// S3: removes a configuration; its archives stay.
#[utoipa::path(delete, path = "/api/backup/configurations/{id}/", responses((status = 204), (status = 404, body = Object)))]
pub(super) async fn delete(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<StatusCode> {
    let (known, _) = find(&app, id).await?;
    app.delete_configuration(&known).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn entry_of(app: &App, run: &Run) -> ApiResult<Value> {
    let known = app.catalogue().predecessor_of(run.name.trim_end_matches("-files")).await.map_err(OperationError::from)?;
    let file = app.file();
    let title = file.schedule(&run.name).and_then(|s| s.title.clone()).unwrap_or_else(|| run.name.clone());
    let time = |t: chrono::DateTime<chrono::Utc>| t.with_timezone(&app.zone()).to_rfc3339();
    let status = match run.status {
        RunStatus::Warning => "completed",
        RunStatus::Cancelled => "failed",
        other => other.as_str(),
    };
    let there = match run.archive {
        Some(id) => app.catalogue().archive_by_prefix(&id.to_string()).await.map_err(OperationError::from)?,
        None => None,
    };
    Ok(json!({
        "id": run.id.to_string(),
        "backup_name": title,
        "backup_type": run.content,
        "status": status,
        "configuration": known.filter(|k| k.kind == "s3").map(|k| k.id),
        "file_size": run.counts.stored,
        "file_path": there.map(|r| r.path),
        "duration_seconds": run.seconds(),
        "started_at": run.started.map(time),
        "completed_at": run.ended.map(time),
        "tables_count": run.counts.tables,
        "records_count": run.counts.records,
        "files_count": run.counts.files,
        "error_message": run.error,
        "created_at": time(run.created),
    }))
}

async fn run_of(app: &App, fields: &Fields, headers: &HeaderMap) -> ApiResult<Response> {
    let known = match fields.get("configuration_id") {
        Some(id) => match id.as_i64().or_else(|| id.as_str()?.parse().ok()) {
            Some(id) => find(app, id).await?.0,
            None => return Ok(wrong_field("configuration_id", "1, 2, 3…")),
        },
        None => {
            let mut named = fields.clone();
            if let Some(name) = fields.get("backup_name") {
                named.insert("name".into(), name.clone());
            }
            let mut wanted = match read(&named, None, headers) {
                Ok(c) => c,
                Err(refused) => return Ok(*refused),
            };
            "manual".clone_into(&mut wanted.frequency);
            // The same quick backup again is a further run of the same.
            let same = |c: &Configuration| {
                c.name == wanted.name
                    && c.backup_type == wanted.backup_type
                    && c.include_files == wanted.include_files
                    && c.frequency == wanted.frequency
            };
            match app.configurations().await?.into_iter().find(|(_, c)| same(c)) {
                Some((known, _)) => known,
                None => app.add_configuration(&wanted).await?,
            }
        }
    };
    let run = app.run_configuration(&known).await?;
    Ok((StatusCode::CREATED, Extension(AuditNote(known.name)), Json(entry_of(app, &run).await?)).into_response())
}

/// S3: runs a configuration, or what is described.
#[utoipa::path(post, path = "/api/backup/create/", request_body = Object, responses((status = 201, body = Object), (status = 400, body = Object), (status = 404, body = Object), (status = 409, body = Object)))]
pub(super) async fn create(State(app): State<App>, headers: HeaderMap, Body(fields): Body<Fields>) -> ApiResult<Response> {
    run_of(&app, &fields, &headers).await
}

/// S3: a quick backup.
#[utoipa::path(post, path = "/api/backup/quick-backup/", request_body = Object, responses((status = 201, body = Object), (status = 400, body = Object), (status = 409, body = Object)))]
pub(super) async fn quick(State(app): State<App>, headers: HeaderMap, Body(fields): Body<Fields>) -> ApiResult<Response> {
    run_of(&app, &fields, &headers).await
}

/// S3's filters of the history.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// Part of the name or the error.
    search: Option<String>,
    /// `full`, `metadata` or `data`.
    backup_type: Option<String>,
    /// `pending`, `running`, `completed` or `failed`.
    status: Option<String>,
    /// First day.
    date_from: Option<String>,
    /// Last day.
    date_to: Option<String>,
    /// From 1.
    page: Option<u64>,
    /// Rows of a page, 1 to 1000; 20 by default.
    page_size: Option<u64>,
}

/// S3: the history of backups.
#[utoipa::path(get, path = "/api/backup/history/", params(HistoryParams), responses((status = 200, body = Object), (status = 400, body = Object)))]
pub(super) async fn history(State(app): State<App>, Params(p): Params<HistoryParams>) -> ApiResult<Response> {
    let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let (status, or_status) = match given(&p.status).as_deref() {
        None => (None, None),
        Some("pending") => (Some(RunStatus::Pending), None),
        Some("running") => (Some(RunStatus::Running), None),
        Some("completed") => (Some(RunStatus::Completed), Some(RunStatus::Warning)),
        Some("failed") => (Some(RunStatus::Failed), Some(RunStatus::Cancelled)),
        Some(_) => return Ok(wrong_field("status", "pending | running | completed | failed")),
    };
    let content = given(&p.backup_type);
    if content.as_deref().is_some_and(|t| !TYPES.contains(&t)) {
        return Ok(wrong_field("backup_type", &TYPES.join(" | ")));
    }
    let (page, size) = (p.page.unwrap_or(1), p.page_size.unwrap_or(20));
    if page == 0 || page > 1 << 40 {
        return Ok(wrong_field("page", "1, 2, 3…"));
    }
    if !(1..=1000).contains(&size) {
        return Ok(wrong_field("page_size", "1–1000"));
    }
    let filter = HistoryFilter {
        text: given(&p.search),
        operation: Some(Operation::Backup),
        status,
        or_status,
        content,
        from: given(&p.date_from).map(|t| when(&app, &t, false)).transpose()?,
        to: given(&p.date_to).map(|t| when(&app, &t, true)).transpose()?,
        offset: (page - 1) * size,
        limit: size,
        ..HistoryFilter::default()
    };
    let found = app.catalogue().history(&filter).await.map_err(OperationError::from)?;
    let mut results = Vec::new();
    for run in &found.runs {
        results.push(entry_of(&app, run).await?);
    }
    let mut query = String::new();
    let filters = [
        ("search", &p.search),
        ("backup_type", &p.backup_type),
        ("status", &p.status),
        ("date_from", &p.date_from),
        ("date_to", &p.date_to),
    ];
    for (name, value) in filters {
        if let Some(value) = given(value) {
            query.push_str(&format!("&{name}={}", percent(&value)));
        }
    }
    let link = |page: u64| format!("/api/backup/history/?page={page}&page_size={size}{query}");
    Ok(Json(json!({
        "count": found.total,
        "next": (page * size < found.total).then(|| link(page + 1)),
        "previous": (page > 1).then(|| link(page - 1)),
        "results": results,
    }))
    .into_response())
}

/// A value of a query (RFC 3986).
fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"-._~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// S3: one entry of the history.
#[utoipa::path(get, path = "/api/backup/history/{id}/", responses((status = 200, body = Object), (status = 404, body = Object)))]
pub(super) async fn entry(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let run = app.find_run(&id).await?;
    Ok(Json(entry_of(&app, &run).await?))
}

/// A run's archive, of a backup that completed.
async fn archive_of(app: &App, id: &str) -> ApiResult<(Run, PathBuf)> {
    let run = app.find_run(id).await?;
    if run.operation != Operation::Backup || run.status.group() != StatusGroup::Good {
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", format!("{} ({})", run.id, run.status)));
    }
    let record = match run.archive {
        Some(archive) => app.catalogue().archive_by_prefix(&archive.to_string()).await.map_err(OperationError::from)?,
        None => None,
    };
    let record = record.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "not_found", "the archive is not there any more"))?;
    Ok((run, PathBuf::from(record.path)))
}

/// S3: downloads the archive of an entry.
#[utoipa::path(get, path = "/api/backup/history/{id}/download/", responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Object), (status = 409, body = Object), (status = 416, body = Object)))]
pub(super) async fn download(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    let (run, path) = archive_of(&app, &id).await?;
    let mut response = send(&path, &headers).await?;
    response.extensions_mut().insert(AuditNote(format!("downloaded an archive of {}", run.name)));
    Ok(response)
}

/// S3: removes the archive of an entry; the entry itself stays in the history.
#[utoipa::path(delete, path = "/api/backup/history/{id}/", responses((status = 204), (status = 404, body = Object), (status = 409, body = Object)))]
pub(super) async fn delete_entry(State(app): State<App>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    let run = app.find_run(&id).await?;
    if run.status.group() == StatusGroup::Open {
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", format!("{} ({})", run.id, run.status)));
    }
    if let Some(archive) = run.archive
        && app.catalogue().archive_by_prefix(&archive.to_string()).await.map_err(OperationError::from)?.is_some()
    {
        app.delete_archive(&archive.to_string()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// S3: restores the archive of an entry: a database over itself, after a safety dump; files to where they came from.
#[utoipa::path(post, path = "/api/backup/restore/", request_body = Object, responses((status = 202, body = Object), (status = 400, body = Object), (status = 404, body = Object), (status = 409, body = Object)))]
pub(super) async fn restore(State(app): State<App>, Body(fields): Body<Fields>) -> ApiResult<Response> {
    let Some(id) = fields.get("backup_id").and_then(Value::as_str) else { return Ok(wrong_field("backup_id", "id")) };
    let kind = match word(&fields, "restore_type", TYPES, "full") {
        Ok(kind) => kind,
        Err(refused) => return Ok(*refused),
    };
    let (run, path) = archive_of(&app, id).await?;
    let archive = run.archive.map(|a| a.to_string()).unwrap_or_default();
    let record = app.archive_record(&archive).await?;
    let note = Extension(AuditNote(format!("{} ({kind})", path.display())));
    let begun = match &record.manifest.database {
        Some(facts) => {
            if facts.database.is_none() {
                return Ok(wrong_field("backup_id", "roles"));
            }
            if kind == "data" && run.content != "data" {
                return Ok(wrong_field("restore_type", "data: only archives of backup_type data"));
            }
            let wish = DatabaseWish {
                archive: PathBuf::new(),
                into: facts.database.clone().unwrap_or_default(),
                server: None,
                password_file: None,
                overwrite: true,
                no_safety_dump: false,
                metadata_only: kind == "metadata" && run.content != "metadata",
                table: None,
                no_owner: false,
                keep_old: false,
            };
            app.request_database_restore(&archive, None, wish).await?
        }
        None => {
            if kind != "full" {
                return Ok(wrong_field("restore_type", "full"));
            }
            let wish = RestoreWish {
                archive: PathBuf::new(),
                target: PathBuf::from("/"),
                paths: Vec::new(),
                overwrite: "always".into(),
                dry_run: false,
                max_entries: None,
                max_bytes: None,
                patterns: Vec::new(),
                strip: 0,
                skip_damaged: false,
                owners_by_name: false,
                map_users: Vec::new(),
                map_groups: Vec::new(),
                all_to: None,
                destination: None,
                elsewhere: None,
            };
            app.request_restore(&archive, wish).await?
        }
    };
    Ok((StatusCode::ACCEPTED, note, Json(entry_of(&app, &begun).await?)).into_response())
}
