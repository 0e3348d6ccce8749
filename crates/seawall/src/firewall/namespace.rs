//! A network namespace of our own, in which rules can be loaded without anybody noticing.

use nix::sched::{CloneFlags, unshare};

use crate::cli::report::{Doing, Error};

/// Runs `work`, and every program it starts, in an empty network namespace that is gone
/// afterwards.
///
/// # Errors
/// That there can be none, or those of `work`.
pub(super) fn in_private<T: Send>(
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // Of this thread alone, which ends with it.
            unshare(CloneFlags::CLONE_NEWNET)
                .doing(|| "make a network namespace".to_owned())
                .map_err(|error| error.hint("run this as root"))?;
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
