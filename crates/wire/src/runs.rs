//! Runs.

use backup_model::{Note, NoteLevel, Operation, Progress, Run};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A run (H1).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// `backup`, `restore`, `verify` or `prune`.
    pub operation: String,
    /// `schedule`, `catch_up` or `manual`.
    pub trigger: String,
    /// The schedule, or what else it is about.
    pub name: String,
    /// Kind of archive, of backups.
    pub kind: Option<String>,
    /// `full`, or of a database `metadata` or `data`.
    pub content: String,
    /// `tar`, or of a database `sql`, `custom` or `sqlite`.
    pub form: String,
    /// `pending`, `running`, `completed`, `warning`, `failed` or `cancelled`.
    pub status: String,
    /// When the clock meant it to start.
    pub planned: Option<DateTime<FixedOffset>>,
    /// When it was asked for.
    pub created: DateTime<FixedOffset>,
    /// When work began.
    pub started: Option<DateTime<FixedOffset>>,
    /// When it ended.
    pub ended: Option<DateTime<FixedOffset>>,
    /// Seconds of work.
    pub seconds: Option<f64>,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, fifos, devices, sockets.
    pub others: u64,
    /// Bytes of contents.
    pub bytes: u64,
    /// Bytes of the archive.
    pub stored: u64,
    /// Tables of databases.
    #[serde(default)]
    pub tables: u64,
    /// Their rows.
    #[serde(default)]
    pub records: u64,
    /// Warnings.
    pub warnings: u64,
    /// Why it failed, or the first warning.
    pub error: Option<String>,
    /// The archive it made, restored or verified.
    pub archive: Option<String>,
    /// Path of that archive.
    pub archive_path: Option<String>,
    /// Of restores: the folder, or the database (its name or URL), that it goes into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Of restores: whether it only looked at what would be done, and wrote nothing.
    #[serde(default)]
    pub trial: bool,
    /// Host that did it.
    pub host: String,
    /// How far it has come, while it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// What it had to say about paths; only where one run is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteView>,
}

impl RunView {
    /// The view of a run, its times in a zone.
    #[must_use]
    pub fn new<Tz: chrono::TimeZone>(run: &Run, zone: &Tz) -> Self {
        let time = |t: DateTime<chrono::Utc>| t.with_timezone(zone).fixed_offset();
        let c = run.counts;
        Self {
            id: run.id.to_string(),
            operation: run.operation.to_string(),
            trigger: run.cause.to_string(),
            name: run.name.clone(),
            kind: run.kind.map(|k| k.as_str().to_owned()),
            content: run.content.clone(),
            form: run.form.clone(),
            status: run.status.to_string(),
            planned: run.planned.map(time),
            created: time(run.created),
            started: run.started.map(time),
            ended: run.ended.map(time),
            seconds: run.seconds(),
            files: c.files,
            folders: c.folders,
            others: c.others,
            bytes: c.bytes,
            stored: c.stored,
            tables: c.tables,
            records: c.records,
            warnings: c.warnings,
            error: run.error.clone(),
            archive: run.archive.map(|a| a.to_string()),
            archive_path: run.archive_path.clone(),
            target: restored_to(run),
            trial: run.request.get("dry_run").is_some_and(|wanted| wanted == true),
            host: run.host.clone(),
            progress: None,
            notes: Vec::new(),
        }
    }
}

/// Where a restore writes to, as it was asked for.
fn restored_to(run: &Run) -> Option<String> {
    let wish = (run.operation == Operation::Restore).then_some(&run.request)?;
    let target = wish.get("target").or_else(|| wish.get("database")?.get("into"))?;
    target.as_str().map(str::to_owned)
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProgressView {
    /// Files done.
    pub files: u64,
    /// Bytes of contents done.
    pub bytes: u64,
    /// Bytes written.
    pub stored: u64,
    /// Files expected, if known.
    pub total_files: Option<u64>,
    /// Bytes expected, if known.
    pub total_bytes: Option<u64>,
    /// The path at work.
    pub current: String,
    /// Warnings so far.
    pub warnings: u64,
    /// Seconds since the start.
    pub seconds: f64,
}

impl From<Progress> for ProgressView {
    fn from(p: Progress) -> Self {
        Self {
            files: p.files,
            bytes: p.bytes,
            stored: p.stored,
            total_files: p.total_files,
            total_bytes: p.total_bytes,
            current: p.current,
            warnings: p.warnings,
            seconds: p.seconds,
        }
    }
}

/// Something about one path that a run had to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteView {
    /// `info` or `warning`.
    pub level: String,
    /// The path, made safe to show.
    pub path: String,
    /// What happened and why.
    pub text: String,
}

impl From<Note> for NoteView {
    fn from(n: Note) -> Self {
        let level = if n.level == NoteLevel::Warning { "warning" } else { "info" };
        Self { level: level.to_owned(), path: n.path, text: n.text }
    }
}

impl From<NoteView> for Note {
    fn from(n: NoteView) -> Self {
        let level = if n.level == "warning" { NoteLevel::Warning } else { NoteLevel::Info };
        Self { level, path: n.path, text: n.text }
    }
}

/// One event of a run's stream; also one line of `--json` while a command works.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    /// It waits for its turn.
    Pending {
        /// The run.
        run: String,
    },
    /// It is at work.
    Progress {
        /// The run.
        run: String,
        /// How far it has come.
        progress: ProgressView,
    },
    /// It has ended; the last event.
    Result {
        /// The run, with its notes.
        run: Box<RunView>,
    },
}
