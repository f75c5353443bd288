//! `backupd`: start and stop on one page.

mod notify;

use anyhow::{Context, bail};
use backup_config::{Home, logs};
use backup_operations::{App, Mode, PidLock, SystemClock};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

/// What is not used so long after the start was needed by the start only.
const SETTLED: Duration = Duration::from_secs(10);

/// Follows the schedules of a home and writes its backups.
///
/// Start it with `backupctl start`, with the systemd unit, or as the main process of a container.
#[derive(Parser)]
#[command(name = "backupd", version, after_help = "Examples:\n  backupd --foreground --home /var/lib/backupd\n  backupctl start")]
struct Args {
    /// The home folder (default: BACKUP_HOME, else the current folder if it holds schedules.toml,
    /// else /var/lib/backupd for root or the XDG data folder)
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Log to stderr too, and stay a plain child of whoever started it
    #[arg(long)]
    foreground: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            #[expect(clippy::print_stderr, reason = "the binary says why it ends")]
            {
                eprintln!("backupd: Error: {e:#}");
            }
            ExitCode::from(1)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    backup_operations::raise_open_files();
    if !args.foreground {
        // A session of its own: the terminal that started it may close.
        let _ = nix::unistd::setsid();
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    let variable = std::env::var_os("BACKUP_HOME").map(PathBuf::from);
    let home = Home::find(args.home.as_deref(), variable.as_deref()).context("cannot name the current folder")?;
    home.check()?;
    home.make_folders()?;
    let Ok(_lock) = PidLock::take(&home.pid_file())? else {
        let pid = backup_operations::lock_holder(&home.pid_file())?.flatten();
        bail!("backupd runs already{}", pid.map(|p| format!(" (pid {p})")).unwrap_or_default());
    };
    let settings =
        fs::read_to_string(home.schedules()).ok().and_then(|t| backup_config::parse_daemon(&t).ok()).unwrap_or_default();
    let path = home.logs().join("backupd.log");
    let _guard =
        logs::start(&path, &settings.log, args.foreground).with_context(|| format!("cannot write the log {}", path.display()))?;
    let socket = home.socket(settings.socket.as_deref());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(serve(home, &socket));
    if let Err(e) = &result {
        tracing::error!("{e:#}");
    }
    let _ = fs::remove_file(&socket);
    result
}

/// Binds the socket so that it is never open to others, not even for a moment. A file that is left
/// of a killed daemon is replaced: the PID lock tells that nobody uses it.
fn bind(path: &std::path::Path) -> anyhow::Result<UnixListener> {
    if path.as_os_str().len() > 107 {
        bail!(
            "the path of the socket {} is longer than the 107 bytes that unix(7) allows; set a shorter one as [daemon] socket",
            path.display()
        );
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("cannot replace {}", path.display()));
        }
        _ => {}
    }
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o117));
    let listener = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    listener.with_context(|| format!("cannot listen on {}", path.display()))
}

async fn serve(home: Home, socket: &std::path::Path) -> anyhow::Result<()> {
    let shown = home.root().display().to_string();
    let app = App::open(home, Arc::new(SystemClock), Mode::Daemon).await?;
    let home_lock = app.enter_home().await?;
    let listener = bind(socket)?;
    let uid = nix::unistd::geteuid().as_raw();
    let (stop_serving, served_long_enough) = tokio::sync::oneshot::channel::<()>();
    let api = backup_server::router(app.clone());
    let server = tokio::spawn(backup_server::serve_socket(listener, api.clone(), uid, async move {
        let _ = served_long_enough.await;
    }));
    let (end_tcp, tcp_ends) = tokio::sync::watch::channel(false);
    let tcp = tokio::spawn(backup_server::serve_tcp(app.clone(), api, tcp_ends.clone()));
    let receiver = tokio::spawn(backup_server::serve_receiver(app.clone(), tcp_ends));
    let received = tokio::spawn({
        let app = app.clone();
        async move { app.run_receiver().await }
    });
    let clock = tokio::spawn({
        let app = app.clone();
        async move { app.run_clock().await }
    });
    let queue = tokio::spawn({
        let app = app.clone();
        async move { app.run_queue().await }
    });
    let outbox = tokio::spawn({
        let app = app.clone();
        async move { app.run_outbox().await }
    });
    let copies = tokio::spawn({
        let app = app.clone();
        async move { app.run_copies().await }
    });
    let signals = tokio::spawn(hear_signals(app.clone())?);
    notify::watchdog();
    notify::ready(&format!("{} schedules", app.file().schedules.len()));
    tracing::info!(
        "backupd {} started in {shown}, pid {}, {} schedules",
        backup_operations::VERSION,
        std::process::id(),
        app.file().schedules.len()
    );
    if let Some(error) = app.config_error() {
        tracing::error!("{error}");
    }
    tokio::spawn(async {
        tokio::time::sleep(SETTLED).await;
        let _ = tokio::task::spawn_blocking(backup_operations::release_start).await;
    });

    app.stop_asked().await;
    notify::stopping();
    tracing::info!("stopping");
    app.drain().await;
    let _ = stop_serving.send(());
    // Whoever still listens to a run gets its last event; nobody is waited for for ever.
    let _ = end_tcp.send(true);
    let _ = tokio::time::timeout(Duration::from_secs(4), async { tokio::join!(server, tcp, receiver) }).await;
    for task in [clock, queue, outbox, copies, signals, received] {
        task.abort();
    }
    app.catalogue().close().await;
    drop(home_lock);
    tracing::info!("stopped");
    Ok(())
}

/// SIGTERM and SIGINT stop, a second one at once; SIGHUP reads the schedules again.
fn hear_signals(app: App) -> anyhow::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("cannot hear SIGINT")?;
    let mut hup = signal(SignalKind::hangup()).context("cannot hear SIGHUP")?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = term.recv() => app.ask_stop(app.is_stopping()),
                _ = int.recv() => app.ask_stop(app.is_stopping()),
                _ = hup.recv() => {
                    notify::reloading();
                    app.reload();
                    app.ask_reload();
                    tracing::info!("reload asked for: {} schedules", app.file().schedules.len());
                    notify::ready(&format!("{} schedules", app.file().schedules.len()));
                }
            }
        }
    })
}
