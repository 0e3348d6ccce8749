//! Does the engine read a target as we do? Each spelling is sent raw to a real engine, beside the
//! one we would write: both must mean the same, and what we refuse must be worth refusing.
//!
//! ```text
//! SEAWALL_TEST_ENGINE=/var/run/docker.sock cargo test --test engine_reading -- --ignored
//! ```

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use seawall_rules::target;

/// Status and body of the engine's answer to `GET` of a raw target.
fn ask(raw: &str) -> (u16, String) {
    let socket = std::env::var_os("SEAWALL_TEST_ENGINE").expect("SEAWALL_TEST_ENGINE is a socket");
    let mut engine = UnixStream::connect(socket).unwrap();
    engine.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(engine, "GET {raw} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    engine.read_to_end(&mut reply).unwrap();
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").expect("the engine answers with a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status line"), body.to_owned())
}

#[test]
#[ignore = "needs an engine: SEAWALL_TEST_ENGINE=/path/to/docker.sock"]
fn the_engine_reads_our_spelling_as_it_read_the_clients() {
    let cases = [
        ("/_ping", 200),
        ("/v1.41/images/json?all=1&", 200),
        ("/v1.41/images/json?", 200),
        ("/v1.41/images/json?filters=%7B%22reference%22%3A%5B%22a+b%22%5D%7D", 200),
        (r#"/v1.41/images/json?filters={"dangling":["true"]}"#, 200),
        ("/v1.41/images/json?&&all", 200),
        ("/v1.41%2Fimages/json", 200),
        ("/v1.41/images%2Fjson", 200),
        ("/%76ersion", 200),
        // Names of nothing: the message repeats the name the engine read.
        ("/v1.41/images/registry%3A5000%2Fa%2Fb%3At/json", 404),
        ("/v1.41/images/a/b%40sha256:0123/json", 400),
        ("/v1.41/containers/a+b/json", 404),
        ("/v1.41/containers/a%2Bb%20c/json", 404),
        ("/v1.41/containers/%E2%82%AC/json", 404),
        ("/v1.41/containers/a%252Fb/json", 404),
        ("/v1.41/containers/a/b/c/json", 404),
        ("/v1.41/containers/!$&'()*,=~/json", 404),
        ("/v1.41/containers/x/archive?path=%2Fa+b%2Bc", 404),
        ("/v1.41", 404),
        ("/", 404),
    ];
    for (raw, status) in cases {
        let engine = ask(raw);
        assert_eq!(engine.0, status, "{raw}: {}", engine.1);
        // The one spelling the engine serves that we refuse: a version that hides its slash.
        if let Ok(target) = target::parse(raw) {
            assert_eq!(ask(&target.to_string()), engine, "{raw} -> {target}");
        } else {
            assert_eq!(raw, "/v1.41%2Fimages/json");
        }
    }
}

#[test]
#[ignore = "needs an engine: SEAWALL_TEST_ENGINE=/path/to/docker.sock"]
fn what_we_refuse_the_engine_redirects_forgives_or_refuses() {
    let cases = [
        ("//containers/json", 301),
        ("/v1.41//containers/json", 301),
        ("/./containers/json", 301),
        ("/x/../containers/json", 301),
        ("/%2e%2e/containers/json", 301),
        ("/x/..%2fcontainers/json", 301),
        ("*", 301),
        ("/v1.41%2Fcontainers/json", 200),
        ("/%76%31.41/containers/json", 200),
        ("/v1%2e41/containers/json", 200),
        ("http://evil/v1.41/containers/json", 200),
        ("unix:///containers/json", 200),
        ("docker:/containers/json", 200),
        ("/networks/", 200),
        ("/containers/json/", 404),
        ("/containers/json;x=1", 404),
        ("/containers/json%00", 404),
        ("/containers/json%0a", 404),
        ("/containers/json#frag", 404),
        ("/containers\\json", 404),
        ("/V1.41/containers/json", 404),
        ("/v1.41/v1.41/containers/json", 404),
        ("/v/containers/json", 404),
        ("/v-1/containers/json", 404),
        ("/v1/containers/json", 400),
        ("/v1..41/containers/json", 400),
        ("/v1.41.1/containers/json", 400),
        ("containers/json", 400),
        ("/%zz", 400),
    ];
    for (raw, status) in cases {
        assert!(target::parse(raw).is_err(), "{raw}");
        let (seen, body) = ask(raw);
        assert_eq!(seen, status, "{raw}: {body}");
    }
}
