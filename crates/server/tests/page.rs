//! How the page is served: with which headers, and what is no page.

use backup_operations::{App, Door, Home, Mode, SystemClock};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn ask(address: &str, method: &str, path: &str, headers: &str) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

fn nonce(head: &str) -> &str {
    head.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_what_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("schedules.toml"), "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\n").expect("a file");
    let app = App::open(Home::at(folder.path().to_owned()), Arc::new(SystemClock), Mode::InProcess).await.expect("a home");
    let (_stop, stops) = tokio::sync::watch::channel(false);
    tokio::spawn(backup_server::serve_tcp(app.clone(), backup_server::router(app.clone()), stops));
    while app.web(Door::Page).is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let url = app.web(Door::Page).expect("a URL");
    let address = url.split_once("://").expect("a URL").1;

    // Every path of a browser is the page, which knows what lies there.
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/", "/configurations/a%20b", "/history?page=2", "/index.html"] {
        let (head, body) = ask(address, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 200") && head.contains("content-type: text/html"), "{path}: {head}");
        assert!(body.starts_with("<!doctype html>"), "{path}: {body}");
        // Scripts from here alone, none in the page, and a nonce that serves once.
        assert!(head.contains("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"), "{head}");
        assert!(head.contains("frame-ancestors 'none'") && head.contains("cache-control: no-store"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(!body.contains("__NONCE__") && !body.contains("<script>"), "{body}");
        assert!(seen.insert(nonce(&head).to_owned()), "the same nonce again");
    }
    // What the page asks for by the name of a file or of the API is there or is not: never the page in its place.
    for path in ["/assets/gone.js", "/assets/../schedules.toml", "/api", "/api/v1/gone", "/api/gone"] {
        let (head, body) = ask(address, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 404") && body.contains("\"code\""), "{path}: {head} {body}");
    }
    for path in ["/", "/configurations"] {
        let (head, _) = ask(address, "POST", path, "Content-Length: 0\r\n").await;
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
    }
    // Files come packed for who takes that, and are kept where their names change with their contents.
    let (_, index) = ask(address, "GET", "/", "").await;
    for part in index.split('"').filter(|p| p.starts_with("/assets/") && p.ends_with(".js")) {
        for (accepts, packed) in [("gzip, br", "br"), ("gzip", "gzip")] {
            let (head, _) = ask(address, "GET", part, &format!("Accept-Encoding: {accepts}\r\n")).await;
            assert!(head.contains(&format!("content-encoding: {packed}")), "{part}: {head}");
            assert!(head.contains("immutable") && head.contains("vary: accept-encoding"), "{part}: {head}");
        }
        let (head, body) = ask(address, "GET", part, "").await;
        assert!(!head.contains("content-encoding") && head.contains("text/javascript") && !body.is_empty(), "{part}: {head}");
        let (head, _) = ask(address, "GET", &format!("{part}.gz"), "").await;
        assert!(head.starts_with("http/1.1 404"), "a packed copy is no file of its own: {head}");
    }
}
