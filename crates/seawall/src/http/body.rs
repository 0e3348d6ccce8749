//! How a body is delimited (RFC 9112 sections 6 and 7), followed byte by byte as it passes.

use seawall_rules::head::Framing;
use seawall_rules::json::{self, Document};
use seawall_rules::operation::{BodyKind, BodySeen, Request};
use seawall_rules::verdict::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::Wire;
use super::write;
use crate::config::Limits;

/// Follows a body through its framing. Strict: no chunk extensions, no bare line feeds, trailers
/// bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length(u64),
    ToEnd,
    Size { value: u64, digits: u8 },
    SizeLf(u64),
    Chunk(u64),
    ChunkCr,
    ChunkLf,
    Trailer { bytes: usize },
    TrailerName { bytes: usize },
    TrailerLine { bytes: usize },
    TrailerLf { bytes: usize },
    LastLf,
}

/// What the next bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes of chunk framing.
    Framing(usize),
    /// So many bytes of the body itself.
    Data(usize),
    /// So many bytes of trailer fields, which nobody on this road needs.
    Trailer(usize),
    /// More bytes are needed, or none are left because the body is done.
    More,
}

/// Not the framing of RFC 9112.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not a chunk size in hexadecimal, or one with an extension.
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// A chunk does not end where it must.
    #[error("a chunk does not end with CRLF")]
    ChunkEnd,
    /// Trailer fields are malformed or too many.
    #[error("the trailer is malformed or too large")]
    Trailer,
    /// The stream ended inside the body.
    #[error("the body is cut short")]
    Short,
}

impl Body {
    /// A body delimited as a request's head says.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { value: 0, digits: 0 },
        };
        Self { state }
    }

    /// A response's body that ends with its connection.
    pub fn to_end() -> Self {
        Self { state: State::ToEnd }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of the body itself that must still come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Length(length) => Some(length),
            _ => None,
        }
    }

    /// Takes the stream's end.
    ///
    /// # Errors
    /// [`Malformed::Short`] when the body had not ended.
    pub fn end(&mut self) -> Result<(), Malformed> {
        match self.state {
            State::Done | State::ToEnd => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Malformed::Short),
        }
    }

    /// Says what the front of `bytes` is, and moves past it.
    ///
    /// # Errors
    /// [`Malformed`]; the body cannot be followed any further.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        match &mut self.state {
            State::Done => Ok(Step::More),
            State::ToEnd => Ok(data(bytes.len())),
            State::Length(left) => {
                let n = at_most(bytes.len(), *left);
                *left -= n as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(data(n))
            }
            State::Chunk(left) => {
                let n = at_most(bytes.len(), *left);
                *left -= n as u64;
                if *left == 0 {
                    self.state = State::ChunkCr;
                }
                Ok(data(n))
            }
            State::TrailerName { .. } | State::TrailerLine { .. } | State::TrailerLf { .. } => {
                self.trailer(bytes)
            }
            State::Trailer { .. } if bytes.first().is_some_and(|&byte| byte != b'\r') => {
                self.trailer(bytes)
            }
            _ => self.framing(bytes),
        }
    }

    fn framing(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        let mut used = 0;
        for &byte in bytes {
            self.state = match self.state {
                State::Size { value, digits } => match (byte, (byte as char).to_digit(16)) {
                    (_, Some(digit)) if digits < MAX_SIZE_DIGITS => {
                        State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
                    }
                    (b'\r', _) if digits > 0 => State::SizeLf(value),
                    _ => return Err(Malformed::ChunkSize),
                },
                State::SizeLf(_) if byte != b'\n' => return Err(Malformed::ChunkSize),
                State::SizeLf(0) => State::Trailer { bytes: 0 },
                State::SizeLf(size) => State::Chunk(size),
                State::ChunkCr if byte == b'\r' => State::ChunkLf,
                State::ChunkLf if byte == b'\n' => State::Size { value: 0, digits: 0 },
                State::ChunkCr | State::ChunkLf => return Err(Malformed::ChunkEnd),
                State::Trailer { .. } if byte == b'\r' => State::LastLf,
                State::LastLf if byte == b'\n' => State::Done,
                State::LastLf => return Err(Malformed::Trailer),
                // Anything else is not framing: the caller steps again.
                _ => break,
            };
            used += 1;
            if matches!(self.state, State::Chunk(_) | State::Done) {
                break;
            }
        }
        Ok(if used == 0 { Step::More } else { Step::Framing(used) })
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<Step, Malformed> {
        let mut used = 0;
        for &byte in bytes {
            self.state = match (&self.state, byte) {
                // The blank line is framing again.
                (State::Trailer { .. }, b'\r') => break,
                (&State::TrailerLine { bytes }, b'\r') => State::TrailerLf { bytes: bytes + 1 },
                (&State::TrailerLf { bytes }, b'\n') => State::Trailer { bytes: bytes + 1 },
                (&(State::Trailer { bytes } | State::TrailerName { bytes }), byte)
                    if is_token(byte) && bytes < MAX_TRAILER =>
                {
                    State::TrailerName { bytes: bytes + 1 }
                }
                (&State::TrailerName { bytes }, b':') => State::TrailerLine { bytes: bytes + 1 },
                (&State::TrailerLine { bytes }, byte)
                    if (byte == b'\t' || !byte.is_ascii_control()) && bytes < MAX_TRAILER =>
                {
                    State::TrailerLine { bytes: bytes + 1 }
                }
                _ => return Err(Malformed::Trailer),
            };
            used += 1;
        }
        Ok(if used == 0 { Step::More } else { Step::Trailer(used) })
    }
}

/// Reads the body of an operation that takes JSON, telling the client to go on where it waits
/// for that. `None`: the operation streams its body, or there is none.
///
/// # Errors
/// A [`Refusal`]: 400 for what is not one JSON document, 408 when it is not there in time, 413
/// over `limits.body_bytes`.
pub async fn judged<S>(
    client: &mut Wire<S>,
    request: &Request,
    body: &mut Body,
    limits: &Limits,
) -> Result<Option<Document>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if body.is_done() || request.route.body == BodyKind::Stream {
        return Ok(None);
    }
    let read = async {
        let waits = request.head.expect_continue && client.input.is_empty();
        if waits && body.remaining().is_none_or(|length| length <= limits.body_bytes as u64) {
            write::go_on(&mut client.output);
            client.send().await.map_err(|_| NotCaptured::Gone)?;
        }
        capture(client, body, limits.body_bytes).await
    };
    match tokio::time::timeout(limits.idle, read).await {
        Ok(Ok(bytes)) if bytes.is_empty() => {
            request.check_body(BodySeen::Absent)?;
            Ok(None)
        }
        Ok(Ok(bytes)) => {
            request.check_body(BodySeen::Present)?;
            json::parse(&bytes).map(Some)
        }
        Ok(Err(not_captured)) => Err(not_captured.refusal(limits.body_bytes)),
        Err(_) => Err(Refusal {
            status: 408,
            rule: "body.too-slow",
            reason: format!("the body did not come within {} s", limits.idle.as_secs_f32()),
        }),
    }
}

/// Why a body could not be captured.
#[derive(Debug)]
pub enum NotCaptured {
    /// It is larger than the limit.
    TooLarge,
    /// Its framing is broken.
    Malformed(Malformed),
    /// The client went before its end.
    Gone,
}

impl NotCaptured {
    fn refusal(&self, limit: usize) -> Refusal {
        match self {
            Self::TooLarge => Refusal {
                status: 413,
                rule: "body.too-large",
                reason: format!("the body is larger than {limit} bytes (`limits.body_bytes`)"),
            },
            Self::Malformed(why) => Refusal::malformed("body.framing", why.to_string()),
            Self::Gone => Refusal::malformed("body.short", Malformed::Short.to_string()),
        }
    }
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`NotCaptured`]; what was not read of the body is still to come from the client.
pub async fn capture<S>(
    client: &mut Wire<S>,
    body: &mut Body,
    limit: usize,
) -> Result<Vec<u8>, NotCaptured>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if body.remaining().is_some_and(|length| length > limit as u64) {
        return Err(NotCaptured::TooLarge);
    }
    let mut captured = Vec::new();
    while !body.is_done() {
        let bytes = client.input.data();
        let used = match body.step(bytes).map_err(NotCaptured::Malformed)? {
            Step::Data(n) => {
                if captured.len() + n > limit {
                    return Err(NotCaptured::TooLarge);
                }
                captured.extend_from_slice(&bytes[..n]);
                n
            }
            Step::Framing(n) | Step::Trailer(n) => n,
            Step::More => match client.fill(CAPTURE_BUFFER).await {
                Ok(0) | Err(_) => return Err(NotCaptured::Gone),
                Ok(_) => 0,
            },
        };
        client.input.consume(used);
    }
    Ok(captured)
}

fn data(n: usize) -> Step {
    if n == 0 { Step::More } else { Step::Data(n) }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn at_most(len: usize, left: u64) -> usize {
    usize::try_from(left).map_or(len, |left| len.min(left))
}

/// Hexadecimal digits of a chunk size: as many as fit 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

/// Bytes of trailer fields.
const MAX_TRAILER: usize = 8 * 1024;

/// Bytes read at once for a body that is judged.
const CAPTURE_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `wire` cut into pieces of `piece` bytes; what of it is body, and what follows it.
    fn follow(
        mut body: Body,
        wire: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, bool), Malformed> {
        let mut out = Vec::new();
        let mut at = 0;
        let mut end = 0;
        while end < wire.len() {
            end = wire.len().min(end + piece);
            loop {
                let bytes = &wire[at..end];
                match body.step(bytes)? {
                    Step::Data(n) => {
                        out.extend_from_slice(&bytes[..n]);
                        at += n;
                    }
                    Step::Framing(n) | Step::Trailer(n) => at += n,
                    Step::More => break,
                }
            }
        }
        Ok((out, wire[at..].to_vec(), body.is_done()))
    }

    #[test]
    fn a_chunked_body_ends_where_its_last_chunk_does_however_it_is_cut() {
        let cases: &[(&str, &str)] = &[
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", "0123456789x"),
            ("3\r\nabc\r\n0\r\nDigest: x\r\nContent-Length: 7\r\n\r\n", "abc"),
        ];
        for (wire, expected) in cases {
            let whole = format!("{wire}GET / HTTP/1.1\r\n");
            for piece in 1..whole.len() {
                let (body, rest, done) =
                    follow(Body::new(Framing::Chunked), whole.as_bytes(), piece).unwrap();
                assert_eq!((body.as_slice(), done), (expected.as_bytes(), true), "{wire:?}");
                assert_eq!(rest, b"GET / HTTP/1.1\r\n", "{wire:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_chunk_that_two_parsers_could_read_two_ways_is_refused() {
        let long = format!("0\r\nx: {}\r\n\r\n", "x".repeat(MAX_TRAILER + 1));
        let cases: &[(&str, Malformed)] = &[
            ("\r\n", Malformed::ChunkSize),
            ("3;a=b\r\nabc\r\n", Malformed::ChunkSize),
            ("3 \r\nabc\r\n", Malformed::ChunkSize),
            (" 3\r\nabc\r\n", Malformed::ChunkSize),
            ("+3\r\nabc\r\n", Malformed::ChunkSize),
            ("0x3\r\nabc\r\n", Malformed::ChunkSize),
            ("-1\r\n", Malformed::ChunkSize),
            ("3\nabc\r\n", Malformed::ChunkSize),
            ("3\rxabc\r\n", Malformed::ChunkSize),
            ("10000000000000000\r\n", Malformed::ChunkSize),
            ("3\r\nabcd\r\n", Malformed::ChunkEnd),
            ("3\r\nabc\n0\r\n\r\n", Malformed::ChunkEnd),
            ("3\r\nabc\rx", Malformed::ChunkEnd),
            ("0\r\n\rx", Malformed::Trailer),
            ("0\r\n\n", Malformed::Trailer),
            ("0\r\na: b\n\r\n", Malformed::Trailer),
            ("0\r\na\r\n\r\n", Malformed::Trailer),
            ("0\r\n: b\r\n\r\n", Malformed::Trailer),
            ("0\r\na : b\r\n\r\n", Malformed::Trailer),
            ("0\r\n a: b\r\n\r\n", Malformed::Trailer),
            ("0\r\na: \x7f\r\n\r\n", Malformed::Trailer),
            ("0\r\na: b\rc\r\n\r\n", Malformed::Trailer),
            (&long, Malformed::Trailer),
        ];
        for (wire, expected) in cases {
            for piece in [1, 2, wire.len()] {
                let found = follow(Body::new(Framing::Chunked), wire.as_bytes(), piece);
                assert_eq!(found, Err(*expected), "{wire:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_length_counts_and_an_open_end_ends_with_the_stream() {
        let (body, rest, done) = follow(Body::new(Framing::Length(3)), b"abcdef", 2).unwrap();
        assert_eq!((body, rest, done), (b"abc".to_vec(), b"def".to_vec(), true));
        let mut open = Body::to_end();
        assert_eq!(open.step(b"abc"), Ok(Step::Data(3)));
        assert!(!open.is_done());
        assert_eq!(open.end(), Ok(()));
        assert!(open.is_done());
        assert_eq!(Body::new(Framing::Length(1)).end(), Err(Malformed::Short));
        assert_eq!(Body::new(Framing::Chunked).end(), Err(Malformed::Short));
        assert!(Body::new(Framing::None).is_done());
    }

    #[tokio::test]
    async fn a_captured_body_is_bounded_at_the_limit_and_not_before() {
        for (framing, wire) in [
            (Framing::Length(4), "abcdGET"),
            (Framing::Chunked, "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\nGET"),
        ] {
            for limit in [4, 3] {
                let (ours, mut theirs) = tokio::io::duplex(3);
                let send = async {
                    drop(tokio::io::AsyncWriteExt::write_all(&mut theirs, wire.as_bytes()).await);
                };
                let mut client = Wire::new(ours);
                let mut body = Body::new(framing);
                let receive = async {
                    let captured = capture(&mut client, &mut body, limit).await;
                    while client.input.data().len() < 3 && captured.is_ok() {
                        client.fill(100).await.unwrap();
                    }
                    let result = captured.map(|body| (body, client.input.data().to_vec()));
                    drop(client);
                    result
                };
                let (_, captured) = tokio::join!(send, receive);
                match captured {
                    Ok(found) => {
                        assert_eq!((limit, found), (4, (b"abcd".to_vec(), b"GET".to_vec())));
                    }
                    Err(NotCaptured::TooLarge) => assert_eq!(limit, 3),
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
}
