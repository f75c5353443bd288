//! Encrypted archives: opened by `gpg`, told apart when something is wrong, silent about names.

mod common;

use backup_engine::{
    Access, BackupPlan, BaseArchive, ConsolidatePlan, DrillPlan, EngineError, Keys, Needle, Recipients, RestorePlan, Seal,
    VerifyDepth, cat, consolidate, drill, find, new_key, rebuild, restore, store, verify,
};
use backup_model::{ArchiveId, Compression, Kind, RunId};
use backup_testkit::{describe, make_tree};
use common::{Hears, inside, make, on, plan, restoring, tick};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A private folder for gpg.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("g").tempdir_in("/tmp").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("a mode");
        Self(folder)
    }

    fn run(&self, arguments: &[&str], input: &str) -> std::process::Output {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir")
            .arg(self.0.path())
            .args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"])
            .args(arguments);
        let mut child = gpg.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gpg runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("given");
        child.wait_with_output().expect("gpg ends")
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
    }
}

struct Sealed {
    folder: tempfile::TempDir,
    source: PathBuf,
    plan: BackupPlan,
    access: Access,
}

fn keys(passphrases: &[&str], files: &[(&Path, Option<&str>)]) -> Arc<Keys> {
    let mut keys = Keys::default();
    passphrases.iter().for_each(|p| keys.add_passphrase(p));
    for (file, passphrase) in files {
        keys.add_key(file, *passphrase).expect("a key");
    }
    Arc::new(keys)
}

fn sealed(recipients: Recipients, keys: Arc<Keys>, keep: bool) -> Sealed {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source-of-secrets");
    make_tree(&source);
    fs::write(source.join("letter-to-nobody.txt"), "a secret letter ".repeat(1000)).expect("a file");
    tick();
    let local = folder.path().join("local");
    let seal = Seal { recipients, local: local.clone(), keep };
    let plan = BackupPlan { seal: Some(seal), ..plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)) };
    Sealed { folder, source, plan, access: Access { keys, local: Some(local) } }
}

fn by_passphrase() -> Sealed {
    let recipients = Recipients::new(&[], Some("correct horse")).expect("recipients");
    sealed(recipients, keys(&["correct horse"], &[]), true)
}

fn equal_by_gpg(s: &Sealed, archive: &Path, gpg: &Gpg, arguments: &[&str], input: &str) {
    let plain = s.folder.path().join("plain.tar.gz");
    let plain_name = plain.display().to_string();
    let archive = archive.display().to_string();
    let mut all = arguments.to_vec();
    all.extend(["-o", &plain_name, "-d", &archive]);
    let out = gpg.run(&all, input);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let target = s.folder.path().join("by gpg");
    fs::create_dir(&target).expect("a folder");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]).arg(&plain).arg("-C").arg(&target);
    let out = tar.output().expect("tar runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(describe(&s.source), describe(&inside(&target, &s.source)));
    fs::remove_dir_all(&target).expect("removed");
    fs::remove_file(&plain).expect("removed");
}

#[test]
fn gpg_opens_what_a_passphrase_closed() {
    let s = by_passphrase();
    let (receipt, hears) = make(&s.plan);
    assert!(hears.texts().is_empty(), "{:?}", hears.texts());
    assert!(receipt.path.display().to_string().ends_with(".tar.gz.gpg"));
    equal_by_gpg(&s, &receipt.path, &Gpg::new(), &["--passphrase-fd", "0"], "correct horse");
    verify(&receipt.path, VerifyDepth::Deep, &s.access, &Hears::default()).expect("verified");
    verify(&receipt.path, VerifyDepth::Checksums, &Access::default(), &Hears::default()).expect("sums need no key");
    let target = s.folder.path().join("restored");
    let plan = RestorePlan { access: s.access.clone(), ..restoring(&receipt.path, &target) };
    assert!(restore(&plan, &Hears::default()).expect("restored").proven);
    assert_eq!(describe(&s.source), describe(&inside(&target, &s.source)));
    // Without index and sidecar too.
    fs::remove_file(store::index_path(&receipt.path)).expect("removed");
    fs::remove_file(store::sidecar_path(&receipt.path)).expect("removed");
    let target = s.folder.path().join("restored alone");
    restore(&RestorePlan { target: target.clone(), ..plan }, &Hears::default()).expect("restored");
    assert_eq!(describe(&s.source), describe(&inside(&target, &s.source)));
    rebuild(&receipt.path, &s.access, s.plan.seal.as_ref(), &Hears::default()).expect("rebuilt");
    let no_local = Access { local: None, ..s.access.clone() };
    verify(&receipt.path, VerifyDepth::Deep, &no_local, &Hears::default()).expect("verified");
}

#[test]
fn gpg_opens_what_was_closed_to_keys_of_both() {
    let gpg = Gpg::new();
    let out = gpg.run(&["--passphrase", "", "--quick-generate-key", "Ops <ops@example.org>", "default", "default", "never"], "");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out =
        gpg.run(&["--passphrase", "", "--quick-generate-key", "New <new@example.org>", "future-default", "default", "never"], "");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let exported = |who: &str| gpg.run(&["--armor", "--export", who], "").stdout;
    let rsa = file("rsa.asc", &exported("ops@example.org"));
    let curve = file("curve.asc", &exported("new@example.org"));
    let own = new_key("Our own", Some("pass of the key")).expect("a key");
    let (public, private) = (file("own.asc", own.public.as_bytes()), file("own.key", own.private.as_bytes()));
    let recipients = Recipients::new(&[rsa, curve, public], None).expect("recipients");
    assert_eq!(recipients.fingerprints().len(), 3);
    let s = sealed(recipients, keys(&[], &[(&private, Some("pass of the key"))]), true);
    let (receipt, _) = make(&s.plan);
    assert_eq!(receipt.manifest.encryption.as_ref().map(|e| e.to.len()), Some(3));
    equal_by_gpg(&s, &receipt.path, &gpg, &[], "");
    verify(&receipt.path, VerifyDepth::Deep, &s.access, &Hears::default()).expect("verified by the third key");
    // Our own private key in gpg's hands.
    let other = Gpg::new();
    let out = other.run(&["--passphrase", "pass of the key", "--import", &private.display().to_string()], "");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    equal_by_gpg(&s, &receipt.path, &other, &["--passphrase", "pass of the key"], "");
    // And keys of gpg's in ours.
    let secret =
        file("rsa.key", &gpg.run(&["--passphrase", "", "--armor", "--export-secret-keys", "ops@example.org"], "").stdout);
    let access = Access { keys: keys(&[], &[(&secret, None)]), local: None };
    verify(&receipt.path, VerifyDepth::Deep, &access, &Hears::default()).expect("verified by gpg's key");
}

#[test]
fn nothing_beside_an_archive_names_a_file() {
    let s = by_passphrase();
    let (receipt, _) = make(&s.plan);
    fs::write(s.source.join("letter-to-somebody.txt"), "new").expect("a file");
    // By the clear index: no key is needed.
    let access = Access { keys: Arc::default(), ..s.access.clone() };
    let base = BaseArchive { archive: receipt.path.clone(), access };
    let (increment, _) = make(&BackupPlan { base: Some(base), ..on(&s.plan, Kind::Incremental, &receipt.path) });
    assert_eq!(increment.manifest.kind, Kind::Incremental, "{:?}", increment.manifest.full_because);
    let mut seen = 0;
    for entry in fs::read_dir(s.folder.path().join("backups")).expect("a folder") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("bytes");
        seen += 1;
        for word in ["letter", "source-of-secrets", "secret"] {
            assert!(!bytes.windows(word.len()).any(|w| w == word.as_bytes()), "{word}");
        }
    }
    assert_eq!(seen, 6);
    for entry in fs::read_dir(s.folder.path().join("local")).expect("a folder") {
        let meta = entry.expect("an entry").metadata().expect("metadata");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn chains_find_browse_drill_and_consolidate() {
    let s = by_passphrase();
    let (full, _) = make(&s.plan);
    fs::write(s.source.join("letter-to-somebody.txt"), "new").expect("a file");
    fs::remove_file(s.source.join("letter-to-nobody.txt")).expect("removed");
    let local = s.folder.path().join("local");
    let base = BaseArchive { archive: full.path.clone(), access: s.access.clone() };
    let (increment, _) = make(&BackupPlan { base: Some(base), ..on(&s.plan, Kind::Incremental, &full.path) });
    let target = s.folder.path().join("restored");
    for local in [Some(local.clone()), None] {
        let access = Access { local, ..s.access.clone() };
        let _ = fs::remove_dir_all(&target);
        restore(&RestorePlan { access, ..restoring(&increment.path, &target) }, &Hears::default()).expect("restored");
        assert_eq!(describe(&s.source), describe(&inside(&target, &s.source)));
    }
    let needle = Needle::new("letter", false).expect("a needle");
    // By the clear indexes alone: there is no key.
    let keyless = Access { keys: Arc::default(), ..s.access.clone() };
    let (found, more) = find(&[full.path.clone(), increment.path.clone()], &needle, 10, &keyless).expect("found");
    assert!(!more && found.len() == 2);
    let error = find(std::slice::from_ref(&full.path), &needle, 10, &Access::default()).expect_err("no key");
    assert!(matches!(error, EngineError::NoKey { .. }), "{error}");
    let mut out = Vec::new();
    let path = inside(Path::new(""), &s.source).join("letter-to-somebody.txt").into_os_string().into_encoded_bytes();
    cat(&increment.path, &path, &s.access, &mut out, &Hears::default()).expect("shown");
    assert_eq!(out, b"new");
    assert!(matches!(cat(&increment.path, &path, &keyless, &mut Vec::new(), &Hears::default()), Err(EngineError::NoKey { .. })));
    let trial = DrillPlan {
        archive: increment.path.clone(),
        scratch: s.folder.path().join("trial"),
        percent: 100.0,
        seed: 1,
        access: s.access.clone(),
    };
    let report = drill(&trial, &Hears::default()).expect("tried");
    assert!(report.count == 0 && report.entries > 30, "{report:?}");
    let plan = ConsolidatePlan {
        archive: increment.path.clone(),
        id: ArchiveId(uuid::Uuid::now_v7()),
        run: RunId(uuid::Uuid::now_v7()),
        compression: Compression::Zstd(3),
        seal: s.plan.seal.clone(),
        access: s.access.clone(),
        tool: "test".into(),
    };
    let made = consolidate(&plan, &common::time, &Hears::default()).expect("consolidated");
    assert!(made.path.display().to_string().ends_with(".tar.zst.gpg"));
    let target = s.folder.path().join("consolidated");
    restore(&RestorePlan { access: s.access.clone(), ..restoring(&made.path, &target) }, &Hears::default()).expect("restored");
    assert_eq!(describe(&s.source), describe(&inside(&target, &s.source)));
}

/// What an error says, and whether anything came out.
fn refused(s: &Sealed, archive: &Path, access: &Access, what: &str) -> String {
    let target = s.folder.path().join(format!("refused {what}"));
    let error =
        restore(&RestorePlan { access: access.clone(), ..restoring(archive, &target) }, &Hears::default()).expect_err(what);
    let files = |p: &Path| if p.exists() { describe(p).len() } else { 0 };
    assert_eq!(files(&target), 0, "{what}: nothing comes out");
    error.to_string()
}

#[test]
fn cut_damaged_and_wrong_key_are_told_apart() {
    let s = by_passphrase();
    let (receipt, _) = make(&s.plan);
    let archive = receipt.path;
    let good = fs::read(&archive).expect("bytes");
    let wrong = Access { keys: keys(&["another"], &[]), local: None };
    let right = Access { local: None, ..s.access.clone() };
    let none = Access::default();
    let text = refused(&s, &archive, &wrong, "wrong");
    assert!(text.contains("encrypted with a passphrase") && text.contains("are others"), "{text}");
    let text = refused(&s, &archive, &none, "none");
    assert!(text.contains("there is no key here") && text.contains("--passphrase-file"), "{text}");
    fs::write(&archive, &good[..good.len() - 100]).expect("cut");
    let text = refused(&s, &archive, &right, "cut");
    assert!(text.contains("it is cut"), "{text}");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&archive, &bad).expect("damaged");
    let text = refused(&s, &archive, &right, "damaged");
    assert!(text.contains("SHA-256"), "{text}");
    // Without the sidecar one message names all three.
    fs::remove_file(store::sidecar_path(&archive)).expect("removed");
    fs::remove_file(store::index_path(&archive)).expect("removed");
    for (bytes, access, what) in [
        (&good[..], &wrong, "wrong alone"),
        (&good[..good.len() - 100], &right, "cut alone"),
        (&bad[..], &right, "damaged alone"),
    ] {
        fs::write(&archive, bytes).expect("written");
        let text = refused(&s, &archive, access, what);
        for word in ["key or passphrase is another", "cut", "damaged"] {
            assert!(text.contains(word), "{what}: {text}");
        }
        assert!(verify(&archive, VerifyDepth::Deep, access, &Hears::default()).is_err());
    }
    fs::write(&archive, &good).expect("whole again");
    let target = s.folder.path().join("restored");
    restore(&RestorePlan { access: right, ..restoring(&archive, &target) }, &Hears::default()).expect("restored");
}

#[test]
fn flipped_bits_anywhere_let_nothing_out() {
    let s = by_passphrase();
    let (receipt, _) = make(&s.plan);
    let archive = receipt.path;
    fs::remove_file(store::sidecar_path(&archive)).expect("removed");
    let good = fs::read(&archive).expect("bytes");
    let access = Access { local: None, ..s.access.clone() };
    for n in 0..25usize {
        let mut bad = good.clone();
        let at = n * (good.len() - 1) / 24;
        bad[at] ^= 1 << (n % 8);
        fs::write(&archive, &bad).expect("damaged");
        refused(&s, &archive, &access, &format!("at {at}"));
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.asc");
    fs::write(&path, "no key at all").expect("written");
    for error in [Recipients::new(std::slice::from_ref(&path), None).map(|_| ()), Keys::default().add_key(&path, None)] {
        let text = error.expect_err("no key").to_string();
        assert!(text.contains("x.asc") && text.contains("no usable OpenPGP key"), "{text}");
    }
    assert!(Recipients::new(&[], Some("")).is_err());
    assert!(Recipients::new(&[folder.path().join("none")], None).is_err());
}

#[test]
fn without_a_clear_index_and_a_key_every_archive_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = new_key("Our own", None).expect("a key");
    let public = folder.path().join("own.asc");
    fs::write(&public, own.public).expect("written");
    let recipients = Recipients::new(&[public], None).expect("recipients");
    let s = sealed(recipients, Arc::default(), false);
    let (full, _) = make(&s.plan);
    let base = BaseArchive { archive: full.path.clone(), access: s.access.clone() };
    let (next, _) = make(&BackupPlan { base: Some(base), ..on(&s.plan, Kind::Incremental, &full.path) });
    let because = next.manifest.full_because.unwrap_or_default();
    assert!(next.manifest.kind == Kind::Full && because.contains("neither a clear copy"), "{because}");
    assert_eq!(fs::read_dir(s.folder.path().join("local")).expect("a folder").count(), 0);
}
