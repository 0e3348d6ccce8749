//! Stage 3: one request head, read strictly, so that no two parsers can read it two ways.

use crate::verdict::Refusal;

/// Bounds of one request head; a head over any of them is refused with 431.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of request line and header lines together.
    pub bytes: usize,
    /// Header lines.
    pub headers: usize,
}

/// The request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are RFC 9110's methods")]
pub enum Method {
    Delete,
    Get,
    Head,
    Post,
    Put,
}

/// How the request's body is delimited (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body: neither header, or `Content-Length: 0`.
    None,
    /// `Content-Length`, at least 1.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The protocol an `Upgrade` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// BuildKit's `/session` and `/grpc`.
    H2c,
    /// Docker's own raw stream (attach, exec start).
    Tcp,
    /// RFC 6455, for `attach/ws`.
    Websocket,
}

/// A request head after strict parsing: everything later stages may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, one of those the Engine API uses.
    pub method: Method,
    /// The request target as received (origin-form; checked by [`crate::target`]).
    pub target: String,
    /// How its body is delimited.
    pub framing: Framing,
    /// `Upgrade`, if asked for together with `Connection: Upgrade` or, as old clients do, alone.
    pub upgrade: Option<Upgrade>,
    /// `Expect: 100-continue` was sent.
    pub expect_continue: bool,
    /// Whether the client lets the connection live after this exchange.
    pub keep_alive: bool,
    /// The media type of `Content-Type`, lower-cased, without parameters.
    pub content_type: Option<String>,
    /// Headers the engine may see, canonical name and value, in the order received: an
    /// allowlist (`X-Registry-Auth`, `Accept`, `User-Agent`, ...). Everything else is dropped.
    pub forwarded: Vec<(&'static str, String)>,
}

/// Parses one request head from the front of `buffer`; `Ok(None)` means more bytes are needed.
/// On success the second value is the length of the head in bytes.
///
/// # Errors
/// A [`Refusal`] with status 400 for anything ambiguous, 431 over a limit, 501 for a method
/// or protocol version no client of the Engine API uses.
pub fn parse(buffer: &[u8], limits: HeadLimits) -> Result<Option<(RequestHead, usize)>, Refusal> {
    let _ = (buffer, limits);
    Ok(None)
}
