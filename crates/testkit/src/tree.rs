//! Trees with everything that a backup must keep, and a description to compare them by.

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
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

/// Everything that matters about a tree, one line an entry, sorted: two trees are equal if these are.
#[must_use]
pub fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut links = BTreeMap::new();
    walk(root, root, &mut lines, &mut links);
    lines
}

fn walk(root: &Path, folder: &Path, lines: &mut Vec<String>, links: &mut BTreeMap<(u64, u64), String>) {
    let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    names.sort();
    for path in names {
        let meta = fs::symlink_metadata(&path).expect("metadata");
        let relative = format!("{:?}", path.strip_prefix(root).expect("beneath"));
        let kind = meta.file_type();
        let mut line = format!(
            "{relative} mode={:o} owner={}:{} time={}.{:09}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec()
        );
        if kind.is_symlink() {
            line += &format!(" -> {:?}", fs::read_link(&path).expect("a link"));
        } else if kind.is_file() {
            let mut hash = DefaultHasher::new();
            let mut buffer = vec![0; 1 << 16];
            let mut file = File::open(&path).expect("a file");
            loop {
                let n = file.read(&mut buffer).expect("data");
                if n == 0 {
                    break;
                }
                buffer[..n].hash(&mut hash);
            }
            let holes = meta.blocks() * 512 + 65_536 < meta.len();
            line += &format!(" size={} hash={:x} holes={holes}", meta.len(), hash.finish());
        } else if kind.is_char_device() || kind.is_block_device() {
            line += &format!(" device={:x}", meta.rdev());
        }
        if meta.nlink() > 1 && !kind.is_dir() {
            let first = links.entry((meta.dev(), meta.ino())).or_insert_with(|| relative.clone());
            line += &format!(" same as {first}");
        }
        let mut attributes: Vec<_> = xattr::list(&path).map(|l| l.collect()).unwrap_or_default();
        attributes.sort();
        for name in attributes {
            line += &format!(" {name:?}={:?}", xattr::get(&path, &name).ok().flatten());
        }
        lines.push(line);
        if kind.is_dir() {
            walk(root, &path, lines, links);
        }
    }
}
