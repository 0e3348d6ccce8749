//! The way of a request, top to bottom, for one authenticated connection:
//! read head -> canonicalize -> recognize -> read body -> judge -> record -> forward -> record.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::gate::Gate;
use crate::sessions::Session;

/// Serves one authenticated client connection until it ends. `stream` is the client's side:
/// TLS over TCP or a Unix socket; reading 0 bytes is the client's half-close, `shutdown` ours.
pub async fn serve<S>(gate: &Gate, session: &Arc<Session>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let _ = (gate, session, stream);
}
