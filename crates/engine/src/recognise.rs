//! Tells by its first bytes whether a file is what its name says: for files that come from elsewhere.

use crate::archive::Decoder;
use crate::seal::is_sealed;
use backup_model::{Compression, Form};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The first bytes of an index, and of what zstd and gzip write.
const INDEX: &[u8] = b"BKINDEX1";

/// Compares the beginning of an archive with its name: OpenPGP, gzip (RFC 1952), zstd (RFC 8878) or neither, and in it
/// a tar header (POSIX.1-2017, pax) or the beginning of a dump. What follows is proven by checksums and verification.
///
/// # Errors
/// What it is not.
pub fn recognise(name: &str, mut file: File) -> Result<(), String> {
    let Some(compression) = Compression::of_file_name(name) else {
        return Err(format!(
            "{name:?} has no name of an archive (.tar.gz, .tar.zst, .tar, .sql.gz and their like, also with .gpg)"
        ));
    };
    let failed = |e: io::Error| format!("it cannot be read as what its name says: {e}");
    let mut start = [0; 8];
    let length = fill(&mut file, &mut start).map_err(failed)?;
    let start = &start[..length];
    if is_sealed(Path::new(name)) {
        // A packet with the session's key comes first (RFC 9580, 5.1 and 5.3); its tag stands in the first byte (4.2).
        let tag = match start.first() {
            Some(b) if b & 0xc0 == 0xc0 => b & 0x3f,
            Some(b) if b & 0x80 != 0 => (b >> 2) & 0xf,
            _ => 0,
        };
        return if matches!(tag, 1 | 3) { Ok(()) } else { Err("it is not encrypted as OpenPGP".into()) };
    }
    let (fits, what) = match compression {
        Compression::Gzip(_) => (start.starts_with(&[0x1f, 0x8b, 8]), "gzip"),
        Compression::Zstd(_) => (start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "zstd"),
        Compression::None => (true, ""),
    };
    if !fits {
        return Err(format!("it is not compressed by {what}, which its name says"));
    }
    io::Seek::rewind(&mut file).map_err(failed)?;
    let mut plain = Decoder::new(file).map_err(failed)?;
    let mut block = [0; 512];
    let read = fill(&mut plain, &mut block).map_err(failed)?;
    let fits = match Form::of_file_name(name) {
        Some(Form::Tar) => read == block.len() && is_tar_header(&block),
        Some(Form::Sqlite) => block.starts_with(b"SQLite format 3\0"),
        Some(Form::Custom) => block.starts_with(b"PGDMP"),
        Some(Form::Sql) => read > 0 && !block[..read].contains(&0),
        None => false,
    };
    if fits { Ok(()) } else { Err("what is in it is not what its name says".into()) }
}

/// The same for what lies beside an archive: its sidecar, its index (which is encrypted with its archive).
///
/// # Errors
/// What it is not.
pub fn recognise_beside(name: &str, mut file: File, archive: &str) -> Result<(), String> {
    if name.ends_with(crate::store::SIDECAR_SUFFIX) {
        let mut text = Vec::new();
        file.take(16 << 20).read_to_end(&mut text).map_err(|e| e.to_string())?;
        let manifest = crate::store::parse_manifest(&text).map_err(|e| format!("it is no sidecar: {e}"))?;
        return if manifest.archive.name == archive {
            Ok(())
        } else {
            Err(format!("it is the sidecar of {}", manifest.archive.name))
        };
    }
    let mut start = [0; 8];
    let length = fill(&mut file, &mut start).map_err(|e| e.to_string())?;
    let fits = if is_sealed(Path::new(archive)) { length > 0 && start[0] & 0x80 != 0 } else { start == INDEX };
    if fits { Ok(()) } else { Err("it is no index of an archive".into()) }
}

fn fill(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < out.len() {
        match input.read(&mut out[at..])? {
            0 => break,
            n => at += n,
        }
    }
    Ok(at)
}

/// Whether the checksum of a tar header fits; an archive of nothing begins with zeros.
fn is_tar_header(block: &[u8; 512]) -> bool {
    if block.iter().all(|b| *b == 0) {
        return true;
    }
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    header.cksum().is_ok_and(|found| found == sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    fn says(name: &str, bytes: &[u8]) -> Result<(), String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        file.rewind().expect("rewound");
        recognise(name, file)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("packed");
        out.finish().expect("packed")
    }

    #[test]
    fn names_and_first_bytes() {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").expect("a path");
        header.set_size(0);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.resize(10_240, 0);
        assert_eq!(says("x.tar.gz", &gzip(&tar)), Ok(()));
        assert_eq!(says("x.tar", &tar), Ok(()));
        assert_eq!(says("x.tar.gz", &gzip(&[0; 10_240])), Ok(()));
        assert_eq!(says("x.sql.gz", &gzip(b"-- dump")), Ok(()));
        assert_eq!(says("x.tar.gz.gpg", &[0x85, 0, 0]), Ok(()));
        for (name, bytes) in [
            ("x.zip", b"PK\x03\x04".to_vec()),
            ("x.tar.gz", b"plain text".to_vec()),
            ("x.tar.gz", gzip(b"plain text")),
            ("x.tar.gz", gzip(&[b'x'; 1000])),
            ("x.tar.gz", gzip(&tar)[..12].to_vec()),
            ("x.tar.gz", Vec::new()),
            ("x.tar.zst", gzip(&tar)),
            ("x.tar.gz.gpg", gzip(&tar)),
            ("x.sqlite.gz", gzip(b"SQLite")),
        ] {
            assert!(says(name, &bytes).is_err(), "{name} {bytes:?}");
        }
    }
}
