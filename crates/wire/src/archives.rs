//! Archives and what is in them.

use backup_model::{ArchiveRecord, DatabaseFacts};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An archive.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArchiveView {
    /// Its id.
    pub id: String,
    /// File name.
    pub name: String,
    /// Absolute path of the file.
    pub path: String,
    /// The schedule that made it.
    pub schedule: String,
    /// `full`, `incremental` or `differential`.
    pub kind: String,
    /// The archive it builds on.
    pub parent: Option<String>,
    /// Why it is full although the schedule makes increments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_because: Option<String>,
    /// Files that an increment holds itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_files: Option<u64>,
    /// Bytes of their contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_bytes: Option<u64>,
    /// `full`, or of a database `metadata` or `data`.
    pub content: String,
    /// `tar`, or of a database `sql`, `custom` or `sqlite`.
    pub form: String,
    /// `gzip`, `zstd` or `none`.
    pub compression: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// `completed` or `warning`.
    pub status: String,
    /// When reading began.
    pub started: DateTime<FixedOffset>,
    /// When it was complete.
    pub ended: DateTime<FixedOffset>,
    /// Bytes on disk.
    pub size: u64,
    /// Bytes of contents.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, fifos, devices, sockets.
    pub others: u64,
    /// Warnings.
    pub warnings: u64,
    /// What it holds of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFactsView>,
    /// MD5 of the file.
    pub md5: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Retention never removes it.
    pub pinned: bool,
    /// Its last verification.
    pub verified: Option<VerifiedView>,
    /// Whether its files are no longer in the home.
    #[serde(default)]
    pub away: bool,
    /// Its copies in destinations.
    #[serde(default)]
    pub copies: Vec<crate::CopyView>,
    /// The machine that made it.
    pub host: String,
    /// The program that made it.
    pub tool: String,
}

/// What an archive holds of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseFactsView {
    /// `postgresql`, `mysql`, `mariadb` or `sqlite`.
    pub engine: String,
    /// The server's version.
    pub server_version: String,
    /// The program that dumped it.
    pub client: String,
    /// Its name in `schedules.toml`.
    pub connection: String,
    /// The database; nothing for roles and users.
    pub database: Option<String>,
    /// Tables with rows of their own.
    pub tables_count: u64,
    /// Rows in all of them.
    pub records_count: u64,
}

impl From<&DatabaseFacts> for DatabaseFactsView {
    fn from(facts: &DatabaseFacts) -> Self {
        Self {
            engine: facts.engine.as_str().to_owned(),
            server_version: facts.server_version.clone(),
            client: facts.client.clone(),
            connection: facts.connection.clone(),
            database: facts.database.clone(),
            tables_count: facts.tables_count,
            records_count: facts.rows_count,
        }
    }
}

/// A verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedView {
    /// When.
    pub at: DateTime<FixedOffset>,
    /// Whether every byte was read back.
    pub deep: bool,
    /// Whether it passed.
    pub ok: bool,
}

impl From<&ArchiveRecord> for ArchiveView {
    fn from(record: &ArchiveRecord) -> Self {
        let m = &record.manifest;
        Self {
            id: m.id.to_string(),
            name: m.archive.name.clone(),
            path: record.path.clone(),
            schedule: m.schedule.to_string(),
            kind: m.kind.as_str().to_owned(),
            parent: m.parent.map(|p| p.to_string()),
            full_because: m.full_because.clone(),
            changed_files: m.changed.map(|c| c.files),
            changed_bytes: m.changed.map(|c| c.bytes),
            content: m.content.clone(),
            form: m.form.clone(),
            compression: m.archive.compression.clone(),
            encrypted: m.encryption.is_some(),
            status: m.status.clone(),
            started: m.started,
            ended: m.ended,
            size: m.archive.size,
            bytes: m.bytes,
            files: m.files,
            folders: m.folders,
            others: m.others,
            warnings: m.warnings,
            database: m.database.as_ref().map(DatabaseFactsView::from),
            md5: m.archive.md5.clone(),
            sha256: m.archive.sha256.clone(),
            away: record.away,
            copies: Vec::new(),
            pinned: record.pinned,
            verified: record.verified.map(|(at, deep, ok)| VerifiedView { at: at.with_timezone(m.started.offset()), deep, ok }),
            host: m.host.clone(),
            tool: m.tool.clone(),
        }
    }
}

/// Something in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Name in its folder.
    pub name: String,
    /// Path in the archive.
    pub path: String,
    /// The same as base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// `file`, `folder`, `symlink`, `hard_link`, `fifo`, `char_device`, `block_device` or `socket`.
    pub kind: String,
    /// Bytes of contents.
    pub size: u64,
    /// Permission bits, octal as in `ls`.
    pub mode: Option<String>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Modification time.
    pub mtime: Option<DateTime<FixedOffset>>,
    /// Where a link points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether the contents are not exactly what the file held.
    pub inexact: bool,
}

/// A difference between two archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// `added`, `removed`, `changed` or `metadata`.
    pub change: String,
    /// Path in the archive.
    pub path: String,
    /// The same as base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What it is.
    pub kind: String,
    /// Size in the first archive.
    pub old_size: Option<u64>,
    /// Size in the second.
    pub new_size: Option<u64>,
}
