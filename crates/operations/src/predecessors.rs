//! What the routes of the programs that this one replaces stand for: copies of a folder into a folder (S0), and
//! configurations by number that copy one database and one source (S3). Only what those programs could do: no hooks.

use crate::edits::Settings;
use crate::{App, OperationError};
use backup_catalogue::predecessors::Known;
use backup_model::Run;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Rhythms that the predecessors know.
const FREQUENCIES: &[&str] = &["manual", "hourly", "daily", "weekly", "monthly"];

/// A configuration as S3 knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Free text.
    pub name: String,
    /// `full`, `metadata` or `data`.
    pub backup_type: String,
    /// `manual`, `daily`, `weekly` or `monthly`.
    pub frequency: String,
    /// Whether the clock starts it.
    pub is_active: bool,
    /// Whether the source is copied too.
    pub include_files: bool,
    /// Whether archives are compressed.
    pub compression_enabled: bool,
    /// Whether archives are encrypted.
    pub encryption_enabled: bool,
    /// For how many days archives are kept.
    pub retention_days: u32,
}

fn rhythm(settings: &mut Settings, frequency: &str) {
    match frequency {
        "manual" => settings.insert("manual".into(), json!(true)),
        other => settings.insert("every".into(), json!(other)),
    };
}

/// The word of S0 and S3 for a trigger; another one is shown in its own words.
#[must_use]
pub fn frequency_of(schedule: &backup_model::Schedule) -> String {
    let shown = schedule.trigger.to_string();
    FREQUENCIES.iter().find(|f| shown.starts_with(**f)).map_or(shown.clone(), |f| (*f).to_owned())
}

/// What S0 calls the copy of an archive: `backup_TIME.tar.gz`; a second one within a second has `_2` behind the time.
#[must_use]
pub fn copy_name(archive: &Path) -> Option<String> {
    archive.file_name().map(|n| n.to_string_lossy().replacen("full_", "backup_", 1))
}

/// The schedule beside that of a configuration which copies the source.
fn files_of(name: &str) -> String {
    format!("{name}-files")
}

impl App {
    /// Copies a folder into another, as S0 did, and keeps a schedule if a frequency is given. Answers the run and the
    /// schedule's number.
    ///
    /// # Errors
    /// The source is no folder, the destination is not allowed, or the frequency is not known.
    pub async fn copy_folder(&self, source: &str, destination: &str, frequency: &str) -> Result<(Run, Known), OperationError> {
        let invalid = |text: String| Err(OperationError::Invalid(text));
        if !FREQUENCIES.contains(&frequency) {
            return invalid(format!("{frequency:?} is no frequency; write one of {}", FREQUENCIES.join(", ")));
        }
        let root = self.need_home()?.root();
        let source = root.join(source);
        let source = match std::fs::canonicalize(&source) {
            Ok(path) if path.is_dir() => path,
            _ => return invalid(format!("the source {} is no folder", source.display())),
        };
        let folder = self.allowed_destination(&root.join(destination))?;
        if folder.starts_with(&source) {
            return invalid(format!("the destination {} lies in the source", folder.display()));
        }
        let (from, to) = (source.display().to_string(), folder.display().to_string());
        let file = self.valid_file()?;
        let mut found = None;
        for known in self.catalogue().predecessors("s0").await? {
            let same = known.source == from && known.folder == to;
            if same && file.schedule(&known.name).is_some_and(|s| frequency_of(s) == frequency) {
                found = Some(known);
            }
        }
        let known = match found {
            Some(known) => known,
            None => {
                let known = self.catalogue().add_predecessor("s0", "copy-", &from, &to, self.now()).await?;
                let mut settings = Settings::new();
                settings.insert("title".into(), json!(format!("{from} → {to}")));
                settings.insert("source".into(), json!([from]));
                rhythm(&mut settings, frequency);
                self.create_schedule(&known.name, &settings, false)?;
                known
            }
        };
        let run = self.request_backup(&known.name, Some("full")).await?;
        Ok((run, known))
    }

    /// A folder beneath `[daemon] allowed_destinations`, made if it is not there. Links out of them are not followed.
    fn allowed_destination(&self, wanted: &Path) -> Result<PathBuf, OperationError> {
        let roots = &self.file().daemon.allowed_destinations;
        let refused = || {
            OperationError::Invalid(format!(
                "the destination {} is not beneath a folder of [daemon] allowed_destinations; add it there",
                wanted.display()
            ))
        };
        if wanted.components().any(|c| matches!(c, std::path::Component::ParentDir)) {
            return Err(refused());
        }
        // The part that is there decides, without its links; the rest is made.
        let there = wanted.ancestors().find(|p| p.exists()).ok_or_else(refused)?;
        let real = std::fs::canonicalize(there)
            .map_err(|e| OperationError::Invalid(format!("cannot look at {}: {e}", there.display())))?;
        let rest = wanted.strip_prefix(there).unwrap_or(Path::new(""));
        let path = if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        if !roots.iter().any(|r| path.starts_with(std::fs::canonicalize(r).unwrap_or_else(|_| r.clone()))) {
            return Err(refused());
        }
        std::fs::create_dir_all(&path).map_err(|e| OperationError::Invalid(format!("cannot make {}: {e}", path.display())))?;
        Ok(path)
    }

    /// Puts the archive of a run where S0's caller wants it, under S0's name. Answers its path; nothing if the schedule
    /// is none of S0's.
    pub(crate) async fn deliver(&self, name: &str, archive: &Path) -> Result<Option<PathBuf>, OperationError> {
        let Some(known) = self.catalogue().predecessor_of(name).await?.filter(|k| k.kind == "s0") else { return Ok(None) };
        let folder = self.allowed_destination(Path::new(&known.folder))?;
        let target = folder.join(copy_name(archive).unwrap_or_default());
        let (from, to) = (archive.to_owned(), target.clone());
        let copied = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            let part = to.with_file_name(format!(
                ".{}.part",
                to.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
            ));
            let done = (|| {
                std::fs::copy(&from, &part)?;
                std::fs::File::open(&part)?.sync_all()?;
                std::fs::rename(&part, &to)?;
                std::fs::File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()
            })();
            if done.is_err() {
                let _ = std::fs::remove_file(&part);
            }
            done
        });
        let copied = copied.await.map_err(|e| OperationError::Failed(e.to_string()))?;
        copied.map_err(|e| OperationError::Failed(format!("cannot copy the archive to {}: {e}", target.display())))?;
        Ok(Some(target))
    }

    /// What a configuration of S3 is made of: settings of a schedule for the database, and of one for the source.
    fn settings_of(&self, c: &Configuration) -> Result<(Option<Settings>, Option<Settings>), OperationError> {
        let file = self.valid_file()?;
        let ours = &file.predecessors;
        let missing = |key: &str| {
            OperationError::Invalid(format!("[predecessors] {key} is not set in schedules.toml, and {} needs it", c.backup_type))
        };
        if c.encryption_enabled && !file.defaults_encrypt {
            return Err(OperationError::Invalid(
                "encryption_enabled: [defaults] encrypt is not set in schedules.toml; set it to say how to encrypt".into(),
            ));
        }
        let common = |content: &str| {
            let mut s = Settings::new();
            s.insert("title".into(), json!(c.name));
            s.insert("content".into(), json!(content));
            rhythm(&mut s, &c.frequency);
            s.insert("enabled".into(), json!(c.is_active));
            s.insert("compression".into(), json!(if c.compression_enabled { "gzip" } else { "none" }));
            s.insert("keep".into(), json!({ "days": c.retention_days }));
            s
        };
        let files = c.backup_type == "full" && c.include_files;
        let database = match &ours.database {
            Some(name) => {
                let mut s = common(&c.backup_type);
                s.insert("database".into(), json!(name));
                Some(s)
            }
            None if files && ours.source.is_some() => None,
            None => return Err(missing("database")),
        };
        let source = match (&ours.source, files) {
            (Some(path), true) => {
                let mut s = common("full");
                s.insert("source".into(), json!([path.display().to_string()]));
                Some(s)
            }
            (None, true) => return Err(missing("source")),
            (_, false) => None,
        };
        Ok((database, source))
    }

    /// Whether a configuration could be made.
    pub(crate) fn check_configuration(&self, c: &Configuration) -> Result<(), OperationError> {
        self.settings_of(c).map(|_| ())
    }

    /// Makes a configuration; answers what it is known by.
    ///
    /// # Errors
    /// A value is wrong, or `[predecessors]` does not say what it stands for.
    pub async fn add_configuration(&self, c: &Configuration) -> Result<Known, OperationError> {
        let (database, source) = self.settings_of(c)?;
        let known = self.catalogue().add_predecessor("s3", "config-", "", "", self.now()).await?;
        self.put_configuration(&known.name, database, source)?;
        Ok(known)
    }

    fn put_configuration(&self, name: &str, database: Option<Settings>, source: Option<Settings>) -> Result<(), OperationError> {
        let files = files_of(name);
        // Where there is no database the files are the configuration itself.
        let (main, beside) = match (database, source) {
            (Some(d), s) => (d, s),
            (None, Some(s)) => (s, None),
            (None, None) => return Err(OperationError::Invalid("a configuration copies something".into())),
        };
        let put = |name: &str, mut settings: Settings| -> Result<(), OperationError> {
            if self.file().schedule(name).is_none() {
                return self.create_schedule(name, &settings, true);
            }
            for key in ["source", "database"] {
                settings.entry(key).or_insert(Value::Null);
            }
            self.edit_schedule(name, &settings, None)
        };
        put(name, main)?;
        match beside {
            Some(settings) => put(&files, settings),
            None if self.file().schedule(&files).is_some() => self.delete_schedule(&files, None),
            None => Ok(()),
        }
    }

    /// Configurations with their numbers; one whose schedule was deleted otherwise is gone.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn configurations(&self) -> Result<Vec<(Known, Configuration)>, OperationError> {
        let file = self.file();
        let mut out = Vec::new();
        for known in self.catalogue().predecessors("s3").await? {
            let Some(s) = file.schedule(&known.name) else { continue };
            let files = files_of(&known.name);
            let configuration = Configuration {
                name: s.title.clone().unwrap_or_else(|| s.name.to_string()),
                backup_type: s.content.as_str().to_owned(),
                frequency: frequency_of(s),
                is_active: s.enabled,
                include_files: s.database.is_none() || file.schedule(&files).is_some(),
                compression_enabled: s.compression != backup_model::Compression::None,
                encryption_enabled: s.encrypt.is_some(),
                retention_days: s.keep.days.unwrap_or(365),
            };
            out.push((known, configuration));
        }
        Ok(out)
    }

    /// Changes a configuration.
    ///
    /// # Errors
    /// As [`App::add_configuration`].
    pub async fn change_configuration(&self, known: &Known, c: &Configuration) -> Result<(), OperationError> {
        let (database, source) = self.settings_of(c)?;
        self.put_configuration(&known.name, database, source)?;
        Ok(self.catalogue().touch_predecessor(known.id, self.now()).await?)
    }

    /// Removes a configuration; its archives stay.
    ///
    /// # Errors
    /// The file cannot be edited.
    pub async fn delete_configuration(&self, known: &Known) -> Result<(), OperationError> {
        for name in [known.name.clone(), files_of(&known.name)] {
            if self.file().schedule(&name).is_some() {
                self.delete_schedule(&name, None)?;
            }
        }
        Ok(self.catalogue().forget_predecessor(known.id).await?)
    }

    /// Runs a configuration: the database, and beside it the source if it has one. Answers the first run.
    ///
    /// # Errors
    /// A run of it waits already.
    pub async fn run_configuration(&self, known: &Known) -> Result<Run, OperationError> {
        let first = self.request_backup(&known.name, None).await?;
        let files = files_of(&known.name);
        if self.file().schedule(&files).is_some() {
            self.request_backup(&files, None).await?;
        }
        Ok(first)
    }
}
