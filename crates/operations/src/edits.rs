//! Edits of the schedules file, from whoever asks: one way for the command line and the API.

use crate::{App, OperationError};
use backup_config::{Editor, Value};
use backup_model::{Name, Schedule};
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

/// Settings in the order in which they are written.
fn keys_of(settings: &Settings) -> Result<backup_config::NewSchedule, OperationError> {
    if let Some(key) = settings.keys().find(|k| !ORDER.contains(&k.as_str())) {
        return Err(unknown(key));
    }
    let given = ORDER.iter().filter_map(|key| settings.get(*key).filter(|j| !j.is_null()).map(|json| (*key, json)));
    given.map(|(key, json)| Ok((key, value(key, json)?))).collect()
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
    let keys = keys_of(settings)?;
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

    /// What a schedule with these settings would be; nothing is written.
    ///
    /// # Errors
    /// A value is wrong.
    pub fn try_schedule(&self, settings: &Settings) -> Result<Schedule, OperationError> {
        // A name that no schedule has: whether one is taken shows when it is added.
        let name = Name::new(&format!("trial-{}", crate::request::new_uuid().simple()));
        let name = name.map_err(|e| OperationError::Invalid(e.to_string()))?;
        Ok(self.editor()?.trial(&name, keys_of(settings)?)?)
    }

    /// The keys that each schedule sets itself, as they stand in the file, by its name.
    ///
    /// # Errors
    /// The file cannot be read, or is not valid.
    pub fn settings(&self) -> Result<std::collections::BTreeMap<String, Settings>, OperationError> {
        Ok(self.editor()?.settings()?)
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
