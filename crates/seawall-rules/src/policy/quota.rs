//! What one identity may use at once, over all its connections.

use super::role::Terms;

/// Bounds of one identity; `None` is without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub rate: Option<Rate>,
    /// Streams open at once: logs, attach, exec, events, builds.
    pub streams: Option<u64>,
}

/// How fast requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, in the long run.
    pub per_second: u64,
    /// Requests at once.
    pub burst: u64,
}

impl Quota {
    /// As the terms of a role say.
    pub(super) fn of(terms: &Terms) -> Self {
        let rate = terms.rate.map(|per_second| Rate {
            per_second,
            burst: terms.burst.unwrap_or(per_second.saturating_mul(BURST_SECONDS)),
        });
        Self { rate, streams: terms.streams }
    }

    /// What two roles of an identity come to: the larger of each bound, and none where one of them
    /// has none.
    pub(super) fn or(self, other: Self) -> Self {
        let rate = self.rate.zip(other.rate).map(|(a, b)| Rate {
            per_second: a.per_second.max(b.per_second),
            burst: a.burst.max(b.burst),
        });
        Self { rate, streams: self.streams.zip(other.streams).map(|(a, b)| a.max(b)) }
    }

    /// Whether nothing is bounded.
    pub fn is_unlimited(&self) -> bool {
        self.rate.is_none() && self.streams.is_none()
    }
}

/// Seconds' worth of requests that may come at once where the role does not say.
pub(super) const BURST_SECONDS: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_roles_the_larger_bound_counts_and_none_is_the_largest() {
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        let a = Quota { rate: rate(5, 100), streams: Some(2) };
        let b = Quota { rate: rate(7, 10), streams: None };
        assert_eq!(a.or(b), Quota { rate: rate(7, 100), streams: None });
        assert!(a.or(Quota::default()).is_unlimited());
        let terms = Terms { rate: Some(4), ..Terms::default() };
        assert_eq!(Quota::of(&terms).rate, rate(4, 20));
    }
}
