//! A home in a temporary folder, and the real programs working in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A home with the programs to work in it; a daemon that is left is stopped at the end.
pub struct TestHome {
    folder: tempfile::TempDir,
    backupctl: PathBuf,
    envs: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code, or -1 if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said on stderr.
    pub err: String,
}

impl Ran {
    /// Requires an exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// All that it printed, where it does not matter to whom.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Requires words on stderr.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "wanted {words:?} in:\n{}", self.err);
        self
    }
}

impl TestHome {
    /// An empty home; `backupctl` is the program's path, with `backupd` beside it.
    #[must_use]
    pub fn new(backupctl: &str) -> Self {
        Self::within(&std::env::temp_dir(), backupctl)
    }

    /// An empty home on the disk of `folder`.
    #[must_use]
    pub fn within(folder: &Path, backupctl: &str) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let home = Self { folder, backupctl: PathBuf::from(backupctl), envs: vec![("TZ".into(), "Europe/Paris".into())] };
        // Many homes work at a time: none takes the port.
        home.write("schedules.toml", "version = 1\n[daemon]\nlisten = \"\"\n");
        home
    }

    /// Sets a variable of the environment for all commands.
    pub fn env(&mut self, name: &str, value: &str) {
        self.envs.push((name.to_owned(), value.to_owned()));
    }

    /// Lets all commands take the time from libfaketime, whose variables say which; timers go on.
    pub fn fake_time(&mut self) {
        let library = Command::new("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"]).output().expect("runs");
        let library = String::from_utf8_lossy(&library.stdout).trim().to_owned();
        assert!(!library.is_empty(), "the package libfaketime is needed");
        self.env("LD_PRELOAD", &library);
        self.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }

    /// The home's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the home, with the folders above it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    /// Reads a file of the home.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// A command in this home, not yet run.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.backupctl);
        command.args(args).current_dir(self.path()).env_remove("BACKUP_HOME").stdin(Stdio::null());
        command.envs(self.envs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        command
    }

    /// Runs a command in this home.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// Runs a command that must succeed; answers what it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.run(args).code(0).out
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come; logs:\n{}", self.read("logs/backupd.log"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Names in a folder of the home, hidden ones too, sorted.
    #[must_use]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path().join(folder))
            .into_iter()
            .flatten()
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The daemon's pid, as its file says.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.read("backupd.pid").trim().parse().expect("a pid")
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Ran {
    let out = command.output().expect("the program runs");
    Ran {
        code: out.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&out.stdout).into_owned(),
        err: String::from_utf8_lossy(&out.stderr).into_owned(),
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        let _ = self.run(&["stop", "--now"]);
    }
}
