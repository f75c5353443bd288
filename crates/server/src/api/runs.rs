//! Runs: history, starting, cancelling, live events.

use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use backup_model::{Run, RunCounts, RunId, StatusGroup};
use backup_operations::catalogue::{HistoryFilter, Sort};
use backup_operations::{App, Report};
use backup_wire::{Page, Problem, ReportRequest, RunEvent, RunRequest, RunView};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

/// Filters of the history; each narrows.
#[derive(Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// Part of the name, host or error, in any case.
    text: Option<String>,
    /// `backup`, `restore`, `verify` or `prune`.
    operation: Option<String>,
    /// `pending`, `running`, `completed`, `warning`, `failed` or `cancelled`.
    status: Option<String>,
    /// `full`, `incremental` or `differential`.
    kind: Option<String>,
    /// `full`, `metadata` or `data`.
    content: Option<String>,
    /// A schedule's name.
    schedule: Option<String>,
    /// Created at or after: RFC 3339, or a day of the machine's zone.
    from: Option<String>,
    /// Created before: RFC 3339; a day is taken to its end.
    to: Option<String>,
    /// `created` (default), `seconds`, `stored` or `name`; a `-` before it reverses.
    sort: Option<String>,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer, at most 1000; 50 by default.
    limit: Option<u64>,
}

pub(crate) fn when(app: &App, text: &str, end: bool) -> ApiResult<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|d| if end { d.succ_opt() } else { Some(d) });
    date.and_then(|d| backup_model::local_day_start(app.zone(), d))
        .ok_or_else(|| ApiError::invalid(format!("{text:?} is no time; write 2026-11-21 or 2026-11-21T09:00:00+01:00")))
}

fn word<T: std::str::FromStr<Err = backup_model::ParseWordError>>(text: Option<&String>) -> ApiResult<Option<T>> {
    text.map(|t| t.parse().map_err(|e: backup_model::ParseWordError| ApiError::invalid(e.to_string()))).transpose()
}

impl HistoryParams {
    fn filter(&self, app: &App) -> ApiResult<HistoryFilter> {
        let paging = Paging { offset: self.offset, limit: self.limit };
        let sort = self.sort.as_deref().unwrap_or("created");
        let (reverse, column) = sort.strip_prefix('-').map_or((false, sort), |s| (true, s));
        let (sort, ascending) = match column {
            "created" => (Sort::Created, false),
            "seconds" => (Sort::Seconds, false),
            "stored" => (Sort::Stored, false),
            "name" => (Sort::Name, true),
            other => {
                return Err(ApiError::invalid(format!(
                    "{other:?} is nothing to sort by; write created, seconds, stored or name"
                )));
            }
        };
        Ok(HistoryFilter {
            text: self.text.clone().filter(|t| !t.is_empty()),
            operation: word(self.operation.as_ref())?,
            status: word(self.status.as_ref())?,
            or_status: None,
            kind: word(self.kind.as_ref())?,
            content: self.content.clone(),
            name: self.schedule.clone(),
            from: self.from.as_ref().map(|t| when(app, t, false)).transpose()?,
            to: self.to.as_ref().map(|t| when(app, t, true)).transpose()?,
            sort,
            ascending: ascending != reverse,
            offset: paging.offset()?,
            limit: paging.limit(50, 1000)?,
        })
    }
}

/// The history: filtered, sorted, paged, with exact counts.
#[utoipa::path(get, path = "/api/v1/runs", params(HistoryParams), responses((status = 200, body = Page<RunView>), (status = 400, body = Problem)))]
pub(super) async fn history(State(app): State<App>, Params(params): Params<HistoryParams>) -> ApiResult<Json<Page<RunView>>> {
    let filter = params.filter(&app)?;
    let page = app.catalogue().history(&filter).await.map_err(backup_operations::OperationError::from)?;
    let items = page.runs.iter().map(|r| RunView::new(r, &app.zone())).collect();
    Ok(Json(Page::new(items, page.total, filter.offset)))
}

/// Backs a schedule up now.
#[utoipa::path(post, path = "/api/v1/runs", request_body = RunRequest, responses((status = 202, body = RunView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn start(State(app): State<App>, Body(wish): Body<RunRequest>) -> ApiResult<(StatusCode, Json<RunView>)> {
    if app.file_changed() {
        app.reload();
    }
    let run = app.request_backup(&wish.schedule, wish.kind.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::new(&run, &app.zone()))))
}

async fn whole(app: &App, run: &Run) -> ApiResult<RunView> {
    let mut view = RunView::new(run, &app.zone());
    view.progress = app.snapshot(run.id).map(|s| s.progress.into());
    let notes = app.catalogue().notes(run.id).await.map_err(backup_operations::OperationError::from)?;
    view.notes = notes.into_iter().map(Into::into).collect();
    Ok(view)
}

/// One run, with its notes; by its id, the beginning of it, or the name of a schedule at work.
#[utoipa::path(get, path = "/api/v1/runs/{id}", responses((status = 200, body = RunView), (status = 404, body = Problem)))]
pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<RunView>> {
    let run = app.find_run(&id).await?;
    whole(&app, &run).await.map(Json)
}

/// Asks a run to stop; it ends as `cancelled` and leaves nothing behind.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", responses((status = 202, body = RunView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(State(app): State<App>, Path(id): Path<String>) -> ApiResult<(StatusCode, Json<RunView>)> {
    let run = app.cancel(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::new(&run, &app.zone()))))
}

async fn event(app: &App, id: RunId) -> ApiResult<RunEvent> {
    if let Some(seen) = app.snapshot(id) {
        return Ok(RunEvent::Progress { run: id.to_string(), progress: seen.progress.into() });
    }
    let run = app.find_run(&id.to_string()).await?;
    if run.status.group() == StatusGroup::Open {
        return Ok(RunEvent::Pending { run: id.to_string() });
    }
    Ok(RunEvent::Result { run: Box::new(whole(app, &run).await?) })
}

/// Live progress as server-sent events: `progress` five times a second at most, `result` at the end.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", responses((status = 200, body = RunEvent, content_type = "text/event-stream"), (status = 404, body = Problem)))]
pub(super) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>> {
    let run = app.find_run(&id).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        let mut last = String::new();
        let changed = app.runs_changed();
        loop {
            // Listened to from before the look, so that no change falls between.
            let changed = changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Ok(found) = event(&app, run.id).await else { return };
            let name = match &found {
                RunEvent::Pending { .. } => "pending",
                RunEvent::Progress { .. } => "progress",
                RunEvent::Result { .. } => "result",
            };
            let Ok(data) = serde_json::to_string(&found) else { return };
            if data != last {
                if sender.send(Ok(Event::default().event(name).data(&data))).await.is_err() {
                    return;
                }
                last = data;
            }
            if name == "result" {
                return;
            }
            // The end is told at once, progress five times a second.
            let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
        }
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

/// Takes a restore or verification that another process did into the history.
#[utoipa::path(post, path = "/api/v1/reports", request_body = ReportRequest, responses((status = 201, body = RunView), (status = 400, body = Problem)))]
pub(super) async fn report(State(app): State<App>, Body(r): Body<ReportRequest>) -> ApiResult<(StatusCode, Json<RunView>)> {
    let archive =
        r.archive.map(|a| a.parse().map_err(|e: backup_model::ParseWordError| ApiError::invalid(e.to_string()))).transpose()?;
    let report = Report {
        operation: r.operation,
        name: r.name,
        archive,
        archive_path: r.archive_path,
        status: r.status,
        started: r.started,
        ended: r.ended,
        counts: RunCounts {
            files: r.files,
            folders: r.folders,
            others: r.others,
            bytes: r.bytes,
            stored: 0,
            warnings: r.warnings,
            tables: r.tables,
            records: r.records,
        },
        error: r.error,
        notes: r.notes.into_iter().map(Into::into).collect(),
        request: r.request,
    };
    let id = app.record(&report).await?;
    let run = app.find_run(&id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(RunView::new(&run, &app.zone()))))
}
