//! Waiting for a run: a bar on a terminal, plain lines elsewhere, JSON lines on request.

use crate::connect::Connection;
use crate::failure::Failure;
use crate::output;
use backup_model::{format_duration, format_size};
use backup_wire::{ProgressView, RunEvent, RunView};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

struct Shown {
    bar: ProgressBar,
    terminal: bool,
    last_line: Instant,
    what: String,
}

impl Shown {
    fn new(what: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            None,
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
        );
        if let Ok(style) = ProgressStyle::with_template("{prefix} {spinner} {bytes} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Self { bar, terminal, last_line: Instant::now(), what: what.to_owned() }
    }

    fn progress(&mut self, p: &ProgressView) {
        if self.terminal {
            if let Some(total) = p.total_bytes
                && self.bar.length() != Some(total)
            {
                self.bar.set_length(total);
                if let Ok(style) = ProgressStyle::with_template(
                    "{prefix} [{bar:30}] {percent}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left {wide_msg}",
                ) {
                    self.bar.set_style(style.progress_chars("=> "));
                }
            }
            self.bar.set_position(p.bytes);
            self.bar.set_message(p.current.clone());
        } else if self.last_line.elapsed() >= Duration::from_secs(10) {
            self.last_line = Instant::now();
            let part = p.total_bytes.filter(|t| *t > 0).map(|t| format!(" ({} %)", p.bytes.min(t) * 100 / t)).unwrap_or_default();
            let rate = format_size((p.bytes as f64 / p.seconds.max(0.1)) as u64);
            let _ = writeln!(
                std::io::stderr(),
                "{}: {}, {}{part}, {rate}/s",
                self.what,
                output::counted(p.files, "file", "files"),
                format_size(p.bytes)
            );
        }
    }
}

/// Waits for a run's end. Ctrl-C cancels it and waits for its clean end.
pub(crate) async fn wait(connection: &Connection, run: &RunView, json: bool) -> Result<RunView, Failure> {
    let mut shown = Shown::new(&format!("{} {}", run.operation, output::safe(&run.name)));
    let mut interrupted = false;
    let bar = shown.bar.clone();
    let listening = connection.client.events(&run.id, |event| {
        if json {
            // The end is printed by the caller too, after all runs.
            if !matches!(event, RunEvent::Result { .. }) {
                let _ = output::json(event);
            }
        } else if let RunEvent::Progress { progress, .. } = event {
            shown.progress(progress);
        }
    });
    tokio::pin!(listening);
    let last = loop {
        tokio::select! {
            event = &mut listening => break event,
            _ = tokio::signal::ctrl_c(), if !interrupted => {
                interrupted = true;
                let path = format!("/api/v1/runs/{}/cancel", run.id);
                let _: Result<RunView, _> = connection.client.post(&path, &serde_json::json!({})).await;
            }
        }
    };
    bar.finish_and_clear();
    // What follows the end of a run (retention, the recovery kit) would end with this process.
    if let Some(app) = &connection.app {
        app.settled().await;
    }
    match last? {
        RunEvent::Result { run } => Ok(*run),
        _ => Err(Failure::new(1, "the run's end was not heard")),
    }
}

/// What a run came to, in a line or a few.
pub(crate) fn tell(run: &RunView) -> Result<(), Failure> {
    let seconds = run.seconds.unwrap_or(0.0);
    let rate = if seconds > 0.05 { format!(", {}/s", format_size((run.bytes as f64 / seconds) as u64)) } else { String::new() };
    let took = format_duration(seconds);
    let of_database = run.tables > 0 || run.records > 0 || !matches!(run.form.as_str(), "tar" | "");
    let held = if of_database {
        format!("{}, {}", output::counted(run.tables, "table", "tables"), output::counted(run.records, "row", "rows"))
    } else {
        output::files_and_folders(run.files, run.folders)
    };
    let what = match run.operation.as_str() {
        "backup" => format!("{held}, {} into {} in {took}{rate}", format_size(run.bytes), format_size(run.stored)),
        "restore" | "drill" if of_database => format!("{held} in {took}"),
        "verify" => format!("{} in {took}{rate}", format_size(run.bytes)),
        _ => format!("{}, {} in {took}{rate}", output::files_and_folders(run.files, run.folders), format_size(run.bytes)),
    };
    let name = output::safe(&run.name);
    match run.status.as_str() {
        "completed" => output::line(format!("{name}: {} completed: {what}", run.operation))?,
        "warning" => {
            output::line(format!(
                "{name}: {} completed with {}: {what}",
                run.operation,
                match run.warnings {
                    0 | 1 => "a warning".to_owned(),
                    n => format!("{n} warnings"),
                }
            ))?;
            if let Some(error) = &run.error {
                output::line(format!("  warning: {}", output::safe(error)))?;
            }
        }
        status => {
            let why = output::safe(run.error.as_deref().unwrap_or("no reason is known")).to_string();
            writeln!(std::io::stderr(), "{name}: {} {status}: {why}", run.operation)?;
        }
    }
    let first = run.error.clone().unwrap_or_default();
    for note in run.notes.iter().filter(|n| format!("{}: {}", n.path, n.text) != first).take(20) {
        // What is about the whole run has no path.
        let path = if note.path == "." { String::new() } else { format!("{}: ", output::safe(&note.path)) };
        output::line(format!("  {}: {path}{}", note.level, output::safe(&note.text)))?;
    }
    if run.notes.len() > 20 {
        output::line(format!("  … {} notes in all: backupctl history --run {}", run.notes.len(), run.id))?;
    }
    if run.operation == "backup"
        && let Some(path) = &run.archive_path
    {
        output::line(format!("  {}", output::safe(path)))?;
    }
    Ok(())
}

/// The exit code that a run's status means.
pub(crate) fn code(status: &str) -> u8 {
    match status {
        "completed" => 0,
        "warning" => 3,
        "cancelled" => 130,
        _ => 1,
    }
}
