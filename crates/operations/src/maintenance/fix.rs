//! Mends what `check` has found, each thing only after somebody chose it.

use super::Finding;
use crate::{App, OperationError};
use backup_catalogue::Finish;
use backup_model::{ArchiveId, Name, RunCounts, RunId, RunStatus};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// How something is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fix {
    /// A run is ended as failed.
    EndRun(RunId),
    /// An archive that is gone is forgotten.
    Forget(ArchiveId),
    /// A schedule's folder is put in order: what is complete is taken in, what is not goes.
    Tidy(Name),
    /// A file gets a mode.
    Mode(PathBuf, u32),
    /// A log is rotated.
    Rotate(PathBuf),
    /// A token is revoked.
    Revoke(String),
}

impl App {
    /// Ends a run that nobody works on.
    pub(super) async fn end_stuck(&self, id: RunId, why: &str) -> Result<(), OperationError> {
        let finish = Finish {
            status: RunStatus::Failed,
            ended: self.now(),
            counts: RunCounts::default(),
            error: Some(why.to_owned()),
            made: Vec::new(),
            notes: Vec::new(),
            alerts: Vec::new(),
        };
        self.end_run_of(id, &finish).await?;
        tracing::warn!("ended the run {id}: {why}");
        Ok(())
    }

    async fn apply(&self, fix: &Fix) -> Result<(), OperationError> {
        let failed = |e: std::io::Error| OperationError::Failed(e.to_string());
        match fix {
            Fix::EndRun(id) => self.end_stuck(*id, "interrupted: nobody worked on it any more").await,
            Fix::Forget(id) => Ok(self.catalogue().files_gone(*id).await?),
            Fix::Tidy(name) => self.tidy_folder(name).await,
            Fix::Mode(path, mode) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).map_err(failed),
            Fix::Rotate(path) => {
                let log = self.file().daemon.log.clone();
                backup_config::logs::rotate(path, &log).map_err(failed)
            }
            Fix::Revoke(name) => self.revoke_token(name).await,
        }
    }

    /// Looks at everything and mends what is named by its id (all that can be mended, if nothing is named). Answers
    /// all findings, with what came of mending.
    ///
    /// # Errors
    /// The catalogue cannot be used.
    pub async fn fix(&self, ids: Option<&[String]>) -> Result<Vec<Finding>, OperationError> {
        let mut findings = self.check(false).await?;
        for finding in &mut findings {
            let chosen = ids.is_none_or(|list| list.contains(&finding.id()));
            if let Some(fix) = finding.fix.clone().filter(|_| chosen) {
                finding.fixed = Some(self.apply(&fix).await.map_err(|e| e.to_string()));
                tracing::info!("mended {}: {:?}", finding.id(), finding.fixed);
            }
        }
        Ok(findings)
    }
}
