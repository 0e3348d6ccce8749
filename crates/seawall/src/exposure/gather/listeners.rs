//! Listening TCP sockets: where they are bound, whose they are, and what answers.

use seawall_rules::exposure::catalogue::network::{
    DUAL_STACK, OTHER_API, PLAIN_TCP, UNVERIFIED_TLS,
};
use seawall_rules::exposure::facts::{Answer, Firewall, Listener};
use seawall_rules::exposure::read::sockets::{self, Listening};

use super::processes::Process;
use super::{Gathering, Seen, answers};

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
            self.facts.listeners.push(Listener {
                address: row.address,
                owner: holders.get(&row.inode).cloned(),
                answer,
                firewall: Firewall::Unknown("its live rules are not read".to_owned()),
            });
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
