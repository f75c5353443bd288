//! Writes the archive file: the tar stream is cut into members, compressed on all cores, written in
//! order, and hashed on the way.

use super::members::{MEMBER_SIZE, Packer};
use super::sums::{Summing, Sums};
use crate::error::EngineError;
use crate::parallel::{Buffer, Feed, Pool, Results, cores, ordered, spawn};
use crate::seal::{Gather, Recipients, seal};
use backup_model::Compression;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

type Packed = io::Result<Buffer>;

/// What was written.
pub(crate) struct Written {
    pub(crate) file: File,
    pub(crate) tar_size: u64,
    pub(crate) members: Vec<u32>,
    pub(crate) sums: Sums,
}

/// The way into an archive: bytes of the tar stream go in.
pub(crate) struct ArchiveWriter {
    path: PathBuf,
    buffer: Buffer,
    pool: Pool,
    at: u64,
    feed: Option<Feed<Buffer, Packed>>,
    writer: Option<JoinHandle<io::Result<Written>>>,
    stored: Arc<AtomicU64>,
}

impl ArchiveWriter {
    /// Begins an archive in an empty file; `path` is for messages.
    pub(crate) fn new(
        file: File,
        path: &Path,
        compression: Compression,
        recipients: Option<&Recipients>,
    ) -> Result<Self, EngineError> {
        let (pool, packed_pool) = (Pool::default(), Pool::default());
        let stored = Arc::new(AtomicU64::new(0));
        let start = || -> io::Result<_> {
            let mut workers = Vec::new();
            for _ in 0..cores() {
                let mut packer = Packer::new(compression)?;
                let (pool, packed_pool) = (pool.clone(), packed_pool.clone());
                workers.push(move |mut input: Buffer| {
                    let mut out = packed_pool.take();
                    packer.pack(&mut input, &mut out)?;
                    pool.give(input);
                    Ok(out)
                });
            }
            let depth = 2 * workers.len();
            let (feed, results) = ordered("compress", depth, workers)?;
            let counter = Arc::clone(&stored);
            let recipients = recipients.cloned();
            let writer = spawn("write", move || match recipients {
                None => write_members(file, &results, packed_pool, &counter),
                Some(recipients) => write_sealed(file, &results, packed_pool, &counter, &recipients),
            })?;
            Ok((feed, writer))
        };
        let (feed, writer) = start().map_err(EngineError::io("start compressing for", path))?;
        let buffer = pool.take();
        Ok(Self { path: path.to_owned(), buffer, pool, at: 0, feed: Some(feed), writer: Some(writer), stored })
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
        while !bytes.is_empty() {
            self.fill(bytes.len() as u64, |room| {
                let (head, tail) = bytes.split_at(room.len());
                room.copy_from_slice(head);
                bytes = tail;
                room.len()
            })?;
        }
        Ok(())
    }

    /// Lets `put` fill a part of the stream, at most `limit` bytes, and answers how many it put there.
    pub(crate) fn fill(&mut self, limit: u64, put: impl FnOnce(&mut [u8]) -> usize) -> Result<usize, EngineError> {
        let from = self.buffer.used;
        let to = from + ((MEMBER_SIZE - from) as u64).min(limit) as usize;
        let n = put(&mut self.buffer.room(MEMBER_SIZE)[from..to]);
        self.buffer.used += n;
        self.at += n as u64;
        if self.buffer.used == MEMBER_SIZE {
            self.send()?;
        }
        Ok(n)
    }

    pub(crate) fn zeros(&mut self, mut count: u64) -> Result<(), EngineError> {
        while count > 0 {
            count -= self.fill(count, |room| {
                room.fill(0);
                room.len()
            })? as u64;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), EngineError> {
        let full = std::mem::replace(&mut self.buffer, self.pool.take());
        if self.feed.as_ref().is_some_and(|feed| feed.send(full)) { Ok(()) } else { Err(self.failure()) }
    }

    /// Why the writer is gone.
    fn failure(&mut self) -> EngineError {
        match self.join() {
            Ok(_) => EngineError::io("write", &self.path)(io::Error::other("the writer stopped early")),
            Err(e) => e,
        }
    }

    fn join(&mut self) -> Result<Written, EngineError> {
        drop(self.feed.take());
        let result = match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("the writer stopped early")),
        };
        result.map_err(EngineError::io("write", &self.path))
    }

    /// Ends the tar stream (two blocks of zeros) and waits until all is written. The caller syncs.
    pub(crate) fn finish(mut self) -> Result<Written, EngineError> {
        self.zeros(1024)?;
        self.finish_stream()
    }

    /// Ends a stream that is no tar.
    pub(crate) fn finish_stream(mut self) -> Result<Written, EngineError> {
        if self.buffer.used > 0 {
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
        drop(self.feed.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_members(mut file: File, results: &Results<Packed>, pool: Pool, stored: &AtomicU64) -> io::Result<Written> {
    let mut sums = Summing::new(true, pool)?;
    let mut members = Vec::new();
    while let Some(packed) = results.next()? {
        let packed = packed?;
        members.push(u32::try_from(packed.used).map_err(io::Error::other)?);
        file.write_all(packed.bytes())?;
        stored.fetch_add(packed.used as u64, Ordering::Relaxed);
        sums.add(Arc::new(packed));
    }
    Ok(Written { file, tar_size: 0, members, sums: sums.finish()? })
}

/// Packed members as one stream of bytes; their sizes are noted on the way.
struct Packing<'a> {
    results: &'a Results<Packed>,
    pool: Pool,
    members: Vec<u32>,
    current: Buffer,
    at: usize,
}

impl Read for Packing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.used {
            let Some(next) = self.results.next()? else { return Ok(0) };
            let next = next?;
            self.members.push(u32::try_from(next.used).map_err(io::Error::other)?);
            self.pool.give(std::mem::replace(&mut self.current, next));
            self.at = 0;
        }
        let n = out.len().min(self.current.used - self.at);
        out[..n].copy_from_slice(&self.current.bytes()[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn write_sealed(
    mut file: File,
    results: &Results<Packed>,
    pool: Pool,
    stored: &AtomicU64,
    recipients: &Recipients,
) -> io::Result<Written> {
    let mut packing = Packing { results, pool: pool.clone(), members: Vec::new(), current: Buffer::default(), at: 0 };
    let sums = write_encrypted(&mut file, recipients, &mut packing, pool, |n| {
        stored.fetch_add(n as u64, Ordering::Relaxed);
    })?;
    Ok(Written { file, tar_size: 0, members: packing.members, sums })
}

/// Encrypts a stream into a file and answers the checksums of what was written.
pub(crate) fn write_encrypted(
    file: &mut File,
    recipients: &Recipients,
    from: impl Read,
    pool: Pool,
    mut heard: impl FnMut(usize),
) -> io::Result<Sums> {
    let mut sums = Summing::new(true, pool.clone())?;
    let mut gather = Gather::new(pool, |piece: Buffer| {
        file.write_all(piece.bytes())?;
        heard(piece.used);
        sums.add(Arc::new(piece));
        Ok(())
    });
    seal(recipients, from, &mut gather)?;
    gather.finish()?;
    sums.finish()
}
