//! Databases: entries of the file, restores into them.

use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Add a database to schedules.toml
    #[command(
        after_help = "Examples:\n  backupctl database add shop --url postgres://backup@db.example:5432/shop?tls=verify-full --password-file /etc/backupd/shop.password\n  backupctl database add all --url mariadb://backup@localhost/* --password-env DB_PASSWORD\n  pass show db | backupctl database add blog --url 'mysql:///blog?socket=/run/mysqld/mysqld.sock' --password-stdin\n  backupctl database add app --url sqlite:///srv/app/app.db\n  backupctl database add web --engine postgres --host db.example --user backup --database 'we\"ird;db' --tls verify-full\n\nThe path of the URL names databases, parted by commas; * means all of the server. Special characters are %-encoded."
    )]
    Add {
        /// Its name
        name: String,
        /// Where it is: postgres://, mysql://, mariadb:// or sqlite://, without a password
        #[arg(long, required_unless_present = "engine", conflicts_with = "engine")]
        url: Option<String>,
        #[command(flatten)]
        place: Box<PlaceArgs>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Change where a database is, or its password; what is not given stays
    #[command(
        after_help = "Examples:\n  pass show db | backupctl database edit shop --password-stdin\n  backupctl database edit shop --url postgres://backup@db2.example:5432/shop?tls=verify-full\n  backupctl database edit shop --unset password"
    )]
    Edit {
        /// Its name
        name: String,
        /// Where it is: postgres://, mysql://, mariadb:// or sqlite://, without a password
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        password: PasswordArgs,
        /// Take a key away: password
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// List databases
    #[command(after_help = "Example:\n  backupctl database list")]
    List,
    /// Look at everything that a backup needs: sign-in, version, rights, client programs
    #[command(after_help = "Example:\n  backupctl database test shop")]
    Test {
        /// Its name
        name: String,
    },
    /// Delete a database from schedules.toml; its archives stay
    #[command(after_help = "Example:\n  backupctl database delete shop")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Where the password comes from.
#[derive(ClapArgs)]
pub(crate) struct PasswordArgs {
    /// File whose first line is the password
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_env", "password_stdin"])]
    pub(crate) password_file: Option<PathBuf>,
    /// Variable of the environment that holds the password
    #[arg(long, value_name = "VARIABLE", conflicts_with = "password_stdin")]
    pub(crate) password_env: Option<String>,
    /// Read the password from standard input; it is kept in a file that only the home's owner can read
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Where a database is, without a URL.
#[derive(ClapArgs, Default)]
pub(crate) struct PlaceArgs {
    /// Instead of --url: postgres, mysql or mariadb
    #[arg(long, value_parser = ["postgres", "mysql", "mariadb"])]
    pub(crate) engine: Option<String>,
    /// Host name or address (default: this machine)
    #[arg(long, requires = "engine")]
    pub(crate) host: Option<String>,
    /// TCP port
    #[arg(long, requires = "engine")]
    pub(crate) port: Option<u16>,
    /// Unix socket; for PostgreSQL the folder that holds it
    #[arg(long, value_name = "PATH", requires = "engine")]
    pub(crate) socket: Option<PathBuf>,
    /// Who signs in
    #[arg(long, requires = "engine")]
    pub(crate) user: Option<String>,
    /// disable, prefer, require, verify-ca or verify-full
    #[arg(long, value_name = "MODE", requires = "engine")]
    pub(crate) tls: Option<String>,
    /// File with certificates of authorities
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub(crate) ca: Option<PathBuf>,
    /// A database, as it is called (may be given several times; all of the server if it is left out)
    #[arg(long, value_name = "NAME", requires = "engine", allow_hyphen_values = true)]
    pub(crate) database: Vec<String>,
}

/// Restores into databases.
#[derive(ClapArgs, Default)]
pub(crate) struct IntoArgs {
    /// Restore a database into this one: a name, or the URL of another server
    #[arg(long, value_name = "DATABASE|URL", allow_hyphen_values = true)]
    pub(crate) into: Option<String>,
    /// Which database, where the archive's name means several
    #[arg(long, value_name = "NAME", requires = "into", allow_hyphen_values = true)]
    pub(crate) database: Option<String>,
    /// Another of the servers in schedules.toml
    #[arg(long, value_name = "NAME", requires = "into")]
    pub(crate) server: Option<String>,
    /// File with the password for a URL
    #[arg(long, value_name = "FILE", requires = "into")]
    pub(crate) database_password_file: Option<PathBuf>,
    /// Make no copy of the database that --overwrite replaces
    #[arg(long, requires = "into")]
    pub(crate) no_safety_dump: bool,
    /// Definitions without rows
    #[arg(long, requires = "into")]
    pub(crate) metadata_only: bool,
    /// One table only (PostgreSQL, format = "custom")
    #[arg(long, value_name = "TABLE", requires = "into")]
    pub(crate) table: Option<String>,
    /// Leave out owners and rights
    #[arg(long, requires = "into")]
    pub(crate) no_owner: bool,
    /// Keep the database that is replaced, under another name (PostgreSQL)
    #[arg(long, requires = "into")]
    pub(crate) keep_old: bool,
}
