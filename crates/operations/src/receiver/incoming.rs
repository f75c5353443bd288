//! A file on its way in: written, counted and hashed as it comes, on a thread of its own.

use super::{Memory, ReceiveError, failed};
use backup_model::format_size;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// Bytes that are gathered before they are written.
const STEP: usize = 128 << 10;
/// Such portions that wait to be written: with many uploads at a time this bounds their memory.
const WAITING: usize = 2;

/// A share of a machine's quota; given back unless the file stays.
pub(super) struct Reserved {
    memory: Arc<Memory>,
    key: (PathBuf, String),
    quota: Option<u64>,
    bytes: u64,
}

impl Reserved {
    pub(super) fn new(memory: Arc<Memory>, key: (PathBuf, String), quota: Option<u64>) -> Self {
        Self { memory, key, quota, bytes: 0 }
    }

    /// Takes more of the quota.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), ReceiveError> {
        let mut used = self.memory.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.entry(self.key.clone()).or_default();
        if let Some(quota) = self.quota
            && *used + bytes > quota
        {
            return Err(ReceiveError::TooLarge(format!(
                "the receiver keeps at most {} of {}, and {} are used",
                format_size(quota),
                self.key.1,
                format_size(*used)
            )));
        }
        *used += bytes;
        self.bytes += bytes;
        Ok(())
    }

    /// Leaves what was taken with the machine.
    pub(super) fn keep(&mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut used = self.memory.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = used.get_mut(&self.key) {
            *used = used.saturating_sub(self.bytes);
        }
    }
}

/// A file that has come whole and has no name yet; removed unless it gets one.
pub struct Part {
    path: PathBuf,
    reserved: Reserved,
    kept: bool,
    /// Bytes.
    pub size: u64,
    /// MD5, in hexadecimal.
    pub md5: String,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Part {
    pub(super) fn of(path: PathBuf, reserved: Reserved, (md5, sha256, size): (String, String, u64)) -> Self {
        Self { path, reserved, kept: false, size, md5, sha256 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// It has its name now.
    pub(super) fn keep(mut self) {
        self.reserved.keep();
        self.kept = true;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a file unless it is taken over.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

struct Writing {
    file: File,
    path: PathBuf,
    unfinished: Unfinished,
    reserved: Reserved,
    limit: u64,
    size: u64,
    md5: Md5,
    sha256: Sha256,
}

impl Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), ReceiveError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(too_large(self.limit));
        }
        self.reserved.take(bytes.len() as u64)?;
        self.file.write_all(bytes).map_err(failed("write", &self.path))?;
        self.md5.update(bytes);
        self.sha256.update(bytes);
        Ok(())
    }

    fn end(mut self) -> Result<Part, ReceiveError> {
        self.file.sync_all().map_err(failed("write", &self.path))?;
        let sums = (hex(&self.md5.finalize()), hex(&self.sha256.finalize()), self.size);
        self.unfinished.0 = None;
        Ok(Part::of(self.path, self.reserved, sums))
    }
}

/// What is said of a file that is too large for `/upload`.
pub(super) fn too_large(limit: u64) -> ReceiveError {
    ReceiveError::TooLarge(format!(
        "it is larger than the {} that /upload takes (max_upload); send it with `backupctl push` or another tus client",
        format_size(limit)
    ))
}

fn hex(bytes: &[u8]) -> String {
    backup_engine::store::hex(bytes)
}

/// MD5, SHA-256 and size of a file.
pub(super) fn sums(mut file: &File) -> io::Result<(String, String, u64)> {
    let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0);
    let mut buffer = vec![0; STEP];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((hex(&md5.finalize()), hex(&sha256.finalize()), size));
        }
        md5.update(&buffer[..n]);
        sha256.update(&buffer[..n]);
        size += n as u64;
    }
}

/// A file on its way in. Dropped before its end, it leaves nothing.
pub struct Incoming {
    portion: Vec<u8>,
    sender: mpsc::Sender<Vec<u8>>,
    writer: tokio::task::JoinHandle<Result<Part, ReceiveError>>,
    ended: mpsc::Sender<()>,
}

impl Incoming {
    pub(super) fn begin(path: PathBuf, limit: u64, reserved: Reserved) -> Result<Self, ReceiveError> {
        let file = OpenOptions::new().create_new(true).write(true).mode(0o640).open(&path).map_err(failed("create", &path))?;
        let unfinished = Unfinished(Some(path.clone()));
        let mut writing = Writing { file, path, unfinished, reserved, limit, size: 0, md5: Md5::new(), sha256: Sha256::new() };
        let (sender, mut portions) = mpsc::channel::<Vec<u8>>(WAITING);
        let (ended, mut whole) = mpsc::channel::<()>(1);
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(portion) = portions.blocking_recv() {
                writing.write(&portion)?;
            }
            match whole.try_recv() {
                Ok(()) => writing.end(),
                Err(_) => Err(ReceiveError::Invalid("the connection ended before the file did".into())),
            }
        });
        Ok(Self { portion: Vec::with_capacity(STEP), sender, writer, ended })
    }

    async fn flush(&mut self) -> bool {
        let portion = std::mem::replace(&mut self.portion, Vec::with_capacity(STEP));
        self.sender.send(portion).await.is_ok()
    }

    /// Takes bytes in. `false`: there is no use in more, [`Incoming::end`] says why.
    pub async fn push(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let n = bytes.len().min(STEP - self.portion.len());
            self.portion.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.portion.len() == STEP && !self.flush().await {
                return false;
            }
        }
        true
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// [`ReceiveError`]; nothing is left then.
    pub async fn end(mut self) -> Result<Part, ReceiveError> {
        let _ = self.flush().await;
        let _ = self.ended.try_send(());
        drop(self.sender);
        match self.writer.await {
            Ok(done) => done,
            Err(e) => Err(ReceiveError::Failed(format!("the receiver failed: {e}"))),
        }
    }
}
