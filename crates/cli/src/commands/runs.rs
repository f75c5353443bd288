//! Work now: run, verify, cancel.

use super::Context;
use crate::args::KeyArgs;
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, line};
use crate::progress::{code, tell, wait};
use backup_wire::{Page, ReportRequest, RunEvent, RunView, ScheduleView, VerifyRequest};
use serde_json::json;

/// The worse of two exit codes: interrupted, failed, warnings, done.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        3 => 1,
        130 => 3,
        _ => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

pub(super) fn finished(c: &Context, run: RunView) -> Result<u8, Failure> {
    let code = code(&run.status);
    if c.json {
        output::json(&RunEvent::Result { run: Box::new(run) })?;
    } else {
        tell(&run)?;
    }
    Ok(code)
}

pub(super) async fn run(c: &Context, names: &[String], kind: Option<&str>, no_wait: bool) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    if no_wait && !connection.daemon {
        return Err(Failure::new(4, "--no-wait needs the daemon, which is not running; `backupctl start` starts it"));
    }
    // All names are checked before anything begins.
    let mut schedules = Vec::new();
    for name in names {
        let view: ScheduleView = connection.client.get(&format!("/api/v1/schedules/{}", backup_client::encode(name))).await?;
        schedules.push(view.name);
    }
    let mut worst = 0;
    for name in schedules {
        let run: RunView = connection.client.post("/api/v1/runs", &json!({ "schedule": name, "kind": kind })).await?;
        if no_wait {
            if c.json {
                output::json(&run)?;
            } else {
                line(format!("{name}: backup asked for (run {})", run.id))?;
            }
            continue;
        }
        let run = wait(&connection, &run, c.json).await?;
        worst = worse(worst, finished(c, run)?);
        if worst == 130 {
            break;
        }
    }
    Ok(worst)
}

pub(super) async fn cancel(c: &Context, run: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let view: RunView =
        connection.client.post(&format!("/api/v1/runs/{}/cancel", backup_client::encode(run)), &json!({})).await?;
    if c.json {
        output::json(&view)?;
    } else {
        line(format!("asked the {} of {} to stop (run {})", view.operation, output::safe(&view.name), view.id))?;
    }
    Ok(0)
}

pub(super) async fn verify(
    c: &Context,
    archive: Option<&str>,
    all: bool,
    deep: bool,
    destination: Option<&str>,
    keys: &KeyArgs,
) -> Result<u8, Failure> {
    let is_path = archive.is_some_and(|a| a.contains('/') || backup_model::Compression::of_file_name(a).is_some());
    let connection = if is_path {
        // A file is read with the caller's own rights.
        let home = c.find_home()?;
        connect::detached(home.check().is_ok().then_some(home)).await?
    } else {
        c.connect().await?
    };
    let given = super::restore::given(keys)?;
    match &connection.app {
        Some(app) => app.give_keys(given),
        None if !keys.is_empty() => {
            return Err(Failure::new(2, "keys are given to the verification of a file: name the archive by its path"));
        }
        None => {}
    }
    let wish = VerifyRequest { archive: archive.map(str::to_owned), all, deep, destination: destination.map(str::to_owned) };
    let began = connection.app.as_ref().map(backup_operations::App::now);
    let page: Page<RunView> = connection.client.post("/api/v1/verifications", &wish).await?;
    if page.items.is_empty() && !c.json {
        line("there are no archives yet")?;
    }
    let mut worst = 0;
    for run in &page.items {
        let done = wait(&connection, run, c.json).await?;
        if is_path && let Some(began) = began {
            super::restore::record(c, &done, began, json!({ "deep": deep })).await?;
        }
        if !c.json
            && let Some(path) = &done.archive_path
        {
            line(output::safe(path))?;
        }
        worst = worse(worst, finished(c, done)?);
    }
    Ok(worst)
}

/// Takes a report from standard input: how root's restore gets into the history of a home that
/// belongs to somebody else.
pub(super) async fn report(c: &Context) -> Result<u8, Failure> {
    let report: ReportRequest = serde_json::from_reader(std::io::stdin().lock())
        .map_err(|e| Failure::new(2, format!("no report on standard input: {e}")))?;
    let connection = c.connect().await?;
    let _: RunView = connection.client.post("/api/v1/reports", &report).await?;
    Ok(0)
}
