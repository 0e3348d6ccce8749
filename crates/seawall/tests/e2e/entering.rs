//! The ways in: what `up` makes for the one who runs it, a folder, a context's archive, an
//! invitation.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::client::Docker;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::Running;

// A client that is pointed nowhere: only its contexts lead to a gate.
fn unpointed() -> Docker {
    Docker::first(Vec::new())
}

// `seawall ARGS` on the client's machine.
fn client(docker: &Docker, args: &[&str]) -> Running {
    let mut seawall = docker.pointed(env!("CARGO_BIN_EXE_seawall"));
    seawall.args(args);
    Running::start(seawall)
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

// The invitation in what `identity add --invite` printed.
fn invitation(said: &str) -> String {
    let word = said.split_ascii_whitespace().find(|word| word.starts_with("seawall1."));
    word.unwrap_or_else(|| panic!("no invitation in {said}")).to_owned()
}

#[test]
fn up_makes_an_admin_and_a_context_and_again_changes_nothing() {
    let gate = Gate::up(&Engine::shared().socket());
    let home = gate.home();
    let contexts = fs::read_dir(home.join(".docker/contexts/meta")).unwrap();
    let meta = contexts.map(|entry| entry.unwrap().path().join("meta.json")).next().unwrap();
    let meta: serde_json::Value = serde_json::from_slice(&fs::read(meta).unwrap()).unwrap();
    let name = meta["Name"].as_str().unwrap();
    let mut docker = Command::new("docker");
    docker.args(["--context", name, "run", "--rm", "busybox", "echo", "hello"]);
    docker.env("HOME", home).env_remove("DOCKER_CONFIG");
    assert_eq!(Running::start(docker).wait().ok(), "hello");
    let identities = gate.run(["identity", "list", "--json"]).ok();
    assert!(identities.contains("admin"), "{identities}");

    let before = (fs::read(gate.config()).unwrap(), gate.run(["ca", "show", "--json"]).ok());
    gate.kill();
    gate.start();
    let after = (fs::read(gate.config()).unwrap(), gate.run(["ca", "show", "--json"]).ok());
    assert!(before == after, "{before:?}\n{after:?}");
    assert_eq!(gate.run(["identity", "list", "--json"]).ok(), identities);
}

#[test]
fn a_folder_is_what_docker_cert_path_wants() {
    let gate = Gate::up(&Engine::shared().socket());
    let folder = gate.credentials("alice", "viewer");
    assert_eq!(mode(&folder.join("key.pem")), 0o600);
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-purpose", "sslclient", "-CAfile"]);
    openssl.arg(folder.join("ca.pem")).arg(folder.join("cert.pem"));
    Running::start(openssl).wait().ok();
    Docker::first(gate.env(&folder)).run(["ps"]).ok();
}

#[test]
fn a_contexts_archive_needs_no_seawall_on_the_client() {
    let gate = Gate::up(&Engine::shared().socket());
    let docker = unpointed();
    let archive = docker.config().join("gate.tar");
    let archive = archive.to_str().unwrap();
    gate.run(["identity", "add", "carol", "--role", "viewer", "--context", archive]).ok();
    assert_eq!(mode(Path::new(archive)), 0o600);
    docker.run(["context", "import", "gate", archive]).ok();
    docker.run(["--context", "gate", "ps"]).ok();
    let (_, said) = docker.run(["--context", "gate", "run", "busybox"]).fails();
    assert!(said.contains("carol (viewer) may not"), "{said}");
}

#[test]
fn an_invitation_is_followed_once_and_makes_a_context() {
    let gate = Gate::up(&Engine::shared().socket());
    let said = gate.run(["identity", "add", "dave", "--role", "viewer", "--invite"]).ok();
    let invitation = invitation(&said);
    let docker = unpointed();
    client(&docker, &["join", &invitation, "--name", "gate"]).wait().ok();
    docker.run(["--context", "gate", "ps"]).ok();
    // Renewed with the key that proves itself, and in force: too early first, and then at any
    // time, because the CA is being rotated.
    let (_, early) = client(&docker, &["renew", "gate", "--force"]).wait().fails();
    assert!(early.contains("two thirds"), "{early}");
    gate.run(["ca", "rotate"]).ok();
    let renewed = client(&docker, &["renew", "gate", "--force"]).wait().ok();
    assert!(renewed.starts_with("renewed: "), "{renewed}");
    docker.run(["--context", "gate", "ps"]).ok();
    let renewals = |records: &[serde_json::Value]| {
        records.iter().filter(|record| record["what"] == "enrol.renew").count()
    };
    assert_eq!(renewals(&gate.records()), 1);
    // Nobody else can follow it.
    let second = unpointed();
    let (code, said) = client(&second, &["join", &invitation, "--name", "gate"]).wait().fails();
    assert_eq!(code, Some(1), "{said}");
    second.run(["--context", "gate", "ps"]).fails();
    // Neither the invitation nor a key stands in the record.
    let records = gate.records().iter().map(ToString::to_string).collect::<String>();
    assert!(!records.contains(&invitation));
    assert!(records.contains("dave"), "{records}");
}

#[test]
fn an_invitation_to_another_gate_is_not_followed() {
    // The same address, and later another gate there: the client must not be fooled.
    let gate = Gate::up(&Engine::shared().socket());
    let said = gate.run(["identity", "add", "erin", "--role", "viewer", "--invite"]).ok();
    let invitation = invitation(&said);
    gate.kill();
    fs::remove_dir_all(gate.audit().parent().unwrap()).unwrap();
    gate.start();
    let docker = unpointed();
    let (code, said) = client(&docker, &["join", &invitation, "--name", "gate"]).wait().fails();
    assert_eq!(code, Some(1), "{said}");
    docker.run(["--context", "gate", "ps"]).fails();
}

#[test]
fn an_invitation_of_a_revoked_identity_is_void() {
    let gate = Gate::up(&Engine::shared().socket());
    let said = gate.run(["identity", "add", "frank", "--role", "viewer", "--invite"]).ok();
    gate.run(["revoke", "frank"]).ok();
    client(&unpointed(), &["join", &invitation(&said), "--name", "gate"]).wait().fails();
}
