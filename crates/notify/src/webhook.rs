//! Webhooks: one POST, in the shape that its receiver reads.

use crate::address::{is_private, resolve};
use crate::{LIMIT, Message, NotifyError};
use backup_model::Steps;
use backup_model::{Alert, WebhookForm};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Discord takes 2000 characters, the others more.
const MOST_TEXT: usize = 1900;
/// Of an answer so much is read.
const MOST_ANSWER: usize = 2000;

/// A webhook that can be called: settings with their secrets read.
pub struct Hook {
    /// Where it goes.
    pub url: String,
    /// What it is sent.
    pub form: WebhookForm,
    /// A token that is sent along.
    pub token: Option<String>,
    /// Whether it may go to private addresses.
    pub allow_private: bool,
    /// PEM file with further authorities.
    pub ca: Option<PathBuf>,
}

/// A body with its type.
struct Body {
    kind: &'static str,
    bytes: String,
    headers: Vec<(&'static str, String)>,
}

fn short(text: &str) -> String {
    if text.chars().count() <= MOST_TEXT {
        return text.to_owned();
    }
    text.chars().take(MOST_TEXT).chain(['…']).collect()
}

/// Header values are Latin-1 for many servers; ntfy reads RFC 2047, but plain letters serve everywhere.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

fn alert(a: &Alert) -> Value {
    json!({ "id": a.id.to_string(), "at": a.at.to_rfc3339(), "kind": a.kind.as_str(), "name": a.name, "run": a.run.map(|r| r.to_string()), "text": a.text })
}

impl Hook {
    fn body(&self, message: &Message, alerts: &[Alert], host: &str) -> Body {
        let text = short(&message.text);
        let as_json = |value: Value| Body { kind: "application/json", bytes: value.to_string(), headers: Vec::new() };
        match self.form {
            WebhookForm::Json => as_json(json!({
                "host": host,
                "good": message.good,
                "subject": message.subject,
                "text": message.text,
                "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
            })),
            WebhookForm::Slack => {
                // https://api.slack.com/reference/surfaces/formatting#escaping
                let safe = |t: &str| t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                as_json(json!({ "text": format!("*{}*\n```{}```", safe(&message.subject), safe(&text)) }))
            }
            WebhookForm::Discord => as_json(json!({
                "content": short(&format!("**{}**\n{text}", message.subject)),
                // Nobody is called by a name in a text (https://discord.com/developers/docs/resources/message).
                "allowed_mentions": { "parse": [] },
            })),
            WebhookForm::Teams => as_json(json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "body": [
                            { "type": "TextBlock", "weight": "Bolder", "wrap": true, "text": message.subject },
                            { "type": "TextBlock", "wrap": true, "text": text },
                        ],
                    },
                }],
            })),
            WebhookForm::Ntfy => Body {
                kind: "text/plain; charset=utf-8",
                bytes: text,
                headers: vec![
                    ("title", plain(&message.subject)),
                    ("priority", if message.good { "default" } else { "high" }.to_owned()),
                    ("tags", if message.good { "white_check_mark" } else { "rotating_light" }.to_owned()),
                ],
            },
            WebhookForm::Gotify => as_json(json!({
                "title": message.subject,
                "message": text,
                "priority": if message.good { 2 } else { 8 },
            })),
            WebhookForm::Healthchecks => {
                Body { kind: "text/plain; charset=utf-8", bytes: format!("{}\n\n{text}", message.subject), headers: Vec::new() }
            }
        }
    }

    /// The address that is called, and who answers there by name. Nothing of the path is shown: it is often a secret.
    fn target(&self, good: bool) -> Result<(Url, String), NotifyError> {
        let wrong = |why: &str| NotifyError::Settings(format!("the webhook's URL cannot be used: {why}"));
        let mut url = Url::parse(self.url.trim()).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must begin with https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a password does not stand in it; use `token`"));
        }
        if self.form == WebhookForm::Healthchecks && !good {
            let path = format!("{}/fail", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok((url, host))
    }

    fn client(&self, host: &str, addresses: &[std::net::SocketAddr]) -> Result<Client, NotifyError> {
        let tls = backup_tls::client(self.ca.as_deref()).map_err(NotifyError::Settings)?;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .resolve_to_addrs(host, addresses)
            .timeout(LIMIT)
            .connect_timeout(LIMIT)
            .user_agent("backupd")
            .build()
            .map_err(|e| NotifyError::Settings(format!("TLS cannot be set up: {e}")))
    }

    async fn addresses(&self, url: &Url, host: &str) -> Result<Vec<std::net::SocketAddr>, NotifyError> {
        let list = resolve(host, url.port_or_known_default().unwrap_or(443)).await?;
        if !self.allow_private
            && let Some(private) = list.iter().find(|a| is_private(a.ip()))
        {
            return Err(NotifyError::Address(format!(
                "the host {host} has the private address {}; add allow_private = true if the webhook shall go there",
                private.ip()
            )));
        }
        Ok(list)
    }

    async fn post(&self, message: &Message, alerts: &[Alert], from: &str) -> Result<u16, NotifyError> {
        let (url, host) = self.target(message.good)?;
        let addresses = self.addresses(&url, &host).await?;
        let body = self.body(message, alerts, from);
        let mut request = self.client(&host, &addresses)?.post(url).header("content-type", body.kind).body(body.bytes);
        for (name, value) in body.headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = match self.form {
                WebhookForm::Gotify => request.header("x-gotify-key", token),
                _ => request.bearer_auth(token),
            };
        }
        // The URL may be a secret, and reqwest shows it with every error.
        let failed = |e: reqwest::Error| {
            let e = e.without_url();
            let mut words = e.to_string();
            let mut source = std::error::Error::source(&e);
            while let Some(inner) = source {
                words = format!("{words}: {inner}");
                source = inner.source();
            }
            NotifyError::Connect(format!("the webhook at {host} cannot be reached: {words}"))
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(status.as_u16());
        }
        let mut said = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() > MOST_ANSWER {
                break;
            }
        }
        let said: String =
            String::from_utf8_lossy(&said).chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let hint = if status.is_redirection() { "; redirects are not followed: give the last address" } else { "" };
        Err(NotifyError::Refused(format!("the webhook at {host} answered {status}{hint}: {said}")))
    }

    /// Sends a message about alerts of a machine.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn send(&self, message: &Message, alerts: &[Alert], from: &str) -> Result<(), NotifyError> {
        self.post(message, alerts, from).await.map(|_| ())
    }

    /// Tries every step, and sends a message at the end.
    pub async fn test(&self, message: &Message, alerts: &[Alert], from: &str, steps: &mut Steps) {
        let (url, host) = match self.target(message.good) {
            Ok(target) => target,
            Err(e) => return steps.wrong("settings", e.to_string()),
        };
        match self.addresses(&url, &host).await {
            Ok(list) => {
                let shown: Vec<String> = list.iter().map(|a| a.ip().to_string()).collect();
                steps.ok("resolve", format!("{host}: {}", shown.join(", ")));
            }
            Err(e) => return steps.wrong("resolve", e.to_string()),
        }
        match self.post(message, alerts, from).await {
            Ok(status) => steps.ok("send", format!("answered {status}")),
            Err(e @ NotifyError::Connect(_)) => steps.wrong("connect", e.to_string()),
            Err(e) => steps.wrong("send", e.to_string()),
        }
    }
}
