//! Configurations on their way, templates, sample data.

use super::Context;
use crate::args::TemplateCommand;
use crate::failure::Failure;
use crate::output::{self, line, safe, table};
use backup_client::encode;
use backup_wire::{ApplyRequest, ImportRequest, ImportedView, Page, SampleRequest, TemplateView};
use std::io::Write;
use std::path::Path;

pub(super) async fn export(c: &Context, file: Option<&Path>) -> Result<u8, Failure> {
    let text = c.connect().await?.client.text("/api/v1/export").await?;
    match file {
        None => line(text.trim_end())?,
        Some(path) => {
            let fail =
                |e: std::io::Error| Failure::new(1, format!("cannot write {}: {e}; nothing was overwritten", path.display()));
            let mut out = std::fs::File::options().write(true).create_new(true).open(path).map_err(fail)?;
            out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(fail)?;
            line(format!("wrote {}; secrets are not in it, only where they are kept", path.display()))?;
        }
    }
    Ok(0)
}

fn told(c: &Context, page: &Page<ImportedView>, dry_run: bool) -> Result<u8, Failure> {
    if c.json {
        output::json(page)?;
        return Ok(0);
    }
    for item in &page.items {
        let what = match (item.added, dry_run) {
            (true, true) => "would add",
            (true, false) => "added",
            (false, _) => "there already:",
        };
        line(format!("{what} {} {}", item.kind, safe(&item.name)))?;
    }
    if page.items.is_empty() {
        line("there is nothing in it to take in")?;
    }
    Ok(0)
}

/// `import` of a TOML file.
pub(super) async fn import(c: &Context, text: String, dry_run: bool) -> Result<u8, Failure> {
    let page = c.connect().await?.client.post("/api/v1/import", &ImportRequest { text, dry_run }).await?;
    told(c, &page, dry_run)
}

pub(super) async fn template(c: &Context, command: TemplateCommand) -> Result<u8, Failure> {
    let connection = c.connect().await?;
    match command {
        TemplateCommand::List => {
            let page: Page<TemplateView> = connection.client.get("/api/v1/templates").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "WHAT IT MAKES"]);
            for t in &page.items {
                rows.add_row([&t.name, &t.text]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        TemplateCommand::Apply { name, dry_run } => {
            let path = format!("/api/v1/templates/{}/apply", encode(&name));
            let page = connection.client.post(&path, &ApplyRequest { dry_run }).await?;
            told(c, &page, dry_run)
        }
    }
}

pub(super) async fn samples(c: &Context, count: usize) -> Result<u8, Failure> {
    let made: serde_json::Value = c.connect().await?.client.post("/api/v1/sample-data", &SampleRequest { count }).await?;
    if c.json {
        output::json(&made)?;
    } else {
        line(format!("made {} runs; this home is marked as one of samples", made["runs"]))?;
    }
    Ok(0)
}
