//! Destinations, the receiver's clients, recovery.

use super::KeyArgs;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum DestinationCommand {
    /// Add a destination to schedules.toml
    #[command(
        after_help = "Examples:\n  backupctl destination add disk --url /mnt/disk/backups\n  backupctl destination add offsite --url 's3://bucket/backups?endpoint=https://s3.example.org&region=eu' --access-key AK123 --secret-file /etc/backupd/s3.key --lock-days 30\n  backupctl destination add nas --url sftp://backup@nas/srv/backups --identity /etc/backupd/id_ed25519 --known-hosts /etc/backupd/known_hosts\n  pass show dav | backupctl destination add cloud --url webdavs://me@cloud.example.org/dav/backups --secret-stdin\n  backupctl destination add vault --url receiver+https://vault.example.org:5000 --secret-file web1.token --read-token-file web1-read.token\n\nThen name it in schedules: backupctl edit NAME --destination local --destination offsite"
    )]
    Add(Box<AddDestination>),
    /// Change where a destination lies, its secrets or limits; what is not given stays, and what lies there is not moved
    #[command(
        after_help = "Examples:\n  backupctl destination edit offsite --access-key AK456 --secret-file /etc/backupd/s3-new.key\n  backupctl destination edit nas --url sftp://backup@nas2/srv/backups --known-hosts /etc/backupd/known_hosts\n  backupctl destination edit offsite --limit 10MB/s\n  backupctl destination edit offsite --unset limit"
    )]
    Edit(Box<EditDestination>),
    /// List destinations, with what is there and what waits
    #[command(after_help = "Example:\n  backupctl destination list")]
    List,
    /// Write, list, read and remove an object, step by step
    #[command(after_help = "Example:\n  backupctl destination test offsite")]
    Test {
        /// Its name
        name: String,
    },
    /// Remove a destination from schedules.toml; what lies there stays
    #[command(after_help = "Example:\n  backupctl destination delete offsite")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Secrets of a destination, and the files that go with them.
#[derive(ClapArgs, Default)]
pub(crate) struct SecretArgs {
    /// S3: the id of the key
    #[arg(long, value_name = "ID")]
    pub(crate) access_key: Option<String>,
    /// File whose first line is the secret: S3's key, WebDAV's password, the receiver's token
    #[arg(long, value_name = "FILE", conflicts_with = "secret_stdin")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Read the secret from standard input
    #[arg(long)]
    pub(crate) secret_stdin: bool,
    /// Receiver: file whose first line is the token that reads back
    #[arg(long, value_name = "FILE")]
    pub(crate) read_token_file: Option<PathBuf>,
    /// SFTP: the file of the private key
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// SFTP: a file with the server's public keys, as ~/.ssh/known_hosts
    #[arg(long, value_name = "FILE")]
    pub(crate) known_hosts: Option<PathBuf>,
    /// TLS: a file with certificates of further authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub(crate) struct AddDestination {
    /// Its name
    pub(crate) name: String,
    /// Where: s3://, sftp://, webdavs://, receiver+https://, or a folder
    #[arg(long)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) settings: DestinationArgs,
}

#[derive(ClapArgs)]
pub(crate) struct EditDestination {
    /// Its name
    pub(crate) name: String,
    /// Where it lies: s3://, sftp://, webdavs://, receiver+https://, or a folder
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: DestinationArgs,
    /// Take a key away (may be given several times): access_key, secret_key,
    /// password, token, read_token, identity, known_hosts, ca, limit, lock_days
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
}

/// What stands beside the URL of a destination.
#[derive(ClapArgs)]
pub(crate) struct DestinationArgs {
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// Variable of the daemon's environment that holds the secret
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["secret_file", "secret_stdin"])]
    pub(crate) secret_env: Option<String>,
    /// Send at most so much, for example 5MB/s
    #[arg(long, value_name = "RATE")]
    pub(crate) limit: Option<String>,
    /// S3: nobody can remove or change what is stored for so many days (the bucket must have object lock)
    #[arg(long, value_name = "N")]
    pub(crate) lock_days: Option<u32>,
}

#[derive(ClapArgs)]
pub(crate) struct ServerArgs {
    /// The receiver (default: SERVER_URL, else http://localhost:5000)
    #[arg(long, value_name = "URL", env = "SERVER_URL", default_value = "http://localhost:5000")]
    pub(crate) server: String,
    /// Where archives lie: FULL/, INC/ and DIFF/ as S1 has them, or a folder for each schedule (default: BACKUP_DIR, else
    /// ./backup, else the home's)
    #[arg(long, value_name = "DIR", env = "BACKUP_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// File whose first line is the token (default: BACKUP_TOKEN)
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// TLS: a file with certificates of further authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub(crate) struct PushArgs {
    /// Profiles (schedules), whose newest archive is sent, or files (default: every profile)
    pub(crate) what: Vec<String>,
    /// All archives, not only the newest
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(ClapArgs)]
pub(crate) struct RecoverArgs {
    /// The destination's URL, as schedules.toml had it
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}
