//! Headers of the tar stream: POSIX ustar with PAX records (pax(1), POSIX.1-2017), GNU sparse
//! format 1.0 (GNU tar manual, "Storing Sparse Files"), `SCHILY.xattr.*` for extended attributes.

use super::EntryKind;
use crate::sys::{Time, Xattrs};
use std::io::Write as _;
use tar::{EntryType, Header};

/// A stretch of data in a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Everything about an entry but its data.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryHeader {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Option<EntryKind>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// Size of the contents, holes included.
    pub(crate) size: u64,
    pub(crate) mtime: Time,
    pub(crate) link: Vec<u8>,
    pub(crate) device: (u32, u32),
    pub(crate) xattrs: Xattrs,
    /// The stretches that hold data, if there are holes.
    pub(crate) sparse: Option<Vec<Segment>>,
    /// What the folder holds, in increments.
    pub(crate) dumpdir: Option<Vec<u8>>,
}

/// Bytes of zeros that fill a block of 512.
pub(crate) fn padding(size: u64) -> usize {
    ((512 - size % 512) % 512) as usize
}

fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // "length key=value\n", where the length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let _ = write!(out, "{length} ");
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn time_text(time: Time) -> String {
    let (sec, nsec) = match (time.sec, time.nsec) {
        (sec, 0) => return sec.to_string(),
        (sec, nsec) if sec < 0 => (sec + 1, 1_000_000_000 - nsec),
        other => other,
    };
    let sign = if time.sec < 0 { "-" } else { "" };
    format!("{sign}{}.{}", sec.unsigned_abs(), format!("{nsec:09}").trim_end_matches('0'))
}

/// The map of a sparse file as format 1.0 puts it before the data, filled to a block.
fn sparse_map(segments: &[Segment], size: u64) -> Vec<u8> {
    let mut list = segments.to_vec();
    // A hole at the end is told by an empty stretch at the end.
    if list.last().is_none_or(|s| s.offset + s.length < size) {
        list.push(Segment { offset: size, length: 0 });
    }
    let mut map = format!("{}\n", list.len()).into_bytes();
    for s in list {
        let _ = write!(map, "{}\n{}\n", s.offset, s.length);
    }
    map.resize(map.len() + padding(map.len() as u64), 0);
    map
}

/// Puts a path into the header's name and prefix, or says that it does not fit.
fn put_path(header: &mut Header, path: &[u8]) -> bool {
    let Some(ustar) = header.as_ustar_mut() else { return false };
    if path.len() <= 100 {
        ustar.name[..path.len()].copy_from_slice(path);
        return true;
    }
    let split = (1..path.len().min(156)).rev().find(|i| path[*i] == b'/' && path.len() - i - 1 <= 100 && path.len() > i + 1);
    match split {
        Some(i) => {
            ustar.prefix[..i].copy_from_slice(&path[..i]);
            ustar.name[..path.len() - i - 1].copy_from_slice(&path[i + 1..]);
            true
        }
        None => {
            // The PAX record holds the whole; here stands what old readers can show.
            ustar.name.copy_from_slice(&path[..100]);
            false
        }
    }
}

fn type_of(kind: EntryKind) -> EntryType {
    match kind {
        EntryKind::File => EntryType::Regular,
        EntryKind::HardLink => EntryType::Link,
        EntryKind::Symlink => EntryType::Symlink,
        EntryKind::CharDevice => EntryType::Char,
        EntryKind::BlockDevice => EntryType::Block,
        EntryKind::Folder => EntryType::Directory,
        EntryKind::Fifo => EntryType::Fifo,
        // Sockets are noted in the index only and never get here.
        EntryKind::Socket => EntryType::Fifo,
    }
}

/// What a folder holds (GNU tar manual, "Dumpdir").
pub(crate) const DUMPDIR: &[u8] = b"GNU.dumpdir";

/// An extended header with its records.
fn extended(kind: EntryType, path: &[u8], mut records: Vec<u8>) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(records.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    put_path(&mut header, path);
    header.set_cksum();
    let fill = padding(records.len() as u64);
    records.resize(records.len() + fill, 0);
    records.splice(0..0, header.as_bytes().iter().copied());
    records
}

/// A global header with a comment, which readers pass over (pax(1), "comment"): by it an archive says by
/// itself what it is.
pub(crate) fn encode_comment(text: &[u8]) -> Vec<u8> {
    let mut records = Vec::new();
    record(&mut records, b"comment", text);
    extended(EntryType::XGlobalHeader, b"PaxHeaders/archive", records)
}

/// The blocks that stand before an entry's data (for sparse files the map is among them).
pub(crate) fn encode_entry(entry: &EntryHeader) -> Vec<u8> {
    let kind = entry.kind.unwrap_or(EntryKind::File);
    let mut path = entry.path.clone();
    if kind == EntryKind::Folder {
        path.push(b'/');
    }
    let mut records = Vec::new();
    let mut header = Header::new_ustar();
    header.set_entry_type(type_of(kind));
    header.set_mode(entry.mode & 0o7777);
    header.set_uid(u64::from(entry.uid));
    header.set_gid(u64::from(entry.gid));
    if entry.uid > 0o7_777_777 {
        record(&mut records, b"uid", entry.uid.to_string().as_bytes());
    }
    if entry.gid > 0o7_777_777 {
        record(&mut records, b"gid", entry.gid.to_string().as_bytes());
    }
    if let Some(user) = entry.user.as_ref().filter(|u| u.len() < 32) {
        let _ = header.set_username(user);
    }
    if let Some(group) = entry.group.as_ref().filter(|g| g.len() < 32) {
        let _ = header.set_groupname(group);
    }
    let plain_time = (0..0o77_777_777_777).contains(&entry.mtime.sec);
    header.set_mtime(if plain_time { entry.mtime.sec as u64 } else { 0 });
    if entry.mtime.nsec != 0 || !plain_time {
        record(&mut records, b"mtime", time_text(entry.mtime).as_bytes());
    }
    if matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
        let _ = header.set_device_major(entry.device.0);
        let _ = header.set_device_minor(entry.device.1);
    }
    if matches!(kind, EntryKind::Symlink | EntryKind::HardLink) {
        if entry.link.len() <= 100 {
            if let Some(ustar) = header.as_ustar_mut() {
                ustar.linkname[..entry.link.len()].copy_from_slice(&entry.link);
            }
        } else {
            record(&mut records, b"linkpath", &entry.link);
        }
    }
    let map = entry.sparse.as_ref().map(|s| sparse_map(s, entry.size));
    let stored: u64 = match (&entry.sparse, &map, kind) {
        (Some(segments), Some(map), _) => map.len() as u64 + segments.iter().map(|s| s.length).sum::<u64>(),
        (_, _, EntryKind::File) => entry.size,
        _ => 0,
    };
    header.set_size(stored);
    if stored > 0o77_777_777_777 {
        record(&mut records, b"size", stored.to_string().as_bytes());
    }
    if map.is_some() {
        record(&mut records, b"GNU.sparse.major", b"1");
        record(&mut records, b"GNU.sparse.minor", b"0");
        record(&mut records, b"GNU.sparse.name", &path);
        record(&mut records, b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
        // A reader without sparse files must not take the condensed data for the file.
        let (folder, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(i) => (&path[..=i], &path[i + 1..]),
            None => (&path[..0], &path[..]),
        };
        let short = [folder, b"GNUSparseFile.0/", name].concat();
        if !put_path(&mut header, &short) {
            record(&mut records, b"path", &short);
        }
    } else if !put_path(&mut header, &path) {
        record(&mut records, b"path", &path);
    }
    for (name, value) in &entry.xattrs {
        let mut key = b"SCHILY.xattr.".to_vec();
        for byte in name {
            match byte {
                b'=' => key.extend_from_slice(b"%3D"),
                b'%' => key.extend_from_slice(b"%25"),
                other => key.push(*other),
            }
        }
        record(&mut records, &key, value);
    }
    if let Some(dumpdir) = &entry.dumpdir {
        // It may be large: no room beyond what it takes.
        records.reserve_exact(dumpdir.len() + 4096);
        record(&mut records, DUMPDIR, dumpdir);
    }
    header.set_cksum();

    let mut out = if records.is_empty() { Vec::new() } else { extended(EntryType::XHeader, b"PaxHeaders/entry", records) };
    out.extend_from_slice(header.as_bytes());
    if let Some(map) = map {
        out.extend_from_slice(&map);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lengths_count_themselves() {
        for n in [1usize, 2, 5, 90, 91, 92, 93, 94, 95, 980, 985, 990, 991, 992] {
            let mut out = Vec::new();
            record(&mut out, b"k", &vec![b'x'; n]);
            let text = String::from_utf8(out.clone()).expect("text");
            let length: usize = text.split(' ').next().and_then(|l| l.parse().ok()).expect("a length");
            assert_eq!(length, out.len(), "{n}");
        }
    }

    #[test]
    fn times_before_1970() {
        assert_eq!(time_text(Time { sec: -2, nsec: 500_000_000 }), "-1.5");
        assert_eq!(time_text(Time { sec: -1, nsec: 1 }), "-0.999999999");
        assert_eq!(time_text(Time { sec: 5, nsec: 10 }), "5.00000001");
        assert_eq!(time_text(Time { sec: -7, nsec: 0 }), "-7");
    }
}
