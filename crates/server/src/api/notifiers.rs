//! Notifiers: the file's entries, and their tests.

use super::databases::{page_of_steps, secret_of};
use crate::auth::AuditNote;
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use backup_operations::{App, GivenSecret, NewNotifier, NewWay, NotifierState};
use backup_wire::{NewNotifierRequest, NotifierView, Page, Problem, TestStep};

fn view(app: &App, state: &NotifierState) -> NotifierView {
    let mut view = NotifierView::new(&state.settings);
    view.waiting = state.outbox.waiting;
    view.last_sent = state.outbox.last_sent.map(|t| t.with_timezone(&app.zone()).fixed_offset());
    view.error.clone_from(&state.outbox.error);
    view
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
    let way = match (new.smtp, secret_of("url", new.url, new.url_file, None)?) {
        (Some(smtp), None) => NewWay::Email {
            to: new.to,
            from: new.from,
            smtp,
            user: new.user,
            password: secret_of("password", new.password, new.password_file, new.password_env)?,
        },
        (None, Some(url)) => {
            NewWay::Webhook { url, form: new.form, token: new.token.map(GivenSecret::Text), allow_private: new.allow_private }
        }
        _ => return Err(ApiError::invalid("give smtp and to for mail, or url for a webhook")),
    };
    let name = new.name.clone();
    app.add_notifier(NewNotifier { name: new.name, way, on: new.on, language: new.language })?;
    let states = app.notifiers().await?;
    let made = states.iter().find(|s| s.settings.name.as_str() == name);
    let made = made.ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "conflict", "it was removed again meanwhile"))?;
    Ok((StatusCode::CREATED, Extension(AuditNote(name)), Json(view(&app, made))))
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
