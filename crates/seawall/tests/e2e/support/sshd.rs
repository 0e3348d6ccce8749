//! A real sshd beside a gate, and real SSH clients.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::client::Docker;
use super::engine::{Engine, tail};
use super::gate::{Gate, free_address, spawned_by_the_keeper};
use super::process::{Done, Running, script};
use super::wait::{SHORT, until};

/// The uid of the user as whom sshd runs `seawall dial-stdio`; it is nobody's on this host.
pub(crate) const SHIM_UID: u32 = 64_123;
/// That user's name, to sshd.
pub(crate) const SHIM_USER: &str = "docker-ssh";

/// Where sshd finds the binary.
pub(crate) const SEAWALL: &str = "/mnt/seawall";

/// An sshd; it ends when dropped.
pub(crate) struct Sshd {
    process: Child,
    address: SocketAddr,
    dir: PathBuf,
    _dir: tempfile::TempDir,
}

/// An SSH key and the client program that offers it.
pub(crate) struct SshClient {
    dir: tempfile::TempDir,
}

impl Sshd {
    /// The variables that point any client through the one sshd and gate that all tests share, as
    /// an identity that may do everything.
    pub(crate) fn shared_env() -> Vec<(&'static str, String)> {
        static SHARED: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            // Nothing drops it, so it is put where the engine's sweeper sweeps.
            let engine = Engine::shared();
            let dir = tempfile::tempdir_in(engine.dir()).unwrap().keep();
            // sshd's user passes through to the socket.
            for passed in [engine.dir(), &dir] {
                fs::set_permissions(passed, Permissions::from_mode(0o711)).unwrap();
            }
            let socket = dir.join("sshd.sock");
            let gate = Gate::up_in(engine.dir(), &engine.socket(), &config(&socket));
            let client = SshClient::in_folder(tempfile::tempdir_in(&dir).unwrap());
            let key = client.public_key();
            let add = ["identity", "add", "somebody", "--role", "admin", "--sshd", "--ssh-key"];
            gate.run(add.into_iter().chain([key.to_str().unwrap()])).ok();
            let lines = authorized_keys(&gate, &socket);
            let sshd = Self::start("ExposeAuthInfo yes", &lines);
            let env = client.env(sshd.host_as(SHIM_USER));
            std::mem::forget((gate, client, sshd));
            env
        });
        shared.clone()
    }

    /// Starts one with these lines in its configuration, and what `authorized_keys` holds.
    pub(crate) fn start(config: &str, authorized_keys: &str) -> Self {
        Self::start_with_shell(config, authorized_keys, "/bin/sh")
    }

    /// The same, with another login shell for the user.
    pub(crate) fn start_with_shell(config: &str, authorized_keys: &str, shell: &str) -> Self {
        let temp = tempfile::Builder::new().prefix("seawall-sshd-").tempdir().unwrap();
        let dir = temp.path().to_owned();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        let address = free_address();
        fs::create_dir(dir.join("home")).unwrap();
        chown(dir.join("home"), Some(SHIM_UID), Some(SHIM_UID)).unwrap();
        fs::write(dir.join("authorized_keys"), authorized_keys).unwrap();
        fs::write(dir.join("shell"), shell).unwrap();
        generate(&dir.join("host_key"), "ed25519");
        let own = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\nPidFile none\n\
             AuthorizedKeysFile {dir}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             MaxStartups 200\n{config}\n",
            address.port(),
            dir = dir.display(),
        );
        fs::write(dir.join("sshd_config"), own).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        // When the tests are gone, so is it.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.args(["sh", "-c", include_str!("sshd.sh"), "sshd"]);
        command.arg(&dir).arg(address.port().to_string());
        command.arg(env!("CARGO_BIN_EXE_seawall")).arg(SHIM_UID.to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = spawned_by_the_keeper(command);
        let sshd = Self { process, address, dir, _dir: temp };
        until(
            SHORT,
            || tail("sshd (openssh-server) does not listen; it said", &sshd.dir.join("log")),
            || TcpStream::connect(address).is_ok(),
        );
        sshd
    }

    /// `DOCKER_HOST` for it, as this user.
    pub(crate) fn host_as(&self, user: &str) -> String {
        format!("ssh://{user}@{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What opens a gate to the host's sshd, by this socket.
pub(crate) fn config(socket: &Path) -> String {
    format!(
        "[ssh]\nmax_role = \"admin\"\nsshd_user = \"{SHIM_UID}\"\nsshd_socket = \"{}\"\n",
        socket.display()
    )
}

/// The lines for sshd, as they are where sshd sees the binary.
#[track_caller]
pub(crate) fn authorized_keys(gate: &Gate, socket: &Path) -> String {
    let lines =
        gate.run(["ssh", "authorized-keys", "--socket", socket.to_str().unwrap()]).ok() + "\n";
    lines.replace(env!("CARGO_BIN_EXE_seawall"), SEAWALL)
}

impl SshClient {
    /// One with a new ed25519 key.
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    fn in_folder(dir: tempfile::TempDir) -> Self {
        generate(&dir.path().join("id"), "ed25519");
        let client = Self { dir };
        client.configure("");
        client
    }

    /// Puts these lines into its configuration, in place of any before.
    pub(crate) fn configure(&self, lines: &str) {
        let dir = self.dir.path().display();
        // Of what is said twice the first counts, but keys add up.
        let config = format!(
            "{lines}\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n\
             IdentityFile {dir}/id\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\n"
        );
        fs::write(self.path("config"), config).unwrap();
        // OpenSSH looks for its configuration where the password file says, whatever HOME is.
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F '{dir}/config' \"$@\"\n");
        fs::create_dir_all(self.path("bin")).unwrap();
        script(&self.path("bin/ssh"), &wrapper);
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The file of its public key.
    pub(crate) fn public_key(&self) -> PathBuf {
        self.path("id.pub")
    }

    /// Its public key's line.
    pub(crate) fn public_line(&self) -> String {
        fs::read_to_string(self.public_key()).unwrap().trim().to_owned()
    }

    /// Its public key without the comment.
    pub(crate) fn key_alone(&self) -> String {
        self.public_line().rsplit_once(' ').unwrap().0.to_owned()
    }

    /// `SHA256:…` of its key.
    pub(crate) fn fingerprint(&self) -> String {
        let listed = keygen(["-l".as_ref(), "-f".as_ref(), self.public_key().as_os_str()]);
        listed.split(' ').nth(1).unwrap().to_owned()
    }

    /// The docker command line that reaches `host` (`ssh://…`) with this key.
    pub(crate) fn docker(&self, host: String) -> Docker {
        Docker::first(self.env(host))
    }

    fn env(&self, host: String) -> Vec<(&'static str, String)> {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.path("bin").display());
        vec![("DOCKER_HOST", host), ("PATH", path)]
    }

    /// `ssh ARGS` with this key.
    #[track_caller]
    pub(crate) fn ssh(&self, address: SocketAddr, user: &str, args: &[&str]) -> Done {
        let mut command = Command::new(self.path("bin/ssh"));
        command.arg("-p").arg(address.port().to_string());
        command.arg(format!("{user}@{}", address.ip())).args(args);
        Running::start(command).wait()
    }
}

/// `ssh-keygen ARGS`; its standard output.
#[track_caller]
pub(crate) fn keygen<'a>(args: impl IntoIterator<Item = &'a std::ffi::OsStr>) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(args);
    Running::start(command).wait().ok()
}

fn generate(file: &Path, kind: &str) {
    keygen(
        ["-q", "-t", kind, "-N", "", "-f"].map(AsRef::as_ref).into_iter().chain([file.as_os_str()]),
    );
}
