//! Requests that two readers could read two ways. The engine takes many of them: each case says
//! what it was seen to do with it. The gate refuses every one, and nothing of it reaches the
//! engine.

use crate::support::client::fresh;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::{Connection, post_json, request};
use crate::support::relay::Relay;

/// One request and what the bare engine does with it.
struct Case {
    what: String,
    bytes: Vec<u8>,
    /// The engine's status.
    engine: u16,
}

fn case(what: impl Into<String>, bytes: impl Into<Vec<u8>>, engine: u16) -> Case {
    Case { what: what.into(), bytes: bytes.into(), engine }
}

// Where a case hides a second request, this is it: the engine serves it to anybody, and the gate
// to nobody.
const HIDDEN: &str = "GET /debug/vars HTTP/1.1\r\nHost: docker\r\n\r\n";

/// Every spelling of a target but the one.
fn targets() -> Vec<Case> {
    let same_path_by_redirect = [
        "//containers/json",
        "/v1.41//containers/json",
        "/v1.41/./containers/json",
        "/v1.41/x/../containers/json",
        "/v1.41/%2e%2e/containers/json",
        "/..%2fcontainers/json",
        "/x/..%2fcontainers/json",
        "/v1.41/containers//json",
        "*",
    ];
    let same_path = [
        "/v1.41%2Fcontainers%2Fjson",
        "/%76%31.41/containers/json",
        "/v1%2e41/containers/json",
        "/v1.41/networks/",
        "http://evil/v1.41/containers/json",
        "http://u@h:99/v1.41/containers/json",
        "unix:///containers/json",
        "docker:/containers/json",
        "/debug/vars",
        "/debug/pprof/cmdline",
    ];
    let unknown = [
        "/v1.41/containers/json/",
        "/v1.41/containers/json;x=1",
        "/v1.41/containers/json%3Fall=1",
        "/v1.41/containers/json%00",
        "/v1.41/containers/json%0a",
        "/v1.41/containers/json#frag",
        "/v1.41\\containers\\json",
        "/v1.41/CONTAINERS/json",
        "/V1.41/containers/json",
        "/v1.41/v1.41/containers/json",
        "/v-1/containers/json",
        "/v/containers/json",
        "/latest/containers/json",
    ];
    let refused = [
        "/v1/containers/json",
        "/v1.4/containers/json",
        "/v1.11/containers/json",
        "/v1..41/containers/json",
        "/v1.41.1/containers/json",
        "containers/json",
        "/v1.41/containers/%zz/json",
        "/v1.41/containers/json?all=1;limit=1",
    ];
    let groups =
        [(&same_path_by_redirect[..], 301), (&same_path, 200), (&unknown, 404), (&refused, 400)];
    groups
        .into_iter()
        .flat_map(|(targets, status)| targets.iter().map(move |target| (target, status)))
        .map(|(target, status)| case(*target, request("GET", target), status))
        .collect()
}

/// Methods and versions of the protocol that no client of the Engine API uses.
fn request_lines() -> Vec<Case> {
    let line = |line: &str| format!("{line}\r\nHost: docker\r\n\r\n");
    let path = "/v1.41/containers/json";
    vec![
        case("TRACE", line(&format!("TRACE {path} HTTP/1.1")), 404),
        case("PATCH", line(&format!("PATCH {path} HTTP/1.1")), 404),
        case("get", line(&format!("get {path} HTTP/1.1")), 404),
        case("OPTIONS", line(&format!("OPTIONS {path} HTTP/1.1")), 200),
        case("CONNECT", line(&format!("CONNECT {path} HTTP/1.1")), 404),
        case("HTTP/1.2", line(&format!("GET {path} HTTP/1.2")), 200),
        case("HTTP/0.9", line(&format!("GET {path} HTTP/0.9")), 505),
        case("no version", format!("GET {path}\r\n\r\n"), 400),
        case("HTTP/2.0", line(&format!("GET {path} HTTP/2.0")), 505),
        case("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 301),
        case("an empty line first", format!("\r\n{}", request("GET", path)), 400),
        case("two spaces", line(&format!("GET  {path} HTTP/1.1")), 400),
        case("a tab", line(&format!("GET\t{path} HTTP/1.1")), 400),
        case("a space in the target", line("GET /v1.41/containers/json x HTTP/1.1"), 400),
        case("a byte over 127 in the target", line("GET /v1.41/containers/é/json HTTP/1.1"), 404),
    ]
}

/// Header fields that frame or name a message in more than one way.
fn headers() -> Vec<Case> {
    let with = |headers: &str| format!("GET /v1.41/containers/json HTTP/1.1\r\n{headers}\r\n\r\n");
    let host = |headers: &str| with(&format!("Host: docker\r\n{headers}"));
    let huge = "x".repeat(1_100_000);
    vec![
        case("no Host", "GET /v1.41/containers/json HTTP/1.1\r\n\r\n", 400),
        case("two Hosts", with("Host: docker\r\nHost: docker"), 400),
        case("a path as Host", with("Host: a/b"), 400),
        case("a foreign Origin", host("Origin: http://evil.example"), 200),
        case("a space before the colon", host("X-A : b"), 400),
        case("no colon", host("X-A"), 400),
        case("a NUL", host("X-A: a\0b"), 400),
        case("a bare carriage return", host("X-A: a\rb"), 400),
        case("a folded line", host("X-A: a\r\n b"), 200),
        case("bare line feeds", "GET /v1.41/containers/json HTTP/1.1\nHost: docker\n\n", 200),
        case("a megabyte of header", host(&format!("X-A: {huge}")), 431),
        case(
            "a long target",
            request("GET", &format!("/v1.41/containers/json?x={}", &huge[..900_000])),
            200,
        ),
    ]
}

/// Bodies whose length two readers could tell differently.
fn framing() -> Vec<Case> {
    let post = |headers: &str, body: &str| {
        format!("POST /v1.41/containers/prune HTTP/1.1\r\nHost: docker\r\n{headers}\r\n\r\n{body}")
    };
    let mut cases = vec![
        case(
            "Content-Length twice, alike",
            post("Content-Length: 0\r\nContent-Length: 0", ""),
            200,
        ),
        case(
            "Content-Length twice, unlike",
            post("Content-Length: 0\r\nContent-Length: 3", ""),
            400,
        ),
        case(
            "Content-Length and chunked",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked", 5 + HIDDEN.len()),
                "0\r\n\r\n",
            ) + HIDDEN,
            200,
        ),
        case(
            "chunked on HTTP/1.0",
            post("Transfer-Encoding: chunked", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"),
            200,
        ),
        case(
            "a chunk size of 17 digits",
            post("Transfer-Encoding: chunked", "00000000000000000\r\n\r\n"),
            200,
        ),
        case("a chunk size with 0x", post("Transfer-Encoding: chunked", "0x0\r\n\r\n"), 200),
    ];
    for length in ["0, 0", "+0", "-1", "0x3", "1e1"] {
        let what = format!("Content-Length: {length}");
        cases.push(case(what.clone(), post(&what, "0\r\n\r\n"), 400));
    }
    for coding in ["chunked, chunked", "gzip, chunked", "identity", "xchunked", "\x0bchunked"] {
        let what = format!("Transfer-Encoding: {coding}");
        cases.push(case(what.clone(), post(&what, "0\r\n\r\n"), 501));
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    cases.push(case("Transfer-Encoding twice", post(twice, "0\r\n\r\n"), 501));
    cases
}

/// Bodies that would override what the query says.
fn forms() -> Vec<Case> {
    let typed = |target: &str, media: &str, body: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: {media}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let form = "application/x-www-form-urlencoded";
    let multipart = "multipart/form-data; boundary=b";
    let part = "--b\r\nContent-Disposition: form-data; name=\"filters\"\r\n\r\n{}\r\n--b--\r\n";
    // All of them prune what carries a label that nothing carries.
    let filters = "/v1.41/volumes/prune?filters=%7B%22label%22%3A%5B%22nothing%22%5D%7D";
    let other = "filters=%7B%22label%22%3A%5B%22nothing-else%22%5D%7D";
    vec![
        case("a form", typed(filters, form, other), 200),
        case("a form in capitals", typed(filters, "Application/X-WWW-Form-URLencoded", other), 200),
        case("a multipart form", typed(filters, multipart, part), 200),
        case("a form without a body", typed(filters, form, ""), 200),
        case("the same query key twice", request("GET", "/v1.41/containers/json?all=0&all=1"), 200),
        case("a query key in capitals", request("GET", "/v1.41/containers/json?ALL=1"), 200),
        case("a bad escape in the query", request("GET", "/v1.41/containers/json?all=%zz"), 400),
    ]
}

/// JSON that Go's decoder reads in its own way. NAME stands for the container's name.
fn documents() -> Vec<(&'static str, String, u16)> {
    let deep = format!("{{\"Image\":\"busybox\",\"x\":{}1{}}}", "[".repeat(9000), "]".repeat(9000));
    let created = [
        (
            "Binds in capitals beside Binds",
            r#"{"Image":"busybox","HostConfig":{"Binds":[],"BINDS":["/:/host"]}}"#,
        ),
        (
            "two HostConfigs, the second in other case",
            r#"{"Image":"busybox","HostConfig":{"Privileged":false},"hOSTcONFIG":{"Privileged":true}}"#,
        ),
        (
            "two HostConfigs that merge",
            r#"{"Image":"busybox","hostconfig":{"PidMode":"host","Privileged":true},"HostConfig":{"Privileged":false}}"#,
        ),
        (
            "true, then null",
            r#"{"Image":"busybox","HostConfig":{"Privileged":true,"Privileged":null}}"#,
        ),
        (
            "an escaped second spelling",
            r#"{"Image":"busybox","HostConfig":{},"\u0048ostConfig":{"Pr\u0069vileged":true}}"#,
        ),
        (
            "a spelling by Unicode folding",
            "{\"Image\":\"busybox\",\"Labels\":{},\"Label\u{17f}\":{\"a\":\"b\"}}",
        ),
        ("the same label twice", r#"{"Image":"busybox","Labels":{"a":"1","a":"2"}}"#),
        ("a second document", r#"{"Image":"busybox"}{"HostConfig":{"Privileged":true}}"#),
        ("text after the document", r#"{"Image":"busybox"} and more"#),
    ];
    let refused = [
        ("a byte order mark", "\u{feff}{\"Image\":\"busybox\"}", 500),
        ("an array", r#"[{"Image":"busybox"}]"#, 500),
    ];
    created
        .into_iter()
        .map(|(what, body)| (what, body.to_owned(), 201))
        .chain(refused.map(|(what, body, status)| (what, body.to_owned(), status)))
        .chain([("nine thousand brackets", deep, 201)])
        .collect()
}

fn documents_as_requests() -> Vec<(String, Case)> {
    let mut cases: Vec<_> = documents()
        .into_iter()
        .map(|(what, body, status)| {
            let name = fresh("ambiguous");
            let target = format!("/v1.41/containers/create?name={name}");
            (name, case(what, post_json(&target, &body), status))
        })
        .collect();
    let name = fresh("ambiguous");
    let mut invalid = post_json(
        &format!("/v1.41/containers/create?name={name}"),
        r#"{"Image":"busybox","Labels":{"a":"?"}}"#,
    )
    .into_bytes();
    let at = invalid.iter().rposition(|&byte| byte == b'?').unwrap();
    invalid[at] = 0xff;
    cases.push((name, case("bytes that are no UTF-8", invalid, 201)));
    cases
}

#[test]
fn the_engine_takes_most_of_them() {
    let engine = Engine::start();
    let mut wrong = Vec::new();
    let cases = [targets(), request_lines(), headers(), framing(), forms()].into_iter().flatten();
    for case in cases.chain(documents_as_requests().into_iter().map(|(_, case)| case)) {
        let mut connection = Connection::unix(&engine.socket());
        // The engine may answer and close before it has read a megabyte.
        let _ = connection.try_send(&case.bytes);
        match connection.try_answer("GET") {
            Ok(answer) if answer.status == case.engine => {}
            Ok(answer) => {
                wrong.push(format!("{}: {}, not {}", case.what, answer.status, case.engine))
            }
            Err(error) => wrong.push(format!("{}: {error}, not {}", case.what, case.engine)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_gate_refuses_every_one_and_the_engine_hears_nothing() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::up(&relay.socket());
    let admin = gate.credentials("alice", "admin");
    relay.heard();
    let mut wrong = Vec::new();
    let cases = [targets(), request_lines(), headers(), framing(), forms()].into_iter().flatten();
    for case in cases.chain(documents_as_requests().into_iter().map(|(_, case)| case)) {
        let mut connection = gate.connect(&admin);
        let _ = connection.try_send(&case.bytes);
        match connection.try_answer("GET") {
            Ok(answer) if matches!(answer.status, 400..=499 | 501 | 505) => {
                if !answer.text().contains("seawall: ") {
                    wrong.push(format!("{}: {}", case.what, answer.text()));
                }
            }
            Ok(answer) => wrong.push(format!("{}: {}", case.what, answer.status)),
            Err(error) => wrong.push(format!("{}: {error}", case.what)),
        }
        let heard = relay.heard();
        if !heard.is_empty() {
            wrong.push(format!("{}: the engine heard {heard:.300}", case.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn escapes_that_mean_one_thing_are_spelled_out_for_the_engine() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::up(&relay.socket());
    let viewer = gate.credentials("alice", "viewer");
    for target in ["/v1.41/containers%2Fjson", "/v1.41/%63ontainers/json?%61ll=1"] {
        let mut connection = gate.connect(&viewer);
        relay.heard();
        connection.send(request("GET", target));
        assert_eq!(connection.answer("GET").status, 200);
        let heard = relay.heard();
        assert!(heard.starts_with("GET /v1.41/containers/json"), "{heard}");
        assert!(!heard.contains('%'), "{heard}");
    }
}

#[test]
fn the_engine_merges_duplicate_objects() {
    let engine = Engine::start();
    let mut connection = Connection::unix(&engine.socket());
    let body = r#"{"Image":"busybox",
        "hostconfig":{"PidMode":"host","Binds":["/etc:/e"],"Privileged":true},
        "HostConfig":{"Privileged":false}}"#;
    connection.send(post_json("/v1.41/containers/create?name=merged", body));
    assert_eq!(connection.answer("POST").status, 201);
    connection.send(request("GET", "/v1.41/containers/merged/json"));
    let made: serde_json::Value = serde_json::from_slice(&connection.answer("GET").body).unwrap();
    assert_eq!(made["HostConfig"]["Privileged"], false);
    assert_eq!(made["HostConfig"]["PidMode"], "host");
    assert_eq!(made["HostConfig"]["Binds"][0], "/etc:/e");
}

#[test]
fn the_engine_lets_a_form_override_the_query() {
    let engine = Engine::start();
    let mut connection = Connection::unix(&engine.socket());
    connection.send(post_json("/v1.41/containers/create?name=before", r#"{"Image":"busybox"}"#));
    assert_eq!(connection.answer("POST").status, 201);
    connection.send(
        "POST /v1.41/containers/before/rename?name=asked HTTP/1.1\r\nHost: docker\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nname=other",
    );
    assert_eq!(connection.answer("POST").status, 204);
    connection.send(request("GET", "/v1.41/containers/other/json"));
    assert_eq!(connection.answer("GET").status, 200);
}

/// Requests for an upgrade that the engine declines, with a hidden request behind each.
fn declined_upgrades(exec: &str) -> Vec<(&'static str, String, u16)> {
    let upgrade = |target: &str, protocol: &str, body: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}{HIDDEN}",
            body.len()
        )
    };
    let websocket = format!(
        "GET /v1.41/containers/nobody/attach/ws HTTP/1.1\r\nHost: docker\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{HIDDEN}"
    );
    let plain = format!(
        "GET /v1.41/version HTTP/1.1\r\nHost: docker\r\n\
         Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n{HIDDEN}"
    );
    let detach = r#"{"Detach":true,"Tty":false}"#;
    let start = format!("/v1.41/exec/{exec}/start");
    let unknown = "/v1.41/exec/0123456789/start";
    vec![
        ("a detached exec", upgrade(&start, "tcp", detach), 200),
        ("an unknown exec", upgrade(unknown, "tcp", r#"{"Detach":false}"#), 404),
        ("/grpc over tcp", upgrade("/v1.41/grpc", "tcp", ""), 500),
        ("a websocket to nobody", websocket, 404),
        ("a plain GET", plain, 200),
    ]
}

fn idle_exec(connection: &mut Connection) -> String {
    let created = |connection: &mut Connection, target: &str, body: &str| {
        connection.send(post_json(target, body));
        let answer = connection.answer("POST");
        assert_eq!(answer.status, 201, "{}", answer.text());
        let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        made["Id"].as_str().unwrap().to_owned()
    };
    let body = r#"{"Image":"busybox","Cmd":["sleep","1000"]}"#;
    let id = created(connection, "/v1.41/containers/create", body);
    connection.send(request("POST", &format!("/v1.41/containers/{id}/start")));
    assert_eq!(connection.answer("POST").status, 204);
    created(connection, &format!("/v1.41/containers/{id}/exec"), r#"{"Cmd":["true"]}"#)
}

#[test]
fn the_engine_serves_what_follows_an_upgrade_that_it_declined() {
    let engine = Engine::start();
    let exec = idle_exec(&mut Connection::unix(&engine.socket()));
    for (what, bytes, status) in declined_upgrades(&exec) {
        let mut connection = Connection::unix(&engine.socket());
        connection.send(bytes);
        assert_eq!(connection.answer("GET").status, status, "{what}");
        let hidden = connection.answer("GET");
        assert!(hidden.text().contains("cmdline"), "{what}: {hidden:?}");
    }
}

#[test]
fn the_gate_forwards_nothing_that_hides_behind_an_upgrade() {
    let relay = Relay::to(&Engine::shared().socket());
    let gate = Gate::up(&relay.socket());
    let admin = gate.credentials("alice", "admin");
    let exec = idle_exec(&mut gate.connect(&admin));
    for (what, bytes, _) in declined_upgrades(&exec) {
        let mut connection = gate.connect(&admin);
        connection.send(bytes);
        // Whatever the gate answers, the hidden request is read as one of its own and refused, or
        // not read at all.
        let first = connection.try_answer("GET");
        assert!(first.is_ok(), "{what}: {first:?}");
        if let Ok(second) = connection.try_answer("GET") {
            assert!(!second.text().contains("cmdline"), "{what}: {second:?}");
            assert!(second.text().contains("seawall: "), "{what}: {second:?}");
        }
    }
    assert!(!relay.heard().contains("/debug/"));
}
