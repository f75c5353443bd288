//! The names in a folder, sorted. Of a folder so large that its names would fill the memory they are
//! sorted piece by piece in a scratch file and merged while they are read.

use crate::error::EngineError;
use crate::sys;
use nix::dir::Dir;
use nix::sys::stat::FileStat;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of names that are held in memory for one folder.
const LIMIT: usize = 8 << 20;
/// Bytes of names of a folder that are read ahead of the walk.
const FEW: usize = 128 << 10;
/// Names of a folder that are looked at ahead of the walk.
const MAX_STATS: usize = 256;
/// Bytes that are read ahead of each sorted piece.
const AHEAD: usize = 64 * 1024;

/// What a folder says of a name without a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    Folder,
    Socket,
    File,
    Other,
    /// The file system does not tell.
    Unknown,
}

impl NameKind {
    const ALL: [Self; 5] = [Self::Folder, Self::Socket, Self::File, Self::Other, Self::Unknown];

    fn of(entry: &nix::dir::Entry) -> Self {
        match entry.file_type() {
            Some(nix::dir::Type::Directory) => Self::Folder,
            Some(nix::dir::Type::Socket) => Self::Socket,
            Some(nix::dir::Type::File) => Self::File,
            Some(_) => Self::Other,
            None => Self::Unknown,
        }
    }

    fn byte(self) -> u8 {
        self as u8
    }

    fn of_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::Unknown)
    }
}

/// A name in a folder.
pub(crate) struct Name {
    pub(crate) kind: NameKind,
    pub(crate) bytes: Vec<u8>,
    /// What it is, if that was looked at already.
    pub(crate) stat: Option<FileStat>,
    /// Which of the names held in memory it is.
    pub(crate) place: usize,
}

/// The scratch file, and where each piece begins and ends in it.
type Ranges = (Arc<File>, Vec<(u64, u64)>);

/// Names that lie one after the other in one piece of memory, each after its kind.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    /// Begin and length of each.
    places: Vec<(u32, u16)>,
}

impl Arena {
    fn add(&mut self, kind: NameKind, name: &[u8]) {
        self.places.push((self.bytes.len() as u32, 1 + name.len() as u16));
        self.bytes.push(kind.byte());
        self.bytes.extend_from_slice(name);
    }

    fn name(&self, place: (u32, u16)) -> &[u8] {
        let start = place.0 as usize;
        &self.bytes[start..start + usize::from(place.1)]
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.places.len() * size_of::<(u32, u16)>()
    }

    fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_unstable_by(|a, b| self.name(*a)[1..].cmp(&self.name(*b)[1..]));
        self.places = places;
    }
}

/// A sorted piece in the scratch file: kinds with names, each after its length in two bytes.
struct Piece {
    file: Arc<File>,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    head: Option<Vec<u8>>,
}

impl Piece {
    fn advance(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.used < 2 + 1 + 255 {
            self.buffer.drain(..self.used);
            self.used = 0;
            let from = self.buffer.len();
            let more = (AHEAD as u64).min(self.end - self.at) as usize;
            self.buffer.resize(from + more, 0);
            self.file.read_exact_at(&mut self.buffer[from..], self.at)?;
            self.at += more as u64;
        }
        let rest = &self.buffer[self.used..];
        self.head = match rest.split_first_chunk::<2>() {
            None => None,
            Some((length, rest)) => {
                let length = usize::from(u16::from_le_bytes(*length));
                self.used += 2 + length;
                rest.get(..length).map(<[u8]>::to_vec)
            }
        };
        Ok(())
    }
}

/// Sorted names, given out one by one.
pub(crate) struct Names {
    arena: Arena,
    next: usize,
    /// What the first names are.
    stats: Vec<Option<FileStat>>,
    /// The first name that was not yet given out as a folder.
    given: usize,
    pieces: Vec<Piece>,
    /// Where the pieces lie, to begin again.
    ranges: Option<Ranges>,
}

/// Says which names of a folder are taken.
pub(crate) type Wanted<'a> = &'a mut dyn FnMut(NameKind, &[u8]) -> bool;

impl Names {
    /// Reads the names in a folder; `scratch` is a folder for the scratch file of a huge one. Without it few
    /// names are read, and `EFBIG` says that there are more.
    pub(crate) fn read(
        dir: impl AsFd,
        scratch: Option<&Path>,
        wanted: Wanted<'_>,
    ) -> Result<Result<Self, nix::errno::Errno>, EngineError> {
        Self::read_limited(dir, scratch, if scratch.is_some() { LIMIT } else { FEW }, wanted)
    }

    fn read_limited(
        dir: impl AsFd,
        scratch: Option<&Path>,
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Result<Self, nix::errno::Errno>, EngineError> {
        // A second handle: reading moves the position of the handle it reads from.
        let mut reader = match sys::open_dir_at(dir, b".").and_then(Dir::from_fd) {
            Ok(reader) => reader,
            Err(e) => return Ok(Err(e)),
        };
        let mut arena = Arena::default();
        let mut pieces: Vec<(u64, u64)> = Vec::new();
        let mut file: Option<BufWriter<File>> = None;
        let failed = |e: io::Error| EngineError::io("keep the names of a huge folder in", scratch.unwrap_or(Path::new("")))(e);
        for entry in reader.iter() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => return Ok(Err(e)),
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = NameKind::of(&entry);
            if !wanted(kind, name) {
                continue;
            }
            arena.add(kind, name);
            if arena.size() >= limit {
                let Some(scratch) = scratch else { return Ok(Err(nix::errno::Errno::EFBIG)) };
                if file.is_none() {
                    file = Some(BufWriter::new(sys::scratch_file(scratch).map_err(failed)?));
                }
                if let Some(out) = &mut file {
                    pieces.push(spill(&mut arena, out, pieces.last().map_or(0, |p| p.1)).map_err(failed)?);
                }
            }
        }
        arena.sort();
        if arena.size() > FEW {
            // What a large folder took while it grew is given back.
            arena.bytes.shrink_to_fit();
            arena.places.shrink_to_fit();
        }
        let ranges = match file {
            Some(out) => Some((Arc::new(out.into_inner().map_err(|e| failed(e.into_error()))?), pieces)),
            None => None,
        };
        let mut names = Self { arena, next: 0, stats: Vec::new(), given: 0, pieces: Vec::new(), ranges };
        names.restart().map_err(failed)?;
        Ok(Ok(names))
    }

    /// Begins again with the first name.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.next = 0;
        self.pieces.clear();
        if let Some((file, ranges)) = &self.ranges {
            for &(at, end) in ranges {
                let mut piece = Piece { file: Arc::clone(file), at, end, buffer: Vec::new(), used: 0, head: None };
                piece.advance()?;
                self.pieces.push(piece);
            }
        }
        Ok(())
    }

    /// The next name.
    pub(crate) fn next(&mut self) -> io::Result<Option<Name>> {
        let place = self.next;
        let name = |stored: &[u8], stat| Name { kind: NameKind::of_byte(stored[0]), bytes: stored[1..].to_vec(), stat, place };
        let held = self.arena.places.get(self.next).map(|p| self.arena.name(*p));
        let least = self
            .pieces
            .iter_mut()
            .filter(|p| p.head.is_some())
            .min_by(|a, b| a.head.as_ref().map(|h| &h[1..]).cmp(&b.head.as_ref().map(|h| &h[1..])))
            .filter(|p| held.is_none_or(|held| p.head.as_deref().is_some_and(|head| head[1..] < held[1..])));
        if let Some(piece) = least {
            let head = piece.head.take();
            piece.advance()?;
            // Its place is that of no folder that was given out: those come without a file.
            return Ok(head.map(|h| name(&h, None)));
        }
        self.next += 1;
        let stat = self.stats.get_mut(place).and_then(Option::take);
        Ok(held.map(|held| name(held, stat)))
    }

    /// Bytes that all names take, each with its kind and one byte more.
    pub(crate) fn size(&self) -> usize {
        let spilled: u64 = self.ranges.iter().flat_map(|(_, ranges)| ranges).map(|(from, to)| to - from).sum();
        self.arena.bytes.len() + self.arena.places.len() + spilled as usize
    }

    /// Looks at what the first names are, but for folders.
    pub(crate) fn look(&mut self, dir: impl AsFd + Copy) {
        let few = self.arena.places.iter().take(MAX_STATS).map(|place| self.arena.name(*place));
        let stat = |stored: &[u8]| {
            let known = NameKind::of_byte(stored[0]) != NameKind::Folder;
            known.then(|| sys::stat_at(dir, &stored[1..]).ok()).flatten()
        };
        self.stats = few.map(stat).collect();
    }

    /// The next folder that was not given out yet, and its place; of a huge folder none.
    pub(crate) fn next_folder(&mut self) -> Option<(usize, &[u8])> {
        if !self.pieces.is_empty() {
            return None;
        }
        self.given = self.given.max(self.next);
        let folder = |place: &(u32, u16)| NameKind::of_byte(self.arena.name(*place)[0]) == NameKind::Folder;
        let rest = self.arena.places.get(self.given..)?;
        self.given += rest.iter().position(folder).unwrap_or(rest.len());
        self.arena.places.get(self.given).map(|place| (self.given, &self.arena.name(*place)[1..]))
    }

    /// Notes that the folder at this place was given out.
    pub(crate) fn given(&mut self, place: usize) {
        self.given = place + 1;
    }
}

fn spill(arena: &mut Arena, out: &mut BufWriter<File>, start: u64) -> io::Result<(u64, u64)> {
    arena.sort();
    let mut end = start;
    for place in &arena.places {
        out.write_all(&place.1.to_le_bytes())?;
        out.write_all(arena.name(*place))?;
        end += 2 + u64::from(place.1);
    }
    arena.bytes.clear();
    arena.places.clear();
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_folders_are_sorted_as_small_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut expected = Vec::new();
        for n in 0..5000u32 {
            let name = format!("{:x}{}", n.wrapping_mul(2_654_435_761), "x".repeat((n % 240) as usize));
            std::fs::write(folder.path().join(&name), "").expect("a file");
            expected.push(name.into_bytes());
        }
        expected.sort();
        let scratch = tempfile::tempdir().expect("a folder");
        for limit in [LIMIT, 100_000, 999] {
            let dir = sys::open_root(folder.path()).expect("open");
            let names = Names::read_limited(&dir, Some(scratch.path()), limit, &mut |_, _| true);
            let mut names = names.expect("scratch").expect("read");
            for _ in 0..2 {
                let mut found = Vec::new();
                while let Some(name) = names.next().expect("a name") {
                    assert_eq!(name.kind, NameKind::File);
                    found.push(name.bytes);
                }
                assert!(found == expected, "{limit}");
                names.restart().expect("again");
            }
        }
        assert_eq!(std::fs::read_dir(scratch.path()).expect("folder").count(), 0, "nothing stays");
    }
}
