//! What a schedule is.

use crate::{Compression, Content, Encrypt, Hooks, Keep, Name, Priority, RateLimit, Scrub, Trigger};
use chrono_tz::Tz;
use std::path::PathBuf;
use std::time::Duration;

/// How archives are compressed unless the file says otherwise.
pub const DEFAULT_COMPRESSION: Compression = Compression::Gzip(5);

/// How dumps of databases are compressed unless the file says otherwise: they come slower than files are read, and
/// pack so much better that the further work is free.
pub const DATABASE_COMPRESSION: Compression = Compression::Gzip(7);

/// One `[[schedule]]` of the file, complete: defaults are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name, unique in the file.
    pub name: Name,
    /// Free text for people.
    pub title: Option<String>,
    /// Whether the clock starts it.
    pub enabled: bool,
    /// The files that are copied; none of a schedule that copies a database.
    pub source: FileSource,
    /// The database that is copied instead, by its name in the file.
    pub database: Option<Name>,
    /// What of a database is copied.
    pub content: Content,
    /// When it runs.
    pub trigger: Trigger,
    /// The zone its times are in.
    pub timezone: Tz,
    /// Which kinds of archives it makes.
    pub kinds: KindPolicy,
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
    /// How archives are encrypted.
    pub encrypt: Option<Encrypt>,
    /// Whether indexes of archives that are encrypted to public keys only are kept in clear on this machine.
    pub local_index: bool,
    /// How gently runs treat the machine.
    pub priority: Priority,
    /// How fast the source is read; the first that holds counts, without any it is read as fast as it goes.
    pub limits: Vec<RateLimit>,
    /// Programs around a backup.
    pub hooks: Hooks,
    /// How often a version is restored for a trial.
    pub drill: Option<Duration>,
    /// How much is read back, how often.
    pub scrub: Option<Scrub>,
    /// Who hears of it; nobody named means every notifier, an empty list none.
    pub notify: Option<Vec<Name>>,
    /// Where its archives go, `local` for the home among them; none means the home alone.
    pub destinations: Option<Vec<String>>,
}

impl Schedule {
    /// A schedule with the usual settings.
    #[must_use]
    pub fn new(name: Name, source: FileSource, trigger: Trigger, timezone: Tz) -> Self {
        Self {
            name,
            title: None,
            enabled: true,
            source,
            database: None,
            content: Content::default(),
            trigger,
            timezone,
            kinds: KindPolicy::default(),
            compression: DEFAULT_COMPRESSION,
            keep: Keep::default(),
            catch_up: true,
            jitter: Duration::ZERO,
            timeout: None,
            encrypt: None,
            local_index: true,
            priority: Priority::default(),
            limits: Vec::new(),
            hooks: Hooks::default(),
            drill: None,
            scrub: None,
            notify: None,
            destinations: None,
        }
    }
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
    /// Copy live databases of SQLite through its backup API.
    pub sqlite: bool,
    /// Do not cross into other file systems.
    pub one_file_system: bool,
    /// Leave out files larger than this many bytes.
    pub max_file_size: Option<u64>,
    /// Names of files in folders of the source that hold further patterns for what lies beneath them.
    pub ignore_files: Vec<String>,
    /// Lists of patterns for what programs make anew.
    pub presets: Vec<Preset>,
    /// What cannot be read and matches one of these patterns is noted without being a warning.
    pub accept_unreadable: Vec<String>,
}

/// A list of patterns of things that need no backup because programs make them anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Caches and rubbish bins of desktops, browsers and package managers.
    Caches,
    /// What builds make: `target`, `node_modules`, `__pycache__` and their like.
    Builds,
    /// Logs and temporary files.
    Temporary,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Caches, Self::Builds, Self::Temporary];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caches => "caches",
            Self::Builds => "builds",
            Self::Temporary => "temporary",
        }
    }

    /// Its patterns, as in gitignore(5).
    #[must_use]
    pub fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::Caches => &[
                ".cache/",
                ".npm/_cacache/",
                ".cargo/registry/",
                ".gradle/caches/",
                ".m2/repository/",
                ".thumbnails/",
                ".local/share/Trash/",
                ".Trash-*/",
                "Cache/",
                "CacheStorage/",
                "GPUCache/",
                "Code Cache/",
                "/var/cache/",
                "/var/lib/apt/lists/",
            ],
            Self::Builds => &[
                "node_modules/",
                "target/debug/",
                "target/release/",
                "__pycache__/",
                "*.pyc",
                ".venv/",
                ".tox/",
                ".mypy_cache/",
                ".pytest_cache/",
                ".gradle/",
                ".next/",
                "*.o",
            ],
            Self::Temporary => &["*.tmp", "*.swp", "*~", ".~lock.*#", "/tmp/", "/var/tmp/", "*.log.[0-9]*", "lost+found/"],
        }
    }
}

impl std::str::FromStr for Preset {
    type Err = crate::ParseWordError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| crate::ParseWordError::new(text, "preset (caches, builds, temporary)"))
    }
}

/// What makes a file count as changed since the base of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detect {
    /// Size.
    pub size: bool,
    /// Modification time, to the nanosecond.
    pub mtime: bool,
    /// Change time of the inode, to the nanosecond: also of a file that was moved here with an old date.
    pub ctime: bool,
    /// Inode number.
    pub inode: bool,
    /// Permission bits.
    pub mode: bool,
    /// Owner and group.
    pub owner: bool,
    /// The contents themselves, whatever the rest says.
    pub contents: bool,
}

impl Default for Detect {
    fn default() -> Self {
        Self { size: true, mtime: true, ctime: true, inode: true, mode: true, owner: true, contents: false }
    }
}

/// When an archive must be full although its schedule makes increments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullEvery {
    /// Every so many archives.
    Count(u32),
    /// The first of each ISO week.
    Week,
    /// The first of each month.
    Month,
    /// When the last full one is older than so many seconds.
    Age(u64),
}

/// Archives in a chain unless the file says otherwise.
pub const DEFAULT_FULL_EVERY: FullEvery = FullEvery::Count(30);

impl std::fmt::Display for FullEvery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Week => f.write_str("weekly"),
            Self::Month => f.write_str("monthly"),
            Self::Age(seconds) if seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400),
            Self::Age(seconds) => write!(f, "{seconds}s"),
        }
    }
}

/// Which kinds of archives a schedule makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindPolicy {
    /// What a run makes unless a full one is due.
    pub kind: crate::Kind,
    /// When a full one is due.
    pub full_every: FullEvery,
    /// What counts as changed.
    pub detect: Detect,
    /// Full archives after the first are put together from the chain instead of reading the source.
    pub consolidate: bool,
}

impl Default for KindPolicy {
    fn default() -> Self {
        Self { kind: crate::Kind::Full, full_every: DEFAULT_FULL_EVERY, detect: Detect::default(), consolidate: false }
    }
}
