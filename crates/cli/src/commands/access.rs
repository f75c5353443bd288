//! Users, tokens and the audit log.

use super::Context;
use crate::args::{AuditCommand, TokenCommand, UserCommand};
use crate::failure::Failure;
use crate::output::{self, counted, exact, line, safe, table};
use crate::password;
use backup_client::{Method, encode};
use backup_wire::{
    AuditCheckView, AuditView, NewToken, NewUser, NewUserPassword, Page, SecretView, StatusView, TokenView, UserView,
};
use serde_json::json;

pub(super) async fn user(c: &Context, command: UserCommand) -> Result<u8, Failure> {
    match command {
        UserCommand::Add { name, role, password_stdin } => {
            let role = role.parse().map_err(|e: backup_model::ParseWordError| Failure::new(2, e.to_string()))?;
            let password = password::new(&format!("Password for {name}: "), password_stdin)?;
            let made: UserView = c.connect().await?.client.post("/api/v1/users", &NewUser { name, role, password }).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            line(format!("added the user {}, {}", made.name, made.role))?;
            Ok(0)
        }
        UserCommand::List => {
            let page: Page<UserView> = c.connect().await?.client.get("/api/v1/users").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            if page.items.is_empty() {
                line("there are no users yet; `backupctl user add NAME --role admin` adds the first")?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "ROLE", "ADDED", "LAST SIGN-IN"]);
            for u in &page.items {
                rows.add_row([u.name.clone(), u.role.clone(), exact(Some(u.created)), exact(u.last_seen)]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        UserCommand::Passwd { name, password_stdin } => {
            let password = password::new(&format!("New password for {name}: "), password_stdin)?;
            let path = format!("/api/v1/users/{}/password", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::PUT, &path, &NewUserPassword { password }).await?;
            line(format!("{name} has a new password; their sessions have ended"))?;
            Ok(0)
        }
        UserCommand::Delete { name } => {
            let path = format!("/api/v1/users/{}", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::DELETE, &path, &json!({})).await?;
            line(format!("deleted the user {name}; their sessions have ended"))?;
            Ok(0)
        }
        UserCommand::DropSecondFactor { name } => {
            let path = format!("/api/v1/users/{}/second-factor", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::DELETE, &path, &json!({})).await?;
            line(format!("{name} signs in by the password alone now"))?;
            Ok(0)
        }
        UserCommand::SetupToken => {
            let connection = c.connect().await?;
            let made: SecretView = connection.client.post("/api/v1/setup-tokens", &json!({})).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            let status: StatusView = connection.client.get("/api/v1/system").await?;
            line(&made.token)?;
            let until = exact(made.expires);
            match status.web {
                Some(url) => line(format!("open {url}/setup#{} until {until}: it makes the first admin, once", made.token))?,
                None => line(format!("give it to the page once, until {until}: it makes the first admin"))?,
            }
            Ok(0)
        }
    }
}

pub(super) async fn token(c: &Context, command: TokenCommand) -> Result<u8, Failure> {
    match command {
        TokenCommand::Create { name, scope, expires, machine } => {
            let scope = scope.parse().map_err(|e: backup_model::ParseWordError| Failure::new(2, e.to_string()))?;
            let seconds = expires.map(|e| u32::try_from(e.as_secs())).transpose();
            let seconds = seconds.map_err(|_| Failure::new(2, "--expires is longer than a hundred years; leave it out"))?;
            let made: SecretView =
                c.connect().await?.client.post("/api/v1/tokens", &NewToken { name, scope, seconds, machine }).await?;
            if c.json {
                output::json(&made)?;
                return Ok(0);
            }
            // The secret alone on its line, so that a script can take it.
            line(&made.token)?;
            let until = made.expires.map_or_else(String::new, |e| format!(", good until {}", exact(Some(e))));
            output::aside(&format!("shown this once{until}; send it as: Authorization: Bearer TOKEN"));
            Ok(0)
        }
        TokenCommand::List => {
            let page: Page<TokenView> = c.connect().await?.client.get("/api/v1/tokens").await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            if page.items.is_empty() {
                line("there are no tokens yet; `backupctl token create NAME --scope read` makes one")?;
                return Ok(0);
            }
            let mut rows = table(&["NAME", "SCOPE", "MACHINE", "MADE", "LAST USED", "EXPIRES"]);
            for t in &page.items {
                let expires = if t.expired { "expired".to_owned() } else { exact(t.expires) };
                rows.add_row([
                    t.name.clone(),
                    t.scope.clone(),
                    t.machine.clone().unwrap_or_default(),
                    exact(Some(t.created)),
                    exact(t.last_used),
                    expires,
                ]);
            }
            output::list(&rows)?;
            Ok(0)
        }
        TokenCommand::Revoke { name } => {
            let path = format!("/api/v1/tokens/{}", encode(&name));
            let _: () = c.connect().await?.client.send_json(Method::DELETE, &path, &json!({})).await?;
            line(format!("revoked the token {name}"))?;
            Ok(0)
        }
    }
}

pub(super) async fn audit(c: &Context, command: AuditCommand) -> Result<u8, Failure> {
    match command {
        AuditCommand::List { rows, text } => {
            let mut path = format!("/api/v1/audit?limit={rows}");
            if let Some(text) = text {
                path.push_str(&format!("&text={}", encode(&text)));
            }
            let page: Page<AuditView> = c.connect().await?.client.get(&path).await?;
            if c.json {
                output::json(&page)?;
                return Ok(0);
            }
            let mut list = table(&["SEQ", "AT", "WHO", "FROM", "WHAT", "ANSWER", "DETAIL"]);
            for e in &page.items {
                let what = match e.action.split_once(" /") {
                    Some((method, _)) => format!("{method} {}", safe(&e.target)),
                    None => e.action.clone(),
                };
                list.add_row([
                    e.seq.to_string(),
                    exact(Some(e.at)),
                    safe(&e.actor),
                    e.origin.clone(),
                    what,
                    e.outcome.clone(),
                    safe(&e.detail),
                ]);
            }
            output::list(&list)?;
            Ok(0)
        }
        AuditCommand::Verify => {
            let check: AuditCheckView = c.connect().await?.client.get("/api/v1/audit/check").await?;
            let code = u8::from(!check.intact);
            if c.json {
                output::json(&check)?;
                return Ok(code);
            }
            match (check.broken, check.reason) {
                (Some(seq), reason) => {
                    line(format!("the audit log was changed: entry {seq}: {}", reason.unwrap_or_default()))?;
                }
                _ => line(format!(
                    "{}, all as they were written; the last hash is {}",
                    counted(check.entries, "entry", "entries"),
                    check.head
                ))?,
            }
            Ok(code)
        }
    }
}
