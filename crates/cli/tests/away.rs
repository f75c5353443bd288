//! What destinations do beside their usual story: several at a time, none in the home, full ones, encrypted kits, and
//! the clients of a receiver.

use backup_testkit::{DAV_USER, Dav, S3_KEY, Seaweed, Sshd, TestHome, is_root};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn home() -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    home
}

fn archives(home: &TestHome) -> Vec<Value> {
    let page: Value = serde_json::from_str(&home.ok(&["--json", "backups"])).expect("JSON");
    page["items"].as_array().expect("a list").clone()
}

fn places(archive: &Value) -> Vec<String> {
    let here = (archive["away"] == false).then(|| "local".to_owned());
    let copies = archive["copies"].as_array().expect("copies").iter();
    here.into_iter()
        .chain(
            copies.map(|c| format!("{} {}", c["destination"].as_str().expect("a name"), c["state"].as_str().expect("a state"))),
        )
        .collect()
}

fn disk(home: &TestHome, name: &str) -> String {
    let path = home.path().join(name);
    fs::create_dir(&path).expect("a folder");
    home.ok(&["destination", "add", name, "--url", &path.display().to_string()]);
    path.display().to_string()
}

#[test]
fn one_destination_that_fails_does_not_fail_the_others() {
    let home = home();
    let (a, b) = (disk(&home, "a"), disk(&home, "b"));
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--destination", "local,a,b"]);
    fs::rename(&a, format!("{a}-gone")).expect("unplugged");
    let said = home.run(&["run", "docs"]).code(3).all();
    assert!(said.contains("a: ") && said.contains("mount it, or make it"), "{said}");
    assert_eq!(places(&archives(&home)[0]), ["local", "a waiting", "b stored"]);
    assert!(!Path::new(&a).exists(), "the mount point is not filled");
    assert!(home.ok(&["destination", "list"]).contains("mount it, or make it"));
    // A restore passes over the one that is away.
    fs::remove_dir_all(home.path().join("backups/docs")).expect("removed");
    home.ok(&["rebuild", "--fix-missing"]);
    home.ok(&["restore", "docs", "--to", "back"]);
    let file = home.path().join("back").join(home.path().strip_prefix("/").expect("absolute")).join("documents/letter");
    assert_eq!(fs::read_to_string(file).expect("a file"), "dear all");
    assert!(fs::read_dir(format!("{b}/recovery")).expect("kits").count() >= 3);
    // What is deleted goes everywhere, as soon as that can be.
    home.run(&["destination", "delete", "a"]).code(1).says("sends to a");
}

#[test]
fn what_was_there_before_the_destination_goes_too() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental"]);
    for n in 0..3 {
        home.write("documents/letter", &format!("letter {n}"));
        home.ok(&["run", "docs"]);
    }
    disk(&home, "a");
    home.ok(&["edit", "docs", "--destination", "local,a"]);
    home.write("documents/other", "one more");
    home.ok(&["run", "docs"]);
    assert!(archives(&home).iter().all(|a| places(a) == ["local", "a stored"]), "{:?}", archives(&home));
    home.ok(&["restore", "docs", "--destination", "a", "--to", "back"]);
    let file = home.path().join("back").join(home.path().strip_prefix("/").expect("absolute")).join("documents/letter");
    assert_eq!(fs::read_to_string(file).expect("a file"), "letter 2");
}

#[test]
fn without_local_the_home_keeps_only_what_the_next_increment_needs() {
    let home = home();
    disk(&home, "a");
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--kind",
        "incremental",
        "--full-every",
        "2",
        "--destination",
        "a",
    ]);
    for n in 0..6 {
        home.write("documents/letter", &format!("letter {n}"));
        home.ok(&["run", "docs"]);
    }
    let list = archives(&home);
    assert_eq!(list.len(), 6, "{list:?}");
    assert!(list.iter().all(|a| places(a).contains(&"a stored".to_owned())), "{list:?}");
    let here = list.iter().filter(|a| a["away"] == false).count();
    assert!(here <= 2, "{here} archives are here");
    assert_eq!(fs::read_dir(home.path().join("backups/docs")).expect("a folder").count(), here * 3);
    // Any version comes back, with what it builds on.
    for (n, archive) in list.iter().rev().enumerate() {
        let to = format!("back-{n}");
        home.ok(&["restore", archive["id"].as_str().expect("an id"), "--to", &to]);
        let file = home.path().join(to).join(home.path().strip_prefix("/").expect("absolute")).join("documents/letter");
        assert_eq!(fs::read_to_string(file).expect("a file"), format!("letter {n}"));
    }
    home.ok(&["fetch", "docs", "--destination", "a", "--to", "fetched"]);
    let names = home.names("fetched");
    assert!(names.iter().all(|n| !n.starts_with('.')) && names.len().is_multiple_of(3), "{names:?}");
    let file = names.iter().find(|n| n.ends_with(".tar.gz")).expect("an archive");
    home.ok(&["verify", &format!("fetched/{file}"), "--deep"]);
    home.run(&["fetch", "docs", "--to", "fetched"]).code(1).says("is there already");
    // Retention there is its own.
    let text = home.read("schedules.toml").replace("[destinations.a]", "[destinations.a]\nkeep = { last = 1 }");
    home.write("schedules.toml", &text);
    let plan = home.ok(&["prune", "docs", "--dry-run"]);
    assert!(plan.contains("docs in a: 4 archives would be removed"), "{plan}");
    assert_eq!(archives(&home).len(), 6);
    let done = home.ok(&["prune", "docs"]);
    assert!(done.contains("docs in a: 4 archives were removed"), "{done}");
    assert_eq!(archives(&home).len(), 2, "the newest, and what it builds on");
    home.ok(&["run", "docs", "--kind", "full"]);
    assert_eq!(archives(&home).len(), 1, "{:?}", archives(&home));
}

/// A small file system, for as long as this lives.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).expect("a folder");
        let size = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).status().expect("mount runs");
        assert!(done.success());
        Self(at.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// An archive that is larger than there is room for at a destination; `files` is where its objects lie.
fn too_large(url: &str, args: &[&str], files: &Path, words: &str, megabytes: usize) {
    let home = home();
    home.ok(&[&["destination", "add", "small", "--url", url], args].concat());
    let mut seed = 5u64;
    let noise: Vec<u8> = (0..megabytes << 20)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u8
        })
        .collect();
    fs::write(home.path().join("documents/noise"), noise).expect("a file");
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--destination", "local,small"]);
    let said = home.run(&["run", "docs"]).code(3).all();
    assert!(said.contains("small: ") && said.contains(words), "{said}");
    assert_eq!(places(&archives(&home)[0]), ["local", "small waiting"]);
    assert!(home.run(&["check"]).all().contains("archives wait to be copied there"));
    let left: Vec<_> = fs::read_dir(files).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|n| n.to_string_lossy().starts_with('.')), "{left:?}");
    home.ok(&["restore", "docs", "--to", "back"]);
}

#[test]
fn a_full_destination_is_a_warning_and_nothing_half_counts() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let small = Small::mount(&folder.path().join("small"), "1M");
    too_large(&small.0.display().to_string(), &[], &small.0.join("docs"), "No space left", 3);

    let ssh = Sshd::start();
    let at = ssh.path("files").join("small");
    let _small = Small::mount(&at, "1M");
    let path = |name: &str| ssh.path(name).display().to_string();
    too_large(&ssh.url("small"), &["--identity", &path("key"), "--known-hosts", &path("known")], &at.join("docs"), "no room", 3);

    // Its volumes are read-only once the disk has no room for them.
    let data = Small::mount(&folder.path().join("s3"), "50M");
    if let Some(s3) = Seaweed::start_in(Some(&data.0)) {
        s3.make_bucket("small", false);
        let secret = folder.path().join("s3-secret");
        fs::write(&secret, S3_KEY[1]).expect("written");
        let args = ["--access-key", S3_KEY[0], "--secret-file", &secret.display().to_string()];
        too_large(&format!("s3://small?endpoint={}", s3.endpoint()), &args, Path::new("/nowhere"), "the server answered 5", 70);
    }

    let dav = Dav::start();
    let at = dav.files().join("small");
    let _small = Small::mount(&at, "1M");
    let secret = folder.path().join("secret");
    fs::write(&secret, DAV_USER[1]).expect("written");
    too_large(&dav.url("small"), &["--secret-file", &secret.display().to_string()], &at.join("docs"), "the server answered 5", 3);

    let vault = vault("quota = \"1MB\"\n");
    fs::write(&secret, vault.0.ok(&["token", "create", "web1", "--scope", "upload"])).expect("written");
    let files = vault.0.path().join("remote_backups/FULL/web1/docs");
    too_large(&format!("receiver+{}", vault.1), &["--secret-file", &secret.display().to_string()], &files, "keeps at most", 3);
}

/// A home that receives, and its address.
fn vault(settings: &str) -> (TestHome, String) {
    let vault = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    vault.write(
        "schedules.toml",
        &format!("version = 1\n[daemon]\nlisten = \"\"\n[receiver]\nlisten = \"127.0.0.1:0\"\n{settings}"),
    );
    vault.ok(&["start"]);
    let status = || -> Value { serde_json::from_str(&vault.ok(&["status", "--json"])).expect("JSON") };
    vault.wait_for("the receiver", || status()["receiver"].is_string());
    let url = status()["receiver"].as_str().expect("a URL").to_owned();
    (vault, url)
}

#[test]
fn an_encrypted_home_comes_back_with_its_passphrase_only() {
    let home = home();
    let url = disk(&home, "a");
    home.write("phrase", "correct horse battery staple\n");
    home.write("other", "another one\n");
    let phrase = home.path().join("phrase").display().to_string();
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--encrypt-passphrase-file",
        &phrase,
        "--destination",
        "local,a",
    ]);
    home.ok(&["run", "docs"]);
    let kits = home.names("a/recovery");
    assert!(kits.iter().any(|n| n.ends_with(".tar.gz.gpg")) && kits.iter().all(|n| !n.ends_with(".tar.gz")), "{kits:?}");
    let recover = |to: &str, args: &[&str]| home.run(&[&["--home", to, "recover", &url], args].concat());
    recover("new", &[]).code(1).says("passphrase");
    recover("new", &["--passphrase-file", "other"]).code(1);
    assert!(!home.path().join("new/schedules.toml").exists(), "a failure leaves no home");
    let said = recover("new", &["--passphrase-file", "phrase"]).all();
    assert!(said.contains("as of") && said.contains("1 schedule, "), "{said}");
    home.ok(&["--home", "new", "restore", "docs", "--to", "back"]);
    let file = home.path().join("back").join(home.path().strip_prefix("/").expect("absolute")).join("documents/letter");
    assert_eq!(fs::read_to_string(file).expect("a file"), "dear all");
    // Where there is no kit, that is what is said.
    fs::create_dir(home.path().join("empty")).expect("a folder");
    let empty = home.path().join("empty").display().to_string();
    home.run(&["--home", "newer", "recover", &empty]).code(5).says("there is no recovery kit");
}

#[test]
fn a_lost_database_comes_back_from_a_destination() {
    let home = home();
    let sql = |file: &str, text: &str| {
        let done = Command::new("sqlite3").arg(home.path().join(file)).arg(text).output().expect("sqlite3 runs");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    sql("app.db", "CREATE TABLE letters (text); INSERT INTO letters VALUES ('dear'), ('all');");
    let url = disk(&home, "a");
    home.ok(&["database", "add", "app", "--url", &format!("sqlite://{}/app.db", home.path().display())]);
    home.ok(&["create", "app", "--database", "app", "--manual", "--destination", "local,a"]);
    home.ok(&["run", "app"]);
    home.ok(&["--home", "new", "recover", &url]);
    let fetched = home.ok(&["--home", "new", "fetch", "app", "--to", "fetched"]);
    let file = fetched.lines().next().and_then(|l| l.split(' ').nth(1)).expect("a path").to_owned();
    home.ok(&["--home", "new", "restore", &file, "--into", &format!("sqlite://{}/back.db", home.path().display())]);
    assert_eq!(sql("back.db", "SELECT COUNT(*) FROM letters"), "2");
}

#[test]
fn archives_are_pushed_to_a_receiver_and_compared() {
    let (vault, url) = vault("");
    let mut home = home();
    home.env("SERVER_URL", &url);
    home.env("BACKUP_TOKEN", vault.ok(&["token", "create", "web1", "--scope", "upload"]).trim());
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental"]);
    for n in 0..3 {
        home.write("documents/letter", &format!("letter {n}"));
        home.ok(&["run", "docs"]);
    }
    // The home's own layout: the newest first, then all.
    let said = home.ok(&["push", "docs"]);
    assert!(said.starts_with("INC docs/inc_") && said.contains(": sent ("), "{said}");
    let compared = home.run(&["compare"]).code(3).out;
    assert!(
        compared.contains("synced: 1") && compared.contains("missing on remote: 2") && compared.contains("  FULL full_"),
        "{compared}"
    );
    let said = home.ok(&["push", "docs", "--all"]);
    assert_eq!((said.matches(": sent (").count(), said.matches(": there already (").count()), (2, 1), "{said}");
    let compared = home.ok(&["compare", "--stats"]);
    assert!(compared.contains("synced: 3") && compared.contains("remote: 3 archives"), "{compared}");
    assert!(vault.names("remote_backups/INC/web1/docs").iter().any(|n| n.ends_with(".idx")));
    home.run(&["push", "nothing"]).code(1).says("there is no archive of nothing");
    // S1's layout.
    home.write("s1/FULL/one.txt", "no archive");
    let root = home.path().to_owned();
    let tar = |to: &str| {
        let to = root.join(to);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        let done = Command::new("tar").arg("-czf").arg(&to).arg("-C").arg(&root).arg("documents").status();
        assert!(done.expect("tar runs").success());
    };
    tar("s1/FULL/document_1.tar.gz");
    tar("s1/INC/document/document_2.tar.gz");
    home.env("BACKUP_DIR", &home.path().join("s1").display().to_string());
    let said = home.ok(&["push", "document", "--all"]);
    assert!(
        said.contains("FULL document/document_1.tar.gz: sent") && said.contains("INC document/document_2.tar.gz: sent"),
        "{said}"
    );
    let compared: Value = serde_json::from_str(&home.ok(&["--json", "compare"])).expect("JSON");
    assert_eq!((&compared["summary"]["synced"], &compared["summary"]["extra_remote"]), (&2.into(), &3.into()), "{compared}");
    // A file, whatever its folder; and what is no archive.
    tar("loose_3.tar.gz");
    assert!(home.ok(&["push", "./loose_3.tar.gz"]).contains("FULL default/loose_3.tar.gz: sent"));
    home.run(&["push", "./documents/letter"]).code(2).says("has no name of an archive");
    home.env("BACKUP_TOKEN", "bkp_x_y");
    home.run(&["compare"]).code(1).says("unknown");
}
