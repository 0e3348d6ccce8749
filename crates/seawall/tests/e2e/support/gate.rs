//! The gate as its shipped binary, with a configuration and a state of its own.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, Once, OnceLock, PoisonError, mpsc};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::Docker;
use super::engine::{Engine, tail};
use super::netns::Host;
use super::process::{Done, Running};
use super::raw::{Connection, request};
use super::wait::{SHORT, until};

/// Whether somebody listens there. Nothing connects, which a gate would count.
fn is_listened_at(address: SocketAddr) -> bool {
    let local = format!(":{:04X} 00000000:0000 0A ", address.port());
    fs::read_to_string("/proc/net/tcp").unwrap().contains(&local)
}

/// Whether a gate answers on its socket for commands; it does so once everything listens.
fn is_answered_at(admin: &Path) -> bool {
    UnixStream::connect(admin).is_ok() && {
        let mut admin = Connection::unix(admin);
        admin.try_send(request("GET", "/metrics").as_bytes()).is_ok()
            && admin.try_answer("GET").is_ok()
    }
}

/// A gate; killed when dropped.
pub(crate) struct Gate {
    dir: PathBuf,
    address: SocketAddr,
    ssh_address: SocketAddr,
    /// What `seawall` is run with to serve.
    serve: Vec<String>,
    process: Mutex<Option<Child>>,
    /// The network it is in; none is that of the tests.
    network: Option<PathBuf>,
    _dir: tempfile::TempDir,
}

impl Gate {
    /// The gate in front of the shared engine that all tests share which leave it as it is.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Gate> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Nothing drops it, so it is put where the engine's sweeper sweeps.
            let engine = Engine::shared();
            let dir = tempfile::tempdir_in(engine.dir()).unwrap();
            let gate = Self::prepared_in(dir, &engine.socket(), "", &["up", "--yes"]);
            gate.listen_on_ssh();
            gate.start();
            gate.credentials("everyone", "admin");
            gate
        })
    }

    /// A gate for one test alone, set up by `seawall up`, in front of the engine at `upstream`.
    pub(crate) fn up(upstream: &Path) -> Self {
        Self::up_with(upstream, "")
    }

    /// The same, with its folder in `dir` and these lines in its configuration.
    pub(crate) fn up_in(dir: &Path, upstream: &Path, config: &str) -> Self {
        let dir = tempfile::tempdir_in(dir).unwrap();
        let gate = Self::prepared_in(dir, upstream, config, &["up", "--yes"]);
        gate.start();
        gate
    }

    /// The same, with these lines in its configuration.
    pub(crate) fn up_with(upstream: &Path, config: &str) -> Self {
        let gate = Self::prepared(upstream, config, &["up", "--yes"]);
        gate.start();
        gate
    }

    /// The same, which listens on SSH too; with no `[ssh]` of its own it caps nobody there.
    pub(crate) fn up_with_ssh(upstream: &Path, config: &str) -> Self {
        let gate = Self::prepared(upstream, config, &["up", "--yes"]);
        gate.listen_on_ssh();
        gate.start();
        gate
    }

    fn listen_on_ssh(&self) {
        let text = fs::read_to_string(self.config()).unwrap();
        let (tcp, ssh) = (self.address, self.ssh_address);
        let only = format!("listen = [\"tcp://{tcp}\"]");
        let both = format!("listen = [\"tcp://{tcp}\", \"ssh://{ssh}\"]");
        assert!(text.contains(&only), "{text}");
        let cap = if text.contains("[ssh]") { "" } else { "[ssh]\nmax_role = \"admin\"\n" };
        fs::write(self.config(), text.replace(&only, &both) + cap).unwrap();
    }

    /// A gate that is configured, to be run with `seawall ARGS`, and not started; `ADDRESS` in them
    /// stands for where it listens.
    pub(crate) fn prepared(upstream: &Path, config: &str, args: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("seawall-gate-").tempdir().unwrap();
        Self::prepared_in(dir, upstream, config, args)
    }

    fn prepared_in(temp: tempfile::TempDir, upstream: &Path, config: &str, args: &[&str]) -> Self {
        Self::prepared_at(temp, free_address(), upstream, config, args)
    }

    /// A gate on `host`, running: on port 2376 of every address, or at what stands in the list
    /// `listen`.
    pub(crate) fn up_on(host: &Host, listen: &str, upstream: &Path, config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("seawall-gate-").tempdir().unwrap();
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2376));
        let mut gate = Self::prepared_at(dir, everywhere, upstream, config, &["up", "--yes"]);
        if !listen.is_empty() {
            let text = fs::read_to_string(gate.config()).unwrap();
            let text = text.replace(&format!("\"tcp://{everywhere}\""), listen);
            fs::write(gate.config(), text).unwrap();
        }
        gate.network = Some(host.namespace());
        gate.start();
        gate
    }

    fn prepared_at(
        temp: tempfile::TempDir,
        address: SocketAddr,
        upstream: &Path,
        config: &str,
        args: &[&str],
    ) -> Self {
        let dir = temp.path().to_owned();
        let own = format!(
            "listen = [\"tcp://{address}\"]\nupstream = \"unix://{}\"\n{config}\n",
            upstream.display()
        );
        fs::write(dir.join("seawall.toml"), own).unwrap();
        let serve = args.iter().map(|arg| arg.replace("ADDRESS", &address.to_string())).collect();
        let ssh_address = free_address();
        let process = Mutex::new(None);
        Self { dir, address, ssh_address, serve, process, network: None, _dir: temp }
    }

    /// Starts it and waits until it takes connections.
    pub(crate) fn start(&self) {
        show_logs_on_panic(&self.log());
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let seawall = self.command(&self.serve);
        // `setpriv` becomes the gate, and makes the kernel kill it when the tests are gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(network) = &self.network {
            command.arg("nsenter").arg(format!("--net={}", network.display()));
        }
        command.arg(seawall.get_program()).args(seawall.get_args());
        for (name, value) in seawall.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = self.process.lock().unwrap();
        *process = Some(spawned_by_the_keeper(command));
        let child = process.as_mut().unwrap();
        let ssh = format!("\"ssh://{}\"", self.ssh_address);
        let ssh = fs::read_to_string(self.config()).unwrap().contains(&ssh);
        until(
            SHORT,
            || tail("the gate does not listen; it said", &self.log()),
            || {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{}", tail("the gate ended; it said", &self.log()));
                // In a network of its own it is asked by its socket for commands.
                match self.network {
                    None => {
                        TcpStream::connect(self.address).is_ok()
                            && (!ssh || is_listened_at(self.ssh_address))
                    }
                    Some(_) => is_answered_at(&self.admin_socket()),
                }
            },
        );
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens on SSH, if it does.
    pub(crate) fn ssh_address(&self) -> SocketAddr {
        self.ssh_address
    }

    /// The home of whoever runs it.
    pub(crate) fn home(&self) -> &Path {
        &self.dir
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("seawall.toml")
    }

    /// Its admin socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.dir.join("state/admin.sock")
    }

    /// The folder of its audit trail.
    pub(crate) fn audit(&self) -> PathBuf {
        self.dir.join("state/audit")
    }

    /// What it and its commands wrote to standard output and error.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// `seawall ARGS` on its configuration and state, not yet started.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["DOCKER_", "SUDO_", "SEAWALL_", "XDG_"].iter().any(|start| name.starts_with(start))
            {
                command.env_remove(name.as_ref());
            }
        }
        command.env("HOME", &self.dir).args(args);
        command.arg("--config").arg(self.config()).arg("--state").arg(self.dir.join("state"));
        command
    }

    /// Runs `seawall ARGS` on its configuration and state.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Done {
        Running::start(self.command(args)).wait()
    }

    /// A `DOCKER_CERT_PATH` folder of a new identity.
    #[track_caller]
    pub(crate) fn credentials(&self, name: &str, role: &str) -> PathBuf {
        let out = self.dir.join(name);
        let out_text = out.to_str().unwrap();
        self.run(["identity", "add", name, "--role", role, "--out", out_text]).ok();
        out
    }

    /// The docker command line as a new identity.
    #[track_caller]
    pub(crate) fn docker_as(&self, name: &str, role: &str) -> Docker {
        Docker::first(self.env(&self.credentials(name, role)))
    }

    /// The variables that point a client at this gate with these credentials.
    pub(crate) fn env(&self, credentials: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("DOCKER_HOST", format!("tcp://{}", self.address)),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            ("DOCKER_CERT_PATH", credentials.display().to_string()),
        ]
    }

    /// A connection of bytes with these credentials.
    pub(crate) fn connect(&self, credentials: &Path) -> Connection {
        Connection::tls(self.address, credentials).unwrap()
    }

    /// Where [`Gate::credentials`] put an identity's certificates.
    pub(crate) fn folder_of(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The most memory it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let process = self.process.lock().unwrap();
        let id = process.as_ref().expect("the gate was started").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Its metrics now, in the text format.
    pub(crate) fn metrics(&self) -> String {
        let mut admin = Connection::unix(&self.admin_socket());
        admin.send(request("GET", "/metrics"));
        admin.answer("GET").text()
    }

    /// Waits until its metrics say that it hit this limit.
    #[track_caller]
    pub(crate) fn hits(&self, limit: &str) {
        let line = format!("seawall_limit_hits_total{{limit=\"{limit}\"}} ");
        until(
            SHORT,
            || format!("{limit} is not counted in {}", self.metrics()),
            || {
                let metrics = self.metrics();
                let count = metrics.lines().find_map(|metric| metric.strip_prefix(&line));
                count.is_some_and(|count| count != "0")
            },
        );
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.lock().unwrap().as_ref().expect("the gate was started").id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.lock().unwrap();
        let id = process.as_ref().expect("the gate was started").id();
        kill(Pid::from_raw(id.cast_signed()), signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&self) -> ExitStatus {
        let mut process = self.process.lock().unwrap();
        let child = process.as_mut().expect("the gate was started");
        let mut status = None;
        until(
            SHORT,
            || tail("the gate still runs; it said", &self.log()),
            || {
                status = child.try_wait().unwrap();
                status.is_some()
            },
        );
        status.unwrap()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Asserts that at least `count` requests were cut, each within a second of the newest event
    /// `what`. The gate's own times count: how long a busy machine takes to start a command, or a
    /// client to end, is not its promise.
    #[track_caller]
    pub(crate) fn cut_within_a_second_of(&self, what: &str, count: usize) {
        let cut = self.cut(count);
        let records = self.records();
        let event = records.iter().rfind(|record| record["what"] == what);
        let since = recorded_at(event.unwrap_or_else(|| panic!("no {what} in {records:?}")));
        for at in cut {
            assert!(at - since < time::Duration::SECOND, "cut {} after {what}", at - since);
        }
    }

    /// When requests were cut, once the record has at least `count` of them.
    #[track_caller]
    pub(crate) fn cut(&self, count: usize) -> Vec<time::OffsetDateTime> {
        let mut cut = Vec::new();
        // Outcomes may be written up to 100 ms later than they are dated.
        until(
            SHORT,
            || format!("{:?}", self.records()),
            || {
                let records = self.records();
                let outcomes = records.iter().filter(|record| record["ending"] == "cut");
                cut = outcomes.map(recorded_at).collect();
                cut.len() >= count
            },
        );
        cut
    }

    /// Every record of its audit trail, oldest first.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<_> =
            fs::read_dir(self.audit()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = process.as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The time a record gives itself.
pub(crate) fn recorded_at(record: &serde_json::Value) -> time::OffsetDateTime {
    let text = record["time"].as_str().unwrap();
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap()
}

/// An address of the loopback on which nothing listens now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

// The kernel kills a `--pdeathsig` child when the thread that spawned it ends, and the threads of
// tests end; this one does not.
pub(crate) fn spawned_by_the_keeper(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<Child>);
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in taken {
                let child = command.spawn().expect("setpriv is installed");
                answer.send(child).unwrap();
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    keeper.lock().unwrap().send((command, answer)).unwrap();
    child.recv().unwrap()
}

thread_local! {
    static LOGS: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

// A failure is often explained by what the gate said about it.
fn show_logs_on_panic(log: &Path) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            LOGS.with_borrow(|logs| {
                for log in logs {
                    eprintln!("{}", tail("the gate said", log));
                }
            });
        }));
    });
    LOGS.with_borrow_mut(|logs| logs.push(log.to_owned()));
}
