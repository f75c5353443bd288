//! Random changes to a tree, the same for the same seed.

use nix::sys::stat::Mode;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A tree that changes at random.
pub struct RandomTree {
    root: PathBuf,
    /// A folder outside of it, from which things are moved in.
    outside: PathBuf,
    state: u64,
    made: u32,
}

impl RandomTree {
    /// An empty tree, and a folder beside it.
    #[must_use]
    pub fn new(root: &Path, outside: &Path, seed: u64) -> Self {
        fs::create_dir_all(root).expect("the root");
        fs::create_dir_all(outside).expect("a folder");
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
        Self { root: root.to_owned(), outside: outside.to_owned(), state, made: 0 }
    }

    /// A number below `n` (xorshift64*, Vigna 2016).
    pub fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn all(&self, wanted: impl Fn(&fs::Metadata) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.root.clone()];
        while let Some(folder) = open.pop() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(&folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
            entries.sort();
            for path in entries {
                let meta = path.symlink_metadata().expect("metadata");
                if meta.is_dir() {
                    open.push(path.clone());
                }
                if wanted(&meta) {
                    found.push(path);
                }
            }
        }
        found
    }

    fn pick(&mut self, list: &[PathBuf]) -> Option<PathBuf> {
        if list.is_empty() { None } else { Some(list[self.below(list.len())].clone()) }
    }

    fn folder(&mut self) -> PathBuf {
        let mut folders = self.all(fs::Metadata::is_dir);
        folders.push(self.root.clone());
        let n = self.below(folders.len());
        folders[n].clone()
    }

    fn new_path(&mut self) -> PathBuf {
        self.made += 1;
        // Names that sort around the slash, and some that come back after they were deleted.
        let names = ["a", "b", "a.b", "a b", "a-", "zz", "é\n", "x"];
        let name = names[self.below(names.len())];
        let n = self.below(6);
        self.folder().join(format!("{name}{n}"))
    }

    fn contents(&mut self) -> Vec<u8> {
        let size = [0, 1, 700, 5000, 40_000, 200_000][self.below(6)];
        let start = self.below(251);
        (0..size).map(|i| ((i * 7 + start) % 251) as u8).collect()
    }

    fn remove(path: &Path) {
        if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            fs::remove_dir_all(path).expect("removed");
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(path).expect("removed");
        }
    }

    /// Makes something new; what stood there goes.
    fn create(&mut self, path: &Path) {
        Self::remove(path);
        match self.below(12) {
            0..=5 => {
                let contents = self.contents();
                fs::write(path, contents).expect("a file");
            }
            6 | 7 => {
                fs::create_dir(path).expect("a folder");
                for n in 0..self.below(4) {
                    let contents = self.contents();
                    fs::write(path.join(format!("in{n}")), contents).expect("a file");
                }
            }
            8 => symlink(format!("to {}", self.below(9)), path).expect("a link"),
            9 => nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o640)).expect("a fifo"),
            10 => {
                let file = File::create(path).expect("a file");
                file.set_len(3_000_000).expect("a length");
                let at = self.below(2_000_000) as u64;
                file.write_all_at(b"between holes", at).expect("data");
            }
            _ => {
                // A folder that was elsewhere for years.
                let old = self.outside.join(format!("old{}", self.made));
                self.made += 1;
                fs::create_dir_all(old.join("deep")).expect("a folder");
                for name in ["one", "deep/two"] {
                    let contents = self.contents();
                    fs::write(old.join(name), contents).expect("a file");
                }
                for name in ["one", "deep/two", "deep", "."] {
                    set_time(&old.join(name), 1_000_000_000 + self.below(1000) as i64);
                }
                fs::rename(&old, path).expect("moved in");
            }
        }
    }

    /// One change.
    pub fn change(&mut self) {
        let files = self.all(fs::Metadata::is_file);
        match self.below(16) {
            0..=4 => {
                let path = self.new_path();
                if !path.symlink_metadata().is_ok_and(|m| m.is_dir()) || self.below(3) == 0 {
                    self.create(&path);
                }
            }
            5 | 6 => {
                if let Some(path) = self.pick(&files) {
                    let contents = self.contents();
                    fs::write(path, contents).expect("written");
                }
            }
            7 => {
                // Other contents with the same size, and the same time set again.
                if let Some(path) = self.pick(&files) {
                    let meta = path.metadata().expect("metadata");
                    if meta.len() > 0 && meta.len() < 1_000_000 {
                        let byte = self.below(251) as u8;
                        let file = File::options().write(true).open(&path).expect("a file");
                        file.write_all_at(&[byte], self.below(meta.len() as usize) as u64).expect("data");
                        set_time_nsec(&path, meta.mtime(), meta.mtime_nsec());
                    }
                }
            }
            8 => {
                let all = self.all(|_| true);
                if let Some(path) = self.pick(&all) {
                    Self::remove(&path);
                }
            }
            9 | 10 => {
                let all = self.all(|_| true);
                if let Some(from) = self.pick(&all) {
                    let to = self.new_path();
                    if !to.starts_with(&from) && !from.starts_with(&to) {
                        Self::remove(&to);
                        fs::rename(&from, &to).expect("renamed");
                    }
                }
            }
            11 => {
                let all = self.all(|m| m.is_file() || m.is_dir());
                if let Some(path) = self.pick(&all) {
                    let mode = [0o644, 0o755, 0o700, 0o4711, 0o1750][self.below(5)];
                    // A sticky file is what an unfinished restore looks like, which a tree never holds.
                    let mode = if path.is_dir() { mode & 0o1777 | 0o700 } else { mode & 0o6777 };
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
                }
            }
            12 => {
                // A folder becomes a file, a file a folder, and so on.
                let all = self.all(|_| true);
                if let Some(path) = self.pick(&all) {
                    self.create(&path);
                }
            }
            13 | 14 => {
                if let Some(path) = self.pick(&files) {
                    let to = self.new_path();
                    if to.symlink_metadata().is_err() {
                        fs::hard_link(path, to).expect("a hard link");
                    }
                }
            }
            _ => {
                let all = self.all(|m| m.is_file() || m.is_dir());
                if let Some(path) = self.pick(&all) {
                    set_time(&path, 1_500_000_000 + self.below(1000) as i64);
                    // Not every file system has them; where there are none, none are compared.
                    let _ = xattr::set(&path, "user.n", self.below(3).to_string().as_bytes());
                }
            }
        }
    }
}

fn set_time(path: &Path, sec: i64) {
    set_time_nsec(path, sec, 0);
}

fn set_time_nsec(path: &Path, sec: i64, nsec: i64) {
    let t = TimeSpec::new(sec, nsec);
    utimensat(nix::fcntl::AT_FDCWD, path, &t, &t, UtimensatFlags::NoFollowSymlink).expect("a time");
}
