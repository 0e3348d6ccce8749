//! Beside other firewalls, the real ones, in either order.

use std::process::Command;

use super::site::{ALLOWED, EVERYBODY, PORT, Site, path};
use crate::support::process::Running;
use crate::support::wait::{LONG, until};

/// What our rules and a firewall that drops all else let through: only the host itself.
const SELF: &str = "self4 self6";

#[test]
fn ufw_and_our_rules_hold_together_in_either_order() {
    let site = Site::new();
    site.answer();
    let ufw = |command: &str| {
        let dir = site.dir().join("ufw");
        let dir = dir.display();
        // Its files are the test's own.
        let mut shell = Command::new("unshare");
        shell.env("PATH", path()).args(["--mount", "sh", "-ec"]).arg(format!(
            "[ -d {dir} ] || cp -a /etc/ufw {dir}; mount --bind {dir} /etc/ufw; \
             ufw {command}"
        ));
        site.server.run(&shell).ok()
    };
    site.run(&["apply"]).ok();
    site.wait_for(ALLOWED);
    ufw("--force enable");
    site.wait_for(SELF);
    let said = site.run(&["verify"]).ok();
    for hint in [
        "ufw allow proto tcp from 10.0.0.0/24 to any port 2376",
        "ufw allow proto tcp from 2001:db8:a::/64 to any port 2376",
    ] {
        assert!(said.contains(hint), "{said}");
        ufw(hint.strip_prefix("ufw ").unwrap());
    }
    site.wait_for(ALLOWED);
    let said = site.run(&["verify"]).ok();
    assert!(!said.contains("dropped by"), "{said}");
    // What it opens to all stays closed by ours; what it does with its rules leaves ours alone.
    ufw(&format!("allow {PORT}/tcp"));
    ufw("reload");
    site.wait_for(ALLOWED);
    site.run(&["apply"]).ok();
    site.wait_for(ALLOWED);
    ufw("disable");
    site.wait_for(ALLOWED);
    site.run(&["remove"]).ok();
    site.wait_for(EVERYBODY);
}

#[test]
fn firewalld_and_our_rules_hold_together_in_either_order() {
    let site = Site::new();
    site.answer();
    let bus = site.dir().join("bus");
    let address = format!("unix:path={}", bus.display());
    let etc = site.dir().join("firewalld");
    std::fs::create_dir(&etc).unwrap();
    let policy = site.dir().join("bus.conf");
    let text = format!(
        "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
         <allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>"
    );
    std::fs::write(&policy, text).unwrap();
    let start = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("PATH", path()).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        Running::start(site.server.command(&command))
    };
    let cmd = |args: &[&str]| start("firewall-cmd", args).wait();
    let conf = format!("--config-file={}", policy.display());
    let _bus = start("dbus-daemon", &[&conf, "--nofork"]);
    until(LONG, || "there is no bus".to_owned(), || bus.exists());
    let log = site.dir().join("firewalld.log").display().to_string();
    let etc = etc.display().to_string();
    let args = ["--nofork", "--nopid", "--system-config", &etc, "--log-file", &log];
    let firewalld = start("firewalld", &args);
    until(LONG, || firewalld.stderr.text(), || cmd(&["--state"]).status.success());

    site.wait_for(SELF);
    let said = site.run(&["apply"]).ok();
    assert!(said.contains("dropped by chain filter_IN_public of table inet firewalld"), "{said}");
    for rule in [
        "rule family=ipv4 source address=10.0.0.0/24 port port=2376 protocol=tcp accept",
        "rule family=ipv6 source address=2001:db8:a::/64 port port=2376 protocol=tcp accept",
    ] {
        assert!(said.contains(&format!("--add-rich-rule='{rule}'")), "{said}");
        let rule = format!("--add-rich-rule={rule}");
        cmd(&["--permanent", &rule]).ok();
    }
    cmd(&["--reload"]).ok();
    site.wait_for(ALLOWED);
    let said = site.run(&["verify"]).ok();
    assert!(!said.contains("dropped by"), "{said}");
    cmd(&["--add-port", "2376/tcp"]).ok();
    site.wait_for(ALLOWED);
    cmd(&["--complete-reload"]).ok();
    site.wait_for(ALLOWED);
    site.run(&["remove"]).ok();
    cmd(&["--add-port", "2376/tcp"]).ok();
    site.wait_for(EVERYBODY);
    site.run(&["apply"]).ok();
    site.wait_for(ALLOWED);
}

#[test]
fn rules_of_iptables_neither_open_ours_nor_lose_them() {
    for iptables in ["iptables-legacy", "iptables-nft"] {
        for backend in ["nft", "iptables"] {
            let site = Site::new();
            site.answer();
            let six = iptables.replace("ip", "ip6");
            site.script(&format!(
                "for t in {iptables} {six}; do $t -A INPUT -p tcp --dport {PORT} -j ACCEPT; \
                 $t -t raw -A PREROUTING -p tcp --dport {PORT} -j ACCEPT; done"
            ));
            site.run(&["apply", "--backend", backend]).ok();
            site.wait_for(ALLOWED);
            // Whoever starts afresh does so with `-F` and a policy.
            site.script(&format!(
                "for t in {iptables} {six}; do $t -F; $t -P INPUT DROP; \
                 $t -A INPUT -i lo -j ACCEPT; done"
            ));
            site.wait_for(SELF);
            let said = site.run(&["verify"]).ok();
            assert!(
                said.contains("dropped by the policy of chain INPUT of table ip filter"),
                "{iptables}: {said}"
            );
        }
    }
}
