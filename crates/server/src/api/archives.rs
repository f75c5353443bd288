//! Archives: lists, contents, comparisons, verification, restores, retention.

use crate::auth::{AuditNote, by_name};
use crate::download::download;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use backup_model::Cause;
use backup_operations::catalogue::{Copy, CopyState};
use backup_operations::{App, Caller, Entry, Listed, OperationError, PrunePlan, PrunedThere, RestoreWish};
use backup_wire::{
    ArchiveView, ChangeView, CopyView, EntryView, Page, Problem, PruneRequest, PruneView, PrunedThereView, PrunedView,
    RestoreRequest, RunView, VerifyRequest, bytes_of, text_and_b64,
};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

/// Which archives.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// A schedule's name.
    schedule: Option<String>,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer; all by default.
    limit: Option<u64>,
}

fn copy_view(copy: Copy) -> CopyView {
    CopyView { destination: copy.destination, state: copy.state.as_str().to_owned(), error: copy.error }
}

/// Archives, newest first.
#[utoipa::path(get, path = "/api/v1/archives", params(ListParams), responses((status = 200, body = Page<ArchiveView>), (status = 404, body = Problem)))]
pub(super) async fn list(State(app): State<App>, Params(params): Params<ListParams>) -> ApiResult<Json<Page<ArchiveView>>> {
    let paging = Paging { offset: params.offset, limit: params.limit };
    let (offset, limit) = (paging.offset()?, paging.limit(i64::MAX as u64, i64::MAX as u64)?);
    let name = params.schedule.as_deref();
    let records = app.catalogue().archives(name, Some(limit), offset).await.map_err(OperationError::from)?;
    let (total, _) = app.catalogue().archive_totals(name).await.map_err(OperationError::from)?;
    if total == 0
        && let Some(name) = name
        && app.file().by_name_or_index(name).is_none()
    {
        return Err(OperationError::NotFound(format!(
            "there is no schedule {name} and no archive of it; `backupctl list` shows all schedules"
        ))
        .into());
    }
    let mut views: Vec<ArchiveView> = records.iter().map(ArchiveView::from).collect();
    let copies = app.catalogue().copies(name).await.map_err(OperationError::from)?;
    let mut by_archive: HashMap<String, Vec<CopyView>> = HashMap::new();
    for copy in copies.into_iter().filter(|c| c.state != CopyState::Gone) {
        by_archive.entry(copy.archive.to_string()).or_default().push(copy_view(copy));
    }
    for view in &mut views {
        view.copies = by_archive.remove(&view.id).unwrap_or_default();
    }
    Ok(Json(Page::new(views, total, offset)))
}

/// One archive.
#[utoipa::path(get, path = "/api/v1/archives/{archive}", responses((status = 200, body = ArchiveView), (status = 404, body = Problem)))]
pub(super) async fn show(State(app): State<App>, Path(word): Path<String>) -> ApiResult<Json<ArchiveView>> {
    let record = app.archive_record(&word).await?;
    let copies = app.catalogue().copies_of(record.manifest.id).await.map_err(OperationError::from)?;
    let copies = copies.into_iter().filter(|c| c.state != CopyState::Gone).map(copy_view).collect();
    Ok(Json(ArchiveView { copies, ..ArchiveView::from(&record) }))
}

/// Downloads an archive as it lies on the disk, whole or a range of it.
#[utoipa::path(get, path = "/api/v1/archives/{archive}/download", params(("Range" = Option<String>, Header, description = "one range of bytes")), responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = Problem), (status = 416, body = Problem)))]
pub(super) async fn fetch(State(app): State<App>, Path(word): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    let record = app.archive_record(&word).await?;
    let mut response = download(std::path::Path::new(&record.path), &headers).await?;
    response.extensions_mut().insert(AuditNote("downloaded".into()));
    Ok(response)
}

/// Removes an archive. One that is pinned, or that another builds on, stays.
#[utoipa::path(delete, path = "/api/v1/archives/{archive}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(State(app): State<App>, Path(word): Path<String>) -> ApiResult<StatusCode> {
    app.delete_archive(&word).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pins an archive: retention never removes it.
#[utoipa::path(put, path = "/api/v1/archives/{archive}/pin", responses((status = 200, body = ArchiveView), (status = 404, body = Problem)))]
pub(super) async fn pin(State(app): State<App>, Path(word): Path<String>) -> ApiResult<Json<ArchiveView>> {
    Ok(Json(ArchiveView::from(&app.pin(&word, true).await?)))
}

/// Unpins an archive.
#[utoipa::path(delete, path = "/api/v1/archives/{archive}/pin", responses((status = 200, body = ArchiveView), (status = 404, body = Problem)))]
pub(super) async fn unpin(State(app): State<App>, Path(word): Path<String>) -> ApiResult<Json<ArchiveView>> {
    Ok(Json(ArchiveView::from(&app.pin(&word, false).await?)))
}

fn entry_view(listed: &Listed) -> EntryView {
    let (name, _) = text_and_b64(&listed.name);
    let (path, path_b64) = text_and_b64(&listed.path);
    let entry = listed.entry.as_ref();
    let link = entry.map(|e| text_and_b64(&e.link).0).filter(|l| !l.is_empty());
    EntryView {
        name,
        path,
        path_b64,
        kind: entry.map_or("folder", |e| e.kind.as_str()).to_owned(),
        size: entry.map_or(0, |e| e.size),
        mode: entry.map(|e| format!("{:04o}", e.mode)),
        uid: entry.map(|e| e.uid),
        gid: entry.map(|e| e.gid),
        mtime: entry.and_then(mtime),
        link,
        inexact: entry.is_some_and(|e| e.inexact),
    }
}

fn mtime(entry: &Entry) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    chrono::DateTime::from_timestamp(entry.mtime.sec, entry.mtime.nsec).map(|t| t.fixed_offset())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, backup_operations::EngineError> + Send + 'static,
) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| OperationError::Failed(e.to_string()))?;
    Ok(done.map_err(OperationError::from)?)
}

/// A folder in an archive.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EntryParams {
    /// The archive: a file's path, an id, or `NAME[@latest|@TIME]`.
    archive: String,
    /// The folder; the top if it is left out.
    #[serde(default)]
    path: String,
    /// The same as base64, if it is not UTF-8.
    path_b64: Option<String>,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer; 1000 by default.
    limit: Option<u64>,
}

pub(super) fn entry_path(text: &str, b64: Option<&str>) -> ApiResult<Vec<u8>> {
    let bytes = bytes_of(text, b64).map_err(ApiError::invalid)?;
    let start = bytes.iter().position(|b| *b != b'/').unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| *b != b'/').map_or(start, |e| e + 1);
    Ok(bytes[start..end.max(start)].to_vec())
}

/// What lies in a folder of an archive, from its index.
#[utoipa::path(get, path = "/api/v1/entries", params(EntryParams), responses((status = 200, body = Page<EntryView>), (status = 404, body = Problem)))]
pub(super) async fn entries(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<EntryParams>,
) -> ApiResult<Json<Page<EntryView>>> {
    by_name(&caller, &params.archive)?;
    let opened = app.resolve_open(&params.archive, None).await?;
    let path = entry_path(&params.path, params.path_b64.as_deref())?;
    let paging = Paging { offset: params.offset, limit: params.limit };
    let (offset, limit) = (paging.offset()?, paging.limit(1000, 100_000)?);
    let (list, total) =
        blocking(move || backup_operations::list_folder(&opened.path, &path, offset as usize, limit as usize, &opened.access))
            .await?;
    Ok(Json(Page::new(list.iter().map(entry_view).collect(), total as u64, offset)))
}

/// Two archives to compare.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffParams {
    /// The older archive.
    a: String,
    /// The newer archive.
    b: String,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer; 10 000 by default.
    limit: Option<u64>,
}

/// What changed between two archives, by their indexes.
#[utoipa::path(get, path = "/api/v1/diff", params(DiffParams), responses((status = 200, body = Page<ChangeView>), (status = 404, body = Problem)))]
pub(super) async fn compare(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<DiffParams>,
) -> ApiResult<Json<Page<ChangeView>>> {
    by_name(&caller, &params.a)?;
    by_name(&caller, &params.b)?;
    let (a, b) = (app.resolve_open(&params.a, None).await?, app.resolve_open(&params.b, None).await?);
    let paging = Paging { offset: params.offset, limit: params.limit };
    let (offset, limit) = (paging.offset()?, paging.limit(10_000, 1_000_000)?);
    let (items, total) = blocking(move || {
        let mut items = Vec::new();
        let mut total = 0u64;
        backup_operations::diff(&a.path, &b.path, &a.access, &mut |change| {
            if total >= offset && (items.len() as u64) < limit {
                let (path, path_b64) = text_and_b64(&change.entry.path);
                let removed = change.kind.as_str() == "removed";
                items.push(ChangeView {
                    change: change.kind.as_str().to_owned(),
                    path,
                    path_b64,
                    kind: change.entry.kind.as_str().to_owned(),
                    old_size: change.old_size,
                    new_size: (!removed).then_some(change.entry.size),
                });
            }
            total += 1;
        })?;
        Ok((items, total))
    })
    .await?;
    Ok(Json(Page::new(items, total, offset)))
}

/// Verifies archives; a run for each.
#[utoipa::path(post, path = "/api/v1/verifications", request_body = VerifyRequest, responses((status = 202, body = Page<RunView>), (status = 404, body = Problem)))]
pub(super) async fn verify(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<VerifyRequest>,
) -> ApiResult<(StatusCode, Json<Page<RunView>>)> {
    by_name(&caller, wish.archive.as_deref().unwrap_or_default())?;
    let runs = app.request_verify(wish.archive.as_deref(), wish.all, wish.deep, wish.destination.as_deref()).await?;
    let items: Vec<RunView> = runs.iter().map(|r| RunView::new(r, &app.zone())).collect();
    let total = items.len() as u64;
    Ok((StatusCode::ACCEPTED, Json(Page::new(items, total, 0))))
}

/// Restores an archive, whole or in part. The daemon writes only beneath `[daemon] restore_roots`.
#[utoipa::path(post, path = "/api/v1/restores", request_body = RestoreRequest, responses((status = 202, body = RunView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn restore(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<RestoreRequest>,
) -> ApiResult<(StatusCode, Extension<AuditNote>, Json<RunView>)> {
    let note = AuditNote(format!("{} to {}", wish.archive, wish.target));
    by_name(&caller, &wish.archive)?;
    let mut paths = Vec::new();
    for path in &wish.paths {
        paths.push(entry_path(path, None)?);
    }
    for path in &wish.paths_b64 {
        paths.push(entry_path("", Some(path))?);
    }
    let request = RestoreWish {
        archive: PathBuf::new(),
        target: PathBuf::from(&wish.target),
        paths,
        overwrite: wish.overwrite,
        dry_run: wish.dry_run,
        max_entries: wish.max_entries,
        max_bytes: wish.max_bytes,
        patterns: wish.patterns,
        strip: wish.strip,
        skip_damaged: wish.skip_damaged,
        owners_by_name: wish.owners_by_name,
        map_users: wish.map_users,
        map_groups: wish.map_groups,
        all_to: wish.all_to,
        destination: wish.destination,
        elsewhere: None,
    };
    let run = app.request_restore(&wish.archive, request).await?;
    Ok((StatusCode::ACCEPTED, Extension(note), Json(RunView::new(&run, &app.zone()))))
}

pub(super) fn prune_view(plan: PrunePlan, there: Vec<PrunedThere>, dry_run: bool) -> PruneView {
    let (removed, freed) = plan.going().fold((0, 0), |(n, bytes), a| (n + 1, bytes + a.manifest.archive.size));
    PruneView {
        schedule: plan.schedule,
        dry_run,
        frozen: plan.frozen,
        run: plan.run.map(|r| r.to_string()),
        archives: plan
            .archives
            .iter()
            .map(|(record, decision)| PrunedView {
                archive: record.into(),
                kept: !decision.reasons.is_empty(),
                reasons: decision.reasons.iter().map(|r| r.as_str().to_owned()).collect(),
            })
            .collect(),
        removed,
        freed,
        there: there
            .into_iter()
            .map(|t| PrunedThereView {
                destination: t.destination,
                freed: t.archives.iter().map(|r| r.manifest.archive.size).sum(),
                archives: t.archives.into_iter().map(|r| r.manifest.archive.name).collect(),
            })
            .collect(),
    }
}

/// Applies retention, or says what it would do and which rule keeps each archive.
#[utoipa::path(post, path = "/api/v1/prune", request_body = PruneRequest, responses((status = 200, body = Page<PruneView>), (status = 404, body = Problem)))]
pub(super) async fn prune(State(app): State<App>, Body(wish): Body<PruneRequest>) -> ApiResult<Json<Page<PruneView>>> {
    let file = app.file();
    let names: Vec<String> = match &wish.schedule {
        Some(word) => vec![file.by_name_or_index(word).map_or_else(|| word.clone(), |s| s.name.to_string())],
        None => file.schedules.iter().map(|s| s.name.to_string()).collect(),
    };
    let mut items = Vec::new();
    for name in names {
        let here = app.prune(&name, wish.dry_run, Cause::Manual).await?;
        items.push(prune_view(here, app.prune_destinations(&name, wish.dry_run).await?, wish.dry_run));
    }
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}
