//! Our readers of framing against hyper's: what ours accept, hyper reads the same. Where ours
//! refuse, hyper may do as it likes. A request body is what a client says; a reply, the engine.

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use seawall_rules::head::{Framing, Method, Version};
use tokio::io::AsyncWriteExt as _;

use super::body::{Body, Step};
use super::response::{Asked, Then, translate};
use super::write::Connection;

/// The body at the front of `bytes`, and how long its framing is; `None` where it does not end.
fn ours(mut body: Body, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        match body.step(&bytes[at..]).ok()? {
            Step::Data(n) => {
                data.extend_from_slice(&bytes[at..at + n]);
                at += n;
            }
            Step::Framing(n) | Step::Trailer(n) => at += n,
            Step::More => break,
        }
    }
    body.end().ok()?;
    Some((data, at))
}

/// What hyper's server makes of a connection that says `wire`, the last request of which closes
/// it: each request's target and body, up to the first it does not take.
async fn hyper_serves(wire: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(wire).await.unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
        let target = request.uri().to_string();
        let body = request.into_body().collect().await?.to_bytes().to_vec();
        seen.lock().unwrap().push((target, body));
        Ok::<_, hyper::Error>(hyper::Response::new(Full::new(Bytes::new())))
    });
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    // Its end is the end of the last request, or the refusal of one.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), serving).await;
    assert!(ended.is_ok(), "hyper waits for more of {:?}", wire.escape_ascii().to_string());
    seen.into_inner().unwrap()
}

/// What hyper's client makes of a server that says `wire` and ends.
async fn hyper_is_told(method: &str, wire: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (client, mut server) = tokio::io::duplex(1 << 20);
    let talk = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await.ok()?;
        let request = hyper::Request::builder()
            .method(method)
            .uri("/")
            .header("Host", "x")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let asking = async {
            let reply = sender.send_request(request).await.ok()?;
            let status = reply.status().as_u16();
            Some((status, reply.into_body().collect().await.ok()?.to_bytes().to_vec()))
        };
        // The connection ends by itself when the server has.
        tokio::join!(asking, connection).0
    };
    let say = async {
        // Not before the request: hyper takes no answer to nothing.
        tokio::io::AsyncReadExt::read(&mut server, &mut [0; 1024]).await.unwrap();
        let _ = server.write_all(wire).await;
        drop(server);
    };
    tokio::join!(talk, say).0
}

const SECOND: &[u8] = b"GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn now<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

/// Chunks that are right most of the time.
fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let size = |data: &str| format!("{:x}\r\n{data}\r\n", data.len());
    let chunk = prop_oneof![
        8 => "[a-z\r\n]{1,20}".prop_map(move |data| size(&data)),
        1 => "[a-z]{1,9}".prop_map(|data| format!("0{:X}\r\n{data}\r\n", data.len())),
        1 => "[0-9a-fA-F;= +\t\r\n]{1,6}",
    ];
    let last = prop_oneof![
        6 => Just("0\r\n\r\n".to_owned()),
        1 => Just("000\r\n\r\n".to_owned()),
        2 => "0\r\n([A-Za-z-]{1,8}: ?[ -~]{0,9}\r\n){1,2}\r\n",
        1 => "0\r\n[A-Za-z: \t]{0,6}\r\n\r\n",
        1 => Just(String::new()),
    ];
    (proptest::collection::vec(chunk, 0..5), last)
        .prop_map(|(chunks, last)| (chunks.concat() + &last).into_bytes())
}

/// A byte here and there that does not belong.
fn bent(wire: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let bend = (any::<prop::sample::Index>(), prop::sample::select(b"\r\n 0a;:,\t\0\x80".to_vec()));
    (wire, proptest::option::weighted(0.3, bend)).prop_map(|(mut wire, bend)| {
        if let Some((at, byte)) = bend
            && !wire.is_empty()
        {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        wire
    })
}

fn reply_head() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        6 => Just("200 OK"),
        1 => Just("204 No Content"),
        1 => Just("304 Not Modified"),
        1 => Just("404 "),
        1 => Just("500"),
        1 => Just("100 Continue\r\n\r\nHTTP/1.1 200 OK"),
    ];
    let field = prop_oneof![
        4 => (0..30_usize).prop_map(|length| format!("Content-Length: {length}")),
        4 => Just("Transfer-Encoding: chunked".to_owned()),
        1 => Just("transfer-encoding:\tCHUNKED ".to_owned()),
        1 => Just("Transfer-Encoding: gzip, chunked".to_owned()),
        1 => Just("Content-Length: 1, 1".to_owned()),
        1 => Just("Connection: close".to_owned()),
        1 => Just("Connection: keep-alive, X-Y".to_owned()),
        2 => "X-[A-Z]: [ -~]{0,9}",
    ];
    let version = prop_oneof![9 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0")];
    (version, status, proptest::collection::vec(field, 0..4)).prop_map(
        |(version, status, fields)| {
            let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            format!("{version} {status}\r\n{lines}\r\n").into_bytes()
        },
    )
}

/// The reply that ours read in `wire`, and how the client gets it written.
fn our_reply(method: Method, wire: &[u8]) -> Option<(u16, Vec<u8>, Vec<u8>)> {
    let asked = Asked {
        method,
        version: Version::Http11,
        upgrade: None,
        raw_stream: false,
        expect_continue: false,
        connection: Connection::Close,
        edited: false,
    };
    let (mut at, mut written) = (0, Vec::new());
    loop {
        let read = translate(&wire[at..], asked, &mut written).ok()??;
        at += read.head;
        match read.then {
            Then::Interim => {}
            Then::Hijacked => return None,
            Then::Body { body, .. } => {
                let (data, length) = ours(body, &wire[at..])?;
                written.extend_from_slice(&wire[at..at + length]);
                return Some((read.status, data, written));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_chunked_body_of_a_client_is_what_hyper_reads_and_ends_where_hyper_ends(
        body in bent(chunks())
    ) {
        let mut wire = b"POST /first HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        wire.extend_from_slice(&body);
        let from = wire.len() - body.len();
        wire.extend_from_slice(SECOND);
        if let Some((data, length)) = ours(Body::new(Framing::Chunked), &wire[from..]) {
            let seen = now(hyper_serves(&wire));
            prop_assert_eq!(seen.first(), Some(&("/first".to_owned(), data)));
            // The next request begins at the same byte, if it does for us.
            if length == body.len() {
                prop_assert_eq!(seen.get(1), Some(&("/second".to_owned(), Vec::new())));
            }
        }
    }

    #[test]
    fn a_reply_of_the_engine_is_what_hyper_reads_and_so_is_what_we_make_of_it(
        (method, wire) in (
            prop::sample::select(vec![Method::Get, Method::Head, Method::Post]),
            bent((reply_head(), prop_oneof![chunks(), "[a-z]{0,40}".prop_map(String::into_bytes)])
                .prop_map(|(head, body)| [head, body].concat())),
        )
    ) {
        if let Some((status, data, written)) = our_reply(method, &wire) {
            let expected = Some((status, data));
            prop_assert_eq!(&now(hyper_is_told(method.as_str(), &wire)), &expected);
            prop_assert_eq!(&now(hyper_is_told(method.as_str(), &written)), &expected);
        }
    }
}

#[test]
fn enough_of_what_is_tried_is_accepted() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = [0, 0];
    for _ in 0..500 {
        let body = bent(chunks()).new_tree(&mut runner).unwrap().current();
        accepted[0] += usize::from(ours(Body::new(Framing::Chunked), &body).is_some());
        let reply = (reply_head(), chunks()).new_tree(&mut runner).unwrap().current();
        let wire = [reply.0, reply.1].concat();
        accepted[1] += usize::from(our_reply(Method::Get, &wire).is_some());
    }
    assert!(accepted.iter().all(|&count| count > 100), "{accepted:?} of 500");
}
