//! The gate as it becomes a new binary.

use std::fs;
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::support::client::Side;
use crate::support::engine::Engine;
use crate::support::gate::{Gate, free_address};
use crate::support::wait::{SHORT, until};

fn until_it_said(gate: &Gate, words: &str, times: usize) {
    until(
        SHORT,
        || format!("it does not say `{words}` {times} times"),
        || fs::read_to_string(gate.log()).unwrap().matches(words).count() == times,
    );
}

#[test]
fn an_upgrade_lets_streams_finish_and_turns_no_client_away() {
    let admin = Side::Engine.docker();
    let container = admin.container(
        "upgrading",
        ["busybox", "sh", "-c", "echo begun; until [ -e /go ]; do sleep 0.05; done; echo over"],
    );
    let gate = Gate::up(&Engine::shared().socket());
    let docker = gate.docker_as("alice", "admin");
    let logs = docker.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("begun");

    gate.signal(Signal::SIGUSR2);
    until_it_said(&gate, "stopping: no new requests", 1);
    let early = docker.start(["ps"]);
    TcpStream::connect(gate.address()).expect("whoever comes meanwhile waits");
    admin.run(["exec", &container.name, "touch", "/go"]);
    assert_eq!(logs.wait().ok(), "begun\nover");
    early.wait().ok();
    until_it_said(&gate, "\"serving\"", 2);
    gate.run(["log", "verify"]).ok();
}

#[test]
fn an_upgrade_takes_over_other_listeners_and_an_invalid_configuration_refuses_it() {
    let gate = Gate::up(&Engine::shared().socket());
    let old = fs::read_to_string(gate.config()).unwrap();

    fs::write(gate.config(), format!("{old}\nno_such_key = 1\n")).unwrap();
    gate.signal(Signal::SIGUSR2);
    until_it_said(&gate, "upgrade refused", 1);
    TcpStream::connect(gate.address()).expect("the old version serves on");

    let other = free_address();
    let moved = old.replace(&gate.address().to_string(), &other.to_string());
    fs::write(gate.config(), moved).unwrap();
    let (_, said) = gate.run(["reload"]).fails();
    assert!(said.contains("SIGUSR2"), "{said}");
    gate.signal(Signal::SIGUSR2);
    until(
        SHORT,
        || format!("it does not listen on {other} alone"),
        || TcpStream::connect(other).is_ok() && TcpStream::connect(gate.address()).is_err(),
    );
}

#[test]
fn an_upgrade_of_up_serves_what_the_file_says_by_now() {
    let up = ["up", "--yes", "--listen", "tcp://ADDRESS"];
    let gate = Gate::prepared(&Engine::shared().socket(), "", &up);
    gate.start();
    let other = free_address();
    let old = fs::read_to_string(gate.config()).unwrap();
    let moved = old.replace(&gate.address().to_string(), &other.to_string());
    fs::write(gate.config(), moved).unwrap();
    gate.signal(Signal::SIGUSR2);
    until(
        SHORT,
        || format!("it does not listen on {other} alone"),
        || TcpStream::connect(other).is_ok() && TcpStream::connect(gate.address()).is_err(),
    );
    gate.run(["log", "verify"]).ok();
}
