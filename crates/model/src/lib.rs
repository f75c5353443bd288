//! The words of the product: schedules, triggers, runs, archives, retention.
//!
//! Everything here is pure: no input or output, no clock. Times come in as arguments.

mod access;
mod archive;
mod cron_expr;
mod database;
mod measure;
mod name;
mod notifier;
mod path;
mod policy;
mod remote;
mod retention;
mod run;
mod schedule;
mod steps;
mod trigger;

pub use access::{AuditEntry, Role, Scope};
pub use archive::{
    ArchiveFile, ArchiveId, ArchiveRecord, Changed, Compression, Encryption, IndexFile, Kind, MANIFEST_VERSION, Manifest, Note,
    NoteLevel,
};
pub use cron_expr::{CronError, CronExpr};
pub use database::{
    Content, DATABASE_URL_HELP, DatabaseEngine, DatabaseFacts, DatabaseSettings, DatabaseUrl, Databases, Form, ROLES, Tls,
    encoded_name,
};
pub use measure::{MeasureError, format_duration, format_rate, format_size, parse_duration, parse_size};
pub use name::{Name, NameError};
pub use notifier::{
    Condition, EmailSettings, Language, NotifierSettings, SmtpServer, SmtpTls, Way, WebhookForm, WebhookSettings, WebhookUrl,
};
pub use path::{BytesPath, display_bytes, entry_path_of, is_beneath, nearest_common_sources, unique_prefix_ok};
pub use policy::{Encrypt, Hooks, IoNice, Priority, RateLimit, Scrub, SecretSource, rhythm};
pub use remote::{DestinationSettings, LOCAL, ReceivedType, StoreUrl, StoreUrlError};
pub use retention::{Candidate, Decision, Keep, Reason, plan as plan_retention};
pub use run::{Alert, AlertKind, Cause, Operation, ParseWordError, Progress, Run, RunCounts, RunId, RunStatus, StatusGroup};
pub use schedule::{
    DATABASE_COMPRESSION, DEFAULT_COMPRESSION, DEFAULT_FULL_EVERY, Detect, FileSource, FullEvery, KindPolicy, Preset, Schedule,
};
pub use steps::{Step, Steps};
pub use trigger::{Every, Trigger, TriggerError, local_day_start, to_instant};
