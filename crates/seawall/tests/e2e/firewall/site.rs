//! A Docker host with two neighbours, one of whom it lets in, and a port that answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::netns::Host;
use crate::support::process::{Done, Running};
use crate::support::wait::{SHORT, until};

/// The port of the gate.
pub(super) const PORT: u16 = 2376;

/// The hosts. `server` reaches `good` over `good0`, and `bad` over `bad0`.
pub(super) struct Site {
    /// Where the gate would be.
    pub(super) server: Host,
    /// 10.0.0.5 and 2001:db8:a::5, both allowed.
    pub(super) good: Host,
    /// 192.168.77.5 and 2001:db8:b::5, neither allowed.
    pub(super) bad: Host,
    dir: tempfile::TempDir,
}

/// The server as `good` reaches it, and as `bad` does; IPv4 and IPv6.
pub(super) const TO_GOOD: [&str; 2] = ["10.0.0.1", "2001:db8:a::1"];
pub(super) const TO_BAD: [&str; 2] = ["192.168.77.1", "2001:db8:b::1"];

impl Site {
    /// New hosts; a configuration that allows `good` alone.
    pub(super) fn new() -> Self {
        let (server, good, bad) = (Host::new(), Host::new(), Host::new());
        for (there, cable, [v4, v6], ends) in [
            (&good, "good0", TO_GOOD, ["10.0.0.5", "2001:db8:a::5"]),
            (&bad, "bad0", TO_BAD, ["192.168.77.5", "2001:db8:b::5"]),
        ] {
            server.connect(cable, there, "eth0");
            server.add_address(cable, &format!("{v4}/24"));
            server.add_address(cable, &format!("{v6}/64"));
            there.add_address("eth0", &format!("{}/24", ends[0]));
            there.add_address("eth0", &format!("{}/64", ends[1]));
            there.ip(["route", "add", "default", "via", v4]);
            there.ip(["route", "add", "default", "via", v6]);
        }
        let dir = tempfile::Builder::new().prefix("seawall-firewall-").tempdir().unwrap();
        let site = Self { server, good, bad, dir };
        site.configure(&["10.0.0.0/24", "2001:db8:a::/64"], "");
        site
    }

    /// Writes the configuration.
    pub(super) fn configure(&self, allow: &[&str], more: &str) {
        self.configure_before(&self.dir().join("docker.sock"), allow, more);
    }

    /// The same for the engine with that socket.
    pub(super) fn configure_before(&self, engine: &Path, allow: &[&str], more: &str) {
        let text = format!(
            "listen = [\"tcp://[::]:{PORT}\"]\nupstream = \"unix://{}\"\n\
             [network]\nallow = {allow:?}\n{more}\n",
            engine.display()
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// A folder of the test's own.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.path().join("seawall.toml")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// `seawall firewall ARGS` on the server, not yet started.
    pub(super) fn firewall(&self, args: &[&str]) -> Command {
        let mut seawall = Command::new(env!("CARGO_BIN_EXE_seawall"));
        seawall.arg("firewall").args(args).arg("--config").arg(self.config());
        seawall.arg("--state").arg(self.state());
        seawall.env_remove("SSH_CONNECTION").env("HOME", self.dir.path());
        self.server.command(&seawall)
    }

    /// Runs it.
    #[track_caller]
    pub(super) fn run(&self, args: &[&str]) -> Done {
        Running::start(self.firewall(args)).wait()
    }

    /// Runs a shell script on the server.
    #[track_caller]
    pub(super) fn script(&self, script: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-ec", script]).env("PATH", path());
        self.server.run(&shell).ok()
    }

    /// Starts to answer on [`PORT`] of all of the server's addresses: every byte comes back.
    pub(super) fn answer(&self) {
        answer(&self.server, PORT);
    }

    /// Who reaches the port, as `good4 good6 bad4 bad6 self4 self6`.
    pub(super) fn reached(&self) -> String {
        let mut names = Vec::new();
        for (name, host, addresses) in [
            ("good", &self.good, TO_GOOD),
            ("bad", &self.bad, TO_BAD),
            ("self", &self.server, ["127.0.0.1", "::1"]),
        ] {
            for (family, address) in ["4", "6"].iter().zip(addresses) {
                if reaches(host, address, PORT) {
                    names.push(format!("{name}{family}"));
                }
            }
        }
        names.join(" ")
    }

    /// Waits until those reach it, and nobody else.
    #[track_caller]
    pub(super) fn wait_for(&self, who: &str) {
        let last = std::cell::RefCell::new(String::new());
        until(
            SHORT,
            || format!("`{}` reach the port, not `{who}`; {}", last.borrow(), self.rules()),
            || {
                *last.borrow_mut() = self.reached();
                *last.borrow() == who
            },
        );
    }

    /// All rules of the server, for a failure's message.
    pub(super) fn rules(&self) -> String {
        self.script("nft list ruleset 2>&1; iptables-save 2>&1; ip6tables-save 2>&1")
    }

    /// How many packets the rules have dropped.
    pub(super) fn denied(&self) -> u64 {
        let listing = self.script("nft list counter inet seawall denied");
        let mut words = listing.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    }
}

/// Everybody whom the configuration of [`Site::new`] lets in.
pub(super) const ALLOWED: &str = "good4 good6 self4 self6";
/// Everybody.
pub(super) const EVERYBODY: &str = "good4 good6 bad4 bad6 self4 self6";

/// Root's search path.
pub(super) fn path() -> &'static str {
    "/usr/sbin:/usr/bin:/sbin:/bin"
}

/// Has `host` echo on `port`, of both families.
pub(super) fn answer(host: &Host, port: u16) {
    let listener = host.inside(|| TcpListener::bind(("::", port)).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            thread::spawn(move || {
                let mut byte = [0];
                while let Ok(1) = stream.read(&mut byte) {
                    if stream.write_all(&byte).is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Whether a connection from `host` is answered.
pub(super) fn reaches(host: &Host, address: &str, port: u16) -> bool {
    match connection(host, address, port) {
        Some(mut stream) => echoes(&mut stream),
        None => false,
    }
}

/// A connection from `host`, if one comes about.
pub(super) fn connection(host: &Host, address: &str, port: u16) -> Option<TcpStream> {
    let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
    host.inside(|| TcpStream::connect_timeout(&address, PATIENCE).ok())
}

/// Whether a byte comes back.
pub(super) fn echoes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if stream.write_all(b"x").is_err() {
        return false;
    }
    match stream.read(&mut [0]) {
        Ok(1) => true,
        Ok(_) => false,
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset),
                "{error}"
            );
            false
        }
    }
}

/// What is dropped is not answered for ever. A neighbour on a cable answers in microseconds; the
/// callers that expect an answer ask again and again.
const PATIENCE: Duration = Duration::from_millis(700);
