//! The three proxies, each started as its own program with a configuration of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;
use seawall::pki::{Ca, Key, MACHINE};

/// A running proxy; ended when dropped.
pub(crate) struct Proxy {
    /// Name and version, as the program tells it.
    pub(crate) version: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The folder of the certificates a client needs.
    pub(crate) credentials: PathBuf,
    process: Child,
}

/// Whether this program is installed.
pub(crate) fn runs(program: &str) -> bool {
    command(program).arg("-v").output().is_ok_and(|done| done.status.success())
}

/// Seawall as `seawall up` sets it up, with an admin of its own for the clients.
pub(crate) fn seawall(dir: &Path, engine: &Path) -> Proxy {
    let dir = made(dir.join("seawall"));
    let (program, address) = (env!("CARGO_BIN_EXE_seawall"), free_address());
    let seawall = |args: &[&str]| {
        let mut seawall = command(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["DOCKER_", "SUDO_", "SEAWALL_", "XDG_"].iter().any(|it| name.starts_with(it)) {
                seawall.env_remove(name.as_ref());
            }
        }
        seawall.env("HOME", &dir).args(args);
        seawall.arg("--config").arg(dir.join("seawall.toml"));
        seawall.arg("--state").arg(dir.join("state"));
        seawall
    };
    // All clients of the benchmark are one address.
    let config = format!(
        "listen = [\"tcp://{address}\"]\nupstream = \"unix://{}\"\n\
         [limits]\nconnection_rate = 100000\n",
        engine.display()
    );
    fs::write(dir.join("seawall.toml"), config).expect("a folder to write to");
    let up = seawall(&["up", "--yes"]);
    let credentials = dir.join("bench");
    let proxy = Proxy::start(up, version(program, "-V"), address, credentials, &dir);
    let out = proxy.credentials.to_str().expect("a path in UTF-8");
    let add = seawall(&["identity", "add", "bench", "--role", "admin", "--out", out]).output();
    let add = add.expect("seawall runs");
    assert!(add.status.success(), "{}", String::from_utf8_lossy(&add.stderr));
    proxy
}

/// HAProxy with the defaults of its source, and its log, which it cannot write to a file itself,
/// on a standard output that is one.
pub(crate) fn haproxy(dir: &Path, engine: &Path) -> Proxy {
    let (dir, address) = (made(dir.join("haproxy")), free_address());
    let credentials = certificates(&dir);
    let config = format!(
        "global\n\
         log stdout format raw local0\n\
         ssl-default-bind-options ssl-min-ver TLSv1.3\n\
         defaults\n\
         mode http\n\
         log global\n\
         option httplog\n\
         timeout connect 10s\n\
         timeout client 5m\n\
         timeout server 5m\n\
         frontend gate\n\
         bind {address} ssl crt {dir}/server.pem ca-file {dir}/ca.pem verify required\n\
         default_backend engine\n\
         backend engine\n\
         server engine unix@{}\n",
        engine.display(),
        dir = dir.display(),
    );
    let file = dir.join("haproxy.cfg");
    fs::write(&file, config).expect("a configuration");
    let mut haproxy = command("haproxy");
    haproxy.arg("-db").arg("-f").arg(file);
    Proxy::start(haproxy, version("haproxy", "-v"), address, credentials, &dir)
}

/// nginx as streams need it: nothing is buffered whole, and connections to the engine are kept.
pub(crate) fn nginx(dir: &Path, engine: &Path) -> Proxy {
    let (dir, address) = (made(dir.join("nginx")), free_address());
    let credentials = certificates(&dir);
    // Workers of root would be of a user who cannot open the engine's socket.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let config = format!(
        "{user}
         daemon off;
         worker_processes auto;
         pid {dir}/pid;
         error_log {dir}/error.log;
         events {{}}
         http {{
             access_log {dir}/access.log;
             client_body_temp_path {dir}/client;
             proxy_temp_path {dir}/proxy;
             fastcgi_temp_path {dir}/fastcgi;
             uwsgi_temp_path {dir}/uwsgi;
             scgi_temp_path {dir}/scgi;
             keepalive_requests 1000000000;
             client_max_body_size 0;
             upstream engine {{
                 server unix:{engine};
                 keepalive 16;
                 keepalive_requests 1000000000;
             }}
             server {{
                 listen {address} ssl;
                 ssl_protocols TLSv1.3;
                 ssl_certificate {dir}/server.pem;
                 ssl_certificate_key {dir}/server.pem;
                 ssl_client_certificate {dir}/ca.pem;
                 ssl_verify_client on;
                 location / {{
                     proxy_pass http://engine;
                     proxy_http_version 1.1;
                     proxy_set_header Connection \"\";
                     proxy_buffering off;
                     proxy_request_buffering off;
                 }}
             }}
         }}\n",
        dir = dir.display(),
        engine = engine.display(),
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, config).expect("a configuration");
    let mut nginx = command("nginx");
    nginx.arg("-e").arg(dir.join("error.log")).arg("-c").arg(file);
    Proxy::start(nginx, version("nginx", "-v"), address, credentials, &dir)
}

impl Proxy {
    fn start(
        mut program: Command,
        version: String,
        address: SocketAddr,
        credentials: PathBuf,
        dir: &Path,
    ) -> Self {
        let log = dir.join("log");
        let out = File::create(&log).expect("a log");
        program.stdin(Stdio::null()).stderr(out.try_clone().expect("a handle")).stdout(out);
        let process = program.spawn().expect("setpriv of util-linux");
        let mut proxy = Self { version, address, credentials, process };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            let ended = proxy.process.try_wait().expect("a child");
            if ended.is_some() || Instant::now() > end {
                let said = fs::read_to_string(&log).unwrap_or_default();
                panic!("{} does not listen; it said:\n{said}", proxy.version);
            }
            thread::sleep(Duration::from_millis(5));
        }
        proxy
    }

    /// User and system time of all its processes, to the nanosecond: what /proc/PID/stat has in
    /// ticks of 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        let clock = |pid| ClockId::pid_cpu_clock_id(pid).and_then(ClockId::now);
        self.processes().into_iter().map(|pid| Duration::from(clock(pid).expect("a clock"))).sum()
    }

    /// The most memory its processes ever had, in bytes. Pages they share count in each.
    pub(crate) fn peak_memory(&self) -> u64 {
        let peak = |pid: Pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        self.processes().into_iter().map(|pid| peak(pid).expect("VmHWM") << 10).sum()
    }

    /// The program and its children; none of the three has grandchildren.
    fn processes(&self) -> Vec<Pid> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("a process that runs, and CONFIG_PROC_CHILDREN");
        let children = children.split_whitespace().map(|pid| pid.parse().expect("a number"));
        std::iter::once(pid).chain(children.map(Pid::from_raw)).collect()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers on this signal, and would leave them behind on SIGKILL.
        kill(self.pid(), Signal::SIGTERM).ok();
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > end {
                self.process.kill().ok();
                self.process.wait().ok();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A program that ends when this one does, however that ends; daemons are found, too.
fn command(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", program]).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// The first line of what it says of its version, wherever it says it.
fn version(program: &str, flag: &str) -> String {
    let done = command(program).arg(flag).output().expect("setpriv of util-linux");
    let said = [done.stdout, done.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().unwrap_or(program).to_owned()
}

/// A CA, a server's certificate with its key, and a client's, all of P-256 as Seawall's are.
fn certificates(dir: &Path) -> PathBuf {
    let now = SystemTime::now();
    let ca = Ca::create("bench", now).expect("a CA");
    let (server, client) = (Key::generate().expect("a key"), Key::generate().expect("a key"));
    let names = ["127.0.0.1".to_owned()];
    let of_server = ca.issue_server(&server.public(), &names, MACHINE, now).expect("signed");
    let of_client = ca.issue_client(&client.public(), ("bench", "bench"), MACHINE, now);
    let write = |name: &str, pem: &str| fs::write(dir.join(name), pem).expect("a file");
    write("ca.pem", ca.pem());
    write("server.pem", &format!("{}{}", of_server.pem, *server.to_pem()));
    write("cert.pem", &of_client.expect("signed").pem);
    write("key.pem", &client.to_pem());
    dir.to_owned()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

fn made(dir: PathBuf) -> PathBuf {
    fs::create_dir(&dir).expect("a folder");
    dir
}
