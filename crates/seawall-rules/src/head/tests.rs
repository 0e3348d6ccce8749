use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, headers: 100 };

/// `GET /_ping` with these extra lines.
fn with(lines: &str) -> Result<RequestHead, Refusal> {
    raw(format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{lines}\r\n"))
}

fn raw(head: impl AsRef<[u8]>) -> Result<RequestHead, Refusal> {
    let head = head.as_ref();
    let (parsed, length) = parse(head, LIMITS)?.expect("the head is complete");
    assert_eq!(length, head.len());
    Ok(parsed)
}

fn check(head: impl AsRef<[u8]>, status: u16, rule: &str) {
    let head = head.as_ref();
    let text = String::from_utf8_lossy(head);
    let refusal = match parse(head, LIMITS) {
        Err(refusal) => refusal,
        Ok(accepted) => panic!("{text:?} gave {accepted:?}, not {rule}"),
    };
    assert_eq!((refusal.status, refusal.rule), (status, rule), "{text:?}: {}", refusal.reason);
    assert!(refusal.reason.len() < 200, "{}", refusal.reason);
    assert!(refusal.reason.bytes().all(|b| matches!(b, b' '..=b'~')), "{}", refusal.reason);
}

#[test]
fn the_cli_starts_an_exec() {
    let head = raw("POST /v1.49/exec/4f0c/start HTTP/1.1\r\n\
         Host: api.moby.localhost\r\n\
         User-Agent: Docker-Client/28.2.2 (linux)\r\n\
         Content-Length: 28\r\n\
         Connection: Upgrade\r\n\
         Content-Type: application/json\r\n\
         Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
         X-Meta-Team: shop\r\n\
         Upgrade: tcp\r\n\r\n");
    let expected = RequestHead {
        method: Method::Post,
        version: Version::Http11,
        target: "/v1.49/exec/4f0c/start".to_owned(),
        framing: Framing::Length(28),
        upgrade: Some(Upgrade::Tcp),
        expect_continue: false,
        keep_alive: true,
        content_type: Some("application/json".to_owned()),
        forwarded: vec![("User-Agent", "Docker-Client/28.2.2 (linux)".to_owned())],
    };
    assert_eq!(head, Ok(expected));
}

#[test]
fn an_image_is_pushed_and_its_credentials_are_not_shown() {
    let head = raw("POST /v1.41/images/r:5000/a/push?tag=SECRET HTTP/1.1\r\nHost: \r\n\
         user-agent: x\r\nX-REGISTRY-AUTH:  SECRET \r\naccept: application/json\r\n\
         Accept: text/plain\r\nAccept-Encoding: gzip\r\n\
         Transfer-Encoding: ChUnKeD\r\nexpect: 100-Continue\r\nConnection: close\r\n\r\n")
    .unwrap();
    let names: Vec<_> = head.forwarded.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["User-Agent", "X-Registry-Auth", "Accept", "Accept", "Accept-Encoding"]);
    assert_eq!(head.forwarded("X-Registry-Auth"), Some("SECRET"));
    assert_eq!(head.framing, Framing::Chunked);
    assert!(head.expect_continue && !head.keep_alive && head.upgrade.is_none());
    assert!(!format!("{head:?}").contains("SECRET"));
}

/// docker-py says it of a gzipped build context. The engine ignores it and reads every body as it
/// stands, and so does the gate.
#[test]
fn an_encoding_of_the_body_is_dropped_like_any_unknown_header() {
    let head = with("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n").unwrap();
    assert!(head.forwarded.iter().all(|(name, _)| *name != "Content-Encoding"));
}

#[test]
fn of_several_content_types_the_first_counts_unless_one_is_a_form() {
    let form = "application/x-www-form-urlencoded";
    for (first, second, counts) in [
        ("application/x-tar", "application/json", "application/x-tar"),
        ("application/json", "application/json", "application/json"),
        ("application/json", form, form),
        (form, "application/json", form),
        ("application/json", "multipart/form-data", "multipart/form-data"),
    ] {
        let head = with(&format!("Content-Type: {first}\r\nContent-Type: {second}\r\n"));
        assert_eq!(head.unwrap().content_type.as_deref(), Some(counts), "{first}, {second}");
    }
}

#[test]
fn buildkit_opens_a_session() {
    let head = with(
        "Upgrade: h2c\r\nConnection: Upgrade\r\n\
         X-Docker-Expose-Session-Uuid: u\r\nX-Docker-Expose-Session-Name: caf\u{e9}\r\n\
         X-Docker-Expose-Session-Sharedkey: \r\n\
         X-Docker-Expose-Session-Grpc-Method: /grpc.health.v1.Health/Check\r\n\
         X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.Auth/Credentials\r\n\
         X-Docker-Expose-Session-Other: dropped\r\n",
    )
    .unwrap();
    assert_eq!(head.upgrade, Some(Upgrade::H2c));
    assert_eq!(head.forwarded.len(), 5);
}

#[test]
fn a_websocket_needs_its_key_and_no_foreign_page() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let rest = "Sec-WebSocket-Version: 13\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n";
    let good = with(&format!("{key}{rest}Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    let good = good.unwrap();
    assert_eq!(good.upgrade, Some(Upgrade::Websocket));
    let names: Vec<_> = good.forwarded.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Sec-WebSocket-Key", "Sec-WebSocket-Version"]);
    assert!(with(&format!("{key}{rest}Origin: https://X\r\n")).is_ok());
    for origin in ["https://evil", "null", "", "https://x.evil", "https:x", "https://x/"] {
        let refusal = with(&format!("{key}{rest}Origin: {origin}\r\n")).unwrap_err();
        assert_eq!((refusal.status, refusal.rule), (403, "head.origin"), "{origin}");
    }
    for bad in [rest, &format!("Sec-WebSocket-Key: short\r\n{rest}")] {
        assert_eq!(with(bad).unwrap_err().rule, "head.websocket");
    }
    // Without the upgrade the handshake's headers mean nothing.
    assert_eq!(with(key).unwrap().forwarded, []);
}

#[test]
fn a_browsers_cross_site_request_is_refused_on_every_route() {
    for line in ["Origin: https://evil", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        assert_eq!(with(&format!("{line}\r\n")).unwrap_err().rule, "head.origin");
    }
    check("POST / HTTP/1.1\r\nHost:\r\nOrigin: http://\r\n\r\n", 403, "head.origin");
    assert!(with("Sec-Fetch-Site: none\r\nSec-Fetch-Mode: cors\r\n").is_ok());
}

#[test]
fn connection_options_end_the_connection_and_what_they_nominate() {
    assert!(with("Connection: keep-alive\r\n").unwrap().keep_alive);
    assert!(!with("Connection: Keep-Alive, Close\r\n").unwrap().keep_alive);
    assert!(!with("Connection: Upgrade\r\nConnection: close\r\n").unwrap().keep_alive);
    let head = with("Connection: x-registry-AUTH , te,,\r\nX-Registry-Auth: a\r\nAccept: b\r\n");
    assert_eq!(head.unwrap().forwarded, [("Accept", "b".to_owned())]);
    for framing in ["Host", "content-length", "Transfer-Encoding", "expect", "Content-Type"] {
        let refusal = with(&format!("Connection: close, {framing}\r\n")).unwrap_err();
        assert_eq!(refusal.rule, "head.connection", "{framing}");
    }
}

#[test]
fn http_1_0_is_answered_once_and_plainly() {
    let head = raw("GET /_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
    assert_eq!((head.version, head.keep_alive), (Version::Http10, false));
    let head = raw("GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").unwrap();
    assert_eq!((head.expect_continue, head.framing), (false, Framing::Length(1)));
    check("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "head.framing");
    check("GET / HTTP/1.0\r\nUpgrade: tcp\r\n\r\n", 400, "head.upgrade");
}

#[test]
fn a_length_is_plain_digits_and_zero_is_no_body() {
    let framing = |value: &str| with(&format!("Content-Length: {value}\r\n")).map(|h| h.framing);
    assert_eq!(framing("0"), Ok(Framing::None));
    assert_eq!(framing("18446744073709551615"), Ok(Framing::Length(u64::MAX)));
    for bad in
        ["", "+3", "-1", "0x3", "3, 3", "3 3", "007", "1.0", "18446744073709551616", "\u{663}"]
    {
        assert_eq!(framing(bad).unwrap_err().rule, "head.content-length", "{bad}");
    }
}

/// Requests that smuggling is made of; the engine (20.10.24) accepts a good part of them.
#[test]
fn what_two_parsers_could_read_two_ways_is_refused() {
    let get = "GET / HTTP/1.1\r\nHost: x\r\n";
    let cases: &[(&str, u16, &str)] = &[
        // line endings and the request line
        ("GET / HTTP/1.1\nHost: x\n\n", 400, "head.line-ending"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", 400, "head.line-ending"),
        ("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "head.line-ending"),
        ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "head.request-line"),
        ("\nGET /", 400, "head.request-line"),
        (" GET /", 400, "head.request-line"),
        ("\x16\x03\x01", 400, "head.request-line"),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "head.request-line"),
        ("GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "head.request-line"),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 505, "head.version"),
        ("GET /a\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "head.request-line"),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400, "head.line-ending"),
        ("GET /\r\n\r\n", 400, "head.request-line"),
        // versions and methods
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "head.version"),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "head.version"),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, "head.version"),
        ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505, "head.version"),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", 505, "head.version"),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "head.method"),
        ("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "head.method"),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "head.method"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501, "head.method"),
        ("PATCH / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "head.method"),
        // header lines
        (&format!("{get}A: b\r\n c\r\n\r\n"), 400, "head.header-name"),
        (&format!("{get}A: b\r\n\tc\r\n\r\n"), 400, "head.header-name"),
        (&format!("{get}A : b\r\n\r\n"), 400, "head.header-name"),
        (&format!("{get}A\r\n\r\n"), 400, "head.header-name"),
        (&format!("{get}: b\r\n\r\n"), 400, "head.header-name"),
        (&format!("{get}A: b\0\r\n\r\n"), 400, "head.header-value"),
        (&format!("{get}A: b\x7f\r\n\r\n"), 400, "head.header-value"),
        (&format!("{get}A: b\rC: d\r\n\r\n"), 400, "head.header-value"),
        (&format!("{get}User-Agent: a\tb\r\n\r\n"), 400, "head.header-value"),
        // host
        ("GET / HTTP/1.1\r\n\r\n", 400, "head.host"),
        (&format!("{get}Host: x\r\n\r\n"), 400, "head.duplicate"),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "head.host"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "head.host"),
        // framing
        (&format!("{get}Content-Length: 1\r\ncontent-length: 1\r\n\r\n"), 400, "head.duplicate"),
        (
            &format!("{get}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
            "head.framing",
        ),
        (
            &format!("{get}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400,
            "head.duplicate",
        ),
        (&format!("{get}Transfer-Encoding: chunked, chunked\r\n\r\n"), 400, "head.framing"),
        (&format!("{get}Transfer-Encoding: gzip, chunked\r\n\r\n"), 400, "head.framing"),
        (&format!("{get}Transfer-Encoding: identity\r\n\r\n"), 400, "head.framing"),
        (&format!("{get}Transfer-Encoding: xchunked\r\n\r\n"), 400, "head.framing"),
        (&format!("{get}Transfer-Encoding: \x0bchunked\r\n\r\n"), 400, "head.header-value"),
        (&format!("{get}Transfer-Encoding:\r\n\r\n"), 400, "head.framing"),
        // the rest
        (&format!("{get}Expect: 200-ok\r\n\r\n"), 417, "head.expect"),
        (
            &format!("{get}Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
            400,
            "head.duplicate",
        ),
        (&format!("{get}Upgrade: foo\r\n\r\n"), 400, "head.upgrade"),
        (&format!("{get}Upgrade: h2c, tcp\r\n\r\n"), 400, "head.upgrade"),
        (&format!("{get}Upgrade: tcp\r\nUpgrade: tcp\r\n\r\n"), 400, "head.duplicate"),
        (
            &format!("{get}Content-Type: text/plain\r\nContent-Type: json\r\n\r\n"),
            400,
            "head.content-type",
        ),
        (&format!("{get}Content-Type: json\r\n\r\n"), 400, "head.content-type"),
        (
            &format!("{get}Content-Type: application/json; charset=utf-16\r\n\r\n"),
            400,
            "head.content-type",
        ),
        (&format!("{get}X-Registry-Auth: a\r\nX-Registry-Auth: a\r\n\r\n"), 400, "head.duplicate"),
        (&format!("{get}User-Agent: a\r\nuser-agent: a\r\n\r\n"), 400, "head.duplicate"),
    ];
    for (head, status, rule) in cases {
        check(head, *status, rule);
    }
    check(b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\n\r\n", 400, "head.header-value");
}

#[test]
fn the_media_type_is_bare_and_lower_case() {
    let media = |value: &str| with(&format!("Content-Type: {value}\r\n")).unwrap().content_type;
    assert_eq!(media("Application/JSON").as_deref(), Some("application/json"));
    assert_eq!(media("application/json; Charset=\"UTF-8\"").as_deref(), Some("application/json"));
    assert_eq!(media("application/x-tar ; a=b").as_deref(), Some("application/x-tar"));
}

#[test]
fn limits_hold_at_the_limit_and_one_beyond() {
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    let parse = |bytes, headers| parse(head, HeadLimits { bytes, headers });
    assert!(matches!(parse(head.len(), 2), Ok(Some(_))));
    for (bytes, headers, rule) in
        [(head.len() - 1, 2, "head.too-large"), (head.len(), 1, "head.too-many-lines")]
    {
        let refusal = parse(bytes, headers).unwrap_err();
        assert_eq!((refusal.status, refusal.rule), (431, rule));
    }
    let many = |count| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    let all = HeadLimits { bytes: 1 << 20, headers: usize::MAX };
    assert!(matches!(super::parse(many(MAX_HEADERS).as_bytes(), all), Ok(Some(_))));
    assert_eq!(super::parse(many(MAX_HEADERS + 1).as_bytes(), all).unwrap_err().status, 431);
    // An endless head is refused before it ends.
    assert_eq!(
        super::parse(&[b'A'; 100], HeadLimits { bytes: 100, headers: 1 }).unwrap_err().status,
        431
    );
}

#[test]
fn what_follows_the_head_is_left_alone() {
    let two = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\nbroken";
    let (head, length) = parse(two, LIMITS).unwrap().unwrap();
    assert_eq!((head.target.as_str(), &two[length..length + 6]), ("/a", &b"POST /"[..]));
}

#[test]
fn a_refused_head_is_recorded_by_what_it_claims() {
    let of = |head: &str| claimed(head.as_bytes());
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(of("PRI * HTTP/2.0\r\n\r\n"), pair("PRI", "*"));
    assert_eq!(of("FOO\x1b /a?b=SECRET HTTP/1.1\r\n"), pair(r"FOO\x1b", "/a?..."));
    assert_eq!(of("GET\nHost: x"), pair("GET", "Host:"));
    assert_eq!(of(""), pair("", ""));
}

/// A head as clients write it, from parts that are often good.
fn likely_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Host: x".to_owned()),
        Just("Content-Length: 5".to_owned()),
        Just("Transfer-Encoding: chunked".to_owned()),
        Just("Connection: Upgrade, x-registry-auth".to_owned()),
        Just("Upgrade: tcp".to_owned()),
        Just("Content-Type: application/json".to_owned()),
        "(Accept|User-Agent|X-Registry-Auth|[A-Za-z-]{1,12}): [ -~]{0,12}",
        "\\PC{0,12}",
    ];
    let start = "(GET|POST|PUT|HEAD|DELETE) /[!-~]{0,16} HTTP/1\\.[01]";
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    (start, proptest::collection::vec(line, 0..8), end).prop_map(|(start, lines, end)| {
        let mut head = start;
        for line in std::iter::once("Host: x".to_owned()).chain(lines) {
            head.push_str(end);
            head.push_str(&line);
        }
        head.push_str("\r\n\r\nbody");
        head.into_bytes()
    })
}

/// A head written afresh from what was parsed, as the relay does it.
fn rewrite(head: &RequestHead) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\nHost: x\r\n", head.method, head.target);
    match head.framing {
        Framing::None => {}
        Framing::Length(length) => out.push_str(&format!("Content-Length: {length}\r\n")),
        Framing::Chunked => out.push_str("Transfer-Encoding: chunked\r\n"),
    }
    let upgrade = head.upgrade.map(|upgrade| match upgrade {
        Upgrade::H2c => "h2c",
        Upgrade::Tcp => "tcp",
        Upgrade::Websocket => "websocket",
    });
    let pairs = [
        ("Upgrade", upgrade),
        ("Expect", head.expect_continue.then_some("100-continue")),
        ("Connection", (!head.keep_alive).then_some("close")),
        ("Content-Type", head.content_type.as_deref()),
    ];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in pairs.chain(head.forwarded.iter().map(|(n, v)| (*n, v.as_str()))) {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    (out + "\r\n").into_bytes()
}

proptest! {
    #[test]
    fn a_head_that_comes_in_pieces_reads_the_same(head in likely_head(), step in 1_usize..9) {
        let mut parser = Parser::default();
        let mut pieces = Ok(None);
        for end in (0..=head.len()).step_by(step).chain([head.len()]) {
            pieces = parser.parse(&head[..end], LIMITS);
            if !matches!(pieces, Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(pieces, parse(&head, LIMITS));
    }

    #[test]
    fn written_afresh_it_reads_the_same(head in likely_head()) {
        if let Ok(Some((parsed, _))) = parse(&head, LIMITS) {
            let mut expected = parsed.clone();
            expected.version = Version::Http11;
            let written = rewrite(&parsed);
            prop_assert_eq!(parse(&written, LIMITS), Ok(Some((expected, written.len()))));
        }
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in "[GET /HOST:x.1\r\n\0]{0,64}") {
        for buffer in [&bytes[..], text.as_bytes()] {
            let _ = parse(buffer, LIMITS);
            let (method, target) = claimed(buffer);
            prop_assert!(method.len() <= 32 && target.len() <= 256);
        }
    }
}
