//! Notifiers: the file's entries, and their tests.

use super::databases::{page_of_steps, secret_of};
use crate::auth::AuditNote;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use backup_operations::{App, GivenSecret, NotifierState, NotifierWish};
use backup_wire::{NewNotifierRequest, NotifierView, Page, Problem, TestStep};

fn view(app: &App, state: &NotifierState) -> NotifierView {
    let mut view = NotifierView::new(&state.settings);
    view.waiting = state.outbox.waiting;
    view.last_sent = state.outbox.last_sent.map(|t| t.with_timezone(&app.zone()).fixed_offset());
    view.error.clone_from(&state.outbox.error);
    view
}

async fn one(app: &App, name: &str) -> ApiResult<NotifierView> {
    let states = app.notifiers().await?;
    let found = states.iter().find(|s| s.settings.name.as_str() == name);
    let found = found.ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "conflict", "it was removed again meanwhile"))?;
    Ok(view(app, found))
}

fn wish(new: NewNotifierRequest) -> ApiResult<NotifierWish> {
    Ok(NotifierWish {
        url: secret_of("url", new.url, new.url_file, None)?,
        password: secret_of("password", new.password, new.password_file, new.password_env)?,
        name: new.name,
        to: new.to,
        from: new.from,
        smtp: new.smtp,
        user: new.user,
        form: new.form,
        token: new.token.map(GivenSecret::Text),
        allow_private: new.allow_private,
        on: new.on,
        language: new.language,
        unset: new.unset,
    })
}

/// All notifiers, with what waits for them.
#[utoipa::path(get, path = "/api/v1/notifiers", params(Paging), responses((status = 200, body = Page<NotifierView>)))]
pub(super) async fn list(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<NotifierView>>> {
    let states = app.notifiers().await?;
    Ok(Json(paging.page_of(states.iter().map(|s| view(&app, s)).collect())?))
}

/// Adds a notifier to the file.
#[utoipa::path(post, path = "/api/v1/notifiers", request_body = NewNotifierRequest, responses((status = 201, body = NotifierView), (status = 409, body = Problem)))]
pub(super) async fn add(
    State(app): State<App>,
    Body(new): Body<NewNotifierRequest>,
) -> ApiResult<(StatusCode, Extension<AuditNote>, Json<NotifierView>)> {
    let name = new.name.clone();
    app.add_notifier(wish(new)?)?;
    Ok((StatusCode::CREATED, Extension(AuditNote(name.clone())), Json(one(&app, &name).await?)))
}

/// Changes what is given of a notifier of the file; the rest stays.
#[utoipa::path(patch, path = "/api/v1/notifiers/{name}", request_body = NewNotifierRequest, responses((status = 200, body = NotifierView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(change): Body<NewNotifierRequest>,
) -> ApiResult<Json<NotifierView>> {
    app.change_notifier(wish(NewNotifierRequest { name: name.clone(), ..change })?)?;
    Ok(Json(one(&app, &name).await?))
}

/// Removes a notifier from the file, with the secrets that were kept for it.
#[utoipa::path(delete, path = "/api/v1/notifiers/{name}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.delete_notifier(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test message, and says each step.
#[utoipa::path(post, path = "/api/v1/notifiers/{name}/test", responses((status = 200, body = Page<TestStep>), (status = 404, body = Problem)))]
pub(super) async fn test(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<Page<TestStep>>> {
    let steps = app.test_notifier(&name).await?;
    Ok(Json(page_of_steps(steps)))
}
