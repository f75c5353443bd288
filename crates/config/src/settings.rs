//! What `schedules.toml` says, complete and checked.

use backup_model::{DatabaseSettings, Name, Schedule};
use std::path::PathBuf;
use std::time::Duration;

/// The whole file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// `[daemon]`.
    pub daemon: DaemonSettings,
    /// Every `[databases.NAME]`.
    pub databases: Vec<DatabaseSettings>,
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

    /// A schedule by its name or its index in `list`.
    #[must_use]
    pub fn by_name_or_index(&self, word: &str) -> Option<&Schedule> {
        match word.parse::<usize>() {
            Ok(index) => self.schedules.get(index),
            Err(_) => Name::new(word).ok().and_then(|n| self.schedule(n.as_str())),
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
    /// Log files.
    pub log: LogSettings,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            max_runs: 2,
            socket: None,
            stop_timeout: Duration::from_secs(60),
            restore_roots: Vec::new(),
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
