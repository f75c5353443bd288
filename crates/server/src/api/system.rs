//! The daemon itself.

use crate::extract::{Body, Params};
use crate::problem::{ApiError, ApiResult};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use backup_operations::{App, Door, LogFilter, Mode};
use backup_wire::{FolderEntryView, LogLineView, Page, Problem, RunView, StatusView, StopRequest};
use serde::Deserialize;
use std::path::PathBuf;

/// How the daemon stands.
#[utoipa::path(get, path = "/api/v1/system", responses((status = 200, body = StatusView), (status = 500, body = Problem)))]
pub(super) async fn status(State(app): State<App>) -> ApiResult<Json<StatusView>> {
    let status = app.status().await?;
    let zone = app.zone();
    Ok(Json(StatusView {
        version: backup_operations::VERSION.to_owned(),
        running: app.mode() == Mode::Daemon,
        pid: std::process::id(),
        started: status.started.with_timezone(&zone).fixed_offset(),
        home: app.home().map(|h| h.root().display().to_string()).unwrap_or_default(),
        host: app.host().to_owned(),
        timezone: zone.name().to_owned(),
        schedules: status.config.schedules,
        config_error: status.config.error,
        web: app.web(Door::Page),
        web_error: app.web_error(Door::Page),
        receiver: app.web(Door::Receiver),
        receiver_error: app.web_error(Door::Receiver),
        receiver_open: app.file().receiver.as_ref().is_some_and(|r| r.open),
        setup_needed: !app.catalogue().has_admin().await.map_err(backup_operations::OperationError::from)?,
        runs: status
            .open
            .iter()
            .map(|r| RunView { progress: app.snapshot(r.id).map(|s| s.progress.into()), ..RunView::new(r, &zone) })
            .collect(),
        next_schedule: status.next.as_ref().map(|n| n.name.clone()),
        next: status.next.map(|n| n.at.with_timezone(&zone).fixed_offset()),
        archives: status.archives.0,
        stored: status.archives.1,
        frozen: status.frozen.into_iter().map(|(name, reason)| format!("{name}: {reason}")).collect(),
        stopping: app.is_stopping(),
        restore_roots: app.restore_roots().iter().map(|r| r.display().to_string()).collect(),
    }))
}

fn need_daemon(app: &App) -> ApiResult<()> {
    if app.mode() == Mode::Daemon {
        Ok(())
    } else {
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "needs_daemon", "the daemon is not running"))
    }
}

/// Stops the daemon: runs at work are waited for up to `stop_timeout`, or cancelled at once.
#[utoipa::path(post, path = "/api/v1/system/stop", request_body = StopRequest, responses((status = 202), (status = 503, body = Problem)))]
pub(super) async fn stop(State(app): State<App>, Body(wish): Body<StopRequest>) -> ApiResult<StatusCode> {
    need_daemon(&app)?;
    app.ask_stop(wish.now);
    Ok(StatusCode::ACCEPTED)
}

/// Reads `schedules.toml` again, and answers with how the daemon then stands.
#[utoipa::path(post, path = "/api/v1/system/reload", responses((status = 200, body = StatusView), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn reload(State(app): State<App>) -> ApiResult<Json<StatusView>> {
    need_daemon(&app)?;
    app.reload();
    app.ask_reload();
    match app.config_error() {
        Some(error) => Err(ApiError::invalid(format!("{error}; the last valid state stays in force"))),
        None => status(State(app)).await,
    }
}

/// Which lines of the log.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Part of the line, in any case.
    text: Option<String>,
    /// `error`, `warning`, `info`, `debug` or `trace`.
    level: Option<String>,
    /// Written at or after: RFC 3339, or a day of the machine's zone.
    from: Option<String>,
    /// Written before: RFC 3339; a day is taken to its end.
    to: Option<String>,
    /// The newest so many, at most 5000; 500 by default.
    limit: Option<u64>,
}

/// The newest lines of the daemon's log, oldest first. The log's last 4 MiB are looked at.
#[utoipa::path(get, path = "/api/v1/logs", params(LogParams), responses((status = 200, body = Page<LogLineView>), (status = 400, body = Problem)))]
pub(super) async fn logs(State(app): State<App>, Params(params): Params<LogParams>) -> ApiResult<Json<Page<LogLineView>>> {
    let zone = app.zone();
    let time = |text: &Option<String>, end| -> ApiResult<_> {
        let time = text.as_ref().map(|t| super::runs::when(&app, t, end)).transpose()?;
        Ok(time.map(|t| t.with_timezone(&zone).fixed_offset()))
    };
    let filter = LogFilter {
        text: params.text.clone().filter(|t| !t.is_empty()),
        level: params.level.clone(),
        from: time(&params.from, false)?,
        to: time(&params.to, true)?,
        limit: params.limit.unwrap_or(500).min(5000) as usize,
    };
    let lines = blocking(move || app.log_lines(&filter)).await?;
    let items: Vec<LogLineView> = lines.into_iter().map(|l| LogLineView { at: l.at, level: l.level, text: l.text }).collect();
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, backup_operations::OperationError> + Send + 'static,
) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|e| backup_operations::OperationError::Failed(e.to_string()))??)
}

/// Which folder.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FolderParams {
    /// An absolute path; `/` if it is left out.
    path: Option<String>,
}

/// What lies in a folder of the daemon's machine, to choose what shall be backed up: folders first, at most 2000 entries.
#[utoipa::path(get, path = "/api/v1/folders", params(FolderParams), responses((status = 200, body = Page<FolderEntryView>), (status = 404, body = Problem)))]
pub(super) async fn folders(
    State(app): State<App>,
    Params(params): Params<FolderParams>,
) -> ApiResult<Json<Page<FolderEntryView>>> {
    let path = PathBuf::from(params.path.unwrap_or_else(|| "/".into()));
    let list = blocking(move || app.machine_folder(&path)).await?;
    let items: Vec<FolderEntryView> = list.into_iter().map(|e| FolderEntryView { name: e.name, folder: e.folder }).collect();
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}
