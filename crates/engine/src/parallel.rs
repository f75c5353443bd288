//! Work on all cores whose results come out in the order in which it went in.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Threads for work that keeps a core busy.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(32)
}

/// Starts a thread that is named in tools that show threads.
pub(crate) fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Locks; what a thread that panicked left is used all the same.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way in: whoever holds it may add work.
pub(crate) struct Feed<I, O> {
    jobs: SyncSender<(I, SyncSender<O>)>,
    ordered: SyncSender<Receiver<O>>,
}

/// The way out.
pub(crate) struct Results<O> {
    ordered: Receiver<Receiver<O>>,
}

/// Starts one thread for each worker. At most `depth` results are in flight; then the feed waits.
/// The threads end when the feed is dropped.
pub(crate) fn ordered<I, O, W>(name: &str, depth: usize, workers: Vec<W>) -> io::Result<(Feed<I, O>, Results<O>)>
where
    I: Send + 'static,
    O: Send + 'static,
    W: FnMut(I) -> O + Send + 'static,
{
    let (jobs, queue) = sync_channel::<(I, SyncSender<O>)>(depth);
    let (promises, results) = sync_channel(depth);
    let queue = Arc::new(Mutex::new(queue));
    for (n, mut work) in workers.into_iter().enumerate() {
        let queue = Arc::clone(&queue);
        spawn(&format!("{name} {n}"), move || {
            loop {
                let job = lock(&queue).recv();
                let Ok((input, answer)) = job else { return };
                // Nobody listens any more when the work was given up.
                let _ = answer.send(work(input));
            }
        })?;
    }
    Ok((Feed { jobs, ordered: promises }, Results { ordered: results }))
}

impl<I, O> Feed<I, O> {
    /// Adds work; `false` if nobody waits for results any more.
    pub(crate) fn send(&self, input: I) -> bool {
        let (answer, result) = sync_channel(1);
        self.ordered.send(result).is_ok() && self.jobs.send((input, answer)).is_ok()
    }
}

impl<O> Results<O> {
    /// The next result, or `None` when the feed has ended and all is done.
    ///
    /// # Errors
    /// A worker has panicked.
    pub(crate) fn next(&self) -> io::Result<Option<O>> {
        match self.ordered.recv() {
            Ok(result) => result.recv().map(Some).map_err(|_| io::Error::other("a thread at work stopped early")),
            Err(_) => Ok(None),
        }
    }
}

/// Bytes in a buffer that is used again and again.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// The room; its length never shrinks, so that it is cleared once only.
    pub(crate) room: Vec<u8>,
    /// How much of it is in use.
    pub(crate) used: usize,
}

impl Buffer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.used]
    }

    /// The whole room, with at least so many bytes in it.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.room.len() < size {
            self.room.resize(size, 0);
        }
        &mut self.room
    }
}

/// Buffers that wait for their next use. There are never more than were in flight at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Buffer>>>);

impl Pool {
    pub(crate) fn take(&self) -> Buffer {
        let mut buffer = lock(&self.0).pop().unwrap_or_default();
        buffer.used = 0;
        buffer
    }

    pub(crate) fn give(&self, buffer: Buffer) {
        lock(&self.0).push(buffer);
    }

    /// Gives a buffer back that others may still read; the last of them brings it home.
    pub(crate) fn give_shared(&self, buffer: Arc<Buffer>) {
        if let Some(buffer) = Arc::into_inner(buffer) {
            self.give(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_panics_are_errors() {
        let workers: Vec<_> = (0..3)
            .map(|n: u64| {
                move |x: u64| {
                    std::thread::sleep(std::time::Duration::from_micros((x * 7 + n) % 50));
                    assert_ne!(x, 500, "as planned");
                    x * 2
                }
            })
            .collect();
        let (feed, results) = ordered("test", 4, workers).expect("threads");
        let feeder = std::thread::spawn(move || (0..501).all(|x| feed.send(x)));
        for x in 0..500 {
            assert_eq!(results.next().expect("a result"), Some(x * 2));
        }
        assert!(results.next().is_err(), "the panic is told");
        assert!(results.next().expect("the end").is_none());
        assert!(feeder.join().expect("fed"));
        // Nobody listens: the feed hears of it.
        let (feed, results) = ordered("test", 1, vec![|x: u64| x]).expect("threads");
        drop(results);
        assert!(!feed.send(1));
    }
}
