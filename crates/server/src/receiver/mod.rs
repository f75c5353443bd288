//! The receiver: S1's routes on an address of their own, resumable uploads beside them, and the way back.

mod resumable;
mod s1;

use crate::auth::{Limits, seen};
use crate::problem::ApiError;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use backup_model::{Name, Scope};
use backup_operations::{App, Caller, OPEN_MACHINE, ReceiveError, Receiver};
use backup_wire::Problem;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who sends or looks.
#[derive(Clone)]
pub(super) struct Sender {
    machine: Name,
    scope: Scope,
}

impl Sender {
    pub(super) fn machine(&self) -> &Name {
        &self.machine
    }

    /// Whether they may add files.
    pub(super) fn may_send(&self) -> Result<(), Refusal> {
        if self.scope == Scope::Read {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                format!("this token may read the archives of {}, not send any; use one with scope upload", self.machine),
            ));
        }
        Ok(())
    }

    /// Whether they may have contents.
    pub(super) fn may_read(&self) -> Result<(), Refusal> {
        if self.scope == Scope::Upload {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                format!(
                    "this token may only send archives; make one with `backupctl token create NAME --scope read --machine {}`",
                    self.machine
                ),
            ));
        }
        Ok(())
    }
}

/// An error in S1's shape.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self(status, text.into())
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
}

impl From<ReceiveError> for Refusal {
    fn from(error: ReceiveError) -> Self {
        let status = match &error {
            ReceiveError::Invalid(_) => StatusCode::BAD_REQUEST,
            ReceiveError::NotFound(_) => StatusCode::NOT_FOUND,
            ReceiveError::Exists(_) => StatusCode::CONFLICT,
            ReceiveError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ReceiveError::NotAnArchive(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ReceiveError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, axum::Json(json!({ "status": "error", "message": self.1 }))).into_response()
    }
}

pub(super) type Answer<T> = Result<T, Refusal>;

/// Joins work with files.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ReceiveError> + Send + 'static) -> Answer<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Refusal::from),
        Err(e) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the receiver failed: {e}"))),
    }
}

/// Who comes without a token, where the file lets them in.
fn without_token(receiver: &Receiver, request: &Request) -> Option<Sender> {
    let settings = receiver.settings();
    let visitor = request.extensions().get::<crate::auth::Visitor>()?.address;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let from_here = visitor.is_loopback() && peer.is_loopback();
    let fits = if settings.open_to.is_empty() { from_here } else { settings.open_to.iter().any(|n| n.contains(&visitor)) };
    if !settings.open || !fits {
        return None;
    }
    Name::new(OPEN_MACHINE).ok().map(|machine| Sender { machine, scope: Scope::Admin })
}

/// Who may come in, and as which machine.
async fn admit(app: App, limits: Arc<Limits>, tls: bool, request: Request, next: Next) -> Response {
    let Some(receiver) = app.receiver() else {
        return Refusal(StatusCode::NOT_FOUND, "this machine takes no archives any more".into()).into_response();
    };
    // No page has a reason to be here, and one that a browser shows must not send in its owner's name.
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|v| v != "none") {
        return Refusal(StatusCode::FORBIDDEN, "pages may not use the receiver".into()).into_response();
    }
    let public = request.uri().path() == "/" || request.method() == axum::http::Method::OPTIONS;
    let asked = headers.contains_key(header::AUTHORIZATION);
    let proxies = receiver.settings().trusted_proxies.clone();
    let mut request = match seen(&app, &limits, &proxies, tls, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let known = request.extensions().get::<Caller>().and_then(|c| Some((c.machine.clone()?, c.scope)));
    let sender = match known {
        Some((machine, scope)) => Name::new(&machine).ok().map(|machine| Sender { machine, scope }),
        // Who shows a token is judged by it.
        None if asked => None,
        None => without_token(&receiver, &request),
    };
    match sender {
        Some(sender) => {
            request.extensions_mut().insert(sender);
        }
        None if public => {}
        None => {
            let why = if request.extensions().get::<Caller>().is_some() {
                "this token is of no machine; make one with `backupctl token create NAME --scope upload`"
            } else if asked {
                "this token is unknown, revoked or over"
            } else {
                "send a token: Authorization: Bearer … (`backupctl token create NAME --scope upload` on the receiver makes one)"
            };
            let mut response = Refusal(StatusCode::UNAUTHORIZED, why.into()).into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
            return response;
        }
    }
    request.extensions_mut().insert(receiver);
    next.run(request).await
}

/// Gives problems of shared parts the shape of S1.
async fn dress(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|t| t != "application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let text = serde_json::from_slice::<Problem>(&bytes).map_or_else(|_| "the request failed".to_owned(), |p| p.detail);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(json!({ "status": "error", "message": text }).to_string()))
}

/// All routes. Every one but `GET /` and `OPTIONS` needs a [`Sender`].
pub(crate) fn routes(app: &App, tls: bool) -> Router {
    let limits = Arc::new(Limits::default());
    let app = app.clone();
    Router::new()
        .route("/", get(s1::about))
        .route("/upload", post(s1::upload))
        .route("/list", get(s1::list))
        .route("/list/{kind}", get(s1::list_kind))
        .route("/verify", post(s1::verify))
        .route("/stats", get(s1::stats))
        .route("/objects", get(s1::objects))
        .route("/objects/{kind}/{profile}/{name}", get(s1::object))
        .route("/uploads", post(resumable::create).options(resumable::options))
        .route(
            "/uploads/{id}",
            axum::routing::patch(resumable::append).head(resumable::offset).delete(resumable::abort).options(resumable::options),
        )
        .fallback(async || Refusal(StatusCode::NOT_FOUND, "there is no such route; GET / lists them".into()))
        .method_not_allowed_fallback(async || {
            Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "this route does not take this method; nothing here can be changed or removed".into(),
            )
        })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(move |request: Request, next: Next| admit(app.clone(), Arc::clone(&limits), tls, request, next)))
        .layer(from_fn(dress))
}

/// An error of shared parts, as S1 would say it.
impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(StatusCode::from_u16(error.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.0.detail)
    }
}

pub(super) type Here = axum::Extension<Receiver>;
pub(super) type Who = axum::Extension<Sender>;
