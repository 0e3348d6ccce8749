//! What the kernel's packet filter is to hold: computed from the same networks as the gate goes
//! by, and written as the scripts that `nft` and `iptables-restore` read.

pub mod compare;
pub mod iptables;
pub mod nft;
pub mod ranges;
pub mod walk;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use ranges::Ranges;

/// Rules, whatever they are written in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Ports, and who reaches them. No port is in two guards.
    pub guards: Vec<Guard>,
    /// How often one source may connect; `None` is as often as it likes.
    pub rate: Option<Rate>,
    /// Whether the kernel logs what it drops, at most one line a second.
    pub log: bool,
}

/// Some TCP ports of this host and those who may reach them from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The name of its chain: a letter, then letters, digits and `_`.
    pub name: String,
    /// Ports on every address of this host.
    pub ports: BTreeSet<u16>,
    /// Where a container behind these ports takes connections itself: neighbours could send
    /// packets straight there.
    pub containers: BTreeSet<SocketAddr>,
    /// Who may reach them.
    pub from: Ranges,
}

/// New connections of one IPv4 address or IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Connections a second.
    pub per_second: u32,
    /// Connections at once before that counts.
    pub burst: u32,
}

impl Plan {
    /// Every port that is guarded.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.guards.iter().flat_map(|guard| guard.ports.iter().copied()).collect()
    }

    /// The guard of `port`.
    pub fn guard_of(&self, port: u16) -> Option<&Guard> {
        self.guards.iter().find(|guard| guard.ports.contains(&port))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::network::Networks;

    /// A gate on two ports for one network of each family, beside an engine on 2375.
    pub(crate) fn usual() -> Plan {
        let networks = Networks::new(
            vec!["10.0.0.0/24".parse().unwrap(), "fd00:12::/64".parse().unwrap()],
            vec!["10.0.0.66/32".parse().unwrap()],
        );
        let guard = |name: &str, ports: &[u16], from| Guard {
            name: name.to_owned(),
            ports: ports.iter().copied().collect(),
            containers: BTreeSet::new(),
            from,
        };
        Plan {
            guards: vec![
                guard("gate", &[2222, 2376], Ranges::admitted(&networks)),
                guard("engine", &[2375], Ranges::NONE),
            ],
            rate: Some(Rate { per_second: 50, burst: 200 }),
            log: true,
        }
    }

    /// A gate in a container, published on 2376, open to all of IPv4.
    pub(crate) fn container() -> Plan {
        let networks = Networks::new(vec!["0.0.0.0/0".parse().unwrap()], Vec::new());
        let containers = ["172.17.0.2:8443", "[fd00:17::2]:8443"].map(|at| at.parse().unwrap());
        Plan {
            guards: vec![Guard {
                name: "gate".to_owned(),
                ports: BTreeSet::from([2376]),
                containers: BTreeSet::from(containers),
                from: Ranges::admitted(&networks),
            }],
            rate: None,
            log: false,
        }
    }
}
