//! Destinations.

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A destination to add, or what is to change of one. Secrets that are given here are kept in files of the home that only its owner can read;
/// `…_file` names a file on the daemon's machine whose first line is the secret, `…_env` a variable of its environment.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewDestinationRequest {
    /// Its name; in a change the path says it.
    pub name: String,
    /// Where it lies: `s3://`, `sftp://`, `webdavs://`, `receiver+https://`, `file:///` or an absolute path.
    /// One that is added needs it.
    pub url: Option<String>,
    /// S3: the id of the key.
    pub access_key: Option<String>,
    /// S3: the key; WebDAV: the password; receiver: the token that sends.
    pub secret: Option<String>,
    /// The same, in a file.
    pub secret_file: Option<String>,
    /// The same, in a variable.
    pub secret_env: Option<String>,
    /// Receiver: the token that reads back.
    pub read_token: Option<String>,
    /// The same, in a file.
    pub read_token_file: Option<String>,
    /// SFTP: the file of the private key.
    pub identity: Option<String>,
    /// SFTP: a file with the server's public keys, as known_hosts(5).
    pub known_hosts: Option<String>,
    /// TLS: a file with further authorities.
    pub ca: Option<String>,
    /// Bytes each second at most, such as `5MB/s`.
    pub limit: Option<String>,
    /// S3: days for which nothing can be removed (object lock).
    pub lock_days: Option<u32>,
    /// In a change: keys to take away, as the file calls them, such as `limit` or `ca`.
    pub unset: Vec<String>,
}

/// A destination, without its secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DestinationView {
    /// Its name.
    pub name: String,
    /// `folder`, `s3`, `sftp`, `webdav` or `receiver`.
    pub kind: String,
    /// Where it lies, as the file says.
    pub url: String,
    /// SFTP: the file of the private key.
    pub identity: Option<String>,
    /// SFTP: the file with the server's public keys.
    pub known_hosts: Option<String>,
    /// TLS: the file with further authorities.
    pub ca: Option<String>,
    /// Bytes each second at most, such as `5MB/s`.
    pub limit: Option<String>,
    /// S3: days for which nothing can be removed.
    pub lock_days: Option<u32>,
    /// The schedules that send to it.
    pub schedules: Vec<String>,
    /// Archives that are there.
    pub archives: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Archives that are still to be sent.
    pub waiting: u64,
    /// When the newest was sent.
    pub last: Option<DateTime<FixedOffset>>,
    /// Why the last try failed, if something waits because of that.
    pub error: Option<String>,
}

/// A copy of an archive in a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopyView {
    /// The destination.
    pub destination: String,
    /// `waiting`, `stored` or `deleting`.
    pub state: String,
    /// Why the last try failed.
    pub error: Option<String>,
}
