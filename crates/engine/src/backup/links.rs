//! Files with several names: which of them was met first. The table is bounded in memory; what does
//! not fit lies sorted in a scratch file.

use crate::sys;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Device and inode of a file.
pub(super) type FileId = (u64, u64);

/// Files in memory at a time: about 5 MiB.
const LIMIT: usize = 100_000;
/// Sorted pieces before they are merged into one.
const PIECES: usize = 8;
/// Device, inode and the place of the path, eight bytes each.
const RECORD: usize = 24;

struct Known {
    /// Where its path stands in the file of paths.
    place: u64,
    /// Names of it that are still to come.
    left: u64,
}

type Record = (FileId, u64);

/// The files with several names that were met so far.
pub(super) struct LinkTable {
    scratch: PathBuf,
    limit: usize,
    known: HashMap<FileId, Known>,
    paths: Option<BufWriter<File>>,
    end: u64,
    /// Files of sorted records, and how many there are in each.
    pieces: Vec<(File, u64)>,
}

fn encode(record: &Record) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    for (i, number) in [record.0.0, record.0.1, record.1].into_iter().enumerate() {
        out[8 * i..8 * i + 8].copy_from_slice(&number.to_le_bytes());
    }
    out
}

fn decode(bytes: &[u8; RECORD]) -> Record {
    let number = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap_or_default());
    ((number(0), number(1)), number(2))
}

fn find(file: &File, count: u64, id: FileId) -> io::Result<Option<u64>> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut bytes = [0; RECORD];
        file.read_exact_at(&mut bytes, middle * RECORD as u64)?;
        let (found, place) = decode(&bytes);
        match found.cmp(&id) {
            std::cmp::Ordering::Equal => return Ok(Some(place)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(None)
}

impl LinkTable {
    /// An empty table; `scratch` is a folder for what does not fit into memory.
    pub(super) fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.to_owned(), limit: LIMIT, known: HashMap::new(), paths: None, end: 0, pieces: Vec::new() }
    }

    /// The path under which a file was met first and the `mark` given then, or `None` if this is the first
    /// time; `names` is how many names it has.
    pub(super) fn meet(&mut self, id: FileId, names: u64, path: &[u8], mark: bool) -> io::Result<Option<(Vec<u8>, bool)>> {
        if let Some(known) = self.known.get_mut(&id) {
            known.left = known.left.saturating_sub(1);
            let (place, last) = (known.place, known.left == 0);
            if last {
                self.known.remove(&id);
            }
            return self.path(place).map(Some);
        }
        for (file, count) in &self.pieces {
            if let Some(place) = find(file, *count, id)? {
                return self.path(place).map(Some);
            }
        }
        let place = self.add_path(path, mark)?;
        self.known.insert(id, Known { place, left: names.saturating_sub(1) });
        if self.known.len() >= self.limit {
            self.spill()?;
        }
        Ok(None)
    }

    fn add_path(&mut self, path: &[u8], mark: bool) -> io::Result<u64> {
        let out = match &mut self.paths {
            Some(out) => out,
            none => none.insert(BufWriter::new(sys::scratch_file(&self.scratch)?)),
        };
        let place = self.end;
        out.write_all(&(path.len() as u32).to_le_bytes())?;
        out.write_all(&[u8::from(mark)])?;
        out.write_all(path)?;
        self.end += 5 + path.len() as u64;
        Ok(place)
    }

    fn path(&mut self, place: u64) -> io::Result<(Vec<u8>, bool)> {
        let Some(paths) = &mut self.paths else { return Err(io::Error::from(io::ErrorKind::NotFound)) };
        paths.flush()?;
        let mut start = [0; 5];
        paths.get_ref().read_exact_at(&mut start, place)?;
        let [a, b, c, d, mark] = start;
        let mut path = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
        paths.get_ref().read_exact_at(&mut path, place + 5)?;
        Ok((path, mark != 0))
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut records: Vec<Record> = self.known.drain().map(|(id, known)| (id, known.place)).collect();
        records.sort_unstable();
        let mut out = BufWriter::new(sys::scratch_file(&self.scratch)?);
        for record in &records {
            out.write_all(&encode(record))?;
        }
        self.pieces.push((out.into_inner().map_err(|e| e.into_error())?, records.len() as u64));
        if self.pieces.len() > PIECES { self.merge() } else { Ok(()) }
    }

    fn merge(&mut self) -> io::Result<()> {
        let mut inputs = Vec::new();
        let mut total = 0;
        for (mut file, count) in self.pieces.drain(..) {
            file.seek(SeekFrom::Start(0))?;
            total += count;
            inputs.push((io::BufReader::new(file), count, None));
        }
        let mut out = BufWriter::new(sys::scratch_file(&self.scratch)?);
        loop {
            for (input, left, head) in &mut inputs {
                if head.is_none() && *left > 0 {
                    let mut bytes = [0; RECORD];
                    input.read_exact(&mut bytes)?;
                    *left -= 1;
                    *head = Some(decode(&bytes));
                }
            }
            let Some((_, _, head)) = inputs.iter_mut().filter(|i| i.2.is_some()).min_by_key(|i| i.2) else { break };
            if let Some(record) = head.take() {
                out.write_all(&encode(&record))?;
            }
        }
        self.pieces.push((out.into_inner().map_err(|e| e.into_error())?, total));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_names_are_known_however_many_there_are() {
        let scratch = tempfile::tempdir().expect("a folder");
        for limit in [LIMIT, 50, 7] {
            let mut table = LinkTable::new(scratch.path());
            table.limit = limit;
            let id = |n: u64| (n % 3, n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for n in 0..3000u64 {
                assert_eq!(table.meet(id(n), 3, format!("first {n}").as_bytes(), n % 2 == 0).expect("met"), None);
            }
            for round in 0..2 {
                for n in (0..3000u64).rev() {
                    let first = table.meet(id(n), 3, b"another", false).expect("met").expect("known");
                    assert_eq!(first, (format!("first {n}").into_bytes(), n % 2 == 0), "round {round}");
                }
            }
            if limit == LIMIT {
                assert!(table.known.is_empty(), "all names were met: nothing is kept");
            }
        }
        assert_eq!(std::fs::read_dir(scratch.path()).expect("folder").count(), 0);
    }
}
