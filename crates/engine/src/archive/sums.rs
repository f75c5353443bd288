//! Checksums of archive files.

use crate::parallel::{Buffer, Pool, spawn};
use crate::store::hex;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What all bytes of a file come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// `None` if it was not asked for.
    pub(crate) md5: Option<String>,
}

/// Hashes bytes in order; MD5, which is slower than the rest together, on a thread of its own.
pub(crate) struct Summing {
    size: u64,
    sha: Sha256,
    md5: Option<(SyncSender<Arc<Buffer>>, JoinHandle<String>)>,
    pool: Pool,
}

impl Summing {
    /// `pool` is where the buffers go when they are done with.
    pub(crate) fn new(md5: bool, pool: Pool) -> io::Result<Self> {
        let md5 = if md5 {
            let (to, queue) = sync_channel::<Arc<Buffer>>(4);
            let pool = pool.clone();
            let thread = spawn("md5", move || {
                let mut hash = Md5::new();
                while let Ok(buffer) = queue.recv() {
                    hash.update(buffer.bytes());
                    pool.give_shared(buffer);
                }
                hex(&hash.finalize())
            })?;
            Some((to, thread))
        } else {
            None
        };
        Ok(Self { size: 0, sha: Sha256::new(), md5, pool })
    }

    /// Adds bytes, and lets the buffer go when nobody needs it any more.
    pub(crate) fn add(&mut self, buffer: Arc<Buffer>) {
        self.size += buffer.used as u64;
        if let Some((to, _)) = &self.md5 {
            // The thread ends only with this sender.
            let _ = to.send(Arc::clone(&buffer));
        }
        self.sha.update(buffer.bytes());
        self.pool.give_shared(buffer);
    }

    pub(crate) fn finish(self) -> io::Result<Sums> {
        let md5 = match self.md5 {
            Some((to, thread)) => {
                drop(to);
                Some(thread.join().map_err(|_| io::Error::other("the MD5 thread stopped early"))?)
            }
            None => None,
        };
        Ok(Sums { size: self.size, sha256: hex(&self.sha.finalize()), md5 })
    }
}

/// Checksums of a file that nobody unpacks. `heard` is told of each piece and may stop.
pub(crate) fn sums_of(mut file: &File, md5: bool, heard: &mut dyn FnMut(usize) -> io::Result<()>) -> io::Result<Sums> {
    let pool = Pool::default();
    let mut sums = Summing::new(md5, pool.clone())?;
    loop {
        let mut buffer = pool.take();
        buffer.used = file.read(&mut buffer.room(1 << 20)[..1 << 20])?;
        if buffer.used == 0 {
            return sums.finish();
        }
        heard(buffer.used)?;
        sums.add(Arc::new(buffer));
    }
}
