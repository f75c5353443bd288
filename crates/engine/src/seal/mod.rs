//! Encryption: OpenPGP messages (RFC 4880 §5.13, "SEIPD" version 1, AES-256) around whole files, which `gpg -d`
//! opens. What is wrong is told apart as far as can be: cut, damaged, another key.

mod access;
mod keys;

pub use access::Access;
pub(crate) use access::local_index;
pub use keys::{KeyFiles, Keys, Recipients, describe_key, new_key};

use crate::error::EngineError;
use crate::parallel::{Buffer, Pool};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

/// Suffix of an encrypted archive.
pub const SEALED_SUFFIX: &str = ".gpg";

/// Whether an archive is encrypted, by its name.
#[must_use]
pub fn is_sealed(archive: &Path) -> bool {
    archive.as_os_str().to_string_lossy().ends_with(SEALED_SUFFIX)
}

/// Opens an encrypted archive to its last byte and gives nothing of it out.
///
/// # Errors
/// It is not encrypted, nothing here opens it, or it is cut or damaged.
pub fn open_archive(archive: &Path, access: &Access) -> Result<(), EngineError> {
    if !is_sealed(archive) {
        return Err(EngineError::Refused {
            path: archive.display().to_string(),
            what: format!("it is not encrypted (its name does not end with {SEALED_SUFFIX})"),
        });
    }
    access.check(archive, crate::store::read_manifest(archive).ok().flatten().as_ref())
}

/// What the library says, as an error of reading or writing.
pub(crate) fn io_error(e: pgp::errors::Error) -> io::Error {
    match e {
        pgp::errors::Error::IO { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

/// Something to read from that the library can hold.
pub(crate) struct Input(pub(crate) Box<dyn Read + Send>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

/// Encrypts all of `from` into `to`. The first error of either side is answered as it was.
pub(crate) fn seal(recipients: &Recipients, from: impl Read, to: impl Write) -> io::Result<()> {
    struct Kept<T>(T, Option<io::Error>);
    impl<T> Kept<T> {
        fn keep<V>(&mut self, done: io::Result<V>) -> io::Result<V> {
            done.inspect_err(|e| {
                let same = e.raw_os_error().map_or_else(|| io::Error::new(e.kind(), e.to_string()), io::Error::from_raw_os_error);
                self.1.get_or_insert(same);
            })
        }
    }
    impl<T: Read> Read for &mut Kept<T> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let done = self.0.read(out);
            self.keep(done)
        }
    }
    impl<T: Write> Write for &mut Kept<T> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let done = self.0.write(bytes);
            self.keep(done)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }
    let (mut from, mut to) = (Kept(from, None), Kept(to, None));
    let done = recipients.encrypt(&mut from, &mut to);
    match (from.1, to.1) {
        (Some(e), _) | (_, Some(e)) => Err(e),
        _ => done,
    }
}

/// Gathers what is written into buffers of a useful size and gives them on.
pub(crate) struct Gather<F: FnMut(Buffer) -> io::Result<()>> {
    buffer: Buffer,
    pool: Pool,
    give: F,
}

/// Bytes in one buffer.
const PIECE: usize = 1 << 20;

impl<F: FnMut(Buffer) -> io::Result<()>> Gather<F> {
    pub(crate) fn new(pool: Pool, give: F) -> Self {
        Self { buffer: pool.take(), pool, give }
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        let last = std::mem::take(&mut self.buffer);
        if last.used > 0 { (self.give)(last) } else { Ok(()) }
    }
}

impl<F: FnMut(Buffer) -> io::Result<()>> Write for &mut Gather<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let from = self.buffer.used;
        let n = bytes.len().min(PIECE - from);
        self.buffer.room(PIECE)[from..from + n].copy_from_slice(&bytes[..n]);
        self.buffer.used += n;
        if self.buffer.used == PIECE {
            let full = std::mem::replace(&mut self.buffer, self.pool.take());
            (self.give)(full)?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says that an encrypted archive cannot be opened here.
pub(crate) fn no_key(archive: &Path, what: impl ToString) -> EngineError {
    EngineError::NoKey { path: archive.display().to_string(), what: what.to_string() }
}
