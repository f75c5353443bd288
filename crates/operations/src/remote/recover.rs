//! A home made anew from a destination alone: schedules and history from its kit, archives from what lies there.

use super::DestinationWish;
use super::fetch::{Elsewhere, Want, complete, newest_first, sidecar};
use super::kit::{ABOUT, ARCHIVES, About, KeptArchive, RECOVERY, SCHEDULES, STATES, runs_of};
use crate::secrets::{GivenKeys, GivenSecret};
use crate::{App, Clock, Mode, OperationError};
use backup_catalogue::ScheduleState;
use backup_config::{Home, local_zone};
use backup_engine::{Owners, RestorePlan, Silent};
use backup_model::{DestinationSettings, Name, StoreUrl};
use backup_stores::Secrets;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the destination while its kit is not read yet.
const THERE: &str = "recovered";

/// Where a home is recovered from, with the secrets that open it.
#[derive(Clone, Default)]
pub struct GivenStore {
    /// The destination's URL.
    pub url: String,
    /// Secrets and tokens.
    pub secrets: Secrets,
    /// SFTP: the private key's file.
    pub identity: Option<PathBuf>,
    /// SFTP: the file with the server's public keys.
    pub known_hosts: Option<PathBuf>,
    /// TLS: the file with further authorities.
    pub ca: Option<PathBuf>,
}

/// What was recovered.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// When the kit was made: the history is as of this time.
    pub made: DateTime<Utc>,
    /// The machine that made it.
    pub host: String,
    /// The destination's name in the file.
    pub destination: String,
    /// Schedules in the file.
    pub schedules: usize,
    /// Runs of the history.
    pub runs: u64,
    /// Archives that are there.
    pub archives: u64,
    /// What somebody has to see to.
    pub notes: Vec<String>,
}

fn failed(what: &str, path: &Path) -> impl Fn(std::io::Error) -> OperationError {
    let text = format!("cannot {what} {}", path.display());
    move |e| OperationError::Failed(format!("{text}: {e}"))
}

/// The folder beneath another that holds the kit's own file: its sources are restored with their whole paths.
fn kit_in(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        if at.join(ABOUT).is_file() {
            return Some(at);
        }
        let entries = std::fs::read_dir(&at).ok()?.flatten();
        folders.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
    }
    None
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, OperationError> {
    let text = std::fs::read(path).map_err(failed("read", path))?;
    serde_json::from_slice(&text).map_err(|e| OperationError::Failed(format!("{} is damaged: {e}", path.display())))
}

impl GivenStore {
    fn settings(&self, name: &str) -> Result<DestinationSettings, OperationError> {
        let invalid = |e: &dyn std::fmt::Display| OperationError::Invalid(e.to_string());
        let place: StoreUrl = self.url.parse().map_err(|e| invalid(&e))?;
        if place.in_clear() {
            return Err(OperationError::Invalid(
                "secrets and archives do not travel in clear to another machine: use https".into(),
            ));
        }
        let name = Name::new(name).map_err(|e| invalid(&e))?;
        Ok(DestinationSettings {
            identity: self.identity.clone(),
            known_hosts: self.known_hosts.clone(),
            ca: self.ca.clone(),
            ..DestinationSettings::new(name, self.url.clone(), place)
        })
    }
}

/// Makes a home anew from a destination.
///
/// # Errors
/// There is a home already, the destination cannot be read or has no kit, or no key opens it.
pub async fn recover(
    home: Home,
    clock: Arc<dyn Clock>,
    given: GivenStore,
    keys: GivenKeys,
) -> Result<(App, Recovered), OperationError> {
    if home.schedules().exists() || home.catalogue().exists() {
        return Err(OperationError::Conflict(format!(
            "{} is a home already; recover into an empty folder (`--home DIR`), or move this one away",
            home.root().display()
        )));
    }
    let settings = given.settings(THERE)?;
    let store = backup_stores::open(&settings, given.secrets.clone())?;
    let kits = newest_first(&*store, &store.list(RECOVERY).await?, RECOVERY).await?;
    let Some(newest) = kits.first() else {
        return Err(OperationError::NotFound(format!(
            "there is no recovery kit in {}; is it the URL of the destination as `backupctl destination list` showed it, with its folder or prefix?",
            settings.place
        )));
    };
    home.make_folders().map_err(|e| OperationError::Failed(e.to_string()))?;
    // Until the kit's own file is here, the only thing known is where it lies.
    let blank = "version = 1\n[daemon]\nlisten = \"\"\n";
    std::fs::write(home.schedules(), blank).map_err(failed("write", &home.schedules()))?;
    let made = recover_into(&home, clock, &given, keys, newest).await;
    if made.is_err() {
        // Nothing is left that would be taken for a home at the next try.
        let _ = std::fs::remove_file(home.schedules());
        for suffix in ["", "-wal", "-shm"] {
            let mut path = home.catalogue().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
    made
}

async fn recover_into(
    home: &Home,
    clock: Arc<dyn Clock>,
    given: &GivenStore,
    keys: GivenKeys,
    newest: &str,
) -> Result<(App, Recovered), OperationError> {
    let first = App::detached(Some(home.clone()), Arc::clone(&clock)).await?;
    first.give_keys(keys.clone());
    first.keep_destination(THERE, given, true)?;
    first.reload();
    let place = Elsewhere { destination: THERE.into(), schedule: RECOVERY.into(), name: newest.to_owned() };
    let access = first.access(None).await?;
    let fetched = first.fetch(&place, Want::Whole, &access, None).await?;
    let scratch = home.state().join("recovering");
    let plan = RestorePlan {
        archive: fetched.path.clone(),
        target: scratch.clone(),
        paths: Vec::new(),
        overwrite: backup_engine::Overwrite::Always,
        dry_run: false,
        max_entries: None,
        max_bytes: None,
        skip_damaged: false,
        patterns: Vec::new(),
        strip: 0,
        owners: Owners::default(),
        access,
    };
    crate::work::blocking(move || backup_engine::restore(&plan, &Silent)).await?;
    drop(fetched);
    let wrong = || OperationError::Failed(format!("{newest} holds no recovery kit"));
    let kit = kit_in(&scratch).ok_or_else(wrong)?;
    let about: About = read_json(&kit.join(ABOUT))?;
    if about.version != 1 {
        return Err(OperationError::Failed(format!(
            "the kit has version {}, which this program does not know; use the newer program",
            about.version
        )));
    }
    let schedules = kit.join(SCHEDULES);
    let text = std::fs::read_to_string(&schedules).map_err(failed("read", &schedules))?;
    backup_config::parse(&text, local_zone()).map_err(|e| OperationError::Failed(format!("the kit's schedules: {e}")))?;
    std::fs::write(home.schedules(), text).map_err(failed("write", &home.schedules()))?;
    first.forget_destination_secrets(THERE)?;
    drop(first);
    let app = App::open(home.clone(), clock, Mode::InProcess).await?;
    app.give_keys(keys);
    // Under the name that it had, with the secrets that have just opened it.
    let known = app.file().destination(&about.destination).is_some();
    app.keep_destination(&about.destination, given, !known)?;
    app.reload();
    let mut done = Recovered {
        made: about.made,
        host: about.host,
        destination: about.destination.clone(),
        schedules: app.file().schedules.len(),
        ..Recovered::default()
    };
    for runs in runs_of(&kit)? {
        done.runs += runs.len() as u64;
        app.catalogue().import_runs(&runs).await?;
    }
    let states: BTreeMap<String, ScheduleState> = read_json(&kit.join(STATES))?;
    app.catalogue().import_schedule_states(&states).await?;
    app.take_in_archives(&about.destination, &read_json::<Vec<KeptArchive>>(&kit.join(ARCHIVES))?, &mut done).await?;
    std::fs::remove_dir_all(&scratch).map_err(failed("remove", &scratch))?;
    app.missing_files(&mut done);
    tracing::info!("recovered from {} as of {}", given.url, done.made);
    Ok((app, done))
}

impl App {
    /// Writes a destination into the file, with the secrets that were given, kept in files of the home.
    fn keep_destination(&self, name: &str, given: &GivenStore, new: bool) -> Result<(), OperationError> {
        let s = &given.secrets;
        let secrets = [
            ("access_key", &s.access_key),
            ("secret_key", &s.secret_key),
            ("password", &s.password),
            ("token", &s.token),
            ("read_token", &s.read_token),
        ];
        let secrets = secrets.into_iter().filter_map(|(key, secret)| Some((key, GivenSecret::Text(secret.clone()?))));
        let files = [("identity", &given.identity), ("known_hosts", &given.known_hosts), ("ca", &given.ca)];
        let files = files.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?.display().to_string())));
        let wish = DestinationWish {
            name: name.to_owned(),
            url: Some(given.url.clone()),
            secrets: secrets.collect(),
            files: files.collect(),
            limit: None,
            lock_days: None,
            unset: Vec::new(),
        };
        if new { self.add_destination(wish) } else { self.change_destination(wish) }
    }

    /// Takes every archive in that is complete in a destination.
    async fn take_in_archives(
        &self,
        destination: &str,
        kept: &[KeptArchive],
        done: &mut Recovered,
    ) -> Result<(), OperationError> {
        let home = self.need_home()?;
        let store = self.open_store(&self.need_destination(destination)?).await?;
        let objects = store.list("").await?;
        let schedules: BTreeSet<&str> = objects.iter().filter_map(|o| o.key.split_once('/')).map(|(s, _)| s).collect();
        for schedule in schedules {
            if schedule == RECOVERY || schedule == "destination-test" || Name::new(schedule).is_err() {
                continue;
            }
            for name in complete(&objects, schedule) {
                let manifest = match sidecar(&*store, schedule, &name).await {
                    Ok(manifest) => manifest,
                    Err(e) => {
                        done.notes.push(format!("{schedule}/{name} was left out: {e}"));
                        continue;
                    }
                };
                let path = home.backups().join(schedule).join(&name);
                self.catalogue().adopt_copy(&manifest, &path.display().to_string(), destination, self.now()).await?;
                done.archives += 1;
                if let Some(known) = kept.iter().find(|k| k.id == manifest.id) {
                    self.catalogue().set_pinned(manifest.id, known.pinned).await?;
                    if let Some((at, deep, ok)) = known.verified {
                        self.catalogue().set_verified(manifest.id, at.with_timezone(&Utc), deep, ok).await?;
                    }
                }
            }
        }
        let lost = kept.iter().filter(|k| !objects.iter().any(|o| o.key == format!("{}/{}", k.schedule, k.name))).count();
        if lost > 0 {
            done.notes.push(format!(
                "{lost} archives that were in the home are not in this destination; if another one has them, `backupctl fetch` brings them from there"
            ));
        }
        Ok(())
    }

    /// Says which files the schedules refer to that are not on this machine: secrets do not travel with a kit.
    fn missing_files(&self, done: &mut Recovered) {
        let Ok(home) = self.need_home() else { return };
        let file = self.file();
        let mut sources: Vec<&Option<backup_model::SecretSource>> = Vec::new();
        for d in &file.destinations {
            sources.extend([&d.access_key, &d.secret_key, &d.password, &d.token, &d.read_token]);
        }
        sources.extend(file.databases.iter().map(|d| &d.password));
        let encrypts = || file.schedules.iter().filter_map(|s| s.encrypt.as_ref());
        sources.extend(encrypts().map(|e| &e.passphrase));
        let mut wanted: BTreeSet<PathBuf> = encrypts().flat_map(|e| &e.to).map(|p| home.root().join(p)).collect();
        for source in sources {
            if let Some(backup_model::SecretSource::File(path)) = source {
                wanted.insert(home.root().join(path));
            }
        }
        let runs = |h: &backup_model::Hooks| !(h.before.is_empty() && h.after.is_empty() && h.on_failure.is_empty());
        for schedule in file.schedules.iter().filter(|s| runs(&s.hooks)) {
            done.notes.push(format!(
                "{} runs commands before or after its backups; look at them in schedules.toml before `backupctl start`",
                schedule.name
            ));
        }
        for path in wanted.iter().filter(|p| !p.exists()) {
            done.notes.push(format!("{} is named in schedules.toml and is not on this machine; put it there", path.display()));
        }
    }
}
