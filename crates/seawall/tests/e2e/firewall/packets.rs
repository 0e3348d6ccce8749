//! Who gets in, who does not, and what becomes of those who were in.

use std::net::{SocketAddr, SocketAddrV6, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::site::{ALLOWED, EVERYBODY, PORT, Site, TO_BAD, TO_GOOD, answer, connection, echoes};
use crate::support::wait::{SHORT, until};

const BACKENDS: [&str; 2] = ["nft", "iptables"];

#[test]
fn only_the_networks_of_the_configuration_reach_the_gate() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.wait_for(EVERYBODY);
        site.run(&["apply", "--backend", backend]).ok();
        site.wait_for(ALLOWED);
        let said = site.run(&["verify"]).ok();
        assert!(said.contains("what the configuration asks for"), "{said}");
        site.run(&["remove"]).ok();
        site.wait_for(EVERYBODY);
        assert_eq!(site.script("nft list ruleset | grep -ci sea || true"), "0", "{}", site.rules());
    }
}

#[test]
fn a_denied_packet_is_counted() {
    let site = Site::new();
    site.answer();
    site.run(&["apply"]).ok();
    assert_eq!(site.denied(), 0);
    for address in TO_BAD {
        let before = site.denied();
        assert!(connection(&site.bad, address, PORT).is_none());
        assert!(site.denied() > before, "{address}");
    }
    let said = site.run(&["verify", "--json"]).ok();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["denied_packets"], site.denied());
}

#[test]
fn connections_of_those_who_are_no_longer_allowed_are_cut() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        // As a host that keeps state has it: whatever is established goes on.
        site.script("iptables -A INPUT -m state --state ESTABLISHED -j ACCEPT");
        let mut good = TO_GOOD.map(|address| connection(&site.good, address, PORT).unwrap());
        let mut bad = TO_BAD.map(|address| connection(&site.bad, address, PORT).unwrap());
        assert!(good.iter_mut().chain(&mut bad).all(echoes));
        site.run(&["apply", "--backend", backend]).ok();
        assert!(!bad.iter_mut().any(echoes), "{backend}");
        for stream in &mut good {
            until(SHORT, || site.rules(), || echoes(stream));
        }
    }
}

#[test]
fn applying_again_leaves_one_set_of_rules_and_follows_the_configuration() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.run(&["apply", "--backend", backend]).ok();
        let once = site.script("nft -s list ruleset");
        site.run(&["apply"]).ok();
        assert_eq!(site.script("nft -s list ruleset"), once, "{backend}");
        site.configure(&["192.168.77.0/24", "2001:db8:b::/64"], "");
        let (code, said) = site.run(&["verify"]).fails();
        assert_eq!(code, Some(3), "{said}");
        site.run(&["apply"]).ok();
        site.wait_for("bad4 bad6 self4 self6");
    }
}

#[test]
fn the_longest_prefix_decides_in_the_kernel_too() {
    let site = Site::new();
    site.answer();
    site.configure(
        &["0.0.0.0/0", "192.168.77.5/32", "::/0"],
        "deny = [\"192.168.0.0/16\", \"2001:db8:b::/64\"]",
    );
    site.run(&["apply"]).ok();
    site.wait_for("good4 good6 bad4 self4 self6");
}

#[test]
fn the_rules_come_back_at_boot() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.run(&["apply", "--backend", backend]).ok();
        // A boot starts with no rules; the unit then runs its `ExecStart`.
        site.script(
            "nft flush ruleset; for t in raw mangle; do \
             iptables-legacy -t $t -F; ip6tables-legacy -t $t -F; done",
        );
        site.wait_for(EVERYBODY);
        let unit = include_str!("../../../../../packaging/seawall-firewall.service");
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let args = start.strip_prefix("/usr/bin/seawall firewall ").unwrap();
        site.run(&[args]).ok();
        site.wait_for(ALLOWED);
        site.run(&["verify"]).ok();
    }
}

#[test]
fn a_source_that_connects_too_often_is_slowed_down_and_others_are_not() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.configure(&["0.0.0.0/0", "::/0"], "[firewall]\nrate = 1\nburst = 5\n");
        site.run(&["apply", "--backend", backend]).ok();
        for (good, bad) in TO_GOOD.into_iter().zip(TO_BAD) {
            let through = (0..20).filter(|_| connection(&site.bad, bad, PORT).is_some()).count();
            assert!((5..20).contains(&through), "{through} of 20 from {bad}; {}", site.rules());
            assert!(connection(&site.good, good, PORT).is_some(), "{good}; {}", site.rules());
        }
    }
}

#[test]
fn a_port_that_is_redirected_to_the_gates_is_guarded_too() {
    for backend in BACKENDS {
        let site = Site::new();
        site.answer();
        site.script(&format!(
            "for t in iptables ip6tables; do \
             $t -t nat -A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports {PORT}; done"
        ));
        let through = |site: &Site| {
            let from = |host, addresses: [&str; 2]| {
                addresses.map(|address| connection(host, address, 443).is_some())
            };
            (from(&site.good, TO_GOOD), from(&site.bad, TO_BAD))
        };
        // One attempt may take longer than its time on a busy machine.
        let become_so = |expected| {
            until(SHORT, || format!("{backend}; {}", site.rules()), || through(&site) == expected);
        };
        become_so(([true; 2], [true; 2]));
        site.run(&["apply", "--backend", backend]).ok();
        become_so(([true; 2], [false; 2]));
    }
}

#[test]
fn verify_says_where_the_kernel_differs() {
    let site = Site::new();
    let (code, said) = site.run(&["verify"]).fails();
    assert_eq!(code, Some(3), "{said}");
    site.run(&["apply"]).ok();
    for (change, told) in [
        ("nft add element inet seawall gate_v4 { 192.168.77.0/24 }", "also has 192.168.77.0/24"),
        ("nft flush set inet seawall gate_v6", "the set gate_v6 lacks 2001:db8:a::/64"),
        ("nft insert rule inet seawall gate accept", "in the chain gate, `accept` stands where"),
        ("nft flush chain inet seawall prerouting", "in the chain prerouting"),
        ("nft add element inet seawall suspended { tcp timeout 1h }", "suspended also has tcp"),
        ("nft delete table inet seawall", "no rules of ours are in force"),
    ] {
        site.script(change);
        let verified = site.run(&["verify"]);
        let told_of = verified.stdout.contains(told);
        let (code, said) = verified.fails();
        assert!(told_of && code == Some(3), "{change}: {said}");
        site.run(&["apply"]).ok();
        site.run(&["verify"]).ok();
    }
}

#[test]
fn a_probe_shows_that_the_rules_hold_and_finds_that_they_do_not() {
    let site = Site::new();
    site.answer();
    site.run(&["apply"]).ok();
    let before = site.denied();
    let said = site.run(&["verify", "--probe"]).ok();
    assert!(
        said.contains("no answer at 198.18.223.1:2376, [2001:2:0:5ea::1]:2376"),
        "{said}; {}",
        site.rules()
    );
    assert!(site.denied() > before, "it is our rules that drop");
    site.script("nft flush chain inet seawall prerouting; nft flush chain inet seawall input");
    let verified = site.run(&["verify", "--probe"]);
    assert!(
        verified.stdout.contains("a stranger is answered at 198.18.223.1:2376")
            && verified.stdout.contains("a stranger is answered at [2001:2:0:5ea::1]:2376"),
        "{verified}"
    );
    assert_eq!(verified.status.code(), Some(3));
    assert_eq!(site.script("ip link show | grep -c probe || true"), "0");
}

#[test]
fn each_listener_is_held_to_its_own_networks() {
    let site = Site::new();
    site.answer();
    answer(&site.server, 2377);
    let text = "listen = [\"tcp://[::]:2376\", \
        \"tcp://[::]:2377?allow=192.168.77.0/24,2001:db8:b::/64\"]\n";
    std::fs::write(site.config(), text).unwrap();
    site.run(&["apply"]).ok();
    site.wait_for(EVERYBODY);
    for (host, [v4, v6], through) in [(&site.good, TO_GOOD, false), (&site.bad, TO_BAD, true)] {
        for address in [v4, v6] {
            assert_eq!(connection(host, address, 2377).is_some(), through, "{address}");
        }
    }
    site.run(&["verify"]).ok();
}

#[test]
fn no_packet_slips_through_while_the_rules_are_replaced() {
    let site = Site::new();
    site.answer();
    site.run(&["apply"]).ok();
    let address = SocketAddr::new(TO_BAD[0].parse().unwrap(), PORT);
    let done = AtomicBool::new(false);
    let (tried, through) = thread::scope(|scope| {
        let hammer = scope.spawn(|| {
            site.bad.inside(|| {
                let (mut tried, mut through) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    tried += 1;
                    // A packet let through by mistake is answered in microseconds.
                    let wait = Duration::from_millis(2);
                    through += i32::from(TcpStream::connect_timeout(&address, wait).is_ok());
                }
                (tried, through)
            })
        });
        for _ in 0..15 {
            site.run(&["apply"]).ok();
        }
        done.store(true, Ordering::Relaxed);
        hammer.join().unwrap()
    });
    assert!(tried > 15, "only {tried} were tried");
    assert_eq!(through, 0, "of {tried}");
}

#[test]
fn a_link_local_address_is_a_stranger_too() {
    let site = Site::new();
    site.answer();
    let addresses = site.script("ip -6 -o address show dev bad0 scope link");
    let link_local = addresses.split_whitespace().skip_while(|word| *word != "inet6").nth(1);
    let address = link_local.unwrap().split('/').next().unwrap().parse().unwrap();
    let index =
        site.bad.inside(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap());
    let row = index.lines().find(|row| row.ends_with("eth0")).unwrap();
    let index = u32::from_str_radix(row.split(' ').nth(1).unwrap(), 16).unwrap();
    let at = SocketAddr::V6(SocketAddrV6::new(address, PORT, 0, index));
    let reached =
        || site.bad.inside(|| TcpStream::connect_timeout(&at, Duration::from_millis(700)).is_ok());
    until(SHORT, || "it does not answer without rules".to_owned(), reached);
    let before_rules = reached();
    site.run(&["apply"]).ok();
    assert_eq!((before_rules, reached()), (true, false));
}
