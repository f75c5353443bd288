//! History and statistics.

use super::Context;
use crate::failure::Failure;
use crate::output::{self, exact, line, print, safe, table};
use crate::progress::tell;
use backup_client::encode;
use backup_model::{format_duration, format_size};
use backup_wire::{GroupView, Page, RunView, StatsView};

pub(super) async fn history(c: &Context, query: &[(&str, Option<String>)]) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let query: Vec<String> = query.iter().filter_map(|(k, v)| v.as_ref().map(|v| format!("{k}={}", encode(v)))).collect();
    let page: Page<RunView> = connection.client.get(&format!("/api/v1/runs?{}", query.join("&"))).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    let mut rows = table(&["STARTED", "OPERATION", "NAME", "STATUS", "TOOK", "FILES", "SIZE", "RUN", ""]);
    for r in &page.items {
        let size = if r.stored > 0 { r.stored } else { r.bytes };
        let error: String = safe(r.error.as_deref().unwrap_or("")).chars().take(100).collect();
        let took = r.seconds.map_or_else(|| "-".to_owned(), format_duration);
        rows.add_row([
            &exact(Some(r.started.unwrap_or(r.created))),
            &if r.trial { format!("{} (trial)", r.operation) } else { r.operation.clone() },
            &safe(&r.name),
            &r.status,
            &took,
            &if r.records > 0 { format!("{} rows", r.records) } else { r.files.to_string() },
            &format_size(size),
            &r.id,
            &error,
        ]);
    }
    print(&rows)?;
    let more = page.next.map(|n| format!("; next: --offset {n}")).unwrap_or_default();
    line(format!("{} of {} runs{more}", page.items.len(), page.total))?;
    Ok(0)
}

pub(super) async fn one(c: &Context, id: &str) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let run: RunView = connection.client.get(&format!("/api/v1/runs/{}", encode(id))).await?;
    if c.json {
        output::json(&run)?;
        return Ok(0);
    }
    line(format!("run {} ({}, {})", run.id, run.trigger, run.host))?;
    line(format!("planned {}, started {}, ended {}", exact(run.planned), exact(run.started), exact(run.ended)))?;
    let shown = RunView { notes: Vec::new(), ..run.clone() };
    tell(&shown)?;
    if let Some(target) = &run.target {
        let to = if run.trial { "would go to" } else { "to" };
        line(format!("  {to} {}{}", safe(target), if run.trial { ": a trial, nothing was written" } else { "" }))?;
    }
    for note in &run.notes {
        line(format!("  {}: {}: {}", note.level, safe(&note.path), safe(&note.text)))?;
    }
    Ok(0)
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |r| format!("{:.1} %", r * 100.0))
}

fn group(rows: &mut comfy_table::Table, g: &GroupView, key: &str) {
    let mean = g.mean_seconds.map_or_else(|| "-".to_owned(), format_duration);
    rows.add_row([
        key.to_owned(),
        g.count.to_string(),
        g.good.to_string(),
        g.failed.to_string(),
        percent(g.success_rate),
        mean,
        format_size(g.stored),
    ]);
}

pub(super) async fn stats(c: &Context, name: Option<&str>, days: u32) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let filter = name.map(|n| format!("&schedule={}", encode(n))).unwrap_or_default();
    let s: StatsView = connection.client.get(&format!("/api/v1/stats?days={days}{filter}")).await?;
    if c.json {
        output::json(&s)?;
        return Ok(0);
    }
    line(format!("backups from {} to {}", s.from, s.to))?;
    line(format!("archives now: {}, {}", s.archives, format_size(s.space)))?;
    let change = s.trend.change.map_or_else(|| "-".to_owned(), |c| format!("{:+.0} %", c * 100.0));
    line(format!(
        "last 7 days: {} backups ({change} against the week before), success {} (before: {})",
        s.trend.last.count,
        percent(s.trend.last.success_rate),
        percent(s.trend.before.success_rate)
    ))?;
    line("")?;
    let mut rows = table(&["", "RUNS", "GOOD", "FAILED", "SUCCESS", "MEAN", "STORED"]);
    group(&mut rows, &s.total, "all");
    for g in &s.by_kind {
        group(&mut rows, g, &g.key);
    }
    for g in &s.by_schedule {
        group(&mut rows, g, &safe(&g.key));
    }
    for d in &s.by_day {
        group(&mut rows, &d.sums, &d.date);
    }
    print(&rows)?;
    Ok(0)
}
