//! What SSH costs: `docker -H ssh://` through Seawall, through the host's sshd and
//! `docker system dial-stdio`, and the engine's own socket beside them.
//! `make bench`, or `cargo bench -p seawall --bench ssh [-- CALLS]`.
//!
//! The docker command line and OpenSSH's client are the real ones, the engine is a stub that
//! answers at once. docs/benchmarks.md says how to read the table.

#![allow(missing_docs, reason = "a program, not an interface")]

#[path = "../gate/engine.rs"]
mod engine;
#[path = "../gate/http.rs"]
#[allow(dead_code, reason = "the client's half is the other benchmark's")]
mod http;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const STREAM_BYTES: u64 = 1 << 30;
const AT_ONCE: usize = 80;

fn main() -> ExitCode {
    let programs = ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen", "/usr/bin/docker"];
    if let Some(missing) = programs.into_iter().find(|program| !Path::new(program).exists()) {
        eprintln!("error: not installed: {missing}");
        eprintln!("hint: apt-get install openssh-server openssh-client docker.io");
        return ExitCode::FAILURE;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("error: sshd lets root in here, so this runs as root");
        return ExitCode::FAILURE;
    }
    let calls = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20).max(1);
    let dir = tempfile::Builder::new().prefix("seawall-bench-").tempdir().expect("a folder");
    let dir = dir.path();
    let socket = dir.join("engine.sock");
    engine::start(&socket, STREAM_BYTES);
    let tar = dir.join("image.tar");
    File::create(&tar).and_then(|file| file.set_len(STREAM_BYTES)).expect("a sparse file");
    keygen(&dir.join("key"));

    let (sshd, sshd_address) = sshd(dir, &socket);
    let (seawall, seawall_address) = seawall(dir, &socket);
    client(dir);
    let ways = [
        ("the engine's socket", format!("unix://{}", socket.display())),
        ("sshd and dial-stdio", format!("ssh://root@{sshd_address}")),
        ("Seawall", format!("ssh://bench@{seawall_address}")),
    ];
    println!("{:<22} {:>10} {:>22} {:>12}", "", "docker ps", "80 at once", "GiB load");
    for (name, host) in &ways {
        let one = median((0..calls).map(|_| timed(|| ps(dir, host).wait_well())).collect());
        let mut failed = 0;
        let all = timed(|| {
            let all: Vec<_> = (0..AT_ONCE).map(|_| ps(dir, host)).collect();
            failed = all.into_iter().map(Docker::wait).filter(|well| !well).count();
        });
        let load = median((0..3).map(|_| timed(|| load(dir, host, &tar).wait_well())).collect());
        println!(
            "{name:<22} {:>7.0} ms {:>9.2} s, {failed:>2} failed {:>10.2} s",
            one.as_secs_f64() * 1e3,
            all.as_secs_f64(),
            load.as_secs_f64()
        );
    }
    drop((sshd, seawall));
    ExitCode::SUCCESS
}

/// A server, ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// OpenSSH's server with its defaults, but for where its files and the engine are.
fn sshd(dir: &Path, engine: &Path) -> (Server, SocketAddr) {
    let address = free_address();
    fs::create_dir_all("/run/sshd").expect("sshd's folder");
    let host_key = dir.join("host_key");
    keygen(&host_key);
    fs::copy(dir.join("key.pub"), dir.join("authorized_keys")).expect("authorized keys");
    let config = format!(
        "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
         PidFile none\nSetEnv DOCKER_HOST=unix://{}\n",
        host_key.display(),
        dir.join("authorized_keys").display(),
        engine.display()
    );
    let file = dir.join("sshd_config");
    fs::write(&file, config).expect("sshd's configuration");
    let mut sshd = Command::new("/usr/sbin/sshd");
    sshd.arg("-D").arg("-f").arg(file);
    (start(sshd, address), address)
}

/// Seawall as `seawall up --ssh` sets it up, with an admin whom it lets in over SSH.
fn seawall(dir: &Path, engine: &Path) -> (Server, SocketAddr) {
    let (tcp, ssh) = (free_address(), free_address());
    let config = format!(
        "listen = [\"tcp://{tcp}\", \"ssh://{ssh}\"]\nupstream = \"unix://{}\"\n\
         [ssh]\nmax_role = \"admin\"\n",
        engine.display()
    );
    let file = dir.join("seawall.toml");
    fs::write(&file, config).expect("a configuration");
    let command = |args: &[&str]| {
        let mut seawall = Command::new(env!("CARGO_BIN_EXE_seawall"));
        seawall.env_clear().env("HOME", dir).args(args);
        seawall.arg("--config").arg(&file).arg("--state").arg(dir.join("state"));
        seawall
    };
    let server = start(command(&["up", "--yes"]), ssh);
    let key = dir.join("key.pub");
    let key = key.to_str().expect("a path in UTF-8");
    let add = ["identity", "add", "bench", "--role", "admin", "--ssh-key", key];
    let add = command(&add).output().expect("seawall runs");
    assert!(add.status.success(), "{}", String::from_utf8_lossy(&add.stderr));
    (server, ssh)
}

fn start(mut command: Command, address: SocketAddr) -> Server {
    let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let server = Server(server.expect("the server starts"));
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "{command:?} does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    server
}

/// The `ssh` that docker finds: OpenSSH's, with the key and no questions.
fn client(dir: &Path) {
    let bin = dir.join("bin");
    fs::create_dir(&bin).expect("a folder");
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F none -i {}/key -o IdentitiesOnly=yes -o LogLevel=ERROR \
         -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \"$@\"\n",
        dir.display()
    );
    fs::write(bin.join("ssh"), script).expect("a script");
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).expect("a script");
}

struct Docker(Child);

impl Docker {
    fn start(dir: &Path, host: &str, args: &[&str], input: Stdio) -> Self {
        let path = format!("{}:/usr/bin:/bin", dir.join("bin").display());
        let mut docker = Command::new("/usr/bin/docker");
        docker.env_clear().env("HOME", dir).env("PATH", path).args(["-H", host]).args(args);
        let docker = docker.stdin(input).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(docker.expect("docker runs"))
    }

    fn wait(mut self) -> bool {
        self.0.wait().expect("docker ends").success()
    }

    fn wait_well(self) {
        assert!(self.wait(), "docker failed");
    }
}

fn ps(dir: &Path, host: &str) -> Docker {
    Docker::start(dir, host, &["ps"], Stdio::null())
}

fn load(dir: &Path, host: &str, tar: &PathBuf) -> Docker {
    Docker::start(dir, host, &["load", "-q"], File::open(tar).expect("the image").into())
}

fn keygen(file: &Path) {
    let mut keygen = Command::new("/usr/bin/ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file);
    assert!(keygen.status().expect("ssh-keygen runs").success());
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("a port")
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}
