//! A head reads the same whole and in pieces; written afresh from what was read, it reads the
//! same again; and nothing of it could begin a second request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::head::{self, Framing, HeadLimits, Parser, RequestHead, Upgrade, Version};

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, headers: 32 };

fuzz_target!(|data: &[u8]| {
    let whole = head::parse(data, LIMITS);
    in_pieces(data, &whole);
    let (method, target) = head::claimed(data);
    assert!(method.len() <= 32 && target.len() <= 256);
    match whole {
        Ok(Some((head, length))) => {
            assert!(data[..length].ends_with(b"\r\n\r\n"));
            let written = write(&head);
            let wide = HeadLimits { bytes: written.len(), headers: LIMITS.headers + 8 };
            let again = head::parse(&written, wide);
            let expected = RequestHead { version: Version::Http11, ..head };
            assert_eq!(again, Ok(Some((expected, written.len()))));
        }
        Ok(None) => {}
        Err(refusal) => {
            assert!((400..=505).contains(&refusal.status) && refusal.status != 401);
            assert!(refusal.reason.len() < 256);
            assert!(refusal.reason.bytes().all(|b| matches!(b, b' '..=b'~')));
        }
    }
});

type Read = Result<Option<(RequestHead, usize)>, seawall_rules::verdict::Refusal>;

/// The step comes from the data, so that the fuzzer can choose it.
fn in_pieces(data: &[u8], whole: &Read) {
    let step = usize::from(data.last().copied().unwrap_or_default() % 7) + 1;
    let mut parser = Parser::default();
    for end in (0..data.len()).step_by(step).chain([data.len()]) {
        let read = parser.parse(&data[..end], LIMITS);
        if !matches!(read, Ok(None)) || end == data.len() {
            assert_eq!(&read, whole);
            return;
        }
    }
}

fn write(head: &RequestHead) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\nHost: x\r\n", head.method, head.target);
    let mut line = |name: &str, value: &str| {
        assert!(!value.contains(char::is_control));
        out.push_str(&format!("{name}: {value}\r\n"));
    };
    match head.framing {
        Framing::None => {}
        Framing::Length(length) => line("Content-Length", &length.to_string()),
        Framing::Chunked => line("Transfer-Encoding", "chunked"),
    }
    match head.upgrade {
        Some(Upgrade::H2c) => line("Upgrade", "h2c"),
        Some(Upgrade::Tcp) => line("Upgrade", "tcp"),
        Some(Upgrade::Websocket) => line("Upgrade", "websocket"),
        None => {}
    }
    if head.expect_continue {
        line("Expect", "100-continue");
    }
    if !head.keep_alive {
        line("Connection", "close");
    }
    if let Some(media_type) = &head.content_type {
        line("Content-Type", media_type);
    }
    for (name, value) in &head.forwarded {
        line(name, value);
    }
    out.push_str("\r\n");
    out.into_bytes()
}
