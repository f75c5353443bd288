//! Client programs at work: their output with a limit of patience, what they complain of, how they ended.

use crate::{DatabaseError, Watch};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program that gives no byte for so long is taken for dead.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Bytes of complaints that are kept, of the begin and of the end.
const COMPLAINTS: usize = 8 << 10;
/// How often is asked whether the work shall stop, in milliseconds.
const TICK: u16 = 250;

/// A running client program. Dropped before its end it is killed.
pub(crate) struct Running {
    name: String,
    child: Child,
    complaints: Option<JoinHandle<Vec<u8>>>,
    pub(crate) input: Option<ChildStdin>,
    output: Option<ChildStdout>,
}

fn gather(mut from: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        all.extend_from_slice(&buffer[..n]);
        if all.len() > 2 * COMPLAINTS {
            all.drain(COMPLAINTS..all.len() - COMPLAINTS);
        }
    }
    all
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Result<Self, DatabaseError> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(DatabaseError::io(format!("start {name}")))?;
        let complaints = child.stderr.take().map(|e| std::thread::spawn(move || gather(e)));
        let (input, output) = (child.stdin.take(), child.stdout.take());
        if let Some(output) = &output {
            // Larger pipes mean fewer changes between the programs; the system may refuse.
            let _ = nix::fcntl::fcntl(output, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20));
        }
        Ok(Self { name, child, complaints, input, output })
    }

    /// Reads some of its output; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8], watch: &dyn Watch) -> Result<usize, DatabaseError> {
        let Some(output) = &mut self.output else { return Ok(0) };
        let begun = Instant::now();
        loop {
            if watch.cancelled() {
                return Err(DatabaseError::Cancelled);
            }
            let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::from(TICK)) {
                Ok(0) if begun.elapsed() > PATIENCE => {
                    let text = format!("no byte came for {} minutes", PATIENCE.as_secs() / 60);
                    return Err(DatabaseError::Program { program: self.name.clone(), how: "stalled".into(), text });
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => match output.read(buffer) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => return other.map_err(DatabaseError::io(format!("read from {}", self.name))),
                },
                Err(e) => return Err(DatabaseError::io(format!("read from {}", self.name))(e.into())),
            }
        }
    }

    /// Reads a line of its output without its end; `None` if it has ended.
    pub(crate) fn line(&mut self, held: &mut Vec<u8>, watch: &dyn Watch) -> Result<Option<Vec<u8>>, DatabaseError> {
        let mut from = 0;
        loop {
            if let Some(n) = memchr::memchr(b'\n', &held[from..]) {
                let mut line: Vec<u8> = held.drain(..=from + n).collect();
                line.pop();
                return Ok(Some(line));
            }
            from = held.len();
            let mut buffer = [0; 16 << 10];
            match self.read(&mut buffer, watch)? {
                0 => return Ok(None),
                n => held.extend_from_slice(&buffer[..n]),
            }
        }
    }

    /// Writes all to its input. A program that does not take it has ended, and says why when it is asked.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.input {
            Some(input) => input.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It did not end well: what it said.
    pub(crate) fn finish(mut self) -> Result<String, DatabaseError> {
        drop(self.input.take());
        if let Some(mut output) = self.output.take() {
            let _ = io::copy(&mut output, &mut io::sink());
        }
        let status = self.child.wait().map_err(DatabaseError::io(format!("wait for {}", self.name)))?;
        let said = self.complaints.take().and_then(|c| c.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if status.success() {
            return Ok(said);
        }
        // An error is one line.
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let text = if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("; ") };
        Err(DatabaseError::Program { program: self.name.clone(), how: status.to_string(), text })
    }

    /// Ends it at once and answers what it had said.
    pub(crate) fn failure(mut self, otherwise: DatabaseError) -> DatabaseError {
        let ended = matches!(self.child.try_wait(), Ok(Some(_))) || {
            // It may be about to end by itself, with a reason.
            std::thread::sleep(Duration::from_millis(200));
            matches!(self.child.try_wait(), Ok(Some(_)))
        };
        if !ended {
            return otherwise;
        }
        drop(self.output.take());
        match self.finish() {
            Err(e) => e,
            Ok(_) => otherwise,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
