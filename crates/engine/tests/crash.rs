//! What a crash leaves in a schedule's folder, and what the next start makes of it.

mod common;

use backup_engine::{EngineError, backup, store};
use backup_model::{ArchiveId, Compression};
use common::{Hears, make, plan, time};
use std::fs;
use std::path::{Path, PathBuf};

fn part(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.part", path.file_name().expect("a name").to_string_lossy()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_complete_set_is_finished_and_the_rest_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("f"), "x").expect("a file");
    let backups = folder.path().join("backups");
    let archive = make(&plan(&[&source], &backups, Compression::Gzip(5))).0.path;
    let (index, sidecar) = (store::index_path(&archive), store::sidecar_path(&archive));
    let whole = names(&backups);
    // Killed between the first rename and the second, and between the second and the third.
    for hidden in [vec![&index, &sidecar], vec![&sidecar]] {
        for path in hidden {
            fs::rename(path, part(path)).expect("renamed");
        }
        assert_eq!(store::sweep(&backups).expect("swept").len(), 1);
        assert_eq!(names(&backups), whole);
    }
    assert!(store::sweep(&backups).expect("swept").is_empty(), "nothing to do");
    // Killed before the archive had its name: all three go.
    for path in [&archive, &index, &sidecar] {
        fs::rename(path, part(path)).expect("renamed");
    }
    // Things of others stay.
    fs::write(backups.join("notes.txt"), "mine").expect("a file");
    fs::write(backups.join("full_alone.tar.gz"), "an archive whose sidecar was lost").expect("a file");
    store::sweep(&backups).expect("swept");
    assert_eq!(names(&backups), ["full_alone.tar.gz", "notes.txt"]);
}

#[test]
fn a_failed_or_cancelled_backup_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir(&source).expect("a folder");
    for n in 0..50 {
        fs::write(source.join(n.to_string()), vec![n; 200_000]).expect("a file");
    }
    let backups = folder.path().join("backups");
    let hears = Hears { cancel_after: Some(20), ..Hears::default() };
    let cancelled = backup(&plan(&[&source], &backups, Compression::Zstd(3)), &time, &hears);
    assert!(matches!(cancelled, Err(EngineError::Cancelled)));
    assert!(names(&backups).is_empty());
    let missing =
        backup(&plan(&[&source, &folder.path().join("none")], &backups, Compression::Zstd(3)), &time, &Hears::default());
    assert!(matches!(missing, Err(EngineError::Source { .. })));
    assert!(names(&backups).is_empty());
}

#[test]
fn removing_twice_is_removing_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("s");
    fs::create_dir(&source).expect("a folder");
    let backups = folder.path().join("backups");
    let archive = make(&plan(&[&source], &backups, Compression::None)).0.path;
    let id = ArchiveId(uuid::Uuid::nil());
    store::remove(&archive, id, None).expect("removed");
    store::remove(&archive, id, None).expect("removed again");
    assert!(names(&backups).is_empty());
}
