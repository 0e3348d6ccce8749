//! What clients other than today's command line do on the wire, byte by byte.

use std::io::Read;

use crate::support::client::{Docker, Side};
use crate::support::on_both_sides;
use crate::support::raw::{Connection, post_json, request};

on_both_sides!(
    ping_answers_get_and_head_with_the_versions,
    unversioned_paths_work,
    a_version_too_new_is_refused_and_the_floor_works,
    many_requests_share_one_connection,
    attach_upgrades_with_101,
    attach_without_upgrade_is_a_raw_stream,
    exec_upgrades_with_101_and_half_closes,
    exec_without_upgrade_is_a_raw_stream,
    attach_over_a_websocket,
    expect_100_continue_is_answered_when_the_body_is_read,
    a_chunked_upload_of_odd_chunks_arrives_whole,
    head_of_an_archive_has_the_path_stat,
    wait_sends_its_head_at_once,
    session_upgrades_to_h2c_and_the_engine_speaks_first,
    grpc_upgrades_to_h2c,
    json_of_a_charset_and_empty_bodies_are_taken,
);

fn ping_answers_get_and_head_with_the_versions(side: Side) {
    let mut connection = side.connect();
    for method in ["GET", "HEAD"] {
        for target in ["/_ping", "/v1.41/_ping"] {
            connection.send(request(method, target));
            let answer = connection.answer(method);
            assert_eq!(answer.status, 200);
            assert!(answer.header("api-version").is_some(), "{answer:?}");
            assert_eq!(answer.header("ostype"), Some("linux"));
            assert_eq!(answer.text(), if method == "GET" { "OK" } else { "" });
        }
    }
}

fn unversioned_paths_work(side: Side) {
    let mut connection = side.connect();
    for target in ["/version", "/info", "/containers/json", "/images/json", "/volumes"] {
        connection.send(request("GET", target));
        let answer = connection.answer("GET");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
    }
}

fn a_version_too_new_is_refused_and_the_floor_works(side: Side) {
    let mut connection = side.connect();
    connection.send(request("GET", "/v1.40/containers/json"));
    assert_eq!(connection.answer("GET").status, 200);
    connection.send(request("GET", "/v1.99/containers/json"));
    let answer = connection.answer("GET");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("1.99"), "{}", answer.text());
}

fn many_requests_share_one_connection(side: Side) {
    let mut connection = side.connect();
    for target in ["/v1.41/version", "/v1.41/containers/nobody/json", "/v1.41/networks"] {
        connection.send(request("GET", target));
        let status = connection.answer("GET").status;
        assert_eq!(status, if target.contains("nobody") { 404 } else { 200 });
    }
}

fn attach_upgrades_with_101(side: Side) {
    let docker = side.docker();
    let container = docker.cat_container("attach-101");
    let mut connection = side.connect();
    connection.send(attach(&container.id, "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("Upgrade: tcp"), "{head}");
    assert!(head.contains("application/vnd.docker.raw-stream"), "{head}");
    speak_and_half_close(&mut connection);
}

fn attach_without_upgrade_is_a_raw_stream(side: Side) {
    let docker = side.docker();
    let container = docker.cat_container("attach-200");
    let mut connection = side.connect();
    connection.send(attach(&container.id, ""));
    raw_stream_head(&connection.head().unwrap());
    speak_and_half_close(&mut connection);
}

fn exec_upgrades_with_101_and_half_closes(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("exec-101");
    let mut connection = side.connect();
    let id = exec(&mut connection, &container.id);
    connection.send(exec_start(&id, "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    speak_and_half_close(&mut connection);
}

fn exec_without_upgrade_is_a_raw_stream(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("exec-200");
    let mut connection = side.connect();
    let id = exec(&mut connection, &container.id);
    connection.send(exec_start(&id, ""));
    raw_stream_head(&connection.head().unwrap());
    speak_and_half_close(&mut connection);
}

fn attach_over_a_websocket(side: Side) {
    let docker = side.docker();
    let container = docker.container("attach-ws", ["-it", "busybox", "cat"]);
    let mut connection = side.connect();
    let query = "stream=1&stdin=1&stdout=1&stderr=1";
    connection.send(format!(
        "GET /v1.41/containers/{}/attach/ws?{query} HTTP/1.1\r\nHost: docker\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Origin: http://docker\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        container.id
    ));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The answer to RFC 6455's own example key.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    // A final text frame of six bytes, masked with zeros.
    connection.send(b"\x81\x86\0\0\0\0hello\n");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("hello") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

fn expect_100_continue_is_answered_when_the_body_is_read(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("continue");
    let tar = one_file_tar();
    let head = |id: &str| {
        format!(
            "PUT /v1.41/containers/{id}/archive?path=/root HTTP/1.1\r\nHost: docker\r\n\
             Content-Type: application/x-tar\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\n\r\n",
            tar.len()
        )
    };
    let mut connection = side.connect();
    connection.send(head(&container.id));
    let first = connection.head().unwrap();
    assert!(first.starts_with("HTTP/1.1 100 "), "{first}");
    connection.send(&tar);
    assert_eq!(connection.answer("PUT").status, 200);
    assert_eq!(read(&docker, &container.name), "text");
    // Refused without the body having been asked for.
    let mut connection = side.connect();
    connection.send(head("nobody"));
    assert_eq!(connection.answer("PUT").status, 404);
}

fn a_chunked_upload_of_odd_chunks_arrives_whole(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("chunked");
    let mut connection = side.connect();
    connection.send(format!(
        "PUT /v1.41/containers/{}/archive?path=/root HTTP/1.1\r\nHost: docker\r\n\
         Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
        container.id
    ));
    let mut rest = &one_file_tar()[..];
    for size in [1, 2, 509, 3].into_iter().cycle() {
        let (chunk, later) = rest.split_at(size.min(rest.len()));
        connection.send(format!("{:x}\r\n", chunk.len()));
        connection.send(chunk);
        connection.send("\r\n");
        rest = later;
        if chunk.is_empty() {
            break;
        }
    }
    assert_eq!(connection.answer("PUT").status, 200);
    assert_eq!(read(&docker, &container.name), "text");
}

fn head_of_an_archive_has_the_path_stat(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("stat");
    let mut connection = side.connect();
    let target = format!("/v1.41/containers/{}/archive?path=/bin/busybox", container.id);
    connection.send(request("HEAD", &target));
    let answer = connection.answer("HEAD");
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-docker-container-path-stat").is_some(), "{answer:?}");
}

fn wait_sends_its_head_at_once(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("waited-for");
    let mut connection = side.connect();
    connection.send(request("POST", &format!("/v1.41/containers/{}/wait", container.id)));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    docker.run(["kill", &container.name]).ok();
    let mut body = [0; 64];
    let mut seen = String::new();
    while !seen.contains("137") {
        let n = connection.read(&mut body).unwrap();
        assert!(n > 0, "ended after {seen}");
        seen += &String::from_utf8_lossy(&body[..n]);
    }
}

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn session_upgrades_to_h2c_and_the_engine_speaks_first(side: Side) {
    let mut connection = side.connect();
    connection.send(format!(
        "POST /v1.41/session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
         X-Docker-Expose-Session-Uuid: e2e-{side:?}\r\nX-Docker-Expose-Session-Name: test\r\n\
         X-Docker-Expose-Session-Sharedkey: \r\n\r\n"
    ));
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut preface = [0; 24];
    connection.read_exact(&mut preface).unwrap();
    assert_eq!(preface, H2_PREFACE);
}

fn grpc_upgrades_to_h2c(side: Side) {
    let mut connection = side.connect();
    connection.send(
        "POST /v1.41/grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    let head = connection.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    connection.send(H2_PREFACE);
    connection.send([0, 0, 0, 4, 0, 0, 0, 0, 0]); // an empty SETTINGS frame
    let mut frame = [0; 9];
    connection.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "the engine answers with its SETTINGS: {frame:?}");
}

fn json_of_a_charset_and_empty_bodies_are_taken(side: Side) {
    let mut connection = side.connect();
    let body = r#"{"Image":"busybox","Cmd":["true"]}"#;
    connection.send(format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = connection.answer("POST");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let id = made["Id"].as_str().unwrap();
    // docker-py sends `Content-Length: 0`, Go an empty chunked body or nothing.
    connection.send(format!(
        "POST /v1.41/containers/{id}/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(connection.answer("POST").status, 204);
    connection.send(format!(
        "POST /v1.41/containers/{id}/restart?t=0 HTTP/1.1\r\nHost: docker\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ));
    let answer = connection.answer("POST");
    assert_eq!(answer.status, 204, "{}", answer.text());
    connection.send(request("DELETE", &format!("/v1.41/containers/{id}?force=1")));
    assert_eq!(connection.answer("DELETE").status, 204);
}

fn attach(id: &str, headers: &str) -> String {
    let query = "stream=1&stdin=1&stdout=1&stderr=1";
    format!(
        "POST /v1.41/containers/{id}/attach?{query} HTTP/1.1\r\nHost: docker\r\n\
         Content-Type: text/plain\r\n{headers}\r\n"
    )
}

fn exec(connection: &mut Connection, container: &str) -> String {
    let body = r#"{"AttachStdin":true,"AttachStdout":true,"Cmd":["cat"]}"#;
    connection.send(post_json(&format!("/v1.41/containers/{container}/exec"), body));
    let answer = connection.answer("POST");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    made["Id"].as_str().unwrap().to_owned()
}

fn exec_start(id: &str, headers: &str) -> String {
    let body = r#"{"Detach":false,"Tty":false}"#;
    format!(
        "POST /v1.41/exec/{id}/start HTTP/1.1\r\nHost: docker\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn raw_stream_head(head: &str) {
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("application/vnd.docker.raw-stream"), "{head}");
    let lower = head.to_lowercase();
    assert!(!lower.contains("content-length") && !lower.contains("transfer-encoding"), "{head}");
}

// `cat` echoes it in frames of standard output, and ends only when its input does.
fn speak_and_half_close(connection: &mut Connection) {
    connection.send("hello\n");
    let mut frame = [0; 14];
    connection.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x01\0\0\0\0\0\0\x06hello\n");
    connection.send("last\n");
    connection.half_close();
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x01\0\0\0\0\0\0\x05last\n");
}

fn one_file_tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(4);
    tar.append_data(&mut header, "file", &b"text"[..]).unwrap();
    tar.into_inner().unwrap()
}

fn read(docker: &Docker, container: &str) -> String {
    docker.run(["exec", container, "cat", "/root/file"]).ok()
}
