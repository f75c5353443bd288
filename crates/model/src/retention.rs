//! Which archives to keep (A12). Pure: the same list and rules always give the same decisions.

use chrono::{DateTime, Datelike, Duration, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::ArchiveId;

/// Rules of retention; an archive that any rule keeps is kept. No rule keeps everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest N.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// The newest of each of the last N hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// The newest of each of the last N days that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// The newest of each of the last N ISO weeks that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// The newest of each of the last N months that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// The newest of each of the last N years that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// All that are at most so many days old, 1 to 365.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// All that are at most so many seconds older than the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<u64>,
}

impl Keep {
    /// Whether no rule is set, which keeps everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What retention needs to know of an archive.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its id.
    pub id: ArchiveId,
    /// When it was made.
    pub time: DateTime<Utc>,
    /// Whether it is a good backup (completed, and no verification found it damaged).
    pub good: bool,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// The archive it needs to be restored.
    pub parent: Option<ArchiveId>,
}

/// Why an archive is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody pinned it.
    Pinned,
    /// It is the newest good backup.
    LastGood,
    /// No rule is set.
    NoRule,
    /// By `last`.
    Last,
    /// By `hourly`.
    Hourly,
    /// By `daily`.
    Daily,
    /// By `weekly`.
    Weekly,
    /// By `monthly`.
    Monthly,
    /// By `yearly`.
    Yearly,
    /// By `days`.
    Days,
    /// By `within`.
    Within,
    /// An archive that is kept builds on it.
    NeededBy,
    /// A sanity warning froze retention until somebody confirms.
    Frozen,
    /// A destination does not have it yet.
    NotCopied,
}

impl Reason {
    /// The word for people and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::LastGood => "last_good",
            Self::NoRule => "no_rule",
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Days => "days",
            Self::Within => "within",
            Self::NeededBy => "needed_by",
            Self::Frozen => "frozen",
            Self::NotCopied => "not_copied",
        }
    }
}

/// What becomes of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The archive.
    pub id: ArchiveId,
    /// Why it is kept; empty means that it goes.
    pub reasons: Vec<Reason>,
}

/// Decides for every archive of one schedule. The answer is sorted from the newest to the oldest.
///
/// Damaged or partial archives never push a good one out: the counting rules look at good ones only,
/// and the newest good one always stays. An increment is good only if all that it builds on is there and good.
#[must_use]
pub fn plan(archives: &[Candidate], keep: &Keep, zone: Tz, now: DateTime<Utc>) -> Vec<Decision> {
    let mut sorted: Vec<&Candidate> = archives.iter().collect();
    sorted.sort_by(|a, b| b.time.cmp(&a.time).then(b.id.cmp(&a.id)));
    let mut why: BTreeMap<ArchiveId, BTreeSet<Reason>> = BTreeMap::new();
    let mut mark = |id: ArchiveId, reason: Reason| {
        why.entry(id).or_default().insert(reason);
    };
    let by_id: BTreeMap<ArchiveId, &Candidate> = archives.iter().map(|c| (c.id, c)).collect();
    let whole = |c: &Candidate| {
        let (mut at, mut steps) = (Some(c), 0);
        while let Some(link) = at {
            steps += 1;
            // More links than archives: it builds on itself.
            if !link.good || steps > archives.len() {
                return false;
            }
            match link.parent {
                None => return true,
                Some(parent) => at = by_id.get(&parent).copied(),
            }
        }
        false
    };
    let good: Vec<&Candidate> = sorted.iter().copied().filter(|c| whole(c)).collect();
    let counted = if good.is_empty() { &sorted } else { &good };

    if let Some(newest) = counted.first() {
        mark(newest.id, Reason::LastGood);
    }
    for c in &sorted {
        if c.pinned {
            mark(c.id, Reason::Pinned);
        }
        if keep.is_empty() {
            mark(c.id, Reason::NoRule);
        }
        if keep.days.is_some_and(|d| now - c.time <= Duration::days(i64::from(d))) {
            mark(c.id, Reason::Days);
        }
    }
    if let (Some(within), Some(newest)) = (keep.within, counted.first()) {
        let span = Duration::seconds(i64::try_from(within).unwrap_or(i64::MAX / 1000));
        for c in sorted.iter().filter(|c| newest.time - c.time <= span) {
            mark(c.id, Reason::Within);
        }
    }
    for c in counted.iter().take(keep.last.unwrap_or(0) as usize) {
        mark(c.id, Reason::Last);
    }
    type Bucket = fn(chrono::DateTime<Tz>) -> (i32, u32, u32);
    let rules: [(Option<u32>, Reason, Bucket); 5] = [
        (keep.hourly, Reason::Hourly, |t| (t.year(), t.ordinal(), t.hour())),
        (keep.daily, Reason::Daily, |t| (t.year(), t.ordinal(), 0)),
        (keep.weekly, Reason::Weekly, |t| (t.iso_week().year(), t.iso_week().week(), 0)),
        (keep.monthly, Reason::Monthly, |t| (t.year(), t.month(), 0)),
        (keep.yearly, Reason::Yearly, |t| (t.year(), 0, 0)),
    ];
    for (count, reason, bucket) in rules {
        let mut seen = BTreeSet::new();
        for c in counted {
            if seen.len() >= count.unwrap_or(0) as usize {
                break;
            }
            if seen.insert(bucket(c.time.with_timezone(&zone))) {
                mark(c.id, reason);
            }
        }
    }
    // What a kept archive builds on stays, link by link.
    let mut open: Vec<ArchiveId> = why.keys().copied().collect();
    while let Some(id) = open.pop() {
        if let Some(parent) = by_id.get(&id).and_then(|c| c.parent)
            && why.entry(parent).or_default().insert(Reason::NeededBy)
        {
            open.push(parent);
        }
    }
    sorted
        .iter()
        .map(|c| Decision { id: c.id, reasons: why.get(&c.id).map(|s| s.iter().copied().collect()).unwrap_or_default() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn candidate(n: u128, time: &str) -> Candidate {
        Candidate {
            id: ArchiveId(Uuid::from_u128(n)),
            time: DateTime::parse_from_rfc3339(time).expect(time).with_timezone(&Utc),
            good: true,
            pinned: false,
            parent: None,
        }
    }

    fn kept(list: &[Candidate], keep: &Keep, now: &str) -> Vec<u128> {
        let now = DateTime::parse_from_rfc3339(now).expect(now).with_timezone(&Utc);
        let mut ids: Vec<u128> = plan(list, keep, chrono_tz::Europe::Paris, now)
            .into_iter()
            .filter(|d| !d.reasons.is_empty())
            .map(|d| d.id.0.as_u128())
            .collect();
        ids.sort_unstable();
        ids
    }

    fn daily(count: u32) -> Vec<Candidate> {
        (1..=count).map(|d| candidate(u128::from(d), &format!("2026-01-{d:02}T08:00:00Z"))).collect()
    }

    #[test]
    fn rules_add_up() {
        let list = daily(20);
        let keep = Keep { last: Some(2), weekly: Some(2), ..Keep::default() };
        // 18 January 2026 is a Sunday: the newest of its week.
        assert_eq!(kept(&list, &keep, "2026-01-20T12:00:00Z"), [18, 19, 20]);
        assert_eq!(kept(&list, &Keep { days: Some(3), ..Keep::default() }, "2026-01-20T12:00:00Z"), [18, 19, 20]);
        assert_eq!(kept(&list, &Keep { within: Some(86_400), ..Keep::default() }, "2026-06-01T00:00:00Z"), [19, 20]);
        assert_eq!(kept(&list, &Keep::default(), "2026-06-01T00:00:00Z").len(), 20);
        assert_eq!(kept(&list, &Keep { monthly: Some(5), yearly: Some(1), ..Keep::default() }, "2026-06-01T00:00:00Z"), [20]);
    }

    #[test]
    fn the_last_good_one_stays_whatever_the_rules() {
        let mut list = daily(5);
        for c in list.iter_mut().skip(1) {
            c.good = false;
        }
        assert_eq!(kept(&list, &Keep { days: Some(1), ..Keep::default() }, "2027-01-01T00:00:00Z"), [1]);
        assert_eq!(kept(&list, &Keep { last: Some(1), ..Keep::default() }, "2027-01-01T00:00:00Z"), [1]);
    }

    #[test]
    fn chains_and_pins() {
        let mut list = daily(4);
        list[1].parent = Some(list[0].id);
        list[3].parent = Some(list[1].id);
        assert_eq!(kept(&list, &Keep { last: Some(1), ..Keep::default() }, "2027-01-01T00:00:00Z"), [1, 2, 4]);
        list[2].pinned = true;
        assert_eq!(kept(&list, &Keep { last: Some(1), ..Keep::default() }, "2027-01-01T00:00:00Z"), [1, 2, 3, 4]);
    }

    #[test]
    fn a_chain_without_its_base_pushes_nothing_out() {
        // 1 full, 2 and 3 on it; 4 full and damaged, 5 and 6 on it.
        let mut list = daily(6);
        for (n, parent) in [(1, 0), (2, 1), (4, 3), (5, 4)] {
            list[n].parent = Some(list[parent].id);
        }
        list[3].good = false;
        let keep = Keep { last: Some(1), ..Keep::default() };
        assert_eq!(kept(&list, &keep, "2027-01-01T00:00:00Z"), [1, 2, 3], "the last version that can be restored");
        list.remove(3);
        assert_eq!(kept(&list, &keep, "2027-01-01T00:00:00Z"), [1, 2, 3], "the same if the base is gone");
        // One that builds on itself is no good and does no harm.
        let mut odd = daily(2);
        odd[1].parent = Some(odd[1].id);
        assert_eq!(kept(&odd, &keep, "2027-01-01T00:00:00Z"), [1]);
    }
}
