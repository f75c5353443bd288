//! The suite that every store passes: a folder, S3 (SeaweedFS), SFTP (OpenSSH), WebDAV (nginx), the receiver.

use backup_model::{DestinationSettings, Name, Steps};
use backup_operations::stores::{self, Meter, Secrets, Store, StoreError, Upload, open};
use backup_testkit::{DAV_USER, Dav, S3_KEY, Seaweed, Sshd, TestHome};
use std::path::{Path, PathBuf};
use std::process::Command;

fn settings(url: &str) -> DestinationSettings {
    DestinationSettings::new(Name::new("there").expect("a name"), url.to_owned(), url.parse().expect(url))
}

/// Archives of some sizes; one of them is larger than a part of S3.
fn archives(folder: &Path) -> Vec<PathBuf> {
    let mut seed = 7u64;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as u8
            })
            .collect()
    };
    [
        ("full_2026-11-20_09-00-00.tar.gz", 0),
        ("inc_2026-11-20_10-00-00.tar.gz", 300_000),
        ("full_2026-11-21_09-00-00.tar.gz", 40 << 20),
    ]
    .into_iter()
    .map(|(name, length)| {
        std::fs::write(folder.join("noise"), noise(length)).expect("a file");
        let path = folder.join(name);
        let done = Command::new("tar").arg("-czf").arg(&path).arg("-C").arg(folder).arg("noise").status();
        assert!(done.expect("tar runs").success());
        path
    })
    .collect()
}

fn upload(file: &Path) -> Upload {
    Upload { file: file.to_owned(), sha256: None, note: file.with_extension("note") }
}

async fn read(store: &dyn Store, key: &str, start: u64, end: u64) -> Result<Vec<u8>, StoreError> {
    let mut out = Vec::new();
    let mut sink = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    store.get(key, start, end, &mut sink, &Meter::default()).await?;
    Ok(out)
}

/// What every store does.
async fn suite(store: &dyn Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = archives(folder.path());
    let key = |file: &Path| format!("docs/{}", file.file_name().expect("a name").to_string_lossy());
    assert_eq!(store.list("docs").await.expect("a list"), []);
    assert_eq!(store.size(&key(&files[0])).await.expect("asked"), None);
    let missing = read(store, &key(&files[0]), 0, 10).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    for file in &files {
        let meter = Meter::default();
        store.put(&key(file), &upload(file), &meter).await.expect("stored");
        let size = file.metadata().expect("a file").len();
        assert_eq!(meter.sent(), size, "{}", file.display());
        assert_eq!(store.size(&key(file)).await.expect("asked"), Some(size));
        assert!(!file.with_extension("note").exists());
    }
    // Again: nothing is sent. Other bytes: refused, and what is there stays.
    let meter = Meter::default();
    store.put(&key(&files[1]), &upload(&files[1]), &meter).await.expect("there");
    assert_eq!(meter.sent(), 0);
    let refused = store.put(&key(&files[0]), &upload(&files[1]), &meter).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    let list = store.list("docs").await.expect("a list");
    let mut wanted: Vec<(String, u64)> = files.iter().map(|f| (key(f), f.metadata().expect("a file").len())).collect();
    wanted.sort();
    assert_eq!(list.iter().map(|o| (o.key.clone(), o.size)).collect::<Vec<_>>(), wanted);
    assert_eq!(store.list("").await.expect("a list"), list);
    assert_eq!(store.list("doc").await.expect("a list"), [], "a folder, no beginning of names");
    // Whole and in ranges; little more goes over the wire than was asked for.
    let bytes = std::fs::read(&files[2]).expect("a file");
    let length = bytes.len() as u64;
    assert!(read(store, &key(&files[2]), 0, length).await.expect("read") == bytes);
    for (start, end) in [(0, 1), (12_345_678, 12_400_000), (length - 1, length), (5, 5)] {
        let part = read(store, &key(&files[2]), start, end).await.expect("read");
        assert!(part == bytes[start as usize..end as usize], "{start} to {end}");
    }
    // A sink that refuses ends it.
    let mut full = |_: &[u8]| Err(std::io::ErrorKind::StorageFull.into());
    let refused = store.get(&key(&files[2]), 0, length, &mut full, &Meter::default()).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    for wrong in ["../x.tar.gz", "docs/.hidden.tar.gz", "/x.tar.gz", "docs//x.tar.gz", "docs/a\nb.tar.gz"] {
        let refused = store.put(wrong, &upload(&files[0]), &Meter::default()).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{wrong}: {refused:?}");
    }
    // Cut in the middle: nothing counts, and the rest goes on where it was, if the store can.
    let meter = Meter::default();
    let cut = "docs/full_2026-11-22_09-00-00.tar.gz";
    let watcher = {
        let meter = meter.clone();
        tokio::spawn(async move {
            while meter.sent() < 20 << 20 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            meter.cancel();
        })
    };
    let done = store.put(cut, &upload(&files[2]), &meter).await;
    watcher.await.expect("ended");
    assert!(matches!(done, Err(StoreError::Cancelled | StoreError::Unreachable(_))), "{done:?}");
    assert_eq!(store.size(cut).await.expect("asked"), None);
    assert_eq!(store.list("docs").await.expect("a list"), list);
    let meter = Meter::default();
    // The other side may not have noticed yet that the first try is over.
    let mut tries = 0;
    while let Err(e) = store.put(cut, &upload(&files[2]), &meter).await {
        tries += 1;
        assert!(e.is_passing() && tries < 100, "{e}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    if store.capabilities().resume {
        assert!(meter.sent() < length, "{} of {length} bytes were sent again", meter.sent());
    }
    assert!(read(store, cut, 0, length).await.expect("read") == bytes);
    // Going.
    if store.capabilities().delete {
        for object in store.list("").await.expect("a list") {
            store.delete(&object.key).await.expect("removed");
        }
        store.delete(cut).await.expect("nothing to remove is no error");
        assert_eq!(store.list("docs").await.expect("a list"), []);
    } else {
        assert!(matches!(store.delete(cut).await, Err(StoreError::Refused(_))));
    }
    let name = "destination-test/full_2026-11-23_09-00-00.tar.gz";
    let mut steps = Steps::start();
    stores::test(store, name, &std::fs::read(&files[0]).expect("a file"), folder.path(), &mut steps).await;
    let steps = steps.into_list();
    assert!(steps.iter().all(|s| s.ok) && steps.len() == 4, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = folder.path().display().to_string();
    suite(&*open(&settings(&url), Secrets::default()).expect("opened")).await;
    // As fast as is allowed, and no faster.
    let files = archives(folder.path());
    let slow = DestinationSettings { limit: Some(600_000), ..settings(&url) };
    let begun = std::time::Instant::now();
    let slow = open(&slow, Secrets::default()).expect("opened");
    slow.put("slow/inc_2026-11-20_10-00-00.tar.gz", &upload(&files[1]), &Meter::default()).await.expect("stored");
    let least = files[1].metadata().expect("a file").len() as f64 / 600_000.0;
    assert!(begun.elapsed().as_secs_f64() >= least, "{:?}", begun.elapsed());
    let gone = open(&settings("/nowhere/at/all"), Secrets::default()).expect("opened");
    let error = gone.list("").await.expect_err("no such folder").to_string();
    assert!(error.contains("mount it, or make it"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3() {
    let Some(server) = Seaweed::start() else { return };
    server.make_bucket("backups", false);
    let url = format!("s3://backups/here?endpoint={}", server.endpoint());
    let with = |key: &str, secret: &str| Secrets {
        access_key: Some(key.to_owned()),
        secret_key: Some(secret.to_owned()),
        ..Secrets::default()
    };
    suite(&*open(&settings(&url), with(S3_KEY[0], S3_KEY[1])).expect("opened")).await;
    for wrong in [with(S3_KEY[0], "another"), with("nobody", S3_KEY[1]), Secrets::default()] {
        let refused = open(&settings(&url), wrong).expect("opened").list("").await;
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
    }
    // A locked object stays, whoever wants it gone.
    server.make_bucket("locked", true);
    let url = format!("s3://locked?endpoint={}", server.endpoint());
    let locked = DestinationSettings { lock_days: Some(1), ..settings(&url) };
    let store = open(&locked, with(S3_KEY[0], S3_KEY[1])).expect("opened");
    let folder = tempfile::tempdir().expect("a folder");
    for file in &archives(folder.path())[1..] {
        let key = format!("docs/{}", file.file_name().expect("a name").to_string_lossy());
        store.put(&key, &upload(file), &Meter::default()).await.expect("stored");
        let head = Command::new("curl")
            .args(["-sI", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &S3_KEY.join(":")])
            .arg(format!("{}/locked/{key}", server.endpoint()))
            .output()
            .expect("curl runs");
        let head = String::from_utf8_lossy(&head.stdout).to_ascii_lowercase();
        assert!(head.contains("x-amz-object-lock-mode: compliance"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sftp() {
    let server = Sshd::start();
    let with = |identity: &str| DestinationSettings {
        identity: Some(server.path(identity)),
        known_hosts: Some(server.path("known")),
        ..settings(&server.url("here"))
    };
    suite(&*open(&with("key"), Secrets::default()).expect("opened")).await;
    let refused = open(&with("other"), Secrets::default()).expect("opened").list("").await;
    assert!(matches!(&refused, Err(StoreError::Denied(text)) if text.contains("authorized_keys")), "{refused:?}");
    let unknown = DestinationSettings { known_hosts: Some(server.path("nothing")), ..with("key") };
    let refused = open(&unknown, Secrets::default()).expect("opened").list("").await;
    assert!(matches!(&refused, Err(StoreError::Denied(text)) if text.contains("known_hosts")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn webdav() {
    let server = Dav::start();
    std::fs::create_dir(server.files().join("here")).expect("a folder");
    let with = |password: &str| Secrets { password: Some(password.to_owned()), ..Secrets::default() };
    suite(&*open(&settings(&server.url("here")), with(DAV_USER[1])).expect("opened")).await;
    let refused = open(&settings(&server.url("here")), with("another")).expect("opened").list("").await;
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
    home.write("schedules.toml", "version = 1\n[daemon]\nlisten = \"\"\n[receiver]\nlisten = \"127.0.0.1:0\"\n");
    home.ok(&["start"]);
    let status = || -> serde_json::Value { serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON") };
    home.wait_for("the receiver", || status()["receiver"].is_string());
    let url = format!("receiver+{}", status()["receiver"].as_str().expect("a URL"));
    let token = |args: &[&str]| Some(home.ok(&[&["token", "create"], args].concat()).trim().to_owned());
    let secrets = Secrets {
        token: token(&["web1", "--scope", "upload"]),
        read_token: token(&["web1-back", "--scope", "read", "--machine", "web1"]),
        ..Secrets::default()
    };
    suite(&*open(&settings(&url), secrets).expect("opened")).await;
    let wrong = Secrets { token: Some("bkp_x_y".into()), ..Secrets::default() };
    let refused = open(&settings(&url), wrong).expect("opened").list("").await;
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
}
