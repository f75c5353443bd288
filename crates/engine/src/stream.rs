//! Archives that are one stream of bytes and no tar: dumps of databases. They are written and read like the
//! others, in the same members, with the same sidecar and encryption, and have no index.

use crate::archive::{ArchiveWriter, Stream};
use crate::backup::{Receipt, Seal, sidecar_of};
use crate::error::EngineError;
use crate::restore::check_sums;
use crate::seal::{Access, SEALED_SUFFIX};
use crate::store::{Parts, file_name, read_manifest, sidecar_path, write_manifest};
use backup_model::{ArchiveFile, Compression, Form, Kind, Manifest, encoded_name};
use chrono::{DateTime, FixedOffset};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What to write, and where.
#[derive(Clone, Debug)]
pub struct StreamPlan {
    /// The schedule's folder of archives.
    pub folder: PathBuf,
    /// Names that archives have which lie elsewhere only.
    pub taken: Vec<String>,
    /// When it begins, in the schedule's zone.
    pub started: DateTime<FixedOffset>,
    /// The database, as a part of the file's name.
    pub database: String,
    /// What the bytes are.
    pub form: Form,
    /// How to compress.
    pub compression: Compression,
    /// How to encrypt.
    pub seal: Option<Seal>,
}

/// An archive of one stream that is being written. Dropped before it is published, it leaves nothing.
pub struct StreamArchive {
    plan: StreamPlan,
    parts: Parts,
    writer: ArchiveWriter,
}

impl StreamArchive {
    /// Begins an archive.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn begin(plan: StreamPlan) -> Result<Self, EngineError> {
        let sealed = if plan.seal.is_some() { SEALED_SUFFIX } else { "" };
        let suffix = format!(".{}{}{}{sealed}", encoded_name(&plan.database), plan.form.suffix(), plan.compression.suffix());
        let (parts, file) = Parts::begin(&plan.folder, Kind::Full, plan.started, &suffix, &plan.taken)?;
        let recipients = plan.seal.as_ref().map(|s| &s.recipients);
        let writer = ArchiveWriter::new(file, parts.archive(), plan.compression, recipients)?;
        Ok(Self { plan, parts, writer })
    }

    /// Ends the stream and gives the archive its name. `manifest` is complete but for what is known only now:
    /// the file, the encryption.
    ///
    /// # Errors
    /// The disk is full, or what it holds is not what was sent to it. Nothing is left then.
    pub fn publish(mut self, mut manifest: Manifest) -> Result<Receipt, EngineError> {
        let archive = self.parts.archive().to_owned();
        let written = self.writer.finish_stream()?;
        let size = written.sums.size;
        manifest.form = self.plan.form.as_str().to_owned();
        manifest.encryption = self.plan.seal.as_ref().map(Seal::described);
        manifest.archive = ArchiveFile {
            name: file_name(&archive),
            compression: self.plan.compression.method().to_owned(),
            size,
            tar_size: written.tar_size,
            md5: written.sums.md5.unwrap_or_default(),
            sha256: written.sums.sha256,
        };
        let sidecar = sidecar_path(&archive);
        let mut sidecar_file = self.parts.create(&sidecar)?;
        write_manifest(&mut sidecar_file, &sidecar_of(&manifest), &sidecar)?;
        let on_disk = written.file.metadata().map_err(EngineError::io("look at", &archive))?.len();
        if on_disk != size {
            return Err(EngineError::damaged(&archive, format!("{size} bytes were written, {on_disk} are there")));
        }
        let path = self.parts.publish(&[&written.file, &sidecar_file])?;
        Ok(Receipt { path, manifest })
    }
}

impl Write for StreamArchive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map(|()| bytes.len()).map_err(|e| match e {
            EngineError::Io { source, .. } => source,
            e => io::Error::other(e.to_string()),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The stream of such an archive, to be read to its end.
pub struct StreamReader {
    path: PathBuf,
    manifest: Option<Manifest>,
    stream: Stream,
    read: u64,
}

impl StreamReader {
    /// Opens an archive. Nothing of what is read counts before [`StreamReader::finish`] has answered; of an
    /// encrypted one the whole message is checked here, before the first byte.
    ///
    /// # Errors
    /// It is not there, or no key opens it.
    pub fn open(path: &Path, access: &Access) -> Result<Self, EngineError> {
        let manifest = read_manifest(path)?;
        access.check(path, manifest.as_ref())?;
        let stream = Stream::open(path, None, true, access)?;
        Ok(Self { path: path.to_owned(), manifest, stream, read: 0 })
    }

    /// Its sidecar.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Reads what is left and compares with the sidecar.
    ///
    /// # Errors
    /// [`EngineError::Damaged`].
    pub fn finish(mut self) -> Result<(), EngineError> {
        io::copy(&mut self, &mut io::sink()).map_err(|e| EngineError::damaged(&self.path, e))?;
        let sums = self.stream.finish().map_err(|e| EngineError::damaged(&self.path, e))?;
        let Some(manifest) = &self.manifest else { return Ok(()) };
        check_sums(&self.path, manifest, &sums)?;
        if self.read != manifest.archive.tar_size {
            let what = format!("it unpacks to {} bytes, and {} went into it", self.read, manifest.archive.tar_size);
            return Err(EngineError::damaged(&self.path, what));
        }
        Ok(())
    }
}

impl Read for StreamReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(out)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// The size of the sidecarless form of a stream: reads it all, for `verify --deep`.
pub(crate) fn read_all(
    path: &Path,
    access: &Access,
    mut heard: impl FnMut(u64) -> Result<(), EngineError>,
) -> Result<u64, EngineError> {
    let mut reader = StreamReader::open(path, access)?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = reader.read(&mut buffer).map_err(|e| EngineError::damaged(path, e))?;
        if n == 0 {
            break;
        }
        heard(reader.position())?;
    }
    let size = reader.position();
    reader.finish()?;
    Ok(size)
}

/// Whether an archive is one stream, by its file's name.
#[must_use]
pub fn is_stream(archive: &Path) -> bool {
    Form::of_file_name(&file_name(archive)).is_some_and(|form| form != Form::Tar)
}

/// Fails for what can be done with archives of files only.
pub(crate) fn only_files(archive: &Path) -> Result<(), EngineError> {
    if is_stream(archive) {
        return Err(EngineError::NotFiles { path: archive.display().to_string() });
    }
    Ok(())
}
