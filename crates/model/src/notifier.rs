//! Who is told what, and how.

use crate::{AlertKind, Name, ParseWordError, SecretSource, run::words};
use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

words! {
    /// What somebody wants to hear of.
    Condition, "condition (failure, warning, recovery, success, missed, stale, disk)" {
        /// A run failed, an archive is damaged, a trial restore went wrong.
        Failure = "failure",
        /// A run completed with warnings.
        Warning = "warning",
        /// A run completed after a failure.
        Recovery = "recovery",
        /// A run completed.
        Success = "success",
        /// A planned run did not happen.
        Missed = "missed",
        /// No good backup for too long.
        Stale = "stale",
        /// A disk fills up.
        Disk = "disk",
    }
}

impl Condition {
    /// What is told where the file says nothing.
    pub const USUAL: &[Self] = &[Self::Failure, Self::Recovery, Self::Missed, Self::Stale, Self::Disk];

    /// Whether an alert meets the condition.
    #[must_use]
    pub fn meets(self, kind: AlertKind) -> bool {
        match kind {
            AlertKind::Failure | AlertKind::Damaged | AlertKind::DrillFailed => self == Self::Failure,
            AlertKind::Warning => self == Self::Warning,
            AlertKind::Success => self == Self::Success,
            AlertKind::Recovery => matches!(self, Self::Recovery | Self::Success),
            AlertKind::Missed => self == Self::Missed,
            AlertKind::Stale => self == Self::Stale,
            AlertKind::Disk => self == Self::Disk,
            AlertKind::Test => true,
        }
    }
}

words! {
    /// The language of messages.
    Language, "language (en, fr)" {
        /// English.
        En = "en",
        /// French.
        Fr = "fr",
    }
}

words! {
    /// What a webhook is sent.
    WebhookForm, "form of webhook (json, slack, discord, teams, ntfy, gotify, healthchecks)" {
        /// The alerts as JSON.
        Json = "json",
        /// Slack and what takes its messages (Mattermost, Rocket.Chat).
        Slack = "slack",
        /// Discord.
        Discord = "discord",
        /// Microsoft Teams, by a workflow's webhook.
        Teams = "teams",
        /// ntfy.
        Ntfy = "ntfy",
        /// Gotify.
        Gotify = "gotify",
        /// healthchecks.io and its like: a ping, or one on `/fail`.
        Healthchecks = "healthchecks",
    }
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte (RFC 8314).
    Wrapped,
    /// STARTTLS (RFC 3207), required.
    Starttls,
    /// Not at all.
    None,
}

/// An SMTP server: `smtps://host`, `smtp://host` (with STARTTLS) or `smtp+plain://host`, each with a port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
}

impl FromStr for SmtpServer {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        // Who writes a password into it must not find it again in an error.
        let shown = match (text.find("://"), text.rfind('@')) {
            (Some(start), Some(at)) if start < at => format!("{}…{}", &text[..start + 3], &text[at..]),
            _ => text.to_owned(),
        };
        let wrong = || ParseWordError::new(&shown, "SMTP server (smtps://HOST, smtp://HOST for STARTTLS, smtp+plain://HOST)");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (tls, usual) = match scheme {
            "smtps" => (SmtpTls::Wrapped, 465),
            "smtp" => (SmtpTls::Starttls, 587),
            "smtp+plain" => (SmtpTls::None, 25),
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (rest, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.tls {
            SmtpTls::Wrapped => "smtps",
            SmtpTls::Starttls => "smtp",
            SmtpTls::None => "smtp+plain",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

/// Mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailSettings {
    /// Who gets it.
    pub to: Vec<String>,
    /// Who it is from, if not `[daemon] sender`.
    pub from: Option<String>,
    /// The server that takes it.
    pub smtp: SmtpServer,
    /// Who signs in there.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<SecretSource>,
    /// PEM file with further authorities.
    pub ca: Option<PathBuf>,
}

/// Where a webhook goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookUrl {
    /// As it stands in the file.
    Text(String),
    /// A secret.
    Secret(SecretSource),
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where it goes.
    pub url: WebhookUrl,
    /// What it is sent.
    pub form: WebhookForm,
    /// A token that is sent along, in the way of the form.
    pub token: Option<SecretSource>,
    /// Whether it may go to private, link-local and loopback addresses.
    pub allow_private: bool,
    /// PEM file with further authorities.
    pub ca: Option<PathBuf>,
}

/// How somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By mail.
    Email(EmailSettings),
    /// By a webhook.
    Webhook(WebhookSettings),
}

/// `[notifiers.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierSettings {
    /// Its name.
    pub name: Name,
    /// How.
    pub way: Way,
    /// Of what.
    pub on: Vec<Condition>,
    /// In which language.
    pub language: Language,
    /// Times of the day in which nothing is sent; it is sent afterwards.
    pub quiet: Option<(NaiveTime, NaiveTime)>,
    /// Between two messages lies at least this; what comes meanwhile goes into one.
    pub group: Duration,
}

impl NotifierSettings {
    /// Whether it wants to hear of an alert.
    #[must_use]
    pub fn wants(&self, kind: AlertKind) -> bool {
        self.on.iter().any(|c| c.meets(kind))
    }

    /// Whether a time of the day is quiet.
    #[must_use]
    pub fn is_quiet(&self, time: NaiveTime) -> bool {
        self.quiet.is_some_and(|(from, to)| if from <= to { (from..to).contains(&time) } else { time >= from || time < to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_mail() {
        for (text, shown) in [
            ("smtps://mail.example.org", "smtps://mail.example.org:465"),
            ("smtp://mail.example.org/", "smtp://mail.example.org:587"),
            ("smtp+plain://127.0.0.1:2525", "smtp+plain://127.0.0.1:2525"),
            ("smtp://[::1]:26", "smtp://[::1]:26"),
        ] {
            assert_eq!(text.parse::<SmtpServer>().map(|s| s.to_string()).as_deref(), Ok(shown));
        }
        for wrong in ["mail.example.org", "http://x", "smtp://", "smtp://a:b", "smtp://user:pw@host", "smtp://a/b"] {
            assert!(wrong.parse::<SmtpServer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn quiet_hours_cross_midnight() {
        let t = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("a time");
        let mut n = NotifierSettings {
            name: Name::new("ops").expect("a name"),
            way: Way::Webhook(WebhookSettings {
                url: WebhookUrl::Text("https://x".into()),
                form: WebhookForm::Json,
                token: None,
                allow_private: false,
                ca: None,
            }),
            on: Condition::USUAL.to_vec(),
            language: Language::En,
            quiet: Some((t(22), t(7))),
            group: Duration::from_secs(300),
        };
        assert!(n.is_quiet(t(23)) && n.is_quiet(t(3)) && !n.is_quiet(t(7)) && !n.is_quiet(t(12)));
        n.quiet = Some((t(12), t(14)));
        assert!(n.is_quiet(t(12)) && !n.is_quiet(t(14)));
        assert!(n.wants(AlertKind::Damaged) && n.wants(AlertKind::Recovery) && !n.wants(AlertKind::Success));
    }
}
