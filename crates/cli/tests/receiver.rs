//! The receiver, asked by curl as S1's scripts asked theirs.

use backup_testkit::TestHome;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Receiver {
    home: TestHome,
    url: String,
    token: String,
}

/// What curl got: status and body.
struct Got(u16, Value);

impl Got {
    #[track_caller]
    fn is(self, status: u16, words: &str) -> Value {
        assert_eq!(self.0, status, "{}", self.1);
        let text = self.1.to_string();
        assert!(text.contains(words), "wanted {words:?} in {text}");
        if status >= 400 {
            assert_eq!(self.1["status"], "error", "{text}");
            assert!(self.1["message"].is_string(), "{text}");
        }
        self.1
    }
}

impl Receiver {
    fn start(settings: &str) -> Self {
        let home = TestHome::new(env!("CARGO_BIN_EXE_backupctl"));
        home.write(
            "schedules.toml",
            &format!("version = 1\n[daemon]\nlisten = \"\"\n[receiver]\nlisten = \"127.0.0.1:0\"\n{settings}"),
        );
        home.ok(&["start"]);
        let status = || -> Value { serde_json::from_str(&home.ok(&["status", "--json"])).expect("JSON") };
        home.wait_for("the receiver", || status()["receiver"].is_string());
        let url = status()["receiver"].as_str().expect("a URL").to_owned();
        let token = home.ok(&["token", "create", "web1", "--scope", "upload"]).trim().to_owned();
        Self { home, url, token }
    }

    fn curl_as(&self, token: &str, args: &[&str], path: &str) -> Got {
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "120", "-w", "\n%{http_code}"]).args(args).arg(format!("{}{path}", self.url));
        if !token.is_empty() {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let out = command.output().expect("curl runs");
        let text = String::from_utf8_lossy(&out.stdout);
        let (body, status) = text.rsplit_once('\n').expect("a status");
        Got(status.parse().expect("a status"), serde_json::from_str(body).unwrap_or_else(|_| json!({ "text": body })))
    }

    fn curl(&self, args: &[&str], path: &str) -> Got {
        self.curl_as(&self.token, args, path)
    }

    fn send(&self, file: &Path, more: &str, kind: &str, profile: &str) -> Got {
        let file = format!("file=@{}{more}", file.display());
        self.curl(&["-F", &file, "-F", &format!("type={kind}"), "-F", &format!("profile={profile}")], "/upload")
    }

    /// All files of the receiver, with paths beneath it.
    fn stored(&self) -> Vec<String> {
        let root = self.home.path().join("remote_backups");
        let mut out = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    out.push(entry.path().strip_prefix(&root).expect("beneath").display().to_string());
                }
            }
        }
        out.sort();
        out
    }
}

fn tar_gz(folder: &Path, name: &str, text: &str) -> PathBuf {
    std::fs::create_dir_all(folder.join("x")).expect("a folder");
    std::fs::write(folder.join("x/letter"), text).expect("a file");
    let path = folder.join(name);
    let done = Command::new("tar").arg("-czf").arg(&path).arg("-C").arg(folder).arg("x").status().expect("tar runs");
    assert!(done.success());
    path
}

fn md5(path: &Path) -> String {
    let out = Command::new("md5sum").arg(path).output().expect("md5sum runs");
    String::from_utf8_lossy(&out.stdout).split(' ').next().expect("a sum").to_owned()
}

#[test]
fn s1_as_its_scripts_play_it() {
    let r = Receiver::start("");
    let folder = tempfile::tempdir().expect("a folder");
    let full = tar_gz(folder.path(), "full.tar.gz", "one");
    let inc = tar_gz(folder.path(), "inc.tar.gz", "two");
    let about = r.curl_as("", &[], "/").is(200, "POST /upload");
    assert!(about["service"].is_string() && about["version"].is_string() && about["endpoints"].is_array());

    let size = full.metadata().expect("a file").size();
    let got = r.send(&full, "", "FULL", "document").is(200, "success");
    for (key, value) in [
        ("status", json!("success")),
        ("name", json!("full.tar.gz")),
        ("type", json!("FULL")),
        ("profile", json!("document")),
        ("size", json!(size)),
        ("md5", json!(md5(&full))),
    ] {
        assert_eq!(got[key], value, "{key}");
    }
    assert!(got["message"].is_string());
    // The profile is `default` if none is given.
    let file = format!("file=@{}", inc.display());
    assert_eq!(r.curl(&["-F", "type=INC", "-F", &file], "/upload").is(200, "inc.tar.gz")["profile"], "default");
    assert_eq!(
        r.stored(),
        [
            "FULL/web1/document/full.tar.gz",
            "FULL/web1/document/full.tar.gz.received.json",
            "INC/web1/default/inc.tar.gz",
            "INC/web1/default/inc.tar.gz.received.json"
        ]
    );
    assert_eq!(md5(&r.home.path().join("remote_backups/FULL/web1/document/full.tar.gz")), md5(&full));

    let list = r.curl(&[], "/list").is(200, "success");
    assert_eq!(list["total_count"], 2);
    let entry = &list["backups"]["FULL"][0];
    assert_eq!((&entry["name"], &entry["size"], &entry["md5"]), (&json!("full.tar.gz"), &json!(size), &json!(md5(&full))));
    assert_eq!((&entry["profile"], &entry["machine"]), (&json!("document"), &json!("web1")));
    assert_eq!(entry["size_human"], format!("{:.1} B", size as f64));
    let modified = entry["modified"].as_str().expect("a time");
    assert_eq!((modified.len(), &modified[10..11]), (19, "T"), "{modified}");
    assert_eq!(list["backups"]["DIFF"], json!([]));
    let one = r.curl(&[], "/list/INC").is(200, "inc.tar.gz");
    assert_eq!((&one["total_count"], one["backups"].as_object().map(serde_json::Map::len)), (&json!(1), Some(1)));
    r.curl(&[], "/list/OTHER").is(404, "FULL");

    let ask = json!({ "local_backups": {
        "FULL": [{ "name": "full.tar.gz", "size": size, "md5": md5(&full) }, { "name": "gone.tar.gz", "size": 1, "md5": "00" }],
        "INC": [], "DIFF": [] } });
    let got = r.curl(&["-H", "Content-Type: application/json", "-d", &ask.to_string()], "/verify").is(200, "success");
    assert_eq!(got["synced"], json!({ "FULL": ["full.tar.gz"], "INC": [], "DIFF": [] }));
    assert_eq!(got["missing_on_remote"], json!({ "FULL": ["gone.tar.gz"], "INC": [], "DIFF": [] }));
    assert_eq!(got["extra_remote"], json!({ "FULL": [], "INC": ["inc.tar.gz"], "DIFF": [] }));
    assert_eq!(got["summary"], json!({ "synced": 1, "missing_on_remote": 1, "extra_remote": 1 }));
    let other = json!({ "local_backups": { "INC": [{ "name": "inc.tar.gz", "size": 1, "md5": "00" }] } });
    let got = r.curl(&["-d", &other.to_string()], "/verify").is(200, "success");
    assert_eq!((&got["missing_on_remote"]["INC"], &got["extra_remote"]["INC"]), (&json!(["inc.tar.gz"]), &json!([])));
    r.curl(&["-d", "{}"], "/verify").is(400, "local_backups");

    let stats = r.curl(&[], "/stats").is(200, "success");
    assert_eq!((&stats["total_count"], &stats["by_type"]["FULL"]), (&json!(2), &json!({ "count": 1, "size": size })));
    assert_eq!(stats["total_size"], json!(size + inc.metadata().expect("a file").size()));
    assert!(stats["total_size_human"].as_str().is_some_and(|t| t.ends_with(" B")));

    // Another machine has the same names and sees nothing of these.
    let other = r.home.ok(&["token", "create", "web2", "--scope", "upload"]).trim().to_owned();
    assert_eq!(r.curl_as(&other, &[], "/list").is(200, "success")["total_count"], 0);
    r.curl_as(&other, &["-F", &format!("file=@{}", full.display()), "-F", "type=FULL", "-F", "profile=document"], "/upload")
        .is(200, "success");
    assert!(r.stored().contains(&"FULL/web2/document/full.tar.gz".to_owned()));
}

#[test]
fn what_is_refused_leaves_nothing_and_changes_nothing() {
    let r = Receiver::start("max_upload = \"3MiB\"\nquota = \"8MiB\"\n");
    let folder = tempfile::tempdir().expect("a folder");
    let good = tar_gz(folder.path(), "a.tar.gz", "good");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    r.send(&good, "", "FULL", "p").is(200, "success");
    let before = r.stored();
    let mut seed = 1u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 32) as u8
    };
    let noise: Vec<u8> = (0..4 << 20).map(|_| random()).collect();
    let text = put("text.tar.gz", b"no archive at all");
    r.send(&put("b.zip", b"PK\x03\x04"), "", "FULL", "p").is(415, "has no name of an archive");
    r.send(&text, "", "FULL", "p").is(415, "not compressed by gzip");
    r.send(&good, ";filename=../../x.tar.gz", "FULL", "p").is(400, "no plain file name");
    r.send(&good, ";filename=.x.tar.gz", "FULL", "p").is(400, "no plain file name");
    r.send(&good, ";filename=x.tar.gz.received.json", "FULL", "p").is(415, "has no name of an archive");
    r.send(&good, "", "OTHER", "p").is(400, "FULL, INC, DIFF");
    r.send(&good, "", "FULL", "../p").is(400, "profile");
    r.send(&put("large.tar.gz", &noise), "", "FULL", "p").is(413, "larger than");
    r.curl(&["-F", "type=FULL", "-F", "file=;filename="], "/upload").is(400, "");
    r.curl(&["-F", "type=FULL"], "/upload").is(400, "file is missing");
    r.curl(&["-F", &format!("file=@{}", good.display())], "/upload").is(400, "type is missing");
    r.curl(&["-d", "x"], "/upload").is(400, "send a form");
    // The same name with other bytes, and with the same.
    let other = tar_gz(folder.path(), "other.tar.gz", "other");
    r.send(&other, ";filename=a.tar.gz", "FULL", "p").is(409, "is here already");
    r.send(&good, "", "FULL", "p").is(409, "is here already");
    // Counted, too, where no length is told: chunked.
    let file = format!("file=@{}", folder.path().join("large.tar.gz").display());
    r.curl(&["-H", "Transfer-Encoding: chunked", "-F", &file, "-F", "type=FULL"], "/upload").is(413, "larger than");
    // Nobody, a wrong token, one that may only read, one of no machine, a page.
    r.curl_as("", &[], "/list").is(401, "send a token");
    r.curl_as("bkp_x_y", &[], "/list").is(401, "unknown");
    let read = r.home.ok(&["token", "create", "reader", "--scope", "read", "--machine", "web1"]).trim().to_owned();
    let admin = r.home.ok(&["token", "create", "all", "--scope", "admin"]).trim().to_owned();
    r.curl_as(&read, &["-F", "type=FULL"], "/upload").is(401, "not send any");
    r.curl_as(&admin, &[], "/list").is(401, "of no machine");
    r.curl(&["-H", "Origin: http://evil.example"], "/list").is(403, "pages may not");
    for method in ["DELETE", "PUT", "PATCH"] {
        r.curl(&["-X", method], "/objects/FULL/p/a.tar.gz").is(405, "nothing here can be changed");
    }
    // A connection that is cut, and a process that is killed while it sends.
    let mut slow = Command::new("curl")
        .args(["-sS", "--limit-rate", "200K", "-H", &format!("Authorization: Bearer {}", r.token), "-F", "type=FULL", "-F"])
        .arg(format!("file=@{};filename=cut.tar.gz", put("half.tar.gz", &noise[..2 << 20]).display()))
        .arg(format!("{}/upload", r.url))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("curl runs");
    r.home.wait_for("a part", || r.stored().iter().any(|n| n.starts_with(".incoming/")));
    slow.kill().expect("killed");
    slow.wait().expect("ended");
    r.home.wait_for("nothing", || r.stored() == before);
    // The same at once: one has it, the others are told.
    let twice = tar_gz(folder.path(), "twice.tar.gz", "twice");
    let done: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| r.send(&twice, "", "INC", "p").0)).collect();
        all.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    assert_eq!((done.iter().filter(|s| **s == 200).count(), done.iter().filter(|s| **s == 409).count()), (1, 5), "{done:?}");
    assert!(r.stored().iter().all(|n| !n.starts_with(".incoming/")), "{:?}", r.stored());
    // The quota: 8 MiB, of which the second of these would need too much.
    let big = put("big1.tar.gz", &packed(&noise[..(2 << 20) + (1 << 19)]));
    r.send(&big, "", "FULL", "q").is(200, "success");
    r.send(&big, ";filename=big2.tar.gz", "FULL", "q").is(200, "success");
    r.send(&big, ";filename=big3.tar.gz", "FULL", "q").is(200, "success");
    r.send(&big, ";filename=big4.tar.gz", "FULL", "q").is(413, "keeps at most");
    assert!(r.stored().iter().all(|n| !n.starts_with(".incoming/")));
}

/// An archive with incompressible contents, by tar and gzip.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("noise"), bytes).expect("a file");
    let out = Command::new("tar").args(["-cz", "-C"]).arg(folder.path()).arg("noise").output().expect("tar runs");
    out.stdout
}

#[test]
fn uploads_go_on_where_they_were_cut_and_files_come_back_in_ranges() {
    let r = Receiver::start("");
    let folder = tempfile::tempdir().expect("a folder");
    let file = tar_gz(folder.path(), "full_2026-11-21_09-00-00.tar.gz", "a letter");
    let bytes = std::fs::read(&file).expect("a file");
    let base64 = |text: &str| {
        let mut child = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
        String::from_utf8(child.wait_with_output().expect("ended").stdout).expect("text")
    };
    let metadata = format!(
        "Upload-Metadata: filename {},type {},profile {}",
        base64("full_2026-11-21_09-00-00.tar.gz"),
        base64("FULL"),
        base64("docs")
    );
    let tus = ["-H", "Tus-Resumable: 1.0.0"];
    let options = r.curl_as("", &["-i", "-X", "OPTIONS"], "/uploads");
    assert!(options.1.to_string().contains("tus-version: 1.0.0"), "{}", options.1);
    let length = format!("Upload-Length: {}", bytes.len());
    let begin = |more: &[&str]| {
        let args = [&tus[..], &["-i", "-X", "POST", "-H", &metadata, "-H", &length], more].concat();
        let got = r.curl(&args, "/uploads");
        assert_eq!(got.0, 201, "{}", got.1);
        let text = got.1["text"].as_str().expect("text").to_owned();
        text.lines().find_map(|l| l.strip_prefix("location: ")).expect("a place").trim().to_owned()
    };
    let place = begin(&[]);
    let send = |place: &str, offset: usize, part: &[u8]| {
        let path = folder.path().join("part");
        std::fs::write(&path, part).expect("a file");
        let data = format!("@{}", path.display());
        let offset = format!("Upload-Offset: {offset}");
        let kind = "Content-Type: application/offset+octet-stream";
        r.curl(&[&tus[..], &["-X", "PATCH", "-H", &offset, "-H", kind, "--data-binary", &data]].concat(), place)
    };
    assert_eq!(send(&place, 0, &bytes[..100]).0, 204);
    send(&place, 50, &bytes[50..]).is(409, "goes on at 100");
    // The daemon goes and comes: the upload is where it was.
    let head = |r: &Receiver| r.curl(&[&tus[..], &["-I"]].concat(), &place).1.to_string();
    assert!(head(&r).contains("upload-offset: 100"), "{}", head(&r));
    assert!(r.stored().iter().all(|n| n.starts_with(".incoming/")), "{:?}", r.stored());
    assert_eq!(send(&place, 100, &bytes[100..]).0, 204);
    let name = "FULL/web1/docs/full_2026-11-21_09-00-00.tar.gz";
    assert!(r.stored().contains(&name.to_owned()), "{:?}", r.stored());
    r.curl(&[&tus[..], &["-I"]].concat(), &place).0.eq(&404).then_some(()).expect("the upload is over");
    // Bytes that are not those announced.
    let wrong = begin_other(&r, &tus, &bytes, &base64);
    assert_eq!(send(&wrong, 0, &bytes).is(400, "SHA-256")["status"], "error");
    assert!(r.stored().iter().all(|n| !n.starts_with(".incoming/")));

    let read = r.home.ok(&["token", "create", "reader", "--scope", "read", "--machine", "web1"]).trim().to_owned();
    let path = format!("/objects/{name}").replace("FULL/web1/docs", "FULL/docs");
    r.curl(&[], &path).is(401, "may only send");
    let target = folder.path().join("back");
    let back = target.display().to_string();
    assert_eq!(r.curl_as(&read, &["-r", "10-19", "-o", &back], &path).0, 206);
    assert_eq!(std::fs::read(&target).expect("a file"), bytes[10..20]);
    assert_eq!(r.curl_as(&read, &["-o", &back], &path).0, 200);
    assert_eq!(std::fs::read(&target).expect("a file"), bytes);
    let objects = r.curl_as(&read, &[], "/objects").is(200, "docs");
    assert_eq!(objects["objects"].as_array().map(Vec::len), Some(1));
    r.curl_as(&read, &[], "/objects/FULL/docs/..%2F..%2Fx.tar.gz").is(400, "no plain file name");
}

fn begin_other(r: &Receiver, tus: &[&str], bytes: &[u8], base64: &dyn Fn(&str) -> String) -> String {
    let metadata =
        format!("Upload-Metadata: filename {},type {},sha256 {}", base64("x.tar.gz"), base64("INC"), base64(&"0".repeat(64)));
    let length = format!("Upload-Length: {}", bytes.len());
    let got = r.curl(&[tus, &["-i", "-X", "POST", "-H", &metadata, "-H", &length]].concat(), "/uploads");
    assert_eq!(got.0, 201, "{}", got.1);
    let text = got.1["text"].as_str().expect("text").to_owned();
    text.lines().find_map(|l| l.strip_prefix("location: ")).expect("a place").trim().to_owned()
}

#[test]
fn open_where_the_file_says_so_and_kept_by_the_receivers_own_rules() {
    let r = Receiver::start("open = true\nkeep = { last = 2 }\n[receiver.profiles.all]\nkeep = { last = 10 }\n");
    let folder = tempfile::tempdir().expect("a folder");
    for n in 1..=4 {
        let file = tar_gz(folder.path(), &format!("{n}.tar.gz"), &n.to_string());
        for profile in ["some", "all"] {
            let file = format!("file=@{}", file.display());
            let profile = format!("profile={profile}");
            r.curl_as("", &["-F", &file, "-F", "type=FULL", "-F", &profile], "/upload").is(200, "success");
        }
    }
    let has = |profile: &str| {
        let start = format!("FULL/open/{profile}/");
        r.stored()
            .iter()
            .filter_map(|n| n.strip_prefix(&start).filter(|n| n.ends_with(".gz")).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(has("some"), ["3.tar.gz", "4.tar.gz"]);
    assert_eq!(has("all").len(), 4);
    // An increment needs what came before it.
    for n in 5..=7 {
        let file = tar_gz(folder.path(), &format!("{n}.tar.gz"), &n.to_string());
        let file = format!("file=@{}", file.display());
        r.curl_as("", &["-F", &file, "-F", "type=INC", "-F", "profile=some"], "/upload").is(200, "success");
    }
    assert_eq!(has("some"), ["4.tar.gz"]);
    assert_eq!(r.curl_as("", &[], "/list").is(200, "success")["backups"]["INC"].as_array().map(Vec::len), Some(3));
    assert!(r.home.ok(&["status"]).contains("without a token"), "{}", r.home.ok(&["status"]));
    let check = r.home.run(&["check"]);
    assert!(check.all().contains("without a token"), "{}", check.all());
}
