//! Puts a home in order after a crash. Run with the home's lock held exclusively.

use crate::locks::ScheduleLock;
use crate::{App, HomeLock, OperationError};
use backup_catalogue::{Finish, Lease};
use backup_engine::store;
use backup_model::{ArchiveId, Name, Operation, RunCounts, RunStatus};
use std::collections::BTreeSet;
use std::path::Path;

/// Whether the holder of a lease is surely gone: this machine has booted since, or has no such process.
pub(crate) fn is_dead(lease: &Lease, own: &Lease) -> bool {
    let gone = || {
        i32::try_from(lease.pid)
            .is_ok_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH))
    };
    lease.host == own.host && (lease.boot != own.boot || gone())
}

impl App {
    /// Takes the home's lock, cleans up if nobody else works in the home, and shares the lock.
    ///
    /// # Errors
    /// The lock cannot be taken, or the catalogue cannot be used.
    pub async fn enter_home(&self) -> Result<HomeLock, OperationError> {
        let mut lock = HomeLock::take(self.need_home()?)?;
        let alone = lock.is_exclusive();
        self.reconcile(alone).await?;
        if alone {
            lock.share()?;
        }
        Ok(lock)
    }

    /// Ends runs that nobody works on any more, removes what they left, finishes deletions that were
    /// begun, and takes in archives that were complete. Costs nothing where nothing had crashed.
    ///
    /// With `alone`, no other process works in the home, so whatever is not this process's own is
    /// dead. Else only what a process has held that is surely gone.
    ///
    /// # Errors
    /// The catalogue cannot be used, or a folder cannot be cleaned.
    pub async fn reconcile(&self, alone: bool) -> Result<(), OperationError> {
        let mut folders = BTreeSet::new();
        for (run, lease, _) in self.catalogue().open_runs().await? {
            if run.status != RunStatus::Running || lease == *self.lease() || !(alone || is_dead(&lease, self.lease())) {
                continue;
            }
            if run.operation == Operation::Backup {
                folders.insert(run.name.clone());
            }
            let finish = Finish {
                status: RunStatus::Failed,
                ended: self.now(),
                counts: RunCounts::default(),
                error: Some("interrupted: the program or the machine stopped while it ran".into()),
                made: Vec::new(),
                notes: Vec::new(),
                alerts: Vec::new(),
            };
            self.end_run(&run, &finish).await?;
            tracing::error!("{} of {} was interrupted (run {})", run.operation, run.name, run.id);
        }
        let deleting = if alone { self.catalogue().deleting().await? } else { Vec::new() };
        let home = self.need_home()?;
        for (id, path) in deleting {
            store::remove(Path::new(&path), id, self.local_indexes().as_deref())?;
            self.catalogue().files_gone(id).await?;
            tracing::info!("removed {path}, as was begun before the interruption");
        }
        // A catalogue without archives beside folders with some is a new one: all are taken in.
        if alone && self.catalogue().archive_totals(None).await?.0 == 0 {
            for folder in std::fs::read_dir(home.backups()).into_iter().flatten().flatten() {
                folders.extend(folder.file_name().into_string().ok());
            }
        }
        for name in folders {
            let Ok(name) = Name::new(&name) else { continue };
            self.tidy_folder(&name).await?;
        }
        if alone {
            self.sweep_state().await?;
        }
        Ok(())
    }

    /// Removes what trial restores left, and clear indexes whose archives are not there.
    async fn sweep_state(&self) -> Result<(), OperationError> {
        for entry in std::fs::read_dir(self.need_home()?.state()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("drill-") {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let _ = std::fs::remove_dir_all(self.need_home()?.state().join("copies"));
        for entry in self.local_indexes().map(std::fs::read_dir).into_iter().flatten().flatten().flatten() {
            let path = entry.path();
            let id = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<ArchiveId>().ok());
            let Some(id) = id else { continue };
            let part = path.extension().is_some_and(|e| e == "part");
            if part || self.catalogue().archive_by_prefix(&id.to_string()).await?.is_none() {
                let _ = std::fs::remove_file(&path);
            }
        }
        Ok(())
    }

    pub(crate) async fn tidy_folder(&self, name: &Name) -> Result<(), OperationError> {
        let home = self.need_home()?;
        let Some(_lock) = ScheduleLock::try_take(home, name)? else { return Ok(()) };
        let folder = home.backups().join(name.as_str());
        for done in store::sweep(&folder)? {
            tracing::info!("after the interruption: {done}");
        }
        let known: BTreeSet<String> =
            self.catalogue().archives(Some(name.as_str()), None, 0).await?.into_iter().map(|r| r.path).collect();
        for (path, manifest) in store::archives_in(&folder)? {
            let shown = path.display().to_string();
            match manifest {
                Ok(manifest) if !known.contains(&shown) && path.exists() => {
                    self.catalogue().adopt(&manifest, &shown, self.now()).await?;
                    tracing::info!("took in {shown}, which the catalogue did not know");
                }
                Ok(_) => {}
                Err(e) => tracing::warn!("{e}"),
            }
        }
        Ok(())
    }
}
