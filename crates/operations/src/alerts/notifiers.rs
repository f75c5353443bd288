//! Notifiers: entries of the file, and their tests.

use super::conditions;
use crate::secrets::{Entry, GivenSecret};
use crate::{App, OperationError};
use backup_catalogue::OutboxState;
use backup_config::{Section, Value};
use backup_model::{AlertKind, NotifierSettings, SmtpServer, Step, Steps};

/// A notifier to add, or what is to change of one.
pub struct NotifierWish {
    /// Its name.
    pub name: String,
    /// Mail: to whom.
    pub to: Vec<String>,
    /// Mail: from whom.
    pub from: Option<String>,
    /// Mail: the server.
    pub smtp: Option<String>,
    /// Mail: who signs in.
    pub user: Option<String>,
    /// Mail: the password.
    pub password: Option<GivenSecret>,
    /// Webhook: where to; a URL that is given itself is kept as a secret.
    pub url: Option<GivenSecret>,
    /// Webhook: in which form.
    pub form: Option<String>,
    /// Webhook: a token that is sent along.
    pub token: Option<GivenSecret>,
    /// Webhook: whether private addresses are allowed.
    pub allow_private: Option<bool>,
    /// Of what; the usual if empty.
    pub on: Vec<String>,
    /// In which language.
    pub language: Option<String>,
    /// Keys to take away.
    pub unset: Vec<String>,
}

/// The keys that may be missing.
const OPTIONAL: [&str; 8] =
    ["email.from", "email.user", "email.password", "webhook.form", "webhook.token", "webhook.allow_private", "on", "language"];

/// How a notifier stands.
pub struct NotifierState {
    /// Its settings.
    pub settings: NotifierSettings,
    /// What waits and what was sent.
    pub outbox: OutboxState,
}

fn entry(wish: NotifierWish) -> Result<Entry, OperationError> {
    conditions(&wish.on)?;
    let server = wish.smtp.map(|text| text.parse::<SmtpServer>()).transpose();
    let server = server.map_err(|e: backup_model::ParseWordError| OperationError::Invalid(e.to_string()))?;
    let texts = |list: Vec<String>| (!list.is_empty()).then(|| Value::Array(list.into_iter().collect()));
    let mut entry = Entry::default();
    entry.set("email.to", texts(wish.to));
    entry.set("email.from", wish.from);
    entry.set("email.smtp", server.map(|server| server.to_string()));
    entry.set("email.user", wish.user);
    entry.secret("email.password", format!("notifier-{}", wish.name), wish.password);
    entry.secret("webhook.url", format!("notifier-{}-url", wish.name), wish.url);
    entry.set("webhook.form", wish.form);
    entry.secret("webhook.token", format!("notifier-{}", wish.name), wish.token);
    entry.set("webhook.allow_private", wish.allow_private);
    entry.set("on", texts(wish.on));
    entry.set("language", wish.language);
    let secret = |key: &str| ["email.password", "webhook.token"].contains(&key).then(|| format!("notifier-{}", wish.name));
    entry.unset(&wish.unset, &OPTIONAL, secret)?;
    Ok(entry)
}

impl App {
    /// All notifiers, with what waits for them.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn notifiers(&self) -> Result<Vec<NotifierState>, OperationError> {
        let mut out = Vec::new();
        for settings in &self.file().notifiers {
            let outbox = self.catalogue().outbox_state(settings.name.as_str()).await?;
            out.push(NotifierState { settings: settings.clone(), outbox });
        }
        Ok(out)
    }

    /// Adds a notifier to the file.
    ///
    /// # Errors
    /// The name is taken or wrong, or a value is wrong. The file is then unchanged.
    pub fn add_notifier(&self, new: NotifierWish) -> Result<(), OperationError> {
        if new.smtp.is_some() == new.url.is_some() {
            return Err(OperationError::Invalid("give smtp and to for mail, or url for a webhook".into()));
        }
        let name = new.name.clone();
        self.add_entry(Section::Notifiers, &name, entry(new)?)
    }

    /// Changes what is given of a notifier of the file and takes away what is to be unset; the rest stays.
    ///
    /// # Errors
    /// There is none of this name, or a value is wrong. The file is then unchanged.
    pub fn change_notifier(&self, change: NotifierWish) -> Result<(), OperationError> {
        let name = change.name.clone();
        self.change_entry(Section::Notifiers, &name, entry(change)?)
    }

    /// Removes a notifier from the file, with the secrets that were kept here for it.
    ///
    /// # Errors
    /// There is none, or a schedule names it.
    pub fn delete_notifier(&self, name: &str) -> Result<(), OperationError> {
        let file = self.valid_file()?;
        let names = |s: &&backup_model::Schedule| s.notify.iter().flatten().any(|n| n.as_str() == name);
        if let Some(schedule) = file.schedules.iter().find(names) {
            return Err(OperationError::Conflict(format!("the schedule {} names {name}; change it first", schedule.name)));
        }
        self.editor()?.delete_entry(Section::Notifiers, name)?;
        self.forget_secret(&format!("notifier-{name}"))?;
        self.forget_secret(&format!("notifier-{name}-url"))?;
        self.edited(&format!("deleted the notifier {name}"));
        Ok(())
    }

    /// Sends a test, step by step.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn test_notifier(&self, name: &str) -> Result<Vec<Step>, OperationError> {
        let mut steps = Steps::start();
        let settings = self.need_notifier(name)?;
        let alert = self.new_alert(AlertKind::Test, name, None, "backupctl notifier test".into());
        match self.teller(&settings).await {
            Ok(teller) => teller.test(&[alert], &mut steps).await,
            Err(e) => steps.wrong("settings", e.to_string()),
        }
        Ok(steps.into_list())
    }
}
