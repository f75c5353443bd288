//! The HTTP API: turns requests into operations and errors into problems; nothing else.

mod api;
mod extract;
mod problem;
mod socket;

pub use api::{openapi, router};
pub use backup_operations as operations;
pub use socket::{Peer, serve_socket};
