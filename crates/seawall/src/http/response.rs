//! The engine's reply: its head read strictly and written afresh for the client.

use seawall_rules::head::{Framing, Method, Upgrade, Version};
use seawall_rules::reply::Broken;

use super::body::Body;
use super::write::Connection;

/// What the engine was asked, as far as its reply depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// A reply to `HEAD` has no body.
    pub method: Method,
    /// An HTTP/1.0 client knows neither chunks nor interim replies.
    pub version: Version,
    /// The upgrade that was asked for.
    pub upgrade: Option<Upgrade>,
    /// Whether a 200 may be a raw stream in both directions (attach, exec start).
    pub raw_stream: bool,
    /// Whether the client waits for a 100 before it sends its body.
    pub expect_continue: bool,
    /// Whether the client's connection lives on after a framed reply.
    pub connection: Connection,
    /// Whether the body of a reply that says it is done (2xx) will be edited.
    pub edited: bool,
}

/// What follows a reply's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Another reply: this one was interim (1xx).
    Interim,
    /// A framed body. The engine's connection lives on if `keep_alive`, the client's if `connection`.
    Body {
        /// The body.
        body: Body,
        /// Of the engine's connection.
        keep_alive: bool,
        /// Of the client's connection.
        connection: Connection,
    },
    /// Bytes in both directions: 101, or the raw-stream 200.
    Hijacked,
}

/// A reply's head, taken from the front of the engine's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its length in bytes.
    pub head: usize,
    /// Its status.
    pub status: u16,
    /// What follows it.
    pub then: Then,
    /// Whether its body must be edited: its head says that it comes in chunks of ours, or to an
    /// HTTP/1.0 client that it ends with the connection.
    pub edited: bool,
}

/// A reply that is not relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRelayed {
    /// Not the grammar of RFC 9112.
    #[error("its reply is not HTTP/1.1")]
    Malformed,
    /// A head beyond all bounds.
    #[error("the head of its reply is too large")]
    TooLarge,
    /// Its body's end cannot be told for sure.
    #[error("its reply is framed ambiguously")]
    Framing,
    /// 101 without being asked, or to another protocol.
    #[error("it switched protocols without being asked to")]
    Upgrade,
    /// A body to be edited that is compressed.
    #[error("its reply is compressed, which was not asked for")]
    Coded,
    /// A body that cannot be edited.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// 3xx: the engine redirects what it would have to clean up, which was refused before.
    #[error("it answered with a redirect ({0})")]
    Redirect(u16),
}

/// Reads a reply's head from the front of `bytes` and writes its own version for the client to
/// `out`. `Ok(None)`: more bytes are needed, nothing was written.
///
/// # Errors
/// [`NotRelayed`]; nothing was written.
pub fn translate(
    bytes: &[u8],
    asked: Asked,
    out: &mut Vec<u8>,
) -> Result<Option<Response>, NotRelayed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) if head <= MAX_HEAD => head,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(NotRelayed::TooLarge),
        Err(_) => return Err(NotRelayed::Malformed),
    };
    // The parser takes a bare line feed for a line's end; not everybody does.
    if bytes[..head].iter().zip(&bytes[1..head]).any(|(&a, &b)| b == b'\n' && a != b'\r') {
        return Err(NotRelayed::Malformed);
    }
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
        return Err(NotRelayed::Malformed);
    };
    let mut fields = Fields::read(parsed.headers)?;
    let mut then = then(status, version, &fields, asked)?;
    let mut edited = false;
    if let Then::Body { body, connection, .. } = &mut then
        && asked.edited
        && (200..300).contains(&status)
        && !body.is_done()
    {
        if parsed.headers.iter().any(|field| field.name.eq_ignore_ascii_case("content-encoding")) {
            return Err(NotRelayed::Coded);
        }
        edited = true;
        fields.length = None;
        *connection = match asked.version {
            Version::Http10 => Connection::Close,
            Version::Http11 => asked.connection,
        };
    }
    if status == 204 {
        // Some clients would wait for such a body (RFC 9110 section 8.6).
        fields.length = None;
    }
    let start = out.len();
    match &then {
        Then::Interim if status == 100 && asked.expect_continue => super::write::go_on(out),
        Then::Interim => {}
        _ => {
            let reason = parsed.reason.filter(|text| text.bytes().all(visible)).unwrap_or("");
            put(out, &["HTTP/1.1 ", &status.to_string(), " ", reason, "\r\n"]);
            for field in parsed.headers.iter().filter(|field| fields.passes(field.name)) {
                put(out, &[field.name, ": "]);
                out.extend_from_slice(field.value);
                out.extend_from_slice(b"\r\n");
            }
            put_framing(&then, &fields, edited, asked, out);
        }
    }
    debug_assert!(out.len() - start < 2 * MAX_HEAD, "written afresh, not much larger");
    Ok(Some(Response { head, status, then, edited }))
}

/// The header fields that say how a reply is to be read.
#[derive(Default)]
struct Fields<'a> {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    upgrade: Option<&'a str>,
    content_type: &'a str,
    connection: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Self, NotRelayed> {
        let mut fields = Self::default();
        for field in headers {
            let named = |name: &str| field.name.eq_ignore_ascii_case(name);
            let value = || std::str::from_utf8(field.value).map_err(|_| NotRelayed::Malformed);
            if named("content-length") {
                if fields.length.replace(length(value()?)?).is_some() {
                    return Err(NotRelayed::Framing);
                }
            } else if named("transfer-encoding") {
                if fields.chunked || !value()?.eq_ignore_ascii_case("chunked") {
                    return Err(NotRelayed::Framing);
                }
                fields.chunked = true;
            } else if named("connection") {
                for name in value()?.split(',').map(str::trim) {
                    fields.close |= name.eq_ignore_ascii_case("close");
                    fields.connection.push(name);
                }
            } else if named("upgrade") {
                fields.upgrade = Some(value()?);
            } else if named("content-type") {
                fields.content_type = value()?;
            }
        }
        if fields.chunked && fields.length.is_some() {
            return Err(NotRelayed::Framing);
        }
        Ok(fields)
    }

    /// Whether a field concerns more than this one hop (RFC 9110 section 7.6.1).
    fn passes(&self, name: &str) -> bool {
        !HOP_BY_HOP.iter().chain(&self.connection).any(|hop| hop.eq_ignore_ascii_case(name))
    }
}

fn then(status: u16, version: u8, fields: &Fields<'_>, asked: Asked) -> Result<Then, NotRelayed> {
    let plain = fields.length.is_none() && !fields.chunked;
    match status {
        101 => {
            let wanted = asked.upgrade.map(protocol).ok_or(NotRelayed::Upgrade)?;
            let given = fields.upgrade.ok_or(NotRelayed::Upgrade)?;
            let same = given.eq_ignore_ascii_case(wanted);
            return if same && plain { Ok(Then::Hijacked) } else { Err(NotRelayed::Upgrade) };
        }
        100..200 => return Ok(Then::Interim),
        304 => {}
        300..400 => return Err(NotRelayed::Redirect(status)),
        200 if asked.raw_stream && plain && is_raw_stream(fields.content_type) => {
            return Ok(Then::Hijacked);
        }
        200..600 => {}
        _ => return Err(NotRelayed::Malformed),
    }
    // RFC 9112 section 6.3, in its order.
    let body = if asked.method == Method::Head || status == 204 || status == 304 {
        Body::new(Framing::None)
    } else if fields.chunked && version == 0 {
        return Err(NotRelayed::Framing);
    } else if fields.chunked {
        Body::new(Framing::Chunked)
    } else if let Some(length) = fields.length {
        Body::new(Framing::Length(length))
    } else {
        Body::to_end()
    };
    let to_end = body == Body::to_end();
    // Without chunks, only the connection's end can tell where such a body ends.
    let unchunked = fields.chunked && asked.version == Version::Http10;
    Ok(Then::Body {
        keep_alive: version == 1 && !fields.close && !to_end,
        connection: if to_end || unchunked { Connection::Close } else { asked.connection },
        body,
    })
}

/// Ends the head with the framing that the client will see.
fn put_framing(then: &Then, fields: &Fields<'_>, edited: bool, asked: Asked, out: &mut Vec<u8>) {
    match then {
        Then::Hijacked => match fields.upgrade {
            Some(upgrade) => put(out, &["Connection: Upgrade\r\nUpgrade: ", upgrade, "\r\n"]),
            None => put(out, &["Connection: close\r\n"]),
        },
        Then::Body { body, connection, .. } => {
            // A reply to HEAD states the length its body would have.
            if let Some(length) = fields.length {
                put(out, &["Content-Length: ", &length.to_string(), "\r\n"]);
            } else if (edited || *body == Body::new(Framing::Chunked))
                && asked.version == Version::Http11
            {
                put(out, &["Transfer-Encoding: chunked\r\n"]);
            }
            if *connection == Connection::Close {
                put(out, &["Connection: close\r\n"]);
            }
        }
        Then::Interim => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn length(value: &str) -> Result<u64, NotRelayed> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotRelayed::Framing);
    }
    value.parse().map_err(|_| NotRelayed::Framing)
}

/// The token of an upgrade in an `Upgrade` header.
fn protocol(upgrade: Upgrade) -> &'static str {
    match upgrade {
        Upgrade::H2c => "h2c",
        Upgrade::Tcp => "tcp",
        Upgrade::Websocket => "websocket",
    }
}

fn is_raw_stream(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    RAW_STREAMS.iter().any(|raw| raw.eq_ignore_ascii_case(media_type))
}

fn visible(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn put(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Docker's media types for a hijacked stream; the second from API 1.42 on, without a TTY.
const RAW_STREAMS: [&str; 2] =
    ["application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"];

const MAX_HEADERS: usize = 64;

/// Bytes of a reply's head; `X-Docker-Container-Path-Stat` is the longest field seen.
const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Asked = Asked {
        method: Method::Get,
        version: Version::Http11,
        upgrade: None,
        raw_stream: false,
        expect_continue: false,
        connection: Connection::Keep,
        edited: false,
    };

    fn check(asked: Asked, head: &str) -> Result<(String, Then), NotRelayed> {
        let wire = format!("{head}\r\n\r\nrest").replace("\r\n", "\n").replace('\n', "\r\n");
        for cut in 0..head.len() {
            let mut out = Vec::new();
            match translate(&wire.as_bytes()[..cut], asked, &mut out) {
                Ok(Some(_)) => panic!("{head:?} is complete at {cut}"),
                Ok(None) => assert!(out.is_empty()),
                Err(error) => return Err(error),
            }
        }
        let mut out = Vec::new();
        let response = translate(wire.as_bytes(), asked, &mut out)?.expect("the head is complete");
        assert_eq!(&wire[response.head..], "rest");
        // Podman's whole body after a tag.
        let newline = wire.replace("rest", "\n");
        let again = translate(newline.as_bytes(), asked, &mut Vec::new());
        assert_eq!(again, Ok(Some(response.clone())));
        Ok((String::from_utf8(out).unwrap().replace("\r\n", "\n"), response.then))
    }

    #[test]
    fn a_head_is_written_afresh_without_its_hop_by_hop_fields() {
        let (out, then) = check(
            GET,
            "HTTP/1.1 200 OK\nApi-Version: 1.41\nConnection: keep-alive, X-Hop\nKeep-Alive: 5\n\
             X-Hop: 1\nTrailer: X\nUpgrade: h2c\ncontent-length: 007",
        )
        .unwrap();
        assert_eq!(out, "HTTP/1.1 200 OK\nApi-Version: 1.41\nContent-Length: 7\n\n");
        let body = Body::new(Framing::Length(7));
        assert_eq!(then, Then::Body { body, keep_alive: true, connection: Connection::Keep });
    }

    #[test]
    fn a_reply_that_has_no_body_states_no_length_of_one() {
        let (out, _) = check(GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5").unwrap();
        assert_eq!(out, "HTTP/1.1 204 No Content\n\n");
    }

    #[test]
    fn the_end_of_a_body_is_told_by_rfc_9112() {
        let keep = |body| Then::Body { body, keep_alive: true, connection: Connection::Keep };
        let close =
            Then::Body { body: Body::to_end(), keep_alive: false, connection: Connection::Close };
        let none = Body::new(Framing::None);
        let head = Asked { method: Method::Head, ..GET };
        let cases = [
            (GET, "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked", keep(Body::new(Framing::Chunked))),
            (GET, "HTTP/1.1 204 No Content", keep(none.clone())),
            (GET, "HTTP/1.1 304 Not Modified", keep(none.clone())),
            (head, "HTTP/1.1 200 OK\nContent-Length: 5", keep(none)),
            (GET, "HTTP/1.1 200 OK", close.clone()),
            (GET, "HTTP/1.0 404 Not Found\nContent-Type: application/vnd.docker.raw-stream", close),
        ];
        for (asked, wire, expected) in cases {
            assert_eq!(check(asked, wire).map(|found| found.1), Ok(expected), "{wire:?}");
        }
        assert!(check(head, "HTTP/1.1 200 OK\nContent-Length: 5").unwrap().0.contains("Length: 5"));
    }

    #[test]
    fn a_reply_that_could_be_read_two_ways_is_not_relayed() {
        let cases = [
            ("SSH-2.0-OpenSSH_9.2", NotRelayed::Malformed),
            ("HTTP/2.0 200 OK", NotRelayed::Malformed),
            ("HTTP/1.1 99 Low", NotRelayed::Malformed),
            ("HTTP/1.1 700 High", NotRelayed::Malformed),
            ("HTTP/1.1 200 OK\nA : b", NotRelayed::Malformed),
            ("HTTP/1.1 200 OK\nA: b\n c", NotRelayed::Malformed),
            ("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5", NotRelayed::Framing),
            ("HTTP/1.1 200 OK\nContent-Length: +5", NotRelayed::Framing),
            ("HTTP/1.1 200 OK\nContent-Length: 5, 5", NotRelayed::Framing),
            ("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999", NotRelayed::Framing),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", NotRelayed::Framing),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5", NotRelayed::Framing),
            ("HTTP/1.0 200 OK\nTransfer-Encoding: chunked", NotRelayed::Framing),
            ("HTTP/1.1 301 Moved\nLocation: /", NotRelayed::Redirect(301)),
            ("HTTP/1.1 101 UPGRADED\nUpgrade: tcp\nConnection: Upgrade", NotRelayed::Upgrade),
        ];
        for (wire, expected) in cases {
            assert_eq!(check(GET, wire), Err(expected), "{wire:?}");
        }
        let bare = b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n";
        assert_eq!(translate(bare, GET, &mut Vec::new()), Err(NotRelayed::Malformed));
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MAX_HEAD));
        assert_eq!(translate(endless.as_bytes(), GET, &mut Vec::new()), Err(NotRelayed::TooLarge));
    }

    #[test]
    fn a_reply_to_be_edited_is_framed_anew() {
        let edited = Asked { edited: true, ..GET };
        let (out, then) = check(edited, "HTTP/1.1 200 OK\nContent-Length: 5").unwrap();
        assert_eq!(out, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n");
        let body = Body::new(Framing::Length(5));
        assert_eq!(then, Then::Body { body, keep_alive: true, connection: Connection::Keep });
        let (out, _) = check(edited, "HTTP/1.1 200 OK").unwrap();
        assert_eq!(out, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n");
        let old = Asked { version: Version::Http10, ..edited };
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let (out, _) = check(old, &format!("HTTP/1.1 200 OK\n{framing}")).unwrap();
            assert_eq!(out, "HTTP/1.1 200 OK\nConnection: close\n\n");
        }
        for whole in ["404 Not Found\nContent-Length: 5", "200 OK\nContent-Length: 0"] {
            let (out, _) = check(edited, &format!("HTTP/1.1 {whole}")).unwrap();
            assert_eq!(out, format!("HTTP/1.1 {whole}\n\n"));
        }
        let coded = "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 5";
        assert_eq!(check(edited, coded), Err(NotRelayed::Coded));
    }

    #[test]
    fn only_the_upgrade_that_was_asked_for_is_relayed() {
        let tcp = Asked { method: Method::Post, upgrade: Some(Upgrade::Tcp), ..GET };
        let (out, then) = check(
            tcp,
            "HTTP/1.1 101 UPGRADED\nContent-Type: application/vnd.docker.raw-stream\n\
             Connection: Upgrade\nUpgrade: tcp",
        )
        .unwrap();
        assert_eq!(then, Then::Hijacked);
        assert_eq!(
            out,
            "HTTP/1.1 101 UPGRADED\nContent-Type: application/vnd.docker.raw-stream\n\
             Connection: Upgrade\nUpgrade: tcp\n\n"
        );
        for other in ["HTTP/1.1 101 X\nUpgrade: h2c", "HTTP/1.1 101 X"] {
            assert_eq!(check(tcp, other), Err(NotRelayed::Upgrade), "{other:?}");
        }
    }

    #[test]
    fn a_raw_stream_200_is_one_only_for_attach_and_exec_and_without_framing() {
        let raw = "HTTP/1.1 200 OK\nContent-Type: application/vnd.docker.raw-stream";
        let attach = Asked { raw_stream: true, ..GET };
        let (out, then) = check(attach, raw).unwrap();
        assert_eq!(then, Then::Hijacked);
        assert!(out.ends_with("raw-stream\nConnection: close\n\n"), "{out}");
        assert_ne!(check(GET, raw).unwrap().1, Then::Hijacked);
        let framed = format!("{raw}\nContent-Length: 0");
        assert_ne!(check(attach, &framed).unwrap().1, Then::Hijacked);
        let json = "HTTP/1.1 200 OK\nContent-Type: application/json";
        assert_ne!(check(attach, json).unwrap().1, Then::Hijacked);
    }

    #[test]
    fn an_interim_reply_reaches_only_the_client_that_waits_for_it() {
        let waits = Asked { expect_continue: true, ..GET };
        let go_on = "HTTP/1.1 100 Continue\n\n".to_owned();
        assert_eq!(check(waits, "HTTP/1.1 100 Continue"), Ok((go_on, Then::Interim)));
        assert_eq!(check(GET, "HTTP/1.1 100 Continue"), Ok((String::new(), Then::Interim)));
        assert_eq!(check(waits, "HTTP/1.1 102 Processing"), Ok((String::new(), Then::Interim)));
    }
}
