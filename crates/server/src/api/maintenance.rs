//! Looking after a home: check, cleanup, bringing the catalogue into line; health and figures for monitoring.

use crate::extract::{Body, Params};
use crate::problem::{ApiError, ApiResult};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use backup_operations::{App, Finding, Level, RebuildWish};
use backup_wire::{CheckView, CleanedView, CleanupRequest, FindingView, FixRequest, Page, Problem, RescueRequest, RescuedView};
use serde::Deserialize;
use std::fmt::Write;

fn view(findings: &[Finding]) -> CheckView {
    let level = |l: Level| if l == Level::Error { "error" } else { "warning" };
    let left = || findings.iter().filter(|f| !matches!(f.fixed, Some(Ok(()))));
    let verdict = if left().any(|f| f.level == Level::Error) {
        "error"
    } else if left().next().is_some() {
        "warning"
    } else {
        "ok"
    };
    CheckView {
        items: findings
            .iter()
            .map(|f| FindingView {
                id: f.id(),
                code: f.code.to_owned(),
                subject: f.subject.clone(),
                level: level(f.level).to_owned(),
                text: f.text.clone(),
                remedy: f.remedy.clone(),
                fixable: f.can_be_fixed(),
                fixed: f.fixed.as_ref().map(Result::is_ok),
                fix_error: f.fixed.as_ref().and_then(|r| r.as_ref().err().cloned()),
            })
            .collect(),
        total: findings.len() as u64,
        next: None,
        verdict: verdict.to_owned(),
    }
}

/// How deep to look.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CheckParams {
    /// Read every archive back to its last byte.
    #[serde(default)]
    deep: bool,
}

/// Looks at everything that backups need: folders, rights, disks, runs, archives, logs, sources, databases, tokens.
#[utoipa::path(get, path = "/api/v1/check", params(CheckParams), responses((status = 200, body = CheckView)))]
pub(super) async fn check(State(app): State<App>, Params(params): Params<CheckParams>) -> ApiResult<Json<CheckView>> {
    Ok(Json(view(&app.check(params.deep).await?)))
}

/// Looks again, and mends what is named, or all that can be mended.
#[utoipa::path(post, path = "/api/v1/check/fixes", request_body = FixRequest, responses((status = 200, body = CheckView)))]
pub(super) async fn fix(State(app): State<App>, Body(wish): Body<FixRequest>) -> ApiResult<Json<CheckView>> {
    Ok(Json(view(&app.fix(wish.ids.as_deref()).await?)))
}

/// Ends runs that are stuck, and removes what interrupted work has left.
#[utoipa::path(post, path = "/api/v1/cleanup", request_body = CleanupRequest, responses((status = 200, body = Page<CleanedView>)))]
pub(super) async fn cleanup(State(app): State<App>, Body(wish): Body<CleanupRequest>) -> ApiResult<Json<Page<CleanedView>>> {
    if wish.hours > 87_600 {
        return Err(ApiError::invalid("`hours` must be at most 87600, ten years"));
    }
    let done = app.cleanup(wish.hours, wish.force, wish.dry_run).await?;
    let items: Vec<CleanedView> = done
        .into_iter()
        .map(|c| CleanedView { what: c.what.to_owned(), subject: c.subject, text: c.text, bytes: c.bytes })
        .collect();
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}

/// Takes archives of a folder into the catalogue, and forgets those that are gone.
#[utoipa::path(post, path = "/api/v1/rescue", request_body = RescueRequest, responses((status = 200, body = Page<RescuedView>), (status = 404, body = Problem)))]
pub(super) async fn rescue(State(app): State<App>, Body(wish): Body<RescueRequest>) -> ApiResult<Json<Page<RescuedView>>> {
    let wish = RebuildWish { scan: wish.scan.map(Into::into), fix_missing: wish.fix_missing, dry_run: wish.dry_run };
    let done = app.rescue(&wish).await?;
    let items: Vec<RescuedView> =
        done.into_iter().map(|r| RescuedView { what: r.what.to_owned(), path: r.path, text: r.text }).collect();
    let total = items.len() as u64;
    Ok(Json(Page::new(items, total, 0)))
}

/// Whether the daemon lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether it can work: the catalogue answers, `schedules.toml` is valid, it is not stopping.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String, content_type = "text/plain"), (status = 503, body = Problem)))]
pub(super) async fn readyz(State(app): State<App>) -> ApiResult<&'static str> {
    match app.ready().await {
        Ok(()) => Ok("ok\n"),
        Err(why) => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why)),
    }
}

/// A label's value (Prometheus text format 0.0.4).
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>) -> ApiResult<Response> {
    let mut out = String::new();
    for metric in app.metrics().await? {
        let kind = if metric.counter { "counter" } else { "gauge" };
        let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name, metric.help);
        for (labels, value) in metric.samples {
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{}\"", label(v))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(out, "{}{labels} {value}", metric.name);
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response())
}
