//! Locks by flock(2): held by a process, gone with it, never stale.

use crate::OperationError;
use backup_config::Home;
use backup_model::Name;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

fn open(path: &Path) -> Result<File, OperationError> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    file.map_err(|e| OperationError::Failed(format!("cannot open the lock {}: {e}", path.display())))
}

fn try_lock(file: &File, path: &Path) -> Result<bool, OperationError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(OperationError::Failed(format!("cannot lock {}: {e}", path.display()))),
    }
}

/// The home's lock: shared by everything that works in it, exclusive while a crash is cleaned up.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
    exclusive: bool,
}

impl HomeLock {
    /// Takes the lock: exclusive if nobody else works in the home, else shared.
    ///
    /// # Errors
    /// The lock file cannot be opened or locked.
    pub fn take(home: &Home) -> Result<Self, OperationError> {
        let path = home.state().join("home.lock");
        let file = open(&path)?;
        let exclusive = try_lock(&file, &path)?;
        if !exclusive {
            file.lock_shared().map_err(|e| OperationError::Failed(format!("cannot lock {}: {e}", path.display())))?;
        }
        Ok(Self { file, exclusive })
    }

    /// Whether nobody else works in the home.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Lets others work in the home beside this process.
    ///
    /// # Errors
    /// The system's word.
    pub fn share(&mut self) -> Result<(), OperationError> {
        self.exclusive = false;
        self.file.lock_shared().map_err(|e| OperationError::Failed(format!("cannot share the home's lock: {e}")))
    }
}

/// A schedule's lock, held while a backup of it runs or its folder is cleaned.
#[derive(Debug)]
pub(crate) struct ScheduleLock {
    _file: File,
}

impl ScheduleLock {
    pub(crate) fn try_take(home: &Home, name: &Name) -> Result<Option<Self>, OperationError> {
        let folder = home.state().join("locks");
        fs::create_dir_all(&folder).map_err(|e| OperationError::Failed(format!("cannot make {}: {e}", folder.display())))?;
        let path = folder.join(format!("{name}.lock"));
        let file = open(&path)?;
        Ok(try_lock(&file, &path)?.then_some(Self { _file: file }))
    }
}

/// The daemon's PID file, locked while it lives. The lock is the truth; the number is for people.
#[derive(Debug)]
pub struct PidLock {
    file: File,
}

impl PidLock {
    /// Takes the lock and writes the pid. `Err(Some(pid))`: another daemon lives.
    ///
    /// # Errors
    /// The pid of the daemon that holds it (if its file tells), or that the file cannot be used.
    pub fn take(path: &Path) -> Result<Result<Self, Option<u32>>, OperationError> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o644).open(path);
        let mut file = file.map_err(|e| OperationError::Failed(format!("cannot open {}: {e}", path.display())))?;
        // Whoever only asks whether a daemon lives holds the lock for a moment: try for a while.
        let mut tries = 0;
        while !try_lock(&file, path)? {
            tries += 1;
            if tries > 10 {
                return Ok(Err(read_pid(&mut file)));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let written = (|| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())?;
            file.flush()
        })();
        written.map_err(|e: io::Error| OperationError::Failed(format!("cannot write {}: {e}", path.display())))?;
        Ok(Ok(Self { file }))
    }
}

impl Drop for PidLock {
    fn drop(&mut self) {
        // Emptied, not removed: a file that is removed while another process opens it would let two
        // daemons hold "the" lock.
        let _ = self.file.set_len(0);
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a daemon holds the lock of a PID file, and its pid as the kernel knows it (`/proc/locks`,
/// proc(5)), which a stale or forged number in the file cannot change.
///
/// # Errors
/// The file cannot be opened or tried.
pub fn lock_holder(path: &Path) -> Result<Option<Option<u32>>, OperationError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            return Err(OperationError::Failed(format!(
                "you may not work in this home ({}: permission denied); use sudo, or go on as its owner",
                path.display()
            )));
        }
        Err(e) => return Err(OperationError::Failed(format!("cannot open {}: {e}", path.display()))),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(e)) => {
            return Err(OperationError::Failed(format!("cannot try the lock of {}: {e}", path.display())));
        }
    }
    let meta = file.metadata().map_err(|e| OperationError::Failed(format!("cannot look at {}: {e}", path.display())))?;
    let (major, minor) = (nix::libc::major(meta.dev()), nix::libc::minor(meta.dev()));
    let wanted = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words.get(1) == Some(&"FLOCK") && words.get(3) == Some(&"WRITE") && words.get(5) == Some(&wanted.as_str());
        if ours { words.get(4).and_then(|p| p.parse().ok()).filter(|p| *p > 0) } else { None }
    });
    Ok(Some(pid))
}
