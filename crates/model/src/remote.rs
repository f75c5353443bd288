//! Where archives go beside the home: destinations, and the types by which the receiver sorts them.

use crate::retention::Keep;
use crate::run::{ParseWordError, words};
use crate::{Kind, Name, SecretSource};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The home itself, in a schedule's list of destinations.
pub const LOCAL: &str = "local";

words! {
    /// The type by which the receiver sorts archives (S1).
    ReceivedType, "type (FULL, INC, DIFF)" {
        /// Full.
        Full = "FULL",
        /// Incremental.
        Incremental = "INC",
        /// Differential.
        Differential = "DIFF",
    }
}

impl From<Kind> for ReceivedType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Full => Self::Full,
            Kind::Incremental => Self::Incremental,
            Kind::Differential => Self::Differential,
        }
    }
}

/// Where a destination lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder, mounted here: `file:///mnt/disk` or an absolute path.
    Folder(PathBuf),
    /// A bucket: `s3://bucket/prefix?endpoint=https://host&region=eu&style=path`.
    S3 {
        /// The bucket.
        bucket: String,
        /// What keys begin with; without slashes at its ends, empty for none.
        prefix: String,
        /// The server.
        endpoint: String,
        /// The region that signatures name.
        region: String,
        /// Whether the bucket stands in the path instead of the host's name.
        path_style: bool,
    },
    /// A folder of an SSH server: `sftp://user@host:port/folder`.
    Sftp {
        /// The user; none leaves it to the SSH client.
        user: Option<String>,
        /// The host.
        host: String,
        /// The port; none leaves it to the SSH client.
        port: Option<u16>,
        /// The folder; relative to the user's own if the URL has `/./` before it.
        folder: String,
    },
    /// A folder of a WebDAV server: `webdav://` and `webdavs://`, or `dav+http://`.
    Webdav {
        /// The folder's address, with a slash at its end.
        base: String,
        /// The user.
        user: Option<String>,
    },
    /// Another machine's receiver: `receiver+https://host:5000`.
    Receiver {
        /// Its address.
        base: String,
    },
}

/// Why a text is no URL of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write for example s3://bucket/prefix?endpoint=https://s3.example.org&region=eu, sftp://backup@host/folder, webdavs://user@host/folder, receiver+https://host:5000 or file:///mnt/disk"
)]
pub struct StoreUrlError(String);

fn decoded(text: &str) -> Result<String, StoreUrlError> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| StoreUrlError("the URL is no text".into()))?.into_owned();
    if text.contains(char::is_control) {
        return Err(StoreUrlError("the URL holds a control character".into()));
    }
    Ok(text)
}

/// User and `host:port` of the part between `//` and the path.
fn authority(text: &str) -> Result<(Option<String>, &str), StoreUrlError> {
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    if user.is_some_and(|u| u.contains(':')) {
        return Err(StoreUrlError("a password does not stand in a URL: give it as password".into()));
    }
    if host.is_empty() || host.starts_with('-') || host.contains(char::is_whitespace) {
        return Err(StoreUrlError("it names no host".into()));
    }
    let user = user.map(decoded).transpose()?.filter(|u| !u.is_empty());
    if user.as_ref().is_some_and(|u| u.starts_with('-')) {
        return Err(StoreUrlError("a user does not begin with '-'".into()));
    }
    Ok((user, host))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), StoreUrlError> {
    let wrong = || StoreUrlError(format!("{text:?} is no host and port"));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, rest.strip_prefix(':'))
        }
        None => text.rsplit_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
    };
    let port = port.map(|p| p.parse().map_err(|_| wrong())).transpose()?;
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

fn s3(rest: &str) -> Result<StoreUrl, StoreUrlError> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    let fits = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    if !fits {
        return Err(StoreUrlError(format!("{bucket:?} is no name of a bucket")));
    }
    let (mut endpoint, mut region, mut style) = (None, None, None);
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        match pair.split_once('=') {
            Some(("endpoint", value)) => endpoint = Some(decoded(value)?),
            Some(("region", value)) => region = Some(decoded(value)?),
            Some(("style", "path")) => style = Some(true),
            Some(("style", "host")) => style = Some(false),
            _ => return Err(StoreUrlError(format!("{pair:?} is no setting of S3 (endpoint, region, style=path, style=host)"))),
        }
    }
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    let own = endpoint.is_some();
    let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
        return Err(StoreUrlError("`endpoint` must begin with https:// or http://".into()));
    }
    Ok(StoreUrl::S3 {
        bucket: bucket.to_owned(),
        prefix: decoded(prefix)?.trim_matches('/').to_owned(),
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        region,
        path_style: style.unwrap_or(own),
    })
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;
    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text.starts_with('/') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(StoreUrlError(format!("{text:?} is no URL")));
        };
        let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(h, p)| (h, format!("/{p}")));
        let web = |plain: &str, sealed: &str, host: &str, path: &str| {
            let protocol = if scheme.ends_with('s') { sealed } else { plain };
            format!("{protocol}://{host}{}/", path.trim_end_matches('/'))
        };
        match scheme {
            "file" if host.is_empty() && path.starts_with('/') => Ok(Self::Folder(PathBuf::from(decoded(&path)?))),
            "file" => Err(StoreUrlError("a folder is written with three slashes, file:///mnt/disk".into())),
            "s3" => s3(rest),
            "sftp" => {
                let (user, host) = authority(host)?;
                let (host, port) = host_and_port(host)?;
                let folder = decoded(&path)?;
                let folder = folder.strip_prefix("/./").map_or_else(|| folder.clone(), str::to_owned);
                if folder.is_empty() || folder == "/" {
                    return Err(StoreUrlError("it names no folder on the server".into()));
                }
                Ok(Self::Sftp { user, host, port, folder: folder.trim_end_matches('/').to_owned() })
            }
            "webdav" | "webdavs" => {
                let (user, host) = authority(host)?;
                Ok(Self::Webdav { base: web("http", "https", host, &path), user })
            }
            "receiver+https" | "receiver+http" => {
                let (user, host) = authority(host)?;
                if user.is_some() {
                    return Err(StoreUrlError("the receiver knows tokens, no users".into()));
                }
                Ok(Self::Receiver { base: web("http", "https", host, &path) })
            }
            other => Err(StoreUrlError(format!("{other}:// is no kind of store"))),
        }
    }
}

impl StoreUrl {
    /// The kind of store, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::S3 { .. } => "s3",
            Self::Sftp { .. } => "sftp",
            Self::Webdav { .. } => "webdav",
            Self::Receiver { .. } => "receiver",
        }
    }

    /// Whether secrets would travel in clear to another machine.
    #[must_use]
    pub fn in_clear(&self) -> bool {
        let address = match self {
            Self::S3 { endpoint, .. } => endpoint,
            Self::Webdav { base, .. } | Self::Receiver { base } => base,
            Self::Folder(_) | Self::Sftp { .. } => return false,
        };
        let Some(rest) = address.strip_prefix("http://") else { return false };
        let host = rest.split('/').next().unwrap_or_default();
        let host = host_and_port(host).map_or_else(|_| host.to_owned(), |(h, _)| h);
        !(host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback()))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix, endpoint, .. } => write!(f, "s3://{bucket}/{prefix} at {endpoint}"),
            Self::Sftp { user, host, port, folder } => {
                f.write_str("sftp://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", folder.trim_start_matches('/'))
            }
            Self::Webdav { base, .. } | Self::Receiver { base } => f.write_str(base),
        }
    }
}

/// `[destinations.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Its name.
    pub name: Name,
    /// Where it lies, as it was written.
    pub url: String,
    /// The same, read.
    pub place: StoreUrl,
    /// S3: the id of the key.
    pub access_key: Option<SecretSource>,
    /// S3: the key.
    pub secret_key: Option<SecretSource>,
    /// WebDAV: the password.
    pub password: Option<SecretSource>,
    /// Receiver: the token that sends; WebDAV: a bearer token.
    pub token: Option<SecretSource>,
    /// Receiver: the token that reads back; without it the other one is shown.
    pub read_token: Option<SecretSource>,
    /// SFTP: the file of the private key; without it the SSH client chooses.
    pub identity: Option<PathBuf>,
    /// SFTP: the server's public keys in a file as known_hosts(5); without it the SSH client's own.
    pub known_hosts: Option<PathBuf>,
    /// TLS: certificates of authorities to trust, instead of the machine's.
    pub ca: Option<PathBuf>,
    /// Rules of retention there; without them those of each schedule.
    pub keep: Option<Keep>,
    /// Bytes each second that are sent at most.
    pub limit: Option<u64>,
    /// S3: what is stored cannot be removed or changed by anybody for so many days (object lock).
    pub lock_days: Option<u32>,
}

impl DestinationSettings {
    /// A destination without secrets.
    #[must_use]
    pub fn new(name: Name, url: String, place: StoreUrl) -> Self {
        Self {
            name,
            url,
            place,
            access_key: None,
            secret_key: None,
            password: None,
            token: None,
            read_token: None,
            identity: None,
            known_hosts: None,
            ca: None,
            keep: None,
            limit: None,
            lock_days: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_stores() {
        let read = |text: &str| text.parse::<StoreUrl>().map(|u| (u.kind(), u.to_string()));
        for (text, kind, shown) in [
            ("/mnt/disk", "folder", "/mnt/disk"),
            ("file:///mnt/a%20b", "folder", "/mnt/a b"),
            ("s3://bucket/a/b/?endpoint=http://h:1&region=eu", "s3", "s3://bucket/a/b at http://h:1"),
            ("s3://bucket?region=eu-west-3", "s3", "s3://bucket/ at https://s3.eu-west-3.amazonaws.com"),
            ("sftp://me@host:22/srv/x/", "sftp", "sftp://me@host:22/srv/x"),
            ("sftp://host/./x", "sftp", "sftp://host/x"),
            ("webdavs://me@host/dav", "webdav", "https://host/dav/"),
            ("webdav://127.0.0.1:80", "webdav", "http://127.0.0.1:80/"),
            ("receiver+https://host:5000", "receiver", "https://host:5000/"),
        ] {
            assert_eq!(read(text), Ok((kind, shown.to_owned())), "{text}");
        }
        for wrong in [
            "",
            "bucket",
            "ftp://x/y",
            "s3://A/b",
            "s3://bucket/x?colour=red",
            "s3://bucket?endpoint=ftp://x",
            "sftp://host",
            "sftp://-oProxyCommand=x/y",
            "sftp://-x@host/y",
            "sftp://me:secret@host/y",
            "file://host/x",
            "webdav:///x",
            "receiver+http://me@host",
            "sftp://host:no/x",
            "sftp://host/x%0ay",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let clear = |text: &str| text.parse::<StoreUrl>().is_ok_and(|u| u.in_clear());
        assert!(clear("webdav://example.org/x") && clear("receiver+http://10.0.0.1:5000"));
        assert!(!clear("webdav://127.0.0.1/x") && !clear("receiver+http://localhost:5000") && !clear("webdavs://example.org/x"));
    }
}
