//! Sends signed heads out of this host's reach, through a command of the operator's
//! (`audit.anchor`): each head is one line on its standard input. Whoever keeps one can prove
//! later that the trail was not cut off before it.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::chain::SignedHead;

/// The command is ended after so long.
const COMMAND_TIME: Duration = Duration::from_secs(10);
/// Heads are sent at most so often; under load only the newest is.
const PAUSE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// Runs the command, one at a time, on a thread of its own that starts with the first head.
#[derive(Debug)]
pub(super) struct Anchor {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    command: Vec<String>,
    waiting: Option<SignedHead>,
    sent: Option<SignedHead>,
    failure: Option<String>,
    stopped: bool,
}

impl Anchor {
    /// An anchor that runs `command`; an empty one runs nothing.
    pub(super) fn new(command: Vec<String>) -> Self {
        let state = State { command, ..State::default() };
        let shared = Shared { state: Mutex::new(state), wake: Condvar::new() };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Another command from now on.
    pub(super) fn set_command(&self, command: Vec<String>) {
        self.shared.state().command = command;
    }

    /// Sends a head unless it was sent; never waits.
    pub(super) fn offer(&self, signed: Option<SignedHead>) {
        let mut state = self.shared.state();
        let newest = state.waiting.or(state.sent);
        if signed.is_none() || signed == newest || state.command.is_empty() {
            return;
        }
        state.waiting = signed;
        drop(state);
        self.shared.wake.notify_one();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = self.shared.clone();
            let started = std::thread::Builder::new()
                .name("audit-anchor".to_owned())
                .spawn(move || run(&shared));
            match started {
                Ok(started) => *thread = Some(started),
                Err(error) => self.shared.failed(&error),
            }
        }
    }

    /// Sends the head that waits, if one does, and ends the thread.
    pub(super) fn stop(&self) {
        self.shared.state().stopped = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has nothing more to send.
        let _ = thread.map(JoinHandle::join);
    }

    /// Why the command failed the last time it was run.
    pub(super) fn failure(&self) -> Option<String> {
        self.shared.state().failure.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &io::Error) {
        tracing::error!(%error, "cannot anchor the audit trail");
        self.state().failure = Some(error.to_string());
    }
}

fn run(shared: &Shared) {
    let mut state = shared.state();
    loop {
        if let Some(signed) = state.waiting.take() {
            state.sent = Some(signed);
            let command = state.command.clone();
            drop(state);
            match send(&command, &signed) {
                Ok(()) => shared.state().failure = None,
                Err(error) => shared.failed(&error),
            }
            state = shared.state();
            let until = Instant::now() + PAUSE;
            while !state.stopped && Instant::now() < until {
                let left = until.saturating_duration_since(Instant::now());
                state =
                    shared.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        } else if state.stopped {
            return;
        } else {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn send(command: &[String], signed: &SignedHead) -> io::Result<()> {
    let Some((program, args)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("`{program}`: {error}")))?;
    // The line fits a pipe's buffer; a command that doesn't read it is judged by its status.
    let written = child.stdin.take().map(|mut pipe| writeln!(pipe, "{signed}"));
    let status = wait(&mut child)?;
    match status {
        Some(status) if status.success() => written.unwrap_or(Ok(())),
        Some(status) => Err(io::Error::other(format!("`{program}`: {status}"))),
        None => Err(io::Error::other(format!("`{program}` took more than {COMMAND_TIME:?}"))),
    }
}

/// Waits for the command; `None` when it had to be killed.
fn wait(child: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let until = Instant::now() + COMMAND_TIME;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::Head;
    use super::*;

    #[test]
    fn the_newest_head_reaches_the_command_as_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("heads");
        let script = format!("cat >> {}", file.display());
        let anchor = Anchor::new(["sh", "-c", &script].map(str::to_owned).to_vec());
        let head = |seq| SignedHead { head: Head { seq, ..Head::NONE }, signature: Some([7; 64]) };
        anchor.offer(None);
        anchor.offer(Some(head(1)));
        anchor.offer(Some(head(2)));
        anchor.offer(Some(head(2)));
        anchor.stop();
        let sent = std::fs::read_to_string(file).unwrap();
        assert_eq!(sent.lines().last().unwrap(), head(2).to_string());
        assert!(sent.lines().count() <= 2, "{sent}");
        assert_eq!(anchor.failure(), None);
    }

    #[test]
    fn a_command_that_fails_is_reported() {
        let anchor = Anchor::new(vec!["false".to_owned()]);
        anchor.offer(Some(SignedHead { head: Head::NONE, signature: None }));
        anchor.stop();
        assert!(anchor.failure().unwrap().starts_with("`false`: exit status: 1"));
    }
}
