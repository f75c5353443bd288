//! The daemon's queue: takes pending runs as the limit allows, and ends them in order.

use crate::App;
use std::time::Duration;

impl App {
    /// Works on pending runs until asked to stop; then waits for those at work.
    pub async fn run_queue(&self) {
        while !self.is_stopping() {
            self.record_kept_ends().await;
            self.fill().await;
            tokio::select! {
                () = self.wake().notified() => {}
                // Wishes recorded by a process that is gone.
                () = tokio::time::sleep(Duration::from_secs(30)) => {}
                () = self.stop_asked() => {}
            }
        }
    }

    async fn fill(&self) {
        while self.live().count() < self.file().daemon.max_runs && !self.is_stopping() {
            match self.catalogue().next_pending().await {
                Ok(Some(run)) => {
                    let now = self.now();
                    match self.catalogue().claim(run.id, self.lease(), now, now + crate::work::LEASE).await {
                        Ok(true) => {
                            let app = self.clone();
                            // Counted as at work before the next is looked for.
                            self.live().begin(run.id);
                            tokio::spawn(async move { app.work(run.id).await });
                        }
                        Ok(false) => return,
                        Err(e) => {
                            tracing::error!("the run {} cannot be begun: {e}", run.id);
                            return;
                        }
                    }
                }
                Ok(None) => return,
                Err(e) => {
                    tracing::error!("the queue cannot be read: {e}");
                    return;
                }
            }
        }
    }

    /// Waits for runs at work, up to the deadline; then cancels them and waits for their clean end.
    pub async fn drain(&self) {
        let patience = self.file().daemon.stop_timeout;
        let started = tokio::time::Instant::now();
        if self.live().count() > 0 && !self.stop_is_now() {
            tracing::info!("{} runs are at work; waiting up to {} s for them", self.live().count(), patience.as_secs());
        }
        while self.live().count() > 0 {
            if self.stop_is_now() || started.elapsed() >= patience {
                tracing::warn!("cancelling {} runs", self.live().count());
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        while self.live().count() > 0 {
            self.live().cancel_all();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing is at work in this process, also not what follows the end of a run.
    pub async fn settled(&self) {
        while self.live().count() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many runs are at work in this process.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.live().count()
    }

    /// A look at a run at work in this process.
    #[must_use]
    pub fn snapshot(&self, id: backup_model::RunId) -> Option<crate::Snapshot> {
        self.live().snapshot(id)
    }

    /// Is notified when a run of this process begins or ends.
    #[must_use]
    pub fn runs_changed(&self) -> std::sync::Arc<tokio::sync::Notify> {
        std::sync::Arc::clone(&self.live().changed)
    }
}
