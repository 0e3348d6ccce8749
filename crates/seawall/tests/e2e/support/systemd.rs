//! A machine of a test's own that systemd runs: its first process is the real one, in namespaces,
//! on a copy of this host's disk that is in memory. It is gone when it is dropped.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::engine::Engine;
use super::process::{Done, Running};
use super::wait::{LONG, until};

/// A booted machine, with the shared engine behind `/run/docker.sock` and the binary under test as
/// `/usr/bin/seawall`. Its network is a loopback.
pub(crate) struct Machine {
    dir: PathBuf,
    keeper: Child,
    orders: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
    /// Its systemd.
    first_process: AtomicU32,
}

impl Machine {
    /// Boots it.
    pub(crate) fn boot() -> Self {
        let engine = Engine::shared();
        let dir = tempfile::Builder::new().prefix("seawall-machine-").tempdir().unwrap().keep();
        // As for an engine: what waits outside sweeps up.
        let sweeper = "unshare --mount --pid --fork --kill-child sh -c \"$2\" machine \"$1\" \"$3\" \
             \"$4\"; rm -rf \"$1\"; find /sys/fs/cgroup -depth -type d \
             -path \"*/$(basename \"$1\")*\" -exec rmdir {} + 2>/dev/null";
        let mut keeper = Command::new("sh")
            .args(["-c", sweeper, "sweeper"])
            .arg(&dir)
            .arg(include_str!("systemd.sh"))
            .arg(engine.socket())
            .arg(env!("CARGO_BIN_EXE_seawall"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let give = keeper.stdin.take();
        let answer = BufReader::new(keeper.stdout.take().unwrap());
        let orders = Mutex::new((give, answer));
        let machine = Self { dir, keeper, orders, first_process: AtomicU32::new(0) };
        machine.start();
        machine
    }

    /// Cuts its power and boots it again: what is on its disk stays, what is in `/run` does not.
    pub(crate) fn reboot(&self) {
        self.order("kill");
        let killed = self.first_process.load(Ordering::Relaxed);
        until(LONG, || "the machine is still on".to_owned(), || !is_systemd(killed));
        self.start();
    }

    fn start(&self) {
        self.order("start");
        // The kernel may leave one out while others come and go.
        until(
            LONG,
            || format!("systemd does not start; {}", self.log()),
            || {
                let found = systemd_below(self.keeper.id());
                self.first_process.store(found.unwrap_or_default(), Ordering::Relaxed);
                found.is_some()
            },
        );
        let state = std::cell::RefCell::new(String::new());
        until(
            LONG,
            || format!("systemd does not get it up ({}); {}", state.borrow(), self.log()),
            || {
                // `degraded`: some unit of this host's cannot run in namespaces.
                let done = self.run(["systemctl", "is-system-running"]);
                let up = matches!(done.stdout.trim(), "running" | "degraded");
                *state.borrow_mut() = done.stdout;
                up
            },
        );
        self.run(["ip", "link", "set", "lo", "up"]).ok();
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        writeln!(orders.0.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        orders.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "the machine's shell ended");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A command to be run on it, by root with an empty environment.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let pid = self.first_process.load(Ordering::Relaxed).to_string();
        let mut command = Command::new("nsenter");
        command.args(["--all", "--target", &pid, "--root", "--wd", "--"]);
        command.args(["env", "-i", "HOME=/root", "LANG=C.UTF-8"]);
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").args(args);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Done {
        Running::start(self.command(args)).wait()
    }

    /// A property of a unit, as `systemctl show` has it.
    #[track_caller]
    pub(crate) fn unit(&self, unit: &str, property: &str) -> String {
        self.run(["systemctl", "show", "--value", "-p", property, unit]).ok()
    }

    /// What a unit logged.
    #[track_caller]
    pub(crate) fn journal(&self, unit: &str) -> String {
        self.run(["journalctl", "--no-pager", "-o", "cat", "-u", unit]).ok()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(orders) = self.orders.get_mut() {
            orders.0 = None;
        }
        let _ = self.keeper.wait();
    }
}

fn systemd_below(pid: u32) -> Option<u32> {
    if is_systemd(pid) {
        return Some(pid);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|child| systemd_below(child.parse().ok()?))
}

// By the command line that it has only once it runs, and no more when it was killed.
fn is_systemd(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|command| command.starts_with("/lib/systemd/systemd\0"))
}
