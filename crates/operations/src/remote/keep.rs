//! Retention at destinations, each by its own rules.

use super::{away, key_of};
use crate::{App, OperationError};
use backup_catalogue::CopyState;
use backup_model::{
    ArchiveId, ArchiveRecord, Candidate, Decision, DestinationSettings, Keep, Schedule, StoreUrl, plan_retention,
};
use std::collections::{BTreeMap, HashSet};

/// What retention has removed from a destination, or would.
#[derive(Clone, Debug)]
pub struct PrunedThere {
    /// The destination.
    pub destination: String,
    /// The archives, newest first.
    pub archives: Vec<ArchiveRecord>,
}

/// Decides for archives of one schedule; each database has versions of its own.
pub(crate) fn decide(
    records: &[ArchiveRecord],
    keep: &Keep,
    zone: chrono_tz::Tz,
    now: chrono::DateTime<chrono::Utc>,
) -> Vec<Decision> {
    let mut groups: BTreeMap<Option<&Option<String>>, Vec<Candidate>> = BTreeMap::new();
    for r in records {
        groups.entry(r.manifest.database.as_ref().map(|d| &d.database)).or_default().push(Candidate {
            id: r.manifest.id,
            time: crate::upkeep::believed(&r.manifest, r.taken_in),
            good: r.verified.is_none_or(|(_, _, ok)| ok),
            pinned: r.pinned,
            parent: r.manifest.parent,
        });
    }
    groups.values().flat_map(|of| plan_retention(of, keep, zone, now)).collect()
}

impl App {
    /// Archives of a schedule that a destination does not have yet.
    pub(crate) async fn not_copied(&self, schedule: &Schedule) -> Result<HashSet<ArchiveId>, OperationError> {
        let wanted: HashSet<&str> = away(schedule).collect();
        let copies = self.catalogue().copies(Some(schedule.name.as_str())).await?;
        let waits = copies.into_iter().filter(|c| c.state == CopyState::Waiting && wanted.contains(c.destination.as_str()));
        Ok(waits.map(|c| c.archive).collect())
    }

    /// What the rules of a destination no longer keep of a schedule, newest first: what builds on others goes before
    /// them. Nothing goes while archives are still to get there.
    async fn going_there(
        &self,
        schedule: &Schedule,
        settings: &DestinationSettings,
    ) -> Result<Vec<ArchiveRecord>, OperationError> {
        let (name, destination) = (schedule.name.as_str(), settings.name.as_str());
        // Before all of a chain is there, what stands on it must not look as if it had lost its ground.
        let copies = self.catalogue().copies(Some(name)).await?;
        let waits = copies.iter().any(|c| c.destination == destination && c.state == CopyState::Waiting);
        // The receiver decides for itself.
        if waits || matches!(settings.place, StoreUrl::Receiver { .. }) {
            return Ok(Vec::new());
        }
        let there = self.catalogue().stored_in(destination, name).await?;
        let decisions = decide(&there, &settings.keep.unwrap_or(schedule.keep), schedule.timezone, self.now());
        let going: HashSet<ArchiveId> = decisions.into_iter().filter(|d| d.reasons.is_empty()).map(|d| d.id).collect();
        Ok(there.into_iter().filter(|r| going.contains(&r.manifest.id)).collect())
    }

    /// Forgets copies that the receiver has removed by its own rules.
    async fn hear_what_went(&self, name: &str, settings: &DestinationSettings) -> Result<(), OperationError> {
        let destination = settings.name.as_str();
        let objects = self.open_store(settings).await?.list(name).await?;
        let there: HashSet<&str> = objects.iter().map(|o| o.key.as_str()).collect();
        for record in self.catalogue().stored_in(destination, name).await? {
            if !there.contains(key_of(name, &record.manifest.archive.name).as_str()) {
                self.catalogue().forget_copy(record.manifest.id, destination).await?;
                tracing::info!("{destination} keeps {} no longer, by its own rules", record.manifest.archive.name);
            }
        }
        Ok(())
    }

    /// Removes from each destination of a schedule what its rules no longer keep, or only says what; nothing while
    /// retention of the schedule is frozen.
    ///
    /// # Errors
    /// There is no such schedule, or a destination cannot be reached.
    pub async fn prune_destinations(&self, name: &str, dry_run: bool) -> Result<Vec<PrunedThere>, OperationError> {
        let file = self.file();
        let Some(schedule) = file.schedule(name) else {
            return Err(OperationError::NotFound(format!("there is no schedule {name}; `backupctl list` shows all")));
        };
        if self.catalogue().schedule_states().await?.get(name).is_some_and(|s| s.frozen.is_some()) {
            return Ok(Vec::new());
        }
        let (mut out, mut failure) = (Vec::new(), None);
        for destination in away(schedule) {
            // One that cannot be reached does not keep retention from the others.
            match self.prune_destination(schedule, destination, dry_run).await {
                Ok(archives) => out.push(PrunedThere { destination: destination.to_owned(), archives }),
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        failure.map_or(Ok(out), Err)
    }

    async fn prune_destination(
        &self,
        schedule: &Schedule,
        destination: &str,
        dry_run: bool,
    ) -> Result<Vec<ArchiveRecord>, OperationError> {
        let settings = self.need_destination(destination)?;
        let going = self.going_there(schedule, &settings).await?;
        if dry_run {
            return Ok(going);
        }
        if matches!(settings.place, StoreUrl::Receiver { .. }) {
            self.hear_what_went(schedule.name.as_str(), &settings).await?;
        }
        if !going.is_empty() {
            let store = self.open_store(&settings).await?;
            for record in &going {
                self.catalogue().copy_going(record.manifest.id, destination, self.now()).await?;
                self.remove_copy(&*store, destination, record, 0).await?;
            }
        }
        Ok(going)
    }
}
