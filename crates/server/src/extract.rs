//! Bodies and queries, whose mistakes are answered as problems.

use crate::problem::ApiError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body.
const BODY_MOST: usize = 16 << 20;
/// A body must come within this time.
const BODY_TIME: Duration = Duration::from_secs(60);

fn too_large(why: &str) -> ApiError {
    let detail = format!("the body cannot be read ({why}); it may have {} MiB", BODY_MOST >> 20);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// A JSON body; an empty one is the default where there is one.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let json = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
        if request.body().size_hint().lower() > BODY_MOST as u64 {
            return Err(too_large("it is announced as larger"));
        }
        let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(request.into_body(), BODY_MOST)).await;
        let bytes = match read {
            Err(_) => {
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time"));
            }
            Ok(Err(e)) => {
                return Err(too_large(&e.to_string()));
            }
            Ok(Ok(bytes)) => bytes,
        };
        // A form of another site cannot send this type without asking first (Fetch standard, simple requests).
        if !json && !bytes.is_empty() {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "no_json",
                "send the body as JSON, with Content-Type: application/json",
            ));
        }
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        serde_json::from_slice(bytes).map(Self).map_err(|e| ApiError::invalid(format!("the body is not what is needed: {e}")))
    }
}

/// Words of the path; what cannot be one is not found.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(t)| Self(t)).map_err(|e| {
            ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing of this name: {}", e.body_text()))
        })
    }
}

/// A query.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(q)| Self(q))
            .map_err(|e| ApiError::invalid(format!("the query is not what is needed: {}", e.body_text())))
    }
}

/// Which part of a list: the same everywhere.
#[derive(Clone, Copy, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Rows to pass over.
    #[param(minimum = 0)]
    pub(crate) offset: Option<u64>,
    /// Rows to answer, at least 1.
    #[param(minimum = 1)]
    pub(crate) limit: Option<u64>,
}

impl Paging {
    /// Rows to pass over.
    pub(crate) fn offset(&self) -> Result<u64, ApiError> {
        let offset = self.offset.unwrap_or(0);
        if offset > i64::MAX as u64 {
            return Err(ApiError::invalid("`offset` is too large"));
        }
        Ok(offset)
    }

    /// Rows to answer.
    pub(crate) fn limit(&self, usual: u64, most: u64) -> Result<u64, ApiError> {
        match self.limit.unwrap_or(usual) {
            0 => Err(ApiError::invalid("`limit` must be at least 1")),
            limit => Ok(limit.min(most)),
        }
    }

    /// A page of a list that is whole already; all of it by default.
    pub(crate) fn page_of<T>(&self, rows: Vec<T>) -> Result<backup_wire::Page<T>, ApiError> {
        let (offset, limit) = (self.offset()?, self.limit(u64::MAX, u64::MAX)?);
        let total = rows.len() as u64;
        let items = rows.into_iter().skip(offset as usize).take(limit as usize).collect();
        Ok(backup_wire::Page::new(items, total, offset))
    }
}
