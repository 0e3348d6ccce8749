//! `docker -H ssh://alice@host:2222`: the gate's own SSH server, with OpenSSH's client. Streams,
//! images and containers go over SSH too, in the tests named after them.

use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::client::Docker;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::process::Running;
use crate::support::ssh::Ssh;
use crate::support::terminal::Terminal;
use crate::support::token::Token;
use crate::support::wait::{LONG, SHORT, until};

#[test]
fn docker_over_ssh_is_the_same_identity_and_is_recorded() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "operator");
    alice.docker().run(["ps"]).ok();
    let (_, stderr) = alice.docker().run(["run", "--rm", "busybox", "true"]).fails();
    assert!(stderr.contains("alice (operator) may not"), "{stderr}");
    let records = gate.records();
    let decision = records.iter().find(|record| record["operation"] == "ContainerList").unwrap();
    assert_eq!(decision["identity"], "alice");
    assert!(decision["credential"].as_str().unwrap().starts_with("ssh-key:SHA256:"), "{decision}");
}

#[test]
fn an_admin_is_no_admin_over_ssh_unless_the_configuration_says_so() {
    for (config, most) in [("", "operator"), ("max_role = \"viewer\"\n", "viewer")] {
        let gate = Gate::up_with_ssh(&Engine::shared().socket(), &format!("[ssh]\n{config}"));
        let alice = Ssh::client(&gate, "alice", "admin");
        alice.docker().run(["ps"]).ok();
        let (_, stderr) = alice.docker().run(["volume", "create", "x"]).fails();
        let says = format!("alice ({most} by ssh.max_role) may not");
        assert!(stderr.contains(&says), "{stderr}");
    }
}

#[test]
fn an_rsa_key_enters_where_it_is_asked_for_and_built_in() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "[ssh]\nrsa = true\n");
    let rita = Ssh::stranger(&gate, "rita");
    let key = rita.dir().join("key");
    // ssh-keygen would ask before it writes over one.
    std::fs::remove_file(&key).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "rsa", "-b", "3072", "-N", "", "-f"]).arg(&key);
    Running::start(keygen).wait().ok();
    let public = key.with_extension("pub");
    let add = ["identity", "add", "rita", "--role", "viewer", "--ssh-key"];
    let added = gate.run(add.into_iter().chain(public.to_str()));
    if cfg!(feature = "ssh-rsa") {
        added.ok();
        rita.docker().run(["ps"]).ok();
        assert!(gate.records().iter().any(|record| record["identity"] == "rita"));
    } else {
        let (_, stderr) = added.fails();
        assert!(stderr.contains("build with `--features ssh-rsa`"), "{stderr}");
    }
}

#[test]
fn only_a_registered_key_enters_and_only_under_its_own_name() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    gate.credentials("bob", "viewer");
    let (code, stderr) = Ssh::stranger(&gate, "alice").run([""; 0], Some(DIAL)).fails();
    assert_eq!(code, Some(255));
    assert!(stderr.contains("Permission denied (publickey)"), "{stderr}");
    // The key decides: any name that is nobody else's will do.
    alice.run(["-l", "root"], Some(DIAL)).ok();
    let (_, stderr) = alice.run(["-l", "bob"], Some(DIAL)).fails();
    assert!(stderr.contains("Permission denied (publickey)"), "{stderr}");
    // Nothing but keys is even offered.
    for method in ["password", "keyboard-interactive", "none", "hostbased", "gssapi-with-mic"] {
        let preferred = format!("PreferredAuthentications={method}");
        let (_, stderr) = alice.run(["-o", &preferred], Some(DIAL)).fails();
        assert!(stderr.contains("Permission denied (publickey)"), "{method}: {stderr}");
    }
    // Seven of these, and the look whether the gate listens.
    let counted = || gate.run(["status", "--json"]).ok();
    until(SHORT, counted, || counted().contains("\"refused_connections\": 8"));
}

#[test]
fn a_key_on_a_token_enters() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::stranger(&gate, "alice");
    let token = Token::new(alice.dir(), true);
    let key = token.public_key.display().to_string();
    gate.run(["identity", "add", "alice", "--role", "viewer", "--ssh-key", &key]).ok();
    alice.docker().run(["ps"]).fails();
    // Of what is said twice the first counts, but keys add up.
    let config = alice.dir().join("config");
    let others = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, token.config() + &others).unwrap();
    alice.docker().run(["ps"]).ok();
    let record = gate.records().into_iter().rfind(|record| record["kind"] == "decision").unwrap();
    assert_eq!(record["identity"], "alice", "{record}");
}

#[test]
fn whatever_is_no_engine_is_refused_with_a_word_and_recorded() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "admin");
    let none = || [""; 0].into_iter();

    let (code, stderr) = alice.run(none(), None).fails();
    assert_eq!(code, Some(127));
    assert!(stderr.contains("This is Seawall, the front door of a Docker engine."), "{stderr}");
    let hint = format!("docker -H ssh://alice@THIS-HOST:{} ps", gate.ssh_address().port());
    assert!(stderr.contains(&hint), "{stderr}");
    // The same on a terminal, which there is none for either.
    let terminal = Terminal::start(&alice.command(none(), None));
    terminal.screen.wait_for("PTY allocation request failed");
    terminal.screen.wait_for("there is no shell here, only a Docker engine");
    assert_eq!(terminal.wait(), Some(127));

    for command in ["id", "docker ps", "docker system dial-stdio; id", "buildctl dial-stdio"] {
        let (code, stderr) = alice.run(none(), Some(command)).fails();
        assert_eq!(code, Some(127), "{command}: {stderr}");
        let says = format!("seawall: only `docker system dial-stdio` runs here, not `{command}`");
        assert!(stderr.contains(&says), "{command}: {stderr}");
    }
    alice.run(none(), Some(r"a\b")).fails();
    alice.run(["-s"], Some("sftp")).fails();

    // Each of these is refused, and the engine is reached beside it all the same.
    for args in [
        &["-A"][..],
        &["-X"],
        &["-o", "SetEnv=LANG=C"],
        &["-R", "127.0.0.1:0:127.0.0.1:1"],
        &["-R", "/tmp/seawall-no.sock:127.0.0.1:1"],
    ] {
        alice.run(args, Some(DIAL)).ok();
    }
    let (_, stderr) = alice.run(["-W", "127.0.0.1:22"], None).fails();
    assert!(stderr.contains("stdio forwarding failed"), "{stderr}");

    let mut refused = gate.records();
    refused.retain(|record| record["what"] == "ssh.refused");
    assert!(refused.iter().any(|record| record["detail"]["detail"] == r"a\x5cb"), "{refused:?}");
    let asked: Vec<_> = refused
        .iter()
        .map(|record| {
            assert_eq!(record["detail"]["identity"], "alice", "{record}");
            record["detail"]["asked"].as_str().unwrap().to_owned()
        })
        .collect();
    for kind in ["shell", "pty", "exec", "subsystem", "env", "forwarding"] {
        assert!(asked.iter().any(|asked| asked == kind), "no {kind} in {asked:?}");
    }
}

#[test]
fn a_forwarded_socket_is_the_engine_and_no_other_is() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "operator");
    let here = alice.dir().join("x.sock");
    let forward = format!("{}:/var/run/docker.sock", here.display());
    let mut tunnel = Running::start(alice.command(["-N", "-L", &forward], None));
    until(SHORT, || tunnel.stderr.text(), || here.exists());
    let docker = Docker::first(vec![("DOCKER_HOST", format!("unix://{}", here.display()))]);
    docker.run(["ps"]).ok();
    let (_, stderr) = docker.run(["volume", "create", "x"]).fails();
    assert!(stderr.contains("alice (operator) may not"), "{stderr}");
    assert!(tunnel.runs());

    let other = alice.dir().join("y.sock");
    let forward = format!("{}:/etc/shadow", other.display());
    let denied = ["-N", "-L", &forward, "-o", "LogLevel=INFO"];
    let denied = Running::start(alice.command(denied, None));
    until(SHORT, || denied.stderr.text(), || other.exists());
    let docker = Docker::first(vec![("DOCKER_HOST", format!("unix://{}", other.display()))]);
    docker.run(["ps"]).fails();
    denied.stderr.wait_for("the engine is reached as `/var/run/docker.sock` here");
}

#[test]
fn podman_gets_as_far_as_its_own_api_which_docker_has_not() {
    // `podman --remote` forwards a socket by an SSH client of its own, and speaks another API.
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "admin");
    let mut podman = alice.docker().pointed("podman");
    let url = format!("ssh://alice@{}/run/podman/podman.sock", gate.ssh_address());
    let key = alice.dir().join("key");
    podman.args(["--remote", "--url", &url, "--identity"]).arg(key).args(["ps"]);
    let (_, said) = Running::start(podman).wait().fails();
    assert!(said.contains("ping response was 404"), "{said}");
    let records = gate.records();
    let asked = records.iter().find(|record| record["operation"] == "SystemPingLibpod");
    assert_eq!(asked.expect("a record of it")["identity"], "alice", "{records:?}");
}

#[test]
fn one_connection_carries_many_channels() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "admin");
    alice.configure(&format!(
        "ControlMaster auto\nControlPersist 60\nControlPath {}/master",
        alice.dir().display()
    ));
    let docker = alice.docker();
    docker.run(["ps"]).ok();
    assert!(alice.dir().join("master").exists());
    let many: Vec<_> = (0..20).map(|_| docker.start(["ps"])).collect();
    let text = "0123456789".repeat(100_000);
    let echoed = docker.run_with(["run", "-i", "--rm", "busybox", "cat"], text.as_bytes()).ok();
    assert!(echoed == text, "{} bytes came back", echoed.len());
    for one in many {
        one.wait().ok();
    }
    // Revoking ends the connection itself, idle as it is.
    let master = alice.dir().join("master");
    gate.run(["revoke", "alice"]).ok();
    until(SHORT, || "the connection is still open".to_owned(), || !master.exists());
    docker.run(["ps"]).fails();
}

#[test]
fn eighty_at_once_all_get_through() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    let docker = alice.docker();
    let all: Vec<_> = (0..80).map(|_| docker.start(["ps"])).collect();
    for one in all {
        one.wait().ok();
    }
}

#[test]
fn a_client_that_writes_until_it_is_read_from_does_not_wait_for_itself() {
    // More than every buffer on the way holds, both ways at once, and nobody reads at first.
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "admin");
    let docker = alice.docker();
    let mut cat = docker.command(["run", "-i", "--rm", "busybox", "cat"]);
    let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    const BYTES: u64 = 192 << 20;
    let writer = std::thread::spawn(move || {
        std::io::copy(&mut std::io::Read::take(std::io::repeat(b'x'), BYTES), &mut input)
    });
    // It has written what fits, and more, before the first byte is read.
    until(
        LONG,
        || "nothing was carried".to_owned(),
        || {
            let sessions = gate.run(["sessions", "--json"]).ok();
            let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap();
            let received =
                sessions.as_array().unwrap().iter().filter_map(|row| row["received"].as_u64());
            received.sum::<u64>() > 1 << 20
        },
    );
    let echoed = std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    assert_eq!(echoed, BYTES);
    assert_eq!(writer.join().unwrap().unwrap(), BYTES);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_connection_rekeys_under_load() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "admin");
    alice.configure("RekeyLimit 4M");
    let text = "0123456789abcdef".repeat(4 << 20);
    let docker = alice.docker();
    let echoed = docker.run_with(["run", "-i", "--rm", "busybox", "cat"], text.as_bytes()).ok();
    assert!(echoed == text, "{} bytes came back", echoed.len());
}

#[test]
fn revoking_cuts_what_is_open_over_ssh() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let admin = crate::support::client::Side::Engine.docker();
    let script = "while :; do echo line; sleep 0.05; done";
    let container = admin.container("ssh-talking", ["busybox", "sh", "-c", script]);
    let alice = Ssh::client(&gate, "alice", "admin");
    let docker = alice.docker();
    let logs = docker.start(["logs", "-f", &container.name]);
    let events = docker.start(["events"]);
    logs.stdout.wait_for("line");
    until(
        SHORT,
        || "no events".to_owned(),
        || gate.run(["sessions"]).ok().contains("SystemEvents"),
    );
    gate.run(["revoke", "alice"]).ok();
    for running in [logs, events] {
        running.wait();
    }
    docker.run(["ps"]).fails();
    let cut = gate.records().iter().filter(|record| record["ending"] == "cut").count();
    assert!(cut >= 2, "{cut} outcomes say that they were cut");
}

#[test]
fn the_ssh_process_is_confined_and_when_it_dies_it_is_started_again() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    let docker = alice.docker();
    docker.run(["ps"]).ok();
    let over_tls = gate.docker_as("bob", "viewer");
    let before = ssh_process(&gate);
    let status = std::fs::read_to_string(format!("/proc/{before}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("Seccomp:"), ["2"], "{status}");
    assert_eq!(line("NoNewPrivs:"), ["1"], "{status}");
    assert_eq!(line("CapEff:"), ["0000000000000000"], "{status}");
    assert!(line("Uid:").iter().all(|uid| uid != "0"), "{status}");
    // Nothing of the gate's state is among what it holds open.
    let state = gate.home().display().to_string();
    for held in std::fs::read_dir(format!("/proc/{before}/fd")).unwrap() {
        let held = std::fs::read_link(held.unwrap().path()).unwrap().display().to_string();
        assert!(!held.starts_with(&state), "{held}");
    }

    let events = docker.start(["events"]);
    until(
        SHORT,
        || "no events".to_owned(),
        || gate.run(["sessions"]).ok().contains("SystemEvents"),
    );
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    events.wait();
    over_tls.run(["ps"]).ok();
    docker.run(["ps"]).ok();
    assert_ne!(ssh_process(&gate), before);
    // And it goes when the gate goes.
    let last = ssh_process(&gate);
    gate.signal(Signal::SIGTERM);
    gate.wait();
    assert!(kill(Pid::from_raw(last), None).is_err(), "the SSH process outlived the gate");
}

#[test]
fn the_host_key_is_made_once_and_known_hosts_lines_fit_it() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    let told: serde_json::Value =
        serde_json::from_str(&gate.run(["ssh", "host-key", "--json"]).ok()).unwrap();
    let fingerprint = told["fingerprint"].as_str().unwrap();
    assert!(gate.run(["status"]).ok().contains(fingerprint));
    alice.docker().run(["ps"]).ok();
    gate.signal(Signal::SIGTERM);
    gate.wait();
    gate.start();
    // The client still goes by the line of before.
    alice.docker().run(["ps"]).ok();
}

#[test]
fn ssh_audit_has_nothing_to_complain_of() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let port = gate.ssh_address().port().to_string();
    let mut audit = Command::new("ssh-audit");
    audit.args(["--no-colors", "-p", &port, "127.0.0.1"]);
    let report = Running::start(audit).wait();
    let report = format!("{}{}", report.stdout, report.stderr);
    assert!(report.contains("(kex) mlkem768x25519-sha256"), "{report}");
    // Debian's is older than what was made against quantum computers, and than strict kex.
    let complaints: Vec<_> = report
        .lines()
        .filter(|line| line.contains("[fail]") || line.contains("[warn]"))
        .filter(|line| !line.contains("[warn] unknown algorithm"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_gate_that_becomes_a_new_version_serves_ssh_on() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "");
    let alice = Ssh::client(&gate, "alice", "viewer");
    alice.docker().run(["ps"]).ok();
    let before = ssh_process(&gate);
    gate.signal(Signal::SIGUSR2);
    until(
        SHORT,
        || "the SSH process is still the old one".to_owned(),
        || kill(Pid::from_raw(before), None).is_err(),
    );
    alice.docker().run(["ps"]).ok();
    assert_ne!(ssh_process(&gate), before);
}

#[test]
fn networks_are_asked_before_ssh_is_spoken() {
    let gate = Gate::up_with_ssh(&Engine::shared().socket(), "[network]\ndeny = [\"127.0.0.1\"]\n");
    let mut stream = std::net::TcpStream::connect(gate.ssh_address()).unwrap();
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut said);
    assert_eq!(said, b"");
}

/// What docker runs on the other side, with no input: it ends at once, and well.
const DIAL: &str = "docker system dial-stdio";

fn ssh_process(gate: &Gate) -> i32 {
    let mut found = None;
    until(
        SHORT,
        || "there is no SSH process".to_owned(),
        || {
            let all = std::fs::read_dir(format!("/proc/{}/task", gate.pid())).unwrap();
            found = all
                .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
                .flat_map(|pids| {
                    pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
                })
                .find(|pid| {
                    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                    line.split(|&byte| byte == 0).any(|word| word == b"ssh-door")
                });
            found.is_some()
        },
    );
    found.unwrap()
}
