//! Proofs, upkeep, search, alerts.

use crate::auth::by_name;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::ApiResult;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use backup_model::Cause;
use backup_operations::{App, Caller, Found, OperationError, ScrubWish};
use backup_wire::{
    AlertView, DrillRequest, FindView, FoundView, Page, Problem, RebuildRequest, RunView, ScrubRequest, UnreadView, VersionView,
    text_and_b64,
};
use serde::Deserialize;

fn accepted(app: &App, run: &backup_model::Run) -> (StatusCode, Json<RunView>) {
    (StatusCode::ACCEPTED, Json(RunView::new(run, &app.zone())))
}

/// Restores a version into a scratch folder and compares every entry with the index: a trial.
#[utoipa::path(post, path = "/api/v1/drills", request_body = DrillRequest, responses((status = 202, body = RunView), (status = 404, body = Problem)))]
pub(super) async fn drill(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<DrillRequest>,
) -> ApiResult<(StatusCode, Json<RunView>)> {
    by_name(&caller, &wish.archive)?;
    let run = app.request_drill(&wish.archive, wish.percent.unwrap_or(100.0), Cause::Manual).await?;
    Ok(accepted(&app, &run))
}

/// Reads archives back to the last byte, those first that were not for longest.
#[utoipa::path(post, path = "/api/v1/scrubs", request_body = ScrubRequest, responses((status = 202, body = RunView), (status = 404, body = Problem)))]
pub(super) async fn scrub(State(app): State<App>, Body(wish): Body<ScrubRequest>) -> ApiResult<(StatusCode, Json<RunView>)> {
    let wish = ScrubWish { schedule: wish.schedule, percent: wish.percent.unwrap_or(100.0), seconds: wish.seconds };
    let run = app.request_scrub(wish, Cause::Manual).await?;
    Ok(accepted(&app, &run))
}

/// Makes a full archive out of the chain of a schedule's newest version, without reading the source.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/consolidate", responses((status = 202, body = RunView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn consolidate(State(app): State<App>, Path(word): Path<String>) -> ApiResult<(StatusCode, Json<RunView>)> {
    let name = app.file().by_name_or_index(&word).map_or(word, |s| s.name.to_string());
    let run = app.request_consolidate(&name, Cause::Manual).await?;
    Ok(accepted(&app, &run))
}

/// Makes missing and damaged indexes and sidecars again from the archives.
#[utoipa::path(post, path = "/api/v1/rebuilds", request_body = RebuildRequest, responses((status = 202, body = RunView), (status = 404, body = Problem)))]
pub(super) async fn rebuild(State(app): State<App>, Body(wish): Body<RebuildRequest>) -> ApiResult<(StatusCode, Json<RunView>)> {
    let run = app.request_rebuild(wish.schedule.as_deref()).await?;
    Ok(accepted(&app, &run))
}

/// What to look for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FindParams {
    /// A pattern as in gitignore(5); a word without wildcards is looked for anywhere in names.
    pattern: String,
    /// One schedule; all if it is left out.
    schedule: Option<String>,
    /// Whether case does not matter.
    #[serde(default)]
    any_case: bool,
    /// Paths to answer for each schedule, at most 100 000; 1000 by default.
    limit: Option<u64>,
}

/// Finds files across all versions, deleted ones too, by the indexes.
#[utoipa::path(get, path = "/api/v1/find", params(FindParams), responses((status = 200, body = FindView), (status = 404, body = Problem)))]
pub(super) async fn find(State(app): State<App>, Params(params): Params<FindParams>) -> ApiResult<Json<FindView>> {
    let limit = params.limit.unwrap_or(1000).clamp(1, 100_000) as usize;
    let schedule = params.schedule.map(|word| app.file().by_name_or_index(&word).map_or(word, |s| s.name.to_string()));
    let found = app.find(&params.pattern, params.any_case, schedule.as_deref(), limit).await?;
    let mut view = FindView { items: Vec::new(), total: 0, next: None, more: false, unread: Vec::new() };
    for part in found {
        view.more |= part.more;
        view.unread.extend(part.unread.iter().map(|(path, reason)| UnreadView { path: path.clone(), reason: reason.clone() }));
        view.items.extend(found_views(&part));
    }
    view.total = view.items.len() as u64;
    Ok(Json(view))
}

fn found_views(found: &Found) -> impl Iterator<Item = FoundView> + '_ {
    let newest = found.archives.len().saturating_sub(1);
    found.versions.iter().map(move |(path, versions)| {
        let (path, path_b64) = text_and_b64(path);
        let views: Vec<VersionView> = versions
            .iter()
            .rev()
            .map(|v| VersionView {
                kind: v.kind.as_str().to_owned(),
                size: v.size,
                mtime: chrono::DateTime::from_timestamp(v.mtime.sec, v.mtime.nsec).map(|t| t.fixed_offset()),
                archive: found.archives[v.last].manifest.id.to_string(),
                last_seen: found.archives[v.last].manifest.started,
                first_seen: found.archives[v.first].manifest.started,
            })
            .collect();
        FoundView {
            schedule: found.schedule.clone(),
            path,
            path_b64,
            kind: views.first().map(|v| v.kind.clone()).unwrap_or_default(),
            deleted: versions.last().is_some_and(|v| v.last < newest),
            versions: views,
        }
    })
}

/// What somebody should hear of, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", params(Paging), responses((status = 200, body = Page<AlertView>)))]
pub(super) async fn alerts(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<AlertView>>> {
    let (offset, limit) = (paging.offset()?, paging.limit(50, 1000)?);
    let (alerts, total) = app.catalogue().alerts(limit, offset).await.map_err(OperationError::from)?;
    let items = alerts
        .into_iter()
        .map(|a| AlertView {
            id: a.id.to_string(),
            at: a.at.with_timezone(&app.zone()).fixed_offset(),
            kind: a.kind.to_string(),
            name: a.name,
            run: a.run.map(|r| r.to_string()),
            text: a.text,
        })
        .collect();
    Ok(Json(Page::new(items, total, offset)))
}
