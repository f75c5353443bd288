//! The hashes of a file's contents and extended attributes, as the index holds them.

use super::{Segment, TarEntry, TarReader, read_error};
use crate::error::EngineError;
use crate::observer::Observer;
use crate::sys::Xattrs;
use std::io::BufRead;
use std::path::Path;

/// BLAKE3-256 of a file's contents. Of a file stored with holes it covers the map and the data
/// instead: each stretch's offset and length (64 bits, little-endian) before its data, and the size
/// at the end; so a terabyte of nothing costs no time.
pub(crate) struct ContentHash {
    pub(crate) hasher: blake3::Hasher,
    sparse: bool,
}

impl ContentHash {
    pub(crate) fn new(sparse: bool) -> Self {
        Self { hasher: blake3::Hasher::new(), sparse }
    }

    pub(crate) fn segment(&mut self, segment: Segment) {
        if self.sparse {
            self.hasher.update(&segment.offset.to_le_bytes());
            self.hasher.update(&segment.length.to_le_bytes());
        }
    }

    pub(crate) fn finish(mut self, size: u64) -> [u8; 32] {
        if self.sparse {
            self.hasher.update(&size.to_le_bytes());
        }
        *self.hasher.finalize().as_bytes()
    }
}

/// Reads the contents of the entry at which `tar` stands, gives each piece to `each` and answers their hash.
/// `archive` is for messages.
pub(crate) fn read_contents<R: BufRead>(
    tar: &mut TarReader<R>,
    entry: &TarEntry,
    archive: &Path,
    observer: &dyn Observer,
    each: &mut dyn FnMut(&[u8]) -> Result<(), EngineError>,
) -> Result<[u8; 32], EngineError> {
    let whole = [Segment { offset: 0, length: entry.stored }];
    let mut hash = ContentHash::new(entry.header.sparse.is_some());
    for segment in entry.header.sparse.as_deref().unwrap_or(&whole) {
        hash.segment(*segment);
        let mut left = segment.length;
        while left > 0 {
            if observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            let data = tar.data().map_err(read_error(archive))?;
            let n = (data.len() as u64).min(left) as usize;
            if n == 0 {
                let path = backup_model::display_bytes(&entry.header.path);
                return Err(EngineError::damaged(archive, format!("{path} ends early")));
            }
            hash.hasher.update(&data[..n]);
            each(&data[..n])?;
            tar.consume(n);
            left -= n as u64;
        }
    }
    Ok(hash.finish(entry.header.size))
}

/// The digest of extended attributes: zeros if there are none (`doc/format.md`).
pub(crate) fn xattr_digest(xattrs: &Xattrs) -> [u8; 16] {
    if xattrs.is_empty() {
        return [0; 16];
    }
    let mut hash = blake3::Hasher::new();
    for (name, value) in xattrs {
        for part in [name, value] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    out
}
