//! Files as a source: the walk and what it leaves out.

mod ahead;
mod exclude;
mod live;
mod names;
mod walk;

pub(crate) use exclude::{Accept, Exclude, Local};
pub use live::{CopyFile, LiveDatabases};
pub(crate) use live::{is_beside, not_copied};
pub(crate) use walk::{Found, Visit, Walk, gone};
