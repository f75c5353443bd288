//! Makes a store of a destination's settings.

use crate::body::Pace;
use crate::folder::Folder;
use crate::http::client;
use crate::receiver::Remote;
use crate::retry::Retrying;
use crate::s3::S3;
use crate::sftp::Sftp;
use crate::webdav::Webdav;
use crate::{Store, StoreError};
use backup_model::{DestinationSettings, StoreUrl};

/// The secrets of a destination, read.
#[derive(Clone, Default)]
pub struct Secrets {
    /// S3: the id of the key.
    pub access_key: Option<String>,
    /// S3: the key.
    pub secret_key: Option<String>,
    /// WebDAV: the password.
    pub password: Option<String>,
    /// Receiver, WebDAV: the token.
    pub token: Option<String>,
    /// Receiver: the token that reads back.
    pub read_token: Option<String>,
}

/// Makes a store; nothing is connected yet.
///
/// # Errors
/// Settings that make no sense.
pub fn open(settings: &DestinationSettings, secrets: Secrets) -> Result<Box<dyn Store>, StoreError> {
    let pace = Pace::new(settings.limit);
    let ca = settings.ca.as_deref();
    Ok(match &settings.place {
        StoreUrl::Folder(path) => Box::new(Retrying(Folder::new(path.clone(), pace))),
        StoreUrl::S3 { .. } => Box::new(Retrying(S3::new(settings, secrets, client(ca)?, pace)?)),
        StoreUrl::Sftp { .. } => Box::new(Retrying(Sftp::new(settings, pace)?)),
        StoreUrl::Webdav { base, user } => Box::new(Retrying(Webdav::new(base, user.clone(), secrets, client(ca)?, pace)?)),
        StoreUrl::Receiver { base } => Box::new(Retrying(Remote::new(base, secrets, client(ca)?, pace))),
    })
}
