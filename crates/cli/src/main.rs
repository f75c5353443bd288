//! `backupctl`: words in; tables, progress or JSON out.

mod args;
mod commands;
mod connect;
mod failure;
mod output;
mod password;
mod progress;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => return usage(&e),
    };
    backup_operations::raise_open_files();
    let json = args.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return Failure::new(1, format!("cannot start: {e}")).report(json),
    };
    let result = runtime.block_on(commands::run(args));
    // Work that was cancelled has cleaned up by now; nothing else is waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(json),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { 2 } else { 0 };
    // A closed pipe is no reason to complain.
    let _ = error.print();
    ExitCode::from(code)
}

impl Command {
    /// Whether the command works on files of the home in this process when no daemon runs.
    pub(crate) fn works(&self) -> bool {
        matches!(
            self,
            Self::Run { .. }
                | Self::Verify { .. }
                | Self::Prune { .. }
                | Self::Drill { .. }
                | Self::Scrub { .. }
                | Self::Consolidate { .. }
                | Self::Rebuild { .. }
                | Self::Restore(..)
                | Self::Delete { .. }
                | Self::Cancel { .. }
                | Self::Report
        )
    }
}
