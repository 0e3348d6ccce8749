//! Listening TCP sockets: where they are bound, whose they are, and what answers.

use std::net::{IpAddr, SocketAddr};

use seawall_rules::exposure::catalogue::network::{
    DUAL_STACK, OTHER_API, PLAIN_TCP, UNVERIFIED_TLS,
};
use seawall_rules::exposure::facts::{Answer, Firewall, Listener};
use seawall_rules::exposure::read::sockets::{self, Listening};

use super::processes::Process;
use super::{Gathering, Seen, answers};
use crate::firewall::live::{Covered, Family, Live};

impl Gathering {
    pub(super) fn listeners(&mut self, processes: &[Process]) {
        let mut tables = vec!["/proc/net".to_owned()];
        let ours = self.root.link("/proc/self/ns/net").known();
        let pids: Vec<_> = self.facts.engines.iter().filter_map(|engine| engine.pid).collect();
        let elsewhere: Vec<_> = processes
            .iter()
            .filter(|process| pids.contains(&process.pid) && process.network != ours)
            .map(|process| process.pid)
            .collect();
        // In a folder there is no `self`: the tables are those of its processes.
        let of_engines = if ours.is_some() { &elsewhere } else { &pids };
        tables.extend(of_engines.iter().map(|pid| format!("/proc/{pid}/net")));
        let mut listening: Vec<(Listening, bool)> = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            let reachable = self.is_live && at == 0;
            listening.extend(self.table(table).into_iter().map(|row| (row, reachable)));
        }
        listening.sort();
        listening.dedup_by_key(|(row, _)| *row);
        let inodes: Vec<_> = listening.iter().map(|(row, _)| row.inode).collect();
        let holders = self.holders(processes, &inodes);
        let asked = listening.iter().filter(|(_, reachable)| *reachable);
        let asked: Vec<_> = asked
            .map(|(row, _)| (row.address, holders.get(&row.inode).map(|(_, name)| name.as_str())))
            .collect();
        let mut answers = answers::ask(&asked);
        for (row, reachable) in &listening {
            let answer = match reachable {
                true => answers.remove(&row.address).unwrap_or(Answer::Other),
                false if self.is_live => {
                    Answer::Unknown("it listens in another network namespace".to_owned())
                }
                false => Answer::Other,
            };
            let owner = holders.get(&row.inode).cloned();
            let firewall = match reachable {
                // Reading the rules takes longer than all else; most hosts need none of them.
                true if matters(row.address, owner.as_ref(), &answer) => {
                    firewall(self.rules_in_force(), row.address)
                }
                true => Firewall::Unknown("it was not asked about this port".to_owned()),
                false => Firewall::Unknown("its rules are another network's".to_owned()),
            };
            self.facts.listeners.push(Listener { address: row.address, owner, answer, firewall });
        }
        let ports: Vec<_> = listening.iter().map(|(row, _)| row.address.port()).collect();
        for table in &tables {
            self.sessions(table, &ports);
        }
    }

    fn table(&mut self, folder: &str) -> Vec<Listening> {
        let mut rows = Vec::new();
        for file in ["tcp", "tcp6"] {
            let path = format!("{folder}/{file}");
            match self.root.text(&path) {
                Seen::Known(table) => rows.extend(sockets::listening(&table)),
                Seen::Absent => {}
                Seen::Unreadable(why) => {
                    self.gap(&[&PLAIN_TCP, &UNVERIFIED_TLS, &DUAL_STACK, &OTHER_API], &path, &why);
                }
            }
        }
        rows
    }
}

/// Whether it matters who can reach a socket: an engine's or a gate's, on a network.
fn matters(address: SocketAddr, owner: Option<&(u32, String)>, answer: &Answer) -> bool {
    let program = owner.map(|(_, name)| name.as_str());
    let engine = matches!(program, Some("dockerd" | "podman" | "rootlesskit" | "seawall"));
    let speaks = matches!(
        answer,
        Answer::Api(_) | Answer::ApiOverTls(_) | Answer::WantsCertificate | Answer::Tls
    );
    (engine || speaks) && !address.ip().to_canonical().is_loopback()
}

/// What the rules do with strangers, in every family that the socket takes.
fn firewall(rules: &Live, address: SocketAddr) -> Firewall {
    let families: &[Family] = match address.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => &[Family::V4, Family::V6],
        IpAddr::V6(_) => &[Family::V6],
        IpAddr::V4(_) => &[Family::V4],
    };
    let told: Vec<_> = families.iter().map(|it| rules.covers(address.port(), *it)).collect();
    for covered in &told {
        if let Covered::Unknown(why) = covered {
            return Firewall::Unknown(why.clone());
        }
    }
    match told.contains(&Covered::No) {
        true => Firewall::Open,
        false => Firewall::Limits,
    }
}
