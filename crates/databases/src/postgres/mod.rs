//! PostgreSQL.

mod dump;
mod load;
mod server;

pub(crate) use dump::{dump, dump_roles};
pub(crate) use load::restore;
pub(crate) use server::{databases, test};
