//! Destinations as entries of the file, and their tests.

use super::away;
use crate::secrets::{Entry, GivenSecret};
use crate::{App, OperationError};
use backup_catalogue::DestinationCounts;
use backup_config::Section;
use backup_model::{DestinationSettings, Step, Steps, StoreUrl};

/// A tar archive of nothing, packed by gzip: what tests of destinations write. Every store takes it, the receiver too.
const NOTHING: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00, 0x00, 0xc2, 0xa0, 0xf7, 0x4f,
    0x6d, 0x0e, 0x37, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x37, 0x03, 0x9a, 0xde, 0x1d, 0x27, 0x00,
    0x28, 0x00, 0x00,
];

/// A destination to add, or what is to change of one.
pub struct DestinationWish {
    /// Its name.
    pub name: String,
    /// Where it lies; one that is added needs it.
    pub url: Option<String>,
    /// Secrets by the names of their keys: `access_key`, `secret_key`, `password`, `token`, `read_token`.
    pub secrets: Vec<(&'static str, GivenSecret)>,
    /// Files by the names of their keys: `identity`, `known_hosts`, `ca`.
    pub files: Vec<(&'static str, String)>,
    /// Bytes each second at most, as the file writes it.
    pub limit: Option<String>,
    /// S3: days for which nothing can be removed.
    pub lock_days: Option<u32>,
    /// Keys to take away.
    pub unset: Vec<String>,
}

/// The keys that hold secrets.
const SECRETS: [&str; 5] = ["access_key", "secret_key", "password", "token", "read_token"];

/// The keys that may be missing.
const OPTIONAL: [&str; 10] =
    ["access_key", "secret_key", "password", "token", "read_token", "identity", "known_hosts", "ca", "limit", "lock_days"];

/// How a destination stands.
pub struct DestinationState {
    /// Its settings.
    pub settings: DestinationSettings,
    /// What is there, and what waits.
    pub counts: DestinationCounts,
    /// The schedules that send to it.
    pub schedules: Vec<String>,
}

fn secret_name(destination: &str, key: &str) -> String {
    format!("destination-{destination}-{key}")
}

fn url(text: &str) -> Result<StoreUrl, OperationError> {
    text.parse().map_err(|e: backup_model::StoreUrlError| OperationError::Invalid(e.to_string()))
}

fn entry(wish: DestinationWish) -> Result<Entry, OperationError> {
    let mut entry = Entry::default();
    entry.set("url", wish.url);
    for (key, given) in wish.secrets {
        entry.secret(key, secret_name(&wish.name, key), Some(given));
    }
    for (key, path) in wish.files {
        entry.set(key, Some(path));
    }
    entry.set("limit", wish.limit);
    entry.set("lock_days", wish.lock_days.map(i64::from));
    entry.unset(&wish.unset, &OPTIONAL, |key| SECRETS.contains(&key).then(|| secret_name(&wish.name, key)))?;
    Ok(entry)
}

impl App {
    /// All destinations, with what is there.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn destinations(&self) -> Result<Vec<DestinationState>, OperationError> {
        let file = self.file();
        let mut out = Vec::new();
        for settings in &file.destinations {
            let name = settings.name.as_str();
            let counts = self.catalogue().destination_counts(name).await?;
            let of = file.schedules.iter().filter(|s| away(s).any(|d| d == name));
            out.push(DestinationState {
                settings: settings.clone(),
                counts,
                schedules: of.map(|s| s.name.to_string()).collect(),
            });
        }
        Ok(out)
    }

    /// Where a destination of the file lies.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn destination_place(&self, name: &str) -> Result<StoreUrl, OperationError> {
        Ok(self.need_destination(name)?.place)
    }

    /// Adds a destination to the file.
    ///
    /// # Errors
    /// The name is taken or wrong, or a value is wrong. The file is then unchanged.
    pub fn add_destination(&self, new: DestinationWish) -> Result<(), OperationError> {
        let _: StoreUrl = url(new.url.as_deref().unwrap_or_default())?;
        let name = new.name.clone();
        self.add_entry(Section::Destinations, &name, entry(new)?)
    }

    /// Changes what is given of a destination of the file and takes away what is to be unset; the rest stays. What lies there is not moved.
    ///
    /// # Errors
    /// There is none of this name, or a value is wrong. The file is then unchanged.
    pub fn change_destination(&self, change: DestinationWish) -> Result<(), OperationError> {
        change.url.as_deref().map(url).transpose()?;
        let name = change.name.clone();
        self.change_entry(Section::Destinations, &name, entry(change)?)
    }

    /// Removes a destination from the file, with the secrets that were kept here for it. What lies there stays.
    ///
    /// # Errors
    /// There is none, or a schedule names it.
    pub fn delete_destination(&self, name: &str) -> Result<(), OperationError> {
        let file = self.valid_file()?;
        if let Some(schedule) = file.schedules.iter().find(|s| away(s).any(|d| d == name)) {
            return Err(OperationError::Conflict(format!("the schedule {} sends to {name}; change it first", schedule.name)));
        }
        self.editor()?.delete_entry(Section::Destinations, name)?;
        self.forget_destination_secrets(name)?;
        self.edited(&format!("deleted the destination {name}"));
        Ok(())
    }

    /// Removes the secrets that were kept here for a destination.
    pub(super) fn forget_destination_secrets(&self, name: &str) -> Result<(), OperationError> {
        SECRETS.iter().try_for_each(|key| self.forget_secret(&secret_name(name, key)))
    }

    /// Writes, lists, reads and removes an object, step by step.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn test_destination(&self, name: &str) -> Result<Vec<Step>, OperationError> {
        let mut steps = Steps::start();
        let settings = self.need_destination(name)?;
        let store = match self.open_store(&settings).await {
            Ok(store) => store,
            Err(e) => {
                steps.wrong("settings", e.to_string());
                return Ok(steps.into_list());
            }
        };
        steps.ok("settings", settings.place.to_string());
        let key = format!("destination-test/full_{}.tar.gz", self.now().format("%Y-%m-%d_%H-%M-%S"));
        let scratch = self.need_home()?.state().join("uploads");
        std::fs::create_dir_all(&scratch)
            .map_err(|e| OperationError::Failed(format!("cannot make {}: {e}", scratch.display())))?;
        backup_stores::test(&*store, &key, NOTHING, &scratch, &mut steps).await;
        Ok(steps.into_list())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_an_archive() {
        use std::io::Write;
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(super::NOTHING).expect("written");
        std::io::Seek::rewind(&mut file).expect("rewound");
        backup_engine::recognise("x.tar.gz", file).expect("an archive");
    }
}
