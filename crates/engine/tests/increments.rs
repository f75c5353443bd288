//! Chains of archives: random histories, restored at every version by this program and by GNU tar.

mod common;

use backup_engine::{
    Access, ConsolidatePlan, EngineError, Overwrite, Owners, RestorePlan, Selection, VerifyDepth, as_tar, cat, consolidate,
    list_folder, rebuild, restore, store, verify,
};
use backup_model::{Compression, Detect, FileSource, Kind};
use backup_testkit::{RandomTree, describe};
use common::{Hears, inside, make, on, plan, restoring, tick};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One version: its archive, the archive beneath it, the tree as it was.
struct Version {
    archive: PathBuf,
    parent: Option<usize>,
    tree: Vec<String>,
}

fn chain_of(versions: &[Version], at: usize) -> Vec<usize> {
    let mut chain = vec![at];
    while let Some(parent) = versions[chain[chain.len() - 1]].parent {
        chain.push(parent);
    }
    chain.reverse();
    chain
}

fn by_tar(archives: &[&Path], target: &Path) {
    fs::create_dir_all(target).expect("a folder");
    for archive in archives {
        let mut tar = Command::new("tar");
        tar.args(["--listed-incremental=/dev/null", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]);
        let out = tar.arg(archive).arg("-C").arg(target).output().expect("tar runs");
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

fn same(expected: &[String], found: &[String], what: &str) {
    for line in expected {
        assert!(found.contains(line), "{what}: missing {line}\n{:#?}", found);
    }
    for line in found {
        assert!(expected.contains(line), "{what}: too much: {line}\n{:#?}", expected);
    }
}

fn history(seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    let mut tree = RandomTree::new(&source, &folder.path().join("outside"), seed);
    let compression = [Compression::Gzip(1), Compression::Zstd(1), Compression::None][tree.below(3)];
    let backups = folder.path().join("backups");
    let first = plan(&[&source], &backups, compression);
    for _ in 0..12 {
        tree.change();
    }
    let mut versions: Vec<Version> = Vec::new();
    let mut full = 0;
    for n in 0..6 {
        // Mostly the clock goes on between a change and a backup; where it does not, nothing may be lost.
        if tree.below(3) > 0 {
            tick();
        }
        let kind = match tree.below(8) {
            _ if n == 0 => Kind::Full,
            0 => Kind::Full,
            1 | 2 => Kind::Differential,
            _ => Kind::Incremental,
        };
        let parent = match kind {
            Kind::Full => None,
            Kind::Incremental => Some(n - 1),
            Kind::Differential => Some(full),
        };
        let plan = match parent {
            None => backup_engine::BackupPlan { id: backup_model::ArchiveId(uuid::Uuid::now_v7()), ..first.clone() },
            Some(parent) => on(&first, kind, &versions[parent].archive),
        };
        let (receipt, hears) = make(&plan);
        assert!(receipt.manifest.warnings == 0 && receipt.manifest.kind == kind, "seed {seed}: {:?}", hears.texts());
        if kind == Kind::Full {
            full = n;
        }
        versions.push(Version { archive: receipt.path, parent, tree: describe(&source) });
        for _ in 0..tree.below(7) {
            tree.change();
        }
    }
    for (n, version) in versions.iter().enumerate() {
        verify(&version.archive, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("verified");
        let target = folder.path().join(format!("restored {n}"));
        let report = restore(&restoring(&version.archive, &target), &Hears::default()).expect("restored");
        assert!(report.proven && report.left == 0, "seed {seed}: {report:?}");
        same(&version.tree, &describe(&inside(&target, &source)), &format!("seed {seed}, version {n}"));
        let target = folder.path().join(format!("by tar {n}"));
        let archives: Vec<&Path> = chain_of(&versions, n).into_iter().map(|i| versions[i].archive.as_path()).collect();
        by_tar(&archives, &target);
        // GNU tar gives attributes to a folder that stands there already but takes none away.
        let plain = |tree: &[String]| -> Vec<String> {
            let cut = |line: &String| match line.split_once(" \"user.n\"=") {
                Some((rest, _)) if rest.contains(" mode=40") => rest.to_owned(),
                _ => line.clone(),
            };
            tree.iter().map(cut).collect()
        };
        let found = describe(&inside(&target, &source));
        same(&plain(&version.tree), &plain(&found), &format!("seed {seed}, version {n} by tar"));
    }
    // Put together from a chain, it is the same version.
    if let Some(n) = (0..versions.len()).rev().find(|n| versions[*n].parent.is_some()) {
        let plan = ConsolidatePlan {
            archive: versions[n].archive.clone(),
            id: backup_model::ArchiveId(uuid::Uuid::now_v7()),
            run: backup_model::RunId(uuid::Uuid::now_v7()),
            compression,
            seal: None,
            access: Access::default(),
            tool: "test".into(),
        };
        let full = consolidate(&plan, &common::time, &Hears::default()).expect("consolidated");
        assert_eq!((full.manifest.kind, full.manifest.parent), (Kind::Full, None));
        verify(&full.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("verified");
        let target = folder.path().join("consolidated");
        restore(&restoring(&full.path, &target), &Hears::default()).expect("restored");
        same(&versions[n].tree, &describe(&inside(&target, &source)), &format!("seed {seed}, consolidated"));
        let mut stream = fs::File::create(folder.path().join("stream.tar")).expect("a file");
        as_tar(&versions[n].archive, &Selection::default(), 0, &Access::default(), &mut stream, &Hears::default())
            .expect("a stream");
        let target = folder.path().join("streamed");
        by_tar(&[&folder.path().join("stream.tar")], &target);
        same(&versions[n].tree, &describe(&inside(&target, &source)), &format!("seed {seed}, as a stream"));
        // Increments go on from it.
        if n == versions.len() - 1 {
            tick();
            let (next, _) = make(&on(&first, Kind::Incremental, &full.path));
            assert_eq!(next.manifest.parent, Some(full.manifest.id), "{:?}", next.manifest.full_because);
            let target = folder.path().join("after it");
            restore(&restoring(&next.path, &target), &Hears::default()).expect("restored");
            same(&describe(&source), &describe(&inside(&target, &source)), &format!("seed {seed}, after it"));
        }
    }
    // Without any index and sidecar: they come from the archives.
    for version in &versions {
        fs::remove_file(store::index_path(&version.archive)).expect("an index");
        if seed.is_multiple_of(2) {
            fs::remove_file(store::sidecar_path(&version.archive)).expect("a sidecar");
        }
    }
    let last = versions.len() - 1;
    let target = folder.path().join("without index");
    restore(&restoring(&versions[last].archive, &target), &Hears::default()).expect("restored");
    same(&versions[last].tree, &describe(&inside(&target, &source)), &format!("seed {seed}, without index"));
    for version in &versions {
        let made = rebuild(&version.archive, &Access::default(), None, &Hears::default()).expect("rebuilt");
        assert!(made.index && made.sidecar == seed.is_multiple_of(2), "{made:?}");
        verify(&version.archive, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("verified");
    }
    let middle = versions.len() / 2;
    let target = folder.path().join("rebuilt");
    let report = restore(&restoring(&versions[middle].archive, &target), &Hears::default()).expect("restored");
    assert!(report.proven, "{report:?}");
    same(&versions[middle].tree, &describe(&inside(&target, &source)), &format!("seed {seed}, rebuilt"));
}

/// `BACKUP_TEST_HISTORIES` says how many; `make soak` asks for 500.
#[test]
fn random_histories_restore_exactly() {
    let count: u64 = std::env::var("BACKUP_TEST_HISTORIES").ok().map_or(40, |n| n.parse().expect("a number"));
    let from: u64 = std::env::var("BACKUP_TEST_SEED").ok().map_or(0, |n| n.parse().expect("a number"));
    let next = std::sync::atomic::AtomicU64::new(from);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= from + count {
                        return;
                    }
                    history(seed);
                }
            });
        }
    });
}

struct Tree {
    folder: tempfile::TempDir,
    source: PathBuf,
    first: backup_engine::BackupPlan,
    full: PathBuf,
}

/// A tree of some files and a full archive of it.
fn tree() -> Tree {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    fs::create_dir_all(source.join("sub/deep")).expect("folders");
    for n in 0..30 {
        fs::write(source.join(format!("sub/file {n}")), vec![n; 5000 * usize::from(n)]).expect("a file");
    }
    fs::write(source.join("sub/deep/one"), "one").expect("a file");
    tick();
    let first = plan(&[&source], &folder.path().join("backups"), Compression::Zstd(3));
    let full = make(&first).0.path;
    Tree { folder, source, first, full }
}

#[test]
fn an_increment_holds_only_what_changed() {
    let t = tree();
    let (nothing, _) = make(&on(&t.first, Kind::Incremental, &t.full));
    let m = &nothing.manifest;
    assert_eq!(m.changed.map(|c| (c.files, c.others, c.bytes)), Some((0, 0, 0)));
    assert_eq!((m.files, m.folders), (31, 3));
    assert!(nothing.path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("inc_")));
    fs::write(t.source.join("sub/file 3"), "changed").expect("written");
    fs::remove_file(t.source.join("sub/file 4")).expect("removed");
    let (one, _) = make(&on(&t.first, Kind::Incremental, &nothing.path));
    assert_eq!(one.manifest.changed.map(|c| (c.files, c.bytes)), Some((1, 7)));
    assert_eq!(one.manifest.files, 30);
    let (list, _) = list_folder(
        &one.path,
        &inside(Path::new(""), &t.source).join("sub").into_os_string().into_encoded_bytes(),
        0,
        100,
        &Access::default(),
    )
    .expect("listed");
    assert_eq!(list.len(), 30, "deleted files are not in the version");
    // A part of it, from several archives.
    let target = t.folder.path().join("part");
    let path = |name: &str| inside(Path::new(""), &t.source).join(name).into_os_string().into_encoded_bytes();
    let paths = vec![path("sub/file 3"), path("sub/file 29"), path("sub/deep")];
    let report = restore(&RestorePlan { paths, ..restoring(&one.path, &target) }, &Hears::default()).expect("restored");
    assert_eq!(report.files, 3);
    assert_eq!(fs::read(inside(&target, &t.source).join("sub/file 3")).expect("a file"), b"changed");
    assert_eq!(fs::read(inside(&target, &t.source).join("sub/file 29")).expect("a file").len(), 29 * 5000);
}

#[test]
fn a_full_archive_says_why_it_is_no_increment() {
    let t = tree();
    let because = |plan: &backup_engine::BackupPlan| make(plan).0.manifest.full_because.unwrap_or_default();
    let next = on(&t.first, Kind::Incremental, &t.full);
    let excluding = FileSource { exclude: vec!["*.tmp".into()], ..next.source.clone() };
    let reason = because(&backup_engine::BackupPlan { source: excluding, ..next.clone() });
    assert!(reason.contains("have changed"), "{reason}");
    let index = store::index_path(&t.full);
    let good = fs::read(&index).expect("an index");
    let mut bad = good.clone();
    bad[50] ^= 1;
    fs::write(&index, bad).expect("written");
    let reason = because(&next);
    assert!(reason.contains("the index of the last archive is damaged") && reason.contains("full_"), "{reason}");
    fs::remove_file(&index).expect("removed");
    assert!(because(&next).contains("is missing"));
    fs::write(&index, good).expect("written");
    let (increment, _) = make(&next);
    let after = on(&t.first, Kind::Incremental, &increment.path);
    let file = fs::File::options().write(true).open(&t.full).expect("the archive");
    let length = file.metadata().expect("metadata").len();
    file.set_len(length - 1).expect("cut");
    let reason = because(&after);
    assert!(reason.contains("full_") && reason.contains("is damaged"), "{reason}");
    fs::remove_file(&t.full).expect("removed");
    assert!(because(&after).contains("cannot be read"));
}

#[test]
fn detection_can_be_narrowed_or_go_by_contents() {
    let t = tree();
    let path = t.source.join("sub/file 9");
    let times = |detect: Detect| {
        let plan = backup_engine::BackupPlan { detect, ..on(&t.first, Kind::Incremental, &t.full) };
        make(&plan).0.manifest.changed.expect("an increment").files
    };
    // Written again with the same bytes and time: by its change time it is another file.
    let meta = path.metadata().expect("metadata");
    fs::write(&path, vec![9; 45_000]).expect("written");
    fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(meta.modified().expect("a time"))).expect("a time");
    assert_eq!(times(Detect::default()), 1);
    let narrow = Detect { ctime: false, ..Detect::default() };
    assert_eq!(times(narrow), 0);
    assert_eq!(times(Detect { contents: true, ..narrow }), 0);
    fs::write(&path, [vec![9; 44_999], vec![8]].concat()).expect("written");
    fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(meta.modified().expect("a time"))).expect("a time");
    assert_eq!(times(narrow), 0, "as asked for: only size, mode, owner, inode and mtime are looked at");
    assert_eq!(times(Detect { contents: true, ..narrow }), 1);
}

#[test]
fn a_chain_that_is_not_whole_is_said_so() {
    let t = tree();
    fs::write(t.source.join("sub/file 5"), "changed").expect("written");
    let (increment, _) = make(&on(&t.first, Kind::Incremental, &t.full));
    let moved = t.folder.path().join("away");
    fs::rename(&t.full, &moved).expect("moved");
    let target = t.folder.path().join("restored");
    let error = restore(&restoring(&increment.path, &target), &Hears::default()).expect_err("a link is missing").to_string();
    assert!(error.contains("full_"), "{error}");
    let error =
        verify(&increment.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect_err("missing").to_string();
    assert!(error.contains("full_") && error.contains("builds on"), "{error}");
    // What does not need it comes back.
    let path = inside(Path::new(""), &t.source).join("sub/file 5").into_os_string().into_encoded_bytes();
    restore(&RestorePlan { paths: vec![path], ..restoring(&increment.path, &target) }, &Hears::default()).expect("restored");
    assert_eq!(fs::read(inside(&target, &t.source).join("sub/file 5")).expect("a file"), b"changed");
    // Another archive under the name is not taken for it.
    let (other, _) = make(&backup_engine::BackupPlan { id: backup_model::ArchiveId(uuid::Uuid::now_v7()), ..t.first.clone() });
    for path in [store::index_path, store::sidecar_path, |p: &Path| p.to_owned()] {
        let _ = fs::remove_file(path(&t.full));
        fs::rename(path(&other.path), path(&t.full)).expect("renamed");
    }
    let error = restore(&restoring(&increment.path, &target), &Hears::default()).expect_err("another").to_string();
    assert!(error.contains("is not the archive"), "{error}");
}

#[test]
fn what_is_damaged_can_be_passed_over() {
    let t = tree();
    fs::write(t.source.join("sub/file 5"), "changed").expect("written");
    let (increment, _) = make(&on(&t.first, Kind::Incremental, &t.full));
    let mut bytes = fs::read(&t.full).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&t.full, bytes).expect("written");
    let target = t.folder.path().join("restored");
    let error = restore(&restoring(&increment.path, &target), &Hears::default()).expect_err("damaged");
    assert!(matches!(&error, EngineError::Damaged { path, .. } if *path == t.full.display().to_string()), "{error}");
    let hears = Hears::default();
    let plan = RestorePlan { skip_damaged: true, overwrite: Overwrite::Always, ..restoring(&increment.path, &target) };
    let report = restore(&plan, &hears).expect("restored");
    assert!(report.left > 0 && !hears.texts().is_empty());
    assert_eq!(fs::read(inside(&target, &t.source).join("sub/file 5")).expect("a file"), b"changed");
    for entry in fs::read_dir(inside(&target, &t.source).join("sub")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let original = t.source.join("sub").join(path.file_name().expect("a name"));
            assert!(fs::read(&path).expect("a file") == fs::read(original).expect("a file"), "{}", path.display());
        }
    }
}

#[test]
fn sources_that_are_files_and_links() {
    let t = tree();
    let (a, b) = (t.source.join("sub/file 7"), t.folder.path().join("alone"));
    fs::write(&b, "alone").expect("a file");
    symlink(&t.source, t.folder.path().join("way")).expect("a link");
    let first = plan(&[&a, &b, &t.source.join("sub/deep")], &t.first.folder, Compression::Gzip(5));
    tick();
    let (full, _) = make(&first);
    let (increment, _) = make(&on(&first, Kind::Incremental, &full.path));
    assert_eq!(increment.manifest.changed.map(|c| c.files), Some(0));
    fs::remove_file(store::index_path(&increment.path)).expect("removed");
    let target = t.folder.path().join("restored");
    restore(&restoring(&increment.path, &target), &Hears::default()).expect("restored");
    assert_eq!(fs::read(inside(&target, &b)).expect("a file"), b"alone");
    assert_eq!(fs::read(inside(&target, &a)).expect("a file").len(), 35_000);
}

#[test]
fn parts_patterns_strips_and_owners() {
    let t = tree();
    fs::hard_link(t.source.join("sub/file 2"), t.source.join("sub/zz further")).expect("a hard link");
    fs::write(t.source.join("sub/file 5"), "changed").expect("written");
    let (increment, _) = make(&on(&t.first, Kind::Incremental, &t.full));
    let top = inside(Path::new(""), &t.source);
    let depth = top.components().count();
    let path = |name: &str| top.join(name).into_os_string().into_encoded_bytes();
    let target = t.folder.path().join("some");
    let patterns = vec!["file 1?".to_owned(), "*further".to_owned()];
    let plan = RestorePlan { patterns, strip: depth, ..restoring(&increment.path, &target) };
    assert_eq!(restore(&plan, &Hears::default()).expect("restored").files, 11);
    let mut names: Vec<_> =
        fs::read_dir(target.join("sub")).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!((names.len(), names[0].to_str(), names[10].to_str()), (11, Some("file 10"), Some("zz further")));
    assert_eq!(fs::read(target.join("sub/zz further")).expect("a file").len(), 10_000);
    for archive in [&t.full, &increment.path] {
        let plan = RestorePlan { patterns: vec!["nothing like it".into()], ..restoring(archive, &target) };
        let error = restore(&plan, &Hears::default()).expect_err("nothing").to_string();
        assert!(error.contains("anything that matches nothing like it"), "{error}");
    }
    let mut out = Vec::new();
    cat(&increment.path, &path("sub/file 5"), &Access::default(), &mut out, &Hears::default()).expect("shown");
    assert_eq!(out, b"changed");
    out.clear();
    cat(&increment.path, &path("sub/zz further"), &Access::default(), &mut out, &Hears::default()).expect("shown");
    assert_eq!(out.len(), 10_000);
    assert!(cat(&increment.path, &path("sub"), &Access::default(), &mut Vec::new(), &Hears::default()).is_err());
    let wanted = Selection::new(&[path("sub/zz further"), path("sub/deep")], &[]).expect("a selection");
    let mut stream = Vec::new();
    as_tar(&increment.path, &wanted, depth, &Access::default(), &mut stream, &Hears::default()).expect("a stream");
    fs::write(t.folder.path().join("part.tar"), stream).expect("written");
    let target = t.folder.path().join("part");
    by_tar(&[&t.folder.path().join("part.tar")], &target);
    assert_eq!(fs::read(target.join("sub/zz further")).expect("a file").len(), 10_000);
    assert_eq!(fs::read(target.join("sub/deep/one")).expect("a file"), b"one");
    if backup_testkit::is_root() {
        let target = t.folder.path().join("owners");
        let owners = Owners { users: [(0, 4321)].into(), groups: [(0, 1234)].into(), ..Owners::default() };
        restore(&RestorePlan { owners, ..restoring(&increment.path, &target) }, &Hears::default()).expect("restored");
        let meta = inside(&target, &t.source).join("sub/file 7").metadata().expect("metadata");
        use std::os::unix::fs::MetadataExt;
        assert_eq!((meta.uid(), meta.gid()), (4321, 1234));
    }
}
