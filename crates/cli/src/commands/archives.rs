//! Archives: lists, contents, comparisons, pins, retention.

use super::Context;
use crate::failure::Failure;
use crate::output::{self, line, print, safe, table, time};
use backup_client::{Method, encode};
use backup_model::format_size;
use backup_wire::{ArchiveView, ChangeView, EntryView, Page, PruneView, ScheduleView};
use serde_json::json;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where an archive lies: the home, and destinations; one that is still to get it stands in brackets.
fn places(a: &ArchiveView) -> String {
    let here = (!a.away).then(|| "local".to_owned());
    let there = a.copies.iter().map(|c| if c.state == "stored" { c.destination.clone() } else { format!("({})", c.destination) });
    here.into_iter().chain(there).collect::<Vec<_>>().join(", ")
}

pub(super) async fn backups(c: &Context, name: Option<&str>) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let mut query = String::new();
    if let Some(name) = name {
        // An index means the schedule that stands there; a name may be of a deleted schedule.
        let found: Result<ScheduleView, _> = connection.client.get(&format!("/api/v1/schedules/{}", encode(name))).await;
        query = format!("?schedule={}", encode(found.as_ref().map_or(name, |s| &s.name)));
    }
    let page: Page<ArchiveView> = connection.client.get(&format!("/api/v1/archives{query}")).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    if page.items.is_empty() {
        line("there are no archives yet; `backupctl run NAME` makes one now")?;
        return Ok(0);
    }
    let mut rows = table(&["ARCHIVE", "SCHEDULE", "KIND", "TIME", "SIZE", "FILES", "ENCRYPTED", "VERIFIED", "WHERE", "ID"]);
    for a in &page.items {
        let verified = a.verified.as_ref().map_or("-".to_owned(), |v| match (v.ok, v.deep) {
            (false, _) => "DAMAGED".to_owned(),
            (true, true) => format!("deep {}", v.at.format("%Y-%m-%d")),
            (true, false) => v.at.format("%Y-%m-%d").to_string(),
        });
        let mut kind = a.kind.clone();
        if a.content != "full" {
            kind = format!("{kind} {}", a.content);
        }
        if a.pinned {
            kind.push_str(" pinned");
        }
        if a.status == "warning" {
            kind.push_str(" warnings");
        }
        let encrypted = if a.encrypted { "yes" } else { "no" };
        rows.add_row([
            &a.name,
            &a.schedule,
            &kind,
            &time(Some(a.started)),
            &format_size(a.size),
            &a.database.as_ref().map_or_else(|| a.files.to_string(), |d| format!("{} rows", d.records_count)),
            encrypted,
            &verified,
            &places(a),
            &a.id,
        ]);
    }
    output::list(&rows)?;
    Ok(0)
}

pub(super) async fn browse(c: &Context, archive: &str, path: Option<&Path>) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let archive = super::absolute_word(archive)?;
    let mut query = format!("archive={}", encode(&archive));
    if let Some(path) = path {
        let (text, b64) = backup_wire::text_and_b64(path.as_os_str().as_bytes());
        query += &b64.map_or_else(|| format!("&path={}", encode(&text)), |b| format!("&path_b64={}", encode(&b)));
    }
    if c.json {
        let page: Page<EntryView> = connection.client.get(&format!("/api/v1/entries?{query}&limit=100000")).await?;
        output::json(&page)?;
        return Ok(0);
    }
    let mut offset = 0;
    loop {
        let page: Page<EntryView> = connection.client.get(&format!("/api/v1/entries?{query}&offset={offset}&limit=5000")).await?;
        for e in &page.items {
            let letter = match e.kind.as_str() {
                "folder" => 'd',
                "symlink" => 'l',
                "fifo" => 'p',
                "char_device" => 'c',
                "block_device" => 'b',
                "socket" => 's',
                "hard_link" => 'h',
                _ => '-',
            };
            let link = e.link.as_ref().map(|l| format!(" -> {}", safe(l))).unwrap_or_default();
            let slash = if e.kind == "folder" { "/" } else { "" };
            let owner = e.uid.zip(e.gid).map_or_else(|| "-".to_owned(), |(u, g)| format!("{u}:{g}"));
            let inexact = if e.inexact { "  (changed while it was read)" } else { "" };
            line(format!(
                "{letter}{} {owner:>11} {:>10} {} {}{slash}{link}{inexact}",
                e.mode.as_deref().unwrap_or("----"),
                format_size(e.size),
                time(e.mtime),
                safe(&e.path)
            ))?;
        }
        match page.next {
            Some(next) => offset = next,
            None => return Ok(0),
        }
    }
}

pub(super) async fn diff(c: &Context, a: &str, b: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let (a, b) = (super::absolute_word(a)?, super::absolute_word(b)?);
    let query = format!("a={}&b={}&limit=1000000", encode(&a), encode(&b));
    let page: Page<ChangeView> = connection.client.get(&format!("/api/v1/diff?{query}")).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    for change in &page.items {
        let (letter, sizes) = match change.change.as_str() {
            "added" => ('+', change.new_size.map(format_size)),
            "removed" => ('-', change.old_size.map(format_size)),
            "changed" => {
                ('M', change.old_size.zip(change.new_size).map(|(o, n)| format!("{} -> {}", format_size(o), format_size(n))))
            }
            _ => ('m', None),
        };
        let sizes = sizes.filter(|_| change.kind == "file").map(|s| format!("  ({s})")).unwrap_or_default();
        line(format!("{letter} {}{sizes}", safe(&change.path)))?;
    }
    line(format!("{} differences (+ added, - removed, M contents, m metadata only)", page.total))?;
    Ok(0)
}

pub(super) async fn pin(c: &Context, archive: &str, on: bool) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    // The archive is named in the path of the request, so a file is found first.
    let word = if archive.contains('/') {
        let path =
            std::fs::canonicalize(archive).map_err(|e| Failure::new(5, format!("cannot open the archive {archive}: {e}")))?;
        path.display().to_string()
    } else {
        archive.to_owned()
    };
    let method = if on { Method::PUT } else { Method::DELETE };
    let view: ArchiveView =
        connection.client.send_json(method, &format!("/api/v1/archives/{}/pin", encode(&word)), &json!({})).await?;
    if c.json {
        output::json(&view)?;
    } else {
        line(format!("{} {}", if on { "pinned" } else { "unpinned" }, view.path))?;
    }
    Ok(0)
}

pub(super) async fn prune(c: &Context, name: Option<&str>, dry_run: bool) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let page: Page<PruneView> = connection.client.post("/api/v1/prune", &json!({ "schedule": name, "dry_run": dry_run })).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    for plan in &page.items {
        let mut rows = table(&["", "ARCHIVE", "TIME", "SIZE", "WHY"]);
        for a in &plan.archives {
            let what = match (a.kept, dry_run) {
                (true, _) => "keep",
                (false, true) => "would remove",
                (false, false) => "removed",
            };
            let why = if a.kept { a.reasons.join(", ") } else { "no rule keeps it".to_owned() };
            rows.add_row([what, &a.archive.name, &time(Some(a.archive.started)), &format_size(a.archive.size), &why]);
        }
        if !plan.archives.is_empty() {
            line(format!("{}:", plan.schedule))?;
            print(&rows)?;
        }
        let verb = if dry_run { "would be removed" } else { "were removed" };
        line(format!("{}: {} archives {verb}, {}", plan.schedule, plan.removed, format_size(plan.freed)))?;
        for there in plan.there.iter().filter(|t| !t.archives.is_empty()) {
            line(format!(
                "{} in {}: {} archives {verb}, {}: {}",
                plan.schedule,
                there.destination,
                there.archives.len(),
                format_size(there.freed),
                safe(&there.archives.join(", "))
            ))?;
        }
        if let Some(reason) = &plan.frozen {
            line(format!(
                "{}: frozen: {}; `backupctl confirm {}` lets retention go on",
                plan.schedule,
                safe(reason),
                plan.schedule
            ))?;
        }
    }
    Ok(0)
}
