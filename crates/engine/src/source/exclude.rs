//! What a walk leaves out: patterns as in gitignore(5), anchored at each source.

use crate::error::EngineError;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns for one source.
pub(crate) struct Exclude {
    matcher: Option<Gitignore>,
}

impl Exclude {
    pub(crate) fn new(root: &Path, patterns: &[String]) -> Result<Self, EngineError> {
        if patterns.is_empty() {
            return Ok(Self { matcher: None });
        }
        let mut builder = GitignoreBuilder::new(root);
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|e| EngineError::Pattern { pattern: pattern.clone(), reason: e.to_string() })?;
        }
        let matcher = builder.build().map_err(|e| EngineError::Pattern { pattern: String::new(), reason: e.to_string() })?;
        Ok(Self { matcher: Some(matcher) })
    }

    /// Whether the entry at this path (relative to the source) is left out, and with it all beneath.
    pub(crate) fn leaves_out(&self, relative: &[u8], is_folder: bool) -> bool {
        self.matcher.as_ref().is_some_and(|m| m.matched(Path::new(OsStr::from_bytes(relative)), is_folder).is_ignore())
    }
}
