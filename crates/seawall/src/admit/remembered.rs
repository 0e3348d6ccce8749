//! Something about each of a bounded number of sources.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use seawall_rules::network::Source;

/// Values by source. Where it is full, what does not matter any more makes room, and then
/// nothing more is remembered.
#[derive(Debug)]
pub struct Remembered<V> {
    of: HashMap<Source, V>,
    looked: Option<Instant>,
}

/// Sources that are remembered at most: some 4 MiB.
pub(super) const MOST: usize = 65_536;
/// A full table is searched for room at most this often, whoever knocks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self { of: HashMap::new(), looked: None }
    }
}

impl<V> Remembered<V> {
    /// What is remembered of `source`, a fresh value at first; `None` when there is no room even
    /// without those that are `over`.
    pub fn of(
        &mut self,
        source: Source,
        now: Instant,
        fresh: impl FnOnce() -> V,
        mut over: impl FnMut(&mut V) -> bool,
    ) -> Option<&mut V> {
        if self.of.len() >= MOST && !self.of.contains_key(&source) {
            let lately =
                self.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK_EVERY);
            if !lately {
                self.looked = Some(now);
                self.of.retain(|_, value| !over(value));
            }
            if self.of.len() >= MOST {
                return None;
            }
        }
        Some(self.of.entry(source).or_insert_with(fresh))
    }

    /// What is remembered of `source`, if anything is.
    pub fn get_mut(&mut self, source: Source) -> Option<&mut V> {
        self.of.get_mut(&source)
    }

    /// Everything.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &V)> {
        self.of.iter().map(|(source, value)| (*source, value))
    }

    /// Forgets `source`.
    pub fn forget(&mut self, source: Source) {
        self.of.remove(&source);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}
