//! What browsers may do on behalf of a page: this server's own page everything, pages of allowed origins what they ask
//! for, all others nothing.
//!
//! The name by which a browser calls must be one of ours, or a page of a foreign name that was made to point here
//! (DNS rebinding) would count as our own. What changes something must come from our own page: `Sec-Fetch-Site`
//! (W3C Fetch Metadata) says so, or else `Origin` (RFC 6454); programs send neither.

use super::Visitor;
use crate::problem::ApiError;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backup_operations::App;

/// The host of a `Host` header or an authority, without its port.
fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

fn known_host(app: &App, authority: &str) -> bool {
    let host = host_of(authority).trim_end_matches('.').to_ascii_lowercase();
    // An address cannot be rebound.
    host.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || !app.host().is_empty() && host == app.host().to_ascii_lowercase()
        || app.file().daemon.web.allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(&host))
}

/// Whether a request that changes something comes from our own page, an allowed one, or no page at all.
fn from_own_page(headers: &HeaderMap, allowed: bool, own: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text("origin")) {
        _ if allowed => true,
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.eq_ignore_ascii_case(own),
        (None, None) => true,
    }
}

fn add(headers: &mut HeaderMap, list: &[(&'static str, &str)]) {
    for (name, value) in list {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(HeaderName::from_static(name)).or_insert(value);
        }
    }
}

/// Checks what a browser says, answers its questions before a request from another origin (CORS), and sets the headers
/// that keep pages in their place.
pub(crate) async fn browsers(app: App, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Visitor>().is_some_and(|v| v.secure);
    let authority = request.uri().authority().map(|a| a.as_str().to_owned());
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok().map(str::to_owned)).or(authority);
    let Some(host) = host.filter(|h| known_host(&app, h)) else {
        return ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown_host",
            "this server is not known by the name of the Host header; add the name to [daemon] allowed_hosts",
        )
        .into_response();
    };
    let origin = request.headers().get(header::ORIGIN).and_then(|o| o.to_str().ok()).map(str::to_ascii_lowercase);
    let allowed = origin.filter(|o| app.file().daemon.web.allowed_origins.contains(o));
    let own = format!("{}://{host}", if secure { "https" } else { "http" });
    let method = request.method().clone();
    let mut response = if method == Method::OPTIONS && allowed.is_some() {
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        add(
            response.headers_mut(),
            &[("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"), ("access-control-max-age", "600")],
        );
        if let Some(asked) = asked {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        response
    } else if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS)
        && !from_own_page(request.headers(), allowed.is_some(), &own)
    {
        ApiError::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "a page of another origin may not do this; add its origin to [daemon] allowed_origins if it shall",
        )
        .into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        add(
            headers,
            &[
                ("access-control-allow-origin", &origin),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "etag, content-disposition, retry-after"),
            ],
        );
    }
    add(
        headers,
        &[
            ("vary", "Origin"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ],
    );
    if secure {
        add(headers, &[("strict-transport-security", "max-age=31536000")]);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_their_ports() {
        for (authority, host) in
            [("localhost:8620", "localhost"), ("a.example", "a.example"), ("[::1]:8620", "::1"), ("127.0.0.1:1", "127.0.0.1")]
        {
            assert_eq!(host_of(authority), host);
        }
    }

    #[test]
    fn changes_come_from_our_own_page_or_from_programs() {
        let own = "http://localhost:8620";
        for (site, origin, allowed, fine) in [
            (None, None, false, true),
            (Some("same-origin"), Some(own), false, true),
            (Some("none"), None, false, true),
            (Some("cross-site"), None, false, false),
            (Some("same-site"), Some("http://localhost:3000"), false, false),
            (Some("same-site"), Some("http://localhost:3000"), true, true),
            (None, Some("http://evil.example"), false, false),
            (None, Some("null"), false, false),
            (None, Some(own), false, true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
            }
            assert_eq!(from_own_page(&headers, allowed, own), fine, "{site:?} {origin:?} {allowed}");
        }
    }
}
