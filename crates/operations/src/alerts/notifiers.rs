//! Notifiers: entries of the file, and their tests.

use super::conditions;
use crate::secrets::GivenSecret;
use crate::{App, OperationError};
use backup_catalogue::OutboxState;
use backup_config::{InlineTable, Section, Value};
use backup_model::{AlertKind, Name, NotifierSettings, SmtpServer};

/// How a new notifier tells.
pub enum NewWay {
    /// By mail.
    Email {
        /// To whom.
        to: Vec<String>,
        /// From whom.
        from: Option<String>,
        /// The server.
        smtp: String,
        /// Who signs in.
        user: Option<String>,
        /// The password.
        password: Option<GivenSecret>,
    },
    /// By a webhook.
    Webhook {
        /// Where to; a URL that is given itself is kept as a secret.
        url: GivenSecret,
        /// In which form.
        form: Option<String>,
        /// A token that is sent along.
        token: Option<GivenSecret>,
        /// Whether private addresses are allowed.
        allow_private: bool,
    },
}

/// A notifier to add.
pub struct NewNotifier {
    /// Its name.
    pub name: String,
    /// How it tells.
    pub way: NewWay,
    /// Of what; the usual if empty.
    pub on: Vec<String>,
    /// In which language.
    pub language: Option<String>,
}

/// How a notifier stands.
pub struct NotifierState {
    /// Its settings.
    pub settings: NotifierSettings,
    /// What waits and what was sent.
    pub outbox: OutboxState,
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
    pub fn add_notifier(&self, new: NewNotifier) -> Result<(), OperationError> {
        let name = Name::new(&new.name).map_err(|e| OperationError::Invalid(e.to_string()))?;
        if self.file().notifier(name.as_str()).is_some() {
            return Err(OperationError::Conflict(format!("there is already a notifier {name}; delete it first")));
        }
        conditions(&new.on)?;
        let texts = |list: &[String]| Value::Array(list.iter().map(String::as_str).collect());
        let mut table = InlineTable::new();
        let key = match new.way {
            NewWay::Email { to, from, smtp, user, password } => {
                let server: SmtpServer =
                    smtp.parse().map_err(|e: backup_model::ParseWordError| OperationError::Invalid(e.to_string()))?;
                table.insert("to", texts(&to));
                if let Some(from) = from {
                    table.insert("from", from.into());
                }
                table.insert("smtp", server.to_string().into());
                if let Some(user) = user {
                    table.insert("user", user.into());
                }
                if let Some(password) = password {
                    table.insert("password", self.keep_secret(&format!("notifier-{name}"), password)?);
                }
                "email"
            }
            NewWay::Webhook { url, form, token, allow_private } => {
                table.insert("url", self.keep_secret(&format!("notifier-{name}-url"), url)?);
                if let Some(form) = form {
                    table.insert("form", form.into());
                }
                if let Some(token) = token {
                    table.insert("token", self.keep_secret(&format!("notifier-{name}"), token)?);
                }
                if allow_private {
                    table.insert("allow_private", true.into());
                }
                "webhook"
            }
        };
        let mut keys = vec![(key, Value::InlineTable(table))];
        if !new.on.is_empty() {
            keys.push(("on", texts(&new.on)));
        }
        if let Some(language) = new.language {
            keys.push(("language", language.into()));
        }
        if let Err(e) = self.editor()?.add_entry(Section::Notifiers, &name, keys) {
            self.forget_notifier_secrets(name.as_str())?;
            return Err(e.into());
        }
        self.edited(&format!("added the notifier {name}"));
        Ok(())
    }

    fn forget_notifier_secrets(&self, name: &str) -> Result<(), OperationError> {
        self.forget_secret(&format!("notifier-{name}"))?;
        self.forget_secret(&format!("notifier-{name}-url"))
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
        self.forget_notifier_secrets(name)?;
        self.edited(&format!("deleted the notifier {name}"));
        Ok(())
    }

    /// Sends a test, step by step: name of the step, whether all is well, what was seen.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn test_notifier(&self, name: &str) -> Result<Vec<(String, bool, String)>, OperationError> {
        let settings = self.need_notifier(name)?;
        let alert = self.new_alert(AlertKind::Test, name, None, "backupctl notifier test".into());
        match self.teller(&settings).await {
            Ok(teller) => Ok(teller.test(&[alert]).await),
            Err(e) => Ok(vec![("settings".into(), false, e.to_string())]),
        }
    }
}
