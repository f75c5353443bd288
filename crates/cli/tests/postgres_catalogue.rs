//! The command line, the daemon and the API with a catalogue on a real PostgreSQL.

use backup_testkit::{Postgres, TestHome};
use serde_json::Value;
use std::process::Command;

fn home(server: &Postgres, password: &str) -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    home.write("password", &format!("{password}\n"));
    home.write(
        "schedules.toml",
        &format!(
            "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\ncatalogue = \"postgres://backup@localhost/catalogue?host={}\"\ncatalogue_password = {{ file = \"password\" }}\n\n[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\nkind = \"incremental\"\nkeep = {{ last = 3 }}\n\n[[schedule]]\nname = \"gone\"\nsource = [\"gone\"]\nmanual = true\n",
            server.socket().display()
        ),
    );
    home
}

#[test]
fn everything_works_on_postgresql() {
    let server = Postgres::debian();
    let _ = server.sql("postgres", "CREATE ROLE backup LOGIN PASSWORD 'a\"b\\c#d e'; CREATE DATABASE catalogue OWNER backup");
    let home = home(&server, "a\"b\\c#d e");
    for _ in 0..5 {
        home.ok(&["run", "docs"]);
        home.write("documents/letter", &"dear all ".repeat(home.names("backups/docs").len()));
    }
    home.run(&["run", "gone"]).code(1).says("nothing was backed up");
    assert!(!home.path().join("catalogue.db").exists(), "no other catalogue is begun");
    let total = |args: &[&str]| -> u64 {
        let page: Value = serde_json::from_str(&home.ok(&[args, &["--json"]].concat())).expect("JSON");
        page["total"].as_u64().expect("a total")
    };
    assert_eq!(total(&["history", "--operation", "backup"]), 6);
    assert_eq!(total(&["history", "--status", "failed"]), 1);
    assert_eq!(total(&["history", "--text", "nothing was BACKED up"]), 1);
    assert_eq!(total(&["alerts"]), 1);
    let kept = total(&["backups", "docs"]);
    assert!((3..=5).contains(&kept), "{kept}");
    let stats: Value = serde_json::from_str(&home.ok(&["stats", "--json"])).expect("JSON");
    assert_eq!((stats["total"]["count"].as_u64(), stats["total"]["failed"].as_u64()), (Some(6), Some(1)));
    home.ok(&["verify", "docs", "--deep"]);
    home.ok(&["drill", "docs"]);
    assert!(home.ok(&["find", "letter"]).contains("letter"));
    assert!(home.ok(&["audit", "verify"]).contains("all as they were written"));
    let states: Value = serde_json::from_str(&home.ok(&["list", "--json"])).expect("JSON");
    assert!(states["items"][0]["proven"]["at"].is_string(), "{states}");

    home.ok(&["start"]);
    home.wait_for("the address", || home.ok(&["status", "--json"]).contains("\"web\":\"http"));
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON");
    let token = home.ok(&["token", "create", "mon", "--scope", "read"]);
    let curl = |path: &str| {
        let header = format!("Authorization: Bearer {}", token.trim());
        let out = Command::new("curl")
            .args(["-s", "-H", &header])
            .arg(format!("{}{path}", status["web"].as_str().expect("a URL")))
            .output();
        String::from_utf8_lossy(&out.expect("curl runs").stdout).into_owned()
    };
    home.ok(&["run", "docs"]);
    let page: Value = serde_json::from_str(&curl("/api/v1/runs?operation=backup&sort=-stored&limit=2")).expect("JSON");
    assert_eq!((page["total"].as_u64(), page["items"].as_array().map(Vec::len)), (Some(7), Some(2)));
    assert!(curl("/metrics").contains("backupd_runs_total{operation=\"backup\",status=\"completed\"} 6"));
    assert_eq!(curl("/readyz"), "ok\n");
    // The archives are the truth here too: a lost catalogue is made again.
    home.ok(&["stop"]);
    let _ = server.sql("postgres", "DROP DATABASE catalogue");
    let _ = server.sql("postgres", "CREATE DATABASE catalogue OWNER backup");
    home.ok(&["verify", "--all"]);
    assert_eq!(total(&["backups", "docs"]), home.names("backups/docs").iter().filter(|n| n.ends_with(".tar.gz")).count() as u64);
    let log = home.read("logs/backupd.log") + &home.read("logs/backupctl.log");
    assert!(!log.contains("a\"b"), "no password");
}

#[test]
fn a_server_that_cannot_be_reached_is_said() {
    let server = Postgres::debian();
    let _ = server.sql("postgres", "CREATE ROLE backup LOGIN PASSWORD 'right'; CREATE DATABASE catalogue OWNER backup");
    let wrong = home(&server, "wr0ng");
    let said = wrong.run(&["list"]).code(1);
    assert!(
        said.err.contains("cannot open the catalogue postgres://backup@localhost/catalogue") && !said.err.contains("wr0ng"),
        "{}",
        said.err
    );
    let text = wrong.read("schedules.toml");
    wrong.write("schedules.toml", &text.replace("postgres://backup@localhost/catalogue?", "postgres://backup@localhost/other?"));
    wrong.run(&["start"]).code(1).says("cannot open the catalogue");
    // Where the history is must not be guessed.
    wrong.write("schedules.toml", &text.replace("version = 1", "version = 1\nnonsense"));
    wrong.run(&["history"]).code(2).says("mend it first");
    assert!(!wrong.path().join("catalogue.db").exists());
}
