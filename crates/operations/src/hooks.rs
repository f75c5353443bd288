//! Programs around a backup: argv lists, no shell, a clean environment, a time limit.

use backup_config::Home;
use backup_model::{Hooks, Note, NoteLevel, Run};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// What is kept of what a program prints.
const MAX_OUTPUT: usize = 4096;

/// The moment at which hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
    OnFailure,
}

impl Moment {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::OnFailure => "on_failure",
        }
    }
}

/// What hooks are told.
pub(crate) struct Context<'a> {
    pub(crate) home: &'a Home,
    pub(crate) run: &'a Run,
    /// How the backup ended, for those that follow it.
    pub(crate) status: &'a str,
    pub(crate) error: &'a str,
    pub(crate) archive: &'a str,
}

async fn last_of(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        let over = kept.len().saturating_sub(MAX_OUTPUT);
        kept.drain(..over);
    }
    kept
}

/// Runs one program; the answer is what is wrong, or nothing.
async fn one(argv: &[String], limit: Duration, moment: Moment, context: &Context<'_>) -> Result<String, String> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(String::new()) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    // Secrets may stand in this program's environment: only what any program needs is handed on.
    for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let run = context.run;
    for (name, value) in [
        ("BACKUP_HOOK", moment.word()),
        ("BACKUP_SCHEDULE", &run.name),
        ("BACKUP_RUN", &run.id.to_string()),
        ("BACKUP_TRIGGER", run.cause.as_str()),
        ("BACKUP_HOME", &context.home.root().to_string_lossy()),
        ("BACKUP_STATUS", context.status),
        ("BACKUP_ERROR", context.error),
        ("BACKUP_ARCHIVE", context.archive),
    ] {
        command.env(name, value.replace('\0', " "));
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| format!("{program} cannot be started: {e}"))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(nix::unistd::Pid::from_raw);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let output = async {
        let (mut out, err) = tokio::join!(async { if let Some(out) = out { last_of(out).await } else { Vec::new() } }, async {
            if let Some(err) = err { last_of(err).await } else { Vec::new() }
        },);
        out.extend_from_slice(&err);
        out
    };
    let done = tokio::time::timeout(limit, async { tokio::join!(child.wait(), output) }).await;
    let Ok((status, output)) = done else {
        if let Some(group) = group {
            // With all that it has started.
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
        return Err(format!("{program} took longer than {} s and was stopped", limit.as_secs()));
    };
    let status = status.map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&output).trim().to_owned();
    if status.success() {
        return Ok(said);
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(format!("{program} {how}{said}"))
}

/// Runs the hooks of a moment. Before a backup the first that fails is the last that runs; afterwards all run.
pub(crate) async fn run(hooks: &Hooks, moment: Moment, context: &Context<'_>) -> Result<Vec<Note>, String> {
    let list = match moment {
        Moment::Before => &hooks.before,
        Moment::After => &hooks.after,
        Moment::OnFailure => &hooks.on_failure,
    };
    let mut notes = Vec::new();
    for argv in list {
        let path = format!("{} {}", moment.word(), argv.join(" "));
        match one(argv, hooks.timeout, moment, context).await {
            Ok(said) if said.is_empty() => {}
            Ok(said) => notes.push(Note { level: NoteLevel::Info, path, text: said }),
            Err(wrong) if moment == Moment::Before => return Err(format!("the hook `before` failed: {wrong}")),
            Err(wrong) => notes.push(Note { level: NoteLevel::Warning, path, text: format!("the hook failed: {wrong}") }),
        }
    }
    Ok(notes)
}
