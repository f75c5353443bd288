//! What a walk leaves out: patterns as in gitignore(5), anchored at each source, and those of files in
//! the folders themselves.

use crate::error::EngineError;
use crate::observer::{note, warning};
use crate::sys;
use backup_model::{FileSource, Note, NoteLevel, Preset, entry_path_of, is_beneath, nearest_common_sources};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No list of patterns in a folder is longer.
const MAX_IGNORE_FILE: u64 = 1 << 20;

fn matcher<'p>(root: &Path, patterns: impl Iterator<Item = &'p str>) -> Result<Option<Gitignore>, EngineError> {
    let mut builder = GitignoreBuilder::new(root);
    let mut any = false;
    for pattern in patterns {
        any = true;
        builder
            .add_line(None, pattern)
            .map_err(|e| EngineError::Pattern { pattern: pattern.to_owned(), reason: e.to_string() })?;
    }
    if !any {
        return Ok(None);
    }
    builder.build().map(Some).map_err(|e| EngineError::Pattern { pattern: String::new(), reason: e.to_string() })
}

/// What may be unreadable without being a warning: the patterns of `accept_unreadable`, anchored at each
/// source.
pub(crate) struct Accept(Vec<(Vec<u8>, Gitignore)>);

impl Accept {
    pub(crate) fn new(roots: &[PathBuf], patterns: &[String]) -> Result<Self, EngineError> {
        let mut list = Vec::new();
        for root in nearest_common_sources(roots) {
            if let Some(matcher) = matcher(&root, patterns.iter().map(String::as_str))? {
                list.push((entry_path_of(&root), matcher));
            }
        }
        Ok(Self(list))
    }

    /// What is said of something that could not be read: a warning, unless a rule says that it may be so.
    pub(crate) fn note(&self, path: &[u8], text: String) -> Note {
        if self.covers(path) {
            note(NoteLevel::Info, path, format!("{text} (accepted by accept_unreadable)"))
        } else {
            warning(path, text)
        }
    }

    /// Whether the path in the archive, or a folder above it, matches.
    fn covers(&self, path: &[u8]) -> bool {
        self.0.iter().filter(|(root, _)| is_beneath(path, root)).any(|(root, matcher)| {
            let start = if root == b"." { 0 } else { (root.len() + 1).min(path.len()) };
            let relative = Path::new(OsStr::from_bytes(&path[start..]));
            [false, true].into_iter().any(|folder| matcher.matched_path_or_any_parents(relative, folder).is_ignore())
        })
    }
}

/// Patterns for one source.
pub(crate) struct Exclude {
    matcher: Option<Gitignore>,
    /// Patterns of presets that begin with a slash mean the root of the file system.
    absolute: Option<Gitignore>,
    names: Vec<String>,
}

/// The patterns of the ignore files in a folder, and those of the folders above it.
#[derive(Clone, Default)]
pub(crate) struct Local(Option<Arc<LocalNode>>);

struct LocalNode {
    matcher: Gitignore,
    /// Length of the folder's path relative to the source.
    depth: usize,
    above: Local,
}

impl Exclude {
    pub(crate) fn new(root: &Path, source: &FileSource) -> Result<Self, EngineError> {
        let of_presets = |absolute: bool| {
            source.presets.iter().flat_map(|p: &Preset| p.patterns()).copied().filter(move |p| p.starts_with('/') == absolute)
        };
        // Those of the schedule come last, so that they can take back what a preset leaves out.
        let relative = of_presets(false).chain(source.exclude.iter().map(String::as_str));
        Ok(Self {
            matcher: matcher(root, relative)?,
            absolute: matcher(Path::new("/"), of_presets(true))?,
            names: source.ignore_files.clone(),
        })
    }

    /// Reads the ignore files of a folder; what is wrong in them is answered.
    pub(crate) fn enter(&self, dir: BorrowedFd<'_>, relative: &[u8], above: &Local) -> (Local, Vec<String>) {
        let mut wrong = Vec::new();
        let mut builder = GitignoreBuilder::new("");
        let mut any = false;
        for name in &self.names {
            let Ok(file) = sys::open_file_at(dir, name.as_bytes()) else { continue };
            let mut text = Vec::new();
            if let Err(e) = file.take(MAX_IGNORE_FILE).read_to_end(&mut text) {
                wrong.push(format!("{name} cannot be read, its patterns do not count: {e}"));
                continue;
            }
            for line in String::from_utf8_lossy(&text).lines() {
                any = true;
                if let Err(e) = builder.add_line(None, line) {
                    wrong.push(format!("the pattern {line:?} of {name} is wrong and does not count: {e}"));
                }
            }
        }
        if !any {
            return (above.clone(), wrong);
        }
        match builder.build() {
            Ok(matcher) => (Local(Some(Arc::new(LocalNode { matcher, depth: relative.len(), above: above.clone() }))), wrong),
            Err(e) => {
                wrong.push(format!("its patterns do not count: {e}"));
                (above.clone(), wrong)
            }
        }
    }

    /// Whether nothing can be left out by patterns here.
    pub(crate) fn is_empty(&self, local: &Local) -> bool {
        self.matcher.is_none() && self.absolute.is_none() && local.0.is_none()
    }

    /// Whether the entry at this path is left out, and with it all beneath. `relative` is its path in the
    /// source, `path` that in the archive. The nearest list that says something about it decides.
    pub(crate) fn leaves_out(&self, relative: &[u8], path: &[u8], is_folder: bool, local: &Local) -> bool {
        let as_path = |bytes| Path::new(OsStr::from_bytes(bytes));
        let mut list = &local.0;
        while let Some(node) = list {
            let start = if node.depth == 0 { 0 } else { node.depth + 1 };
            match node.matcher.matched(as_path(&relative[start..]), is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => list = &node.above.0,
            }
        }
        match self.matcher.as_ref().map_or(Match::None, |m| m.matched(as_path(relative), is_folder)) {
            Match::Ignore(_) => true,
            Match::Whitelist(_) => false,
            Match::None => self.absolute.as_ref().is_some_and(|m| m.matched(as_path(path), is_folder).is_ignore()),
        }
    }
}
