//! What `schedules.toml` says, complete and checked.

use backup_model::{DatabaseSettings, DestinationSettings, Keep, Name, NotifierSettings, Schedule, SecretSource};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The whole file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// `[daemon]`.
    pub daemon: DaemonSettings,
    /// `[receiver]`, if this machine takes others' archives.
    pub receiver: Option<ReceiverSettings>,
    /// Every `[destinations.NAME]`.
    pub destinations: Vec<DestinationSettings>,
    /// Every `[databases.NAME]`.
    pub databases: Vec<DatabaseSettings>,
    /// Every `[notifiers.NAME]`.
    pub notifiers: Vec<NotifierSettings>,
    /// `[predecessors]`.
    pub predecessors: PredecessorSettings,
    /// Whether `[defaults]` says how archives are encrypted.
    pub defaults_encrypt: bool,
    /// The zone that `[defaults]` names.
    pub timezone: Option<chrono_tz::Tz>,
    /// Every `[[schedule]]`, in the file's order: the index of `list` is the place here.
    pub schedules: Vec<Schedule>,
}

impl File {
    /// A schedule by its name.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|s| s.name.as_str() == name)
    }

    /// A database by its name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&DatabaseSettings> {
        self.databases.iter().find(|d| d.name.as_str() == name)
    }

    /// A destination by its name.
    #[must_use]
    pub fn destination(&self, name: &str) -> Option<&DestinationSettings> {
        self.destinations.iter().find(|d| d.name.as_str() == name)
    }

    /// A notifier by its name.
    #[must_use]
    pub fn notifier(&self, name: &str) -> Option<&NotifierSettings> {
        self.notifiers.iter().find(|n| n.name.as_str() == name)
    }

    /// A schedule by its name or its index in `list`.
    #[must_use]
    pub fn by_name_or_index(&self, word: &str) -> Option<&Schedule> {
        match word.parse::<usize>() {
            Ok(index) => self.schedules.get(index),
            Err(_) => Name::new(word).ok().and_then(|n| self.schedule(n.as_str())),
        }
    }
}

/// `[predecessors]`: what configurations made by S3's routes copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredecessorSettings {
    /// One of `[databases.NAME]`.
    pub database: Option<String>,
    /// A folder.
    pub source: Option<PathBuf>,
}

/// `[receiver]`: other machines' archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// The address; none takes nothing.
    pub listen: Option<SocketAddr>,
    /// Where they are stored; relative to the home.
    pub dir: PathBuf,
    /// Certificate and key, for TLS.
    pub tls: Option<TlsFiles>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of one file by `/upload` at most.
    pub max_upload: u64,
    /// Bytes that one machine may have here.
    pub quota: Option<u64>,
    /// What is kept of each profile of each machine; no rule keeps everything.
    pub keep: Keep,
    /// The same for single profiles, instead.
    pub profiles: BTreeMap<String, Keep>,
    /// Whether callers without a token may send and look.
    pub open: bool,
    /// Networks of such callers; empty means this machine.
    pub open_to: Vec<IpNet>,
}

impl Default for ReceiverSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5000))),
            dir: PathBuf::from("remote_backups"),
            tls: None,
            trusted_proxies: Vec::new(),
            max_upload: 500 << 20,
            quota: None,
            keep: Keep::default(),
            profiles: BTreeMap::new(),
            open: false,
            open_to: Vec::new(),
        }
    }
}

/// `[daemon]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// How many runs may be at work at a time; 1 to 64.
    pub max_runs: usize,
    /// The Unix socket, if not `backupd.sock` in the home.
    pub socket: Option<PathBuf>,
    /// How long a stop waits for running backups before it cancels them.
    pub stop_timeout: Duration,
    /// Restores that the daemon itself does may only write beneath these folders.
    pub restore_roots: Vec<PathBuf>,
    /// The page and the API over TCP.
    pub web: WebSettings,
    /// Copies asked for by the route of S0 may only be written beneath these folders.
    pub allowed_destinations: Vec<PathBuf>,
    /// The URL of a PostgreSQL database that holds the catalogue instead of `catalogue.db` in the home.
    pub catalogue: Option<String>,
    /// Its password.
    pub catalogue_password: Option<SecretSource>,
    /// Who mail is from, if a notifier does not say.
    pub sender: Option<String>,
    /// Log files.
    pub log: LogSettings,
}

/// Where the page and the API are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// The address; none serves them on the Unix socket only.
    pub listen: Option<SocketAddr>,
    /// Certificate and key, for TLS.
    pub tls: Option<TlsFiles>,
    /// Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of pages served elsewhere that may call the API, such as `http://localhost:3000`.
    pub allowed_origins: Vec<String>,
    /// Names by which browsers may call this server, beside addresses, `localhost` and the machine's own name.
    pub allowed_hosts: Vec<String>,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those of its authorities behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8620))),
            tls: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            max_runs: 2,
            socket: None,
            stop_timeout: Duration::from_secs(60),
            restore_roots: Vec::new(),
            web: WebSettings::default(),
            allowed_destinations: Vec::new(),
            catalogue: None,
            catalogue_password: None,
            sender: None,
            log: LogSettings::default(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[daemon] log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// A log file larger than this many bytes is rotated.
    pub max_size: u64,
    /// How many rotated files are kept beside the current one.
    pub keep: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, max_size: 10_000_000, keep: 10 }
    }
}
