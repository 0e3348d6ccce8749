//! The threads that carry connections: one a core, each with a runtime of its own. A connection
//! stays on its lane, so a request is answered by the thread that read it, and no other has to
//! be woken for it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Lanes that are open; they end, with what is left on them, when this is dropped.
#[derive(Debug)]
pub struct Lanes {
    handles: Vec<Handle>,
    next: AtomicUsize,
    open: CancellationToken,
}

impl Lanes {
    /// Opens one lane a core.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn open() -> io::Result<Self> {
        let open = CancellationToken::new();
        let count = thread::available_parallelism().map_or(1, usize::from);
        let handles = (0..count)
            .map(|number| {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                let handle = runtime.handle().clone();
                let closed = open.clone().cancelled_owned();
                thread::Builder::new()
                    .name(format!("lane-{number}"))
                    .spawn(move || runtime.block_on(closed))?;
                Ok(handle)
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { handles, next: AtomicUsize::new(0), open })
    }

    /// Runs a connection on the next lane. The socket is taken out of the runtime that accepted
    /// it and `carry` must put it into the lane's; a panic ends that connection only.
    pub fn carry(&self, carry: impl Future<Output = ()> + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(lane) = self.handles.get(turn % self.handles.len().max(1)) {
            lane.spawn(carry);
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.open.cancel();
    }
}
