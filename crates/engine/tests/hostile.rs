//! Archives that want out of the target, and archives that lie about themselves.

mod common;

use backup_engine::{EngineError, Overwrite, RestorePlan, VerifyDepth, restore, verify};
use common::{Hears, restoring};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// One entry as an attacker writes it: any name, any type, any link.
fn entry(name: &str, kind: EntryType, link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    let ustar = header.as_ustar_mut().expect("ustar");
    ustar.name[..name.len()].copy_from_slice(name.as_bytes());
    ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(data.len() as u64);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(data);
    out.resize(out.len().div_ceil(512) * 512, 0);
    out
}

fn archive(folder: &Path, entries: &[Vec<u8>]) -> PathBuf {
    let path = folder.join("evil.tar");
    let mut file = fs::File::create(&path).expect("a file");
    for e in entries {
        file.write_all(e).expect("written");
    }
    file.write_all(&[0; 1024]).expect("written");
    path
}

/// Restores with every policy; answers the errors. Nothing may appear beside the target.
fn attack(entries: &[Vec<u8>]) -> Vec<Option<EngineError>> {
    let mut errors = Vec::new();
    for overwrite in [Overwrite::Never, Overwrite::Older, Overwrite::Always] {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("precious"), "untouched").expect("a file");
        let evil: Vec<Vec<u8>> = entries.to_vec();
        let path = archive(folder.path(), &evil);
        let target = folder.path().join("target");
        let plan = RestorePlan { overwrite, ..restoring(&path, &target) };
        errors.push(restore(&plan, &Hears::default()).err());
        assert_eq!(fs::read_to_string(outside.join("precious")).expect("file"), "untouched");
        let mut names: Vec<_> = fs::read_dir(folder.path()).expect("folder").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["evil.tar", "outside", "target"]);
        assert_eq!(fs::read_dir(&outside).expect("folder").count(), 1);
    }
    errors
}

fn refused(errors: &[Option<EngineError>]) {
    for e in errors {
        assert!(matches!(e, Some(EngineError::Refused { .. })), "{e:?}");
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../outside/new", "a/../../outside/new", "/tmp/backup-hostile-test", ".."] {
        refused(&attack(&[entry(name, EntryType::Regular, "", b"x")]));
        refused(&attack(&[entry(name, EntryType::Directory, "", b"")]));
    }
    assert!(!Path::new("/tmp/backup-hostile-test").exists());
}

#[test]
fn hard_links_that_lead_out_are_refused() {
    for link in ["../outside/precious", "/etc/passwd", ""] {
        refused(&attack(&[entry("innocent", EntryType::Link, link, b"")]));
    }
}

#[test]
fn nothing_is_written_through_links() {
    for to in ["../outside", "/tmp"] {
        let through =
            [entry("door", EntryType::Symlink, to, b""), entry("door/backup-hostile-test", EntryType::Regular, "", b"x")];
        attack(&through);
        let twice = [
            entry("door", EntryType::Symlink, to, b""),
            entry("door", EntryType::Directory, "", b""),
            entry("door/precious", EntryType::Regular, "", b"x"),
        ];
        attack(&twice);
        let file = [
            entry("precious", EntryType::Symlink, "../outside/precious", b""),
            entry("precious", EntryType::Regular, "", b"evil"),
        ];
        attack(&file);
        let hard = [
            entry("door", EntryType::Symlink, to, b""),
            entry("stolen", EntryType::Link, "door/precious", b""),
            entry("stolen", EntryType::Regular, "", b"evil"),
        ];
        attack(&hard);
    }
    assert!(!Path::new("/tmp/backup-hostile-test").exists());
}

#[test]
fn lies_are_damage_not_panics() {
    let good = [entry("a", EntryType::Regular, "", &[7; 3000]), entry("b", EntryType::Regular, "", b"x")].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.tar");
    // Cut anywhere, or with a flipped byte in a header: an error, and never a hang or a panic.
    for at in (0..good.len()).step_by(100) {
        fs::write(&path, &good[..at]).expect("written");
        assert!(verify(&path, VerifyDepth::Deep, &Hears::default()).is_err(), "cut at {at}");
    }
    for at in 0..512 {
        let mut bad = [&good[..], &[0; 1024]].concat();
        bad[at] ^= 0x55;
        fs::write(&path, &bad).expect("written");
        assert!(verify(&path, VerifyDepth::Deep, &Hears::default()).is_err(), "byte {at}");
    }
    for records in [
        "9999999999 path=x\n",
        "3 x",
        "12 size=abc\n",
        "15 mtime=1.2.3\n",
        "0 \n",
        "-5 path=x\n",
        "22 GNU.sparse.map=0,0\n",
        "99 path=short\n",
    ] {
        let evil = [entry("p", EntryType::XHeader, "", records.as_bytes()), entry("a", EntryType::Regular, "", b"x")].concat();
        fs::write(&path, [&evil[..], &[0; 1024]].concat()).expect("written");
        assert!(verify(&path, VerifyDepth::Deep, &Hears::default()).is_err(), "{records:?}");
    }
    // A sparse map that promises a petabyte writes nothing.
    let record =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n22 GNU.sparse.name=hole\n40 GNU.sparse.realsize=1125899906842624\n";
    let mut map = b"1\n1125899906842000\n9999\n".to_vec();
    map.resize(512, 0);
    let evil = [entry("p", EntryType::XHeader, "", record.as_bytes()), entry("hole", EntryType::Regular, "", &map)].concat();
    fs::write(&path, [&evil[..], &[0; 1024]].concat()).expect("written");
    assert!(matches!(verify(&path, VerifyDepth::Deep, &Hears::default()), Err(EngineError::Damaged { .. })));
}
