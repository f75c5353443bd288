//! The hashes of a file's contents and extended attributes, as the index holds them.

use super::Segment;
use crate::sys::Xattrs;

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
