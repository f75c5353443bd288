//! The routes of the programs that this one replaces, as their pages and scripts call them. Adapters only: what they ask
//! for is done by the same operations as everything else.

mod s0;
mod s3;

use crate::api::{OPERATE, READ};
use crate::auth::Routes;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backup_wire::Problem;
use serde_json::json;
use utoipa_axum::routes;

/// Adds the routes, with their rules.
pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .rule(OPERATE, routes!(s0::backup))
        .rule(OPERATE, routes!(s0::history))
        .rule(OPERATE, routes!(s0::stats))
        .rule(READ, routes!(s3::configurations))
        .rule(OPERATE, routes!(s3::add))
        .rule(READ, routes!(s3::configuration))
        .rule(OPERATE, routes!(s3::change, s3::delete))
        .rule(OPERATE, routes!(s3::create))
        .rule(OPERATE, routes!(s3::quick))
        .rule(READ, routes!(s3::history))
        .rule(READ, routes!(s3::entry))
        .rule(OPERATE, routes!(s3::delete_entry))
        .rule(OPERATE, routes!(s3::download))
        .rule(OPERATE, routes!(s3::restore))
}

/// A language of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// The predecessors' own, also where nobody asks.
    French,
    /// For who asks for it.
    English,
}

/// The language that `Accept-Language` puts first (RFC 9110, 12.5.4).
pub(super) fn tongue(headers: &HeaderMap) -> Tongue {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut best = (0.0, Tongue::French);
    for part in text.split(',') {
        let mut words = part.split(';');
        let tag = words.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight: f64 = words.find_map(|w| w.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        let found = match tag.split('-').next() {
            Some("fr") => Tongue::French,
            Some("en") => Tongue::English,
            _ => continue,
        };
        if weight > best.0 {
            best = (weight, found);
        }
    }
    best.1
}

impl Tongue {
    /// One of two texts.
    pub(super) fn say<'a>(self, french: &'a str, english: &'a str) -> &'a str {
        if self == Self::French { french } else { english }
    }
}

/// Whether a path is a predecessor's, and of S0.
fn theirs(path: &str) -> Option<bool> {
    match path {
        "/api/backup" | "/api/history" | "/api/stats" => Some(true),
        other if other.starts_with("/api/backup/") => Some(false),
        _ => None,
    }
}

/// Gives errors of the predecessors' routes the shape and the words that their pages know.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let tongue = tongue(request.headers());
    let response = next.run(request).await;
    let problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t == "application/problem+json");
    let Some(s0) = theirs(&path).filter(|_| problem) else { return response };
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let text = match problem.code.as_str() {
        "unauthorized" | "setup_needed" => tongue.say("Non authentifié", "Not authenticated").to_owned(),
        "session_expired" => tongue.say("Session expirée", "Session expired").to_owned(),
        "not_found" if path.ends_with("/download/") => tongue.say("Fichier introuvable", "File not found").to_owned(),
        _ => problem.detail,
    };
    let body = if s0 { json!({ "success": false, "error": text }) } else { json!({ "error": text }) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body.to_string()))
}

/// A value of the wrong kind, with the field's name.
pub(super) fn wrong_field(field: &str, text: &str) -> Response {
    (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": format!("{field}: {text}"), "field": field }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_asked_for_first() {
        for (text, french) in [
            ("", true),
            ("fr-FR,fr;q=0.9,en;q=0.8", true),
            ("en", false),
            ("en-GB,en;q=0.9", false),
            ("de, en;q=0.5", false),
            ("en;q=0.3, fr;q=0.7", true),
            ("*", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, text.parse().expect(text));
            assert_eq!(tongue(&headers) == Tongue::French, french, "{text}");
        }
    }
}
