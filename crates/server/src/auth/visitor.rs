//! A request over TCP: where it comes from, and who it says it is.

use super::Limits;
use crate::problem::ApiError;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backup_model::Scope;
use backup_operations::{App, Caller, Refused};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// The address; behind a trusted proxy, that which the proxy names.
    pub(crate) address: IpAddr,
    /// Whether TLS protects it on its way.
    pub(crate) secure: bool,
}

/// The names of the session's cookie: over TLS, and on this machine without it. A browser lets nobody but this very
/// host set the first (RFC 6265bis, `__Host-`).
pub(crate) const COOKIES: [&str; 2] = ["__Host-backupd", "backupd"];

/// The `Set-Cookie` of a session; an empty secret ends it.
pub(crate) fn cookie(visitor: Visitor, secret: &str) -> String {
    let (name, more) = if visitor.secure { (COOKIES[0], "; Secure") } else { (COOKIES[1], "") };
    let end = if secret.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{more}{end}")
}

fn trusted(list: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    list.iter().any(|net| net.contains(&address))
}

/// The address behind trusted proxies: from the right, the first that is none of them. What stands left of it was
/// written by that address itself, and may be anything.
fn behind(list: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut at = peer.to_canonical();
    if !trusted(list, at) {
        return at;
    }
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for hop in values.iter().flat_map(|v| v.split(',')).map(str::trim).rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        at = address.to_canonical();
        if !trusted(list, at) {
            break;
        }
    }
    at
}

fn secret(headers: &HeaderMap, secure: bool) -> Option<String> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| text[7..].trim());
        return Some(token.unwrap_or_default().to_owned());
    }
    let name = if secure { COOKIES[0] } else { COOKIES[1] };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    cookies
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v.to_owned())
}

/// Finds out where a request comes from and who makes it.
pub(crate) async fn arrive(app: App, limits: Arc<Limits>, tls: bool, request: Request, next: Next) -> Response {
    let proxies = app.file().daemon.web.trusted_proxies.clone();
    let mut request = match seen(&app, &limits, &proxies, tls, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    // Who may look at one machine's archives at the receiver may not look at everything here.
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>()
        && caller.machine.is_some()
    {
        caller.scope = Scope::Upload;
    }
    next.run(request).await
}

/// Finds out the same with other trusted proxies.
pub(crate) async fn seen(
    app: &App,
    limits: &Arc<Limits>,
    proxies: &[IpNet],
    tls: bool,
    mut request: Request,
) -> Result<Request, Response> {
    let Some(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip()) else {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "the peer's address is not known").into_response());
    };
    let forwarded = request.headers().get("x-forwarded-proto").is_some_and(|v| v.as_bytes() == b"https");
    let secure = tls || forwarded && trusted(proxies, peer);
    let visitor = Visitor { address: behind(proxies, peer, request.headers()), secure };
    if let Some(secret) = secret(request.headers(), secure) {
        match app.identify(&secret, &visitor.address.to_string()).await {
            Ok(Ok(caller)) => {
                request.extensions_mut().insert(caller);
            }
            Ok(Err(refused)) => {
                if refused == Refused::Unknown {
                    if let Err(waits) = limits.check(visitor.address, None) {
                        return Err(ApiError::wait(waits.0).into_response());
                    }
                    limits.failed(visitor.address, None);
                }
                request.extensions_mut().insert(refused);
            }
            Err(error) => return Err(ApiError::from(error).into_response()),
        }
    }
    request.extensions_mut().insert(visitor);
    request.extensions_mut().insert(Arc::clone(limits));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_and_only_their_last_word() {
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a net"), "::1/128".parse().expect("a net")];
        let headers = |list: &[&str]| {
            let mut map = HeaderMap::new();
            for text in list {
                map.append("x-forwarded-for", text.parse().expect("a header"));
            }
            map
        };
        for (peer, forwarded, seen) in [
            ("192.0.2.1", &["1.1.1.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["6.6.6.6", "192.0.2.7, 10.3.4.5"], "192.0.2.7"),
            ("10.0.0.1", &["6.6.6.6, nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
            ("::1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            assert_eq!(behind(&proxies, ip(peer), &headers(forwarded)), ip(seen), "{peer} {forwarded:?}");
        }
    }
}
