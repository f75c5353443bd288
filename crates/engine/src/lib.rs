//! Makes archives and reads them back. Synchronous; never prints; knows no catalogue.
//!
//! `doc/format.md` is normative for everything that is written here.

pub mod archive;
mod backup;
mod browse;
mod drill;
mod error;
mod find;
mod gather;
mod observer;
mod parallel;
mod parts;
mod rebuild;
mod recognise;
pub mod restore;
mod seal;
mod source;
pub mod store;
mod stream;
mod sys;
mod throttle;
mod verify;

pub use backup::{BackupPlan, BaseArchive, Receipt, Seal, backup};
pub use browse::{Change, ChangeKind, Listed, diff, list_folder};
pub use drill::{DrillPlan, DrillReport, drill};
pub use error::EngineError;
pub use find::{FoundVersion, Needle, Versions, can_look, find};
pub use gather::{ConsolidatePlan, as_tar, cat, consolidate};
pub use observer::{Observer, Silent};
pub use parts::{Part, builds_on, parts};
pub use rebuild::{Rebuilt, rebuild};
pub use recognise::{recognise, recognise_beside};
pub use restore::{Overwrite, Owners, RestorePlan, RestoreReport, Selection, restore};
pub use seal::{Access, KeyFiles, Keys, Recipients, SEALED_SUFFIX, describe_key, is_sealed, new_key, open_archive};
pub use source::{CopyFile, LiveDatabases};
pub use stream::{StreamArchive, StreamPlan, StreamReader, is_stream};
pub use sys::Time;
pub use sys::{lower_priority, raise_open_files, release_start};
pub use throttle::Throttle;
pub use verify::{Verified, VerifyDepth, verify};
