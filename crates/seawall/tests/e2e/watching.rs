//! What a gate knows of its host: the result of the daily scan, and engines open beside it.

use std::fs;

use crate::support::engine::{Engine, tail};
use crate::support::gate::Gate;
use crate::support::netns::Host;
use crate::support::open_engine::OpenEngine;
use crate::support::wait::{SHORT, until};

fn line(status: &str, what: &str) -> String {
    let found = status.lines().find(|line| line.starts_with(what));
    found.unwrap_or_else(|| panic!("no `{what}` in {status}")).to_owned()
}

#[test]
fn the_last_host_scan_stands_in_status_and_in_the_metrics() {
    let gate = Gate::up(&Engine::shared().socket());
    assert!(line(&gate.run(["status"]).ok(), "host scan").contains("seawall-scan.timer"));
    assert!(!gate.metrics().contains("seawall_scan_time_seconds"));

    gate.run(["scan", "--for-gate"]).ok();
    let shown = line(&gate.run(["status"]).ok(), "host scan");
    assert!(shown.contains("0 h 0 min ago: "), "{shown}");
    assert!(gate.metrics().contains("seawall_scan_findings{severity=\"critical\"} "));

    let file = gate.home().join("state/scan.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["time"] = "2026-01-02T03:04:05Z".into();
    result["findings"] = serde_json::json!([
        { "id": "NET-001", "severity": "critical", "subject": "tcp://[::]:2375", "what": "open" },
        { "id": "CFG-008", "severity": "low", "subject": "icc", "what": "on" },
    ]);
    fs::write(&file, result.to_string()).unwrap();
    let status = gate.run(["status"]).ok();
    assert!(line(&status, "host scan").ends_with("ago: 1 critical, 1 low"), "{status}");
    for warning in [
        "the host scan found: open (critical NET-001, tcp://[::]:2375)",
        "the last host scan is more than two days old",
    ] {
        assert!(status.contains(warning), "no `{warning}` in {status}");
    }
    let log = fs::read_to_string(gate.log()).unwrap();
    assert!(log.contains("new finding of the host scan") && log.contains("NET-001"), "{log}");
    assert!(gate.metrics().contains("seawall_scan_findings{severity=\"critical\"} 1\n"));

    fs::write(&file, "half a resu").unwrap();
    let status = gate.run(["status"]).ok();
    assert!(line(&status, "host scan").contains("CANNOT BE READ"), "{status}");
}

#[test]
fn an_engine_open_beside_the_gate_is_called_out() {
    let host = Host::new();
    let engine = OpenEngine::start(&host, &["-H", "tcp://0.0.0.0:2375"]);
    engine.wait();
    let gate = Gate::up_on(&host, "\"tcp://127.0.0.1:2376\"", &Engine::shared().socket(), "");
    let said = "an engine beside the gate is open to anyone in plain text: tcp://[::]:2375";
    until(
        SHORT,
        || tail("the gate said", &gate.log()),
        || fs::read_to_string(gate.log()).is_ok_and(|log| log.contains(said)),
    );
    let status = gate.run(["status"]).ok();
    assert!(line(&status, "WARNING").contains(said), "{status}");
    assert!(gate.metrics().contains("seawall_engines_beside 1\n"));
}
