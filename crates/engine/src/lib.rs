//! Makes archives and reads them back. Synchronous; never prints; knows no catalogue.
//!
//! `doc/format.md` is normative for everything that is written here.

pub mod archive;
mod backup;
mod browse;
mod error;
mod observer;
mod parallel;
pub mod restore;
mod source;
pub mod store;
mod sys;
mod verify;

pub use backup::{BackupPlan, Receipt, backup};
pub use browse::{Change, ChangeKind, Listed, diff, list_folder};
pub use error::EngineError;
pub use observer::{Observer, Silent};
pub use restore::{Overwrite, RestorePlan, RestoreReport, restore};
pub use sys::raise_open_files;
pub use verify::{Verified, VerifyDepth, verify};
