//! Configurations on their way, templates, sample data.

use crate::extract::{Body, Paging, Params, Path};
use crate::problem::ApiResult;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use backup_operations::{App, TEMPLATES, config::Merged};
use backup_wire::{ApplyRequest, ImportRequest, ImportedView, Page, Problem, SampleRequest, TemplateView};

fn merged(done: Merged) -> Json<Page<ImportedView>> {
    let rows = |list: Vec<(String, String)>, added| list.into_iter().map(move |(kind, name)| ImportedView { kind, name, added });
    let items: Vec<ImportedView> = rows(done.added, true).chain(rows(done.same, false)).collect();
    let total = items.len() as u64;
    Json(Page::new(items, total, 0))
}

/// `schedules.toml` without anything that may be a secret.
#[utoipa::path(get, path = "/api/v1/export", responses((status = 200, body = String, content_type = "application/toml")))]
pub(super) async fn export(State(app): State<App>) -> ApiResult<Response> {
    let kind =
        [(header::CONTENT_TYPE, "application/toml"), (header::CONTENT_DISPOSITION, "attachment; filename=\"schedules.toml\"")];
    Ok((kind, app.export()?).into_response())
}

/// Takes schedules, databases and notifiers of another file in.
#[utoipa::path(post, path = "/api/v1/import", request_body = ImportRequest, responses((status = 200, body = Page<ImportedView>), (status = 409, body = Problem)))]
pub(super) async fn import(State(app): State<App>, Body(wish): Body<ImportRequest>) -> ApiResult<Json<Page<ImportedView>>> {
    Ok(merged(app.import(&wish.text, wish.dry_run)?))
}

/// Ready-made schedules.
#[utoipa::path(get, path = "/api/v1/templates", params(Paging), responses((status = 200, body = Page<TemplateView>)))]
pub(super) async fn templates(Params(paging): Params<Paging>) -> ApiResult<Json<Page<TemplateView>>> {
    let rows = TEMPLATES.iter().map(|(name, text)| TemplateView { name: (*name).to_owned(), text: (*text).to_owned() });
    Ok(Json(paging.page_of(rows.collect())?))
}

/// Applies a template.
#[utoipa::path(post, path = "/api/v1/templates/{name}/apply", request_body = ApplyRequest, responses((status = 200, body = Page<ImportedView>), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn apply(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(wish): Body<ApplyRequest>,
) -> ApiResult<Json<Page<ImportedView>>> {
    Ok(merged(app.apply_template(&name, wish.dry_run).await?))
}

/// Fills a home that holds nothing real with a made-up history.
#[utoipa::path(post, path = "/api/v1/sample-data", request_body = SampleRequest, responses((status = 201, body = Object), (status = 409, body = Problem)))]
pub(super) async fn samples(
    State(app): State<App>,
    Body(wish): Body<SampleRequest>,
) -> ApiResult<(StatusCode, Json<serde_json::Value>)> {
    let made = app.sample_data(wish.count).await?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "runs": made }))))
}
