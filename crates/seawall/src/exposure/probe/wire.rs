//! One connection, one question, and what is heard until it makes sense.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Dialed {
    /// Nothing listens there.
    Refused,
    /// Nobody knows.
    Failed(String),
}

/// Connects.
///
/// # Errors
/// [`Dialed`].
pub(super) async fn dial(address: SocketAddr, patience: Duration) -> Result<TcpStream, Dialed> {
    match tokio::time::timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(Dialed::Refused),
        Ok(Err(error)) => Err(Dialed::Failed(plain(&error))),
        Err(_) => Err(Dialed::Failed(format!("no connection within {} s", patience.as_secs_f32()))),
    }
}

/// What came back.
#[derive(Debug)]
pub(super) enum Heard<T> {
    /// What was waited for.
    Answer(T),
    /// The connection ended before; these bytes had come.
    Closed(Vec<u8>),
    /// It broke before.
    Broke(io::Error),
    /// Nothing more came in time; these bytes had come.
    Silent(Vec<u8>),
}

impl<T> Heard<T> {
    /// What came instead of an answer, for people; empty when nothing did.
    pub(super) fn shown(&self) -> String {
        let bytes = match self {
            Self::Answer(_) | Self::Broke(_) => return String::new(),
            Self::Closed(bytes) | Self::Silent(bytes) => bytes,
        };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(240)]);
        text.trim().chars().flat_map(char::escape_debug).take(60).collect()
    }
}

/// Sends `question` and reads until `answer` makes sense of what came, the peer hangs up, or
/// patience ends. What is longer than [`MOST`] counts as hung up.
pub(super) async fn ask<T>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    question: &[u8],
    patience: Duration,
    answer: impl Fn(&[u8]) -> Option<T>,
) -> Heard<T> {
    let mut bytes = Vec::new();
    let talk = async {
        // A peer that has hung up already may have said why.
        let sent = async {
            stream.write_all(question).await?;
            stream.flush().await
        };
        let sent = sent.await;
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return Heard::Closed(bytes.clone()),
                Ok(read) => bytes.extend(&buffer[..read]),
                Err(error) => return Heard::Broke(sent.err().unwrap_or(error)),
            }
            if let Some(answer) = answer(&bytes) {
                return Heard::Answer(answer);
            }
            if bytes.len() > MOST {
                return Heard::Closed(bytes.clone());
            }
        }
    };
    match tokio::time::timeout(patience, talk).await {
        Ok(heard) => heard,
        Err(_) => Heard::Silent(bytes),
    }
}

const MOST: usize = 256 << 10;

/// An I/O error without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
