//! Which archive is meant: a file, an id, a name with a version.

use crate::remote::Want;
use crate::{App, Elsewhere, Fetched, OperationError};
use backup_config::Home;
use backup_engine::{Access, Selection, store};
use backup_model::{Compression, Manifest, Name, unique_prefix_ok};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use std::path::{Path, PathBuf};

/// An archive that was found.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The archive file.
    pub path: PathBuf,
    /// Its sidecar, if it has one.
    pub manifest: Option<Manifest>,
}

/// An archive that can be read here, with what opens it. What was fetched of it goes with this.
pub struct Opened {
    /// The archive file.
    pub path: PathBuf,
    /// Keys and passphrases.
    pub access: Access,
    /// What was fetched.
    pub fetched: Option<Fetched>,
}

/// Splits `NAME@VERSION`; without a version the latest is meant.
///
/// # Errors
/// The version is neither `latest` nor a date or time.
pub fn split_version(word: &str, zone: Tz) -> Result<(&str, Option<DateTime<Utc>>), OperationError> {
    let Some((name, version)) = word.split_once('@') else { return Ok((word, None)) };
    if version == "latest" || version.is_empty() {
        return Ok((name, None));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(version) {
        return Ok((name, Some(time.with_timezone(&Utc))));
    }
    let local = |naive: NaiveDateTime| backup_model::to_instant(zone, naive);
    // A date means its end; a minute means its end too.
    if let Ok(date) = NaiveDate::parse_from_str(version, "%Y-%m-%d")
        && let Some(next) = date.checked_add_days(Days::new(1)).and_then(|d| local(d.and_time(NaiveTime::MIN)))
    {
        return Ok((name, Some(next - chrono::Duration::milliseconds(1))));
    }
    for (format, seconds) in [("%Y-%m-%dT%H:%M:%S", 1), ("%Y-%m-%d_%H-%M-%S", 1), ("%Y-%m-%dT%H:%M", 60), ("%Y-%m-%d %H:%M", 60)]
    {
        if let Ok(naive) = NaiveDateTime::parse_from_str(version, format)
            && let Some(time) = local(naive)
        {
            return Ok((name, Some(time + chrono::Duration::seconds(seconds) - chrono::Duration::milliseconds(1))));
        }
    }
    Err(OperationError::Invalid(format!(
        "{version:?} is no version; write {name}@latest, {name}@2026-11-20 or {name}@2026-11-20T09:00"
    )))
}

fn is_file_argument(word: &str) -> bool {
    word.contains('/') || Compression::of_file_name(word).is_some()
}

impl App {
    /// Finds the archive that a word means: a path (it holds a `/` or ends as an archive does), the
    /// beginning of an id, or a schedule's name with an optional `@latest` or `@TIME`. Without a
    /// recorded catalogue the sidecars on the disk are asked.
    ///
    /// # Errors
    /// Nothing is found, or the word is ambiguous.
    pub async fn resolve(&self, word: &str) -> Result<Resolved, OperationError> {
        if is_file_argument(word) {
            return self.resolve_file(Path::new(word));
        }
        let recorded = self.catalogue().is_recorded();
        if unique_prefix_ok(word) {
            let found = if recorded {
                let found = self.catalogue().archive_by_prefix(word).await?;
                found.map(|r| Resolved { path: PathBuf::from(r.path), manifest: Some(r.manifest) })
            } else {
                self.home().map(|h| id_on_disk(h, word)).transpose()?.flatten()
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let (name, time) = split_version(word, self.zone())?;
        let none = || {
            let when = if time.is_some() { " as old as that" } else { "" };
            OperationError::NotFound(format!(
                "there is no archive {word}{when}; `backupctl backups` lists them, and the path of a file always works"
            ))
        };
        let name = Name::new(name).map_err(|_| none())?;
        let time = time.unwrap_or(DateTime::<Utc>::MAX_UTC);
        if recorded {
            // The database counts milliseconds in 64 bits; the end of time is beyond them.
            let time = time.min(DateTime::from_timestamp_millis(i64::MAX / 2_000_000).unwrap_or(time));
            let found = self.catalogue().archive_at(name.as_str(), time).await?.ok_or_else(none)?;
            return Ok(Resolved { path: PathBuf::from(found.path), manifest: Some(found.manifest) });
        }
        let home = self.home().ok_or_else(none)?;
        let mut best: Option<Resolved> = None;
        for (path, manifest) in store::archives_in(&home.backups().join(name.as_str()))? {
            let Ok(manifest) = manifest else { continue };
            let newer = best.as_ref().and_then(|b| b.manifest.as_ref()).is_none_or(|b| b.started < manifest.started);
            if manifest.started <= time && newer {
                best = Some(Resolved { path, manifest: Some(manifest) });
            }
        }
        best.ok_or_else(none)
    }

    /// The same, here or in a destination: in the one that is named, or where the home does not have it in the first that
    /// has.
    ///
    /// # Errors
    /// Nothing is found, or the word is ambiguous.
    pub(crate) async fn resolve_anywhere(
        &self,
        word: &str,
        destination: Option<&str>,
    ) -> Result<(Resolved, Option<Elsewhere>), OperationError> {
        let mut id = None;
        if destination.is_none() {
            match self.resolve(word).await {
                Ok(found) if found.path.exists() || word.contains('/') => return Ok((found, None)),
                // Known here, but its files have gone.
                Ok(found) => id = found.manifest.map(|m| m.id.to_string()),
                Err(e @ OperationError::NotFound(_)) if self.file().destinations.is_empty() || word.contains('/') => {
                    return Err(e);
                }
                Err(OperationError::NotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
        let (place, manifest) = match id {
            // The catalogue knows which one the word means.
            Some(id) => self.find_known(&id).await?,
            None => self.find_elsewhere(word, destination).await?,
        };
        let path = PathBuf::from(format!("{}:{}/{}", place.destination, place.schedule, place.name));
        Ok((Resolved { path, manifest: Some(manifest) }, Some(place)))
    }

    /// The same, with what opens it here. Of an archive that lies in a destination only, what `wanted` reads is fetched;
    /// none fetches the index alone.
    ///
    /// # Errors
    /// As [`App::resolve`], or a key that was given cannot be read.
    pub async fn resolve_open(&self, word: &str, wanted: Option<Selection>) -> Result<Opened, OperationError> {
        let (found, elsewhere) = self.resolve_anywhere(word, None).await?;
        let access = self.access(found.manifest.as_ref().map(|m| m.schedule.as_str())).await?;
        let Some(place) = elsewhere else { return Ok(Opened { path: found.path, access, fetched: None }) };
        let want = wanted.map_or(Want::Index, Want::Part);
        let fetched = self.fetch(&place, want, &access, None).await?;
        Ok(Opened { path: fetched.path.clone(), access, fetched: Some(fetched) })
    }

    fn resolve_file(&self, path: &Path) -> Result<Resolved, OperationError> {
        let mut path = path.to_owned();
        // The plain file name of one of the home's archives does too.
        if !path.exists()
            && path.components().count() == 1
            && let Some(home) = self.home()
            && let Ok(folders) = std::fs::read_dir(home.backups())
        {
            let found: Vec<PathBuf> = folders.flatten().map(|f| f.path().join(&path)).filter(|p| p.exists()).collect();
            if let [only] = found.as_slice() {
                path.clone_from(only);
            } else if found.len() > 1 {
                return Err(OperationError::Invalid(format!(
                    "several schedules have an archive {}; write its whole path",
                    path.display()
                )));
            }
        }
        match std::fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Err(OperationError::Invalid(format!("{} is no archive file", path.display()))),
            Err(e) => return Err(OperationError::NotFound(format!("cannot open the archive {}: {e}", path.display()))),
        }
        let path =
            std::fs::canonicalize(&path).map_err(|e| OperationError::Failed(format!("cannot find {}: {e}", path.display())))?;
        // A damaged sidecar does not keep anybody from the archive.
        let manifest = store::read_manifest(&path).unwrap_or_default();
        Ok(Resolved { path, manifest })
    }
}

fn id_on_disk(home: &Home, prefix: &str) -> Result<Option<Resolved>, OperationError> {
    let prefix = prefix.to_ascii_lowercase();
    let mut found = Vec::new();
    for folder in std::fs::read_dir(home.backups()).into_iter().flatten().flatten() {
        for (path, manifest) in store::archives_in(&folder.path())? {
            if let Ok(manifest) = manifest
                && manifest.id.to_string().starts_with(&prefix)
            {
                found.push(Resolved { path, manifest: Some(manifest) });
            }
        }
    }
    if found.len() > 1 {
        return Err(OperationError::Invalid(format!("{prefix} is the beginning of several ids; give more of it")));
    }
    Ok(found.pop())
}
