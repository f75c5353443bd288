//! Edits `schedules.toml` in place: comments and order stay, the result is checked before it is
//! written, and the write is atomic.

use crate::check::{FileError, parse};
use crate::settings::File;
use backup_model::{Name, Schedule};
use chrono_tz::Tz;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

/// The commented file that `init` writes.
pub const SAMPLE: &str = include_str!("../../../schedules.toml");

/// A value of the file that a program sets.
pub type SettingValue = Value;

/// A schedule to add: its keys and values, in the order in which they shall stand.
pub type NewSchedule = Vec<(&'static str, Value)>;

/// The keys of schedules by their names.
pub type Settings = std::collections::BTreeMap<String, serde_json::Map<String, serde_json::Value>>;

/// A part of the file whose entries have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[databases.NAME]`.
    Databases,
    /// `[notifiers.NAME]`.
    Notifiers,
    /// `[destinations.NAME]`.
    Destinations,
}

impl Section {
    fn key(self) -> &'static str {
        match self {
            Self::Databases => "databases",
            Self::Notifiers => "notifiers",
            Self::Destinations => "destinations",
        }
    }

    /// One of its entries, in a word; also the command that is about them.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Databases => "database",
            Self::Notifiers => "notifier",
            Self::Destinations => "destination",
        }
    }
}

/// Why an edit was not made. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is not valid as it stands.
    #[error("{path} is not valid, {error}; mend it first")]
    Before {
        /// The file.
        path: String,
        /// What is wrong.
        error: FileError,
    },
    /// The edit would make it invalid.
    #[error("{}", .0.message)]
    After(FileError),
    /// No schedule has this name.
    #[error("there is no schedule {0}; `backupctl list` shows all")]
    NoSchedule(String),
    /// No database or notifier has this name.
    #[error("there is no {0} {1}; `backupctl {0} list` shows all")]
    NoEntry(&'static str, String),
    /// A database or notifier with this name exists.
    #[error("there is already a {0} {1}; choose another name, or change it: `backupctl {0} edit {1}`")]
    EntryExists(&'static str, String),
    /// A schedule with this name exists.
    #[error("there is already a schedule {0}; choose another name, or `backupctl delete {0}` first")]
    Exists(String),
    /// Somebody else has changed the schedule meanwhile.
    #[error("the schedule {0} was changed meanwhile; look at it again, then repeat what you wanted")]
    Changed(String),
    /// The file is a mount point.
    #[error("{0} is itself a mount point, which cannot be replaced atomically; mount the folder that holds it instead")]
    MountPoint(String),
    /// There is no room for the new file.
    #[error("the disk of {0} is full, and the file is as it was; free some space and try again")]
    Full(String),
    /// It cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: String,
        /// The system's word.
        source: io::Error,
    },
}

/// Reads and edits one schedules file.
#[derive(Clone, Debug)]
pub struct Editor {
    path: PathBuf,
    lock: PathBuf,
    zone: Tz,
}

impl Editor {
    /// An editor of the file at `path`; `lock` is the file whose lock keeps other editors out.
    #[must_use]
    pub fn new(path: PathBuf, lock: PathBuf, zone: Tz) -> Self {
        Self { path, lock, zone }
    }

    fn io(&self, doing: &'static str) -> impl Fn(io::Error) -> EditError {
        let path = self.path.display().to_string();
        move |source| EditError::Io { doing, path: path.clone(), source }
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`EditError::Io`] or [`EditError::Before`].
    pub fn read(&self) -> Result<File, EditError> {
        let text = fs::read_to_string(&self.path).map_err(self.io("read"))?;
        parse(&text, self.zone).map_err(|error| EditError::Before { path: self.path.display().to_string(), error })
    }

    /// The file as a document, once it is known to be valid.
    fn document(&self) -> Result<DocumentMut, EditError> {
        let text = fs::read_to_string(&self.path).map_err(self.io("read"))?;
        let before = |error| EditError::Before { path: self.path.display().to_string(), error };
        parse(&text, self.zone).map_err(before)?;
        text.parse().map_err(|e: toml_edit::TomlError| before(FileError { line: None, message: e.message().to_owned() }))
    }

    fn edit(&self, change: impl FnOnce(&mut DocumentMut, &File) -> Result<(), EditError>) -> Result<(), EditError> {
        self.edit_if(true, change).map(drop)
    }

    fn edit_if(
        &self,
        write: bool,
        change: impl FnOnce(&mut DocumentMut, &File) -> Result<(), EditError>,
    ) -> Result<File, EditError> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.lock);
        let lock = lock.map_err(|source| EditError::Io { doing: "lock", path: self.lock.display().to_string(), source })?;
        lock.lock().map_err(self.io("lock"))?;
        let text = fs::read_to_string(&self.path).map_err(self.io("read"))?;
        let before = |error| EditError::Before { path: self.path.display().to_string(), error };
        let file = parse(&text, self.zone).map_err(before)?;
        let mut document: DocumentMut =
            text.parse().map_err(|e: toml_edit::TomlError| before(FileError { line: None, message: e.message().to_owned() }))?;
        change(&mut document, &file)?;
        let new = document.to_string();
        let file = parse(&new, self.zone).map_err(EditError::After)?;
        if write && new != text {
            self.replace(new.as_bytes())?;
        }
        Ok(file)
    }

    /// Writes a new file beside the old one and renames it over it.
    fn replace(&self, bytes: &[u8]) -> Result<(), EditError> {
        // A symbolic link stays a link: what it points to is replaced.
        let real = fs::canonicalize(&self.path).map_err(self.io("find"))?;
        let folder = real.parent().unwrap_or(Path::new("/"));
        let mode = fs::metadata(&real).map_err(self.io("look at"))?.permissions().mode();
        let new = folder.join(format!(".schedules.toml.{}.new", std::process::id()));
        let written = (|| {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
            file.sync_all()?;
            fs::rename(&new, &real)?;
            fs::File::open(folder)?.sync_all()
        })();
        written.map_err(|source| {
            let _ = fs::remove_file(&new);
            if source.raw_os_error() == Some(nix::libc::EBUSY) {
                return EditError::MountPoint(real.display().to_string());
            }
            if matches!(source.raw_os_error(), Some(nix::libc::ENOSPC | nix::libc::EDQUOT)) {
                return EditError::Full(real.display().to_string());
            }
            EditError::Io { doing: "write", path: real.display().to_string(), source }
        })
    }

    /// Adds a schedule at the end.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn add(&self, name: &Name, keys: NewSchedule) -> Result<(), EditError> {
        self.edit(|document, file| push(document, file, name, keys))
    }

    /// What a schedule with these keys would be; nothing is written.
    ///
    /// # Errors
    /// [`EditError`], as [`Editor::add`].
    pub fn trial(&self, name: &Name, keys: NewSchedule) -> Result<Schedule, EditError> {
        let mut file = self.edit_if(false, |document, file| push(document, file, name, keys))?;
        file.schedules.pop().ok_or_else(|| EditError::NoSchedule(name.to_string()))
    }

    /// Adds a `[databases.NAME]` or its like.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn add_entry(&self, section: Section, name: &Name, keys: Vec<(&str, Option<Value>)>) -> Result<(), EditError> {
        self.edit(|document, _| {
            let entries = entries(document, section)?;
            if entries.contains_key(name.as_str()) {
                return Err(EditError::EntryExists(section.word(), name.to_string()));
            }
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            keys.into_iter().for_each(|(key, value)| put(&mut table, key, value));
            entries.insert(name.as_str(), Item::Table(table));
            Ok(())
        })
    }

    /// Sets keys of a `[databases.NAME]` or its like, or removes those whose value is `None`; its other keys stay.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn set_entry(&self, section: Section, name: &str, keys: Vec<(&str, Option<Value>)>) -> Result<(), EditError> {
        self.edit(|document, _| {
            let entry = entries(document, section)?.get_mut(name).and_then(Item::as_table_like_mut);
            let Some(entry) = entry else { return Err(EditError::NoEntry(section.word(), name.to_owned())) };
            keys.into_iter().for_each(|(key, value)| put(entry, key, value));
            Ok(())
        })
    }

    /// Removes a `[databases.NAME]` or its like.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn delete_entry(&self, section: Section, name: &str) -> Result<(), EditError> {
        self.edit(|document, _| match entries(document, section)?.remove(name) {
            Some(_) => Ok(()),
            None => Err(EditError::NoEntry(section.word(), name.to_owned())),
        })
    }

    /// Sets keys of a schedule, or removes those whose value is `None`; with a version, only if it is still that one.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn set(&self, name: &str, changes: Vec<(&str, Option<Value>)>, version: Option<&str>) -> Result<(), EditError> {
        self.edit(|document, file| {
            still(file, name, version)?;
            let index = position(document, name)?;
            let Some(table) = tables(document)?.get_mut(index) else { return Err(EditError::NoSchedule(name.to_owned())) };
            for (key, value) in changes {
                match value {
                    None => {
                        table.remove(key);
                    }
                    Some(mut value) => {
                        // The comment behind a value stays.
                        if let Some(old) = table.get(key).and_then(Item::as_value) {
                            *value.decor_mut() = old.decor().clone();
                        }
                        table.insert(key, Item::Value(value));
                    }
                }
            }
            Ok(())
        })
    }

    /// Removes a schedule; with a version, only if it is still that one. A comment that an empty line parts from it
    /// stays.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn delete(&self, name: &str, version: Option<&str>) -> Result<(), EditError> {
        self.edit(|document, file| {
            still(file, name, version)?;
            let index = position(document, name)?;
            let list = tables(document)?;
            let prefix = list.get(index).and_then(|t| t.decor().prefix()).and_then(|p| p.as_str()).unwrap_or("").to_owned();
            let stays = prefix.rfind("\n\n").map(|end| prefix[..=end].to_owned()).filter(|s| s.contains('#'));
            list.remove(index);
            if let Some(stays) = stays {
                if let Some(next) = list.get_mut(index) {
                    let own = next.decor().prefix().and_then(|p| p.as_str()).unwrap_or("").to_owned();
                    next.decor_mut().set_prefix(format!("{stays}{own}"));
                } else {
                    let own = document.trailing().as_str().unwrap_or("").to_owned();
                    document.set_trailing(format!("{stays}{own}"));
                }
            }
            Ok(())
        })
    }

    /// Copies a schedule under a new name; the copy starts disabled.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn duplicate(&self, name: &str, copy: &Name) -> Result<(), EditError> {
        self.edit(|document, file| {
            if file.schedule(copy.as_str()).is_some() {
                return Err(EditError::Exists(copy.to_string()));
            }
            let index = position(document, name)?;
            let list = tables(document)?;
            let Some(mut table) = list.get(index).cloned() else { return Err(EditError::NoSchedule(name.to_owned())) };
            table.decor_mut().set_prefix("\n");
            table.set_position(None);
            table.insert("name", Item::Value(copy.as_str().into()));
            table.insert("enabled", Item::Value(false.into()));
            list.push(table);
            Ok(())
        })
    }
}

/// What taking another file in came to, or would come to: sections with names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What is new.
    pub added: Vec<(String, String)>,
    /// What was there already, the same.
    pub same: Vec<(String, String)>,
}

impl Editor {
    /// The file's text without anything that may be a secret: URLs of webhooks become references to variables.
    ///
    /// # Errors
    /// [`EditError`] if it cannot be read or is not valid.
    pub fn export(&self) -> Result<String, EditError> {
        let mut document = self.document()?;
        for (name, item) in document.get_mut("notifiers").and_then(Item::as_table_like_mut).into_iter().flat_map(|t| t.iter_mut())
        {
            let variable = format!("{}_WEBHOOK_URL", name.get().to_uppercase().replace(['-', '.'], "_"));
            let webhook = item.as_table_like_mut().and_then(|t| t.get_mut("webhook")).and_then(Item::as_table_like_mut);
            let Some(url) = webhook.and_then(|w| w.get_mut("url")) else { continue };
            if url.as_str().is_some() {
                let mut reference = toml_edit::InlineTable::new();
                reference.insert("env", variable.into());
                *url = Item::Value(Value::InlineTable(reference));
            }
        }
        Ok(document.to_string())
    }

    /// The keys that each schedule sets itself, as they are written, by its name. Secrets are references here, as in the
    /// file.
    ///
    /// # Errors
    /// [`EditError`] if it cannot be read or is not valid.
    pub fn settings(&self) -> Result<Settings, EditError> {
        let mut document = self.document()?;
        let mut all = Settings::new();
        for table in tables(&mut document)?.iter() {
            let name = table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
            let keys = table.iter().filter(|(key, _)| *key != "name");
            let values = keys.filter_map(|(key, item)| item.clone().into_value().ok().map(|v| (key.to_owned(), json(&v))));
            all.insert(name, values.collect());
        }
        Ok(all)
    }

    /// Takes schedules, databases and notifiers of another file in; its defaults go into its schedules. What is there
    /// already must be the same. With `dry_run` nothing is written.
    ///
    /// # Errors
    /// [`EditError`]; the file is then unchanged.
    pub fn merge(&self, text: &str, dry_run: bool) -> Result<Merged, EditError> {
        let wrong = |error: FileError| EditError::After(FileError { message: format!("the imported file: {error}"), line: None });
        parse(text, self.zone).map_err(wrong)?;
        let theirs: DocumentMut =
            text.parse().map_err(|e: toml_edit::TomlError| wrong(FileError { line: None, message: e.message().to_owned() }))?;
        let mut merged = Merged::default();
        let plain = |item: &Item| item.to_string().split_whitespace().collect::<String>();
        let change = |document: &mut DocumentMut, file: &File| {
            for section in [Section::Databases, Section::Notifiers, Section::Destinations] {
                for (name, item) in theirs.get(section.key()).and_then(Item::as_table_like).into_iter().flat_map(|t| t.iter()) {
                    let entries = entries(document, section)?;
                    let row = (section.word().to_owned(), name.to_owned());
                    match entries.get(name) {
                        Some(ours) if plain(ours) == plain(item) => merged.same.push(row),
                        Some(_) => return Err(EditError::EntryExists(section.word(), name.to_owned())),
                        None => {
                            let mut item = item.clone();
                            if let Some(table) = item.as_table_mut() {
                                table.set_position(None);
                            }
                            entries.insert(name, item);
                            merged.added.push(row);
                        }
                    }
                }
            }
            let defaults = theirs.get("defaults").and_then(Item::as_table_like);
            for theirs in theirs.get("schedule").and_then(Item::as_array_of_tables).into_iter().flat_map(|l| l.iter()) {
                let mut table = theirs.clone();
                for (key, item) in defaults.into_iter().flat_map(|d| d.iter()) {
                    if !table.contains_key(key) {
                        table.insert(key, item.clone());
                    }
                }
                let name = table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
                let row = ("schedule".to_owned(), name.clone());
                if file.schedule(&name).is_some() {
                    let index = position(document, &name)?;
                    let ours = tables(document)?.get(index).cloned().unwrap_or_default();
                    let same =
                        |t: &Table| t.iter().map(|(k, i)| format!("{k}={}", plain(i))).collect::<std::collections::BTreeSet<_>>();
                    if same(&ours) != same(&table) && same(&ours) != same(theirs) {
                        return Err(EditError::Exists(name));
                    }
                    merged.same.push(row);
                    continue;
                }
                table.set_position(None);
                table.decor_mut().set_prefix("\n");
                tables(document)?.push(table);
                merged.added.push(row);
            }
            Ok(())
        };
        self.edit_if(!dry_run, change)?;
        Ok(merged)
    }
}

/// A word that changes whenever something about a schedule does, defaults included.
#[must_use]
pub fn version_of(schedule: &Schedule) -> String {
    use std::fmt::Write;
    use std::hash::{DefaultHasher, Hasher};
    struct Hashed(DefaultHasher);
    impl Write for Hashed {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut hashed = Hashed(DefaultHasher::new());
    // A hasher takes everything.
    let _ = write!(hashed, "{schedule:?}");
    format!("{:016x}", hashed.0.finish())
}

fn still(file: &File, name: &str, version: Option<&str>) -> Result<(), EditError> {
    match (version, file.schedule(name)) {
        (Some(version), Some(schedule)) if version_of(schedule) != version => Err(EditError::Changed(name.to_owned())),
        _ => Ok(()),
    }
}

fn push(document: &mut DocumentMut, file: &File, name: &Name, keys: NewSchedule) -> Result<(), EditError> {
    if file.schedule(name.as_str()).is_some() {
        return Err(EditError::Exists(name.to_string()));
    }
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table.insert("name", Item::Value(name.as_str().into()));
    for (key, value) in keys {
        table.insert(key, Item::Value(value));
    }
    tables(document)?.push(table);
    Ok(())
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(s) => s.value().as_str().into(),
        Value::Integer(n) => (*n.value()).into(),
        Value::Float(n) => (*n.value()).into(),
        Value::Boolean(b) => (*b.value()).into(),
        Value::Datetime(d) => d.value().to_string().into(),
        Value::Array(list) => list.iter().map(json).collect(),
        Value::InlineTable(table) => table.iter().map(|(k, v)| (k.to_owned(), json(v))).collect(),
    }
}

/// Sets a key of an entry; one with a dot stands in an inline table, as in `email = { to = … }`.
fn put(entry: &mut dyn toml_edit::TableLike, key: &str, value: Option<Value>) {
    let (place, key) = match (key.split_once('.'), &value) {
        (None, _) => (Some(entry), key),
        (Some((outer, inner)), None) => (entry.get_mut(outer).and_then(Item::as_table_like_mut), inner),
        (Some((outer, inner)), Some(_)) => {
            let item = entry.entry(outer).or_insert_with(|| Item::Value(Value::InlineTable(toml_edit::InlineTable::new())));
            (item.as_table_like_mut(), inner)
        }
    };
    // Something that is no table there is refused when the file is read again.
    let Some(place) = place else { return };
    match value {
        Some(value) => place.insert(key, Item::Value(value)),
        None => place.remove(key),
    };
}

fn entries(document: &mut DocumentMut, section: Section) -> Result<&mut dyn toml_edit::TableLike, EditError> {
    let item = document.entry(section.key()).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    item.as_table_like_mut().ok_or_else(|| {
        let message = format!("{0} are written as [{0}.NAME]", section.key());
        EditError::After(FileError { line: None, message })
    })
}

fn tables(document: &mut DocumentMut) -> Result<&mut ArrayOfTables, EditError> {
    let item = document.entry("schedule").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    if item.is_value() {
        *item = Item::ArrayOfTables(ArrayOfTables::new());
    }
    item.as_array_of_tables_mut()
        .ok_or_else(|| EditError::After(FileError { line: None, message: "schedules are written as [[schedule]]".to_owned() }))
}

fn position(document: &mut DocumentMut, name: &str) -> Result<usize, EditError> {
    let found = tables(document)?.iter().position(|t| t.get("name").and_then(Item::as_str) == Some(name));
    found.ok_or_else(|| EditError::NoSchedule(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# The file of a careful person.\nversion = 1\n\n# A header that stays.\n\n# about a\n[[schedule]]\nname = \"a\"\nsource = [\"x\"] # the x\nat = \"09:00\" # early\n\n# about b\n[[schedule]]\nname = \"b\"\nsource = [\"y\"]\nmanual = true\n# the end\n";

    fn editor() -> (tempfile::TempDir, Editor) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("schedules.toml");
        fs::write(&path, FILE).expect("written");
        let editor = Editor::new(path, folder.path().join("lock"), chrono_tz::UTC);
        (folder, editor)
    }

    #[test]
    fn edits_keep_comments_and_order() {
        let (_folder, editor) = editor();
        let read = || fs::read_to_string(&editor.path).expect("the file");
        editor.set("a", vec![("at", Some("10:30".into())), ("enabled", Some(false.into()))], None).expect("set");
        assert_eq!(read(), FILE.replace("09:00", "10:30").replace("# early\n", "# early\nenabled = false\n"));
        editor.set("a", vec![("at", Some("09:00".into())), ("enabled", None)], None).expect("set back");
        assert_eq!(read(), FILE);
        let c = Name::new("c").expect("a name");
        editor.duplicate("a", &c).expect("duplicate");
        let file = editor.read().expect("valid");
        assert_eq!(file.schedules.len(), 3);
        assert_eq!((file.schedules[2].name.as_str(), file.schedules[2].enabled), ("c", false));
        editor.delete("c", None).expect("delete");
        assert_eq!(read(), FILE);
        editor.delete("a", None).expect("delete the first");
        let text = read();
        assert!(text.contains("careful person") && text.contains("A header that stays") && text.contains("# about b"), "{text}");
        assert!(!text.contains("# about a"), "{text}");
        editor.delete("b", None).expect("delete the last");
        assert!(read().contains("A header that stays") && read().contains("# the end"), "{}", read());
        editor.add(&c, vec![("source", toml_edit::Value::from_iter(["x"])), ("at", "09:00".into())]).expect("add");
        assert_eq!(editor.read().expect("valid").schedules.len(), 1);
    }

    #[test]
    fn a_refused_edit_changes_nothing() {
        let (_folder, editor) = editor();
        let a = Name::new("a").expect("a name");
        assert!(matches!(editor.add(&a, vec![]), Err(EditError::Exists(_))));
        assert!(matches!(editor.delete("zz", None), Err(EditError::NoSchedule(_))));
        assert!(matches!(editor.set("a", vec![("at", Some("99:00".into()))], None), Err(EditError::After(_))));
        assert_eq!(fs::read_to_string(&editor.path).expect("the file"), FILE);
        fs::write(&editor.path, "version = 1\nnonsense").expect("written");
        assert!(matches!(editor.delete("a", None), Err(EditError::Before { .. })));
        assert_eq!(fs::read_to_string(&editor.path).expect("the file"), "version = 1\nnonsense");
    }

    #[test]
    fn a_symbolic_link_stays_one_and_the_mode_too() {
        let (folder, editor) = editor();
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&editor.path, &link).expect("a link");
        fs::set_permissions(&editor.path, fs::Permissions::from_mode(0o640)).expect("mode");
        let through = Editor::new(link.clone(), folder.path().join("lock"), chrono_tz::UTC);
        through.delete("a", None).expect("delete");
        assert!(fs::symlink_metadata(&link).expect("link").is_symlink());
        assert_eq!(fs::metadata(&editor.path).expect("file").permissions().mode() & 0o777, 0o640);
    }
}
