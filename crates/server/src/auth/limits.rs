//! How often somebody may fail to show who they are, by address and by account.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row are free.
const FREE: u32 = 10;
/// After that one is forgiven each so often.
const FORGIVEN: Duration = Duration::from_secs(6);
/// At most so many addresses and accounts are remembered; the quietest are forgotten first.
const MOST: usize = 10_000;

#[derive(Clone, Copy)]
struct Bucket {
    failures: u32,
    since: Instant,
}

/// What failures are counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Account(String),
}

/// Failures that are not forgiven yet.
#[derive(Default)]
pub(crate) struct Limits(Mutex<HashMap<Key, Bucket>>);

/// Somebody has failed too often and must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits(pub(crate) Duration);

impl Bucket {
    /// Takes off what is forgiven by now.
    fn at(mut self, now: Instant) -> Self {
        let forgiven = (now.saturating_duration_since(self.since).as_secs() / FORGIVEN.as_secs()) as u32;
        if forgiven > 0 {
            self.failures = self.failures.saturating_sub(forgiven);
            self.since += FORGIVEN * forgiven;
        }
        self
    }
}

/// A network of IPv6 is one address: whoever has one has 2^64 of them.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        },
        v4 => v4,
    }
}

fn keys(address: IpAddr, account: Option<&str>) -> Vec<Key> {
    std::iter::once(Key::Address(place(address))).chain(account.map(|a| Key::Account(a.to_owned()))).collect()
}

impl Limits {
    fn check_at(&self, now: Instant, address: IpAddr, account: Option<&str>) -> Result<(), Waits> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(address, account) {
            if let Some(bucket) = map.get(&key).map(|b| b.at(now)).filter(|b| b.failures >= FREE) {
                let since = now.saturating_duration_since(bucket.since);
                return Err(Waits(FORGIVEN.saturating_sub(since).max(Duration::from_secs(1))));
            }
        }
        Ok(())
    }

    fn failed_at(&self, now: Instant, address: IpAddr, account: Option<&str>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MOST {
            map.retain(|_, b| b.at(now).failures > 0);
        }
        if map.len() >= MOST {
            let mut counts: Vec<u32> = map.values().map(|b| b.failures).collect();
            counts.sort_unstable();
            let middle = counts[counts.len() / 2];
            map.retain(|_, b| b.failures > middle);
        }
        for key in keys(address, account) {
            let bucket = map.entry(key).or_insert(Bucket { failures: 0, since: now });
            *bucket = bucket.at(now);
            if bucket.failures == 0 {
                bucket.since = now;
            }
            bucket.failures = (bucket.failures + 1).min(FREE);
        }
    }

    /// Whether somebody may try now.
    pub(crate) fn check(&self, address: IpAddr, account: Option<&str>) -> Result<(), Waits> {
        self.check_at(Instant::now(), address, account)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: IpAddr, account: Option<&str>) {
        self.failed_at(Instant::now(), address, account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_forgiven() {
        let limits = Limits::default();
        let now = Instant::now();
        let (one, other) = (IpAddr::from([1, 2, 3, 4]), IpAddr::from([5, 6, 7, 8]));
        for _ in 0..FREE {
            assert_eq!(limits.check_at(now, one, Some("ada")), Ok(()));
            limits.failed_at(now, one, Some("ada"));
        }
        assert_eq!(limits.check_at(now, one, None), Err(Waits(FORGIVEN)));
        assert_eq!(limits.check_at(now, other, Some("ada")), Err(Waits(FORGIVEN)), "the account, from anywhere");
        assert_eq!(limits.check_at(now, other, Some("bob")), Ok(()));
        let later = now + FORGIVEN;
        assert_eq!(limits.check_at(later, one, Some("ada")), Ok(()));
        limits.failed_at(later, one, Some("ada"));
        assert!(limits.check_at(later, one, None).is_err(), "one was forgiven, not all");
        assert_eq!(limits.check_at(now + FORGIVEN * 20, one, Some("ada")), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_memory_is_bounded() {
        let limits = Limits::default();
        let now = Instant::now();
        for n in 0..FREE {
            limits.failed_at(now, format!("2001:db8::{n:x}").parse().expect("an address"), None);
        }
        assert!(limits.check_at(now, "2001:db8::ffff".parse().expect("an address"), None).is_err());
        for n in 0..3 * MOST as u32 {
            limits.failed_at(now, IpAddr::from(n.to_be_bytes()), None);
        }
        assert!(limits.0.lock().expect("unpoisoned").len() <= MOST + 1);
        assert!(limits.check_at(now, "2001:db8::1".parse().expect("an address"), None).is_err(), "the worst stay");
    }
}
