//! The header fields of a request: those that frame it, each at most once, and those the engine
//! may see. A field that is not named here does not exist.

use httparse::Header;

use super::{Framing, Method, RequestHead, Upgrade, Version};
use crate::escape::quoted;
use crate::verdict::Refusal;

/// Longer names are none of ours.
const LONGEST_NAME: usize = 40;

/// What the framing and the safety of a request hang on; `None` where a field is absent.
#[derive(Default)]
struct Control<'b> {
    host: Option<&'b [u8]>,
    content_length: Option<&'b [u8]>,
    transfer_encoding: Option<&'b [u8]>,
    upgrade: Option<&'b [u8]>,
    expect: Option<&'b [u8]>,
    content_types: Vec<&'b [u8]>,
    origin: Option<&'b [u8]>,
    fetch_site: Option<&'b [u8]>,
    connection: Connection<'b>,
}

/// The options of all `Connection` fields.
#[derive(Default)]
struct Connection<'b> {
    close: bool,
    nominated: Vec<&'b [u8]>,
}

/// Whether a forwarded header's value must never be shown.
pub(super) fn is_secret(name: &str) -> bool {
    name.starts_with("X-Registry-")
}

pub(super) fn read(
    method: Method,
    version: Version,
    target: &str,
    headers: &[Header<'_>],
) -> Result<RequestHead, Refusal> {
    let mut control = Control::default();
    let mut forwarded: Vec<(&'static str, String)> = Vec::with_capacity(8);
    for header in headers {
        sort(header, &mut control, &mut forwarded)?;
    }

    check_host(version, control.host)?;
    check_origin(&control)?;
    let framing = framing(version, &control)?;
    let upgrade = upgrade(version, control.upgrade)?;
    let expect_continue = expect(version, control.expect)?;
    let content_type = content_type(&control.content_types)?;

    for name in &control.connection.nominated {
        forwarded.retain(|(known, _)| !name.eq_ignore_ascii_case(known.as_bytes()));
    }
    if upgrade == Some(Upgrade::Websocket) {
        check_websocket(&forwarded)?;
    } else {
        forwarded.retain(|(name, _)| !name.starts_with("Sec-WebSocket-"));
    }
    Ok(RequestHead {
        method,
        version,
        target: target.to_owned(),
        framing,
        upgrade,
        expect_continue,
        keep_alive: version == Version::Http11 && !control.connection.close,
        content_type,
        forwarded,
    })
}

/// Puts one field where it belongs. What reaches the engine is what the clients of the Engine
/// API send it on purpose: the CLI, buildx and Compose, docker-py and bollard, and BuildKit's
/// session. `X-Meta-*` would travel on to registries; trace contexts, cookies and whatever a
/// proxy adds mean nothing to the engine.
fn sort<'b>(
    header: &Header<'b>,
    control: &mut Control<'b>,
    forwarded: &mut Vec<(&'static str, String)>,
) -> Result<(), Refusal> {
    let mut lower = [0; LONGEST_NAME];
    let Some(lower) = lower.get_mut(..header.name.len()) else {
        return Ok(());
    };
    lower.copy_from_slice(header.name.as_bytes());
    lower.make_ascii_lowercase();
    let value = header.value.trim_ascii();

    let mut forward = |name| pass_on(forwarded, name, value);
    match &*lower {
        b"host" => once(&mut control.host, "Host", value),
        b"content-length" => once(&mut control.content_length, "Content-Length", value),
        b"transfer-encoding" => once(&mut control.transfer_encoding, "Transfer-Encoding", value),
        b"upgrade" => once(&mut control.upgrade, "Upgrade", value),
        b"expect" => once(&mut control.expect, "Expect", value),
        b"content-type" => {
            control.content_types.push(value);
            Ok(())
        }
        b"origin" => once(&mut control.origin, "Origin", value),
        b"sec-fetch-site" => once(&mut control.fetch_site, "Sec-Fetch-Site", value),
        b"connection" => connection_options(&mut control.connection, value),
        b"accept" => forward("Accept"),
        b"accept-encoding" => forward("Accept-Encoding"),
        b"user-agent" => forward("User-Agent"),
        b"x-registry-auth" => forward("X-Registry-Auth"),
        b"x-registry-config" => forward("X-Registry-Config"),
        b"x-docker-expose-session-uuid" => forward("X-Docker-Expose-Session-Uuid"),
        b"x-docker-expose-session-name" => forward("X-Docker-Expose-Session-Name"),
        b"x-docker-expose-session-sharedkey" => forward("X-Docker-Expose-Session-Sharedkey"),
        b"x-docker-expose-session-grpc-method" => forward("X-Docker-Expose-Session-Grpc-Method"),
        b"sec-websocket-key" => forward("Sec-WebSocket-Key"),
        b"sec-websocket-protocol" => forward("Sec-WebSocket-Protocol"),
        b"sec-websocket-version" => forward("Sec-WebSocket-Version"),
        _ => Ok(()),
    }
}

/// Lists (RFC 9110 section 5.3) and BuildKit's method names repeat; anything else would be read
/// first or last, depending on who reads.
fn pass_on(
    forwarded: &mut Vec<(&'static str, String)>,
    name: &'static str,
    value: &[u8],
) -> Result<(), Refusal> {
    let repeats = name.starts_with("Accept") || name == "X-Docker-Expose-Session-Grpc-Method";
    if !repeats && forwarded.iter().any(|(known, _)| *known == name) {
        return Err(duplicate(name));
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => {
            forwarded.push((name, text.to_owned()));
            Ok(())
        }
        _ => Err(Refusal::malformed(
            "head.header-value",
            format!("the value of `{name}` has a control character or is no UTF-8"),
        )),
    }
}

fn once<'b>(
    field: &mut Option<&'b [u8]>,
    name: &'static str,
    value: &'b [u8],
) -> Result<(), Refusal> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(duplicate(name)),
    }
}

fn duplicate(name: &'static str) -> Refusal {
    Refusal::malformed("head.duplicate", format!("`{name}` was sent more than once"))
}

/// Every option but these names a header that ends here (RFC 9110 section 7.6.1). To nominate
/// what frames the request is an attempt at making two hops read it differently.
fn connection_options<'b>(connection: &mut Connection<'b>, value: &'b [u8]) -> Result<(), Refusal> {
    const FRAMING: [&str; 6] =
        ["connection", "content-length", "content-type", "expect", "host", "transfer-encoding"];
    for option in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
        if option.eq_ignore_ascii_case(b"close") {
            connection.close = true;
        } else if FRAMING.iter().any(|name| option.eq_ignore_ascii_case(name.as_bytes())) {
            return Err(Refusal::malformed(
                "head.connection",
                format!("`Connection` names the header {}", quoted(option)),
            ));
        } else if !option.eq_ignore_ascii_case(b"keep-alive")
            && !option.eq_ignore_ascii_case(b"upgrade")
        {
            connection.nominated.push(option);
        }
    }
    Ok(())
}

/// The value goes nowhere; it may be empty, and old CLIs put an escaped socket path there.
fn check_host(version: Version, host: Option<&[u8]>) -> Result<(), Refusal> {
    let refuse = |reason: &str| Err(Refusal::malformed("head.host", reason));
    match host {
        None if version == Version::Http11 => refuse("an HTTP/1.1 request needs a `Host` header"),
        None => Ok(()),
        Some(host) => {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%:[]".contains(b);
            if host.iter().all(plain) { Ok(()) } else { refuse("the value of `Host` is malformed") }
        }
    }
}

/// A browser that holds a client certificate presents it for any page that asks; the engine has
/// no defence against that, neither for forms nor for websockets. No page is ever served here,
/// so only clients that name the gate itself (websocket libraries do) are let through.
fn check_origin(control: &Control<'_>) -> Result<(), Refusal> {
    let same = control.origin.is_none_or(|origin| {
        let authority = origin.splitn(2, |&b| b == b':').nth(1).and_then(|a| a.strip_prefix(b"//"));
        matches!((authority, control.host), (Some(authority), Some(host))
            if !host.is_empty() && authority.eq_ignore_ascii_case(host))
    });
    let site = control.fetch_site.is_none_or(|site| site == b"same-origin" || site == b"none");
    if same && site {
        return Ok(());
    }
    Err(Refusal::forbidden("head.origin", "the request comes from a web page of another origin"))
}

fn framing(version: Version, control: &Control<'_>) -> Result<Framing, Refusal> {
    let refuse = |rule, reason: &str| Err(Refusal::malformed(rule, reason));
    match (control.content_length, control.transfer_encoding) {
        (None, None) => Ok(Framing::None),
        // RFC 9112 section 6.3 lets a proxy choose; the engine obeys one and keeps the
        // connection open, so the other's reading becomes a request of its own.
        (Some(_), Some(_)) => {
            refuse("head.framing", "`Content-Length` and `Transfer-Encoding` were sent together")
        }
        (None, Some(_)) if version == Version::Http10 => {
            refuse("head.framing", "`Transfer-Encoding` does not exist in HTTP/1.0")
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => refuse("head.framing", "the only `Transfer-Encoding` is `chunked`"),
        (Some(digits), None) => {
            let plain = digits.iter().all(u8::is_ascii_digit)
                && (digits == b"0" || !digits.starts_with(b"0"));
            let length = std::str::from_utf8(digits).ok().filter(|_| plain);
            match length.and_then(|digits| digits.parse().ok()) {
                Some(0) => Ok(Framing::None),
                Some(length) => Ok(Framing::Length(length)),
                None => refuse("head.content-length", "`Content-Length` is no plain number"),
            }
        }
    }
}

fn upgrade(version: Version, protocol: Option<&[u8]>) -> Result<Option<Upgrade>, Refusal> {
    let Some(protocol) = protocol else { return Ok(None) };
    let known = [("tcp", Upgrade::Tcp), ("h2c", Upgrade::H2c), ("websocket", Upgrade::Websocket)]
        .into_iter()
        .find(|(name, _)| protocol.eq_ignore_ascii_case(name.as_bytes()));
    match known {
        Some((_, upgrade)) if version == Version::Http11 => Ok(Some(upgrade)),
        Some(_) => Err(Refusal::malformed("head.upgrade", "HTTP/1.0 has no `Upgrade`")),
        None => Err(Refusal::malformed(
            "head.upgrade",
            format!("no upgrade to {}; the engine knows tcp, h2c and websocket", quoted(protocol)),
        )),
    }
}

/// RFC 9110 section 10.1.1; from HTTP/1.0 the expectation is ignored.
fn expect(version: Version, expectation: Option<&[u8]>) -> Result<bool, Refusal> {
    match expectation {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
            Ok(version == Version::Http11)
        }
        Some(value) => Err(Refusal {
            status: 417,
            rule: "head.expect",
            reason: format!("the expectation {} cannot be met", quoted(value)),
        }),
    }
}

/// The media type without its parameters. A charset other than UTF-8 is refused: the engine
/// ignores it, so the same bytes would be two texts.
/// bollard sends two. The first counts, as for Go's `Header.Get`, but a form counts before all,
/// so that it is refused wherever it stands; what the engine sees is the gate's own.
fn content_type(values: &[&[u8]]) -> Result<Option<String>, Refusal> {
    let mut counts: Option<String> = None;
    for value in values {
        let media = media_type(value)?;
        if counts.is_none() || is_form(&media) {
            counts = Some(media);
        }
    }
    Ok(counts)
}

/// Whether Go reads a body of this media type into the same map as the query.
pub(crate) fn is_form(media: &str) -> bool {
    media == "application/x-www-form-urlencoded" || media.starts_with("multipart/")
}

fn media_type(value: &[u8]) -> Result<String, Refusal> {
    let mut parts = value.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    let essence = parts.next().unwrap_or_default();
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-/".contains(b);
    let slashes = essence.iter().filter(|&&b| b == b'/').count();
    let foreign = parts.any(|parameter| {
        let name = parameter.get(..8).unwrap_or_default();
        name.eq_ignore_ascii_case(b"charset=") && {
            let charset = &parameter[8..];
            let charset = charset.strip_prefix(b"\"").unwrap_or(charset);
            let charset = charset.strip_suffix(b"\"").unwrap_or(charset);
            !charset.eq_ignore_ascii_case(b"utf-8")
        }
    });
    match std::str::from_utf8(essence) {
        Ok(text) if slashes == 1 && essence.iter().all(token) && !foreign => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(Refusal::malformed(
            "head.content-type",
            format!("the content type {} is malformed, or not in UTF-8", quoted(value)),
        )),
    }
}

/// RFC 6455 section 4.1: version 13 and a key of 16 bytes in base64.
fn check_websocket(forwarded: &[(&'static str, String)]) -> Result<(), Refusal> {
    let value = |name| forwarded.iter().find(|(known, _)| *known == name).map(|(_, v)| v.as_str());
    let base64 = |key: &str| {
        let digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        key.len() == 24 && key.strip_suffix("==").is_some_and(|digits| digits.bytes().all(digit))
    };
    if value("Sec-WebSocket-Version") == Some("13")
        && value("Sec-WebSocket-Key").is_some_and(base64)
    {
        return Ok(());
    }
    Err(Refusal::malformed(
        "head.websocket",
        "a websocket needs `Sec-WebSocket-Version: 13` and a `Sec-WebSocket-Key`",
    ))
}
