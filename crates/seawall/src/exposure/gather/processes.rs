//! The processes that matter: engines, and who holds which socket.

use std::collections::BTreeMap;

use seawall_rules::exposure::catalogue::network::{OTHER_API, PLAIN_TCP};
use seawall_rules::exposure::read::sockets;

use super::Gathering;

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The name of its program's file, or of its first argument.
    pub(super) program: String,
    /// Its arguments, the program first.
    pub(super) arguments: Vec<String>,
    pub(super) uid: u32,
    /// When it started, in seconds since 1970.
    pub(super) started: Option<i64>,
    /// Its network and mount namespaces, where they may be seen.
    pub(super) network: Option<String>,
    pub(super) mounts: Option<String>,
}

impl Gathering {
    /// Every process that can be seen.
    pub(super) fn processes(&mut self) -> Vec<Process> {
        let names = self.root.list("/proc").known().unwrap_or_default();
        let booted = self.root.text("/proc/stat").known().and_then(|stat| {
            stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<i64>().ok())
        });
        names
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter_map(|pid| self.process(pid, booted))
            .collect()
    }

    fn process(&self, pid: u32, booted: Option<i64>) -> Option<Process> {
        let bytes = self.root.bytes(&format!("/proc/{pid}/cmdline")).known()?;
        let text = String::from_utf8_lossy(&bytes);
        let arguments: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let first = name(arguments.first()?);
        if !INTERESTING.contains(&first.as_str()) {
            // Only what is looked at needs the rest.
            return Some(Process {
                pid,
                program: first,
                arguments: Vec::new(),
                uid: 0,
                started: None,
                network: None,
                mounts: None,
            });
        }
        let link = |what: &str| self.root.link(&format!("/proc/{pid}/{what}")).known();
        let program = link("exe").map(|exe| name(exe.trim_end_matches(" (deleted)")));
        let status = self.root.text(&format!("/proc/{pid}/status")).known().unwrap_or_default();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let uid = uid.and_then(|ids| ids.split_ascii_whitespace().next()?.parse().ok());
        // The name in parentheses may hold anything; the fields begin behind the last one.
        let stat = self.root.text(&format!("/proc/{pid}/stat")).known().unwrap_or_default();
        let ticks: Option<i64> = stat
            .rsplit_once(')')
            .and_then(|(_, fields)| fields.split_ascii_whitespace().nth(19)?.parse().ok());
        Some(Process {
            pid,
            program: program.filter(|name| INTERESTING.contains(&name.as_str())).unwrap_or(first),
            arguments,
            uid: uid.unwrap_or_default(),
            started: booted.zip(ticks).map(|(boot, ticks)| boot + ticks / TICKS),
            network: link("ns/net"),
            mounts: link("ns/mnt"),
        })
    }

    /// Which process holds which socket, by the sockets' inodes.
    pub(super) fn holders(
        &mut self,
        processes: &[Process],
        wanted: &[u64],
    ) -> BTreeMap<u64, (u32, String)> {
        let mut holders = BTreeMap::new();
        let mut hidden = false;
        for process in processes {
            match self.root.links(&format!("/proc/{}/fd", process.pid)) {
                super::Seen::Known(links) => {
                    let inodes = links.iter().filter_map(|link| sockets::inode(link));
                    for inode in inodes.filter(|inode| wanted.contains(inode)) {
                        let holder = (process.pid, process.program.clone());
                        // Of several the engine, and not systemd that opened it.
                        let engine = INTERESTING.contains(&process.program.as_str());
                        if engine || !holders.contains_key(&inode) {
                            holders.insert(inode, holder);
                        }
                    }
                }
                super::Seen::Absent => {}
                super::Seen::Unreadable(_) => hidden = true,
            }
        }
        if hidden && wanted.iter().any(|inode| !holders.contains_key(inode)) {
            let why = "only root sees which process listens where; run the scan with sudo";
            self.gap(&[&PLAIN_TCP, &OTHER_API], "processes of other users", why);
        }
        holders
    }
}

/// Programs whose arguments are looked at.
const INTERESTING: &[&str] = &["dockerd", "podman", "rootlesskit"];
/// Linux tells user space 100 ticks a second on every architecture (USER_HZ).
const TICKS: i64 = 100;
