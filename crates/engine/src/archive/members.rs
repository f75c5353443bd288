//! Compression by independent members: gzip (RFC 1952 §2.2 allows several in one file), zstd frames
//! (RFC 8878 §3.1) or nothing. Every member holds exactly [`MEMBER_SIZE`] bytes, the last perhaps less.

use crate::error::EngineError;
use backup_model::Compression;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

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

    pub(crate) fn pack(&mut self, input: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(packer) => {
                let mut out = vec![0; packer.gzip_compress_bound(input.len())];
                let n = packer.gzip_compress(&input, &mut out).map_err(|e| io::Error::other(e.to_string()))?;
                out.truncate(n);
                Ok(out)
            }
            Self::Zstd(packer) => packer.compress(&input),
            Self::None => Ok(input),
        }
    }
}

enum Unpacker {
    Gzip(libdeflater::Decompressor),
    Zstd(Box<zstd::bulk::Decompressor<'static>>),
    None,
}

impl Unpacker {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip(_) => Self::Gzip(libdeflater::Decompressor::new()),
            Compression::Zstd(_) => Self::Zstd(Box::new(zstd::bulk::Decompressor::new()?)),
            Compression::None => Self::None,
        })
    }

    /// Unpacks one member; its checksum is checked.
    fn unpack(&mut self, input: Vec<u8>) -> io::Result<Vec<u8>> {
        let damaged = |e: String| io::Error::new(io::ErrorKind::InvalidData, e);
        match self {
            Self::Gzip(unpacker) => {
                let mut out = vec![0; MEMBER_SIZE];
                let n = unpacker.gzip_decompress(&input, &mut out).map_err(|e| damaged(e.to_string()))?;
                out.truncate(n);
                Ok(out)
            }
            Self::Zstd(unpacker) => unpacker.decompress(&input, MEMBER_SIZE).map_err(|e| damaged(e.to_string())),
            Self::None => Ok(input),
        }
    }
}

/// Reads the tar stream from any place in it, unpacking only the members that are needed.
pub(crate) struct MemberReader {
    file: File,
    path: PathBuf,
    unpacker: Unpacker,
    /// Where each member begins in the file; one more for the end.
    starts: Vec<u64>,
    current: Option<usize>,
    buffer: Vec<u8>,
    at: usize,
}

impl MemberReader {
    /// Opens an archive whose members have the sizes given.
    pub(crate) fn open(path: &Path, compression: Compression, sizes: &[u32]) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(EngineError::io("open", path))?;
        let length = file.metadata().map_err(EngineError::io("look at", path))?.len();
        let mut starts = vec![0u64];
        let mut end = 0;
        for size in sizes {
            end += u64::from(*size);
            starts.push(end);
        }
        if end != length {
            return Err(EngineError::damaged(path, format!("it has {length} bytes, the index says {end}")));
        }
        let unpacker = Unpacker::new(compression).map_err(EngineError::io("unpack", path))?;
        Ok(Self { file, path: path.to_owned(), unpacker, starts, current: None, buffer: Vec::new(), at: 0 })
    }

    /// Moves to a place in the tar stream.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let member = (offset / MEMBER_SIZE as u64) as usize;
        if self.current != Some(member) {
            self.load(member)?;
        }
        self.at = (offset % MEMBER_SIZE as u64) as usize;
        if self.at > self.buffer.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the index points behind the end of the archive"));
        }
        Ok(())
    }

    fn load(&mut self, member: usize) -> io::Result<()> {
        let (Some(start), Some(end)) = (self.starts.get(member), self.starts.get(member + 1)) else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the index points behind the end of the archive"));
        };
        let mut packed = vec![0; (end - start) as usize];
        self.file.read_exact_at(&mut packed, *start)?;
        self.buffer = self
            .unpacker
            .unpack(packed)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: member {member} is damaged: {e}", self.path.display())))?;
        self.current = Some(member);
        self.at = 0;
        Ok(())
    }
}

impl Read for MemberReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            let next = self.current.map_or(0, |m| m + 1);
            if next + 1 >= self.starts.len() {
                return Ok(0);
            }
            self.load(next)?;
        }
        let n = out.len().min(self.buffer.len() - self.at);
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

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
        Ok(if start.starts_with(&[0x1f, 0x8b]) {
            // The plain GzDecoder would stop silently after the first member.
            Self::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(input)?))
        } else {
            Self::None(input)
        })
    }
}

impl<R: Read> Decoder<BufReader<R>> {
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
