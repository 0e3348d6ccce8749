//! The head of an engine's reply reads the same whole and in pieces; what the client gets of it is
//! one head, which reads the same again and comes out of that as it went in.
#![no_main]

use std::io::BufRead as _;

use libfuzzer_sys::fuzz_target;
use seawall::http::response::{Asked, NotRelayed, Then, translate};
use seawall::http::write::Connection;
use seawall_rules::head::{Method, Upgrade, Version};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, wire)) = data.split_first() else { return };
    let bit = |n: u8| choice >> n & 1 == 1;
    let asked = Asked {
        method: [Method::Get, Method::Head][usize::from(bit(0))],
        version: [Version::Http11, Version::Http10][usize::from(bit(1))],
        upgrade: bit(2).then_some(Upgrade::Tcp),
        raw_stream: bit(3),
        expect_continue: bit(4),
        connection: [Connection::Keep, Connection::Close][usize::from(bit(5))],
        edited: bit(6),
    };
    let mut out = Vec::new();
    let read = translate(wire, asked, &mut out);
    let Ok(Some(response)) = read else {
        assert!(out.is_empty());
        return;
    };
    for end in 0..response.head {
        let early = translate(&wire[..end], asked, &mut Vec::new());
        assert!(!matches!(early, Ok(Some(_))), "complete at {end}");
    }
    if response.then == Then::Interim {
        return;
    }
    assert!(out.ends_with(b"\r\n\r\n"));
    let mut twice = Vec::new();
    let again = match translate(&out, asked, &mut twice) {
        // A line of our own may be one more than the bound.
        Err(NotRelayed::TooLarge) if wire[..response.head].lines().count() > 64 => return,
        again => again.expect("written afresh").expect("whole"),
    };
    assert_eq!((again.head, again.status), (out.len(), response.status));
    // A client of HTTP/1.0 gets chunks without their framing, to the connection's end.
    if asked.version == Version::Http10 {
        return;
    }
    assert_eq!(twice, out);
    match (&again.then, &response.then) {
        // It comes in chunks of ours.
        (Then::Body { .. }, Then::Body { .. }) if response.edited => {}
        (Then::Body { body, .. }, Then::Body { body: first, .. }) => assert_eq!(body, first),
        (again, first) => assert_eq!(again, first),
    }
});
