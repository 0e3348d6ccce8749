//! Stage 3: one request head, read strictly, so that no two parsers can read it two ways.
//!
//! `httparse` knows the grammar of RFC 9112; what it forgives (bare line feeds, empty lines
//! before the request line) and what it leaves to its caller (framing, duplicates) is refused
//! here. Headers reach the engine only by name, from the list in `fields`.

mod fields;

use std::fmt;
use std::mem::MaybeUninit;

pub(crate) use fields::is_form;

use crate::escape::{bounded, quoted};
use crate::target;
use crate::verdict::Refusal;

/// Bounds of one request head; a head over any of them is refused with 431.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of request line and header lines together.
    pub bytes: usize,
    /// Header lines; more than [`MAX_HEADERS`] means [`MAX_HEADERS`].
    pub headers: usize,
}

/// The most header lines any configuration can allow. BuildKit's `/session` sends some twenty.
pub const MAX_HEADERS: usize = 128;

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

impl Method {
    /// The method as it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    // Methods are case-sensitive (RFC 9110 section 9.1), and the engine takes them so.
    fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Delete, Self::Head, Self::Put]
            .into_iter()
            .find(|method| method.as_str() == text)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are RFC 9112's versions")]
pub enum Version {
    /// No chunked reply, no interim reply, no upgrade, and the connection ends after it.
    Http10,
    Http11,
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

/// A request head after strict parsing: everything later stages may know of it. Its debug form
/// leaves out the query and the registry credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, one of those the Engine API uses.
    pub method: Method,
    /// The protocol version.
    pub version: Version,
    /// The request target as received (origin-form; checked by [`crate::target`]).
    pub target: String,
    /// How its body is delimited.
    pub framing: Framing,
    /// `Upgrade`, if asked for together with `Connection: Upgrade` or, as old clients do, alone.
    /// A websocket comes with the forwarded `Sec-WebSocket-*` headers the engine needs.
    pub upgrade: Option<Upgrade>,
    /// `Expect: 100-continue` was sent.
    pub expect_continue: bool,
    /// Whether the client lets the connection live after this exchange.
    pub keep_alive: bool,
    /// The media type of the first `Content-Type`, lower-cased, without parameters; of a form,
    /// wherever it stands.
    pub content_type: Option<String>,
    /// Headers the engine may see, canonical name and value, in the order received: an
    /// allowlist (`X-Registry-Auth`, `Accept`, `User-Agent`, ...). Everything else is dropped.
    /// Values are UTF-8 without control characters.
    pub forwarded: Vec<(&'static str, String)>,
}

impl RequestHead {
    /// `User-Agent` as received, or the empty string. Escape it before it is shown or recorded.
    pub fn user_agent(&self) -> &str {
        self.forwarded("User-Agent").unwrap_or("")
    }

    /// The first forwarded header of that canonical name.
    pub fn forwarded(&self, name: &str) -> Option<&str> {
        self.forwarded.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self
            .forwarded
            .iter()
            .map(|(name, value)| {
                (name, if fields::is_secret(name) { "***" } else { value.as_str() })
            })
            .collect();
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("version", &self.version)
            .field("target", &target::for_record(self.target.as_bytes()))
            .field("framing", &self.framing)
            .field("upgrade", &self.upgrade)
            .field("expect_continue", &self.expect_continue)
            .field("keep_alive", &self.keep_alive)
            .field("content_type", &self.content_type)
            .field("forwarded", &shown)
            .finish()
    }
}

/// Parses one request head from the front of `buffer`; `Ok(None)` means more bytes are needed.
/// On success the second value is the length of the head in bytes. For a buffer that fills
/// bit by bit, keep a [`Parser`] instead.
///
/// # Errors
/// A [`Refusal`] with status 400 for anything ambiguous, 403 for a browser's cross-origin
/// request, 417 for an unknown expectation, 431 over a limit, 501 for a method and 505 for a
/// protocol version no client of the Engine API uses.
pub fn parse(buffer: &[u8], limits: HeadLimits) -> Result<Option<(RequestHead, usize)>, Refusal> {
    Parser::default().parse(buffer, limits)
}

/// Parses one request head from a buffer that grows, looking at each byte only once until the
/// head is complete: a client that sends its head byte by byte costs no more than another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    /// Bytes seen to hold no end of the head.
    scanned: usize,
    /// Where the line that is not yet complete begins.
    line: usize,
    /// Complete lines.
    lines: usize,
}

impl Parser {
    /// As [`parse`], where `buffer` begins with the bytes of every earlier call. After a head
    /// was returned the parser is as new, ready for the next one.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn parse(
        &mut self,
        buffer: &[u8],
        limits: HeadLimits,
    ) -> Result<Option<(RequestHead, usize)>, Refusal> {
        let Some(length) = self.find_end(buffer, limits)? else {
            return Ok(None);
        };
        *self = Self::default();
        read(&buffer[..length]).map(|head| Some((head, length)))
    }

    fn find_end(&mut self, buffer: &[u8], limits: HeadLimits) -> Result<Option<usize>, Refusal> {
        if buffer.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
            // A TLS handshake within TLS, an empty line, a binary protocol: don't wait for more.
            return Err(Refusal::malformed("head.request-line", "this is not an HTTP/1.1 request"));
        }
        let window = &buffer[..buffer.len().min(limits.bytes)];
        while let Some(at) = memchr::memchr(b'\n', &window[self.scanned..]) {
            let end = self.scanned + at;
            // Both are indices into `window`; at the start of a line there is nothing before.
            if end == self.line || window[end - 1] != b'\r' {
                return Err(Refusal::malformed(
                    "head.line-ending",
                    "a line ends with a bare line feed; HTTP/1.1 wants CRLF",
                ));
            }
            let empty = end - 1 == self.line;
            self.scanned = end + 1;
            self.line = end + 1;
            if empty {
                return Ok(Some(end + 1));
            }
            self.lines += 1;
            if self.lines > limits.headers.min(MAX_HEADERS) + 1 {
                return Err(too_many(limits.headers.min(MAX_HEADERS)));
            }
        }
        self.scanned = window.len();
        if buffer.len() >= limits.bytes {
            return Err(too_large(limits.bytes));
        }
        Ok(None)
    }
}

/// Method and target that a refused head claims, for the record: escaped and bounded, the
/// target without its query. Empty where there is nothing to be found.
pub fn claimed(buffer: &[u8]) -> (String, String) {
    let line = &buffer[..buffer.len().min(4096)];
    let mut words = line.split(|&b| matches!(b, b' ' | b'\r' | b'\n'));
    let method = bounded(words.next().unwrap_or_default(), 32);
    (method, target::for_record(words.next().unwrap_or_default()))
}

fn read(head: &[u8]) -> Result<RequestHead, Refusal> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::malformed("head.syntax", "the request head is malformed")),
        Err(error) => return Err(syntax(error)),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::malformed("head.syntax", "the request line is malformed"));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let Some(method) = Method::parse(method) else {
        return Err(Refusal {
            status: 501,
            rule: "head.method",
            reason: format!(
                "the Engine API has no method {}; it uses GET, HEAD, POST, PUT and DELETE",
                quoted(method.as_bytes())
            ),
        });
    };
    fields::read(method, version, target, request.headers)
}

fn syntax(error: httparse::Error) -> Refusal {
    let (rule, reason) = match error {
        httparse::Error::Version => {
            return Refusal {
                status: 505,
                rule: "head.version",
                reason: "only HTTP/1.1 and HTTP/1.0 are spoken here".to_owned(),
            };
        }
        httparse::Error::TooManyHeaders => return too_many(MAX_HEADERS),
        httparse::Error::HeaderName => ("head.header-name", "a header name is malformed"),
        httparse::Error::HeaderValue => {
            ("head.header-value", "a header value has a control character or is folded")
        }
        httparse::Error::NewLine => ("head.line-ending", "a carriage return stands alone"),
        httparse::Error::Token | httparse::Error::Status => {
            ("head.request-line", "the request line is malformed")
        }
    };
    Refusal::malformed(rule, reason)
}

fn too_large(most: usize) -> Refusal {
    let reason = format!("the request head is longer than {most} bytes (`limits.header_bytes`)");
    Refusal { status: 431, rule: "head.too-large", reason }
}

fn too_many(most: usize) -> Refusal {
    let reason = format!("the request has more than {most} header lines (`limits.headers`)");
    Refusal { status: 431, rule: "head.too-many-lines", reason }
}

#[cfg(test)]
mod tests;
