//! Who may do what over TCP: every route for every role, and what attackers try.

use backup_operations::{App, Home, Mode, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Server {
    app: App,
    address: String,
    _folder: tempfile::TempDir,
    stop: tokio::sync::watch::Sender<bool>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|l| l.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    }

    fn cookie(&self) -> String {
        self.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned()
    }
}

const PASSWORD: &str = "correct horse battery";

async fn server(settings: &str) -> Server {
    server_in(tempfile::tempdir().expect("a folder"), settings).await
}

async fn server_in(folder: tempfile::TempDir, settings: &str) -> Server {
    fs::create_dir(folder.path().join("documents")).expect("a folder");
    fs::write(folder.path().join("documents/letter"), "dear all").expect("a file");
    let file = format!(
        "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\n{settings}\n[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n"
    );
    fs::write(folder.path().join("schedules.toml"), file).expect("a file");
    let app = App::open(Home::at(folder.path().to_owned()), Arc::new(SystemClock), Mode::InProcess).await.expect("a home");
    assert_eq!(app.config_error(), None);
    let (stop, stops) = tokio::sync::watch::channel(false);
    tokio::spawn(backup_server::serve_tcp(app.clone(), backup_server::router(app.clone()), stops));
    let mut tries = 0;
    let url = loop {
        match app.web(backup_operations::Door::Page) {
            Some(url) => break url,
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
        tries += 1;
        assert!(tries < 500, "nothing listens: {:?}", app.web_error(backup_operations::Door::Page));
    };
    let address = url.split_once("://").expect("a URL").1.to_owned();
    Server { app, address, _folder: folder, stop }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl Server {
    /// Sends bytes as they are, and reads to the end.
    async fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("host")) {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.raw(&request).await
    }

    async fn admin(&self) -> String {
        self.app.add_user("ada", backup_model::Role::Admin, PASSWORD).await.expect("an admin");
        let token = self.app.create_token("all", backup_model::Scope::Admin, None, None).await.expect("a token");
        format!("Bearer {}", token.secret)
    }

    async fn sign_in(&self, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
        self.call("POST", "/api/v1/session", headers, Some(json!({ "name": name, "password": password }))).await
    }
}

/// Every route, and the least scope that it takes; `-` is nobody's.
const ROUTES: &str = "
GET    /api/v1/session                        -
POST   /api/v1/session                        -
DELETE /api/v1/session                        -
POST   /api/v1/setup                          -
PUT    /api/v1/session/password               read
POST   /api/v1/session/second-factor          read
PUT    /api/v1/session/second-factor          read
DELETE /api/v1/users/{name}/second-factor     admin
POST   /api/v1/setup-tokens                   admin
GET    /api/v1/users                          admin
POST   /api/v1/users                          admin
DELETE /api/v1/users/{name}                   admin
PUT    /api/v1/users/{name}/password          admin
GET    /api/v1/tokens                         admin
POST   /api/v1/tokens                         admin
DELETE /api/v1/tokens/{name}                  admin
GET    /api/v1/audit                          admin
GET    /api/v1/audit/check                    admin
GET    /api/v1/system                         read
POST   /api/v1/system/stop                    admin
POST   /api/v1/system/reload                  admin
GET    /api/v1/schedules                      read
POST   /api/v1/schedules                      admin
GET    /api/v1/schedules/{name}               read
PATCH  /api/v1/schedules/{name}               admin
DELETE /api/v1/schedules/{name}               admin
POST   /api/v1/schedules/{name}/duplicate     admin
POST   /api/v1/schedules/{name}/confirm       operate
POST   /api/v1/schedules/{name}/consolidate   operate
GET    /api/v1/runs                           read
POST   /api/v1/runs                           operate
GET    /api/v1/runs/{id}                      read
POST   /api/v1/runs/{id}/cancel               operate
GET    /api/v1/runs/{id}/events               read
POST   /api/v1/reports                        admin
GET    /api/v1/archives                       read
GET    /api/v1/archives/{archive}             read
DELETE /api/v1/archives/{archive}             admin
GET    /api/v1/archives/{archive}/download    operate
PUT    /api/v1/archives/{archive}/pin         operate
DELETE /api/v1/archives/{archive}/pin         operate
GET    /api/v1/entries                        read
GET    /api/v1/diff                           read
POST   /api/v1/verifications                  operate
POST   /api/v1/restores                       operate
POST   /api/v1/prune                          admin
POST   /api/v1/drills                         operate
POST   /api/v1/scrubs                         operate
POST   /api/v1/rebuilds                       operate
GET    /api/v1/find                           read
GET    /api/v1/alerts                         read
GET    /api/v1/databases                      read
POST   /api/v1/databases                      admin
PATCH  /api/v1/databases/{name}               admin
DELETE /api/v1/databases/{name}               admin
POST   /api/v1/databases/{name}/test          operate
POST   /api/v1/database-restores              operate
POST   /api/backup                            operate
GET    /api/history                           operate
GET    /api/stats                             operate
GET    /api/backup/configurations/            read
POST   /api/backup/configurations/            operate
GET    /api/backup/configurations/{id}/       read
PUT    /api/backup/configurations/{id}/       operate
DELETE /api/backup/configurations/{id}/       operate
POST   /api/backup/create/                    operate
POST   /api/backup/quick-backup/              operate
GET    /api/backup/history/                   read
GET    /api/backup/history/{id}/              read
DELETE /api/backup/history/{id}/              operate
GET    /api/backup/history/{id}/download/     operate
POST   /api/backup/restore/                   operate
GET    /healthz                               -
GET    /readyz                                -
GET    /metrics                               read
GET    /api/v1/check                          operate
POST   /api/v1/check/fixes                    admin
POST   /api/v1/cleanup                        admin
POST   /api/v1/rescue                         admin
GET    /api/v1/export                         admin
POST   /api/v1/import                         admin
GET    /api/v1/templates                      read
POST   /api/v1/templates/{name}/apply         admin
POST   /api/v1/sample-data                    admin
GET    /api/v1/destinations                   read
POST   /api/v1/destinations                   admin
PATCH  /api/v1/destinations/{name}               admin
DELETE /api/v1/destinations/{name}            admin
POST   /api/v1/destinations/{name}/test       operate
GET    /api/v1/notifiers                      read
POST   /api/v1/notifiers                      admin
PATCH  /api/v1/notifiers/{name}               admin
DELETE /api/v1/notifiers/{name}               admin
POST   /api/v1/notifiers/{name}/test          operate
GET    /api/v1/stats                          read
GET    /api/v1/days                           read
GET    /api/v1/previews                       read
GET    /api/v1/contents                       operate
GET    /api/v1/logs                           operate
GET    /api/v1/folders                        admin
";

fn table() -> BTreeMap<(String, String), String> {
    let rows = ROUTES.lines().filter(|l| !l.is_empty()).map(|l| {
        let words: Vec<&str> = l.split_whitespace().collect();
        ((words[0].to_owned(), words[1].to_owned()), words[2].to_owned())
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_for_every_role() {
    let document = serde_json::to_value(backup_server::openapi()).expect("JSON");
    let mut described = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("an object").keys() {
            described.push((method.to_uppercase(), path.clone()));
        }
    }
    described.sort();
    let table = table();
    assert_eq!(described, table.keys().cloned().collect::<Vec<_>>(), "every route stands in the table");

    let server = server("").await;
    server.app.add_user("ada", backup_model::Role::Admin, PASSWORD).await.expect("an admin");
    let mut callers = vec![(None, "nobody".to_owned())];
    for scope in backup_model::Scope::ALL {
        let token = server.app.create_token(scope.as_str(), *scope, None, None).await.expect("a token");
        callers.push((Some(*scope), format!("Bearer {}", token.secret)));
    }
    for ((method, path), least) in &table {
        for (scope, authorization) in &callers {
            let path = path.replace("{name}", "none").replace("{id}", "01900000").replace("{archive}", "01900000");
            // The credentials that the table lives on stay: names that nobody has.
            let headers: &[(&str, &str)] = if scope.is_some() { &[("Authorization", authorization)] } else { &[] };
            let body = (method != "GET").then(|| json!({}));
            let answer = server.call(method, &path, headers, body).await;
            let allowed = match (scope, least.as_str()) {
                (_, "-") => true,
                (None, _) => false,
                (Some(held), least) => held.allows(least.parse().expect("a scope")),
            };
            let who = scope.map_or("nobody", |s| s.as_str());
            // The predecessors' routes have no codes.
            let code = if answer.body.starts_with('{') { answer.code() } else { String::new() };
            let refused = matches!(answer.status, 401 | 403) && matches!(code.as_str(), "unauthorized" | "forbidden" | "");
            assert_eq!(refused, !allowed, "{method} {path} as {who}: {} {}", answer.status, answer.body);
            if !allowed {
                assert_eq!(answer.status, if scope.is_some() { 403 } else { 401 }, "{method} {path} as {who}");
            }
            assert!(answer.status != 500, "{method} {path} as {who}: {}", answer.body);
        }
    }
    let refused = server.app.catalogue().audit(Some("token:read"), 1000, 0).await.expect("the log").0;
    assert!(refused.iter().filter(|e| e.outcome == "403").count() > 20, "refusals stand in the audit log");
    assert_eq!(server.app.catalogue().check_audit().await.expect("checked").broken, None);
}

#[test]
fn the_document_in_the_repository_is_that_of_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../doc/openapi.json");
    let made = format!("{}\n", backup_server::openapi().to_pretty_json().expect("JSON"));
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &made).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "doc/openapi.json is not up to date: UPDATE_OPENAPI=1 cargo test -p backup-server --test access");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_open_to_read() {
    let server = server("").await;
    let document = server.call("GET", "/api/openapi.json", &[], None).await;
    assert_eq!(document.json()["openapi"], "3.1.0");
    let page = server.call("GET", "/api/docs", &[], None).await;
    assert!(page.body.contains("/api/v1/schedules/{name}") && !page.body.contains("<script"));
    assert!(page.header("content-security-policy").expect("a policy").starts_with("default-src 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_until_there_is_an_admin() {
    let server = server("").await;
    let answer = server.call("GET", "/api/v1/schedules", &[], None).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "setup_needed"));
    assert_eq!(server.call("GET", "/api/v1/session", &[], None).await.json()["setup_needed"], true);
    let token = server.app.setup_token().await.expect("a token").secret;
    let set_up = |token: String, password: &'static str| {
        let server = &server;
        async move {
            server.call("POST", "/api/v1/setup", &[], Some(json!({ "token": token, "name": "ada", "password": password }))).await
        }
    };
    let answer = set_up(format!("{token}x"), PASSWORD).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    let answer = set_up(token.clone(), "short").await;
    assert_eq!(answer.status, 400, "a password that is too short does not use the token up: {}", answer.body);
    let answer = set_up(token.clone(), PASSWORD).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let cookie = answer.cookie();
    assert!(answer.head.contains("HttpOnly; SameSite=Strict"), "{}", answer.head);
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Cookie", &cookie)], None).await.status, 200);
    // Replayed, and another one after the first.
    assert_eq!(set_up(token, PASSWORD).await.status, 403);
    assert!(server.app.setup_token().await.is_err(), "there is an admin");
    // The set-up's token is no key to anything else.
    let other = self::server("").await;
    let token = other.app.setup_token().await.expect("a token").secret;
    let answer = other.call("GET", "/api/v1/schedules", &[("Authorization", &format!("Bearer {token}"))], None).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_begin_and_end() {
    let server = server("").await;
    server.admin().await;
    let signed = server.sign_in("ada", PASSWORD, &[]).await;
    assert_eq!(signed.status, 200, "{}", signed.body);
    let cookie = signed.cookie();
    let me = server.call("GET", "/api/v1/session", &[("Cookie", &cookie)], None).await.json();
    assert_eq!((me["actor"].as_str(), me["scope"].as_str()), (Some("user:ada"), Some("admin")));
    // A cookie of the other name is not taken, nor one among others overlooked.
    let renamed = cookie.replace("backupd=", "__Host-backupd=");
    assert_eq!(server.call("GET", "/api/v1/users", &[("Cookie", &renamed)], None).await.status, 401);
    assert_eq!(server.call("GET", "/api/v1/users", &[("Cookie", &format!("a=b; {cookie}; c=d"))], None).await.status, 200);
    let other = server.sign_in("ada", PASSWORD, &[]).await.cookie();
    assert_ne!(other, cookie);
    assert_eq!(server.call("DELETE", "/api/v1/session", &[("Cookie", &cookie)], None).await.status, 204);
    assert_eq!(server.call("GET", "/api/v1/users", &[("Cookie", &cookie)], None).await.status, 401);
    assert_eq!(server.call("GET", "/api/v1/users", &[("Cookie", &other)], None).await.status, 200);
    // A new password ends all sessions.
    let wish = json!({ "present": "wrong wrong wrong", "new": "another long password" });
    assert_eq!(server.call("PUT", "/api/v1/session/password", &[("Cookie", &other)], Some(wish)).await.status, 403);
    let wish = json!({ "present": PASSWORD, "new": "another long password" });
    assert_eq!(server.call("PUT", "/api/v1/session/password", &[("Cookie", &other)], Some(wish)).await.status, 204);
    assert_eq!(server.call("GET", "/api/v1/users", &[("Cookie", &other)], None).await.status, 401);
    assert_eq!(server.sign_in("ada", PASSWORD, &[]).await.status, 401);
    assert_eq!(server.sign_in("ada", "another long password", &[]).await.status, 200);
    // A role counts as it is now; a deleted user is nobody.
    server.app.add_user("bob", backup_model::Role::Viewer, PASSWORD).await.expect("a user");
    let bob = server.sign_in("bob", PASSWORD, &[]).await.cookie();
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Cookie", &bob)], None).await.status, 200);
    server.app.delete_user("bob").await.expect("deleted");
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Cookie", &bob)], None).await.status, 401);
}

/// The code of a secret at this moment, by a program of its own (RFC 6238).
fn code_of(secret: &str) -> String {
    let program = "import base64,hmac,struct,sys,time\nk=base64.b32decode(sys.argv[1])\nh=hmac.new(k,struct.pack('>q',int(time.time())//30),'sha1').digest()\no=h[19]&15\nprint('%06d'%((struct.unpack('>I',h[o:o+4])[0]&0x7fffffff)%1000000))";
    let out = std::process::Command::new("python3").args(["-c", program, secret]).output().expect("python3 runs");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor() {
    let server = server("").await;
    let admin = server.admin().await;
    let path = "/api/v1/session/second-factor";
    let cookie = server.sign_in("ada", PASSWORD, &[]).await.cookie();
    let made = server.call("POST", path, &[("Cookie", &cookie)], None).await.json();
    let secret = made["secret"].as_str().expect("a secret");
    assert!(made["url"].as_str().expect("a URL").starts_with("otpauth://totp/"));
    assert_eq!(server.sign_in("ada", PASSWORD, &[]).await.status, 200, "it does not count yet");
    let wish = |code: &str| Some(json!({ "secret": secret, "code": code }));
    assert_eq!(server.call("PUT", path, &[("Cookie", &cookie)], wish("000000x")).await.status, 400);
    assert_eq!(server.call("PUT", path, &[("Cookie", &cookie)], wish(&code_of(secret))).await.status, 204);
    assert_eq!(server.sign_in("ada", PASSWORD, &[]).await.code(), "code_needed");
    let with = |code: String| {
        let server = &server;
        async move {
            server
                .call("POST", "/api/v1/session", &[], Some(json!({ "name": "ada", "password": PASSWORD, "code": code })))
                .await
                .status
        }
    };
    assert_eq!(with("000000x".into()).await, 401);
    let code = code_of(secret);
    assert_eq!(with(code.clone()).await, 200);
    assert_eq!(with(code).await, 401, "no code serves twice");
    let users = server.call("GET", "/api/v1/users", &[("Authorization", &admin)], None).await;
    assert!(users.json()["items"][0]["second_factor"] == true && !users.body.contains(secret), "{}", users.body);
    assert_eq!(server.call("DELETE", "/api/v1/users/ada/second-factor", &[("Authorization", &admin)], None).await.status, 204);
    assert_eq!(server.sign_in("ada", PASSWORD, &[]).await.status, 200);
    // Programs have no second factor.
    assert_eq!(server.call("POST", path, &[("Authorization", &admin)], None).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_end_at_once() {
    let server = server("").await;
    let admin = server.admin().await;
    let wish = json!({ "name": "mon", "scope": "read" });
    let made = server.call("POST", "/api/v1/tokens", &[("Authorization", &admin)], Some(wish)).await.json();
    let bearer = format!("bearer {}", made["token"].as_str().expect("a token"));
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Authorization", &bearer)], None).await.status, 200);
    let list = server.call("GET", "/api/v1/tokens", &[("Authorization", &admin)], None).await;
    assert!(!list.body.contains(made["token"].as_str().expect("a token")), "the secret is shown once");
    assert_eq!(server.call("DELETE", "/api/v1/tokens/mon", &[("Authorization", &admin)], None).await.status, 204);
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Authorization", &bearer)], None).await.status, 401);
    let short = server.app.create_token("short", backup_model::Scope::Read, Some(chrono::Duration::milliseconds(1)), None).await;
    let bearer = format!("Bearer {}", short.expect("a token").secret);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let answer = server.call("GET", "/api/v1/schedules", &[("Authorization", &bearer)], None).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "session_expired"));
    for wrong in ["Bearer", "Bearer ", "Bearer bkp_", "Bearer bkp_x_y", "Basic YWRhOmFkYQ==", "bkp_x", "Bearer é"] {
        assert_eq!(server.call("GET", "/api/v1/schedules", &[("Authorization", wrong)], None).await.status, 401, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_wrong_passwords() {
    let server = server("").await;
    let admin = server.admin().await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(server.sign_in("ada", "wrong wrong wrong", &[]).await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 10]);
    let answer = server.sign_in("ada", PASSWORD, &[]).await;
    assert_eq!(answer.status, 429, "the right one neither, for a while");
    assert!(answer.header("retry-after").expect("a header").parse::<u64>().expect("seconds") <= 6);
    // A forged address changes nothing; programs with their tokens go on.
    let forged = server.sign_in("ada", "wrong wrong wrong", &[("X-Forwarded-For", "192.0.2.1")]).await;
    assert_eq!(forged.status, 429);
    assert_eq!(server.call("GET", "/api/v1/schedules", &[("Authorization", &admin)], None).await.status, 200);
    let (log, _) = server.app.catalogue().audit(Some("nobody:ada"), 100, 0).await.expect("the log");
    assert_eq!(log.len(), 10);
    assert!(log.iter().all(|e| e.origin == "127.0.0.1"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy() {
    let server = server("trusted_proxies = [\"127.0.0.1\"]").await;
    server.admin().await;
    for _ in 0..10 {
        let proxied = [("X-Forwarded-For", "6.6.6.6, 192.0.2.1"), ("X-Forwarded-Proto", "https")];
        assert_eq!(server.sign_in("ada", "wrong wrong wrong", &proxied).await.status, 401);
    }
    let (log, _) = server.app.catalogue().audit(Some("nobody"), 1, 0).await.expect("the log");
    assert_eq!(log[0].origin, "192.0.2.1", "the last that a proxy did not write");
    let secure = [("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Proto", "https")];
    let answer = server.call("GET", "/api/v1/session", &secure, None).await;
    assert!(answer.header("strict-transport-security").is_some());
    server.app.add_user("eve", backup_model::Role::Viewer, PASSWORD).await.expect("a user");
    let answer = server.sign_in("eve", PASSWORD, &secure).await;
    assert!(answer.cookie().starts_with("__Host-backupd="), "{}", answer.head);
    assert!(answer.head.contains("; Secure"), "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites() {
    let server = server("allowed_origins = [\"http://localhost:3000\"]\nallowed_hosts = [\"backup.example.org\"]").await;
    let admin = server.admin().await;
    let cookie = server.sign_in("ada", PASSWORD, &[]).await.cookie();
    // A name that was made to point here.
    for host in ["evil.example", "evil.example:8620", "localhost.evil.example", ""] {
        let answer = server.call("GET", "/api/v1/schedules", &[("Host", host), ("Cookie", &cookie)], None).await;
        assert_eq!(answer.status, 421, "{host}");
    }
    for host in ["localhost", "localhost:1", "LOCALHOST.", "127.0.0.1", "[::1]:8620", "backup.example.org"] {
        let answer = server.call("GET", "/api/v1/schedules", &[("Host", host), ("Cookie", &cookie)], None).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    // A page elsewhere that posts with the cookie.
    let own = format!("http://{}", server.address);
    for (headers, status) in [
        (vec![("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")], 403),
        (vec![("Sec-Fetch-Site", "same-site"), ("Origin", "http://localhost:3001")], 403),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Sec-Fetch-Site", "same-origin"), ("Origin", own.as_str())], 404),
        (vec![("Origin", own.as_str())], 404),
        (vec![("Sec-Fetch-Site", "same-site"), ("Origin", "http://localhost:3000")], 404),
        (vec![], 404),
    ] {
        let mut all = headers.clone();
        all.push(("Cookie", &cookie));
        let answer = server.call("POST", "/api/v1/runs/01900000/cancel", &all, Some(json!({}))).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    // A form cannot send JSON, and a body that says it is none is not read as such.
    let body = r#"{"schedule":"docs"}"#;
    let form = format!(
        "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {admin}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.raw(&form).await.status, 415);
    // CORS: the allowed page is answered, others learn nothing.
    let ask = [
        ("Origin", "http://localhost:3000"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = server.call("OPTIONS", "/api/v1/runs", &ask, None).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    let answer = server.call("OPTIONS", "/api/v1/runs", &[("Origin", "http://evil.example")], None).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    let answer = server.call("GET", "/api/v1/session", &[("Origin", "http://evil.example")], None).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")] {
        assert_eq!(answer.header(name), Some(value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_are_refused_or_inert() {
    let server = server("").await;
    let admin = server.admin().await;
    let head = format!("Host: localhost\r\nConnection: close\r\nAuthorization: {admin}\r\n");
    // A header that is cut by line ends, a name as a tag, escapes for a terminal.
    let answer = server.raw(&format!("GET /api/v1/runs?schedule=a%0d%0aSet-Cookie:%20x=y HTTP/1.1\r\n{head}\r\n")).await;
    assert!(!answer.head.contains("x=y"), "{}", answer.head);
    let answer = server.raw(&format!("GET /api/v1/schedules HTTP/1.1\r\n{head}X-Bad: a\rb\r\n\r\n")).await;
    assert_eq!(answer.status, 400);
    for name in ["<img onerror=alert(1)>", "a\u{1b}[2Jb", "a\r\nb", "../../x", ""] {
        let wish = json!({ "name": name, "settings": { "source": ["documents"], "manual": true } });
        let answer = server.call("POST", "/api/v1/schedules", &[("Authorization", &admin)], Some(wish)).await;
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!answer.body.contains('\u{1b}') && !answer.body.contains("\r"), "{}", answer.body);
        // The number by which the request is found in the log stands in both places.
        let number = answer.header("x-request-id").expect("a number").to_owned();
        assert_eq!((number.len(), answer.json()["request_id"].as_str()), (12, Some(number.as_str())));
    }
    let answer = server.sign_in("a\r\nb\u{1b}[2J", "wrong wrong wrong", &[]).await;
    assert_eq!(answer.status, 401);
    let (log, _) = server.app.catalogue().audit(Some("nobody:"), 1, 0).await.expect("the log");
    assert!(!log[0].actor.contains(char::is_control), "{:?}", log[0].actor);
    // Who is no admin names no files of the machine.
    let operate = server.app.create_token("op", backup_model::Scope::Operate, None, None).await.expect("a token").secret;
    let operate = format!("Bearer {operate}");
    for (method, path, body) in [
        ("GET", "/api/v1/entries?archive=/etc/shadow", None),
        ("GET", "/api/v1/diff?a=docs&b=/etc/shadow", None),
        ("POST", "/api/v1/verifications", Some(json!({ "archive": "/etc/shadow" }))),
        ("POST", "/api/v1/restores", Some(json!({ "archive": "/etc/shadow", "target": "/tmp/x" }))),
        ("POST", "/api/v1/drills", Some(json!({ "archive": "/etc/shadow" }))),
        ("POST", "/api/v1/database-restores", Some(json!({ "archive": "docs", "into": "sqlite:///etc/x" }))),
        ("POST", "/api/v1/database-restores", Some(json!({ "archive": "docs", "into": "x", "password_file": "/etc/shadow" }))),
    ] {
        let answer = server.call(method, path, &[("Authorization", &operate)], body).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{path}: {}", answer.body);
    }
    // Bodies without end, and too many headers.
    let answer = server
        .raw(&format!("POST /api/v1/runs HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"))
        .await;
    assert_eq!(answer.status, 413);
    let many = "X-A: 1\r\n".repeat(20_000);
    assert!(matches!(server.raw(&format!("GET / HTTP/1.1\r\n{head}{many}\r\n")).await.status, 431 | 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_editors_do_not_overwrite_each_other() {
    let server = server("").await;
    let admin = server.admin().await;
    let auth = ("Authorization", admin.as_str());
    let shown = server.call("GET", "/api/v1/schedules/docs", &[auth], None).await;
    let tag = shown.header("etag").expect("an ETag").to_owned();
    assert_eq!(tag.trim_matches('"'), shown.json()["version"].as_str().expect("a version"));
    let first =
        server.call("PATCH", "/api/v1/schedules/docs", &[auth, ("If-Match", &tag)], Some(json!({ "title": "one" }))).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let second =
        server.call("PATCH", "/api/v1/schedules/docs", &[auth, ("If-Match", &tag)], Some(json!({ "title": "two" }))).await;
    assert_eq!((second.status, second.code().as_str()), (412, "changed"));
    let gone = server.call("DELETE", "/api/v1/schedules/docs?with_backups=true", &[auth, ("If-Match", &tag)], None).await;
    assert_eq!(gone.status, 412);
    assert_eq!(server.call("GET", "/api/v1/schedules/docs", &[auth], None).await.json()["title"], "one");
    let new = first.header("etag").expect("an ETag").to_owned();
    assert_ne!(new, tag);
    let third =
        server.call("PATCH", "/api/v1/schedules/docs", &[auth, ("If-Match", &new)], Some(json!({ "title": "two" }))).await;
    assert_eq!(third.status, 200);
    let (log, _) = server.app.catalogue().audit(Some("patch"), 10, 0).await.expect("the log");
    assert_eq!(log.iter().map(|e| e.outcome.as_str()).collect::<Vec<_>>(), ["200", "412", "200"]);
    assert_eq!((log[0].actor.as_str(), log[0].detail.as_str()), ("token:all", "title"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_shows_what_was_changed_in_it() {
    let server = server("").await;
    let admin = server.admin().await;
    for n in 0..5 {
        let wish = json!({ "name": format!("t{n}"), "scope": "read" });
        assert_eq!(server.call("POST", "/api/v1/tokens", &[("Authorization", &admin)], Some(wish)).await.status, 201);
    }
    let check = || async { server.call("GET", "/api/v1/audit/check", &[("Authorization", &admin)], None).await.json() };
    let fine = check().await;
    assert_eq!((fine["intact"].as_bool(), fine["entries"].as_u64()), (Some(true), Some(5)));
    let database = server._folder.path().join("catalogue.db");
    let sql = |sql: &str| {
        let done = std::process::Command::new("sqlite3").arg(&database).arg(sql).output().expect("sqlite3 runs");
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert!(sql("UPDATE audit SET actor = 'token:eve' WHERE seq = 3").1.contains("never changed"));
    assert!(sql("DELETE FROM audit WHERE seq = 3").1.contains("never shortened"));
    // Somebody who owns the file can take the triggers away; the chain tells.
    assert!(
        sql("DROP TRIGGER audit_stays_as_it_is; DROP TRIGGER audit_stays; UPDATE audit SET actor = 'token:eve' WHERE seq = 3").0
    );
    assert_eq!(check().await["broken"], 3);
    assert!(sql("UPDATE audit SET actor = 'token:all' WHERE seq = 3").0);
    assert_eq!(check().await["intact"], true);
    assert!(sql("DELETE FROM audit WHERE seq = 2").0);
    assert_eq!(check().await["broken"], 3);
}

/// Writes a certificate for localhost with its key; answers the certificate.
fn certificate(folder: &std::path::Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    made.cert.der().clone()
}

/// Whether the server shows a certificate that is trusted.
async fn trusts(server: &Server, certificate: &rustls::pki_types::CertificateDer<'static>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(&server.address).await.expect("a connection");
    let name = "localhost".try_into().expect("a name");
    let Ok(mut stream) = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await else { return false };
    let request = "GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("strict-transport-security"), "{text}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_a_new_certificate_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = certificate(folder.path());
    let path = folder.path().to_owned();
    let file = |name: &str| path.join(name).display().to_string();
    let server = server_in(folder, &format!("tls = {{ cert = {:?}, key = {:?} }}", file("cert.pem"), file("key.pem"))).await;
    assert!(trusts(&server, &first).await);
    assert_eq!(server.call("GET", "/api/v1/session", &[], None).await.status, 0, "nothing in clear");
    let second = certificate(&path);
    let begun = std::time::Instant::now();
    while !trusts(&server, &second).await {
        assert!(begun.elapsed().as_secs() < 30, "{:?}", server.app.web_error(backup_operations::Door::Page));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!trusts(&server, &first).await);
    // One that cannot be used leaves the one before it in force, and is said.
    fs::write(path.join("cert.pem"), "nonsense").expect("a file");
    while server.app.web_error(backup_operations::Door::Page).is_none() {
        assert!(begun.elapsed().as_secs() < 60);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(server.app.web_error(backup_operations::Door::Page).expect("an error").contains("stays in force"));
    assert!(trusts(&server, &second).await);
    assert!(server.app.web(backup_operations::Door::Page).expect("a URL").starts_with("https://"));
}
