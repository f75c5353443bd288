//! The index beside an archive: every entry, sorted component by component, in blocks of zstd, with
//! a directory of the blocks at the end. `doc/format.md` has the bytes.

use super::members::MEMBER_SIZE;
use crate::error::EngineError;
use crate::sys::Time;
use backup_model::{ArchiveId, Compression};
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"BKINDEX1";
const END: &[u8; 8] = b"BKINDEND";
const BLOCK: usize = 64 * 1024;
/// No record is longer: a path of 64 KiB, a link of 64 KiB, and the numbers.
const MAX_BLOCK: usize = 1 << 20;
/// All paths of one block together.
const MAX_PATHS: usize = 64 << 20;
/// A directory of this size belongs to an archive of tens of terabytes.
const MAX_DIRECTORY: u64 = 256 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A further name of a file that stands earlier in the archive.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Folder,
    /// A fifo.
    Fifo,
    /// A socket: noted, not stored.
    Socket,
}

impl EntryKind {
    const ALL: [Self; 8] =
        [Self::File, Self::HardLink, Self::Symlink, Self::CharDevice, Self::BlockDevice, Self::Folder, Self::Fifo, Self::Socket];

    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::HardLink => "hard_link",
            Self::Symlink => "symlink",
            Self::CharDevice => "char_device",
            Self::BlockDevice => "block_device",
            Self::Folder => "folder",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

/// One line of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path without a leading slash, any bytes but NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of contents, holes included.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Change time of the inode.
    pub ctime: Time,
    /// Inode number.
    pub inode: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Target of a symbolic link, or path of the file that a hard link names.
    pub link: Vec<u8>,
    /// BLAKE3-256 of the contents of a regular file.
    pub hash: Option<[u8; 32]>,
    /// First half of the BLAKE3 of the extended attributes; zeros if there are none.
    pub xattrs: [u8; 16],
    /// Which archive holds it: 0 is the index's own, others count in [`Lineage::archives`] from 1.
    pub archive: u32,
    /// Where its first header block stands in the tar stream of that archive.
    pub offset: Option<u64>,
    /// Whether the contents are not exactly what the file held (it changed, or could not be read).
    pub inexact: bool,
    /// Whether it is stored with holes; its hash then covers the map too (`doc/format.md`).
    pub sparse: bool,
}

/// What an index says of the archives beneath its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The archives that entries may lie in beside the index's own, oldest first.
    pub archives: Vec<ArchiveRef>,
    /// Digest of what was to be copied and left out: an increment is made only while it stays the same.
    /// Zeros if it is not known.
    pub fingerprint: [u8; 16],
}

/// Another archive of a chain, in the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRef {
    /// Its id.
    pub id: ArchiveId,
    /// Its file name.
    pub name: String,
}

/// Compares paths component by component on raw bytes: a folder's contents follow it directly. The root of
/// the file system, `.`, comes first.
#[must_use]
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |path: &[u8]| match path {
        b"" => 0,
        b"." => 1,
        _ => 2,
    };
    if a == b || rank(a) < 2 || rank(b) < 2 {
        return rank(a).cmp(&rank(b));
    }
    let shared = a.chunks(32).zip(b.chunks(32)).take_while(|(a, b)| a == b).count() * 32;
    let (a, b) = (a.get(shared..).unwrap_or_default(), b.get(shared..).unwrap_or_default());
    // A slash sorts before every other byte; NUL cannot occur.
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number().and_then(|n| u32::try_from(n).ok())
    }

    fn signed(&mut self) -> Option<i64> {
        self.number().map(|n| (n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N).and_then(|b| b.try_into().ok())
    }
}

fn encode(entry: &Entry, previous: &[u8], out: &mut Vec<u8>) {
    let shared = entry.path.iter().zip(previous).take_while(|(a, b)| a == b).count();
    put(out, shared as u64);
    put(out, (entry.path.len() - shared) as u64);
    out.extend_from_slice(&entry.path[shared..]);
    let kind = EntryKind::ALL.iter().position(|k| *k == entry.kind).unwrap_or(0) as u8;
    let has_xattrs = entry.xattrs != [0; 16];
    let flags = kind
        | u8::from(entry.hash.is_some()) << 3
        | u8::from(has_xattrs) << 4
        | u8::from(entry.offset.is_some()) << 5
        | u8::from(entry.inexact) << 6
        | u8::from(entry.sparse) << 7;
    out.push(flags);
    put(out, u64::from(entry.mode));
    put(out, u64::from(entry.uid));
    put(out, u64::from(entry.gid));
    put(out, entry.size);
    put(out, zigzag(entry.mtime.sec));
    put(out, u64::from(entry.mtime.nsec));
    put(out, zigzag(entry.ctime.sec));
    put(out, u64::from(entry.ctime.nsec));
    put(out, entry.inode);
    if matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
        put(out, u64::from(entry.device.0));
        put(out, u64::from(entry.device.1));
    }
    if matches!(entry.kind, EntryKind::Symlink | EntryKind::HardLink) {
        put(out, entry.link.len() as u64);
        out.extend_from_slice(&entry.link);
    }
    if let Some(hash) = &entry.hash {
        out.extend_from_slice(hash);
    }
    if has_xattrs {
        out.extend_from_slice(&entry.xattrs);
    }
    if let Some(offset) = entry.offset {
        put(out, u64::from(entry.archive));
        put(out, offset);
    }
}

fn decode(cursor: &mut Cursor<'_>, previous: &[u8]) -> Option<Entry> {
    let shared = cursor.number()? as usize;
    let rest = cursor.number()? as usize;
    let mut path = previous.get(..shared)?.to_vec();
    path.extend_from_slice(cursor.bytes(rest)?);
    let flags = cursor.bytes(1)?[0];
    let kind = EntryKind::ALL[usize::from(flags & 7)];
    let mut entry = Entry {
        path,
        kind,
        mode: cursor.small()?,
        uid: cursor.small()?,
        gid: cursor.small()?,
        size: cursor.number()?,
        mtime: Time { sec: cursor.signed()?, nsec: cursor.small()? },
        ctime: Time { sec: cursor.signed()?, nsec: cursor.small()? },
        inode: cursor.number()?,
        device: (0, 0),
        link: Vec::new(),
        hash: None,
        xattrs: [0; 16],
        archive: 0,
        offset: None,
        inexact: flags & 1 << 6 != 0,
        sparse: flags & 1 << 7 != 0,
    };
    if matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
        entry.device = (cursor.small()?, cursor.small()?);
    }
    if matches!(kind, EntryKind::Symlink | EntryKind::HardLink) {
        let length = cursor.number()? as usize;
        entry.link = cursor.bytes(length)?.to_vec();
    }
    if flags & 1 << 3 != 0 {
        entry.hash = Some(cursor.array()?);
    }
    if flags & 1 << 4 != 0 {
        entry.xattrs = cursor.array()?;
    }
    if flags & 1 << 5 != 0 {
        entry.archive = cursor.small()?;
        entry.offset = Some(cursor.number()?);
    }
    Some(entry)
}

struct BlockPlace {
    first: Vec<u8>,
    offset: u64,
    length: u32,
    entries: u32,
}

/// Writes an index while the archive is written. Entries must come in order.
pub struct IndexWriter {
    out: BufWriter<File>,
    path: PathBuf,
    block: Vec<u8>,
    in_block: u32,
    first: Vec<u8>,
    previous: Vec<u8>,
    at: u64,
    places: Vec<BlockPlace>,
    entries: u64,
    hash: sha2::Sha256,
}

impl IndexWriter {
    /// Begins an index in an empty file; `path` is for messages.
    ///
    /// # Errors
    /// The system's word.
    pub fn new(file: File, path: &Path) -> Result<Self, EngineError> {
        let mut writer = Self {
            out: BufWriter::new(file),
            path: path.to_owned(),
            block: Vec::with_capacity(BLOCK + 4096),
            in_block: 0,
            first: Vec::new(),
            previous: Vec::new(),
            at: 0,
            places: Vec::new(),
            entries: 0,
            hash: <sha2::Sha256 as sha2::Digest>::new(),
        };
        writer.raw(MAGIC)?;
        Ok(writer)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        sha2::Digest::update(&mut self.hash, bytes);
        self.at += bytes.len() as u64;
        self.out.write_all(bytes).map_err(EngineError::io("write", &self.path))
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// The system's word, or [`EngineError::Damaged`] if it comes out of order.
    pub fn add(&mut self, entry: &Entry) -> Result<(), EngineError> {
        if self.entries > 0 && compare_paths(&self.previous, &entry.path) != Ordering::Less {
            return Err(EngineError::damaged(&self.path, "its entries are out of order"));
        }
        if self.in_block == 0 {
            entry.path.clone_into(&mut self.first);
            encode(entry, &[], &mut self.block);
        } else {
            encode(entry, &self.previous, &mut self.block);
        }
        entry.path.clone_into(&mut self.previous);
        self.in_block += 1;
        self.entries += 1;
        if self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        if self.in_block == 0 {
            return Ok(());
        }
        let packed = pack(&self.block).map_err(EngineError::io("compress", &self.path))?;
        self.places.push(BlockPlace {
            first: self.first.clone(),
            offset: self.at,
            length: packed.len() as u32,
            entries: self.in_block,
        });
        self.raw(&packed)?;
        self.block.clear();
        self.in_block = 0;
        Ok(())
    }

    /// Writes the directory and ends the file; the caller syncs and renames it. Answers its size and
    /// SHA-256.
    ///
    /// # Errors
    /// The system's word.
    pub fn finish(
        mut self,
        compression: Compression,
        members: &[u32],
        lineage: &Lineage,
    ) -> Result<(File, u64, String), EngineError> {
        self.flush()?;
        let mut footer = Vec::new();
        footer.push(match compression {
            Compression::Gzip(_) => 1,
            Compression::Zstd(_) => 2,
            Compression::None => 0,
        });
        put(&mut footer, MEMBER_SIZE as u64);
        put(&mut footer, members.len() as u64);
        for size in members {
            put(&mut footer, u64::from(*size));
        }
        put(&mut footer, self.entries);
        put(&mut footer, self.places.len() as u64);
        for place in &self.places {
            put(&mut footer, place.first.len() as u64);
            footer.extend_from_slice(&place.first);
            put(&mut footer, place.offset);
            put(&mut footer, u64::from(place.length));
            put(&mut footer, u64::from(place.entries));
        }
        footer.extend_from_slice(&lineage.fingerprint);
        put(&mut footer, lineage.archives.len() as u64);
        for archive in &lineage.archives {
            footer.extend_from_slice(archive.id.0.as_bytes());
            put(&mut footer, archive.name.len() as u64);
            footer.extend_from_slice(archive.name.as_bytes());
        }
        let packed = pack(&footer).map_err(EngineError::io("compress", &self.path))?;
        let start = self.at;
        self.raw(&packed)?;
        let mut trailer = start.to_le_bytes().to_vec();
        trailer.extend_from_slice(&(packed.len() as u64).to_le_bytes());
        trailer.extend_from_slice(&(footer.len() as u64).to_le_bytes());
        trailer.extend_from_slice(END);
        self.raw(&trailer)?;
        let digest = sha2::Digest::finalize(self.hash);
        let file = self.out.into_inner().map_err(|e| EngineError::io("write", &self.path)(e.into_error()))?;
        Ok((file, self.at, crate::store::hex(&digest)))
    }
}

fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // Mostly hashes, which nothing makes smaller: the fastest level does.
    let mut packer = zstd::bulk::Compressor::new(1)?;
    packer.include_checksum(true)?;
    packer.compress(bytes)
}

/// What the end of an index says.
struct Directory {
    compression: Compression,
    members: Vec<u32>,
    entries: u64,
    places: Vec<BlockPlace>,
    lineage: Lineage,
}

/// Reads what stands behind the blocks; indexes of the first version have nothing there.
fn decode_lineage(cursor: &mut Cursor<'_>) -> Option<Lineage> {
    if cursor.0.is_empty() {
        return Some(Lineage::default());
    }
    let fingerprint = cursor.array()?;
    let mut archives = Vec::new();
    for _ in 0..cursor.number()? {
        let id = ArchiveId(uuid::Uuid::from_bytes(cursor.array()?));
        let length = cursor.number()? as usize;
        let name = String::from_utf8(cursor.bytes(length)?.to_vec()).ok()?;
        // A name, not a way to somewhere else.
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return None;
        }
        archives.push(ArchiveRef { id, name });
    }
    cursor.0.is_empty().then_some(Lineage { archives, fingerprint })
}

impl Directory {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let compression = match cursor.bytes(1)?[0] {
            0 => Compression::None,
            1 => Compression::Gzip(5),
            2 => Compression::Zstd(3),
            _ => return None,
        };
        if cursor.number()? != MEMBER_SIZE as u64 {
            return None;
        }
        let mut members = Vec::new();
        for _ in 0..cursor.number()? {
            members.push(cursor.small()?);
        }
        let entries = cursor.number()?;
        let mut places = Vec::new();
        for _ in 0..cursor.number()? {
            let n = cursor.number()? as usize;
            let first = cursor.bytes(n)?.to_vec();
            places.push(BlockPlace { first, offset: cursor.number()?, length: cursor.small()?, entries: cursor.small()? });
        }
        let lineage = decode_lineage(&mut cursor)?;
        Some(Self { compression, members, entries, places, lineage })
    }
}

/// Decodes the entries of one unpacked block of an index; `None` if it is not one.
#[must_use]
pub fn decode_block(plain: &[u8], entries: u32) -> Option<Vec<Entry>> {
    let mut cursor = Cursor(plain);
    // An entry takes at least eleven bytes, whatever the directory says.
    let mut list: Vec<Entry> = Vec::with_capacity((entries as usize).min(plain.len() / 11));
    let mut size = 0;
    for _ in 0..entries {
        let entry = decode(&mut cursor, list.last().map_or(&[][..], |e| &e.path))?;
        // Paths share their beginnings: a small block could unfold to gigabytes.
        size += entry.path.len();
        if size > MAX_PATHS {
            return None;
        }
        list.push(entry);
    }
    Some(list)
}

/// Encodes entries as one unpacked block of an index.
#[must_use]
pub fn encode_block(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut previous: &[u8] = &[];
    for entry in entries {
        encode(entry, previous, &mut out);
        previous = &entry.path;
    }
    out
}

/// Reads an index by the block.
pub struct IndexReader {
    file: File,
    path: PathBuf,
    places: Vec<BlockPlace>,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Bytes of each member in the archive file.
    pub members: Vec<u32>,
    /// How many entries there are.
    pub entries: u64,
    /// The archives beneath.
    pub lineage: Lineage,
}

impl IndexReader {
    /// Opens an index and reads its directory.
    ///
    /// # Errors
    /// The system's word, or [`EngineError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        Self::from_file(File::open(path).map_err(EngineError::io("open", path))?, path)
    }

    /// Reads the directory of an index that is open already; `path` is for messages.
    ///
    /// # Errors
    /// The system's word, or [`EngineError::Damaged`].
    pub fn from_file(file: File, path: &Path) -> Result<Self, EngineError> {
        let length = file.metadata().map_err(EngineError::io("look at", path))?.len();
        let damaged = |what: &str| EngineError::damaged(path, what);
        if length < 40 {
            return Err(damaged("it is too short for an index"));
        }
        let mut magic = [0; 8];
        let mut trailer = [0; 32];
        file.read_exact_at(&mut magic, 0).map_err(EngineError::io("read", path))?;
        file.read_exact_at(&mut trailer, length - 32).map_err(EngineError::io("read", path))?;
        let word = |i: usize| u64::from_le_bytes(trailer[i..i + 8].try_into().unwrap_or_default());
        let (start, packed, plain) = (word(0), word(8), word(16));
        if &magic != MAGIC || &trailer[24..] != END || start.checked_add(packed) != Some(length - 32) || plain > MAX_DIRECTORY {
            return Err(damaged("it is no index of this version, or its end is missing"));
        }
        let mut bytes = vec![0; packed as usize];
        file.read_exact_at(&mut bytes, start).map_err(EngineError::io("read", path))?;
        let footer = zstd::bulk::decompress(&bytes, plain as usize)
            .map_err(|e| damaged(&format!("its directory cannot be unpacked: {e}")))?;
        let Directory { compression, members, entries, places, lineage } =
            Directory::decode(&footer).ok_or_else(|| damaged("its directory is cut"))?;
        Ok(Self { file, path: path.to_owned(), places, compression, members, entries, lineage })
    }

    /// The entries of one block.
    pub(crate) fn block(&self, i: usize) -> Result<Vec<Entry>, EngineError> {
        let place = &self.places[i];
        let mut packed = vec![0; place.length as usize];
        self.file.read_exact_at(&mut packed, place.offset).map_err(EngineError::io("read", &self.path))?;
        let damaged = |what: String| EngineError::damaged(&self.path, what);
        let plain =
            zstd::bulk::decompress(&packed, MAX_BLOCK).map_err(|e| damaged(format!("block {i} cannot be unpacked: {e}")))?;
        let list = decode_block(&plain, place.entries).ok_or_else(|| damaged(format!("block {i} is cut")))?;
        if list.iter().any(|e| e.archive as usize > self.lineage.archives.len()) {
            return Err(damaged(format!("block {i} names an archive that the directory does not")));
        }
        Ok(list)
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.places.len()
    }

    /// All entries from the first whose path is not before `path`.
    #[must_use]
    pub fn entries_from<'a>(&'a self, path: &[u8]) -> Entries<'a> {
        let after = self.places.partition_point(|p| compare_paths(&p.first, path) != Ordering::Greater);
        Entries { reader: self, next_block: after.saturating_sub(1), block: Vec::new().into_iter(), from: path.to_vec() }
    }

    /// All entries.
    #[must_use]
    pub fn all(&self) -> Entries<'_> {
        self.entries_from(b"")
    }

    /// One entry by its path.
    ///
    /// # Errors
    /// The system's word, or [`EngineError::Damaged`].
    pub fn get(&self, path: &[u8]) -> Result<Option<Entry>, EngineError> {
        self.entries_from(path).next().transpose().map(|e| e.filter(|e| e.path == path))
    }
}

/// Walks an index block by block.
pub struct Entries<'a> {
    reader: &'a IndexReader,
    next_block: usize,
    block: std::vec::IntoIter<Entry>,
    from: Vec<u8>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for entry in self.block.by_ref() {
                if compare_paths(&entry.path, &self.from) != Ordering::Less {
                    return Some(Ok(entry));
                }
            }
            if self.next_block >= self.reader.places.len() {
                return None;
            }
            match self.reader.block(self.next_block) {
                Ok(list) => self.block = list.into_iter(),
                Err(e) => {
                    self.next_block = usize::MAX;
                    return Some(Err(e));
                }
            }
            self.next_block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn entry(path: &str) -> Entry {
        Entry {
            path: path.as_bytes().to_vec(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 1000,
            gid: u32::MAX,
            size: 12,
            mtime: Time { sec: -5, nsec: 999_999_999 },
            ctime: Time { sec: 1_800_000_000, nsec: 1 },
            inode: u64::MAX,
            device: (0, 0),
            link: Vec::new(),
            hash: Some([7; 32]),
            xattrs: [0; 16],
            archive: 0,
            offset: Some(1 << 40),
            inexact: false,
            sparse: false,
        }
    }

    #[test]
    fn written_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.idx");
        let mut writer = IndexWriter::new(File::create(&path).expect("a file"), &path).expect("a writer");
        let mut list = Vec::new();
        for d in 0..40 {
            list.push(Entry { kind: EntryKind::Folder, hash: None, offset: None, ..entry(&format!("d{d:02}")) });
            for f in 0..200 {
                list.push(entry(&format!("d{d:02}/file {f:03}")));
            }
            list.push(Entry {
                kind: EntryKind::Symlink,
                link: b"../x".to_vec(),
                xattrs: [3; 16],
                inexact: true,
                archive: 2,
                ..entry(&format!("d{d:02}/link"))
            });
            list.push(Entry { kind: EntryKind::CharDevice, device: (1, 3), ..entry(&format!("d{d:02}.dev")) });
        }
        list.sort_by(|a, b| compare_paths(&a.path, &b.path));
        for e in &list {
            writer.add(e).expect("added");
        }
        assert!(writer.add(&entry("a")).is_err(), "out of order");
        let archives = ["full_a.tar.gz", "inc_b.tar.gz"];
        let archives = archives.map(|name| ArchiveRef { id: ArchiveId(uuid::Uuid::now_v7()), name: name.to_owned() });
        let lineage = Lineage { archives: archives.to_vec(), fingerprint: [9; 16] };
        writer.finish(Compression::Gzip(6), &[5, 6, 7], &lineage).expect("finished");
        let reader = IndexReader::open(&path).expect("opened");
        assert_eq!(reader.members, [5, 6, 7]);
        assert_eq!(reader.lineage, lineage);
        assert_eq!(reader.entries as usize, list.len());
        let back: Vec<Entry> = reader.all().collect::<Result<_, _>>().expect("all");
        assert!(back == list);
        for e in &list {
            assert_eq!(reader.get(&e.path).expect("read").as_ref(), Some(e));
        }
        assert_eq!(reader.get(b"d03/none").expect("read"), None);
        // A flipped bit anywhere is noticed.
        let good = std::fs::read(&path).expect("bytes");
        for at in (8..good.len()).step_by(211) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, &bad).expect("written");
            let seen = IndexReader::open(&path).and_then(|r| r.all().collect::<Result<Vec<_>, _>>());
            // Some bits of a zstd header mean nothing; what is read must then be the same.
            assert!(seen.is_err() || seen.is_ok_and(|s| s == list), "byte {at}");
        }
    }

    #[test]
    fn order_is_by_component() {
        let mut list = vec!["a.d", "a/x", "a", ".", "!", "a b", "a/b/c"];
        list.sort_by(|a, b| compare_paths(a.as_bytes(), b.as_bytes()));
        assert_eq!(list, [".", "!", "a", "a/b/c", "a/x", "a b", "a.d"]);
        let long = "x".repeat(40);
        let (a, b) = (format!("{long}/y"), format!("{long} y"));
        assert_eq!(compare_paths(a.as_bytes(), b.as_bytes()), Ordering::Less);
        assert_eq!(compare_paths(long.as_bytes(), b.as_bytes()), Ordering::Less);
        assert_eq!(compare_paths(b"", b"a"), Ordering::Less);
    }
}
