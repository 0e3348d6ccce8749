//! How often strangers may fail: a bucket for each source and one for all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row from one source: an IPv4 address, or an IPv6 /64.
const PER_SOURCE: u32 = 10;
/// After them, one more every so often.
const PER_SOURCE_EVERY: Duration = Duration::from_secs(30);
/// The same over all sources.
const TOTAL: u32 = 200;
const TOTAL_EVERY: Duration = Duration::from_secs(1);
/// Sources remembered; beyond them only the common bucket counts.
const SOURCES: usize = 4096;

/// Counts failed attempts.
#[derive(Debug)]
pub(super) struct Attempts {
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    total: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

impl Default for Attempts {
    fn default() -> Self {
        let total = Bucket::full(TOTAL, TOTAL_EVERY, Instant::now());
        Self { buckets: Mutex::new(Buckets { total, sources: HashMap::new() }) }
    }
}

impl Attempts {
    /// Whether `address` may try once more; if so, that attempt is counted.
    pub(super) fn take(&self, address: IpAddr) -> bool {
        self.take_at(address, Instant::now())
    }

    /// The attempt of `address` was not a failure.
    pub(super) fn give_back(&self, address: IpAddr) {
        let mut buckets = self.lock();
        buckets.total.give_back();
        if let Some(bucket) = buckets.sources.get_mut(&source(address)) {
            bucket.give_back();
        }
    }

    fn take_at(&self, address: IpAddr, now: Instant) -> bool {
        let Buckets { total, sources } = &mut *self.lock();
        let source = source(address);
        if sources.len() >= SOURCES && !sources.contains_key(&source) {
            sources.retain(|_, bucket| !bucket.refilled(now));
        }
        if sources.len() >= SOURCES && !sources.contains_key(&source) {
            return total.take(now);
        }
        let bucket = sources
            .entry(source)
            .or_insert_with(|| Bucket::full(PER_SOURCE, PER_SOURCE_EVERY, now));
        if !bucket.take(now) {
            return false;
        }
        let taken = total.take(now);
        if !taken {
            bucket.give_back();
        }
        taken
    }

    // Nothing panics while holding the lock, and every value in it is whole at every moment.
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// One host may use its whole /64 (RFC 6177).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::from(u64::MAX) << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 => v4,
    }
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    size: u32,
    every: Duration,
    counted: Instant,
}

impl Bucket {
    fn full(size: u32, every: Duration, now: Instant) -> Self {
        Self { left: size, size, every, counted: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        self.refilled(now);
        let some = self.left > 0;
        self.left -= u32::from(some);
        some
    }

    fn give_back(&mut self) {
        self.left = self.size.min(self.left + 1);
    }

    // Adds what time has brought; whether nothing is missing any more.
    fn refilled(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted);
        let added = u32::try_from(passed.as_nanos() / self.every.as_nanos()).unwrap_or(self.size);
        if added >= self.size - self.left {
            self.left = self.size;
            self.counted = now;
        } else {
            self.left += added;
            self.counted += self.every * added;
        }
        self.left == self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(attempts: &Attempts, address: &str, now: Instant) -> u32 {
        let address = address.parse().unwrap();
        (0..TOTAL * 2).map(|_| u32::from(attempts.take_at(address, now))).sum()
    }

    #[test]
    fn a_source_may_fail_ten_times_and_then_once_in_thirty_seconds() {
        let attempts = Attempts::default();
        let now = Instant::now();
        assert_eq!(failures(&attempts, "192.0.2.1", now), PER_SOURCE);
        assert_eq!(failures(&attempts, "::ffff:192.0.2.1", now), 0);
        assert_eq!(failures(&attempts, "192.0.2.1", now + PER_SOURCE_EVERY), 1);
        assert_eq!(failures(&attempts, "192.0.2.1", now + PER_SOURCE_EVERY * 3), 2);
        assert_eq!(failures(&attempts, "192.0.2.2", now), PER_SOURCE);
    }

    #[test]
    fn addresses_of_one_ipv6_network_of_64_bits_are_one_source() {
        let attempts = Attempts::default();
        let now = Instant::now();
        assert_eq!(failures(&attempts, "2001:db8::1", now), PER_SOURCE);
        assert_eq!(failures(&attempts, "2001:db8::ffff:2", now), 0);
        assert_eq!(failures(&attempts, "2001:db8:0:1::1", now), PER_SOURCE);
    }

    #[test]
    fn all_sources_together_are_bounded_and_so_is_what_is_remembered_of_them() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let sources = (0..SOURCES as u32 * 2).map(|n| IpAddr::from(n.to_be_bytes()));
        let taken: u32 = sources.map(|source| u32::from(attempts.take_at(source, now))).sum();
        assert_eq!(taken, TOTAL);
        assert!(attempts.lock().sources.len() <= SOURCES);
    }

    #[test]
    fn successes_cost_nothing() {
        let attempts = Attempts::default();
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..TOTAL * 2 {
            assert!(attempts.take(address));
            attempts.give_back(address);
        }
    }
}
