//! The command line.

mod access;
mod databases;
mod destinations;
mod keys;
mod notifiers;

pub(crate) use access::{AuditCommand, TokenCommand, UserCommand};
pub(crate) use databases::{DatabaseCommand, IntoArgs, PasswordArgs, PlaceArgs};
pub(crate) use destinations::{DestinationArgs, DestinationCommand, PushArgs, RecoverArgs, SecretArgs, ServerArgs};
pub(crate) use keys::KeyArgs;
pub(crate) use notifiers::{NotifierArgs, NotifierCommand};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Backs up folders and databases on schedules, and brings them back.
#[derive(Parser)]
#[command(
    name = "backupctl",
    version,
    after_help = "Examples:\n  backupctl create \"documents;09:00;docs_morning\"\n  backupctl start\n  backupctl backups\n  backupctl restore docs_morning --to /tmp/restored\n\nExit codes: 0 done, 1 failed, 2 wrong usage or invalid configuration, 3 done with warnings,\n4 the daemon is not running, 5 not found, 130 interrupted."
)]
pub(crate) struct Args {
    /// The home folder (default: BACKUP_HOME, else the current folder if it holds schedules.toml,
    /// else /var/lib/backupd for root or the XDG data folder)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON: the API's objects, unchanged
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings of a schedule, for `create` and `edit`.
#[derive(ClapArgs, Default)]
pub(crate) struct SettingArgs {
    /// Free text for people
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// A folder or file to back up (may be given several times)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) source: Vec<PathBuf>,
    /// A database instead of files: the name of one that was added, or a URL
    #[arg(long, value_name = "NAME|URL", conflicts_with = "source")]
    pub(crate) database: Option<String>,
    /// What of a database: full, metadata (definitions) or data (rows)
    #[arg(long)]
    pub(crate) content: Option<String>,
    /// Leave out what matches, as in .gitignore (may be given several times)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// Time of day, hh:mm (may be given several times)
    #[arg(long, value_name = "HH:MM")]
    pub(crate) at: Vec<String>,
    /// Cron expression: minute hour day month weekday
    #[arg(long, value_name = "EXPR")]
    pub(crate) cron: Option<String>,
    /// hourly, daily, weekly, monthly, or an interval such as 15m or 6h
    #[arg(long, value_name = "RHYTHM")]
    pub(crate) every: Option<String>,
    /// Only when asked
    #[arg(long)]
    pub(crate) manual: bool,
    /// full, incremental (since the last archive) or differential (since the last full one)
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// When an archive is full all the same: a number of archives, weekly, monthly, or an age such as 30d
    #[arg(long, value_name = "N|RHYTHM")]
    pub(crate) full_every: Option<String>,
    /// Put later full archives together from the chain instead of reading the source
    #[arg(long)]
    pub(crate) consolidate: bool,
    /// What counts as changed: size, mtime, ctime, inode, mode, owner (default: all of them)
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) detect: Vec<String>,
    /// Compare contents too where nothing else tells a change
    #[arg(long)]
    pub(crate) checksum: bool,
    /// Encrypt to the public key in this file (may be given several times)
    #[arg(long, value_name = "FILE")]
    pub(crate) encrypt_to: Vec<PathBuf>,
    /// Encrypt with the passphrase in the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) encrypt_passphrase_file: Option<PathBuf>,
    /// gzip, gzip:1 to gzip:12, zstd, zstd:1 to zstd:19, none
    #[arg(long)]
    pub(crate) compression: Option<String>,
    /// IANA zone of the times, for example Europe/Paris
    #[arg(long, value_name = "TZ")]
    pub(crate) timezone: Option<String>,
    /// Keep the newest N archives
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<u32>,
    /// Keep the newest of each of N hours
    #[arg(long, value_name = "N")]
    pub(crate) keep_hourly: Option<u32>,
    /// Keep the newest of each of N days
    #[arg(long, value_name = "N")]
    pub(crate) keep_daily: Option<u32>,
    /// Keep the newest of each of N weeks
    #[arg(long, value_name = "N")]
    pub(crate) keep_weekly: Option<u32>,
    /// Keep the newest of each of N months
    #[arg(long, value_name = "N")]
    pub(crate) keep_monthly: Option<u32>,
    /// Keep the newest of each of N years
    #[arg(long, value_name = "N")]
    pub(crate) keep_yearly: Option<u32>,
    /// Keep what is at most N days old, 1 to 365
    #[arg(long, value_name = "N")]
    pub(crate) keep_days: Option<u32>,
    /// Keep what is at most this much older than the newest, for example 14d
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within: Option<String>,
    /// Whether a missed run is made up for: true (default) or false
    #[arg(long, value_name = "BOOL")]
    pub(crate) catch_up: Option<bool>,
    /// Upper bound of a random delay, for example 5m
    #[arg(long, value_name = "SPAN")]
    pub(crate) jitter: Option<String>,
    /// A run that takes longer is stopped, for example 4h
    #[arg(long, value_name = "SPAN")]
    pub(crate) timeout: Option<String>,
    /// Copy live databases of SQLite in the source consistently, through its backup API
    #[arg(long)]
    pub(crate) sqlite: bool,
    /// Who hears of it: a notifier (may be given several times; default: every one)
    #[arg(long, value_name = "NAME")]
    pub(crate) notify: Vec<String>,
    /// Where archives go: a destination, or local for the home (may be given several times; default: local)
    #[arg(long, value_name = "DESTINATION", value_delimiter = ',')]
    pub(crate) destination: Vec<String>,
    /// Do not cross into other file systems
    #[arg(long)]
    pub(crate) one_file_system: bool,
    /// Leave out the contents of folders marked by CACHEDIR.TAG
    #[arg(long)]
    pub(crate) exclude_caches: bool,
    /// Leave out larger files, for example 20GB
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_file_size: Option<String>,
    /// Leave out what programs make anew: caches, builds, temporary
    #[arg(long, value_name = "PRESET", value_delimiter = ',')]
    pub(crate) exclude_preset: Vec<String>,
    /// Name of files in the source that hold further patterns, for example .backupignore
    #[arg(long, value_name = "NAME")]
    pub(crate) ignore_file: Vec<String>,
    /// What matches may be unreadable without a warning
    #[arg(long, value_name = "PATTERN")]
    pub(crate) accept_unreadable: Vec<String>,
    /// Niceness of a run, -20 to 19
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) nice: Option<i64>,
    /// Priority of input and output: idle, best-effort:0 to best-effort:7
    #[arg(long, value_name = "CLASS")]
    pub(crate) ionice: Option<String>,
    /// Read at most so much a second, for example 20MB/s
    #[arg(long, value_name = "RATE")]
    pub(crate) limit: Option<String>,
    /// Program to run before, as a JSON list: ["systemctl","stop","app"] (may be given several times)
    #[arg(long, value_name = "ARGV")]
    pub(crate) before: Vec<String>,
    /// Program to run after
    #[arg(long, value_name = "ARGV")]
    pub(crate) after: Vec<String>,
    /// Program to run after a failure
    #[arg(long, value_name = "ARGV")]
    pub(crate) on_failure: Vec<String>,
    /// How often a version is restored for a trial: daily, weekly, monthly, 45d
    #[arg(long, value_name = "RHYTHM")]
    pub(crate) drill: Option<String>,
    /// How much of the archives is read back how often, for example 5%/week
    #[arg(long, value_name = "SHARE")]
    pub(crate) scrub: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum OverwriteArg {
    Never,
    Older,
    Always,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a home: a commented schedules.toml, logs/ and backups/
    #[command(after_help = "Example:\n  backupctl init --home /var/lib/backupd")]
    Init,
    /// Make a schedule
    #[command(
        after_help = "Examples:\n  backupctl create \"documents;09:00;docs_morning\"\n  backupctl create home --source /home /etc --cron \"30 2 * * *\" --keep-daily 7 --keep-weekly 4\n  backupctl create shop --database shop --every hourly --keep-last 48"
    )]
    Create {
        /// "path;hh:mm;name", or a name with --source and a time
        spec: String,
        #[command(flatten)]
        settings: Box<SettingArgs>,
        /// Do not start it by the clock
        #[arg(long)]
        disabled: bool,
        /// Take sources that do not exist yet
        #[arg(long)]
        allow_missing: bool,
    },
    /// Take in schedules, databases and notifiers that `export` wrote, or a file with one "path;hh:mm;name" a line
    #[command(after_help = "Examples:\n  backupctl import exported.toml --dry-run\n  backupctl import old-schedules.txt")]
    Import {
        /// The file
        file: PathBuf,
        /// Only check it
        #[arg(long)]
        dry_run: bool,
        /// Take sources that do not exist yet
        #[arg(long)]
        allow_missing: bool,
    },
    /// Write schedules.toml without anything that may be a secret, to take it to another machine
    #[command(after_help = "Examples:\n  backupctl export > exported.toml\n  backupctl export exported.toml")]
    Export {
        /// The file to write; it must not exist (default: standard output)
        file: Option<PathBuf>,
    },
    /// List and apply ready-made schedules
    #[command(after_help = "Examples:\n  backupctl template list\n  backupctl template apply machine --dry-run")]
    Template {
        #[command(subcommand)]
        command: TemplateCommand,
    },
    /// Fill a home that holds nothing real with a made-up history, to look at
    #[command(
        after_help = "Example:\n  backupctl --home /tmp/samples init && backupctl --home /tmp/samples sample-data --count 30\n\nThe home is marked: nothing real is ever done in it."
    )]
    SampleData {
        /// How many runs
        #[arg(long, default_value_t = 30)]
        count: usize,
    },
    /// List all schedules with index, next run and last outcome
    #[command(after_help = "Example:\n  backupctl list")]
    List,
    /// Show all settings of a schedule
    #[command(after_help = "Example:\n  backupctl show docs_morning")]
    Show {
        /// Name or index
        name: String,
    },
    /// Change settings of a schedule
    #[command(
        after_help = "Examples:\n  backupctl edit docs_morning --at 08:30 --keep-days 60\n  backupctl edit docs_morning --unset exclude"
    )]
    Edit {
        /// Name or index
        name: String,
        #[command(flatten)]
        settings: Box<SettingArgs>,
        /// Remove a key, so that the default holds (may be given several times)
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Let the clock start a schedule
    #[command(after_help = "Example:\n  backupctl enable docs_morning")]
    Enable {
        /// Name or index
        name: String,
    },
    /// Keep the clock from starting a schedule
    #[command(after_help = "Example:\n  backupctl disable 0")]
    Disable {
        /// Name or index
        name: String,
    },
    /// Copy a schedule; the copy starts disabled
    #[command(after_help = "Example:\n  backupctl duplicate docs_morning docs_evening")]
    Duplicate {
        /// Name or index
        name: String,
        /// The copy's name
        new_name: String,
    },
    /// Delete a schedule; its archives stay
    #[command(after_help = "Examples:\n  backupctl delete 0\n  backupctl delete docs_morning --with-backups --yes")]
    Delete {
        /// Name or index
        name: String,
        /// Remove its archives too
        #[arg(long)]
        with_backups: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Start the daemon
    #[command(after_help = "Example:\n  backupctl start")]
    Start,
    /// Stop the daemon; backups at work are waited for up to stop_timeout
    #[command(after_help = "Examples:\n  backupctl stop\n  backupctl stop --now")]
    Stop {
        /// Cancel backups at work instead of waiting
        #[arg(long)]
        now: bool,
    },
    /// Stop and start the daemon
    #[command(after_help = "Example:\n  backupctl restart")]
    Restart {
        /// Cancel backups at work instead of waiting
        #[arg(long)]
        now: bool,
    },
    /// Let the daemon read schedules.toml again
    #[command(after_help = "Example:\n  backupctl reload")]
    Reload,
    /// Say how things stand; exit code 4 if the daemon is not running
    #[command(after_help = "Example:\n  backupctl status --json")]
    Status,
    /// Back up now
    #[command(
        after_help = "Examples:\n  backupctl run docs_morning\n  backupctl run docs_morning --kind full\n  backupctl run docs_morning photos --no-wait"
    )]
    Run {
        /// Names or indexes
        #[arg(required = true)]
        names: Vec<String>,
        /// full, incremental or differential (default: what the schedule makes)
        #[arg(long)]
        kind: Option<String>,
        /// Do not wait for the end (needs the daemon)
        #[arg(long)]
        no_wait: bool,
    },
    /// List archives, newest first
    #[command(after_help = "Example:\n  backupctl backups docs_morning")]
    Backups {
        /// Name or index of a schedule
        name: Option<String>,
    },
    /// Bring files or a database back, whole or in part; needs no daemon and no catalogue
    #[command(
        after_help = "Examples:\n  backupctl restore docs_morning --to /tmp/restored\n  backupctl restore docs_morning@2026-11-20 --to /tmp/restored --path home/me/letter.odt\n  backupctl restore /mnt/usb/full_2026-11-21_09-00-00.tar.gz --to /tmp/restored\n  backupctl restore docs_morning --in-place --overwrite older --dry-run\n  backupctl restore shop@2026-11-20 --into shop_of_yesterday\n  backupctl restore shop --into shop --overwrite"
    )]
    Restore(Box<RestoreArgs>),
    /// Check archives against their checksums, or read back every byte
    #[command(
        after_help = "Examples:\n  backupctl verify docs_morning --deep\n  backupctl verify --all\n  backupctl verify /mnt/usb/full_2026-11-21_09-00-00.tar.gz --deep"
    )]
    Verify {
        /// A file's path, an id, NAME@TIME, or a schedule's name for all of its archives
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        archive: Option<String>,
        /// All archives
        #[arg(long)]
        all: bool,
        /// Read back every byte and compare with the index
        #[arg(long)]
        deep: bool,
        /// The copy in this destination, fetched for it
        #[arg(long, conflicts_with = "all")]
        destination: Option<String>,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Add, test, list and delete destinations: where copies of archives go
    #[command(
        after_help = "Examples:\n  backupctl destination add offsite --url 's3://bucket/backups?endpoint=https://s3.example.org&region=eu' --access-key AK123 --secret-file /etc/backupd/s3.key\n  backupctl destination test offsite\n  backupctl edit home --destination local --destination offsite"
    )]
    Destination {
        #[command(subcommand)]
        command: DestinationCommand,
    },
    /// Bring an archive from a destination into a folder, with all that it builds on
    #[command(
        after_help = "Examples:\n  backupctl fetch home@latest --to /mnt/big\n  backupctl fetch shop@2026-11-20 --destination offsite --to /mnt/big\n\n`backupctl restore` fetches by itself what it needs; this is for copies, and for dumps of databases."
    )]
    Fetch {
        /// An id (or 8 characters of it), a file's name, or NAME, NAME@latest or NAME@TIME
        archive: String,
        /// The folder; made if it is not there
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// From this destination (default: the first that has it)
        #[arg(long)]
        destination: Option<String>,
        #[command(flatten)]
        keys: KeyArgs,
    },
    /// Send archives to another machine's receiver
    #[command(
        after_help = "Examples:\n  SERVER_URL=https://vault.example.org:5000 BACKUP_TOKEN=… backupctl push home\n  backupctl push home --all\n  backupctl push /mnt/usb/full_2026-11-21_09-00-00.tar.gz\n\nEnvironment: SERVER_URL (default http://localhost:5000), BACKUP_DIR (default ./backup, else the home's backups), BACKUP_TOKEN.\nWhat is there already is not sent again; what was cut goes on where it was."
    )]
    Push(PushArgs),
    /// Compare archives here with those that a receiver has
    #[command(
        after_help = "Examples:\n  SERVER_URL=https://vault.example.org:5000 BACKUP_TOKEN=… backupctl compare\n  backupctl compare --stats\n\nExit codes: 0 all is there, 3 something is missing there."
    )]
    Compare {
        /// Show counts and sizes of the receiver too
        #[arg(long)]
        stats: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Make a home anew from a destination: schedules, history, and where the archives are
    #[command(
        after_help = "Examples:\n  backupctl --home /var/lib/backupd recover 's3://bucket/backups?endpoint=https://s3.example.org&region=eu' --access-key AK123 --secret-file s3.key\n  backupctl --home /srv/b recover sftp://backup@host/srv/backups --identity id_ed25519 --passphrase-file kit.passphrase\n  BACKUP_TOKEN=… backupctl --home /srv/b recover receiver+https://vault.example.org:5000\n\nThen `backupctl restore NAME --to DIR` fetches what it needs. Nothing runs before `backupctl start`.\nEnvironment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (S3), BACKUP_TOKEN (receiver)."
    )]
    Recover(Box<RecoverArgs>),
    /// Add, test, list and delete databases
    #[command(
        after_help = "Examples:\n  backupctl database add shop --url postgres://backup@localhost/shop --password-file /etc/backupd/shop.password\n  backupctl database test shop\n  backupctl create shop --database shop --every hourly --keep-last 48"
    )]
    Database {
        #[command(subcommand)]
        command: DatabaseCommand,
    },
    /// Add, test, list and delete notifiers: mail and webhooks
    #[command(
        after_help = "Examples:\n  backupctl notifier add ops --email ops@example.org --smtp smtps://mail.example.org --user backup --password-file /etc/backupd/smtp.password\n  backupctl notifier test ops\n  backupctl create docs --source documents --at 09:00 --notify ops"
    )]
    Notifier {
        #[command(subcommand)]
        command: NotifierCommand,
    },
    /// Add, list and delete users of the page and the API, give them passwords
    #[command(
        after_help = "Examples:\n  backupctl user add ada --role admin\n  pass show backup/ada | backupctl user add ada --role admin --password-stdin\n  backupctl user passwd ada\n\nRoles: viewer looks, operator also runs, restores and verifies, admin does everything."
    )]
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Make, list and revoke tokens, by which programs use the API
    #[command(
        after_help = "Examples:\n  backupctl token create monitoring --scope read\n  backupctl token create deploy --scope operate --expires 90d\n  backupctl token revoke deploy\n\nSend a token as the header: Authorization: Bearer bkp_…"
    )]
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Show who changed or restored what, and prove that the log is whole
    #[command(after_help = "Examples:\n  backupctl audit list --text restores\n  backupctl audit verify")]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Make, show and check keys for encrypted archives
    #[command(
        after_help = "Examples:\n  backupctl key new --out /etc/backupd/backup-key\n  backupctl create home --source /home --at 02:30 --encrypt-to /etc/backupd/backup-key.pub.asc"
    )]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Apply retention: remove archives that no rule keeps
    #[command(after_help = "Example:\n  backupctl prune docs_morning --dry-run")]
    Prune {
        /// Name or index of a schedule; all if left out
        name: Option<String>,
        /// Only say what would be removed, and why the others stay
        #[arg(long)]
        dry_run: bool,
    },
    /// List runs, newest first
    #[command(
        after_help = "Examples:\n  backupctl history --status failed --from 2026-11-01\n  backupctl history --text \"no space\" --json"
    )]
    History {
        /// A schedule's name
        name: Option<String>,
        /// Part of a name, host or error
        #[arg(long)]
        text: Option<String>,
        /// pending, running, completed, warning, failed or cancelled
        #[arg(long)]
        status: Option<String>,
        /// backup, restore, verify, prune, drill, scrub, consolidate or rebuild
        #[arg(long)]
        operation: Option<String>,
        /// full, incremental or differential
        #[arg(long)]
        kind: Option<String>,
        /// From this day or time
        #[arg(long)]
        from: Option<String>,
        /// To this day (with it) or time
        #[arg(long)]
        to: Option<String>,
        /// created, seconds, stored or name; a - before it reverses
        #[arg(long, allow_hyphen_values = true)]
        sort: Option<String>,
        /// Rows to pass over
        #[arg(long, default_value_t = 0)]
        offset: u64,
        /// Rows to show
        #[arg(long, default_value_t = 50)]
        rows: u64,
        /// One run with all it had to say: its id, or 8 characters of it
        #[arg(long, value_name = "ID")]
        run: Option<String>,
    },
    /// Statistics over backups
    #[command(after_help = "Example:\n  backupctl stats --days 90")]
    Stats {
        /// A schedule's name
        name: Option<String>,
        /// Days to look back
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Show the logs of backupctl and backupd
    #[command(after_help = "Examples:\n  backupctl logs -n 50\n  backupctl logs -f")]
    Logs {
        /// Go on as lines come
        #[arg(long, short)]
        follow: bool,
        /// Lines of each log
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
    },
    /// Look into an archive
    #[command(after_help = "Example:\n  backupctl browse docs_morning home/me")]
    Browse {
        /// A file's path, an id, or NAME, NAME@latest or NAME@TIME
        archive: String,
        /// A folder in it
        path: Option<PathBuf>,
    },
    /// Find a file across all versions, deleted files too
    #[command(
        after_help = "Examples:\n  backupctl find letter.odt\n  backupctl find '*.odt' --schedule home\n  backupctl find 'me/letters/**' -i\n\nA word without wildcards is looked for anywhere in names."
    )]
    Find {
        /// A pattern as in .gitignore, or a part of a name
        pattern: String,
        /// Only in archives of this schedule
        #[arg(long, value_name = "NAME")]
        schedule: Option<String>,
        /// Upper and lower case are the same
        #[arg(long, short)]
        ignore_case: bool,
        /// Paths to show for each schedule
        #[arg(long, default_value_t = 1000)]
        limit: u64,
    },
    /// Restore a version into a scratch folder and compare every entry: proof that it can be restored
    #[command(after_help = "Examples:\n  backupctl drill docs_morning\n  backupctl drill docs_morning@2026-11-20 --sample 5")]
    Drill {
        /// A schedule's name (its newest version), NAME@TIME, an id or a file's path
        archive: String,
        /// Only so many percent of the files, chosen at random
        #[arg(long, value_name = "PERCENT")]
        sample: Option<f64>,
    },
    /// Read archives back to the last byte, those first that were not for longest
    #[command(
        after_help = "Examples:\n  backupctl scrub\n  backupctl scrub docs_morning --percent 10\n  backupctl scrub --time-limit 2h\n\nEach archive that was read counts at once: a scrub that is stopped goes on where it was."
    )]
    Scrub {
        /// Only archives of this schedule
        name: Option<String>,
        /// Share of the bytes of the archives
        #[arg(long, default_value_t = 100.0)]
        percent: f64,
        /// Begin no further archive after this, for example 2h
        #[arg(long = "time-limit", value_name = "SPAN", value_parser = backup_model::parse_duration)]
        limit: Option<std::time::Duration>,
    },
    /// Make a full archive out of the newest chain, without reading the source
    #[command(after_help = "Example:\n  backupctl consolidate docs_morning")]
    Consolidate {
        /// Name or index
        name: String,
    },
    /// Make lost or damaged indexes and sidecars again from the archives
    #[command(after_help = "Examples:\n  backupctl rebuild\n  backupctl rebuild docs_morning")]
    Rebuild {
        /// Only archives of this schedule
        name: Option<String>,
        /// Take archives below this folder into the catalogue, for example after they were moved
        #[arg(long, value_name = "DIR", conflicts_with = "name")]
        scan: Option<PathBuf>,
        /// Forget archives that are not there any more
        #[arg(long, conflicts_with = "name")]
        fix_missing: bool,
        /// Only say what --scan and --fix-missing would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Look at everything that backups need, and say what is wrong and what to do
    #[command(
        after_help = "Examples:\n  backupctl check\n  backupctl check --json\n  backupctl check --fix\n\nOn a terminal --fix asks before each thing; with --yes it does not.\nExit codes: 0 all is well, 3 warnings only, 1 errors."
    )]
    Check {
        /// Mend what can be mended
        #[arg(long)]
        fix: bool,
        /// Do not ask before mending
        #[arg(long, requires = "fix")]
        yes: bool,
        /// Read every archive back to its last byte too
        #[arg(long)]
        deep: bool,
    },
    /// End runs that are stuck, and remove what interrupted work has left
    #[command(after_help = "Examples:\n  backupctl cleanup --dry-run\n  backupctl cleanup --hours 1")]
    Cleanup {
        /// Only what is at least so many hours old
        #[arg(long, default_value_t = 6)]
        hours: u32,
        /// Whatever its age, and whoever seems to work on it
        #[arg(long)]
        force: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// List what somebody should hear of, newest first: damaged archives, failed trial restores
    #[command(after_help = "Example:\n  backupctl alerts")]
    Alerts {
        /// Rows to show
        #[arg(long, default_value_t = 50)]
        rows: u64,
    },
    /// Say what changed between two archives
    #[command(after_help = "Example:\n  backupctl diff docs_morning@2026-11-20 docs_morning@latest")]
    Diff {
        /// The older archive
        a: String,
        /// The newer archive
        b: String,
    },
    /// Keep an archive whatever retention says
    #[command(after_help = "Example:\n  backupctl pin 019a3c5e")]
    Pin {
        /// A file's path, an id, or NAME, NAME@latest or NAME@TIME
        archive: String,
    },
    /// Let retention decide again
    #[command(after_help = "Example:\n  backupctl unpin 019a3c5e")]
    Unpin {
        /// A file's path, an id, or NAME, NAME@latest or NAME@TIME
        archive: String,
    },
    /// Confirm that a sudden drop is all right, so that retention goes on
    #[command(after_help = "Example:\n  backupctl confirm docs_morning")]
    Confirm {
        /// Name or index
        name: String,
    },
    /// Stop a run; it leaves nothing behind
    #[command(after_help = "Example:\n  backupctl cancel docs_morning")]
    Cancel {
        /// The run's id (or 8 characters of it), or the schedule at work
        run: String,
    },
    /// Print completions for a shell
    #[command(after_help = "Example:\n  backupctl completions bash > /etc/bash_completion.d/backupctl")]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Write man pages into a folder
    #[command(after_help = "Example:\n  backupctl man /usr/local/share/man/man1")]
    Man {
        /// The folder
        dir: PathBuf,
    },
    /// Take a report from standard input into the history
    #[command(name = "__report", hide = true)]
    Report,
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a pair of keys and a sheet to print
    #[command(
        after_help = "Example:\n  backupctl key new --out /etc/backupd/backup-key --name \"Backups of web1\"\n\nWrites backup-key.pub.asc (for `--encrypt-to`), backup-key.key.asc (private: take it off this machine) and\nbackup-key.sheet.txt (to print and to put away)."
    )]
    New {
        /// Begin of the names of the files to write
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// Whose key it is, for people
        #[arg(long, default_value = "Backups")]
        name: String,
        /// File whose first line becomes the passphrase of the private key
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Say what a key file holds
    #[command(after_help = "Example:\n  backupctl key show /etc/backupd/backup-key.pub.asc")]
    Show {
        /// The file
        file: PathBuf,
    },
    /// Say whether a private key or a passphrase opens an archive, to its last byte
    #[command(
        after_help = "Example:\n  backupctl key check /var/lib/backupd/backups/home/full_2026-11-21_09-00-00.tar.gz.gpg --key /media/stick/backup-key.key.asc"
    )]
    Check {
        /// The archive's path
        archive: PathBuf,
        #[command(flatten)]
        keys: KeyArgs,
    },
}

#[derive(ClapArgs)]
pub(crate) struct RestoreArgs {
    /// A file's path, an id (or 8 characters of it), or NAME, NAME@latest or NAME@TIME
    pub(crate) archive: String,
    /// From this destination (default: the home, or where its files are gone the first destination that has it)
    #[arg(long, conflicts_with_all = ["stdout", "as_tar"])]
    pub(crate) destination: Option<String>,
    /// The folder to restore beneath
    #[arg(long, value_name = "DIR", required_unless_present_any = ["in_place", "stdout", "as_tar", "into"], conflicts_with_all = ["in_place", "stdout", "as_tar", "into"])]
    pub(crate) to: Option<PathBuf>,
    /// Restore to where the files came from
    #[arg(long, conflicts_with_all = ["stdout", "as_tar"])]
    pub(crate) in_place: bool,
    /// Write the contents of this one file to standard output
    #[arg(long, value_name = "PATH", conflicts_with = "as_tar")]
    pub(crate) stdout: Option<PathBuf>,
    /// Write everything, or what --path and --pattern choose, to standard output as a tar stream
    #[arg(long)]
    pub(crate) as_tar: bool,
    /// Only this file or folder, as `browse` shows it (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
    /// Only what matches, as in .gitignore (may be given several times)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pattern: Vec<String>,
    /// Drop so many leading components of names
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) strip: usize,
    /// What to do where a file exists already; with --into, replace a database that holds something
    #[arg(long, value_enum, default_value = "never", num_args = 0..=1, default_missing_value = "always")]
    pub(crate) overwrite: OverwriteArg,
    #[command(flatten)]
    pub(crate) database: IntoArgs,
    /// Owners by the names that the archive holds, where this machine knows them, instead of by numbers
    #[arg(long)]
    pub(crate) owners_by_name: bool,
    /// Give files of one user to another, FROM=TO by name or number (may be given several times)
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) map_user: Vec<String>,
    /// Give files of one group to another, FROM=TO by name or number (may be given several times)
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) map_group: Vec<String>,
    /// Give all files to USER:GROUP, by name or number, unless --map-user or --map-group says otherwise
    #[arg(long, value_name = "USER:GROUP")]
    pub(crate) owner: Option<String>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on where an archive is damaged: what cannot be read is left out, each with a warning
    #[arg(long)]
    pub(crate) skip_damaged: bool,
    /// Stop at an archive that holds more entries than this (default: what its sidecar or index says,
    /// a million if both are lost)
    #[arg(long, value_name = "N")]
    pub(crate) max_entries: Option<u64>,
    /// Stop at an archive that unpacks to more than this, such as 50GB (default: what its sidecar says,
    /// 200 times its own size and a GiB if that is lost)
    #[arg(long, value_name = "SIZE", value_parser = backup_model::parse_size)]
    pub(crate) max_size: Option<u64>,
}

#[derive(Subcommand)]
pub(crate) enum TemplateCommand {
    /// List templates
    #[command(after_help = "Example:\n  backupctl template list")]
    List,
    /// Apply a template; what is there already stays
    #[command(after_help = "Example:\n  backupctl template apply default")]
    Apply {
        /// Its name
        name: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}
