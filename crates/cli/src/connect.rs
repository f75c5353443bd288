//! The way to the API: the daemon's socket where one runs, else the same router in this process.

use crate::failure::Failure;
use backup_client::Client;
use backup_config::{Home, logs};
use backup_operations::{App, HomeLock, Mode, SystemClock, lock_holder};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A way to the API, with what must stay alive while it is used.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) daemon: bool,
    pub(crate) app: Option<App>,
    _lock: Option<HomeLock>,
    _log: Option<logs::WorkerGuard>,
}

/// The home that the arguments mean, unchecked.
pub(crate) fn find_home(given: Option<&Path>) -> Result<Home, Failure> {
    let variable = std::env::var_os("BACKUP_HOME").map(PathBuf::from);
    Home::find(given, variable.as_deref()).map_err(|e| Failure::new(1, format!("cannot name the current folder: {e}")))
}

/// The daemon's settings, as far as the file can be read.
pub(crate) fn settings(home: &Home) -> backup_config::DaemonSettings {
    let text = std::fs::read_to_string(home.schedules()).ok();
    text.and_then(|t| backup_config::parse_daemon(&t).ok()).unwrap_or_default()
}

pub(crate) fn socket(home: &Home) -> PathBuf {
    home.socket(settings(home).socket.as_deref())
}

/// The pid of the daemon if one runs: `Some(None)` if it runs and the kernel does not tell its pid.
pub(crate) fn daemon(home: &Home) -> Result<Option<Option<u32>>, Failure> {
    Ok(lock_holder(&home.pid_file())?)
}

/// The daemon's socket, if a daemon runs. One that holds its lock but does not answer is starting or
/// ending: it is waited for, and when it has gone there is none.
pub(crate) async fn to_daemon(home: &Home) -> Result<Option<Client>, Failure> {
    let path = socket(home);
    let begun = Instant::now();
    while daemon(home)?.is_some() {
        let answer = UnixStream::connect(&path).map_err(|e| e.kind());
        let between = matches!(answer, Err(ErrorKind::NotFound | ErrorKind::ConnectionRefused));
        if !between || begun.elapsed() > Duration::from_secs(5) {
            return Ok(Some(Client::Socket(path)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(None)
}

/// This program once more, also for a user who may not go into the folder that it lies in (proc(5)).
pub(crate) fn itself() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("backupctl");
    command
}

/// Where root works in a home of somebody else, it goes on as that user: no file changes hands.
pub(crate) fn become_owner(home: &Home) -> Result<(), Failure> {
    let Some((uid, gid)) = other_owner(home) else { return Ok(()) };
    let error = itself().args(std::env::args_os().skip(1)).uid(uid).gid(gid).exec();
    Err(Failure::new(
        1,
        format!("the home belongs to uid {uid}, and going on as that user failed: {error}; use `sudo -u '#{uid}' backupctl …`"),
    ))
}

/// The owner of the home, if root is somebody else's guest there.
pub(crate) fn other_owner(home: &Home) -> Option<(u32, u32)> {
    let owner = home.owner()?;
    (nix::unistd::geteuid().is_root() && owner.0 != 0).then_some(owner)
}

/// Begins `logs/backupctl.log`; without a writable one the work goes on unlogged.
pub(crate) fn start_log(home: &Home) -> Option<logs::WorkerGuard> {
    logs::start(&home.logs().join("backupctl.log"), &settings(home).log, false).ok()
}

/// Connects for a command that needs a home.
pub(crate) async fn connect(given: Option<&Path>, works: bool) -> Result<Connection, Failure> {
    let home = find_home(given)?;
    home.check()?;
    if let Some(client) = to_daemon(&home).await? {
        return Ok(Connection { client, daemon: true, app: None, _lock: None, _log: None });
    }
    become_owner(&home)?;
    in_process(home, works).await
}

/// Opens the home in this process.
pub(crate) async fn in_process(home: Home, works: bool) -> Result<Connection, Failure> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    home.make_folders()?;
    let log = start_log(&home);
    let app = App::open(home, Arc::new(SystemClock), Mode::InProcess).await?;
    let lock = if works { Some(app.enter_home().await?) } else { None };
    let client = Client::InProcess(backup_server::local(backup_server::router(app.clone())));
    Ok(Connection { client, daemon: false, app: Some(app), _lock: lock, _log: log })
}

/// Connects for a restore or the verification of a file: always this process, with the caller's
/// rights, writing to no home.
pub(crate) async fn detached(home: Option<Home>) -> Result<Connection, Failure> {
    let app = App::detached(home, Arc::new(SystemClock)).await?;
    let client = Client::InProcess(backup_server::local(backup_server::router(app.clone())));
    Ok(Connection { client, daemon: false, app: Some(app), _lock: None, _log: None })
}
