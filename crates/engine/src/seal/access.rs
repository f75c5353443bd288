//! How archives are read that may be encrypted.

use super::{Input, Keys, is_sealed, no_key};
use crate::archive::{IndexReader, Watched};
use crate::error::EngineError;
use crate::parallel::Pool;
use crate::store::index_path;
use crate::sys;
use backup_model::{ArchiveId, Manifest};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is here to open encrypted archives with. Archives in clear need none of it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Keys and passphrases.
    pub keys: Arc<Keys>,
    /// A folder with indexes in clear, each named by the id of its archive.
    pub local: Option<PathBuf>,
}

/// Where the clear index of an archive lies in a folder of such.
pub(crate) fn local_index(folder: &Path, id: ArchiveId) -> PathBuf {
    folder.join(format!("{id}.idx"))
}

/// Plain bytes of a message on their way; every trouble is a damage of the archive.
struct Opened(pgp::composed::Message<'static>);

impl Read for Opened {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|e| match e.kind() {
            io::ErrorKind::Interrupted => e,
            _ => io::Error::new(io::ErrorKind::InvalidData, format!("it cannot be decrypted: {e}")),
        })
    }
}

impl Access {
    /// Opens a file that may be encrypted; `pool` and the sums are for what lies on the disk.
    pub(crate) fn open(&self, path: &Path, input: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>, EngineError> {
        if !is_sealed(path) {
            return Ok(Box::new(input));
        }
        if self.keys.is_empty() {
            return Err(no_key(path, "give --passphrase-file or --key, or set `encrypt` of its schedule"));
        }
        match self.keys.open(Input(Box::new(input))) {
            Ok(Ok(message)) => Ok(Box::new(Opened(message))),
            Ok(Err(how)) => Err(no_key(path, format!("{how}; the keys or passphrases given are others"))),
            Err(e) => Err(EngineError::damaged(path, e)),
        }
    }

    /// Proves that an encrypted archive is whole, to the end of its message, before anything of it is used.
    /// One in clear is proven by other means.
    pub(crate) fn check(&self, path: &Path, manifest: Option<&Manifest>) -> Result<(), EngineError> {
        if !is_sealed(path) {
            return Ok(());
        }
        let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
        if let Some(manifest) = manifest {
            let size = file.metadata().map_err(EngineError::io("look at", path))?.len();
            if size < manifest.archive.size {
                return Err(EngineError::damaged(path, format!("it is cut: it has {size} bytes of {}", manifest.archive.size)));
            }
            let sums = crate::archive::sums_of(&file, false, &mut |_| Ok(())).map_err(EngineError::io("read", path))?;
            crate::restore::check_sums(path, manifest, &sums)?;
            let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
            let mut plain = self.open(path, file)?;
            return io::copy(&mut plain, &mut io::sink()).map(|_| ()).map_err(|e| EngineError::damaged(path, e));
        }
        let unsure = |what: String| {
            if self.keys.is_empty() {
                return no_key(path, "give --passphrase-file or --key, or set `encrypt` of its schedule");
            }
            let text = "without its sidecar it cannot be told whether the key or passphrase is another, or the archive is cut or damaged";
            no_key(path, format!("{text} ({what})"))
        };
        let mut plain = self.open(path, file).map_err(|e| unsure(e.to_string()))?;
        io::copy(&mut plain, &mut io::sink()).map(|_| ()).map_err(|e| unsure(e.to_string()))
    }

    /// The index of an archive, if it has one: of an encrypted one the clear copy on this machine, or decrypted
    /// into a scratch file.
    pub(crate) fn index(&self, archive: &Path, manifest: Option<&Manifest>) -> Result<Option<IndexReader>, EngineError> {
        let path = index_path(archive);
        if !is_sealed(archive) {
            return match IndexReader::open(&path) {
                Err(_) if !path.exists() => Ok(None),
                opened => opened.map(Some),
            };
        }
        if let (Some(folder), Some(manifest)) = (&self.local, manifest) {
            let local = local_index(folder, manifest.id);
            if local.exists() {
                return IndexReader::open(&local).map(Some);
            }
        }
        if !path.exists() {
            return Ok(None);
        }
        let folder = self.local.clone().filter(|f| f.is_dir()).unwrap_or_else(std::env::temp_dir);
        let mut scratch = sys::scratch_file(&folder).map_err(EngineError::io("make a scratch file in", &folder))?;
        let file = File::open(&path).map_err(EngineError::io("open", &path))?;
        let mut plain = match self.open(archive, file) {
            Err(EngineError::Damaged { what, .. }) => return Err(EngineError::damaged(&path, what)),
            other => other?,
        };
        // To the end of the message: nothing of it counts before.
        io::copy(&mut plain, &mut scratch).map_err(|e| EngineError::damaged(&path, e))?;
        IndexReader::from_file(scratch, &path).map(Some)
    }

    /// Opens an archive for reading from its begin; the checksums of the file are made on the way.
    pub(crate) fn watched(
        &self,
        path: &Path,
        md5: bool,
    ) -> Result<(Box<dyn Read + Send>, crate::archive::Watching), EngineError> {
        let file = File::open(path).map_err(EngineError::io("open the archive", path))?;
        let (watched, watching) = Watched::new(file, md5, Pool::default()).map_err(EngineError::io("start reading", path))?;
        Ok((self.open(path, watched)?, watching))
    }
}
