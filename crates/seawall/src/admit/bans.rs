//! Who is kept out for a while because its handshakes keep failing. Failures are forgotten one
//! by one, bans end by themselves, and both are gone when the gate is.

use std::time::{Duration, Instant};

use seawall_rules::network::Source;

use super::bucket::{Bucket, Pace};
use super::remembered::Remembered;
use crate::config;

/// The longest ban.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A source that is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub source: Source,
    /// For how much longer.
    pub left: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Bans {
    records: Remembered<Record>,
}

#[derive(Debug, Default)]
struct Record {
    failures: Bucket,
    /// The last ban: until when, and how long it was.
    ban: Option<(Instant, Duration)>,
}

impl Bans {
    /// Whether `source` is kept out.
    pub(super) fn holds(&mut self, source: Source, now: Instant) -> bool {
        self.records.get_mut(source).is_some_and(|record| record.is_banned(now))
    }

    /// Counts a failure; how long `source` is kept out if that was one too many.
    pub(super) fn failed(
        &mut self,
        source: Source,
        rules: config::Bans,
        now: Instant,
    ) -> Option<Duration> {
        if rules.after == 0 || source.is_loopback() {
            return None;
        }
        // The first that there is no room for is the one that bans it.
        let pace = Pace { size: rules.after as usize - 1, every: rules.forget };
        let over = |record: &mut Record| record.is_over(pace, now);
        let record = self.records.of(source, now, Record::default, over)?;
        if record.is_banned(now) || record.failures.take(pace, now) {
            return None;
        }
        let time = match record.ban {
            Some((until, time)) if now < until + time => LONGEST.min(time * 2),
            _ => rules.time,
        };
        *record = Record { failures: Bucket::default(), ban: Some((now + time, time)) };
        Some(time)
    }

    /// Who is kept out now.
    pub(super) fn list(&self, now: Instant) -> Vec<Ban> {
        let mut bans: Vec<_> = self
            .records
            .iter()
            .filter_map(|(source, record)| {
                let left = record.ban?.0.checked_duration_since(now)?;
                (!left.is_zero()).then_some(Ban { source, left })
            })
            .collect();
        bans.sort_unstable_by_key(|ban| ban.source);
        bans
    }

    /// Lets `source` in again, or everybody, and forgets their failures.
    pub(super) fn lift(&mut self, source: Option<Source>) {
        match source {
            Some(source) => self.records.forget(source),
            None => self.records = Remembered::default(),
        }
    }
}

impl Record {
    fn is_banned(&self, now: Instant) -> bool {
        self.ban.is_some_and(|(until, _)| now < until)
    }

    /// Whether it makes no difference any more.
    fn is_over(&mut self, pace: Pace, now: Instant) -> bool {
        self.failures.is_empty(pace, now)
            && self.ban.is_none_or(|(until, time)| now >= until + time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::remembered::MOST;
    use super::*;

    const RULES: config::Bans =
        config::Bans { after: 3, forget: Duration::from_secs(20), time: Duration::from_secs(600) };

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    #[test]
    fn the_third_failure_in_a_row_bans_and_the_ban_ends() {
        let mut bans = Bans::default();
        let (who, now) = (source("192.0.2.1"), Instant::now());
        assert_eq!(bans.failed(who, RULES, now), None);
        assert_eq!(bans.failed(who, RULES, now), None);
        assert!(!bans.holds(who, now));
        assert_eq!(bans.failed(who, RULES, now), Some(RULES.time));
        assert!(bans.holds(who, now) && bans.holds(source("::ffff:192.0.2.1"), now));
        assert!(!bans.holds(source("192.0.2.2"), now));
        assert_eq!(bans.list(now), [Ban { source: who, left: RULES.time }]);
        assert!(!bans.holds(who, now + RULES.time));
        assert_eq!(bans.list(now + RULES.time), []);
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let mut bans = Bans::default();
        let (who, mut now) = (source("192.0.2.1"), Instant::now());
        for _ in 0..100 {
            assert_eq!(bans.failed(who, RULES, now), None);
            now += RULES.forget;
        }
    }

    #[test]
    fn a_ban_soon_after_another_is_twice_as_long_up_to_a_day() {
        let mut bans = Bans::default();
        let (who, mut now) = (source("2001:db8::1"), Instant::now());
        let mut fail = |now| (0..RULES.after).find_map(|_| bans.failed(who, RULES, now));
        let mut expected = RULES.time;
        for _ in 0..12 {
            assert_eq!(fail(now), Some(expected));
            now += expected;
            expected = LONGEST.min(expected * 2);
        }
        assert_eq!(expected, LONGEST);
        // Whoever keeps still as long again as the last one took begins anew.
        now += LONGEST;
        assert_eq!(fail(now), Some(RULES.time));
    }

    #[test]
    fn a_ban_is_lifted_with_its_failures() {
        let mut bans = Bans::default();
        let (one, other, now) = (source("192.0.2.1"), source("192.0.2.2"), Instant::now());
        for who in [one, other] {
            assert!((0..RULES.after).any(|_| bans.failed(who, RULES, now).is_some()));
        }
        bans.lift(Some(one));
        assert!(!bans.holds(one, now) && bans.holds(other, now));
        assert_eq!(bans.failed(one, RULES, now), None);
        bans.lift(None);
        assert!(!bans.holds(other, now));
    }

    #[test]
    fn this_host_is_never_banned_and_zero_bans_nobody() {
        let mut bans = Bans::default();
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(bans.failed(source("127.0.0.1"), RULES, now), None);
            assert_eq!(bans.failed(source("::1"), RULES, now), None);
            let never = config::Bans { after: 0, ..RULES };
            assert_eq!(bans.failed(source("192.0.2.1"), never, now), None);
        }
        let at_once = config::Bans { after: 1, ..RULES };
        assert_eq!(bans.failed(source("192.0.2.1"), at_once, now), Some(RULES.time));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_makes_room() {
        let mut bans = Bans::default();
        let now = Instant::now();
        let sources = |n: usize| Source::of(std::net::IpAddr::from((n as u32).to_be_bytes()));
        for n in 0..MOST + 100 {
            bans.failed(sources(n), RULES, now);
        }
        assert_eq!(bans.records.len(), MOST);
        let later = now + RULES.forget * 2;
        bans.failed(sources(MOST + 1), RULES, later);
        assert_eq!(bans.records.len(), 1);
    }
}
