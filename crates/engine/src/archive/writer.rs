//! Writes the archive file: the tar stream is cut into members, compressed on all cores, written in
//! order, and hashed on the way.

use super::members::{MEMBER_SIZE, Packer};
use crate::error::EngineError;
use crate::store::hex;
use backup_model::Compression;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Packed = io::Result<Vec<u8>>;
type Job = (Vec<u8>, SyncSender<Packed>);

/// What was written.
pub(crate) struct Written {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) tar_size: u64,
    pub(crate) members: Vec<u32>,
    pub(crate) md5: String,
    pub(crate) sha256: String,
}

/// The way into an archive: bytes of the tar stream go in.
pub(crate) struct ArchiveWriter {
    path: PathBuf,
    buffer: Vec<u8>,
    at: u64,
    jobs: Option<SyncSender<Job>>,
    ordered: Option<SyncSender<Receiver<Packed>>>,
    workers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<io::Result<Written>>>,
    stored: Arc<AtomicU64>,
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

impl ArchiveWriter {
    /// Begins an archive in an empty file; `path` is for messages.
    pub(crate) fn new(file: File, path: &Path, compression: Compression) -> Result<Self, EngineError> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from).min(32);
        // In flight at a time: what the workers hold and as much waiting, so memory is bounded.
        let (jobs, job_queue) = sync_channel::<Job>(cores);
        let (ordered, in_order) = sync_channel::<Receiver<Packed>>(2 * cores);
        let job_queue = Arc::new(Mutex::new(job_queue));
        let start = || -> io::Result<_> {
            let mut workers = Vec::new();
            for n in 0..cores {
                let queue = Arc::clone(&job_queue);
                let mut packer = Packer::new(compression)?;
                workers.push(spawn(&format!("compress {n}"), move || {
                    loop {
                        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok((input, answer)) = job else { return };
                        // Nobody waits any more only if the writer has failed.
                        let _ = answer.send(packer.pack(input));
                    }
                })?);
            }
            let stored = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&stored);
            let writer = spawn("write", move || write_members(file, &in_order, &counter))?;
            Ok((workers, stored, writer))
        };
        let (workers, stored, writer) = start().map_err(EngineError::io("start compressing for", path))?;
        Ok(Self {
            path: path.to_owned(),
            buffer: Vec::with_capacity(MEMBER_SIZE),
            at: 0,
            jobs: Some(jobs),
            ordered: Some(ordered),
            workers,
            writer: Some(writer),
            stored,
        })
    }

    /// The place in the tar stream.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Bytes written to the file so far.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), EngineError> {
        self.at += bytes.len() as u64;
        while !bytes.is_empty() {
            let n = bytes.len().min(MEMBER_SIZE - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.buffer.len() == MEMBER_SIZE {
                self.send()?;
            }
        }
        Ok(())
    }

    pub(crate) fn zeros(&mut self, mut count: u64) -> Result<(), EngineError> {
        static ZEROS: [u8; 65536] = [0; 65536];
        while count > 0 {
            let n = count.min(ZEROS.len() as u64);
            self.write(&ZEROS[..n as usize])?;
            count -= n;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), EngineError> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(MEMBER_SIZE));
        let (answer, packed) = sync_channel(1);
        let gone = match (&self.ordered, &self.jobs) {
            (Some(ordered), Some(jobs)) => ordered.send(packed).is_err() || jobs.send((full, answer)).is_err(),
            _ => true,
        };
        if gone { Err(self.failure()) } else { Ok(()) }
    }

    /// Why the writer is gone.
    fn failure(&mut self) -> EngineError {
        let path = self.path.clone();
        match self.join() {
            Ok(_) => EngineError::io("write", &path)(io::Error::other("the writer stopped early")),
            Err(e) => e,
        }
    }

    fn join(&mut self) -> Result<Written, EngineError> {
        drop(self.ordered.take());
        drop(self.jobs.take());
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        let result = match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("the writer panicked")),
        };
        result.map_err(EngineError::io("write", &self.path))
    }

    /// Ends the tar stream (two blocks of zeros) and waits until all is written. The caller syncs.
    pub(crate) fn finish(mut self) -> Result<Written, EngineError> {
        self.zeros(1024)?;
        if !self.buffer.is_empty() {
            self.send()?;
        }
        let tar_size = self.at;
        let mut written = self.join()?;
        written.tar_size = tar_size;
        Ok(written)
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        // Given up half-way: the threads end because their channels close.
        drop(self.ordered.take());
        drop(self.jobs.take());
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_members(mut file: File, in_order: &Receiver<Receiver<Packed>>, stored: &AtomicU64) -> io::Result<Written> {
    // MD5 is slower than the rest together; it has a thread of its own.
    let (to_md5, md5_queue) = sync_channel::<Arc<Vec<u8>>>(4);
    let md5 = spawn("md5", move || {
        let mut hash = Md5::new();
        while let Ok(bytes) = md5_queue.recv() {
            hash.update(&*bytes);
        }
        hex(&hash.finalize())
    })?;
    let mut sha = Sha256::new();
    let mut members = Vec::new();
    let mut size = 0u64;
    while let Ok(packed) = in_order.recv() {
        let bytes = packed.recv().map_err(|_| io::Error::other("a compressor stopped early"))??;
        members.push(u32::try_from(bytes.len()).map_err(io::Error::other)?);
        size += bytes.len() as u64;
        let bytes = Arc::new(bytes);
        let _ = to_md5.send(Arc::clone(&bytes));
        file.write_all(&bytes)?;
        sha.update(&*bytes);
        stored.store(size, Ordering::Relaxed);
    }
    drop(to_md5);
    let md5 = md5.join().map_err(|_| io::Error::other("the MD5 thread panicked"))?;
    Ok(Written { file, size, tar_size: 0, members, md5, sha256: hex(&sha.finalize()) })
}
