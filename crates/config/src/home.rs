//! The home: the folder that everything hangs off.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The home folder and the places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// Why a folder cannot be the home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It is not there.
    #[error("there is no home at {path}; run `backupctl --home {path} init`, or name another with --home or BACKUP_HOME")]
    Missing {
        /// The folder.
        path: String,
    },
    /// The folder holds no schedules file.
    #[error(
        "{path} holds no schedules.toml; run `backupctl --home {path} init`, or name another home with --home or BACKUP_HOME"
    )]
    NoFile {
        /// The folder.
        path: String,
    },
    /// Others may write into it.
    #[error("others than its owner can write to the home {path} (mode {mode:o}); run `chmod go-w {path}`")]
    Writable {
        /// The folder.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// Another user's.
    #[error(
        "the home {path} belongs to uid {owner}, neither to you (uid {caller}) nor to root; run as its owner: `sudo -u '#{owner}' backupctl …`"
    )]
    Foreign {
        /// The folder.
        path: String,
        /// Its owner.
        owner: u32,
        /// The caller's effective uid.
        caller: u32,
    },
    /// It cannot be looked at.
    #[error("cannot look at the home {path}: {source}")]
    Io {
        /// The folder.
        path: String,
        /// The system's word.
        source: io::Error,
    },
}

impl Home {
    /// Finds the home: `given` (`--home`), else `BACKUP_HOME` (`variable`), else the current folder
    /// if it holds `schedules.toml`, else `/var/lib/backupd` for root and
    /// `$XDG_DATA_HOME/backupd` for anybody else (XDG Base Directory Specification).
    ///
    /// # Errors
    /// Fails if the current folder cannot be named.
    pub fn find(given: Option<&Path>, variable: Option<&Path>) -> io::Result<Self> {
        let current = std::env::current_dir()?;
        let root = if let Some(path) = given.or(variable.filter(|p| !p.as_os_str().is_empty())) {
            current.join(path)
        } else if current.join("schedules.toml").exists() {
            current
        } else if nix::unistd::geteuid().is_root() {
            PathBuf::from("/var/lib/backupd")
        } else {
            let data = std::env::var_os("XDG_DATA_HOME").filter(|v| Path::new(v).is_absolute()).map(PathBuf::from);
            let data = data.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".local/share")));
            data.unwrap_or(current).join("backupd")
        };
        Ok(Self::at(root))
    }

    /// The home at a folder, symbolic links resolved where it exists.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root: fs::canonicalize(&root).unwrap_or(root) }
    }

    /// Checks that the home is there and that nobody else can tamper with it.
    ///
    /// # Errors
    /// [`HomeError`] says what is wrong and what to do.
    pub fn check(&self) -> Result<(), HomeError> {
        let path = self.root.display().to_string();
        let meta = match fs::metadata(&self.root) {
            Ok(meta) if meta.is_dir() => meta,
            Ok(_) => return Err(HomeError::Missing { path }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(HomeError::Missing { path }),
            Err(source) => return Err(HomeError::Io { path, source }),
        };
        let caller = nix::unistd::geteuid().as_raw();
        if caller != 0 && meta.uid() != 0 && meta.uid() != caller {
            return Err(HomeError::Foreign { path, owner: meta.uid(), caller });
        }
        if meta.permissions().mode() & 0o022 != 0 {
            return Err(HomeError::Writable { path, mode: meta.permissions().mode() & 0o7777 });
        }
        match fs::metadata(self.schedules()) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(HomeError::NoFile { path }),
            Err(source) => Err(HomeError::Io { path: self.schedules().display().to_string(), source }),
        }
    }

    /// The uid and gid that own the home, if it exists.
    #[must_use]
    pub fn owner(&self) -> Option<(u32, u32)> {
        fs::metadata(&self.root).ok().map(|m| (m.uid(), m.gid()))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `schedules.toml`; in a home with a folder `config/` (a container's volume) the one in there.
    #[must_use]
    pub fn schedules(&self) -> PathBuf {
        let plain = self.root.join("schedules.toml");
        let config = self.root.join("config");
        if !plain.exists() && config.is_dir() { config.join("schedules.toml") } else { plain }
    }

    /// `logs/`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `backups/`.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// `state/`: locks and what can be rebuilt.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// `catalogue.db`.
    #[must_use]
    pub fn catalogue(&self) -> PathBuf {
        self.root.join("catalogue.db")
    }

    /// `backupd.pid`, locked while the daemon lives.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.root.join("backupd.pid")
    }

    /// `backupd.sock`, unless the file names another.
    #[must_use]
    pub fn socket(&self, configured: Option<&Path>) -> PathBuf {
        self.root.join(configured.unwrap_or(Path::new("backupd.sock")))
    }

    /// Makes `logs/`, `backups/` and `state/` where they are missing; `state/` is for the owner only.
    ///
    /// # Errors
    /// The first folder that could not be made, with the system's word.
    pub fn make_folders(&self) -> Result<(), HomeError> {
        for (folder, mode) in [(self.logs(), 0o750), (self.backups(), 0o750), (self.state(), 0o700)] {
            if folder.is_dir() {
                continue;
            }
            let made = fs::create_dir_all(&folder).and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)));
            made.map_err(|source| HomeError::Io { path: folder.display().to_string(), source })?;
        }
        Ok(())
    }
}

/// The zone of this machine: `TZ` if it names one, else what the system is set to, else UTC.
#[must_use]
pub fn local_zone() -> chrono_tz::Tz {
    let from_env = std::env::var("TZ").ok().and_then(|t| t.trim_start_matches(':').parse().ok());
    from_env.or_else(|| iana_time_zone::get_timezone().ok().and_then(|t| t.parse().ok())).unwrap_or(chrono_tz::UTC)
}
