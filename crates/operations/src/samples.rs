//! Sample data: a history to look at, in a home of its own that holds nothing real.

use crate::request::new_uuid;
use crate::{App, OperationError};
use backup_model::{Cause, Kind, Operation, Run, RunCounts, RunId, RunStatus};
use chrono::Duration;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The file that marks a home as one of samples.
const MARK: &str = "sample";
/// Dates go back so far.
const DAYS: i64 = 90;

const NAMES: &[(&str, &str)] = &[
    ("documents", "full"),
    ("home", "full"),
    ("shop", "full"),
    ("shop-schema", "metadata"),
    ("shop-data", "data"),
    ("photos", "full"),
];

const ERRORS: &[&str] = &[
    "the source /srv/photos cannot be read: No such file or directory (os error 2); nothing was backed up",
    "no space is left on the disk of /var/lib/backupd/backups: 1.2 GB more would be needed",
    "connect: the server at 127.0.0.1:5432 does not answer; check host, port or socket",
    "interrupted: the program or the machine stopped while it ran",
    "the run took longer than its timeout of 4h and was stopped",
];

impl App {
    /// Whether this home holds sample data.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.home().is_some_and(|h| h.state().join(MARK).exists())
    }

    fn sample_run(&self, n: usize, count: usize, random: &mut StdRng) -> Run {
        let (name, content) = NAMES[n % NAMES.len()];
        let operation = match n % 7 {
            4 => Operation::Verify,
            5 => Operation::Restore,
            6 => Operation::Drill,
            _ => Operation::Backup,
        };
        let status = match n % 10 {
            0 | 5 if n % 4 == 1 => RunStatus::Cancelled,
            3 => RunStatus::Warning,
            6 => RunStatus::Failed,
            _ => RunStatus::Completed,
        };
        let minutes = DAYS * 24 * 60 * (n as i64 + 1) / (count as i64 + 1);
        let created = self.now() - Duration::minutes(minutes + random.gen_range(0..30));
        let seconds = random.gen_range(2..2_400);
        let database = content != "full" || name == "shop";
        let good = matches!(status, RunStatus::Completed | RunStatus::Warning);
        let files = if database || !good { 0 } else { random.gen_range(10..120_000) };
        let bytes = if good { random.gen_range(200_000..40_000_000_000_u64) } else { 0 };
        Run {
            id: RunId(new_uuid()),
            operation,
            cause: if n.is_multiple_of(3) { Cause::Manual } else { Cause::Schedule },
            name: name.to_owned(),
            kind: (operation == Operation::Backup).then_some(match n % 5 {
                0 => Kind::Full,
                1 if !database => Kind::Differential,
                _ if database => Kind::Full,
                _ => Kind::Incremental,
            }),
            content: content.to_owned(),
            form: if database { "sql" } else { "tar" }.to_owned(),
            status,
            planned: None,
            created,
            started: Some(created + Duration::seconds(1)),
            ended: Some(created + Duration::seconds(1 + seconds)),
            counts: RunCounts {
                files,
                folders: files / 9,
                bytes,
                stored: if operation == Operation::Backup { bytes * random.gen_range(25..80) / 100 } else { 0 },
                warnings: u64::from(status == RunStatus::Warning) * random.gen_range(1..5),
                tables: if database && good { random.gen_range(5..80) } else { 0 },
                records: if database && good { random.gen_range(1_000..5_000_000) } else { 0 },
                ..RunCounts::default()
            },
            error: match status {
                RunStatus::Failed => Some(ERRORS[random.gen_range(0..ERRORS.len())].to_owned()),
                RunStatus::Warning => Some("home/ada/.cache/lock: it vanished while it was read".to_owned()),
                _ => None,
            },
            archive: None,
            archive_path: None,
            host: self.host().to_owned(),
            request: serde_json::json!({ "sample": true }),
        }
    }

    /// Fills the history with made-up runs: all kinds and statuses, over the last 90 days. The home is marked, and does
    /// nothing real any more.
    ///
    /// # Errors
    /// The home holds something real.
    pub async fn sample_data(&self, count: usize) -> Result<usize, OperationError> {
        if !(1..=10_000).contains(&count) {
            return Err(OperationError::Invalid("the count must be a number from 1 to 10000".into()));
        }
        let home = self.need_home()?;
        let real = self.catalogue().newest_run().await?.is_some() || self.catalogue().archive_totals(None).await?.0 > 0;
        if real && !self.is_sample() {
            return Err(OperationError::Conflict(
                "this home has a history or archives of its own, with which samples are never mixed; make another home: backupctl --home DIR init".into(),
            ));
        }
        std::fs::write(home.state().join(MARK), "This home holds sample data.\n")
            .map_err(|e| OperationError::Failed(format!("cannot mark the home: {e}")))?;
        let mut random = StdRng::seed_from_u64(count as u64);
        let mut runs: Vec<Run> = (0..count).map(|n| self.sample_run(n, count, &mut random)).collect();
        // What waits and what is at work belongs to a picture too, but would never end here: the newest are enough.
        runs.sort_by_key(|r| r.created);
        self.catalogue().import_runs(&runs).await?;
        Ok(runs.len())
    }
}
