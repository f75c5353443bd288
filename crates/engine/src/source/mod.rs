//! Files as a source: the walk and what it leaves out.

mod ahead;
mod exclude;
mod names;
mod walk;

pub(crate) use exclude::{Accept, Exclude, Local};
pub(crate) use walk::{Found, Visit, Walk, gone};
