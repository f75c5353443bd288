//! Notifiers.

use super::PasswordArgs;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum NotifierCommand {
    /// Add a notifier to schedules.toml
    #[command(
        after_help = "Examples:\n  pass show smtp | backupctl notifier add ops --email ops@example.org --smtp smtps://mail.example.org --user backup --password-stdin\n  backupctl notifier add chat --form slack --webhook-file /etc/backupd/slack.url\n  backupctl notifier add phone --form ntfy --webhook https://ntfy.sh/my-secret-topic --on failure --on stale\n  backupctl notifier add watchdog --form healthchecks --webhook https://hc-ping.com/UUID --on success --on failure\n\nWithout --on it hears of failure, recovery, missed, stale and disk."
    )]
    Add(Box<NotifierArgs>),
    /// Change whom a notifier tells, of what, or its secrets; what is not given stays
    #[command(
        after_help = "Examples:\n  pass show smtp | backupctl notifier edit ops --password-stdin\n  backupctl notifier edit ops --email ops@example.org --email night@example.org\n  backupctl notifier edit chat --on failure,recovery,stale\n  backupctl notifier edit ops --unset user --unset password"
    )]
    Edit(Box<EditNotifier>),
    /// List notifiers, with what waits for them
    #[command(after_help = "Example:\n  backupctl notifier list")]
    List,
    /// Send a test message, step by step
    #[command(after_help = "Example:\n  backupctl notifier test ops")]
    Test {
        /// Its name
        name: String,
    },
    /// Remove a notifier from schedules.toml
    #[command(after_help = "Example:\n  backupctl notifier delete ops")]
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(ClapArgs)]
pub(crate) struct EditNotifier {
    #[command(flatten)]
    pub(crate) settings: NotifierArgs,
    /// Take a key away (may be given several times): from, user, password, form, token,
    /// allow_private, on, language
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
}

#[derive(ClapArgs)]
pub(crate) struct NotifierArgs {
    /// Its name
    pub(crate) name: String,
    /// Mail: to whom (may be given several times)
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["webhook", "webhook_file"])]
    pub(crate) email: Vec<String>,
    /// Mail: from whom
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// Mail: the server, smtps://HOST, smtp://HOST (STARTTLS) or smtp+plain://HOST
    #[arg(long, value_name = "URL")]
    pub(crate) smtp: Option<String>,
    /// Mail: who signs in
    #[arg(long)]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Webhook: where to; it is kept in a file that only the home's owner can read
    #[arg(long, value_name = "URL", conflicts_with = "webhook_file")]
    pub(crate) webhook: Option<String>,
    /// Webhook: file whose first line is the URL
    #[arg(long, value_name = "FILE")]
    pub(crate) webhook_file: Option<PathBuf>,
    /// Webhook: json, slack, discord, teams, ntfy, gotify or healthchecks
    #[arg(long, conflicts_with = "email")]
    pub(crate) form: Option<String>,
    /// Webhook: file whose first line is a token to send along
    #[arg(long, value_name = "FILE", conflicts_with = "email")]
    pub(crate) token_file: Option<PathBuf>,
    /// Webhook: it may go to private, link-local and loopback addresses
    #[arg(long, conflicts_with = "email")]
    pub(crate) allow_private: bool,
    /// Of what: failure, warning, recovery, success, missed, stale, disk (may be given several times)
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) on: Vec<String>,
    /// The language of messages: en or fr
    #[arg(long)]
    pub(crate) language: Option<String>,
}
