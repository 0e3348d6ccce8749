//! What each identity uses at a time of what its roles let it use, over all its connections.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seawall_rules::policy::{Quota, Rate};
use seawall_rules::verdict::Refusal;

use crate::admit::{Bucket, Pace};
use crate::audit::Subject;

/// What is used, by identity. Locked when a connection begins or its identity changes, and only
/// for identities whose roles bound something.
#[derive(Debug, Default)]
pub struct Quotas {
    used: Mutex<HashMap<String, Arc<Used>>>,
}

/// What one identity uses now.
#[derive(Debug, Default)]
pub struct Used {
    requests: Mutex<Bucket>,
    streams: AtomicU64,
}

/// More are remembered only while they use something: names of an outside CA are without number.
const MOST: usize = 4096;

impl Quotas {
    /// What an identity uses, shared by all its connections.
    pub fn of(&self, subject: &Subject) -> Arc<Used> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST {
            used.retain(|_, used| Arc::strong_count(used) > 1);
        }
        // An id is never given twice; a name without one has a `/`, which no id has.
        let key = subject.id.as_ref().unwrap_or(&subject.name);
        used.entry(key.clone()).or_default().clone()
    }
}

impl Used {
    /// Counts a request.
    ///
    /// # Errors
    /// A [`Refusal`] with status 429 where there were too many lately.
    pub fn request(&self, quota: Quota, now: Instant) -> Result<(), Refusal> {
        let Some(Rate { per_second, burst }) = quota.rate else { return Ok(()) };
        let pace = Pace {
            size: usize::try_from(burst).unwrap_or(usize::MAX),
            every: Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(u32::MAX).max(1),
        };
        if self.requests().take(pace, now) {
            return Ok(());
        }
        let often = format!("{per_second} requests a second, {burst} at once");
        Err(too_many(
            "role.rate",
            format!("may not make more requests than its roles allow: {often}"),
        ))
    }

    /// Counts a stream until what is returned is dropped.
    ///
    /// # Errors
    /// A [`Refusal`] with status 429 where there are as many as may be.
    pub fn stream(self: &Arc<Self>, quota: Quota) -> Result<Option<Stream>, Refusal> {
        let Some(most) = quota.streams else { return Ok(None) };
        let more = |open: u64| (open < most).then_some(open + 1);
        match self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Some(Stream { of: self.clone() })),
            Err(_) => {
                let reason =
                    format!("may not have more streams than its roles allow: {most} at once");
                Err(too_many("role.streams", reason))
            }
        }
    }

    fn requests(&self) -> MutexGuard<'_, Bucket> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that counts.
#[derive(Debug)]
pub struct Stream {
    of: Arc<Used>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.of.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_many(rule: &'static str, reason: String) -> Refusal {
    Refusal { status: 429, rule, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(id: Option<&str>, name: &str) -> Subject {
        Subject {
            id: id.map(str::to_owned),
            name: name.to_owned(),
            roles: String::new(),
            credential: String::new(),
        }
    }

    #[test]
    fn requests_are_counted_over_all_connections_and_drain_with_time() {
        let quotas = Quotas::default();
        let quota = Quota { rate: Some(Rate { per_second: 10, burst: 3 }), streams: None };
        let now = Instant::now();
        let alice = subject(Some("1"), "alice");
        for _ in 0..3 {
            quotas.of(&alice).request(quota, now).unwrap();
        }
        let refused = quotas.of(&alice).request(quota, now).unwrap_err();
        assert_eq!((refused.status, refused.rule), (429, "role.rate"));
        assert!(refused.reason.ends_with("10 requests a second, 3 at once"), "{}", refused.reason);
        quotas.of(&subject(Some("2"), "alice")).request(quota, now).unwrap();
        quotas.of(&alice).request(quota, now + Duration::from_millis(101)).unwrap();
        quotas.of(&alice).request(Quota::default(), now).unwrap();
    }

    #[test]
    fn a_stream_counts_until_it_ends() {
        let used = Arc::new(Used::default());
        let quota = Quota { rate: None, streams: Some(2) };
        let streams = [used.stream(quota).unwrap(), used.stream(quota).unwrap()];
        assert!(streams.iter().all(Option::is_some));
        assert_eq!(used.stream(quota).unwrap_err().rule, "role.streams");
        drop(streams);
        assert!(used.stream(quota).unwrap().is_some());
        assert!(used.stream(Quota::default()).unwrap().is_none());
    }

    #[test]
    fn what_nobody_uses_is_forgotten_when_there_is_much() {
        let quotas = Quotas::default();
        let kept = quotas.of(&subject(None, "CA/kept"));
        for number in 0..MOST {
            quotas.of(&subject(None, &format!("CA/{number}")));
        }
        assert!(quotas.used.lock().unwrap().len() < MOST);
        assert!(Arc::ptr_eq(&kept, &quotas.of(&subject(None, "CA/kept"))));
    }
}
