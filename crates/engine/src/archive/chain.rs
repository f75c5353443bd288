//! The archives that a version's entries lie in: its own and those beneath it.

use super::IndexReader;
use super::members::{Decoder, MemberReader};
use super::reader::{TarEntry, TarReader};
use super::stream::PlainStream;
use crate::error::EngineError;
use crate::seal::{Access, is_sealed};
use crate::store::read_manifest;
use backup_model::{ArchiveId, Manifest};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a tar stream from any place in it: by members where the index of the archive tells where they lie,
/// else forward only, from the begin again when it has to go back.
pub(crate) enum PlaceReader {
    Members(Box<MemberReader>),
    Forward(Box<ForwardReader>),
}

/// Reads a stream from its begin to where something is needed: an archive without an index is unpacked, an
/// encrypted one decrypted.
pub(crate) struct ForwardReader {
    path: PathBuf,
    access: Access,
    stream: PlainStream,
    at: u64,
}

impl ForwardReader {
    fn open(path: &Path, access: &Access) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
        let input = access.open(path, file)?;
        let decoder = Decoder::new(input).map_err(read_error(path))?;
        let stream = BufReader::with_capacity(256 * 1024, decoder);
        Ok(Self { path: path.to_owned(), access: access.clone(), stream, at: 0 })
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        if offset < self.at {
            let opened = Self::open(&self.path, &self.access).map_err(|e| io::Error::other(e.to_string()));
            *self = opened?;
        }
        while self.at < offset {
            let n = self.stream.fill_buf()?.len().min((offset - self.at) as usize);
            if n == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends before what is looked for"));
            }
            self.consume(n);
        }
        Ok(())
    }

    fn consume(&mut self, n: usize) {
        self.stream.consume(n);
        self.at += n as u64;
    }
}

impl PlaceReader {
    fn open(path: &Path, manifest: Option<&Manifest>, access: &Access) -> Result<Self, EngineError> {
        // Nothing of an encrypted archive is used before all of it was checked.
        access.check(path, manifest)?;
        match access.index(path, manifest) {
            Ok(Some(index)) if !is_sealed(path) => {
                MemberReader::open(path, index.compression, &index.members).map(|r| Self::Members(Box::new(r)))
            }
            // Its index is lost or damaged: slower, but nothing else.
            _ => ForwardReader::open(path, access).map(|r| Self::Forward(Box::new(r))),
        }
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::Members(r) => r.seek(offset),
            Self::Forward(r) => r.seek(offset),
        }
    }
}

impl Read for PlaceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for PlaceReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Members(r) => r.fill_buf(),
            Self::Forward(r) => r.stream.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::Members(r) => r.consume(n),
            Self::Forward(r) => r.consume(n),
        }
    }
}

struct Link {
    path: Arc<Path>,
    /// Its id, as the index names it; the archive itself has none here.
    id: Option<ArchiveId>,
    reader: Option<PlaceReader>,
}

/// An archive and its sidecar, if it has one.
pub(crate) type Described = (Arc<Path>, Option<Manifest>);

/// The archives of one version. They are opened when something of them is needed.
pub(crate) struct Chain {
    /// By number: 0 is the archive itself.
    links: Vec<Link>,
    access: Access,
}

impl Chain {
    /// The chain of an archive by its index.
    pub(crate) fn new(archive: &Path, index: &IndexReader, access: &Access) -> Self {
        let own = Link { path: archive.into(), id: None, reader: None };
        let beneath = index.lineage.archives.iter().map(|beneath| Link {
            path: archive.with_file_name(&beneath.name).into(),
            id: Some(beneath.id),
            reader: None,
        });
        Self { links: std::iter::once(own).chain(beneath).collect(), access: access.clone() }
    }

    /// The path of an archive by its number.
    pub(crate) fn path(&self, number: u32) -> &Arc<Path> {
        &self.links[(number as usize).min(self.links.len() - 1)].path
    }

    /// All archives with their sidecars; one that has none is answered without.
    pub(crate) fn archives(&self) -> Result<Vec<Described>, EngineError> {
        self.links
            .iter()
            .map(|link| {
                let manifest = read_manifest(&link.path).ok().flatten();
                check_id(link, manifest.as_ref())?;
                Ok((Arc::clone(&link.path), manifest))
            })
            .collect()
    }

    /// Whether all archives are there, with the sizes that their sidecars give.
    pub(crate) fn check_there(&self) -> Result<(), EngineError> {
        for (path, manifest) in self.archives()? {
            let size = path.metadata().map_err(EngineError::io("find the archive that it builds on,", &path))?.len();
            if let Some(expected) = manifest.map(|m| m.archive.size).filter(|expected| *expected != size) {
                return Err(EngineError::damaged(&path, format!("it has {size} bytes, its sidecar says {expected}")));
            }
        }
        Ok(())
    }

    fn reader(&mut self, number: u32) -> Result<(&mut PlaceReader, &Arc<Path>), EngineError> {
        let last = self.links.len() - 1;
        let link = &mut self.links[(number as usize).min(last)];
        if link.reader.is_none() {
            let manifest = read_manifest(&link.path).ok().flatten();
            check_id(link, manifest.as_ref())?;
            link.reader = Some(PlaceReader::open(&link.path, manifest.as_ref(), &self.access)?);
        }
        match &mut link.reader {
            Some(reader) => Ok((reader, &link.path)),
            None => Err(EngineError::damaged(&link.path, "it cannot be opened")),
        }
    }

    /// The entry whose header begins at a place, and a reader of its data.
    pub(crate) fn entry_at(
        &mut self,
        number: u32,
        offset: u64,
    ) -> Result<(TarReader<&mut PlaceReader>, TarEntry, Arc<Path>), EngineError> {
        let (reader, path) = self.reader(number)?;
        let path = Arc::clone(path);
        let failed = read_error(&path);
        reader.seek(offset).map_err(&failed)?;
        let mut tar = TarReader::new(reader);
        let entry = tar.next_entry().map_err(&failed)?;
        drop(failed);
        match entry {
            Some(entry) => Ok((tar, entry, path)),
            None => Err(EngineError::damaged(&path, "its index points to its end")),
        }
    }
}

fn check_id(link: &Link, manifest: Option<&Manifest>) -> Result<(), EngineError> {
    match (link.id, manifest) {
        (Some(id), Some(manifest)) if manifest.id != id => {
            Err(EngineError::damaged(&link.path, format!("it is not the archive {id} that the version was built on")))
        }
        _ => Ok(()),
    }
}

/// What a failure to read an archive's contents means.
pub(crate) fn read_error(path: &Path) -> impl Fn(io::Error) -> EngineError {
    move |e| match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => EngineError::damaged(path, e),
        _ => EngineError::io("read", path)(e),
    }
}
