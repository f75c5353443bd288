//! The recovery kit: the schedules (without secrets) and the history (without users, tokens, sessions, outbox), sent to
//! every destination after each run. It is an archive like others, of the name `recovery`, so that GNU tar opens it; it
//! is encrypted whenever a schedule is, by the keys of the first one.
//!
//! Runs lie in one file for each day, so that a run changes one small file and the kit is an increment of little more.

use super::fetch::newest_first;
use super::key_of;
use crate::request::new_uuid;
use crate::{App, OperationError};
use backup_catalogue::{HistoryFilter, Sort};
use backup_engine::store::{self, INDEX_SUFFIX, SIDECAR_SUFFIX, index_path, sidecar_path};
use backup_engine::{BackupPlan, BaseArchive, Silent};
use backup_model::{ArchiveId, Compression, Detect, FileSource, Kind, Name, Run, RunId};
use backup_stores::{Meter, Store, Upload};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of kits; no schedule may have it.
pub(super) const RECOVERY: &str = "recovery";
/// After so many increments a kit is full again.
const FULL_EVERY: usize = 30;
/// Chains of kits that stay in a destination: the present one, and the one before.
const CHAINS: usize = 2;
/// Rows of the history that are read at a time.
const PAGE: u64 = 1000;

/// What a kit says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// The version of its form.
    pub(super) version: u32,
    /// When it was made.
    pub(super) made: DateTime<Utc>,
    /// Where.
    pub(super) host: String,
    /// The zone of that machine.
    pub(super) timezone: String,
    /// By which program.
    pub(super) tool: String,
    /// To which destination it was sent.
    pub(super) destination: String,
}

/// Names of the files of a kit.
pub(super) const ABOUT: &str = "kit.json";
pub(super) const SCHEDULES: &str = "schedules.toml";
pub(super) const RUNS: &str = "runs";
pub(super) const STATES: &str = "states.json";
pub(super) const ARCHIVES: &str = "archives.json";

/// What is known of an archive beside its sidecar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptArchive {
    /// Its id.
    pub(super) id: ArchiveId,
    /// Its schedule.
    pub(super) schedule: Name,
    /// Its file name.
    pub(super) name: String,
    /// Whether somebody pinned it.
    pub(super) pinned: bool,
    /// Its last verification: when, deep or not, and whether it passed.
    pub(super) verified: Option<(DateTime<chrono::FixedOffset>, bool, bool)>,
}

fn failed(what: &str, path: &Path) -> impl Fn(std::io::Error) -> OperationError {
    let text = format!("cannot {what} {}", path.display());
    move |e| OperationError::Failed(format!("{text}: {e}"))
}

/// Writes a file anew only if it changes, so that an increment leaves it out otherwise.
fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), OperationError> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(failed("write", path))
}

impl App {
    fn kit_folder(&self) -> Result<PathBuf, OperationError> {
        Ok(self.need_home()?.state().join("kit"))
    }

    /// Brings the files of the kit up to date: the days since the last time.
    async fn write_kit(&self, destination: &str) -> Result<PathBuf, OperationError> {
        let folder = self.kit_folder()?.join("files");
        let runs = folder.join(RUNS);
        std::fs::create_dir_all(&runs).map_err(failed("make", &runs))?;
        write_changed(&folder.join(SCHEDULES), self.editor()?.export()?.as_bytes())?;
        let mark_path = self.kit_folder()?.join("written-until");
        let mark: Option<NaiveDate> = std::fs::read_to_string(&mark_path).ok().and_then(|t| t.trim().parse().ok());
        let now = self.now();
        // A run that was open at the last time may have begun some days before it.
        let from = mark.and_then(|m| m.checked_sub_days(chrono::Days::new(8)));
        let mut filter = HistoryFilter {
            from: from.map(|d| d.and_time(chrono::NaiveTime::MIN).and_utc()),
            sort: Sort::default(),
            ascending: true,
            limit: PAGE,
            ..HistoryFilter::default()
        };
        let mut day: Option<(NaiveDate, Vec<u8>)> = None;
        let put = |day: &(NaiveDate, Vec<u8>)| write_changed(&runs.join(format!("{}.jsonl", day.0)), &day.1);
        loop {
            let page = self.catalogue().history(&filter).await?;
            for run in page.runs.iter().filter(|r| r.ended.is_some()) {
                let date = run.created.date_naive();
                if let Some(full) = day.take_if(|d| d.0 != date) {
                    put(&full)?;
                }
                let lines = &mut day.get_or_insert_with(|| (date, Vec::new())).1;
                serde_json::to_writer(&mut *lines, run).map_err(|e| OperationError::Failed(e.to_string()))?;
                lines.push(b'\n');
            }
            filter.offset += PAGE;
            if filter.offset >= page.total {
                break;
            }
        }
        if let Some(last) = &day {
            put(last)?;
        }
        let json = |e: serde_json::Error| OperationError::Failed(e.to_string());
        let states = self.catalogue().schedule_states().await?;
        write_changed(&folder.join(STATES), &serde_json::to_vec(&states).map_err(json)?)?;
        let archives = self.catalogue().archives(None, None, 0).await?.into_iter().map(|r| KeptArchive {
            id: r.manifest.id,
            schedule: r.manifest.schedule,
            name: r.manifest.archive.name,
            pinned: r.pinned,
            verified: r.verified,
        });
        let archives: Vec<KeptArchive> = archives.collect();
        write_changed(&folder.join(ARCHIVES), &serde_json::to_vec(&archives).map_err(json)?)?;
        let about = About {
            version: 1,
            made: now,
            host: self.host().to_owned(),
            timezone: self.zone().name().to_owned(),
            tool: format!("backupctl {}", crate::VERSION),
            destination: destination.to_owned(),
        };
        let text = serde_json::to_vec_pretty(&about).map_err(|e| OperationError::Failed(e.to_string()))?;
        write_changed(&folder.join(ABOUT), &text)?;
        std::fs::write(&mark_path, now.date_naive().to_string()).map_err(failed("write", &mark_path))?;
        Ok(folder)
    }

    /// Makes a kit for a destination, on the last one for it if that can be.
    async fn make_kit(&self, destination: &str, there: &[String]) -> Result<PathBuf, OperationError> {
        let files = self.write_kit(destination).await?;
        let file = self.file();
        let seal = match file.schedules.iter().find(|s| s.encrypt.is_some()) {
            Some(schedule) => self.seal_of(schedule).await?,
            None => None,
        };
        let folder = self.kit_folder()?.join(destination);
        let last =
            store::archives_in(&folder)?.into_iter().filter_map(|(path, m)| Some((path, m.ok()?))).max_by_key(|(_, m)| m.started);
        let since_full = there.iter().take_while(|n| Kind::of_file_name(n) != Some(Kind::Full)).count();
        // Only what the destination really has can be built on.
        let base = last.filter(|(_, m)| there.first() == Some(&m.archive.name) && since_full < FULL_EVERY);
        let access = self.access(file.schedules.iter().find(|s| s.encrypt.is_some()).map(|s| s.name.as_str())).await?;
        let name = Name::new(RECOVERY).map_err(|e| OperationError::Failed(e.to_string()))?;
        let zone = self.zone();
        let plan = BackupPlan {
            id: ArchiveId(new_uuid()),
            run: RunId(new_uuid()),
            schedule: name,
            source: FileSource { paths: vec![files.clone()], ..FileSource::default() },
            roots: vec![files],
            folder: folder.clone(),
            taken: there.to_vec(),
            kind: if base.is_some() { Kind::Incremental } else { Kind::Full },
            base: base.as_ref().map(|(path, _)| BaseArchive { archive: path.clone(), access }),
            full_because: None,
            detect: Detect::default(),
            live: None,
            limits: Vec::new(),
            never: Vec::new(),
            compression: Compression::Gzip(5),
            seal,
            planned: None,
            started: self.now().with_timezone(&zone).fixed_offset(),
            timezone: zone.name().to_owned(),
            host: self.host().to_owned(),
            tool: format!("backupctl {}", crate::VERSION),
            expected: None,
        };
        let clock = self.clone();
        let made = crate::work::blocking(move || {
            backup_engine::backup(&plan, &|| clock.now().with_timezone(&zone).fixed_offset(), &Silent)
        });
        Ok(made.await?.path)
    }

    /// Sends a kit to a destination and removes old ones there. Its trouble is logged: the archives are there.
    pub(super) async fn send_kit(&self, destination: &str, to: &dyn Store) {
        let _alone = self.kit_lock().lock().await;
        if let Err(e) = self.try_send_kit(destination, to).await {
            tracing::error!("the recovery kit could not be sent to {destination}: {e}; it is sent with the next archive");
        }
    }

    async fn try_send_kit(&self, destination: &str, to: &dyn Store) -> Result<(), OperationError> {
        let there = newest_first(to, &to.list(RECOVERY).await?, RECOVERY).await?;
        let path = self.make_kit(destination, &there).await?;
        let notes = self.need_home()?.state().join("uploads").join(destination);
        for file in [path.clone(), index_path(&path), sidecar_path(&path)] {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let upload = Upload { note: notes.join(format!("{RECOVERY}-{name}.json")), file, sha256: None };
            to.put(&key_of(RECOVERY, &name), &upload, &Meter::default()).await?;
        }
        // Here only the newest is needed, to build on.
        let folder = self.kit_folder()?.join(destination);
        for (old, manifest) in store::archives_in(&folder)? {
            if old != path
                && let Ok(manifest) = manifest
            {
                store::remove(&old, manifest.id, self.local_indexes().as_deref())?;
            }
        }
        if !to.capabilities().delete {
            return Ok(());
        }
        let full = |name: &&String| Kind::of_file_name(name) == Some(Kind::Full);
        // A new full one may just have joined; what lies behind the last chain that stays goes.
        let new_full = usize::from(path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("full_")));
        let Some(last) = there.iter().filter(full).nth(CHAINS - 1 - new_full.min(CHAINS - 1)) else { return Ok(()) };
        for name in there.iter().skip_while(|n| *n != last).skip(1) {
            for suffix in [SIDECAR_SUFFIX, INDEX_SUFFIX, ""] {
                to.delete(&key_of(RECOVERY, &format!("{name}{suffix}"))).await?;
            }
        }
        Ok(())
    }
}

/// Reads the runs of a kit's files, a day at a time.
pub(super) fn runs_of(folder: &Path) -> Result<Vec<Vec<Run>>, OperationError> {
    let folder = folder.join(RUNS);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let mut out = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(failed("read", &path))?;
        let runs: Result<Vec<Run>, _> = text.lines().map(serde_json::from_str).collect();
        out.push(runs.map_err(|e| OperationError::Failed(format!("{} is damaged: {e}", path.display())))?);
    }
    Ok(out)
}
