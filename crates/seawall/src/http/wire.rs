//! One end of a relay, polled rather than awaited, so that one task can read and write both
//! ends at once without locks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffer::Buffer;

/// A stream with what was read from it and not yet used, and what must be written to it before
/// anything else.
#[derive(Debug)]
pub struct Wire<S> {
    /// The stream itself.
    pub stream: S,
    /// Read and not yet used.
    pub input: Buffer,
    /// To be written first: heads, interim replies, the ends of chunks.
    pub output: Vec<u8>,
    /// The peer has ended its direction.
    pub ended: bool,
    written: usize,
    unflushed: bool,
    shut: bool,
}

/// Bytes read from a stream at once while it streams.
pub const STREAM_BUFFER: usize = 256 * 1024;

/// Bytes kept of what a client sends before its turn (pipelining).
pub const EARLY_BUFFER: usize = 8 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A wire with nothing read or written yet.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: Buffer::default(),
            output: Vec::new(),
            ended: false,
            written: 0,
            unflushed: false,
            shut: false,
        }
    }

    /// Reads once into `input`, holding at most `most` bytes there; there must be space. 0 is
    /// the peer's end of stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(self.input.space(most));
        debug_assert!(space.remaining() > 0, "read without space");
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
        let n = space.filled().len();
        self.input.filled(n);
        self.ended = n == 0;
        Poll::Ready(Ok(n))
    }

    /// Awaits [`Wire::poll_fill`].
    pub async fn fill(&mut self, most: usize) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_fill(cx, most)).await
    }

    /// Writes `output` to its end; it is empty afterwards.
    pub fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let bytes = &self.output[self.written..];
            self.written += some(ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?)?;
            self.unflushed = true;
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes part of `bytes`; `output` must be empty.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        debug_assert!(self.output.is_empty(), "overtaking what is to be written first");
        let n = some(ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?)?;
        self.unflushed = true;
        Poll::Ready(Ok(n))
    }

    /// Like [`Wire::poll_write`] for several pieces.
    pub fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.output.is_empty(), "overtaking what is to be written first");
        let n = some(ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, pieces))?)?;
        self.unflushed = true;
        Poll::Ready(Ok(n))
    }

    /// Sends on what was written; TLS may still hold it otherwise. Cheap when there is nothing.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes and flushes all of `output`.
    pub async fn send(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            ready!(self.poll_output(cx))?;
            self.poll_flush(cx)
        })
        .await
    }

    /// Ends our direction of the stream, once.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(self.poll_flush(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

fn some(written: usize) -> io::Result<usize> {
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}
