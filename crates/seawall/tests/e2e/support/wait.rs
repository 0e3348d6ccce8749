//! Waiting for a condition with a deadline, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Enough for one command or one change to be seen on a busy machine.
pub(crate) const SHORT: Duration = Duration::from_secs(30);
/// Enough for an engine to start, or for a gigabyte to pass, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// Looks again every few milliseconds until `condition` holds; panics with `complaint` when it
/// does not within `limit`.
#[track_caller]
pub(crate) fn until(
    limit: Duration,
    complaint: impl Fn() -> String,
    mut condition: impl FnMut() -> bool,
) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "not within {limit:?}: {}", complaint());
        thread::sleep(Duration::from_millis(5));
    }
}
