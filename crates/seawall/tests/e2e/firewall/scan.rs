//! `seawall scan` on a host whose rules only seem to help.

use std::process::Command;

use super::site::{PORT, Site, TO_BAD, connection, echoes};
use crate::support::process::Running;

/// What a scan of the server finds about rules: ids and subjects, in order.
fn found(site: &Site) -> Vec<String> {
    let mut seawall = Command::new(env!("CARGO_BIN_EXE_seawall"));
    seawall.args(["scan", "--format", "json"]).arg("--config").arg(site.config());
    seawall.arg("--state").arg(site.state()).env("HOME", site.dir());
    let done = Running::start(site.server.command(&seawall)).wait();
    let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let shown = findings
        .map(|it| format!("{} {}", it["id"].as_str().unwrap(), it["subject"].as_str().unwrap()));
    let mut shown: Vec<_> = shown.filter(|it| it.starts_with("FW-")).collect();
    shown.sort();
    shown
}

/// Puts these rules, and no others, into the way of what the server is sent.
fn guard(site: &Site, rules: &str) {
    // In one step, so that the kernel goes on to track what is open.
    let table = format!(
        "table inet own; delete table inet own; table inet own {{ chain input {{ type filter hook input priority 0; \
         iifname \"lo\" accept; {rules} }}; }}"
    );
    site.script(&format!("echo '{table}' | nft -f -"));
}

#[test]
fn a_scan_tells_rules_that_hold_from_those_that_do_not() {
    let site = Site::new();
    site.answer();
    guard(&site, "ct state established accept;");
    let mut old = connection(&site.bad, TO_BAD[0], PORT).unwrap();
    assert!(echoes(&mut old));
    // It has two interfaces, and an allowlist that goes by sources.
    assert_eq!(found(&site), ["FW-011 rp_filter"]);
    site.script("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
    assert_eq!(found(&site), [""; 0]);

    // They hold for what is new, and nothing brings them back after a boot.
    let allow = "tcp dport 2376 ip saddr 10.0.0.0/24 accept; \
                 tcp dport 2376 ip6 saddr 2001:db8:a::/64 accept;";
    guard(&site, &format!("ct state established accept; {allow} tcp dport 2376 drop;"));
    assert!(echoes(&mut old), "{}", site.rules());
    assert!(connection(&site.bad, TO_BAD[0], PORT).is_none());
    let open = "FW-010 tcp 2376 from 192.168.77.5";
    let gone = ["FW-006 tcp 2376 (IPv4)", "FW-006 tcp 2376 (IPv6)"];
    assert_eq!(found(&site), [&gone[..], &[open]].concat());

    // The other way round the same lines do nothing.
    guard(&site, &format!("tcp dport 2376 accept; {allow} tcp dport 2376 drop;"));
    assert!(connection(&site.bad, TO_BAD[0], PORT).is_some());
    assert_eq!(found(&site), ["FW-003 tcp 2376 (IPv4)", "FW-003 tcp 2376 (IPv6)"]);

    // And what drops everybody keeps out those whom the gate lets in.
    guard(&site, "tcp dport 2376 drop;");
    let kept_out = ["FW-012 tcp 2376 from 10.0.0.0/24", "FW-012 tcp 2376 from 2001:db8:a::/64"];
    assert_eq!(found(&site), [&gone[..], &[open], &kept_out].concat());
}
