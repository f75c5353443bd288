//! Files as a source: the walk and what it leaves out.

mod exclude;
mod walk;

pub(crate) use exclude::Exclude;
pub(crate) use walk::{Found, Visit, Walk};
