//! Notifiers.

use backup_model::{NotifierSettings, Way, WebhookUrl};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A notifier to add: mail (`to` and `smtp`) or a webhook (`url`). Secrets that are given here are kept in files of the
/// home that only its owner can read.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewNotifierRequest {
    /// Its name; in a change the path says it.
    pub name: String,
    /// Mail: to whom.
    pub to: Vec<String>,
    /// Mail: from whom.
    pub from: Option<String>,
    /// Mail: `smtps://HOST`, `smtp://HOST` (STARTTLS) or `smtp+plain://HOST`.
    pub smtp: Option<String>,
    /// Mail: who signs in.
    pub user: Option<String>,
    /// Mail: the password.
    pub password: Option<String>,
    /// Mail: a file on the daemon's machine whose first line is the password.
    pub password_file: Option<String>,
    /// Mail: a variable of the daemon's environment that holds the password.
    pub password_env: Option<String>,
    /// Webhook: where to.
    pub url: Option<String>,
    /// Webhook: a file on the daemon's machine whose first line is the URL.
    pub url_file: Option<String>,
    /// Webhook: `json`, `slack`, `discord`, `teams`, `ntfy`, `gotify` or `healthchecks`.
    pub form: Option<String>,
    /// Webhook: a token that is sent along.
    pub token: Option<String>,
    /// Webhook: whether it may go to private addresses.
    pub allow_private: Option<bool>,
    /// Of what: `failure`, `warning`, `recovery`, `success`, `missed`, `stale`, `disk`; the usual if empty.
    pub on: Vec<String>,
    /// `en` or `fr`.
    pub language: Option<String>,
    /// In a change: keys to take away, as the file calls them, such as `user` or `token`.
    pub unset: Vec<String>,
}

/// A notifier, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NotifierView {
    /// Its name.
    pub name: String,
    /// `email`, or the form of the webhook.
    pub kind: String,
    /// To whom: addresses and server, or the webhook's host.
    pub target: String,
    /// Mail: to whom.
    pub to: Vec<String>,
    /// Mail: from whom, if it is not left to the program.
    pub from: Option<String>,
    /// Mail: the server.
    pub smtp: Option<String>,
    /// Mail: who signs in.
    pub user: Option<String>,
    /// Webhook: whether it may go to private addresses.
    pub allow_private: bool,
    /// Of what.
    pub on: Vec<String>,
    /// In which language.
    pub language: String,
    /// From when to when nothing is sent.
    #[schema(value_type = Option<Vec<String>>)]
    pub quiet: Option<(String, String)>,
    /// Seconds between two messages.
    pub group_seconds: u64,
    /// Alerts that wait.
    pub waiting: u64,
    /// When something was last sent.
    pub last_sent: Option<DateTime<FixedOffset>>,
    /// Why the last try failed, if something waits because of that.
    pub error: Option<String>,
}

impl NotifierView {
    /// The view of a notifier; what waits is added by the server.
    #[must_use]
    pub fn new(n: &NotifierSettings) -> Self {
        let (kind, target) = match &n.way {
            Way::Email(e) => ("email".to_owned(), format!("{} by {}", e.to.join(", "), e.smtp)),
            Way::Webhook(w) => {
                let target = match &w.url {
                    // What follows the host is often the secret.
                    WebhookUrl::Text(url) => {
                        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                        format!("{}/…", host.rsplit_once('@').map_or(host, |(_, host)| host))
                    }
                    WebhookUrl::Secret(_) => "(secret)".to_owned(),
                };
                (w.form.to_string(), target)
            }
        };
        let email = match &n.way {
            Way::Email(email) => Some(email),
            Way::Webhook(_) => None,
        };
        Self {
            name: n.name.to_string(),
            kind,
            target,
            to: email.map(|e| e.to.clone()).unwrap_or_default(),
            from: email.and_then(|e| e.from.clone()),
            smtp: email.map(|e| e.smtp.to_string()),
            user: email.and_then(|e| e.user.clone()),
            allow_private: matches!(&n.way, Way::Webhook(w) if w.allow_private),
            on: n.on.iter().map(ToString::to_string).collect(),
            language: n.language.to_string(),
            quiet: n.quiet.map(|(a, b)| (a.format("%H:%M").to_string(), b.format("%H:%M").to_string())),
            group_seconds: n.group.as_secs(),
            waiting: 0,
            last_sent: None,
            error: None,
        }
    }
}
