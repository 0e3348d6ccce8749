//! As much of HTTP/1.1 as the stub of an engine and its clients need, who trust each other.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What matters of the head of a request or a response.
pub(crate) struct Head {
    /// The request line or status line.
    pub(crate) first: String,
    /// Whether the connection ends with this exchange.
    pub(crate) close: bool,
    body: Body,
}

enum Body {
    Bytes(u64),
    Chunked,
}

/// Reads a head; none when the peer closed instead of sending another.
pub(crate) async fn read_head(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    let first = line(from).await?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut head = Head { first, close: false, body: Body::Bytes(0) };
    loop {
        let line = line(from).await?.to_ascii_lowercase();
        match line.split_once(':') {
            Some(("content-length", value)) => {
                head.body = Body::Bytes(value.trim().parse().map_err(io::Error::other)?);
            }
            Some(("transfer-encoding", _)) => head.body = Body::Chunked,
            Some(("connection", value)) => head.close = value.trim() == "close",
            Some(_) => {}
            None => return Ok(Some(head)),
        }
    }
}

/// Reads the body that belongs to `head`, and tells how many bytes it had.
pub(crate) async fn skip_body(
    from: &mut (impl AsyncBufRead + Unpin),
    head: &Head,
) -> io::Result<u64> {
    if let Body::Bytes(bytes) = head.body {
        skip(from, bytes).await?;
        return Ok(bytes);
    }
    let mut total = 0;
    loop {
        let size = u64::from_str_radix(&line(from).await?, 16).map_err(io::Error::other)?;
        skip(from, size).await?;
        if !line(from).await?.is_empty() {
            return Err(io::Error::other("a chunk that does not end"));
        }
        if size == 0 {
            return Ok(total);
        }
        total += size;
    }
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line).await?;
    line.truncate(line.trim_end().len());
    Ok(line)
}

async fn skip(from: &mut (impl AsyncBufRead + Unpin), mut bytes: u64) -> io::Result<()> {
    while bytes > 0 {
        let there = from.fill_buf().await?.len();
        if there == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = there.min(usize::try_from(bytes).unwrap_or(there));
        from.consume(taken);
        bytes -= taken as u64;
    }
    Ok(())
}

/// The size of the chunks of a stream: what the engine and Go's clients write at once.
pub(crate) const CHUNK: usize = 32 << 10;

/// One chunk of a chunked body.
pub(crate) fn chunk() -> Vec<u8> {
    // Neither compressible nor costly: the bytes count up.
    let data = (0..CHUNK).map(|at| at.to_le_bytes()[0]);
    format!("{CHUNK:x}\r\n").into_bytes().into_iter().chain(data).chain(*b"\r\n").collect()
}
