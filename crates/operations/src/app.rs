//! The program's state: a home (or none), its catalogue, the clock, and what is at work.

use crate::live::Live;
use crate::secrets::GivenKeys;
use crate::{Clock, OperationError};
use backup_catalogue::{Catalogue, CatalogueError, Lease};
use backup_config::{Editor, File, Home, local_zone};
use chrono_tz::Tz;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::Notify;

/// Who works on runs that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// This process, by a queue with a limit, also for wishes recorded earlier.
    Daemon,
    /// This process, at once, and only what it was asked for itself.
    InProcess,
}

/// What listens on an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The page and the API.
    Page,
    /// The receiver.
    Receiver,
}

/// The schedules file as it was last read.
#[derive(Debug, Default)]
struct Config {
    /// The last valid state.
    file: Arc<File>,
    /// The versions of its schedules, in its order, once somebody has asked.
    versions: OnceLock<Arc<[String]>>,
    /// What is wrong with the present state, if something is.
    error: Option<String>,
    /// Inode, size and times of the file when it was read.
    stamp: Option<(u64, u64, i64, i64)>,
}

/// How something is served over TCP.
#[derive(Debug, Default)]
struct Web {
    url: Option<String>,
    error: Option<String>,
}

struct Inner {
    home: Option<Home>,
    editor: Option<Editor>,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    mode: Mode,
    config: RwLock<Config>,
    live: Live,
    lease: Lease,
    zone: Tz,
    wake: Notify,
    stopping: AtomicBool,
    stop_wish: Notify,
    stop_now: AtomicBool,
    reload_wish: Notify,
    given: RwLock<GivenKeys>,
    web: RwLock<Web>,
    receiver_web: RwLock<Web>,
    receiver: Arc<crate::receiver::Memory>,
    shipping: crate::remote::Shipping,
    kit: tokio::sync::Mutex<()>,
    started: chrono::DateTime<chrono::Utc>,
}

/// The program's state; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

fn lease() -> Lease {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let host = nix::unistd::gethostname().map(|h| h.to_string_lossy().into_owned()).unwrap_or_default();
    Lease { host, boot: boot.trim().to_owned(), pid: std::process::id() }
}

/// A database on a full disk says many things; what matters is that the disk is full.
fn without_room(home: &Home, error: CatalogueError) -> OperationError {
    if nix::sys::statvfs::statvfs(home.root()).is_ok_and(|s| s.blocks_available() == 0) {
        return OperationError::Failed(format!(
            "the disk of {} is full, and the catalogue cannot be opened; free some space and try again",
            home.root().display()
        ));
    }
    error.into()
}

/// The catalogue of a home: a file in it, or the database that its file names.
async fn open_catalogue(home: &Home) -> Result<Catalogue, OperationError> {
    let text = std::fs::read_to_string(home.schedules()).unwrap_or_default();
    let daemon = match backup_config::parse_daemon(&text) {
        Ok(daemon) => daemon,
        // Where the history is kept must not be guessed: it would be in two places then.
        Err(e) if text.contains("catalogue") => {
            return Err(OperationError::Invalid(format!("{}: {e}; mend it first", home.schedules().display())));
        }
        Err(_) => backup_config::DaemonSettings::default(),
    };
    match &daemon.catalogue {
        None => Catalogue::open_file(&home.catalogue()).await.map_err(|e| without_room(home, e)),
        Some(url) => {
            let password = match &daemon.catalogue_password {
                Some(source) => Some(crate::secrets::read(source, home.root()).await?),
                None => None,
            };
            Ok(Catalogue::open_postgres(url, password.as_deref()).await?)
        }
    }
}

impl App {
    /// The state for work in a home.
    ///
    /// # Errors
    /// The home's folders or its catalogue cannot be made or opened.
    pub async fn open(home: Home, clock: Arc<dyn Clock>, mode: Mode) -> Result<Self, OperationError> {
        home.make_folders().map_err(|e| OperationError::Failed(e.to_string()))?;
        let catalogue = open_catalogue(&home).await?;
        let app = Self::build(Some(home), catalogue, clock, mode);
        app.reload();
        Ok(app)
    }

    /// The state for restoring or verifying without writing to any home; `home` may still be read.
    ///
    /// # Errors
    /// The catalogue in memory cannot be made.
    pub async fn detached(home: Option<Home>, clock: Arc<dyn Clock>) -> Result<Self, OperationError> {
        let app = Self::build(home, Catalogue::in_memory().await?, clock, Mode::InProcess);
        if app.home().is_some_and(|h| h.schedules().exists()) {
            app.reload();
        }
        Ok(app)
    }

    fn build(home: Option<Home>, catalogue: Catalogue, clock: Arc<dyn Clock>, mode: Mode) -> Self {
        let zone = local_zone();
        let editor = home.as_ref().map(|h| Editor::new(h.schedules(), h.state().join("schedules.lock"), zone));
        let started = clock.now();
        Self(Arc::new(Inner {
            home,
            editor,
            catalogue,
            clock,
            mode,
            config: RwLock::default(),
            live: Live::default(),
            lease: lease(),
            zone,
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
            stop_wish: Notify::new(),
            stop_now: AtomicBool::new(false),
            reload_wish: Notify::new(),
            given: RwLock::default(),
            web: RwLock::default(),
            receiver_web: RwLock::default(),
            receiver: Arc::default(),
            shipping: crate::remote::Shipping::default(),
            kit: tokio::sync::Mutex::default(),
            started,
        }))
    }

    /// The home, if there is one.
    #[must_use]
    pub fn home(&self) -> Option<&Home> {
        self.0.home.as_ref()
    }

    pub(crate) fn need_home(&self) -> Result<&Home, OperationError> {
        self.home().ok_or_else(|| OperationError::Failed("this needs a home; name one with --home".into()))
    }

    pub(crate) fn editor(&self) -> Result<&Editor, OperationError> {
        self.0.editor.as_ref().ok_or_else(|| OperationError::Failed("this needs a home; name one with --home".into()))
    }

    /// Takes keys for the work of this process.
    pub fn give_keys(&self, keys: GivenKeys) {
        *self.0.given.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn given_keys(&self) -> GivenKeys {
        self.0.given.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.clock.now()
    }

    /// When this state was made.
    #[must_use]
    pub fn started(&self) -> chrono::DateTime<chrono::Utc> {
        self.0.started
    }

    /// Who works on runs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The zone in which times are shown and days begin: that of `[defaults]`, or else this machine's.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.file().timezone.unwrap_or(self.0.zone)
    }

    /// This machine's name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.lease.host
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.0.lease
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    pub(crate) fn wake(&self) -> &Notify {
        &self.0.wake
    }

    /// The schedules file, as of its last valid state.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner).file)
    }

    /// The same, with the version of each schedule.
    #[must_use]
    pub fn versions(&self) -> (Arc<File>, Arc<[String]>) {
        let config = self.0.config.read().unwrap_or_else(PoisonError::into_inner);
        let make = || config.file.schedules.iter().map(backup_config::version_of).collect();
        (Arc::clone(&config.file), Arc::clone(config.versions.get_or_init(make)))
    }

    /// What is wrong with the schedules file as it stands, if something is.
    #[must_use]
    pub fn config_error(&self) -> Option<String> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).error.clone()
    }

    fn read_web(&self, door: Door) -> std::sync::RwLockReadGuard<'_, Web> {
        self.door(door).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn door(&self, door: Door) -> &RwLock<Web> {
        match door {
            Door::Page => &self.0.web,
            Door::Receiver => &self.0.receiver_web,
        }
    }

    /// Where the page and the API, or the receiver, are served over TCP.
    #[must_use]
    pub fn web(&self, door: Door) -> Option<String> {
        self.read_web(door).url.clone()
    }

    /// Why they are not served as they shall be, if so.
    #[must_use]
    pub fn web_error(&self, door: Door) -> Option<String> {
        self.read_web(door).error.clone()
    }

    /// Says where they are served over TCP.
    pub fn set_web(&self, door: Door, url: Option<String>) {
        self.door(door).write().unwrap_or_else(PoisonError::into_inner).url = url;
    }

    /// Says why they are not served as they shall be, or that they are.
    pub fn set_web_error(&self, door: Door, error: Option<String>) {
        let mut kept = self.door(door).write().unwrap_or_else(PoisonError::into_inner);
        if kept.error != error {
            if let Some(error) = &error {
                tracing::error!("{error}");
            }
            kept.error = error;
        }
    }

    pub(crate) fn shipping(&self) -> &crate::remote::Shipping {
        &self.0.shipping
    }

    /// Held while a recovery kit is made: one at a time.
    pub(crate) fn kit_lock(&self) -> &tokio::sync::Mutex<()> {
        &self.0.kit
    }

    pub(crate) fn receiver_memory(&self) -> &Arc<crate::receiver::Memory> {
        &self.0.receiver
    }

    /// The valid file, or why there is none: for work that must not go by an old state.
    pub(crate) fn valid_file(&self) -> Result<Arc<File>, OperationError> {
        match self.config_error() {
            Some(error) => Err(OperationError::Invalid(error)),
            None => Ok(self.file()),
        }
    }

    fn stamp(&self) -> Option<(u64, u64, i64, i64)> {
        let meta = std::fs::metadata(self.home()?.schedules()).ok()?;
        Some((
            meta.ino(),
            meta.len(),
            meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
            meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
        ))
    }

    /// Whether the file has changed since it was read.
    #[must_use]
    pub fn file_changed(&self) -> bool {
        self.stamp() != self.0.config.read().unwrap_or_else(PoisonError::into_inner).stamp
    }

    /// Reads the file again. An invalid one is reported and leaves the last valid state in force.
    pub fn reload(&self) {
        let stamp = self.stamp();
        let Some(editor) = &self.0.editor else { return };
        let read = editor.read();
        let mut config = self.0.config.write().unwrap_or_else(PoisonError::into_inner);
        let first = config.stamp.is_none();
        config.stamp = stamp;
        match read {
            Ok(file) => {
                if config.error.take().is_some() {
                    tracing::info!("schedules.toml is valid again");
                }
                config.versions = OnceLock::new();
                config.file = Arc::new(file);
            }
            Err(e) => {
                let error = e.to_string();
                if config.error.as_ref() != Some(&error) {
                    tracing::error!("{error}; the last valid state stays in force");
                }
                // Before there was a valid one nothing is served that may not have been meant to be.
                if first {
                    let mut file = File::default();
                    file.daemon.web.listen = None;
                    config.versions = OnceLock::new();
                    config.file = Arc::new(file);
                }
                config.error = Some(error);
            }
        }
    }

    /// Asks the daemon's main loop to stop.
    pub fn ask_stop(&self, now: bool) {
        if now {
            self.0.stop_now.store(true, Ordering::Relaxed);
        }
        self.0.stopping.store(true, Ordering::Relaxed);
        self.0.stop_wish.notify_waiters();
        self.0.stop_wish.notify_one();
    }

    /// Waits until somebody asks to stop.
    pub async fn stop_asked(&self) {
        if !self.is_stopping() {
            self.0.stop_wish.notified().await;
        }
    }

    /// Whether the stop shall not wait for runs.
    #[must_use]
    pub fn stop_is_now(&self) -> bool {
        self.0.stop_now.load(Ordering::Relaxed)
    }

    /// Whether no new runs are begun any more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Asks the daemon's main loop to read the file again, with all that follows from it.
    pub fn ask_reload(&self) {
        self.0.reload_wish.notify_one();
    }

    /// Waits until somebody asks to reload.
    pub async fn reload_asked(&self) {
        self.0.reload_wish.notified().await;
    }
}
