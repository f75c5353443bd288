//! Reads `schedules.toml` and says, with the line, what is wrong with it.

use crate::keys::{self, Keys};
use crate::settings::{DaemonSettings, File, PredecessorSettings};
use backup_model::{
    Compression, Content, CronExpr, DATABASE_COMPRESSION, DEFAULT_COMPRESSION, DatabaseSettings, Every, FileSource, Keep, Name,
    Preset, Schedule, Trigger, parse_duration, parse_size,
};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::{Document, Item, TableLike, Value};

/// What is wrong with the file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct FileError {
    /// Line, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to write instead.
    pub message: String,
}

pub(crate) struct Reader {
    lines: Lines,
    zone: Tz,
}

pub(crate) type Found<T> = Result<T, FileError>;

/// Reads and checks the file's text; `zone` stands where it names no timezone.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(text: &str, zone: Tz) -> Result<File, FileError> {
    let document = Document::parse(text).map_err(|e| FileError {
        line: e.span().map(|s| Lines::of(text).line(s.start)),
        message: format!("not valid TOML: {}", e.message().trim().replace('\n', "; ")),
    })?;
    let reader = Reader { lines: Lines::of(text), zone };
    reader.file(document.as_table())
}

/// Where the lines of a text end, so that a place in it is a line without counting from the start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    /// The line, from 1, that holds a byte.
    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}

/// Reads `[daemon]` alone, for programs that need no schedules: what comes after the first schedule is
/// passed over unless it speaks of the daemon too.
///
/// # Errors
/// As [`parse`].
pub fn parse_daemon(text: &str) -> Result<DaemonSettings, FileError> {
    let head = text.find("\n[[schedule]]").map_or(text, |end| &text[..=end]);
    let whole = if text[head.len()..].contains("daemon") { text } else { head };
    parse(whole, Tz::UTC).map(|file| file.daemon)
}

impl Reader {
    pub(crate) fn error<T>(&self, item: &Item, message: impl Display) -> Found<T> {
        Err(self.plain_error(item.span().map(|s| s.start), message))
    }

    fn plain_error(&self, at: Option<usize>, message: impl Display) -> FileError {
        FileError { line: at.map(|a| self.lines.line(a)), message: message.to_string() }
    }

    pub(crate) fn table<'i>(&self, item: &'i Item, what: &str, keys: &Keys) -> Found<&'i dyn TableLike> {
        let Some(table) = item.as_table_like() else {
            return self.error(item, format!("{what} must be a table"));
        };
        self.check_keys(table, what, keys)?;
        Ok(table)
    }

    fn check_keys(&self, table: &dyn TableLike, what: &str, keys: &Keys) -> Found<()> {
        for (key, item) in table.iter() {
            if let Some(message) = keys.refuse(what, key) {
                let at = table.key(key).and_then(|k| k.span()).or_else(|| item.span()).map(|s| s.start);
                return Err(self.plain_error(at, message));
            }
        }
        Ok(())
    }

    fn timezone(&self, item: &Item) -> Found<Tz> {
        let text = self.text_of(item, "timezone")?;
        let message = format!("{text:?} is no timezone; write an IANA name such as \"Europe/Paris\"");
        self.parsed(item, text.parse::<Tz>().map_err(|_| message))
    }

    pub(crate) fn text_of<'i>(&self, item: &'i Item, key: &str) -> Found<&'i str> {
        match item.as_str() {
            Some(text) => Ok(text),
            None => self.error(item, format!("`{key}` must be a text in quotes")),
        }
    }

    pub(crate) fn flag(&self, item: &Item, key: &str) -> Found<bool> {
        match item.as_bool() {
            Some(flag) => Ok(flag),
            None => self.error(item, format!("`{key}` must be true or false")),
        }
    }

    pub(crate) fn number(&self, item: &Item, key: &str, low: i64, high: i64) -> Found<i64> {
        match item.as_integer() {
            Some(n) if (low..=high).contains(&n) => Ok(n),
            _ => self.error(item, format!("`{key}` must be a whole number from {low} to {high}")),
        }
    }

    pub(crate) fn parsed<T, E: Display>(&self, item: &Item, result: Result<T, E>) -> Found<T> {
        result.or_else(|e| self.error(item, e))
    }

    pub(crate) fn span(&self, item: &Item, key: &str) -> Found<Duration> {
        self.parsed(item, parse_duration(self.text_of(item, key)?).map_err(|e| format!("`{key}`: {e}")))
    }

    pub(crate) fn size(&self, item: &Item, key: &str) -> Found<u64> {
        match item.as_integer() {
            Some(n) if n >= 0 => Ok(n as u64),
            _ => self.parsed(item, parse_size(self.text_of(item, key)?).map_err(|e| format!("`{key}`: {e}"))),
        }
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self, item: &Item, key: &str) -> Found<Vec<String>> {
        if let Some(text) = item.as_str() {
            return Ok(vec![text.to_owned()]);
        }
        let wrong = || format!("`{key}` must be a list of texts, for example {key} = [\"a\", \"b\"]");
        let Some(list) = item.as_array() else { return self.error(item, wrong()) };
        list.iter()
            .map(|v| v.as_str().map(str::to_owned).ok_or_else(|| self.plain_error(v.span().map(|s| s.start), wrong())))
            .collect()
    }

    fn file(&self, top: &dyn TableLike) -> Found<File> {
        self.check_keys(top, "the file", &keys::TOP)?;
        match top.get("version") {
            None => return Err(FileError { line: None, message: "version = 1 is missing; write it as the first line".into() }),
            Some(item) if item.as_integer() != Some(1) => {
                return self.error(item, "this program knows version = 1 of the file only");
            }
            Some(_) => {}
        }
        let daemon = match top.get("daemon") {
            Some(item) => self.daemon(item)?,
            None => DaemonSettings::default(),
        };
        let defaults = match top.get("defaults") {
            Some(item) => Some(self.table(item, "[defaults]", &keys::DEFAULTS)?),
            None => None,
        };
        // Defaults are checked even where no schedule uses them.
        if let Some(defaults) = defaults {
            self.common(&[defaults])?;
        }
        let databases = top.get("databases").map(|item| self.databases(item)).transpose()?.unwrap_or_default();
        let notifiers = top.get("notifiers").map(|item| self.notifiers(item)).transpose()?.unwrap_or_default();
        let predecessors = match top.get("predecessors") {
            Some(item) => self.predecessors(item, &databases)?,
            None => PredecessorSettings::default(),
        };
        let defaults_encrypt = defaults.is_some_and(|d| d.get("encrypt").is_some());
        let timezone = defaults.and_then(|d| d.get("timezone")).map(|item| self.timezone(item)).transpose()?;
        let receiver = top.get("receiver").map(|item| self.receiver(item)).transpose()?;
        let destinations = top.get("destinations").map(|item| self.destinations(item)).transpose()?.unwrap_or_default();
        let schedules = Vec::new();
        let mut file =
            File { daemon, receiver, destinations, databases, notifiers, predecessors, defaults_encrypt, timezone, schedules };
        if let Some(defaults) = defaults {
            self.known_notifiers(&file, &[defaults])?;
            self.known_destinations(&file, &[defaults])?;
        }
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        if let Some(item) = top.get("schedule") {
            let tables: Vec<(&dyn TableLike, Option<usize>)> = if let Some(list) = item.as_array_of_tables() {
                list.iter().map(|t| (t as &dyn TableLike, t.span().map(|s| s.start))).collect()
            } else if item.as_value().and_then(Value::as_array).is_some_and(toml_edit::Array::is_empty) {
                Vec::new()
            } else {
                return self.error(item, "schedules are written as [[schedule]], with two brackets");
            };
            for (table, at) in tables {
                let schedule = self.schedule(table, defaults, at)?;
                if matches!(schedule.name.as_str(), "recovery" | "destination-test") {
                    let message = format!("the name {} is kept for what lies in destinations; choose another one", schedule.name);
                    return Err(self.plain_error(at, message));
                }
                let line = at.map_or(0, |a| self.lines.line(a));
                if let Some(first) = lines.insert(schedule.name.to_string(), line) {
                    let message =
                        format!("the name {} is taken by the schedule of line {first}; choose another name", schedule.name);
                    return Err(FileError { line: Some(line), message });
                }
                self.known_database(table, &schedule, &file.databases)?;
                self.known_notifiers(&file, &[table])?;
                self.known_destinations(&file, &[table])?;
                file.schedules.push(schedule);
            }
        }
        Ok(file)
    }

    fn predecessors(&self, item: &Item, databases: &[DatabaseSettings]) -> Found<PredecessorSettings> {
        let table = self.table(item, "[predecessors]", &keys::PREDECESSORS)?;
        let mut out = PredecessorSettings::default();
        if let Some(item) = table.get("database") {
            let name = self.text_of(item, "database")?;
            if !databases.iter().any(|d| d.name.as_str() == name) {
                return self.error(item, format!("there is no [databases.{name}] in this file"));
            }
            out.database = Some(name.to_owned());
        }
        if let Some(item) = table.get("source") {
            out.source = Some(PathBuf::from(self.text_of(item, "source")?));
        }
        Ok(out)
    }

    fn schedule(&self, table: &dyn TableLike, defaults: Option<&dyn TableLike>, at: Option<usize>) -> Found<Schedule> {
        self.check_keys(table, "[[schedule]]", &keys::SCHEDULE)?;
        let name = match table.get("name") {
            Some(item) => self.parsed(item, Name::new(self.text_of(item, "name")?))?,
            None => return Err(self.plain_error(at, "this schedule has no name; write name = \"docs_morning\"")),
        };
        let paths = match table.get("source") {
            Some(item) => {
                let paths = self.texts(item, "source")?;
                if paths.is_empty() || paths.iter().any(|p| p.is_empty() || p.contains('\0')) {
                    return self.error(item, "`source` needs at least one path, for example source = [\"documents\"]");
                }
                paths
            }
            None if table.contains_key("database") => Vec::new(),
            None => {
                let message = format!(
                    "the schedule {name} has no source; write source = [\"documents\"], or database = \"shop\" for one of [databases]"
                );
                return Err(self.plain_error(at, message));
            }
        };
        let trigger = self.trigger(table, at)?;
        let mut layers = vec![table];
        layers.extend(defaults);
        let mut schedule = self.common(&layers)?;
        schedule.title = table.get("title").map(|i| self.text_of(i, "title").map(str::to_owned)).transpose()?;
        schedule.name = name;
        schedule.trigger = trigger;
        schedule.source.paths = paths.into_iter().map(PathBuf::from).collect();
        self.database_of(table, &mut schedule)?;
        if schedule.database.is_some() && layers.iter().all(|l| !l.contains_key("compression")) {
            schedule.compression = DATABASE_COMPRESSION;
        }
        Ok(schedule)
    }

    fn trigger(&self, table: &dyn TableLike, at: Option<usize>) -> Found<Trigger> {
        let mut times = Vec::new();
        if let Some(item) = table.get("at") {
            for text in self.texts(item, "at")? {
                times.push(self.parsed(item, Trigger::parse_time(&text))?);
            }
            if times.is_empty() {
                return self.error(item, "`at` needs at least one time, for example at = \"09:00\"");
            }
        }
        let cron = match table.get("cron") {
            Some(item) => Some(self.parsed(item, self.text_of(item, "cron")?.parse::<CronExpr>())?),
            None => None,
        };
        let every = match table.get("every") {
            Some(item) => Some(self.parsed(item, self.text_of(item, "every")?.parse::<Every>())?),
            None => None,
        };
        let manual = table.get("manual").map(|i| self.flag(i, "manual")).transpose()?.unwrap_or(false);
        Trigger::from_parts(&times, cron, every, manual).map_err(|e| self.plain_error(at, e))
    }

    /// What a schedule and `[defaults]` have in common; the first layer that has a key wins.
    fn common(&self, layers: &[&dyn TableLike]) -> Found<Schedule> {
        let get = |key: &str| layers.iter().find_map(|t| t.get(key));
        let flag = |key: &str, default: bool| get(key).map_or(Ok(default), |i| self.flag(i, key));
        if let Some(item) = get("form") {
            match self.text_of(item, "form")? {
                "tar" => {}
                "repository" => {
                    return self.error(item, "form = \"repository\" is not in this version; write \"tar\" or leave it out");
                }
                word => return self.error(item, format!("{word:?} is no form; write \"tar\"")),
            }
        }
        let content = match get("content") {
            Some(item) => self.parsed(item, self.text_of(item, "content")?.parse::<Content>())?,
            None => Content::default(),
        };
        let timezone = match get("timezone") {
            Some(item) => self.timezone(item)?,
            None => self.zone,
        };
        let compression = match get("compression") {
            Some(item) => self.parsed(item, self.text_of(item, "compression")?.parse::<Compression>())?,
            None => DEFAULT_COMPRESSION,
        };
        let mut exclude = Vec::new();
        for layer in layers.iter().rev() {
            if let Some(item) = layer.get("exclude") {
                let patterns = self.texts(item, "exclude")?;
                for pattern in &patterns {
                    let mut builder = ignore::gitignore::GitignoreBuilder::new("/");
                    if let Err(e) = builder.add_line(None, pattern) {
                        return self.error(item, format!("the pattern {pattern:?} is wrong: {e}"));
                    }
                }
                exclude.extend(patterns);
            }
        }
        let jitter = get("jitter").map(|i| self.span(i, "jitter")).transpose()?.unwrap_or_default();
        let timeout = get("timeout").map(|i| self.span(i, "timeout")).transpose()?;
        let keep = get("keep").map(|i| self.keep(i)).transpose()?.unwrap_or_default();
        let get_item: crate::policy::Get<'_> = &get;
        let texts = |key: &str| get(key).map(|i| self.texts(i, key)).transpose().map(Option::unwrap_or_default);
        let presets = match get("exclude_presets") {
            Some(item) => self
                .texts(item, "exclude_presets")?
                .iter()
                .map(|word| self.parsed(item, word.parse::<Preset>()))
                .collect::<Found<Vec<_>>>()?,
            None => Vec::new(),
        };
        let ignore_files = texts("ignore_files")?;
        if let Some(item) = get("ignore_files")
            && ignore_files.iter().any(|n| n.is_empty() || n.contains('/'))
        {
            return self.error(item, "`ignore_files` must be names of files such as \".backupignore\", without a slash");
        }
        let accept_unreadable = texts("accept_unreadable")?;
        let max_file_size = get("max_file_size").map(|i| self.size(i, "max_file_size")).transpose()?;
        let source = FileSource {
            paths: Vec::new(),
            exclude,
            exclude_caches: flag("exclude_caches", false)?,
            sqlite: flag("sqlite", false)?,
            one_file_system: flag("one_file_system", false)?,
            max_file_size,
            ignore_files,
            presets,
            accept_unreadable,
        };
        let name = Name::new("x").map_err(|e| self.plain_error(None, e))?;
        Ok(Schedule {
            enabled: flag("enabled", true)?,
            content,
            kinds: self.kinds(get_item)?,
            compression,
            keep,
            catch_up: flag("catch_up", true)?,
            jitter,
            timeout,
            encrypt: self.encrypt(get_item)?,
            local_index: flag("local_index", true)?,
            priority: self.priority(get_item)?,
            limits: self.limits(get_item)?,
            hooks: self.hooks(get_item)?,
            drill: self.drill(get_item)?,
            scrub: self.scrub(get_item)?,
            notify: get("notify")
                .map(|i| self.texts(i, "notify")?.iter().map(|n| self.parsed(i, Name::new(n))).collect())
                .transpose()?,
            destinations: self.destinations_of(get_item)?,
            ..Schedule::new(name, source, Trigger::Manual, timezone)
        })
    }

    pub(crate) fn keep(&self, item: &Item) -> Found<Keep> {
        let table = self.table(item, "keep", &keys::KEEP)?;
        let mut keep = Keep::default();
        for (key, item) in table.iter() {
            let number = |high: i64| self.number(item, key, 1, high).map(|n| Some(n as u32));
            match key {
                "last" => keep.last = number(1_000_000)?,
                "hourly" => keep.hourly = number(100_000)?,
                "daily" => keep.daily = number(100_000)?,
                "weekly" => keep.weekly = number(10_000)?,
                "monthly" => keep.monthly = number(10_000)?,
                "yearly" => keep.yearly = number(1000)?,
                "days" => keep.days = number(365)?,
                "within" => keep.within = Some(self.span(item, "within")?.as_secs()),
                _ => {}
            }
        }
        Ok(keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_model::{FullEvery, Kind};

    fn error(text: &str) -> String {
        parse(&format!("version = 1\n{text}"), chrono_tz::UTC).expect_err(text).to_string()
    }

    #[test]
    fn the_sample_is_valid() {
        let file = parse(crate::SAMPLE, chrono_tz::UTC).expect("the sample");
        assert!(!file.schedules.is_empty());
    }

    #[test]
    fn says_line_and_remedy() {
        let schedule = "[[schedule]]\nname = \"a\"\nsource = [\"x\"]\n";
        for (text, wanted) in [
            (
                format!("{schedule}at = \"09:00\"\nexclud = []"),
                "line 6: unknown key `exclud` in [[schedule]]; did you mean `exclude`?",
            ),
            (format!("{schedule}at = \"25:00\""), "line 5: \"25:00\" is not a time of day"),
            (format!("{schedule}cron = \"0 2 * * Mno\""), "line 5: the day of week field"),
            (format!("{schedule}cron = \"0 2 * * 1\"\nat = \"09:00\""), "line 2: give one of"),
            (schedule.to_owned(), "line 2: no time is given"),
            (format!("{schedule}at = \"09:00\"\nencrypt = {{}}"), "line 6: `encrypt` needs to = "),
            (
                format!("{schedule}at = \"09:00\"\nencrypt = {{ passphrase = \"x\" }}"),
                "line 6: `passphrase` must be { env = \"NAME\" }",
            ),
            (format!("{schedule}manual = true\nkind = \"partial\""), "line 6: \"partial\" is no kind"),
            (format!("{schedule}manual = true\nfull_every = 0"), "line 6: `full_every` must be a whole number from 1"),
            (format!("{schedule}manual = true\nfull_every = \"often\""), "line 6: \"often\" is no rhythm of full archives"),
            (format!("{schedule}manual = true\ndetect = [\"size\"]"), "line 6: `detect` needs ctime, or size and mtime"),
            (format!("{schedule}manual = true\ndetect = \"colour\""), "line 6: \"colour\" is nothing to detect changes by"),
            (format!("{schedule}manual = true\nbefore = [\"systemctl\"]"), "line 6: `before` must be a list of commands"),
            (format!("{schedule}manual = true\nlimit = \"fast\""), "line 6: \"fast\" is no rate"),
            (format!("{schedule}manual = true\nlimit = [{{ rat = \"1MB\" }}]"), "line 6: unknown key `rat` in limit"),
            (format!("{schedule}manual = true\nnice = 20"), "line 6: `nice` must be a whole number from -20 to 19"),
            (format!("{schedule}manual = true\nionice = \"realtime\""), "line 6: \"realtime\" is no ionice"),
            (format!("{schedule}manual = true\nscrub = \"all\""), "line 6: \"all\" is no scrub"),
            (format!("{schedule}manual = true\ndrill = \"often\""), "line 6: \"often\" is no rhythm of drills"),
            (format!("{schedule}manual = true\nexclude_presets = [\"x\"]"), "line 6: \"x\" is no preset"),
            (format!("{schedule}manual = true\nignore_files = [\"a/b\"]"), "line 6: `ignore_files` must be names"),
            ("[destinations.x]\nurl = \"y\"".to_owned(), "line 3: \"y\" is no URL"),
            ("[destinations.local]\nurl = \"/y\"".to_owned(), "is the home itself"),
            ("[destinations.x]\nurl = \"webdav://example.org/y\"".to_owned(), "do not travel in clear"),
            ("[destinations.x]\nurl = \"/y\"\npassword = { env = \"X\" }".to_owned(), "line 4: `password` is not for"),
            ("[destinations.x]\nurl = \"s3://bucket\"\naccess_key = { env = \"X\" }".to_owned(), "go together"),
            (format!("{schedule}manual = true\ndestinations = [\"away\"]"), "line 6: there is no [destinations.away]"),
            (format!("{schedule}manual = true\ndestinations = []"), "line 6: `destinations` is empty"),
            ("[receiver]\nlisten = \"0.0.0.0:5000\"".to_owned(), "line 3: 0.0.0.0:5000 can be reached"),
            ("[receiver]\nlisten = \"0.0.0.0:5000\"\nopen = true".to_owned(), "add open_to"),
            ("[receiver]\nopen_to = [\"10.0.0.0/8\"]".to_owned(), "write open = true with it"),
            ("[receiver.profiles.x]\nkep = 1".to_owned(), "did you mean `keep`"),
            ("[databases.x]\nurl = \"y\"".to_owned(), "line 3: it is no URL of a database"),
            ("[databases.x]\nurl = \"postgres://me:secret@h/d\"".to_owned(), "line 3: a password does not stand in a URL"),
            ("[databases.x]\nurl = \"postgres://h/d\"\npassword = \"secret\"".to_owned(), "a secret does not stand in this file"),
            ("[databases.x]\nurl = \"mysql://h/d\"\nformat = \"custom\"".to_owned(), "`format` is for PostgreSQL"),
            ("[databases.x]\nurl = \"mysql://h/d\"\nscratch = \"y\"".to_owned(), "no database of the same engine"),
            (format!("{schedule}manual = true\ncontent = \"data\""), "line 6: `content` is for databases"),
            (
                "[databases.x]\nurl = \"mysql://h/d\"\n[[schedule]]\nname = \"a\"\ndatabase = \"x\"\nmanual = true\nkind = \"incremental\"".to_owned(),
                "a dump of a database is always full",
            ),
            ("[[schedule]]\nname = \"a\"\ndatabase = \"x\"\nmanual = true".to_owned(), "there is no [databases.x]; add it"),
            (
                "[[schedule]]\nname = \"a\"\ndatabase = \"x\"\nsource = [\"y\"]\nmanual = true".to_owned(),
                "either a `source` or a `database`",
            ),
            ("[daemon]\nlisten = \"8620\"".to_owned(), "line 3: \"8620\" is no address to listen on"),
            (format!("{schedule}manual = true\nkeep = {{ days = 400 }}"), "line 6: `days` must be a whole number from 1 to 365"),
            (
                format!("{schedule}manual = true\n{schedule}manual = true"),
                "line 6: the name a is taken by the schedule of line 2",
            ),
            (format!("{schedule}manual = true\nexclude = [\"[z-a]\"]"), "line 6: the pattern \"[z-a]\" is wrong"),
            ("x = ".to_owned(), "line 2: not valid TOML"),
            ("[defaults]\ntimezone = \"Europe/Pariss\"".to_owned(), "line 3: \"Europe/Pariss\" is no timezone"),
            ("[schedule]\nname = \"a\"".to_owned(), "two brackets"),
        ] {
            let got = error(&text);
            assert!(got.contains(wanted), "{text}\n  got    {got}\n  wanted {wanted}");
        }
        assert!(parse("", chrono_tz::UTC).expect_err("empty").to_string().contains("version = 1"));
    }

    #[test]
    fn nothing_is_served_in_clear_to_other_machines() {
        let web = |text: &str| parse(&format!("version = 1\n[daemon]\n{text}\n"), chrono_tz::UTC).map(|f| f.daemon.web);
        assert_eq!(web("").expect("valid").listen, Some(([127, 0, 0, 1], 8620).into()));
        assert_eq!(web("listen = \"\"").expect("valid").listen, None);
        assert_eq!(web("listen = \"localhost:1\"").expect("valid").listen, Some(([127, 0, 0, 1], 1).into()));
        assert!(web("listen = \"[::1]:1\"").is_ok());
        let tls = "tls = { cert = \"c\", key = \"k\" }";
        for open in ["0.0.0.0:8620", "192.0.2.1:8620", "[::]:8620"] {
            let error = web(&format!("listen = \"{open}\"")).expect_err(open);
            assert!(error.message.contains("add tls = "), "{error}");
            assert_eq!(error.line, Some(3));
            assert!(web(&format!("listen = \"{open}\"\n{tls}")).is_ok());
            assert!(web(&format!("listen = \"{open}\"\ntrusted_proxies = [\"10.0.0.0/8\"]")).is_ok());
        }
        for wrong in [
            "listen = \"8620\"",
            "listen = \"example.org:1\"",
            "trusted_proxies = [\"proxy\"]",
            "allowed_origins = [\"*\"]",
            "allowed_origins = [\"http://a.example/\"]",
            "allowed_hosts = [\"http://a.example\"]",
            "tls = { cert = \"c\" }",
            "catalogue = \"mysql://x/y\"",
            "catalogue = \"postgres://backup:secret@x/y\"",
            "catalogue = \"postgres://backup@x/y?password=secret\"",
        ] {
            assert!(web(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_daemon_alone() {
        let schedules = "[[schedule]]\nname = \"a\"\nsource = [\"x\"]\nmanual = true\n";
        for text in [
            format!("version = 1\n[daemon]\nmax_runs = 5\n{schedules}"),
            format!("version = 1\n{schedules}[daemon]\nmax_runs = 5\n"),
        ] {
            assert_eq!(parse_daemon(&text).expect("valid").max_runs, 5);
        }
        assert_eq!(parse_daemon(&format!("version = 1\n{schedules}")).expect("valid"), DaemonSettings::default());
    }

    #[test]
    fn how_a_schedule_works_can_be_said() {
        let text = r#"
            kind = "incremental"
            full_every = "30d"
            checksum = true
            limit = [{ rate = "5MB/s", from = "08:00", to = "18:00" }, { rate = "50MB/s" }]
            nice = 10
            ionice = "idle"
            before = [["systemctl", "stop", "app"], ["sync"]]
            hook_timeout = "1m"
            drill = "monthly"
            scrub = "5%/week"
            exclude_presets = ["caches"]
            ignore_files = ".backupignore"
            accept_unreadable = ["*.sock"]
        "#;
        let text = format!("version = 1\n[[schedule]]\nname = \"a\"\nsource = [\"x\"]\nmanual = true\n{text}");
        let file = parse(&text, chrono_tz::UTC).expect("valid");
        let s = &file.schedules[0];
        assert_eq!((s.kinds.kind, s.kinds.full_every), (Kind::Incremental, FullEvery::Age(30 * 86_400)));
        assert!(s.kinds.detect.contents && s.kinds.detect.ctime);
        assert_eq!((s.limits.len(), s.limits[0].rate, s.limits[1].from == s.limits[1].to), (2, 5_000_000, true));
        assert_eq!((s.priority.nice, s.hooks.before.len(), s.hooks.timeout.as_secs()), (Some(10), 2, 60));
        assert_eq!(s.drill.map(|d| d.as_secs()), Some(30 * 86_400));
        assert_eq!(s.source.ignore_files, [".backupignore"]);
    }

    #[test]
    fn defaults_fill_in() {
        let text = "version = 1\n[defaults]\ntimezone = \"Europe/Paris\"\nexclude = [\"*.tmp\"]\nkeep = { days = 30, last = 3 }\n[[schedule]]\nname = \"a\"\nsource = [\"x\", \"/y\"]\nat = [\"18:30\", \"09:00\"]\nexclude = [\"*.bak\"]\n";
        let file = parse(text, chrono_tz::UTC).expect("valid");
        let s = &file.schedules[0];
        assert_eq!(s.timezone, chrono_tz::Europe::Paris);
        assert_eq!(s.source.exclude, ["*.tmp", "*.bak"]);
        assert_eq!((s.keep.days, s.keep.last), (Some(30), Some(3)));
        assert_eq!(s.trigger.to_string(), "daily at 09:00, 18:30");
        assert!(s.enabled && s.catch_up);
    }
}
