//! A bucket that fills by use and drains with time.

use std::time::{Duration, Instant};

/// How much a bucket holds and how fast it drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Uses at once.
    pub size: usize,
    /// Time until one of them does not count any more. Not zero.
    pub every: Duration,
}

/// Uses that still count. The pace is told anew each time, so that a reload changes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    held: usize,
    /// Up to when what drained is subtracted; `None` before the first use.
    counted: Option<Instant>,
}

impl Bucket {
    /// Counts one more use, if there is room for it.
    pub fn take(&mut self, pace: Pace, now: Instant) -> bool {
        self.is_empty(pace, now);
        let room = self.held < pace.size;
        self.held += usize::from(room);
        room
    }

    /// The last use was none.
    pub fn give_back(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// Whether everything has drained.
    pub fn is_empty(&mut self, pace: Pace, now: Instant) -> bool {
        let counted = self.counted.get_or_insert(now);
        let passed = now.saturating_duration_since(*counted).as_nanos();
        let gone = u32::try_from(passed / pace.every.as_nanos().max(1)).unwrap_or(u32::MAX);
        if gone as usize >= self.held {
            self.held = 0;
            *counted = now;
        } else {
            self.held -= gone as usize;
            *counted += pace.every * gone;
        }
        self.held == 0
    }
}
