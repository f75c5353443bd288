//! Log files that rotate by size, and the form of their lines.
//!
//! Rotation copies the file and empties it in place, so that `tail -f` on its name goes on, and
//! several processes may write to one file (every `backupctl` writes to `backupctl.log`).

use crate::{LogFormat, LogSettings};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use tracing_appender::non_blocking::WorkerGuard;

/// A log file with a limit on its size and on the number of its older copies.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    file: File,
    max_size: u64,
    keep: usize,
}

impl RotatingFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// The system's word if it cannot be opened for appending.
    pub fn open(path: &Path, max_size: u64, keep: usize) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).read(true).mode(0o640).open(path)?;
        Ok(Self { path: path.to_owned(), file, max_size, keep })
    }

    fn numbered(&self, n: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (1..self.keep).rev() {
            match fs::rename(self.numbered(n), self.numbered(n + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        if self.keep > 0 {
            fs::copy(&self.path, self.numbered(1))?;
        }
        self.file.set_len(0)
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Other processes write to the same file: size check, rotation and line under one lock.
        self.file.lock()?;
        let result = (|| {
            if self.file.metadata()?.len() + line.len() as u64 > self.max_size && self.file.metadata()?.len() > 0 {
                self.rotate()?;
            }
            self.file.write_all(line)
        })();
        self.file.unlock()?;
        result.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Rotates a log, whatever its size.
///
/// # Errors
/// The system's word.
pub fn rotate(path: &Path, settings: &LogSettings) -> io::Result<()> {
    let log = RotatingFile::open(path, settings.max_size, settings.keep)?;
    log.file.lock()?;
    let done = log.rotate();
    log.file.unlock()?;
    done
}

/// Starts logging to `path`, and to stderr too where `also_stderr` is set. The guard flushes when it
/// is dropped; keep it to the end of the program.
///
/// # Errors
/// The log file cannot be opened.
pub fn start(path: &Path, settings: &LogSettings, also_stderr: bool) -> io::Result<WorkerGuard> {
    let file = RotatingFile::open(path, settings.max_size, settings.keep)?;
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(false).finish(file);
    let level = settings.level.as_str();
    let filter = || {
        EnvFilter::new(format!(
            "warn,backup_operations={level},backup_server={level},backup_config={level},backupd={level},backupctl={level}"
        ))
    };
    // What concerns access has a file of its own beside.
    let security = path.with_file_name("security.log");
    let security = RotatingFile::open(&security, settings.max_size, settings.keep)?;
    let security = tracing_subscriber::fmt::layer()
        .event_format(Lines { format: settings.format })
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(security))
        .with_filter(EnvFilter::new("off,security=info"));
    let lines = Lines { format: settings.format };
    let to_file = tracing_subscriber::fmt::layer().event_format(lines).with_ansi(false).with_writer(writer).with_filter(filter());
    let to_stderr = also_stderr.then(|| {
        tracing_subscriber::fmt::layer().event_format(lines).with_ansi(false).with_writer(io::stderr).with_filter(filter())
    });
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(to_file).with(to_stderr).with(security).try_init();
    Ok(guard)
}

#[derive(Clone, Copy)]
struct Lines {
    format: LogFormat,
}

#[derive(Default)]
struct Collected {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" { self.message = text } else { self.fields.push((field.name(), text)) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message)
        } else {
            self.fields.push((field.name(), value.to_owned()))
        }
    }
}

/// The level as a word; `Error` is what people search log files for.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "Error",
        Level::WARN => "Warning",
        Level::INFO => "Info",
        Level::DEBUG => "Debug",
        Level::TRACE => "Trace",
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        let mut seen = Collected::default();
        event.record(&mut seen);
        #[expect(clippy::disallowed_methods, reason = "a log line carries the time at which it is written")]
        let now = chrono::Local::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, false);
        let level = word(*event.metadata().level());
        match self.format {
            LogFormat::Json => {
                let mut object = serde_json::Map::new();
                object.insert("time".into(), now.into());
                object.insert("level".into(), level.into());
                object.insert("message".into(), seen.message.into());
                for (name, value) in seen.fields {
                    object.insert(name.into(), value.into());
                }
                writeln!(writer, "{}", serde_json::Value::Object(object))
            }
            LogFormat::Text => {
                let mut line = format!("{now} {level} {}", seen.message);
                for (name, value) in seen.fields {
                    let _ = write!(line, " {name}={value}");
                }
                // One event is one line, and no name in it can speak to the terminal.
                writeln!(writer, "{}", backup_model::display_bytes(line.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotates_in_place_and_keeps_a_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.log");
        let mut log = RotatingFile::open(&path, 100, 2).expect("a log");
        let follower = File::open(&path).expect("a follower");
        for n in 0..40 {
            log.write_all(format!("line {n:04} of forty\n").as_bytes()).expect("a line");
        }
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["x.log", "x.log.1", "x.log.2"]);
        let now = fs::read_to_string(&path).expect("the log");
        assert!(now.ends_with("line 0039 of forty\n") && now.len() <= 100);
        // Whoever follows the file by its descriptor still sees it.
        assert_eq!(follower.metadata().expect("metadata").len(), now.len() as u64);
    }
}
