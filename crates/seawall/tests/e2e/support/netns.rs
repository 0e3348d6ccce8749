//! Networks of a test's own: hosts that are network namespaces, joined by cables (veth pairs).
//! A host is gone when it is dropped, and when the tests are gone.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::process::{Done, Running};

/// A host: a network namespace with its own addresses, routes and packet filter.
pub(crate) struct Host {
    // A `cat` that keeps the namespace; it ends with its standard input.
    keeper: Child,
}

/// Two hosts on one cable.
pub(crate) struct Pair {
    /// 10.77.0.1 and fd77::1, on its `eth0`.
    pub(crate) server: Host,
    /// 10.77.0.2 and fd77::2, on its `eth0`.
    pub(crate) client: Host,
}

impl Pair {
    /// The addresses of `server`.
    pub(crate) const SERVER: [&'static str; 2] = ["10.77.0.1", "fd77::1"];
    /// The addresses of `client`.
    pub(crate) const CLIENT: [&'static str; 2] = ["10.77.0.2", "fd77::2"];

    /// Two new hosts, IPv4 and IPv6 up on both ends.
    pub(crate) fn new() -> Self {
        let (server, client) = (Host::new(), Host::new());
        server.connect("eth0", &client, "eth0");
        for (host, [v4, v6]) in [(&server, Self::SERVER), (&client, Self::CLIENT)] {
            host.add_address("eth0", &format!("{v4}/24"));
            host.add_address("eth0", &format!("{v6}/64"));
        }
        Self { server, client }
    }
}

impl Host {
    /// A host with nothing but its loopback, which is up.
    pub(crate) fn new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "tests with real packets make network namespaces and so need root; `make test` runs \
             them through sudo"
        );
        let mut keeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is installed");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "cannot make a network namespace; are root and iproute2 here?");
        Self { keeper }
    }

    /// Lays a cable to `other`; both ends are up, without addresses.
    pub(crate) fn connect(&self, here: &str, other: &Self, there: &str) {
        let pid = other.keeper.id().to_string();
        let cable = ["link", "add", here, "type", "veth", "peer", "name", there, "netns", &pid];
        self.ip(cable);
        self.ip(["link", "set", here, "up"]);
        other.ip(["link", "set", there, "up"]);
    }

    /// Gives an interface an address, usable at once.
    pub(crate) fn add_address(&self, interface: &str, address: &str) {
        // Duplicate address detection takes a second, and knows IPv6 only.
        let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(["address", "add", address, "dev", interface].iter().chain(nodad));
    }

    /// Runs `ip ARGS` on it.
    #[track_caller]
    pub(crate) fn ip<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) {
        let mut command = Command::new("ip");
        command.args(args);
        self.run(&command).ok();
    }

    /// Runs a command on it to its end.
    #[track_caller]
    pub(crate) fn run(&self, command: &Command) -> Done {
        Running::start(self.command(command)).wait()
    }

    /// `command`, as it would be typed on this host.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there.arg(format!("--net={}", self.namespace().display()));
        there.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            there.current_dir(dir);
        }
        there
    }

    /// Runs code whose sockets are this host's. A socket stays on its host wherever it is passed.
    pub(crate) fn inside<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.namespace()).unwrap();
        // A namespace is a thread's, so a thread enters it and is gone.
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
                run()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The namespace as a file, for `nsenter --net=`.
    pub(crate) fn namespace(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.keeper.id()).into()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
