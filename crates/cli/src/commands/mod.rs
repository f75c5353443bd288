//! The commands, by what they are about.

mod access;
mod archives;
mod checks;
mod daemon;
mod databases;
mod destinations;
mod history;
mod keys;
mod maintenance;
mod notifiers;
mod push;
mod restore;
mod runs;
mod schedules;
mod setup;
mod transfer;

use crate::args::{Args, Command};
use crate::connect::{self, Connection};
use crate::failure::Failure;

/// What every command needs to know.
pub(crate) struct Context {
    pub(crate) home: Option<std::path::PathBuf>,
    pub(crate) json: bool,
    works: bool,
}

impl Context {
    /// Connects to the API for a command that needs a home.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        connect::connect(self.home.as_deref(), self.works).await
    }

    pub(crate) fn find_home(&self) -> Result<backup_config::Home, Failure> {
        connect::find_home(self.home.as_deref())
    }
}

/// A word that means an archive; the path of a file is made absolute.
fn absolute_word(word: &str) -> Result<String, Failure> {
    if word.contains('/') { Ok(std::path::absolute(word)?.display().to_string()) } else { Ok(word.to_owned()) }
}

/// Runs a command; answers its exit code.
pub(crate) async fn run(args: Args) -> Result<u8, Failure> {
    let works = args.command.works();
    let c = Context { home: args.home, json: args.json, works };
    match args.command {
        Command::Init => setup::init(&c),
        Command::Completions { shell } => setup::completions(shell),
        Command::Man { dir } => setup::man(&dir),
        Command::Create { spec, settings, disabled, allow_missing } => {
            schedules::create(&c, &spec, &settings, disabled, allow_missing).await
        }
        Command::Import { file, dry_run, allow_missing } => schedules::import(&c, &file, dry_run, allow_missing).await,
        Command::Export { file } => transfer::export(&c, file.as_deref()).await,
        Command::Template { command } => transfer::template(&c, command).await,
        Command::SampleData { count } => transfer::samples(&c, count).await,
        Command::List => schedules::list(&c).await,
        Command::Show { name } => schedules::show(&c, &name).await,
        Command::Edit { name, settings, unset } => schedules::edit(&c, &name, &settings, &unset).await,
        Command::Enable { name } => schedules::enable(&c, &name, true).await,
        Command::Disable { name } => schedules::enable(&c, &name, false).await,
        Command::Duplicate { name, new_name } => schedules::duplicate(&c, &name, &new_name).await,
        Command::Delete { name, with_backups, yes } => schedules::delete(&c, &name, with_backups, yes).await,
        Command::Confirm { name } => schedules::confirm(&c, &name).await,
        Command::Start => daemon::start(&c).await,
        Command::Stop { now } => daemon::stop(&c, now).await,
        Command::Restart { now } => daemon::restart(&c, now).await,
        Command::Reload => daemon::reload(&c).await,
        Command::Status => daemon::status(&c).await,
        Command::Logs { follow, lines } => daemon::logs(&c, follow, lines).await,
        Command::Run { names, kind, no_wait } => runs::run(&c, &names, kind.as_deref(), no_wait).await,
        Command::Cancel { run } => runs::cancel(&c, &run).await,
        Command::Verify { archive, all, deep, destination, keys } => {
            runs::verify(&c, archive.as_deref(), all, deep, destination.as_deref(), &keys).await
        }
        Command::Destination { command } => destinations::destination(&c, command).await,
        Command::Fetch { archive, to, destination, keys } => {
            destinations::fetch(&c, &archive, &to, destination.as_deref(), &keys).await
        }
        Command::Push(what) => push::push(&c, &what).await,
        Command::Compare { stats, server } => push::compare(&c, stats, &server).await,
        Command::Recover(what) => destinations::recover(&c, *what).await,
        Command::Key { command } => keys::key(&c, command),
        Command::Report => runs::report(&c).await,
        Command::Restore(mut what) => match what.database.into.take() {
            Some(into) => databases::restore(&c, *what, into).await,
            None => restore::restore(&c, *what).await,
        },
        Command::Database { command } => databases::database(&c, command).await,
        Command::User { command } => access::user(&c, command).await,
        Command::Token { command } => access::token(&c, command).await,
        Command::Notifier { command } => notifiers::notifier(&c, command).await,
        Command::Audit { command } => access::audit(&c, command).await,
        Command::Backups { name } => archives::backups(&c, name.as_deref()).await,
        Command::Browse { archive, path } => archives::browse(&c, &archive, path.as_deref()).await,
        Command::Diff { a, b } => archives::diff(&c, &a, &b).await,
        Command::Pin { archive } => archives::pin(&c, &archive, true).await,
        Command::Unpin { archive } => archives::pin(&c, &archive, false).await,
        Command::Drill { archive, sample } => checks::drill(&c, &archive, sample).await,
        Command::Scrub { name, percent, limit } => checks::scrub(&c, name.as_deref(), percent, limit.map(|l| l.as_secs())).await,
        Command::Consolidate { name } => checks::consolidate(&c, &name).await,
        Command::Rebuild { name, scan, fix_missing, dry_run } => {
            if scan.is_none() && !fix_missing {
                return checks::rebuild(&c, name.as_deref()).await;
            }
            let scan = scan.map(|s| databases::absolute(&s)).transpose()?;
            maintenance::rescue(&c, &backup_wire::RescueRequest { scan, fix_missing, dry_run }).await
        }
        Command::Check { fix, yes, deep } => maintenance::check(&c, fix, yes, deep).await,
        Command::Cleanup { hours, force, dry_run } => {
            maintenance::cleanup(&c, &backup_wire::CleanupRequest { hours, force, dry_run }).await
        }
        Command::Find { pattern, schedule, ignore_case, limit } => {
            checks::find(&c, &pattern, schedule.as_deref(), ignore_case, limit).await
        }
        Command::Alerts { rows } => checks::alerts(&c, rows).await,
        Command::Prune { name, dry_run } => archives::prune(&c, name.as_deref(), dry_run).await,
        Command::History { name, text, status, operation, kind, from, to, sort, offset, rows, run } => {
            if let Some(run) = run {
                return history::one(&c, &run).await;
            }
            let query = [
                ("schedule", name),
                ("text", text),
                ("status", status),
                ("operation", operation),
                ("kind", kind),
                ("from", from),
                ("to", to),
                ("sort", sort),
                ("offset", Some(offset.to_string())),
                ("limit", Some(rows.to_string())),
            ];
            history::history(&c, &query).await
        }
        Command::Stats { name, days } => history::stats(&c, name.as_deref(), days).await,
    }
}
