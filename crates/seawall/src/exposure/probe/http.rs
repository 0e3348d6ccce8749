//! The two requests that are made of an engine.

use std::net::SocketAddr;
use std::time::Duration;

use seawall_rules::exposure::address::{Engine, Reply, Target, read_reply, read_version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{self, Dialed, Heard};

/// A request of HTTP/1.0, after which the server hangs up: the answer has no framing to undo.
pub(super) fn request(path: &str, target: &Target) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let host = target.host.split('%').next().unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: seawall-scan/{version}\r\n\r\n")
        .into_bytes()
}

/// Asks `/_ping` in the clear.
///
/// # Errors
/// [`Dialed`].
pub(super) async fn ping(
    target: &Target,
    address: SocketAddr,
    patience: Duration,
) -> Result<Reply, Dialed> {
    let mut stream = wire::dial(address, patience).await?;
    let heard = wire::ask(&mut stream, &request("/_ping", target), patience, read_reply).await;
    let said = heard.shown();
    Ok(match heard {
        Heard::Answer(reply) => reply,
        Heard::Closed(_) | Heard::Silent(_) if !said.is_empty() => Reply::Other(said),
        Heard::Closed(_) | Heard::Broke(_) => Reply::Closed,
        Heard::Silent(_) => Reply::Silent,
    })
}

/// Asks `/version` in the clear.
pub(super) async fn version(
    target: &Target,
    address: SocketAddr,
    patience: Duration,
) -> Option<Engine> {
    let mut stream = wire::dial(address, patience).await.ok()?;
    version_on(&mut stream, target, patience).await
}

/// Asks `/version` on a connection that is open.
pub(super) async fn version_on(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    patience: Duration,
) -> Option<Engine> {
    let to_the_end = |_: &[u8]| None::<()>;
    match wire::ask(stream, &request("/version", target), patience, to_the_end).await {
        Heard::Closed(bytes) => {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
            let ok = bytes.starts_with(b"HTTP/1.0 200") || bytes.starts_with(b"HTTP/1.1 200");
            ok.then(|| read_version(&bytes[end + 4..]))?
        }
        Heard::Answer(()) | Heard::Broke(_) | Heard::Silent(_) => None,
    }
}
