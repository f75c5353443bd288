//! What goes wrong on bad days: kills, stale files, a full disk, damage, a moved clock, root as a guest.

use backup_testkit::{TestHome, describe, is_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_backupctl"))
}

/// The programs in a folder that every user may enter, wherever they were built.
fn programs_for_all() -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let built = Path::new(env!("CARGO_BIN_EXE_backupctl"));
    for name in ["backupctl", "backupd"] {
        fs::copy(built.with_file_name(name), folder.path().join(name)).expect("a program");
    }
    let program = folder.path().join("backupctl").to_str().expect("text").to_owned();
    (folder, program)
}

/// A source that takes a while: incompressible megabytes.
fn slow_source(home: &TestHome) {
    let mut bytes = vec![0u8; 4 << 20];
    let mut x = 1u64;
    for n in 0..100 {
        for b in &mut bytes {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *b = (x >> 56) as u8;
        }
        fs::create_dir_all(home.path().join("big")).expect("a folder");
        fs::write(home.path().join(format!("big/{n}")), &bytes).expect("a file");
    }
    home.ok(&["create", "slow", "--source", "big", "--manual", "--compression", "gzip:12"]);
}

fn status_of_last(home: &TestHome) -> String {
    let out = home.ok(&["history", "--json", "--rows", "1", "--operation", "backup"]);
    let page: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    page["items"][0]["status"].as_str().unwrap_or("none").to_owned()
}

fn nothing_left(home: &TestHome) {
    let names = home.names("backups/slow");
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn stop_during_a_backup_cancels_it_cleanly() {
    let home = home();
    slow_source(&home);
    home.ok(&["start"]);
    home.ok(&["run", "slow", "--no-wait"]);
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    home.run(&["run", "slow", "--no-wait"]).code(1).says("already");
    home.ok(&["stop", "--now"]);
    nothing_left(&home);
    assert_eq!(status_of_last(&home), "cancelled");
    assert!(!home.path().join("backupd.sock").exists());
}

#[test]
fn cancel_stops_one_run_and_sigterm_waits_for_others() {
    let home = home();
    slow_source(&home);
    home.ok(&["start"]);
    home.ok(&["run", "slow", "--no-wait"]);
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    home.ok(&["cancel", "slow"]);
    home.wait_for("the end", || status_of_last(&home) == "cancelled");
    nothing_left(&home);
    home.ok(&["run", "slow", "--no-wait"]);
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    kill(Pid::from_raw(home.pid()), Signal::SIGTERM).expect("a signal");
    home.wait_for("the end of the daemon", || home.run(&["status"]).code == 4);
    assert_eq!(status_of_last(&home), "completed");
    home.ok(&["verify", "slow"]);
}

#[test]
fn kill_nine_then_start() {
    let home = home();
    slow_source(&home);
    home.ok(&["start"]);
    home.ok(&["run", "slow", "--no-wait"]);
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    kill(Pid::from_raw(home.pid()), Signal::SIGKILL).expect("a signal");
    home.wait_for("its end", || home.run(&["status"]).code == 4);
    assert!(home.path().join("backupd.sock").exists(), "a killed daemon leaves its socket");
    home.ok(&["start"]);
    nothing_left(&home);
    assert_eq!(status_of_last(&home), "failed");
    assert!(home.ok(&["history"]).contains("interrupted"));
    home.ok(&["stop"]);
    // Without a daemon too: a killed backup in the command's own process.
    let mut child = home.command(&["run", "slow"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    child.kill().expect("killed");
    child.wait().expect("ended");
    home.ok(&["run", "slow"]);
    assert!(home.names("backups/slow").iter().all(|n| !n.starts_with('.')));
    assert_eq!(home.ok(&["backups"]).lines().count(), 1);
}

#[test]
fn ctrl_c_ends_with_130_and_leaves_nothing() {
    let home = home();
    slow_source(&home);
    let child = home.command(&["run", "slow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    home.wait_for("work", || home.names("backups/slow").iter().any(|n| n.ends_with(".part")));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("a signal");
    let out = child.wait_with_output().expect("ended");
    assert_eq!(out.status.code(), Some(130));
    nothing_left(&home);
    assert_eq!(status_of_last(&home), "cancelled");
}

#[test]
fn a_pid_file_that_names_somebody_else_harms_nobody() {
    let home = home();
    let mut bystander = Command::new("sleep").arg("60").spawn().expect("runs");
    home.write("backupd.pid", &format!("{}\n", bystander.id()));
    home.run(&["status"]).code(4);
    home.run(&["stop"]).code(4);
    home.ok(&["start"]);
    assert_ne!(home.pid(), bystander.id() as i32);
    // Even while the daemon runs, a forged number leads nobody to the bystander.
    home.write("backupd.pid", &format!("{}\n", bystander.id()));
    home.ok(&["stop"]);
    assert!(bystander.try_wait().expect("looked").is_none(), "the bystander was signalled");
    bystander.kill().expect("killed");
    bystander.wait().expect("ended");
}

#[test]
fn damage_is_found_and_said() {
    let home = home();
    home.write("documents/a", &"text ".repeat(100_000));
    home.ok(&["create", "documents;09:00;docs"]);
    home.ok(&["run", "docs"]);
    let name = home.names("backups/docs").into_iter().find(|n| n.ends_with(".tar.gz")).expect("an archive");
    let path = home.path().join("backups/docs").join(&name);
    let good = fs::read(&path).expect("bytes");
    for (what, bytes) in [
        ("flipped", {
            let mut b = good.clone();
            let at = b.len() / 2;
            b[at] ^= 1;
            b
        }),
        ("cut", good[..good.len() - 20].to_vec()),
        ("longer", [&good[..], b"x"].concat()),
    ] {
        fs::write(&path, bytes).expect("written");
        home.run(&["verify", "docs"]).code(1);
        home.run(&["verify", "docs", "--deep"]).code(1);
        assert!(home.ok(&["backups"]).contains("DAMAGED"), "{what}");
        let target = home.path().join(format!("out {what}"));
        home.run(&["restore", "docs", "--to", target.to_str().expect("text")]).code(1);
    }
    fs::write(&path, &good).expect("written");
    home.ok(&["verify", "docs", "--deep"]);
    // A lost catalogue comes back from the sidecars.
    for name in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm"] {
        let _ = fs::remove_file(home.path().join(name));
    }
    home.ok(&["start"]);
    assert!(home.ok(&["backups"]).starts_with(&name));
}

#[test]
fn a_full_disk_fails_the_run_and_leaves_the_rest_intact() {
    if !is_root() {
        return;
    }
    let home = home();
    home.write("small/a", "kept");
    home.write("large/a", &"0123456789abcdef".repeat(500_000));
    let backups = home.path().join("backups");
    fs::create_dir_all(&backups).expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&backups).status().expect("mount runs");
    assert!(mounted.success());
    home.ok(&["create", "small", "--source", "small", "--manual"]);
    home.ok(&["create", "large", "--source", "large", "--manual", "--compression", "none"]);
    home.ok(&["run", "small"]);
    let ran = home.run(&["run", "large"]).code(1);
    assert!(ran.all().contains("no space left") && ran.all().contains("more are needed"), "{}", ran.all());
    assert!(home.names("backups/large").is_empty());
    home.ok(&["verify", "small", "--deep"]);
    assert_eq!(status_of_last(&home), "failed");
    assert!(Command::new("umount").arg(&backups).status().expect("umount runs").success());
}

#[test]
fn a_full_home_is_said_in_plain_words() {
    if !is_root() {
        return;
    }
    let home = home();
    let small = home.path().join("small");
    fs::create_dir(&small).expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs"]).arg(&small).status().expect("mount runs");
    assert!(mounted.success());
    let at = |args: &[&str]| home.run(&[&["--home", "small"], args].concat());
    at(&["init"]).code(0);
    home.write("small/documents/a", "x");
    at(&["create", "documents;09:00;docs"]).code(0);
    let before = home.read("small/schedules.toml");
    let fill = vec![0u8; 4096];
    let mut file = fs::File::create(small.join("fill")).expect("a file");
    while std::io::Write::write_all(&mut file, &fill).is_ok() {}
    for args in [&["run", "docs"][..], &["create", "documents;10:00;more"]] {
        at(args).code(1).says("the disk of").says("free some space");
    }
    // Reading needs no space if the database has its working files still.
    let listed = at(&["list"]);
    if listed.code != 0 {
        listed.code(1).says("the disk of").says("free some space");
    }
    at(&["start"]).code(1).says("No space left");
    assert_eq!(home.read("small/schedules.toml"), before);
    drop(file);
    fs::remove_file(small.join("fill")).expect("removed");
    at(&["run", "docs"]).code(0);
    assert!(Command::new("umount").arg(&small).status().expect("umount runs").success());
}

#[test]
fn unreadable_files_are_named() {
    if !is_root() {
        return;
    }
    let home = home();
    home.write("documents/secret", "x");
    home.write("documents/open", "y");
    home.ok(&["create", "documents;09:00;docs"]);
    own(home.path(), 12_345);
    chown(home.path().join("documents/secret"), Some(0), Some(0)).expect("an owner");
    fs::set_permissions(home.path().join("documents/secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    // Root as a guest goes on as the home's owner, who cannot read this file.
    let ran = home.run(&["run", "docs"]).code(3);
    assert!(ran.all().contains("documents/secret: cannot be read: Permission denied"), "{}", ran.out);
    own_check(home.path(), 12_345, &["documents/secret"]);
}

fn own(path: &Path, id: u32) {
    for entry in walk(path) {
        std::os::unix::fs::lchown(&entry, Some(id), Some(id)).expect("an owner");
    }
}

fn walk(path: &Path) -> Vec<std::path::PathBuf> {
    let mut list = vec![path.to_owned()];
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a folder") {
            list.extend(walk(&entry.expect("an entry").path()));
        }
    }
    list
}

fn own_check(path: &Path, id: u32, but: &[&str]) {
    for entry in walk(path) {
        if but.iter().any(|b| entry.starts_with(path.join(b))) {
            continue;
        }
        let meta = fs::symlink_metadata(&entry).expect("metadata");
        assert_eq!(meta.uid(), id, "{} changed hands", entry.display());
    }
}

#[test]
fn root_as_a_guest_changes_no_owner() {
    if !is_root() {
        return;
    }
    let (_programs, program) = programs_for_all();
    let home = TestHome::new(&program);
    home.write("documents/mine", "x");
    home.write("documents/theirs", "y");
    own(home.path(), 12_345);
    chown(home.path().join("documents/theirs"), Some(777), Some(778)).expect("an owner");
    let target = tempfile::tempdir().expect("a folder");
    home.ok(&["create", "documents;09:00;docs"]);
    for daemon in [false, true] {
        if daemon {
            home.ok(&["start"]);
            let status = fs::read_to_string(format!("/proc/{}/status", home.pid())).expect("a process");
            assert!(status.contains("Uid:\t12345\t12345"), "{status}");
        }
        home.ok(&["run", "docs"]);
        home.ok(&["verify", "docs", "--deep"]);
        let to = target.path().join(format!("daemon {daemon}"));
        home.ok(&["restore", "docs", "--to", to.to_str().expect("text")]);
        let restored = to.join(home.path().strip_prefix("/").expect("absolute")).join("documents");
        assert_eq!(describe(&home.path().join("documents")), describe(&restored));
        assert_eq!(fs::metadata(restored.join("theirs")).expect("restored").uid(), 777);
        let history = home.ok(&["history", "--operation", "restore"]);
        assert_eq!(history.matches("restore ").count(), 1 + usize::from(daemon), "{history}");
        own_check(home.path(), 12_345, &["documents/theirs"]);
    }
    home.ok(&["stop"]);
    own_check(home.path(), 12_345, &["documents/theirs"]);
}

#[test]
fn other_users_and_open_homes_are_refused() {
    if !is_root() {
        return;
    }
    let home = home();
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
    home.run(&["list"]).code(1).says("chmod go-w");
    fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    home.ok(&["start"]);
    // Somebody else's process is turned away from the socket, even if its mode let it in.
    fs::set_permissions(home.path().join("backupd.sock"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("a mode");
    let script = r#"use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no: $!";
        print $s "GET /api/v1/system HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; $s->flush; print while <$s>;"#;
    let out = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "perl", "-e", script])
        .arg(home.path().join("backupd.sock"))
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("403") && text.contains("uid 65534"), "{text}");
}

#[test]
fn a_moved_clock_starts_what_is_due() {
    let mut home = home();
    home.write("documents/a", "x");
    home.ok(&["create", "documents;02:30;night"]);
    home.fake_time();
    home.env("FAKETIME_NO_CACHE", "1");
    let clock = home.path().join("clock");
    home.env("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("text"));
    let set = |text: &str| fs::write(&clock, format!("@{text}\n")).expect("written");
    let runs = || -> Vec<String> {
        let page: serde_json::Value =
            serde_json::from_str(&home.ok(&["history", "night", "--json", "--sort", "-created"])).expect("JSON");
        let items = page["items"].as_array().expect("items").iter();
        items
            .filter(|r| r["status"] == "completed")
            .map(|r| format!("{} {}", r["trigger"].as_str().unwrap_or(""), r["planned"].as_str().unwrap_or("")))
            .collect()
    };
    // The night on which 02:30 does not exist in Paris.
    set("2026-03-29 01:59:50");
    home.ok(&["start"]);
    set("2026-03-29 03:00:01");
    home.wait_for("the run after the gap", || runs().len() == 1);
    assert_eq!(runs(), ["schedule 2026-03-29T03:00:00+02:00"]);
    // A day forward: one catch-up. An hour back: nothing.
    set("2026-03-30 12:00:00");
    home.wait_for("the catch-up", || runs().len() == 2);
    set("2026-03-30 11:00:00");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(runs().len(), 2);
    assert_eq!(runs()[1], "catch_up 2026-03-30T02:30:00+02:00");
    // Three days off: one catch-up at start.
    home.ok(&["stop"]);
    set("2026-04-02 12:00:00");
    home.ok(&["start"]);
    home.wait_for("the catch-up", || runs().len() == 3);
    assert_eq!(runs()[2], "catch_up 2026-04-02T02:30:00+02:00");
    home.ok(&["stop"]);
}

#[test]
fn systemd_hears_ready_reloading_and_stopping() {
    let mut home = home();
    home.write("documents/a", "x");
    home.ok(&["create", "documents;09:00;docs"]);
    let socket = home.path().join("notify");
    let hears = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    hears.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    home.env("NOTIFY_SOCKET", socket.to_str().expect("text"));
    home.env("WATCHDOG_USEC", "1000000");
    let wait = |word: &str| {
        let mut buffer = [0; 4096];
        loop {
            let n = hears.recv(&mut buffer).unwrap_or_else(|e| panic!("{word}: {e}"));
            if String::from_utf8_lossy(&buffer[..n]).contains(word) {
                return;
            }
        }
    };
    home.ok(&["start"]);
    wait("READY=1");
    wait("WATCHDOG=1");
    kill(Pid::from_raw(home.pid()), Signal::SIGHUP).expect("a signal");
    wait("RELOADING=1");
    wait("READY=1");
    home.ok(&["stop"]);
    wait("STOPPING=1");
}
