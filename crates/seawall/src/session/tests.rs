//! Whole connections through a gate with a store, a policy and a trail of its own; only the
//! engine is played.

use std::fs;
use std::time::Duration;

use seawall_rules::identity::Name;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use crate::admit::Peer;
use crate::audit::Trail;
use crate::authenticate::Credential;
use crate::cli::Context;
use crate::config::{self, Overrides};
use crate::pki::{Key, Reason};
use crate::state::call::{SshChange, StateCall};
use crate::state::{self, Kind, Lock, Store};

struct Rig {
    dir: tempfile::TempDir,
    gate: Gate,
    listener: UnixListener,
}

impl Rig {
    /// A gate with the admin `root` and the viewer `alice`, whose configuration ends in `extra`.
    fn new(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let context = Context {
            config_file: dir.path().join("seawall.toml"),
            state_dir: dir.path().join("state"),
            json: false,
        };
        let listen = "listen = [\"tcp://127.0.0.1:2376\"]";
        let text = format!("{listen}\nupstream = \"unix://{}\"\n{extra}\n", socket.display());
        fs::write(&context.config_file, text).unwrap();
        let config = Arc::new(config::load(&context, &Overrides::default()).unwrap());
        let mut store = Store::create(Lock::take(&context.state_dir).unwrap()).unwrap();
        let mut call =
            |call| state::execute(&mut store, call, &config.roles, SystemTime::now()).unwrap();
        call(StateCall::SetUp { host: "gate".into(), hostnames: vec!["gate".into()] });
        for (name, role) in [("root", "admin"), ("alice", "viewer")] {
            call(StateCall::AddIdentity {
                name: Name::parse(name).unwrap(),
                kind: Kind::Person,
                roles: vec![role.into()],
                ttl: None,
                from: Vec::new(),
                matches: Vec::new(),
                ssh: SshChange::default(),
                group: None,
                request: Some(Key::generate().unwrap().request().unwrap()),
                invite: None,
            });
        }
        let snapshot = Snapshot::build(&mut store, config.clone()).unwrap();
        let trail = Trail::open(&config.audit, &context.state_dir).unwrap();
        let gate = Gate::new(snapshot, store, trail, Vec::new()).unwrap();
        Self { listener: UnixListener::bind(&socket).unwrap(), gate, dir }
    }

    /// Serves one connection of `who`, while `client` plays the client and `engine` the engine.
    async fn serve<C, E>(
        &self,
        who: &str,
        client: impl AsyncFnOnce(UnixStream) -> C,
        engine: impl AsyncFnOnce(&UnixListener) -> E,
    ) -> (C, E) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let credential = Credential::Socket { identity: who.into(), uid: 0 };
        let session = self.gate.begin_session(Peer::local(), credential).unwrap();
        let served = serve(&self.gate, &session, ours);
        let all = async { tokio::join!(served, client(theirs), engine(&self.listener)) };
        let ((), client, engine) = tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("nobody waits for ever");
        (client, engine)
    }

    /// What one connection of `who` that says `bytes` and nothing more gets back, without an
    /// engine.
    async fn say(&self, who: &str, bytes: &str) -> String {
        let client = async |mut stream: UnixStream| {
            stream.write_all(bytes.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            rest(&mut stream).await
        };
        self.serve(who, client, async |_| ()).await.0
    }

    /// The records of requests, in order.
    fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        let mut segments: Vec<_> = fs::read_dir(self.dir.path().join("state/audit"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        segments.sort();
        for segment in segments {
            for line in fs::read_to_string(segment).unwrap().lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                records.push(record);
            }
        }
        records
    }

    /// Outcomes that are recorded, waiting for the last of `count`: they are written within
    /// 100 ms or with what comes next.
    async fn outcomes(&self, count: usize) -> Vec<Value> {
        loop {
            let outcomes: Vec<_> = self
                .records()
                .into_iter()
                .filter(|record| record.get("ending").is_some())
                .collect();
            if outcomes.len() >= count {
                return outcomes;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn rest(stream: &mut UnixStream) -> String {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

async fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(end) {
        read.push(char::from(stream.read_u8().await.unwrap()));
    }
    read
}

/// Answers so many requests without a body on one connection, and returns their heads.
async fn answer_all(listener: &UnixListener, count: usize) -> Vec<String> {
    let mut engine = listener.accept().await.unwrap().0;
    let mut heads = Vec::new();
    for number in 0..count {
        heads.push(read_until(&mut engine, "\r\n\r\n").await);
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
        engine.write_all(reply.as_bytes()).await.unwrap();
    }
    heads
}

const VERSION: &str = "GET /v1.41/version HTTP/1.1\r\nHost: x\r\n\r\n";
const LOGS: &str = "GET /v1.41/containers/c/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n";
const CREATE: &str = "POST /v1.41/containers/create HTTP/1.1\r\nHost: x\r\n\
                      Content-Type: application/json\r\n";

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let rig = Rig::new("");
    let (read, heads) = rig
        .serve(
            "alice",
            async |mut client| {
                client.write_all(VERSION.repeat(3).as_bytes()).await.unwrap();
                let read = read_until(&mut client, "\r\n\r\n2").await;
                client.shutdown().await.unwrap();
                read
            },
            async |listener| answer_all(listener, 3).await,
        )
        .await;
    assert_eq!(read.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(heads.iter().all(|head| head.starts_with("GET /v1.41/version HTTP/1.1\r\n")));
    assert_eq!(rig.outcomes(3).await.len(), 3);
}

#[tokio::test]
async fn a_denied_client_reads_why_and_may_go_on() {
    let rig = Rig::new("");
    let create = format!("{CREATE}Content-Length: 14\r\n\r\n{{\"Image\":\"x\"}} ");
    let (read, ()) = rig
        .serve(
            "alice",
            async |mut client| {
                client.write_all(format!("{create}{VERSION}").as_bytes()).await.unwrap();
                read_until(&mut client, "\r\n\r\n0").await
            },
            async |listener| drop(answer_all(listener, 1).await),
        )
        .await;
    assert!(read.starts_with("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"));
    assert!(
        read.contains("{\"message\":\"seawall: alice (viewer) may not create a container"),
        "{read}"
    );
    assert!(read.contains("[rule role.operations, request "), "{read}");
}

#[tokio::test]
async fn a_denied_client_in_the_middle_of_a_large_body_reads_why() {
    let rig = Rig::new("");
    let (read, ()) = rig
        .serve(
            "alice",
            async |mut client| {
                let head = "POST /v1.41/build HTTP/1.1\r\nHost: x\r\n\
                            Content-Type: application/x-tar\r\nContent-Length: 9000000\r\n\r\n";
                client.write_all(head.as_bytes()).await.unwrap();
                client.write_all(&vec![0; 5_000_000]).await.unwrap();
                rest(&mut client).await
            },
            async |_| (),
        )
        .await;
    assert!(read.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{read}");
    assert!(read.contains("\r\nConnection: close\r\n"), "{read}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_recorded_and_ends_the_connection() {
    let large = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 20));
    let cases = [
        ("GET /v1.41/info HTTP/1.1\nHost: x\n\n", "400", "head.line-ending"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "head.version"),
        ("BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", "501", "head.method"),
        (&large, "431", "head.too-large"),
        ("GET /v1.41/../info HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""),
    ];
    for (bytes, status, rule) in cases {
        let rig = Rig::new("");
        let read = rig.say("root", &format!("{bytes}{VERSION}")).await;
        assert!(read.starts_with(&format!("HTTP/1.1 {status} ")), "{read}");
        assert!(read.contains(rule), "{rule}: {read}");
        let outcomes = rig.outcomes(1).await;
        assert_eq!(outcomes[0]["status"].to_string(), status);
    }
}

#[tokio::test]
async fn a_judged_body_reaches_the_engine_as_it_was_judged() {
    let rig = Rig::new("");
    let body = "{ \"Image\" : \"x\",\"H\\u006fstname\":\"h\" }";
    let (_, received) = rig
        .serve(
            "root",
            async |mut client| {
                let head =
                    format!("{CREATE}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
                client.write_all(head.as_bytes()).await.unwrap();
                let go_on = read_until(&mut client, "\r\n\r\n").await;
                assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
                let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                client.write_all(chunk.as_bytes()).await.unwrap();
                read_until(&mut client, "\r\n\r\n{}").await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                let received = read_until(&mut engine, "}").await;
                let reply = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
                engine.write_all(reply).await.unwrap();
                received
            },
        )
        .await;
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"Image\":\"x\",\"Hostname\":\"h\"}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    assert!(!head.contains("Expect") && !head.contains("chunked"), "{head}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    let rig = Rig::new("[limits]\nbody_bytes = 65536");
    let head = format!("{CREATE}Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n");
    let read = rig.say("root", &head).await;
    assert!(read.starts_with("HTTP/1.1 413 "), "{read}");
    assert!(read.contains("larger than 65536 bytes"), "{read}");
}

#[tokio::test]
async fn the_decision_is_on_record_before_the_engine_hears_of_the_request() {
    let rig = Rig::new("");
    let (_, seen) = rig
        .serve(
            "alice",
            async |mut client| {
                client.write_all(VERSION.as_bytes()).await.unwrap();
                read_until(&mut client, "\r\n\r\n0").await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_until(&mut engine, "\r\n\r\n").await;
                let seen = rig.records();
                let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0";
                engine.write_all(reply).await.unwrap();
                seen
            },
        )
        .await;
    assert!(seen.iter().any(|record| record["operation"] == "SystemVersion"), "{seen:?}");
}

#[tokio::test]
async fn a_revocation_cuts_a_stream_and_the_engine_hears_of_it() {
    let rig = Rig::new("");
    let (read, ()) = rig
        .serve(
            "root",
            async |mut client| {
                client.write_all(LOGS.as_bytes()).await.unwrap();
                let mut read = read_until(&mut client, "first\r\n").await;
                let target = "root".to_owned();
                let reason = Reason::KeyCompromise;
                let force = crate::state::call::Force::Yes;
                rig.gate.change(StateCall::Revoke { target, reason, force }).unwrap();
                read += &rest(&mut client).await;
                read
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_until(&mut engine, "\r\n\r\n").await;
                let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
                engine.write_all(reply.as_bytes()).await.unwrap();
                rest(&mut engine).await;
            },
        )
        .await;
    assert!(!read.contains("0\r\n\r\n"), "cut, not ended: {read}");
    let outcomes = rig.outcomes(1).await;
    assert_eq!(outcomes[0]["ending"], "cut", "{outcomes:?}");
    assert_eq!(outcomes.len(), 1);
}

#[tokio::test]
async fn a_drain_ends_idle_connections_and_lets_an_exchange_finish() {
    let rig = Rig::new("");
    let (read, ()) = rig
        .serve(
            "alice",
            async |mut client| {
                client.write_all(VERSION.as_bytes()).await.unwrap();
                rest(&mut client).await
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_until(&mut engine, "\r\n\r\n").await;
                rig.gate.draining.cancel();
                let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0";
                engine.write_all(reply).await.unwrap();
            },
        )
        .await;
    assert!(read.ends_with("\r\n\r\n0"), "{read}");
    let idle = async |mut client: UnixStream| rest(&mut client).await;
    assert_eq!(rig.serve("alice", idle, async |_| ()).await.0, "");
}

#[tokio::test]
async fn silence_and_slowness_end_a_connection() {
    let rig = Rig::new("[limits]\nidle = \"1s\"\nrequest_head = \"1s\"");
    let silent = async |mut client: UnixStream| rest(&mut client).await;
    assert_eq!(rig.serve("alice", silent, async |_| ()).await.0, "");
    let slow = async |mut client: UnixStream| {
        client.write_all(b"GET /v1.41/info HTTP/1.1\r\n").await.unwrap();
        rest(&mut client).await
    };
    let read = rig.serve("alice", slow, async |_| ()).await.0;
    assert!(read.starts_with("HTTP/1.1 408 ") && read.contains("head.too-slow"), "{read}");
}

fn set_role(rig: &Rig, name: &str, role: &str) {
    let call = StateCall::SetIdentity {
        name: Name::parse(name).unwrap(),
        kind: None,
        roles: Some(vec![role.into()]),
        ttl: None,
        from: None,
        matches: None,
        ssh: SshChange::default(),
        group: None,
        force: crate::state::call::Force::Yes,
    };
    rig.gate.change(call).unwrap();
}

#[tokio::test]
async fn a_role_that_is_lowered_cuts_the_stream_that_it_allowed() {
    let rig = Rig::new("");
    let (read, ()) = rig
        .serve(
            "root",
            async |mut client| {
                client.write_all(LOGS.as_bytes()).await.unwrap();
                let mut read = read_until(&mut client, "first\r\n").await;
                set_role(&rig, "root", "operator");
                set_role(&rig, "root", "viewer");
                read += &rest(&mut client).await;
                read
            },
            async |listener| {
                let mut engine = listener.accept().await.unwrap().0;
                read_until(&mut engine, "\r\n\r\n").await;
                let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
                engine.write_all(reply.as_bytes()).await.unwrap();
                rest(&mut engine).await;
            },
        )
        .await;
    assert!(!read.contains("0\r\n\r\n"), "cut, not ended: {read}");
    assert_eq!(rig.outcomes(1).await[0]["ending"], "cut");
}

#[tokio::test]
async fn a_client_that_says_more_than_it_may_behind_a_stream_is_not_forgotten() {
    let rig = Rig::new("");
    rig.serve(
        "root",
        async |mut client| {
            let early = VERSION.repeat(1000);
            client.write_all(LOGS.as_bytes()).await.unwrap();
            read_until(&mut client, "\r\n\r\n").await;
            // It may be gone before all of it is written.
            let _ = client.write_all(early.as_bytes()).await;
        },
        async |listener| {
            let mut engine = listener.accept().await.unwrap().0;
            read_until(&mut engine, "\r\n\r\n").await;
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            engine.write_all(head).await.unwrap();
            // The engine, silent as an idle log, is told.
            rest(&mut engine).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_revocation_is_not_undone_by_a_change_at_the_same_moment() {
    let rig = Rig::new("");
    let gate = &rig.gate;
    for round in 0..40 {
        let name = format!("b{round}");
        gate.change(StateCall::AddIdentity {
            name: Name::parse(&name).unwrap(),
            kind: Kind::Person,
            roles: vec!["viewer".into()],
            ttl: None,
            from: Vec::new(),
            matches: Vec::new(),
            ssh: SshChange::default(),
            group: None,
            request: None,
            invite: None,
        })
        .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3).for_each(|_| gate.refresh().unwrap()));
            let (target, reason) = (name.clone(), Reason::KeyCompromise);
            let force = crate::state::call::Force::No;
            scope.spawn(move || gate.change(StateCall::Revoke { target, reason, force }).unwrap());
        });
        let credential = Credential::Socket { identity: name, uid: 0 };
        gate.snapshot.load().authorize(&credential, &Peer::local()).unwrap_err();
    }
}

#[tokio::test]
async fn a_full_disk_keeps_nobody_in() {
    let disk = tempfile::tempdir().unwrap();
    let tool = |name: &str, args: &[&str]| {
        std::process::Command::new(name).args(args).arg(disk.path()).status().unwrap().success()
    };
    assert!(tool("mount", &["-t", "tmpfs", "-o", "size=128k", "tmpfs"]), "run this as root");
    let rig = Rig::new(&format!("[audit]\ndir = \"{}/audit\"", disk.path().display()));
    // As much as fits.
    let _ = fs::write(disk.path().join("ballast"), vec![0; 1 << 20]);
    let accept = || rig.gate.change(StateCall::AcceptClock);
    let refused = (0..1000).find_map(|_| accept().err()).expect("the disk is full");
    assert!(refused.to_string().contains("No space left"), "{refused}");

    let (target, reason) = ("alice".to_owned(), Reason::KeyCompromise);
    let force = crate::state::call::Force::No;
    rig.gate.change(StateCall::Revoke { target, reason, force }).unwrap();
    let credential = Credential::Socket { identity: "alice".to_owned(), uid: 0 };
    rig.gate.snapshot.load().authorize(&credential, &Peer::local()).unwrap_err();
    drop(rig);
    assert!(tool("umount", &["-l"]));
}
