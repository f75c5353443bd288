//! The daemon's program by itself. That this file exists also makes `cargo test` build the program,
//! which the tests of `backupctl` start.

use std::process::Command;

#[test]
fn says_its_version_and_refuses_what_is_no_home() {
    let program = env!("CARGO_BIN_EXE_backupd");
    let out = Command::new(program).arg("--version").output().expect("runs");
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("backupd 0."));
    let out = Command::new(program).args(["--foreground", "--home", "/nowhere/at/all"]).output().expect("runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("backupctl --home /nowhere/at/all init"));
}
