//! What becomes of a connection under all rules that a host has, whoever made them: for saying
//! that another firewall keeps the allowed out, and for the scan, which asks whether a port is
//! open to strangers. What cannot be read is neither open nor closed.

mod iptables;
mod nft;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// The first packet of a connection from another host to a TCP port of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it is from.
    pub from: From,
    /// Whether it is one of IPv6.
    pub v6: bool,
    /// Its port.
    pub port: u16,
}

/// Where a packet is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Anywhere; no rule that names sources means it, unless it means most of the internet.
    Stranger,
    /// This address.
    Address(IpAddr),
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A rule drops or rejects it: the chain that does.
    Closed(String),
    /// It is delivered.
    Open,
    /// That hangs on something that cannot be read or known.
    Unknown(String),
}

/// The rules of a host.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    tables: Vec<Table>,
}

impl Ruleset {
    /// Adds what `nft -j list ruleset` prints, but for tables that `iptables-nft` keeps there.
    ///
    /// # Errors
    /// That this is no such listing.
    pub fn add_nft(&mut self, listing: &str) -> Result<(), serde_json::Error> {
        self.tables.extend(nft::tables(listing)?);
        Ok(())
    }

    /// Adds what `iptables-save` or `ip6tables-save` prints.
    pub fn add_iptables(&mut self, saved: &str, v6: bool) {
        self.tables.extend(iptables::tables(saved, v6));
    }

    /// Without the table of that name, as if it were not there.
    #[must_use]
    pub fn without(mut self, table: &str) -> Self {
        self.tables.retain(|known| known.name != table);
        self
    }

    /// Whether there is a chain whose name starts so.
    pub fn has_chain(&self, start: &str) -> bool {
        self.tables.iter().any(|table| table.chains.keys().any(|name| name.starts_with(start)))
    }

    /// The rules that are there to close a port to strangers: those that drop and name it.
    pub fn denies(&self, v6: bool, port: u16) -> Vec<Deny> {
        let packet = Packet { from: From::Stranger, v6, port };
        let mut found = Vec::new();
        for table in self.tables.iter().filter(|table| table.family.sees(v6)) {
            for chain in table.chains.values() {
                let hook = match chain.base.as_ref().map(|base| base.hook.as_str()) {
                    Some("prerouting") => Hook::Arrival,
                    Some("input") => Hook::Input,
                    Some("forward") => Hook::Forward,
                    Some(_) | None => continue,
                };
                for by in table.denies(chain, packet, 0) {
                    let deny = Deny { hook, chain: table.of(by) };
                    if !found.contains(&deny) {
                        found.push(deny);
                    }
                }
            }
        }
        found
    }

    /// What becomes of `packet`.
    pub fn fate(&self, packet: Packet) -> Fate {
        let mut unknown = None;
        // Past a translation it is another packet, which may be forwarded.
        let mut moved = false;
        for hook in ["prerouting", "input"] {
            let mut chains: Vec<_> = self
                .tables
                .iter()
                .filter(|table| table.family.sees(packet.v6))
                .flat_map(|table| table.chains.values().map(move |chain| (table, chain)))
                .filter_map(|(table, chain)| {
                    chain.base.as_ref().filter(|base| base.hook == hook).map(|b| (table, chain, b))
                })
                .collect();
            chains.sort_by_key(|(_, _, base)| base.priority);
            for (table, chain, base) in chains {
                let mut end = table.walk(chain, packet, 0);
                match base.policy_drops {
                    true if end.passes => end.dropped(format!("the policy of {}", table.of(chain))),
                    _ => end.accepted |= end.passes,
                }
                match (end.accepted, end.drops, end.moved) {
                    (false, Some(by), None) if !moved => return Fate::Closed(by),
                    (_, Some(by), _) => {
                        unknown.get_or_insert(format!("{by} drops some"));
                    }
                    (_, None, Some(by)) => {
                        moved = true;
                        unknown.get_or_insert(format!("{by} sends it elsewhere"));
                    }
                    (_, None, None) => {}
                }
            }
        }
        unknown.map_or(Fate::Open, Fate::Unknown)
    }
}

/// A rule that is there to close a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// When it is asked.
    pub hook: Hook,
    /// Its chain.
    pub chain: String,
}

/// When a chain is asked about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// When it arrives, before its address may be translated.
    Arrival,
    /// When it is forwarded, to a container for instance.
    Forward,
    /// When it is delivered to this host itself.
    Input,
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    family: Family,
    chains: BTreeMap<String, Chain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Inet,
    V4,
    V6,
    /// Of bridges, ARP and the like.
    Other,
}

#[derive(Clone, Debug, Default)]
struct Chain {
    name: String,
    base: Option<Base>,
    rules: Vec<Rule>,
}

/// Where a chain is hooked in.
#[derive(Clone, Debug)]
struct Base {
    hook: String,
    priority: i64,
    policy_drops: bool,
}

/// Every test must hold for the verdict to count.
#[derive(Clone, Debug, Default)]
struct Rule {
    tests: Vec<Test>,
    verdict: Verdict,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// Another address or port.
    Translate,
    /// Nothing for the packet's fate.
    #[default]
    Continue,
    /// Cannot be read.
    Unread,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Its source is in one of these.
    Source(Vec<IpNet>),
    /// Its port is in one of these.
    Port(Vec<(u16, u16)>),
    /// It is of IPv6.
    V6(bool),
    /// Always, or never.
    Fixed(bool),
    /// Not that.
    Not(Box<Test>),
    /// Cannot be known.
    Unread,
}

/// What a test can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Perhaps,
    Yes,
}

/// Everything that may come of a walk through a chain.
#[derive(Debug, Default)]
struct End {
    accepted: bool,
    drops: Option<String>,
    moved: Option<String>,
    /// It comes out at the end.
    passes: bool,
}

impl End {
    fn dropped(&mut self, by: String) {
        self.drops.get_or_insert(by);
    }

    fn add(&mut self, other: Self) {
        self.accepted |= other.accepted;
        self.passes |= other.passes;
        self.drops = self.drops.take().or(other.drops);
        self.moved = self.moved.take().or(other.moved);
    }
}

/// The kernel's own bound on jumps within jumps.
const DEEPEST: usize = 16;

impl Table {
    fn of(&self, chain: &Chain) -> String {
        let family = match self.family {
            Family::Inet => "inet",
            Family::V4 => "ip",
            Family::V6 => "ip6",
            Family::Other => "other",
        };
        format!("chain {} of table {family} {}", chain.name, self.name)
    }

    fn walk(&self, chain: &Chain, packet: Packet, depth: usize) -> End {
        let mut end = End::default();
        for rule in &chain.rules {
            let holds = rule.tests.iter().map(|test| test.holds(packet)).min();
            let holds = holds.unwrap_or(Holds::Yes);
            if holds == Holds::No {
                continue;
            }
            let goes_on = match &rule.verdict {
                Verdict::Accept => {
                    end.accepted = true;
                    false
                }
                Verdict::Drop => {
                    end.dropped(self.of(chain));
                    false
                }
                Verdict::Translate => {
                    end.moved.get_or_insert(self.of(chain));
                    end.accepted = true;
                    false
                }
                Verdict::Return => {
                    end.passes = true;
                    false
                }
                Verdict::Jump(target) | Verdict::Goto(target) => {
                    let mut inner = self.enter(target, packet, depth);
                    let back = std::mem::take(&mut inner.passes);
                    let goes_to = matches!(rule.verdict, Verdict::Goto(_));
                    inner.passes = back && goes_to;
                    end.add(inner);
                    back && !goes_to
                }
                Verdict::Continue => true,
                Verdict::Unread => {
                    end.dropped(self.of(chain));
                    true
                }
            };
            if holds == Holds::Yes && !goes_on {
                return end;
            }
        }
        end.passes = true;
        end
    }

    /// The chains, from this one on, with a rule that drops such packets by their port.
    fn denies<'a>(&'a self, chain: &'a Chain, packet: Packet, depth: usize) -> Vec<&'a Chain> {
        let mut found = Vec::new();
        for rule in &chain.rules {
            if rule.tests.iter().any(|test| test.holds(packet) == Holds::No) {
                continue;
            }
            let names_port = rule.tests.iter().any(|test| matches!(test, Test::Port(_)));
            match &rule.verdict {
                Verdict::Drop if names_port => found.push(chain),
                Verdict::Jump(target) | Verdict::Goto(target) if depth < DEEPEST => {
                    let inner = self.chains.get(target);
                    found.extend(
                        inner.into_iter().flat_map(|it| self.denies(it, packet, depth + 1)),
                    );
                }
                _ => {}
            }
        }
        found
    }

    fn enter(&self, target: &str, packet: Packet, depth: usize) -> End {
        match self.chains.get(target) {
            Some(chain) if depth < DEEPEST => self.walk(chain, packet, depth + 1),
            // Neither happens in rules that a kernel took.
            _ => End { passes: true, ..End::default() },
        }
    }
}

impl Family {
    fn sees(self, v6: bool) -> bool {
        match self {
            Self::Inet => true,
            Self::V4 => !v6,
            Self::V6 => v6,
            Self::Other => false,
        }
    }
}

impl Test {
    fn holds(&self, packet: Packet) -> Holds {
        let known = |holds| if holds { Holds::Yes } else { Holds::No };
        match self {
            Self::Source(networks) => match packet.from {
                From::Address(address) => {
                    known(networks.iter().any(|network| network.contains(&address)))
                }
                From::Stranger => {
                    networks.iter().map(|net| meant(*net, packet.v6)).max().unwrap_or(Holds::No)
                }
            },
            Self::Port(ports) => {
                known(ports.iter().any(|(first, last)| (first..=last).contains(&&packet.port)))
            }
            Self::V6(v6) => known(*v6 == packet.v6),
            Self::Fixed(holds) => known(*holds),
            Self::Not(test) => match test.holds(packet) {
                Holds::Yes => Holds::No,
                Holds::Perhaps => Holds::Perhaps,
                Holds::No => Holds::Yes,
            },
            Self::Unread => Holds::Perhaps,
        }
    }
}

/// Whether a stranger is of this network: of all of them; perhaps of one so large that it is no
/// site's; of no other.
fn meant(network: IpNet, v6: bool) -> Holds {
    match (network, network.prefix_len()) {
        (IpNet::V4(_), 0) if !v6 => Holds::Yes,
        (IpNet::V6(_), 0) if v6 => Holds::Yes,
        (IpNet::V4(net), ..8) if !v6 && !net.addr().is_private() => Holds::Perhaps,
        (IpNet::V6(_), ..16) if v6 => Holds::Perhaps,
        _ => Holds::No,
    }
}

#[cfg(test)]
mod tests;
