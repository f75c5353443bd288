//! Restoring: always in this process, with the caller's rights; the report goes to the home.

use super::Context;
use crate::args::{KeyArgs, OverwriteArg, RestoreArgs};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, line};
use crate::progress::{code, tell, wait};
use backup_client::Client;
use backup_operations::{GivenKeys, secret_file};
use backup_wire::{ReportRequest, RestoreRequest, RunEvent, RunView};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

/// The keys that somebody named on the command line.
pub(super) fn given(args: &KeyArgs) -> Result<GivenKeys, Failure> {
    let mut keys = GivenKeys { keys: args.key.clone(), ..GivenKeys::default() };
    for file in &args.passphrase_file {
        keys.passphrases.push(secret_file(file)?);
    }
    if let Some(file) = &args.key_passphrase_file {
        keys.key_passphrase = Some(secret_file(file)?);
    }
    Ok(keys)
}

/// The number of a user or group, given by name or number.
fn number(text: &str, of: impl Fn(&str) -> Option<u32>) -> Result<u32, Failure> {
    let found = text.parse().ok().or_else(|| of(text));
    found.ok_or_else(|| Failure::new(2, format!("{text:?} is no user or group of this machine; write its number")))
}

fn user(text: &str) -> Result<u32, Failure> {
    number(text, |name| nix::unistd::User::from_name(name).ok().flatten().map(|u| u.uid.as_raw()))
}

fn group(text: &str) -> Result<u32, Failure> {
    number(text, |name| nix::unistd::Group::from_name(name).ok().flatten().map(|g| g.gid.as_raw()))
}

fn pairs(list: &[String], of: impl Fn(&str) -> Result<u32, Failure>) -> Result<Vec<(u32, u32)>, Failure> {
    list.iter()
        .map(|text| {
            let (from, to) = text.split_once('=').ok_or_else(|| Failure::new(2, format!("{text:?}: write FROM=TO")))?;
            Ok((of(from)?, of(to)?))
        })
        .collect()
}

/// Writes one file, or a tar stream, to standard output. Nothing else is written there.
async fn stream(c: &Context, what: &RestoreArgs) -> Result<u8, Failure> {
    let home = c.find_home()?;
    let connection = connect::detached(home.check().is_ok().then_some(home)).await?;
    let Some(app) = connection.app.clone() else { return Err(Failure::new(1, "there is nothing to read archives with")) };
    app.give_keys(given(&what.keys)?);
    let bytes = |path: &Path| {
        let bytes = path.as_os_str().as_bytes();
        let start = bytes.iter().position(|b| *b != b'/').unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|b| *b != b'/').map_or(start, |e| e + 1);
        bytes[start..end].to_vec()
    };
    let paths: Vec<Vec<u8>> = what.path.iter().map(|p| bytes(p)).collect();
    let one = what.stdout.as_deref().map(bytes);
    let wanted: Vec<Vec<u8>> = one.iter().chain(&paths).cloned().collect();
    let selection = backup_operations::Selection::new(&wanted, &what.pattern).map_err(backup_operations::OperationError::from)?;
    let opened = app.resolve_open(&super::absolute_word(&what.archive)?, Some(selection)).await?;
    let (archive, access) = (opened.path.clone(), opened.access.clone());
    let (patterns, strip) = (what.pattern.clone(), what.strip);
    let done = tokio::task::spawn_blocking(move || {
        let mut out = std::io::BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
        match one {
            Some(path) => backup_operations::cat(&archive, &path, &access, &mut out, &backup_operations::Silent),
            None => {
                let wanted = backup_operations::Selection::new(&paths, &patterns)?;
                backup_operations::as_tar(&archive, &wanted, strip, &access, &mut out, &backup_operations::Silent)
            }
        }
    });
    done.await.map_err(|e| Failure::new(1, e.to_string()))?.map_err(backup_operations::OperationError::from)?;
    Ok(0)
}

pub(super) async fn restore(c: &Context, what: RestoreArgs) -> Result<u8, Failure> {
    if what.stdout.is_some() || what.as_tar {
        return stream(c, &what).await;
    }
    let dry_run = what.dry_run;
    let all_to = match &what.owner {
        Some(text) => {
            let (u, g) = text.split_once(':').ok_or_else(|| Failure::new(2, format!("--owner {text:?}: write USER:GROUP")))?;
            Some((user(u)?, group(g)?))
        }
        None => None,
    };
    let home = c.find_home()?;
    let connection = connect::detached(home.check().is_ok().then_some(home)).await?;
    if let Some(app) = &connection.app {
        app.give_keys(given(&what.keys)?);
    }
    // Without --to the files go to where they came from.
    let target = std::path::absolute(what.to.as_deref().unwrap_or(Path::new("/")))?;
    let mut wish = RestoreRequest {
        archive: what.archive,
        target: target.to_str().ok_or_else(|| Failure::new(2, "the target's path must be UTF-8"))?.to_owned(),
        paths: Vec::new(),
        paths_b64: Vec::new(),
        overwrite: match what.overwrite {
            OverwriteArg::Never => "never",
            OverwriteArg::Older => "older",
            OverwriteArg::Always => "always",
        }
        .to_owned(),
        dry_run,
        max_entries: what.max_entries,
        max_bytes: what.max_size,
        patterns: what.pattern,
        strip: what.strip,
        skip_damaged: what.skip_damaged,
        owners_by_name: what.owners_by_name,
        map_users: pairs(&what.map_user, user)?,
        map_groups: pairs(&what.map_group, group)?,
        all_to,
        destination: what.destination.clone(),
    };
    for path in &what.path {
        match backup_wire::text_and_b64(path.as_os_str().as_bytes()) {
            (_, Some(b64)) => wish.paths_b64.push(b64),
            (text, None) => wish.paths.push(text),
        }
    }
    let began = connection.app.as_ref().map(backup_operations::App::now).unwrap_or_default();
    let run: RunView = connection.client.post("/api/v1/restores", &wish).await?;
    let done = wait(&connection, &run, c.json).await?;
    let recorded = if dry_run {
        true
    } else {
        record(c, &done, began, json!({ "target": wish.target, "paths": wish.paths, "overwrite": wish.overwrite })).await?
    };
    let code = code(&done.status);
    if c.json {
        output::json(&RunEvent::Result { run: Box::new(done) })?;
        return Ok(code);
    }
    if dry_run && code == 0 {
        for note in done.notes.iter().filter(|n| n.text == "would be restored").take(50) {
            line(format!("would restore {}", output::safe(&note.path)))?;
        }
        line(format!(
            "dry run: {}, {} would be restored to {}",
            output::files_and_folders(done.files, done.folders),
            output::counted(done.others, "other entry", "other entries"),
            target.display()
        ))?;
        return Ok(code);
    }
    tell(&done)?;
    if code == 0 || code == 3 {
        line(format!("  to {}", target.display()))?;
    }
    if !recorded {
        line("  not recorded: there is no home that can be written to")?;
    }
    Ok(code)
}

/// Puts a run of this process into the home's history. `false`: there is no home for it.
pub(super) async fn record(
    c: &Context,
    run: &RunView,
    began: DateTime<Utc>,
    request: serde_json::Value,
) -> Result<bool, Failure> {
    let home = c.find_home()?;
    if home.check().is_err() {
        return Ok(false);
    }
    let report = ReportRequest {
        operation: run.operation.clone(),
        name: run.name.clone(),
        archive: run.archive.clone(),
        archive_path: run.archive_path.clone().unwrap_or_default(),
        status: run.status.clone(),
        started: run.started.map_or(began, |t| t.with_timezone(&Utc)),
        ended: run.ended.map_or(began, |t| t.with_timezone(&Utc)),
        files: run.files,
        folders: run.folders,
        others: run.others,
        bytes: run.bytes,
        warnings: run.warnings,
        tables: run.tables,
        records: run.records,
        error: run.error.clone(),
        notes: run.notes.clone(),
        request,
    };
    if let Some(client) = connect::to_daemon(&home).await? {
        return Ok(send(&client, &report).await);
    }
    if let Some((uid, gid)) = connect::other_owner(&home) {
        return Ok(send_as(uid, gid, &home, &report));
    }
    if home.owner().is_none_or(|(uid, _)| uid != nix::unistd::geteuid().as_raw()) {
        return Ok(false);
    }
    match connect::in_process(home, false).await {
        Ok(connection) => Ok(send(&connection.client, &report).await),
        Err(_) => Ok(false),
    }
}

async fn send(client: &Client, report: &ReportRequest) -> bool {
    let sent: Result<RunView, _> = client.post("/api/v1/reports", report).await;
    sent.is_ok()
}

/// Lets a child of the home's owner write the report down.
fn send_as(uid: u32, gid: u32, home: &backup_config::Home, report: &ReportRequest) -> bool {
    let write = || -> std::io::Result<bool> {
        let mut child = connect::itself()
            .arg("--home")
            .arg(home.root())
            .arg("__report")
            .uid(uid)
            .gid(gid)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&serde_json::to_vec(report)?)?;
        }
        Ok(child.wait()?.success())
    };
    write().unwrap_or(false)
}
