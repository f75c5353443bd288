//! The routes of S0 and S3, called with curl as their pages call them; every field of every answer.

use backup_testkit::{Postgres, TestHome};
use serde_json::{Value, json};
use std::process::Command;

struct Page {
    url: String,
    headers: Vec<String>,
}

impl Page {
    /// Calls a route; answers status, content type and body.
    fn call(&self, method: &str, path: &str, body: Option<Value>, more: &[&str]) -> (u16, String, Value) {
        let mut command = Command::new("curl");
        command.args(["-s", "-X", method, "-w", "\n%{http_code} %{content_type}"]).arg(format!("{}{path}", self.url));
        for header in self.headers.iter().map(String::as_str).chain(more.iter().copied()) {
            command.args(["-H", header]);
        }
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let out = command.output().expect("curl runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let (body, end) = text.rsplit_once('\n').expect("a status");
        let (status, kind) = end.split_once(' ').unwrap_or((end, ""));
        let value = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        (status.parse().expect("a status"), kind.to_owned(), value)
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// A daemon that listens, and a page that is signed in with a token of a scope.
fn start(home: &TestHome, scope: &str) -> Page {
    home.ok(&["start"]);
    home.wait_for("the address", || home.ok(&["status", "--json"]).contains("\"web\":\"http"));
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON");
    let token = home.ok(&["token", "create", scope, "--scope", scope]);
    Page {
        url: status["web"].as_str().expect("a URL").to_owned(),
        headers: vec![format!("Authorization: Bearer {}", token.trim())],
    }
}

#[test]
fn s0_as_its_page_plays_it() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    let copies = home.path().join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    home.write(
        "schedules.toml",
        &format!("version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\nallowed_origins = [\"http://localhost:3000\"]\nallowed_destinations = [{copies:?}]\n"),
    );
    let page = start(&home, "operate");
    let source = home.path().join("documents").display().to_string();
    let to = copies.join("new/folder").display().to_string();
    let wish = |source: &str, destination: &str, frequency: &str| {
        Some(json!({ "source": source, "destination": destination, "frequency": frequency }))
    };
    let origin = &["Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"][..];
    let (status, _, made) = page.call("POST", "/api/backup", wish(&source, &to, "manual"), origin);
    assert_eq!((status, keys(&made)), (200, vec!["file", "message", "success"]), "{made}");
    assert_eq!((&made["success"], &made["message"]), (&json!(true), &json!("Sauvegarde réussie")));
    let file = made["file"].as_str().expect("a name");
    let shape = |name: &str| {
        name.len() == "backup_2026-11-21_09-00-00.tar.gz".len() && name.starts_with("backup_") && name.ends_with(".tar.gz")
    };
    assert!(shape(file), "{file}");
    let listed = Command::new("tar").arg("-tzf").arg(copies.join("new/folder").join(file)).output().expect("tar runs");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("documents/letter"), "GNU tar opens it");
    // English for who asks for it; a rhythm keeps a schedule.
    let (_, _, made) = page.call("POST", "/api/backup", wish(&source, &to, "daily"), &["Accept-Language: en-GB,en;q=0.9"]);
    assert_eq!(made["message"], "Backup successful", "{made}");
    assert!(home.ok(&["list"]).contains(";00:00;copy-2"));
    // What is refused: 400 in S0's shape, and nothing is made.
    for (body, words) in [
        (json!({}), "Le champ « source » est obligatoire"),
        (json!({ "source": source, "destination": to }), "« frequency »"),
        (wish(&format!("{source}/letter"), &to, "manual").expect("a body"), "is no folder"),
        (wish("/does/not/exist", &to, "manual").expect("a body"), "is no folder"),
        (wish(&source, "/etc/copies", "manual").expect("a body"), "allowed_destinations"),
        (wish(&source, &format!("{}/../x", copies.display()), "manual").expect("a body"), "allowed_destinations"),
        (wish(&source, &to, "yearly").expect("a body"), "frequency"),
    ] {
        let (status, kind, answer) = page.call("POST", "/api/backup", Some(body), &[]);
        assert_eq!((status, kind.as_str(), keys(&answer)), (400, "application/json", vec!["error", "success"]), "{answer}");
        assert!(answer["success"] == json!(false) && answer["error"].as_str().expect("a text").contains(words), "{answer}");
    }
    std::os::unix::fs::symlink("/etc", copies.join("out")).expect("a link");
    let (status, _, _) =
        page.call("POST", "/api/backup", wish(&source, &copies.join("out/x").display().to_string(), "manual"), &[]);
    assert_eq!(status, 400, "a link leads nowhere else");
    // One row for each combination, the latest.
    let (_, _, again) = page.call("POST", "/api/backup", wish(&source, &to, "manual"), &[]);
    let (status, _, history) = page.call("GET", "/api/history", None, origin);
    let rows = history.as_array().expect("a list");
    assert_eq!((status, rows.len()), (200, 2), "{history}");
    assert_eq!(keys(&rows[0]), ["date", "destination", "error", "file", "frequency", "source", "status"]);
    assert_eq!(
        (&rows[0]["status"], &rows[0]["frequency"], &rows[0]["file"]),
        (&json!("Succès"), &json!("manual"), &again["file"])
    );
    let (_, _, stats) = page.call("GET", "/api/stats", None, &[]);
    assert_eq!(keys(&stats), ["by_frequency", "failed", "per_day", "success", "total"]);
    assert_eq!(
        (&stats["total"], &stats["success"], &stats["by_frequency"]["manual"]),
        (&json!(3), &json!(3), &json!(2)),
        "{stats}"
    );
    assert_eq!(keys(&stats["per_day"][0]), ["count", "date", "failed", "success"]);
    // Nobody.
    let nobody = Page { url: page.url.clone(), headers: Vec::new() };
    home.run(&["user", "list"]).code(0);
    let (status, _, answer) = nobody.call("GET", "/api/history", None, &[]);
    assert_eq!((status, answer), (401, json!({ "success": false, "error": "Non authentifié" })));
}

#[test]
fn s3_as_its_pages_play_it() {
    let server = Postgres::debian();
    let _ = server.sql("postgres", "CREATE ROLE backup LOGIN SUPERUSER PASSWORD 'pw'; CREATE DATABASE shop");
    let _ = server.sql(
        "shop",
        "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 100) n",
    );
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    home.write("password", "pw\n");
    let settings = |more: &str| {
        format!(
            "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\n[databases.shop]\nurl = \"{}\"\npassword = {{ file = \"password\" }}\n{more}",
            server.url("backup", "shop")
        )
    };
    home.write("schedules.toml", &settings(""));
    let page = start(&home, "operate");
    let base = "/api/backup/configurations/";
    // Nothing configured: the missing key is named.
    let (status, _, answer) = page.call("POST", base, Some(json!({ "name": "Quotidienne" })), &[]);
    assert!(status == 400 && answer["error"].as_str().expect("a text").contains("[predecessors] database"), "{answer}");
    home.write("schedules.toml", &settings("[predecessors]\ndatabase = \"shop\"\nsource = \"documents\"\n"));
    home.ok(&["reload"]);
    let full = json!({
        "name": "Quotidienne complète", "backup_type": "full", "frequency": "daily", "is_active": true, "include_files": true,
        "compression_enabled": true, "encryption_enabled": false, "retention_days": 14,
    });
    let (status, _, made) = page.call("POST", base, Some(full.clone()), &["X-CSRFToken: abc", "Cookie: csrftoken=abc"]);
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        keys(&made),
        [
            "backup_type",
            "compression_enabled",
            "created_at",
            "encryption_enabled",
            "frequency",
            "id",
            "include_files",
            "is_active",
            "name",
            "retention_days",
            "updated_at"
        ]
    );
    for (key, value) in full.as_object().expect("an object") {
        assert_eq!(&made[key], value, "{key}");
    }
    let id = made["id"].as_i64().expect("a number");
    for (field, value) in [
        ("name", json!("")),
        ("backup_type", json!("partial")),
        ("frequency", json!("hourly")),
        ("is_active", json!("yes")),
        ("retention_days", json!(0)),
        ("retention_days", json!(366)),
    ] {
        let mut wrong = full.clone();
        wrong[field] = value;
        let (status, _, answer) = page.call("POST", base, Some(wrong), &[]);
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
    }
    let mut encrypted = full.clone();
    encrypted["encryption_enabled"] = json!(true);
    let (status, _, answer) = page.call("POST", base, Some(encrypted), &[]);
    assert!(status == 400 && answer["error"].as_str().expect("a text").contains("[defaults] encrypt"), "{answer}");
    let one = format!("{base}{id}/");
    let (status, _, changed) = page.call("PUT", &one, Some(json!({ "retention_days": 30, "is_active": false })), &[]);
    assert_eq!(
        (status, &changed["retention_days"], &changed["is_active"], &changed["name"]),
        (200, &json!(30), &json!(false), &full["name"])
    );
    assert_eq!(page.call("GET", &one, None, &[]).2, changed);
    assert_eq!(page.call("GET", base, None, &[]).2, json!([changed]));
    assert_eq!(page.call("GET", &format!("{base}99/"), None, &[]).0, 404);
    // A run of it, with its files.
    let (status, _, entry) = page.call("POST", "/api/backup/create/", Some(json!({ "configuration_id": id })), &[]);
    assert_eq!((status, &entry["configuration"], &entry["backup_name"]), (201, &json!(id), &full["name"]), "{entry}");
    assert_eq!(
        keys(&entry),
        [
            "backup_name",
            "backup_type",
            "completed_at",
            "configuration",
            "created_at",
            "duration_seconds",
            "error_message",
            "file_path",
            "file_size",
            "files_count",
            "id",
            "records_count",
            "started_at",
            "status",
            "tables_count"
        ]
    );
    let entry_path = format!("/api/backup/history/{}/", entry["id"].as_str().expect("an id"));
    home.wait_for("the end", || page.call("GET", &entry_path, None, &[]).2["status"] == json!("completed"));
    let done = page.call("GET", &entry_path, None, &[]).2;
    assert_eq!((&done["tables_count"], &done["records_count"]), (&json!(1), &json!(100)), "{done}");
    assert!(done["file_size"].as_u64().expect("a size") > 0 && done["completed_at"].is_string());
    let quick = json!({ "backup_type": "metadata", "backup_name": "Rapide" });
    let (status, _, second) = page.call("POST", "/api/backup/quick-backup/", Some(quick), &["X-CSRFToken: abc"]);
    assert_eq!((status, &second["backup_type"].is_string()), (201, &true), "{second}");
    home.wait_for("both", || page.call("GET", "/api/backup/history/?status=completed", None, &[]).2["count"] == json!(3));
    // Filters and pages.
    let (_, _, list) = page.call("GET", "/api/backup/history/?page_size=2", None, &[]);
    assert_eq!((keys(&list), &list["count"]), (vec!["count", "next", "previous", "results"], &json!(3)), "{list}");
    let (_, _, next) = page.call("GET", list["next"].as_str().expect("a link"), None, &[]);
    assert_eq!(
        (next["results"].as_array().map(Vec::len), next["next"].is_null(), next["previous"].is_string()),
        (Some(1), true, true)
    );
    for (query, count) in [
        ("backup_type=metadata", 1),
        ("search=config-", 3),
        ("status=failed", 0),
        ("date_from=2000-01-01&date_to=2000-12-31", 0),
        ("date_from=2020-01-01", 3),
    ] {
        assert_eq!(page.call("GET", &format!("/api/backup/history/?{query}"), None, &[]).2["count"], json!(count), "{query}");
    }
    for query in ["status=bad", "backup_type=x", "page=0", "page_size=5000"] {
        assert_eq!(page.call("GET", &format!("/api/backup/history/?{query}"), None, &[]).0, 400, "{query}");
    }
    // Download, whole and a part.
    let (status, kind, _) = page.call("GET", &format!("{entry_path}download/"), None, &[]);
    assert_eq!((status, kind.as_str()), (200, "application/octet-stream"));
    assert_eq!(page.call("GET", &format!("{entry_path}download/"), None, &["Range: bytes=0-1"]).0, 206);
    // Restore: what was lost comes back.
    let _ = server.sql("shop", "DROP TABLE orders");
    let (status, _, run) =
        page.call("POST", "/api/backup/restore/", Some(json!({ "backup_id": entry["id"], "restore_type": "full" })), &[]);
    assert_eq!(status, 202, "{run}");
    home.wait_for("the restore", || home.ok(&["history", "--operation", "restore"]).contains("completed"));
    assert_eq!(server.sql("shop", "SELECT COUNT(*) FROM orders").trim(), "100");
    assert_eq!(
        page.call("POST", "/api/backup/restore/", Some(json!({ "backup_id": entry["id"], "restore_type": "all" })), &[]).0,
        400
    );
    // Delete.
    assert_eq!(page.call("DELETE", &entry_path, None, &[]).0, 204);
    let (status, _, answer) = page.call("GET", &format!("{entry_path}download/"), None, &[]);
    assert_eq!((status, answer), (404, json!({ "error": "Fichier introuvable" })));
    assert_eq!(page.call("DELETE", &one, None, &[]).0, 204);
    assert_eq!(page.call("GET", &one, None, &[]).0, 404);
    // Nobody, and a session that has ended.
    let nobody = Page { url: page.url.clone(), headers: Vec::new() };
    assert_eq!(nobody.call("GET", base, None, &[]), (401, "application/json".into(), json!({ "error": "Non authentifié" })));
    assert_eq!(nobody.call("GET", base, None, &["Accept-Language: en"]).2["error"], "Not authenticated");
    let short = home.ok(&["token", "create", "short", "--scope", "read", "--expires", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let over = Page { url: page.url.clone(), headers: vec![format!("Authorization: Bearer {}", short.trim())] };
    assert_eq!(over.call("GET", base, None, &[]).2, json!({ "error": "Session expirée" }));
}
