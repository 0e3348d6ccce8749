//! Scans of real engines, each on a host of its own, started insecurely and securely.

use std::process::Command;

use serde_json::Value;

use super::{Tree, findings, state};
use crate::support::engine::Engine;
use crate::support::process::Running;
use crate::support::relay;

/// The report of a host on which dockerd runs with these arguments; what is in `tree` lies in the
/// folder `DIR` of its arguments.
#[track_caller]
fn host(tree: &Tree, dockerd: &str, environment: &[(&str, &str)]) -> Value {
    host_by(include_str!("live.sh"), tree, dockerd, environment)
}

/// The same for an engine that a script starts.
#[track_caller]
fn host_by(script: &str, tree: &Tree, engine: &str, environment: &[(&str, &str)]) -> Value {
    let dir = tree.path("x").parent().unwrap().display().to_string();
    let mut command = Command::new("unshare");
    command.args([
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
    ]);
    command.arg(script).arg("host").arg(&dir).arg(env!("CARGO_BIN_EXE_seawall"));
    command.args(engine.replace("DIR", &dir).split_ascii_whitespace());
    for (name, _) in std::env::vars_os() {
        if ["DOCKER_", "SUDO_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", &dir).envs(environment.iter().copied());
    let done = Running::start(command).wait();
    assert!(matches!(done.status.code(), Some(0 | 3)), "{done}");
    serde_json::from_str(&done.stdout).unwrap()
}

#[track_caller]
fn one<'a>(report: &'a Value, id: &str) -> &'a Value {
    let found = findings(report, id);
    assert_eq!(found.len(), 1, "{id}: {report:#}");
    found[0]
}

fn says(finding: &Value, text: &str) -> bool {
    let evidence = finding["evidence"].as_array().unwrap();
    evidence.iter().any(|it| it["says"].as_str().unwrap().contains(text))
}

/// The files of an engine with TLS, and the flags that name them.
fn with_certificates() -> (Tree, &'static str) {
    let tree = Tree::repository();
    tree.certificate("ca", "P-256", "900", &["basicConstraints=critical,CA:TRUE,pathlen:0"]);
    let server = ["extendedKeyUsage=serverAuth", "subjectAltName=IP:127.0.0.1"];
    tree.certificate("server", "P-256", "90", &server);
    (tree, "--tlscacert DIR/ca.pem --tlscert DIR/server.pem --tlskey DIR/server-key.pem")
}

#[test]
fn an_engine_in_plain_text_on_every_address_is_critical() {
    let report = host(&Tree::repository(), "-H tcp://0.0.0.0:2375 --tls=false", &[]);
    let finding = one(&report, "NET-001");
    assert_eq!(finding["subject"], "tcp://0.0.0.0:2375");
    assert_eq!(finding["severity"], "critical");
    assert!(says(finding, "answers in plain text, API version 1."), "{finding:#}");
    // Go binds both families, whatever is written.
    assert_eq!(finding["evidence"][1]["place"], "tcp://[::]:2375");
    one(&report, "NET-004");
    assert_eq!(findings(&report, "NET-007").len(), 0, "{report:#}");
    // Its release was asked, whatever it is.
    assert_ne!(state(&report, "CFG-016"), "not-applicable", "{report:#}");
}

#[test]
fn a_firewall_weighs_only_where_it_holds_for_both_families() {
    let rules = |family: &str| {
        format!(
            "table {family} guard {{ chain input {{ type filter hook input priority -10; \
             iifname \"lo\" accept; tcp dport 2375 ip saddr 10.0.0.0/24 accept; \
             tcp dport 2375 drop; }}; }}"
        )
    };
    let flags = "-H tcp://0.0.0.0:2375 --tls=false";
    let report = host(&Tree::repository(), flags, &[("RULES", &rules("inet"))]);
    let finding = one(&report, "NET-001");
    assert_eq!(finding["severity"], "high", "{finding:#}");
    assert!(finding["weighed"].as_str().unwrap().contains("listed sources"), "{finding:#}");
    assert_eq!(findings(&report, "NET-004").len(), 0, "{report:#}");
    // Nothing loads them at the next boot.
    assert_eq!(findings(&report, "FW-006").len(), 2, "{report:#}");
    let report = host(&Tree::repository(), flags, &[("RULES", &rules("ip"))]);
    assert_eq!(one(&report, "NET-001")["severity"], "critical", "{report:#}");
    one(&report, "NET-004");
}

#[test]
fn a_port_on_loopback_is_no_wall_before_release_28() {
    let environment = [("PUBLISH", "127.0.0.1:5432:5432")];
    let report = host(&Tree::repository(), "", &environment);
    let mut dockerd = Command::new("dockerd");
    dockerd.arg("--version");
    // `Docker version 20.10.24+dfsg1, build 297e128`.
    let version = Running::start(dockerd).wait().ok();
    let number = version.split([' ', '.']).nth(2).unwrap();
    let is_old = number.parse::<u32>().unwrap() < 28;
    let found = findings(&report, "CTR-004");
    assert_eq!(found.len(), usize::from(is_old), "{version}: {report:#}");
    assert_ne!(state(&report, "CTR-004"), "not-applicable");
}

#[test]
fn an_engine_in_plain_text_on_loopback_is_open_to_local_users() {
    for address in ["127.0.0.1", "[::1]"] {
        let endpoint = format!("tcp://{address}:2375");
        let report = host(&Tree::repository(), &format!("-H {endpoint} --tls=false"), &[]);
        let finding = one(&report, "NET-003");
        assert_eq!((&finding["subject"], &finding["severity"]), (&endpoint.into(), &"high".into()));
        assert!(says(finding, "answers in plain text"), "{finding:#}");
        assert_eq!(state(&report, "NET-001"), "pass");
    }
}

#[test]
fn tls_that_verifies_nobody_is_seen_through() {
    let (tree, files) = with_certificates();
    let flags = format!("-H tcp://0.0.0.0:2376 --tls --tlsverify=false {files}");
    let report = host(&tree, &flags, &[]);
    let finding = one(&report, "NET-002");
    assert_eq!(finding["severity"], "critical");
    assert!(says(finding, "over TLS without a client certificate"), "{finding:#}");
}

#[test]
fn tls_that_verifies_lets_nobody_in() {
    let (tree, files) = with_certificates();
    let report = host(&tree, &format!("-H tcp://0.0.0.0:2376 --tlsverify {files}"), &[]);
    for id in ["NET-001", "NET-002", "NET-003"] {
        assert_eq!(state(&report, id), "pass", "{id}: {report:#}");
    }
    let finding = one(&report, "NET-005");
    assert!(says(finding, "lets in no client without a certificate"), "{finding:#}");
    // The CA's key was left beside its certificate.
    one(&report, "KEY-001");
}

#[test]
fn certificates_that_nothing_turns_on_are_plain_text() {
    let (tree, files) = with_certificates();
    let report = host(&tree, &format!("-H tcp://127.0.0.1:2376 {files}"), &[]);
    assert!(says(one(&report, "NET-003"), "answers in plain text"), "{report:#}");
    one(&report, "CFG-003");
}

#[test]
fn a_port_that_systemd_opened_is_found_without_a_word_in_the_settings() {
    let environment = [("ACTIVATE", "systemd-socket-activate -l 0.0.0.0:2375"), ("PORT", "2375")];
    let report = host(&Tree::repository(), "-H fd:// --tls=false", &environment);
    let finding = one(&report, "NET-007");
    assert_eq!(
        (&finding["subject"], &finding["severity"]),
        (&"tcp://0.0.0.0:2375".into(), &"critical".into())
    );
    assert!(finding["what"].as_str().unwrap().starts_with("dockerd serves"), "{finding:#}");
}

#[test]
fn podmans_service_on_a_port_is_found_by_what_it_answers() {
    for (address, severity) in [("0.0.0.0", "critical"), ("127.0.0.1", "high")] {
        let endpoint = format!("tcp://{address}:8888");
        let script = include_str!("podman.sh");
        let report = host_by(script, &Tree::repository(), &endpoint, &[]);
        let id = if severity == "critical" { "NET-008" } else { "NET-003" };
        let finding = one(&report, id);
        let expected = (&Value::from(endpoint), &Value::from(severity));
        assert_eq!((&finding["subject"], &finding["severity"]), expected);
        assert!(says(finding, "answers in plain text"), "{finding:#}");
    }
}

#[test]
fn a_relay_to_the_engines_socket_is_found() {
    let address = relay::tcp_to(&Engine::shared().socket());
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(["scan", "--format", "json", "--config", "/none", "--state", "/none"]);
    let report = Running::start(command).wait().stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let subject = format!("tcp://{address}");
    let found = findings(&report, "NET-007");
    let finding = found.iter().find(|it| it["subject"] == subject);
    let finding = finding.unwrap_or_else(|| panic!("{subject} is not in {found:#?}"));
    assert_eq!(finding["severity"], "high", "only this host reaches it");
}

#[test]
fn a_host_set_up_by_up_has_no_finding_of_remote_access() {
    let tree = Tree::repository();
    tree.file(
        "seawall.toml",
        "listen = [\"tcp://0.0.0.0:2376\"]\nupstream = \"unix:///run/docker.sock\"\n",
    );
    let report = host(&tree, "", &[]);
    assert_eq!(state(&report, "GATE-001"), "pass", "{report:#}");
    assert_eq!(state(&report, "GATE-003"), "pass", "{report:#}");
    assert_eq!(one(&report, "GATE-005")["severity"], "info");
    let remote = [
        "NET-", "FW-", "GATE-", "TLS-", "KEY-", "CTX-", "CFG-001", "CFG-003", "CFG-004", "CFG-006",
    ];
    for finding in report["findings"].as_array().unwrap() {
        let id = finding["id"].as_str().unwrap();
        let severity = finding["severity"].as_str().unwrap();
        let is_remote = remote.iter().any(|start| id.starts_with(start));
        assert!(!is_remote || ["info", "low"].contains(&severity), "{finding:#}");
    }
    // The same host with the engine's own port open beside the gate.
    let report = host(&tree, "-H tcp://0.0.0.0:2375 --tls=false", &[]);
    assert_eq!(one(&report, "GATE-006")["severity"], "high");
}
