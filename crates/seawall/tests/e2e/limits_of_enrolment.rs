//! Every bound of whoever asks for a certificate, hit from outside, with the metric that counts it.

use std::fs;

use crate::support::client::Docker;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::Done;
use crate::support::raw::Connection;

fn gate(limits: &str) -> Gate {
    Gate::up_with(&Engine::shared().socket(), &format!("[limits]\n{limits}"))
}

// An invitation of a new identity.
fn invitation(gate: &Gate, name: &str) -> String {
    let said = gate.run(["identity", "add", name, "--role", "viewer", "--invite"]).ok();
    let word = said.split_ascii_whitespace().find(|word| word.starts_with("seawall1."));
    word.unwrap_or_else(|| panic!("no invitation in {said}")).to_owned()
}

// `seawall join` on a machine of its own: each has another key.
fn join(gate: &Gate, invitation: &str) -> Done {
    let docker = Docker::first(Vec::new());
    let config = docker.config().display().to_string();
    gate.run(["join", invitation, "--name", "gate", "--docker-config", &config])
}

#[track_caller]
fn is_busy(done: Done) {
    let (code, said) = done.fails();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("too many failed attempts"), "{said}");
}

#[test]
fn failures_of_one_address() {
    let gate = gate("enrolment_failures_per_address = 2");
    let used = invitation(&gate, "alice");
    join(&gate, &used).ok();
    join(&gate, &used).fails();
    join(&gate, &used).fails();
    is_busy(join(&gate, &used));
    is_busy(join(&gate, &invitation(&gate, "bob")));
    gate.hits("enrolment_failures_per_address");
}

#[test]
fn failures_in_all() {
    // One more is let in each second; a join takes less, but not always on a busy machine.
    let gate = gate("enrolment_failures = 1\nenrolment_failures_per_address = 100");
    let used = invitation(&gate, "alice");
    join(&gate, &used).ok();
    crate::support::wait::until(
        crate::support::wait::SHORT,
        || "never too many".to_owned(),
        || join(&gate, &used).fails().1.contains("too many failed attempts"),
    );
    gate.hits("enrolment_failures");
}

#[test]
fn attempts_of_one_invitation() {
    let gate = gate("invitation_attempts = 2");
    let used = invitation(&gate, "alice");
    join(&gate, &used).ok();
    join(&gate, &used).fails();
    join(&gate, &used).fails();
    gate.hits("invitation_attempts");
    join(&gate, &invitation(&gate, "bob")).ok();
}

#[test]
fn certificates_within_an_hour() {
    let gate = gate("certificates_per_hour = 3");
    let alice = gate.credentials("alice", "viewer");
    // While the CA is being rotated, one of the old CA is renewed at any time.
    gate.run(["ca", "rotate"]).ok();
    let renew_a_copy = || {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(&alice).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let folder = copy.path().to_str().unwrap();
        gate.run(["renew", "--cert-path", folder, "--force"])
    };
    renew_a_copy().ok();
    renew_a_copy().ok();
    let (_, said) = renew_a_copy().fails();
    assert!(said.contains("3 certificates within the hour"), "{said}");
    gate.hits("certificates_per_hour");
}

#[test]
fn bytes_of_a_head_and_of_a_body() {
    for (head, body) in [("x".repeat(9000), String::new()), (String::new(), "x".repeat(8193))] {
        let gate = gate("enrolment_bytes = \"8KiB\"");
        let alice = gate.credentials("alice", "viewer");
        let mut stranger = Connection::enrol(gate.address(), &alice);
        let length = body.len();
        let request = format!(
            "POST /join HTTP/1.1\r\nHost: gate\r\nX-A: {head}\r\nContent-Length: {length}\r\n\r\n"
        );
        // It may have closed before the end.
        let _ = stranger.try_send(request.as_bytes());
        let _ = stranger.try_send(body.as_bytes());
        gate.hits("enrolment_bytes");
    }
}

#[test]
fn time_of_a_visit() {
    let gate = gate("enrolment = \"1s\"");
    let alice = gate.credentials("alice", "viewer");
    let mut stranger = Connection::enrol(gate.address(), &alice);
    stranger.send("POST /join HTTP/1.1\r\nHost: gate\r\n");
    assert!(stranger.is_closed());
    gate.hits("enrolment");
}
