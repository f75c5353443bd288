//! Who hears of progress and trouble.

use backup_model::{Note, NoteLevel, display_bytes};

/// Hears what the engine does, and can ask it to stop.
pub trait Observer: Send + Sync {
    /// Work went on: `files` and `bytes` of contents are done in all, `stored` bytes were written.
    fn progress(&self, files: u64, bytes: u64, stored: u64, current: &[u8]);
    /// The totals to expect became known, or better known.
    fn expect(&self, files: u64, bytes: u64);
    /// Something about one path has to be said.
    fn note(&self, note: Note);
    /// Whether the work shall stop now.
    fn cancelled(&self) -> bool;
}

/// Hears nothing and never stops.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&self, _: u64, _: u64, _: u64, _: &[u8]) {}
    fn expect(&self, _: u64, _: u64) {}
    fn note(&self, _: Note) {}
    fn cancelled(&self) -> bool {
        false
    }
}

pub(crate) fn note(level: NoteLevel, path: &[u8], text: impl ToString) -> Note {
    Note { level, path: display_bytes(path).to_string(), text: text.to_string() }
}

pub(crate) fn warning(path: &[u8], text: impl ToString) -> Note {
    note(NoteLevel::Warning, path, text)
}
