//! A tree of many files with everything in it, a terabyte of hole and a path of 8 kB: restored equal by
//! this program, and by GNU tar but for paths longer than Linux takes in one call. 10,000 files, or as many
//! as BACKUP_TEST_FILES says (`make soak`: 100,000).

mod common;

use backup_engine::{Access, VerifyDepth, raise_open_files, restore, verify};
use backup_model::Compression;
use backup_testkit::{describe, is_root, make_extremes, make_many, make_tree, make_tree_as_root};
use common::{Hears, inside, make, plan, restoring};
use std::process::Command;

fn same(ours: &[String], theirs: &[String], who: &str) {
    for (a, b) in ours.iter().zip(theirs) {
        assert_eq!(a, b, "{who}");
    }
    assert_eq!(ours.len(), theirs.len(), "{who}");
}

#[test]
fn restored_equal_whatever_is_in_it() {
    raise_open_files();
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    make_tree(&source);
    if is_root() {
        make_tree_as_root(&source);
    }
    let count = std::env::var("BACKUP_TEST_FILES").map_or(10_000, |n| n.parse().expect("a number"));
    make_many(&source.join("many"), count);
    make_extremes(&source);
    let ours = describe(&source);
    assert!(ours.len() > count + count / 25, "{}", ours.len());

    let (receipt, hears) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    assert!(hears.texts().is_empty(), "{:?}", hears.texts());
    verify(&receipt.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("deeply verified");
    let target = folder.path().join("restored");
    let report = restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
    assert!(report.proven && report.left == 0, "{report:?}");
    same(&ours, &describe(&inside(&target, &source)), "this program");

    let by_tar = folder.path().join("by tar");
    std::fs::create_dir(&by_tar).expect("a folder");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "--warning=no-timestamp", "-xpf"])
        .arg(&receipt.path)
        .arg("-C")
        .arg(&by_tar);
    let out = tar.env("LC_ALL", "C").output().expect("tar runs");
    // PATH_MAX of Linux: GNU tar gives whole paths to the system.
    for line in String::from_utf8_lossy(&out.stderr).lines() {
        assert!(line.contains("File name too long") || line.contains("previous errors"), "{line}");
    }
    let short = |lines: Vec<String>| lines.into_iter().filter(|l| !l.contains("/18deepdeep")).collect::<Vec<_>>();
    let theirs = short(describe(&inside(&by_tar, &source)));
    same(&short(ours), &theirs, "GNU tar");
}
