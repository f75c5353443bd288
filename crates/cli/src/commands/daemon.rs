//! The daemon: start, stop, restart, reload, status, logs.

use super::Context;
use crate::connect::{daemon, other_owner, socket, start_log, to_daemon};
use crate::failure::Failure;
use crate::output::{self, counted, exact, line, safe, time};
use backup_client::{Client, ClientError};
use backup_config::Home;
use backup_model::format_size;
use backup_wire::StatusView;
use serde_json::json;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|p| format!(" (pid {p})")).unwrap_or_default()
}

/// The daemon's program: beside this one, else on the path.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|p| p.with_file_name("backupd"));
    beside.filter(|p| p.exists()).unwrap_or_else(|| PathBuf::from("backupd"))
}

fn last_lines(path: &Path, count: usize) -> Vec<String> {
    // The end of the file is enough.
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().map_or(0, |m| m.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(256 * 1024)));
    let mut bytes = Vec::new();
    let _ = file.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|l| safe(l)).collect()
}

pub(super) async fn start(c: &Context) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    if let Some(pid) = daemon(&home)? {
        return Err(Failure::new(1, format!("backupd runs already{}", pid_text(pid))));
    }
    let owner = other_owner(&home);
    if owner.is_none() {
        home.make_folders()?;
    }
    let mut errors = tempfile_in(&home)?;
    let mut command = Command::new(program());
    command
        .arg("--home")
        .arg(home.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?)
        .current_dir("/");
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn().map_err(|e| Failure::new(1, format!("cannot start {}: {e}", program().display())))?;
    let client = Client::Socket(socket(&home));
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let mut why = String::new();
            let _ = errors.seek(SeekFrom::Start(0)).and_then(|_| errors.read_to_string(&mut why));
            let why = why.trim();
            let mut message = if why.is_empty() { format!("backupd did not start ({status})") } else { safe(why) };
            for log in last_lines(&home.logs().join("backupd.log"), 5) {
                message.push_str(&format!("\n  {log}"));
            }
            return Err(Failure::new(1, message));
        }
        match client.get::<StatusView>("/api/v1/system").await {
            Ok(status) => {
                let _log = start_log_here(&home, owner.is_some());
                tracing::info!("started backupd, pid {}", status.pid);
                return told(c, &status);
            }
            Err(_) if begun.elapsed() < Duration::from_secs(30) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(e) => {
                return Err(Failure::new(
                    1,
                    format!(
                        "backupd was started{} but does not answer: {e}; see {}",
                        pid_text(Some(child.id())),
                        home.logs().join("backupd.log").display()
                    ),
                ));
            }
        }
    }
}

/// A file without a name for what the daemon says before it can log.
fn tempfile_in(home: &Home) -> Result<File, Failure> {
    let path = std::env::temp_dir().join(format!("backupd-start-{}.err", std::process::id()));
    let file = fs::OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|e| Failure::new(1, format!("cannot start the daemon of {}: {e}", home.root().display())))?;
    let _ = fs::remove_file(&path);
    Ok(file)
}

/// The log of this program, unless writing it would leave a file of root in somebody else's home.
fn start_log_here(home: &Home, foreign: bool) -> Option<backup_config::logs::WorkerGuard> {
    if foreign { None } else { start_log(home) }
}

fn told(c: &Context, status: &StatusView) -> Result<u8, Failure> {
    if c.json {
        output::json(status)?;
        return Ok(0);
    }
    line(format!("backupd runs (pid {}), {}", status.pid, counted(status.schedules, "schedule", "schedules")))?;
    if let Some(name) = &status.next_schedule {
        line(format!("next run: {name} at {}", time(status.next)))?;
    }
    if let Some(error) = &status.config_error {
        line(format!("warning: {}", safe(error)))?;
        return Ok(3);
    }
    Ok(0)
}

async fn end(c: &Context, home: &Home, now: bool) -> Result<Option<u32>, Failure> {
    let Some(pid) = daemon(home)? else {
        return Err(Failure::new(4, "backupd is not running"));
    };
    let _log = start_log_here(home, other_owner(home).is_some());
    let client = Client::Socket(socket(home));
    let asked: Result<serde_json::Value, ClientError> = client.post("/api/v1/system/stop", &json!({ "now": now })).await;
    match asked {
        Ok(_) => {}
        Err(e @ (ClientError::Denied(_) | ClientError::Problem(_))) => return Err(e.into()),
        Err(e) => {
            // It holds the lock but does not answer: a signal to the process that the kernel names.
            let Some(pid) = pid else {
                return Err(Failure::new(1, format!("backupd does not answer ({e}), and the kernel does not tell its pid")));
            };
            let target = nix::unistd::Pid::from_raw(i32::try_from(pid).map_err(|_| Failure::new(1, "the pid is out of range"))?);
            nix::sys::signal::kill(target, nix::sys::signal::Signal::SIGTERM)
                .map_err(|e| Failure::new(1, format!("cannot signal backupd (pid {pid}): {}", e.desc())))?;
        }
    }
    tracing::info!("stopping backupd{}", pid_text(pid));
    if pid == Some(1) {
        // The container ends with its main process, and this command with the container.
        return Ok(pid);
    }
    let begun = Instant::now();
    let mut told = false;
    while daemon(home)?.is_some() {
        if !told && !c.json && begun.elapsed() > Duration::from_secs(2) {
            line("waiting for backups at work; `backupctl stop --now` cancels them")?;
            told = true;
        }
        let patience = crate::connect::settings(home).stop_timeout + Duration::from_secs(60);
        if begun.elapsed() > patience {
            return Err(Failure::new(
                1,
                format!(
                    "backupd{} still runs after {} s; see {}",
                    pid_text(pid),
                    patience.as_secs(),
                    home.logs().join("backupd.log").display()
                ),
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tracing::info!("backupd{} has stopped", pid_text(pid));
    Ok(pid)
}

pub(super) async fn stop(c: &Context, now: bool) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    let pid = end(c, &home, now).await?;
    if c.json {
        output::json(&json!({ "stopped": true, "pid": pid }))?;
    } else if pid == Some(1) {
        line("backupd is stopping; it is the main process of its container, whose restart policy decides what follows")?;
    } else {
        line(format!("backupd{} has stopped", pid_text(pid)))?;
    }
    Ok(0)
}

pub(super) async fn restart(c: &Context, now: bool) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    if daemon(&home)?.is_some() && end(c, &home, now).await? == Some(1) {
        line("backupd is stopping; it is the main process of its container, whose restart policy decides what follows")?;
        return Ok(0);
    }
    start(c).await
}

pub(super) async fn reload(c: &Context) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    let Some(client) = to_daemon(&home).await? else {
        return Err(Failure::new(4, "backupd is not running; `backupctl start` starts it"));
    };
    let status: StatusView = client.post("/api/v1/system/reload", &json!({})).await?;
    if c.json {
        output::json(&status)?;
    } else {
        line(format!("read {}: {}", home.schedules().display(), counted(status.schedules, "schedule", "schedules")))?;
    }
    Ok(0)
}

pub(super) async fn status(c: &Context) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let s: StatusView = connection.client.get("/api/v1/system").await?;
    let code = match (connection.daemon, &s.config_error) {
        (false, _) => 4,
        (true, Some(_)) => 3,
        (true, None) => 0,
    };
    if c.json {
        output::json(&s)?;
        return Ok(code);
    }
    if connection.daemon {
        line(format!(
            "backupd {} runs (pid {}) since {}{}",
            s.version,
            s.pid,
            exact(Some(s.started)),
            if s.stopping { ", stopping" } else { "" }
        ))?;
    } else {
        line("backupd is not running; `backupctl start` starts it")?;
    }
    line(format!("home      {}", s.home))?;
    line(format!("schedules {} ({})", s.schedules, s.timezone))?;
    if let Some(error) = &s.config_error {
        line(format!("          Error in the file: {}; the last valid state is in force", safe(error)))?;
    }
    if let Some(url) = &s.web {
        let hint = if s.setup_needed { ", closed until `backupctl user add NAME --role admin`" } else { "" };
        line(format!("page      {url}{hint}"))?;
    }
    if let Some(url) = &s.receiver {
        line(format!("receiver  {url}"))?;
    }
    if let Some(error) = &s.receiver_error {
        line(format!("          Error: {}", safe(error)))?;
    }
    if s.receiver_open {
        line("          Warning: the receiver takes archives from callers without a token ([receiver] open = true)")?;
    }
    if let Some(error) = &s.web_error {
        line(format!("          Error: {}", safe(error)))?;
    }
    if let Some(name) = &s.next_schedule {
        line(format!("next      {name} at {}{}", time(s.next), if connection.daemon { "" } else { ", once the daemon runs" }))?;
    }
    line(format!("archives  {}, {}", s.archives, format_size(s.stored)))?;
    for run in &s.runs {
        let progress = run
            .progress
            .as_ref()
            .map(|p| format!(", {}, {}", counted(p.files, "file", "files"), format_size(p.bytes)))
            .unwrap_or_default();
        line(format!("{:<9} {} of {} (run {}){progress}", run.status, run.operation, safe(&run.name), run.id))?;
    }
    for frozen in &s.frozen {
        line(format!("frozen    {}", safe(frozen)))?;
    }
    Ok(code)
}

pub(super) async fn logs(c: &Context, follow: bool, lines: usize) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    let names = ["backupctl.log", "backupd.log"];
    let mut places = Vec::new();
    for name in names {
        let path = home.logs().join(name);
        places.push(fs::metadata(&path).map_or(0, |m| m.len()));
        for text in last_lines(&path, lines) {
            line(format!("{}: {text}", name.trim_end_matches(".log")))?;
        }
    }
    if !follow {
        return Ok(0);
    }
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for (name, place) in names.iter().zip(&mut places) {
            let Ok(mut file) = File::open(home.logs().join(name)) else { continue };
            let length = file.metadata().map_or(0, |m| m.len());
            // Shorter than before: it was rotated.
            let from = if length < *place { 0 } else { *place };
            let mut bytes = Vec::new();
            if file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
                continue;
            }
            let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            for text in String::from_utf8_lossy(&bytes[..whole]).lines() {
                line(format!("{}: {}", name.trim_end_matches(".log"), safe(text)))?;
            }
            *place = from + whole as u64;
        }
    }
}
