//! SQLite: files that are copied through the backup API, so that a program may write meanwhile.

use crate::connection::{Connection, Copied, CopyPlan, Target};
use crate::dump_text::{Counted, table_key};
use crate::restore::{RestoreFrom, RestorePlan, Restored, differences, number_of};
use crate::{DatabaseError, Watch};
use backup_model::{DatabaseEngine, Steps, format_size};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[expect(unsafe_code, reason = "the C interface of SQLite; sqlx, which brings the library, has no backup API")]
mod sys {
    //! The few calls of <https://www.sqlite.org/backup.html> and of queries with one column.

    use libsqlite3_sys as ffi;
    use std::ffi::{CStr, CString};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::ptr;

    /// An open database file.
    pub(super) struct Database(*mut ffi::sqlite3);

    impl Database {
        pub(super) fn open(path: &Path, write: bool) -> Result<Self, String> {
            let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| "its path holds a zero byte".to_owned())?;
            if write {
                return Self::with(&name, ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE);
            }
            // Nothing of the source is touched, unless a crash left something that only a writer can put right.
            let reader = Self::with(&name, ffi::SQLITE_OPEN_READONLY);
            match reader.and_then(|d| d.texts("SELECT count(*) FROM sqlite_schema").map(|_| d)) {
                Ok(reader) => Ok(reader),
                Err(_) => Self::with(&name, ffi::SQLITE_OPEN_READWRITE),
            }
        }

        fn with(name: &CStr, flags: i32) -> Result<Self, String> {
            let mut handle = ptr::null_mut();
            // SAFETY: the name ends with a zero and lives through the call; the handle is closed by `Drop`, also after
            // a failure, as the manual asks for.
            let code = unsafe { ffi::sqlite3_open_v2(name.as_ptr(), &mut handle, flags, ptr::null()) };
            let database = Self(handle);
            if code != ffi::SQLITE_OK {
                return Err(database.message());
            }
            // SAFETY: the handle is open.
            unsafe { ffi::sqlite3_busy_timeout(database.0, 60_000) };
            Ok(database)
        }

        fn message(&self) -> String {
            if self.0.is_null() {
                return "out of memory".to_owned();
            }
            // SAFETY: the handle is open; the text is copied before the next call.
            unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.0)) }.to_string_lossy().into_owned()
        }

        /// The first column of every row.
        pub(super) fn texts(&self, sql: &str) -> Result<Vec<String>, String> {
            let text = CString::new(sql).map_err(|e| e.to_string())?;
            let mut statement = ptr::null_mut();
            // SAFETY: the text ends with a zero; the statement is finalized below whatever happens.
            let code = unsafe { ffi::sqlite3_prepare_v2(self.0, text.as_ptr(), -1, &mut statement, ptr::null_mut()) };
            if code != ffi::SQLITE_OK {
                return Err(self.message());
            }
            let mut out = Vec::new();
            let done = loop {
                // SAFETY: the statement was prepared and is not finalized yet.
                match unsafe { ffi::sqlite3_step(statement) } {
                    ffi::SQLITE_ROW => {
                        // SAFETY: a row is there; its text lives until the next step and is copied.
                        let column = unsafe { ffi::sqlite3_column_text(statement, 0) };
                        if column.is_null() {
                            out.push(String::new());
                        } else {
                            // SAFETY: SQLite ends texts with a zero.
                            out.push(unsafe { CStr::from_ptr(column.cast()) }.to_string_lossy().into_owned());
                        }
                    }
                    ffi::SQLITE_DONE => break Ok(out),
                    _ => break Err(self.message()),
                }
            };
            // SAFETY: prepared above, used no more.
            unsafe { ffi::sqlite3_finalize(statement) };
            done
        }

        /// Copies all pages into another database; `go_on` hears how many are left and of how many.
        pub(super) fn backup(&self, to: &Self, mut go_on: impl FnMut(u64, u64) -> bool) -> Result<bool, String> {
            // SAFETY: both handles are open, the names end with zeros; the backup is finished below.
            let backup = unsafe { ffi::sqlite3_backup_init(to.0, c"main".as_ptr(), self.0, c"main".as_ptr()) };
            if backup.is_null() {
                return Err(to.message());
            }
            let mut stopped = false;
            let mut busy = 0;
            let code = loop {
                // SAFETY: the backup is open.
                let code = unsafe { ffi::sqlite3_backup_step(backup, 4096) };
                // SAFETY: as above.
                let (left, all) = unsafe { (ffi::sqlite3_backup_remaining(backup), ffi::sqlite3_backup_pagecount(backup)) };
                if !go_on(left.max(0) as u64, all.max(0) as u64) {
                    stopped = true;
                    break code;
                }
                match code {
                    ffi::SQLITE_OK => {}
                    ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED if busy < 600 => {
                        busy += 1;
                        std::thread::sleep(std::time::Duration::from_millis(100));
                    }
                    code => break code,
                }
            };
            // SAFETY: used no more after it.
            let end = unsafe { ffi::sqlite3_backup_finish(backup) };
            if stopped {
                return Ok(false);
            }
            if code == ffi::SQLITE_DONE && end == ffi::SQLITE_OK {
                return Ok(true);
            }
            Err(to.message())
        }
    }

    impl Drop for Database {
        fn drop(&mut self) {
            // SAFETY: opened by `open`, closed once; a null handle is allowed.
            unsafe { ffi::sqlite3_close(self.0) };
        }
    }
}

use sys::Database;

/// The name under which a file's archives stand: its own without the ending.
pub(crate) fn name_of(file: &Path) -> String {
    file.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "database".to_owned())
}

fn trouble(file: &Path, text: String) -> DatabaseError {
    DatabaseError::server(file.display().to_string(), text)
}

fn check(database: &Database, file: &Path) -> Result<(), DatabaseError> {
    let found = database.texts("PRAGMA integrity_check(5)").map_err(|e| trouble(file, e))?;
    if found == ["ok"] {
        return Ok(());
    }
    Err(DatabaseError::Incomplete(format!("the integrity check of {} says: {}", file.display(), found.join("; "))))
}

fn count(database: &Database, file: &Path) -> Result<BTreeMap<String, u64>, DatabaseError> {
    let mut out = BTreeMap::new();
    // Tables of extensions whose modules are not here cannot be read, and hold nothing themselves.
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    for table in database.texts(sql).map_err(|e| trouble(file, e))? {
        let name = format!("\"{}\"", table.replace('"', "\"\""));
        let rows = database.texts(&format!("SELECT count(*) FROM {name}")).map_err(|e| trouble(file, e))?;
        let rows = number_of(&table, rows.first().map_or("", String::as_str))?;
        out.insert(table_key(&[table]), rows);
    }
    Ok(out)
}

fn version() -> String {
    String::from_utf8_lossy(libsqlite3_sys::SQLITE_VERSION.to_bytes()).into_owned()
}

/// Makes a consistent copy of a database that may be written to meanwhile, and checks it.
///
/// # Errors
/// It is no database, is damaged, or stayed locked for a minute.
pub fn copy_sqlite(file: &Path, to: &Path, watch: &dyn Watch) -> Result<(), DatabaseError> {
    copy(file, to, watch).map(|_| ())
}

fn copy(file: &Path, to: &Path, watch: &dyn Watch) -> Result<Database, DatabaseError> {
    if !file.is_file() {
        return Err(DatabaseError::server(file.display().to_string(), "there is no such file; check the path in the URL"));
    }
    let source = Database::open(file, false).map_err(|e| trouble(file, e))?;
    let target = Database::open(to, true).map_err(|e| trouble(to, e))?;
    let whole = source.backup(&target, |left, all| {
        watch.progress(0, (all - left) * 4096, &name_of(file));
        !watch.cancelled()
    });
    if !whole.map_err(|e| trouble(file, e))? {
        return Err(DatabaseError::Cancelled);
    }
    check(&target, file)?;
    Ok(target)
}

/// A folder for a copy, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, DatabaseError> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("backup-sqlite-{}", uuid::Uuid::now_v7()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(DatabaseError::io(format!("make the folder {}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The file that is meant: another one than that of the settings by its whole path.
fn file_of(c: &Connection, database: &str) -> PathBuf {
    if database.starts_with('/') { PathBuf::from(database) } else { c.file().to_owned() }
}

pub(crate) fn dump(c: &Connection, plan: &CopyPlan, out: Target<'_>, watch: &dyn Watch) -> Result<Copied, DatabaseError> {
    let file = &*file_of(c, &plan.database);
    let folder = Folder::new()?;
    let path = folder.0.join("copy");
    let copied = copy(file, &path, watch)?;
    let tables = count(&copied, file)?;
    let mut objects = BTreeMap::new();
    for kind in
        copied.texts("SELECT type FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger')").map_err(|e| trouble(file, e))?
    {
        *objects.entry(kind).or_insert(0) += 1;
    }
    drop(copied);
    let mut from = File::open(&path).map_err(DatabaseError::io("read the copy"))?;
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        let n = from.read(&mut buffer).map_err(DatabaseError::io("read the copy"))?;
        if n == 0 {
            break;
        }
        out(&buffer[..n]).map_err(DatabaseError::io(format!("keep the copy of {}", file.display())))?;
        bytes += n as u64;
    }
    let counted = Counted { tables, objects, complete: true };
    let name = name_of(file);
    Ok(Copied {
        facts: c.facts(DatabaseEngine::Sqlite, &version(), format!("SQLite {}", version()), Some(&name), counted),
        bytes,
    })
}

/// Where the parts of a live database lie beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

pub(crate) fn restore(
    c: &Connection,
    plan: &RestorePlan,
    from: &mut RestoreFrom<'_>,
    watch: &dyn Watch,
) -> Result<Restored, DatabaseError> {
    let target = file_of(c, &plan.database);
    let there = target.exists();
    if there && !plan.trial && !plan.overwrite {
        let text = format!("{} is there already; restore into another path, or replace it with --overwrite", target.display());
        return Err(DatabaseError::Exists(text));
    }
    let scratch = if plan.trial { Some(Folder::new()?) } else { None };
    let new = match &scratch {
        Some(folder) => folder.0.join("copy"),
        None => {
            let mut name = target.as_os_str().to_owned();
            name.push(".restored.part");
            PathBuf::from(name)
        }
    };
    let done = fill(plan, &new, from, watch);
    let restored = match (done, &scratch) {
        (Ok(restored), None) => restored,
        (done, _) => {
            let _ = std::fs::remove_file(&new);
            return done;
        }
    };
    let mut restored = restored;
    if there && let Some(safety) = &mut from.safety {
        match safety(&target.display().to_string()) {
            Ok(copy) => restored.safety = Some(copy.place),
            Err(e) => {
                let _ = std::fs::remove_file(&new);
                return Err(e);
            }
        }
    }
    // What a journal of the old file says must not be played into the new one.
    for suffix in BESIDE {
        let mut beside = target.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::remove_file(&beside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(DatabaseError::io(format!("remove {}", PathBuf::from(beside).display()))(e));
            }
            _ => {}
        }
    }
    std::fs::rename(&new, &target).map_err(DatabaseError::io(format!("name {}", target.display())))?;
    Ok(restored)
}

fn fill(plan: &RestorePlan, new: &Path, from: &RestoreFrom<'_>, watch: &dyn Watch) -> Result<Restored, DatabaseError> {
    let failed = || DatabaseError::io(format!("write {}", new.display()));
    let _ = std::fs::remove_file(new);
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(new).map_err(failed())?;
    let mut stream = (from.open)()?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        if watch.cancelled() {
            return Err(DatabaseError::Cancelled);
        }
        let n = stream.read(&mut buffer).map_err(|e| DatabaseError::Refused(e.to_string()))?;
        if n == 0 {
            break;
        }
        file.write_all(&buffer[..n]).map_err(failed())?;
        watch.progress(0, stream.place().0, "loading");
    }
    stream.finish().map_err(DatabaseError::Refused)?;
    file.sync_all().map_err(failed())?;
    drop(file);
    let database = Database::open(new, false).map_err(|e| trouble(new, e))?;
    check(&database, new).map_err(|e| DatabaseError::Differs(e.to_string()))?;
    let found = count(&database, new)?;
    if let Some(facts) = &plan.facts {
        differences(&facts.tables, &found)?;
    }
    Ok(Restored { tables: found.len() as u64, rows: found.values().sum(), ..Restored::default() })
}

pub(crate) fn test(c: &Connection, steps: &mut Steps) {
    let file = c.file();
    let size = match file.metadata() {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => return steps.wrong("connect", format!("{} is no file", file.display())),
        Err(e) => return steps.wrong("connect", format!("{}: {e}; check the path in the URL", file.display())),
    };
    let looked = Database::open(file, false).map_err(|e| trouble(file, e)).and_then(|d| count(&d, file));
    match looked {
        Ok(tables) => {
            steps.ok("connect", format!("{} can be read", file.display()));
            steps.ok("version", format!("SQLite {} is built in", version()));
            steps.ok("databases", format!("{}: {} tables, {}", name_of(file), tables.len(), format_size(size)));
        }
        Err(e) => steps.wrong("connect", e.to_string()),
    }
}
