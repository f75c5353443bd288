//! Destinations: entries of the file, fetching, recovery.

use super::Context;
use super::databases::{absolute, steps};
use crate::args::{DestinationArgs, DestinationCommand, KeyArgs, RecoverArgs, SecretArgs};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, counted, exact, line, safe, table};
use crate::password;
use backup_client::{Method, encode};
use backup_model::{StoreUrl, format_size};
use backup_operations::{GivenStore, Secrets, SystemClock, secret_file};
use backup_wire::{DestinationView, NewDestinationRequest, Page, TestStep};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// A URL as it is, a folder as a whole path.
fn place_of(url: &str) -> Result<String, Failure> {
    if url.contains("://") {
        return Ok(url.to_owned());
    }
    match std::fs::canonicalize(url) {
        Ok(path) => absolute(&path),
        Err(_) => absolute(Path::new(url)),
    }
}

fn wish(name: String, url: Option<&str>, settings: DestinationArgs) -> Result<NewDestinationRequest, Failure> {
    let s = settings.secrets;
    Ok(NewDestinationRequest {
        name,
        // A folder is meant from here, not from where the daemon stands.
        url: url.map(place_of).transpose()?,
        access_key: s.access_key,
        secret: if s.secret_stdin { Some(password::from_stdin()?) } else { None },
        secret_file: s.secret_file.as_deref().map(absolute).transpose()?,
        secret_env: settings.secret_env,
        read_token: None,
        read_token_file: s.read_token_file.as_deref().map(absolute).transpose()?,
        identity: s.identity.as_deref().map(absolute).transpose()?,
        known_hosts: s.known_hosts.as_deref().map(absolute).transpose()?,
        ca: s.ca.as_deref().map(absolute).transpose()?,
        limit: settings.limit,
        lock_days: settings.lock_days,
        unset: Vec::new(),
    })
}

pub(super) async fn destination(c: &Context, command: DestinationCommand) -> Result<u8, Failure> {
    match command {
        DestinationCommand::Add(a) => {
            let new = wish(a.name, Some(&a.url), a.settings)?;
            let made: DestinationView = c.connect().await?.client.post("/api/v1/destinations", &new).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("added the destination {}: {}", made.name, safe(&made.url)))?;
            line(format!(
                "next: backupctl destination test {0}, then backupctl edit NAME --destination local --destination {0}",
                made.name
            ))?;
            Ok(0)
        }
        DestinationCommand::Edit(a) => {
            let path = format!("/api/v1/destinations/{}", encode(&a.name));
            let change = NewDestinationRequest { unset: a.unset, ..wish(a.name, a.url.as_deref(), a.settings)? };
            let made: DestinationView = c.connect().await?.client.send_json(Method::PATCH, &path, &change).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("changed the destination {}: {}", made.name, safe(&made.url)))?;
            line(format!("next: backupctl destination test {}", made.name))?;
            Ok(0)
        }
        DestinationCommand::List => {
            let page: Page<DestinationView> = c.connect().await?.client.get("/api/v1/destinations").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            if page.items.is_empty() {
                line(
                    "there are no destinations yet, all archives lie in the home; `backupctl destination add NAME --url URL` adds one",
                )?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "KIND", "URL", "SCHEDULES", "ARCHIVES", "SIZE", "WAITING", "LAST", "ERROR"]);
            for d in &page.items {
                rows.add_row([
                    d.name.clone(),
                    d.kind.clone(),
                    safe(&d.url),
                    if d.schedules.is_empty() { "-".to_owned() } else { d.schedules.join(", ") },
                    d.archives.to_string(),
                    format_size(d.bytes),
                    d.waiting.to_string(),
                    exact(d.last),
                    d.error.as_deref().map_or_else(|| "-".to_owned(), safe),
                ]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        DestinationCommand::Test { name } => {
            let path = format!("/api/v1/destinations/{}/test", encode(&name));
            let page: Page<TestStep> = c.connect().await?.client.post(&path, &json!({})).await?;
            steps(c, &page, &format!("{name} can hold copies"), &format!("{name} cannot be used as it stands"))
        }
        DestinationCommand::Delete { name } => {
            let path = format!("/api/v1/destinations/{}", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::DELETE, &path, &json!({})).await?;
            line(format!("deleted the destination {name}; what lies there stays there"))?;
            Ok(0)
        }
    }
}

pub(super) async fn fetch(
    c: &Context,
    archive: &str,
    to: &Path,
    destination: Option<&str>,
    keys: &KeyArgs,
) -> Result<u8, Failure> {
    let home = c.find_home()?;
    home.check()?;
    let connection = connect::detached(Some(home)).await?;
    let Some(app) = &connection.app else { return Err(Failure::new(1, "there is nothing to fetch with")) };
    app.give_keys(super::restore::given(keys)?);
    let to = std::path::absolute(to)?;
    let fetched = app.fetch_to(archive, destination, &to).await?;
    if c.json {
        output::json(&json!({ "path": fetched.path.display().to_string(), "bytes": fetched.bytes }))?;
        return Ok(0);
    }
    line(format!("fetched {} ({})", fetched.path.display(), format_size(fetched.bytes)))?;
    line(format!("next: backupctl restore {} --to DIR", fetched.path.display()))?;
    Ok(0)
}

fn secrets_of(url: &str, s: &SecretArgs) -> Result<Secrets, Failure> {
    let place: StoreUrl = url.parse().map_err(|e: backup_model::StoreUrlError| Failure::new(2, e.to_string()))?;
    let given = match (&s.secret_file, s.secret_stdin) {
        (Some(path), _) => Some(secret_file(path)?),
        (None, true) => Some(password::from_stdin()?),
        (None, false) => None,
    };
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let mut out = Secrets::default();
    match place {
        StoreUrl::S3 { .. } => {
            out.access_key = s.access_key.clone().or_else(|| variable("AWS_ACCESS_KEY_ID"));
            out.secret_key = given.or_else(|| variable("AWS_SECRET_ACCESS_KEY"));
            if out.access_key.is_some() != out.secret_key.is_some() {
                return Err(Failure::new(
                    2,
                    "S3 wants --access-key and --secret-file (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
                ));
            }
        }
        StoreUrl::Webdav { user: Some(_), .. } => out.password = given,
        StoreUrl::Webdav { .. } => out.token = given,
        StoreUrl::Receiver { .. } => {
            out.token = given.or_else(|| variable("BACKUP_TOKEN"));
            out.read_token = s.read_token_file.as_deref().map(secret_file).transpose()?;
        }
        StoreUrl::Folder(_) | StoreUrl::Sftp { .. } => {}
    }
    Ok(out)
}

pub(super) async fn recover(c: &Context, what: RecoverArgs) -> Result<u8, Failure> {
    let home = c.find_home()?;
    let file = |path: &Option<std::path::PathBuf>| path.as_deref().map(std::path::absolute).transpose();
    let s = &what.secrets;
    let url = place_of(&what.url)?;
    let given = GivenStore {
        secrets: secrets_of(&url, s)?,
        url,
        identity: file(&s.identity)?,
        known_hosts: file(&s.known_hosts)?,
        ca: file(&s.ca)?,
    };
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    let root = home.root().to_owned();
    let keys = super::restore::given(&what.keys)?;
    let (app, done) = backup_operations::recover(home, Arc::new(SystemClock), given, keys).await?;
    let made = done.made.with_timezone(&app.zone()).fixed_offset();
    app.catalogue().close().await;
    if c.json {
        output::json(&json!({
            "home": root.display().to_string(), "as_of": made, "host": done.host, "destination": done.destination,
            "schedules": done.schedules, "runs": done.runs, "archives": done.archives, "notes": done.notes,
        }))?;
        return Ok(if done.notes.is_empty() { 0 } else { 3 });
    }
    line(format!("recovered {} as of {}, from the kit of {}", root.display(), exact(Some(made)), safe(&done.host)))?;
    line(format!(
        "  {}, {} of the history, {} in {}",
        counted(done.schedules, "schedule", "schedules"),
        counted(done.runs, "run", "runs"),
        counted(done.archives, "archive", "archives"),
        done.destination
    ))?;
    for note in &done.notes {
        line(format!("  note: {}", safe(note)))?;
    }
    line("users, tokens and sessions do not travel with a kit: `backupctl user add NAME --role admin` opens the page again")?;
    line(format!("next: backupctl --home {0} backups, then backupctl --home {0} restore NAME --to DIR", root.display()))?;
    line("backupctl start lets the schedules run again; restore first what they back up")?;
    Ok(if done.notes.is_empty() { 0 } else { 3 })
}
