//! Engines that are left open on purpose.

use std::process::Command;

use super::engine::tail;
use super::netns::Host;
use super::process::Running;
use super::wait::{LONG, until};

/// An engine on a host of the test's own, reached by nothing but its `-H`.
pub(crate) struct OpenEngine {
    sockets: usize,
    dir: tempfile::TempDir,
    _running: Running,
}

impl OpenEngine {
    /// Starts it with these flags beside its own Unix socket.
    pub(crate) fn start(host: &Host, args: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("seawall-open-").tempdir().unwrap();
        let below = |name: &str| dir.path().join(name).display().to_string();
        // Its containerd ends with its namespaces.
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        command.args(["exec dockerd \"$@\" 2>\"$0\"", &below("log")]);
        command.args(["--data-root", &below("data"), "--exec-root", &below("exec")]);
        command.args(["-p", &below("pid"), "-H", &format!("unix://{}", below("sock"))]);
        command.args(["--iptables=false", "--bridge=none"]).args(args);
        let running = Running::start(host.command(&command));
        let sockets = 1 + args.iter().filter(|&&arg| arg == "-H").count();
        Self { sockets, dir, _running: running }
    }

    /// Waits until it serves.
    pub(crate) fn wait(&self) {
        until(
            LONG,
            || tail("dockerd said", &self.dir.path().join("log")),
            // Sockets are bound one by one, with a pause of 15 s before one that is open to all.
            || {
                let log = std::fs::read_to_string(self.dir.path().join("log"));
                log.is_ok_and(|log| log.matches("API listen on").count() == self.sockets)
            },
        );
    }
}
