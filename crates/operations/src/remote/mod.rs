//! Destinations: copies of archives away from the home, sent after each run, kept by rules of their own, read back.
//!
//! An archive is always made in the home first; its copies are sent from there, so the source is read once, however many
//! there are, and a destination that is away for a while gets them later.

mod entries;
mod fetch;
mod keep;
mod kit;
mod recover;
mod ship;

pub use entries::{DestinationState, DestinationWish};
pub(crate) use fetch::Want;
pub use fetch::{Elsewhere, Fetched};
pub use keep::PrunedThere;
pub(crate) use keep::decide;
pub use recover::{GivenStore, Recovered, recover};
pub(crate) use ship::Shipping;

use crate::{App, OperationError};
use backup_model::{DestinationSettings, LOCAL, Schedule};
use backup_stores::{Secrets, Store, StoreError};

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(text) => Self::NotFound(text),
            StoreError::Invalid(text) => Self::Invalid(text),
            StoreError::Exists(text) => Self::Conflict(text),
            StoreError::Cancelled => Self::Engine(backup_engine::EngineError::Cancelled),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The key of an archive, or of what lies beside it.
pub(crate) fn key_of(schedule: &str, name: &str) -> String {
    format!("{schedule}/{name}")
}

/// The destinations of a schedule beside the home.
pub(crate) fn away(schedule: &Schedule) -> impl Iterator<Item = &str> {
    schedule.destinations.iter().flatten().map(String::as_str).filter(|d| *d != LOCAL)
}

/// Whether a schedule's archives stay in the home for as long as its rules say.
pub(crate) fn stays_here(schedule: &Schedule) -> bool {
    schedule.destinations.as_ref().is_none_or(|list| list.iter().any(|d| d == LOCAL))
}

impl App {
    /// A destination of the file.
    pub(crate) fn need_destination(&self, name: &str) -> Result<DestinationSettings, OperationError> {
        self.file().destination(name).cloned().ok_or_else(|| {
            OperationError::NotFound(format!("there is no destination {name}; `backupctl destination list` shows all"))
        })
    }

    /// Opens a destination: its secrets are read now.
    pub(crate) async fn open_store(&self, settings: &DestinationSettings) -> Result<Box<dyn Store>, OperationError> {
        let root = self.need_home()?.root();
        let mut secrets = Secrets::default();
        for (source, slot) in [
            (&settings.access_key, &mut secrets.access_key),
            (&settings.secret_key, &mut secrets.secret_key),
            (&settings.password, &mut secrets.password),
            (&settings.token, &mut secrets.token),
            (&settings.read_token, &mut secrets.read_token),
        ] {
            if let Some(source) = source {
                *slot = Some(crate::secrets::read(source, root).await?);
            }
        }
        let mut settings = settings.clone();
        for path in [&mut settings.identity, &mut settings.known_hosts, &mut settings.ca].into_iter().flatten() {
            *path = root.join(&*path);
        }
        Ok(backup_stores::open(&settings, secrets)?)
    }
}
