//! Schedules.

use crate::auth::AuditNote;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::{Extension, Json};
use backup_operations::catalogue::ScheduleState;
use backup_operations::config::File;
use backup_operations::{App, OperationError};
use backup_wire::{
    CreateSchedule, DrillView, DuplicateSchedule, LastRunView, OutlookView, Page, PreviewView, Problem, ProvenView, ScheduleView,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that views of schedules are made from.
struct Known {
    file: Arc<File>,
    versions: Arc<[String]>,
    states: BTreeMap<String, ScheduleState>,
    settings: BTreeMap<String, backup_operations::Settings>,
}

async fn known(app: &App, settings: bool) -> ApiResult<Known> {
    let settings = if settings { app.settings()? } else { BTreeMap::new() };
    let (file, versions) = app.versions();
    Ok(Known { file, versions, states: app.schedule_states().await?, settings })
}

fn view(app: &App, known: &Known, index: usize) -> Option<ScheduleView> {
    let schedule = known.file.schedules.get(index)?;
    let zone = schedule.timezone;
    let mut view = ScheduleView::new(index, schedule);
    view.version.clone_from(known.versions.get(index)?);
    let state = known.states.get(schedule.name.as_str());
    view.settings = known.settings.get(schedule.name.as_str()).cloned().unwrap_or_default();
    let local = |t: chrono::DateTime<chrono::Utc>| t.with_timezone(&zone).fixed_offset();
    view.next = app.next_run(schedule, state).map(local);
    view.stale = app.stale_since(schedule, state).map(local);
    if let Some(state) = state {
        view.last = state.last_run.map(|run| LastRunView {
            run: run.to_string(),
            status: state.last_status.map(|s| s.to_string()).unwrap_or_default(),
            ended: state.last_ended.map(local),
            error: state.last_error.clone(),
        });
        view.last_good = state.last_good.map(local);
        view.frozen.clone_from(&state.frozen);
        view.proven = state.proven.map(|at| ProvenView { at: local(at), archive: state.proven_archive.map(|a| a.to_string()) });
        view.last_drill =
            state.last_drill.map(|at| DrillView { at: local(at), text: state.drill_text.clone().unwrap_or_default() });
    }
    Some(view)
}

fn fresh(app: &App) -> ApiResult<()> {
    if app.file_changed() {
        app.reload();
    }
    match app.config_error() {
        Some(error) => Err(ApiError::invalid(error)),
        None => Ok(()),
    }
}

fn index_of(app: &App, word: &str) -> ApiResult<usize> {
    fresh(app)?;
    let file = app.file();
    let found = file.by_name_or_index(word).and_then(|s| file.schedules.iter().position(|t| t.name == s.name));
    found.ok_or_else(|| {
        let what = if word.parse::<usize>().is_ok() {
            format!("there is no schedule with index {word}")
        } else {
            format!("there is no schedule {word}")
        };
        OperationError::NotFound(format!("{what}; `backupctl list` shows all")).into()
    })
}

/// A schedule with its version as `ETag`.
type Versioned = ([(HeaderName, String); 1], Json<ScheduleView>);

async fn one(app: &App, word: &str) -> ApiResult<Versioned> {
    let index = index_of(app, word)?;
    let view = view(app, &known(app, true).await?, index);
    let view = view.ok_or_else(|| OperationError::NotFound(format!("there is no schedule {word}")))?;
    Ok(([(header::ETAG, format!("\"{}\"", view.version))], Json(view)))
}

/// The version that `If-Match` asks for (RFC 9110, 13.1.1); `*` is any.
fn if_match(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default().trim();
    (text != "*").then(|| text.trim_start_matches("W/").trim_matches('"').to_owned())
}

fn keys_of(settings: &serde_json::Map<String, serde_json::Value>) -> AuditNote {
    AuditNote(settings.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

fn name_of(app: &App, word: &str) -> ApiResult<String> {
    let index = index_of(app, word)?;
    Ok(app.file().schedules[index].name.to_string())
}

/// Which schedules.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// With the keys that each sets itself; one schedule that is asked for alone always has them.
    #[serde(default)]
    settings: bool,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer; all by default.
    limit: Option<u64>,
}

/// All schedules, in the file's order.
#[utoipa::path(get, path = "/api/v1/schedules", params(ListParams), responses((status = 200, body = Page<ScheduleView>), (status = 400, body = Problem)))]
pub(super) async fn list(State(app): State<App>, Params(params): Params<ListParams>) -> ApiResult<Json<Page<ScheduleView>>> {
    fresh(&app)?;
    let known = known(&app, params.settings).await?;
    let paging = Paging { offset: params.offset, limit: params.limit };
    Ok(Json(paging.page_of((0..known.file.schedules.len()).filter_map(|i| view(&app, &known, i)).collect())?))
}

/// Makes a schedule.
#[utoipa::path(post, path = "/api/v1/schedules", request_body = CreateSchedule, responses((status = 201, body = ScheduleView), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn create(
    State(app): State<App>,
    Body(wish): Body<CreateSchedule>,
) -> ApiResult<(StatusCode, Extension<AuditNote>, Versioned)> {
    app.create_schedule(&wish.name, &wish.settings, wish.allow_missing)?;
    let AuditNote(keys) = keys_of(&wish.settings);
    Ok((StatusCode::CREATED, Extension(AuditNote(format!("{}: {keys}", wish.name))), one(&app, &wish.name).await?))
}

/// One schedule, by its name or index.
#[utoipa::path(get, path = "/api/v1/schedules/{name}", responses((status = 200, body = ScheduleView), (status = 404, body = Problem)))]
pub(super) async fn show(State(app): State<App>, Path(word): Path<String>) -> ApiResult<Versioned> {
    one(&app, &word).await
}

/// Changes keys of a schedule; `null` removes a key. With `If-Match`, only if nobody else has changed it meanwhile.
#[utoipa::path(patch, path = "/api/v1/schedules/{name}", params(("If-Match" = Option<String>, Header, description = "the ETag of the version that is changed")), request_body = Object, responses((status = 200, body = ScheduleView), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn edit(
    State(app): State<App>,
    Path(word): Path<String>,
    headers: HeaderMap,
    Body(settings): Body<serde_json::Map<String, serde_json::Value>>,
) -> ApiResult<(Extension<AuditNote>, Versioned)> {
    let name = name_of(&app, &word)?;
    app.edit_schedule(&name, &settings, if_match(&headers).as_deref())?;
    Ok((Extension(keys_of(&settings)), one(&app, &name).await?))
}

/// What a deletion may take with it.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteParams {
    /// Remove its archives too.
    #[serde(default)]
    with_backups: bool,
}

/// Deletes a schedule; its archives stay unless `with_backups` is set. With `If-Match`, only if nobody else has changed
/// it meanwhile.
#[utoipa::path(delete, path = "/api/v1/schedules/{name}", params(DeleteParams, ("If-Match" = Option<String>, Header, description = "the ETag of the version that is deleted")), responses((status = 200, body = Object), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn delete(
    State(app): State<App>,
    Path(word): Path<String>,
    headers: HeaderMap,
    Params(params): Params<DeleteParams>,
) -> ApiResult<(Extension<AuditNote>, Json<serde_json::Value>)> {
    let name = name_of(&app, &word)?;
    let version = if_match(&headers);
    if version
        .as_ref()
        .is_some_and(|v| app.file().schedule(&name).is_some_and(|s| backup_operations::config::version_of(s) != *v))
    {
        return Err(OperationError::Changed(format!("the schedule {name} was changed meanwhile; look at it again")).into());
    }
    let removed = if params.with_backups { app.remove_all(&name).await? } else { 0 };
    app.delete_schedule(&name, version.as_deref())?;
    let note = AuditNote(format!("{removed} archives removed"));
    Ok((Extension(note), Json(serde_json::json!({ "name": name, "archives_removed": removed }))))
}

/// Copies a schedule; the copy starts disabled.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/duplicate", request_body = DuplicateSchedule, responses((status = 201, body = ScheduleView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn duplicate(
    State(app): State<App>,
    Path(word): Path<String>,
    Body(wish): Body<DuplicateSchedule>,
) -> ApiResult<(StatusCode, Versioned)> {
    let name = name_of(&app, &word)?;
    app.duplicate_schedule(&name, &wish.name)?;
    Ok((StatusCode::CREATED, one(&app, &wish.name).await?))
}

/// Confirms a sanity warning: retention goes on.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/confirm", responses((status = 200, body = ScheduleView), (status = 404, body = Problem)))]
pub(super) async fn confirm(State(app): State<App>, Path(word): Path<String>) -> ApiResult<Versioned> {
    let name = name_of(&app, &word)?;
    app.confirm(&name).await?;
    one(&app, &name).await
}

/// What is tried.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PreviewParams {
    /// The settings as a JSON object, as for a new schedule.
    settings: String,
    /// A schedule whose archives the rules of retention are tried on.
    schedule: Option<String>,
}

/// What a schedule with certain settings would do: its next runs, and which archives it would keep. Nothing is changed.
#[utoipa::path(get, path = "/api/v1/previews", params(PreviewParams), responses((status = 200, body = PreviewView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn preview(State(app): State<App>, Params(params): Params<PreviewParams>) -> ApiResult<Json<PreviewView>> {
    let settings: backup_operations::Settings =
        serde_json::from_str(&params.settings).map_err(|e| ApiError::invalid(format!("settings is no JSON object: {e}")))?;
    let tried = app.try_schedule(&settings)?;
    let mut next = Vec::new();
    let mut at = app.now();
    while let Some(time) = tried.trigger.next_after(tried.timezone, at).filter(|_| next.len() < 5) {
        next.push(time.with_timezone(&tried.timezone).fixed_offset());
        at = time;
    }
    let retention = match &params.schedule {
        Some(word) => {
            let plan = app.plan_with(&name_of(&app, word)?, Some(tried.keep)).await?;
            Some(super::archives::prune_view(plan, Vec::new(), true))
        }
        None => None,
    };
    let timezone = tried.timezone.name().to_owned();
    let local = |t: chrono::DateTime<chrono::Utc>| t.with_timezone(&tried.timezone).fixed_offset();
    let outlook = backup_operations::outlook(&tried, app.now()).map(|o| OutlookView {
        at: local(o.at),
        runs: o.runs,
        kept: o.kept,
        oldest: o.oldest.map(local),
    });
    Ok(Json(PreviewView { trigger: tried.trigger.to_string(), timezone, next, retention, outlook }))
}
