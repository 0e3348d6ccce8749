//! What an identity may not do, and how it is told.

use crate::support::client::{Docker, Side, command_lines};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::raw::request;

fn dockers(gate: &Gate, role: &str) -> Vec<Docker> {
    let credentials = gate.credentials(&format!("the-{role}"), role);
    command_lines().iter().map(|program| Docker::new(program, gate.env(&credentials))).collect()
}

#[test]
fn a_viewer_that_runs_a_container_reads_one_clear_sentence() {
    let gate = Gate::up(&Engine::shared().socket());
    for docker in dockers(&gate, "viewer") {
        docker.run(["ps"]).ok();
        docker.run(["images"]).ok();
        docker.run(["version"]).ok();
        let (code, said) = docker.run(["run", "--name", "denied", "busybox", "true"]).fails();
        assert_eq!(code, Some(125), "{said}");
        let sentence = said
            .lines()
            .find_map(|line| line.split_once("Error response from daemon: "))
            .map(|(_, sentence)| sentence)
            .unwrap_or_else(|| panic!("{said}"));
        assert!(sentence.starts_with("seawall: the-viewer (viewer) may not "), "{said}");
        assert!(sentence.contains("[rule role.operations, request "), "{said}");
        // The id in the sentence leads to the rest.
        let (_, rest) = sentence.split_once("request ").unwrap();
        let (id, _) = rest.split_once(']').unwrap();
        assert!(sentence.contains(&format!("seawall policy explain {id}")), "{said}");
        let explained = gate.run(["policy", "explain", id]).ok();
        assert!(explained.contains("the-viewer"), "{explained}");
        assert!(explained.contains("role.operations"), "{explained}");
    }
    Side::Engine.docker().run(["inspect", "denied"]).fails();
}

#[test]
fn a_viewer_gets_lists_and_an_operator_starts_and_stops() {
    let gate = Gate::up(&Engine::shared().socket());
    let admin = Side::Engine.docker();
    let container = admin.idle_container("watched");
    let name = container.name.as_str();
    let viewer = gate.docker_as("vera", "viewer");
    let operator = gate.docker_as("otto", "operator");
    for docker in [&viewer, &operator] {
        for allowed in [
            &["ps", "-a"][..],
            &["volume", "ls"],
            &["network", "ls"],
            &["info"],
            &["inspect", name],
        ] {
            docker.run(allowed).ok();
        }
        let refused = [
            &["top", name][..],
            &["exec", name, "true"],
            &["cp", &format!("{name}:/etc"), "-"],
            &["export", name],
            &["commit", name],
            &["rename", name, "other"],
            &["update", "--cpu-shares", "2", name],
            &["run", "busybox"],
            &["rm", "-f", name],
            &["volume", "create", "v"],
            &["network", "create", "n"],
            &["save", "busybox"],
            &["tag", "busybox", "other"],
            &["rmi", "busybox"],
            &["pull", "busybox"],
            &["swarm", "init"],
            &["config", "ls"],
            &["secret", "ls"],
            &["system", "prune", "-f"],
        ];
        for refused in refused {
            let (_, said) = docker.run(refused).fails();
            assert!(said.contains("seawall: "), "{refused:?}: {said}");
            assert!(said.contains("[rule "), "{refused:?}: {said}");
        }
    }
    viewer.run(["logs", name]).fails();
    operator.run(["logs", name]).ok();
    for command in ["pause", "unpause"] {
        viewer.run([command, name]).fails();
        operator.run([command, name]).ok();
    }
    operator.run(["stats", "--no-stream", name]).ok();
    operator.run(["restart", "-t", "0", name]).ok();
    operator.run(["stop", "-t", "0", name]).ok();
    operator.run(["start", name]).ok();
    operator.run(["kill", name]).ok();
}

#[test]
fn allowed_and_refused_both_stand_in_the_audit_trail() {
    let gate = Gate::up(&Engine::shared().socket());
    let viewer = gate.docker_as("vera", "viewer");
    viewer.run(["ps"]).ok();
    viewer.run(["volume", "create", "not-this-one"]).fails();
    let shown = gate.run(["log", "tail", "--json"]).ok();
    let records: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let decision = |operation: &str| {
        let found = records.iter().find(|r| r["operation"] == operation && r["identity"] == "vera");
        found.unwrap_or_else(|| panic!("no decision on {operation} in {shown}"))
    };
    assert_eq!(decision("ContainerList")["allowed"], true);
    assert_eq!(decision("VolumeCreate")["allowed"], false);
    assert_eq!(decision("VolumeCreate")["rule"], "role.operations");
    let id = decision("ContainerList")["id"].as_str().unwrap();
    let outcome = records.iter().find(|r| r["kind"] == "outcome" && r["id"] == id);
    assert_eq!(outcome.unwrap()["status"], 200, "{shown}");
    for text in ["vera", "VolumeCreate"] {
        assert!(gate.run(["log", "tail"]).ok().contains(text));
    }
    gate.run(["log", "verify"]).ok();
}

#[test]
fn an_api_version_below_the_floor_is_refused_and_the_floor_can_be_lowered() {
    let ask = |gate: &Gate, version: &str| {
        let mut connection = gate.connect(&gate.folder_of("alice"));
        connection.send(request("GET", &format!("/v{version}/containers/json")));
        connection.answer("GET")
    };
    let gate = Gate::up(&Engine::shared().socket());
    gate.credentials("alice", "viewer");
    let refused = ask(&gate, "1.39");
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert!(refused.text().contains("[rule version.floor"), "{}", refused.text());
    assert_eq!(ask(&gate, "1.40").status, 200);
    let gate = Gate::up_with(&Engine::shared().socket(), "min_api = \"1.24\"");
    gate.credentials("alice", "viewer");
    assert_eq!(ask(&gate, "1.24").status, 200);
    assert_ne!(ask(&gate, "1.23").status, 200);
}

#[test]
fn a_client_without_a_certificate_gets_no_further_than_the_handshake() {
    let gate = Gate::up(&Engine::shared().socket());
    let everyone = gate.credentials("alice", "admin");
    let nobody = tempfile::tempdir().unwrap();
    std::fs::copy(everyone.join("ca.pem"), nobody.path().join("ca.pem")).unwrap();
    let docker = Docker::first(gate.env(nobody.path()));
    let (_, said) = docker.run(["ps"]).fails();
    assert!(!said.contains("seawall: "), "{said}");
    // A certificate of another gate is no better.
    let other = Gate::up(&Engine::shared().socket());
    let stranger = other.credentials("alice", "admin");
    std::fs::copy(everyone.join("ca.pem"), stranger.join("ca.pem")).unwrap();
    Docker::first(gate.env(&stranger)).run(["ps"]).fails();
    let requests = gate.records().into_iter().filter(|r| r["kind"] == "decision").count();
    assert_eq!(requests, 0);
}
