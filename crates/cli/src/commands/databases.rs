//! Databases: entries of the file, tests, restores into them.

use super::Context;
use crate::args::{DatabaseCommand, PasswordArgs, PlaceArgs, RestoreArgs};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, line, safe, table};
use crate::password;
use crate::progress::{code, tell, wait};
use backup_client::{Method, encode};
use backup_model::{DatabaseEngine, DatabaseUrl, Databases, format_duration};
use backup_wire::{DatabaseRestoreRequest, DatabaseView, NewDatabase, Page, RunEvent, RunView, TestStep};
use std::path::Path;

pub(super) async fn database(c: &Context, command: DatabaseCommand) -> Result<u8, Failure> {
    match command {
        DatabaseCommand::Add { name, url, place, password } => {
            let url = match url {
                Some(url) => url,
                None => url_of(*place)?,
            };
            let new = wish(name, Some(url), password)?;
            let made: DatabaseView = c.connect().await?.client.post("/api/v1/databases", &new).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("added the database {}: {}", made.name, safe(&made.url)))?;
            line(format!(
                "next: backupctl database test {0}, then backupctl create {0} --database {0} --every daily",
                made.name
            ))?;
            Ok(0)
        }
        DatabaseCommand::Edit { name, url, password, unset } => {
            let path = format!("/api/v1/databases/{}", encode(&name));
            let client = c.connect().await?.client;
            let change = NewDatabase { unset, ..wish(name, url, password)? };
            let made: DatabaseView = client.send_json(Method::PATCH, &path, &change).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("changed the database {}: {}", made.name, safe(&made.url)))?;
            line(format!("next: backupctl database test {}", made.name))?;
            Ok(0)
        }
        DatabaseCommand::List => {
            let page: Page<DatabaseView> = c.connect().await?.client.get("/api/v1/databases").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            if page.items.is_empty() {
                line("there are no databases yet; `backupctl database add NAME --url URL` adds one")?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "URL", "PASSWORD", "SCHEDULES"]);
            for d in &page.items {
                let schedules = if d.schedules.is_empty() { "-".to_owned() } else { d.schedules.join(", ") };
                let password = if d.password { "set" } else { "none" };
                rows.add_row([d.name.as_str(), &safe(&d.url).to_string(), password, &schedules]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        DatabaseCommand::Test { name } => {
            let path = format!("/api/v1/databases/{}/test", encode(&name));
            let page: Page<TestStep> = c.connect().await?.client.post(&path, &serde_json::json!({})).await?;
            steps(c, &page, &format!("{name} can be backed up"), &format!("{name} cannot be backed up as it stands"))
        }
        DatabaseCommand::Delete { name } => {
            let connection = c.connect().await?;
            let path = format!("/api/v1/databases/{}", encode(&name));
            let _: () = connection.client.send_json(Method::DELETE, &path, &serde_json::json!({})).await?;
            line(format!("deleted the database {name}; its archives stay"))?;
            Ok(0)
        }
    }
}

fn wish(name: String, url: Option<String>, given: PasswordArgs) -> Result<NewDatabase, Failure> {
    Ok(NewDatabase {
        name,
        url,
        password: if given.password_stdin { Some(password::from_stdin()?) } else { None },
        password_file: given.password_file.as_deref().map(absolute).transpose()?,
        password_env: given.password_env,
        unset: Vec::new(),
    })
}

/// Shows the steps of a test, and what they come to.
pub(super) fn steps(c: &Context, page: &Page<TestStep>, good: &str, bad: &str) -> Result<u8, Failure> {
    let well = page.items.iter().all(|s| s.ok);
    if c.json {
        output::json(page)?;
    } else {
        for step in &page.items {
            let took = format_duration(step.seconds);
            line(format!("{:4} {:10} {}  ({took})", if step.ok { "ok" } else { "FAIL" }, step.step, safe(&step.text)))?;
        }
        line(if well { good } else { bad })?;
    }
    Ok(u8::from(!well))
}

/// The URL that flags say.
fn url_of(place: PlaceArgs) -> Result<String, Failure> {
    let wrong = |e: backup_model::ParseWordError| Failure::new(2, e.to_string());
    let databases = if place.database.is_empty() { Databases::All } else { Databases::List(place.database) };
    let url = DatabaseUrl {
        engine: match place.engine.as_deref() {
            Some("mysql") => DatabaseEngine::Mysql,
            Some("mariadb") => DatabaseEngine::Mariadb,
            _ => DatabaseEngine::Postgresql,
        },
        host: place.host.unwrap_or_default(),
        port: place.port,
        socket: place.socket,
        user: place.user,
        tls: place.tls.as_deref().map(str::parse).transpose().map_err(wrong)?.unwrap_or_default(),
        ca: place.ca,
        databases,
        file: None,
    };
    Ok(url.to_string())
}

pub(super) fn absolute(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path)?;
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::new(2, format!("{} is not UTF-8", path.display())))
}

/// `restore … --into`.
pub(super) async fn restore(c: &Context, what: RestoreArgs, into: String) -> Result<u8, Failure> {
    let home = c.find_home()?;
    // With keys of one's own, or without a home, it works here; else like any other work on the home.
    let alone = home.check().is_err() || !what.keys.is_empty();
    let connection = if alone { connect::detached(home.check().is_ok().then_some(home)).await? } else { c.connect().await? };
    if let Some(app) = &connection.app {
        app.give_keys(super::restore::given(&what.keys)?);
    }
    let d = what.database;
    let wish = DatabaseRestoreRequest {
        archive: super::absolute_word(&what.archive)?,
        database: d.database,
        into: if into.starts_with("./") { absolute(Path::new(&into))? } else { into.clone() },
        server: d.server,
        password_file: d.database_password_file.as_deref().map(absolute).transpose()?,
        overwrite: !matches!(what.overwrite, crate::args::OverwriteArg::Never),
        no_safety_dump: d.no_safety_dump,
        metadata_only: d.metadata_only,
        table: d.table,
        no_owner: d.no_owner,
        keep_old: d.keep_old,
    };
    let run: RunView = connection.client.post("/api/v1/database-restores", &wish).await?;
    let done = wait(&connection, &run, c.json).await?;
    let code = code(&done.status);
    if c.json {
        output::json(&RunEvent::Result { run: Box::new(done) })?;
        return Ok(code);
    }
    tell(&done)?;
    if code == 0 || code == 3 {
        line(format!("  into {}", safe(&into)))?;
    }
    Ok(code)
}
