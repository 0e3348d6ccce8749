//! SSH user certificates of the operator's CA, by the gate's own server; and an invitation that
//! brings an SSH key along.

use std::path::Path;

use crate::support::client::Docker;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::script;
use crate::support::ssh::Ssh;
use crate::support::sshd::keygen;

/// A CA, its list of what it revoked, and a gate that trusts it; alice has her principal there.
struct Corp {
    dir: tempfile::TempDir,
    gate: Gate,
    alice: Ssh,
}

impl Corp {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        run(&["-q", "-t", "ed25519", "-N", "", "-f", &file("ca")]);
        run(&["-q", "-k", "-f", &file("krl")]);
        let config = format!(
            "[ssh]\nmax_role = \"admin\"\ntrusted_user_ca = \"{}\"\nrevoked_keys = \"{}\"\n",
            file("ca.pub"),
            file("krl")
        );
        let gate = Gate::up_with_ssh(&Engine::shared().socket(), &config);
        let principal = ["--match", "ssh-principal=alice"];
        let add = ["identity", "add", "alice", "--role", "viewer"];
        gate.run(add.into_iter().chain(principal)).ok();
        let alice = Ssh::stranger(&gate, "alice");
        Self { dir, gate, alice }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Certifies alice's key with these options of `ssh-keygen -s`.
    #[track_caller]
    fn certify(&self, options: &[&str]) -> Docker {
        let key = self.alice.dir().join("key.pub").display().to_string();
        run(&[&["-q", "-s", &self.file("ca"), "-I", "laptop"], options, &[&key]].concat());
        self.alice.docker()
    }

    #[track_caller]
    fn refuses(&self, options: &[&str]) {
        let (_, said) = self.certify(options).run(["ps"]).fails();
        assert!(said.contains("Permission denied (publickey)"), "{options:?}: {said}");
    }
}

#[track_caller]
fn run(args: &[&str]) -> String {
    keygen(args.iter().map(AsRef::as_ref))
}

#[test]
fn a_certificate_is_its_principals_identity() {
    let corp = Corp::new();
    let docker = corp.certify(&["-n", "alice", "-z", "7", "-V", "-5m:+1h"]);
    docker.run(["ps"]).ok();
    let record =
        corp.gate.records().into_iter().rfind(|record| record["kind"] == "decision").unwrap();
    assert_eq!(record["identity"], "alice", "{record}");
    let credential = record["credential"].as_str().unwrap();
    assert!(credential.starts_with("ssh-cert:7:laptop:SHA256:"), "{credential}");
    // What it may be used for and from where is honoured, where that is here and this.
    corp.certify(&["-n", "alice", "-O", "source-address=127.0.0.0/8"]).run(["ps"]).ok();
    let engine = "force-command=docker system dial-stdio";
    corp.certify(&["-n", "alice", "-O", engine]).run(["ps"]).ok();
}

#[test]
fn a_certificate_that_lacks_anything_is_refused() {
    let corp = Corp::new();
    corp.refuses(&["-n", "alice", "-V", "-2h:-1h"]);
    corp.refuses(&["-n", "alice", "-V", "+1h:+2h"]);
    corp.refuses(&["-n", "root,admin"]);
    corp.refuses(&[]);
    corp.refuses(&["-n", "alice", "-O", "source-address=198.51.100.0/24"]);
    corp.refuses(&["-n", "alice", "-O", "force-command=/bin/sh"]);
    corp.refuses(&["-n", "alice", "-O", "critical:x@example.com=1"]);
    // Another CA's.
    let other = corp.file("other");
    run(&["-q", "-t", "ed25519", "-N", "", "-f", &other]);
    let key = corp.alice.dir().join("key.pub").display().to_string();
    run(&["-q", "-s", &other, "-I", "laptop", "-n", "alice", &key]);
    corp.alice.docker().run(["ps"]).fails();
}

#[test]
fn a_krl_ends_a_certificate_and_what_it_has_open() {
    let corp = Corp::new();
    let docker = corp.certify(&["-n", "alice", "-z", "7"]);
    let events = docker.events();
    let spec = corp.file("spec");
    std::fs::write(&spec, "serial: 7\n").unwrap();
    run(&["-q", "-k", "-f", &corp.file("krl"), "-s", &corp.file("ca.pub"), &spec]);
    corp.gate.run(["reload"]).ok();
    events.wait();
    docker.run(["ps"]).fails();
    corp.certify(&["-n", "alice", "-z", "8"]).run(["ps"]).ok();
}

#[test]
fn the_end_of_a_certificate_cuts_what_it_has_open() {
    let corp = Corp::new();
    let docker = corp.certify(&["-n", "alice", "-V", "-5m:+6s"]);
    let events = docker.start(["events"]);
    events.wait();
    docker.run(["ps"]).fails();
}

#[test]
fn a_host_certificate_is_all_that_a_client_need_know() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    run(&["-q", "-t", "ed25519", "-N", "", "-f", &file("ca")]);
    let line = gate.run(["ssh", "host-key"]).ok();
    let key = line.lines().last().unwrap().split_once(' ').unwrap().1;
    std::fs::write(file("gate.pub"), key).unwrap();
    run(&["-q", "-s", &file("ca"), "-I", "gate", "-h", "-n", "127.0.0.1", &file("gate.pub")]);
    // The client has never heard of the key itself.
    let ca = std::fs::read_to_string(file("ca.pub")).unwrap();
    let known = alice.dir().join("known_hosts");
    std::fs::write(known, format!("@cert-authority * {ca}")).unwrap();
    let (_, said) = alice.docker().run(["ps"]).fails();
    assert!(said.contains("Host key verification failed"), "{said}");

    gate.signal(nix::sys::signal::Signal::SIGTERM);
    gate.wait();
    let config = std::fs::read_to_string(gate.config()).unwrap();
    let certificate = format!("[ssh]\nhost_certificate = \"{}\"", file("gate-cert.pub"));
    std::fs::write(gate.config(), config.replace("[ssh]", &certificate)).unwrap();
    gate.start();
    alice.docker().run(["ps"]).ok();
}

#[test]
fn an_invitation_brings_an_ssh_key_along() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let said = gate.run(["identity", "add", "alice", "--role", "viewer", "--invite"]).ok();
    let invitation = said.split_whitespace().find(|word| word.starts_with("seawall1.")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut join = gate.command(["join", invitation, "--name", "prod", "--ssh"]);
    join.env("HOME", home.path());
    let said = crate::support::process::Running::start(join).wait().ok();
    let port = gate.ssh_address().port();
    assert!(said.contains(&format!("`prod`: ssh://alice@127.0.0.1:{port}")), "{said}");
    let shown = gate.run(["ssh", "host-key"]).ok();
    let host_key = shown.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
    let known = std::fs::read_to_string(home.path().join(".ssh/known_hosts")).unwrap();
    assert_eq!(known, format!("[127.0.0.1]:{port} {host_key}\n"));

    // Docker by that context, with nothing trusted but what was written.
    let ssh = home.path().join(".ssh");
    let docker = over(&ssh, home.path());
    docker.run(["--context", "prod", "ps"]).ok();
    let record = gate.records().into_iter().rfind(|record| record["kind"] == "decision").unwrap();
    assert!(record["credential"].as_str().unwrap().starts_with("ssh-key:SHA256:"), "{record}");
    let joined = gate.records().into_iter().find(|record| record["what"] == "enrol.join").unwrap();
    assert!(joined["detail"]["ssh_key"].as_str().unwrap().starts_with("SHA256:"), "{joined}");
}

/// A docker command line with this home, whose `ssh` uses the files of `folder` only.
fn over(folder: &Path, home: &Path) -> Docker {
    let bin = home.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let folder = folder.display();
    let runs = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F /dev/null -o IdentityFile={folder}/id_ed25519 \\\n\
         -o IdentityAgent=none -o UserKnownHostsFile={folder}/known_hosts \\\n\
         -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \"$@\"\n"
    );
    script(&bin.join("ssh"), &runs);
    let path = std::env::var("PATH").unwrap();
    Docker::first(vec![
        ("PATH", format!("{}:{path}", bin.display())),
        ("DOCKER_CONFIG", home.join(".docker").display().to_string()),
    ])
}
