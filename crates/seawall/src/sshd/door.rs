//! The gate's side of the shim's socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use data_encoding::BASE64;
use seawall_rules::escape::bounded;
use seawall_rules::ssh::exec::{Refused, Wish, means_the_engine};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{Answer, Ask, MAX_LINE};
use crate::admit::{NotAdmitted, Peer};
use crate::audit::RefusedConnection;
use crate::authenticate::ssh::{Offered, Server, authenticate};
use crate::authenticate::{Authority, Credential};
use crate::gate::Gate;
use crate::metrics::Limit;
use crate::session;
use crate::ssh::record_refused;

/// Serves a connection of a process with this uid; shims run as `shim`.
pub async fn serve(gate: &Arc<Gate>, mut stream: UnixStream, uid: u32, shim: u32) {
    // Everybody on this host can open the socket. Root is asked by sshd for keys.
    if uid != shim && uid != 0 {
        tracing::warn!(uid, "a stranger on the socket for sshd");
        return gate.refused(NOBODY, RefusedConnection::Address);
    }
    let patience = gate.snapshot.load().config.limits.handshake;
    let ask = match tokio::time::timeout(patience, ask(&mut stream)).await {
        Ok(Ok(ask)) => ask,
        Ok(Err(error)) => {
            tracing::info!(%error, "what came on the socket for sshd is no shim's");
            return gate.refused(NOBODY, RefusedConnection::Left);
        }
        Err(_) => {
            gate.metrics.limit_hit(Limit::Handshake);
            return gate.refused(NOBODY, RefusedConnection::Left);
        }
    };
    match ask {
        Ask::Knows { key } => {
            let public = BASE64.decode(key.as_bytes()).unwrap_or_default();
            let answer = match gate.snapshot.load().enters_by_sshd(&public) {
                Some(identity) => Answer::Yes { identity: identity.to_owned() },
                None => Answer::No { why: UNKNOWN.to_owned() },
            };
            // sshd has gone if it does not want to know any more.
            let _ = say(&mut stream, &answer).await;
        }
        Ask::Enter { key, peer, command } => {
            if let Err(why) = enter(gate, stream, &key, peer, command.as_deref()).await {
                gate.refused(peer.ip(), why);
            }
        }
    }
}

async fn enter(
    gate: &Arc<Gate>,
    mut stream: UnixStream,
    key: &str,
    peer: SocketAddr,
    command: Option<&str>,
) -> Result<(), RefusedConnection> {
    let config = gate.snapshot.load().config.clone();
    let admitted = match gate.admission.admit_through_sshd(peer, &config) {
        Ok(admitted) => admitted,
        Err(NotAdmitted { why, limit, .. }) => {
            if let Some(limit) = limit {
                gate.metrics.limit_hit(limit);
            }
            return refuse(&mut stream, "this address may not connect now", why).await;
        }
    };
    let peer = admitted.peer;
    let (credential, authority) = match prove(gate, key, peer) {
        Ok(proved) => proved,
        Err(reason) => {
            tracing::info!(peer = %peer.address, reason, "SSH key refused");
            return refuse(&mut stream, UNKNOWN, RefusedConnection::Key).await;
        }
    };
    let wish = command.map_or(Wish::Shell, |command| Wish::Exec(command.as_bytes()));
    if let Err(Refused(why)) = means_the_engine(wish) {
        let asked = if command.is_some() { "exec" } else { "shell" };
        let detail = bounded(command.unwrap_or_default().as_bytes(), 256);
        record_refused(gate, &authority, peer, asked, detail);
        // It was authenticated, and its refusal is recorded: no refused connection.
        let _ = say(&mut stream, &Answer::No { why }).await;
        return Ok(());
    }
    let session = match gate.begin_session(peer, credential) {
        Ok(session) => session,
        Err(why) => {
            return refuse(&mut stream, "this identity has too many connections", why).await;
        }
    };
    let identity = authority.subject.name.clone();
    if say(&mut stream, &Answer::Yes { identity }).await.is_ok() {
        session::serve(gate, &session, stream).await;
    }
    Ok(())
}

/// Whose the key is, and that it may come this way.
fn prove(gate: &Gate, key: &str, peer: Peer) -> Result<(Credential, Arc<Authority>), String> {
    let public = BASE64.decode(key.as_bytes()).map_err(|_| "its key is not base64".to_owned())?;
    // The user is the one account that all share, chosen by the host and not by the client.
    let offered = Offered { public, user: String::new(), peer, server: Server::Sshd };
    authenticate(&gate.snapshot.load(), &offered).map_err(|refused| refused.0)
}

async fn refuse(
    stream: &mut UnixStream,
    why: &str,
    counted: RefusedConnection,
) -> Result<(), RefusedConnection> {
    let _ = say(stream, &Answer::No { why: why.to_owned() }).await;
    Err(counted)
}

/// The first line. Nothing follows it before it is answered.
async fn ask(stream: &mut UnixStream) -> io::Result<Ask> {
    let mut line = Vec::new();
    let mut part = [0; 4096];
    while line.last() != Some(&b'\n') {
        let read = stream.read(&mut part).await?;
        if read == 0 || line.len() + read > MAX_LINE || line.contains(&b'\n') {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.extend_from_slice(&part[..read]);
    }
    serde_json::from_slice(&line).map_err(io::Error::other)
}

async fn say(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The same for a key that is nobody's, revoked or not enabled: a stranger learns nothing.
const UNKNOWN: &str = "this key may not enter through the host's sshd";
