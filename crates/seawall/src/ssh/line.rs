//! What the gate and its SSH process say to each other: whole messages over a pair of Unix
//! sockets that keep message boundaries, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The first message to an SSH process: everything it will ever know.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The host key, in OpenSSH's format.
    pub host_key: String,
    /// The host key's certificate, in OpenSSH's format.
    pub host_certificate: Option<String>,
}

/// Its answer: it serves now.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// What confines it, for the log and `status`.
    pub sandbox: String,
}

/// A connection for the SSH process; two descriptors come with it: the client's socket, and the
/// process's end of a line for this connection alone.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The port it came in by, for messages to people.
    pub port: u16,
}

/// What the SSH process says about one connection. All but `Left` and `Noted` are answered with
/// one [`Reply`], in order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub enum Ask {
    /// The client has gone, and had said nothing.
    Left,
    /// The client names a key that it may hold (RFC 4252 section 7).
    Offers {
        /// The public key.
        public: Vec<u8>,
        /// The user name it gave.
        user: String,
    },
    /// The client proved to hold a key.
    Proves {
        /// The public key, or the whole certificate.
        public: Vec<u8>,
        /// The user name it gave.
        user: String,
    },
    /// The client wants a channel to be this.
    Opens(Wish),
    /// The SSH process refused something by itself.
    Noted(Kind, String),
}

/// [`seawall_rules::ssh::exec::Wish`] on the line.
#[derive(Debug, Deserialize, Serialize)]
#[expect(missing_docs, reason = "named as in seawall_rules::ssh::exec")]
pub enum Wish {
    Exec(Vec<u8>),
    Shell,
    Streamlocal(String),
    Subsystem(String),
}

/// What SSH offers beside channels to the engine. All of it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Kind {
    /// `auth-agent-req@openssh.com`.
    Agent,
    /// `env`.
    Environment,
    /// `direct-tcpip`, `tcpip-forward`, `streamlocal-forward@openssh.com`.
    Forwarding,
    /// `pty-req`.
    Pty,
    /// `x11-req`.
    X11,
}

impl Kind {
    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent-forwarding",
            Self::Environment => "env",
            Self::Forwarding => "forwarding",
            Self::Pty => "pty",
            Self::X11 => "x11-forwarding",
        }
    }
}

/// What the gate answers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub enum Reply {
    /// The connection is to be ended, whatever it is doing. Needs no question.
    End {
        /// For the client.
        why: String,
    },
    /// No.
    No,
    /// The channel may be; the descriptor that comes with it is the gate's pipeline.
    Opened,
    /// The channel may not be.
    Refused {
        /// One line for the client.
        why: String,
    },
    /// Yes.
    Yes,
}

/// Bytes of a message. A certificate has 2 KiB or so, and its numbers are written out.
const MAX_MESSAGE: usize = 64 * 1024;
/// Descriptors beside a message.
const MAX_DESCRIPTORS: usize = 2;

/// One end of a line. The runtime watches it as it would a stream; what is read and written are
/// messages.
#[derive(Debug)]
pub struct Line(UnixStream);

impl Line {
    /// Both ends of a new line, neither in use yet.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
    }

    /// Uses an end, in the runtime that this is called in.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        UnixStream::from_std(end.into()).map(Self)
    }

    /// Sends a message with descriptors beside it.
    ///
    /// # Errors
    /// When the other end is gone.
    pub async fn send(&self, message: &impl Serialize, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message).map_err(io::Error::other)?;
        if bytes.len() > MAX_MESSAGE {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.0
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); SPACE];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !with.is_empty() && !control.push(SendAncillaryMessage::ScmRights(with)) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let flags = SendFlags::NOSIGNAL;
                rustix::net::sendmsg(self.0.as_fd(), &[IoSlice::new(&bytes)], &mut control, flags)?;
                Ok(())
            })
            .await
    }

    /// The next message and its descriptors; `None` when the other end is gone. Nothing is lost
    /// when this is dropped before it completes.
    ///
    /// # Errors
    /// When what came is no message.
    pub async fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let (read, descriptors) = self
            .0
            .async_io(Interest::READABLE, || {
                let mut space = [MaybeUninit::uninit(); SPACE];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let received = rustix::net::recvmsg(
                    self.0.as_fd(),
                    &mut [IoSliceMut::new(&mut bytes)],
                    &mut control,
                    RecvFlags::CMSG_CLOEXEC,
                )?;
                let mut descriptors = Vec::new();
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(sent) = message {
                        descriptors.extend(sent);
                    }
                }
                if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok((received.bytes, descriptors))
            })
            .await?;
        if read == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(&bytes[..read])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some((message, descriptors)))
    }
}

const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use super::*;

    async fn ends() -> (Line, Line) {
        let (one, other) = Line::pair().unwrap();
        (Line::new(one).unwrap(), Line::new(other).unwrap())
    }

    #[tokio::test]
    async fn messages_arrive_whole_with_their_descriptors() {
        let (gate, process) = ends().await;
        let (reader, writer) = std::io::pipe().unwrap();
        gate.send(&Reply::Yes, &[]).await.unwrap();
        gate.send(&Reply::Opened, &[writer.as_fd()]).await.unwrap();
        drop(writer);
        let (first, none) = process.receive::<Reply>().await.unwrap().unwrap();
        assert!(matches!(first, Reply::Yes) && none.is_empty(), "{first:?}");
        let (second, mut descriptors) = process.receive::<Reply>().await.unwrap().unwrap();
        assert!(matches!(second, Reply::Opened), "{second:?}");
        let mut file = File::from(descriptors.pop().unwrap());
        file.write_all(b"through").unwrap();
        drop(file);
        let mut text = String::new();
        { reader }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[tokio::test]
    async fn the_other_end_gone_is_the_end() {
        let (gate, process) = ends().await;
        gate.send(&Reply::No, &[]).await.unwrap();
        drop(gate);
        assert!(process.receive::<Reply>().await.unwrap().is_some());
        assert!(process.receive::<Reply>().await.unwrap().is_none());
        assert!(process.send(&Reply::No, &[]).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused() {
        for bytes in [&b"{}"[..], b"\"Perhaps\"", b"[1", &[b' '; MAX_MESSAGE + 1]] {
            let (one, other) = Line::pair().unwrap();
            let line = Line::new(one).unwrap();
            rustix::net::send(&other, bytes, SendFlags::empty()).unwrap();
            assert!(line.receive::<Ask>().await.is_err(), "{} bytes", bytes.len());
        }
        let (gate, _process) = ends().await;
        assert!(gate.send(&Reply::Refused { why: "x".repeat(MAX_MESSAGE) }, &[]).await.is_err());
    }
}
