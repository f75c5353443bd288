//! Paths as bytes: names of files are any bytes but `/` and NUL.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path as it stands in an archive: raw bytes, without a leading slash.
pub type BytesPath = Vec<u8>;

/// Shows raw bytes on a terminal or in a log: control characters and bytes that are not UTF-8 are
/// escaped, so that a hostile name can neither move the cursor nor forge a line.
#[must_use]
pub fn display_bytes(bytes: &[u8]) -> impl fmt::Display {
    struct Shown(Vec<u8>);
    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for chunk in self.0.utf8_chunks() {
                for c in chunk.valid().chars() {
                    // Bidirectional controls could show a name in another order than it has.
                    if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                    {
                        write!(f, "{}", c.escape_unicode())?;
                    } else {
                        fmt::Write::write_char(f, c)?;
                    }
                }
                for byte in chunk.invalid() {
                    write!(f, "\\x{byte:02x}")?;
                }
            }
            Ok(())
        }
    }
    Shown(bytes.to_vec())
}

/// The path that an entry of the archive carries for an absolute path of the source: the same
/// without its leading slash (as GNU tar, restic and borg do). The root itself is `.`.
#[must_use]
pub fn entry_path_of(absolute: &Path) -> BytesPath {
    let bytes = absolute.as_os_str().as_bytes();
    let mut parts: Vec<&[u8]> = bytes.split(|b| *b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
    if parts.is_empty() {
        parts.push(b".");
    }
    parts.join(&b'/')
}

/// Whether `path` is `folder` or lies beneath it; an empty folder is the root of everything.
#[must_use]
pub fn is_beneath(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty()
        || folder == b"."
        || path == folder
        || (path.len() > folder.len() && path.starts_with(folder) && path[folder.len()] == b'/')
}

/// Sorts sources component by component and drops those that lie beneath another.
#[must_use]
pub fn nearest_common_sources(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut sorted: Vec<&PathBuf> = paths.iter().collect();
    sorted.sort_by(|a, b| {
        let parts = |p: &Path| p.components().map(|c| c.as_os_str().as_bytes().to_vec()).collect::<Vec<_>>();
        parts(a).cmp(&parts(b))
    });
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in sorted {
        if !kept.last().is_some_and(|last| path.starts_with(last)) {
            kept.push(path.clone());
        }
    }
    kept
}

/// Whether a text can be the beginning of an id: 8 or more characters of a UUID.
#[must_use]
pub fn unique_prefix_ok(text: &str) -> bool {
    (8..=36).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hostile_names() {
        assert_eq!(display_bytes(b"a\x1b[31m\n\xff").to_string(), "a\\u{1b}[31m\\u{a}\\xff");
        assert_eq!(display_bytes("é".as_bytes()).to_string(), "é");
    }

    #[test]
    fn sources_do_not_collide() {
        let of = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(nearest_common_sources(&of(&["/b", "/a/c", "/a", "/a.d", "/b"])), of(&["/a", "/a.d", "/b"]));
        assert_eq!(entry_path_of(Path::new("/home//x/")), b"home/x");
        assert_eq!(entry_path_of(Path::new("/")), b".");
        assert!(is_beneath(b"a/b", b"a") && !is_beneath(b"ab", b"a") && is_beneath(b"a", b""));
    }
}
