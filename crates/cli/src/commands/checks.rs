//! Proofs, upkeep and search: drill, scrub, consolidate, rebuild, find.

use super::{Context, runs};
use crate::failure::Failure;
use crate::output::{self, line, safe, time};
use crate::progress::wait;
use backup_client::encode;
use backup_model::format_size;
use backup_wire::{AlertView, FindView, Page, RunView};
use serde_json::{Value, json};

async fn run(c: &Context, path: &str, wish: &Value) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let run: RunView = connection.client.post(path, wish).await?;
    let done = wait(&connection, &run, c.json).await?;
    runs::finished(c, done)
}

/// A schedule's name alone means its newest version.
pub(super) async fn drill(c: &Context, archive: &str, percent: Option<f64>) -> Result<u8, Failure> {
    run(c, "/api/v1/drills", &json!({ "archive": super::absolute_word(archive)?, "percent": percent })).await
}

pub(super) async fn scrub(c: &Context, name: Option<&str>, percent: f64, limit: Option<u64>) -> Result<u8, Failure> {
    run(c, "/api/v1/scrubs", &json!({ "schedule": name, "percent": percent, "seconds": limit })).await
}

pub(super) async fn consolidate(c: &Context, name: &str) -> Result<u8, Failure> {
    run(c, &format!("/api/v1/schedules/{}/consolidate", encode(name)), &json!({})).await
}

pub(super) async fn rebuild(c: &Context, name: Option<&str>) -> Result<u8, Failure> {
    run(c, "/api/v1/rebuilds", &json!({ "schedule": name })).await
}

pub(super) async fn find(c: &Context, pattern: &str, name: Option<&str>, any_case: bool, limit: u64) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let mut query = format!("pattern={}&any_case={any_case}&limit={limit}", encode(pattern));
    if let Some(name) = name {
        query += &format!("&schedule={}", encode(name));
    }
    let found: FindView = connection.client.get(&format!("/api/v1/find?{query}")).await?;
    if c.json {
        output::json(&found)?;
        return Ok(0);
    }
    for item in &found.items {
        let gone = if item.deleted { "  (deleted since)" } else { "" };
        line(format!("{}: {}{gone}", item.schedule, safe(&item.path)))?;
        for v in &item.versions {
            let size = if v.kind == "file" { format_size(v.size) } else { v.kind.clone() };
            line(format!(
                "    {size:>10}  changed {}  in the archives from {} to {}  {}",
                time(v.mtime),
                time(Some(v.first_seen)),
                time(Some(v.last_seen)),
                v.archive
            ))?;
        }
    }
    if found.more {
        line(format!("there is more; narrow the pattern, or raise --limit above {limit}"))?;
    }
    for archive in &found.unread {
        line(format!("not looked through: {}: {}", safe(&archive.path), safe(&archive.reason)))?;
    }
    if found.items.is_empty() {
        return Err(Failure::new(5, format!("nothing that matches {pattern} is in any archive")));
    }
    line(format!("{} found; restore with `backupctl restore ID --path PATH --to DIR`", found.items.len()))?;
    Ok(0)
}

pub(super) async fn alerts(c: &Context, rows: u64) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let page: Page<AlertView> = connection.client.get(&format!("/api/v1/alerts?limit={rows}")).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    if page.items.is_empty() {
        line("there are no alerts")?;
    }
    for alert in &page.items {
        line(format!("{}  {}  {}: {}", time(Some(alert.at)), alert.kind, safe(&alert.name), safe(&alert.text)))?;
    }
    Ok(0)
}
