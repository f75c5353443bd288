//! Compression by independent members: gzip (RFC 1952 §2.2 allows several in one file), zstd frames
//! (RFC 8878 §3.1) or nothing. Every member holds exactly [`MEMBER_SIZE`] bytes, the last perhaps less.

use crate::error::EngineError;
use crate::parallel::Buffer;
use backup_model::Compression;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of the tar stream in one member.
pub(crate) const MEMBER_SIZE: usize = 1 << 20;

/// Compresses members, one at a time; each worker has its own.
pub(crate) enum Packer {
    Gzip(libdeflater::Compressor),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    None,
}

impl Packer {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip(level) => {
                let level = libdeflater::CompressionLvl::new(i32::from(level)).map_err(|_| io::Error::other("gzip level"))?;
                Self::Gzip(libdeflater::Compressor::new(level))
            }
            Compression::Zstd(level) => {
                let mut packer = zstd::bulk::Compressor::new(i32::from(level))?;
                packer.include_checksum(true)?;
                packer.include_contentsize(true)?;
                Self::Zstd(Box::new(packer))
            }
            Compression::None => Self::None,
        })
    }

    /// Packs one member. Without compression the two buffers change places.
    pub(crate) fn pack(&mut self, input: &mut Buffer, out: &mut Buffer) -> io::Result<()> {
        out.used = match self {
            Self::Gzip(packer) => {
                let bound = packer.gzip_compress_bound(input.used);
                packer.gzip_compress(input.bytes(), out.room(bound)).map_err(|e| io::Error::other(e.to_string()))?
            }
            Self::Zstd(packer) => {
                let bound = zstd::zstd_safe::compress_bound(input.used);
                packer.compress_to_buffer(input.bytes(), out.room(bound))?
            }
            Self::None => {
                std::mem::swap(input, out);
                out.used
            }
        };
        Ok(())
    }
}

/// Unpacks members, one at a time; each worker has its own.
pub(crate) enum Unpacker {
    Gzip(libdeflater::Decompressor),
    Zstd(Box<zstd::bulk::Decompressor<'static>>),
    None,
}

impl Unpacker {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip(_) => Self::Gzip(libdeflater::Decompressor::new()),
            Compression::Zstd(_) => Self::Zstd(Box::new(zstd::bulk::Decompressor::new()?)),
            Compression::None => Self::None,
        })
    }

    /// Unpacks one member; its checksum is checked.
    pub(crate) fn unpack(&mut self, input: &[u8], out: &mut Buffer) -> io::Result<()> {
        let damaged = |e: String| io::Error::new(io::ErrorKind::InvalidData, e);
        let room = out.room(MEMBER_SIZE);
        out.used = match self {
            Self::Gzip(unpacker) => unpacker.gzip_decompress(input, room).map_err(|e| damaged(e.to_string()))?,
            Self::Zstd(unpacker) => unpacker.decompress_to_buffer(input, room).map_err(|e| damaged(e.to_string()))?,
            Self::None => {
                let room = room.get_mut(..input.len()).ok_or_else(|| damaged("it is too long".into()))?;
                room.copy_from_slice(input);
                input.len()
            }
        };
        Ok(())
    }
}

/// Where the members of an archive lie in its file.
pub(crate) struct MemberMap {
    /// Where each begins; one more for the end.
    starts: Vec<u64>,
}

impl MemberMap {
    /// From the sizes that the index gives; they must fit the file.
    pub(crate) fn new(path: &Path, file: &File, sizes: &[u32]) -> Result<Self, EngineError> {
        let map = Self::unchecked(path, sizes)?;
        let length = file.metadata().map_err(EngineError::io("look at", path))?.len();
        let end = map.starts.last().copied().unwrap_or(0);
        if end != length {
            return Err(EngineError::damaged(path, format!("it has {length} bytes, its index says {end}")));
        }
        Ok(map)
    }

    /// The same without a look at the file: of one that was cut, what is there can be read.
    pub(crate) fn unchecked(path: &Path, sizes: &[u32]) -> Result<Self, EngineError> {
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut end = 0;
        starts.push(end);
        for size in sizes {
            // No codec makes a member much longer than its contents; more is a lie that costs memory.
            if *size as usize > 2 * MEMBER_SIZE {
                return Err(EngineError::damaged(path, "its index gives a member a size that no member has"));
            }
            end += u64::from(*size);
            starts.push(end);
        }
        Ok(Self { starts })
    }

    /// Bytes of each member.
    pub(crate) fn sizes(&self) -> Vec<u32> {
        self.starts.windows(2).map(|w| (w[1] - w[0]) as u32).collect()
    }

    /// Where one member lies: its first byte and the one after its last.
    pub(crate) fn place(&self, member: usize) -> Option<(u64, u64)> {
        Some((*self.starts.get(member)?, *self.starts.get(member + 1)?))
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Reads one member as it lies in the file.
    pub(crate) fn read(&self, file: &File, member: usize, out: &mut Buffer) -> io::Result<()> {
        let (Some(start), Some(end)) = (self.starts.get(member), self.starts.get(member + 1)) else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the index points behind the end of the archive"));
        };
        out.used = (end - start) as usize;
        let size = out.used;
        file.read_exact_at(&mut out.room(size)[..size], *start)
    }
}

/// What is said of a member that cannot be unpacked.
pub(crate) fn damaged_member(member: usize, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("member {member} is damaged: {e}"))
}

/// Reads the tar stream from any place in it, unpacking only the members that are needed.
pub(crate) struct MemberReader {
    file: File,
    unpacker: Unpacker,
    map: MemberMap,
    current: Option<usize>,
    packed: Buffer,
    buffer: Buffer,
    at: usize,
}

impl MemberReader {
    /// Opens an archive whose members have the sizes given.
    pub(crate) fn open(path: &Path, compression: Compression, sizes: &[u32]) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(EngineError::io("open", path))?;
        let map = MemberMap::unchecked(path, sizes)?;
        let unpacker = Unpacker::new(compression).map_err(EngineError::io("unpack", path))?;
        Ok(Self { file, unpacker, map, current: None, packed: Buffer::default(), buffer: Buffer::default(), at: 0 })
    }

    /// Moves to a place in the tar stream.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let member = (offset / MEMBER_SIZE as u64) as usize;
        if self.current != Some(member) {
            self.load(member)?;
        }
        self.at = (offset % MEMBER_SIZE as u64) as usize;
        if self.at > self.buffer.used {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the index points behind the end of the archive"));
        }
        Ok(())
    }

    fn load(&mut self, member: usize) -> io::Result<()> {
        self.map.read(&self.file, member, &mut self.packed)?;
        self.unpacker.unpack(self.packed.bytes(), &mut self.buffer).map_err(|e| damaged_member(member, e))?;
        self.current = Some(member);
        self.at = 0;
        Ok(())
    }
}

impl Read for MemberReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for MemberReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.buffer.used {
            let next = self.current.map_or(0, |m| m + 1);
            if next == self.map.count() {
                break;
            }
            self.load(next)?;
        }
        Ok(&self.buffer.bytes()[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

/// The members of an archive whose index is lost.
pub(crate) struct Members {
    /// Bytes of each in the file.
    pub(crate) sizes: Vec<u32>,
    /// Bytes of the tar stream.
    pub(crate) tar_size: u64,
}

/// Counts what is read.
struct Counted<R> {
    input: R,
    at: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.at += n as u64;
    }
}

/// Finds where the members of an archive lie by unpacking it.
pub(crate) fn scan_members(path: &Path, input: impl Read) -> Result<(Compression, Members), EngineError> {
    let failed = super::read_error(path);
    let mut input = Counted { input: BufReader::with_capacity(256 * 1024, input), at: 0 };
    let start = input.fill_buf().map_err(&failed)?;
    let compression = if start.starts_with(GZIP) {
        Compression::Gzip(5)
    } else if start.starts_with(ZSTD) {
        Compression::Zstd(3)
    } else {
        Compression::None
    };
    let mut members = Members { sizes: Vec::new(), tar_size: 0 };
    let mut last = MEMBER_SIZE as u64;
    while !input.fill_buf().map_err(&failed)?.is_empty() {
        let start = input.at;
        if last != MEMBER_SIZE as u64 {
            return Err(EngineError::damaged(path, "it does not consist of members of 1 MiB: this program did not write it"));
        }
        let sink = &mut io::sink();
        let plain = match compression {
            Compression::Gzip(_) => io::copy(&mut flate2::bufread::GzDecoder::new(&mut input), sink),
            Compression::Zstd(_) => {
                zstd::stream::read::Decoder::with_buffer(&mut input).and_then(|d| io::copy(&mut d.single_frame(), sink))
            }
            Compression::None => io::copy(&mut (&mut input).take(MEMBER_SIZE as u64), sink),
        };
        last = plain.map_err(|e| failed(damaged_member(members.sizes.len(), e)))?;
        members.tar_size += last;
        let size = u32::try_from(input.at - start).map_err(|e| EngineError::damaged(path, e))?;
        if size == 0 {
            return Err(EngineError::damaged(path, "it is cut"));
        }
        members.sizes.push(size);
    }
    Ok((compression, members))
}

/// The first bytes of a gzip member (RFC 1952) and of a zstd frame (RFC 8878).
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks a whole stream; what it is is told by its first bytes, not by a name.
pub(crate) enum Decoder<R: BufRead> {
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
    None(R),
}

impl<R: Read> Decoder<BufReader<R>> {
    pub(crate) fn new(input: R) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(256 * 1024, input);
        let start = input.fill_buf()?;
        Ok(if start.starts_with(GZIP) {
            // The plain GzDecoder would stop silently after the first member.
            Self::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if start.starts_with(ZSTD) {
            Self::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(input)?))
        } else {
            Self::None(input)
        })
    }

    /// The input; what was read of it ahead of need is dropped.
    pub(crate) fn into_input(self) -> R {
        match self {
            Self::Gzip(d) => d.into_inner().into_inner(),
            Self::Zstd(d) => d.finish().into_inner(),
            Self::None(d) => d.into_inner(),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(d) => d.read(out),
            Self::Zstd(d) => d.read(out),
            Self::None(d) => d.read(out),
        }
    }
}
