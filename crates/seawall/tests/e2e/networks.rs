//! Who gets as far as a handshake, with real packets between hosts of the test's own.

use std::net::SocketAddr;

use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::netns::{Host, Pair};
use crate::support::raw::{Connection, request};

// What a request over a new connection from `host` is answered with; `None` when the gate closed
// instead.
fn served(host: &Host, gate: &Gate, at: &str, name: &str) -> Option<u16> {
    let address = SocketAddr::new(at.parse().unwrap(), 2376);
    host.inside(|| {
        let mut connection = Connection::tls(address, &gate.folder_of(name)).ok()?;
        connection.try_send(request("GET", "/v1.41/containers/json").as_bytes()).ok()?;
        connection.try_answer("GET").ok().map(|answer| answer.status)
    })
}

// A running gate with an identity `alice`, whose certificate names this host.
fn gate(host: &Host, config: &str) -> Gate {
    let hostnames = format!("hostnames = {:?}\n{config}", Pair::SERVER);
    let gate = Gate::up_on(host, &Engine::shared().socket(), &hostnames);
    gate.credentials("alice", "viewer");
    gate
}

#[test]
fn an_allowed_network_is_served_and_another_is_not_in_both_families() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nallow = [\"10.77.0.2\", \"fd77::2\"]");
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server, "alice"), Some(200), "{server}");
    }
    net.client.ip(["address", "flush", "dev", "eth0"]);
    net.client.add_address("eth0", "10.77.0.3/24");
    net.client.add_address("eth0", "fd77::3/64");
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server, "alice"), None, "{server}");
    }
}
