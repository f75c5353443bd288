//! Secrets, read where they are needed and nowhere kept: what archives are encrypted with, what opens them.

use crate::{App, OperationError};
use backup_config::{EditError, Section, Value};
use backup_engine::{Access, Keys, Recipients, Seal};
use backup_model::{Encrypt, Name, Schedule, SecretSource};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// How long a program that prints a secret may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Key files and passphrases that somebody gave for the work of this process.
#[derive(Clone, Default)]
pub struct GivenKeys {
    /// Passphrases of archives.
    pub passphrases: Vec<String>,
    /// Files with private keys.
    pub keys: Vec<PathBuf>,
    /// The passphrase of these keys.
    pub key_passphrase: Option<String>,
}

/// Where a secret of an entry that is added comes from.
pub enum GivenSecret {
    /// The first line of a file.
    File(String),
    /// A variable of the daemon's environment.
    Env(String),
    /// This one: it is kept in a file of the home that only its owner can read.
    Text(String),
}

fn first_line(text: &str, what: &str) -> Result<String, OperationError> {
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(OperationError::Failed(format!("the secret {what} is empty")));
    }
    Ok(line.to_owned())
}

/// Reads the first line of a file that holds a secret.
///
/// # Errors
/// The file cannot be read or is empty.
pub fn secret_file(path: &Path) -> Result<String, OperationError> {
    let what = format!("in {}", path.display());
    let text =
        std::fs::read_to_string(path).map_err(|e| OperationError::Failed(format!("the secret {what} cannot be read: {e}")))?;
    first_line(&text, &what)
}

pub(crate) async fn read(source: &SecretSource, root: &Path) -> Result<String, OperationError> {
    match source {
        SecretSource::Env(name) => {
            let what = format!("in the variable {name}");
            let value = std::env::var(name)
                .map_err(|_| OperationError::Failed(format!("the secret {what} is not there; set it for the daemon too")))?;
            first_line(&value, &what)
        }
        SecretSource::File(path) => secret_file(&root.join(path)),
        SecretSource::Command(argv) => {
            let what = format!("from {}", argv.first().map_or("", String::as_str));
            let failed = |why: String| OperationError::Failed(format!("the secret {what} did not come: {why}"));
            let (program, arguments) = argv.split_first().ok_or_else(|| failed("no program is named".into()))?;
            let mut command = tokio::process::Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
            let done = tokio::time::timeout(COMMAND_LIMIT, command.output()).await;
            let out = done.map_err(|_| failed("it took longer than a minute".into()))?.map_err(|e| failed(e.to_string()))?;
            if !out.status.success() {
                return Err(failed(String::from_utf8_lossy(&out.stderr).trim().to_owned()));
            }
            first_line(&String::from_utf8_lossy(&out.stdout), &what)
        }
    }
}

/// An entry of the schedules file as it is to be: its keys, and the secrets that belong to them.
#[derive(Default)]
pub(crate) struct Entry {
    /// Keys, dotted where they stand in a table of the entry, with their values; none takes the key away.
    pub(crate) keys: Vec<(&'static str, Option<Value>)>,
    /// Secrets by the names of their files in `secrets/` of the home; none takes the file away.
    secrets: Vec<(String, Option<GivenSecret>)>,
}

impl Entry {
    /// Sets a key, if there is something to set.
    pub(crate) fn set(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        self.keys.extend(value.map(|value| (key, Some(value.into()))));
    }

    /// Sets a secret, if one is given; one that is given itself goes into the file `secrets/NAME` of the home.
    pub(crate) fn secret(&mut self, key: &'static str, name: String, given: Option<GivenSecret>) {
        let Some(given) = given else { return };
        let (kind, place) = match &given {
            GivenSecret::File(path) => ("file", path.clone()),
            GivenSecret::Env(variable) => ("env", variable.clone()),
            GivenSecret::Text(_) => ("file", format!("secrets/{name}")),
        };
        let mut table = backup_config::InlineTable::new();
        table.insert(kind, place.into());
        self.keys.push((key, Some(Value::InlineTable(table))));
        self.secrets.push((name, Some(given)));
    }

    /// Takes keys away, of those that may be missing (`known`), by their whole names or the last part of them; `secret`
    /// says which file of `secrets/` is a key's own.
    ///
    /// # Errors
    /// A word is no such key, or the key is set at the same time.
    pub(crate) fn unset(
        &mut self,
        words: &[String],
        known: &[&'static str],
        secret: impl Fn(&str) -> Option<String>,
    ) -> Result<(), OperationError> {
        for word in words {
            let plain = word.replace('-', "_");
            let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
            let Some(key) = known.iter().copied().find(|key| plain == *key || plain == last(key)) else {
                let all: Vec<&str> = known.iter().map(|key| last(key)).collect();
                return Err(OperationError::Invalid(format!("{word} cannot be unset; what can is {}", all.join(", "))));
            };
            if self.keys.iter().any(|(k, _)| *k == key) {
                return Err(OperationError::Invalid(format!("{word} is both set and unset")));
            }
            self.keys.push((key, None));
            self.secrets.extend(secret(key).map(|name| (name, None)));
        }
        Ok(())
    }
}

/// A secret that lies beside its place, whole, until the file names it.
struct Written {
    new: PathBuf,
    path: PathBuf,
}

impl Written {
    fn keep(self) -> Result<(), OperationError> {
        std::fs::rename(&self.new, &self.path).map_err(|e| unkept(&self.path, &e))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.new);
    }
}

fn unkept(path: &Path, e: &std::io::Error) -> OperationError {
    OperationError::Failed(format!("the secret cannot be kept in {}: {e}", path.display()))
}

impl App {
    /// Adds an entry to the schedules file; what is wrong leaves the file and the secrets as they were.
    pub(crate) fn add_entry(&self, section: Section, name: &str, entry: Entry) -> Result<(), OperationError> {
        let name = Name::new(name).map_err(|e| OperationError::Invalid(e.to_string()))?;
        if let Some((key, _)) = entry.keys.iter().find(|(_, value)| value.is_none()) {
            return Err(OperationError::Invalid(format!("{key} cannot be unset in what is new")));
        }
        self.write_entry(entry, |editor, keys| editor.add_entry(section, &name, keys))?;
        self.edited(&format!("added the {} {name}", section.word()));
        Ok(())
    }

    /// Sets keys of an entry; the others stay. What is wrong leaves the file and the secrets as they were.
    pub(crate) fn change_entry(&self, section: Section, name: &str, entry: Entry) -> Result<(), OperationError> {
        if entry.keys.is_empty() {
            return Err(OperationError::Invalid("nothing was given to change".into()));
        }
        self.write_entry(entry, |editor, keys| editor.set_entry(section, name, keys))?;
        self.edited(&format!("changed the {} {name}", section.word()));
        Ok(())
    }

    fn write_entry(
        &self,
        entry: Entry,
        edit: impl FnOnce(&backup_config::Editor, Vec<(&str, Option<Value>)>) -> Result<(), EditError>,
    ) -> Result<(), OperationError> {
        let editor = self.editor()?;
        let (mut written, mut gone) = (Vec::new(), Vec::new());
        for (name, given) in entry.secrets {
            match given {
                Some(GivenSecret::Text(text)) => written.push(self.write_secret(&name, &text)?),
                _ => gone.push(name),
            }
        }
        edit(editor, entry.keys)?;
        written.into_iter().try_for_each(Written::keep)?;
        gone.iter().try_for_each(|name| self.forget_secret(name))
    }

    /// Writes a secret beside `secrets/NAME` of the home.
    fn write_secret(&self, name: &str, text: &str) -> Result<Written, OperationError> {
        let folder = self.need_home()?.root().join("secrets");
        let written = Written { new: folder.join(format!(".{name}.new")), path: folder.join(name) };
        let write = || -> std::io::Result<()> {
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&written.new)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        };
        write().map_err(|e| unkept(&written.path, &e))?;
        Ok(written)
    }

    /// Removes a secret that was kept here, if one was.
    pub(crate) fn forget_secret(&self, name: &str) -> Result<(), OperationError> {
        let kept = self.need_home()?.root().join("secrets").join(name);
        match std::fs::remove_file(&kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => tracing::warn!("the secret in {} stays: {e}", kept.display()),
            _ => {}
        }
        Ok(())
    }

    /// Where clear indexes of encrypted archives lie.
    pub(crate) fn local_indexes(&self) -> Option<PathBuf> {
        self.home().map(|h| h.state().join("indexes"))
    }

    /// How archives of a schedule are encrypted, if they are.
    ///
    /// # Errors
    /// A key or the passphrase cannot be read.
    pub(crate) async fn seal_of(&self, schedule: &Schedule) -> Result<Option<Seal>, OperationError> {
        let Some(encrypt) = &schedule.encrypt else { return Ok(None) };
        let root = self.need_home()?.root();
        let passphrase = match &encrypt.passphrase {
            Some(source) => Some(read(source, root).await?),
            None => None,
        };
        let files: Vec<PathBuf> = encrypt.to.iter().map(|p| root.join(p)).collect();
        let recipients = Recipients::new(&files, passphrase.as_deref())?;
        let local = self.local_indexes().unwrap_or_default();
        Ok(Some(Seal { recipients, local, keep: schedule.local_index }))
    }

    async fn add_keys(&self, keys: &mut Keys, encrypt: &Encrypt) -> Result<(), OperationError> {
        let root = self.need_home()?.root();
        if let Some(source) = &encrypt.passphrase {
            keys.add_passphrase(&read(source, root).await?);
        }
        if let Some(file) = &encrypt.key {
            let passphrase = match &encrypt.key_passphrase {
                Some(source) => Some(read(source, root).await?),
                None => None,
            };
            keys.add_key(&root.join(file), passphrase.as_deref())?;
        }
        Ok(())
    }

    /// What opens archives of a schedule here: what the file says of it (of all, if it is not in the file any
    /// more) and what was given. A secret that cannot be read is said in the log, and is then missing.
    ///
    /// # Errors
    /// A key that was given cannot be read.
    pub async fn access(&self, schedule: Option<&str>) -> Result<Access, OperationError> {
        let mut keys = Keys::default();
        let given = self.given_keys();
        given.passphrases.iter().for_each(|p| keys.add_passphrase(p));
        for file in &given.keys {
            keys.add_key(file, given.key_passphrase.as_deref())?;
        }
        let file = self.file();
        let known = schedule.and_then(|name| file.schedule(name));
        let ways: Vec<&Schedule> = known.map_or_else(|| file.schedules.iter().collect(), |s| vec![s]);
        for schedule in ways {
            if let Some(encrypt) = &schedule.encrypt
                && let Err(e) = self.add_keys(&mut keys, encrypt).await
            {
                tracing::warn!("{}: {e}", schedule.name);
            }
        }
        Ok(Access { keys: Arc::new(keys), local: self.local_indexes() })
    }
}
