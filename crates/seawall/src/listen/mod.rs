//! Stage 1: bind and accept. Each accepted connection becomes one task, on one of the lanes,
//! that carries it to its end; a panic in it ends that connection only.

mod bind;
mod lanes;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socket2::TcpKeepalive;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::admit::NotAdmitted;
use crate::audit::RefusedConnection;
use crate::authenticate::Credential;
use crate::authenticate::tls::{Door, NoEntry};
use crate::gate::Gate;
use crate::http::hang_up::Socket;
use crate::metrics::Limit;
use crate::session;

pub use bind::{FROM_BEFORE, bind, handed_over};
pub use lanes::Lanes;

/// A socket that is bound and listening.
#[derive(Debug)]
pub enum Listener {
    /// Mutual TLS over TCP.
    Tcp(TcpListener),
    /// A Unix socket whose clients are one identity. The path is removed at the end.
    Unix {
        /// The listening socket.
        listener: UnixListener,
        /// Where it is.
        path: PathBuf,
        /// Who its clients are.
        identity: String,
    },
}

/// Accepts until `stop`, handing each connection to a task of its own on one of the lanes.
pub async fn accept(
    gate: Arc<Gate>,
    listener: Listener,
    lanes: Arc<Lanes>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
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
    if let Listener::Unix { path, .. } = listener {
        drop(std::fs::remove_file(path));
    }
}

/// A connection between runtimes: out of the one that accepted it, not yet in its lane's.
enum Accepted {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream, String),
}

impl Listener {
    /// What it listens on, for the start message and `status`.
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(
                |error| format!("tcp ({error})"),
                |address| format!("tcp://{address}"),
            ),
            Self::Unix { path, identity, .. } => format!("unix://{} as {identity}", path.display()),
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream.into_std()?, peer))
            }
            Self::Unix { listener, identity, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream.into_std()?, identity.clone()))
            }
        }
    }
}

/// One connection, from accepted to closed.
async fn serve(gate: Arc<Gate>, accepted: Accepted) {
    match accepted {
        Accepted::Tcp(stream, peer) => {
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            if let Err(why) = serve_tls(&gate, stream, peer).await {
                gate.refused(peer.ip(), why);
            }
        }
        Accepted::Unix(stream, identity) => {
            let Ok(stream) = UnixStream::from_std(stream) else { return };
            let peer = SocketAddr::from(([0, 0, 0, 0], 0));
            let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { return };
            let credential = Credential::Socket { identity, uid };
            if let Err(why) = serve_api(&gate, stream, peer, credential).await {
                gate.refused(peer.ip(), why);
            }
        }
    }
}

async fn serve_tls(
    gate: &Arc<Gate>,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), RefusedConnection> {
    let snapshot = gate.snapshot.load_full();
    let _admitted = gate.admission.admit(peer.ip(), &snapshot.config).map_err(|not| match not {
        NotAdmitted::Address => RefusedConnection::Address,
        NotAdmitted::Limit(limit) => {
            gate.metrics.limit_hit(limit);
            RefusedConnection::Limit
        }
    })?;
    // Small replies must not wait for more, and a peer that vanished must be noticed even on a
    // stream that is silent for hours.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    if prepared.is_err() {
        return Err(RefusedConnection::Handshake);
    }
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
            gate.enrolment.serve(gate, stream, peer, present).await;
            Ok(())
        }
        Err(NoEntry::Certificate(error)) => {
            tracing::info!(%peer, %error, "client certificate refused");
            Err(RefusedConnection::Certificate)
        }
        Err(NoEntry::Handshake(error)) => {
            tracing::debug!(%peer, %error, "no TLS handshake");
            Err(RefusedConnection::Handshake)
        }
    }
}

async fn serve_api<S>(
    gate: &Gate,
    stream: S,
    peer: SocketAddr,
    credential: Credential,
) -> Result<(), RefusedConnection>
where
    S: Socket + Send,
{
    let session = gate.begin_session(peer, credential)?;
    session::serve(gate, &session, stream).await;
    Ok(())
}
