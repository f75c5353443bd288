//! Dumps on their way: out of a client program into an archive, and from an archive into a client program.

use crate::connection::Target;
use crate::dump_text::DumpText;
use crate::process::Running;
use crate::restore::DumpStream;
use crate::{DatabaseError, Watch};
use backup_model::Note;
use std::io::ErrorKind;

/// Bytes that are read from a program at once.
const PIECE: usize = 1 << 20;

/// How long a pipe may fill before it is read again.
const LULL: std::time::Duration = std::time::Duration::from_millis(1);

/// Reads a program's output to its end, past a reader and to its target; answers how many bytes there were, and
/// what the program had to say.
pub(crate) fn take(
    mut running: Running,
    mut reader: Option<&mut dyn DumpText>,
    out: Target<'_>,
    what: &str,
    watch: &dyn Watch,
) -> Result<(u64, String), DatabaseError> {
    let mut buffer = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let n = running.read(&mut buffer, watch)?;
        if n == 0 {
            return Ok((bytes, running.finish()?));
        }
        let mut rows = 0;
        if let Some(reader) = &mut reader {
            reader.feed(&buffer[..n], &mut |_| Ok(())).map_err(|e| DatabaseError::Incomplete(e.to_string()))?;
            rows = reader.rows();
        }
        out(&buffer[..n]).map_err(DatabaseError::io(format!("keep the dump of {what}")))?;
        bytes += n as u64;
        watch.progress(rows, bytes, what);
        if n < PIECE / 4 {
            // Dumpers write in small pieces. Taking each at once would cost more in wake-ups than the work itself:
            // the pipe holds as much as is read at once.
            std::thread::sleep(LULL);
        }
    }
}

/// Gives a dump to a program, through a reader that refuses what no dump holds. A program that does not take it
/// has failed, and is asked why by the caller.
pub(crate) fn give(
    running: &mut Running,
    mut reader: Option<&mut dyn DumpText>,
    stream: &mut dyn DumpStream,
    watch: &dyn Watch,
) -> Result<(), DatabaseError> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        if watch.cancelled() {
            return Err(DatabaseError::Cancelled);
        }
        let n = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(DatabaseError::Refused(e.to_string())),
        };
        let mut rows = 0;
        let given = match &mut reader {
            Some(reader) => {
                let fed = reader.feed(&buffer[..n], &mut |bytes| running.write(bytes));
                rows = reader.rows();
                fed
            }
            None => running.write(&buffer[..n]),
        };
        given.map_err(|e| match e.kind() {
            ErrorKind::InvalidData => DatabaseError::Refused(e.to_string()),
            _ => DatabaseError::io("load the dump")(e),
        })?;
        watch.progress(rows, stream.place().0, "loading");
    }
}

/// Cancelling ends loading, not cleaning up.
pub(crate) struct Unhurried<'w>(pub(crate) &'w dyn Watch);

impl Watch for Unhurried<'_> {
    fn progress(&self, rows: u64, bytes: u64, what: &str) {
        self.0.progress(rows, bytes, what);
    }
    fn note(&self, note: Note) {
        self.0.note(note);
    }
    fn cancelled(&self) -> bool {
        false
    }
}
