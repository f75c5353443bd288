//! The programs as their users meet them: S2's session, mistakes, starting and stopping.

use backup_testkit::{TestHome, describe};
use std::fs;
use std::process::Command;

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_backupctl"))
}

fn with_folders() -> TestHome {
    let home = home();
    for (folder, files) in [("documents", 3), ("photos", 5), ("code", 8)] {
        for n in 0..files {
            home.write(&format!("{folder}/sub {n}/file {n}.txt"), &format!("{folder} {n}\n").repeat(100 * (n + 1)));
        }
    }
    home
}

const SPECS: [&str; 3] = ["documents;09:00;docs_morning", "photos;18:30;photos_evening", "code;23:59;code_nightly"];

#[test]
fn the_session_of_s2_word_for_word() {
    let home = with_folders();
    for spec in SPECS {
        home.ok(&["create", spec]);
    }
    let list = home.ok(&["list"]);
    for (n, (line, spec)) in list.lines().zip(SPECS).enumerate() {
        assert!(line.starts_with(&format!("{n}: {spec}")), "{line}");
        assert!(line.contains("202") && line.contains("never ran"), "{line}");
    }
    assert_eq!(list.lines().count(), 3);
    home.ok(&["start"]);
    home.run(&["start"]).code(1).says(&format!("backupd runs already (pid {})", home.pid()));
    home.ok(&["run", "docs_morning", "photos_evening", "code_nightly"]);
    let backups = home.ok(&["backups"]);
    assert_eq!(backups.lines().count(), 3);
    for line in backups.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words[0].starts_with("full_") && words[0].ends_with(".tar.gz"), "{line}");
        let path = home.path().join("backups").join(words[1]).join(words[0]);
        assert!(Command::new("tar").arg("-tzf").arg(&path).output().expect("tar").status.success());
    }
    assert!(home.ok(&["list"]).lines().all(|l| l.contains("completed")));
    home.ok(&["delete", "0"]);
    assert!(home.ok(&["list"]).starts_with("0: photos;18:30;photos_evening"));
    assert_eq!(home.names("backups/docs_morning").len(), 3, "archives stay");
    home.ok(&["stop"]);
    home.run(&["status"]).code(4);
    assert!(!home.path().join("backupd.sock").exists());
    assert!(home.read("logs/backupctl.log").contains("created the schedule docs_morning"));
    assert!(home.read("logs/backupd.log").contains("backup of docs_morning completed"));
}

#[test]
fn mistakes_are_answered_and_change_nothing() {
    let home = with_folders();
    home.ok(&["create", SPECS[0]]);
    let before = home.read("schedules.toml");
    for (args, code, words) in [
        (&["create", "x"][..], 2, "write for example \"documents;09:00;docs_morning\""),
        (&["create", "a;25:00;b"], 2, "write hh:mm from 00:00 to 23:59"),
        (&["create", "documents;10:00;docs_morning"], 2, "there is already a schedule docs_morning"),
        (&["create", "missing;10:00;m"], 5, "--allow-missing"),
        (&["create", "documents;10:00;12"], 2, "add a letter"),
        (&["create", "m", "--source", "documents", "--cron", "0 2 * * Mno"], 2, "write 0 to 7"),
        (&["create", "m", "--source", "documents", "--cron", "0 2 * *"], 2, "5 (minute hour day month weekday)"),
        (&["create", "m", "--source", "documents"], 2, "no time is given"),
        (&["create", "m", "--at", "09:00"], 2, "add --source PATH"),
        (
            &["create", "m", "--source", "documents", "--at", "09:00", "--notify", "x"],
            2,
            "there is no [notifiers.x] in this file",
        ),
        (&["create", "m", "--source", "documents", "--at", "09:00", "--kind", "partial"], 2, "\"partial\" is no kind"),
        (&["create", "m", "--source", "documents", "--at", "09:00", "--keep-days", "400"], 2, "from 1 to 365"),
        (&["edit", "docs_morning", "--timezone", "Europe/Pari"], 2, "no timezone"),
        (&["edit", "docs_morning", "--unset", "exclud"], 2, "did you mean `exclude`?"),
        (&["edit", "docs_morning"], 2, "nothing to change"),
        (&["delete", "9"], 5, "no schedule with index 9"),
        (&["delete", "nothing"], 5, "no schedule nothing"),
        (&["recover", "/nowhere"], 1, "is a home already"),
        (&["destination", "add", "x", "--url", "ftp://host/x"], 2, "ftp:// is no kind of store"),
        (&["destination", "test", "x"], 5, "there is no destination x"),
        (&["edit", "docs_morning", "--destination", "x"], 2, "there is no [destinations.x]"),
        (&["restore", "docs_morning", "--to", "out", "--destination", "x"], 5, "there is no destination x"),
        (&["run", "nothing"], 5, "no schedule nothing"),
        (&["run", "docs_morning", "--no-wait"], 4, "needs the daemon"),
        (&["restore", "nothing", "--to", "out"], 5, "no archive nothing"),
        (&["restore", "docs_morning"], 2, "--to"),
        (&["browse", "docs_morning@yesterday"], 2, "@2026-11-20"),
        (&["cancel", "nothing"], 5, "no run nothing"),
        (&["stop"], 4, "not running"),
        (&["reload"], 4, "not running"),
        (&["history", "--status", "bad"], 2, "no status"),
        (&["--home", "/nowhere/at/all", "list"], 5, "backupctl --home /nowhere/at/all init"),
        (&["init"], 1, "exists already"),
    ] {
        home.run(args).code(code).says(words);
        assert_eq!(home.read("schedules.toml"), before, "{args:?}");
    }
    // A file with a mistake: said with its line, kept as it is, and no edit touches it.
    home.write("schedules.toml", &before.replace("at = ", "att = "));
    let broken = home.read("schedules.toml");
    home.run(&["list"]).code(2).says("line 8: unknown key `att`");
    home.run(&["create", SPECS[1]]).code(2).says("mend it first");
    assert_eq!(home.read("schedules.toml"), broken);
}

#[test]
fn every_command_has_an_example_and_json_is_json() {
    let home = with_folders();
    home.ok(&["create", SPECS[0], "--json"]);
    home.ok(&["run", "docs_morning"]);
    for args in [
        &["list"][..],
        &["show", "0"],
        &["backups"],
        &["history"],
        &["stats"],
        &["prune", "--dry-run"],
        &["browse", "docs_morning"],
        &["diff", "docs_morning", "docs_morning"],
        &["pin", "docs_morning"],
        &["verify", "docs_morning"],
    ] {
        let out = home.ok(&[args, &["--json"]].concat());
        for line in out.lines() {
            let _: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{args:?}: {e}: {line}"));
        }
        let help = home.ok(&[&args[..1], &["--help"]].concat());
        assert!(help.contains("Example"), "{help}");
    }
    let lines = home.ok(&["run", "docs_morning", "--json"]);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!((last["type"].as_str(), last["run"]["status"].as_str()), (Some("result"), Some("completed")));
    let list: serde_json::Value = serde_json::from_str(&home.ok(&["list", "--json"])).expect("JSON");
    assert_eq!((list["total"].as_u64(), list["next"].is_null()), (Some(1), true));
    home.ok(&["man", "man"]);
    assert!(home.names("man").contains(&"backupctl-restore.1".to_owned()));
    assert!(home.ok(&["completions", "bash"]).contains("backupctl"));
}

#[test]
fn an_edit_is_noticed_and_a_broken_one_kept_out() {
    let home = with_folders();
    home.ok(&["create", SPECS[0]]);
    home.ok(&["start"]);
    let good = home.read("schedules.toml");
    let status = || home.run(&["status"]).out;
    let begun = std::time::Instant::now();
    home.write("schedules.toml", &format!("{good}\n[[schedule]]\nname = \"second\"\nsource = [\"photos\"]\nmanual = true\n"));
    home.wait_for("the edit", || status().contains("schedules 2"));
    assert!(begun.elapsed().as_secs() < 10);
    home.write("schedules.toml", &format!("{good}\nnonsense\n"));
    home.wait_for("the mistake", || status().contains("Error in the file"));
    assert!(status().contains("schedules 2"), "the last valid state stays");
    assert!(home.read("logs/backupd.log").contains("Error"));
    home.run(&["reload"]).code(2).says("last valid state");
    home.write("schedules.toml", &good);
    home.wait_for("the mended file", || !status().contains("Error"));
    home.ok(&["reload"]);
    let hup = nix::sys::signal::Signal::SIGHUP;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(home.pid()), hup).expect("a signal");
    home.wait_for("the reload", || home.read("logs/backupd.log").contains("reload asked for"));
}

#[test]
fn without_a_daemon_everything_works_too() {
    let home = with_folders();
    home.ok(&["create", "all", "--source", "documents", "photos", "--manual", "--compression", "zstd", "--exclude", "*.tmp"]);
    home.write("documents/x.tmp", "left out");
    let out = home.ok(&["run", "all"]);
    assert!(out.contains("backup completed: 8 files"), "{out}");
    home.ok(&["restore", "all", "--to", "restored"]);
    let restored = home.path().join("restored").join(home.path().strip_prefix("/").expect("absolute"));
    fs::remove_file(home.path().join("documents/x.tmp")).expect("removed");
    assert_eq!(describe(&home.path().join("photos")), describe(&restored.join("photos")));
    assert!(!restored.join("documents/x.tmp").exists());
    home.ok(&["verify", "--all", "--deep"]);
    let history = home.ok(&["history"]);
    for word in ["backup", "restore", "verify"] {
        assert!(history.contains(word), "{history}");
    }
    assert!(home.ok(&["backups"]).contains("deep 202"));
    // In place, after a loss.
    fs::remove_dir_all(home.path().join("photos/sub 1")).expect("removed");
    let dry = home.ok(&["restore", "all", "--in-place", "--dry-run"]);
    assert!(dry.contains("dry run: 1 file, "), "{dry}");
    home.ok(&["restore", "all", "--in-place"]);
    assert!(home.path().join("photos/sub 1/file 1.txt").exists());
}

#[test]
fn an_archive_alone_is_enough() {
    let home = with_folders();
    home.ok(&["create", SPECS[0]]);
    home.ok(&["run", "docs_morning"]);
    let name = home.names("backups/docs_morning").into_iter().find(|n| n.ends_with(".tar.gz")).expect("an archive");
    let disk = tempfile::tempdir().expect("a disk");
    fs::copy(home.path().join("backups/docs_morning").join(&name), disk.path().join(&name)).expect("a copy");
    let bare = tempfile::tempdir().expect("a folder");
    let archive = disk.path().join(&name);
    let out = Command::new(env!("CARGO_BIN_EXE_backupctl"))
        .args(["restore", archive.to_str().expect("text"), "--to", "out"])
        .current_dir(bare.path())
        .env_remove("BACKUP_HOME")
        .env("XDG_DATA_HOME", bare.path())
        .env("HOME", bare.path())
        .output()
        .expect("runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let restored = bare.path().join("out").join(home.path().strip_prefix("/").expect("absolute")).join("documents");
    assert_eq!(describe(&home.path().join("documents")), describe(&restored));
}

#[test]
fn warnings_have_their_own_exit_code() {
    let home = with_folders();
    home.ok(&["create", "empty", "--source", "void", "--manual", "--allow-missing"]);
    home.run(&["run", "empty"]).code(1);
    assert!(home.read("logs/backupctl.log").contains("Error"));
    fs::create_dir(home.path().join("void")).expect("a folder");
    let ran = home.run(&["run", "empty"]).code(3);
    assert!(ran.out.contains("holds no files"), "{}", ran.out);
    assert!(home.ok(&["list"]).contains("retention frozen"));
    home.ok(&["confirm", "empty"]);
    home.run(&["confirm", "empty"]).code(5);
    // A drop to less than half is a warning too.
    home.ok(&["create", "drop", "--source", "code", "--manual", "--keep-last", "1"]);
    for n in 0..20 {
        home.write(&format!("code/many/{n}"), "x");
    }
    home.ok(&["run", "drop"]);
    fs::remove_dir_all(home.path().join("code/many")).expect("removed");
    let ran = home.run(&["run", "drop"]).code(3);
    assert!(ran.out.contains("only 8 files, the last time there were 28"), "{}", ran.out);
    assert_eq!(home.ok(&["backups", "drop"]).lines().count(), 2, "frozen retention removes nothing");
    home.ok(&["confirm", "drop"]);
    home.ok(&["prune", "drop"]);
    assert_eq!(home.ok(&["backups", "drop"]).lines().count(), 1);
}

#[test]
fn retention_keeps_pins_and_what_rules_say() {
    let home = with_folders();
    home.ok(&["create", "docs", "--source", "documents", "--manual"]);
    for _ in 0..4 {
        home.ok(&["run", "docs"]);
    }
    assert_eq!(home.ok(&["backups", "docs"]).lines().count(), 4, "without a rule all stay");
    let oldest =
        home.ok(&["backups", "docs"]).lines().last().and_then(|l| l.split_whitespace().last().map(str::to_owned)).expect("an id");
    home.ok(&["pin", &oldest]);
    home.ok(&["edit", "docs", "--keep-last", "1"]);
    let dry = home.ok(&["prune", "docs", "--dry-run"]);
    assert!(dry.contains("2 archives would be removed") && dry.contains("pinned"), "{dry}");
    assert_eq!(home.ok(&["backups", "docs"]).lines().count(), 4);
    home.ok(&["prune", "docs"]);
    assert_eq!(home.ok(&["backups", "docs"]).lines().count(), 2);
    assert_eq!(home.names("backups/docs").len(), 6, "archive, index and sidecar each");
    home.ok(&["unpin", &oldest]);
    home.ok(&["run", "docs"]);
    assert_eq!(home.ok(&["backups", "docs"]).lines().count(), 1, "retention follows a backup");
}

#[test]
fn import_takes_old_lines() {
    let home = with_folders();
    home.write("old.txt", &format!("# S2\n{}\n\n{}\n", SPECS[0], SPECS[1]));
    home.ok(&["import", "old.txt", "--dry-run"]);
    assert!(home.ok(&["list"]).contains("no schedules yet"));
    home.ok(&["import", "old.txt"]);
    assert_eq!(home.ok(&["list"]).lines().count(), 2);
    home.write("bad.txt", "code;23:59;x\nwrong\n");
    home.run(&["import", "bad.txt"]).code(2).says("line 2");
    assert_eq!(home.ok(&["list"]).lines().count(), 2, "nothing of a bad file is imported");
}
