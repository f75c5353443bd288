//! A bit flipped or a cut anywhere in an archive, its index or its sidecar: it is noticed and named, what is not
//! touched comes back, and nothing wrong ever does.

mod common;

use backup_engine::{Access, RestorePlan, VerifyDepth, rebuild, restore, store, verify};
use backup_model::{Compression, Kind};
use backup_testkit::{RandomTree, describe};
use common::{Hears, inside, make, on, plan, restoring, tick};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Contents of all files of a tree by their path.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("metadata");
            if meta.is_dir() {
                open.push(path);
            } else if meta.is_file() {
                found.insert(path.strip_prefix(root).expect("inside").to_path_buf(), fs::read(&path).expect("contents"));
            }
        }
    }
    found
}

/// `BACKUP_TEST_DAMAGES` says how many; `make soak` asks for 1,000.
#[test]
fn damage_anywhere_is_named_and_spoils_nothing_else() {
    let count: usize = std::env::var("BACKUP_TEST_DAMAGES").ok().map_or(250, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    let mut tree = RandomTree::new(&source, &folder.path().join("outside"), 4);
    for _ in 0..60 {
        tree.change();
    }
    // Contents that do not compress, so that there are several members.
    for n in 0..4u8 {
        let mut state = u32::from(n) + 1;
        let noise: Vec<u8> = (0..900_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        fs::write(source.join(format!("noise {n}")), noise).expect("a file");
    }
    let backups = folder.path().join("backups");
    let first = plan(&[&source], &backups, Compression::Gzip(5));
    let mut archives: Vec<PathBuf> = Vec::new();
    let mut trees = Vec::new();
    for kind in [Kind::Full, Kind::Incremental, Kind::Incremental] {
        tick();
        let plan = match archives.last() {
            None => first.clone(),
            Some(last) => on(&first, kind, last),
        };
        archives.push(make(&plan).0.path);
        trees.push((describe(&source), contents(&source)));
        for _ in 0..12 {
            tree.change();
        }
    }
    let (tree_of_last, files_of_last) = trees.pop().expect("a tree");
    let last = archives[2].clone();
    let mut seen = BTreeMap::new();
    for round in 0..count {
        let which = tree.below(3);
        let part = tree.below(3);
        let archive = &archives[which];
        let set = [archive.clone(), store::index_path(archive), store::sidecar_path(archive)];
        let whole = set.map(|p| (p.clone(), fs::read(p).expect("bytes")));
        let (path, good) = &whole[part];
        let at = tree.below(good.len());
        let cut = tree.below(5) == 0;
        let mut bad = good.clone();
        if cut {
            bad.truncate(at)
        } else {
            bad[at] ^= 1 << tree.below(8)
        }
        fs::write(path, &bad).expect("damaged");
        let what = format!("round {round}: {} at {at} of {}", path.display(), if cut { "a cut" } else { "a bit" });
        let name = |p: &Path| p.file_name().expect("a name").to_string_lossy().into_owned();
        // Named.
        let access = Access::default();
        let error = verify(&archives[which], VerifyDepth::Deep, &access, &Hears::default());
        let text = error.map(|_| ()).expect_err(&what).to_string();
        assert!(text.contains(&name(path)) || text.contains(&name(&archives[which])), "{what}: {text}");
        let sums = verify(&archives[which], VerifyDepth::Checksums, &access, &Hears::default());
        assert!(sums.is_err(), "{what}: by its checksums too");
        // Nothing wrong comes out, and where only what stands beside an archive is damaged, all of it does.
        let target = folder.path().join("whole");
        let done = restore(&restoring(&last, &target), &Hears::default());
        let out = contents(&inside(&target, &source));
        for (path, bytes) in &out {
            assert!(files_of_last.get(path) == Some(bytes), "{what}: {} is wrong", path.display());
        }
        if part > 0 {
            done.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(tree_of_last, describe(&inside(&target, &source)), "{what}");
        }
        // What is not touched comes back: all but the members that are damaged.
        let target_of_most = folder.path().join("most");
        let plan = RestorePlan { skip_damaged: true, ..restoring(&last, &target_of_most) };
        restore(&plan, &Hears::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let most = contents(&inside(&target_of_most, &source));
        for (path, bytes) in &most {
            assert!(files_of_last.get(path) == Some(bytes), "{what}: {} is wrong", path.display());
        }
        if which > 0 || part > 0 {
            assert!(most.contains_key(Path::new("noise 0")), "{what}: untouched and not there");
        }
        *seen.entry((part, most.len() == files_of_last.len())).or_insert(0) += 1;
        // An index or sidecar is made again.
        if part > 0 && round % 3 == 0 {
            rebuild(&archives[which], &access, None, &Hears::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
            verify(&archives[which], VerifyDepth::Deep, &access, &Hears::default()).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
        for path in [&target, &target_of_most] {
            let _ = fs::remove_dir_all(path);
        }
        for (path, bytes) in &whole {
            fs::write(path, bytes).expect("whole again");
        }
    }
    // By part that was damaged, and whether all files came out: of archives some do not.
    assert!(seen.contains_key(&(0, false)) && seen.contains_key(&(1, true)) && seen.contains_key(&(2, true)), "{seen:?}");
    assert!(!seen.contains_key(&(1, false)) && !seen.contains_key(&(2, false)), "{seen:?}");
}
