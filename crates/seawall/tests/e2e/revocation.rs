//! What a revoked identity has open is cut, and nothing opens again.

use std::path::Path;
use std::process::Command;

use crate::support::client::{Docker, Side};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::{Done, Running};
use crate::support::raw::request;
use crate::support::wait::{LONG, SHORT, until};

#[test]
fn revoking_cuts_open_logs_exec_and_events() {
    let gate = Gate::up(&Engine::shared().socket());
    let admin = Side::Engine.docker();
    let script = "while :; do echo line; sleep 0.05; done";
    let container = admin.container("talking", ["busybox", "sh", "-c", script]);
    let alice = gate.docker_as("alice", "admin");
    let bob = gate.docker_as("bob", "admin");
    let logs = alice.start(["logs", "-f", &container.name]);
    let mut exec = alice.open(["exec", "-i", &container.name, "cat"]);
    exec.write(b"hello\n");
    let silent = alice.open(["exec", "-i", &container.name, "sleep", "1000"]);
    let events = alice.events();
    let bobs_logs = bob.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("line");
    exec.stdout.wait_for("hello");
    bobs_logs.stdout.wait_for("line");

    gate.run(["revoke", "alice", "--reason", "affiliation-changed"]).ok();
    for running in [logs, exec, silent, events] {
        running.wait();
    }
    gate.cut_within_a_second_of("revoke", 4);
    alice.run(["ps"]).fails();
    // Nobody else was touched.
    bob.run(["ps"]).ok();
    let so_far = bobs_logs.stdout.text().len();
    until(SHORT, String::new, || bobs_logs.stdout.text().len() > so_far);
}

#[test]
fn a_kept_alive_connection_serves_no_further_request() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "viewer");
    let mut connection = gate.connect(&alice);
    connection.send(request("GET", "/v1.41/containers/json"));
    assert_eq!(connection.answer("GET").status, 200);
    gate.run(["revoke", "alice"]).ok();
    // The gate may have closed already; then even writing fails.
    let _ = connection.try_send(request("GET", "/v1.41/containers/json").as_bytes());
    let answer = connection.try_answer("GET");
    assert!(!answer.as_ref().is_ok_and(|answer| answer.status == 200), "{answer:?}");
}

#[test]
fn a_revoked_identity_resumes_no_session() {
    let gate = Gate::up_with(&Engine::shared().socket(), "[tls]\nmin_version = \"1.2\"");
    let alice = gate.credentials("alice", "viewer");
    let kept = tempfile::tempdir().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let session = kept.path().join(format!("session{version}"));
        let first = s_client(&gate, &alice, &[version, "-sess_out", session.to_str().unwrap()]);
        assert!(first.stdout.contains("HTTP/1.1 200"), "{first}");
        // Even before a revocation nothing is resumed: a resumed session skips the verifier.
        if session.exists() {
            let again = s_client(&gate, &alice, &[version, "-sess_in", session.to_str().unwrap()]);
            assert!(!again.stdout.contains("Reused, "), "{again}");
        }
    }
    gate.run(["revoke", "alice"]).ok();
    for version in ["-tls1_3", "-tls1_2"] {
        let session = kept.path().join(format!("session{version}"));
        let resume = [version, "-sess_in", session.to_str().unwrap()];
        let args = if session.exists() { &resume[..] } else { &resume[..1] };
        let after = s_client(&gate, &alice, args);
        assert!(!after.stdout.contains("HTTP/1.1"), "{after}");
    }
}

// A whole request over `openssl s_client`; that the gate closes ends it.
fn s_client(gate: &Gate, credentials: &Path, args: &[&str]) -> Done {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &gate.address().to_string(), "-ign_eof"]);
    for (flag, file) in [("-CAfile", "ca.pem"), ("-cert", "cert.pem"), ("-key", "key.pem")] {
        command.arg(flag).arg(credentials.join(file));
    }
    command.args(args);
    let mut running = Running::spawn(command, std::process::Stdio::piped());
    running.write(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    running.wait()
}

#[test]
fn one_certificate_of_an_identity_is_revoked_by_its_serial() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "viewer");
    let bob = gate.docker_as("bob", "viewer");
    let docker = Docker::first(gate.env(&alice));
    docker.run(["ps"]).ok();
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-serial", "-in"]).arg(alice.join("cert.pem"));
    let serial = Running::start(openssl).wait().ok();
    let serial = serial.strip_prefix("serial=").unwrap();
    gate.run(["revoke", serial]).ok();
    docker.run(["ps"]).fails();
    bob.run(["ps"]).ok();
    // A standard CRL says so as well.
    let crl = gate.run(["ca", "crl"]).ok();
    let mut openssl = Command::new("openssl");
    openssl.args(["crl", "-noout", "-text"]);
    let mut running = Running::spawn(openssl, std::process::Stdio::piped());
    running.write(crl.as_bytes());
    let text = running.wait().ok();
    assert!(text.contains(serial.trim_start_matches('0')), "{serial} in {text}");
}

#[test]
fn a_killed_session_is_cut_and_may_come_back() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.docker_as("alice", "viewer");
    let events = alice.events();
    let listed = gate.run(["sessions", "--json"]).ok();
    let sessions: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = sessions.to_string();
    assert!(id.contains("SystemEvents"), "{listed}");
    let first = sessions.as_array().or(sessions["sessions"].as_array()).unwrap()[0].clone();
    gate.run(["sessions", "kill", first["id"].as_str().unwrap()]).ok();
    events.wait();
    gate.cut_within_a_second_of("session.kill", 1);
    alice.run(["ps"]).ok();
}

#[test]
fn two_clients_at_once_do_not_disturb_each_other() {
    let gate = Gate::up(&Engine::shared().socket());
    let admin = Side::Engine.docker();
    let container = admin.idle_container("shared");
    let clients = [gate.docker_as("alice", "admin"), gate.docker_as("bob", "admin")];
    let mut open: Vec<_> =
        clients.iter().map(|docker| docker.open(["exec", "-i", &container.name, "cat"])).collect();
    let data: Vec<Vec<u8>> = (0..2_u8)
        .map(|who| (0..4_u32 << 18).flat_map(|n| [who, (n >> 8) as u8, n as u8, b'\n']).collect())
        .collect();
    for part in 0..8 {
        for (running, data) in open.iter_mut().zip(&data) {
            let size = data.len() / 8;
            running.write(&data[part * size..][..size]);
        }
    }
    for (mut running, data) in open.into_iter().zip(&data) {
        drop(running.stdin.take());
        until(LONG, || running.stderr.text(), || running.stdout.ended());
        assert!(running.stdout.bytes() == *data);
        running.wait().ok();
    }
}

#[test]
fn a_configuration_in_the_middle_of_an_edit_does_not_keep_a_revocation_from_the_gate() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.docker_as("alice", "viewer");
    alice.run(["ps"]).ok();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    std::fs::write(gate.config(), format!("listen = [\n{config}")).unwrap();
    gate.run(["revoke", "alice"]).ok();
    alice.run(["ps"]).fails();
}
