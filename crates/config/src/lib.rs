//! The home folder and its `schedules.toml`: found, read, checked, edited in place; log files.

mod check;
mod daemon;
mod databases;
mod edit;
mod home;
mod keys;
pub mod logs;
mod notifiers;
mod oneline;
mod policy;
mod remote;
mod settings;

pub use check::{FileError, parse, parse_daemon};
pub use edit::{EditError, Editor, Merged, NewSchedule, SAMPLE, Section, SettingValue, Settings, version_of};
pub use home::{Home, HomeError, local_zone};
pub use oneline::{OneLine, OneLineError};
pub use settings::{DaemonSettings, File, LogFormat, LogSettings, PredecessorSettings, ReceiverSettings, TlsFiles, WebSettings};
pub use toml_edit::{InlineTable, Value};
