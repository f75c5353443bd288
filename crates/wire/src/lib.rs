//! What the HTTP API sends and takes, with its OpenAPI descriptions. Made from the words of
//! `backup-model`; used by server and client only.

mod access;
mod archives;
mod checks;
mod databases;
mod destinations;
mod maintenance;
mod notifiers;
mod problem;
mod requests;
mod runs;
mod schedules;
mod setup;
mod system;

pub use access::{
    AuditCheckView, AuditView, ChangePassword, NewToken, NewUser, NewUserPassword, SecondFactor, SecondFactorView, SecretView,
    SessionView, SetUp, SignIn, TokenView, UserView,
};
pub use archives::{ArchiveView, ChangeView, DatabaseFactsView, EntryView, VerifiedView};
pub use checks::{
    AlertView, DrillRequest, DrillView, FindView, FoundView, ProvenView, RebuildRequest, ScrubRequest, UnreadView, VersionView,
};
pub use databases::{DatabaseRestoreRequest, DatabaseView, NewDatabase, TestStep};
pub use destinations::{CopyView, DestinationView, NewDestinationRequest};
pub use maintenance::{CheckView, CleanedView, CleanupRequest, FindingView, FixRequest, RescueRequest, RescuedView};
pub use notifiers::{NewNotifierRequest, NotifierView};
pub use problem::Problem;
pub use requests::{
    CreateSchedule, DuplicateSchedule, PruneRequest, ReportRequest, RestoreRequest, RunRequest, StopRequest, VerifyRequest,
};
pub use runs::{NoteView, ProgressView, RunEvent, RunView};
pub use schedules::{KeepView, LastRunView, OutlookView, PreviewView, ScheduleView};
pub use setup::{ApplyRequest, ImportRequest, ImportedView, SampleRequest, TemplateView};
pub use system::{
    DayStateView, DayView, FolderEntryView, GroupView, LogLineView, PruneView, PrunedThereView, PrunedView, StatsView,
    StatusView, TrendView,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are in all, exactly.
    pub total: u64,
    /// Offset of the next page, or null at the end.
    pub next: Option<u64>,
}

impl<T> Page<T> {
    /// A page that began at an offset.
    #[must_use]
    pub fn new(items: Vec<T>, total: u64, offset: u64) -> Self {
        let end = offset + items.len() as u64;
        let next = (end < total && !items.is_empty()).then_some(end);
        Self { items, total, next }
    }
}

/// Shows bytes as text, and as base64 beside it where they are not UTF-8.
#[must_use]
pub fn text_and_b64(bytes: &[u8]) -> (String, Option<String>) {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(base64::engine::general_purpose::STANDARD.encode(bytes))),
    }
}

/// The bytes that a text and its base64 mean: the base64 wins.
///
/// # Errors
/// The base64 is not valid.
pub fn bytes_of(text: &str, b64: Option<&str>) -> Result<Vec<u8>, String> {
    use base64::Engine;
    match b64 {
        Some(b64) => base64::engine::general_purpose::STANDARD.decode(b64).map_err(|e| format!("{b64:?} is no base64: {e}")),
        None => Ok(text.as_bytes().to_vec()),
    }
}
