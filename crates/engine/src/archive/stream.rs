//! An archive file as one tar stream: its members unpacked on all cores where the index tells where
//! they lie, on one where it is lost. The file is hashed on the way.

use super::IndexReader;
use super::members::{Decoder, MemberMap, Unpacker, damaged_member};
use super::sums::{Summing, Sums};
use crate::error::EngineError;
use crate::parallel::{Buffer, Pool, Results, cores, ordered, spawn};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

/// An input on its way to a decoder.
pub(crate) struct Watched {
    file: File,
    pool: Pool,
    sums: Summing,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let want = out.len().min(1 << 20);
        let mut buffer = self.pool.take();
        buffer.used = self.file.read(&mut buffer.room(want)[..want])?;
        let n = buffer.used;
        out[..n].copy_from_slice(buffer.bytes());
        self.sums.add(Arc::new(buffer));
        Ok(n)
    }
}

/// Members that are being unpacked.
pub(crate) struct Parallel {
    results: Results<io::Result<Buffer>>,
    reader: JoinHandle<io::Result<Sums>>,
    pool: Pool,
    current: Buffer,
    at: usize,
}

/// The tar stream of an archive.
pub(crate) enum Stream {
    /// With an index.
    Parallel(Box<Parallel>),
    /// Without.
    Plain(Box<BufReader<Decoder<BufReader<Watched>>>>),
}

impl Stream {
    /// Opens an archive from its begin.
    pub(crate) fn open(path: &Path, index: Option<&IndexReader>, md5: bool) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
        match index {
            Some(index) => {
                let map = MemberMap::new(path, &file, &index.members)?;
                let start = || -> io::Result<Parallel> {
                    let unpackers = (0..cores()).map(|_| Unpacker::new(index.compression)).collect::<io::Result<Vec<_>>>()?;
                    parallel(file, map, unpackers, md5)
                };
                Ok(Self::Parallel(Box::new(start().map_err(EngineError::io("start reading", path))?)))
            }
            None => {
                let start = || -> io::Result<_> {
                    let pool = Pool::default();
                    let sums = Summing::new(md5, pool.clone())?;
                    Ok(BufReader::with_capacity(256 * 1024, Decoder::new(Watched { file, pool, sums })?))
                };
                Ok(Self::Plain(Box::new(start().map_err(EngineError::io("read", path))?)))
            }
        }
    }

    /// Reads what is left of the file and answers its checksums.
    pub(crate) fn finish(self) -> io::Result<Sums> {
        match self {
            Self::Parallel(parallel) => {
                drop(parallel.results);
                parallel.reader.join().map_err(|_| io::Error::other("the reader stopped early"))?
            }
            Self::Plain(decoder) => {
                let mut rest = decoder.into_inner().into_input();
                io::copy(&mut rest, &mut io::sink())?;
                rest.sums.finish()
            }
        }
    }
}

fn parallel(file: File, map: MemberMap, unpackers: Vec<Unpacker>, md5: bool) -> io::Result<Parallel> {
    let (packed_pool, pool) = (Pool::default(), Pool::default());
    let depth = 2 * unpackers.len();
    let workers = unpackers.into_iter().map(|mut unpacker| {
        let (packed_pool, pool) = (packed_pool.clone(), pool.clone());
        move |(member, packed): (usize, Arc<Buffer>)| {
            let mut out = pool.take();
            let done = unpacker.unpack(packed.bytes(), &mut out);
            packed_pool.give_shared(packed);
            done.map(|()| out).map_err(|e| damaged_member(member, e))
        }
    });
    let (feed, results) = ordered("unpack", depth, workers.collect())?;
    let reader = spawn("read", move || {
        let mut sums = Summing::new(md5, packed_pool.clone())?;
        let mut wanted = true;
        for member in 0..map.count() {
            let mut packed = packed_pool.take();
            map.read(&file, member, &mut packed)?;
            let packed = Arc::new(packed);
            // Who needs no more of the contents needs the checksums all the same.
            wanted = wanted && feed.send((member, Arc::clone(&packed)));
            sums.add(packed);
        }
        sums.finish()
    })?;
    Ok(Parallel { results, reader, pool, current: Buffer::default(), at: 0 })
}

impl Parallel {
    fn fill(&mut self) -> io::Result<()> {
        while self.at == self.current.used {
            let Some(next) = self.results.next()? else { break };
            self.pool.give(std::mem::replace(&mut self.current, next?));
            self.at = 0;
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Parallel(p) => {
                p.fill()?;
                Ok(&p.current.bytes()[p.at..])
            }
            Self::Plain(d) => d.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Parallel(p) => p.at += n,
            Self::Plain(d) => d.consume(n),
        }
    }
}
