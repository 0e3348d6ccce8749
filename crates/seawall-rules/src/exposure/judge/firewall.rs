//! What the kernel's packet filter does for ports of an API, and what it only seems to do.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::super::catalogue::firewall::*;
use super::super::facts::{Facts, PacketFilter, Published};
use super::super::read::endpoint::{Reach, reach};
use super::super::{Finding, Place, Report};
use super::network;
use crate::firewall::nft;
use crate::firewall::walk::{Fate, From, Hook, Packet, Ruleset};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    let filter = &facts.filter;
    let ports = ports(facts);
    if let Some(rules) = &filter.rules {
        for &port in &ports {
            shadowed(rules, port, report);
            kept(filter, rules, port, report);
            sessions(filter, rules, port, report);
        }
        published(facts, rules, report);
        if facts.gate.is_some() {
            report.looked(&KEPT_OUT);
        }
    }
    flushed(facts, report);
    if !facts.engines.is_empty() && (filter.legacy || filter.nft) {
        report.looked(&TWO_BACKENDS);
        if filter.legacy && filter.nft {
            let what = "there are rules of both, and neither program shows the other's";
            report.find(Finding::new(&TWO_BACKENDS, "netfilter", what).remedy(&[]));
        }
    }
    if let Some(drift) = &filter.drift {
        report.looked(&DRIFT);
        let mut finding =
            Finding::new(&DRIFT, "Seawall's rules", "the rules in force differ").remedy(&[]);
        for difference in drift {
            finding = finding.seen(Place::whole("seawall firewall verify"), difference);
        }
        if !drift.is_empty() {
            report.find(finding);
        }
    }
    for kept_out in &filter.kept_out {
        let what = format!("{} is allowed, and {} drops it", kept_out.network, kept_out.chain);
        let subject = format!("tcp {} from {}", kept_out.port, kept_out.network);
        report.find(Finding::new(&KEPT_OUT, subject, what).remedy(&[("option", &kept_out.fix)]));
    }
    gate(facts, report);
}

/// Ports of an engine's API or the gate's that other hosts may reach.
fn ports(facts: &Facts) -> BTreeSet<u16> {
    let engines = facts.engines.iter().flat_map(|engine| network::endpoints(engine, facts));
    let configured = engines.chain(network::unit_endpoints(facts));
    let configured = configured.filter(|endpoint| endpoint.reach != Reach::Loopback);
    let bound = facts.listeners.iter().filter(|listener| listener.answer.is_api());
    let bound = bound.map(|listener| listener.address);
    let gate = facts.gate.iter().flat_map(|gate| gate.listens.iter().copied());
    let addresses = bound.chain(gate).filter(|at| reach(at.ip()) != Reach::Loopback);
    configured.map(|endpoint| endpoint.port).chain(addresses.map(|at| at.port())).collect()
}

/// IPv4 and IPv6, as `Packet::v6` has them.
const FAMILIES: [(bool, &str); 2] = [(false, "IPv4"), (true, "IPv6")];

fn stranger(rules: &Ruleset, v6: bool, port: u16) -> Fate {
    rules.fate(Packet { from: From::Stranger, v6, port })
}

fn shadowed(rules: &Ruleset, port: u16, report: &mut Report) {
    for (v6, family) in FAMILIES {
        let denies = rules.denies(v6, port);
        let Some(deny) = denies.iter().find(|deny| deny.hook != Hook::Forward) else { continue };
        report.looked(&SHADOWED);
        if stranger(rules, v6, port) == Fate::Open {
            let what = "it is let in before the rule that would drop it";
            report.find(
                Finding::new(&SHADOWED, format!("tcp {port} ({family})"), what)
                    .seen(Place::whole(&deny.chain), format!("drops tcp {port}"))
                    .remedy(&[]),
            );
        }
    }
}

/// Whether what closes a port now closes it after the next boot too.
fn kept(filter: &PacketFilter, rules: &Ruleset, port: u16, report: &mut Report) {
    // ufw, firewalld and Seawall load their own at boot.
    let others = rules.clone().without(nft::TABLE).without(nft::TRIAL).without("firewalld");
    if !filter.in_force || others.has_chain("ufw") {
        return;
    }
    for (v6, family) in FAMILIES {
        let (Fate::Closed(chain), Fate::Closed(_)) =
            (stranger(&others, v6, port), stranger(rules, v6, port))
        else {
            continue;
        };
        report.looked(&NOT_KEPT);
        let number = port.to_string();
        let names = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|it| it == number);
        let closed = |text: &str| text.contains("policy drop") || text.contains(":INPUT DROP");
        if !filter.at_boot.iter().any(|(_, text)| names(text) || closed(text)) {
            let what = "no file that is loaded at boot has the rule";
            report.find(
                Finding::new(&NOT_KEPT, format!("tcp {port} ({family})"), what)
                    .seen(Place::whole(chain), format!("drops tcp {port}"))
                    .remedy(&[("option", KEEP)]),
            );
        }
    }
}

const KEEP: &str = "sudo seawall firewall apply   # Seawall loads its own at every boot";

/// Files that take everybody's rules away when they are loaded again.
fn flushed(facts: &Facts, report: &mut Report) {
    if facts.engines.is_empty() {
        return;
    }
    for (path, text) in &facts.filter.at_boot {
        report.looked(&NOT_KEPT);
        let line = text.lines().position(|line| line.trim() == "flush ruleset");
        if let Some(line) = line.and_then(|line| u32::try_from(line + 1).ok()) {
            let what = "each reload of it removes the rules of the engine and of Seawall";
            let fix = format!(
                "in {path}, in place of `flush ruleset`:\ntable inet filter\ndelete table inet filter"
            );
            report.find(
                Finding::new(&NOT_KEPT, path, what)
                    .seen(Place::line(path, line), "flush ruleset")
                    .remedy(&[("option", &fix)]),
            );
        }
    }
}

fn sessions(filter: &PacketFilter, rules: &Ruleset, port: u16, report: &mut Report) {
    let here = filter.sessions.iter().filter(|(local, _)| local.port() == port);
    for (_, remote) in here {
        let source = remote.ip().to_canonical();
        if source.is_loopback() {
            continue;
        }
        report.looked(&OPEN_SESSION);
        let packet = Packet { from: From::Address(source), v6: source.is_ipv6(), port };
        if let Fate::Closed(chain) = rules.fate(packet) {
            let what = "it was let in before the rules were, and stays";
            report.find(
                Finding::new(&OPEN_SESSION, format!("tcp {port} from {source}"), what)
                    .seen(Place::whole(chain), format!("drops what is new from {source}"))
                    .remedy(&[("port", &port.to_string()), ("source", &source.to_string())]),
            );
        }
    }
}

/// Rules about published ports that never see their packets.
fn published(facts: &Facts, rules: &Ruleset, report: &mut Report) {
    let everywhere = |port: &&Published| {
        port.address.parse::<IpAddr>().map_or(true, |ip| reach(ip) != Reach::Loopback)
    };
    for container in &facts.containers {
        for port in container.published.iter().filter(everywhere) {
            let denies = rules.denies(false, port.port);
            let asked = |hook| denies.iter().find(move |deny| deny.hook == hook);
            let arrives = asked(Hook::Arrival).is_some();
            let subject = format!("tcp {} of {}", port.port, container.name);
            let found = |check, what: &str, chain: &str| {
                Finding::new(check, &subject, what)
                    .seen(Place::whole(chain), format!("drops tcp {}", port.port))
                    .remedy(&[("port", &port.port.to_string())])
            };
            if !denies.is_empty() {
                report.looked(&PAST_INPUT);
                report.looked(&TRANSLATED_PORT);
            }
            if let (Some(deny), false) = (asked(Hook::Input), arrives) {
                let what = "its packets are forwarded to the container, past this rule";
                report.find(found(&PAST_INPUT, what, &deny.chain));
            }
            if let (Some(deny), false, true) =
                (asked(Hook::Forward), arrives, port.port != port.container_port)
            {
                let what = format!("by then its port is {}", port.container_port);
                report.find(found(&TRANSLATED_PORT, &what, &deny.chain));
            }
        }
    }
}

/// What bears on the gate's allowlist.
fn gate(facts: &Facts, report: &mut Report) {
    let Some(gate) = facts.gate.as_ref().filter(|gate| !gate.allow.is_empty()) else { return };
    report.looked(&WIDE_ALLOW);
    let bridge: IpNet = Ipv4Net::new_assert(Ipv4Addr::new(172, 17, 0, 0), 16).into();
    for network in &gate.allow {
        let what = match (network, network.prefix_len()) {
            (_, 0) => "it is everybody",
            (IpNet::V4(v4), ..16) if !v4.addr().is_private() => "it is larger than any one site",
            (IpNet::V6(v6), ..32) if !v6.addr().is_unique_local() => {
                "it is larger than any one site"
            }
            _ if bridge.contains(network) => "it is the engine's default bridge",
            _ => continue,
        };
        report.find(
            Finding::new(&WIDE_ALLOW, format!("{network} ({})", gate.file), what)
                .seen(Place::whole(&gate.file), format!("network.allow has {network}"))
                .remedy(&[("place", &gate.file), ("network", &network.to_string())]),
        );
    }
    let checks = &facts.filter.source_checks;
    if checks.len() > 1 {
        report.looked(&NO_SOURCE_CHECK);
        let off: Vec<_> = checks.iter().filter(|(_, mode)| *mode == 0).collect();
        if !off.is_empty() {
            let mut finding = Finding::new(
                &NO_SOURCE_CHECK,
                "rp_filter",
                "the allowlist goes by sources that nobody checks",
            )
            .remedy(&[]);
            for (name, _) in off {
                let place = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
                finding = finding.seen(Place::whole(place), "0, as that of `all`");
            }
            report.find(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::{Container, Gate};
    use super::*;

    fn found(facts: &Facts) -> String {
        let mut report = Report::default();
        judge(facts, &mut report);
        report.sort();
        let shown = report.findings.iter().map(|it| format!("{} {}", it.check.id, it.subject));
        shown.collect::<Vec<_>>().join("; ")
    }

    fn gate(allow: &[&str]) -> Option<Gate> {
        Some(Gate {
            file: "g".to_owned(),
            problem: None,
            listens: vec!["[::]:2376".parse().unwrap()],
            allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
            open: Vec::new(),
            serves_unrecorded: false,
            state: None,
            holds_ca_key: false,
        })
    }

    #[test]
    fn rules_are_weighed_by_what_comes_of_them() {
        let filter = |input: &str| format!("*filter\n:INPUT ACCEPT [0:0]\n{input}COMMIT\n");
        let drop = "-A INPUT -p tcp --dport 2376 ! -s 10.0.0.0/24 -j DROP\n";
        let sessions = vec![
            ("10.0.0.1:2376".parse().unwrap(), "10.0.0.5:40000".parse().unwrap()),
            ("10.0.0.1:2376".parse().unwrap(), "192.0.2.7:40000".parse().unwrap()),
            ("10.0.0.1:22".parse().unwrap(), "192.0.2.7:40001".parse().unwrap()),
            ("127.0.0.1:2376".parse().unwrap(), "127.0.0.1:40001".parse().unwrap()),
        ];
        let saved = |text: &str| vec![("/etc/iptables/rules.v4".to_owned(), text.to_owned())];
        let session = "FW-010 tcp 2376 from 192.0.2.7";
        let not_kept = "FW-006 tcp 2376 (IPv4)";
        let cases = [
            (filter(""), saved(""), String::new()),
            (
                filter(&format!("-A INPUT -j ACCEPT\n{drop}")),
                saved(""),
                "FW-003 tcp 2376 (IPv4)".to_owned(),
            ),
            (filter(drop), saved(""), format!("{not_kept}; {session}")),
            (
                filter(drop),
                saved(&filter("-A INPUT -p tcp --dport 22376 -j DROP\n")),
                format!("{not_kept}; {session}"),
            ),
            (filter(drop), saved(&filter(drop)), session.to_owned()),
        ];
        for (rules, at_boot, expected) in cases {
            let mut set = Ruleset::default();
            set.add_iptables(&rules, false);
            let filter = PacketFilter {
                rules: Some(set),
                in_force: true,
                at_boot,
                sessions: sessions.clone(),
                ..PacketFilter::default()
            };
            let facts = Facts { filter, gate: gate(&[]), ..Facts::default() };
            assert_eq!(found(&facts), expected, "{rules}");
        }
    }

    #[test]
    fn a_rule_about_a_published_port_counts_where_its_packets_come() {
        let published = |address: &str| Published {
            address: address.to_owned(),
            port: 2376,
            container_port: 8443,
            place: Place::whole("x"),
        };
        let input = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 2376 -j DROP\n";
        let user = "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n\
                    -A DOCKER-USER -p tcp --dport 2376 -j DROP\n";
        let raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 2376 -j DROP\n";
        for (rules, address, expected) in [
            (input.to_owned(), "", "FW-004 tcp 2376 of gate"),
            (input.to_owned(), "127.0.0.1", ""),
            (user.to_owned(), "0.0.0.0", "FW-005 tcp 2376 of gate"),
            (format!("{raw}COMMIT\n{input}"), "", ""),
            (String::new(), "", ""),
        ] {
            let mut set = Ruleset::default();
            set.add_iptables(&rules, false);
            let container = Container {
                name: "gate".to_owned(),
                published: vec![published(address)],
                ..Container::default()
            };
            let facts = Facts {
                filter: PacketFilter { rules: Some(set), ..PacketFilter::default() },
                containers: vec![container],
                ..Facts::default()
            };
            assert_eq!(found(&facts), expected, "{rules}");
        }
    }

    #[test]
    fn an_allowlist_is_as_good_as_it_is_narrow() {
        for (network, wide) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("203.0.0.0/8", true),
            ("203.0.113.0/24", false),
            ("10.0.0.0/8", false),
            ("2a00::/12", true),
            ("2001:db8::/32", false),
            ("fd00::/8", false),
            ("172.17.0.1/32", true),
            ("172.18.0.0/16", false),
        ] {
            let facts = Facts { gate: gate(&[network]), ..Facts::default() };
            assert_eq!(!found(&facts).is_empty(), wide, "{network}");
        }
    }
}
