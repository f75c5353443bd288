//! What somebody should hear of: alerts about runs, missed and missing backups, disks; and how they are told.

mod notifiers;
mod sending;
mod watch;

pub(crate) use watch::stale;

pub use notifiers::{NotifierState, NotifierWish};

use crate::request::new_uuid;
use crate::{App, OperationError};
use backup_catalogue::{CatalogueError, Finish};
use backup_model::{Alert, AlertKind, Condition, Operation, Run, RunId, RunStatus};

impl App {
    fn new_alert(&self, kind: AlertKind, name: &str, run: Option<RunId>, text: String) -> Alert {
        Alert { id: new_uuid(), at: self.now(), kind, name: name.to_owned(), run, text }
    }

    /// Who shall hear of an alert: those whom its schedule names, or all, as far as they want to.
    fn hearers(&self, alert: &Alert) -> Vec<String> {
        let file = self.file();
        let named = file.schedule(&alert.name).and_then(|s| s.notify.as_ref());
        let hears = |n: &&backup_model::NotifierSettings| n.wants(alert.kind) && named.is_none_or(|list| list.contains(&n.name));
        file.notifiers.iter().filter(hears).map(|n| n.name.to_string()).collect()
    }

    /// Records something that somebody should hear of.
    pub(crate) async fn alert(&self, kind: AlertKind, name: &str, run: Option<RunId>, text: String) {
        tracing::error!("alert ({kind}) about {name}: {text}");
        let alert = self.new_alert(kind, name, run, text);
        let hearers = self.hearers(&alert);
        if let Err(e) = self.catalogue().add_alerts(&[(alert, hearers)]).await {
            tracing::error!("the alert cannot be recorded: {e}");
        }
    }

    /// Whether the last backup of a run's schedule failed.
    async fn failed_before(&self, run: &Run) -> Result<bool, CatalogueError> {
        let states = self.catalogue().schedule_states().await?;
        Ok(states.get(&run.name).and_then(|s| s.last_status) == Some(RunStatus::Failed))
    }

    /// What is to be told of the end of a run.
    async fn alerts_of(&self, run: &Run, finish: &Finish) -> Result<Vec<(Alert, Vec<String>)>, CatalogueError> {
        let error = finish.error.as_deref().unwrap_or("-");
        let (kind, text) = match finish.status {
            // What found the damage has said so already.
            RunStatus::Failed if self.catalogue().has_alert(run.id).await? => return Ok(Vec::new()),
            // It says nothing about the archive, and will say the same each time.
            RunStatus::Failed if error.starts_with(crate::checks::INCONCLUSIVE) => return Ok(Vec::new()),
            RunStatus::Failed => (AlertKind::Failure, format!("{}: {error}", run.operation)),
            RunStatus::Warning => {
                let n = finish.counts.warnings.max(1);
                (AlertKind::Warning, format!("{}: {n} warnings, the first: {error}", run.operation))
            }
            RunStatus::Completed => {
                let recovered = run.operation == Operation::Backup && self.failed_before(run).await?;
                let kind = if recovered { AlertKind::Recovery } else { AlertKind::Success };
                let c = finish.counts;
                let size = backup_model::format_size(c.bytes);
                let counted =
                    if c.tables > 0 { format!("{} tables, {} rows", c.tables, c.records) } else { format!("{} files", c.files) };
                (kind, format!("{}: {counted}, {size}", run.operation))
            }
            _ => return Ok(Vec::new()),
        };
        let alert = self.new_alert(kind, &run.name, Some(run.id), text);
        let hearers = self.hearers(&alert);
        // Nobody looks for success among alerts who has not asked for it.
        if hearers.is_empty() && matches!(kind, AlertKind::Success | AlertKind::Warning) {
            return Ok(Vec::new());
        }
        Ok(vec![(alert, hearers)])
    }

    /// Writes the end of a run down, with what is to be told of it, in one transaction.
    pub(crate) async fn end_run(&self, run: &Run, finish: &Finish) -> Result<(), CatalogueError> {
        let alerts = self.alerts_of(run, finish).await?;
        self.catalogue().finish(run.id, &Finish { alerts, ..finish.clone() }).await
    }

    /// As [`App::end_run`], by the run's id.
    pub(crate) async fn end_run_of(&self, id: RunId, finish: &Finish) -> Result<(), CatalogueError> {
        match self.catalogue().run(id).await? {
            Some(run) => self.end_run(&run, finish).await,
            None => self.catalogue().finish(id, finish).await,
        }
    }

    /// A notifier of the file.
    fn need_notifier(&self, name: &str) -> Result<backup_model::NotifierSettings, OperationError> {
        self.file()
            .notifier(name)
            .cloned()
            .ok_or_else(|| OperationError::NotFound(format!("there is no notifier {name}; `backupctl notifier list` shows all")))
    }
}

/// The words for conditions as the command line and the API take them.
pub(crate) fn conditions(words: &[String]) -> Result<Vec<Condition>, OperationError> {
    words.iter().map(|w| w.parse().map_err(|e: backup_model::ParseWordError| OperationError::Invalid(e.to_string()))).collect()
}
