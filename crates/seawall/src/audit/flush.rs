//! The trail's own thread: writes outcomes that wait, syncs, signs, removes what retention says,
//! and never makes a request wait.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pen::Clock;
use super::retain;
use super::trail::Shared;

/// An outcome is written, and what is written is synced, at most so long after.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// With activity a checkpoint and the counts of refused connections are written so often.
const MINUTE: Duration = Duration::from_secs(60);

/// Wakes the flusher; ringing costs one atomic load while it is awake anyway.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Quiet,
    Rung,
    Stop,
}

impl Bell {
    /// Says that there is something to do.
    pub(super) fn ring(&self) {
        if !self.rung.load(Ordering::Acquire) && !self.rung.swap(true, Ordering::AcqRel) {
            self.set(State::Rung);
        }
    }

    /// Says that the trail is closed.
    pub(super) fn stop(&self) {
        self.set(State::Stop);
    }

    fn set(&self, new: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::Stop {
            *state = new;
        }
        self.wake.notify_one();
    }

    /// Waits until something is to be done, at most until `until`; only `Stop` ends an `Every`
    /// wait early.
    fn wait(&self, until: Option<Instant>, early: Early) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match (*state, early) {
                (State::Stop, _) => return State::Stop,
                (State::Rung, Early::Rung) => return State::Rung,
                _ => {}
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return *state;
            }
            // An hour is as good as for ever: the loop goes round.
            let left = left.unwrap_or(Duration::from_secs(3600));
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// From here on rings count again; called before looking for work, so none is missed.
    fn quiet(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::Rung {
            *state = State::Quiet;
        }
        self.rung.store(false, Ordering::Release);
    }
}

/// What ends a wait before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    Rung,
    StopOnly,
}

/// Starts the thread, which holds the folder's lock until it ends.
pub(super) fn start(shared: Arc<Shared>, lock: File) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
        run(&shared);
        // Closing is not enough: a command being started holds a copy until it is executed.
        if let Err(error) = lock.unlock() {
            tracing::warn!(%error, "cannot unlock the audit trail");
        }
    })
}

fn run(shared: &Shared) {
    let mut minute: Option<Instant> = None;
    let mut retained = 0;
    loop {
        let retry = shared.writer().failure().map(|_| Instant::now() + FLUSH_EVERY * 10);
        let until = [minute, retry].into_iter().flatten().min();
        let mut state = shared.bell.wait(until, Early::Rung);
        if state == State::Rung {
            // Let more come together.
            state = shared.bell.wait(Some(Instant::now() + FLUSH_EVERY), Early::StopOnly);
        }
        shared.bell.quiet();
        let stop = state == State::Stop;

        if stop || minute.is_some_and(|minute| Instant::now() >= minute) {
            each_minute(shared);
            minute = None;
        }
        flush(shared);
        let (unsigned, segment) = {
            let writer = shared.writer();
            (writer.unsigned(), writer.segment.number)
        };
        if minute.is_none() && (unsigned > 0 || !shared.refused().is_empty()) {
            minute = Some(Instant::now() + MINUTE);
        }
        if segment != retained {
            retained = segment;
            if let Err(error) = retain::retain(shared) {
                tracing::error!(%error, "cannot remove old audit segments");
            }
        }
        if stop {
            shared.anchor.stop();
            return;
        }
    }
}

fn each_minute(shared: &Shared) {
    let refused = shared.refused().take(Instant::now());
    let mut writer = shared.writer();
    if let Some(minute) = refused {
        let since = Clock::new().show(minute.since);
        writer.add("refused", |pen| {
            pen.text("since", &String::from_utf8_lossy(&since), 27);
            pen.json("prefixes", &minute.prefixes);
            pen.json("other", &minute.other);
        });
    }
    writer.checkpoint();
}

/// Writes what is pending and syncs what is written.
fn flush(shared: &Shared) {
    let (seq, signed) = {
        let mut writer = shared.writer();
        if let Err(error) = writer.flush() {
            writer.failing(&error);
        }
        if writer.segment_is_gone() {
            tracing::error!(segment = writer.segment.number, "an audit segment was removed");
            let number = writer.segment.number;
            writer.rotate();
            let gone = serde_json::json!({ "segment": number });
            if let Err(error) = writer.event("audit.segment-gone", &gone) {
                writer.failing(&error);
            }
        }
        (writer.committed().seq, writer.signed())
    };
    match shared.sync_to(seq) {
        // What the anchor keeps has survived a power loss.
        Ok(()) => shared.anchor.offer(signed),
        Err(error) => shared.writer().failing(&error),
    }
}
