//! Tables and times for people, JSON for programs.

use crate::failure::Failure;
use chrono::{DateTime, FixedOffset};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Prints a line; a reader that has gone away ends the program quietly.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Failure::new(0, "")),
        other => other.map_err(Failure::from),
    }
}

/// Prints an object of the API.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(|e| Failure::new(1, e.to_string()))?)
}

/// A table without frames, so that it can be cut and searched.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// Prints a table.
pub(crate) fn print(table: &Table) -> Result<(), Failure> {
    for row in table.lines() {
        line(row.trim_end().strip_prefix(' ').unwrap_or(row.trim_end()))?;
    }
    Ok(())
}

/// Prints a table, to programs without its header.
pub(crate) fn list(table: &Table) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return print(table);
    }
    table.lines().skip(1).try_for_each(|row| line(row.trim()))
}

/// Says something beside what is printed.
#[expect(clippy::print_stderr, reason = "what is printed is for programs; this is for people")]
pub(crate) fn aside(text: &str) {
    eprintln!("{text}");
}

/// A number of things in words: `1 file`, `2 files`.
pub(crate) fn counted(n: impl TryInto<u64>, one: &str, many: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Files and folders in words.
pub(crate) fn files_and_folders(files: u64, folders: u64) -> String {
    format!("{}, {}", counted(files, "file", "files"), counted(folders, "folder", "folders"))
}

/// A time to the minute.
pub(crate) fn time(at: Option<DateTime<FixedOffset>>) -> String {
    at.map_or_else(|| "-".to_owned(), |t| t.format("%Y-%m-%d %H:%M").to_string())
}

/// A time to the second.
pub(crate) fn exact(at: Option<DateTime<FixedOffset>>) -> String {
    at.map_or_else(|| "-".to_owned(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Text from elsewhere, made safe for a terminal.
pub(crate) fn safe(text: &str) -> String {
    backup_model::display_bytes(text.as_bytes()).to_string()
}
