//! Archives to trust for years, as their users meet them: chains, encryption, trials, searches, hooks.

use backup_testkit::{TestHome, describe};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn home() -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    for n in 0..20 {
        home.write(&format!("documents/sub {n}/letter {n}.txt"), &format!("letter {n}\n").repeat(200 * (n + 1)));
    }
    home
}

/// Waits until the kernel's clock of files has gone on.
fn tick() {
    std::thread::sleep(std::time::Duration::from_millis(25));
}

fn json(home: &TestHome, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&home.ok(&args)).expect("JSON")
}

fn kinds(home: &TestHome) -> Vec<String> {
    let page = json(home, &["backups"]);
    page["items"].as_array().expect("items").iter().map(|a| a["kind"].as_str().expect("a kind").to_owned()).collect()
}

fn archives(home: &TestHome, suffix: &str) -> Vec<PathBuf> {
    let folder = home.path().join("backups/docs");
    home.names("backups/docs").into_iter().filter(|n| n.ends_with(suffix)).map(|n| folder.join(n)).collect()
}

fn inside(home: &TestHome, target: &str) -> PathBuf {
    let path = home.path().join("documents");
    home.path().join(target).join(path.strip_prefix("/").expect("absolute"))
}

#[test]
fn chains_from_the_first_full_to_a_consolidated_one() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental", "--full-every", "4"]);
    let mut trees = Vec::new();
    for n in 0..4 {
        tick();
        home.write("documents/sub 1/letter 1.txt", &format!("changed {n}"));
        if n == 2 {
            fs::remove_dir_all(home.path().join("documents/sub 3")).expect("removed");
        }
        tick();
        home.ok(&["run", "docs"]);
        trees.push(describe(&home.path().join("documents")));
    }
    assert_eq!(kinds(&home), ["incremental", "incremental", "incremental", "full"]);
    let out = home.ok(&["run", "docs"]);
    assert!(out.contains("a full archive, because the schedule wants one every 4 archives"), "{out}");
    home.ok(&["run", "docs", "--kind", "differential"]);
    assert_eq!(kinds(&home)[..2], ["differential", "full"]);
    // Any version, by its id.
    let page = json(&home, &["backups"]);
    for (n, tree) in trees.iter().enumerate() {
        let id = page["items"][5 - n]["id"].as_str().expect("an id");
        let target = format!("restored {n}");
        home.ok(&["restore", id, "--to", &target]);
        assert_eq!(*tree, describe(&inside(&home, &target)), "version {n}");
    }
    // The file name alone does, with nothing but the archives: no home, no catalogue.
    let increment = archives(&home, ".tar.gz").into_iter().find(|p| p.display().to_string().contains("inc_")).expect("one");
    let folder = tempfile::tempdir().expect("a folder");
    for path in archives(&home, "") {
        fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    let copy = folder.path().join(increment.file_name().expect("a name"));
    home.ok(&["--home", "/nonexistent", "restore", &copy.display().to_string(), "--to", "from copies"]);
    home.ok(&["verify", "docs", "--deep"]);
    let said = home.ok(&["consolidate", "docs"]);
    assert!(said.contains("consolidate completed"), "{said}");
    assert_eq!(kinds(&home)[0], "full");
    home.run(&["consolidate", "docs"]).code(1).says("is full already");
    home.ok(&["restore", "docs", "--to", "from consolidated"]);
    assert_eq!(describe(&home.path().join("documents")), describe(&inside(&home, "from consolidated")));
}

#[test]
fn full_archives_can_be_made_of_chains_only() {
    let home = home();
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
        "--consolidate",
        "--keep-last",
        "1",
    ]);
    for n in 0..5 {
        home.write("documents/sub 1/letter 1.txt", &format!("changed {n}"));
        tick();
        home.ok(&["run", "docs"]);
    }
    // What the newest builds on stays, the rest has gone.
    let kinds = kinds(&home);
    assert!(kinds.len() <= 2 && kinds.last().map(String::as_str) == Some("full"), "{kinds:?}");
    home.ok(&["restore", "docs", "--to", "restored"]);
    assert_eq!(describe(&home.path().join("documents")), describe(&inside(&home, "restored")));
}

#[test]
fn encrypted_with_a_passphrase_from_a_file() {
    let home = home();
    home.write("pass.txt", "correct horse battery\n");
    home.write("other.txt", "another one\n");
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--kind",
        "incremental",
        "--encrypt-passphrase-file",
        "pass.txt",
    ]);
    home.ok(&["run", "docs"]);
    home.write("documents/letter to nobody.txt", "new");
    tick();
    home.ok(&["run", "docs"]);
    assert_eq!(kinds(&home), ["incremental", "full"]);
    assert_eq!(json(&home, &["backups"])["items"][0]["encrypted"], true);
    home.ok(&["restore", "docs", "--to", "restored"]);
    assert_eq!(describe(&home.path().join("documents")), describe(&inside(&home, "restored")));
    assert!(home.ok(&["find", "nobody"]).contains("letter to nobody.txt"));
    assert!(home.ok(&["drill", "docs"]).contains("came out exactly"));
    // As a file elsewhere, with the passphrase given or not.
    let increment = archives(&home, ".gpg").into_iter().find(|p| p.display().to_string().contains("inc_")).expect("one");
    let file = increment.display().to_string();
    let elsewhere = ["--home", "/nonexistent"];
    let restore = |args: &[&str]| home.run(&[&elsewhere[..], &["restore", &file, "--to", "elsewhere"], args].concat());
    restore(&[]).code(1).says("there is no key here that opens it");
    restore(&["--passphrase-file", "other.txt"]).code(1).says("are others");
    assert!(!home.path().join("elsewhere").exists() || describe(&home.path().join("elsewhere")).is_empty());
    assert_eq!(restore(&["--passphrase-file", "pass.txt"]).code, 0);
    home.ok(&["key", "check", &file, "--passphrase-file", "pass.txt"]);
    home.run(&["key", "check", &file, "--passphrase-file", "other.txt"]).code(1).says("are others");
    // The secret is nowhere.
    for name in ["schedules.toml", "logs/backupctl.log"] {
        assert!(!home.read(name).contains("correct horse"), "{name}");
    }
    assert!(!home.ok(&["show", "docs", "--json"]).contains("correct horse"));
    // A secret that is not there fails the run in plain words.
    fs::remove_file(home.path().join("pass.txt")).expect("removed");
    home.run(&["run", "docs"]).code(1).says("cannot be read");
}

#[test]
fn encrypted_to_a_key_that_is_not_here() {
    let home = home();
    home.ok(&["key", "new", "--out", "ops", "--name", "Ops"]);
    home.run(&["key", "new", "--out", "ops"]).code(1).says("nothing was overwritten");
    assert!(home.ok(&["key", "show", "ops.pub.asc"]).contains("public key"));
    assert!(home.ok(&["key", "show", "ops.key.asc"]).contains("private key"));
    let sheet = home.read("ops.sheet.txt");
    assert!(sheet.contains("PRIVATE KEY BLOCK") && sheet.contains("gpg --import"), "{sheet}");
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental", "--encrypt-to", "ops.pub.asc"]);
    home.ok(&["run", "docs"]);
    home.write("documents/letter to nobody.txt", "new");
    tick();
    home.ok(&["run", "docs"]);
    assert_eq!(kinds(&home), ["incremental", "full"], "by the index that stays here");
    assert!(home.ok(&["find", "nobody"]).contains("letter to nobody.txt"));
    assert!(
        home.ok(&["browse", "docs", inside(&home, "").strip_prefix(home.path()).expect("inside").to_str().expect("text")])
            .contains("letter to nobody")
    );
    // What needs the key is inconclusive, never passed and never damaged.
    home.run(&["drill", "docs"]).code(1).says("inconclusive: no key here");
    home.run(&["verify", "docs", "--deep"]).code(1).says("inconclusive: no key here");
    home.run(&["verify", "docs"]).code(0);
    assert!(home.ok(&["alerts"]).contains("there are no alerts"));
    home.run(&["restore", "docs", "--to", "restored"]).code(1).says("no key here");
    home.ok(&["restore", "docs", "--to", "restored", "--key", "ops.key.asc"]);
    assert_eq!(describe(&home.path().join("documents")), describe(&inside(&home, "restored")));
}

#[test]
fn trials_prove_and_withdraw_the_mark() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--compression", "none"]);
    home.ok(&["run", "docs"]);
    assert!(home.ok(&["list"]).contains("never"), "not proven yet");
    home.ok(&["drill", "docs", "--sample", "20"]);
    home.ok(&["drill", "docs"]);
    assert!(json(&home, &["show", "docs"])["proven"]["at"].is_string());
    assert!(home.names("state").iter().all(|n| !n.starts_with("drill-")), "nothing of the trial stays");
    // A byte of a file's contents is another, in the archive.
    let archive = archives(&home, ".tar").pop().expect("one");
    let mut bytes = fs::read(&archive).expect("bytes");
    let at = bytes.windows(9).position(|w| w == b"letter 7\n").expect("a letter");
    bytes[at] = b'L';
    fs::write(&archive, bytes).expect("damaged");
    home.run(&["drill", "docs"]).code(1).says("letter 7.txt");
    assert!(json(&home, &["show", "docs"])["proven"].is_null());
    assert!(home.ok(&["list"]).contains("FAILED"));
    let alerts = home.ok(&["alerts"]);
    assert!(alerts.contains("drill_failed") && alerts.contains("run docs --kind full"), "{alerts}");
    // What is not touched comes back, and what is touched only if asked for in spite of it.
    let top = home.path().join("documents").display().to_string();
    home.ok(&["restore", "docs", "--to", "part", "--path", &format!("{top}/sub 3")]);
    home.run(&["restore", "docs", "--to", "whole"]).code(1).says("letter 7.txt");
    home.run(&["restore", "docs", "--to", "most", "--skip-damaged"]).code(3);
    assert_eq!(fs::read_dir(inside(&home, "most")).expect("a folder").count(), 20);
    assert!(!inside(&home, "most").join("sub 7/letter 7.txt").exists());
}

#[test]
fn scrubs_go_on_where_they_were() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--compression", "none"]);
    for _ in 0..4 {
        home.ok(&["run", "docs"]);
    }
    let checked = |home: &TestHome| {
        let page = json(home, &["backups"]);
        page["items"].as_array().expect("items").iter().filter(|a| a["verified"]["deep"] == true).count()
    };
    for wanted in 1..=4 {
        assert!(home.ok(&["scrub", "docs", "--percent", "20"]).contains("1 archives"));
        assert_eq!(checked(&home), wanted);
    }
    assert!(home.ok(&["scrub", "--time-limit", "0s"]).contains("are left for the next time"));
    let archive = archives(&home, ".tar").remove(2);
    let file = fs::File::options().write(true).open(&archive).expect("an archive");
    file.set_len(fs::metadata(&archive).expect("metadata").len() - 600).expect("cut");
    home.run(&["scrub", "docs"]).code(1).says(&archive.display().to_string());
    assert!(home.ok(&["alerts"]).contains("damaged"));
    assert!(home.ok(&["backups"]).contains("DAMAGED"));
}

#[test]
fn files_are_found_in_all_versions() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental"]);
    home.ok(&["run", "docs"]);
    tick();
    home.write("documents/sub 1/letter 1.txt", "another text");
    fs::remove_dir_all(home.path().join("documents/sub 2")).expect("removed");
    tick();
    home.ok(&["run", "docs"]);
    home.ok(&["run", "docs"]);
    let found = json(&home, &["find", "letter 1.txt"]);
    assert_eq!((found["total"].as_u64(), found["items"][0]["versions"].as_array().map(Vec::len)), (Some(1), Some(2)));
    assert_eq!(found["items"][0]["deleted"], false);
    let found = json(&home, &["find", "LETTER 2.txt", "-i"]);
    assert_eq!(found["items"][0]["deleted"], true);
    let id = found["items"][0]["versions"][0]["archive"].as_str().expect("an id").to_owned();
    let path = found["items"][0]["path"].as_str().expect("a path").to_owned();
    assert_eq!(home.ok(&["restore", &id, "--stdout", &path]), "letter 2\n".repeat(600));
    home.run(&["find", "no such thing"]).code(5).says("nothing that matches");
    assert!(home.ok(&["find", "sub 1?/*"]).contains("letter 19.txt"));
    let changes = home.ok(&["diff", &id, "docs@latest"]);
    assert!(changes.contains("M ") && changes.contains("- ") && changes.contains("letter 2.txt"), "{changes}");
    // As a stream for tar, from a chain.
    let stream = home.command(&["restore", "docs", "--as-tar", "--pattern", "letter 1*.txt"]).output().expect("runs");
    assert!(stream.status.success() && stream.stderr.is_empty());
    let mut tar = Command::new("tar").arg("-t").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tar runs");
    tar.stdin.take().expect("a pipe").write_all(&stream.stdout).expect("given");
    let listed = String::from_utf8(tar.wait_with_output().expect("ends").stdout).expect("text");
    assert_eq!(listed.lines().count(), 11, "{listed}");
}

#[test]
fn what_is_lost_beside_an_archive_is_made_again() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--kind", "incremental"]);
    home.ok(&["run", "docs"]);
    home.write("documents/sub 1/letter 1.txt", "another text");
    tick();
    home.ok(&["run", "docs"]);
    let before = json(&home, &["backups"]);
    for path in archives(&home, ".idx") {
        fs::remove_file(path).expect("removed");
    }
    fs::remove_file(&archives(&home, ".json")[0]).expect("removed");
    home.run(&["browse", "docs"]).code(5).says("backupctl rebuild");
    let said = home.ok(&["rebuild"]);
    assert!(said.contains("index and sidecar were made again") && said.contains("its index was made again"), "{said}");
    let after = json(&home, &["backups"]);
    for n in 0..2 {
        for key in ["id", "kind", "parent", "started", "files", "sha256", "status"] {
            assert_eq!(before["items"][n][key], after["items"][n][key], "{key}");
        }
    }
    home.ok(&["browse", "docs"]);
    home.ok(&["verify", "docs", "--deep"]);
    home.ok(&["restore", "docs", "--to", "restored"]);
    assert_eq!(describe(&home.path().join("documents")), describe(&inside(&home, "restored")));
}

#[test]
fn hooks_run_around_a_backup_and_hear_of_it() {
    let home = home();
    let script = |name: &str, body: &str| {
        let path = home.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a script");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        format!("[{:?}]", path.display().to_string())
    };
    let log = home.path().join("hooks.log");
    let tell = |word: &str| {
        format!("echo \"{word} $BACKUP_HOOK $BACKUP_SCHEDULE $BACKUP_STATUS $BACKUP_ARCHIVE $SECRET\" >> '{}'", log.display())
    };
    let (before, after) = (script("before.sh", &tell("one")), script("after.sh", &tell("two")));
    let failure = script("failure.sh", &tell("three"));
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--before",
        &before,
        "--after",
        &after,
        "--on-failure",
        &failure,
    ]);
    let out = home.command(&["run", "docs"]).env("SECRET", "hidden").output().expect("runs");
    assert!(out.status.success());
    let heard = fs::read_to_string(&log).expect("a log");
    assert!(
        heard.starts_with("one before docs ") && heard.contains("two after docs completed /") && !heard.contains("hidden"),
        "{heard}"
    );
    script("before.sh", "echo no database here >&2; exit 3");
    home.run(&["run", "docs"]).code(1).says("no database here");
    let heard = fs::read_to_string(&log).expect("a log");
    assert!(heard.contains("three on_failure docs failed") && heard.matches("two after").count() == 2, "{heard}");
    script("before.sh", "exit 0");
    script("after.sh", "exit 9");
    home.run(&["run", "docs"]).code(3);
    home.ok(&["edit", "docs", "--after", "[\"/nonexistent/program\"]"]);
    home.run(&["run", "docs"]).code(3);
    let text = home.read("schedules.toml").replace("manual = true", "manual = true\nhook_timeout = \"1s\"");
    home.write("schedules.toml", &text);
    script("before.sh", "sleep 60");
    home.run(&["run", "docs"]).code(1).says("longer than 1 s");
}

#[test]
fn what_is_left_out_and_what_may_be_unreadable() {
    let home = home();
    home.write("documents/.backupignore", "*.log\n!keep.log\n/top only\n");
    home.write("documents/a.log", "x");
    home.write("documents/keep.log", "x");
    home.write("documents/top only", "x");
    home.write("documents/sub 1/top only", "x");
    home.write("documents/sub 1/.backupignore", "letter*\n");
    home.write("documents/node_modules/x.js", "x");
    home.ok(&[
        "create",
        "docs",
        "--source",
        "documents",
        "--manual",
        "--ignore-file",
        ".backupignore",
        "--exclude-preset",
        "builds",
    ]);
    home.ok(&["run", "docs"]);
    home.ok(&["restore", "docs", "--to", "restored"]);
    let there = |name: &str| inside(&home, "restored").join(name).exists();
    assert!(there("keep.log") && there("sub 1/top only") && there(".backupignore") && there("sub 2/letter 2.txt"));
    assert!(!there("a.log") && !there("top only") && !there("sub 1/letter 1.txt") && !there("node_modules"));
    if !backup_testkit::is_root() {
        return;
    }
    // As somebody who cannot read everything.
    let other = tempfile::tempdir().expect("a folder");
    let own = |path: &Path| std::os::unix::fs::chown(path, Some(12_345), Some(12_345)).expect("given");
    fs::set_permissions(other.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    own(other.path());
    fs::create_dir(other.path().join("d")).expect("a folder");
    fs::write(other.path().join("d/closed"), "x").expect("a file");
    fs::write(other.path().join("d/open"), "x").expect("a file");
    fs::set_permissions(other.path().join("d/closed"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    fs::write(other.path().join("schedules.toml"), "version = 1\n[[schedule]]\nname = \"d\"\nsource = [\"d\"]\nmanual = true\n")
        .expect("written");
    own(&other.path().join("schedules.toml"));
    let program = other.path().join("backupctl");
    fs::copy(env!("CARGO_BIN_EXE_backupctl"), &program).expect("copied");
    let run = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "12345", "--regid", "12345", "--clear-groups"]).arg(&program).args(["run", "d"]);
        command.current_dir(other.path()).env_remove("BACKUP_HOME").output().expect("runs").status.code()
    };
    assert_eq!(run(), Some(3));
    let text = fs::read_to_string(other.path().join("schedules.toml")).expect("read") + "accept_unreadable = [\"closed\"]\n";
    fs::write(other.path().join("schedules.toml"), text).expect("written");
    assert_eq!(run(), Some(0));
}

#[test]
fn limits_slow_a_backup_down() {
    let home = home();
    home.write("documents/large", &"0123456789".repeat(60_000));
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--limit", "2MB/s", "--nice", "10", "--ionice", "idle"]);
    // Time is not asserted on; that the rate holds is told by the run itself.
    home.ok(&["run", "docs"]);
    let run = json(&home, &["history", "docs"]);
    let (bytes, seconds) =
        (run["items"][0]["bytes"].as_f64().expect("bytes"), run["items"][0]["seconds"].as_f64().expect("seconds"));
    assert!(bytes / seconds < 2_200_000.0, "{bytes} in {seconds}");
}

#[test]
fn the_clock_asks_for_trials_and_scrubs() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--drill", "monthly", "--scrub", "100%/month"]);
    home.ok(&["run", "docs"]);
    home.ok(&["start"]);
    home.wait_for("a trial restore", || json(&home, &["show", "docs"])["proven"]["at"].is_string());
    home.wait_for("a scrub", || {
        // The next look is a minute later.
        json(&home, &["history", "--operation", "scrub"])["total"] == 1
            || home.read("logs/backupd.log").contains("drill of docs completed")
    });
    home.ok(&["stop"]);
    let runs = json(&home, &["history", "--operation", "drill"]);
    assert_eq!(
        (runs["items"][0]["trigger"].as_str(), runs["items"][0]["status"].as_str()),
        (Some("schedule"), Some("completed"))
    );
}

#[test]
fn retention_believes_no_date_that_lies_in_the_future() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual", "--keep-last", "2"]);
    for _ in 0..2 {
        home.ok(&["run", "docs"]);
    }
    // An archive that somebody puts there, dated years ahead: taken in with a new catalogue, it is no newer than now.
    let real = archives(&home, ".tar.gz");
    let sidecar = home.path().join(format!("{}.json", real[0].display()));
    let text = fs::read_to_string(&sidecar).expect("a sidecar");
    let year = text.split("\"started\": \"").nth(1).expect("a time")[..4].to_owned();
    for suffix in ["", ".idx"] {
        let from = format!("{}{suffix}", real[0].display());
        fs::copy(&from, from.replace(&format!("full_{year}"), "full_2099")).expect("copied");
    }
    let id = text.split("\"id\": \"").nth(1).expect("an id")[..36].to_owned();
    let other = format!("{}{}", &id[..35], if id.ends_with('0') { '1' } else { '0' });
    // As the first version wrote it, without a sum.
    let sum = text.split("\"sum\": \"").nth(1).expect("a sum")[..64].to_owned();
    let forged = text
        .replace(&id, &other)
        .replace(&format!("\"started\": \"{year}"), "\"started\": \"2099")
        .replace(&format!("full_{year}"), "full_2099")
        .replace("\"version\": 2", "\"version\": 1")
        .replace(&format!(",\n  \"sum\": \"{sum}\""), "");
    fs::write(sidecar.display().to_string().replace(&format!("full_{year}"), "full_2099"), forged).expect("forged");
    for name in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm"] {
        let _ = fs::remove_file(home.path().join(name));
    }
    home.ok(&["prune", "docs", "--dry-run"]);
    assert_eq!(json(&home, &["backups"])["total"], 3);
    // As the newest for ever it would keep its place and push others out.
    for _ in 0..2 {
        home.ok(&["run", "docs"]);
    }
    let kept = archives(&home, ".tar.gz");
    assert!(kept.len() == 2 && kept.iter().all(|p| !p.display().to_string().contains("2099")), "{kept:?}");
}
