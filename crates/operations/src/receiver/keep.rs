//! What the receiver keeps, by its own rules and its own clock.

use super::{INDEX_SUFFIX, RECORD_SUFFIX, Received, ReceivedType, Receiver, SIDECAR_SUFFIX, list};
use backup_model::{ArchiveId, Candidate, Form, Name, plan_retention};
use chrono::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// For so long the archive that another one builds on may come after it.
const LATE: Duration = Duration::days(30);

/// Whether all that an archive builds on is there.
fn has_its_ground(of: &Candidate, all: &[Candidate]) -> bool {
    let (mut parent, mut steps) = (of.parent, 0);
    while let Some(id) = parent {
        steps += 1;
        match all.iter().find(|c| c.id == id) {
            Some(found) if steps <= all.len() => parent = found.parent,
            _ => return false,
        }
    }
    true
}

fn beside(archive: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Receiver {
    pub(super) fn apply_keep_everywhere(&self) {
        let mut done = std::collections::BTreeSet::new();
        for kind in ReceivedType::ALL {
            for (machine, _) in list(&self.root.join(kind.as_str())) {
                let Ok(machine) = Name::new(&machine) else { continue };
                for (_, profile) in self.profiles(&machine) {
                    if done.insert((machine.clone(), profile.clone())) {
                        self.apply_keep(&machine, &profile);
                    }
                }
            }
        }
    }

    /// Removes what the rules of a profile no longer keep.
    pub(super) fn apply_keep(&self, machine: &Name, profile: &Name) {
        let keep = self.settings.profiles.get(profile.as_str()).unwrap_or(&self.settings.keep);
        if keep.is_empty() {
            return;
        }
        let archives = match self.archives(machine, None) {
            Ok(list) => list.into_iter().filter(|r| r.place.profile == *profile),
            Err(e) => return tracing::error!("retention of {machine}/{profile} at the receiver failed: {e}"),
        };
        // A dump of several databases comes as several archives, each with versions of its own.
        let mut groups: BTreeMap<Option<String>, Vec<Received>> = BTreeMap::new();
        for archive in archives {
            groups.entry(Form::database_of_file_name(&archive.place.name)).or_default().push(archive);
        }
        for mut group in groups.into_values() {
            group.sort_by(|a, b| (a.received, &a.place.name).cmp(&(b.received, &b.place.name)));
            let candidates = self.candidates(&group);
            let gone: Vec<ArchiveId> = plan_retention(&candidates, keep, self.app.zone(), self.app.now())
                .into_iter()
                .filter(|d| d.reasons.is_empty())
                .map(|d| d.id)
                .collect();
            let now = self.app.now();
            // What builds on others goes before them.
            for (archive, candidate) in group.iter().zip(&candidates).rev() {
                // What it builds on may still be on its way: archives do not always come in their order.
                let waits = now - archive.received < LATE && !has_its_ground(candidate, &candidates);
                if gone.contains(&candidate.id) && !waits {
                    self.remove(archive);
                }
            }
        }
    }

    /// Archives in the order in which they came. Which one an increment builds on is told by its sidecar; where that
    /// did not come, everything back to the full one before it is needed.
    fn candidates(&self, group: &[Received]) -> Vec<Candidate> {
        let manifests: Vec<_> =
            group.iter().map(|r| backup_engine::store::read_manifest(&r.place.path(&self.root)).ok().flatten()).collect();
        let made_up = |r: &Received| {
            let digits = r.sha256.get(..32).and_then(|d| u128::from_str_radix(d, 16).ok()).unwrap_or_default();
            // The same bytes may lie here under two names.
            let name = r.place.name.bytes().fold(0u128, |sum, b| sum.wrapping_mul(31).wrapping_add(u128::from(b)));
            ArchiveId(uuid::Uuid::from_u128(digits ^ name))
        };
        let ids: Vec<ArchiveId> =
            group.iter().zip(&manifests).map(|(r, m)| m.as_ref().map_or_else(|| made_up(r), |m| m.id)).collect();
        let mut out: Vec<Candidate> = Vec::new();
        for (i, archive) in group.iter().enumerate() {
            let told = manifests[i].as_ref().and_then(|m| m.parent);
            let before = || match archive.place.kind {
                ReceivedType::Full => None,
                ReceivedType::Incremental => i.checked_sub(1).map(|p| ids[p]),
                ReceivedType::Differential => (0..i).rev().find(|p| group[*p].place.kind == ReceivedType::Full).map(|p| ids[p]),
            };
            out.push(Candidate {
                id: ids[i],
                time: archive.received,
                good: true,
                pinned: false,
                parent: if manifests[i].is_some() { told } else { before() },
            });
        }
        out
    }

    fn remove(&self, archive: &Received) {
        let path = archive.place.path(&self.root);
        for suffix in [SIDECAR_SUFFIX, INDEX_SUFFIX, "", RECORD_SUFFIX] {
            let file = beside(&path, suffix);
            match fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return tracing::error!("cannot remove {}: {e}", file.display());
                }
                _ => {}
            }
        }
        self.recount(&archive.place.machine);
        tracing::info!("retention at the receiver removed {} of {}", archive.place.name, archive.place.machine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_its_base_has_no_ground_yet() {
        let id = |n: u128| ArchiveId(uuid::Uuid::from_u128(n));
        let archive = |n: u128, parent: Option<u128>| Candidate {
            id: id(n),
            time: chrono::DateTime::default(),
            good: true,
            pinned: false,
            parent: parent.map(id),
        };
        let all = [archive(1, None), archive(2, Some(1)), archive(4, Some(3)), archive(5, Some(4)), archive(6, Some(6))];
        let found: Vec<bool> = all.iter().map(|c| has_its_ground(c, &all)).collect();
        assert_eq!(found, [true, true, false, false, false]);
    }
}
