//! How often strangers may fail: a bucket for each source and one for all together.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seawall_rules::network::Source;

use crate::admit::{Bucket, Pace, Remembered};
use crate::config::EnrolmentLimits;
use crate::metrics::Limit;

/// After the failures that a source has in a row, one more every so often.
const PER_SOURCE_EVERY: Duration = Duration::from_secs(30);
/// The same over all sources.
const TOTAL_EVERY: Duration = Duration::from_secs(1);

/// Counts failed attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    total: Bucket,
    sources: Remembered<Bucket>,
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
        if let Some(bucket) = buckets.sources.get_mut(Source::of(address)) {
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
        let per_source = Pace { size: limits.failures_per_address, every: PER_SOURCE_EVERY };
        let over = |bucket: &mut Bucket| bucket.is_empty(per_source, now);
        // Beyond what can be remembered only the common bucket counts.
        let mut own = sources.of(Source::of(address), now, Bucket::default, over);
        if let Some(bucket) = &mut own
            && !bucket.take(per_source, now)
        {
            return Err(Limit::EnrolmentFailuresPerAddress);
        }
        if total.take(Pace { size: limits.failures, every: TOTAL_EVERY }, now) {
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
    fn all_sources_together_are_bounded() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let sources = (0..1000_u32).map(|n| IpAddr::from(n.to_be_bytes()));
        let taken: Vec<_> = sources.map(|source| attempts.take_at(source, &LIMITS, now)).collect();
        assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 200);
        assert_eq!(taken.last(), Some(&Err(Limit::EnrolmentFailures)));
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
