//! What tests share. Only for `tests/` folders and test modules.

mod home;
mod tree;

pub use home::{Ran, TestHome};
pub use tree::{describe, make_tree, make_tree_as_root};
