//! How often strangers may fail: a bucket for each source and one for all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::EnrolmentLimits;
use crate::metrics::Limit;

/// After the failures that a source has in a row, one more every so often.
const PER_SOURCE_EVERY: Duration = Duration::from_secs(30);
/// The same over all sources.
const TOTAL_EVERY: Duration = Duration::from_secs(1);
/// Sources remembered; beyond them only the common bucket counts.
const SOURCES: usize = 4096;

/// Counts failed attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    total: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

impl Attempts {
    /// Counts one more attempt of `address`, if it may have one.
    ///
    /// # Errors
    /// Which limit it would break.
    pub(super) fn take(&self, address: IpAddr, limits: &EnrolmentLimits) -> Result<(), Limit> {
        self.take_at(address, limits, Instant::now())
    }

    /// The attempt of `address` was not a failure.
    pub(super) fn give_back(&self, address: IpAddr) {
        let mut buckets = self.lock();
        buckets.total.give_back();
        if let Some(bucket) = buckets.sources.get_mut(&source(address)) {
            bucket.give_back();
        }
    }

    fn take_at(
        &self,
        address: IpAddr,
        limits: &EnrolmentLimits,
        now: Instant,
    ) -> Result<(), Limit> {
        let Buckets { total, sources } = &mut *self.lock();
        let source = source(address);
        if sources.len() >= SOURCES && !sources.contains_key(&source) {
            sources.retain(|_, bucket| !bucket.drained(PER_SOURCE_EVERY, now));
        }
        let full = sources.len() >= SOURCES && !sources.contains_key(&source);
        let mut own = (!full).then(|| sources.entry(source).or_default());
        if let Some(bucket) = &mut own
            && !bucket.take(limits.failures_per_address, PER_SOURCE_EVERY, now)
        {
            return Err(Limit::EnrolmentFailuresPerAddress);
        }
        if total.take(limits.failures, TOTAL_EVERY, now) {
            return Ok(());
        }
        if let Some(bucket) = own {
            bucket.give_back();
        }
        Err(Limit::EnrolmentFailures)
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

/// Fills by an attempt and drains with time. How much it holds is asked anew each time, so that a
/// reload changes it.
#[derive(Debug, Default)]
struct Bucket {
    held: usize,
    /// Up to when what drained is subtracted; `None` before the first attempt.
    counted: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, size: usize, every: Duration, now: Instant) -> bool {
        self.drained(every, now);
        let room = self.held < size;
        self.held += usize::from(room);
        room
    }

    fn give_back(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    // Subtracts what time has drained; whether it is empty.
    fn drained(&mut self, every: Duration, now: Instant) -> bool {
        let counted = self.counted.get_or_insert(now);
        let passed = now.saturating_duration_since(*counted);
        let gone = u32::try_from(passed.as_nanos() / every.as_nanos()).unwrap_or(u32::MAX);
        if gone as usize >= self.held {
            self.held = 0;
            *counted = now;
        } else {
            self.held -= gone as usize;
            *counted += every * gone;
        }
        self.held == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: EnrolmentLimits = EnrolmentLimits {
        time: Duration::ZERO,
        bytes: 0,
        failures: 200,
        failures_per_address: 10,
        invitation_attempts: 0,
        certificates_per_hour: 0,
    };

    fn failures(attempts: &Attempts, address: &str, now: Instant) -> usize {
        let address = address.parse().unwrap();
        (0..400).filter(|_| attempts.take_at(address, &LIMITS, now).is_ok()).count()
    }

    #[test]
    fn a_source_may_fail_ten_times_and_then_once_in_thirty_seconds() {
        let attempts = Attempts::default();
        let now = Instant::now();
        assert_eq!(failures(&attempts, "192.0.2.1", now), 10);
        assert_eq!(failures(&attempts, "::ffff:192.0.2.1", now), 0);
        assert_eq!(failures(&attempts, "192.0.2.1", now + PER_SOURCE_EVERY), 1);
        assert_eq!(failures(&attempts, "192.0.2.1", now + PER_SOURCE_EVERY * 3), 2);
        assert_eq!(failures(&attempts, "192.0.2.2", now), 10);
    }

    #[test]
    fn addresses_of_one_ipv6_network_of_64_bits_are_one_source() {
        let attempts = Attempts::default();
        let now = Instant::now();
        assert_eq!(failures(&attempts, "2001:db8::1", now), 10);
        assert_eq!(failures(&attempts, "2001:db8::ffff:2", now), 0);
        assert_eq!(failures(&attempts, "2001:db8:0:1::1", now), 10);
    }

    #[test]
    fn all_sources_together_are_bounded_and_so_is_what_is_remembered_of_them() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let sources = (0..SOURCES as u32 * 2).map(|n| IpAddr::from(n.to_be_bytes()));
        let taken: Vec<_> = sources.map(|source| attempts.take_at(source, &LIMITS, now)).collect();
        assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 200);
        assert_eq!(taken.last(), Some(&Err(Limit::EnrolmentFailures)));
        assert!(attempts.lock().sources.len() <= SOURCES);
    }

    #[test]
    fn successes_cost_nothing() {
        let attempts = Attempts::default();
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..400 {
            attempts.take(address, &LIMITS).unwrap();
            attempts.give_back(address);
        }
    }

    #[test]
    fn a_limit_that_a_reload_lowers_counts_what_was_before() {
        let attempts = Attempts::default();
        let (address, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        for _ in 0..5 {
            attempts.take_at(address, &LIMITS, now).unwrap();
        }
        let lowered = EnrolmentLimits { failures_per_address: 3, ..LIMITS };
        let refused = attempts.take_at(address, &lowered, now);
        assert_eq!(refused, Err(Limit::EnrolmentFailuresPerAddress));
        let later = now + PER_SOURCE_EVERY * 3;
        assert_eq!(attempts.take_at(address, &lowered, later), Ok(()));
    }
}
