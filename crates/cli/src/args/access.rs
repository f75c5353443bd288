//! Users, tokens, the audit log.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the password is asked for, or read from a pipe
    #[command(after_help = "Example:\n  backupctl user add ada --role admin")]
    Add {
        /// The name
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List users
    #[command(after_help = "Example:\n  backupctl user list")]
    List,
    /// Give a user another password; their sessions end
    #[command(after_help = "Example:\n  backupctl user passwd ada")]
    Passwd {
        /// The name
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete a user; their sessions end
    #[command(after_help = "Example:\n  backupctl user delete ada")]
    Delete {
        /// The name
        name: String,
    },
    /// Take a user's second factor away, for example because their device was lost
    #[command(after_help = "Example:\n  backupctl user drop-second-factor ada")]
    DropSecondFactor {
        /// The name
        name: String,
    },
    /// Show a token by which the page adds the first admin, once, within 30 minutes
    #[command(after_help = "Example:\n  backupctl user setup-token")]
    SetupToken,
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once
    #[command(
        after_help = "Example:\n  backupctl token create monitoring --scope read --expires 365d\n  backupctl token create web1 --scope upload\n  backupctl token create web1-restore --scope read --machine web1"
    )]
    Create {
        /// Its name
        name: String,
        /// read, operate, admin or upload (to send archives to the receiver, nothing else)
        #[arg(long)]
        scope: String,
        /// How long it can be used, for example 90d (default: for ever)
        #[arg(long, value_name = "SPAN", value_parser = backup_model::parse_duration)]
        expires: Option<std::time::Duration>,
        /// The machine whose archives it sends to the receiver (scope upload) or reads there (scope read); it opens
        /// nothing else (default for upload: its name)
        #[arg(long, value_name = "MACHINE")]
        machine: Option<String>,
    },
    /// List tokens, without their secrets
    #[command(after_help = "Example:\n  backupctl token list")]
    List,
    /// Make a token worthless, at once
    #[command(after_help = "Example:\n  backupctl token revoke monitoring")]
    Revoke {
        /// Its name
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List entries, newest first
    #[command(after_help = "Examples:\n  backupctl audit list\n  backupctl audit list --text user:ada")]
    List {
        /// Rows to show
        #[arg(long, default_value_t = 50)]
        rows: u64,
        /// Part of who, what or on what
        #[arg(long)]
        text: Option<String>,
    },
    /// Compute the chain of hashes anew; exit code 1 if an entry was changed or is missing
    #[command(after_help = "Example:\n  backupctl audit verify")]
    Verify,
}
