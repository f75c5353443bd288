//! A part of a file on its way out: counted, and no faster than is allowed.

use crate::{Meter, StoreError};
use bytes::Bytes;
use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are read at a time.
const STEP: usize = 256 << 10;

/// A limit on the bytes of each second, shared by all that goes to one store.
#[derive(Clone, Default)]
pub(crate) struct Pace(Option<Arc<(u64, Mutex<Instant>)>>);

impl Pace {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self(rate.map(|rate| Arc::new((rate.max(1), Mutex::new(Instant::now())))))
    }

    /// Waits until so many bytes may go.
    pub(crate) async fn wait(&self, bytes: usize) {
        let Some(pace) = &self.0 else { return };
        let takes = Duration::from_secs_f64(bytes as f64 / pace.0 as f64);
        let until = {
            let mut free = pace.1.lock().await;
            *free = (*free).max(Instant::now()) + takes;
            *free
        };
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Opens a file at a place.
pub(crate) async fn open_at(path: &Path, start: u64) -> Result<tokio::fs::File, StoreError> {
    let failed = StoreError::local("read", path);
    let mut file = tokio::fs::File::open(path).await.map_err(&failed)?;
    file.seek(SeekFrom::Start(start)).await.map_err(&failed)?;
    Ok(file)
}

/// Reads the next bytes of a file for sending; none at the end of the part.
pub(crate) async fn next(
    file: &mut tokio::fs::File,
    path: &Path,
    left: &mut u64,
    pace: &Pace,
    meter: &Meter,
) -> Result<Bytes, StoreError> {
    if *left == 0 {
        return Ok(Bytes::new());
    }
    if meter.is_cancelled() {
        return Err(StoreError::Cancelled);
    }
    let mut chunk = vec![0; STEP.min(usize::try_from(*left).unwrap_or(STEP))];
    let n = file.read(&mut chunk).await.map_err(StoreError::local("read", path))?;
    if n == 0 {
        return Err(StoreError::Local(format!("{} is shorter than it was", path.display())));
    }
    chunk.truncate(n);
    pace.wait(n).await;
    *left -= n as u64;
    meter.add_sent(n);
    Ok(Bytes::from(chunk))
}

/// The bytes from `start` to before `end` of a file as the body of a request.
pub(crate) async fn section(path: &Path, start: u64, end: u64, pace: &Pace, meter: &Meter) -> Result<reqwest::Body, StoreError> {
    let mut file = open_at(path, start).await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    let (path, pace, meter) = (path.to_owned(), pace.clone(), meter.clone());
    let mut left = end - start;
    tokio::spawn(async move {
        loop {
            let read = next(&mut file, &path, &mut left, &pace, &meter).await;
            let read = read.map_err(|e| std::io::Error::other(e.to_string()));
            let ends = read.as_ref().map_or(true, Bytes::is_empty);
            if matches!(&read, Ok(bytes) if bytes.is_empty()) || sender.send(read).await.is_err() || ends {
                return;
            }
        }
    });
    Ok(reqwest::Body::wrap_stream(ReceiverStream::new(receiver)))
}
