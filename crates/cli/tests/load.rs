//! Two hundred clients at a time while backups run: every answer is right, and the daemon does not grow.

use backup_testkit::TestHome;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

const CLIENTS: usize = 200;
const ASKED: usize = 20;

/// One client: asks again and again on one connection. Answers what was not 200.
fn client(address: &str, token: &str, n: usize) -> Vec<String> {
    let paths =
        ["/api/v1/schedules", "/api/v1/runs?limit=20", "/api/v1/archives?limit=20", "/api/v1/stats", "/metrics", "/readyz"];
    let mut wrong = Vec::new();
    let stream = TcpStream::connect(address).expect("a connection");
    let mut reader = BufReader::new(stream);
    for m in 0..ASKED {
        let path = paths[(n + m) % paths.len()];
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        reader.get_mut().write_all(request.as_bytes()).expect("sent");
        let (mut first, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).expect("a line") == 0 || line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
            if first.is_empty() {
                first = line;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        if !first.starts_with("HTTP/1.1 200") {
            wrong.push(format!("{path}: {first} {}", String::from_utf8_lossy(&body)));
        }
    }
    wrong
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("proc");
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn two_hundred_clients_while_backups_run() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    for n in 0..200 {
        home.write(&format!("documents/{n}"), &"dear all\n".repeat(n));
    }
    home.write(
        "schedules.toml",
        "version = 1\n[daemon]\nlisten = \"127.0.0.1:0\"\n[defaults]\nkeep = { last = 5 }\n[[schedule]]\nname = \"docs\"\nsource = [\"documents\"]\nmanual = true\n",
    );
    home.ok(&["start"]);
    home.wait_for("the address", || home.ok(&["status", "--json"]).contains("\"web\":\"http"));
    let status: Value = serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON");
    let address = status["web"].as_str().expect("a URL").trim_start_matches("http://").to_owned();
    let token = home.ok(&["token", "create", "load", "--scope", "read"]).trim().to_owned();
    let over = AtomicBool::new(false);
    let (first, last) = std::thread::scope(|scope| {
        // However the clients end, the backups end too.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                home.ok(&["run", "docs"]);
            }
        });
        let _end = End(&over);
        let mut sizes = Vec::new();
        for _ in 0..5 {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|n| {
                    scope.spawn({
                        let (a, t) = (&address, &token);
                        move || client(a, t, n)
                    })
                })
                .collect();
            let wrong: Vec<String> = clients.into_iter().flat_map(|c| c.join().expect("a client")).collect();
            assert!(wrong.is_empty(), "{} of {} were wrong, the first: {}", wrong.len(), CLIENTS * ASKED, wrong[0]);
            sizes.push(resident(home.pid()));
        }
        // The first round fills pools and caches; what grows on and on shows in the others.
        (sizes[1], sizes[4])
    });
    assert!(last < first + 8_000, "the daemon grew from {first} kB to {last} kB");
    let history: Value = serde_json::from_str(&home.ok(&["history", "--status", "failed", "--json"])).expect("JSON");
    assert_eq!(history["total"], 0);
}
