//! A stranger of our own: a network namespace on a cable to this host, from which the guarded
//! ports are tried.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use seawall_rules::firewall::Plan;

use super::command::run;
use crate::cli::report::{Doing, Error};

/// Our end and the stranger's, for both families: of the networks kept for tests of network
/// devices (RFC 2544, RFC 5180), which nobody routes.
const ENDS: [[&str; 2]; 2] =
    [["198.18.223.1", "198.18.223.2"], ["2001:2:0:5ea::1", "2001:2:0:5ea::2"]];
/// Our end of the cable.
const CABLE: &str = "seawall-probe";
/// What is dropped is not answered for ever; on a cable of our own an answer takes microseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the stranger found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probed {
    /// Ports that were tried in vain, as they should be.
    pub(crate) closed: Vec<SocketAddr>,
    /// Ports that answered although the stranger is not allowed.
    pub(crate) open: Vec<SocketAddr>,
    /// Ports that were not tried, since even a stranger is allowed there.
    pub(crate) allowed: Vec<SocketAddr>,
}

/// Tries every port of `plan` from a stranger's addresses, over IPv4 and IPv6. A port where
/// nothing listens is found closed only if it is silent: the kernel's refusal is an answer too.
///
/// # Errors
/// That there can be no namespace, or no cable to it.
pub(crate) fn probe(plan: &Plan) -> Result<Probed, Error> {
    let stranger = Stranger::new()?;
    let mut probed = Probed::default();
    for [ours, theirs] in ENDS {
        // INVARIANT: they are addresses.
        let [Ok(ours), Ok(theirs)] = [ours, theirs].map(str::parse::<IpAddr>) else { continue };
        for guard in &plan.guards {
            for at in guard.ports.iter().map(|&port| SocketAddr::new(ours, port)) {
                let list = match guard.from.contains(theirs) {
                    true => &mut probed.allowed,
                    false if stranger.is_answered(at)? => &mut probed.open,
                    false => &mut probed.closed,
                };
                list.push(at);
            }
        }
    }
    Ok(probed)
}

struct Stranger {
    // A `cat` that keeps the namespace, and with it the cable; it ends with its standard input,
    // which is to say with us.
    keeper: Child,
}

impl Stranger {
    fn new() -> Result<Self, Error> {
        let doing = || "make a network namespace".to_owned();
        let mut keeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(doing)?;
        let stdout = keeper.stdout.take();
        let stranger = Self { keeper };
        let mut line = String::new();
        stdout.map(|out| BufReader::new(out).read_line(&mut line)).transpose().doing(doing)?;
        let pid = stranger.keeper.id().to_string();
        let ip = |args: &[&str]| run("ip", args, "").map(drop);
        let there = |args: &[&str]| {
            run("nsenter", &[&["-t", &pid, "-n", "ip"], args].concat(), "").map(drop)
        };
        ip(&["link", "add", CABLE, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["link", "set", CABLE, "up"])?;
        there(&["link", "set", "eth0", "up"])?;
        for ([ours, theirs], length) in ENDS.iter().zip(["30", "126"]) {
            // Without duplicate address detection, which takes a second.
            let nodad: &[&str] = if ours.contains(':') { &["nodad"] } else { &[] };
            ip(&[&["address", "add", &format!("{ours}/{length}"), "dev", CABLE], nodad].concat())?;
            let theirs = format!("{theirs}/{length}");
            there(&[&["address", "add", &theirs, "dev", "eth0"], nodad].concat())?;
        }
        Ok(stranger)
    }

    /// Whether anything comes back, be it a refusal.
    fn is_answered(&self, at: SocketAddr) -> Result<bool, Error> {
        let doing = || format!("try {at} from a network namespace");
        let namespace = File::open(format!("/proc/{}/ns/net", self.keeper.id())).doing(doing)?;
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                // Of this thread alone, which ends with it.
                setns(&namespace, CloneFlags::CLONE_NEWNET).doing(doing)?;
                match TcpStream::connect_timeout(&at, PATIENCE) {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
                    Err(error) if error.kind() == ErrorKind::TimedOut => Ok(false),
                    Err(error) => Err(error).doing(doing),
                }
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The cable goes with the namespace at its other end.
        let _ = self.keeper.wait();
        // A namespace is taken apart when the kernel finds the time; the next probe may be sooner.
        let _ = run("ip", &["link", "delete", CABLE], "");
    }
}
