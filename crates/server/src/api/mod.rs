//! `/api/v1`: what can be done with schedules, runs, archives and the daemon itself.

mod archives;
mod checks;
mod databases;
mod history;
mod runs;
mod schedules;
mod system;

use crate::problem::ApiError;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use backup_operations::App;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(info(
    title = "backupd",
    description = "Backups of files and databases: schedules, runs, archives, restores. Errors are RFC 9457 problems with a stable code."
))]
struct Document;

fn parts() -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(system::status))
        .routes(routes!(system::stop))
        .routes(routes!(system::reload))
        .routes(routes!(schedules::list, schedules::create))
        .routes(routes!(schedules::show, schedules::edit, schedules::delete))
        .routes(routes!(schedules::duplicate))
        .routes(routes!(schedules::confirm))
        .routes(routes!(runs::history, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::events))
        .routes(routes!(runs::report))
        .routes(routes!(archives::list))
        .routes(routes!(archives::show))
        .routes(routes!(archives::pin, archives::unpin))
        .routes(routes!(archives::entries))
        .routes(routes!(archives::compare))
        .routes(routes!(archives::verify))
        .routes(routes!(archives::restore))
        .routes(routes!(archives::prune))
        .routes(routes!(checks::drill))
        .routes(routes!(checks::scrub))
        .routes(routes!(checks::consolidate))
        .routes(routes!(checks::rebuild))
        .routes(routes!(checks::find))
        .routes(routes!(checks::alerts))
        .routes(routes!(databases::list, databases::add))
        .routes(routes!(databases::delete))
        .routes(routes!(databases::test))
        .routes(routes!(databases::restore))
        .routes(routes!(history::stats))
        .split_for_parts()
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    parts().1
}

/// The API over a state: the same router serves the socket and calls in process.
pub fn router(app: App) -> Router {
    let (router, document) = parts();
    let document = std::sync::Arc::new(document);
    router
        .route("/api/openapi.json", get(async move || Json(document.as_ref().clone())))
        .fallback(async || {
            ApiError::new(StatusCode::NOT_FOUND, "no_route", "there is no such route; /api/openapi.json lists them")
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no_method", "this route does not take this method")
        })
        .with_state(app)
}
