//! The clients of a receiver: `push` and `compare`, as S1's upload.sh and verify_sync.sh.

use super::Context;
use crate::args::{PushArgs, ServerArgs};
use crate::failure::Failure;
use crate::output::{self, line, safe};
use backup_model::{Compression, Kind, ReceivedType, format_size};
use backup_operations::{Meter, ReceiverClient, Upload, secret_file};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An archive that can be sent.
#[derive(Clone)]
struct Local {
    kind: ReceivedType,
    profile: String,
    name: String,
    path: PathBuf,
    modified: std::time::SystemTime,
}

fn client(server: &ServerArgs) -> Result<ReceiverClient, Failure> {
    let token = match &server.token_file {
        Some(path) => Some(secret_file(path)?),
        None => std::env::var("BACKUP_TOKEN").ok().filter(|t| !t.is_empty()),
    };
    if !server.server.starts_with("http://") && !server.server.starts_with("https://") {
        return Err(Failure::new(
            2,
            format!("{:?} is no address of a receiver; write for example https://vault.example.org:5000", server.server),
        ));
    }
    let place = format!("receiver+{}", server.server);
    let place: backup_model::StoreUrl = place.parse().map_err(|e: backup_model::StoreUrlError| Failure::new(2, e.to_string()))?;
    if place.in_clear() && token.is_some() {
        return Err(Failure::new(2, "the token would travel in clear to another machine: use https"));
    }
    Ok(ReceiverClient::new(&server.server, token, server.ca.as_deref()).map_err(backup_operations::OperationError::from)?)
}

/// Where archives lie.
fn folder(c: &Context, server: &ServerArgs) -> Result<PathBuf, Failure> {
    if let Some(dir) = &server.dir {
        if !dir.is_dir() {
            return Err(Failure::new(2, format!("{} is no folder; set BACKUP_DIR to where archives lie", dir.display())));
        }
        return Ok(dir.clone());
    }
    let here = PathBuf::from("backup");
    if here.is_dir() {
        return Ok(here);
    }
    let home = c.find_home()?;
    home.check()
        .map_err(|_| Failure::new(2, "there is neither ./backup nor a home here; set BACKUP_DIR to where archives lie"))?;
    Ok(home.backups())
}

fn files(folder: &Path) -> Vec<(String, PathBuf, std::fs::Metadata)> {
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path(), e.metadata().ok()?)))
        .collect();
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn local(kind: ReceivedType, profile: &str, (name, path, meta): (String, PathBuf, std::fs::Metadata)) -> Option<Local> {
    let archive = meta.is_file() && !name.starts_with('.') && Compression::of_file_name(&name).is_some();
    archive.then(|| Local {
        kind,
        profile: profile.to_owned(),
        name,
        path,
        modified: meta.modified().unwrap_or(std::time::UNIX_EPOCH),
    })
}

/// All archives of a folder, in either layout.
fn archives(folder: &Path) -> Vec<Local> {
    let mut out = Vec::new();
    for (name, path, _) in files(folder).into_iter().filter(|f| f.2.is_dir()) {
        let Ok(kind) = name.parse::<ReceivedType>() else {
            let of = |n: &str| Kind::of_file_name(n).unwrap_or(Kind::Full).into();
            out.extend(files(&path).into_iter().filter_map(|f| local(of(&f.0), &name, f)));
            continue;
        };
        for file in files(&path) {
            if file.2.is_dir() {
                out.extend(files(&file.1).into_iter().filter_map(|f| local(kind, &file.0, f)));
            } else {
                out.extend(local(kind, "default", file));
            }
        }
    }
    out
}

/// What is to be sent: files as they are named, the newest of each profile, or all.
fn chosen(c: &Context, what: &PushArgs) -> Result<Vec<Local>, Failure> {
    let (paths, names): (Vec<&String>, Vec<&String>) =
        what.what.iter().partition(|w| w.contains('/') || Compression::of_file_name(w).is_some());
    let mut out = Vec::new();
    for path in &paths {
        let path = Path::new(path.as_str());
        let meta = path.metadata().map_err(|e| Failure::new(1, format!("cannot read {}: {e}", path.display())))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let profile = schedule_of(path).unwrap_or_else(|| "default".to_owned());
        let kind = Kind::of_file_name(&name).unwrap_or(Kind::Full).into();
        match local(kind, &profile, (name, path.to_owned(), meta)) {
            Some(file) => out.push(file),
            None => return Err(Failure::new(2, format!("{} has no name of an archive (.tar.gz and its like)", path.display()))),
        }
    }
    if !names.is_empty() || paths.is_empty() {
        let folder = folder(c, &what.server)?;
        let all = archives(&folder);
        let mut wanted: BTreeMap<String, Vec<Local>> = BTreeMap::new();
        for file in all {
            // S1 has no folders for profiles: there a file is of the profile whose name it begins with.
            let of = |n: &&&String| file.profile == n.as_str() || file.profile == "default" && file.name.starts_with(n.as_str());
            let profile = match names.iter().find(of) {
                Some(name) => (*name).clone(),
                None if names.is_empty() => file.profile.clone(),
                None => continue,
            };
            wanted.entry(profile.clone()).or_default().push(Local { profile, ..file });
        }
        if let Some(missing) = names.iter().find(|n| !wanted.contains_key(n.as_str())) {
            return Err(Failure::new(1, format!("there is no archive of {missing} in {}", folder.display())));
        }
        for mut files in wanted.into_values() {
            files.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
            let skip = if what.all { 0 } else { files.len() - 1 };
            out.extend(files.into_iter().skip(skip));
        }
    }
    Ok(out)
}

/// The schedule that a sidecar names.
fn schedule_of(archive: &Path) -> Option<String> {
    let mut sidecar = archive.as_os_str().to_owned();
    sidecar.push(".json");
    let text = std::fs::read(sidecar).ok()?;
    serde_json::from_slice::<Value>(&text).ok()?.get("schedule")?.as_str().map(str::to_owned)
}

pub(super) async fn push(c: &Context, what: &PushArgs) -> Result<u8, Failure> {
    let client = client(&what.server)?;
    let list = chosen(c, what)?;
    if list.is_empty() {
        line("there are no archives to send yet; `backupctl run NAME` makes one")?;
        return Ok(0);
    }
    let notes = std::env::temp_dir().join(format!("backupctl-push-{}", nix::unistd::geteuid()));
    let (mut worst, mut rows) = (0, Vec::new());
    for file in &list {
        let mut sent = Ok(false);
        // The archive, then what lies beside it.
        for suffix in ["", ".idx", ".json"] {
            let mut path = file.path.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            if !path.is_file() {
                continue;
            }
            let name = format!("{}{suffix}", file.name);
            let note = notes.join(format!("{}-{name}", file.profile));
            let upload = Upload { file: path, sha256: None, note };
            let done = client.push(file.kind, &file.profile, &name, &upload, &Meter::default()).await;
            if suffix.is_empty() || done.is_err() {
                sent = done;
            }
            if sent.is_err() {
                break;
            }
        }
        let size = file.path.metadata().map_or(0, |m| m.len());
        let (status, error) = match &sent {
            Ok(true) => ("sent", None),
            Ok(false) => ("there already", None),
            Err(e) => ("failed", Some(e.to_string())),
        };
        if error.is_some() {
            worst = 1;
        }
        if c.json {
            rows.push(json!({ "name": file.name, "type": file.kind.as_str(), "profile": file.profile, "size": size, "status": status, "error": error }));
        } else {
            line(match &error {
                None => format!("{} {}/{}: {status} ({})", file.kind.as_str(), file.profile, safe(&file.name), format_size(size)),
                Some(e) => format!("{} {}/{}: FAILED: {}", file.kind.as_str(), file.profile, safe(&file.name), safe(e)),
            })?;
        }
    }
    let _ = std::fs::remove_dir(&notes);
    if c.json {
        output::json(&json!({ "items": rows }))?;
    }
    Ok(worst)
}

fn md5_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(md5.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        md5.update(&buffer[..n]);
    }
}

pub(super) async fn compare(c: &Context, stats: bool, server: &ServerArgs) -> Result<u8, Failure> {
    let client = client(server)?;
    let folder = folder(c, server)?;
    let mut lists: BTreeMap<&str, Vec<Value>> = ReceivedType::ALL.iter().map(|t| (t.as_str(), Vec::new())).collect();
    for file in archives(&folder) {
        let failed = |e: std::io::Error| Failure::new(1, format!("cannot read {}: {e}", file.path.display()));
        let md5 = md5_of(&file.path).map_err(failed)?;
        let size = file.path.metadata().map_err(failed)?.len();
        lists.entry(file.kind.as_str()).or_default().push(json!({ "name": file.name, "size": size, "md5": md5 }));
    }
    let failed = backup_operations::OperationError::from;
    let mut found = client.verify(&json!(lists)).await.map_err(failed)?;
    if stats {
        let more = client.stats().await.map_err(failed)?;
        if let Some(all) = found.as_object_mut() {
            all.insert("stats".into(), more);
        }
    }
    let count = |key: &str| found["summary"][key].as_u64().unwrap_or_default();
    let code = if count("missing_on_remote") > 0 { 3 } else { 0 };
    if c.json {
        output::json(&found)?;
        return Ok(code);
    }
    for (key, text) in [("synced", "synced"), ("missing_on_remote", "missing on remote"), ("extra_remote", "extra on remote")] {
        line(format!("{text}: {}", count(key)))?;
        for kind in ReceivedType::ALL.iter().filter(|_| key != "synced") {
            for name in found[key][kind.as_str()].as_array().into_iter().flatten().filter_map(Value::as_str) {
                line(format!("  {} {}", kind.as_str(), safe(name)))?;
            }
        }
    }
    if stats {
        let s = &found["stats"];
        line(format!("remote: {} archives, {}", s["total_count"], s["total_size_human"].as_str().unwrap_or("-")))?;
        for kind in ReceivedType::ALL {
            let of = &s["by_type"][kind.as_str()];
            line(format!("  {}: {}, {}", kind.as_str(), of["count"], format_size(of["size"].as_u64().unwrap_or_default())))?;
        }
    }
    Ok(code)
}
