//! The API as programs meet it: shapes, problems, events, and the document that describes it.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use backup_operations::{App, Mode, SystemClock};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use tower::ServiceExt;

struct Api {
    folder: tempfile::TempDir,
    router: Router,
}

async fn api(mode: Mode, file: &str) -> Api {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("documents")).expect("a folder");
    fs::write(folder.path().join("documents/letter"), "dear all").expect("a file");
    fs::write(folder.path().join("schedules.toml"), format!("version = 1\n{file}")).expect("a file");
    let home = backup_operations_home(folder.path());
    let app = App::open(home, Arc::new(SystemClock), mode).await.expect("a home");
    if mode == Mode::Daemon {
        let queue = app.clone();
        tokio::spawn(async move { queue.run_queue().await });
    }
    Api { router: backup_server::local(backup_server::router(app)), folder }
}

fn backup_operations_home(path: &std::path::Path) -> backup_operations::Home {
    backup_operations::Home::at(path.to_owned())
}

impl Api {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, String, Value) {
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        let request =
            Request::builder().method(method).uri(path).header("content-type", "application/json").body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, kind, serde_json::from_slice(&bytes).unwrap_or(Value::String(String::from_utf8_lossy(&bytes).into_owned())))
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, _, value) = self.call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {value}");
        value
    }

    /// Waits for a run by its events; answers the names of all events and the last one's run.
    async fn end_of(&self, run: &Value) -> (Vec<String>, Value) {
        let path = format!("/api/v1/runs/{}/events", run["id"].as_str().expect("an id"));
        let (status, kind, text) = self.call("GET", &path, None).await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/event-stream"));
        let text = text.as_str().expect("text").to_owned();
        let names = text.lines().filter_map(|l| l.strip_prefix("event: ")).map(str::to_owned).collect();
        let last = text.lines().filter_map(|l| l.strip_prefix("data: ")).next_back().expect("an event");
        let last: Value = serde_json::from_str(last).expect("JSON");
        (names, last["run"].clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_schedule_to_a_restored_file() {
    for mode in [Mode::InProcess, Mode::Daemon] {
        let root = std::env::temp_dir();
        let api = api(mode, &format!("[daemon]\nrestore_roots = [{root:?}]\n")).await;
        let wish = json!({"name": "docs", "settings": {"source": ["documents"], "at": ["18:30", "09:00"], "keep": {"last": 3}}});
        let made = api.ok("POST", "/api/v1/schedules", Some(wish)).await;
        assert_eq!((made["trigger"].as_str(), made["keep"]["last"].as_u64()), (Some("daily at 09:00, 18:30"), Some(3)));
        let edited = api.ok("PATCH", "/api/v1/schedules/docs", Some(json!({"cron": "0 3 * * *", "title": "Papers"}))).await;
        assert_eq!((edited["trigger"].as_str(), edited["title"].as_str()), (Some("cron 0 3 * * *"), Some("Papers")));
        let run = api.ok("POST", "/api/v1/runs", Some(json!({"schedule": "docs"}))).await;
        let (names, done) = api.end_of(&run).await;
        assert_eq!(names.last().map(String::as_str), Some("result"));
        assert_eq!((done["status"].as_str(), done["files"].as_u64()), (Some("completed"), Some(1)), "{done}");
        let archives = api.ok("GET", "/api/v1/archives?schedule=docs", None).await;
        let id = archives["items"][0]["id"].as_str().expect("an id").to_owned();
        let path = api.folder.path().join("documents").display().to_string();
        let entries = api.ok("GET", &format!("/api/v1/entries?archive={id}&path={path}"), None).await;
        assert_eq!(entries["items"][0]["name"].as_str(), Some("letter"));
        let target = api.folder.path().join("out").display().to_string();
        let run = api.ok("POST", "/api/v1/restores", Some(json!({"archive": "docs@latest", "target": target}))).await;
        assert_eq!(api.end_of(&run).await.1["status"].as_str(), Some("completed"));
        assert_eq!(fs::read_to_string(format!("{target}{path}/letter")).expect("restored"), "dear all");
        let runs = api.ok("POST", "/api/v1/verifications", Some(json!({"all": true, "deep": true}))).await;
        assert_eq!(api.end_of(&runs["items"][0]).await.1["status"].as_str(), Some("completed"));
        let archive = api.ok("GET", &format!("/api/v1/archives/{id}"), None).await;
        assert_eq!((archive["verified"]["deep"].as_bool(), archive["verified"]["ok"].as_bool()), (Some(true), Some(true)));
        let history = api.ok("GET", "/api/v1/runs?operation=restore", None).await;
        assert_eq!((history["total"].as_u64(), history["next"].is_null()), (Some(1), true));
        let stats = api.ok("GET", "/api/v1/stats?days=7", None).await;
        assert_eq!((stats["total"]["good"].as_u64(), stats["trend"]["last"]["count"].as_u64()), (Some(1), Some(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems_with_stable_codes() {
    let api = api(Mode::Daemon, "[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n").await;
    for (method, path, body, status, code) in [
        ("GET", "/api/v1/schedules/none", None, 404, "not_found"),
        ("GET", "/api/v1/nothing", None, 404, "no_route"),
        ("PUT", "/api/v1/schedules", None, 405, "no_method"),
        ("POST", "/api/v1/schedules", Some(json!({"name": "a b", "settings": {}})), 400, "invalid"),
        ("POST", "/api/v1/schedules", Some(json!({"nam": "x"})), 400, "invalid"),
        (
            "POST",
            "/api/v1/schedules",
            Some(json!({"name": "docs", "settings": {"source": ["documents"], "manual": true}})),
            409,
            "conflict",
        ),
        (
            "POST",
            "/api/v1/schedules",
            Some(json!({"name": "x", "settings": {"source": ["nowhere"], "manual": true}})),
            404,
            "not_found",
        ),
        ("PATCH", "/api/v1/schedules/docs", Some(json!({"encrypt": {}})), 400, "invalid"),
        ("POST", "/api/v1/runs", Some(json!({"schedule": "docs", "kind": "partial"})), 400, "invalid"),
        ("GET", "/api/v1/runs?status=odd", None, 400, "invalid"),
        ("GET", "/api/v1/runs?from=yesterday", None, 400, "invalid"),
        ("GET", "/api/v1/runs?limit=x", None, 400, "invalid"),
        ("POST", "/api/v1/runs/zzzz/cancel", None, 404, "not_found"),
        ("POST", "/api/v1/verifications", Some(json!({})), 400, "invalid"),
        ("GET", "/api/v1/stats?days=0", None, 400, "invalid"),
    ] {
        let (got, kind, problem) = api.call(method, path, body).await;
        assert_eq!((got.as_u16(), kind.as_str()), (status, "application/problem+json"), "{method} {path} {problem}");
        assert_eq!(
            (problem["code"].as_str(), problem["status"].as_u64()),
            (Some(code), Some(u64::from(status))),
            "{method} {path}"
        );
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()));
    }
    // The daemon writes only where it was allowed to.
    let run = api.ok("POST", "/api/v1/runs", Some(json!({"schedule": "docs"}))).await;
    api.end_of(&run).await;
    for target in ["/tmp/elsewhere", "/", "relative"] {
        let (status, ..) = api.call("POST", "/api/v1/restores", Some(json!({"archive": "docs", "target": target}))).await;
        assert!(status == StatusCode::FORBIDDEN || status == StatusCode::BAD_REQUEST, "{target}: {status}");
    }
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let api = api(Mode::InProcess, "").await;
    let document = api.ok("GET", "/api/openapi.json", None).await;
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 18, "{}", paths.len());
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path} has no words");
            // What is described answers: anything but "no such route" or "no such method".
            let path = path.replace("{name}", "x").replace("{id}", "x").replace("{archive}", "x");
            let (_, _, value) = api.call(&method.to_uppercase(), &path, None).await;
            assert!(!matches!(value["code"].as_str(), Some("no_route" | "no_method")), "{method} {path}");
        }
    }
}
