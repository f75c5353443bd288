//! Archives that want out of the target, and archives that lie about themselves.

mod common;

use backup_engine::{Access, EngineError, Overwrite, RestorePlan, VerifyDepth, restore, store, verify};
use backup_model::Compression;
use backup_testkit::{describe, is_root};
use common::{Hears, inside, make, plan, restoring};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
        assert!(verify(&path, VerifyDepth::Deep, &Access::default(), &Hears::default()).is_err(), "cut at {at}");
    }
    for at in 0..512 {
        let mut bad = [&good[..], &[0; 1024]].concat();
        bad[at] ^= 0x55;
        fs::write(&path, &bad).expect("written");
        assert!(verify(&path, VerifyDepth::Deep, &Access::default(), &Hears::default()).is_err(), "byte {at}");
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
        assert!(verify(&path, VerifyDepth::Deep, &Access::default(), &Hears::default()).is_err(), "{records:?}");
    }
    // A sparse map that promises a petabyte writes nothing.
    let record =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n22 GNU.sparse.name=hole\n40 GNU.sparse.realsize=1125899906842624\n";
    let mut map = b"1\n1125899906842000\n9999\n".to_vec();
    map.resize(512, 0);
    let evil = [entry("p", EntryType::XHeader, "", record.as_bytes()), entry("hole", EntryType::Regular, "", &map)].concat();
    fs::write(&path, [&evil[..], &[0; 1024]].concat()).expect("written");
    assert!(matches!(verify(&path, VerifyDepth::Deep, &Access::default(), &Hears::default()), Err(EngineError::Damaged { .. })));
}

/// The beginning of an attack: a folder with something precious outside of the target.
fn scene() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = folder.path().join("outside");
    fs::create_dir_all(outside.join("inner")).expect("a folder");
    fs::write(outside.join("precious"), "untouched").expect("a file");
    fs::hard_link(outside.join("precious"), outside.join("inner/second name")).expect("a link");
    fs::write(outside.join("inner/f0"), "a file with a name that the archive has too").expect("a file");
    let before = describe(&outside);
    (folder, outside, before)
}

#[test]
fn duplicate_names_and_devices_stay_inside() {
    let same_name = [
        entry("x", EntryType::Regular, "", b"first"),
        entry("x", EntryType::Symlink, "../outside/precious", b""),
        entry("x", EntryType::Regular, "", b"second"),
        entry("x", EntryType::Link, "x", b""),
        entry("x", EntryType::Directory, "", b""),
        entry("x/precious", EntryType::Regular, "", b"third"),
        entry("x", EntryType::Fifo, "", b""),
        entry("x", EntryType::Char, "", b""),
        entry("x", EntryType::Block, "", b""),
        entry("x", EntryType::Regular, "", b"last"),
    ];
    attack(&same_name);
    attack(&[entry("null", EntryType::Char, "", b""), entry("null", EntryType::Regular, "", b"into the device?")]);
}

#[test]
fn sizes_that_lie_write_nothing_more() {
    for size in ["999999999999999", "18446744073709551615", "9223372036854775808", "0"] {
        let record = format!(" size={size}\n");
        let record = format!("{}{record}", record.len() + 2);
        let evil = [entry("p", EntryType::XHeader, "", record.as_bytes()), entry("a", EntryType::Regular, "", b"x")];
        for e in attack(&evil) {
            assert!(matches!(e, Some(EngineError::Damaged { .. } | EngineError::Refused { .. })), "{size}: {e:?}");
        }
    }
}

/// One gzip member, again and again: an archive of many gigabytes in a few megabytes.
fn repeated(path: &Path, first: &[u8], again: &[u8], times: usize) {
    let mut packer = libdeflater::Compressor::new(libdeflater::CompressionLvl::best());
    let mut pack = |bytes: &[u8]| {
        let mut out = vec![0; packer.gzip_compress_bound(bytes.len())];
        let n = packer.gzip_compress(bytes, &mut out).expect("packed");
        out.truncate(n);
        out
    };
    let (first, again, end) = (pack(first), pack(again), pack(&[0; 1024]));
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    file.write_all(&first).expect("written");
    for _ in 0..times {
        file.write_all(&again).expect("written");
    }
    file.write_all(&end).expect("written");
    file.flush().expect("written");
}

#[test]
fn bombs_are_refused() {
    let (folder, outside, before) = scene();
    let path = folder.path().join("evil.tar.gz");
    let target = folder.path().join("target");
    // 100 GiB of zeros in 100 MiB.
    let mut header = entry("bomb", EntryType::Regular, "", b"");
    header[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\x19\0\0\0\0");
    let sum: u32 = header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    repeated(&path, &header, &vec![0; 1 << 20], 100 << 10);
    let error = restore(&restoring(&path, &target), &Hears::default()).expect_err("refused");
    assert!(matches!(&error, EngineError::Refused { what, .. } if what.contains("--max-size")), "{error}");
    assert_eq!(fs::read_dir(&target).expect("the target").count(), 0, "nothing of it is written");
    // Ten million entries in a few megabytes.
    let many = entry("d", EntryType::Directory, "", b"").repeat(2048);
    repeated(&path, &many, &many, 5000);
    let error = restore(&restoring(&path, &target), &Hears::default()).expect_err("refused");
    assert!(matches!(&error, EngineError::Refused { what, .. } if what.contains("--max-entries")), "{error}");
    // A limit that somebody sets holds.
    let plan = RestorePlan { max_entries: Some(10), ..restoring(&path, &target) };
    assert!(matches!(restore(&plan, &Hears::default()), Err(EngineError::Refused { .. })));
    assert_eq!(describe(&outside), before);
}

#[test]
fn more_than_the_sidecar_says_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir(&source).expect("a folder");
    for n in 0..10 {
        fs::write(source.join(n.to_string()), "x").expect("a file");
    }
    let archive = make(&plan(&[&source], &folder.path().join("b"), Compression::None)).0.path;
    let sidecar = store::sidecar_path(&archive);
    let text = fs::read_to_string(&sidecar).expect("a sidecar");
    let lie = text.replace("\"files\": 10", "\"files\": 5");
    // One whose sum does not fit is no sidecar.
    fs::write(&sidecar, &lie).expect("written");
    let hears = Hears::default();
    restore(&restoring(&archive, &folder.path().join("without it")), &hears).expect("restored");
    assert!(hears.texts().iter().any(|t| t.contains("its own checksum does not fit it")), "{:?}", hears.texts());
    // As the first version wrote it there is no sum to lie about.
    let sum = lie.find(",\n  \"sum\"").expect("a sum");
    let lie = format!("{}\n}}\n", &lie[..sum]).replace("\"version\": 2", "\"version\": 1");
    fs::write(&sidecar, lie).expect("written");
    let error = restore(&restoring(&archive, &folder.path().join("t")), &Hears::default()).expect_err("refused");
    assert!(matches!(error, EngineError::Refused { .. }), "{error}");
}

/// As root, against somebody who swaps the folders and part files of the target for links to the
/// outside, a thousand times and more.
#[test]
fn swapped_folders_lead_nowhere() {
    if !is_root() {
        return;
    }
    let (folder, outside, before) = scene();
    let source = folder.path().join("s");
    for d in 0..20 {
        fs::create_dir_all(source.join(format!("d{d}/inner"))).expect("folders");
        for f in 0..20 {
            fs::write(source.join(format!("d{d}/inner/f{f}")), "from the archive").expect("a file");
        }
        std::os::unix::fs::symlink("f0", source.join(format!("d{d}/inner/link"))).expect("a link");
        fs::hard_link(source.join(format!("d{d}/inner/f1")), source.join(format!("d{d}/inner/precious"))).expect("a link");
        nix::unistd::mkfifo(&source.join(format!("d{d}/inner/fifo")), nix::sys::stat::Mode::from_bits_truncate(0o666))
            .expect("a fifo");
    }
    let archive = make(&plan(&[&source], &folder.path().join("b"), Compression::Gzip(1))).0.path;
    let target = folder.path().join("target");
    let inside = inside(&target, &source);
    let (swaps, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for d in 0..20 {
                    let (door, away) = (inside.join(format!("d{d}")), inside.join(format!("away{d}")));
                    if fs::rename(&door, &away).is_ok() && std::os::unix::fs::symlink(&outside, &door).is_ok() {
                        swaps.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        let _ = fs::remove_file(&door);
                        let _ = fs::rename(&away, &door);
                    }
                    for part in fs::read_dir(door.join("inner")).into_iter().flatten().flatten() {
                        if part.file_name().to_string_lossy().ends_with(".part") && fs::remove_file(part.path()).is_ok() {
                            let _ = std::os::unix::fs::symlink(outside.join("precious"), part.path());
                        }
                    }
                }
            }
        });
        let begun = std::time::Instant::now();
        for round in 0.. {
            let overwrite = [Overwrite::Always, Overwrite::Never, Overwrite::Older][round % 3];
            // It may fail or leave entries out; it may not touch the outside.
            let _ = restore(&RestorePlan { overwrite, ..restoring(&archive, &target) }, &Hears::default());
            let enough = swaps.load(Ordering::Relaxed) >= 1000 && round >= 30;
            if enough || begun.elapsed().as_secs() > 120 {
                break;
            }
            if round % 5 == 4 {
                let _ = fs::remove_dir_all(&target);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(swaps.load(Ordering::Relaxed) >= 1000, "only {} swaps", swaps.load(Ordering::Relaxed));
    assert_eq!(describe(&outside), before);
}
