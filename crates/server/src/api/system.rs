//! The daemon itself.

use crate::extract::Body;
use crate::problem::{ApiError, ApiResult};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use backup_operations::{App, Door, Mode};
use backup_wire::{Problem, RunView, StatusView, StopRequest};

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
