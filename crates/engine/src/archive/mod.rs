//! Archive files: the tar stream, its members, the index beside it.

mod content;
mod index;
mod members;
mod pax;
mod reader;
mod stream;
mod sums;
mod writer;

pub(crate) use content::ContentHash;
pub use index::{Entries, Entry, EntryKind, IndexReader, IndexWriter, compare_paths, decode_block, encode_block};
pub(crate) use members::MemberReader;
pub(crate) use pax::{EntryHeader, Segment, encode_entry, padding};
pub use reader::scan_tar;
pub(crate) use reader::{TarEntry, TarReader};
pub(crate) use stream::Stream;
pub(crate) use sums::{Sums, sums_of};
pub(crate) use writer::ArchiveWriter;
