//! Stage 1: bind and accept. Each accepted connection becomes one task, on one of the lanes,
//! that carries it to its end; a panic in it ends that connection only.

mod bind;
mod filter;
mod interface;
mod lanes;
mod reach;
mod translated;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socket2::TcpKeepalive;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::admit::{Admit, Admitted, NotAdmitted, Peer};
use crate::audit::RefusedConnection;
use crate::authenticate::Credential;
use crate::authenticate::tls::{Door, NoEntry};
use crate::gate::Gate;
use crate::http::hang_up::Socket;
use crate::metrics::Limit;
use crate::session;
use crate::sshd;

use crate::ssh;
use filter::Filter;
use interface::Interface;

pub use bind::{FROM_BEFORE, bind, handed_over};
pub use lanes::Lanes;
pub use reach::{Interfaces, OPEN_TO_THE_INTERNET, open_to_the_internet};
pub use translated::{Sources, TRANSLATED};

/// A socket that is bound and listening.
#[derive(Debug)]
pub enum Listener {
    /// Mutual TLS over TCP.
    Tcp {
        /// The listening socket.
        listener: TcpListener,
        /// The interface it is bound to.
        interface: Option<String>,
        /// Its place in `listen`.
        place: usize,
    },
    /// SSH over TCP, spoken by a process of its own.
    Ssh {
        /// The listening socket.
        listener: TcpListener,
        /// The interface it is bound to.
        interface: Option<String>,
        /// Its place in `listen`.
        place: usize,
    },
    /// A Unix socket whose clients are one identity. The path is removed at the end.
    Unix {
        /// The listening socket.
        listener: UnixListener,
        /// Where it is.
        path: PathBuf,
        /// Who its clients are.
        identity: String,
    },
    /// The Unix socket by which the host's own sshd lets in. The path is removed at the end.
    Sshd {
        /// The listening socket.
        listener: UnixListener,
        /// Where it is.
        path: PathBuf,
        /// As whom sshd runs `seawall dial-stdio`.
        uid: u32,
    },
}

/// Accepts until `stop`, handing each connection to a task of its own on one of the lanes.
pub async fn accept(
    gate: Arc<Gate>,
    mut listener: Listener,
    lanes: Arc<Lanes>,
    stop: CancellationToken,
) {
    let mut published = gate.published.subscribe();
    let mut filter = Filter::default();
    let mut interface = Interface::of(&listener);
    loop {
        if let Some((listener, place)) = listener.network() {
            filter.follow(&gate.snapshot.load().config, listener, place);
        }
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Ok(()) = published.changed() => continue,
            socket = interface.made_again() => {
                listener.replace(socket);
                filter = Filter::default();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                lanes.carry(serve(gate.clone(), accepted));
            }
            // Out of file descriptors, most likely: others will be closed, so wait a little.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    if let Listener::Unix { path, .. } | Listener::Sshd { path, .. } = listener {
        drop(std::fs::remove_file(path));
    }
}

/// A connection between runtimes: out of the one that accepted it, not yet in its lane's.
enum Accepted {
    /// With its peer's address and the listener's place.
    Tcp(std::net::TcpStream, SocketAddr, usize),
    Ssh(std::net::TcpStream, SocketAddr, usize),
    Unix(std::os::unix::net::UnixStream, String),
    Sshd(std::os::unix::net::UnixStream, u32),
}

impl Listener {
    /// What it listens on, for the start message and `status`.
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp { listener, interface, .. } => {
                described("tcp", listener, interface.as_deref())
            }
            Self::Ssh { listener, interface, .. } => {
                described("ssh", listener, interface.as_deref())
            }
            Self::Unix { path, identity, .. } => format!("unix://{} as {identity}", path.display()),
            Self::Sshd { path, uid, .. } => {
                format!("unix://{} for sshd as uid {uid}", path.display())
            }
        }
    }

    /// Its socket and its place in `listen`, where it is reached over a network.
    fn network(&self) -> Option<(&TcpListener, usize)> {
        match self {
            Self::Tcp { listener, place, .. } | Self::Ssh { listener, place, .. } => {
                Some((listener, *place))
            }
            Self::Unix { .. } | Self::Sshd { .. } => None,
        }
    }

    /// The interface it is bound to, after the scheme and before the port.
    fn interface(&self) -> Option<(&'static str, &str, u16)> {
        match self {
            Self::Tcp { listener, interface: Some(name), .. } => {
                Some(("tcp", name, listener.local_addr().ok()?.port()))
            }
            Self::Ssh { listener, interface: Some(name), .. } => {
                Some(("ssh", name, listener.local_addr().ok()?.port()))
            }
            Self::Tcp { .. } | Self::Ssh { .. } | Self::Unix { .. } | Self::Sshd { .. } => None,
        }
    }

    /// Takes a network listener's socket out and puts this one in its place.
    fn replace(&mut self, socket: TcpListener) {
        match self {
            Self::Tcp { listener, .. } | Self::Ssh { listener, .. } => *listener = socket,
            Self::Unix { .. } | Self::Sshd { .. } => {}
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp { listener, place, .. } => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream.into_std()?, peer, *place))
            }
            Self::Ssh { listener, place, .. } => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Ssh(stream.into_std()?, peer, *place))
            }
            Self::Unix { listener, identity, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream.into_std()?, identity.clone()))
            }
            Self::Sshd { listener, uid, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Sshd(stream.into_std()?, *uid))
            }
        }
    }
}

fn described(scheme: &str, listener: &TcpListener, interface: Option<&str>) -> String {
    match (listener.local_addr(), interface) {
        (Ok(address), Some(name)) => format!("{scheme}://%{name}:{}", address.port()),
        (Ok(address), None) => format!("{scheme}://{address}"),
        (Err(error), _) => format!("{scheme} ({error})"),
    }
}

/// One connection, from accepted to closed.
async fn serve(gate: Arc<Gate>, accepted: Accepted) {
    match accepted {
        Accepted::Tcp(stream, address, place) => {
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            if let Some((stream, admitted)) = admit(&gate, stream, address, place).await
                && let Err(why) = serve_tls(&gate, stream, admitted.peer).await
            {
                gate.refused(admitted.peer.address.ip(), why);
            }
        }
        Accepted::Ssh(stream, address, place) => {
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            if let Some((stream, admitted)) = admit(&gate, stream, address, place).await
                && let Err(why) = serve_ssh(&gate, stream, admitted.peer).await
            {
                gate.refused(admitted.peer.address.ip(), why);
            }
        }
        Accepted::Unix(stream, identity) => {
            let Ok(stream) = UnixStream::from_std(stream) else { return };
            let peer = Peer::local();
            let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { return };
            let credential = Credential::Socket { identity, uid };
            if let Err(why) = serve_api(&gate, stream, peer, credential).await {
                gate.refused(peer.address.ip(), why);
            }
        }
        Accepted::Sshd(stream, shim) => {
            let Ok(stream) = UnixStream::from_std(stream) else { return };
            let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { return };
            sshd::door::serve(&gate, stream, uid, shim).await;
        }
    }
}

/// The way in for every network door: admits what a TCP listener accepted, or counts, records
/// and closes it.
async fn admit(
    gate: &Gate,
    mut stream: TcpStream,
    address: SocketAddr,
    place: usize,
) -> Option<(TcpStream, Admitted)> {
    let config = gate.snapshot.load().config.clone();
    match gate.admission.admit(&mut stream, address, place, &config).await {
        Ok(Admit::Admitted(admitted)) => {
            let Peer { address, balancer, .. } = admitted.peer;
            if balancer.is_none() && gate.sources.note(address.ip()) {
                tracing::warn!(address = %address.ip(), "{TRANSLATED}");
            }
            Some((stream, admitted))
        }
        Ok(Admit::HealthCheck) => None,
        Err(NotAdmitted { address, why, limit }) => {
            if let Some(limit) = limit {
                gate.metrics.limit_hit(limit);
            }
            // A reset at once: an orderly close would leave the kernel something to remember.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            gate.refused(address, why);
            None
        }
    }
}

async fn serve_tls(
    gate: &Arc<Gate>,
    stream: TcpStream,
    peer: Peer,
) -> Result<(), RefusedConnection> {
    prepare(&stream).map_err(|_| RefusedConnection::Handshake)?;
    let snapshot = gate.snapshot.load_full();
    let handshake = tokio::time::timeout(snapshot.config.limits.handshake, async {
        snapshot.doors.open(stream).await
    });
    let door = handshake.await.map_err(|_| {
        gate.metrics.limit_hit(Limit::Handshake);
        RefusedConnection::Handshake
    })?;
    match door {
        Ok(Door::Api(stream, credential)) => serve_api(gate, stream, peer, credential).await,
        Ok(Door::Enrol(stream, present)) => {
            gate.enrolment.serve(gate, stream, peer.address, present).await;
            Ok(())
        }
        Err(NoEntry::Certificate(error)) => {
            tracing::info!(peer = %peer.address, %error, "client certificate refused");
            Err(RefusedConnection::Certificate)
        }
        Err(NoEntry::Handshake(error)) => {
            tracing::debug!(peer = %peer.address, %error, "no TLS handshake");
            Err(RefusedConnection::Handshake)
        }
        Err(NoEntry::Left) => Err(RefusedConnection::Left),
    }
}

async fn serve_ssh(
    gate: &Arc<Gate>,
    stream: TcpStream,
    peer: Peer,
) -> Result<(), RefusedConnection> {
    let socket = || -> io::Result<_> {
        prepare(&stream)?;
        let port = stream.local_addr()?.port();
        // Out of this runtime: it is the SSH process that reads and writes.
        Ok((stream.into_std()?.into(), port))
    };
    let (socket, port) = socket().map_err(|_| RefusedConnection::Handshake)?;
    // Its process was started before this listener accepted anything.
    let Some(server) = &gate.ssh else { return Err(RefusedConnection::Handshake) };
    ssh::connection::serve(gate, &server.process, socket, peer, port).await
}

/// Small replies must not wait for more, and a peer that vanished must be noticed even on a
/// stream that is silent for hours.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

async fn serve_api<S>(
    gate: &Gate,
    stream: S,
    peer: Peer,
    credential: Credential,
) -> Result<(), RefusedConnection>
where
    S: Socket + Send,
{
    let session = gate.begin_session(peer, credential)?;
    session::serve(gate, &session, stream).await;
    Ok(())
}
