//! Commands that need no home yet: init, completions, man pages.

use super::Context;
use crate::args::Args;
use crate::failure::Failure;
use crate::output::line;
use backup_config::SAMPLE;
use clap::CommandFactory;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The sample with its live schedule taken out: a new home backs nothing up yet.
fn empty_sample() -> String {
    let mut out = String::new();
    let mut in_schedule = false;
    for text in SAMPLE.lines() {
        in_schedule = if text.starts_with("[[schedule]]") { true } else { in_schedule && !text.is_empty() };
        out.push_str(if in_schedule { "# " } else { "" });
        out.push_str(text);
        out.push('\n');
    }
    out
}

pub(super) fn init(c: &Context) -> Result<u8, Failure> {
    let home = c.find_home()?;
    let root = home.root().to_owned();
    // Named or not, the folder of `init` is the current one unless another is given.
    let root = if c.home.is_none() && std::env::var_os("BACKUP_HOME").is_none() { std::env::current_dir()? } else { root };
    let fail = |what: &str, e: std::io::Error| Failure::new(1, format!("cannot {what} {}: {e}", root.display()));
    if !root.exists() {
        fs::create_dir_all(&root)
            .and_then(|()| fs::set_permissions(&root, fs::Permissions::from_mode(0o750)))
            .map_err(|e| fail("make the home", e))?;
    }
    let home = backup_config::Home::at(root.clone());
    let file = home.schedules();
    let mut out = match OpenOptions::new().create_new(true).write(true).open(&file) {
        Ok(out) => out,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::new(1, format!("{} exists already; nothing was changed", file.display())));
        }
        Err(e) => return Err(fail("write schedules.toml in", e)),
    };
    out.write_all(empty_sample().as_bytes()).and_then(|()| out.sync_all()).map_err(|e| fail("write schedules.toml in", e))?;
    home.make_folders()?;
    if c.json {
        crate::output::json(&serde_json::json!({ "home": home.root().display().to_string() }))?;
    } else {
        line(format!("made a home in {}", home.root().display()))?;
        line("next: backupctl create \"documents;09:00;docs_morning\", then backupctl start")?;
    }
    Ok(0)
}

pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "backupctl", &mut text);
    line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(0)
}

pub(super) fn man(dir: &Path) -> Result<u8, Failure> {
    let fail = |e: std::io::Error| Failure::new(1, format!("cannot write man pages into {}: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(fail)?;
    clap_mangen::generate_to(Args::command(), dir).map_err(fail)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_new_home_backs_nothing_up_yet() {
        let file = backup_config::parse(&super::empty_sample(), chrono_tz::UTC).expect("valid");
        assert!(file.schedules.is_empty());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        crate::args::Args::command().debug_assert();
        for command in crate::args::Args::command().get_subcommands().filter(|c| !c.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("backupctl "), "{} has no example", command.get_name());
        }
    }
}
