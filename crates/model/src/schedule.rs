//! What a schedule is.

use crate::{Compression, Keep, Name, Trigger};
use chrono_tz::Tz;
use std::path::PathBuf;
use std::time::Duration;

/// How archives are compressed unless the file says otherwise.
pub const DEFAULT_COMPRESSION: Compression = Compression::Gzip(5);

/// One `[[schedule]]` of the file, complete: defaults are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name, unique in the file.
    pub name: Name,
    /// Free text for people.
    pub title: Option<String>,
    /// Whether the clock starts it.
    pub enabled: bool,
    /// What is copied.
    pub source: FileSource,
    /// When it runs.
    pub trigger: Trigger,
    /// The zone its times are in.
    pub timezone: Tz,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Which archives retention keeps; empty keeps all.
    pub keep: Keep,
    /// Whether a missed run is made up for at start.
    pub catch_up: bool,
    /// Upper bound of the random delay after the planned time.
    pub jitter: Duration,
    /// A run that takes longer is cancelled and failed.
    pub timeout: Option<Duration>,
}

/// Files and folders to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSource {
    /// Paths as written in the file: absolute, or relative to the home.
    pub paths: Vec<PathBuf>,
    /// gitignore-style patterns, anchored at each source path.
    pub exclude: Vec<String>,
    /// Leave out the contents of folders marked by a `CACHEDIR.TAG`
    /// (<https://bford.info/cachedir/>).
    pub exclude_caches: bool,
    /// Do not cross into other file systems.
    pub one_file_system: bool,
    /// Leave out files larger than this many bytes.
    pub max_file_size: Option<u64>,
}
