//! What an operator does after the first day: upgrade, rotate, restore, recover, put a gate in
//! front of an engine elsewhere, hand sockets over.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::client::{Docker, Side};
use crate::support::engine::Engine;
use crate::support::gate::{Gate, free_address};
use crate::support::process::Running;
use crate::support::raw::{Connection, request};
use crate::support::wait::{SHORT, until};

/// The docker command line with the credentials in a folder.
fn docker_with(gate: &Gate, credentials: &Path) -> Docker {
    Docker::first(gate.env(credentials))
}

fn status(gate: &Gate) -> serde_json::Value {
    let status = gate.run(["status", "--json"]).ok();
    serde_json::from_str(&status).unwrap()
}

#[test]
fn an_upgrade_refuses_no_client_and_keeps_the_trail_whole() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.docker_as("alice", "viewer");
    let before = status(&gate);
    let upgraded = || {
        let asked = Running::start(gate.command(["status", "--json"])).wait();
        let now: Option<serde_json::Value> = serde_json::from_str(&asked.stdout).ok();
        now.is_some_and(|now| now["started"] != before["started"])
    };
    gate.signal(Signal::SIGUSR2);
    // Whoever comes while the old binary drains and the new one starts waits and is served.
    until(
        SHORT,
        || "the gate did not start again".to_owned(),
        || {
            alice.run(["ps"]).ok();
            upgraded()
        },
    );
    assert_eq!(status(&gate)["pid"], before["pid"], "it is the same process");
    alice.run(["ps"]).ok();
    gate.run(["log", "verify"]).ok();
}

#[test]
fn an_upgrade_to_a_configuration_that_does_not_hold_is_refused() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.docker_as("alice", "viewer");
    let started = status(&gate)["started"].clone();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    std::fs::write(gate.config(), format!("upstreem = 1\n{config}")).unwrap();
    gate.signal(Signal::SIGUSR2);
    until(
        SHORT,
        || "nothing was logged".to_owned(),
        || std::fs::read_to_string(gate.log()).unwrap().contains("upgrade refused"),
    );
    alice.run(["ps"]).ok();
    std::fs::write(gate.config(), config).unwrap();
    assert_eq!(status(&gate)["started"], started, "the old one serves on");
}

#[test]
fn a_gate_in_front_of_a_gate_reaches_an_engine_elsewhere() {
    let far = Gate::up(&Engine::shared().socket());
    let bridge = far.credentials("bridge", "admin");
    let file = |name: &str| bridge.join(name).display().to_string();
    let upstream_tls = format!(
        "[upstream_tls]\nca = \"{}\"\ncert = \"{}\"\nkey = \"{}\"\n",
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem")
    );
    let here = format!("unix://{}", Engine::shared().socket().display());
    let near = Gate::prepared(&Engine::shared().socket(), &upstream_tls, &["up", "--yes"]);
    let config = std::fs::read_to_string(near.config()).unwrap();
    let there = format!("tcp://{}", far.address());
    std::fs::write(near.config(), config.replace(&here, &there)).unwrap();
    near.start();
    let alice = near.docker_as("alice", "admin");
    let container = alice.container("far", ["busybox", "sh", "-c", "echo from afar; sleep 1000"]);
    let logs = alice.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("from afar");
    let mut exec = alice.open(["exec", "-i", &container.name, "cat"]);
    exec.write(b"there and back\n");
    exec.stdout.wait_for("there and back");
    // Who asked is recorded at both: alice at the near gate, the bridge at the far one.
    let asked_by = |gate: &Gate, name: &str| {
        gate.records()
            .iter()
            .any(|record| record["operation"] == "ContainerLogs" && record["identity"] == name)
    };
    assert!(asked_by(&near, "alice") && asked_by(&far, "bridge"));
    // What the far gate takes away, the near one cannot give.
    far.run(["revoke", "bridge", "--force"]).ok();
    logs.wait();
    alice.run(["ps"]).fails();
}

#[test]
fn a_unix_listener_lets_its_clients_in_as_the_identity_it_names() {
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("gate.sock");
    let listen = format!("unix://{}?identity=local", path.display());
    let gate = Gate::prepared(&Engine::shared().socket(), "", &["up", "--yes"]);
    gate.start();
    gate.credentials("local", "viewer");
    gate.signal(Signal::SIGTERM);
    gate.wait();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let tcp = format!("\"tcp://{}\"", gate.address());
    std::fs::write(gate.config(), config.replace(&tcp, &format!("{tcp}, \"{listen}\""))).unwrap();
    gate.start();

    let local = Docker::first(vec![("DOCKER_HOST", format!("unix://{}", path.display()))]);
    local.run(["ps"]).ok();
    let (_, refused) = local.run(["run", "busybox"]).fails();
    assert!(refused.contains("seawall: local (viewer) may not create a container"), "{refused}");
    gate.run(["revoke", "local"]).ok();
    local.run(["ps"]).fails();
}

#[test]
fn sockets_that_systemd_hands_over_are_served() {
    let engine = Engine::shared().socket();
    let gate = Gate::up(&engine);
    let alice = gate.credentials("alice", "viewer");
    gate.signal(Signal::SIGTERM);
    gate.wait();
    let address = free_address();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let tcp = format!("\"tcp://{}\"", gate.address());
    std::fs::write(gate.config(), config.replace(&tcp, "\"fd://\"")).unwrap();
    // As sd_listen_fds(3) has it: descriptors from 3 on, told by the environment.
    let hand_over = "import os, socket, sys\n\
        s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
        os.dup2(s.fileno(), 3)\n\
        os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let serve = gate.command(["serve"]);
    let mut command = Command::new("python3");
    command.args(["-c", hand_over]).arg(address.port().to_string());
    command.arg(serve.get_program()).args(serve.get_args());
    let _serving = Running::start(command);
    let mut served = None;
    until(
        SHORT,
        || "nobody answers on the socket".to_owned(),
        || {
            served = Connection::tls(address, &alice).ok();
            served.is_some()
        },
    );
    let mut connection = served.unwrap();
    connection.send(request("GET", "/v1.41/containers/json"));
    assert_eq!(connection.answer("GET").status, 200);
}

#[test]
fn a_certificate_that_ends_cuts_what_it_had_open() {
    let gate = Gate::up(&Engine::shared().socket());
    let out = gate.folder_of("brief");
    let add = ["identity", "add", "brief", "--role", "admin", "--ttl", "5s", "--out"];
    gate.run(add.iter().copied().chain([out.to_str().unwrap()])).ok();
    let brief = docker_with(&gate, &out);
    let events = brief.start(["events"]);
    until(
        SHORT,
        || "events are not open".to_owned(),
        || gate.records().iter().any(|record| record["operation"] == "SystemEvents"),
    );
    events.wait();
    // The outcome is written within 100 ms.
    let cut = || {
        let records = gate.records();
        let asked = records.iter().find(|record| record["operation"] == "SystemEvents").unwrap();
        records.iter().any(|record| record["ending"] == "cut" && record["id"] == asked["id"])
    };
    until(SHORT, || "no outcome says that events were cut".to_owned(), cut);
    brief.run(["ps"]).fails();
}

#[test]
fn a_rotated_ca_lets_everybody_renew_before_the_old_one_ends() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "viewer");
    let bob = gate.credentials("bob", "viewer");
    gate.run(["ca", "rotate"]).ok();
    docker_with(&gate, &alice).run(["ps"]).ok();

    let renew = |folder: &Path| {
        let path = folder.to_str().unwrap().to_owned();
        gate.run(["renew", "--cert-path", &path, "--force"])
    };
    renew(&alice).ok();
    docker_with(&gate, &alice).run(["ps"]).ok();
    let (_, waits) = gate.run(["ca", "rotate", "--finish"]).fails();
    assert!(waits.contains("bob"), "{waits}");

    gate.run(["ca", "rotate", "--finish", "--force"]).ok();
    docker_with(&gate, &alice).run(["ps"]).ok();
    docker_with(&gate, &bob).run(["ps"]).fails();
}

#[test]
fn a_command_waits_for_whoever_has_the_state_for_a_moment() {
    let gate = Gate::up(&Engine::shared().socket());
    gate.signal(Signal::SIGTERM);
    gate.wait();
    // Somebody who has the state and answers no command: another command, or a gate that starts.
    let mut holder = Command::new("flock");
    holder.arg(gate.home().join("state/lock")).args(["sh", "-c", "echo held; exec sleep 2"]);
    let holder = Running::start(holder);
    holder.stdout.wait_for("held");
    gate.run(["identity", "list"]).ok();
    holder.wait().ok();
}

#[test]
fn a_restored_backup_revives_nobody() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "viewer");
    let bob = gate.credentials("bob", "viewer");
    let backup = gate.home().join("backup");
    gate.run(["backup", backup.to_str().unwrap()]).ok();
    gate.run(["revoke", "alice"]).ok();
    gate.signal(Signal::SIGTERM);
    gate.wait();
    gate.run(["restore", backup.to_str().unwrap()]).ok();
    gate.start();
    docker_with(&gate, &bob).run(["ps"]).ok();
    docker_with(&gate, &alice).run(["ps"]).fails();
}

#[test]
fn a_lost_admin_is_replaced_by_whoever_may_read_the_state() {
    let gate = Gate::up(&Engine::shared().socket());
    gate.run(["revoke", "admin"]).fails();
    gate.run(["revoke", "admin", "--force"]).ok();
    let boss = gate.docker_as("boss", "admin");
    boss.run(["run", "--rm", "busybox", "true"]).ok();
    // Also when no gate runs that could be asked.
    gate.signal(Signal::SIGTERM);
    gate.wait();
    let spare = gate.credentials("spare", "admin");
    gate.start();
    docker_with(&gate, &spare).run(["ps"]).ok();
    gate.run(["log", "verify"]).ok();
}

#[test]
fn what_cannot_be_recorded_is_not_done_until_it_can_be_again() {
    let gate = Gate::prepared(&Engine::shared().socket(), "", &["up", "--yes"]);
    let small = Mounted::tmpfs(&gate.audit(), "1m");
    gate.start();
    let alice = gate.credentials("alice", "admin");
    let docker = docker_with(&gate, &alice);
    docker.run(["ps"]).ok();
    let filler = small.0.join("filler");
    // Ends by itself when the file system is full.
    drop(std::fs::write(&filler, vec![0; 1 << 20]));
    let (_, refused) = docker.run(["network", "create", "unrecorded"]).fails();
    assert!(refused.contains("audit"), "{refused}");
    let networks = Side::Engine.docker().run(["network", "ls"]).ok();
    assert!(!networks.contains("unrecorded"));
    std::fs::remove_file(&filler).unwrap();
    docker.run(["ps"]).ok();
    gate.run(["log", "verify"]).ok();
}

/// A file system that is unmounted when dropped.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, size: &str) -> Self {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        assert!(mount.status().unwrap().success(), "mounting a tmpfs needs root");
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, since the gate still has files open there.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
