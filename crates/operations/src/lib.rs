//! What can be done: run, restore, verify, prune, reconcile. The only room that knows the schedules
//! file, the engine and the catalogue together. Nothing here knows HTTP.

mod access;
mod alerts;
mod app;
mod backup;
mod checks;
mod clock;
mod databases;
mod edits;
mod error;
mod hooks;
mod kinds;
mod live;
mod locks;
mod look;
mod maintenance;
mod metrics;
mod planner;
mod predecessors;
mod prune;
mod receiver;
mod reconcile;
mod remote;
mod request;
mod resolve;
mod runner;
mod samples;
mod secrets;
mod status;
mod templates;
mod totp;
mod upkeep;
mod work;

pub use access::{Caller, MIN_PASSWORD, NewSecret, Refused};
pub use alerts::{NotifierState, NotifierWish};
pub use app::{App, Door, Mode};
pub use backup_stores::{self as stores, Meter, ReceiverClient, Secrets, StoreError, Upload};
pub use checks::{DrillWish, ScrubWish};
pub use clock::{Clock, ManualClock, SystemClock};
pub use databases::{DatabaseEntry, DatabaseWish};
pub use edits::Settings;
pub use error::OperationError;
pub use live::Snapshot;
pub use locks::{HomeLock, PidLock, lock_holder};
pub use look::{Contents, FolderEntry, LogFilter, LogLine};
pub use maintenance::{Cleaned, Finding, Level, RebuildWish, Rescued};
pub use metrics::Metric;
pub use predecessors::{Configuration, copy_name, frequency_of};
pub use prune::{Outlook, PrunePlan, outlook};
pub use receiver::{Incoming, OPEN_MACHINE, Part, Place, ReceiveError, Received, Receiver, Resumable, Stored};
pub use remote::{DestinationState, DestinationWish, Elsewhere, Fetched, GivenStore, PrunedThere, Recovered, recover};
pub use request::{Report, RestoreWish, VerifyWish};
pub use resolve::{Opened, Resolved, split_version};
pub use secrets::{GivenKeys, GivenSecret, secret_file};
pub use status::{ConfigStatus, NextRun, Status};
pub use templates::TEMPLATES;
pub use upkeep::Found;

pub use backup_catalogue as catalogue;
pub use backup_config::{self as config, Home};
pub use backup_engine::archive::{Entry, EntryKind};
pub use backup_engine::{
    Access, Change, EngineError, FoundVersion, KeyFiles, Keys, Listed, Needle, Recipients, Selection, Silent, as_tar, cat,
    describe_key, diff, list_folder, new_key, open_archive, raise_open_files, release_start,
};

/// The program's version, as sidecars and `--version` show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
