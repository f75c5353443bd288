//! Secrets of every kind are put into a home, everything is asked and read, and none of them comes out.

use backup_testkit::{HookServer, TestHome};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// What must not come out, by where it was put in.
const SECRETS: &[(&str, &str)] = &[
    ("the password of a database", "S3cretDatabase"),
    ("the URL of a webhook", "S3cretWebhook"),
    ("the token of a webhook", "S3cretHookToken"),
    ("the password of a mail server", "S3cretMail"),
    ("the password of a user", "S3cretOfAUser"),
    ("a wrong password", "S3cretButWrong"),
    ("a passphrase", "S3cretPassphrase"),
];

fn curl(url: &str, token: &str, args: &[&str]) -> String {
    let out = Command::new("curl")
        .args(["-s", "-i", "--max-time", "20", "-H", &format!("Authorization: Bearer {token}")])
        .args(args)
        .arg(url)
        .output();
    String::from_utf8_lossy(&out.expect("curl runs").stdout).into_owned()
}

fn with_stdin(home: &TestHome, args: &[&str], text: &str) {
    let mut child = home.command(args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    assert!(child.wait().expect("ends").success(), "{args:?}");
}

#[test]
fn no_secret_comes_out() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    let hook = HookServer::start();
    home.write("documents/letter", "dear all");
    home.write("passphrase", "S3cretPassphrase\n");
    home.write("token", "S3cretHookToken\n");
    home.write(
        "schedules.toml",
        "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\nlog = { level = \"debug\" }\n\n[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\nencrypt = { passphrase = { file = \"passphrase\" } }\n\n[[schedule]]\nname = \"gone\"\nsource = [\"gone\"]\nmanual = true\n",
    );
    home.ok(&["start"]);
    home.wait_for("the address", || home.ok(&["status", "--json"]).contains("\"web\":\"http"));
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON");
    let url = status["web"].as_str().expect("a URL").to_owned();
    with_stdin(
        &home,
        &["database", "add", "shop", "--url", "postgres://backup@127.0.0.1:1/shop", "--password-stdin"],
        "S3cretDatabase\n",
    );
    with_stdin(
        &home,
        &[
            "notifier",
            "add",
            "ops",
            "--email",
            "ops@example.org",
            "--smtp",
            "smtp://127.0.0.1:1",
            "--user",
            "backup",
            "--password-stdin",
        ],
        "S3cretMail\n",
    );
    with_stdin(&home, &["user", "add", "ada", "--role", "admin", "--password-stdin"], "S3cretOfAUser\n");
    let address = format!("http://127.0.0.1:{}/S3cretWebhook", hook.port);
    home.ok(&["notifier", "add", "chat", "--webhook", &address, "--token-file", "token", "--allow-private"]);
    let token = home.ok(&["token", "create", "all", "--scope", "admin"]).trim().to_owned();
    let mut seen = String::new();
    seen += &home.run(&["notifier", "test", "ops"]).all();
    seen += &home.run(&["notifier", "test", "chat"]).all();
    hook.answer("500 Oops");
    seen += &home.run(&["notifier", "test", "chat"]).all();
    seen += &home.run(&["database", "test", "shop"]).all();
    seen += &home.run(&["run", "docs"]).all();
    seen += &home.run(&["run", "gone"]).all();
    seen += &home.run(&["check"]).all();
    seen += &home.run(&["check", "--json"]).all();
    home.wait_for("the failed alert", || {
        home.ok(&["notifier", "list"]).contains("tried again")
            || home.ok(&["notifier", "list", "--json"]).contains("cannot be used")
    });
    let json = ["-H", "Content-Type: application/json", "-d"];
    let wrong = [&json[..], &[r#"{"name":"ada","password":"S3cretButWrong"}"#]].concat();
    seen += &curl(&format!("{url}/api/v1/session"), "", &wrong);
    let right = [&json[..], &[r#"{"name":"ada","password":"S3cretOfAUser"}"#]].concat();
    let signed = curl(&format!("{url}/api/v1/session"), "", &right);
    let cookie = signed
        .lines()
        .find_map(|l| l.strip_prefix("set-cookie: backupd="))
        .expect("a cookie")
        .split(';')
        .next()
        .expect("a secret")
        .to_owned();
    // Bodies that are wrong come back in errors: what they hold must not.
    for (path, body) in [
        ("/api/v1/databases", r#"{"name":"x","url":"postgres://u:S3cretDatabase@h/x"}"#),
        ("/api/v1/databases", r#"{"name":"shop","url":"postgres://h/x","password":"S3cretDatabase"}"#),
        ("/api/v1/users", r#"{"name":"ada","role":"admin","password":"S3cretOfAUser"}"#),
        ("/api/v1/users", r#"{"name":"a b","role":"admin","password":"S3cretOfAUser"}"#),
        ("/api/v1/notifiers", r#"{"name":"chat","url":"https://x/S3cretWebhook"}"#),
        ("/api/v1/notifiers", r#"{"name":"y","smtp":"smtp://u:S3cretMail@h","to":["a@b"]}"#),
        ("/api/v1/setup", r#"{"token":"S3cretHookToken","name":"eve","password":"S3cretOfAUser"}"#),
    ] {
        let answer = curl(&format!("{url}{path}"), &token, &[&json[..], &[body]].concat());
        assert!(answer.starts_with("HTTP/1.1 4"), "{path} {body}: {answer}");
        seen += &answer;
    }
    // Every route that only looks.
    let document: Value =
        serde_json::from_str(curl(&format!("{url}/api/openapi.json"), &token, &[]).split("\r\n\r\n").nth(1).expect("a body"))
            .expect("JSON");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item["get"].is_null() || path.ends_with("/events") {
            continue;
        }
        for word in ["docs", "shop", "chat", "1"] {
            let path = path.replace("{name}", word).replace("{archive}", word).replace("{id}", word);
            seen += &curl(&format!("{url}{path}?archive=docs&a=docs&b=docs&pattern=letter"), &token, &[]);
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
    seen += &home.ok(&["export"]);
    seen += &home.ok(&["audit", "list", "--json"]);
    home.ok(&["stop"]);
    for log in home.names("logs") {
        seen += &home.read(&format!("logs/{log}"));
    }
    for (what, secret) in SECRETS {
        let at = seen.find(secret);
        assert!(
            at.is_none(),
            "{what} came out: {}",
            &seen[at.unwrap_or(0).saturating_sub(200)..(at.unwrap_or(0) + 60).min(seen.len())]
        );
    }
    assert!(!seen.contains(&token) && !seen.contains(&cookie), "a token or a session came out");
    // The catalogue holds hashes only.
    let catalogue = std::fs::read(home.path().join("catalogue.db")).expect("the catalogue");
    for secret in SECRETS.iter().map(|(_, s)| s.as_bytes()).chain([token.as_bytes(), cookie.as_bytes()]) {
        assert!(!catalogue.windows(secret.len()).any(|w| w == secret), "{}", String::from_utf8_lossy(secret));
    }
}
