//! A number for every request, so that an error on a page can be found in the daemon's log.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// The header that carries it.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static REQUEST: String;
}

/// The number of the request at work; none in process, where nobody else asks meanwhile.
pub(crate) fn request_id() -> Option<String> {
    REQUEST.try_with(Clone::clone).ok()
}

/// Numbers a request: 48 random bits in hexadecimal, in a header of its answer and in its error.
pub(crate) async fn numbered(request: Request, next: Next) -> Response {
    let id: String = rand::random::<[u8; 6]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let header = HeaderValue::from_str(&id);
    let mut response = REQUEST.scope(id, next.run(request)).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}
