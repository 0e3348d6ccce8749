//! Exchanges with an engine that does what no real one can be made to do.

use std::path::PathBuf;
use std::sync::Arc;

use seawall_rules::head::{HeadLimits, parse};
use seawall_rules::operation::recognize;
use seawall_rules::policy::{ADMIN, Permissions, Roles, judge};
use seawall_rules::target::{self, ApiVersion};
use seawall_rules::verdict::Verdict;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use crate::admit::Peer;
use crate::audit::Subject;
use crate::authenticate::{Authority, Credential};
use crate::config::Upstream;
use crate::sessions::Session;

/// A gate's side of things, with a socket on which the test plays the engine.
struct Rig {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    listener: UnixListener,
    engine: Engine,
    link: Link,
    session: Session,
    patience: Duration,
    /// Of who asks.
    role: &'static str,
}

type Relayed = Result<(Ending, After), Failure>;

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let subject = Subject {
            id: None,
            name: "alice".into(),
            roles: "admin".into(),
            credential: "cert:1".into(),
        };
        let authority = Authority {
            subject,
            kin: Arc::new([]),
            permissions: Arc::new(Permissions::compile(&Roles::built_in(), [ADMIN])),
            ungranted: None,
            not_after: None,
            until: None,
        };
        let credential = Credential::Socket { identity: "alice".into(), uid: 0 };
        Self {
            listener: UnixListener::bind(&socket).unwrap(),
            engine: Engine::new(&Upstream::Unix(socket.clone()), Duration::from_secs(5)).unwrap(),
            link: Link::default(),
            session: Session::new(Peer::local(), credential, Arc::new(authority)),
            patience: Duration::from_secs(60),
            role: ADMIN,
            socket,
            _dir: dir,
        }
    }

    /// Forwards the request of that head, while `client` plays the client after its head and
    /// `engine` the engine.
    async fn relay<C, E>(
        &mut self,
        head: &str,
        client: impl AsyncFnOnce(UnixStream) -> C,
        engine: impl AsyncFnOnce(&UnixListener) -> E,
    ) -> (Relayed, C, E) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (grant, mut body) = granted(head, self.role);
        let mut tally = Tally::new(&self.session);
        let mut wire = Wire::new(ours);
        let forwarded = async {
            let sender = Sender {
                wire: &mut wire,
                body: &mut body,
                connection: Connection::Keep,
                patience: self.patience,
                tally: &mut tally,
            };
            let relayed = forward(&grant, &self.engine, &mut self.link, sender, None).await;
            drop(wire);
            relayed
        };
        let all = async { tokio::join!(forwarded, client(theirs), engine(&self.listener)) };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("nobody waits for ever")
    }

    /// As [`Rig::relay`], for a client that only reads and an engine that reads a head without
    /// a body, says `reply` and closes.
    async fn reply(&mut self, head: &str, reply: &str) -> (Relayed, String) {
        let (relayed, read, ()) = self
            .relay(head, read_all, async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(reply.as_bytes()).await.unwrap();
            })
            .await;
        (relayed, read)
    }
}

/// What the whole of `rules` makes of the request of somebody with that role.
fn granted(head: &str, role: &str) -> (Grant, Body) {
    let text = format!("{}\r\n\r\n", head.replace('\n', "\r\n"));
    let limits = HeadLimits { bytes: 4096, headers: 20 };
    let (head, _) = parse(text.as_bytes(), limits).unwrap().unwrap();
    let body = Body::new(head.framing);
    let target = target::parse(&head.target).unwrap();
    let request = recognize(head, target, ApiVersion::new(1, 40)).unwrap();
    match judge(&Permissions::compile(&Roles::built_in(), [role]), request) {
        Verdict::Allow(grant) => (grant, body),
        Verdict::Deny(denied) => panic!("{}", denied.1),
    }
}

async fn read_all(mut stream: UnixStream) -> String {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// Reads to the end of a head, byte by byte so that nothing behind it is taken.
async fn read_head(stream: &mut UnixStream) -> String {
    read_until(stream, "\r\n\r\n").await
}

async fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(end) {
        read.push(char::from(stream.read_u8().await.unwrap()));
    }
    read
}

/// Waits until the gate has closed its end.
async fn closed(stream: &mut UnixStream) {
    let mut rest = [0; 4096];
    while let Ok(1..) = stream.read(&mut rest).await {}
}

async fn slowly(stream: &mut UnixStream, text: &str) {
    for byte in text.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
}

const GET: &str = "GET /v1.41/version HTTP/1.1\nHost: x";
const LOGS: &str = "GET /v1.41/containers/c/logs?follow=1&stdout=1 HTTP/1.1\nHost: x";
const BUILD: &str = "POST /v1.41/build HTTP/1.1\nHost: x\nContent-Type: application/x-tar\n\
                     Transfer-Encoding: chunked";
const ATTACH: &str = "POST /v1.41/containers/c/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\nHost: x\n\
                      Connection: Upgrade\nUpgrade: tcp";
const SWITCHED: &str = "HTTP/1.1 101 UPGRADED\r\n\
                        Content-Type: application/vnd.docker.raw-stream\r\n\
                        Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

#[tokio::test]
async fn a_reply_is_relayed_and_the_engine_asked_again_on_the_same_connection() {
    let mut rig = Rig::new();
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let (relayed, read, mut engine) = rig
        .relay(GET, read_all, async |listener| {
            let mut engine = listener.accept().await.unwrap().0;
            let asked = read_head(&mut engine).await;
            assert!(
                asked.starts_with("GET /v1.41/version HTTP/1.1\r\nHost: docker\r\n"),
                "{asked}"
            );
            engine.write_all(reply.as_bytes()).await.unwrap();
            engine
        })
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next));
    assert_eq!(read, reply);
    let (relayed, read, ()) = rig
        .relay(GET, read_all, async |_| {
            read_head(&mut engine).await;
            engine.write_all(reply.as_bytes()).await.unwrap();
        })
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next));
    assert_eq!(read, reply);
}

#[tokio::test]
async fn a_reply_cut_at_every_byte_arrives_whole() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\nB\r\n, the world\r\n0\r\n\r\n";
    let trailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\nDigest: x\r\n\r\n";
    let untrailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     5\r\nhello\r\n0\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 5\r\n\r\nhello";
    let interim = format!("HTTP/1.1 102 Processing\r\n\r\n{length}");
    for (reply, expected) in
        [(chunked, chunked), (trailed, untrailed), (length, length), (&interim, length)]
    {
        let mut rig = Rig::new();
        let (relayed, read, _engine) = rig
            .relay(GET, read_all, async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                slowly(&mut engine, reply).await;
                engine
            })
            .await;
        assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next), "{reply:?}");
        assert_eq!(read, expected);
        assert!(rig.link.kept.is_some());
    }
}

#[tokio::test]
async fn a_reply_that_ends_with_its_connection_closes_the_clients_too() {
    let mut rig = Rig::new();
    let reply = "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    let (relayed, read) = rig.reply(ATTACH, &format!("{reply}No such container")).await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    let head = reply.replace("stream\r\n\r\n", "stream\r\nConnection: close\r\n\r\n");
    assert_eq!(read, format!("{head}No such container"));
    assert!(rig.link.kept.is_none());
}

#[tokio::test]
async fn an_old_client_gets_no_chunks() {
    let mut rig = Rig::new();
    let (relayed, read) = rig
        .reply(
            "GET /v1.41/version HTTP/1.0\nHost: x",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert_eq!(read, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde");
}

#[tokio::test]
async fn what_is_no_answer_to_what_was_asked_is_not_relayed() {
    let unasked = format!("{SWITCHED}GET");
    let cases = [
        (GET, "SSH-2.0-OpenSSH\r\n\r\n", 502, "its reply is not HTTP/1.1"),
        (GET, &unasked, 502, "it switched protocols without being asked to"),
        (ATTACH, "HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n", 502, "it switched protocols without"),
        (
            GET,
            "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
            502,
            "it answered with a redirect (301)",
        ),
        (GET, "", 503, "closed the connection before it answered"),
        (GET, "HTTP/1.1 200 OK\r\nConte", 503, "closed the connection before it answered"),
    ];
    for (head, reply, status, message) in cases {
        let (relayed, read) = Rig::new().reply(head, reply).await;
        let failure = relayed.unwrap_err();
        assert_eq!((failure.status, failure.ending), (status, Ending::EngineGone), "{reply:?}");
        assert!(failure.message.contains(message), "{}", failure.message);
        assert_eq!(read, "", "{reply:?}");
    }
}

#[tokio::test]
async fn an_engine_that_dies_inside_its_reply_leaves_it_visibly_short() {
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    for reply in ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", broken] {
        let (relayed, read) = Rig::new().reply(GET, reply).await;
        assert_eq!(relayed.unwrap(), (Ending::EngineGone, After::Drop));
        assert_eq!(read, reply);
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_a_502_that_says_where_it_should_be() {
    let mut rig = Rig::new();
    std::fs::remove_file(&rig.socket).unwrap();
    let (relayed, _, ()) = rig.relay(GET, read_all, async |_| ()).await;
    let failure = relayed.unwrap_err();
    let expected = format!(
        "the Docker engine at unix://{} does not answer (no such socket)",
        rig.socket.display()
    );
    assert_eq!((failure.status, failure.message), (502, expected));
}

#[tokio::test]
async fn a_kept_connection_that_the_engine_closed_costs_nobody_a_request() {
    let mut rig = Rig::new();
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // `reply` closes after it has answered.
    for _ in 0..3 {
        assert_eq!(rig.reply(GET, reply).await.0.unwrap(), (Ending::Complete, After::Next));
        assert!(rig.link.kept.is_some());
    }
}

#[tokio::test]
async fn only_what_changes_nothing_is_asked_twice() {
    let start = "POST /v1.41/containers/c/start HTTP/1.1\nHost: x";
    for (head, again) in [(GET, true), (start, false)] {
        let mut rig = Rig::new();
        let reply = "HTTP/1.1 204 No Content\r\n\r\n";
        let (_, _, mut first) = rig
            .relay(GET, read_all, async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(reply.as_bytes()).await.unwrap();
                engine
            })
            .await;
        let (relayed, read, ()) = rig
            .relay(head, read_all, async |listener| {
                read_head(&mut first).await;
                drop(first);
                if again {
                    let mut engine = listener.accept().await.unwrap().0;
                    read_head(&mut engine).await;
                    engine.write_all(reply.as_bytes()).await.unwrap();
                }
            })
            .await;
        if again {
            assert_eq!((relayed.unwrap(), read.as_str()), ((Ending::Complete, After::Next), reply));
        } else {
            assert_eq!(relayed.unwrap_err().status, 503);
        }
    }
}

#[tokio::test]
async fn a_body_cut_at_every_byte_is_framed_afresh() {
    let mut rig = Rig::new();
    let (relayed, read, body) = rig
        .relay(
            BUILD,
            async |mut client| {
                slowly(&mut client, "00005\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n").await;
                read_all(client).await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                let body = read_until(&mut engine, "\r\n0\r\n\r\n").await;
                let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                engine.write_all(reply).await.unwrap();
                (body, engine).0
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next));
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"));
    let mut decoded = Body::new(Framing::Chunked);
    let mut rest = body.as_bytes();
    let mut data = Vec::new();
    while !decoded.is_done() {
        let n = match decoded.step(rest).unwrap() {
            crate::http::body::Step::Data(n) => {
                data.extend_from_slice(&rest[..n]);
                n
            }
            crate::http::body::Step::Framing(n) => n,
            other => panic!("{other:?} in {body:?}"),
        };
        rest = &rest[n..];
    }
    assert_eq!(data, b"hello!");
}

#[tokio::test]
async fn a_gigantic_body_passes_byte_for_byte() {
    let mut rig = Rig::new();
    let sent: Vec<u8> =
        (0..8_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let head = format!(
        "PUT /v1.41/containers/c/archive?path=/ HTTP/1.1\nHost: x\nContent-Length: {}",
        sent.len()
    );
    let (relayed, read, received) = rig
        .relay(
            &head,
            async |mut client| {
                client.write_all(&sent).await.unwrap();
                let mut read = Vec::new();
                client.read_to_end(&mut read).await.unwrap();
                read
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                let mut received = vec![0; sent.len()];
                engine.read_exact(&mut received).await.unwrap();
                engine.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                engine.write_all(&received).await.unwrap();
                received
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert!(received == sent && read.ends_with(&sent));
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let mut rig = Rig::new();
    let (relayed, read, ()) = rig
        .relay(
            BUILD,
            async |mut client| {
                client.write_all(b"5\r\nhello\r\n").await.unwrap();
                read_until(&mut client, "no such thing").await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_until(&mut engine, "hello\r\n").await;
                let reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nno such thing";
                engine.write_all(reply).await.unwrap();
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert!(read.contains("\r\nConnection: close\r\n"), "{read}");
}

#[tokio::test]
async fn a_body_is_asked_for_by_the_engine_alone() {
    let mut rig = Rig::new();
    let head = format!("{BUILD}\nExpect: 100-continue");
    let (relayed, (), ()) = rig
        .relay(
            &head,
            async |mut client| {
                assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
                client.write_all(b"0\r\n\r\n").await.unwrap();
                assert!(read_all(client).await.starts_with("HTTP/1.1 200 OK\r\n"));
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                let asked = read_head(&mut engine).await;
                assert!(asked.contains("\r\nExpect: 100-continue\r\n"), "{asked}");
                engine.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
                assert_eq!(read_until(&mut engine, "0\r\n\r\n").await, "0\r\n\r\n");
                let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                engine.write_all(reply).await.unwrap();
            },
        )
        .await;
    assert_eq!(relayed.unwrap().0, Ending::Complete);
}

#[tokio::test]
async fn a_broken_or_missing_rest_of_a_body_never_looks_whole_to_the_engine() {
    for (sent, status) in [("5\r\nhello\n", Some(400)), ("5\r\nhel", None)] {
        let mut rig = Rig::new();
        let (relayed, _, received) = rig
            .relay(
                BUILD,
                async |mut client| {
                    client.write_all(sent.as_bytes()).await.unwrap();
                    client.shutdown().await.unwrap();
                    client
                },
                async |listener| {
                    let mut engine = listener.accept().await.unwrap().0;
                    read_head(&mut engine).await;
                    read_all(engine).await
                },
            )
            .await;
        assert!(!received.contains("0\r\n\r\n"), "{received:?}");
        match status {
            Some(status) => assert_eq!(relayed.unwrap_err().status, status),
            None => assert_eq!(relayed.unwrap(), (Ending::ClientGone, After::Drop)),
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_does_not_hold_the_engine_for_ever() {
    let mut rig = Rig::new();
    rig.patience = Duration::from_millis(20);
    let (relayed, _client, ()) = rig
        .relay(
            GET,
            async |client| client,
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                let length = 32 << 20;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                engine.write_all(head.as_bytes()).await.unwrap();
                assert!(
                    engine.write_all(&vec![0; length]).await.is_err(),
                    "nobody can hold so much"
                );
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Limit, After::Drop));
}

#[tokio::test]
async fn the_engine_hears_at_once_that_nobody_reads_its_log() {
    let mut rig = Rig::new();
    let (relayed, (), ()) = rig
        .relay(
            LOGS,
            async |mut client| {
                read_until(&mut client, "first\r\n").await;
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
                engine.write_all(reply.as_bytes()).await.unwrap();
                closed(&mut engine).await;
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::ClientGone, After::Drop));
}

#[tokio::test]
async fn a_request_that_came_early_waits_for_its_turn() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut rig = Rig::new();
    let (grant, mut body) = granted(GET, ADMIN);
    let mut tally = Tally::new(&rig.session);
    let mut wire = Wire::new(ours);
    theirs.write_all(b"GET /next").await.unwrap();
    let sender = Sender {
        wire: &mut wire,
        body: &mut body,
        connection: Connection::Keep,
        patience: rig.patience,
        tally: &mut tally,
    };
    let engine = async {
        let mut engine = rig.listener.accept().await.unwrap().0;
        read_head(&mut engine).await;
        engine.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (relayed, ()) =
        tokio::join!(forward(&grant, &rig.engine, &mut rig.link, sender, None), engine);
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next));
    assert_eq!(wire.input.data(), b"GET /next");
}

#[tokio::test]
async fn a_hijacked_stream_passes_both_ways_and_ends_one_way_at_a_time() {
    let mut rig = Rig::new();
    let (relayed, read, ()) = rig
        .relay(
            ATTACH,
            async |mut client| {
                // Sent before the engine has agreed: it must not be lost, nor arrive early.
                client.write_all(b"early ").await.unwrap();
                assert_eq!(read_head(&mut client).await, SWITCHED);
                client.write_all(b"late").await.unwrap();
                client.shutdown().await.unwrap();
                read_all(client).await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                let asked = read_head(&mut engine).await;
                assert!(asked.contains("\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"), "{asked}");
                let mut early = [0; 1];
                assert!(engine.try_read(&mut early).is_err(), "before the 101");
                engine.write_all(format!("{SWITCHED}first ").as_bytes()).await.unwrap();
                let mut read = String::new();
                engine.read_to_string(&mut read).await.unwrap();
                assert_eq!(read, "early late");
                engine.write_all(b"after").await.unwrap();
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert_eq!(read, "first after");
}

#[tokio::test]
async fn a_stream_whose_engine_closed_ends_though_the_client_keeps_its_side_open() {
    let mut rig = Rig::new();
    let (relayed, _client, ()) = rig
        .relay(
            ATTACH,
            async |mut client| {
                read_until(&mut client, "bye").await;
                client
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(format!("{SWITCHED}bye").as_bytes()).await.unwrap();
                // Half at first, as dockerd does when a container ends.
                engine.shutdown().await.unwrap();
                tokio::task::yield_now().await;
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
}

#[tokio::test]
async fn a_half_closed_engine_still_hears_the_client() {
    let mut rig = Rig::new();
    let (relayed, (), heard) = rig
        .relay(
            ATTACH,
            async |mut client| {
                read_until(&mut client, "bye").await;
                closed(&mut client).await;
                client.write_all(b"still here").await.unwrap();
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(format!("{SWITCHED}bye").as_bytes()).await.unwrap();
                engine.shutdown().await.unwrap();
                read_all(engine).await
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert_eq!(heard, "still here");
}

#[tokio::test]
async fn a_raw_stream_200_is_a_stream_without_an_upgrade() {
    let mut rig = Rig::new();
    let attach = "POST /v1.41/containers/c/attach?stream=1 HTTP/1.1\nHost: x";
    let raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
    let (relayed, read, ()) = rig
        .relay(
            attach,
            async |mut client| {
                read_head(&mut client).await;
                client.write_all(b"input").await.unwrap();
                client.shutdown().await.unwrap();
                read_all(client).await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(raw.as_bytes()).await.unwrap();
                assert_eq!(read_until(&mut engine, "input").await, "input");
                engine.write_all(b"output").await.unwrap();
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close));
    assert_eq!(read, "output");
}

/// Writes until nobody takes any more.
async fn flood(stream: &mut UnixStream) {
    let full = Duration::from_millis(200);
    while let Ok(written) = tokio::time::timeout(full, stream.write(&[b'x'; 65_536])).await {
        written.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_goes_is_noticed_though_the_engine_reads_nothing() {
    for (head, first) in [(ATTACH, ""), (BUILD, "fffffff\r\n")] {
        let mut rig = Rig::new();
        let (relayed, (), _unread) = rig
            .relay(
                head,
                async |mut client| {
                    client.write_all(first.as_bytes()).await.unwrap();
                    flood(&mut client).await;
                },
                async |listener| {
                    let mut engine = listener.accept().await.unwrap().0;
                    read_head(&mut engine).await;
                    if head == ATTACH {
                        engine.write_all(SWITCHED.as_bytes()).await.unwrap();
                    }
                    engine
                },
            )
            .await;
        assert_eq!(relayed.unwrap().0, Ending::ClientGone, "{head}");
    }
}

#[tokio::test]
async fn a_client_that_half_closed_and_goes_is_noticed_though_the_engine_is_silent() {
    let mut rig = Rig::new();
    let (relayed, (), _silent) = rig
        .relay(
            ATTACH,
            async |mut client| {
                read_head(&mut client).await;
                client.shutdown().await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), b'!');
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                engine.write_all(SWITCHED.as_bytes()).await.unwrap();
                // The half-close has come; the client, which waits for more, goes after it.
                assert_eq!(engine.read(&mut [0]).await.unwrap(), 0);
                engine.write_all(b"!").await.unwrap();
                engine
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::ClientGone, After::Close));
}

const PS: &str = "GET /v1.41/containers/json HTTP/1.1\nHost: x\nAccept-Encoding: gzip";
const EVENTS: &str = "GET /v1.41/events HTTP/1.1\nHost: x";

#[tokio::test]
async fn a_reply_with_secrets_is_edited_in_whatever_pieces_it_comes() {
    let list = r#"[{"Id":"a","Command":"sh -c pw"},{"Id":"b","Command":"sleep"}]"#;
    let shown = r#"[{"Id":"a","Command":"sh ***"},{"Id":"b","Command":"sleep"}]"#;
    let (first, last) = list.split_at(20);
    let length = format!("Content-Length: {}\r\n\r\n{list}", list.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{last}\r\n0\r\n\r\n",
        first.len(),
        last.len()
    );
    for reply in [length, chunked, format!("Connection: close\r\n\r\n{list}")] {
        let mut rig = Rig { role: "viewer", ..Rig::new() };
        let reply = format!("HTTP/1.1 200 OK\r\n{reply}");
        let (relayed, read, asked) = rig
            .relay(PS, read_all, async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                let asked = read_head(&mut engine).await;
                slowly(&mut engine, &reply).await;
                asked
            })
            .await;
        assert!(!asked.contains("Accept-Encoding"), "{asked}");
        assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next), "{reply}");
        let (head, body) = read.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "{reply}");
        assert_eq!(unchunked(body), shown, "{reply}");
        let mut rig = Rig { role: "viewer", ..Rig::new() };
        let (relayed, read) = rig.reply(&PS.replace("1.1", "1.0"), &reply).await;
        assert_eq!(relayed.unwrap(), (Ending::Complete, After::Close), "{reply}");
        assert_eq!(read, format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{shown}"));
    }
}

/// The data of a body of whole chunks.
fn unchunked(mut body: &str) -> String {
    let mut data = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            assert_eq!(rest, "\r\n");
            return data;
        }
        data.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn an_error_and_an_admins_reply_pass_as_they_are() {
    let list = "HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n[{\"Command\":\"sh -c 1\"}]";
    let error = "HTTP/1.1 500 Oh\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}";
    for (role, reply) in [("viewer", error), ("admin", error), ("admin", list)] {
        let mut rig = Rig { role, ..Rig::new() };
        let (relayed, read) = rig.reply(PS, reply).await;
        assert_eq!(relayed.unwrap(), (Ending::Complete, After::Next), "{role} {reply}");
        assert_eq!(read, reply);
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_edited_does_not_reach_the_client() {
    let coded = "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\u{1f}\u{8b}";
    let html = "Content-Length: 13\r\n\r\n<html></html>";
    let object = "Content-Length: 18\r\n\r\n{\"Command\":\"sh 1\"}";
    for (reply, expected) in [
        (coded, "is compressed, which was not asked for"),
        (html, "is JSON of another form than the operation answers with"),
        (object, "is JSON of another form than the operation answers with"),
    ] {
        let mut rig = Rig { role: "viewer", ..Rig::new() };
        let (relayed, read) = rig.reply(PS, &format!("HTTP/1.1 200 OK\r\n{reply}")).await;
        let failure = relayed.unwrap_err();
        assert_eq!((failure.status, failure.ending), (502, Ending::EngineGone), "{reply}");
        assert!(failure.message.ends_with(expected), "{}", failure.message);
        assert_eq!(read, "");
    }
}

#[tokio::test]
async fn what_breaks_in_the_middle_is_cut_where_it_breaks() {
    let mut rig = Rig { role: "viewer", ..Rig::new() };
    let event = "{\"Action\":\"exec_create: pw\"}\n";
    let seen = tokio::sync::Notify::new();
    let (relayed, read, ()) = rig
        .relay(
            EVENTS,
            async |mut client: UnixStream| {
                let read = read_until(&mut client, "***\"}\n\r\n").await;
                seen.notify_one();
                (read, read_all(client).await)
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_head(&mut engine).await;
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let chunk = format!("{head}{:x}\r\n{event}\r\n", event.len());
                engine.write_all(chunk.as_bytes()).await.unwrap();
                seen.notified().await;
                engine.write_all(b"4\r\n{oh}\r\n0\r\n\r\n").await.unwrap();
                closed(&mut engine).await;
            },
        )
        .await;
    assert_eq!(relayed.unwrap(), (Ending::EngineGone, After::Drop));
    assert!(read.0.ends_with("\r\n1e\r\n{\"Action\":\"exec_create: ***\"}\n\r\n"), "{}", read.0);
    assert_eq!(read.1, "", "nothing is left of it, and no end either");
}
