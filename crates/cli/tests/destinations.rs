//! The same story on every kind of destination: backed up, listed, verified, restored whole and in part, cut off, away
//! for a while, refused, full, pruned; then the home is lost and comes back from there alone.

use backup_testkit::{DAV_USER, Dav, S3_KEY, Seaweed, Sshd, TestHome, describe, make_certificates};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A server that can go and come.
trait Server {
    fn stop(&mut self);
    fn begin(&mut self);
}

macro_rules! server {
    ($($kind:ty),*) => { $(impl Server for $kind {
        fn stop(&mut self) { self.stop(); }
        fn begin(&mut self) { self.begin(); }
    })* };
}
server!(Seaweed, Sshd, Dav);

/// A folder that goes and comes, as a disk that is unplugged.
struct Disk(tempfile::TempDir);

impl Disk {
    fn paths(&self) -> [std::path::PathBuf; 2] {
        [self.0.path().join("disk"), self.0.path().join("unplugged")]
    }
}

impl Server for Disk {
    fn stop(&mut self) {
        let [here, gone] = self.paths();
        fs::rename(here, gone).expect("unplugged");
    }
    fn begin(&mut self) {
        let [here, gone] = self.paths();
        fs::rename(gone, here).expect("plugged in");
    }
}

/// Another home that receives.
struct Vault {
    home: TestHome,
    port: u16,
}

impl Vault {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
        make_certificates(home.path());
        let file = |name: &str| home.path().join(name).display().to_string();
        home.write(
            "schedules.toml",
            &format!(
                "version = 1\n[daemon]\nlisten = \"\"\n[receiver]\nlisten = \"127.0.0.1:{port}\"\nkeep = {{ last = 2 }}\ntls = {{ cert = {:?}, key = {:?} }}\n",
                file("cert.pem"),
                file("key.pem")
            ),
        );
        let mut vault = Self { home, port };
        vault.begin();
        vault
    }
}

impl Server for Vault {
    fn stop(&mut self) {
        self.home.ok(&["stop", "--now"]);
    }
    fn begin(&mut self) {
        self.home.ok(&["start"]);
        self.home.wait_for("the receiver", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

/// How a destination is added, and how a home is recovered from it.
struct Place<'a> {
    server: &'a mut dyn Server,
    /// Arguments of `destination add there` and of `recover`.
    args: Vec<String>,
    url: String,
    /// Arguments that are wrong, and the word that says so; none where there is nothing to be wrong.
    wrong: Option<(Vec<String>, &'static str)>,
    /// What must be seen nowhere.
    secret: Option<String>,
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}

fn refs<'a>(first: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    (0..length)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        })
        .collect()
}

fn archives(home: &TestHome) -> Vec<Value> {
    let page: Value = serde_json::from_str(&home.ok(&["--json", "backups", "docs"])).expect("JSON");
    page["items"].as_array().expect("a list").clone()
}

fn same(a: &Path, b: &Path) {
    assert_eq!(describe(a), describe(b), "{} and {}", a.display(), b.display());
}

#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn story(place: Place<'_>) {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    let root = home.path();
    home.write("documents/letters/first", "dear all");
    home.write("documents/note", "milk");
    fs::write(root.join("documents/noise"), noise(20 << 20, 3)).expect("a file");
    let add = |name: &str, args: &[String]| home.run(&refs(&["destination", "add", name, "--url", &place.url], args));
    add("there", &place.args).code(0);
    let test = home.ok(&["destination", "test", "there"]);
    assert!(test.contains("there can hold copies"), "{test}");
    if let Some((args, word)) = &place.wrong {
        add("wrong", args).code(0);
        let said = home.run(&["destination", "test", "wrong"]).code(1).all();
        assert!(said.contains(word), "{said}");
        home.ok(&["destination", "delete", "wrong"]);
    }
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--kind",
        "incremental",
        "--keep-last",
        "2",
        "--destination",
        "local,there",
    ]);
    home.run(&["destination", "delete", "there"]).code(1).says("the schedule docs sends to there");
    let run = home.ok(&["run", "docs"]);
    assert!(run.contains("completed"), "{run}");
    let state = |copies: &Value| copies[0]["state"].as_str().map(str::to_owned);
    assert_eq!(state(&archives(&home)[0]["copies"]).as_deref(), Some("stored"), "{:?}", archives(&home));
    let first = root.join("first");
    home.ok(&["restore", "docs", "--to", "first", "--destination", "there"]);
    same(&root.join("documents"), &first.join(root.join("documents").strip_prefix("/").expect("absolute")));

    // An increment, and one file out of it: only its members are fetched.
    home.write("documents/note", "milk and bread");
    home.ok(&["run", "docs"]);
    let path = root.join("documents/letters/first");
    let path = path.strip_prefix("/").expect("absolute").display().to_string();
    let done = home.ok(&["--json", "restore", "docs", "--to", "one", "--path", &path, "--destination", "there"]);
    assert_eq!(fs::read_to_string(root.join("one").join(&path)).expect("a file"), "dear all");
    let last: Value = serde_json::from_str(done.lines().last().expect("a line")).expect("JSON");
    let fetched = last["run"]["notes"].as_array().expect("notes").iter().find_map(|n| {
        let text = n["text"].as_str()?.strip_prefix("fetched ")?.to_owned();
        Some(text)
    });
    let fetched = fetched.expect("what was fetched is said");
    // One member of 1 MiB and what lies beside the archives, out of 20 MB.
    assert!(fetched.contains(" KB of") || fetched.starts_with("1.") || fetched.starts_with("2."), "{fetched}");
    home.ok(&["verify", "docs@latest", "--deep", "--destination", "there"]);
    let list = home.ok(&["destination", "list"]);
    assert!(list.contains("there") && list.contains("docs"), "{list}");

    // Away for a while: the backup is made all the same, says so, and its copy is sent later, by a daemon too.
    place.server.stop();
    home.write("documents/note", "milk, bread and salt");
    let said = home.run(&["run", "docs"]).code(3).all();
    assert!(said.contains("was not copied there") && said.contains("tried again later"), "{said}");
    assert_eq!(state(&archives(&home)[0]["copies"]).as_deref(), Some("waiting"));
    // What waits is not pruned here, whatever the rules say.
    let plan = home.ok(&["--json", "prune", "docs", "--dry-run"]);
    assert!(!plan.contains("\"kept\":false"), "{plan}");
    // A daemon that starts while it is still away tries, and waits; it is there again with the next run.
    home.ok(&["start"]);
    place.server.begin();
    home.write("documents/more", "and more");
    let said = home.ok(&["run", "docs"]);
    assert!(said.contains("completed"), "{said}");
    home.wait_for("the copy that waited", || archives(&home).iter().all(|a| state(&a["copies"]).as_deref() == Some("stored")));
    home.ok(&["stop"]);

    // Retention: each place by its own rules; a chain that is needed stays.
    for n in 0..3 {
        home.write("documents/note", &format!("day {n}"));
        home.ok(&["run", "docs", "--kind", "full"]);
    }
    let left = archives(&home);
    let here = left.iter().filter(|a| a["away"] == false).count();
    let there = left.iter().filter(|a| state(&a["copies"]).as_deref() == Some("stored")).count();
    assert_eq!(here, 2, "{left:?}");
    // The receiver keeps two by its own rules, and is asked what it has.
    assert_eq!(there, 2, "{left:?}");
    home.ok(&["pin", left[0]["id"].as_str().expect("an id")]);
    home.ok(&["run", "docs", "--kind", "full"]);
    let before_history = home.ok(&["history", "docs"]);
    let before_list: Value = serde_json::from_str(&home.ok(&["--json", "list"])).expect("JSON");

    if let Some(secret) = &place.secret {
        let logs = home.names("logs").into_iter().map(|n| home.read(&format!("logs/{n}")));
        let said =
            [&["export"][..], &["--json", "destination", "list"], &["--json", "history"], &["--json", "list"], &["show", "docs"]];
        let seen: Vec<String> = said.iter().map(|args| home.ok(args)).chain(logs).chain([home.read("schedules.toml")]).collect();
        assert!(seen.iter().all(|text| !text.contains(secret.as_str())), "a secret is to be seen");
    }

    // The home is lost.
    let saved = tempfile::tempdir().expect("a folder");
    same_copy(&root.join("documents"), &saved.path().join("documents"));
    let keep: Vec<String> = place.args.clone();
    for name in [
        "backups",
        "state",
        "logs",
        "schedules.toml",
        "catalogue.db",
        "catalogue.db-wal",
        "catalogue.db-shm",
        "secrets",
        "documents",
    ] {
        let path = root.join(name);
        let _ = fs::remove_dir_all(&path);
        let _ = fs::remove_file(&path);
    }
    let said = home.run(&refs(&["--home", ".", "recover", &place.url], &keep)).all();
    assert!(said.contains("as of") && said.contains("1 schedule, "), "{said}");
    home.run(&refs(&["--home", ".", "recover", &place.url], &keep)).code(1).says("is a home already");
    assert_eq!(home.ok(&["history", "docs"]), before_history);
    let after_list: Value = serde_json::from_str(&home.ok(&["--json", "list"])).expect("JSON");
    for key in ["name", "last_status", "last_run", "trigger"] {
        assert_eq!(after_list["items"][0][key], before_list["items"][0][key], "{key}");
    }
    let back = archives(&home);
    assert!(back.len() >= 2 && back.iter().all(|a| a["away"] == true), "{back:?}");
    assert!(back.iter().any(|a| a["pinned"] == true), "{back:?}");
    let backups = home.ok(&["backups"]);
    assert!(backups.contains("there"), "{backups}");
    let listed = home.ok(&["browse", "docs", path.rsplit_once('/').expect("a folder").0]);
    assert!(listed.contains("first"), "{listed}");
    assert_eq!(home.ok(&["restore", "docs", "--stdout", &path]), "dear all");
    home.ok(&["restore", "docs", "--to", "again"]);
    let restored = root.join("again").join(root.join("documents").strip_prefix("/").expect("absolute"));
    same(&saved.path().join("documents"), &restored);
    // And it goes on: the next run makes a new full archive, and copies it.
    same_copy(&saved.path().join("documents"), &root.join("documents"));
    let said = home.ok(&["run", "docs"]);
    assert!(said.contains("completed"), "{said}");
}

fn same_copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(done.success());
}

#[test]
fn a_folder() {
    let mut disk = Disk(tempfile::tempdir().expect("a folder"));
    let [here, _] = disk.paths();
    fs::create_dir(&here).expect("a folder");
    let url = here.display().to_string();
    story(Place { server: &mut disk, args: Vec::new(), url, wrong: None, secret: None });
}

#[test]
fn s3() {
    let Some(mut server) = Seaweed::start() else { return };
    server.make_bucket("backups", false);
    let url = format!("s3://backups/of/web1?endpoint={}", server.endpoint());
    let secrets = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let with = |secret: String| words(&["--access-key", S3_KEY[0], "--secret-file", &secret]);
    story(Place {
        server: &mut server,
        args: with(file("right", S3_KEY[1])),
        url,
        wrong: Some((with(file("wrong", "another")), "SignatureDoesNotMatch")),
        secret: Some(S3_KEY[1].to_owned()),
    });
}

#[test]
fn sftp() {
    let mut server = Sshd::start();
    let url = server.url("of/web1");
    fs::create_dir(server.path("files").join("of")).expect("a folder");
    let path = |name: &str| server.path(name).display().to_string();
    let with = |key: &str| words(&["--identity", &path(key), "--known-hosts", &path("known")]);
    let (args, wrong) = (with("key"), with("other"));
    story(Place { server: &mut server, args, url, wrong: Some((wrong, "Permission denied")), secret: None });
}

#[test]
fn webdav() {
    let mut server = Dav::start();
    fs::create_dir(server.files().join("web1")).expect("a folder");
    let url = server.url("web1");
    let secrets = tempfile::tempdir().expect("a folder");
    for (name, text) in [("right", DAV_USER[1]), ("wrong", "another")] {
        fs::write(secrets.path().join(name), text).expect("written");
    }
    let with = |name: &str| words(&["--secret-file", &secrets.path().join(name).display().to_string()]);
    let (args, wrong) = (with("right"), with("wrong"));
    story(Place { server: &mut server, args, url, wrong: Some((wrong, "401")), secret: Some(DAV_USER[1].to_owned()) });
}

#[test]
fn the_receiver() {
    let mut vault = Vault::start();
    let url = format!("receiver+https://localhost:{}", vault.port);
    let secrets = tempfile::tempdir().expect("a folder");
    let token = |name: &str, args: &[&str]| {
        let text = vault.home.ok(&[&["token", "create"], args].concat());
        fs::write(secrets.path().join(name), text).expect("written");
    };
    token("send", &["web1", "--scope", "upload"]);
    token("read", &["web1-back", "--scope", "read", "--machine", "web1"]);
    fs::write(secrets.path().join("wrong"), "bkp_a_b").expect("written");
    let secret = Some(fs::read_to_string(secrets.path().join("send")).expect("a token").trim().to_owned());
    let path = |name: &str| secrets.path().join(name).display().to_string();
    let ca = vault.home.path().join("ca.pem").display().to_string();
    let args = words(&["--secret-file", &path("send"), "--read-token-file", &path("read"), "--ca", &ca]);
    let wrong = words(&["--secret-file", &path("wrong"), "--ca", &ca]);
    story(Place { server: &mut vault, args, url, wrong: Some((wrong, "unknown")), secret });
}
