//! Trees with everything that a backup must keep, and a description to compare them by.

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fstatat, mkdirat, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Whence, linkat, lseek, symlinkat};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

fn set_time(path: &Path, sec: i64, nsec: i64) {
    let t = TimeSpec::new(sec, nsec);
    utimensat(nix::fcntl::AT_FDCWD, path, &t, &t, UtimensatFlags::NoFollowSymlink).expect("a time");
}

/// Fills a folder with files of many kinds: sizes around the block and member borders, odd names,
/// links, holes, times before 1970, extended attributes where the file system has them.
pub fn make_tree(root: &Path) {
    fs::create_dir_all(root).expect("the root");
    for (n, size) in [0usize, 1, 511, 512, 513, 4096, 1_048_575, 1_048_576, 1_048_577, 3_000_000].into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|i| (i * 31 + n * 7 + i / 251) as u8).collect();
        fs::write(root.join(format!("file {size}.bin")), bytes).expect("a file");
    }
    let names: [&[u8]; 9] =
        [b"new\nline", b"bad\xff\xfeutf8", b"-rf", "é à ü".as_bytes(), b"quote\"'$(x)", b"esc\x1b[31m", b"a.d", b" ", b"star*"];
    for name in names {
        fs::write(root.join(OsStr::from_bytes(name)), name).expect("a named file");
    }
    fs::write(root.join("x".repeat(255)), "long name").expect("a long name");
    fs::create_dir_all(root.join("a/b/c")).expect("folders");
    fs::create_dir(root.join("empty")).expect("an empty folder");
    let deep = (0..12).fold(root.to_path_buf(), |p, i| p.join(format!("{i}{}", "d".repeat(60))));
    fs::create_dir_all(&deep).expect("a deep folder");
    fs::write(deep.join("deep file"), "deep").expect("a deep file");
    fs::write(root.join("a/one"), "linked").expect("a file");
    fs::hard_link(root.join("a/one"), root.join("a/b/two")).expect("a hard link");
    fs::hard_link(root.join("a/one"), root.join("zz three")).expect("a hard link");
    symlink("one", root.join("a/link")).expect("a link");
    symlink("/nowhere/at all", root.join("dangling")).expect("a link");
    symlink("t".repeat(300), root.join("long link")).expect("a link");
    set_time(&root.join("a/link"), 1_000_000_000, 123_456_789);
    nix::unistd::mkfifo(&root.join("fifo"), Mode::from_bits_truncate(0o640)).expect("a fifo");
    let sparse = File::create(root.join("sparse")).expect("a file");
    sparse.set_len(50_000_000).expect("a length");
    sparse.write_at(b"in the middle", 20_000_000).expect("data");
    let tail = File::create(root.join("sparse tail")).expect("a file");
    tail.set_len(10_000_000).expect("a length");
    tail.write_at(&[7; 70_000], 9_900_000).expect("data");
    File::create(root.join("all hole")).expect("a file").set_len(5_000_000).expect("a length");
    set_time(&root.join("file 1.bin"), -5, 500_000_000);
    set_time(&root.join("file 511.bin"), 1_234_567_890, 1);
    fs::set_permissions(root.join("file 512.bin"), fs::Permissions::from_mode(0o400)).expect("a mode");
    fs::set_permissions(root.join("a/one"), fs::Permissions::from_mode(0o4755)).expect("a mode");
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o1777)).expect("a mode");
    // Not every file system has them; where there are none, none are compared.
    for (name, value) in [("user.plain", &b"value"[..]), ("user.binary", b"\0\xff=\n"), ("user.a=b%c", b"odd name")] {
        let _ = xattr::set(root.join("file 513.bin"), name, value);
        let _ = xattr::set(root.join("a"), name, value);
    }
    set_time(&root.join("a/b"), 1_100_000_000, 7);
    set_time(&root.join("empty"), 1_200_000_000, 0);
}

/// What only root can make: other owners, devices, capabilities, ACLs.
pub fn make_tree_as_root(root: &Path) {
    let dev = |major, minor| nix::libc::makedev(major, minor);
    mknod(&root.join("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), dev(1, 3)).expect("a device");
    mknod(&root.join("loop"), SFlag::S_IFBLK, Mode::from_bits_truncate(0o600), dev(7, 9)).expect("a device");
    fs::write(root.join("owned"), "by others").expect("a file");
    std::os::unix::fs::chown(root.join("owned"), Some(12_345), Some(54_321)).expect("an owner");
    fs::write(root.join("far owner"), "by others").expect("a file");
    std::os::unix::fs::chown(root.join("far owner"), Some(4_000_000_000), Some(3_000_000)).expect("an owner");
    std::os::unix::fs::lchown(root.join("dangling"), Some(1000), Some(1000)).expect("an owner");
    std::os::unix::fs::chown(root.join("a"), Some(33), Some(33)).expect("an owner");
    fs::set_permissions(root.join("owned"), fs::Permissions::from_mode(0o6711)).expect("a mode");
    // An ACL: user::rw-, user:1000:r--, group::r--, mask::r--, other::---, as the kernel stores it.
    let mut acl = vec![2, 0, 0, 0];
    for (tag, perm, id) in [(1u16, 6u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)] {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&perm.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    let _ = xattr::set(root.join("file 4096.bin"), "system.posix_acl_access", &acl);
    // cap_net_bind_service=ep, revision 2.
    let cap = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let _ = xattr::set(root.join("file 0.bin"), "security.capability", &cap);
    let _ = xattr::set(root.join("file 0.bin"), "trusted.note", b"for root");
}

/// Adds what strains a program: a path of 8 kB with something of each kind at its end, and a file of a
/// terabyte that is nearly all hole.
pub fn make_extremes(root: &Path) {
    let terabyte = File::create(root.join("terabyte")).expect("a file");
    terabyte.set_len(1 << 40).expect("a length");
    for (at, data) in [(0, &b"begin"[..]), (1 << 39, b"middle"), ((1 << 40) - 3, b"end")] {
        terabyte.write_all_at(data, at).expect("data");
    }
    let mut dir = File::open(root).expect("the root");
    for level in 0..40 {
        let name = format!("{level:02}{}", "deep".repeat(50));
        mkdirat(&dir, name.as_str(), Mode::from_bits_truncate(0o751)).expect("a folder");
        dir = File::from(openat(&dir, name.as_str(), OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).expect("a folder"));
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT;
    for name in ["bottom", "other"] {
        let mut file = File::from(openat(&dir, name, flags, Mode::from_bits_truncate(0o640)).expect("a file"));
        file.write_all(name.as_bytes()).expect("data");
    }
    linkat(&dir, "bottom", &dir, "further name", AtFlags::empty()).expect("a hard link");
    symlinkat("bottom", &dir, "link").expect("a link");
    nix::unistd::mkfifoat(&dir, "fifo", Mode::from_bits_truncate(0o600)).expect("a fifo");
    let time = TimeSpec::new(1_000_000_000, 987_654_321);
    for name in ["bottom", "link", "fifo"] {
        utimensat(&dir, name, &time, &time, UtimensatFlags::NoFollowSymlink).expect("a time");
    }
}

/// Fills a folder with so many files, a hundred in each folder, some with further names, links,
/// extended attributes, holes, odd modes and times.
pub fn make_many(root: &Path, count: usize) {
    for n in 0..count {
        let folder = root.join(format!("{:02}/{:03}", n / 100 % 50, n / 5000));
        if n % 100 == 0 {
            fs::create_dir_all(&folder).expect("a folder");
        }
        let mut name = format!("file {n}").into_bytes();
        name.extend((0..n % 5).map(|i| (n * 31 + i * 7) as u8).filter(|b| *b != 0 && *b != b'/'));
        let path = folder.join(OsStr::from_bytes(&name));
        let size = n * 13 % 900;
        fs::write(&path, [n as u8, (n >> 8) as u8, b'\n'].repeat(size / 3)).expect("a file");
        match n % 50 {
            1 => fs::hard_link(&path, folder.join(format!("further name of {n}"))).expect("a hard link"),
            2 => symlink(format!("../{n}"), folder.join(format!("link {n}"))).expect("a link"),
            3 => fs::set_permissions(&path, fs::Permissions::from_mode(0o1000 * (n as u32 / 50 % 8) + 0o604)).expect("a mode"),
            4 => set_time(&path, n as i64 * 10_000 - 100_000_000, n as i64 * 7919 % 1_000_000_000),
            5 => {
                // Not every file system has them; where there are none, none are compared.
                let _ = xattr::set(&path, format!("user.number{n}"), &name);
            }
            6 => File::options().write(true).open(&path).and_then(|f| f.set_len(1 << 20)).expect("a hole"),
            _ => {}
        }
    }
}

/// Everything that matters about a tree, one line an entry, sorted: two trees are equal if these are.
/// No path is too long for it, and holes cost it nothing.
#[must_use]
pub fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut links = BTreeMap::new();
    walk(File::open(root).expect("the root").into(), Path::new(""), &mut lines, &mut links);
    lines
}

/// A digest of a file's contents that is the same whether zeros are stored or holes.
fn digest(file: &File) -> u64 {
    let mut hash = DefaultHasher::new();
    let mut buffer = vec![0; 1 << 16];
    let mut at = 0;
    while let Ok(data) = lseek(file, at, Whence::SeekData) {
        at = data / 4096 * 4096;
        let end = lseek(file, data, Whence::SeekHole).expect("the end of the data");
        while at < end {
            let n = file.read_at(&mut buffer, at as u64).expect("data");
            if n == 0 {
                return hash.finish();
            }
            for (i, block) in buffer[..n].chunks(4096).enumerate() {
                if block.iter().any(|b| *b != 0) {
                    hash.write_u64(at as u64 + i as u64 * 4096);
                    hash.write(block);
                }
            }
            at += n as i64;
        }
        at = at.max(end);
    }
    hash.finish()
}

fn walk(dir: OwnedFd, path: &Path, lines: &mut Vec<String>, links: &mut BTreeMap<(u64, u64), String>) {
    let opened = openat(&dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).expect("a folder");
    let mut names: Vec<Vec<u8>> =
        Dir::from_fd(opened).expect("a folder").iter().map(|e| e.expect("an entry").file_name().to_bytes().to_vec()).collect();
    names.retain(|n| n != b"." && n != b"..");
    names.sort();
    for name in names {
        let name = OsStr::from_bytes(&name);
        let stat = fstatat(&dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).expect("metadata");
        let relative = format!("{:?}", path.join(name));
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        let mut line = format!(
            "{relative} mode={:o} owner={}:{} time={}.{:09}",
            stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_mtime_nsec
        );
        if kind == SFlag::S_IFLNK {
            line += &format!(" -> {:?}", readlinkat(&dir, name).expect("a link"));
        } else if kind == SFlag::S_IFREG {
            let file = File::from(openat(&dir, name, OFlag::O_RDONLY, Mode::empty()).expect("a file"));
            let holes = stat.st_blocks * 512 + 65_536 < stat.st_size;
            line += &format!(" size={} hash={:x} holes={holes}", stat.st_size, digest(&file));
        } else if kind == SFlag::S_IFCHR || kind == SFlag::S_IFBLK {
            line += &format!(" device={:x}", stat.st_rdev);
        }
        if stat.st_nlink > 1 && kind != SFlag::S_IFDIR {
            let first = links.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| relative.clone());
            line += &format!(" same as {first}");
        }
        let itself = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        let mut attributes: Vec<_> = xattr::list(&itself).map(|l| l.collect()).unwrap_or_default();
        attributes.sort();
        for key in attributes {
            line += &format!(" {key:?}={:?}", xattr::get(&itself, &key).ok().flatten());
        }
        lines.push(line);
        if kind == SFlag::S_IFDIR {
            let inner = openat(&dir, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).expect("a folder");
            walk(inner, &path.join(name), lines, links);
        }
    }
}
