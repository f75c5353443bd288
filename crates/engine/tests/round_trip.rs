//! What goes in comes out: by this program, by GNU tar, whole and in part.

mod common;

use backup_engine::{Access, Overwrite, RestorePlan, VerifyDepth, diff, list_folder, restore, store, verify};
use backup_model::Compression;
use backup_testkit::{describe, make_tree, make_tree_as_root};
use common::{Hears, inside, make, plan, restoring};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

const ALL: [Compression; 3] = [Compression::Gzip(5), Compression::Zstd(3), Compression::None];

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn tree(folder: &Path) -> std::path::PathBuf {
    let source = folder.join("source");
    make_tree(&source);
    if is_root() {
        make_tree_as_root(&source);
    }
    source
}

#[test]
fn restored_equal_by_this_program_and_verified() {
    for compression in ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let source = tree(folder.path());
        let (receipt, hears) = make(&plan(&[&source], &folder.path().join("backups"), compression));
        assert!(hears.texts().is_empty(), "{:?}", hears.texts());
        assert_eq!(receipt.manifest.status, "completed");
        verify(&receipt.path, VerifyDepth::Checksums, &Access::default(), &Hears::default()).expect("verified");
        verify(&receipt.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("deeply verified");
        let target = folder.path().join("restored");
        let report = restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
        assert!(report.proven && report.left == 0, "{report:?}");
        assert_eq!(describe(&source), describe(&inside(&target, &source)), "{compression}");
        // Again: nothing to do, nothing changed.
        let again = restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored again");
        assert_eq!((again.files, again.left), (0, 0), "{again:?}");
        assert_eq!(describe(&source), describe(&inside(&target, &source)));
    }
}

#[test]
fn restored_equal_by_gnu_tar() {
    for compression in ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let source = tree(folder.path());
        let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), compression));
        let target = folder.path().join("by tar");
        fs::create_dir(&target).expect("a folder");
        let mut tar = Command::new("tar");
        tar.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]).arg(&receipt.path).arg("-C").arg(&target);
        let out = tar.output().expect("tar runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let ours = describe(&source);
        let theirs = describe(&inside(&target, &source));
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!(a, b, "{compression}");
        }
        assert_eq!(ours.len(), theirs.len());
    }
}

#[test]
fn standard_programs_read_the_members() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = tree(folder.path());
    for (compression, program) in [(Compression::Gzip(5), "gzip"), (Compression::Zstd(3), "zstd")] {
        let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), compression));
        assert!(Command::new(program).arg("-tq").arg(&receipt.path).status().expect("runs").success(), "{program}");
    }
}

#[test]
fn index_and_sidecar_may_be_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = tree(folder.path());
    let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    fs::remove_file(store::index_path(&receipt.path)).expect("removed");
    fs::remove_file(store::sidecar_path(&receipt.path)).expect("removed");
    let target = folder.path().join("restored");
    restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
    assert_eq!(describe(&source), describe(&inside(&target, &source)));
    verify(&receipt.path, VerifyDepth::Deep, &Access::default(), &Hears::default()).expect("readable to its end");
    assert!(
        verify(&receipt.path, VerifyDepth::Checksums, &Access::default(), &Hears::default()).is_err(),
        "nothing to compare with"
    );
    let one = source.join("a/one");
    let plan = RestorePlan {
        paths: vec![one.as_os_str().as_bytes()[1..].to_vec()],
        ..restoring(&receipt.path, &folder.path().join("part"))
    };
    restore(&plan, &Hears::default()).expect("a part without an index");
    assert_eq!(fs::read(inside(&plan.target, &one)).expect("the file"), b"linked");
}

#[test]
fn parts_come_out_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = tree(folder.path());
    let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    let path = |name: &str| source.join(name).as_os_str().as_bytes()[1..].to_vec();
    let part = |names: &[&str], to: &str| {
        let plan =
            RestorePlan { paths: names.iter().map(|n| path(n)).collect(), ..restoring(&receipt.path, &folder.path().join(to)) };
        restore(&plan, &Hears::default())
    };
    let report = part(&["file 1048577.bin", "a"], "part").expect("a part");
    let got = inside(&folder.path().join("part"), &source);
    assert_eq!(describe(&source.join("a")), describe(&got.join("a")));
    assert_eq!(fs::read(source.join("file 1048577.bin")).expect("file"), fs::read(got.join("file 1048577.bin")).expect("file"));
    assert_eq!(report.files, 3);
    // A further name of a file alone gets the contents.
    part(&["zz three"], "link").expect("a hard link alone");
    assert_eq!(fs::read(inside(&folder.path().join("link"), &source.join("zz three"))).expect("file"), b"linked");
    part(&["sparse"], "sparse").expect("a sparse file");
    assert!(part(&["not there"], "none").expect_err("missing").to_string().contains("not there"));
}

#[test]
fn overwriting_is_a_choice() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("f"), "from the archive").expect("a file");
    fs::write(source.join("g"), "second").expect("a file");
    let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    let target = folder.path().join("t");
    let there = inside(&target, &source).join("f");
    fs::create_dir_all(there.parent().expect("a parent")).expect("folders");
    let with = |overwrite, dry_run| {
        restore(&RestorePlan { overwrite, dry_run, ..restoring(&receipt.path, &target) }, &Hears::default()).expect("restored")
    };
    fs::write(&there, "mine").expect("a file");
    let dry = with(Overwrite::Always, true);
    assert_eq!((dry.files, fs::read(&there).expect("file")), (2, b"mine".to_vec()));
    assert!(!there.with_file_name("g").exists(), "a dry run writes nothing");
    let never = with(Overwrite::Never, false);
    assert_eq!((never.left, fs::read(&there).expect("file")), (1, b"mine".to_vec()));
    let older = with(Overwrite::Older, false);
    assert_eq!((older.left, fs::read(&there).expect("file")), (1, b"mine".to_vec()), "mine is newer");
    with(Overwrite::Always, false);
    assert_eq!(fs::read(&there).expect("file"), b"from the archive");
    // A folder in the place of a file is never removed.
    fs::remove_file(&there).expect("removed");
    fs::create_dir(&there).expect("a folder");
    fs::write(there.join("precious"), "x").expect("a file");
    assert_eq!(with(Overwrite::Always, false).left, 1);
    assert!(there.join("precious").exists());
}

#[test]
fn links_in_the_target_are_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir_all(source.join("inner")).expect("a folder");
    fs::write(source.join("inner/f"), "x").expect("a file");
    let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    let target = folder.path().join("t");
    let place = inside(&target, &source);
    fs::create_dir_all(&place).expect("folders");
    std::os::unix::fs::symlink(&outside, place.join("inner")).expect("a link");
    let hears = Hears::default();
    let report = restore(&restoring(&receipt.path, &target), &hears).expect("restored");
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 0);
    assert!(report.left >= 1, "{:?}", hears.texts());
    restore(&RestorePlan { overwrite: Overwrite::Always, ..restoring(&receipt.path, &target) }, &Hears::default())
        .expect("restored");
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 0);
    assert_eq!(fs::read(place.join("inner/f")).expect("file"), b"x");
}

#[test]
fn excludes_and_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    for dir in ["keep", "node_modules", "cache", "keep/build"] {
        fs::create_dir_all(source.join(dir)).expect("a folder");
        fs::write(source.join(dir).join("f.txt"), "x").expect("a file");
    }
    fs::write(source.join("cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").expect("a tag");
    fs::write(source.join("a.tmp"), "x").expect("a file");
    fs::write(source.join("keep/b.tmp"), "x").expect("a file");
    fs::write(source.join("keep/big"), vec![1; 5000]).expect("a file");
    let mut plan = plan(&[&source, &source.join("keep")], &folder.path().join("backups"), Compression::Gzip(5));
    plan.source.exclude = ["*.tmp", "node_modules/", "/keep/build", "!keep/b.tmp"].map(String::from).to_vec();
    plan.source.exclude_caches = true;
    plan.source.max_file_size = Some(4096);
    let (receipt, hears) = make(&plan);
    let target = folder.path().join("t");
    restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
    let names: Vec<String> =
        describe(&inside(&target, &source)).iter().map(|l| l.split(" mode").next().unwrap_or("").to_owned()).collect();
    assert_eq!(names, ["\"cache\"", "\"keep\"", "\"keep/b.tmp\"", "\"keep/f.txt\""]);
    assert!(hears.texts().iter().any(|t| t.contains("big") && t.contains("max_file_size")), "{:?}", hears.texts());
    assert_eq!(receipt.manifest.warnings, 0);
}

#[test]
fn folders_are_listed_and_versions_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir_all(source.join("a/b")).expect("a folder");
    for name in ["a.txt", "a/x", "a/b/y", "z"] {
        fs::write(source.join(name), name).expect("a file");
    }
    let first = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5))).0;
    fs::remove_file(source.join("z")).expect("removed");
    fs::write(source.join("a/x"), "changed").expect("a file");
    fs::write(source.join("new"), "new").expect("a file");
    let second = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5))).0;
    assert_ne!(first.path, second.path, "never two with one name");
    let inner = source.as_os_str().as_bytes()[1..].to_vec();
    let (list, total) = list_folder(&first.path, &inner, 0, 100, &Access::default()).expect("a folder");
    let names: Vec<_> = list.iter().map(|l| String::from_utf8_lossy(&l.name).into_owned()).collect();
    assert_eq!((names.join(" "), total), ("a a.txt z".to_owned(), 3));
    let (page, total) = list_folder(&first.path, &inner, 1, 1, &Access::default()).expect("a page");
    assert_eq!((page[0].name.as_slice(), total), (&b"a.txt"[..], 3));
    let (top, _) = list_folder(&first.path, b"", 0, 100, &Access::default()).expect("the top");
    assert!(top.len() == 1 && top[0].entry.is_none(), "a folder above the source is implied");
    assert!(list_folder(&first.path, b"no/such", 0, 10, &Access::default()).is_err());
    let mut changes = Vec::new();
    diff(&first.path, &second.path, &Access::default(), &mut |c| {
        changes.push(format!(
            "{} {}",
            c.kind.as_str(),
            Path::new(std::ffi::OsStr::from_bytes(&c.entry.path)).file_name().expect("a name").to_string_lossy()
        ));
    })
    .expect("compared");
    assert_eq!(changes, ["metadata s", "changed x", "added new", "removed z"]);
}

#[test]
fn what_an_interrupted_restore_left_is_made_anew() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let source = tree(folder.path());
    let (receipt, _) = make(&plan(&[&source], &folder.path().join("backups"), Compression::Gzip(5)));
    let target = folder.path().join("restored");
    restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored");
    // Killed while it wrote these: a small file, a large one, one of a mode of its own.
    let there = inside(&target, &source);
    for name in ["file 511.bin", "file 3000000.bin", "file 512.bin"] {
        fs::remove_file(there.join(name)).expect("removed");
        fs::write(there.join(name), "half").expect("a file");
        fs::set_permissions(there.join(name), fs::Permissions::from_mode(0o1200)).expect("a mode");
    }
    // And what somebody has put there meanwhile stays.
    fs::write(there.join("file 513.bin"), "mine").expect("a file");
    let report = restore(&restoring(&receipt.path, &target), &Hears::default()).expect("restored again");
    assert_eq!((report.files, report.left), (3, 1), "{report:?}");
    assert_eq!(fs::read(there.join("file 513.bin")).expect("a file"), b"mine");
    let (ours, theirs) = (describe(&source), describe(&there));
    let wrong: Vec<_> = ours.iter().zip(&theirs).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("file 513.bin"), "{wrong:?}");
}
