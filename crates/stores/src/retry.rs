//! Tries again what fails for the moment, with longer and longer pauses.

use crate::{Capabilities, Meter, Object, Sink, Store, StoreError, Upload};
use async_trait::async_trait;
use std::time::Duration;

/// Pauses between tries. What lasts longer is left to who asked, who comes again later.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(6)];

pub(crate) struct Retrying<S>(pub(crate) S);

/// Whether there is another try after an error; it waits before it.
async fn again(tries: &mut usize, error: &StoreError) -> bool {
    let Some(pause) = PAUSES.get(*tries).filter(|_| error.is_passing()) else { return false };
    *tries += 1;
    tokio::time::sleep(*pause).await;
    true
}

macro_rules! retried {
    ($call:expr) => {{
        let mut tries = 0;
        loop {
            match $call.await {
                Err(e) if again(&mut tries, &e).await => {}
                done => break done,
            }
        }
    }};
}

#[async_trait]
impl<S: Store> Store for Retrying<S> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn put(&self, key: &str, upload: &Upload, meter: &Meter) -> Result<(), StoreError> {
        retried!(self.0.put(key, upload, meter))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        retried!(self.0.size(key))
    }

    async fn get(&self, key: &str, start: u64, end: u64, sink: Sink<'_>, meter: &Meter) -> Result<(), StoreError> {
        // What has come already is not asked for again.
        let mut at = start;
        let mut tries = 0;
        loop {
            let mut given = 0u64;
            let mut counted = |bytes: &[u8]| {
                sink(bytes)?;
                given += bytes.len() as u64;
                Ok(())
            };
            let done = self.0.get(key, at, end, &mut counted, meter).await;
            at += given;
            if given > 0 {
                tries = 0;
            }
            match done {
                Err(e) if again(&mut tries, &e).await => {}
                done => return done,
            }
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        retried!(self.0.list(folder))
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        retried!(self.0.delete(key))
    }
}
