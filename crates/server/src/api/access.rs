//! Signing in, users, tokens, the audit log.

use crate::auth::{AuditNote, Limits, Visitor, cookie};
use crate::extract::{Body, Paging, Params, Path};
use crate::problem::{ApiError, ApiResult};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use backup_operations::catalogue::{Credential, User};
use backup_operations::{App, Caller, OperationError};
use backup_wire::{
    AuditCheckView, AuditView, ChangePassword, NewToken, NewUser, NewUserPassword, Page, SecondFactor, SecondFactorView,
    SecretView, SessionView, SetUp, SignIn, TokenView, UserView,
};
use chrono::{DateTime, Duration, FixedOffset, Utc};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

type From = Option<Extension<Visitor>>;
type Who = Option<Extension<Caller>>;
type Failures = Option<Extension<Arc<Limits>>>;

fn local(app: &App, at: DateTime<Utc>) -> DateTime<FixedOffset> {
    at.with_timezone(&app.zone()).fixed_offset()
}

/// Who is signed in, and whether the set-up is still to be done.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = SessionView)))]
pub(super) async fn session(State(app): State<App>, who: Who) -> ApiResult<Json<SessionView>> {
    let setup_needed = !app.catalogue().has_admin().await.map_err(OperationError::from)?;
    let who = who.map(|w| w.0);
    let expires = match who.as_ref().and_then(|w| w.session.as_deref()) {
        Some(id) => app.catalogue().credential(id).await.map_err(OperationError::from)?.and_then(|c| c.expires),
        None => None,
    };
    Ok(Json(SessionView {
        setup_needed,
        scope: who.as_ref().map(|w| w.scope.to_string()),
        actor: who.map(|w| w.actor),
        expires: expires.map(|e| local(&app, e)),
    }))
}

async fn signed_in(app: &App, visitor: Visitor, user: &User, status: StatusCode) -> ApiResult<Response> {
    let made = app.begin_session(user).await?;
    let view = SessionView {
        setup_needed: false,
        actor: Some(format!("user:{}", user.name)),
        scope: Some(user.role.scope().to_string()),
        expires: made.expires.map(|e| local(app, e)),
    };
    Ok((status, [(header::SET_COOKIE, cookie(visitor, &made.secret))], Json(view)).into_response())
}

fn over_tcp(from: From, failures: Failures) -> ApiResult<(Visitor, Arc<Limits>)> {
    let both = from.zip(failures).map(|(v, l)| (v.0, l.0));
    both.ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "conflict", "who calls on the socket or in process is known already"))
}

fn nobody(visitor: Visitor, name: &str) -> Caller {
    // A name that nobody has must not bring line ends or escapes into the log.
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Caller {
        actor: format!("nobody:{shown}"),
        origin: visitor.address.to_string(),
        scope: backup_model::Scope::Read,
        session: None,
        machine: None,
    }
}

/// Signs in: the answer sets the session's cookie.
#[utoipa::path(post, path = "/api/v1/session", request_body = SignIn, responses((status = 200, body = SessionView), (status = 401, body = backup_wire::Problem), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn sign_in(
    State(app): State<App>,
    from: From,
    failures: Failures,
    Body(wish): Body<SignIn>,
) -> ApiResult<Response> {
    let (visitor, limits) = over_tcp(from, failures)?;
    if let Err(waits) = limits.check(visitor.address, Some(&wish.name)) {
        return Ok(ApiError::wait(waits.0).into_response());
    }
    match app.check_password(&wish.name, &wish.password).await? {
        Some(user) if user.totp.is_some() && wish.code.is_none() => {
            Err(ApiError::new(StatusCode::UNAUTHORIZED, "code_needed", "give the code of your authenticator too"))
        }
        Some(user) if app.check_second_factor(&user, wish.code.as_deref()).await? => {
            let caller = Caller { actor: format!("user:{}", user.name), ..nobody(visitor, "") };
            let response = signed_in(&app, visitor, &user, StatusCode::OK).await?;
            app.audit(&caller, "sign-in", "", "200", "").await;
            Ok(response)
        }
        _ => {
            limits.failed(visitor.address, Some(&wish.name));
            app.audit(&nobody(visitor, &wish.name), "sign-in", "", "401", "").await;
            Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "name, password or code is wrong"))
        }
    }
}

/// Signs out: the session's secret is worthless from now on.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub(super) async fn sign_out(State(app): State<App>, from: From, who: Who) -> ApiResult<Response> {
    if let Some(id) = who.as_ref().and_then(|w| w.session.as_deref()) {
        app.end_session(id).await?;
    }
    let visitor = from.map_or(Visitor { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false }, |v| v.0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(visitor, ""))]).into_response())
}

/// Gives oneself another password: all sessions end, this one too.
#[utoipa::path(put, path = "/api/v1/session/password", request_body = ChangePassword, responses((status = 204), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn change_password(
    State(app): State<App>,
    from: From,
    failures: Failures,
    who: Who,
    Body(wish): Body<ChangePassword>,
) -> ApiResult<Response> {
    let Some(name) = who.as_ref().and_then(|w| w.user()) else {
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", "only people who have signed in have a password here"));
    };
    let (visitor, limits) = over_tcp(from, failures)?;
    if let Err(waits) = limits.check(visitor.address, Some(name)) {
        return Ok(ApiError::wait(waits.0).into_response());
    }
    let done = app.change_password(name, &wish.present, &wish.new).await;
    if matches!(done, Err(OperationError::Forbidden(_))) {
        limits.failed(visitor.address, Some(name));
    }
    done?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(visitor, ""))]).into_response())
}

fn own_name(who: &Who) -> ApiResult<String> {
    let name = who.as_ref().and_then(|w| w.user()).map(str::to_owned);
    name.ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "conflict", "only people who have signed in have a second factor"))
}

/// Makes the secret of a second factor; it counts once a code of it was given.
#[utoipa::path(post, path = "/api/v1/session/second-factor", responses((status = 201, body = SecondFactorView), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn new_second_factor(State(app): State<App>, who: Who) -> ApiResult<(StatusCode, Json<SecondFactorView>)> {
    let (secret, url) = app.new_second_factor(&own_name(&who)?);
    Ok((StatusCode::CREATED, Json(SecondFactorView { secret, url })))
}

/// Makes a second factor count: from now on signing in needs a code.
#[utoipa::path(put, path = "/api/v1/session/second-factor", request_body = SecondFactor, responses((status = 204), (status = 404, body = backup_wire::Problem), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn set_second_factor(State(app): State<App>, who: Who, Body(wish): Body<SecondFactor>) -> ApiResult<StatusCode> {
    app.set_second_factor(&own_name(&who)?, &wish.secret, &wish.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a user's second factor away, for example because their device was lost.
#[utoipa::path(delete, path = "/api/v1/users/{name}/second-factor", responses((status = 204), (status = 404, body = backup_wire::Problem)))]
pub(super) async fn drop_second_factor(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.drop_second_factor(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the first admin and signs them in, for whoever shows the token of the set-up.
#[utoipa::path(post, path = "/api/v1/setup", request_body = SetUp, responses((status = 201, body = SessionView), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn set_up(
    State(app): State<App>,
    from: From,
    failures: Failures,
    Body(wish): Body<SetUp>,
) -> ApiResult<Response> {
    let (visitor, limits) = over_tcp(from, failures)?;
    if let Err(waits) = limits.check(visitor.address, None) {
        return Ok(ApiError::wait(waits.0).into_response());
    }
    let done = app.set_up(&wish.token, &wish.name, &wish.password).await;
    if matches!(done, Err(OperationError::Forbidden(_))) {
        limits.failed(visitor.address, None);
        app.audit(&nobody(visitor, &wish.name), "set-up", "", "403", "").await;
    }
    let user = done?;
    let caller = Caller { actor: format!("user:{}", user.name), ..nobody(visitor, "") };
    app.audit(&caller, "set-up", "", "201", "the first admin").await;
    signed_in(&app, visitor, &user, StatusCode::CREATED).await
}

/// Makes the token of the set-up: the first admin is added with it, once, within 30 minutes.
#[utoipa::path(post, path = "/api/v1/setup-tokens", responses((status = 201, body = SecretView), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn setup_token(State(app): State<App>) -> ApiResult<(StatusCode, Json<SecretView>)> {
    let made = app.setup_token().await?;
    Ok((StatusCode::CREATED, Json(SecretView { token: made.secret, expires: made.expires.map(|e| local(&app, e)) })))
}

fn user_view(app: &App, user: &User) -> UserView {
    UserView {
        name: user.name.clone(),
        role: user.role.to_string(),
        created: local(app, user.created),
        last_seen: user.last_seen.map(|s| local(app, s)),
        second_factor: user.totp.is_some(),
    }
}

/// All users.
#[utoipa::path(get, path = "/api/v1/users", params(Paging), responses((status = 200, body = Page<UserView>)))]
pub(super) async fn users(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<UserView>>> {
    let users = app.catalogue().users().await.map_err(OperationError::from)?;
    Ok(Json(paging.page_of(users.iter().map(|u| user_view(&app, u)).collect())?))
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", request_body = NewUser, responses((status = 201, body = UserView), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn add_user(State(app): State<App>, Body(new): Body<NewUser>) -> ApiResult<Response> {
    let user = app.add_user(&new.name, new.role, &new.password).await?;
    let note = AuditNote(format!("user {}, {}", user.name, user.role));
    Ok((StatusCode::CREATED, Extension(note), Json(user_view(&app, &user))).into_response())
}

/// Gives a user another password; their sessions end.
#[utoipa::path(put, path = "/api/v1/users/{name}/password", request_body = NewUserPassword, responses((status = 204), (status = 404, body = backup_wire::Problem)))]
pub(super) async fn set_password(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(new): Body<NewUserPassword>,
) -> ApiResult<StatusCode> {
    app.set_password(&name, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user; their sessions end.
#[utoipa::path(delete, path = "/api/v1/users/{name}", responses((status = 204), (status = 404, body = backup_wire::Problem), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn delete_user(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.delete_user(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn token_view(app: &App, token: &Credential) -> TokenView {
    TokenView {
        name: token.owner.clone(),
        scope: token.scope.to_string(),
        id: token.id.clone(),
        created: local(app, token.created),
        last_used: (token.last_used > token.created).then(|| local(app, token.last_used)),
        expires: token.expires.map(|e| local(app, e)),
        expired: token.expires.is_some_and(|e| e <= app.now()),
        machine: token.machine.clone(),
    }
}

/// All tokens of programs, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", params(Paging), responses((status = 200, body = Page<TokenView>)))]
pub(super) async fn tokens(State(app): State<App>, Params(paging): Params<Paging>) -> ApiResult<Json<Page<TokenView>>> {
    let tokens = app.catalogue().tokens().await.map_err(OperationError::from)?;
    Ok(Json(paging.page_of(tokens.iter().map(|t| token_view(&app, t)).collect())?))
}

/// Makes a token for a program; its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/tokens", request_body = NewToken, responses((status = 201, body = SecretView), (status = 409, body = backup_wire::Problem)))]
pub(super) async fn create_token(State(app): State<App>, Body(new): Body<NewToken>) -> ApiResult<Response> {
    let lasts = new.seconds.map(|s| Duration::seconds(i64::from(s)));
    let made = app.create_token(&new.name, new.scope, lasts, new.machine.as_deref()).await?;
    let view = SecretView { token: made.secret, expires: made.expires.map(|e| local(&app, e)) };
    let note = AuditNote(format!("token {}, {}", new.name, new.scope));
    Ok((StatusCode::CREATED, Extension(note), Json(view)).into_response())
}

/// Makes a token worthless, at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", responses((status = 204), (status = 404, body = backup_wire::Problem)))]
pub(super) async fn revoke_token(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.revoke_token(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What to look for in the audit log.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Part of who, what or on what, in any case.
    text: Option<String>,
    /// Rows to pass over.
    offset: Option<u64>,
    /// Rows to answer, 1 to 1000; 50 by default.
    limit: Option<u64>,
}

/// Who changed or restored what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", params(AuditParams), responses((status = 200, body = Page<AuditView>)))]
pub(super) async fn audit(State(app): State<App>, Params(p): Params<AuditParams>) -> ApiResult<Json<Page<AuditView>>> {
    let paging = Paging { offset: p.offset, limit: p.limit };
    let (offset, limit) = (paging.offset()?, paging.limit(50, 1000)?);
    let (entries, total) = app.catalogue().audit(p.text.as_deref(), limit, offset).await.map_err(OperationError::from)?;
    let zone = app.zone();
    Ok(Json(Page::new(entries.into_iter().map(|e| AuditView::new(e, &zone)).collect(), total, offset)))
}

/// Computes the chain of the audit log anew.
#[utoipa::path(get, path = "/api/v1/audit/check", responses((status = 200, body = AuditCheckView)))]
pub(super) async fn check_audit(State(app): State<App>) -> ApiResult<Json<AuditCheckView>> {
    let check = app.catalogue().check_audit().await.map_err(OperationError::from)?;
    let (broken, reason) = check.broken.unzip();
    Ok(Json(AuditCheckView { intact: broken.is_none(), entries: check.entries, head: check.head, broken, reason }))
}
