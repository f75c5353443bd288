//! Restores of databases, and trial restores.

use super::copy::{Place, copy_one};
use super::{Hearing, working};
use crate::live::LiveRun;
use crate::work::Outcome;
use crate::{App, OperationError};
use backup_databases::{Connection, DatabaseError, DumpStream, RestoreFrom, RestorePlan, Restored, SafetyCopy};
use backup_engine::{Access, EngineError, Observer, StreamReader, is_stream};
use backup_model::{
    ArchiveRecord, Cause, Content, DatabaseFacts, DatabaseSettings, DatabaseUrl, Databases, FileSource, Form, Manifest, Name,
    Note, NoteLevel, Operation, Run, RunCounts, Schedule, SecretSource, Trigger,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to bring back into a database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DatabaseWish {
    /// The archive file.
    pub archive: PathBuf,
    /// The database to restore into, or a whole URL.
    pub into: String,
    /// The server, by its name in the file; that which the archive is of if it is left out.
    pub server: Option<String>,
    /// A file with the password for a URL.
    pub password_file: Option<PathBuf>,
    /// Replace a database that holds something.
    pub overwrite: bool,
    /// No copy of what is replaced.
    pub no_safety_dump: bool,
    /// Definitions only.
    pub metadata_only: bool,
    /// One table only.
    pub table: Option<String>,
    /// Leave out owners and rights.
    pub no_owner: bool,
    /// Keep the replaced database under another name.
    pub keep_old: bool,
}

struct Dump(StreamReader, Option<u64>);

impl Read for Dump {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(out)
    }
}

impl DumpStream for Dump {
    fn finish(self: Box<Self>) -> Result<(), String> {
        self.0.finish().map_err(|e| e.to_string())
    }
    fn place(&self) -> (u64, Option<u64>) {
        (self.0.position(), self.1)
    }
}

fn open(path: &Path, access: &Access) -> Result<Box<dyn DumpStream>, DatabaseError> {
    let reader = StreamReader::open(path, access).map_err(|e| match e {
        EngineError::NoKey { .. } => DatabaseError::Inconclusive(format!("no key here: {e}")),
        e => DatabaseError::Refused(e.to_string()),
    })?;
    let size = reader.manifest().map(|m| m.archive.tar_size);
    Ok(Box::new(Dump(reader, size)))
}

/// What an archive is, by its sidecar or else by its name.
fn kind_of(path: &Path, manifest: Option<&Manifest>) -> Result<(Form, Content), OperationError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let form = Form::of_file_name(&name).filter(|f| *f != Form::Tar);
    let Some(form) = form else {
        return Err(OperationError::Invalid(format!("{} holds files, not a database; restore it with --to DIR", path.display())));
    };
    let content = manifest.and_then(|m| m.content.parse().ok()).unwrap_or_default();
    Ok((form, content))
}

impl App {
    /// The archive of a database that a word means. A schedule's name with several databases needs one of them.
    ///
    /// # Errors
    /// There is none, or several are meant.
    async fn resolve_database(&self, word: &str, database: Option<&str>) -> Result<crate::Resolved, OperationError> {
        let resolved = self.resolve(word).await?;
        let Some(manifest) = resolved.manifest.as_ref().filter(|m| {
            let by_name = word.split('@').next().is_some_and(|w| w == m.schedule.as_str());
            by_name && m.database.is_some()
        }) else {
            return Ok(resolved);
        };
        let run = manifest.run;
        let all: Vec<(PathBuf, Manifest)> = if self.catalogue().is_recorded() {
            let records = self.catalogue().archives(Some(manifest.schedule.as_str()), None, 0).await?;
            records.into_iter().map(|r| (PathBuf::from(r.path), r.manifest)).collect()
        } else {
            let folder = resolved.path.parent().unwrap_or(Path::new("/"));
            backup_engine::store::archives_in(folder)?.into_iter().filter_map(|(p, m)| Some((p, m.ok()?))).collect()
        };
        let name = |m: &Manifest| m.database.as_ref().and_then(|d| d.database.clone());
        let mut fit: Vec<(PathBuf, Manifest)> =
            all.into_iter().filter(|(_, m)| m.run == run && name(m).is_some_and(|n| database.is_none_or(|d| d == n))).collect();
        fit.sort_by_key(|(_, m)| name(m));
        match fit.len() {
            1 => {
                let (path, manifest) = fit.remove(0);
                Ok(crate::Resolved { path, manifest: Some(manifest) })
            }
            0 => Err(OperationError::NotFound(format!("{word} has no archive of {}", database.unwrap_or("a database")))),
            _ => {
                let names: Vec<String> = fit.iter().filter_map(|(_, m)| name(m)).collect();
                Err(OperationError::Invalid(format!(
                    "{word} has several databases; say which with --database: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Asks for a restore into a database; `database` tells which one is meant where an archive's name means several.
    ///
    /// # Errors
    /// The wish makes no sense.
    pub async fn request_database_restore(
        &self,
        archive: &str,
        database: Option<&str>,
        wish: DatabaseWish,
    ) -> Result<Run, OperationError> {
        let resolved = self.resolve_database(archive, database).await?;
        let (form, _) = kind_of(&resolved.path, resolved.manifest.as_ref())?;
        if resolved.manifest.as_ref().is_some_and(|m| m.database.as_ref().is_some_and(|d| d.database.is_none())) {
            return Err(OperationError::Invalid(format!(
                "{} holds roles and users, which belong to a whole server: look at it and load it yourself, for example zcat {0} | psql -d postgres",
                resolved.path.display()
            )));
        }
        if wish.into.is_empty() {
            return Err(OperationError::Invalid("say which database to restore into: --into DATABASE or --into URL".into()));
        }
        if wish.table.is_some() && form != Form::Custom {
            return Err(OperationError::Invalid(
                "one table alone comes out of archives in PostgreSQL's custom format only (format = \"custom\")".into(),
            ));
        }
        let name = resolved.manifest.as_ref().map_or_else(|| resolved.path.display().to_string(), |m| m.schedule.to_string());
        let mut new = self.new_run(Operation::Restore, Cause::Manual, &name);
        let wish = DatabaseWish { archive: resolved.path.clone(), ..wish };
        new.request = serde_json::json!({ "database": wish });
        new.archive = Some((resolved.manifest.map(|m| m.id), resolved.path.display().to_string()));
        self.submit_new(new).await
    }

    /// The server that is restored to, and the database there.
    async fn target_of(
        &self,
        wish: &DatabaseWish,
        facts: Option<&DatabaseFacts>,
    ) -> Result<(Connection, String), OperationError> {
        if wish.into.contains("://") {
            let url: DatabaseUrl = wish.into.parse().map_err(OperationError::Invalid)?;
            let database = match (&url.databases, &url.file) {
                (_, Some(file)) => file.display().to_string(),
                (Databases::List(names), None) if names.len() == 1 => names[0].clone(),
                _ => return Err(OperationError::Invalid("the URL to restore into names exactly one database".into())),
            };
            let name = Name::new("target").map_err(|e| OperationError::Failed(e.to_string()))?;
            let mut settings = DatabaseSettings::new(name, url);
            settings.password = wish.password_file.clone().map(SecretSource::File);
            return Ok((self.connect(settings).await?, database));
        }
        let server = wish.server.clone().or_else(|| facts.map(|f| f.connection.clone())).ok_or_else(|| {
            OperationError::Invalid("the archive has no sidecar that names its server; give --server NAME, or --into URL".into())
        })?;
        let connection = self.connection(&server).await.map_err(|e| match e {
            OperationError::NotFound(text) => {
                OperationError::NotFound(format!("{text}; name another with --server NAME, or give --into URL"))
            }
            other => other,
        })?;
        Ok((connection, wish.into.clone()))
    }

    /// Where a safety dump goes: beside the schedule's archives, under a name that retention does not touch.
    async fn safety_place(&self, run: &Run, manifest: Option<&Manifest>) -> Result<Place, OperationError> {
        let home = self.need_home()?;
        let of = manifest.map_or("restore", |m| m.schedule.as_str());
        let of = of.strip_suffix(".safety").unwrap_or(of);
        let name =
            Name::new(&format!("{}.safety", &of[..of.len().min(57)])).map_err(|e| OperationError::Failed(e.to_string()))?;
        let file = self.file();
        let mut schedule = match file.schedule(of) {
            Some(schedule) => schedule.clone(),
            None => Schedule::new(name.clone(), FileSource::default(), Trigger::Manual, self.zone()),
        };
        schedule.limits.clear();
        Ok(Place {
            taken: Vec::new(),
            folder: home.backups().join(name.as_str()),
            seal: self.seal_of(&schedule).await?,
            name,
            run: run.id,
            planned: None,
            started: self.now().with_timezone(&schedule.timezone).fixed_offset(),
            host: self.host().to_owned(),
            schedule,
        })
    }

    pub(crate) async fn work_database_restore(
        &self,
        run: &Run,
        wish: DatabaseWish,
        live: &Arc<LiveRun>,
    ) -> Result<Outcome, OperationError> {
        let manifest = backup_engine::store::read_manifest(&wish.archive).unwrap_or_else(|e| {
            live.note(Note { level: NoteLevel::Warning, path: ".".into(), text: format!("{e}; restoring without it") });
            None
        });
        let (form, content) = kind_of(&wish.archive, manifest.as_ref())?;
        let facts = manifest.as_ref().and_then(|m| m.database.clone());
        let (connection, database) = self.target_of(&wish, facts.as_ref()).await?;
        let access = self.access(manifest.as_ref().map(|m| m.schedule.as_str())).await?;
        let place =
            if wish.no_safety_dump || !wish.overwrite { None } else { Some(self.safety_place(run, manifest.as_ref()).await?) };
        if let Some(manifest) = &manifest {
            live.expect(0, manifest.archive.tar_size);
        }
        let plan = RestorePlan {
            database: database.clone(),
            form,
            content,
            facts,
            overwrite: wish.overwrite,
            metadata_only: wish.metadata_only,
            table: wish.table.clone(),
            no_owner: wish.no_owner,
            keep_old: wish.keep_old,
            trial: false,
        };
        let (clock, heard, archive) = (self.clone(), Arc::clone(live), wish.archive.clone());
        let (restored, safety) = working(move || restore(&connection, &plan, &archive, &access, place, &clock, &heard)).await?;
        if let Some((manifest, path)) = &safety {
            self.catalogue().adopt(manifest, &path.display().to_string(), self.now()).await?;
            let text = format!("what was there before is kept in {}", path.display());
            live.note(Note { level: NoteLevel::Info, path: database.clone(), text });
        }
        if let Some(old) = &restored.old {
            let text = format!("the database that was there before is kept as {old}");
            live.note(Note { level: NoteLevel::Info, path: database.clone(), text });
        }
        let counts = RunCounts {
            tables: restored.tables,
            records: restored.rows,
            bytes: manifest.as_ref().map_or(0, |m| m.archive.tar_size),
            ..RunCounts::default()
        };
        Ok(Outcome { counts, warning: None, made: Vec::new() })
    }

    /// Restores an archive into a scratch database, compares, and drops it again.
    pub(crate) async fn try_database(&self, archive: &Path, live: &Arc<LiveRun>) -> Result<Restored, OperationError> {
        let manifest = backup_engine::store::read_manifest(archive)?;
        let (form, content) = kind_of(archive, manifest.as_ref())?;
        let Some(facts) = manifest.as_ref().and_then(|m| m.database.clone()) else {
            return Err(OperationError::Failed(format!(
                "inconclusive: {} has no sidecar that names its server",
                archive.display()
            )));
        };
        let name = facts.connection.clone();
        let server = self.file().database(&name).and_then(|d| d.scratch.clone()).map_or(name, |s| s.to_string());
        let connection = self.connection(&server).await?;
        let access = self.access(manifest.as_ref().map(|m| m.schedule.as_str())).await?;
        let plan = RestorePlan {
            database: facts.database.clone().unwrap_or_default(),
            form,
            content,
            facts: Some(facts),
            overwrite: false,
            metadata_only: false,
            table: None,
            // Elsewhere there may be other roles.
            no_owner: server != manifest.as_ref().and_then(|m| m.database.as_ref()).map_or("", |d| d.connection.as_str()),
            keep_old: false,
            trial: true,
        };
        let (clock, heard, archive) = (self.clone(), Arc::clone(live), archive.to_owned());
        working(move || restore(&connection, &plan, &archive, &access, None, &clock, &heard)).await.map(|(restored, _)| restored)
    }

    /// The archives that a trial restore of this one's run is about: all of its databases.
    pub(crate) async fn databases_beside(&self, archive: &Path) -> Result<Vec<ArchiveRecord>, OperationError> {
        if !is_stream(archive) {
            return Ok(Vec::new());
        }
        let Some(manifest) = backup_engine::store::read_manifest(archive)? else { return Ok(Vec::new()) };
        let all = self.catalogue().archives(Some(manifest.schedule.as_str()), None, 0).await?;
        let is_database = |r: &ArchiveRecord| r.manifest.database.as_ref().is_some_and(|d| d.database.is_some());
        Ok(all.into_iter().filter(|r| r.manifest.run == manifest.run && is_database(r)).collect())
    }
}

/// What was kept of what a restore replaced.
type Kept = Option<(Manifest, PathBuf)>;

fn restore(
    connection: &Connection,
    plan: &RestorePlan,
    archive: &Path,
    access: &Access,
    place: Option<Place>,
    clock: &App,
    live: &Arc<LiveRun>,
) -> Result<(Restored, Kept), OperationError> {
    let watch = Hearing(Arc::clone(live));
    let mut kept: Kept = None;
    let opener = || open(archive, access);
    let now = || -> DateTime<chrono::FixedOffset> {
        let now: DateTime<Utc> = clock.now();
        now.with_timezone(&clock.zone()).fixed_offset()
    };
    let done = {
        let mut safety = |database: &str| {
            let Some(place) = &place else { return Err(DatabaseError::Invalid("no safety dump was wanted".into())) };
            let made = copy_one(connection, place, Some(database), Content::Full, live, &now);
            let receipt = made
                .and_then(|made| made.ok_or_else(|| OperationError::Failed("it came to nothing".into())))
                .map_err(|e| DatabaseError::Invalid(format!(
                    "the safety dump of {database} could not be made, and nothing was touched: {e}; mend that, or refuse it with --no-safety-dump"
                )))?;
            let Some(facts) = receipt.manifest.database.clone() else {
                return Err(DatabaseError::Invalid("the safety dump says nothing of itself".into()));
            };
            kept = Some((receipt.manifest.clone(), receipt.path.clone()));
            let (path, access) = (receipt.path.clone(), access.clone());
            Ok(SafetyCopy {
                place: receipt.path.display().to_string(),
                open: Box::new(move || open(&path, &access)),
                copied: backup_databases::Copied { facts, bytes: receipt.manifest.bytes },
            })
        };
        let mut from = RestoreFrom { open: &opener, safety: if place.is_some() { Some(&mut safety) } else { None } };
        connection.restore(plan, &mut from, &watch)
    };
    Ok((done?, kept))
}
