//! In through the host's own sshd: `seawall dial-stdio` as a forced command.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::Side;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::Running;
use crate::support::sshd::{
    SEAWALL, SHIM_UID, SHIM_USER, SshClient, Sshd, authorized_keys, config, keygen,
};
use crate::support::token::Token;

/// A gate with the way through sshd open, and the folder of its socket.
fn gate() -> (Gate, PathBuf, tempfile::TempDir) {
    gate_with("")
}

/// The same, with these lines under `[ssh]`.
fn gate_with(lines: &str) -> (Gate, PathBuf, tempfile::TempDir) {
    let dir = tempfile::Builder::new().prefix("seawall-shim-").tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let socket = dir.path().join("sshd.sock");
    let config = config(&socket) + lines;
    (Gate::up_with(&Engine::shared().socket(), &config), socket, dir)
}

/// Adds an identity with this client's key, enabled for sshd.
#[track_caller]
fn add(gate: &Gate, name: &str, role: &str, client: &SshClient) {
    let key = client.public_key();
    let key = key.to_str().unwrap();
    gate.run(["identity", "add", name, "--role", role, "--ssh-key", key, "--sshd"]).ok();
}

const EXPOSE: &str = "ExposeAuthInfo yes";

#[test]
fn docker_works_over_the_hosts_own_sshd() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "admin", &alice);
    let lines = authorized_keys(&gate, &socket);
    assert!(lines.starts_with("restrict,command=\"/mnt/seawall dial-stdio --socket "), "{lines}");
    assert!(lines.ends_with(" alice\n"), "{lines}");
    let sshd = Sshd::start(EXPOSE, &lines);
    let docker = alice.docker(sshd.host_as(SHIM_USER));

    docker.run(["ps"]).ok();
    let data: Vec<u8> = (0..3 << 20_u32).map(|n| (n >> 3) as u8).collect();
    let echoed = {
        let mut running = docker.open(["run", "--rm", "-i", "busybox", "cat"]);
        running.write(&data);
        drop(running.stdin.take());
        crate::support::wait::until(
            crate::support::wait::LONG,
            || running.stderr.text(),
            || running.stdout.ended(),
        );
        running.stdout.bytes()
    };
    assert!(echoed == data, "{} bytes of {}", echoed.len(), data.len());

    let record = gate.records().into_iter().find(|record| record["target"] == "/_ping").unwrap();
    assert_eq!(record["identity"], "alice", "{record}");
    let text = record.to_string();
    assert!(text.contains(&format!("ssh-key:{}", alice.fingerprint())), "{text}");
    assert!(text.contains("127.0.0.1:"), "the client's address is recorded: {text}");
}

#[test]
fn fifty_at_once_all_get_through_sshd() {
    let docker = Side::Sshd.docker();
    let all: Vec<_> = (0..50).map(|_| docker.start(["ps"])).collect();
    for one in all {
        one.wait().ok();
    }
}

#[test]
fn one_connection_to_sshd_carries_many_channels() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "viewer", &alice);
    let sshd = Sshd::start(&format!("{EXPOSE}\nMaxSessions 100"), &authorized_keys(&gate, &socket));
    let master = alice.path("master");
    alice.configure(&format!(
        "ControlMaster auto\nControlPersist 60\nControlPath {}",
        master.display()
    ));
    let docker = alice.docker(sshd.host_as(SHIM_USER));
    docker.run(["ps"]).ok();
    assert!(master.exists());
    let many: Vec<_> = (0..20).map(|_| docker.start(["ps"])).collect();
    for one in many {
        one.wait().ok();
    }
    // sshd's connection stays, and opens nothing any more.
    gate.run(["revoke", "alice"]).ok();
    docker.run(["ps"]).fails();
    alice.ssh(sshd.address(), SHIM_USER, &["-O", "exit"]);
}

#[test]
fn sshd_asks_a_token_whether_it_was_touched() {
    let (gate, socket, _dir) = gate();
    for (touched, name) in [(true, "alice"), (false, "bob")] {
        let client = SshClient::new();
        let token = Token::new(&client.path(""), touched);
        let key = token.public_key.display().to_string();
        gate.run(["identity", "add", name, "--role", "viewer", "--ssh-key", &key, "--sshd"]).ok();
        let sshd = Sshd::start(EXPOSE, &authorized_keys(&gate, &socket));
        client.configure(&token.config());
        let done = client.docker(sshd.host_as(SHIM_USER)).run(["ps"]);
        assert_eq!(done.status.success(), touched, "{done}");
    }
}

#[test]
fn sshd_asks_the_gate_for_each_key() {
    let (gate, socket, _dir) = gate();
    let [alice, bob] = [SshClient::new(), SshClient::new()];
    let live = format!(
        "{EXPOSE}\nAuthorizedKeysCommand {SEAWALL} ssh authorized-keys --key %k --socket {}\n\
         AuthorizedKeysCommandUser {SHIM_USER}",
        socket.display()
    );
    let sshd = Sshd::start(&live, "");
    let docker = alice.docker(sshd.host_as(SHIM_USER));
    let (_, refused) = docker.run(["ps"]).fails();
    assert!(refused.contains("Permission denied"), "{refused}");
    add(&gate, "alice", "viewer", &alice);
    docker.run(["ps"]).ok();
    let theirs = bob.docker(sshd.host_as(SHIM_USER));
    assert!(theirs.run(["ps"]).fails().1.contains("Permission denied"));
    gate.run(["identity", "set", "alice", "--remove-ssh-key", &alice.fingerprint()]).ok();
    assert!(docker.run(["ps"]).fails().1.contains("Permission denied"));
}

#[test]
fn a_revocation_cuts_a_stream_through_sshd() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "admin", &alice);
    let sshd = Sshd::start(EXPOSE, &authorized_keys(&gate, &socket));
    let docker = alice.docker(sshd.host_as(SHIM_USER));
    let admin = Side::Engine.docker();
    let script = "while :; do echo line; sleep 0.05; done";
    let container = admin.container("talking", ["busybox", "sh", "-c", script]);
    let logs = docker.start(["logs", "-f", &container.name]);
    logs.stdout.wait_for("line");
    let revoked = Instant::now();
    gate.run(["revoke", "alice"]).ok();
    logs.wait();
    assert!(revoked.elapsed() < Duration::from_secs(4), "after {:?}", revoked.elapsed());
    let (_, said) = docker.run(["ps"]).fails();
    assert!(said.contains("this key may not enter through the host's sshd"), "{said}");
}

#[test]
fn an_identity_that_is_not_enabled_does_not_come_through_sshd() {
    let (gate, socket, _dir) = gate();
    let [alice, bob] = [SshClient::new(), SshClient::new()];
    add(&gate, "alice", "admin", &alice);
    let lines = authorized_keys(&gate, &socket);
    let key = bob.public_key();
    let key = ["identity", "add", "bob", "--role", "viewer", "--ssh-key", key.to_str().unwrap()];
    gate.run(key).ok();
    assert_eq!(authorized_keys(&gate, &socket), lines, "no line for bob");
    // Whatever the file says, the gate decides.
    let [hers, his] = [&alice, &bob].map(SshClient::key_alone);
    let sshd = Sshd::start(EXPOSE, &lines.replace(&hers, &his));
    let (_, said) = bob.docker(sshd.host_as(SHIM_USER)).run(["ps"]).fails();
    assert!(said.contains("this key may not enter through the host's sshd"), "{said}");
    gate.run(["identity", "set", "bob", "--sshd"]).ok();
    bob.docker(sshd.host_as(SHIM_USER)).run(["ps"]).ok();
    gate.run(["identity", "set", "bob", "--no-sshd"]).ok();
    bob.docker(sshd.host_as(SHIM_USER)).run(["ps"]).fails();
}

#[test]
fn nothing_but_the_engine_is_reached_through_sshd() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "viewer", &alice);
    let sshd = Sshd::start(EXPOSE, &authorized_keys(&gate, &socket));
    let ssh = |args: &[&str]| alice.ssh(sshd.address(), SHIM_USER, args).fails();
    for command in ["id", "docker ps", "docker system dial-stdio; id", "sh -c id"] {
        let (code, said) = ssh(&[command]);
        assert_eq!(code, Some(127), "{said}");
        assert!(said.contains("only `docker system dial-stdio` runs here"), "{command}: {said}");
    }
    let (code, said) = ssh(&[]);
    assert_eq!(code, Some(127), "{said}");
    assert!(said.contains("there is no shell here"), "{said}");
    assert!(said.contains("docker -H ssh://docker-ssh@HOST ps"), "{said}");
    let refused: Vec<_> =
        gate.records().into_iter().filter(|record| record["what"] == "ssh.refused").collect();
    assert_eq!(refused.len(), 5, "{refused:?}");
}

#[test]
fn the_user_of_sshd_needs_no_shell() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "viewer", &alice);
    let lines = authorized_keys(&gate, &socket);
    let sshd = Sshd::start_with_shell(EXPOSE, &lines, "/mnt/seawall-shell");
    alice.docker(sshd.host_as(SHIM_USER)).run(["ps"]).ok();
    let (_, said) = alice.ssh(sshd.address(), SHIM_USER, &[]).fails();
    assert!(said.contains("there is no shell here"), "{said}");
    // Not even a line without a forced command gives one.
    let open = format!("restrict {}\n", alice.public_line());
    let sshd = Sshd::start_with_shell(EXPOSE, &open, "/mnt/seawall-shell");
    let (_, said) = alice.ssh(sshd.address(), SHIM_USER, &["id"]).fails();
    assert!(!said.contains("uid=") && said.contains("cannot reach the gate"), "{said}");
}

#[test]
fn another_key_on_the_command_line_is_not_believed() {
    let (gate, socket, _dir) = gate();
    let [alice, bob] = [SshClient::new(), SshClient::new()];
    add(&gate, "alice", "viewer", &alice);
    add(&gate, "bob", "viewer", &bob);
    let lines = authorized_keys(&gate, &socket);
    // Bob's key, behind a line that is meant for alice.
    let sshd = Sshd::start(EXPOSE, &lines);
    bob.docker(sshd.host_as(SHIM_USER)).run(["ps"]).ok();
    let record = gate.records().into_iter().rfind(|record| record["kind"] == "decision").unwrap();
    assert_eq!(record["identity"], "bob", "{record}");
    // Without the word of sshd there is no key at all.
    let silent = Sshd::start("", &lines);
    let (_, said) = alice.docker(silent.host_as(SHIM_USER)).run(["ps"]).fails();
    assert!(said.contains("ExposeAuthInfo yes"), "{said}");
    // A client that brings its own word is not heard, even where sshd takes any variable.
    let open = Sshd::start("AcceptEnv *", &lines);
    let forged = alice.path("forged");
    std::fs::write(&forged, format!("publickey {}\n", bob.public_line())).unwrap();
    alice.configure(&format!("SetEnv SSH_USER_AUTH={}", forged.display()));
    let (_, said) = alice.docker(open.host_as(SHIM_USER)).run(["ps"]).fails();
    assert!(said.contains("cannot use "), "{said}");
}

#[test]
fn certificates_come_through_sshd_until_they_are_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let run = |args: &[&str]| keygen(args.iter().map(AsRef::as_ref));
    run(&["-q", "-t", "ed25519", "-N", "", "-f", &file("ca")]);
    run(&["-q", "-k", "-f", &file("krl")]);
    let (gate, socket, _dir) = gate_with(&format!(
        "trusted_user_ca = \"{}\"\nrevoked_keys = \"{}\"",
        file("ca.pub"),
        file("krl")
    ));
    std::fs::write(file("principals"), "alice\nbob\n").unwrap();
    let sshd = Sshd::start(
        &format!(
            "{EXPOSE}\nTrustedUserCAKeys {}\nAuthorizedPrincipalsFile {}\n\
             ForceCommand {SEAWALL} dial-stdio --socket {}",
            file("ca.pub"),
            file("principals"),
            socket.display()
        ),
        "",
    );
    let match_alice = ["--match", "ssh-principal=alice", "--sshd"];
    let add = ["identity", "add", "alice", "--role", "viewer"];
    gate.run(add.into_iter().chain(match_alice)).ok();
    let client = SshClient::new();
    let docker = client.docker(sshd.host_as(SHIM_USER));
    let certify = |principal: &str, serial: &str| {
        let key = client.public_key().display().to_string();
        run(&["-q", "-s", &file("ca"), "-I", "laptop", "-n", principal, "-z", serial, &key]);
    };
    certify("bob", "1");
    let (_, said) = docker.run(["ps"]).fails();
    assert!(said.contains("this key may not enter through the host's sshd"), "{said}");
    certify("alice", "2");
    docker.run(["ps"]).ok();
    let record = gate.records().into_iter().rfind(|record| record["kind"] == "decision").unwrap();
    let credential = format!("ssh-cert:2:laptop:{}", client.fingerprint());
    assert_eq!((&record["identity"], &record["credential"]), (&"alice".into(), &credential.into()));

    let events = docker.events();
    std::fs::write(file("spec"), "serial: 2\n").unwrap();
    run(&["-q", "-k", "-f", &file("krl"), "-s", &file("ca.pub"), &file("spec")]);
    gate.run(["reload"]).ok();
    events.wait();
    docker.run(["ps"]).fails();
    certify("alice", "3");
    docker.run(["ps"]).ok();
}

#[test]
fn other_users_of_the_host_are_not_served_on_sshds_socket() {
    let (gate, socket, _dir) = gate();
    let alice = SshClient::new();
    add(&gate, "alice", "viewer", &alice);
    let key = alice.key_alone();
    let key = key.split(' ').nth(1).unwrap();
    let enter = format!(
        "{{\"enter\":{{\"key\":\"{key}\",\"peer\":\"127.0.0.1:1\",\
         \"command\":\"docker system dial-stdio\"}}}}\n"
    );
    let talk = |uid: u32| {
        let uid = uid.to_string();
        let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\n\
                      s.connect(sys.argv[1])\ns.sendall(sys.stdin.buffer.read())\n\
                      print(s.makefile('rb').readline())";
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "/usr/bin/python3"]);
        command.args(["-c", script]).arg(&socket);
        let mut running = Running::spawn(command, Stdio::piped());
        running.write(enter.as_bytes());
        running.wait()
    };
    assert!(talk(SHIM_UID).ok().contains("\"identity\":\"alice\""));
    let stranger = talk(65_534);
    assert!(!stranger.stdout.contains("alice"), "{stranger}");
    let docker = gate.docker_as("bob", "viewer");
    docker.run(["ps"]).ok();
}
