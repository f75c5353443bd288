//! Ready-made schedules, and configurations on their way from one home to another.

use crate::predecessors::Configuration;
use crate::{App, OperationError};
use backup_config::Merged;

/// Templates: name, and what it makes.
pub const TEMPLATES: &[(&str, &str)] = &[
    (
        "default",
        "four configurations of [predecessors]: full every day, metadata every week, development (inactive), an archive every month",
    ),
    (
        "machine",
        "/etc, /home, /root and /srv of this machine every night, incremental, a full archive every week, a trial restore every month",
    ),
];

const MACHINE: &str = r#"version = 1

[[schedule]]
name = "machine"
title = "This machine"
source = ["/etc", "/home", "/root", "/srv"]
exclude = [".cache/", "*.tmp", "node_modules/"]
exclude_caches = true
one_file_system = true
sqlite = true
at = "02:30"
jitter = "20m"
kind = "incremental"
full_every = "weekly"
keep = { daily = 7, weekly = 4, monthly = 12 }
drill = "monthly"
"#;

/// The four of the administration that this program replaces.
fn defaults() -> [Configuration; 4] {
    let one = |name: &str, backup_type: &str, frequency: &str, is_active, include_files, retention_days| Configuration {
        name: name.to_owned(),
        backup_type: backup_type.to_owned(),
        frequency: frequency.to_owned(),
        is_active,
        include_files,
        compression_enabled: true,
        encryption_enabled: false,
        retention_days,
    };
    [
        one("Sauvegarde quotidienne complète", "full", "daily", true, true, 30),
        one("Métadonnées hebdomadaires", "metadata", "weekly", true, false, 90),
        one("Développement", "full", "manual", false, false, 7),
        one("Archive mensuelle", "full", "monthly", true, true, 365),
    ]
}

impl App {
    /// Applies a template; answers what was added, and what was there already.
    ///
    /// # Errors
    /// There is none of this name, or what it needs is not set.
    pub async fn apply_template(&self, name: &str, dry_run: bool) -> Result<Merged, OperationError> {
        match name {
            "machine" => self.import(MACHINE, dry_run),
            "default" => {
                let mut merged = Merged::default();
                let there = self.configurations().await?;
                let files = self.valid_file()?.predecessors.source.is_some();
                for mut configuration in defaults() {
                    // Where no source is named the database is copied alone.
                    configuration.include_files &= files;
                    let row = ("configuration".to_owned(), configuration.name.clone());
                    if there.iter().any(|(_, c)| c.name == configuration.name) {
                        merged.same.push(row);
                        continue;
                    }
                    if dry_run {
                        self.check_configuration(&configuration)?;
                    } else {
                        self.add_configuration(&configuration).await?;
                    }
                    merged.added.push(row);
                }
                Ok(merged)
            }
            other => {
                let known: Vec<&str> = TEMPLATES.iter().map(|(n, _)| *n).collect();
                Err(OperationError::NotFound(format!("there is no template {other}; there are: {}", known.join(", "))))
            }
        }
    }

    /// The schedules file without anything that may be a secret.
    ///
    /// # Errors
    /// It cannot be read, or is not valid.
    pub fn export(&self) -> Result<String, OperationError> {
        Ok(self.editor()?.export()?)
    }

    /// Takes schedules, databases and notifiers of another file in. What is there already must be the same.
    ///
    /// # Errors
    /// The file is not valid, or something of another meaning has a name already. Nothing is then changed.
    pub fn import(&self, text: &str, dry_run: bool) -> Result<Merged, OperationError> {
        let merged = self.editor()?.merge(text, dry_run)?;
        if !dry_run && !merged.added.is_empty() {
            self.edited(&format!("imported {} entries", merged.added.len()));
        }
        Ok(merged)
    }
}
