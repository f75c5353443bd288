//! Destinations: the file's entries, and their tests.

use super::databases::{page_of_steps, secret_of};
use crate::auth::AuditNote;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use backup_model::StoreUrl;
use backup_operations::{App, DestinationState, DestinationWish, GivenSecret};
use backup_wire::{DestinationView, NewDestinationRequest, Page, Problem, TestStep};
use std::path::PathBuf;

fn view(app: &App, state: &DestinationState) -> DestinationView {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
    DestinationView {
        name: state.settings.name.to_string(),
        kind: state.settings.place.kind().to_owned(),
        url: state.settings.url.clone(),
        identity: path(&state.settings.identity),
        known_hosts: path(&state.settings.known_hosts),
        ca: path(&state.settings.ca),
        limit: state.settings.limit.map(backup_model::format_rate),
        lock_days: state.settings.lock_days,
        schedules: state.schedules.clone(),
        archives: state.counts.stored,
        bytes: state.counts.bytes,
        waiting: state.counts.waiting,
        last: state.counts.last.map(|t| t.with_timezone(&app.zone()).fixed_offset()),
        error: state.counts.error.clone(),
    }
}

async fn one(app: &App, name: &str) -> ApiResult<DestinationView> {
    let states = app.destinations().await?;
    let found = states.iter().find(|s| s.settings.name.as_str() == name);
    let found = found.ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "conflict", "it was removed again meanwhile"))?;
    Ok(view(app, found))
}

/// What is asked for, with secrets under the keys of their kind of store.
fn wish(app: &App, new: NewDestinationRequest) -> ApiResult<DestinationWish> {
    let mut secrets = Vec::new();
    if let Some(given) = secret_of("secret", new.secret, new.secret_file, new.secret_env)? {
        let place = match &new.url {
            Some(url) => url.parse().map_err(|e: backup_model::StoreUrlError| ApiError::invalid(e.to_string()))?,
            None => app.destination_place(&new.name)?,
        };
        let key = match &place {
            StoreUrl::S3 { .. } => "secret_key",
            StoreUrl::Webdav { user: Some(_), .. } => "password",
            StoreUrl::Webdav { .. } | StoreUrl::Receiver { .. } => "token",
            StoreUrl::Folder(_) | StoreUrl::Sftp { .. } => {
                return Err(ApiError::invalid("a destination of this kind has no secret; SFTP takes a key: identity"));
            }
        };
        secrets.push((key, given));
    }
    if let Some(id) = new.access_key {
        secrets.push(("access_key", GivenSecret::Text(id)));
    }
    if let Some(given) = secret_of("read_token", new.read_token, new.read_token_file, None)? {
        secrets.push(("read_token", given));
    }
    let files = [("identity", new.identity), ("known_hosts", new.known_hosts), ("ca", new.ca)];
    let files = files.into_iter().filter_map(|(key, path)| Some((key, path?))).collect();
    Ok(DestinationWish {
        name: new.name,
        url: new.url,
        secrets,
        files,
        limit: new.limit,
        lock_days: new.lock_days,
        unset: new.unset,
    })
}

/// All destinations, with what is there and what waits.
#[utoipa::path(get, path = "/api/v1/destinations", params(Paging), responses((status = 200, body = Page<DestinationView>)))]
pub(super) async fn list(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<DestinationView>>> {
    let states = app.destinations().await?;
    Ok(Json(paging.page_of(states.iter().map(|s| view(&app, s)).collect())?))
}

/// Adds a destination to the file.
#[utoipa::path(post, path = "/api/v1/destinations", request_body = NewDestinationRequest, responses((status = 201, body = DestinationView), (status = 409, body = Problem)))]
pub(super) async fn add(
    State(app): State<App>,
    Body(new): Body<NewDestinationRequest>,
) -> ApiResult<(StatusCode, Extension<AuditNote>, Json<DestinationView>)> {
    let name = new.name.clone();
    // There is none yet that could say where it lies.
    let new = NewDestinationRequest { url: Some(new.url.unwrap_or_default()), ..new };
    app.add_destination(wish(&app, new)?)?;
    Ok((StatusCode::CREATED, Extension(AuditNote(name.clone())), Json(one(&app, &name).await?)))
}

/// Changes what is given of a destination of the file; the rest stays. What lies there is not moved.
#[utoipa::path(patch, path = "/api/v1/destinations/{name}", request_body = NewDestinationRequest, responses((status = 200, body = DestinationView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(change): Body<NewDestinationRequest>,
) -> ApiResult<Json<DestinationView>> {
    app.change_destination(wish(&app, NewDestinationRequest { name: name.clone(), ..change })?)?;
    Ok(Json(one(&app, &name).await?))
}

/// Removes a destination from the file, with the secrets that were kept for it. What lies there stays there.
#[utoipa::path(delete, path = "/api/v1/destinations/{name}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.delete_destination(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes, lists, reads and removes an object, and says each step.
#[utoipa::path(post, path = "/api/v1/destinations/{name}/test", responses((status = 200, body = Page<TestStep>), (status = 404, body = Problem)))]
pub(super) async fn test(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Page<TestStep>>> {
    let steps = app.test_destination(&name).await?;
    Ok(Json(page_of_steps(steps)))
}
