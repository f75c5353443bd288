//! Mail over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314).

use crate::address::resolve;
use crate::{LIMIT, Message, NotifyError};
use backup_model::Steps;
use backup_model::{EmailSettings, SmtpTls};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

/// Mail that can be sent: settings with their secrets read.
pub struct Mail {
    settings: EmailSettings,
    from: String,
    password: Option<String>,
}

fn mailbox(text: &str) -> Result<Mailbox, NotifyError> {
    text.parse().map_err(|e| NotifyError::Settings(format!("{text:?} is no mail address: {e}")))
}

/// An error of the server or on the way to it, with what can be done.
fn told(settings: &EmailSettings, e: &lettre::transport::smtp::Error) -> NotifyError {
    let server = &settings.smtp;
    let mut words = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(inner) = source {
        let inner_words = inner.to_string();
        if !words.contains(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        source = inner.source();
    }
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    match e.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => NotifyError::SignIn(format!(
            "{server} does not let {} in ({words}); check user and password",
            settings.user.as_deref().unwrap_or("nobody")
        )),
        Some(_) => NotifyError::Refused(format!("{server} does not take the mail: {words}")),
        None if e.is_timeout() => NotifyError::Connect(format!("{server} did not answer within {} s", LIMIT.as_secs())),
        None => NotifyError::Connect(format!(
            "{server} cannot be used ({words}); check host, port and the kind of encryption (smtps, smtp for STARTTLS)"
        )),
    }
}

impl Mail {
    /// Mail with its secrets read.
    #[must_use]
    pub fn new(settings: EmailSettings, from: String, password: Option<String>) -> Self {
        Self { settings, from, password }
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotifyError> {
        let server = &self.settings.smtp;
        let parameters = || -> Result<TlsParameters, NotifyError> {
            let mut builder = TlsParameters::builder(server.host.clone());
            if let Some(ca) = &self.settings.ca {
                for authority in backup_tls::authorities(ca).map_err(NotifyError::Settings)? {
                    let certificate = Certificate::from_der(authority.to_vec())
                        .map_err(|e| NotifyError::Settings(format!("cannot use {}: {e}", ca.display())))?;
                    builder = builder.add_root_certificate(certificate);
                }
            }
            builder.build().map_err(|e| NotifyError::Settings(format!("TLS cannot be set up: {e}")))
        };
        let tls = match server.tls {
            SmtpTls::Wrapped => Tls::Wrapper(parameters()?),
            SmtpTls::Starttls => Tls::Required(parameters()?),
            SmtpTls::None => Tls::None,
        };
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host).port(server.port).tls(tls).timeout(Some(LIMIT));
        if let Some(user) = &self.settings.user {
            builder = builder.credentials(Credentials::new(user.clone(), self.password.clone().unwrap_or_default()));
        }
        Ok(builder.build())
    }

    /// Every command has its limit in the transport; a server that answers just in time each time is left too.
    async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, NotifyError> {
        match tokio::time::timeout(LIMIT * 3, work).await {
            Ok(done) => done.map_err(|e| told(&self.settings, &e)),
            Err(_) => Err(NotifyError::Connect(format!("{} took longer than {} s", self.settings.smtp, (LIMIT * 3).as_secs()))),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn send(&self, message: &Message) -> Result<(), NotifyError> {
        let mut builder = lettre::Message::builder().from(mailbox(&self.from)?).subject(message.subject.clone());
        for to in &self.settings.to {
            builder = builder.to(mailbox(to)?);
        }
        let mail = builder
            .multipart(MultiPart::alternative_plain_html(message.text.clone(), message.html.clone()))
            .map_err(|e| NotifyError::Settings(format!("the mail cannot be written: {e}")))?;
        self.patiently(self.transport()?.send(mail)).await.map(|_| ())
    }

    /// Tries every step, and sends a message at the end.
    pub async fn test(&self, message: &Message, steps: &mut Steps) {
        let server = self.settings.smtp.clone();
        match resolve(&server.host, server.port).await {
            Ok(list) => {
                let shown: Vec<String> = list.iter().map(|a| a.ip().to_string()).collect();
                steps.ok("resolve", shown.join(", "));
            }
            Err(e) => return steps.wrong("resolve", e.to_string()),
        }
        let how = match server.tls {
            SmtpTls::Wrapped => "with TLS",
            SmtpTls::Starttls => "with STARTTLS",
            SmtpTls::None => "without encryption",
        };
        let user = self.settings.user.as_ref().map(|u| format!(", signed in as {u}")).unwrap_or_default();
        let connected = match self.transport() {
            Ok(transport) => self.patiently(transport.test_connection()).await,
            Err(e) => Err(e),
        };
        match connected {
            Ok(true) => steps.ok("connect", format!("{server} {how}{user}")),
            Ok(false) => return steps.wrong("connect", format!("{server} answers, but not as a mail server does")),
            Err(e) => {
                let step = if matches!(e, NotifyError::SignIn(_)) { "sign in" } else { "connect" };
                return steps.wrong(step, e.to_string());
            }
        }
        match self.send(message).await {
            Ok(()) => steps.ok("send", format!("taken for {}", self.settings.to.join(", "))),
            Err(e) => steps.wrong("send", e.to_string()),
        }
    }
}
