//! A private Docker engine in namespaces of its own, so that it works beside any other engine,
//! touches neither its host's network nor its firewall, and is gone when the tests are gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::support::netns::Host;
use crate::support::wait::{LONG, until};

/// The one image every engine starts with: a static busybox under `/bin`.
pub(crate) const IMAGE: &str = "busybox:latest";

/// A running engine.
pub(crate) struct Engine {
    dir: PathBuf,
    orders: Mutex<Orders>,
}

struct Orders {
    shell: Child,
    give: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Engine {
    /// The engine that all tests share which leave it as they found it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Engine> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// An engine for one test alone, which may stop it or kill it.
    pub(crate) fn start() -> Self {
        Self::start_in("unshare --net", "--iptables=false")
    }

    /// An engine on a host of a test's own, whose packet filter it may change as engines do; with
    /// these flags besides.
    pub(crate) fn start_on(host: &Host, flags: &str) -> Self {
        let enter = format!("nsenter --net={}", host.namespace().display());
        Self::start_in(&enter, &format!("--iptables=true {flags}"))
    }

    /// Podman, which speaks the same API.
    pub(crate) fn podman() -> Self {
        Self::run_in("unshare --net", include_str!("podman.sh"), "")
    }

    fn start_in(network: &str, flags: &str) -> Self {
        Self::run_in(network, include_str!("engine.sh"), flags)
    }

    fn run_in(network: &str, script: &str, flags: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the end-to-end tests start a private Docker engine and so need root; `make test` \
             runs them through sudo"
        );
        let dir = tempfile::Builder::new().prefix("seawall-e2e-").tempdir().unwrap().keep();
        // Outside the namespaces a second shell waits for their end and sweeps up: the folder
        // and the empty control groups that a killed engine leaves.
        let sweeper = "$4 unshare --mount --pid --fork --kill-child --mount-proc \
             sh -c \"$2\" engine \"$1\" \"$3\"; rm -rf \"$1\"; \
             find /sys/fs/cgroup -depth -type d -path \"*/$(basename \"$1\")*\" \
             -exec rmdir {} + 2>/dev/null";
        let mut shell = Command::new("sh")
            .args(["-c", sweeper, "sweeper"])
            .arg(&dir)
            .args([script, flags, network])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let give = shell.stdin.take();
        let answer = BufReader::new(shell.stdout.take().unwrap());
        let engine = Self { dir, orders: Mutex::new(Orders { shell, give, answer }) };
        engine.wait_until_it_answers();
        engine.import_the_image();
        engine
    }

    /// Its folder, which is removed when it ends.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The engine's Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// `DOCKER_HOST` for the bare engine.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Stops it in good order.
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&self) {
        self.order("kill");
    }

    /// Starts it again and waits until it answers.
    pub(crate) fn restart(&self) {
        self.order("start");
        self.wait_until_it_answers();
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        writeln!(orders.give.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        orders.answer.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "the engine's shell ended; {}", self.log());
    }

    fn wait_until_it_answers(&self) {
        until(
            LONG,
            || format!("the engine does not answer; {}", self.log()),
            || answers_a_ping(&self.socket()),
        );
    }

    fn import_the_image(&self) {
        let mut import = Command::new("docker")
            .args(["-H", &self.host(), "import", "-c", "CMD [\"sh\"]", "-", IMAGE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the docker command line is installed");
        busybox_root(import.stdin.take().unwrap());
        assert!(import.wait().unwrap().success(), "cannot import the image; {}", self.log());
    }

    fn log(&self) -> String {
        tail("the engine said", &self.dir.join("log"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        drop(orders.give.take());
        let _ = orders.shell.wait();
    }
}

/// The last lines of a log, for a failure's message.
pub(crate) fn tail(what: &str, file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines.len().saturating_sub(30);
    format!("{what}:\n{}\n", lines[last..].join("\n"))
}

fn answers_a_ping(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let ask = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    stream.write_all(ask).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

fn busybox_root(out: impl Write) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("busybox-static is installed");
    let list = Command::new(busybox).arg("--list").output().unwrap().stdout;
    let mut tar = tar::Builder::new(out);
    tar.append_path_with_name(busybox, "bin/busybox").unwrap();
    for applet in String::from_utf8(list).unwrap().lines().filter(|&name| name != "busybox") {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    for dir in ["etc", "tmp", "var", "root"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        tar.append_data(&mut header, dir, std::io::empty()).unwrap();
    }
    tar.into_inner().unwrap().flush().unwrap();
}
