//! Looking after a home: check, cleanup, rebuild.

use super::Context;
use crate::failure::Failure;
use crate::output::{self, line, safe};
use backup_model::format_size;
use backup_wire::{CheckView, CleanedView, CleanupRequest, FindingView, FixRequest, Page, RescueRequest, RescuedView};
use std::io::{BufRead, IsTerminal, Write};

fn ask(finding: &FindingView) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    write!(out, "mend {} ({})? [y/N] ", safe(&finding.subject), finding.code)?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "o" | "oui"))
}

fn show(finding: &FindingView) -> Result<(), Failure> {
    line(format!("{:7} {:15} {}: {}", finding.level, finding.code, safe(&finding.subject), safe(&finding.text)))?;
    match (finding.fixed, &finding.fix_error) {
        (Some(true), _) => line("                        mended"),
        (_, Some(error)) => line(format!("                        could not be mended: {}", safe(error))),
        _ => line(format!("                        {}", safe(&finding.remedy))),
    }
}

pub(super) async fn check(c: &Context, fix: bool, yes: bool, deep: bool) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    let mut view: CheckView = connection.client.get(&format!("/api/v1/check?deep={deep}")).await?;
    if fix {
        let mut ids = Vec::new();
        let asks = !yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        for finding in view.items.iter().filter(|f| f.fixable) {
            if asks {
                show(finding)?;
            }
            if !asks || ask(finding)? {
                ids.push(finding.id.clone());
            }
        }
        view = connection.client.post("/api/v1/check/fixes", &FixRequest { ids: Some(ids) }).await?;
    }
    if c.json {
        output::json(&view)?;
    } else {
        view.items.iter().try_for_each(show)?;
        let mended = view.items.iter().filter(|f| f.fixed == Some(true)).count();
        let left = view.items.len() - mended;
        let done = if mended > 0 { format!("{mended} mended, ") } else { String::new() };
        line(match left {
            0 => format!("{done}all is well"),
            1 => format!("{done}1 thing is left to do"),
            n => format!("{done}{n} things are left to do"),
        })?;
    }
    Ok(match view.verdict.as_str() {
        "ok" => 0,
        "warning" => 3,
        _ => 1,
    })
}

pub(super) async fn cleanup(c: &Context, wish: &CleanupRequest) -> Result<u8, Failure> {
    let page: Page<CleanedView> = c.connect().await?.client.post("/api/v1/cleanup", wish).await?;
    if c.json {
        output::json(&page)?;
        return Ok(0);
    }
    let verb = if wish.dry_run { "would clean up" } else { "cleaned up" };
    for item in &page.items {
        let bytes = if item.bytes > 0 { format!(", {}", format_size(item.bytes)) } else { String::new() };
        line(format!("{verb} {} {}: {}{bytes}", item.what, safe(&item.subject), safe(&item.text)))?;
    }
    if page.items.is_empty() {
        line(format!("nothing to clean up that is {} hours old or older", wish.hours))?;
    }
    Ok(0)
}

/// `rebuild --scan` and `--fix-missing`.
pub(super) async fn rescue(c: &Context, wish: &RescueRequest) -> Result<u8, Failure> {
    let page: Page<RescuedView> = c.connect().await?.client.post("/api/v1/rescue", wish).await?;
    let trouble = page.items.iter().any(|i| matches!(i.what.as_str(), "no_sidecar" | "unreadable"));
    if c.json {
        output::json(&page)?;
        return Ok(if trouble { 3 } else { 0 });
    }
    for item in &page.items {
        let would = if wish.dry_run { "would be " } else { "" };
        let what = match item.what.as_str() {
            "taken_in" => format!("{would}taken in"),
            "forgotten" => format!("{would}forgotten"),
            _ => "left".to_owned(),
        };
        line(format!("{what}: {}: {}", safe(&item.path), safe(&item.text)))?;
    }
    if page.items.is_empty() {
        line("the catalogue and the disk agree")?;
    }
    Ok(if trouble { 3 } else { 0 })
}
