//! Every bound, hit from outside, with the metric that counts it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::engine::Engine;
use crate::support::gate::{Gate, free_address};
use crate::support::raw::{Connection, post_json, request};
use crate::support::wait::{SHORT, until};

fn gate(limits: &str) -> Gate {
    Gate::up_with(&Engine::shared().socket(), &format!("[limits]\n{limits}"))
}

// A request over a new connection: its status, or `None` when the gate closed instead.
fn served(gate: &Gate, name: &str) -> Option<u16> {
    let mut connection = Connection::tls(gate.address(), &gate.folder_of(name)).ok()?;
    connection.try_send(request("GET", "/v1.41/containers/json").as_bytes()).ok()?;
    connection.try_answer("GET").ok().map(|answer| answer.status)
}

fn open(gate: &Gate, name: &str) -> Connection {
    let mut connection = gate.connect(&gate.folder_of(name));
    connection.send(request("GET", "/v1.41/containers/json"));
    assert_eq!(connection.answer("GET").status, 200);
    connection
}

#[test]
fn connections_in_all() {
    let gate = gate("connections = 2");
    gate.credentials("alice", "viewer");
    let kept = [open(&gate, "alice"), open(&gate, "alice")];
    assert_eq!(served(&gate, "alice"), None);
    gate.hits("connections");
    drop(kept);
    until(SHORT, || "no room again".to_owned(), || served(&gate, "alice") == Some(200));
}

#[test]
fn connections_of_one_address() {
    let gate = gate("connections_per_address = 2");
    gate.credentials("alice", "viewer");
    let kept = [open(&gate, "alice"), open(&gate, "alice")];
    assert_eq!(served(&gate, "alice"), None);
    gate.hits("connections_per_address");
    drop(kept);
    until(SHORT, || "no room again".to_owned(), || served(&gate, "alice") == Some(200));
}

#[test]
fn connections_of_one_identity() {
    let gate = gate("connections_per_identity = 2");
    gate.credentials("alice", "viewer");
    gate.credentials("bob", "viewer");
    let kept = [open(&gate, "alice"), open(&gate, "alice")];
    assert_ne!(served(&gate, "alice"), Some(200));
    gate.hits("connections_per_identity");
    assert_eq!(served(&gate, "bob"), Some(200));
    drop(kept);
    until(SHORT, || "no room again".to_owned(), || served(&gate, "alice") == Some(200));
}

#[test]
fn bytes_and_lines_of_a_head() {
    let gate = gate("header_bytes = 4096\nheaders = 16");
    gate.credentials("alice", "viewer");
    let head = |headers: &str| {
        format!("GET /v1.41/containers/json HTTP/1.1\r\nHost: docker\r\n{headers}\r\n")
    };
    let mut connection = gate.connect(&gate.folder_of("alice"));
    let used = head("X-A: \r\n").len();
    let fits = head(&format!("X-A: {}\r\n", "x".repeat(4096 - used)));
    connection.send(&fits);
    assert_eq!(connection.answer("GET").status, 200);
    connection.send(head(&format!("X-A: {}\r\n", "x".repeat(4097 - used))));
    assert_eq!(connection.answer("GET").status, 431);
    gate.hits("header_bytes");
    let mut connection = gate.connect(&gate.folder_of("alice"));
    connection.send(head(&"X-A: b\r\n".repeat(15)));
    assert_eq!(connection.answer("GET").status, 200);
    connection.send(head(&"X-A: b\r\n".repeat(16)));
    assert_eq!(connection.answer("GET").status, 431);
    gate.hits("headers");
}

#[test]
fn bytes_of_a_judged_body() {
    let gate = gate("body_bytes = 65536");
    gate.credentials("alice", "admin");
    let mut connection = gate.connect(&gate.folder_of("alice"));
    let body = |size: usize| {
        let body = r#"{"Image":"busybox","Labels":{"a":""}}"#;
        body.replace("\"\"", &format!("\"{}\"", "x".repeat(size - body.len())))
    };
    let create = "/v1.41/containers/create";
    connection.send(post_json(create, &body(65536)));
    let made = connection.answer("POST");
    assert_eq!(made.status, 201, "{}", made.text());
    let made: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    let remove = format!("/v1.41/containers/{}", made["Id"].as_str().unwrap());
    connection.send(request("DELETE", &remove));
    assert_eq!(connection.answer("DELETE").status, 204);
    connection.send(post_json(create, &body(65537)));
    assert_eq!(connection.answer("POST").status, 413);
    gate.hits("body_bytes");
}

#[test]
fn time_for_a_handshake() {
    let gate = gate("handshake = \"1s\"");
    let mut silent = TcpStream::connect(gate.address()).unwrap();
    // Closed or told, but no longer waited for.
    let _ = silent.read_to_end(&mut Vec::new());
    gate.hits("handshake");
}

#[test]
fn time_for_a_head() {
    let gate = gate("request_head = \"1s\"");
    gate.credentials("alice", "viewer");
    let mut connection = gate.connect(&gate.folder_of("alice"));
    connection.send("GET /v1.41/containers/json HTTP/1.1\r\nHost");
    let answer = connection.try_answer("GET");
    assert!(answer.as_ref().is_ok_and(|answer| answer.status == 408), "{answer:?}");
    gate.hits("request_head");
}

#[test]
fn time_between_requests() {
    let gate = gate("idle = \"1s\"");
    gate.credentials("alice", "viewer");
    let mut connection = open(&gate, "alice");
    assert!(connection.is_closed());
    gate.hits("idle");
}

#[test]
fn time_to_take_an_answer_and_end_a_body() {
    let gate = gate("answer = \"1s\"");
    gate.credentials("alice", "viewer");
    let mut connection = gate.connect(&gate.folder_of("alice"));
    let head = post_json("/v1.41/containers/create", &"x".repeat(100));
    connection.send(&head[..head.len() - 90]);
    assert_eq!(connection.answer("POST").status, 403);
    assert!(connection.is_closed());
    gate.hits("answer");
}

#[test]
fn time_to_close() {
    let gate = gate("linger = \"1s\"");
    gate.credentials("alice", "viewer");
    let mut connection = gate.connect(&gate.folder_of("alice"));
    connection.send("GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    assert_eq!(connection.answer("GET").status, 200);
    // The client has read the end, and keeps its own side open.
    gate.hits("linger");
}

#[test]
fn time_to_reach_the_engine() {
    let gate = gate("connect_engine = \"1s\"");
    let alice = gate.credentials("alice", "viewer");
    // Connections wait in its backlog, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = fs::read_to_string(gate.config()).unwrap();
    let here = format!("unix://{}", Engine::shared().socket().display());
    let there = format!("tcp://{}", silent.local_addr().unwrap());
    let file = |name: &str| alice.join(name).display().to_string();
    let moved = format!(
        "{}\n[upstream_tls]\nca = {:?}\ncert = {:?}\nkey = {:?}\n",
        config.replace(&here, &there),
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem"),
    );
    fs::write(gate.config(), moved).unwrap();
    gate.run(["reload"]).ok();
    assert_eq!(served(&gate, "alice"), Some(502));
    gate.hits("connect_engine");
}

#[test]
fn connections_for_metrics() {
    let address = free_address();
    let gate = Gate::up_with(
        &Engine::shared().socket(),
        &format!("[limits]\nmetrics_connections = 1\n[admin]\nunsafe_metrics = \"{address}\""),
    );
    let ask = || {
        let mut client = TcpStream::connect(address).unwrap();
        let mut answer = String::new();
        // It may have closed already.
        let _ = client.write_all(request("GET", "/metrics").as_bytes());
        let _ = client.read_to_string(&mut answer);
        answer
    };
    assert!(ask().contains("seawall_limit_hits_total"), "{}", ask());
    let kept = TcpStream::connect(address).unwrap();
    until(SHORT, || "it is answered".to_owned(), || ask().is_empty());
    gate.hits("metrics_connections");
    drop(kept);
    until(SHORT, || "no room again".to_owned(), || !ask().is_empty());
}

#[test]
fn silence_in_a_stream_is_no_idleness() {
    let gate = gate("idle = \"1s\"");
    let docker = gate.docker_as("alice", "admin");
    let script = "echo begun; sleep 3; echo over";
    let done = docker.run(["run", "--rm", "busybox", "sh", "-c", script]);
    assert_eq!(done.ok(), "begun\nover");
}

#[test]
fn a_network_that_a_reload_takes_away_is_cut_off() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "viewer");
    let events = docker.start(["events"]);
    until(SHORT, || gate.metrics(), || gate.metrics().contains("seawall_sessions 1\n"));
    let config = fs::read_to_string(gate.config()).unwrap();
    let config = format!("{config}\n[network]\nallow = [\"192.0.2.0/24\"]\n");
    fs::write(gate.config(), config).unwrap();
    gate.run(["reload"]).ok();
    events.wait();
    docker.run(["ps"]).fails();
}

#[test]
fn an_address_that_is_not_allowed_gets_no_handshake() {
    let gate = Gate::up_with(&Engine::shared().socket(), "[network]\nallow = [\"192.0.2.0/24\"]");
    let mut stranger = TcpStream::connect(gate.address()).unwrap();
    let _ = stranger.write_all(b"\x16\x03\x01");
    let mut answer = Vec::new();
    let _ = stranger.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{answer:?}");
    until(
        SHORT,
        || gate.metrics(),
        || {
            let refused = "seawall_refused_connections_total{reason=\"address\"} ";
            gate.metrics()
                .lines()
                .any(|line| line.strip_prefix(refused).is_some_and(|count| count != "0"))
        },
    );
}

#[test]
fn what_a_role_allows_at_once() {
    let roles = "[roles.slow]\nextends = \"operator\"\nrate = 1\nburst = 3\n\
                 [roles.narrow]\nextends = \"operator\"\nstreams = 1\n";
    let gate = Gate::up_with(&Engine::shared().socket(), roles);
    gate.credentials("slow", "slow");
    let statuses: Vec<_> = (0..8).map(|_| served(&gate, "slow")).collect();
    // Counted over all connections; a slow machine may let a fourth pass in time.
    assert_eq!(statuses[..3], [Some(200); 3]);
    assert!(statuses.contains(&Some(429)), "{statuses:?}");
    let mut connection = gate.connect(&gate.folder_of("slow"));
    until(
        SHORT,
        || "never too many".to_owned(),
        || {
            connection.send(request("GET", "/v1.41/containers/json"));
            let answer = connection.answer("GET");
            assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
            answer.status == 429
                && answer.header("Retry-After") == Some("1")
                && answer.text().contains("seawall: slow (slow) may not make more requests")
        },
    );
    assert!(gate.metrics().contains("seawall_quota_hits_total{quota=\"rate\"}"));
    until(SHORT, || "no room again".to_owned(), || served(&gate, "slow") == Some(200));

    gate.credentials("narrow", "narrow");
    let watch = |connection: &mut Connection| {
        connection.send(request("GET", "/v1.41/events"));
        connection.head().unwrap()[9..12].parse::<u16>().unwrap()
    };
    let mut first = gate.connect(&gate.folder_of("narrow"));
    assert_eq!(watch(&mut first), 200);
    let mut second = gate.connect(&gate.folder_of("narrow"));
    assert_eq!(watch(&mut second), 429);
    assert_eq!(served(&gate, "narrow"), Some(200), "what is no stream is not bounded");
    drop(first);
    until(
        SHORT,
        || "the stream that ended still counts".to_owned(),
        || watch(&mut gate.connect(&gate.folder_of("narrow"))) == 200,
    );
    let refused = gate.records();
    let refused = refused.iter().find(|record| record["rule"] == "role.streams").unwrap();
    assert_eq!(refused["operation"], "SystemEvents");
}
