//! What of an archive is asked for, and whose it shall be.

use crate::archive::EntryHeader;
use crate::error::EngineError;
use backup_model::is_beneath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use nix::unistd::{Group, User};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A part of an archive: paths with all beneath them, of that what any pattern matches.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub(crate) paths: Vec<Vec<u8>>,
    patterns: Option<Gitignore>,
}

impl Selection {
    /// From paths in the archive (none means all) and patterns as in gitignore(5) (none means all).
    ///
    /// # Errors
    /// A pattern is wrong.
    pub fn new(paths: &[Vec<u8>], patterns: &[String]) -> Result<Self, EngineError> {
        let mut builder = GitignoreBuilder::new("/");
        let wrong = |pattern: &str, e: ignore::Error| EngineError::Pattern { pattern: pattern.to_owned(), reason: e.to_string() };
        for pattern in patterns {
            builder.add_line(None, pattern).map_err(|e| wrong(pattern, e))?;
        }
        let matcher = builder.build().map_err(|e| wrong("", e))?;
        Ok(Self { paths: paths.to_vec(), patterns: (!patterns.is_empty()).then_some(matcher) })
    }

    /// Whether nothing narrows it.
    pub(crate) fn is_everything(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_none()
    }

    /// Whether it holds a path, itself or with a folder above it.
    pub(crate) fn takes(&self, path: &[u8]) -> bool {
        (self.paths.is_empty() || self.paths.iter().any(|p| is_beneath(path, p))) && self.matches(path)
    }

    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        self.patterns
            .as_ref()
            .is_none_or(|m| [false, true].into_iter().any(|folder| m.matched_path_or_any_parents(path, folder).is_ignore()))
    }
}

/// Whose the restored files shall be, for restores by root.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// Owners by the names that the archive holds, where this machine knows them, instead of by numbers.
    pub by_name: bool,
    /// Other owners for some: from a number to a number.
    pub users: HashMap<u32, u32>,
    /// Other groups for some.
    pub groups: HashMap<u32, u32>,
    /// Everybody else's become these: owner and group.
    pub all: Option<(u32, u32)>,
}

impl Owners {
    pub(super) fn is_plain(&self) -> bool {
        !self.by_name && self.users.is_empty() && self.groups.is_empty() && self.all.is_none()
    }

    /// Gives an entry the owner it shall have.
    pub(super) fn apply(&self, header: &mut EntryHeader) {
        let user = self.users.get(&header.uid).copied().or(self.all.map(|a| a.0)).or_else(|| {
            let name = header.user.as_deref().filter(|_| self.by_name)?;
            User::from_name(name).ok().flatten().map(|u| u.uid.as_raw())
        });
        let group = self.groups.get(&header.gid).copied().or(self.all.map(|a| a.1)).or_else(|| {
            let name = header.group.as_deref().filter(|_| self.by_name)?;
            Group::from_name(name).ok().flatten().map(|g| g.gid.as_raw())
        });
        header.uid = user.unwrap_or(header.uid);
        header.gid = group.unwrap_or(header.gid);
    }
}
