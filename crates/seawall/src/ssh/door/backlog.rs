//! What came from a client and has not gone on to the gate yet, over all channels of one
//! connection.
//!
//! russh tells a client to go on as soon as data arrives, and waits for a slow reader in the loop
//! that also carries everything else of the connection. A client that sends until it is read from
//! (`docker run -i image cat`) would then wait for itself. So data is queued without waiting, and
//! while too much is queued the client's windows are let run down and its socket is read slowly:
//! slowly, because what it grants us to send comes by the same way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::WINDOW;

/// Queued bytes above which the client is slowed down.
const FULL: usize = 2 << 20;
/// Queued bytes that only a client can cause which sends beyond its windows.
const ABUSED: usize = 256 << 20;
/// How often the socket is read while too much is queued.
const PACE: Duration = Duration::from_millis(2);
/// The window of a client that is slowed down: the least that is ever opened again.
const SHUT: u32 = 2;

/// Counts what is queued.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    queued: AtomicUsize,
    heard: AtomicBool,
}

/// Bytes that are queued until they are dropped.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) bytes: Bytes,
    backlog: Backlog,
}

impl Backlog {
    /// Queues bytes; `None` when the client sends beyond all bounds.
    pub(super) fn queue(&self, data: &[u8]) -> Option<Queued> {
        let before = self.0.queued.fetch_add(data.len(), Ordering::Relaxed);
        let queued = Queued { bytes: Bytes::copy_from_slice(data), backlog: self.clone() };
        (before <= ABUSED).then_some(queued)
    }

    /// The window that a channel is to be filled up to from now on.
    pub(super) fn window(&self) -> u32 {
        if self.is_full() { SHUT } else { WINDOW }
    }

    fn is_full(&self) -> bool {
        self.0.queued.load(Ordering::Relaxed) > FULL
    }

    /// Whether the client ever said anything.
    pub(super) fn was_heard(&self) -> bool {
        self.0.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.backlog.0.queued.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// A client's socket, read slowly while too much is queued.
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    backlog: Backlog,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, backlog: Backlog) -> Self {
        Self { stream, backlog, pause: None }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.backlog.is_full() {
            let sleep = || Box::pin(tokio::time::sleep_until(Instant::now() + PACE));
            let pause = self.pause.get_or_insert_with(sleep);
            ready!(pause.as_mut().poll(context));
        }
        self.pause = None;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.backlog.0.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_shuts_the_window_until_it_is_worked_off() {
        let backlog = Backlog::default();
        assert_eq!(backlog.window(), WINDOW);
        let queued = backlog.queue(&vec![0; FULL + 1]).unwrap();
        assert_eq!(backlog.window(), SHUT);
        drop(queued);
        assert_eq!(backlog.window(), WINDOW);
    }

    #[test]
    fn a_client_that_ignores_its_windows_is_cut_off() {
        let backlog = Backlog::default();
        let piece = vec![0; 64 << 20];
        let queued: Vec<_> = (0..6).map(|_| backlog.queue(&piece).is_some()).collect();
        // Nothing is kept here, so nothing is counted.
        assert!(queued.iter().all(|&queued| queued));
        let kept: Vec<_> = (0..6).map_while(|_| backlog.queue(&piece)).collect();
        assert_eq!(kept.len(), 5);
    }
}
