//! SSH with real packets between hosts of the test's own: IPv6, a balancer, and who does not get
//! as far as a key.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::netns::Pair;
use crate::support::process::Done;
use crate::support::ssh::Ssh;
use crate::support::wait::{SHORT, until};

/// Two hosts, and a gate on one of them that listens on SSH.
struct Site {
    net: Pair,
    gate: Gate,
}

impl Site {
    fn new(config: &str) -> Self {
        let net = Pair::new();
        let names =
            format!("hostnames = {:?}\n{config}\n[ssh]\nmax_role = \"admin\"\n", Pair::SERVER);
        let listen = "\"tcp://[::]:2376\", \"ssh://[::]:2222\"";
        let gate = Gate::up_on(&net.server, listen, &Engine::shared().socket(), &names);
        Self { net, gate }
    }

    /// `docker ps` on the other host.
    fn ps(&self, alice: &Ssh) -> Done {
        self.net.client.run(&alice.docker().command(["ps"]))
    }

    /// Connects from the other host.
    fn connect(&self) -> TcpStream {
        self.net.client.inside(|| TcpStream::connect(at(Pair::SERVER[0])).unwrap())
    }

    /// Waits until that many connections were refused for this reason.
    #[track_caller]
    fn refused(&self, why: &str, count: u64) {
        let line = format!("seawall_refused_connections_total{{reason=\"{why}\"}} {count}");
        let metrics = || self.gate.metrics();
        until(SHORT, || format!("no {line} in {}", metrics()), || metrics().contains(&line));
    }

    /// Who made the newest request that was judged, from where and through what.
    fn newest(&self) -> [String; 3] {
        let records = self.gate.records();
        let decision = records.iter().rfind(|record| record["kind"] == "decision").unwrap();
        ["identity", "peer", "balancer"]
            .map(|key| decision[key].as_str().unwrap_or_default().to_owned())
    }
}

fn at(server: &str) -> SocketAddr {
    SocketAddr::new(server.parse().unwrap(), 2222)
}

#[test]
fn docker_over_ssh_and_ipv6() {
    let site = Site::new("");
    let mut alice = Ssh::client(&site.gate, "alice", "viewer");
    for (server, client) in Pair::SERVER.into_iter().zip(Pair::CLIENT) {
        // The known_hosts line that operators hand out is for both.
        alice = alice.at(at(server));
        site.ps(&alice).ok();
        let [name, peer, _] = site.newest();
        let peer: SocketAddr = peer.parse().unwrap();
        assert_eq!((name.as_str(), peer.ip()), ("alice", client.parse().unwrap()));
    }
}

#[test]
fn behind_a_balancer_an_ssh_client_is_where_the_header_says() {
    let site =
        Site::new("[network]\nallow = [\"192.0.2.0/24\"]\nproxy_protocol_from = [\"10.77.0.2\"]");
    let alice = Ssh::client(&site.gate, "alice", "viewer").at(at(Pair::SERVER[0]));
    let before = "PROXY TCP4 192.0.2.7 10.77.0.1 4711 2222";
    alice.configure(&format!(
        "ProxyCommand sh -c '(echo \"{before}\\r\"; exec cat) | busybox nc 10.77.0.1 2222'"
    ));
    site.ps(&alice).ok();
    assert_eq!(site.newest(), ["alice", "192.0.2.7:4711", "10.77.0.2"]);
}

#[test]
fn who_only_looks_whether_the_ssh_port_is_open_is_not_banned() {
    let site = Site::new("[network]\nban_after = 2");
    let alice = Ssh::client(&site.gate, "alice", "viewer").at(at(Pair::SERVER[0]));
    for _ in 0..4 {
        drop(site.connect());
    }
    site.refused("left", 4);
    site.ps(&alice).ok();
}

#[test]
fn who_says_nothing_on_the_ssh_port_is_sent_away() {
    let site = Site::new("[limits]\nhandshake = \"1s\"");
    let mut said = Vec::new();
    site.connect().read_to_end(&mut said).unwrap();
    assert!(said.starts_with(b"SSH-2.0-Seawall"), "{said:?}");
    site.gate.hits("handshake");
    site.refused("handshake", 1);
}
