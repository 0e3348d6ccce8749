//! Who gets as far as a handshake, with real packets between hosts of the test's own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::netns::{Host, Pair};
use crate::support::process::Running;
use crate::support::raw::{Connection, request};
use crate::support::wait::{SHORT, until};

const PS: &str = "/v1.41/containers/json";

// A running gate with an identity `alice`, whose certificate names this host.
fn gate(host: &Host, config: &str) -> Gate {
    gate_at(host, "", config)
}

// The same; `listen` stands in its configuration in place of every address.
fn gate_at(host: &Host, listen: &str, config: &str) -> Gate {
    let hostnames = format!("hostnames = {:?}\n{config}", Pair::SERVER);
    let gate = Gate::up_on(host, listen, &Engine::shared().socket(), &hostnames);
    gate.credentials("alice", "viewer");
    gate
}

fn at(server: &str) -> SocketAddr {
    SocketAddr::new(server.parse().unwrap(), 2376)
}

// What a request over a new connection from `host` is answered with; `None` when the gate closed
// instead. `before` goes out ahead of the handshake.
fn served_after(host: &Host, gate: &Gate, server: &str, before: &str) -> Option<u16> {
    let served = || {
        let alice = gate.folder_of("alice");
        let mut connection = Connection::tls_after(at(server), &alice, before.as_bytes()).ok()?;
        connection.try_send(request("GET", PS).as_bytes()).ok()?;
        connection.try_answer("GET").ok().map(|answer| answer.status)
    };
    host.inside(served)
}

fn served(host: &Host, gate: &Gate, server: &str) -> Option<u16> {
    served_after(host, gate, server, "")
}

// An open connection on which a request was answered.
fn session(host: &Host, gate: &Gate, server: &str) -> Connection {
    let mut connection =
        host.inside(|| Connection::tls(at(server), &gate.folder_of("alice")).unwrap());
    connection.send(request("GET", PS));
    assert_eq!(connection.answer("GET").status, 200);
    connection
}

// A handshake that fails.
fn garbage(host: &Host, server: &str) {
    host.inside(|| {
        let Ok(mut stream) = TcpStream::connect(at(server)) else { return };
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
}

fn rewrite(gate: &Gate, from: &str, to: &str) {
    let config = std::fs::read_to_string(gate.config()).unwrap();
    assert!(config.contains(from), "{from} is not in {config}");
    std::fs::write(gate.config(), config.replace(from, to)).unwrap();
    gate.run(["reload"]).ok();
}

fn metric(gate: &Gate, name: &str) -> u64 {
    let mut admin = Connection::unix(&gate.admin_socket());
    admin.send(request("GET", "/metrics"));
    let text = admin.answer("GET").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

fn refused(gate: &Gate, reason: &str) -> u64 {
    metric(gate, &format!("seawall_refused_connections_total{{reason=\"{reason}\"}}"))
}

#[test]
fn an_allowed_network_is_served_and_another_is_not_in_both_families() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nallow = [\"10.77.0.2\", \"fd77::2\"]");
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server), Some(200), "{server}");
    }
    net.client.ip(["address", "flush", "dev", "eth0"]);
    net.client.add_address("eth0", "10.77.0.3/24");
    net.client.add_address("eth0", "fd77::3/64");
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server), None, "{server}");
    }
    assert_eq!(refused(&gate, "address"), 2);
}

#[test]
fn a_longer_prefix_wins_and_deny_on_a_tie() {
    let net = Pair::new();
    let gate = gate(
        &net.server,
        "[network]\nallow = [\"10.0.0.0/8\", \"fd77::/64\", \"fd77::2\"]\n\
         deny = [\"10.77.0.0/24\", \"fd77::/32\"]",
    );
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), None);
    assert_eq!(served(&net.client, &gate, "fd77::1"), Some(200));
}

#[test]
fn sessions_of_a_network_that_a_reload_takes_away_are_cut_and_others_stay() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nallow = [\"10.77.0.0/24\", \"fd77::/64\"]");
    let mut v4 = session(&net.client, &gate, "10.77.0.1");
    let mut v6 = session(&net.client, &gate, "fd77::1");
    rewrite(&gate, "allow = [\"10.77.0.0/24\", ", "allow = [");
    assert!(v4.is_closed());
    v6.send(request("GET", PS));
    assert_eq!(v6.answer("GET").status, 200);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), None);
}

#[test]
fn an_identity_that_may_not_come_from_there_any_more_is_cut() {
    let net = Pair::new();
    let gate = gate(&net.server, "");
    let mut v4 = session(&net.client, &gate, "10.77.0.1");
    gate.run(["identity", "set", "alice", "--from", "fd77::/64"]).ok();
    assert!(v4.is_closed());
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), None);
    assert_eq!(served(&net.client, &gate, "fd77::1"), Some(200));
}

#[test]
fn a_listener_with_networks_of_its_own_admits_those_alone_and_they_are_reloaded() {
    let net = Pair::new();
    let listen =
        "\"tcp://10.77.0.1:2376?allow=10.77.0.2\", \"tcp://[fd77::1]:2376?deny=fd77::/64\"";
    let gate = gate_at(&net.server, listen, "");
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
    assert_eq!(served(&net.client, &gate, "fd77::1"), None);
    let mut v4 = session(&net.client, &gate, "10.77.0.1");
    rewrite(&gate, "?allow=10.77.0.2", "?deny=10.77.0.2");
    assert!(v4.is_closed());
    rewrite(&gate, "?deny=fd77::/64", "");
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), None);
    assert_eq!(served(&net.client, &gate, "fd77::1"), Some(200));
}

#[test]
fn a_listener_on_an_interface_follows_its_addresses_and_takes_no_other() {
    let net = Pair::new();
    net.server.connect("eth1", &net.client, "eth1");
    net.server.add_address("eth1", "10.78.0.1/24");
    net.client.add_address("eth1", "10.78.0.2/24");
    let gate = gate_at(&net.server, "\"tcp://%eth0:2376\"", "");
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server), Some(200), "{server}");
    }
    // By another interface there is nobody, whichever address is asked for.
    let knock = |to: &str| {
        let to = at(to);
        net.client.inside(move || TcpStream::connect_timeout(&to, Duration::from_secs(5)).is_ok())
    };
    assert!(!knock("10.78.0.1"));
    // An address that comes later is served; one that goes away is not missed.
    net.server.ip(["address", "flush", "dev", "eth0"]);
    net.server.add_address("eth0", "10.77.0.7/24");
    assert!(knock("10.77.0.7"));
    net.server.add_address("eth0", "10.77.0.1/24");
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
}

#[test]
fn who_is_denied_finds_no_port_where_the_kernel_drops_it() {
    let net = Pair::new();
    let gate =
        gate(&net.server, "[network]\ndrop_denied = true\nallow = [\"10.77.0.2\", \"fd77::2\"]");
    let silent = |server: &str| {
        let to = at(server);
        let connected =
            net.client.inside(move || TcpStream::connect_timeout(&to, Duration::from_secs(1)));
        connected.is_err_and(|error| error.kind() == ErrorKind::TimedOut)
    };
    for server in Pair::SERVER {
        assert_eq!(served(&net.client, &gate, server), Some(200), "{server}");
    }
    let mut open = session(&net.client, &gate, "10.77.0.1");
    // Each family alone, then none, then both again.
    rewrite(&gate, "[\"10.77.0.2\", \"fd77::2\"]", "[\"fd77::2\"]");
    assert!(open.is_closed());
    until(SHORT, || "10.77.0.2 is not dropped".to_owned(), || silent("10.77.0.1"));
    assert_eq!(served(&net.client, &gate, "fd77::1"), Some(200));
    rewrite(&gate, "[\"fd77::2\"]", "[\"10.77.0.2\"]");
    until(SHORT, || "fd77::2 is not dropped".to_owned(), || silent("fd77::1"));
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
    rewrite(&gate, "drop_denied = true", "drop_denied = false");
    // Reset again, and counted.
    until(SHORT, || "still dropped".to_owned(), || !silent("fd77::1"));
    until(SHORT, || "not counted".to_owned(), || refused(&gate, "address") > 0);
}

#[test]
fn who_is_denied_finds_no_ssh_port_either_where_the_kernel_drops_it() {
    let net = Pair::new();
    let gate = gate_at(
        &net.server,
        "\"ssh://[::]:2376\"",
        "[network]\ndrop_denied = true\nallow = [\"10.77.0.2\", \"fd77::2\"]",
    );
    // What the SSH server says first, or why nothing came.
    let banner = |server: &str| {
        let to = at(server);
        net.client.inside(move || {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
            let mut banner = [0; 8];
            stream.read_exact(&mut banner).map(|()| banner)
        })
    };
    let dropped = |server: &str| banner(server).is_err_and(|it| it.kind() == ErrorKind::TimedOut);
    for server in Pair::SERVER {
        until(SHORT, || "no SSH".to_owned(), || banner(server).is_ok());
        assert_eq!(&banner(server).unwrap(), b"SSH-2.0-");
    }
    rewrite(&gate, "[\"10.77.0.2\", \"fd77::2\"]", "[\"fd77::2\"]");
    until(SHORT, || "10.77.0.2 is not dropped".to_owned(), || dropped("10.77.0.1"));
    assert_eq!(&banner("fd77::1").unwrap(), b"SSH-2.0-");
    rewrite(&gate, "[\"fd77::2\"]", "[\"10.77.0.2\"]");
    until(SHORT, || "fd77::2 is not dropped".to_owned(), || dropped("fd77::1"));
    assert_eq!(&banner("10.77.0.1").unwrap(), b"SSH-2.0-");
    // The kernel does it: the gate has not seen one of them.
    assert_eq!(refused(&gate, "address"), 0);
}

#[test]
fn a_public_address_that_nothing_narrows_is_warned_of() {
    let net = Pair::new();
    net.server.add_address("eth0", "203.0.113.5/24");
    net.server.add_address("eth0", "2001:db8::5/64");
    let gate = gate(&net.server, "[network]");
    let warnings = || {
        let status: serde_json::Value =
            serde_json::from_str(&gate.run(["status", "--json"]).ok()).unwrap();
        status["warnings"].to_string()
    };
    let told = "everybody on the internet reaches this address";
    for address in ["203.0.113.5", "2001:db8::5"] {
        assert!(warnings().contains(&format!("{address}: {told}")), "{}", warnings());
        let log = std::fs::read_to_string(gate.log()).unwrap();
        assert!(log.lines().any(|line| line.contains(told) && line.contains(address)), "{log}");
    }
    assert!(!warnings().contains("10.77.0.1: "), "{}", warnings());
    rewrite(&gate, "[network]", "[network]\nallow = [\"10.77.0.0/24\"]");
    assert!(!warnings().contains(told), "{}", warnings());
}

#[test]
fn clients_whose_addresses_are_translated_are_warned_of() {
    // 10.99.0.2 and fd99::2 reach the server through a router that masquerades them, as a
    // container's clients come through the bridge.
    let net = Pair::new();
    let (router, client) = (&net.client, Host::new());
    router.connect("eth1", &client, "eth0");
    for (here, there, server) in
        [("10.99.0.1/24", "10.99.0.2/24", "10.77.0.1"), ("fd99::1/64", "fd99::2/64", "fd77::1")]
    {
        router.add_address("eth1", here);
        client.add_address("eth0", there);
        let bare = |net: &str| net.split('/').next().unwrap().to_owned();
        client.ip(["route", "add", server, "via", &bare(here)]);
    }
    for gateway in Pair::CLIENT {
        net.server.ip(["route", "add", "default", "via", gateway]);
    }
    let translate = "echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        nft 'add table inet site
        add chain inet site post { type nat hook postrouting priority 100; }
        add rule inet site post oifname eth0 masquerade'";
    let mut shell = std::process::Command::new("sh");
    router.run(shell.args(["-ec", translate])).ok();

    let gate = gate(&net.server, "");
    let warned = |address: &str| {
        let status: serde_json::Value =
            serde_json::from_str(&gate.run(["status", "--json"]).ok()).unwrap();
        let told = format!("{address}: every client so far came from this address");
        status["warnings"].to_string().contains(&told)
    };
    assert!(!warned("10.77.0.2"), "nobody came yet");
    for (server, gateway) in Pair::SERVER.into_iter().zip(Pair::CLIENT) {
        assert_eq!(served(&client, &gate, server), Some(200), "{server}");
        assert!(warned(gateway), "{gateway}");
    }
    let log = std::fs::read_to_string(gate.log()).unwrap();
    assert_eq!(log.matches("every client so far came from this address").count(), 2, "{log}");
    // Somebody with an address of his own.
    router.ip(["address", "delete", "10.77.0.2/24", "dev", "eth0"]);
    router.add_address("eth0", "10.77.0.3/24");
    assert_eq!(served(router, &gate, "10.77.0.1"), Some(200));
    assert!(!warned("10.77.0.2") && !warned("fd77::2"));
}

#[test]
fn the_systemd_drop_in_of_a_configuration_is_one_that_systemd_takes() {
    let gate = Gate::prepared(
        &Engine::shared().socket(),
        "[network]\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\ndeny = [\"10.1.0.0/16\"]",
        &["up", "--yes"],
    );
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("seawall.service");
    let drop_in = dir.path().join("seawall.service.d/network.conf");
    std::fs::create_dir(drop_in.parent().unwrap()).unwrap();
    std::fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    let verify = || {
        let mut command = std::process::Command::new("systemd-analyze");
        command.args(["verify", "--man=no"]).arg(&unit);
        command.env("SYSTEMD_LOG_LEVEL", "warning");
        Running::start(command).wait().stderr
    };
    let text = gate.run(["network", "systemd"]).ok() + "\n";
    std::fs::write(&drop_in, &text).unwrap();
    let said = verify();
    assert!(!said.contains("network.conf"), "{said}\n{text}");
    // It does read the drop-in.
    std::fs::write(&drop_in, text.replace("=fd00::/8", "=fd00::/800")).unwrap();
    let said = verify();
    assert!(said.contains("network.conf"), "{said}");
}

#[test]
fn an_interface_that_is_removed_and_made_again_is_served_again() {
    let net = Pair::new();
    let gate = gate_at(&net.server, "\"tcp://%eth0:2376?allow=10.77.0.2\"", "");
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
    net.server.ip(["link", "delete", "eth0"]);
    net.server.connect("eth0", &net.client, "eth0");
    net.server.add_address("eth0", "10.77.0.1/24");
    net.client.add_address("eth0", "10.77.0.2/24");
    until(
        SHORT,
        || "nobody listens there".to_owned(),
        || served(&net.client, &gate, "10.77.0.1") == Some(200),
    );
}

#[test]
fn an_upgrade_keeps_the_socket_of_an_interface_and_the_networks_of_a_listener() {
    let net = Pair::new();
    let gate = gate_at(&net.server, "\"tcp://%eth0:2376?allow=10.77.0.2\"", "");
    let starts = || gate.records().iter().filter(|record| record["what"] == "start").count();
    assert_eq!(starts(), 1);
    gate.signal(Signal::SIGUSR2);
    until(SHORT, || "the new binary does not serve".to_owned(), || starts() == 2);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
    assert_eq!(served(&net.client, &gate, "fd77::1"), None);
    // The loopback is another interface, though the socket is bound to `[::]`.
    let inside = net.server.inside(|| TcpStream::connect((Ipv4Addr::LOCALHOST, 2376)).is_ok());
    assert!(!inside);
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let gate = Gate::prepared(&Engine::shared().socket(), "", &["up", "--yes"]);
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let (_, rest) = config.split_once('\n').unwrap();
    std::fs::write(gate.config(), format!("listen = [\"tcp://%nowhere0\"]\n{rest}")).unwrap();
    let (code, told) = gate.run(["up", "--yes"]).fails();
    assert_eq!(code, Some(1));
    assert!(told.contains("there is no interface `nowhere0`"), "{told}");
}

#[test]
fn a_source_whose_handshakes_keep_failing_is_banned_until_it_is_let_in_again() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nban_after = 5\nban_time = \"1h\"");
    (0..5).for_each(|_| garbage(&net.client, "fd77::1"));
    until(SHORT, || "nobody is banned".to_owned(), || metric(&gate, "seawall_banned_sources") == 1);
    // All of its /64, and nobody else.
    net.client.ip(["address", "flush", "dev", "eth0"]);
    net.client.add_address("eth0", "10.77.0.2/24");
    net.client.add_address("eth0", "fd77::ffff:3/64");
    assert_eq!(served(&net.client, &gate, "fd77::1"), None);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
    assert!(refused(&gate, "banned") >= 1);

    assert!(gate.run(["status"]).ok().contains("fd77::/64"));
    let list = gate.run(["network", "list"]).ok();
    assert!(list.contains("fd77::/64"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&gate.run(["network", "list", "--json"]).ok()).unwrap();
    assert_eq!(json["banned"][0]["source"], "fd77::/64");
    gate.run(["network", "unban", "192.0.2.1"]).fails();
    gate.run(["network", "unban", "fd77::1234"]).ok();
    assert_eq!(served(&net.client, &gate, "fd77::1"), Some(200));
    let records = gate.records();
    let unban = records.iter().find(|record| record["what"] == "network.unban").unwrap();
    assert_eq!(unban["detail"]["sources"][0], "fd77::/64");
}

#[test]
fn an_address_with_a_session_is_not_banned_for_the_failures_of_others_behind_it() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nban_after = 2");
    let mut kept = session(&net.client, &gate, "10.77.0.1");
    (0..4).for_each(|_| garbage(&net.client, "10.77.0.1"));
    until(SHORT, || "not counted".to_owned(), || refused(&gate, "handshake") >= 4);
    assert_eq!(metric(&gate, "seawall_banned_sources"), 0);
    kept.send(request("GET", PS));
    assert_eq!(kept.answer("GET").status, 200);
}

#[test]
fn who_only_looks_whether_the_port_is_open_is_not_banned() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nban_after = 2");
    for _ in 0..4 {
        net.client.inside(|| drop(TcpStream::connect(at("10.77.0.1")).unwrap()));
    }
    until(SHORT, || "not counted".to_owned(), || refused(&gate, "left") == 4);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
}

#[test]
fn connections_of_one_source_begin_at_a_pace() {
    let net = Pair::new();
    let gate = gate(&net.server, "[limits]\nconnection_rate = 1");
    let answers: Vec<_> = (0..20).map(|_| served(&net.client, &gate, "fd77::1")).collect();
    assert_eq!(answers[..5], [Some(200); 5]);
    assert!(answers.contains(&None), "{answers:?}");
    assert!(metric(&gate, "seawall_limit_hits_total{limit=\"connection_rate\"}") > 0);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200), "another source");
}

#[test]
fn behind_a_balancer_the_address_in_the_header_counts() {
    let net = Pair::new();
    let gate = gate(
        &net.server,
        "[network]\nallow = [\"192.0.2.0/24\"]\nproxy_protocol_from = [\"10.77.0.2\"]",
    );
    let through = |before: &str| served_after(&net.client, &gate, "10.77.0.1", before);
    assert_eq!(through("PROXY TCP4 192.0.2.7 10.77.0.1 4711 2376\r\n"), Some(200));
    assert_eq!(through("PROXY TCP4 198.51.100.7 10.77.0.1 4711 2376\r\n"), None);
    assert_eq!(refused(&gate, "address"), 1);
    let recorded = gate.records();
    let decision = recorded.iter().find(|record| record["operation"] == "ContainerList").unwrap();
    assert_eq!(decision["peer"], "192.0.2.7:4711", "{decision}");
    assert_eq!(decision["balancer"], "10.77.0.2", "{decision}");

    // It must send one, and only a whole one.
    assert_eq!(through(""), None);
    assert_eq!(through("PROXY TCP4 192.0.2.7\r\n"), None);
    until(SHORT, || "not counted".to_owned(), || refused(&gate, "proxy_header") == 2);
    // Its health checks are nobody's failure.
    net.client.inside(|| {
        let mut check = TcpStream::connect(at("10.77.0.1")).unwrap();
        check.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").unwrap();
        assert_eq!(check.read_to_end(&mut Vec::new()).unwrap(), 0);
    });
    assert_eq!(refused(&gate, "proxy_header"), 2);
}

#[test]
fn a_header_from_somebody_who_is_no_balancer_is_refused() {
    let net = Pair::new();
    let gate = gate(
        &net.server,
        "[network]\nallow = [\"10.77.0.2\", \"192.0.2.0/24\"]\nproxy_protocol_from = [\"10.77.0.9\"]",
    );
    let spoofed = "PROXY TCP4 192.0.2.7 10.77.0.1 4711 2376\r\n";
    assert_eq!(served_after(&net.client, &gate, "10.77.0.1", spoofed), None);
    until(SHORT, || "not counted".to_owned(), || refused(&gate, "handshake") == 1);
    assert_eq!(served(&net.client, &gate, "10.77.0.1"), Some(200));
}

#[test]
fn sessions_through_a_balancer_that_is_none_any_more_are_cut() {
    let net = Pair::new();
    let gate = gate(&net.server, "[network]\nproxy_protocol_from = [\"10.77.0.2\"]");
    let header = b"PROXY TCP4 192.0.2.7 10.77.0.1 4711 2376\r\n";
    let mut through = net.client.inside(|| {
        Connection::tls_after(at("10.77.0.1"), &gate.folder_of("alice"), header).unwrap()
    });
    through.send(request("GET", PS));
    assert_eq!(through.answer("GET").status, 200);
    rewrite(&gate, "proxy_protocol_from = [\"10.77.0.2\"]", "proxy_protocol_from = []");
    assert!(through.is_closed());
}
