//! Does what `doc/recover.md` says, with the tools that it names and nothing else.

mod common;

use backup_engine::{Access, BackupPlan, BaseArchive, Keys, Recipients, Seal};
use backup_model::{Compression, Kind};
use backup_testkit::{describe, make_tree};
use common::{inside, make, on, plan, tick};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The blocks of shell in the page, in order.
fn blocks() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../doc/recover.md")).expect("the page");
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn recovered(compression: Compression, passphrase: Option<&str>) {
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    let source = folder.path().join("source");
    make_tree(&source);
    let mut first = plan(&[&source], &folder.path().join("backups/docs"), compression);
    let mut access = Access::default();
    if let Some(passphrase) = passphrase {
        let recipients = Recipients::new(&[], Some(passphrase)).expect("recipients");
        first.seal = Some(Seal { recipients, local: folder.path().join("local"), keep: true });
        let mut keys = Keys::default();
        keys.add_passphrase(passphrase);
        access = Access { keys: Arc::new(keys), local: Some(folder.path().join("local")) };
    }
    tick();
    let mut last = make(&first).0.path;
    for n in 0..3 {
        fs::write(source.join("letter.txt"), format!("letter {n}")).expect("written");
        fs::remove_file(source.join(["file 1.bin", "file 512.bin", "dangling"][n])).expect("removed");
        fs::create_dir_all(source.join(format!("new {n}"))).expect("a folder");
        tick();
        let base = BaseArchive { archive: last.clone(), access: access.clone() };
        let kind = if n == 1 { Kind::Differential } else { Kind::Incremental };
        let plan = BackupPlan { base: Some(base), ..on(&first, kind, &last) };
        let (receipt, _) = make(&plan);
        assert_eq!(receipt.manifest.kind, kind);
        last = receipt.path;
    }
    let (work, target, gnupg) = (folder.path().join("work"), folder.path().join("target"), folder.path().join("g"));
    fs::create_dir(&work).expect("a folder");
    fs::create_dir(&gnupg).expect("a folder");
    fs::set_permissions(&gnupg, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a mode");
    fs::write(work.join("pass"), passphrase.unwrap_or_default()).expect("written");
    let file = inside(Path::new(""), &source).join("letter.txt");
    let options = format!("--batch --quiet --pinentry-mode loopback --passphrase-file {}", work.join("pass").display());
    let mut shell = Command::new("bash");
    shell.arg("-euo").arg("pipefail").arg("-c").arg(blocks().concat()).env("GNUPGHOME", &gnupg);
    shell.env("VERSION", &last).env("WORK", &work).env("TARGET", &target).env("FILE", &file).env("GPG_OPTIONS", options);
    let out = shell.output().expect("bash runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let _ = Command::new("gpgconf").env("GNUPGHOME", &gnupg).args(["--kill", "all"]).status();
    assert!(out.status.success(), "{said}");
    assert_eq!(said.matches(": OK").count(), 4, "{said}");
    assert_eq!(describe(&source), describe(&inside(&target, &source)));
    assert_eq!(fs::read(work.join("file")).expect("a file"), b"letter 2");
}

#[test]
fn the_page_on_recovery_holds() {
    assert_eq!(blocks().len(), 5);
    recovered(Compression::Gzip(5), None);
    recovered(Compression::Zstd(3), None);
    recovered(Compression::None, None);
}

#[test]
fn the_page_on_recovery_holds_for_encrypted_archives() {
    recovered(Compression::Gzip(5), Some("correct horse battery"));
}
