//! Reads a tar stream entry by entry: ustar, PAX, GNU long names, GNU sparse 1.0. Hostile input is
//! expected: every size is bounded and nothing is trusted.

use super::EntryKind;
use super::pax::{DUMPDIR, EntryHeader, Segment, padding};
use crate::sys::Time;
use std::io::{self, BufRead};
use tar::{EntryType, Header};

/// Holds the names of a folder of a million files; a larger one is an attack.
const MAX_EXTENDED: u64 = 64 << 20;
/// Stretches of data in one sparse file.
const MAX_SEGMENTS: usize = 4_000_000;

/// An entry whose data has not been read yet.
pub(crate) struct TarEntry {
    pub(crate) header: EntryHeader,
    /// Bytes of data that stand in the stream (without holes, map or padding).
    pub(crate) stored: u64,
    /// Where the entry begins in the stream, counted from where reading began.
    pub(crate) offset: u64,
}

/// Reads entries one after the other.
pub(crate) struct TarReader<R> {
    input: R,
    position: u64,
    /// Data of the current entry that nobody has read yet, and its padding.
    left: u64,
    fill: u64,
    /// Whether dumpdirs are kept.
    dumpdirs: bool,
    /// The comments of global headers.
    comments: Vec<Vec<u8>>,
}

/// Comments of global headers that are kept, and bytes of one of them.
const MAX_COMMENTS: usize = 8;
const MAX_COMMENT: usize = 1 << 20;

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: (Option<u64>, Option<u64>),
    sparse_name: Option<Vec<u8>>,
    real_size: Option<u64>,
    /// Kept if it is wanted: it may be large.
    dumpdir: Option<Vec<u8>>,
    wants_dumpdir: bool,
    comment: Option<Vec<u8>>,
}

fn number<T: std::str::FromStr>(value: &[u8], what: &str) -> io::Result<T> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|t| t.parse().ok())
        .ok_or_else(|| bad(format!("the {what} of an extended header is no number")))
}

fn parse_time(value: &[u8]) -> io::Result<Time> {
    let text = std::str::from_utf8(value).map_err(|_| bad("a time is no text"))?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let sec: i64 = whole.parse().map_err(|_| bad("a time is no number"))?;
    let mut nsec: u32 = 0;
    for (i, digit) in fraction.bytes().take(9).enumerate() {
        if !digit.is_ascii_digit() {
            return Err(bad("a time is no number"));
        }
        nsec += u32::from(digit - b'0') * 10u32.pow(8 - i as u32);
    }
    Ok(if negative && nsec > 0 { Time { sec: sec - 1, nsec: 1_000_000_000 - nsec } } else { Time { sec, nsec } })
}

fn unescape_xattr(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, tail)) = rest.split_first() {
        if rest.starts_with(b"%3D") {
            out.push(b'=');
            rest = &rest[3..];
        } else if rest.starts_with(b"%25") {
            out.push(b'%');
            rest = &rest[3..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

impl Extended {
    fn read(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let space = data.iter().take(12).position(|b| *b == b' ').ok_or_else(|| bad("an extended header is cut"))?;
            let length: usize = number(&data[..space], "record length")?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(bad("a record of an extended header has a wrong length"));
            }
            let body = &data[space + 1..length - 1];
            let equals = body.iter().position(|b| *b == b'=').ok_or_else(|| bad("a record of an extended header has no '='"))?;
            let (key, value) = (&body[..equals], &body[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number(value, "size")?),
                b"uid" => self.uid = Some(number(value, "uid")?),
                b"gid" => self.gid = Some(number(value, "gid")?),
                b"mtime" => self.mtime = Some(parse_time(value)?),
                b"GNU.sparse.major" => self.sparse.0 = Some(number(value, "sparse version")?),
                b"GNU.sparse.minor" => self.sparse.1 = Some(number(value, "sparse version")?),
                b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
                b"GNU.sparse.realsize" => self.real_size = Some(number(value, "real size")?),
                DUMPDIR => self.dumpdir = self.wants_dumpdir.then(|| value.to_vec()),
                b"comment" => self.comment = Some(value.to_vec()),
                b"GNU.sparse.map" | b"GNU.sparse.numblocks" => {
                    return Err(bad("sparse formats before 1.0 are not read here; use GNU tar"));
                }
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.xattrs.push((unescape_xattr(name), value.to_vec()));
                    }
                }
            }
            data = &data[length..];
        }
        Ok(())
    }
}

/// Reads a tar stream to its end mark and tells the path, kind and size of each entry.
///
/// # Errors
/// The stream is no tar, is damaged, or holds what is not read here.
pub fn scan_tar(input: impl BufRead, tell: &mut dyn FnMut(&[u8], EntryKind, u64)) -> io::Result<()> {
    let mut reader = TarReader::new(input);
    while let Some(entry) = reader.next_entry()? {
        tell(&entry.header.path, entry.header.kind.unwrap_or(EntryKind::File), entry.header.size);
    }
    Ok(())
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, position: 0, left: 0, fill: 0, dumpdirs: false, comments: Vec::new() }
    }

    /// Reads what folders hold too, where the archive says it.
    pub(crate) fn with_dumpdirs(mut self) -> Self {
        self.dumpdirs = true;
        self
    }

    /// The comments of the global headers that were read so far.
    pub(crate) fn comments(&self) -> &[Vec<u8>] {
        &self.comments
    }

    /// What is there of the stream, at most `limit` bytes and at least one.
    fn some(&mut self, limit: u64) -> io::Result<&[u8]> {
        let there = loop {
            match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
                Ok(there) => break there.len(),
            }
        };
        if there == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the middle of an entry"));
        }
        let n = (there as u64).min(limit) as usize;
        Ok(&self.input.fill_buf()?[..n])
    }

    fn used(&mut self, n: usize) {
        self.input.consume(n);
        self.position += n as u64;
    }

    fn take(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let mut data = Vec::with_capacity((bytes as usize).min(1 << 20));
        while (data.len() as u64) < bytes {
            let part = self.some(bytes - data.len() as u64)?;
            data.extend_from_slice(part);
            let n = part.len();
            self.used(n);
        }
        Ok(data)
    }

    fn block(&mut self) -> io::Result<[u8; 512]> {
        let mut block = [0; 512];
        let mut at = 0;
        while at < 512 {
            let part = self.some((512 - at) as u64)?;
            block[at..at + part.len()].copy_from_slice(part);
            at += part.len();
            let n = part.len();
            self.used(n);
        }
        Ok(block)
    }

    fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            let n = self.some(bytes)?.len();
            self.used(n);
            bytes -= n as u64;
        }
        Ok(())
    }

    /// The next entry, or `None` at the archive's end mark. A stream that ends without one is an error.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        self.skip(self.left + self.fill)?;
        (self.left, self.fill) = (0, 0);
        let mut extended = Extended { wants_dumpdir: self.dumpdirs, ..Extended::default() };
        let mut offset = self.position;
        loop {
            let block = self.block()?;
            if block.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            let stored_sum = header.cksum().map_err(|_| bad("a tar header is damaged"))?;
            let sum: u32 = block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
            if sum != stored_sum {
                return Err(bad("a tar header is damaged (its checksum does not fit)"));
            }
            let size = match extended.size {
                Some(size) if !matches!(header.entry_type(), EntryType::XHeader) => size,
                _ => header.entry_size().map_err(|_| bad("a tar header has no size"))?,
            };
            match header.entry_type() {
                EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink | EntryType::XGlobalHeader => {
                    if size > MAX_EXTENDED {
                        return Err(bad(format!("an extended header of {size} bytes is refused")));
                    }
                    let mut data = self.take(size)?;
                    self.skip(padding(size) as u64)?;
                    match header.entry_type() {
                        EntryType::XHeader => extended.read(&data)?,
                        EntryType::XGlobalHeader => {
                            offset = self.position;
                            // What others write there is none of ours, and no reason to stop.
                            let mut global = Extended::default();
                            let readable = global.read(&data).is_ok();
                            if let Some(comment) = global
                                .comment
                                .filter(|c| readable && c.len() <= MAX_COMMENT && self.comments.len() < MAX_COMMENTS)
                            {
                                self.comments.push(comment);
                            }
                        }
                        other => {
                            while data.last() == Some(&0) {
                                data.pop();
                            }
                            if other == EntryType::GNULongName { extended.path = Some(data) } else { extended.link = Some(data) }
                        }
                    }
                }
                _ => return self.entry(header, extended, size, offset).map(Some),
            }
        }
    }

    fn entry(&mut self, header: &Header, extended: Extended, size: u64, offset: u64) -> io::Result<TarEntry> {
        let field = |e: io::Error| bad(format!("a tar header is damaged: {e}"));
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => EntryKind::File,
            EntryType::Link => EntryKind::HardLink,
            EntryType::Symlink => EntryKind::Symlink,
            EntryType::Char => EntryKind::CharDevice,
            EntryType::Block => EntryKind::BlockDevice,
            EntryType::Directory => EntryKind::Folder,
            EntryType::Fifo => EntryKind::Fifo,
            other => return Err(bad(format!("an entry of type {:?} is not read here; use GNU tar", other.as_byte() as char))),
        };
        let mut path = extended.sparse_name.or(extended.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let mut kind = kind;
        if path.last() == Some(&b'/') {
            // Very old archives mark folders by the slash alone.
            if kind == EntryKind::File && size == 0 {
                kind = EntryKind::Folder;
            }
            while path.len() > 1 && path.last() == Some(&b'/') {
                path.pop();
            }
        }
        let mut stored = if kind == EntryKind::File { size } else { 0 };
        self.left = size;
        self.fill = padding(size) as u64;
        let mut real = stored;
        let mut sparse = None;
        if kind == EntryKind::File && extended.sparse == (Some(1), Some(0)) {
            let (segments, used) = self.sparse_map(size)?;
            self.left = size - used;
            stored = self.left;
            real = extended.real_size.ok_or_else(|| bad("a sparse file has no real size"))?;
            let mut end = 0u64;
            let mut sum = 0u64;
            for s in &segments {
                let stop = s.offset.checked_add(s.length).filter(|stop| s.offset >= end && *stop <= real);
                end = stop.ok_or_else(|| bad("the map of a sparse file is damaged"))?;
                sum += s.length;
            }
            if sum != stored {
                return Err(bad("the map of a sparse file does not fit its data"));
            }
            sparse = Some(segments.into_iter().filter(|s| s.length > 0).collect());
        }
        let id = |found: u64, what: &str| u32::try_from(found).map_err(|_| bad(format!("a {what} is too large")));
        let device = |found: io::Result<Option<u32>>| found.ok().flatten().unwrap_or(0);
        Ok(TarEntry {
            header: EntryHeader {
                path,
                kind: Some(kind),
                mode: header.mode().map_err(field)? & 0o7777,
                uid: match extended.uid {
                    Some(uid) => uid,
                    None => id(header.uid().map_err(field)?, "uid")?,
                },
                gid: match extended.gid {
                    Some(gid) => gid,
                    None => id(header.gid().map_err(field)?, "gid")?,
                },
                user: None,
                group: None,
                size: real,
                mtime: match extended.mtime {
                    Some(t) => t,
                    None => Time { sec: header.mtime().map_err(field)? as i64, nsec: 0 },
                },
                link: extended.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default(),
                device: (device(header.device_major()), device(header.device_minor())),
                xattrs: extended.xattrs,
                sparse,
                dumpdir: extended.dumpdir,
            },
            stored,
            offset,
        })
    }

    fn sparse_map(&mut self, size: u64) -> io::Result<(Vec<Segment>, u64)> {
        let mut used = 0u64;
        let mut block: Vec<u8> = Vec::new();
        let mut at = 0;
        let mut next = |reader: &mut Self| -> io::Result<u64> {
            let mut value: u64 = 0;
            let mut digits = 0;
            loop {
                if at == block.len() {
                    if used + 512 > size {
                        return Err(bad("the map of a sparse file is cut"));
                    }
                    block = reader.take(512)?;
                    used += 512;
                    at = 0;
                }
                let byte = block[at];
                at += 1;
                match byte {
                    b'\n' if digits > 0 => return Ok(value),
                    b'0'..=b'9' if digits < 19 => value = value * 10 + u64::from(byte - b'0'),
                    _ => return Err(bad("the map of a sparse file is damaged")),
                }
                digits += 1;
            }
        };
        let count = next(self)? as usize;
        if count > MAX_SEGMENTS {
            return Err(bad("the map of a sparse file is too large"));
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(Segment { offset: next(self)?, length: next(self)? });
        }
        Ok((list, used))
    }

    /// Data of the current entry as it lies in the buffer: at least one byte, none at its end. What is
    /// made of it is told by [`TarReader::consume`].
    pub(crate) fn data(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        self.some(self.left)
    }

    /// Goes on in the current entry's data.
    pub(crate) fn consume(&mut self, n: usize) {
        self.used(n);
        self.left -= n as u64;
    }

    /// Reads to the end of the stream, so that checksums of all of it are checked.
    pub(crate) fn finish(mut self) -> io::Result<R> {
        loop {
            let n = self.input.fill_buf()?.len();
            if n == 0 {
                return Ok(self.input);
            }
            self.input.consume(n);
        }
    }
}
