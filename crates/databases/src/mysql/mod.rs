//! MySQL and MariaDB.

mod dump;
mod load;
mod server;

pub(crate) use dump::{dump, dump_users};
pub(crate) use load::restore;
pub(crate) use server::{databases, test};
