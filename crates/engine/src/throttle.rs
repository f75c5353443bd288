//! Reads no faster than was asked for.

use crate::error::EngineError;
use crate::observer::Observer;
use backup_model::RateLimit;
use chrono::{DateTime, FixedOffset};
use std::time::{Duration, Instant};

/// How often a wait is broken off for a look at the time and at the wish to stop.
const STEP: Duration = Duration::from_millis(50);

/// Lets bytes through at the rate that holds at the time.
pub struct Throttle<'a> {
    limits: &'a [RateLimit],
    now: &'a dyn Fn() -> DateTime<FixedOffset>,
    /// The rate that holds, and until when it is believed.
    rate: Option<u64>,
    look: Instant,
    /// When what went through so far may have gone through.
    free: Instant,
}

impl<'a> Throttle<'a> {
    /// Limits, and what the time is.
    #[must_use]
    pub fn new(limits: &'a [RateLimit], now: &'a dyn Fn() -> DateTime<FixedOffset>) -> Self {
        let start = Instant::now();
        Self { limits, now, rate: None, look: start, free: start }
    }

    /// Notes bytes that were read, and waits until more may follow.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] if asked to stop meanwhile.
    pub fn took(&mut self, bytes: u64, observer: &dyn Observer) -> Result<(), EngineError> {
        if self.limits.is_empty() {
            return Ok(());
        }
        let mut now = Instant::now();
        self.adjust(now);
        if let Some(rate) = self.rate {
            // What was not used for a while is not made up for.
            self.free = self.free.max(now.checked_sub(STEP).unwrap_or(now)) + Duration::from_secs_f64(bytes as f64 / rate as f64);
        }
        while self.rate.is_some() && self.free > now {
            if observer.cancelled() {
                return Err(EngineError::Cancelled);
            }
            std::thread::sleep((self.free - now).min(STEP));
            now = Instant::now();
            self.adjust(now);
        }
        Ok(())
    }

    fn adjust(&mut self, now: Instant) {
        if now < self.look {
            return;
        }
        self.look = now + Duration::from_secs(1);
        let time = (self.now)().time();
        self.rate = self.limits.iter().find(|l| l.holds(time)).map(|l| l.rate);
    }
}
