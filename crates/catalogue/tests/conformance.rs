//! What every database behind the catalogue must do. Run on SQLite here; a further database adds a
//! function like [`sqlite`] and a line in each test.

use backup_catalogue::{Catalogue, Finish, HistoryFilter, Lease, NewRun, Sort, StatsFilter};
use backup_model::{
    ArchiveFile, ArchiveId, Cause, Kind, MANIFEST_VERSION, Manifest, Name, Note, NoteLevel, Operation, RunCounts, RunId,
    RunStatus,
};
use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

async fn sqlite() -> (tempfile::TempDir, Catalogue) {
    let folder = tempfile::tempdir().expect("a folder");
    // Odd characters in the path must not matter.
    let path = folder.path().join("cata %41?logue#.db");
    let catalogue = Catalogue::open_file(&path).await.expect("a catalogue");
    assert!(path.exists());
    (folder, catalogue)
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect(text).with_timezone(&Utc)
}

fn new(name: &str, operation: Operation, created: DateTime<Utc>) -> NewRun {
    NewRun {
        id: RunId(Uuid::now_v7()),
        operation,
        cause: Cause::Manual,
        name: name.to_owned(),
        kind: (operation == Operation::Backup).then_some(Kind::Full),
        planned: None,
        created,
        host: "box".into(),
        request: serde_json::json!({"a": 1}),
        archive: None,
    }
}

fn lease() -> Lease {
    Lease { host: "box".into(), boot: "b".into(), pid: 7 }
}

fn finish(status: RunStatus, ended: DateTime<Utc>, error: Option<&str>) -> Finish {
    Finish {
        status,
        ended,
        counts: RunCounts { files: 3, folders: 2, others: 1, bytes: 100, stored: 50, warnings: 1, tables: 4, records: 70 },
        error: error.map(str::to_owned),
        made: Vec::new(),
        notes: vec![Note { level: NoteLevel::Warning, path: "a/b".into(), text: "gone".into() }],
        alerts: Vec::new(),
    }
}

fn manifest(schedule: &str, started: &str) -> Manifest {
    let started = DateTime::parse_from_rfc3339(started).expect(started);
    Manifest {
        version: MANIFEST_VERSION,
        id: ArchiveId(Uuid::now_v7()),
        schedule: Name::new(schedule).expect("a name"),
        run: RunId(Uuid::now_v7()),
        kind: Kind::Full,
        parent: None,
        full_because: None,
        changed: None,
        database: None,
        encryption: None,
        content: "full".into(),
        form: "tar".into(),
        status: "completed".into(),
        planned: None,
        started,
        ended: started,
        timezone: "UTC".into(),
        host: "box".into(),
        tool: "test".into(),
        sources: vec!["/x".into()],
        exclude: vec![],
        files: 1,
        folders: 1,
        others: 0,
        bytes: 10,
        warnings: 0,
        notes: vec![],
        archive: ArchiveFile {
            name: "x.tar.gz".into(),
            compression: "gzip".into(),
            size: 1000,
            tar_size: 2000,
            md5: "0".into(),
            sha256: "1".into(),
        },
        index: None,
        sum: None,
        extra: [("later".to_owned(), serde_json::json!(true))].into_iter().collect(),
    }
}

async fn ended(c: &Catalogue, run: &NewRun, f: &Finish) {
    assert!(c.request(run).await.expect("requested"));
    assert!(c.claim(run.id, &lease(), run.created, run.created + Duration::seconds(90)).await.expect("claimed"));
    c.finish(run.id, f).await.expect("finished");
}

#[tokio::test]
async fn a_run_from_wish_to_end() {
    let (_folder, c) = sqlite().await;
    let t = at("2026-11-21T09:00:00Z");
    let mut run = new("docs", Operation::Backup, t);
    run.planned = Some(t);
    assert!(c.request(&run).await.expect("requested"));
    let again = NewRun { id: RunId(Uuid::now_v7()), ..run.clone() };
    assert!(!c.request(&again).await.expect("asked"), "one run for each planned time");
    assert_eq!(c.next_pending().await.expect("read").expect("pending").id, run.id);
    assert!(c.claim(run.id, &lease(), t, t + Duration::seconds(90)).await.expect("claimed"));
    assert!(!c.claim(run.id, &lease(), t, t).await.expect("asked"), "claimed once");
    // A schedule never overlaps itself: its next run waits.
    let next = new("docs", Operation::Backup, t + Duration::seconds(5));
    c.request(&next).await.expect("requested");
    let other = new("photos", Operation::Backup, t + Duration::seconds(6));
    c.request(&other).await.expect("requested");
    assert_eq!(c.next_pending().await.expect("read").expect("pending").id, other.id);
    c.renew(&lease(), t + Duration::seconds(200)).await.expect("renewed");
    let open = c.open_runs().await.expect("open");
    assert_eq!(open.len(), 3);
    assert_eq!((open[0].1.clone(), open[0].2), (lease(), t + Duration::seconds(200)));
    assert!(c.ask_cancel(run.id).await.expect("asked"));
    assert_eq!(c.cancel_wishes().await.expect("wishes"), [run.id]);

    let m = manifest("docs", "2026-11-21T10:00:00+01:00");
    let done = Finish {
        made: vec![(m.clone(), "/b/docs/x.tar.gz".into())],
        ..finish(RunStatus::Warning, t + Duration::seconds(12), Some("a/b: gone"))
    };
    c.finish(run.id, &done).await.expect("finished");
    let back = c.run(run.id).await.expect("read").expect("there");
    assert_eq!((back.status, back.seconds(), back.counts), (RunStatus::Warning, Some(12.0), done.counts));
    assert_eq!((back.archive, back.planned, &back.request), (Some(m.id), Some(t), &serde_json::json!({"a": 1})));
    assert_eq!(c.notes(run.id).await.expect("notes"), done.notes);
    assert!(!c.ask_cancel(run.id).await.expect("asked"), "over");
    let state = c.schedule_states().await.expect("states").remove("docs").expect("there");
    assert_eq!(
        (state.last_run, state.last_status, state.last_good),
        (Some(run.id), Some(RunStatus::Warning), Some(t + Duration::seconds(12)))
    );
    let record = c.archive_by_prefix(&m.id.to_string()[..35]).await.expect("read").expect("there");
    assert_eq!((record.manifest, record.path.as_str()), (m, "/b/docs/x.tar.gz"));
    // Runs travel to another catalogue as they are, once.
    let (_other_folder, other) = sqlite().await;
    other.import_runs(&[back.clone(), back.clone()]).await.expect("imported");
    assert_eq!(other.run(run.id).await.expect("read"), Some(back));
    assert_eq!(other.history(&HistoryFilter::default()).await.expect("a page").total, 1);
    // A later failure keeps the last good time.
    let failed = new("docs", Operation::Backup, t + Duration::hours(1));
    ended(&c, &failed, &finish(RunStatus::Failed, t + Duration::hours(2), Some("no space"))).await;
    let state = c.schedule_states().await.expect("states").remove("docs").expect("there");
    assert_eq!((state.last_status, state.last_good), (Some(RunStatus::Failed), Some(t + Duration::seconds(12))));
}

#[tokio::test]
async fn archives_are_kept_pinned_verified_and_forgotten() {
    let (_folder, c) = sqlite().await;
    let list: Vec<Manifest> = (1..=5).map(|d| manifest("docs", &format!("2026-11-{d:02}T09:00:00+01:00"))).collect();
    for (n, m) in list.iter().enumerate() {
        c.adopt(m, &format!("/b/{n}"), at("2026-11-21T00:00:00Z")).await.expect("adopted");
        c.adopt(m, &format!("/b/{n}"), at("2026-11-21T00:00:00Z")).await.expect("adopted again");
    }
    c.adopt(&manifest("other", "2026-11-03T09:00:00Z"), "/b/other", at("2026-11-21T00:00:00Z")).await.expect("adopted");
    let ids = |records: Vec<backup_model::ArchiveRecord>| records.into_iter().map(|r| r.manifest.id).collect::<Vec<_>>();
    let newest_first: Vec<ArchiveId> = list.iter().rev().map(|m| m.id).collect();
    assert_eq!(ids(c.archives(Some("docs"), None, 0).await.expect("listed")), newest_first);
    assert_eq!(ids(c.archives(Some("docs"), Some(2), 1).await.expect("listed")), newest_first[1..3]);
    assert_eq!(c.archive_totals(None).await.expect("totals"), (6, 6000));
    let at_third = c.archive_at("docs", at("2026-11-03T23:00:00Z")).await.expect("read").expect("there");
    assert_eq!(at_third.manifest.id, list[2].id);
    assert!(c.archive_at("docs", at("2026-10-01T00:00:00Z")).await.expect("read").is_none());
    assert!(c.archive_by_prefix(&list[0].id.to_string()[..8]).await.is_err(), "ambiguous");
    c.set_pinned(list[0].id, true).await.expect("pinned");
    c.set_verified(list[0].id, at("2026-11-20T00:00:00Z"), true, false).await.expect("verified");
    let record = c.archive_by_prefix(&list[0].id.to_string()).await.expect("read").expect("there");
    assert!(record.pinned && record.verified.is_some_and(|(_, deep, ok)| deep && !ok));
    c.mark_deleting(list[1].id).await.expect("marked");
    assert_eq!(c.archives(Some("docs"), None, 0).await.expect("listed").len(), 4);
    assert_eq!(c.deleting().await.expect("read"), [(list[1].id, "/b/1".to_owned())]);
    c.forget_archive(list[1].id).await.expect("forgotten");
    assert!(c.deleting().await.expect("read").is_empty());
}

#[tokio::test]
async fn history_filters_sorts_pages_and_counts_exactly() {
    let (_folder, c) = sqlite().await;
    let start = at("2026-11-01T22:30:00Z");
    let mut all = Vec::new();
    for n in 0..200i64 {
        let created = start + Duration::hours(3 * n);
        let operation = if n % 5 == 0 { Operation::Verify } else { Operation::Backup };
        let status = match n % 7 {
            0 => RunStatus::Failed,
            1 => RunStatus::Warning,
            _ => RunStatus::Completed,
        };
        let name = ["docs", "photos_50%", "code"][(n % 3) as usize];
        let run = new(name, operation, created);
        let error = (status == RunStatus::Failed).then(|| format!("No Space left, {n} needed"));
        let mut f = finish(status, created + Duration::seconds(n), error.as_deref());
        f.counts.stored = (n * 37 % 101) as u64;
        ended(&c, &run, &f).await;
        all.push((run, f, error));
    }
    let check = async |filter: HistoryFilter, keep: &dyn Fn(&NewRun, &Finish, &Option<String>) -> bool| {
        let mut wanted: Vec<_> = all.iter().filter(|(r, f, e)| keep(r, f, e)).collect();
        wanted.sort_by_key(|(r, f, _)| {
            let key = match filter.sort {
                Sort::Created => r.created.timestamp_millis(),
                Sort::Stored => f.counts.stored as i64,
                Sort::Seconds => (f.ended - r.created).num_milliseconds(),
                Sort::Name => 0,
            };
            let name = if filter.sort == Sort::Name { r.name.clone() } else { String::new() };
            (name, key, r.id)
        });
        if !filter.ascending {
            wanted.reverse();
        }
        let mut seen = Vec::new();
        let mut offset = 0;
        loop {
            let page = c.history(&HistoryFilter { offset, limit: 17, ..filter.clone() }).await.expect("a page");
            assert_eq!(page.total as usize, wanted.len(), "{filter:?}");
            offset += page.runs.len() as u64;
            if page.runs.is_empty() {
                break;
            }
            seen.extend(page.runs.into_iter().map(|r| r.id));
        }
        assert_eq!(seen, wanted.iter().map(|(r, ..)| r.id).collect::<Vec<_>>(), "{filter:?}");
    };
    let any = HistoryFilter::default;
    check(any(), &|_, _, _| true).await;
    check(HistoryFilter { ascending: true, ..any() }, &|_, _, _| true).await;
    check(HistoryFilter { status: Some(RunStatus::Failed), ..any() }, &|_, f, _| f.status == RunStatus::Failed).await;
    check(HistoryFilter { operation: Some(Operation::Verify), name: Some("docs".into()), ..any() }, &|r, _, _| {
        r.operation == Operation::Verify && r.name == "docs"
    })
    .await;
    check(HistoryFilter { kind: Some(Kind::Full), ..any() }, &|r, _, _| r.operation == Operation::Backup).await;
    let (from, to) = (at("2026-11-05T10:00:00Z"), at("2026-11-12T01:30:00Z"));
    check(HistoryFilter { from: Some(from), to: Some(to), ..any() }, &|r, _, _| r.created >= from && r.created < to).await;
    check(
        HistoryFilter { from: Some(from), status: Some(RunStatus::Completed), name: Some("code".into()), ..any() },
        &|r, f, _| r.created >= from && f.status == RunStatus::Completed && r.name == "code",
    )
    .await;
    let soon = from + Duration::hours(5);
    check(HistoryFilter { from: Some(from), to: Some(soon), ..any() }, &|r, _, _| r.created >= from && r.created < soon).await;
    check(HistoryFilter { to: Some(from), ..any() }, &|r, _, _| r.created < from).await;
    check(HistoryFilter { text: Some("no SPACE".into()), ..any() }, &|_, _, e| e.is_some()).await;
    check(HistoryFilter { text: Some("50%".into()), ..any() }, &|r, _, _| r.name.contains("50%")).await;
    check(HistoryFilter { text: Some("5%_".into()), ..any() }, &|_, _, _| false).await;
    check(HistoryFilter { text: Some("left, 14 needed".into()), ..any() }, &|_, _, e| {
        e.as_ref().is_some_and(|e| e.contains("left, 14 needed"))
    })
    .await;
    check(
        HistoryFilter { text: Some("docs".into()), status: Some(RunStatus::Warning), from: Some(from), ..any() },
        &|r, f, _| r.name == "docs" && f.status == RunStatus::Warning && r.created >= from,
    )
    .await;
    for sort in [Sort::Stored, Sort::Seconds, Sort::Name] {
        for ascending in [true, false] {
            // Ties are ordered by id, so only the order of the keys and the set are looked at.
            let page = c.history(&HistoryFilter { sort, ascending, limit: 1000, ..any() }).await.expect("a page");
            assert_eq!(page.runs.len(), 200);
            let keys: Vec<(String, i64)> = page
                .runs
                .iter()
                .map(|r| match sort {
                    Sort::Stored => (String::new(), r.counts.stored as i64),
                    Sort::Seconds => (String::new(), (r.seconds().unwrap_or(0.0) * 1000.0) as i64),
                    _ => (r.name.clone(), 0),
                })
                .collect();
            let mut sorted = keys.clone();
            sorted.sort();
            if !ascending {
                sorted.reverse();
            }
            assert_eq!(keys, sorted, "{sort:?}");
        }
    }
    // Statistics agree with the rows.
    let stats = c.statistics(&StatsFilter { name: None, from_day: 0, to_day: 100_000 }).await.expect("statistics");
    let backups: Vec<_> = all.iter().filter(|(r, ..)| r.operation == Operation::Backup).collect();
    assert_eq!(stats.total.count as usize, backups.len());
    assert_eq!(stats.total.failed as usize, backups.iter().filter(|(_, f, _)| f.status == RunStatus::Failed).count());
    assert_eq!(stats.total.stored, backups.iter().map(|(_, f, _)| f.counts.stored).sum::<u64>());
    assert_eq!(stats.by_day.iter().map(|d| d.sums.count).sum::<u64>(), stats.total.count);
    let by_schedule =
        c.statistics_by_schedule(&StatsFilter { name: None, from_day: 0, to_day: 100_000 }).await.expect("statistics");
    assert_eq!(by_schedule.iter().map(|g| g.count).sum::<u64>(), stats.total.count);
    assert_eq!(by_schedule.len(), 3);
}

#[tokio::test]
async fn states_of_schedules_are_kept() {
    let (folder, c) = sqlite().await;
    let t = at("2026-11-21T09:00:00Z");
    c.set_dealt(&[("a", "daily at 09:00", t), ("b", "hourly", t)]).await.expect("set");
    c.set_dealt(&[("a", "daily at 10:00", t + Duration::days(1))]).await.expect("set again");
    c.set_frozen("a", "only 3 files").await.expect("frozen");
    c.close().await;
    let again = Catalogue::open_file(&folder.path().join("cata %41?logue#.db")).await.expect("opened again");
    let states = again.schedule_states().await.expect("states");
    assert_eq!((states["a"].trigger.as_str(), states["a"].dealt_until), ("daily at 10:00", Some(t + Duration::days(1))));
    assert_eq!((states["a"].frozen.as_deref(), states["b"].frozen.as_deref()), (Some("only 3 files"), None));
}

#[tokio::test]
async fn two_processes_may_open_a_new_catalogue_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.db");
    let (a, b) = tokio::join!(Catalogue::open_file(&path), Catalogue::open_file(&path));
    let (a, b) = (a.expect("the first"), b.expect("the second"));
    let run = new("x", Operation::Backup, at("2026-11-21T09:00:00Z"));
    a.request(&run).await.expect("requested");
    let lease = lease();
    let (one, two) =
        tokio::join!(a.claim(run.id, &lease, run.created, run.created), b.claim(run.id, &lease, run.created, run.created));
    assert_eq!(u8::from(one.expect("claimed")) + u8::from(two.expect("claimed")), 1, "one of them has it");
}
