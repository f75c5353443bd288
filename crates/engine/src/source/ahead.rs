//! Folders that are looked at ahead of the walk, by another thread: a walk mostly waits for the kernel to
//! answer, and two folders at once are answered twice as fast.

use crate::parallel::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Jobs that lie ready at most, whatever the depth of the tree: what they make is held in memory.
const READY: usize = 48;

enum State<J, R> {
    Waiting(J),
    Working,
    Done(Option<R>),
}

/// A job that somebody may already have done when its result is asked for.
pub(super) struct Ticket<J, R> {
    state: Mutex<State<J, R>>,
    done: Condvar,
}

struct Queue<J, R> {
    jobs: VecDeque<Arc<Ticket<J, R>>>,
    /// Tickets that were given out and not taken back.
    out: usize,
    over: bool,
}

/// Jobs of a walk that other threads do ahead of it. A result of `None` means that the walk has to look for
/// itself.
pub(super) struct Ahead<'a, J, R> {
    queue: Mutex<Queue<J, R>>,
    more: Condvar,
    work: &'a (dyn Fn(J) -> Option<R> + Sync),
}

/// Ends the threads of an `Ahead`, also when the walk fails.
pub(super) struct Ending<'b, 'a, J, R>(pub(super) &'b Ahead<'a, J, R>);

impl<J, R> Drop for Ending<'_, '_, J, R> {
    fn drop(&mut self) {
        lock(&self.0.queue).over = true;
        self.0.more.notify_all();
    }
}

/// Tells whoever waits that nothing comes, should the work panic.
struct Finish<'t, J, R>(&'t Ticket<J, R>, Option<R>);

impl<J, R> Drop for Finish<'_, J, R> {
    fn drop(&mut self) {
        *lock(&self.0.state) = State::Done(self.1.take());
        self.0.done.notify_all();
    }
}

impl<'a, J, R> Ahead<'a, J, R> {
    pub(super) fn new(work: &'a (dyn Fn(J) -> Option<R> + Sync)) -> Self {
        Self { queue: Mutex::new(Queue { jobs: VecDeque::new(), out: 0, over: false }), more: Condvar::new(), work }
    }

    /// Does jobs until the walk is over.
    pub(super) fn serve(&self) {
        let mut queue = lock(&self.queue);
        while !queue.over {
            let Some(ticket) = queue.jobs.pop_front() else {
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(queue);
            self.work_on(&ticket);
            queue = lock(&self.queue);
        }
    }

    fn work_on(&self, ticket: &Ticket<J, R>) -> bool {
        let mut state = lock(&ticket.state);
        if !matches!(*state, State::Waiting(_)) {
            return false;
        }
        let State::Waiting(job) = std::mem::replace(&mut *state, State::Working) else { return false };
        drop(state);
        let mut finish = Finish(ticket, None);
        finish.1 = (self.work)(job);
        true
    }

    /// Gives out a job, unless enough lie ready.
    pub(super) fn give(&self, job: impl FnOnce() -> J) -> Option<Arc<Ticket<J, R>>> {
        let mut queue = lock(&self.queue);
        if queue.out >= READY {
            return None;
        }
        let ticket = Arc::new(Ticket { state: Mutex::new(State::Waiting(job())), done: Condvar::new() });
        queue.out += 1;
        queue.jobs.push_back(Arc::clone(&ticket));
        drop(queue);
        self.more.notify_one();
        Some(ticket)
    }

    /// The result of the first of these jobs. While another thread is at it, this one does a later one.
    pub(super) fn take<P>(&self, tickets: &mut VecDeque<(P, Arc<Ticket<J, R>>)>) -> Option<R> {
        let (_, first) = tickets.pop_front()?;
        lock(&self.queue).out -= 1;
        self.work_on(&first);
        loop {
            let mut state = lock(&first.state);
            if let State::Done(result) = &mut *state {
                return result.take();
            }
            drop(state);
            if !tickets.iter().any(|(_, later)| self.work_on(later)) {
                let mut state = lock(&first.state);
                while !matches!(*state, State::Done(_)) {
                    state = first.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_does_the_work() {
        let ahead = Ahead::new(&|n: u32| (!n.is_multiple_of(7)).then_some(n * 2));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| ahead.serve());
            }
            let _ending = Ending(&ahead);
            let mut tickets = VecDeque::new();
            for n in 0..2000u32 {
                let given = ahead.give(|| n);
                let full = tickets.len() == READY;
                assert_eq!(given.is_none(), full, "{n}");
                tickets.extend(given.map(|t| (n, t)));
                if full {
                    for _ in 0..READY {
                        let expected = tickets[0].0;
                        let result = ahead.take(&mut tickets);
                        assert_eq!(result, (!expected.is_multiple_of(7)).then_some(expected * 2));
                    }
                    tickets.extend(ahead.give(|| n).map(|t| (n, t)));
                }
            }
        });
    }

    #[test]
    fn work_that_panics_leaves_nobody_waiting() {
        let ahead = Ahead::new(&|n: u32| if n == 1 { panic!("as the test wants it") } else { Some(n) });
        let thread = std::thread::scope(|scope| {
            let server = scope.spawn(|| ahead.serve());
            let _ending = Ending(&ahead);
            let mut tickets: VecDeque<_> = ahead.give(|| 1).map(|t| ((), t)).into_iter().collect();
            while matches!(*lock(&tickets[0].1.state), State::Waiting(_)) {
                std::thread::yield_now();
            }
            assert_eq!(ahead.take(&mut tickets), None);
            server.join()
        });
        assert!(thread.is_err(), "the thread tells of the panic");
    }
}
