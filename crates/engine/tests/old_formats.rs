//! Archives of every version that ever wrote one, kept in `tests/old`, are read for ever after: verified, restored
//! with and without what stands beside them, by this program and by the tools that `doc/recover.md` names.

mod common;

use backup_engine::{Access, Keys, Recipients, RestorePlan, Seal, VerifyDepth, rebuild, restore, store, verify};
use backup_testkit::describe;
use common::{Hears, restoring};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder that all of them were made of.
const SOURCE: &str = "srv/old";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old")
}

fn access() -> Access {
    let mut keys = Keys::default();
    keys.add_passphrase("a passphrase of no worth");
    Access { keys: Arc::new(keys), local: None }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The tree as it was, a line an entry. Without root nobody's files can be given to others.
fn expected(folder: &Path, archive: &Path) -> Vec<String> {
    let name = archive.file_name().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(folder.join(format!("{name}.tree"))).unwrap_or_else(|e| panic!("{name} has no tree: {e}"));
    text.lines().map(str::to_owned).collect()
}

fn plain(lines: &[String]) -> Vec<String> {
    // Attributes and holes are not on every file system, owners are root's to give, and the hash of these lines
    // is the standard library's own affair (contents are compared with the index by the restore itself).
    let cut = |line: &String| {
        let line = line.split(" \"user.").next().unwrap_or_default();
        let line = match (line.find(" hash="), line.find(" same as")) {
            (Some(hash), Some(same)) => format!("{}{}", &line[..hash], &line[same..]),
            (Some(hash), None) => line[..hash].to_owned(),
            _ => line.to_owned(),
        };
        let (before, rest) = line.split_once(" owner=").unwrap_or((&line, " "));
        format!("{before} {}", rest.split_once(' ').map_or("", |r| r.1))
    };
    lines.iter().map(cut).collect()
}

#[test]
fn every_format_is_read_for_ever() {
    let versions = names(&folder());
    assert!(versions.len() >= 2, "{versions:?}");
    for version in versions {
        let kept = folder().join(&version);
        let scratch = tempfile::tempdir().expect("a folder");
        let copy = scratch.path().join("old");
        fs::create_dir(&copy).expect("a folder");
        for name in names(&kept) {
            fs::copy(kept.join(&name), copy.join(&name)).expect("copied");
        }
        let archives = store::archive_files(&copy).expect("archives");
        assert!(!archives.is_empty(), "{version} holds none");
        // A file that is neither an archive nor beside one would be tested by nobody.
        let known = |name: &String| archives.iter().any(|a| name.starts_with(&*a.file_name().expect("a name").to_string_lossy()));
        assert!(names(&copy).iter().all(known), "{version}: {:?}", names(&copy));
        let check = |what: &str, indexed: bool| {
            for archive in &archives {
                let what = format!("{version}, {}, {what}", archive.display());
                if indexed {
                    verify(archive, VerifyDepth::Deep, &access(), &Hears::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
                }
                let target = scratch.path().join("restored");
                let plan = RestorePlan { access: access(), ..restoring(archive, &target) };
                restore(&plan, &Hears::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(plain(&expected(&copy, archive)), plain(&describe(&target.join(SOURCE))), "{what}");
                fs::remove_dir_all(&target).expect("removed");
            }
        };
        check("as it is", true);
        for archive in &archives {
            fs::remove_file(store::index_path(archive)).expect("removed");
        }
        check("without indexes", false);
        let recipients = Recipients::new(&[], Some("a passphrase of no worth")).expect("recipients");
        let seal = Seal { recipients, local: scratch.path().to_owned(), keep: false };
        for archive in &archives {
            rebuild(archive, &access(), Some(&seal), &Hears::default()).expect("rebuilt");
        }
        check("with indexes made again", true);
    }
}

#[test]
#[ignore = "writes the files that the test above reads: run it, with BACKUP_OLD naming a new folder in tests/old, when a format changes"]
fn write_a_version() {
    use backup_engine::{BackupPlan, BaseArchive};
    use backup_model::{Compression, Kind};
    use common::{make, on, plan, tick};
    let out = folder().join(std::env::var("BACKUP_OLD").expect("a name"));
    let source = Path::new("/").join(SOURCE);
    fs::create_dir_all(source.join("folder/empty")).expect("folders");
    fs::write(source.join("folder/text"), "text\n".repeat(300)).expect("a file");
    fs::write(source.join("goes"), "goes").expect("a file");
    fs::hard_link(source.join("goes"), source.join("folder/further name")).expect("a link");
    std::os::unix::fs::symlink("folder/text", source.join("link")).expect("a link");
    let holes = fs::File::create(source.join("holes")).expect("a file");
    holes.set_len(1 << 20).expect("a length");
    std::os::unix::fs::FileExt::write_all_at(&holes, b"data", 700_000).expect("data");
    let passphrase = Recipients::new(&[], Some("a passphrase of no worth")).expect("recipients");
    let local = tempfile::tempdir().expect("a folder");
    let seal = Seal { recipients: passphrase, local: local.path().to_owned(), keep: false };
    let mut last: Vec<PathBuf> = Vec::new();
    for kind in [Kind::Full, Kind::Incremental, Kind::Differential] {
        tick();
        let variants = [(Compression::Gzip(9), None), (Compression::Zstd(19), None), (Compression::Gzip(9), Some(seal.clone()))];
        let mut made = Vec::new();
        for (n, (compression, seal)) in variants.into_iter().enumerate() {
            let first = BackupPlan { seal, ..plan(&[&source], &out, compression) };
            let plan = match last.get(n) {
                None => first,
                Some(full) => {
                    BackupPlan { base: Some(BaseArchive { archive: full.clone(), access: access() }), ..on(&first, kind, full) }
                }
            };
            let archive = make(&plan).0.path;
            let name = archive.file_name().expect("a name").to_string_lossy().into_owned();
            fs::write(out.join(format!("{name}.tree")), describe(&source).join("\n") + "\n").expect("written");
            made.push(archive);
        }
        if last.is_empty() {
            last = made;
        }
        fs::write(source.join(format!("new in {}", kind.as_str())), "new").expect("a file");
        let _ = fs::remove_file(source.join("goes"));
    }
    fs::remove_dir_all(&source).expect("removed");
}
