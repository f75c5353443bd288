//! Checks an archive against its sidecar and its index.

use crate::archive::{Chain, EntryKind, Stream, Sums, TarReader, read_contents, read_error, sums_of};
use crate::error::EngineError;
use crate::observer::Observer;
use crate::restore::{advance, check_sums};
use crate::seal::Access;
use crate::store::{index_path, read_manifest};
use crate::stream::{is_stream, read_all};
use backup_model::Manifest;
use std::fs::File;
use std::io;
use std::path::Path;

/// How thorough a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyDepth {
    /// Sizes and checksums of the files.
    Checksums,
    /// Every byte unpacked, every entry compared with the index.
    Deep,
}

/// What a verification saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries read (deep only).
    pub files: u64,
    /// Bytes of contents read (deep), or of the archive.
    pub bytes: u64,
    /// Whether there was a sidecar to compare with.
    pub sidecar: bool,
    /// Whether there was an index to compare with (deep only).
    pub index: bool,
}

/// Verifies one archive.
///
/// # Errors
/// [`EngineError::Damaged`] says what does not fit; [`EngineError::Cancelled`] if asked to stop.
pub fn verify(archive: &Path, depth: VerifyDepth, access: &Access, observer: &dyn Observer) -> Result<Verified, EngineError> {
    let file = File::open(archive).map_err(EngineError::io("open the archive", archive))?;
    let manifest = read_manifest(archive)?;
    if let Some(manifest) = &manifest {
        match depth {
            VerifyDepth::Deep => observer.expect(manifest.files, manifest.bytes),
            VerifyDepth::Checksums => {
                let size = file.metadata().map_err(EngineError::io("look at", archive))?.len();
                observer.expect(1, size);
            }
        }
        if let Some(index) = &manifest.index {
            check_index(archive, index)?;
        }
    }
    let mut seen = Verified { sidecar: manifest.is_some(), ..Verified::default() };
    if depth == VerifyDepth::Deep && is_stream(archive) {
        seen.bytes = read_all(archive, access, |bytes| {
            observer.progress(0, bytes, 0, b"");
            if observer.cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
        })?;
        return Ok(seen);
    }
    let sums = match depth {
        VerifyDepth::Deep => deep(archive, manifest.as_ref(), &mut seen, access, observer)?,
        VerifyDepth::Checksums => {
            let mut heard = |n: usize| {
                seen.bytes += n as u64;
                observer.progress(0, seen.bytes, 0, b"");
                if observer.cancelled() { Err(io::Error::other("cancelled")) } else { Ok(()) }
            };
            let sums = sums_of(&file, true, &mut heard);
            if observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            sums.map_err(EngineError::io("read", archive))?
        }
    };
    match &manifest {
        Some(manifest) => check_sums(archive, manifest, &sums)?,
        None if depth == VerifyDepth::Checksums => {
            return Err(EngineError::NotFound {
                path: archive.display().to_string(),
                what: "a sidecar with checksums (use --deep to read the archive itself)".into(),
            });
        }
        None => {}
    }
    Ok(seen)
}

fn check_index(archive: &Path, expected: &backup_model::IndexFile) -> Result<(), EngineError> {
    let path = index_path(archive);
    let file = File::open(&path).map_err(EngineError::io("open the index", &path))?;
    let found = sums_of(&file, false, &mut |_| Ok(())).map_err(EngineError::io("read", &path))?;
    if found.sha256 == expected.sha256 {
        Ok(())
    } else {
        Err(EngineError::damaged(&path, "its SHA-256 is not the one of the sidecar"))
    }
}

fn deep(
    archive: &Path,
    manifest: Option<&Manifest>,
    seen: &mut Verified,
    access: &Access,
    observer: &dyn Observer,
) -> Result<Sums, EngineError> {
    let failed = read_error(archive);
    access.check(archive, manifest)?;
    let index = access.index(archive, manifest)?;
    seen.index = index.is_some();
    if let Some(index) = &index {
        // An increment is no good without what it builds on, whatever itself is like.
        Chain::new(archive, index, access).check_there()?;
    }
    let mut lines = index.as_ref().map(|i| i.all().peekable());
    let mut tar = TarReader::new(Stream::open(archive, index.as_ref(), true, access)?);
    while let Some(entry) = tar.next_entry().map_err(&failed)? {
        if observer.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let line = match &mut lines {
            Some(list) => advance(list, &entry, archive)?,
            None => None,
        };
        let shown = || backup_model::display_bytes(&entry.header.path).to_string();
        let wrong = |what: &str| EngineError::damaged(archive, format!("{what} of {} is not what the index says", shown()));
        if let Some(line) = &line {
            let h = &entry.header;
            let size_fits = line.kind != EntryKind::File || line.size == h.size;
            if (line.mode, line.uid, line.gid, line.mtime) != (h.mode, h.uid, h.gid, h.mtime)
                || !size_fits
                || line.offset != Some(entry.offset)
            {
                return Err(wrong("the metadata"));
            }
            if matches!(line.kind, EntryKind::Symlink | EntryKind::HardLink) && line.link != h.link {
                return Err(wrong("the target"));
            }
        }
        if entry.header.kind == Some(EntryKind::File) {
            let found = read_contents(&mut tar, &entry, archive, observer, &mut |_| Ok(()))?;
            if line.is_some_and(|l| l.hash != Some(found)) {
                return Err(wrong("the contents"));
            }
            seen.bytes += entry.header.size;
        }
        if matches!(entry.header.kind, Some(EntryKind::File | EntryKind::HardLink)) {
            seen.files += 1;
        }
        observer.progress(seen.files, seen.bytes, 0, &entry.header.path);
    }
    if let Some(list) = lines {
        for line in list {
            let line = line?;
            if line.kind != EntryKind::Socket && line.archive == 0 {
                let path = backup_model::display_bytes(&line.path).to_string();
                return Err(EngineError::damaged(archive, format!("{path} is in the index but not in the archive")));
            }
        }
    }
    tar.finish().and_then(Stream::finish).map_err(&failed)
}
