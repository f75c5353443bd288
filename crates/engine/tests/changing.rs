//! Files that change while they are read: the archive stays valid, and every one is named.

mod common;

use backup_engine::{Access, VerifyDepth, backup, restore, verify};
use backup_model::Compression;
use common::{Hears, inside, plan, restoring, time};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn growing_shrinking_and_vanishing_files_are_named_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir_all(&source).expect("a folder");
    fs::write(source.join("steady"), vec![1; 100_000]).expect("a file");
    let (grows, shrinks) = (source.join("grows"), source.join("shrinks"));
    fs::write(&grows, vec![2; 40_000_000]).expect("a file");
    fs::write(&shrinks, vec![3; 40_000_000]).expect("a file");
    for n in 0..200 {
        fs::write(source.join(format!("v{n}")), "x").expect("a file");
    }
    let stop = AtomicBool::new(false);
    let hears = Hears::default();
    let receipt = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut grown = OpenOptions::new().append(true).open(&grows).expect("a file");
            let shrunk = File::options().write(true).open(&shrinks).expect("a file");
            let mut length = 40_000_000u64;
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                grown.write_all(&[4; 1000]).expect("grown");
                length = length.saturating_sub(50_000);
                shrunk.set_len(length).expect("shrunk");
                let _ = fs::remove_file(source.join(format!("v{}", n % 200)));
                n += 1;
            }
        });
        let receipt = backup(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(1)), &time, &hears);
        stop.store(true, Ordering::Relaxed);
        receipt
    })
    .expect("a backup all the same");
    let texts = hears.texts();
    assert!(texts.iter().any(|t| t.contains("grows") && t.contains("changed while")), "{texts:?}");
    assert_eq!(receipt.manifest.status, "warning");
    assert_eq!(receipt.manifest.warnings as usize, texts.len());
    // The archive is whole: read back to its last byte, by tar too, and what held still is exact.
    verify(&receipt.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("valid");
    let listed = std::process::Command::new("tar").arg("-tzf").arg(&receipt.path).output().expect("tar");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let target = folder.path().join("t");
    restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
    assert_eq!(fs::read(inside(&target, &source).join("steady")).expect("file"), vec![1; 100_000]);
}
