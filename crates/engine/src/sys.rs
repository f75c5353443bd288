//! System calls on directory handles: nothing here follows a symbolic link or trusts a long path.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use xattr::FileExt as _;

/// Seconds and nanoseconds since 1970; nanoseconds count forward also before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub sec: i64,
    /// Nanoseconds, 0 to 999 999 999.
    pub nsec: u32,
}

/// Extended attributes: name and value, sorted by name.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn open_dir_at(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

pub(crate) fn open_root(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    openat(nix::fcntl::AT_FDCWD, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens a file for reading; never blocks on a fifo, never follows a link.
pub(crate) fn open_file_at(dir: impl AsFd, name: &[u8]) -> Result<File, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    openat(dir, name, flags, Mode::empty()).map(File::from)
}

pub(crate) fn stat_at(dir: impl AsFd, name: &[u8]) -> Result<FileStat, Errno> {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

pub(crate) fn stat_fd(fd: impl AsFd) -> Result<FileStat, Errno> {
    fstat(fd)
}

pub(crate) fn mtime(stat: &FileStat) -> Time {
    Time { sec: stat.st_mtime, nsec: stat.st_mtime_nsec as u32 }
}

pub(crate) fn ctime(stat: &FileStat) -> Time {
    Time { sec: stat.st_ctime, nsec: stat.st_ctime_nsec as u32 }
}

/// A file without a name in a folder, for what does not fit into memory.
pub(crate) fn scratch_file(folder: &std::path::Path) -> io::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
    match openat(nix::fcntl::AT_FDCWD, folder, flags, Mode::from_bits_truncate(0o600)) {
        Ok(fd) => Ok(File::from(fd)),
        // Some file systems cannot: a name that is removed at once. A crash between leaves a part file,
        // which the next start removes.
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {
            let path = folder.join(format!(".scratch-{}.part", std::process::id()));
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        Err(e) => Err(e.into()),
    }
}

pub(crate) fn read_link_at(dir: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    readlinkat(dir, name).map(|t| t.as_bytes().to_vec())
}

/// The path of a name in an open folder, for calls that know no handle. Only the last component is
/// resolved by name, and the callers' calls do not follow it.
pub(crate) fn proc_path(dir: BorrowedFd<'_>, name: &[u8]) -> PathBuf {
    let mut bytes = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    bytes.extend_from_slice(name);
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

fn not_supported(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM | Errno::EBADF))
}

fn collect(
    names: io::Result<xattr::XAttrs>,
    get: impl Fn(&std::ffi::OsStr) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Xattrs> {
    let names = match names {
        Ok(names) => names,
        Err(e) if not_supported(&e) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut list = Vec::new();
    for name in names {
        match get(&name) {
            Ok(Some(value)) => list.push((name.as_bytes().to_vec(), value)),
            Ok(None) => {}
            Err(e) if not_supported(&e) => {}
            Err(e) => return Err(e),
        }
    }
    list.sort_unstable();
    Ok(list)
}

/// A handle with the calls of the xattr crate, which knows files only.
struct Handle<'a>(BorrowedFd<'a>);

impl AsRawFd for Handle<'_> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl xattr::FileExt for Handle<'_> {}

/// Extended attributes of an open file or folder.
pub(crate) fn xattrs_of(fd: impl AsFd) -> io::Result<Xattrs> {
    let handle = Handle(fd.as_fd());
    collect(handle.list_xattr(), |name| handle.get_xattr(name))
}

/// Sets an extended attribute of an open file or folder.
pub(crate) fn set_xattr(fd: impl AsFd, name: &std::ffi::OsStr, value: &[u8]) -> io::Result<()> {
    Handle(fd.as_fd()).set_xattr(name, value)
}

/// The path of what a handle stands for, for calls that take no handle.
pub(crate) fn proc_self(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Extended attributes of a name in a folder that cannot be opened (a link, a fifo, a device).
pub(crate) fn xattrs_at(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Xattrs> {
    let path = proc_path(dir, name);
    collect(xattr::list(&path), |n| xattr::get(&path, n))
}

/// Raises the limit on open files as far as allowed: deep trees hold one handle a level.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // A refusal leaves the old limit, and a tree too deep for it is reported by name.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard);
    }
}

/// Gives memory back that only the start of a long-running program has needed: free heap (malloc_trim(3)), and pages of
/// its code, which come from the page cache again when they are used (madvise(2), `MADV_DONTNEED`).
#[expect(unsafe_code, reason = "no library offers these two calls for the program's own code")]
pub fn release_start() {
    use nix::libc;
    let (Ok(maps), Ok(own)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe")) else { return };
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some("r-xp"), Some(path)) = (words.next(), words.next(), words.nth(3)) else { continue };
        let hex = |text: &str| usize::from_str_radix(text, 16).ok();
        let range = range.split_once('-').and_then(|(start, end)| Some((hex(start)?, hex(end)?)));
        if let Some((start, end)) = range.filter(|(start, end)| start < end && std::path::Path::new(path) == own) {
            // SAFETY: the range is code of the running program, mapped privately from its file and never written to, so
            // what is dropped is read from the file again, unchanged, at the next use.
            let _ = unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer; allocations stay where they are.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Gives the calling thread, and those that it starts from now on, another priority (setpriority(2) and
/// ioprio_set(2), which on Linux are about threads).
///
/// # Errors
/// The system's word: only root may raise a priority.
#[expect(unsafe_code, reason = "no library offers these two calls; they take numbers only and touch no memory")]
pub fn lower_priority(priority: backup_model::Priority) -> io::Result<()> {
    use backup_model::IoNice;
    use nix::libc;
    if let Some(nice) = priority.nice {
        // SAFETY: only numbers are passed; 0 means the calling thread.
        let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, i32::from(nice)) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    if let Some(ionice) = priority.ionice {
        // linux/ioprio.h: IOPRIO_WHO_PROCESS is 1; the class stands above bit 13, 2 is best effort, 3 idle.
        let value: libc::c_long = match ionice {
            IoNice::Idle => 3 << 13,
            IoNice::BestEffort(level) => 2 << 13 | libc::c_long::from(level),
        };
        // SAFETY: only numbers are passed; 0 means the calling thread.
        let done = unsafe { libc::syscall(libc::SYS_ioprio_set, 1 as libc::c_long, 0 as libc::c_long, value) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
