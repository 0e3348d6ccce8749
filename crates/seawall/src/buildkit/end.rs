//! One end of a connection that has become HTTP/2: what was read early comes first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::wire::Wire;
use crate::session::Tally;

/// The rest of a wire, as a stream; what passes is counted where somebody keeps count.
#[derive(Debug)]
pub(super) struct End<'a, 'b, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) tally: Option<&'a mut Tally<'b>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for End<'_, '_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { wire, tally } = self.get_mut();
        let before = buf.filled().len();
        if wire.input.is_empty() {
            ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
        } else {
            let n = buf.remaining().min(wire.input.data().len());
            buf.put_slice(&wire.input.data()[..n]);
            wire.input.consume(n);
        }
        if let Some(tally) = tally {
            tally.received(buf.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for End<'_, '_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { wire, tally } = self.get_mut();
        let n = ready!(wire.poll_write(cx, bytes))?;
        if let Some(tally) = tally {
            tally.sent(n);
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().wire.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().wire.poll_shutdown(cx)
    }
}
