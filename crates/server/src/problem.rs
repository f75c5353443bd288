//! Errors of operations as RFC 9457 problems.

use crate::numbered::request_id;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use backup_operations::OperationError;
use backup_wire::Problem;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Box<Problem>);

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: format!("urn:backupd:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            request_id: request_id(),
        }))
    }

    /// Tells somebody who failed too often to wait.
    pub(crate) fn wait(time: std::time::Duration) -> Waiting {
        let seconds = time.as_secs_f64().ceil() as u64;
        let detail = format!("too many failures from this address or for this account; try again in {seconds} s");
        Waiting(Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail), seconds)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }
}

impl From<OperationError> for ApiError {
    fn from(error: OperationError) -> Self {
        let status = match &error {
            OperationError::NotFound(_) => StatusCode::NOT_FOUND,
            OperationError::Invalid(_) => StatusCode::BAD_REQUEST,
            OperationError::Conflict(_) => StatusCode::CONFLICT,
            OperationError::Changed(_) => StatusCode::PRECONDITION_FAILED,
            OperationError::Forbidden(_) => StatusCode::FORBIDDEN,
            OperationError::NeedsDaemon(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!("the request {} failed: {error}", request_id().unwrap_or_default());
        }
        Self::new(status, error.code(), error.to_string())
    }
}

/// An error that says when to come back.
pub(crate) struct Waiting(ApiError, u64);

impl IntoResponse for Waiting {
    fn into_response(self) -> Response {
        ([(header::RETRY_AFTER, self.1.to_string())], self.0).into_response()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
