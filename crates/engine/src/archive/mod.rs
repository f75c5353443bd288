//! Archive files: the tar stream, its members, the index beside it.

mod chain;
mod content;
mod index;
mod members;
mod pax;
mod reader;
mod stream;
mod sums;
mod writer;

pub(crate) use chain::{Chain, read_error};
pub(crate) use content::{ContentHash, read_contents, xattr_digest};
pub use index::{
    ArchiveRef, Entries, Entry, EntryKind, IndexReader, IndexWriter, Lineage, compare_paths, decode_block, encode_block,
};
pub(crate) use members::{Decoder, MEMBER_SIZE, MemberMap, scan_members};
pub(crate) use pax::{EntryHeader, Segment, encode_comment, encode_entry, padding};
pub use reader::scan_tar;
pub(crate) use reader::{TarEntry, TarReader};
pub(crate) use stream::{Stream, Watched, Watching};
pub(crate) use sums::{Sums, sums_of};
pub(crate) use writer::{ArchiveWriter, write_encrypted};
