//! Notifiers: entries of the file, and their tests.

use super::Context;
use super::databases::{absolute, steps};
use crate::args::{NotifierArgs, NotifierCommand};
use crate::failure::Failure;
use crate::output::{self, exact, line, safe, table};
use crate::password;
use backup_client::{Method, encode};
use backup_operations::secret_file;
use backup_wire::{NewNotifierRequest, NotifierView, Page, TestStep};

fn wish(a: NotifierArgs) -> Result<NewNotifierRequest, Failure> {
    let password = if a.password.password_stdin { Some(password::from_stdin()?) } else { None };
    Ok(NewNotifierRequest {
        name: a.name,
        to: a.email,
        from: a.from,
        smtp: a.smtp,
        user: a.user,
        password,
        password_file: a.password.password_file.as_deref().map(absolute).transpose()?,
        password_env: a.password.password_env,
        url: a.webhook,
        url_file: a.webhook_file.as_deref().map(absolute).transpose()?,
        form: a.form,
        token: a.token_file.as_deref().map(secret_file).transpose()?,
        allow_private: a.allow_private.then_some(true),
        on: a.on,
        language: a.language,
        unset: Vec::new(),
    })
}

pub(super) async fn notifier(c: &Context, command: NotifierCommand) -> Result<u8, Failure> {
    match command {
        NotifierCommand::Add(a) => {
            let new = wish(*a)?;
            let made: NotifierView = c.connect().await?.client.post("/api/v1/notifiers", &new).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("added the notifier {}: {}, on {}", made.name, safe(&made.target), made.on.join(", ")))?;
            line(format!("next: backupctl notifier test {}", made.name))?;
            Ok(0)
        }
        NotifierCommand::Edit(a) => {
            let path = format!("/api/v1/notifiers/{}", encode(&a.settings.name));
            let change = NewNotifierRequest { unset: a.unset, ..wish(a.settings)? };
            let made: NotifierView = c.connect().await?.client.send_json(Method::PATCH, &path, &change).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("changed the notifier {}: {}, on {}", made.name, safe(&made.target), made.on.join(", ")))?;
            line(format!("next: backupctl notifier test {}", made.name))?;
            Ok(0)
        }
        NotifierCommand::List => {
            let page: Page<NotifierView> = c.connect().await?.client.get("/api/v1/notifiers").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            if page.items.is_empty() {
                line("there are no notifiers yet; `backupctl notifier add NAME --email …` adds one")?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "KIND", "TO", "ON", "WAITING", "LAST SENT", "ERROR"]);
            for n in &page.items {
                let error = n.error.as_deref().map_or_else(|| "-".to_owned(), safe);
                rows.add_row([
                    n.name.clone(),
                    n.kind.clone(),
                    safe(&n.target),
                    n.on.join(","),
                    n.waiting.to_string(),
                    exact(n.last_sent),
                    error,
                ]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        NotifierCommand::Test { name } => {
            let path = format!("/api/v1/notifiers/{}/test", encode(&name));
            let page: Page<TestStep> = c.connect().await?.client.post(&path, &serde_json::json!({})).await?;
            steps(c, &page, &format!("{name} has taken the test message"), &format!("{name} cannot be reached as it stands"))
        }
        NotifierCommand::Delete { name } => {
            let path = format!("/api/v1/notifiers/{}", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::DELETE, &path, &serde_json::json!({})).await?;
            line(format!("deleted the notifier {name}"))?;
            Ok(0)
        }
    }
}
