//! What tests share. Only for `tests/` folders and test modules.

mod tree;

pub use tree::{describe, make_tree, make_tree_as_root};
