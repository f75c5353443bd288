//! Twelve things that go wrong in a home: `check` names each, mends what can be mended, and says what to do for the rest.

use backup_testkit::{TestHome, is_root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn home() -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    home
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().expect(program);
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn sql(home: &TestHome, text: &str) {
    run("sqlite3", &["-cmd", ".timeout 5000", &home.path().join("catalogue.db").display().to_string(), text]);
}

/// A file system of its own, gone at the end.
struct Mount(String);

impl Mount {
    fn new(at: &Path, size: &str) -> Self {
        let at = at.display().to_string();
        fs::create_dir_all(&at).expect("a folder");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=0750"), "tmpfs", &at]);
        Self(at)
    }

    fn full(at: &Path) -> Self {
        let mount = Self::new(at, "1m");
        let _ = fs::write(Path::new(&mount.0).join("filler"), vec![7; 1 << 20]);
        mount
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).output();
    }
}

fn codes(check: &Value, fixed: Option<bool>) -> BTreeSet<String> {
    let items = check["items"].as_array().expect("a list").iter();
    items
        .filter(|i| fixed.is_none() || i["fixed"].as_bool() == fixed)
        .map(|i| i["code"].as_str().expect("a code").to_owned())
        .collect()
}

#[test]
fn twelve_faults_are_named_and_those_that_can_be_are_mended() {
    if !is_root() {
        return;
    }
    // The disk of the machine itself may be nearly full, which is one of the twelve.
    let folder = tempfile::tempdir().expect("a folder");
    let own = Mount::new(&folder.path().join("disk"), "256m");
    let home = TestHome::within(Path::new(&own.0), env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/letter", "dear all");
    let schedules = ["docs", "full", "dead"]
        .map(|n| format!("[[schedule]]\nname = \"{n}\"\nsource = [\"documents\"]\nmanual = true\n"))
        .concat();
    let valid = format!(
        "version = 1\n[daemon]\nlisten = \"\"\nlog = {{ max_size = \"1MB\" }}\n[databases.shop]\nurl = \"mariadb://backup@127.0.0.1/shop\"\nclient = [\"no-such-program\"]\n{schedules}\n[[schedule]]\nname = \"gone\"\nsource = [\"gone\"]\nmanual = true\n"
    );
    home.write("schedules.toml", &valid);
    for _ in 0..3 {
        home.ok(&["run", "docs"]);
    }
    let before: Value = serde_json::from_str(&home.run(&["check", "--json"]).code(1).out).expect("JSON");
    assert_eq!(codes(&before, None), ["source", "client_program"].map(str::to_owned).into(), "{before:#}");
    home.ok(&["start"]);
    // Planted:
    let ids: Vec<String> = home.ok(&["history", "--json"]).split("\"id\":\"").skip(1).map(|s| s[..36].to_owned()).collect();
    sql(&home, &format!("UPDATE runs SET status = 'running', lease_host = 'elsewhere', lease_until = 0 WHERE id = '{}'", ids[0]));
    sql(&home, &format!("UPDATE runs SET created = 4102444800000 WHERE id = '{}'", ids[1]));
    let archives: Vec<String> = home.names("backups/docs").into_iter().filter(|n| n.ends_with(".tar.gz")).collect();
    fs::remove_file(home.path().join("backups/docs").join(&archives[0])).expect("removed");
    home.write("backups/docs/.full_2026-01-01_00-00-00.tar.gz.part", "half");
    home.write("secrets/shop", "s3cr3t");
    fs::set_permissions(home.path().join("secrets/shop"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let _disk = Mount::full(&home.path().join("backups/full"));
    symlink("/mnt/a-disk-that-is-not-there", home.path().join("backups/dead")).expect("a link");
    run("truncate", &["-s", "30M", &home.path().join("logs/old.log").display().to_string()]);
    home.ok(&["token", "create", "old", "--scope", "read", "--expires", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    home.write("schedules.toml", &format!("{valid}\nnonsense\n"));
    home.wait_for("the mistake", || home.run(&["status"]).out.contains("Error in the file"));

    let check: Value = serde_json::from_str(&home.run(&["check", "--json"]).code(1).out).expect("JSON");
    let twelve: BTreeSet<String> = [
        "stuck_run",
        "lost_archive",
        "orphan_file",
        "permission",
        "disk_full",
        "destination",
        "client_program",
        "clock",
        "log_size",
        "expired_token",
        "source",
        "config",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(codes(&check, None), twelve, "{check:#}");
    assert_eq!(check["verdict"], "error");
    for item in check["items"].as_array().expect("a list") {
        assert!(!item["remedy"].as_str().expect("a remedy").is_empty() && !item["text"].as_str().expect("a text").is_empty());
    }
    let shown = home.run(&["check"]).code(1).out;
    assert!(shown.contains("things are left to do") && !shown.contains("s3cr3t"), "{shown}");

    let fixed: Value = serde_json::from_str(&home.run(&["check", "--fix", "--json"]).code(1).out).expect("JSON");
    let mended: BTreeSet<String> =
        ["stuck_run", "lost_archive", "orphan_file", "permission", "log_size", "expired_token"].map(str::to_owned).into();
    assert_eq!(codes(&fixed, Some(true)), mended, "{fixed:#}");
    assert_eq!(codes(&fixed, Some(false)), BTreeSet::new());
    let after: Value = serde_json::from_str(&home.run(&["check", "--json"]).code(1).out).expect("JSON");
    assert_eq!(codes(&after, None), &twelve - &mended, "{after:#}");
    assert_eq!(home.names("backups/docs").iter().filter(|n| n.ends_with(".part")).count(), 0);
    assert!(home.ok(&["history"]).contains("failed"));
    // A person does the rest.
    home.write(
        "schedules.toml",
        &valid
            .replace("client = [\"no-such-program\"]\n", "")
            .replace("[databases.shop]\nurl = \"mariadb://backup@127.0.0.1/shop\"\n", ""),
    );
    fs::remove_file(home.path().join("backups/dead")).expect("removed");
    home.write("gone/file", "here again");
    drop(_disk);
    sql(&home, &format!("UPDATE runs SET created = ended - 1000 WHERE id = '{}'", ids[1]));
    home.wait_for("the mended file", || !home.run(&["status"]).out.contains("Error"));
    assert!(home.ok(&["check"]).contains("all is well"));
}

#[test]
fn cleanup_ends_what_is_stuck_and_removes_what_was_left() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual"]);
    home.ok(&["run", "docs"]);
    home.write("backups/docs/.full_2026-01-01_00-00-00.tar.gz.part", "half");
    home.write("state/drill-x/file", "left");
    sql(&home, "UPDATE runs SET status = 'running', lease_host = 'elsewhere', lease_until = 0");
    assert!(home.ok(&["cleanup"]).contains("nothing to clean up that is 6 hours old"));
    let would = home.ok(&["cleanup", "--hours", "0", "--dry-run"]);
    assert!(would.contains("would clean up run") && would.contains("drill-x") && would.contains(".part"), "{would}");
    assert!(home.names("backups/docs").iter().any(|n| n.ends_with(".part")));
    let done = home.ok(&["cleanup", "--hours", "0"]);
    assert!(done.contains("cleaned up run") && done.contains(".part"), "{done}");
    assert!(!home.names("backups/docs").iter().any(|n| n.ends_with(".part")));
    assert!(!home.names("state").contains(&"drill-x".to_owned()));
    assert!(home.ok(&["history"]).contains("failed"));
    home.ok(&["verify", "--all"]);
}

#[test]
fn moved_and_lost_archives_are_found_and_forgotten() {
    let home = home();
    home.ok(&["create", "docs", "--source", "documents", "--manual"]);
    home.ok(&["run", "docs"]);
    home.ok(&["run", "docs"]);
    let archives: Vec<String> = home.names("backups/docs").into_iter().filter(|n| n.ends_with(".tar.gz")).collect();
    for name in home.names("backups/docs").iter().filter(|n| n.starts_with(&archives[0])) {
        fs::create_dir_all(home.path().join("elsewhere")).expect("a folder");
        fs::rename(home.path().join("backups/docs").join(name), home.path().join("elsewhere").join(name)).expect("moved");
    }
    for name in home.names("backups/docs").iter().filter(|n| n.starts_with(&archives[1])) {
        fs::remove_file(home.path().join("backups/docs").join(name)).expect("removed");
    }
    let would = home.ok(&["rebuild", "--scan", "elsewhere", "--fix-missing", "--dry-run"]);
    assert!(would.contains("would be taken in") && would.contains("would be forgotten"), "{would}");
    assert!(home.run(&["verify", "--all"]).code != 0);
    let done = home.ok(&["rebuild", "--scan", "elsewhere", "--fix-missing"]);
    assert!(done.contains("taken in: ") && done.contains("forgotten: "), "{done}");
    home.ok(&["verify", "--all"]);
    home.ok(&["restore", &format!("elsewhere/{}", archives[0]), "--to", "out"]);
    assert!(home.ok(&["rebuild", "--fix-missing"]).contains("agree"));
    home.run(&["rebuild", "--scan", "nowhere"]).code(5).says("no folder");
}
