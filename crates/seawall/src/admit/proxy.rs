//! Reads a balancer's header off a socket, and not a byte more: what follows is the client's,
//! and the socket may be handed on.

use std::io;
use std::net::SocketAddr;

use seawall_rules::proxy::{self, Header, Progress};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The client that the header names; `None` when the balancer speaks for itself.
///
/// # Errors
/// When what comes is no header, or ends before it does.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::with_capacity(proxy::MOST);
    loop {
        match proxy::parse(&bytes).map_err(io::Error::other)? {
            Progress::Whole(Header::Local) => return Ok(None),
            Progress::Whole(Header::Client(client)) => {
                return Ok(Some(SocketAddr::new(client.ip().to_canonical(), client.port())));
            }
            Progress::Needs(more) => {
                let have = bytes.len();
                bytes.resize(have + more, 0);
                stream.read_exact(&mut bytes[have..]).await?;
            }
        }
    }
}
