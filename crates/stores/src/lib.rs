//! Where archives lie beside the home: a folder, S3, SFTP, WebDAV, another machine's receiver. Knows no archives: objects
//! have keys such as `docs/full_2026-11-21_09-00-00.tar.gz`, are written once and never changed.
//!
//! All stores pass one suite, `crates/cli/tests/stores.rs`, where the receiver can be started too.

mod body;
mod error;
mod folder;
mod http;
mod open;
mod receiver;
mod retry;
mod s3;
mod sftp;
mod test;
mod webdav;

pub use error::StoreError;
pub use open::{Secrets, open};
pub use receiver::ReceiverClient;
pub use test::test;

use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An object of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// A file that is sent.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The file.
    pub file: PathBuf,
    /// Its SHA-256, if it is known.
    pub sha256: Option<String>,
    /// Where the store may note what it needs to go on after an interruption; removed at the end.
    pub note: PathBuf,
}

impl Upload {
    /// Notes what is needed to go on after an interruption.
    async fn keep_note(&self, note: &impl serde::Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_vec(note).map_err(|e| StoreError::Local(e.to_string()))?;
        if let Some(folder) = self.note.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(StoreError::local("make", folder))?;
        }
        tokio::fs::write(&self.note, text).await.map_err(StoreError::local("write", &self.note))
    }
}

/// What a store can do, beside keeping and giving back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether objects can be removed from here; else the other side decides what stays.
    pub delete: bool,
    /// Whether an upload that was cut goes on where it was.
    pub resume: bool,
}

/// Bytes that have gone over the wire, and whether to go on.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    cancelled: std::sync::atomic::AtomicBool,
}

impl Meter {
    /// Bytes of contents sent so far, those of vain tries among them.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Bytes of contents received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    pub(crate) fn add_sent(&self, n: usize) {
        self.0.sent.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_received(&self, n: usize) {
        self.0.received.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Ends what is under way at the next occasion.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it shall end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }
}

/// What takes bytes that come in; it may refuse them (a full disk).
pub type Sink<'a> = &'a mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send);

/// A place for objects.
#[async_trait]
pub trait Store: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Stores a file under a key, whole or not at all. One that is there with the same size is left as it is; one with
    /// another size is an error.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError>;

    /// The size of an object, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError>;

    /// Gives the bytes from `start` to before `end` of an object to the sink.
    ///
    /// # Errors
    /// [`StoreError`]; what was given by then is the beginning of it.
    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError>;

    /// All objects beneath a folder (empty for all), by key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// Whether a key is one of ours: names that no store misreads, divided by slashes.
pub(crate) fn check_key(key: &str) -> Result<(), StoreError> {
    let fits = |part: &str| !part.is_empty() && !part.starts_with('.') && part.len() < 250 && !part.contains(char::is_control);
    if key.split('/').all(fits) && !key.contains('\\') {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("{key:?} is no name that every store can hold")))
}

/// The name under which an object stands while it is not complete.
pub(crate) fn part_of(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}.part"),
        None => format!(".{key}.part"),
    }
}

/// Whether a name is of an object that is not complete, or of none of ours.
pub(crate) fn is_hidden(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with('.'))
}

/// What is there already under a key, as [`Store::put`] sees it.
pub(crate) fn already(key: &str, there: Option<u64>, size: u64) -> Result<bool, StoreError> {
    match there {
        None => Ok(false),
        Some(found) if found == size => Ok(true),
        Some(found) => {
            Err(StoreError::Exists(format!("{key} is there with {found} bytes instead of {size}; nothing is overwritten")))
        }
    }
}
