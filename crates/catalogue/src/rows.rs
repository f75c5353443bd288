//! Rows into words and back.

use crate::CatalogueError;
use backup_model::{ArchiveRecord, Run, RunCounts};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::str::FromStr;

pub(crate) fn millis(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

pub(crate) fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

pub(crate) fn word<T: FromStr>(text: &str) -> Result<T, CatalogueError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| CatalogueError::Content(e.to_string()))
}

/// The columns that [`run`] reads.
pub(crate) const RUN: &str = "id, operation, cause, name, kind, content, form, status, planned, created, started, ended, files, folders, others, bytes, stored, warnings, tables, records, error, archive, archive_path, host, request";

pub(crate) fn run(row: &AnyRow) -> Result<Run, CatalogueError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column).map(|n| n as u64);
    let maybe = |column: &str| row.try_get::<Option<i64>, _>(column);
    let kind = text("kind")?;
    let archive: Option<String> = row.try_get("archive")?;
    Ok(Run {
        id: word(&text("id")?)?,
        operation: word(&text("operation")?)?,
        cause: word(&text("cause")?)?,
        name: text("name")?,
        kind: if kind.is_empty() { None } else { Some(word(&kind)?) },
        content: text("content")?,
        form: text("form")?,
        status: word(&text("status")?)?,
        planned: maybe("planned")?.map(time),
        created: time(row.try_get("created")?),
        started: maybe("started")?.map(time),
        ended: maybe("ended")?.map(time),
        counts: RunCounts {
            files: number("files")?,
            folders: number("folders")?,
            others: number("others")?,
            bytes: number("bytes")?,
            stored: number("stored")?,
            warnings: number("warnings")?,
            tables: number("tables")?,
            records: number("records")?,
        },
        error: row.try_get("error")?,
        archive: archive.map(|a| word(&a)).transpose()?,
        archive_path: row.try_get("archive_path")?,
        host: text("host")?,
        request: serde_json::from_str(&text("request")?).unwrap_or_default(),
    })
}

pub(crate) fn archive(row: &AnyRow) -> Result<ArchiveRecord, CatalogueError> {
    let manifest: String = row.try_get("manifest")?;
    let flag = |column: &str| row.try_get::<i64, _>(column).map(|n| n != 0);
    let verified: Option<i64> = row.try_get("verified")?;
    Ok(ArchiveRecord {
        manifest: serde_json::from_str(&manifest).map_err(|e| CatalogueError::Content(e.to_string()))?,
        path: row.try_get("path")?,
        pinned: flag("pinned")?,
        away: flag("away")?,
        taken_in: time(row.try_get("taken_in")?),
        verified: match verified {
            Some(ms) => Some((time(ms).fixed_offset(), flag("verified_deep")?, flag("verified_ok")?)),
            None => None,
        },
    })
}
