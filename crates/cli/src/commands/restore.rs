//! Restoring: always in this process, with the caller's rights; the report goes to the home.

use super::Context;
use crate::args::{OverwriteArg, RestoreArgs};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, line};
use crate::progress::{code, tell, wait};
use backup_client::Client;
use backup_wire::{ReportRequest, RestoreRequest, RunEvent, RunView};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

pub(super) async fn restore(c: &Context, what: RestoreArgs) -> Result<u8, Failure> {
    let dry_run = what.dry_run;
    let home = c.find_home()?;
    let connection = connect::detached(home.check().is_ok().then_some(home)).await?;
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
            "dry run: {} files, {} folders, {} other entries would be restored to {}",
            done.files,
            done.folders,
            done.others,
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
