//! The outbox on its way: what waits is grouped, sent, and tried again until somebody has taken it.

use crate::{App, OperationError, secrets};
use backup_catalogue::OutboxRow;
use backup_model::{Alert, NotifierSettings, Steps, Way, WebhookUrl};
use backup_notify::{Hook, Mail, NotifyError, render};
use chrono::{DateTime, Duration, Utc};
use std::path::PathBuf;

/// What comes within this time of the first goes into the same message.
const SETTLE: Duration = Duration::seconds(5);
/// The first wait after a failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::seconds(30);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::hours(6);
/// What nobody took for so long is given up.
const GIVE_UP: Duration = Duration::days(7);
/// How often the daemon looks into the outbox.
const LOOK: std::time::Duration = std::time::Duration::from_secs(2);

/// A notifier that can be used: its secrets are read.
pub(super) struct Teller {
    way: Told,
    settings: NotifierSettings,
    host: String,
    zone: chrono_tz::Tz,
}

enum Told {
    Mail(Mail),
    Hook(Hook),
}

impl Teller {
    async fn send(&self, alerts: &[Alert]) -> Result<(), NotifyError> {
        let message = render(alerts, self.settings.language, &self.host, self.zone);
        match &self.way {
            Told::Mail(mail) => mail.send(&message).await,
            Told::Hook(hook) => hook.send(&message, alerts, &self.host).await,
        }
    }

    pub(super) async fn test(&self, alerts: &[Alert], steps: &mut Steps) {
        let message = render(alerts, self.settings.language, &self.host, self.zone);
        match &self.way {
            Told::Mail(mail) => mail.test(&message, steps).await,
            Told::Hook(hook) => hook.test(&message, alerts, &self.host, steps).await,
        }
    }
}

/// When something is tried again that failed so many times.
fn wait_after(failures: u32) -> Duration {
    FIRST_WAIT.checked_mul(1 << failures.min(12)).map_or(LONGEST_WAIT, |w| w.min(LONGEST_WAIT))
}

impl App {
    pub(super) async fn teller(&self, settings: &NotifierSettings) -> Result<Teller, OperationError> {
        let root = self.need_home()?.root().to_owned();
        let below = |path: &Option<PathBuf>| path.as_ref().map(|p| root.join(p));
        let secret = async |source: &Option<backup_model::SecretSource>| match source {
            Some(source) => secrets::read(source, &root).await.map(Some),
            None => Ok(None),
        };
        let way = match &settings.way {
            Way::Email(email) => {
                let sender = email.from.clone().or_else(|| self.file().daemon.sender.clone());
                let from = sender
                    .unwrap_or_else(|| format!("backupd@{}", if self.host().is_empty() { "localhost" } else { self.host() }));
                let mut with_ca = email.clone();
                with_ca.ca = below(&email.ca);
                Told::Mail(Mail::new(with_ca, from, secret(&email.password).await?))
            }
            Way::Webhook(webhook) => Told::Hook(Hook {
                url: match &webhook.url {
                    WebhookUrl::Text(text) => text.clone(),
                    WebhookUrl::Secret(source) => secrets::read(source, &root).await?,
                },
                form: webhook.form,
                token: secret(&webhook.token).await?,
                allow_private: webhook.allow_private,
                ca: below(&webhook.ca),
            }),
        };
        Ok(Teller { way, settings: settings.clone(), host: self.host().to_owned(), zone: self.zone() })
    }

    /// Sends what waits for one notifier, if it is time.
    async fn tell(&self, settings: &NotifierSettings, rows: Vec<OutboxRow>, at_once: bool) -> Result<(), OperationError> {
        let now = self.now();
        let name = settings.name.as_str();
        let failures = rows.iter().map(|r| r.attempts).max().unwrap_or(0);
        if failures > 0 {
            // While it does not work, nothing new is tried before its time either.
            let next = rows.iter().filter(|r| r.attempts > 0).map(|r| r.due).max().unwrap_or(now);
            if next > now {
                return Ok(());
            }
        } else if !at_once && !settings.group.is_zero() {
            let first = rows.iter().map(|r| r.created).min().unwrap_or(now);
            let last = self.catalogue().outbox_state(name).await?.last_sent.filter(|l| *l <= now);
            let group = Duration::from_std(settings.group).unwrap_or(LONGEST_WAIT);
            if first + SETTLE.min(group) > now || last.is_some_and(|l| l + group > now) {
                return Ok(());
            }
        }
        let (old, rows): (Vec<OutboxRow>, Vec<OutboxRow>) = rows.into_iter().partition(|r| r.created + GIVE_UP < now);
        if !old.is_empty() {
            tracing::error!("{} alerts for the notifier {name} are given up after {} days", old.len(), GIVE_UP.num_days());
            self.catalogue().outbox_drop(&old).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let alerts: Vec<Alert> = rows.iter().map(|r| r.alert.clone()).collect();
        let sent = match self.teller(settings).await {
            Ok(teller) => teller.send(&alerts).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        match sent {
            Ok(()) => {
                tracing::info!("the notifier {name} has sent {} alerts", rows.len());
                self.catalogue().outbox_sent(&rows, self.now()).await?;
            }
            Err(error) => {
                let due: DateTime<Utc> = self.now() + wait_after(failures);
                tracing::error!("the notifier {name} could not send {} alerts: {error}; tried again at {due}", rows.len());
                self.catalogue().outbox_failed(&rows, due, &error).await?;
            }
        }
        Ok(())
    }

    /// Sends what waits and is due. `at_once` does not wait for more that might belong together.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn send_waiting(&self, at_once: bool) -> Result<(), OperationError> {
        let mut waiting = self.catalogue().outbox_waiting().await?;
        let file = self.file();
        while let Some(first) = waiting.first() {
            let name = first.notifier.clone();
            let (rows, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|r| r.notifier == name);
            waiting = rest;
            match file.notifier(&name) {
                Some(settings) if settings.is_quiet(self.now().with_timezone(&self.zone()).time()) => {}
                Some(settings) => self.tell(settings, rows, at_once).await?,
                None if self.config_error().is_some() => {}
                None => {
                    tracing::warn!(
                        "{} alerts waited for the notifier {name}, which is not in schedules.toml any more",
                        rows.len()
                    );
                    self.catalogue().outbox_drop(&rows).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends what waits, until asked to stop.
    pub async fn run_outbox(&self) {
        while !self.is_stopping() {
            if let Err(e) = self.send_waiting(false).await {
                tracing::error!("the outbox cannot be read: {e}");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop_asked() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits: Vec<i64> = [0, 1, 2, 9, 10, 40].iter().map(|n| wait_after(*n).num_seconds()).collect();
        assert_eq!(waits, [30, 60, 120, 15_360, 21_600, 21_600]);
    }
}
