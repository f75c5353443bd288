//! Edits of the schedules file, from whoever asks: one way for the command line and the API.

use crate::{App, OperationError};
use backup_config::{Editor, Value};
use backup_model::Name;
use serde_json::Value as Json;
use std::path::Path;

/// Settings of a schedule as the API takes them: keys of the file with JSON values; `null` removes.
pub type Settings = serde_json::Map<String, Json>;

/// The order in which keys are written.
const ORDER: &[&str] = &[
    "title",
    "source",
    "database",
    "content",
    "exclude",
    "at",
    "cron",
    "every",
    "manual",
    "timezone",
    "enabled",
    "kind",
    "full_every",
    "consolidate",
    "detect",
    "checksum",
    "compression",
    "encrypt",
    "local_index",
    "keep",
    "catch_up",
    "jitter",
    "timeout",
    "one_file_system",
    "sqlite",
    "max_file_size",
    "exclude_caches",
    "exclude_presets",
    "ignore_files",
    "accept_unreadable",
    "nice",
    "ionice",
    "limit",
    "before",
    "after",
    "on_failure",
    "hook_timeout",
    "drill",
    "scrub",
    "notify",
    "destinations",
];

fn value(key: &str, json: &Json) -> Result<Value, OperationError> {
    let wrong = || OperationError::Invalid(format!("the value of `{key}` cannot stand in schedules.toml"));
    Ok(match json {
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => n.as_i64().ok_or_else(wrong)?.into(),
        Json::String(s) => s.as_str().into(),
        Json::Array(list) => Value::Array(list.iter().map(|j| value(key, j)).collect::<Result<_, _>>()?),
        Json::Object(map) => {
            let mut table = backup_config::InlineTable::new();
            for (k, j) in map {
                if !j.is_null() {
                    table.insert(k, value(k, j)?);
                }
            }
            Value::InlineTable(table)
        }
        Json::Null => return Err(wrong()),
    })
}

/// Adds a schedule to the file. Without `allow_missing` its sources must exist.
///
/// # Errors
/// The name is taken or wrong, a value is wrong, or a source does not exist.
pub(crate) fn create(
    editor: &Editor,
    root: &Path,
    name: &str,
    settings: &Settings,
    allow_missing: bool,
) -> Result<(), OperationError> {
    let name = Name::new(name).map_err(|e| OperationError::Invalid(e.to_string()))?;
    let mut keys = Vec::new();
    for key in settings.keys() {
        if !ORDER.contains(&key.as_str()) {
            return Err(unknown(key));
        }
    }
    for key in ORDER {
        if let Some(json) = settings.get(*key).filter(|j| !j.is_null()) {
            keys.push((*key, value(key, json)?));
        }
    }
    if !allow_missing {
        for source in settings.get("source").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            let path = root.join(source);
            if let Err(e) = std::fs::metadata(&path) {
                return Err(OperationError::NotFound(format!(
                    "the source {} does not exist ({e}); make it first, or add --allow-missing",
                    path.display()
                )));
            }
        }
    }
    Ok(editor.add(&name, keys)?)
}

fn unknown(key: &str) -> OperationError {
    // Keys of later versions get the same words as in the file.
    let probe = format!("version = 1\n[[schedule]]\nname = \"x\"\nsource = [\"x\"]\nmanual = true\n{key} = 1\n");
    match backup_config::parse(&probe, chrono_tz::UTC) {
        Err(e) => OperationError::Invalid(e.message),
        Ok(_) => OperationError::Invalid(format!("`{key}` cannot be set here")),
    }
}

impl App {
    /// Adds a schedule.
    ///
    /// # Errors
    /// The name is taken or wrong, a value is wrong, or a source does not exist. The file is then
    /// unchanged.
    pub fn create_schedule(&self, name: &str, settings: &Settings, allow_missing: bool) -> Result<(), OperationError> {
        create(self.editor()?, self.need_home()?.root(), name, settings, allow_missing)?;
        self.edited(&format!("created the schedule {name}"));
        Ok(())
    }

    /// Changes settings of a schedule; `null` removes a key. With a version, only if it is still that one.
    ///
    /// # Errors
    /// There is no such schedule, it was changed meanwhile, or a value is wrong. The file is then unchanged.
    pub fn edit_schedule(&self, name: &str, settings: &Settings, version: Option<&str>) -> Result<(), OperationError> {
        let mut changes = Vec::new();
        for (key, json) in settings {
            if !ORDER.contains(&key.as_str()) {
                return Err(unknown(key));
            }
            changes.push((key.as_str(), if json.is_null() { None } else { Some(value(key, json)?) }));
        }
        // A new way of timing replaces the old one.
        let ways = ["at", "cron", "every", "manual"];
        let given: Vec<&str> = ways.into_iter().filter(|w| settings.get(*w).is_some_and(|v| !v.is_null())).collect();
        if !given.is_empty() {
            let goes_with_at = given.contains(&"at") && !given.contains(&"every");
            for way in ways.into_iter().filter(|w| !given.contains(w) && !settings.contains_key(*w)) {
                if !(goes_with_at && way == "every") {
                    changes.push((way, None));
                }
            }
        }
        self.editor()?.set(name, changes, version)?;
        self.edited(&format!("edited the schedule {name}"));
        Ok(())
    }

    /// Removes a schedule; its archives stay. With a version, only if it is still that one.
    ///
    /// # Errors
    /// There is no such schedule, or it was changed meanwhile.
    pub fn delete_schedule(&self, name: &str, version: Option<&str>) -> Result<(), OperationError> {
        self.editor()?.delete(name, version)?;
        self.edited(&format!("deleted the schedule {name}"));
        Ok(())
    }

    /// Copies a schedule; the copy starts disabled.
    ///
    /// # Errors
    /// There is no such schedule, or the new name is taken or wrong.
    pub fn duplicate_schedule(&self, name: &str, copy: &str) -> Result<(), OperationError> {
        let copy = Name::new(copy).map_err(|e| OperationError::Invalid(e.to_string()))?;
        self.editor()?.duplicate(name, &copy)?;
        self.edited(&format!("duplicated the schedule {name} as {copy}"));
        Ok(())
    }

    pub(crate) fn edited(&self, what: &str) {
        tracing::info!("{what}");
        self.reload();
        self.ask_reload();
    }
}
