//! `seawall status` beside the kernel's rules.

use std::process::Command;

use super::site::Site;
use crate::support::engine::Engine;
use crate::support::process::Running;
use crate::support::wait::{SHORT, until};

#[test]
fn status_says_whether_the_rules_hold() {
    let site = Site::new();
    let engine = Engine::shared();
    site.configure_before(&engine.socket(), &["10.0.0.0/24", "2001:db8:a::/64"], "");
    let seawall = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(args).arg("--config").arg(site.config()).arg("--state").arg(site.state());
        command.env("HOME", site.dir()).env_remove("SUDO_UID");
        Running::start(site.server.command(&command))
    };
    let gate = seawall(&["up", "--yes"]);
    let status = || seawall(&["status"]).wait();
    until(SHORT, || gate.stderr.text(), || status().status.success());
    assert!(!status().stdout.contains("\nfirewall "));
    let scan = || -> serde_json::Value {
        serde_json::from_str(&seawall(&["scan", "--format", "json"]).wait().stdout).unwrap()
    };
    let drift = || -> Vec<String> {
        let findings = scan()["findings"].as_array().unwrap().clone();
        let ids = findings.iter().map(|it| it["id"].as_str().unwrap().to_owned());
        ids.filter(|id| id == "FW-008").collect()
    };

    site.run(&["apply"]).ok();
    let said = status().ok();
    assert!(said.contains("firewall     in force, by nftables"), "{said}");
    site.script("nft flush ruleset");
    let said = status().ok();
    assert!(said.contains("WARNING") && said.contains("no rules of ours are in force"), "{said}");
    assert_eq!(drift(), ["FW-008"], "{}", scan());
    site.run(&["load"]).ok();
    assert!(drift().is_empty(), "{}", scan());
    assert!(!status().ok().contains("WARNING"));
    site.configure_before(&engine.socket(), &["10.0.0.0/16"], "");
    let said = status().ok();
    assert!(said.contains("the configuration asks for other rules by now"), "{said}");
}
