//! The HTTP API: turns requests into operations and errors into problems; nothing else.

mod api;
mod auth;
mod download;
mod extract;
mod numbered;
mod page;
mod predecessors;
mod problem;
mod receiver;
mod socket;
mod tcp;

pub use api::{openapi, router};
pub use backup_operations as operations;
pub use socket::{Peer, local, serve_socket};
pub use tcp::{serve_receiver, serve_tcp};
