//! What every database behind the catalogue must do: each test runs on SQLite and on a real PostgreSQL.

use backup_catalogue::{Catalogue, Credential, CredentialKind, Finish, HistoryFilter, Lease, NewRun, Sort, StatsFilter, User};
use backup_model::{
    Alert, AlertKind, ArchiveFile, ArchiveId, AuditEntry, Cause, Kind, MANIFEST_VERSION, Manifest, Name, Note, NoteLevel,
    Operation, Role, RunCounts, RunId, RunStatus, Scope,
};
use backup_testkit::Postgres;
use chrono::{DateTime, Duration, Utc};
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

/// Where catalogues are made: files of a folder, or databases of a server.
struct Place {
    folder: tempfile::TempDir,
    server: Option<Postgres>,
    made: AtomicU32,
}

const PASSWORD: &str = "a\"b\\c#d e";

impl Place {
    fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), server: None, made: AtomicU32::new(0) }
    }

    fn postgres() -> Self {
        let server = Postgres::debian();
        let _ = server.sql("postgres", &format!("CREATE ROLE backup LOGIN CREATEDB PASSWORD '{PASSWORD}'"));
        Self { server: Some(server), ..Self::sqlite() }
    }

    /// Opens the catalogue of a number.
    async fn open(&self, n: u32) -> Catalogue {
        match &self.server {
            Some(server) => {
                let url = format!("postgres://backup@localhost/c{n}?host={}", server.socket().display());
                Catalogue::open_postgres(&url, Some(PASSWORD)).await.expect("a catalogue")
            }
            None => {
                // Odd characters in the path must not matter.
                let path = self.folder.path().join(format!("cata %41?logue#{n}.db"));
                let catalogue = Catalogue::open_file(&path).await.expect("a catalogue");
                assert!(path.exists());
                catalogue
            }
        }
    }

    /// A place for a further catalogue; answers its number.
    fn another(&self) -> u32 {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        if let Some(server) = &self.server {
            let _ = server.sql("postgres", &format!("CREATE DATABASE c{n} OWNER backup"));
        }
        n
    }

    /// A new catalogue.
    async fn fresh(&self) -> Catalogue {
        self.open(self.another()).await
    }
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

async fn a_run_from_wish_to_end(place: &Place) {
    let c = place.fresh().await;
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
    let other = place.fresh().await;
    other.import_runs(&[back.clone(), back.clone()]).await.expect("imported");
    assert_eq!(other.run(run.id).await.expect("read"), Some(back));
    assert_eq!(other.history(&HistoryFilter::default()).await.expect("a page").total, 1);
    // A later failure keeps the last good time.
    let failed = new("docs", Operation::Backup, t + Duration::hours(1));
    ended(&c, &failed, &finish(RunStatus::Failed, t + Duration::hours(2), Some("no space"))).await;
    let state = c.schedule_states().await.expect("states").remove("docs").expect("there");
    assert_eq!((state.last_status, state.last_good), (Some(RunStatus::Failed), Some(t + Duration::seconds(12))));
}

async fn archives_are_kept_pinned_verified_and_forgotten(place: &Place) {
    let c = place.fresh().await;
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
    c.files_gone(list[1].id).await.expect("forgotten");
    assert!(c.deleting().await.expect("read").is_empty());
}

async fn history_filters_sorts_pages_and_counts_exactly(place: &Place) {
    let c = place.fresh().await;
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

async fn states_of_schedules_are_kept(place: &Place) {
    let n = place.another();
    let c = place.open(n).await;
    let t = at("2026-11-21T09:00:00Z");
    c.set_dealt(&[("a", "daily at 09:00", t), ("b", "hourly", t)]).await.expect("set");
    c.set_dealt(&[("a", "daily at 10:00", t + Duration::days(1))]).await.expect("set again");
    c.set_frozen("a", "only 3 files").await.expect("frozen");
    c.close().await;
    let again = place.open(n).await;
    let states = again.schedule_states().await.expect("states");
    assert_eq!((states["a"].trigger.as_str(), states["a"].dealt_until), ("daily at 10:00", Some(t + Duration::days(1))));
    assert_eq!((states["a"].frozen.as_deref(), states["b"].frozen.as_deref()), (Some("only 3 files"), None));
}

async fn two_processes_may_open_a_new_catalogue_at_once(place: &Place) {
    let n = place.another();
    let (a, b) = tokio::join!(place.open(n), place.open(n));
    let run = new("x", Operation::Backup, at("2026-11-21T09:00:00Z"));
    a.request(&run).await.expect("requested");
    let lease = lease();
    let (one, two) =
        tokio::join!(a.claim(run.id, &lease, run.created, run.created), b.claim(run.id, &lease, run.created, run.created));
    assert_eq!(u8::from(one.expect("claimed")) + u8::from(two.expect("claimed")), 1, "one of them has it");
}

async fn many_writers_stand_in_nobodys_way(place: &Place) {
    let n = place.another();
    let catalogues = [place.open(n).await, place.open(n).await];
    let t = at("2026-11-21T09:00:00Z");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let c = catalogues[writer % 2].clone();
        writers.spawn(async move {
            for _ in 0..25 {
                let run = new("x", Operation::Verify, t);
                ended(&c, &run, &finish(RunStatus::Completed, t, None)).await;
                c.renew(&lease(), t + Duration::seconds(90)).await.expect("renewed");
                c.hurry_copies(None, t).await.expect("hurried");
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("a writer");
    }
    let sums = catalogues[0].run_sums().await.expect("sums");
    assert_eq!(sums.into_iter().find(|(_, status, _)| status == "completed").map(|(.., n)| n), Some(200), "each counts once");
}

async fn users_and_secrets(place: &Place) {
    let c = place.fresh().await;
    let t = at("2026-11-21T09:00:00Z");
    let user = |name: &str, role| User {
        name: name.into(),
        role,
        password: "$argon2id$…".into(),
        created: t,
        last_seen: None,
        totp: None,
    };
    assert!(!c.has_admin().await.expect("asked"));
    let secret = |id: &str, kind, owner: &str| Credential {
        id: id.into(),
        kind,
        hash: "ab".into(),
        owner: owner.into(),
        scope: Scope::Read,
        created: t,
        last_used: t,
        expires: Some(t + Duration::hours(1)),
        machine: None,
    };
    assert!(c.add_credential(&secret("s", CredentialKind::Setup, "")).await.expect("added"));
    assert!(c.set_up(&user("ada", Role::Admin), "s").await.expect("set up"));
    assert!(!c.set_up(&user("eve", Role::Admin), "s").await.expect("refused"), "once");
    assert!(c.has_admin().await.expect("asked") && c.credential("s").await.expect("read").is_none());
    assert!(c.add_user(&user("bob", Role::Viewer)).await.expect("added"));
    assert!(!c.add_user(&user("bob", Role::Admin)).await.expect("refused"));
    assert!(c.add_credential(&secret("b", CredentialKind::Session, "bob")).await.expect("added"));
    assert!(c.add_credential(&secret("t", CredentialKind::Token, "mon")).await.expect("added"));
    assert!(!c.add_credential(&secret("u", CredentialKind::Token, "mon")).await.expect("refused"), "names of tokens are unique");
    assert_eq!(c.tokens().await.expect("read"), [secret("t", CredentialKind::Token, "mon")]);
    assert!(c.set_password("bob", "$other").await.expect("set"));
    assert!(c.credential("b").await.expect("read").is_none(), "a new password ends sessions");
    c.set_seen("bob", t + Duration::minutes(1)).await.expect("seen");
    assert_eq!(c.user("bob").await.expect("read").expect("there").last_seen, Some(t + Duration::minutes(1)));
    assert!(c.set_totp("bob", Some("ABC")).await.expect("set"));
    assert_eq!(c.user("bob").await.expect("read").expect("there").totp.as_deref(), Some("ABC"));
    assert!(c.use_totp("bob", 7).await.expect("used") && !c.use_totp("bob", 7).await.expect("refused"), "no step serves twice");
    assert!(c.delete_user("bob").await.expect("deleted") && !c.delete_user("bob").await.expect("gone"));
    // What has ended is forgotten when something is added, but no token: somebody shall see that it has.
    let late = Credential { created: t + Duration::days(1), ..secret("l", CredentialKind::Session, "ada") };
    assert!(c.add_credential(&secret("old", CredentialKind::Session, "ada")).await.expect("added"));
    assert!(c.add_credential(&late).await.expect("added"));
    assert!(c.credential("old").await.expect("read").is_none() && c.credential("t").await.expect("read").is_some());
}

async fn the_audit_log_is_a_chain(place: &Place) {
    let c = place.fresh().await;
    let entry = |n: i64| AuditEntry {
        seq: 0,
        at: n,
        actor: "user:ada".into(),
        origin: "::1".into(),
        action: format!("PATCH /{n}"),
        target: "100%_\\".into(),
        outcome: "200".into(),
        detail: String::new(),
        hash: String::new(),
    };
    // Several at a time, as requests come.
    let (a, b, d) = tokio::join!(c.add_audit(entry(1)), c.add_audit(entry(2)), c.add_audit(entry(3)));
    let mut seqs = [a, b, d].map(|e| e.expect("added").seq);
    seqs.sort_unstable();
    assert_eq!(seqs, [1, 2, 3]);
    let check = c.check_audit().await.expect("checked");
    assert_eq!((check.entries, check.broken), (3, None));
    let (found, total) = c.audit(Some("100%_\\"), 2, 0).await.expect("read");
    assert_eq!((found.len(), total, found[0].hash.as_str()), (2, 3, check.head.as_str()));
    assert_eq!(c.audit(Some("patch /2"), 10, 0).await.expect("read").1, 1);
    assert_eq!(c.audit(Some("nothing"), 10, 0).await.expect("read").1, 0);
}

async fn alerts_wait_in_the_outbox(place: &Place) {
    let c = place.fresh().await;
    let t = at("2026-11-21T09:00:00Z");
    let alert = |minutes: i64| Alert {
        id: Uuid::now_v7(),
        at: t + Duration::minutes(minutes),
        kind: AlertKind::Failure,
        name: "docs".into(),
        run: None,
        text: "it failed".into(),
    };
    let both = vec!["ops".to_owned(), "chat".to_owned()];
    c.add_alerts(&[(alert(0), both.clone()), (alert(1), both), (alert(2), Vec::new())]).await.expect("added");
    assert_eq!(c.alerts(10, 0).await.expect("read").1, 3);
    assert_eq!(c.last_alert(AlertKind::Failure).await.expect("read"), Some(t + Duration::minutes(2)));
    let waiting = c.outbox_waiting().await.expect("read");
    let names: Vec<&str> = waiting.iter().map(|r| r.notifier.as_str()).collect();
    assert_eq!(names, ["chat", "chat", "ops", "ops"]);
    c.outbox_failed(&waiting[..2], t + Duration::hours(1), "away").await.expect("remembered");
    let state = c.outbox_state("chat").await.expect("read");
    assert_eq!((state.waiting, state.last_sent, state.error.as_deref()), (2, None, Some("away")));
    c.outbox_sent(&waiting[2..], t + Duration::hours(1)).await.expect("remembered");
    let state = c.outbox_state("ops").await.expect("read");
    assert_eq!((state.waiting, state.last_sent), (0, Some(t + Duration::hours(1))));
    let waiting = c.outbox_waiting().await.expect("read");
    assert_eq!((waiting.len(), waiting[0].attempts, waiting[0].due), (2, 1, t + Duration::hours(1)));
    c.outbox_drop(&waiting).await.expect("dropped");
    assert!(c.outbox_waiting().await.expect("read").is_empty());
    // With the end of a run, in its transaction; and a schedule that nothing good came of.
    let run = new("docs", Operation::Backup, t);
    let told = Finish { alerts: vec![(alert(3), vec!["ops".to_owned()])], ..finish(RunStatus::Failed, t, Some("no space")) };
    ended(&c, &run, &told).await;
    assert_eq!(c.outbox_waiting().await.expect("read").len(), 1);
    c.set_dealt(&[("docs", "hourly", t)]).await.expect("dealt");
    c.set_stale_told("docs", (alert(4), Vec::new())).await.expect("told");
    let state = c.schedule_states().await.expect("states").remove("docs").expect("there");
    assert_eq!((state.since, state.stale_told), (Some(t), Some(t + Duration::minutes(4))));
    let good = new("docs", Operation::Backup, t + Duration::hours(1));
    ended(&c, &good, &finish(RunStatus::Completed, t + Duration::hours(1), None)).await;
    assert_eq!(c.schedule_states().await.expect("states")["docs"].stale_told, None);
    assert_eq!(c.run_sums().await.expect("sums").iter().map(|(.., n)| n).sum::<u64>(), 2);
    assert_eq!(c.failures().await.expect("failures"), [("backup".to_owned(), "manual".to_owned(), 1)]);
    assert_eq!(c.last_runs().await.expect("runs").len(), 1);
    assert_eq!(c.newest_run().await.expect("read"), Some(t + Duration::hours(1)));
}

async fn predecessors_have_numbers(place: &Place) {
    let c = place.fresh().await;
    let t = at("2026-11-21T09:00:00Z");
    let first = c.add_predecessor("s3", "config-", "", "", t).await.expect("added");
    let second = c.add_predecessor("s0", "copy-", "/a", "/b", t).await.expect("added");
    assert_eq!((first.name.as_str(), second.name.as_str()), ("config-1", "copy-2"));
    assert_eq!(c.predecessors("s0").await.expect("read"), std::slice::from_ref(&second));
    assert_eq!(c.predecessor_of("copy-2").await.expect("read"), Some(second));
    c.touch_predecessor(1, t + Duration::hours(1)).await.expect("touched");
    assert_eq!(c.predecessors("s3").await.expect("read")[0].updated, t + Duration::hours(1));
    c.forget_predecessor(1).await.expect("forgotten");
    assert!(c.predecessors("s3").await.expect("read").is_empty());
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Place::postgres()).await;
            })*
        }
    };
}

on_both! { a_run_from_wish_to_end archives_are_kept_pinned_verified_and_forgotten history_filters_sorts_pages_and_counts_exactly states_of_schedules_are_kept two_processes_may_open_a_new_catalogue_at_once many_writers_stand_in_nobodys_way users_and_secrets the_audit_log_is_a_chain alerts_wait_in_the_outbox predecessors_have_numbers }
