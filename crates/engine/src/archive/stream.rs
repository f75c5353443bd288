//! An archive file as one tar stream: its members unpacked on all cores where the index tells where
//! they lie, on one where it is lost. The file is hashed on the way.

use super::IndexReader;
use super::members::{Decoder, MemberMap, Unpacker, damaged_member};
use super::sums::{Summing, Sums};
use crate::error::EngineError;
use crate::parallel::{Buffer, Pool, Results, cores, lock, ordered, spawn};
use crate::seal::{Access, is_sealed};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A file that is hashed while it is read, by whatever reads it.
pub(crate) struct Watched {
    file: File,
    pool: Pool,
    sums: Arc<Mutex<Option<Summing>>>,
}

/// Where the checksums of a watched file come from when it was read.
pub(crate) struct Watching(Arc<Mutex<Option<Summing>>>);

impl Watched {
    pub(crate) fn new(file: File, md5: bool, pool: Pool) -> io::Result<(Self, Watching)> {
        let sums = Arc::new(Mutex::new(Some(Summing::new(md5, pool.clone())?)));
        Ok((Self { file, pool, sums: Arc::clone(&sums) }, Watching(sums)))
    }
}

impl Watching {
    /// The checksums of what was read.
    pub(crate) fn finish(&self) -> io::Result<Sums> {
        match lock(&self.0).take() {
            Some(sums) => sums.finish(),
            None => Err(io::Error::other("the checksums were asked for twice")),
        }
    }
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let want = out.len().min(1 << 20);
        let mut buffer = self.pool.take();
        buffer.used = self.file.read(&mut buffer.room(want)[..want])?;
        let n = buffer.used;
        out[..n].copy_from_slice(buffer.bytes());
        if let Some(sums) = &mut *lock(&self.sums) {
            sums.add(Arc::new(buffer));
        }
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

/// A stream that is unpacked from its begin.
pub(crate) type PlainStream = BufReader<Decoder<BufReader<Box<dyn Read + Send>>>>;

/// The tar stream of an archive.
pub(crate) enum Stream {
    /// With an index.
    Parallel(Box<Parallel>),
    /// Without.
    Plain(Box<PlainStream>, Watching),
}

impl Stream {
    /// Opens an archive from its begin. One that is encrypted must have been checked before
    /// ([`Access::check`]), unless nothing of what is read is used before the stream has ended well.
    pub(crate) fn open(path: &Path, index: Option<&IndexReader>, md5: bool, access: &Access) -> Result<Self, EngineError> {
        let Some(index) = index else {
            let (input, watching) = access.watched(path, md5)?;
            let start = || -> io::Result<_> { Ok(BufReader::with_capacity(256 * 1024, Decoder::new(input)?)) };
            return Ok(Self::Plain(Box::new(start().map_err(super::read_error(path))?), watching));
        };
        let unpackers = || (0..cores()).map(|_| Unpacker::new(index.compression)).collect::<io::Result<Vec<_>>>();
        let unpackers = unpackers().map_err(EngineError::io("start reading", path))?;
        let members = if is_sealed(path) {
            let (input, watching) = access.watched(path, md5)?;
            Members::Sealed { input, watching, sizes: MemberMap::unchecked(path, &index.members)?.sizes() }
        } else {
            let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
            Members::Clear { map: MemberMap::new(path, &file, &index.members)?, file, md5 }
        };
        Ok(Self::Parallel(Box::new(parallel(members, unpackers).map_err(EngineError::io("start reading", path))?)))
    }

    /// Reads what is left of the file and answers its checksums.
    pub(crate) fn finish(self) -> io::Result<Sums> {
        match self {
            Self::Parallel(parallel) => {
                drop(parallel.results);
                parallel.reader.join().map_err(|_| io::Error::other("the reader stopped early"))?
            }
            Self::Plain(decoder, watching) => {
                let mut rest = decoder.into_inner().into_input();
                io::copy(&mut rest, &mut io::sink())?;
                watching.finish()
            }
        }
    }
}

/// Where members come from.
enum Members {
    Clear { file: File, map: MemberMap, md5: bool },
    Sealed { input: Box<dyn Read + Send>, watching: Watching, sizes: Vec<u32> },
}

/// Gives each member to `give`, as it lies in the archive, and answers the checksums of the file.
fn read_members(members: Members, pool: &Pool, mut give: impl FnMut(usize, Arc<Buffer>)) -> io::Result<Sums> {
    match members {
        Members::Clear { file, map, md5 } => {
            let mut sums = Summing::new(md5, pool.clone())?;
            for member in 0..map.count() {
                let mut packed = pool.take();
                map.read(&file, member, &mut packed)?;
                let packed = Arc::new(packed);
                give(member, Arc::clone(&packed));
                sums.add(packed);
            }
            sums.finish()
        }
        Members::Sealed { mut input, watching, sizes } => {
            for (member, size) in sizes.into_iter().enumerate() {
                let mut packed = pool.take();
                packed.used = size as usize;
                let used = packed.used;
                input.read_exact(&mut packed.room(used)[..used])?;
                give(member, Arc::new(packed));
            }
            // To the end of the message, where its own checksum is.
            if io::copy(&mut input, &mut io::sink())? > 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than its index says"));
            }
            watching.finish()
        }
    }
}

fn parallel(members: Members, unpackers: Vec<Unpacker>) -> io::Result<Parallel> {
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
        let mut wanted = true;
        // Who needs no more of the contents needs the checksums all the same.
        read_members(members, &packed_pool, |member, packed| wanted = wanted && feed.send((member, packed)))
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
            Self::Plain(d, _) => d.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Parallel(p) => p.at += n,
            Self::Plain(d, _) => d.consume(n),
        }
    }
}
