//! Faults put in on purpose: system calls that fail (strace), disks without space or inodes, targets that
//! cannot be written to, sources that break or vanish (FUSE), and a power cut. After each the home must be
//! in order: what was reported complete is there and whole, nothing half-written stays, the next run works.

use backup_testkit::{Breaks, TestHome, describe, is_root, mount_broken};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A home with a schedule and nothing backed up yet.
fn new_home() -> TestHome {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("documents/a", &"some text\n".repeat(300_000));
    home.write("documents/b/c", "more");
    home.ok(&["create", "documents;09:00;docs"]);
    home
}

fn home() -> TestHome {
    let home = new_home();
    home.ok(&["run", "docs"]);
    home
}

/// How many faults of each kind; `make soak` asks for more.
fn rounds(few: u32) -> u32 {
    std::env::var("BACKUP_TEST_FAULTS").map_or(few, |n| n.parse().expect("a number"))
}

/// Runs a command under strace; answers its exit code and all that it said.
fn traced(home: &TestHome, strace: &[&str], args: &[&str]) -> (i32, String) {
    let plain = home.command(args);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).args(strace).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn().expect("strace runs: the package strace is needed");
    let begun = Instant::now();
    while child.try_wait().expect("looked").is_none() {
        if begun.elapsed() > Duration::from_secs(100) {
            child.kill().expect("killed");
            panic!("it hangs: {strace:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let out = child.wait_with_output().expect("ended");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap_or(-1), said)
}

/// Archives in a folder of the home, and that nothing half-written is there.
#[track_caller]
fn archives(home: &TestHome, folder: &str) -> Vec<String> {
    let names = home.names(folder);
    assert!(names.iter().all(|n| !n.ends_with(".part")), "{names:?}");
    names.into_iter().filter(|n| n.ends_with(".tar.gz")).collect()
}

/// The home is in order: a plain run works, catalogue and folder agree, everything verifies.
#[track_caller]
fn in_order(home: &TestHome) {
    home.ok(&["run", "docs"]);
    let there = archives(home, "backups/docs");
    let listed = home.ok(&["backups", "docs"]);
    for name in &there {
        assert!(listed.contains(name.as_str()), "{name} is not listed:\n{listed}");
        assert!(
            Command::new("tar")
                .arg("-tzf")
                .arg(home.path().join("backups/docs").join(name))
                .stdout(Stdio::null())
                .status()
                .expect("tar runs")
                .success()
        );
    }
    assert_eq!(listed.lines().count(), there.len(), "{listed}");
    home.ok(&["verify", "--all", "--deep"]);
}

/// Lets one call after the other fail. Each run ends by itself, as a success or with a reason.
fn sweep(call: &str, error: &str, expected: &[&str]) {
    let home = home();
    let mut all = String::new();
    for n in 1..=rounds(8) {
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:error={error}:when={n}");
        let (code, said) = traced(&home, &["-e", &trace, "-e", &inject], &["run", "docs"]);
        assert!([0, 1, 3].contains(&code), "{inject}: exit {code}\n{said}");
        assert!(!said.contains("panicked"), "{inject}: {said}");
        assert!(code == 0 || said.contains(": "), "{inject}: no reason in {said:?}");
        all += &said;
    }
    for words in expected {
        assert!(all.contains(words), "wanted {words:?} in:\n{all}");
    }
    in_order(&home);
}

#[test]
fn fsync_that_fails_fails_the_run() {
    sweep("fsync", "EIO", &["cannot sync the parts of", "Input/output error"]);
}

#[test]
fn rename_that_fails_fails_the_run() {
    sweep("renameat2", "EIO", &["cannot name", ".tar.gz.idx: Input/output error", ".tar.gz.json: Input/output error"]);
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let home = home();
    let folder = home.path().join("documents/b");
    let trace = ["-P", folder.to_str().expect("text"), "-e", "trace=openat", "-e", "inject=openat:error=EIO"];
    let (code, said) = traced(&home, &trace, &["run", "docs"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("documents/b: cannot be listed") && said.contains("I/O error"), "{said}");
    in_order(&home);
}

#[test]
fn names_that_cannot_be_removed_do_no_harm() {
    sweep("unlink,unlinkat", "EIO", &[]);
}

#[test]
fn read_errors_are_warnings_by_name() {
    let home = home();
    let file = home.path().join("documents/a");
    let trace = ["-P", file.to_str().expect("text"), "-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=2+"];
    let (code, said) = traced(&home, &trace, &["run", "docs"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("documents/a") && said.contains("cannot be read after"), "{said}");
    in_order(&home);
}

#[test]
fn a_quota_that_is_used_up_fails_the_run() {
    let mut home = home();
    // Time stands still, so that the archive's name is known beforehand.
    home.fake_time();
    home.env("FAKETIME", "2026-11-21 09:00:00");
    let part = home.path().join("backups/docs/.full_2026-11-21_09-00-00.tar.gz.part");
    for error in ["EDQUOT", "ENOSPC", "EIO", "ESTALE"] {
        let inject = format!("inject=write:error={error}");
        let (code, said) =
            traced(&home, &["-P", part.to_str().expect("text"), "-e", "trace=write", "-e", &inject], &["run", "docs"]);
        assert_eq!(code, 1, "{error}: {said}");
        let reason = match error {
            "EDQUOT" | "ENOSPC" => "no space left",
            "EIO" => "Input/output error",
            _ => "Stale file handle",
        };
        assert!(said.contains(reason), "{error}: {said}");
        assert_eq!(archives(&home, "backups/docs").len(), 1);
    }
    in_order(&home);
}

/// A mount that is taken away at the end.
struct Mount(PathBuf);

impl Mount {
    /// Mounts, or says why this cannot be tested here.
    #[expect(clippy::print_stderr, reason = "a test says why it checks nothing")]
    fn new(args: &[&str], at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder");
        let out = Command::new("mount").args(args).arg(at).output().expect("mount runs");
        if !out.status.success() {
            eprintln!("left out: nothing can be mounted here: {}", String::from_utf8_lossy(&out.stderr));
            return None;
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn without_inodes_or_rights_the_run_fails_and_the_rest_stays() {
    if !is_root() {
        return;
    }
    let home = new_home();
    let backups = home.path().join("backups");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=8m,nr_inodes=6", "tmpfs"], &backups) else { return };
    home.ok(&["start"]);
    home.ok(&["run", "docs"]);
    let ran = home.run(&["run", "docs"]).code(1);
    assert!(ran.all().contains("No space left") || ran.all().contains("no space left"), "{}", ran.all());
    assert_eq!(archives(&home, "backups/docs").len(), 1);
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&backups).status().expect("mount runs").success());
    let ran = home.run(&["run", "docs"]).code(1);
    assert!(ran.all().contains("Read-only file system"), "{}", ran.all());
    assert!(Command::new("mount").args(["-o", "remount,rw,nr_inodes=100"]).arg(&backups).status().expect("mount runs").success());
    home.ok(&["run", "docs"]);
    // The daemon has lived through all of it.
    home.ok(&["status"]);
    home.ok(&["stop"]);
    in_order(&home);
}

#[test]
fn a_restore_stops_before_the_disk_is_full_and_goes_on_later() {
    if !is_root() {
        return;
    }
    let home = home();
    for n in 0..200 {
        home.write(&format!("documents/small/{n}"), &"y".repeat(10_000));
    }
    home.ok(&["run", "docs"]);
    let disk = home.path().join("disk");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &disk) else { return };
    let target = disk.to_str().expect("text");
    let ran = home.run(&["restore", "docs", "--to", target]).code(1);
    assert!(ran.all().contains("no space left to restore to"), "{}", ran.all());
    let free = nix::sys::statvfs::statvfs(&disk).expect("looked");
    assert!(free.blocks_available() > 0, "it was filled to the last byte");
    assert!(Command::new("mount").args(["-o", "remount,size=64m"]).arg(&disk).status().expect("mount runs").success());
    home.ok(&["restore", "docs", "--to", target]);
    let source = home.path().join("documents");
    assert_eq!(describe(&disk.join(source.strip_prefix("/").expect("absolute"))), describe(&source));
}

#[test]
fn a_source_with_bad_sectors_is_kept_but_for_them() {
    if !is_root() {
        return;
    }
    let home = home();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let mounted = mount_broken(&disk, Breaks::BadSectors).expect("FUSE is here");
    home.ok(&["create", "disk", "--source", "disk", "--manual"]);
    let ran = home.run(&["run", "disk"]).code(3);
    assert!(ran.all().contains("disk/07") && ran.all().contains("cannot be read after"), "{}", ran.all());
    drop(mounted);
    home.ok(&["verify", "disk", "--deep"]);
    let target = home.path().join("out");
    home.ok(&["restore", "disk", "--to", target.to_str().expect("text")]);
    let restored = target.join(disk.strip_prefix("/").expect("absolute"));
    let expected: Vec<u8> = (0..1u64 << 20).map(|at| (at / 7) as u8).collect();
    for n in 0..20 {
        let found = fs::read(restored.join(format!("{n:02}"))).expect("a file");
        if n == 7 {
            // What could be read is there, zeros stand for the rest.
            assert_eq!(found.len(), expected.len());
            assert_eq!(found[..128 << 10], expected[..128 << 10]);
            assert!(found[512 << 10..].iter().all(|b| *b == 0));
        } else {
            assert!(found == expected, "{n}");
        }
    }
}

#[test]
fn a_source_that_goes_away_fails_the_run() {
    if !is_root() {
        return;
    }
    let home = home();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    home.ok(&["create", "disk", "--source", "disk", "--manual"]);
    for after in [0, 5, 40] {
        let mounted = mount_broken(&disk, Breaks::Vanishes(after)).expect("FUSE is here");
        let ran = home.run(&["run", "disk"]).code(1);
        assert!(ran.all().contains("went away") || ran.all().contains("cannot be read"), "{}", ran.all());
        assert!(archives(&home, "backups/disk").is_empty());
        drop(mounted);
    }
    in_order(&home);
}

/// Cuts the power of a loop-mounted disk: what was not synced is lost. What was reported complete is
/// there and whole.
#[test]
fn what_was_complete_before_a_power_cut_is_whole_after_it() {
    if !is_root() {
        return;
    }
    let home = home();
    let image = home.path().join("disk.img");
    let disk = home.path().join("disk");
    fs::File::create(&image).and_then(|f| f.set_len(512 << 20)).expect("an image");
    assert!(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status().expect("mkfs.ext4 runs").success());
    let image = image.to_str().expect("text").to_owned();
    let mut complete = Vec::new();
    for round in 0..rounds(4) {
        let Some(mount) = Mount::new(&["-o", "loop", &image], &disk) else { return };
        let inner = ["--home", disk.to_str().expect("text")];
        let run = |args: &[&str]| home.run(&[&inner[..], args].concat());
        if round == 0 {
            run(&["init"]).code(0);
            let source = home.path().join("documents");
            let source = source.to_str().expect("text");
            run(&["create", "cut", "--source", source, "--manual", "--compression", "none"]).code(0);
        }
        let listed = run(&["backups", "cut"]).code(0).out;
        for name in &complete {
            assert!(listed.contains(name), "round {round}: {name} was reported complete and is not listed:\n{listed}");
        }
        if round > 0 {
            run(&["verify", "--all", "--deep"]).code(0);
        }
        run(&["run", "cut"]).code(0);
        let names = fs::read_dir(disk.join("backups/cut")).expect("a folder").map(|e| e.expect("an entry").file_name());
        complete = names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n.ends_with(".tar")).collect();
        // Another one is at work when the power goes.
        let mut second = home
            .command(&[&inner[..], &["run", "cut"]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        std::thread::sleep(Duration::from_millis(u64::from(10 + round * 37 % 150)));
        assert!(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&disk).status().expect("xfs_io runs").success());
        second.wait().expect("ended");
        drop(mount);
    }
    assert!(!complete.is_empty());
}
