//! Retention at destinations, each by its own rules.

use super::away;
use crate::{App, OperationError};
use backup_catalogue::CopyState;
use backup_model::{ArchiveId, ArchiveRecord, Candidate, Decision, Keep, Schedule, plan_retention};
use std::collections::{BTreeMap, HashSet};

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

    /// Marks what the rules of each destination no longer keep, and removes it there.
    pub(crate) async fn prune_destinations(&self, schedule: &Schedule) -> Result<(), OperationError> {
        for destination in away(schedule) {
            let Ok(settings) = self.need_destination(destination) else { continue };
            let keep = settings.keep.unwrap_or(schedule.keep);
            // Before all of a chain is there, what stands on it must not look as if it had lost its ground.
            let copies = self.catalogue().copies(Some(schedule.name.as_str())).await?;
            if copies.iter().any(|c| c.destination == destination && c.state == CopyState::Waiting) {
                continue;
            }
            let there = self.catalogue().stored_in(destination, schedule.name.as_str()).await?;
            let decisions = decide(&there, &keep, schedule.timezone, self.now());
            let going: HashSet<ArchiveId> = decisions.into_iter().filter(|d| d.reasons.is_empty()).map(|d| d.id).collect();
            if going.is_empty() {
                continue;
            }
            let store = self.open_store(&settings).await?;
            if !store.capabilities().delete {
                continue;
            }
            // Newest first: what builds on others goes before them.
            for record in there.iter().filter(|r| going.contains(&r.manifest.id)) {
                self.catalogue().copy_going(record.manifest.id, destination, self.now()).await?;
                self.remove_copy(&*store, destination, record, 0).await?;
            }
        }
        Ok(())
    }
}
