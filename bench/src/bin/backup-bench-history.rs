//! The history of a million runs: how long filters, counts and pages take (H2).
#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use backup_catalogue::{Catalogue, HistoryFilter, Sort};
use backup_model::{Cause, Kind, Operation, Run, RunCounts, RunId, RunStatus};
use chrono::{DateTime, Duration, Utc};
use std::time::Instant;
use uuid::Uuid;

const SCHEDULES: i64 = 200;

fn run(n: i64, start: DateTime<Utc>) -> Run {
    let created = start + Duration::seconds(n * 90);
    let status = match n % 50 {
        0 => RunStatus::Failed,
        1 | 2 => RunStatus::Warning,
        3 => RunStatus::Cancelled,
        _ => RunStatus::Completed,
    };
    let operation = if n % 17 == 0 { Operation::Verify } else { Operation::Backup };
    let id = Uuid::from_u128((created.timestamp_millis() as u128) << 80 | (n as u128) << 8 | 7 << 76);
    Run {
        id: RunId(id),
        operation,
        cause: Cause::Schedule,
        name: format!("schedule_{:03}", n % SCHEDULES),
        kind: (operation == Operation::Backup).then_some(Kind::Full),
        content: "full".into(),
        form: "tar".into(),
        status,
        planned: Some(created),
        created,
        started: Some(created),
        ended: Some(created + Duration::seconds(n % 600)),
        counts: RunCounts {
            files: 1000,
            folders: 10,
            others: 0,
            bytes: 1 << 30,
            stored: (n as u64 * 7919) % (1 << 30),
            warnings: 0,
            ..RunCounts::default()
        },
        error: (status == RunStatus::Failed).then(|| format!("cannot read /data/{}: Input/output error", n % 9000)),
        archive: None,
        archive_path: None,
        host: format!("host{}", n % 5),
        request: serde_json::Value::Null,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: i64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let catalogue = Catalogue::open_file(&folder.path().join("catalogue.db")).await?;
    let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
    let begun = Instant::now();
    for chunk in (0..count).collect::<Vec<_>>().chunks(20_000) {
        let runs: Vec<Run> = chunk.iter().map(|n| run(*n, start)).collect();
        catalogue.import_runs(&runs).await?;
    }
    println!("{count} runs taken in within {:.0} s", begun.elapsed().as_secs_f64());
    let middle = start + Duration::seconds(count * 45);
    let end = start + Duration::seconds(count * 90);
    let any = HistoryFilter::default;
    let cases: Vec<(&str, f64, HistoryFilter)> = vec![
        ("no filter", 30.0, any()),
        ("status failed", 30.0, HistoryFilter { status: Some(RunStatus::Failed), ..any() }),
        (
            "status completed, page in the middle",
            30.0,
            HistoryFilter { status: Some(RunStatus::Completed), offset: count as u64 / 2, ..any() },
        ),
        ("one schedule", 30.0, HistoryFilter { name: Some("schedule_077".into()), ..any() }),
        (
            "one schedule and status",
            30.0,
            HistoryFilter { name: Some("schedule_050".into()), status: Some(RunStatus::Failed), ..any() },
        ),
        (
            "verify and failed",
            30.0,
            HistoryFilter { operation: Some(Operation::Verify), status: Some(RunStatus::Failed), ..any() },
        ),
        ("kind full", 30.0, HistoryFilter { kind: Some(Kind::Full), ..any() }),
        ("a week", 30.0, HistoryFilter { from: Some(middle), to: Some(middle + Duration::days(7)), ..any() }),
        (
            "half of time, status warning",
            30.0,
            HistoryFilter { from: Some(middle + Duration::hours(3)), to: Some(end), status: Some(RunStatus::Warning), ..any() },
        ),
        ("last page", 30.0, HistoryFilter { offset: count as u64 - 50, ..any() }),
        ("by size", 30.0, HistoryFilter { sort: Sort::Stored, ..any() }),
        ("text, a rare error", 300.0, HistoryFilter { text: Some("/data/4300:".into()), ..any() }),
        ("text, every error", 300.0, HistoryFilter { text: Some("output ERROR".into()), ..any() }),
        ("text in every run", 300.0, HistoryFilter { text: Some("schedule".into()), ..any() }),
        (
            "text in every run, and status",
            300.0,
            HistoryFilter { text: Some("host".into()), status: Some(RunStatus::Failed), ..any() },
        ),
        ("text in no run", 300.0, HistoryFilter { text: Some("zzz".into()), ..any() }),
    ];
    println!("{:<40} {:>9} {:>9} {:>9} {:>9}  of the limit", "filter", "matches", "median ms", "p99 ms", "limit ms");
    for (name, limit, filter) in cases {
        let mut times = Vec::new();
        let mut total = 0;
        for _ in 0..100 {
            let begun = Instant::now();
            total = catalogue.history(&filter).await?.total;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        let p99 = times[98];
        println!("{name:<40} {total:>9} {:>9.2} {p99:>9.2} {limit:>9.0}  {:>5.2}", times[50], p99 / limit);
    }
    Ok(())
}
