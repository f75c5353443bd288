//! Brings archives back from destinations: all of a version, or the parts of it that a restore reads.

use super::{away, key_of};
use crate::live::LiveRun;
use crate::{App, OperationError};
use backup_engine::store::{INDEX_SUFFIX, SIDECAR_SUFFIX};
use backup_engine::{Access, Observer, Selection};
use backup_model::{Compression, Manifest, Name, Note, NoteLevel, format_size, unique_prefix_ok};
use backup_stores::{Meter, Object, Store, StoreError};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An archive in a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The destination.
    pub destination: String,
    /// The schedule.
    pub schedule: String,
    /// The file name.
    pub name: String,
}

/// What of an archive is needed.
pub(crate) enum Want {
    /// All of it, and of what it builds on.
    Whole,
    /// Only what says what is in it.
    Index,
    /// What a restore of this part reads.
    Part(Selection),
}

/// An archive that was fetched, in a folder that goes with this.
pub struct Fetched {
    /// The archive file.
    pub path: PathBuf,
    /// Bytes that came.
    pub bytes: u64,
    /// The folder, if it shall go again.
    folder: Option<PathBuf>,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A file that is needed: its name, and the stretches of it, or all.
type Needed = (String, Option<Vec<(u64, u64)>>);

/// The local time that an archive's name tells.
fn time_of(name: &str) -> Option<NaiveDateTime> {
    let (_, rest) = name.split_once('_')?;
    NaiveDateTime::parse_from_str(rest.get(..19)?, "%Y-%m-%d_%H-%M-%S").ok()
}

/// Reads a small object whole.
pub(super) async fn read_small(store: &dyn Store, key: &str, most: u64) -> Result<Vec<u8>, StoreError> {
    let size = store.size(key).await?.ok_or_else(|| StoreError::NotFound(format!("{key} is not there")))?;
    if size > most {
        return Err(StoreError::Invalid(format!("{key} has {size} bytes, more than such a file may have")));
    }
    let mut out = Vec::new();
    let mut sink = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    store.get(key, 0, size, &mut sink, &Meter::default()).await?;
    Ok(out)
}

/// A sidecar may be as large as this; notes of a run are in it.
pub(super) const MOST_SIDECAR: u64 = 64 << 20;

pub(super) async fn sidecar(store: &dyn Store, schedule: &str, name: &str) -> Result<Manifest, OperationError> {
    let key = key_of(schedule, &format!("{name}{SIDECAR_SUFFIX}"));
    let text = read_small(store, &key, MOST_SIDECAR).await?;
    backup_engine::store::parse_manifest(&text).map_err(|e| OperationError::Failed(format!("the sidecar {key}: {e}")))
}

/// Names of the archives of a schedule that are complete in a store, the newest first.
pub(super) fn complete(objects: &[Object], schedule: &str) -> Vec<String> {
    let names: std::collections::HashSet<&str> =
        objects.iter().filter_map(|o| o.key.strip_prefix(schedule)?.strip_prefix('/')).collect();
    let mut out: Vec<String> = names
        .iter()
        .filter(|n| {
            !n.contains('/') && Compression::of_file_name(n).is_some() && names.contains(format!("{n}{SIDECAR_SUFFIX}").as_str())
        })
        .map(|n| (*n).to_owned())
        .collect();
    out.sort_by_key(|n| (std::cmp::Reverse(time_of(n)), std::cmp::Reverse(n.clone())));
    out
}

/// The same, where archives of one second are told apart by their ids, which grow with time.
pub(super) async fn newest_first(store: &dyn Store, objects: &[Object], schedule: &str) -> Result<Vec<String>, OperationError> {
    let mut names = complete(objects, schedule);
    let mut at = 0;
    while at < names.len() {
        let end = names[at..].iter().position(|n| time_of(n) != time_of(&names[at])).map_or(names.len(), |n| at + n);
        if end - at > 1 {
            let mut tied = Vec::new();
            for name in &names[at..end] {
                tied.push((sidecar(store, schedule, name).await?.id, name.clone()));
            }
            tied.sort_by(|a, b| b.cmp(a));
            names.splice(at..end, tied.into_iter().map(|(_, name)| name));
        }
        at = end;
    }
    Ok(names)
}

/// A folder for what is fetched: in the home if it can be written to, else where temporary files go.
fn staging(app: &App) -> Result<PathBuf, OperationError> {
    let name = format!("fetched-{}", uuid::Uuid::now_v7());
    let places = app.home().map(|h| h.state()).into_iter().chain([std::env::temp_dir()]);
    let mut last = None;
    for place in places {
        let folder = place.join(&name);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) => last = Some(format!("{}: {e}", folder.display())),
        }
    }
    Err(OperationError::Failed(format!("there is no folder for what is fetched: {}", last.unwrap_or_default())))
}

/// Fetches stretches of an object into a file at the same places.
async fn fetch_ranges(
    store: &dyn Store,
    key: &str,
    to: &Path,
    size: u64,
    ranges: &[(u64, u64)],
    meter: &Meter,
) -> Result<(), OperationError> {
    let failed = |e: std::io::Error| OperationError::Failed(format!("cannot write {}: {e}", to.display()));
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(to).map_err(failed)?;
    file.set_len(size).map_err(failed)?;
    for (start, end) in ranges {
        let mut at = *start;
        let mut sink = |bytes: &[u8]| {
            file.write_all_at(bytes, at)?;
            at += bytes.len() as u64;
            Ok(())
        };
        store.get(key, *start, *end, &mut sink, meter).await?;
    }
    Ok(())
}

fn check_room(folder: &Path, bytes: u64) -> Result<(), OperationError> {
    let Ok(stat) = nix::sys::statvfs::statvfs(folder) else { return Ok(()) };
    let free = stat.blocks_available() * stat.fragment_size();
    if bytes > free {
        return Err(OperationError::Failed(format!(
            "{} are to be fetched, and {} has room for {}; free some, or set TMPDIR to a larger place and use no home",
            format_size(bytes),
            folder.display(),
            format_size(free)
        )));
    }
    Ok(())
}

impl App {
    /// The destinations where an archive is looked for: one that was named, those of the schedule, or all.
    fn places(&self, destination: Option<&str>, schedule: &str) -> Result<Vec<String>, OperationError> {
        if let Some(name) = destination {
            return Ok(vec![self.need_destination(name)?.name.to_string()]);
        }
        let file = self.file();
        let mut out: Vec<String> = file.schedule(schedule).into_iter().flat_map(away).map(str::to_owned).collect();
        let others = file.destinations.iter().map(|d| d.name.to_string());
        out.extend(others.filter(|d| !out.contains(d)).collect::<Vec<_>>());
        Ok(out)
    }

    /// Finds the archive that a word means in destinations; answers its sidecar too.
    ///
    /// # Errors
    /// None of them has it, or none can be reached.
    pub(crate) async fn find_elsewhere(
        &self,
        word: &str,
        destination: Option<&str>,
    ) -> Result<(Elsewhere, Manifest), OperationError> {
        let (name, time) = crate::split_version(word, self.zone())?;
        let places = self.places(destination, name)?;
        let mut troubles = Vec::new();
        for place in &places {
            let found = async {
                let store = self.open_store(&self.need_destination(place)?).await?;
                self.find_in(&*store, word, name, time).await
            };
            match found.await {
                Ok(Some((schedule, file, manifest))) => {
                    return Ok((Elsewhere { destination: place.clone(), schedule, name: file }, manifest));
                }
                Ok(None) => {}
                Err(e) => troubles.push(format!("{place}: {e}")),
            }
        }
        if !troubles.is_empty() {
            return Err(OperationError::Failed(format!("{word} could not be looked for: {}", troubles.join("; "))));
        }
        Err(OperationError::NotFound(if places.is_empty() {
            format!("there is no archive {word}; `backupctl backups` lists them, and the path of a file always works")
        } else {
            format!("there is no archive {word}, neither here nor in {}; `backupctl backups` lists them", places.join(" or "))
        }))
    }

    /// The archive that the catalogue knows, in the first destination that has it.
    pub(crate) async fn find_known(&self, id: &str) -> Result<(Elsewhere, Manifest), OperationError> {
        let record = self.catalogue().archive_by_prefix(id).await?;
        let record = record.ok_or_else(|| OperationError::NotFound(format!("there is no archive {id}")))?;
        let copies = self.catalogue().copies_of(record.manifest.id).await?;
        let mut stored = copies.into_iter().filter(|c| c.state == backup_catalogue::CopyState::Stored);
        match stored.find(|c| self.file().destination(&c.destination).is_some()) {
            Some(copy) => {
                let m = record.manifest;
                let (schedule, name) = (m.schedule.to_string(), m.archive.name.clone());
                Ok((Elsewhere { destination: copy.destination, schedule, name }, m))
            }
            None => Err(OperationError::NotFound(format!("{} is not there any more, and no destination has it", record.path))),
        }
    }

    async fn find_in(
        &self,
        store: &dyn Store,
        word: &str,
        name: &str,
        time: Option<DateTime<Utc>>,
    ) -> Result<Option<(String, String, Manifest)>, OperationError> {
        if Name::new(name).is_ok() {
            let list = store.list(name).await?;
            for file in newest_first(store, &list, name).await? {
                let manifest = sidecar(store, name, &file).await?;
                if time.is_none_or(|t| manifest.started <= t) {
                    return Ok(Some((name.to_owned(), file, manifest)));
                }
            }
        }
        let is_name = Compression::of_file_name(word).is_some();
        if !is_name && !unique_prefix_ok(word) {
            return Ok(None);
        }
        let list = store.list("").await?;
        let mut found = None;
        for object in &list {
            let Some((schedule, file)) = object.key.split_once('/') else { continue };
            if file.contains('/') || Compression::of_file_name(file).is_none() || is_name && file != word {
                continue;
            }
            if !list.iter().any(|o| o.key == format!("{}{SIDECAR_SUFFIX}", object.key)) {
                continue;
            }
            let manifest = sidecar(store, schedule, file).await?;
            if is_name || manifest.id.to_string().starts_with(&word.to_ascii_lowercase()) {
                if found.is_some() {
                    return Err(OperationError::Invalid(format!("several archives are meant by {word}; give more of it")));
                }
                found = Some((schedule.to_owned(), file.to_owned(), manifest));
            }
        }
        Ok(found)
    }

    /// Fetches an archive, with what it builds on and what lies beside them, into a folder that is removed with the
    /// answer.
    pub(crate) async fn fetch(
        &self,
        place: &Elsewhere,
        want: Want,
        access: &Access,
        live: Option<&Arc<LiveRun>>,
    ) -> Result<Fetched, OperationError> {
        let folder = staging(self)?;
        let mut fetched = Fetched { path: folder.join(&place.name), bytes: 0, folder: Some(folder.clone()) };
        fetched.bytes = self.fetch_into(place, want, access, &folder, live).await?;
        Ok(fetched)
    }

    async fn fetch_into(
        &self,
        place: &Elsewhere,
        want: Want,
        access: &Access,
        folder: &Path,
        live: Option<&Arc<LiveRun>>,
    ) -> Result<u64, OperationError> {
        let store = self.open_store(&self.need_destination(&place.destination)?).await?;
        let sizes: HashMap<String, u64> = store.list(&place.schedule).await?.into_iter().map(|o| (o.key, o.size)).collect();
        let meter = Meter::default();
        let watch = live.map(|live| {
            let (live, meter) = (Arc::clone(live), meter.clone());
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    live.progress(0, meter.received(), 0, b"(fetching)");
                    if live.is_cancelled() {
                        return meter.cancel();
                    }
                }
            })
        });
        let done = self.fetch_all(&*store, &sizes, place, want, access, folder, &meter).await;
        if let Some(watch) = watch {
            watch.abort();
        }
        done?;
        if let Some(live) = live {
            let text = format!("fetched {} of {}", format_size(meter.received()), place.name);
            live.note(Note { level: NoteLevel::Info, path: place.destination.clone(), text });
        }
        Ok(meter.received())
    }

    #[expect(clippy::too_many_arguments, reason = "what is fetched, from where, to where, and who hears of it")]
    async fn fetch_all(
        &self,
        store: &dyn Store,
        sizes: &HashMap<String, u64>,
        place: &Elsewhere,
        want: Want,
        access: &Access,
        folder: &Path,
        meter: &Meter,
    ) -> Result<(), OperationError> {
        let key = |name: &str| key_of(&place.schedule, name);
        let whole = async |name: &str| -> Result<bool, OperationError> {
            let Some(size) = sizes.get(&key(name)) else { return Ok(false) };
            fetch_ranges(store, &key(name), &folder.join(name), *size, &[(0, *size)], meter).await?;
            Ok(true)
        };
        let beside = async |name: &str| -> Result<(), OperationError> {
            whole(&format!("{name}{SIDECAR_SUFFIX}")).await?;
            whole(&format!("{name}{INDEX_SUFFIX}")).await?;
            Ok(())
        };
        let archive = folder.join(&place.name);
        beside(&place.name).await?;
        let (path, with) = (archive.clone(), access.clone());
        let beneath = crate::work::blocking(move || backup_engine::builds_on(&path, &with)).await?;
        for name in &beneath {
            // A name of an index that others may have written names a file beside it, never a path.
            if name.contains('/') || !sizes.contains_key(&key(name)) {
                return Err(OperationError::Failed(format!(
                    "{} builds on {name}, which {} does not have",
                    place.name, place.destination
                )));
            }
            beside(name).await?;
        }
        let nothing = |names: &mut dyn Iterator<Item = &String>| names.map(|n| (n.clone(), Some(Vec::new()))).collect();
        let wanted: Vec<Needed> = match want {
            Want::Index => nothing(&mut std::iter::once(&place.name).chain(&beneath)),
            Want::Whole => std::iter::once(&place.name).chain(&beneath).map(|n| (n.clone(), None)).collect(),
            Want::Part(selection) => {
                let with = access.clone();
                let parts = crate::work::blocking(move || backup_engine::parts(&archive, &selection, &with)).await?;
                let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let mut wanted: Vec<_> = parts.into_iter().map(|p| (name(&p.archive), p.ranges)).collect();
                // An archive of which nothing is needed has its size all the same, and no contents.
                for other in std::iter::once(&place.name).chain(&beneath) {
                    if wanted.iter().all(|(name, _)| name != other) {
                        wanted.push((other.clone(), Some(Vec::new())));
                    }
                }
                wanted
            }
        };
        let bytes = wanted.iter().map(|(name, ranges)| match ranges {
            Some(ranges) => ranges.iter().map(|(start, end)| end - start).sum(),
            None => sizes.get(&key(name)).copied().unwrap_or_default(),
        });
        check_room(folder, bytes.sum())?;
        for (name, ranges) in &wanted {
            let size = sizes.get(&key(name)).copied().unwrap_or_default();
            let all = [(0, size)];
            fetch_ranges(store, &key(name), &folder.join(name), size, ranges.as_deref().unwrap_or(&all), meter).await?;
        }
        Ok(())
    }

    /// The archives that one run has made of databases: a copy of a server is several.
    async fn with_its_run(&self, place: Elsewhere, manifest: &Manifest) -> Result<Vec<Elsewhere>, OperationError> {
        let mut out = vec![place.clone()];
        if manifest.database.is_some() {
            let store = self.open_store(&self.need_destination(&place.destination)?).await?;
            let names = complete(&store.list(&place.schedule).await?, &place.schedule);
            for name in names.into_iter().filter(|n| *n != place.name && time_of(n) == time_of(&place.name)) {
                if sidecar(&*store, &place.schedule, &name).await?.run == manifest.run {
                    out.push(Elsewhere { name, ..place.clone() });
                }
            }
        }
        Ok(out)
    }

    /// Fetches an archive, with what it builds on and what its run made beside it, into a folder where it stays.
    ///
    /// # Errors
    /// No destination has it, or the folder has one of these files already.
    pub async fn fetch_to(&self, word: &str, destination: Option<&str>, folder: &Path) -> Result<Fetched, OperationError> {
        let (place, manifest) = self.find_elsewhere(word, destination).await?;
        let access = self.access(Some(manifest.schedule.as_str())).await?;
        let failed =
            |what: &str, path: &Path, e: std::io::Error| OperationError::Failed(format!("cannot {what} {}: {e}", path.display()));
        std::fs::create_dir_all(folder).map_err(|e| failed("make", folder, e))?;
        // Beside where they shall be, and with their names only when they are whole.
        let coming = folder.join(format!(".fetching-{}", uuid::Uuid::now_v7()));
        std::fs::DirBuilder::new().mode(0o700).create(&coming).map_err(|e| failed("make", &coming, e))?;
        let mut fetched = Fetched { path: folder.join(&place.name), bytes: 0, folder: Some(coming.clone()) };
        for place in self.with_its_run(place, &manifest).await? {
            fetched.bytes += self.fetch_into(&place, Want::Whole, &access, &coming, None).await?;
        }
        let entries = std::fs::read_dir(&coming).map_err(|e| failed("read", &coming, e))?;
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
        names.sort();
        for name in &names {
            let to = folder.join(name);
            match backup_engine::store::rename_new(&coming.join(name), &to) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    return Err(OperationError::Conflict(format!("{} is there already; choose an empty folder", to.display())));
                }
                done => done.map_err(|e| failed("name", &to, e))?,
            }
        }
        Ok(fetched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_archives_with_their_sidecars_count_and_the_newest_comes_first() {
        let object = |key: &str| Object { key: key.to_owned(), size: 1 };
        let list: Vec<Object> = [
            "docs/full_2026-11-20_09-00-00.tar.gz",
            "docs/full_2026-11-20_09-00-00.tar.gz.json",
            "docs/inc_2026-11-21_09-00-00.tar.gz",
            "docs/inc_2026-11-21_09-00-00.tar.gz.json",
            "docs/inc_2026-11-22_09-00-00.tar.gz",
            "docs/note.txt",
            "docs/deeper/full_2026-11-23_09-00-00.tar.gz",
            "docs/deeper/full_2026-11-23_09-00-00.tar.gz.json",
            "docs/note.txt.json",
            "docs2/full_2026-11-25_09-00-00.tar.gz",
            "docs2/full_2026-11-25_09-00-00.tar.gz.json",
        ]
        .map(object)
        .to_vec();
        assert_eq!(complete(&list, "docs"), ["inc_2026-11-21_09-00-00.tar.gz", "full_2026-11-20_09-00-00.tar.gz"]);
    }
}
