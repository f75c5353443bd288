//! Looking after a home: what is wrong with it, what can be mended, what is left behind and may go.

mod check;
mod cleanup;
mod fix;
mod rescue;

pub(crate) use check::is_nearly_full;
pub use check::{Finding, Level};
pub use cleanup::Cleaned;
pub use rescue::{RebuildWish, Rescued};
