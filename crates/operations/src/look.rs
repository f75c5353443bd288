//! What the page shows of the machine and of archives: folders to choose from, lines of the log, contents to download.

use crate::{App, OperationError};
use backup_engine::{EngineError, Selection, Silent, as_tar, cat, list_folder};
use chrono::{DateTime, FixedOffset};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// So much of the end of a log is looked at.
const LOG_END: u64 = 4 << 20;
/// So many entries of a folder are shown.
const FOLDER_MOST: usize = 2000;

/// A line of the log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When.
    pub at: DateTime<FixedOffset>,
    /// `Error`, `Warning`, `Info`, `Debug` or `Trace`.
    pub level: String,
    /// What happened.
    pub text: String,
}

/// Which lines of the log are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Words that stand in the line, in any case.
    pub text: Option<String>,
    /// Only lines of this level.
    pub level: Option<String>,
    /// Written at or after.
    pub from: Option<DateTime<FixedOffset>>,
    /// Written at or before.
    pub to: Option<DateTime<FixedOffset>>,
    /// The newest so many.
    pub limit: usize,
}

/// An entry of a folder of this machine.
#[derive(Clone, Debug)]
pub struct FolderEntry {
    /// Its name; what is not UTF-8 is shown with marks.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
}

fn line(text: &str) -> Option<LogLine> {
    if text.starts_with('{') {
        let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        let mut take = |key: &str| object.remove(key).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let (at, level, mut message) = (take("time"), take("level"), take("message"));
        for (key, value) in &object {
            message.push_str(&format!(" {key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        return Some(LogLine { at: DateTime::parse_from_rfc3339(&at).ok()?, level, text: message });
    }
    let (at, rest) = text.split_once(' ')?;
    let (level, rest) = rest.split_once(' ')?;
    Some(LogLine { at: DateTime::parse_from_rfc3339(at).ok()?, level: level.to_owned(), text: rest.to_owned() })
}

/// The end of a log; nothing if there is none.
fn end_of(path: &Path) -> Result<String, OperationError> {
    let failed = |e: std::io::Error| OperationError::Failed(format!("cannot read {}: {e}", path.display()));
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(failed(e)),
    };
    let size = file.metadata().map_err(failed)?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_END))).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LOG_END).read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl App {
    /// The newest lines of the logs that fit, the daemon's and those of `backupctl`, oldest first. Only the end of each is
    /// looked at.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn log_lines(&self, filter: &LogFilter) -> Result<Vec<LogLine>, OperationError> {
        let needle = filter.text.as_ref().map(|t| t.to_lowercase());
        let fits = |l: &LogLine| {
            filter.level.as_ref().is_none_or(|w| l.level.eq_ignore_ascii_case(w))
                && filter.from.is_none_or(|t| l.at >= t)
                && filter.to.is_none_or(|t| l.at <= t)
                && needle.as_ref().is_none_or(|n| l.text.to_lowercase().contains(n))
        };
        let logs = self.need_home()?.logs();
        let mut found = Vec::new();
        for name in ["backupd.log", "backupctl.log"] {
            let end = end_of(&logs.join(name))?;
            found.extend(end.lines().filter_map(line).filter(fits));
        }
        found.sort_by_key(|l| l.at);
        found.drain(..found.len().saturating_sub(filter.limit));
        Ok(found)
    }

    /// What lies in a folder of this machine, folders first, by name.
    ///
    /// # Errors
    /// It is no absolute path, or cannot be read.
    pub fn machine_folder(&self, path: &Path) -> Result<Vec<FolderEntry>, OperationError> {
        if !path.is_absolute() {
            return Err(OperationError::Invalid(format!("{} is no absolute path", path.display())));
        }
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => OperationError::NotFound(format!("there is no folder {}", path.display())),
            _ => OperationError::Failed(format!("cannot look into {}: {e}", path.display())),
        };
        let mut out = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)?.take(FOLDER_MOST) {
            let entry = entry.map_err(failed)?;
            // What a link points to is not told: a source that is a link is stored as one.
            let folder = entry.file_type().is_ok_and(|t| t.is_dir());
            out.push(FolderEntry { name: entry.file_name().to_string_lossy().into_owned(), folder });
        }
        out.sort_by(|a, b| b.folder.cmp(&a.folder).then_with(|| a.name.cmp(&b.name)));
        Ok(out)
    }
}

/// What a download gives.
pub struct Contents {
    archive: PathBuf,
    access: backup_engine::Access,
    paths: Vec<Vec<u8>>,
    single: bool,
    _fetched: Option<crate::Fetched>,
}

impl App {
    /// Contents of an archive to be downloaded: one file as it is, or several entries as a tar.gz.
    ///
    /// # Errors
    /// The archive is not found, or nothing was chosen.
    pub async fn contents(&self, archive: &str, paths: Vec<Vec<u8>>) -> Result<Contents, OperationError> {
        if paths.is_empty() {
            return Err(OperationError::Invalid("nothing was chosen".into()));
        }
        let wanted = Selection::new(&paths, &[])?;
        let opened = self.resolve_open(archive, Some(wanted)).await?;
        let (file, access, first) = (opened.path.clone(), opened.access.clone(), paths[0].clone());
        let alone = paths.len() == 1;
        let single = tokio::task::spawn_blocking(move || -> Result<bool, EngineError> {
            let mut parts = first.rsplitn(2, |b| *b == b'/');
            let name = parts.next().unwrap_or_default();
            let folder = parts.next().unwrap_or_default();
            let (list, _) = list_folder(&file, folder, 0, usize::MAX, &access)?;
            let entry = list.iter().find(|l| l.name == name).and_then(|l| l.entry.as_ref());
            Ok(alone && entry.is_some_and(|e| matches!(e.kind, crate::EntryKind::File | crate::EntryKind::HardLink)))
        });
        let single = single.await.map_err(|e| OperationError::Failed(e.to_string()))??;
        Ok(Contents { archive: opened.path, access: opened.access, paths, single, _fetched: opened.fetched })
    }
}

/// How many components the folder has that holds all of what was chosen: names in a download begin there.
fn common_folder(paths: &[Vec<u8>]) -> usize {
    let folder = |path: &Vec<u8>| -> Vec<Vec<u8>> {
        let parts: Vec<Vec<u8>> = path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
        parts[..parts.len() - 1].to_vec()
    };
    let first = paths.first().map(folder).unwrap_or_default();
    let shared = |other: Vec<Vec<u8>>| first.iter().zip(&other).take_while(|(a, b)| a == b).count();
    paths.iter().map(|p| shared(folder(p))).min().unwrap_or(0)
}

impl Contents {
    /// Name of the file that is downloaded, in bytes.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let last = self.paths[0].rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
        if self.single {
            return last;
        }
        let mut name = if self.paths.len() == 1 { last } else { b"selection".to_vec() };
        name.extend_from_slice(b".tar.gz");
        name
    }

    /// Writes them; what is damaged is never written.
    ///
    /// # Errors
    /// An archive is damaged, or `out` fails.
    pub fn write(self, out: &mut dyn Write) -> Result<(), OperationError> {
        if self.single {
            cat(&self.archive, &self.paths[0], &self.access, out, &Silent)?;
            return Ok(());
        }
        let selection = Selection::new(&self.paths, &[])?;
        let above = common_folder(&self.paths);
        let mut zipped = GzEncoder::new(out, Compression::fast());
        as_tar(&self.archive, &selection, above, &self.access, &mut zipped, &Silent)?;
        zipped.finish().map_err(|e| OperationError::Failed(e.to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_at_the_folder_that_holds_all() {
        for (paths, depth) in [
            (&["a/b/c"][..], 2),
            (&["a/b/c", "a/b/d"], 2),
            (&["a/b/c", "a/x"], 1),
            (&["a/b/c", "x"], 0),
            (&["a/x", "b/x"], 0),
            (&["x"], 0),
        ] {
            let paths: Vec<Vec<u8>> = paths.iter().map(|p| p.as_bytes().to_vec()).collect();
            assert_eq!(common_folder(&paths), depth, "{paths:?}");
        }
    }

    #[test]
    fn lines_of_both_forms() {
        let text = line("2026-11-22T05:13:20+01:00 Error backup of a failed: no space").expect("a line");
        assert_eq!((text.level.as_str(), text.text.as_str()), ("Error", "backup of a failed: no space"));
        let json = line(r#"{"time":"2026-11-22T05:13:20+01:00","level":"Info","message":"started","pid":"7"}"#).expect("a line");
        assert_eq!((json.level.as_str(), json.text.as_str(), json.at), ("Info", "started pid=7", text.at));
        assert!(line("something else").is_none());
    }
}
