//! Backups of databases: an archive for each, one for roles and users; the run is completed only if all are.

use super::{Hearing, working};
use crate::backup::gently;
use crate::live::LiveRun;
use crate::request::new_uuid;
use crate::work::Outcome;
use crate::{App, OperationError};
use backup_databases::{Connection, Copied, CopyPlan, DatabaseError, Watch};
use backup_engine::{EngineError, Observer, Receipt, Seal, StreamArchive, StreamPlan, Throttle};
use backup_model::{
    ArchiveFile, ArchiveId, ArchiveRecord, Content, Form, Kind, MANIFEST_VERSION, Manifest, Name, Note, NoteLevel, ROLES, Run,
    RunCounts, RunId, Schedule,
};
use chrono::{DateTime, FixedOffset};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How often a dump is tried whose database changes meanwhile.
const TRIES: usize = 3;

/// Where copies of databases go.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    /// Names that archives have which lie elsewhere only.
    pub(super) taken: Vec<String>,
    pub(super) schedule: Schedule,
    /// The name that archives carry: that of the schedule, but for safety dumps.
    pub(super) name: Name,
    pub(super) seal: Option<Seal>,
    pub(super) run: RunId,
    pub(super) planned: Option<DateTime<FixedOffset>>,
    pub(super) started: DateTime<FixedOffset>,
    pub(super) host: String,
}

/// Hears of one copy: its warnings are those of its archive.
struct Noting<'a> {
    live: &'a Arc<LiveRun>,
    inner: Hearing,
    notes: Mutex<Vec<Note>>,
}

impl Watch for Noting<'_> {
    fn progress(&self, rows: u64, bytes: u64, what: &str) {
        self.inner.progress(rows, bytes, what);
    }
    fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note.clone());
        self.inner.note(note);
    }
    fn cancelled(&self) -> bool {
        self.live.is_cancelled()
    }
}

fn manifest(
    place: &Place,
    connection: &Connection,
    content: Content,
    copied: Copied,
    notes: Vec<Note>,
    now: DateTime<FixedOffset>,
) -> Manifest {
    let warnings = notes.iter().filter(|n| n.level == NoteLevel::Warning).count() as u64;
    Manifest {
        version: MANIFEST_VERSION,
        id: ArchiveId(new_uuid()),
        schedule: place.name.clone(),
        run: place.run,
        kind: Kind::Full,
        parent: None,
        full_because: None,
        content: content.as_str().to_owned(),
        form: String::new(),
        status: if warnings == 0 { "completed" } else { "warning" }.to_owned(),
        planned: place.planned,
        started: place.started,
        ended: now,
        timezone: place.schedule.timezone.name().to_owned(),
        host: place.host.clone(),
        tool: format!("backupctl {}", crate::VERSION),
        sources: vec![connection.settings().url.to_string()],
        exclude: Vec::new(),
        files: 0,
        folders: 0,
        others: 0,
        bytes: copied.bytes,
        changed: None,
        warnings,
        notes: notes.into_iter().filter(|n| n.level == NoteLevel::Warning).take(100).collect(),
        database: Some(copied.facts),
        encryption: None,
        archive: ArchiveFile::default(),
        index: None,
        sum: None,
        extra: serde_json::Map::new(),
    }
}

fn is_full(e: &std::io::Error) -> bool {
    matches!(e.raw_os_error(), Some(nix::libc::ENOSPC | nix::libc::EDQUOT))
}

fn full(place: &Place) -> OperationError {
    OperationError::Failed(format!(
        "no space left on the disk of {}; free some space or shorten retention",
        place.folder.display()
    ))
}

/// Copies one database (or, without a name, roles and users) into an archive.
pub(super) fn copy_one(
    connection: &Connection,
    place: &Place,
    database: Option<&str>,
    content: Content,
    live: &Arc<LiveRun>,
    now: &dyn Fn() -> DateTime<FixedOffset>,
) -> Result<Option<Receipt>, OperationError> {
    let form = if database.is_some() { connection.settings().form } else { Form::Sql };
    for n in 1.. {
        let watch = Noting { live, inner: Hearing(Arc::clone(live)), notes: Mutex::default() };
        let plan = StreamPlan {
            folder: place.folder.clone(),
            taken: place.taken.clone(),
            started: place.started,
            database: database.unwrap_or(ROLES).to_owned(),
            form,
            compression: place.schedule.compression,
            seal: place.seal.clone(),
        };
        let mut archive = StreamArchive::begin(plan)?;
        let mut throttle = Throttle::new(&place.schedule.limits, now);
        let mut out = |bytes: &[u8]| {
            throttle.took(bytes.len() as u64, &**live).map_err(|e| std::io::Error::other(e.to_string()))?;
            archive.write_all(bytes)
        };
        let copied = match database {
            Some(name) => connection.copy(&CopyPlan { database: name.to_owned(), content }, &mut out, &watch).map(Some),
            None => connection.copy_roles(&mut out, &watch),
        };
        let copied = match copied {
            Err(DatabaseError::Changed(what)) if n < TRIES => {
                live.note(Note {
                    level: NoteLevel::Info,
                    path: database.unwrap_or(ROLES).to_owned(),
                    text: format!("definitions were changed meanwhile ({what}); copied anew"),
                });
                continue;
            }
            Err(DatabaseError::Io { source, .. }) if is_full(&source) => return Err(full(place)),
            Err(_) if live.is_cancelled() => return Err(OperationError::Engine(EngineError::Cancelled)),
            other => other?,
        };
        let Some(copied) = copied else { return Ok(None) };
        let notes = std::mem::take(&mut *watch.notes.lock().unwrap_or_else(PoisonError::into_inner));
        if live.is_cancelled() {
            return Err(OperationError::Engine(EngineError::Cancelled));
        }
        return match archive.publish(manifest(place, connection, content, copied, notes, now())) {
            Err(EngineError::Io { source, .. }) if is_full(&source) => Err(full(place)),
            done => Ok(Some(done?)),
        };
    }
    Ok(None)
}

impl App {
    /// The work of a backup of a database.
    pub(crate) async fn copy_databases(
        &self,
        run: &Run,
        schedule: &Schedule,
        name: &Name,
        live: &Arc<LiveRun>,
    ) -> Result<Outcome, OperationError> {
        let home = self.need_home()?;
        let zone = schedule.timezone;
        let last = self.catalogue().archives(Some(schedule.name.as_str()), None, 0).await?;
        let connection = Arc::new(self.connection(name.as_str()).await?);
        let place = Place {
            folder: home.backups().join(schedule.name.as_str()),
            taken: last.iter().filter(|r| r.away).map(|r| r.manifest.archive.name.clone()).collect(),
            schedule: schedule.clone(),
            name: schedule.name.clone(),
            seal: self.seal_of(schedule).await?,
            run: run.id,
            planned: run.planned.map(|t| t.with_timezone(&zone).fixed_offset()),
            started: self.now().with_timezone(&zone).fixed_offset(),
            host: self.host().to_owned(),
        };
        let (asked, watch) = (Arc::clone(&connection), Hearing(Arc::clone(live)));
        let names = working(move || Ok(asked.databases(&watch)?)).await?;
        if let Some(before) = last.first().map(|r| r.manifest.run) {
            let bytes = last.iter().filter(|r| r.manifest.run == before).map(|r| r.manifest.bytes).sum();
            live.expect(0, bytes);
        }
        let mut jobs: Vec<Option<String>> = names.into_iter().map(Some).collect();
        if jobs.is_empty() {
            return Err(OperationError::Failed(format!(
                "there are no databases on {}; nothing was backed up",
                connection.place()
            )));
        }
        if connection.settings().roles {
            jobs.push(None);
        }
        let (mut made, mut failed): (Vec<Receipt>, Vec<String>) = (Vec::new(), Vec::new());
        let total = jobs.len();
        for job in jobs {
            if job.is_none() && made.is_empty() {
                // Roles without any database are no backup.
                break;
            }
            let (connection, place, clock, heard) = (Arc::clone(&connection), place.clone(), self.clone(), Arc::clone(live));
            let shown = job.clone().unwrap_or_else(|| "the roles and users".to_owned());
            let content = schedule.content;
            let work = gently(schedule.priority, live, move || {
                let now = || clock.now().with_timezone(&zone).fixed_offset();
                Ok(copy_one(&connection, &place, job.as_deref(), content, &heard, &now))
            });
            match self.within_timeout(schedule, live, work).await? {
                Ok(Some(receipt)) => made.push(receipt),
                Ok(None) => {}
                Err(e @ OperationError::Engine(EngineError::Cancelled)) => {
                    self.adopt_all(&made).await?;
                    return Err(e);
                }
                Err(e) => failed.push(format!("{shown}: {e}")),
            }
        }
        if let Some(first) = failed.first() {
            // What is whole is worth keeping; the run has failed all the same.
            self.adopt_all(&made).await?;
            let kept = if made.is_empty() {
                "nothing was kept".to_owned()
            } else {
                format!("{} of {total} archives were made and are kept", made.len())
            };
            for more in &failed[1..] {
                live.note(Note { level: NoteLevel::Warning, path: ".".into(), text: more.clone() });
            }
            return Err(OperationError::Failed(format!("{first}; {kept}")));
        }
        let counts = made.iter().map(|r| RunCounts::of(&r.manifest)).fold(RunCounts::default(), |a, b| RunCounts {
            bytes: a.bytes + b.bytes,
            stored: a.stored + b.stored,
            tables: a.tables + b.tables,
            records: a.records + b.records,
            ..a
        });
        let warning = self.sanity_of_databases(schedule, &last, &made).await?;
        Ok(Outcome { counts, warning, made })
    }

    async fn adopt_all(&self, made: &[Receipt]) -> Result<(), OperationError> {
        for receipt in made {
            self.catalogue().adopt(&receipt.manifest, &receipt.path.display().to_string(), self.now()).await?;
        }
        Ok(())
    }

    /// A14 for databases: no tables any more, or much fewer rows than last time.
    async fn sanity_of_databases(
        &self,
        schedule: &Schedule,
        before: &[ArchiveRecord],
        made: &[Receipt],
    ) -> Result<Option<String>, OperationError> {
        for receipt in made {
            let Some(now) = receipt.manifest.database.as_ref().filter(|d| d.database.is_some()) else { continue };
            let same = |r: &&ArchiveRecord| {
                r.manifest.content == receipt.manifest.content
                    && r.manifest.database.as_ref().is_some_and(|d| d.database == now.database)
            };
            let Some(then) = before.iter().find(same).and_then(|r| r.manifest.database.as_ref()) else { continue };
            let name = now.database.as_deref().unwrap_or_default();
            let reason = if now.tables_count == 0 && then.tables_count > 0 {
                format!("{name} has no tables any more, the last time there were {}", then.tables_count)
            } else if then.rows_count >= 10 && now.rows_count * 2 < then.rows_count {
                format!("{name} has only {} rows, the last time there were {}", now.rows_count, then.rows_count)
            } else {
                continue;
            };
            self.catalogue().set_frozen(schedule.name.as_str(), &reason).await?;
            let word = &schedule.name;
            return Ok(Some(format!("{reason}; retention of {word} is frozen until `backupctl confirm {word}`")));
        }
        Ok(None)
    }
}
