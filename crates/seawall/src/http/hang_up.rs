//! Noticing that a peer has gone without reading from it: what is not read, because the other end
//! of the relay takes nothing at the moment, has no end that a read could find.

use std::io;
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, Interest};
use tokio::net::{TcpStream, UnixStream};

/// A stream over one socket.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// That socket once more, to be watched. A descriptor of its own has a readiness of its own,
    /// so that waiting for the hang-up does not take away that the socket is writable.
    ///
    /// # Errors
    /// When there are no more descriptors.
    fn watched(&self) -> io::Result<Watched>;
}

/// A socket that is watched.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as the socket")]
pub enum Watched {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket for TcpStream {
    fn watched(&self) -> io::Result<Watched> {
        TcpStream::from_std(self.as_fd().try_clone_to_owned()?.into()).map(Watched::Tcp)
    }
}

impl Socket for UnixStream {
    fn watched(&self) -> io::Result<Watched> {
        UnixStream::from_std(self.as_fd().try_clone_to_owned()?.into()).map(Watched::Unix)
    }
}

impl Socket for Box<tokio_rustls::server::TlsStream<BufReader<TcpStream>>> {
    fn watched(&self) -> io::Result<Watched> {
        self.get_ref().0.get_ref().watched()
    }
}

impl Watched {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Leaves only the next event to make it ready again.
    fn clear_ready(&self) {
        let would_block = || Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock));
        let _ = match self {
            Self::Tcp(socket) => socket.try_io(Interest::WRITABLE, would_block),
            Self::Unix(socket) => socket.try_io(Interest::WRITABLE, would_block),
        };
    }

    /// A write of no bytes fails once the peer has gone (EPIPE, ECONNRESET), and only then.
    fn has_gone(&self) -> bool {
        let probe = match self {
            Self::Tcp(socket) => SockRef::from(socket).send(&[]),
            Self::Unix(socket) => SockRef::from(socket).send(&[]),
        };
        probe.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
    }
}

/// Waits until nothing that is written to a socket can arrive any more: a Unix socket's other end
/// is closed and not just half-closed, a TCP connection is reset. TCP does not tell a closed peer
/// from a half-closed one before something was written to it.
#[derive(Debug, Default)]
pub struct HangUp {
    // Made when it is first waited for: few exchanges do.
    watched: Option<Watched>,
}

impl HangUp {
    /// Ready once it has happened; never when it cannot be watched for.
    pub fn poll(&mut self, cx: &mut Context<'_>, of: &impl Socket) -> Poll<()> {
        let watched = match &mut self.watched {
            Some(watched) => watched,
            none => match of.watched() {
                Ok(made) => none.insert(made),
                Err(_) => return Poll::Pending,
            },
        };
        loop {
            if ready!(watched.poll_write_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            watched.clear_ready();
            // What came before the clearing, the probe sees.
            if watched.has_gone() {
                return Poll::Ready(());
            }
        }
    }
}
