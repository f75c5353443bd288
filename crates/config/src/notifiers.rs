//! `[notifiers.NAME]`.

use crate::check::{Found, Reader};
use crate::keys;
use crate::settings::File;
use backup_model::{
    Condition, EmailSettings, Language, Name, NotifierSettings, SmtpTls, Trigger, Way, WebhookForm, WebhookSettings, WebhookUrl,
};
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::{Item, TableLike};

/// Between two messages lies this much where the file says nothing.
const GROUP: Duration = Duration::from_secs(300);

impl Reader {
    pub(crate) fn notifiers(&self, item: &Item) -> Found<Vec<NotifierSettings>> {
        let Some(table) = item.as_table_like() else {
            return self.error(item, "notifiers are written as [notifiers.NAME], each with email or webhook");
        };
        table.iter().map(|(name, item)| self.notifier(self.parsed(item, Name::new(name))?, item)).collect()
    }

    fn notifier(&self, name: Name, item: &Item) -> Found<NotifierSettings> {
        let what = format!("[notifiers.{name}]");
        let table = self.table(item, &what, &keys::NOTIFIER)?;
        let way = match (table.get("email"), table.get("webhook")) {
            (Some(email), None) => Way::Email(self.email(email)?),
            (None, Some(webhook)) => Way::Webhook(self.webhook(webhook)?),
            _ => {
                return self.error(
                    item,
                    format!("{what} needs email = {{ to = [\"…\"], smtp = \"smtps://…\" }} or webhook = {{ url = \"https://…\" }}, one of them"),
                );
            }
        };
        let pings = matches!(&way, Way::Webhook(w) if w.form == WebhookForm::Healthchecks);
        let mut out = NotifierSettings {
            name,
            way,
            on: Condition::USUAL.to_vec(),
            language: Language::En,
            quiet: None,
            // A watchdog wants every ping at once.
            group: if pings { Duration::ZERO } else { GROUP },
        };
        if pings {
            out.on = vec![Condition::Success, Condition::Warning, Condition::Failure];
        }
        for (key, item) in table.iter() {
            match key {
                "on" => {
                    let words = self.texts(item, key)?;
                    out.on = words.iter().map(|w| self.parsed(item, w.parse::<Condition>())).collect::<Found<_>>()?;
                    if out.on.is_empty() {
                        return self.error(item, "`on` is empty, so nothing would ever be sent; name at least one condition");
                    }
                }
                "language" => out.language = self.parsed(item, self.text_of(item, key)?.parse())?,
                "group" => out.group = self.span(item, key)?,
                "quiet" => {
                    let quiet = self.table(item, key, &keys::QUIET)?;
                    let time = |key: &str| match quiet.get(key) {
                        Some(item) => self.parsed(item, Trigger::parse_time(self.text_of(item, key)?)),
                        None => self.error(item, "`quiet` must be { from = \"22:00\", to = \"07:00\" }"),
                    };
                    out.quiet = Some((time("from")?, time("to")?));
                }
                _ => {}
            }
        }
        Ok(out)
    }

    pub(crate) fn mail_address(&self, item: &Item, key: &str) -> Found<String> {
        let text = self.text_of(item, key)?;
        let address = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
        let fits =
            address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
        if !fits || text.contains(char::is_control) {
            return self.error(item, format!("{text:?} is no mail address; write for example \"ops@example.org\""));
        }
        Ok(text.to_owned())
    }

    fn email(&self, item: &Item) -> Found<EmailSettings> {
        let table = self.table(item, "email", &keys::EMAIL)?;
        let Some(to) = table.get("to") else { return self.error(item, "`email` needs to = [\"ops@example.org\"]") };
        let to = self.texts(to, "to")?;
        for address in &to {
            self.mail_address(&Item::Value(address.as_str().into()), "to").or_else(|e| self.error(item, e.message))?;
        }
        if to.is_empty() {
            return self.error(item, "`to` names nobody");
        }
        let Some(smtp) = table.get("smtp") else {
            return self.error(item, "`email` needs smtp = \"smtps://mail.example.org\", the server that takes the mail");
        };
        let mut out = EmailSettings {
            to,
            from: None,
            smtp: self.parsed(smtp, self.text_of(smtp, "smtp")?.parse())?,
            user: None,
            password: None,
            ca: None,
        };
        for (key, item) in table.iter() {
            match key {
                "from" => out.from = Some(self.mail_address(item, key)?),
                "user" => out.user = Some(self.text_of(item, key)?.to_owned()),
                "password" => out.password = Some(self.secret(item, key)?),
                "ca" => out.ca = Some(PathBuf::from(self.text_of(item, key)?)),
                _ => {}
            }
        }
        if out.user.is_some() != out.password.is_some() {
            return self.error(item, "`user` and `password` go together");
        }
        let here = out.smtp.host == "localhost" || out.smtp.host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback());
        if out.smtp.tls == SmtpTls::None && out.password.is_some() && !here {
            return self.error(smtp, "a password does not travel in clear: write smtp:// (STARTTLS) or smtps://");
        }
        Ok(out)
    }

    fn webhook(&self, item: &Item) -> Found<WebhookSettings> {
        let table = self.table(item, "webhook", &keys::WEBHOOK)?;
        let Some(url) = table.get("url") else { return self.error(item, "`webhook` needs url = \"https://…\"") };
        let mut out = WebhookSettings {
            url: match url.as_str() {
                Some(text) if text.starts_with("https://") || text.starts_with("http://") => WebhookUrl::Text(text.to_owned()),
                Some(_) => return self.error(url, "`url` must begin with https:// or http://"),
                None => WebhookUrl::Secret(self.secret(url, "url")?),
            },
            form: WebhookForm::Json,
            token: None,
            allow_private: false,
            ca: None,
        };
        for (key, item) in table.iter() {
            match key {
                "form" => out.form = self.parsed(item, self.text_of(item, key)?.parse())?,
                "token" => out.token = Some(self.secret(item, key)?),
                "allow_private" => out.allow_private = self.flag(item, key)?,
                "ca" => out.ca = Some(PathBuf::from(self.text_of(item, key)?)),
                _ => {}
            }
        }
        Ok(out)
    }

    /// The notifiers that a schedule names are there.
    pub(crate) fn known_notifiers(&self, file: &File, layers: &[&dyn TableLike]) -> Found<()> {
        for item in layers.iter().filter_map(|l| l.get("notify")) {
            for name in self.texts(item, "notify")? {
                if !file.notifiers.iter().any(|n| n.name.as_str() == name) {
                    return self.error(item, format!("there is no [notifiers.{name}] in this file; add it, or remove the name"));
                }
            }
        }
        Ok(())
    }
}
