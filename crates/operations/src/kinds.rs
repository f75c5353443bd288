//! Which kind of archive a run makes, and what it builds on.

use backup_model::{ArchiveId, ArchiveRecord, FullEvery, Kind, Schedule};
use chrono::{DateTime, Datelike, Utc};
use std::collections::BTreeMap;

/// What a run shall make.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// The archive that an increment builds on; none for a full archive.
    pub(crate) base: Option<ArchiveRecord>,
    /// Differential or incremental, if it has a base.
    pub(crate) kind: Option<Kind>,
    /// Why it is full although increments were asked for.
    pub(crate) because: Option<String>,
    /// The full archive that is due shall be put together from the chain.
    pub(crate) consolidate: bool,
}

impl Choice {
    fn full(because: impl Into<Option<String>>) -> Self {
        Self { because: because.into(), ..Self::default() }
    }
}

/// Chooses for a schedule, whose archives come newest first. `asked` is a kind that somebody asked for now;
/// then the rhythm of full archives does not matter.
pub(crate) fn choose(schedule: &Schedule, archives: &[ArchiveRecord], asked: Option<Kind>, now: DateTime<Utc>) -> Choice {
    let policy = &schedule.kinds;
    let kind = asked.unwrap_or(policy.kind);
    if kind == Kind::Full {
        return Choice::full(None);
    }
    let by_id: BTreeMap<ArchiveId, &ArchiveRecord> = archives.iter().map(|a| (a.manifest.id, a)).collect();
    let base = match kind {
        Kind::Differential => archives.iter().find(|a| a.manifest.kind == Kind::Full),
        _ => archives.first(),
    };
    let Some(base) = base else {
        return Choice::full("there is no archive to build on yet".to_owned());
    };
    let mut chain = vec![base];
    while let Some(parent) = chain.last().and_then(|a| a.manifest.parent) {
        match by_id.get(&parent) {
            Some(record) if chain.len() <= archives.len() => chain.push(record),
            _ => return Choice::full(format!("the archive {parent} of the chain is missing")),
        }
    }
    if let Some(damaged) = chain.iter().find(|a| a.verified.is_some_and(|(_, _, ok)| !ok)) {
        return Choice::full(format!("{} was found damaged", damaged.manifest.archive.name));
    }
    if let Some(due) = due(schedule, archives, &chain, kind, now).filter(|_| asked.is_none()) {
        if policy.consolidate {
            return Choice { base: Some(base.clone()), kind: Some(kind), because: None, consolidate: true };
        }
        return Choice::full(due);
    }
    Choice { base: Some(base.clone()), kind: Some(kind), because: None, consolidate: false }
}

/// Why a full archive is due, if it is.
fn due(
    schedule: &Schedule,
    archives: &[ArchiveRecord],
    chain: &[&ArchiveRecord],
    kind: Kind,
    now: DateTime<Utc>,
) -> Option<String> {
    let full = chain.last()?;
    let zone = schedule.timezone;
    let (then, today) = (full.manifest.started.with_timezone(&zone), now.with_timezone(&zone));
    let of = |rule: &str| format!("the schedule wants one {rule} (full_every)");
    match schedule.kinds.full_every {
        FullEvery::Count(n) => {
            let since = match kind {
                Kind::Differential => archives.iter().take_while(|a| a.manifest.id != full.manifest.id).count() + 1,
                _ => chain.len(),
            };
            (since >= n as usize).then(|| of(&format!("every {n} archives")))
        }
        FullEvery::Week => (then.iso_week() != today.iso_week()).then(|| of("each week")),
        FullEvery::Month => ((then.year(), then.month()) != (today.year(), today.month())).then(|| of("each month")),
        FullEvery::Age(seconds) => {
            let age = (now - full.manifest.started.with_timezone(&Utc)).num_seconds();
            (age >= i64::try_from(seconds).unwrap_or(i64::MAX)).then(|| of(&format!("every {}", FullEvery::Age(seconds))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_model::{ArchiveFile, FileSource, KindPolicy, MANIFEST_VERSION, Manifest, Name, RunId, Trigger};
    use uuid::Uuid;

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).expect(text).with_timezone(&Utc)
    }

    fn record(n: u128, kind: Kind, parent: Option<u128>, day: u32) -> ArchiveRecord {
        let started = utc(&format!("2026-11-{day:02}T09:00:00Z")).fixed_offset();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            id: ArchiveId(Uuid::from_u128(n)),
            schedule: Name::new("s").expect("a name"),
            run: RunId(Uuid::nil()),
            kind,
            parent: parent.map(|p| ArchiveId(Uuid::from_u128(p))),
            full_because: None,
            content: "full".into(),
            form: "tar".into(),
            status: "completed".into(),
            planned: None,
            started,
            ended: started,
            timezone: "UTC".into(),
            host: String::new(),
            tool: String::new(),
            sources: Vec::new(),
            exclude: Vec::new(),
            files: 0,
            folders: 0,
            others: 0,
            bytes: 0,
            changed: None,
            warnings: 0,
            notes: Vec::new(),
            database: None,
            encryption: None,
            archive: ArchiveFile { name: format!("archive {n}"), ..ArchiveFile::default() },
            index: None,
            sum: None,
            extra: serde_json::Map::new(),
        };
        ArchiveRecord {
            manifest,
            path: format!("/{n}"),
            taken_in: DateTime::default(),
            pinned: false,
            away: false,
            verified: None,
        }
    }

    fn schedule(kind: Kind, full_every: FullEvery) -> Schedule {
        let name = Name::new("s").expect("a name");
        let kinds = KindPolicy { kind, full_every, ..KindPolicy::default() };
        Schedule { kinds, ..Schedule::new(name, FileSource::default(), Trigger::Manual, chrono_tz::Europe::Paris) }
    }

    /// What is chosen on a day of November 2026: the number of the base, or why it is full.
    fn chosen(s: &Schedule, archives: &[ArchiveRecord], asked: Option<Kind>, day: u32) -> Result<u128, String> {
        let choice = choose(s, archives, asked, utc(&format!("2026-11-{day:02}T09:00:00Z")));
        choice.base.map(|b| b.manifest.id.0.as_u128()).ok_or(choice.because.unwrap_or_default())
    }

    #[test]
    fn increments_build_on_the_last_and_differences_on_the_last_full() {
        use Kind::{Differential, Full, Incremental};
        let list = [record(3, Differential, Some(1), 4), record(2, Incremental, Some(1), 3), record(1, Full, None, 2)];
        let inc = schedule(Incremental, FullEvery::Count(3));
        assert_eq!(chosen(&inc, &list, None, 5), Ok(3));
        assert_eq!(chosen(&inc, &list, Some(Differential), 5), Ok(1));
        assert_eq!(chosen(&inc, &list, Some(Full), 5), Err(String::new()));
        assert!(chosen(&inc, &[], None, 5).is_err_and(|e| e.contains("no archive to build on")));
        assert!(chosen(&inc, &list[..1], None, 5).is_err_and(|e| e.contains("is missing")));
        // Two links so far; a fourth archive makes the chain three long, and the next is full.
        let more = [vec![record(4, Incremental, Some(3), 5)], list.to_vec()].concat();
        assert!(chosen(&inc, &more, None, 6).is_err_and(|e| e.contains("every 3 archives")));
        assert_eq!(chosen(&inc, &more, Some(Incremental), 6), Ok(4), "asked for by hand it is made all the same");
        let diff = schedule(Differential, FullEvery::Count(4));
        assert_eq!(chosen(&diff, &list, None, 6), Ok(1));
        assert!(chosen(&diff, &more, None, 6).is_err());
        let mut damaged = list.to_vec();
        damaged[2].verified = Some((DateTime::<Utc>::default().fixed_offset(), true, false));
        assert!(chosen(&inc, &damaged, None, 5).is_err_and(|e| e.contains("archive 1 was found damaged")));
    }

    #[test]
    fn full_archives_have_a_rhythm() {
        let list = [record(1, Kind::Full, None, 6)];
        let of = |every| schedule(Kind::Incremental, every);
        // 6 November 2026 is a Friday, the 9th the Monday after it.
        assert_eq!(chosen(&of(FullEvery::Week), &list, None, 8), Ok(1));
        assert!(chosen(&of(FullEvery::Week), &list, None, 9).is_err_and(|e| e.contains("each week")));
        assert_eq!(chosen(&of(FullEvery::Month), &list, None, 30), Ok(1));
        assert_eq!(chosen(&of(FullEvery::Age(3 * 86_400)), &list, None, 8), Ok(1));
        assert!(chosen(&of(FullEvery::Age(3 * 86_400)), &list, None, 9).is_err_and(|e| e.contains("every 3d")));
        let mut made = of(FullEvery::Week);
        made.kinds.consolidate = true;
        let choice = choose(&made, &list, None, utc("2026-11-09T09:00:00Z"));
        assert!(choice.consolidate && choice.base.is_some());
    }
}
