//! OpenSSH's client, with a configuration, a key and known hosts of its own.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::client::Docker;
use super::engine::Engine;
use super::gate::Gate;
use super::process::{Done, Running, script};

/// Somebody with a key, on some machine. The folder goes with the value.
pub(crate) struct Ssh {
    dir: PathBuf,
    host: String,
    _dir: tempfile::TempDir,
}

impl Ssh {
    /// The client of the gate that all tests share: an identity that may do everything.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Ssh> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Nothing drops it, so it is put where the engine's sweeper sweeps.
            let dir = tempfile::tempdir_in(Engine::shared().dir()).unwrap();
            let ssh = Self::stranger_in(dir, Gate::shared(), "somebody");
            ssh.register(Gate::shared(), "somebody", "admin");
            ssh
        })
    }

    /// Who is the new identity `name`, with a key of its own.
    #[track_caller]
    pub(crate) fn client(gate: &Gate, name: &str, role: &str) -> Self {
        let ssh = Self::stranger(gate, name);
        ssh.register(gate, name, role);
        ssh
    }

    #[track_caller]
    fn register(&self, gate: &Gate, name: &str, role: &str) {
        let key = self.dir.join("key.pub");
        gate.run(["identity", "add", name, "--role", role, "--ssh-key", key.to_str().unwrap()])
            .ok();
    }

    /// Somebody with a key that the gate does not know, who calls himself `user`.
    #[track_caller]
    pub(crate) fn stranger(gate: &Gate, user: &str) -> Self {
        let temp = tempfile::Builder::new().prefix("seawall-ssh-").tempdir().unwrap();
        Self::stranger_in(temp, gate, user)
    }

    fn stranger_in(temp: tempfile::TempDir, gate: &Gate, user: &str) -> Self {
        let dir = temp.path().to_owned();
        let keygen = ["-q", "-t", "ed25519", "-N", "", "-f", dir.join("key").to_str().unwrap()]
            .iter()
            .fold(Command::new("ssh-keygen"), |mut command, arg| {
                command.arg(arg);
                command
            });
        Running::start(keygen).wait().ok();
        // The line that operators hand out is the only one this client knows.
        fs::write(dir.join("known_hosts"), gate.run(["ssh", "host-key"]).ok() + "\n").unwrap();
        let shown = dir.display();
        let port = gate.ssh_address().port();
        let config = format!(
            "Host gate\nHostName 127.0.0.1\nPort {port}\nUser {user}\n\
             Host *\nIdentityFile {shown}/key\nIdentitiesOnly yes\nIdentityAgent none\n\
             UserKnownHostsFile {shown}/known_hosts\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\nLogLevel ERROR\n"
        );
        fs::write(dir.join("config"), config).unwrap();
        // Clients with an SSH of their own look into the home.
        symlink(".", dir.join(".ssh")).unwrap();
        // The docker command line runs the `ssh` of its PATH, which looks into the home that
        // /etc/passwd names whatever HOME is.
        let bin = dir.join("bin");
        fs::create_dir(&bin).unwrap();
        let runs = format!("#!/bin/sh\nexec /usr/bin/ssh -F {shown}/config \"$@\"\n");
        script(&bin.join("ssh"), &runs);
        let host = format!("{user}@127.0.0.1:{port}");
        Self { dir, host, _dir: temp }
    }

    /// The same client, which reaches the gate at this address.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        let (user, _) = self.host.split_once('@').unwrap();
        self.host = format!("{user}@{address}");
        self
    }

    /// Adds lines to the client's configuration.
    pub(crate) fn configure(&self, lines: &str) {
        let file = self.dir.join("config");
        let text = fs::read_to_string(&file).unwrap() + lines + "\n";
        fs::write(file, text).unwrap();
    }

    /// The variables that point any client of Docker's at the gate.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let path = std::env::var("PATH").unwrap();
        vec![
            ("DOCKER_HOST", format!("ssh://{}", self.host)),
            ("PATH", format!("{}/bin:{path}", self.dir.display())),
            ("HOME", self.dir.display().to_string()),
        ]
    }

    /// The docker command line.
    pub(crate) fn docker(&self) -> Docker {
        Docker::first(self.env())
    }

    /// `ssh ARGS ssh://…`, with `command` for the other side where there is one.
    pub(crate) fn command<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        command: Option<&str>,
    ) -> Command {
        let mut ssh = Command::new(self.dir.join("bin/ssh"));
        ssh.args(args).arg(format!("ssh://{}", self.host)).args(command);
        ssh
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        command: Option<&str>,
    ) -> Done {
        Running::start(self.command(args, command)).wait()
    }

    /// The client's folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}
