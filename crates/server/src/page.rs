//! The web page: its files, and for every other path of a browser the page itself, which knows what lies there.

use crate::problem::ApiError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;

/// Names of files change with their contents: a browser need not ask again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Scripts and styles come from here alone; the page's own styles carry the nonce of the answer (CSP Level 3). Pictures may
/// be `data:` for the few that styles hold.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What is asked for by another path than one of the API's.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") || !matches!(method, Method::GET | Method::HEAD) {
        let text = "there is no such route; /api/openapi.json lists them";
        return ApiError::new(StatusCode::NOT_FOUND, "no_route", text).into_response();
    }
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if path != "index.html"
        && let Some(file) = backup_page::file(path, accepted)
    {
        let mut response = Response::new(Body::from(file.bytes));
        let out = response.headers_mut();
        set(out, header::CONTENT_TYPE, file.media_type);
        set(out, header::VARY, "Accept-Encoding");
        set(out, header::CACHE_CONTROL, if file.immutable { FOREVER } else { "no-cache" });
        if let Some(encoding) = file.encoding {
            set(out, header::CONTENT_ENCODING, encoding);
        }
        return response;
    }
    if path.starts_with("assets/") {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such file; load the page again").into_response();
    }
    let nonce = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    let mut response = Response::new(Body::from(backup_page::index(&nonce)));
    let out = response.headers_mut();
    set(out, header::CONTENT_TYPE, "text/html; charset=utf-8");
    // The nonce is good for one answer.
    set(out, header::CACHE_CONTROL, "no-store");
    set(out, header::CONTENT_SECURITY_POLICY, &policy(&nonce));
    response
}
