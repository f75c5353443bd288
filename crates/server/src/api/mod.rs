//! `/api/v1`: what can be done with schedules, runs, archives and the daemon itself.

mod access;
mod archives;
mod checks;
mod contents;
mod databases;
mod destinations;
mod docs;
mod history;
mod maintenance;
mod notifiers;
pub(crate) mod runs;
mod schedules;
mod setup;
mod system;

use crate::auth::{Routes, Rule, components};
use crate::predecessors;
use crate::problem::ApiError;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Json, Router};
use backup_model::Scope;
use backup_operations::App;
use utoipa::OpenApi;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "backupd",
        description = "Backups of files and databases: schedules, runs, archives, restores. Errors are RFC 9457 problems with a stable code. Lists take `offset` and `limit` and answer `items`, `total` and `next`."
    ),
    components(schemas(backup_wire::Problem))
)]
struct Document;

pub(crate) const PUBLIC: Rule = Rule::Public;
pub(crate) const READ: Rule = Rule::Needs(Scope::Read);
pub(crate) const OPERATE: Rule = Rule::Needs(Scope::Operate);
pub(crate) const ADMIN: Rule = Rule::Needs(Scope::Admin);

fn parts() -> (Router<App>, utoipa::openapi::OpenApi) {
    let routes = predecessors::routes(Routes::new(Document::openapi()))
        .rule(PUBLIC, routes!(access::session, access::sign_in, access::sign_out))
        .rule(PUBLIC, routes!(access::set_up))
        .rule(READ, routes!(access::change_password))
        .rule(READ, routes!(access::new_second_factor, access::set_second_factor))
        .rule(ADMIN, routes!(access::drop_second_factor))
        .rule(ADMIN, routes!(access::setup_token))
        .rule(ADMIN, routes!(access::users, access::add_user))
        .rule(ADMIN, routes!(access::delete_user))
        .rule(ADMIN, routes!(access::set_password))
        .rule(ADMIN, routes!(access::tokens, access::create_token))
        .rule(ADMIN, routes!(access::revoke_token))
        .rule(ADMIN, routes!(access::audit))
        .rule(ADMIN, routes!(access::check_audit))
        .rule(READ, routes!(system::status))
        .rule(ADMIN, routes!(system::stop))
        .rule(ADMIN, routes!(system::reload))
        .rule(READ, routes!(schedules::list))
        .rule(ADMIN, routes!(schedules::create))
        .rule(READ, routes!(schedules::show))
        .rule(ADMIN, routes!(schedules::edit, schedules::delete))
        .rule(ADMIN, routes!(schedules::duplicate))
        .rule(OPERATE, routes!(schedules::confirm))
        .rule(READ, routes!(runs::history))
        .rule(OPERATE, routes!(runs::start))
        .rule(READ, routes!(runs::show))
        .rule(OPERATE, routes!(runs::cancel))
        .rule(READ, routes!(runs::events))
        .rule(ADMIN, routes!(runs::report))
        .rule(READ, routes!(archives::list))
        .rule(READ, routes!(archives::show))
        .rule(OPERATE, routes!(archives::fetch))
        .rule(ADMIN, routes!(archives::delete))
        .rule(OPERATE, routes!(archives::pin, archives::unpin))
        .rule(READ, routes!(archives::entries))
        .rule(READ, routes!(archives::compare))
        .rule(OPERATE, routes!(archives::verify))
        .rule(OPERATE, routes!(archives::restore))
        .rule(ADMIN, routes!(archives::prune))
        .rule(OPERATE, routes!(checks::drill))
        .rule(OPERATE, routes!(checks::scrub))
        .rule(OPERATE, routes!(checks::consolidate))
        .rule(OPERATE, routes!(checks::rebuild))
        .rule(READ, routes!(checks::find))
        .rule(READ, routes!(checks::alerts))
        .rule(READ, routes!(databases::list))
        .rule(ADMIN, routes!(databases::add))
        .rule(ADMIN, routes!(databases::change, databases::delete))
        .rule(OPERATE, routes!(databases::test))
        .rule(OPERATE, routes!(databases::restore))
        .rule(PUBLIC, routes!(maintenance::healthz))
        .rule(PUBLIC, routes!(maintenance::readyz))
        .rule(READ, routes!(maintenance::metrics))
        .rule(OPERATE, routes!(maintenance::check))
        .rule(ADMIN, routes!(maintenance::fix))
        .rule(ADMIN, routes!(maintenance::cleanup))
        .rule(ADMIN, routes!(maintenance::rescue))
        .rule(ADMIN, routes!(setup::export))
        .rule(ADMIN, routes!(setup::import))
        .rule(READ, routes!(setup::templates))
        .rule(ADMIN, routes!(setup::apply))
        .rule(ADMIN, routes!(setup::samples))
        .rule(READ, routes!(destinations::list))
        .rule(ADMIN, routes!(destinations::add))
        .rule(ADMIN, routes!(destinations::change, destinations::delete))
        .rule(OPERATE, routes!(destinations::test))
        .rule(READ, routes!(notifiers::list))
        .rule(ADMIN, routes!(notifiers::add))
        .rule(ADMIN, routes!(notifiers::change, notifiers::delete))
        .rule(OPERATE, routes!(notifiers::test))
        .rule(READ, routes!(history::stats))
        .rule(READ, routes!(history::days))
        .rule(READ, routes!(schedules::preview))
        .rule(OPERATE, routes!(contents::contents))
        .rule(OPERATE, routes!(system::logs))
        .rule(ADMIN, routes!(system::folders));
    let (router, mut document) = routes.into_inner().split_for_parts();
    components(document.components.get_or_insert_default());
    (router, document)
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    parts().1
}

/// The API over a state. Who calls is told by the way to it: [`crate::local`], [`crate::serve_socket`] and
/// [`crate::serve_tcp`] add that; without it nobody is let in.
pub fn router(app: App) -> Router {
    // The document is made anew for whoever asks: it is large, and hardly anybody does.
    let (router, _) = parts();
    router
        .route("/api/docs", get(docs::docs))
        .route("/api/openapi.json", get(async || Json(openapi())))
        .fallback(crate::page::page)
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no_method", "this route does not take this method")
        })
        .layer(axum::middleware::from_fn(predecessors::dress))
        .layer(Extension(app.clone()))
        .with_state(app)
}
