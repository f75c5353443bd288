//! Client programs: where they are, which versions there are, which one fits a server.

use crate::secret_file::SecretFile;
use crate::{DatabaseError, process::Running};
use backup_model::DatabaseSettings;
use command_fds::{CommandFdExt, FdMapping};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables of the environment that client programs get; all others (among them passwords that stand there for
/// other purposes) stay here.
const ENVIRONMENT: &[&str] = &["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DOCKER_HOST", "XDG_RUNTIME_DIR"];
/// Where a program finds the first file that is handed over.
const FIRST_FD: i32 = 3;

/// The path under which a program that gets files finds the nth of them.
pub(crate) fn handed_over(n: usize) -> String {
    format!("/proc/self/fd/{}", FIRST_FD + n as i32)
}

/// A client program.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    argv: Vec<String>,
    /// What it says of its version.
    pub(crate) text: String,
    /// The numbers of its version.
    pub(crate) version: (u32, u32, u32),
}

impl Tool {
    /// A command to run it, with files to hand over.
    pub(crate) fn command(&self, files: &[&SecretFile]) -> Result<Command, DatabaseError> {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Messages are read by people and by this program.
        command.env("LC_ALL", "C.UTF-8").current_dir("/");
        let mut mappings = Vec::new();
        for (n, file) in files.iter().enumerate() {
            mappings.push(FdMapping { parent_fd: file.handle()?, child_fd: FIRST_FD + n as i32 });
        }
        command.fd_mappings(mappings).map_err(|e| DatabaseError::io("hand files over")(std::io::Error::other(e)))?;
        Ok(command)
    }

    /// Starts it.
    pub(crate) fn start(&self, files: &[&SecretFile], more: impl FnOnce(&mut Command)) -> Result<Running, DatabaseError> {
        let mut command = self.command(files)?;
        more(&mut command);
        Running::start(command)
    }

    /// Name and version, for sidecars and messages.
    pub(crate) fn title(&self) -> String {
        self.text.clone()
    }
}

/// The first three numbers of a version that stands in a text behind a word, or anywhere.
pub(crate) fn version_in(text: &str) -> Option<(u32, u32, u32)> {
    let start = text
        .char_indices()
        .find(|(i, c)| c.is_ascii_digit() && text[*i..].contains('.') && !text[..*i].ends_with(|c: char| c.is_alphanumeric()))?
        .0;
    let mut numbers = text[start..].split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

fn version_of(argv: Vec<String>) -> Option<Tool> {
    let mut command = Command::new(&argv[0]);
    command
        .args(&argv[1..])
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .env("LC_ALL", "C.UTF-8")
        .env_remove("PGPASSWORD")
        .env_remove("MYSQL_PWD");
    let out = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or("").trim().to_owned();
    // "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, …", "mysqldump  Ver 9.7.4 for Linux", "pg_dump (PostgreSQL) 15.18"
    let part = text
        .split_once("Distrib ")
        .or_else(|| text.split_once("from "))
        .or_else(|| text.split_once("Ver "))
        .or_else(|| text.split_once(") "));
    let version = version_in(part.map_or(text.as_str(), |(_, rest)| rest)).or_else(|| {
        let digits: String = part?.1.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(|major| (major, 0, 0))
    })?;
    // The path it was called by says nothing.
    let name = Path::new(&argv[argv.len() - 1]).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let text = text.split_once(' ').map_or(text.clone(), |(_, rest)| format!("{name} {}", rest.trim()));
    Some(Tool { argv, text, version })
}

/// Folders of distributions that hold one version each.
fn version_folders() -> Vec<PathBuf> {
    let mut out = Vec::new();
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt", "postgresql")] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                out.push(entry.path().join("bin"));
            }
        }
    }
    out
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// All programs of these names that are here: in the settings' folders, on the path, in the distribution's
/// folders for versions.
pub(crate) fn find(settings: &DatabaseSettings, names: &[&str]) -> Vec<Tool> {
    if !settings.client.is_empty() {
        let with = |name: &&str| settings.client.iter().cloned().chain([(*name).to_owned()]).collect();
        return names.iter().filter_map(|name| version_of(with(name))).collect();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = settings.programs.iter().cloned().chain(std::env::split_paths(&path)).chain(version_folders());
    let mut seen = std::collections::BTreeSet::new();
    let mut out = Vec::new();
    for folder in folders {
        for name in names {
            // A folder may be there under several names. Debian's pg_wrapper only finds what is in the folders
            // for versions, where it is found without it.
            let Ok(program) = folder.join(name).canonicalize() else { continue };
            if is_program(&program)
                && !program.ends_with("pg_wrapper")
                && seen.insert(program.clone())
                && let Some(tool) = version_of(vec![program.to_string_lossy().into_owned()])
            {
                out.push(tool);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("10.11.19-MariaDB, for debian"), Some((10, 11, 19)));
        assert_eq!(version_in("15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18, 0)));
        assert_eq!(version_in("PostgreSQL 9.6.24 on x86_64"), Some((9, 6, 24)));
        assert_eq!(version_in("none"), None);
    }
}
