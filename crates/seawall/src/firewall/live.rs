//! What the host's rules, all of them, do with connections to a port.

use std::fs;

use ipnet::IpNet;
use seawall_rules::firewall::nft;
use seawall_rules::firewall::ranges::Ranges;
use seawall_rules::firewall::walk::{Fate, From, Packet, Ruleset};

use super::command::{installed, run};

/// Whether rules keep strangers from a port of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covered {
    /// No rule lets in who is not listed.
    Yes,
    /// Whoever likes gets in.
    No,
    /// That cannot be told, and why.
    Unknown(String),
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// All rules of a host, read once.
#[derive(Debug)]
pub struct Live {
    rules: Result<Ruleset, String>,
    /// Whether nftables has tables.
    nft: bool,
}

impl Live {
    /// Reads the rules of nftables, `iptables-nft` and `iptables-legacy`.
    pub fn read() -> Self {
        let mut nft = false;
        Self { rules: read(&mut nft), nft }
    }

    /// Rules that were read from files.
    pub(crate) fn of(rules: Ruleset) -> Self {
        Self { rules: Ok(rules), nft: false }
    }

    /// The rules, or why they cannot be read.
    pub(crate) fn rules(&self) -> Result<&Ruleset, &String> {
        self.rules.as_ref()
    }

    /// Whether nftables has tables, those of `iptables-nft` included.
    pub(crate) fn has_nft(&self) -> bool {
        self.nft
    }

    /// Whether they keep strangers from TCP `port`.
    pub fn covers(&self, port: u16, family: Family) -> Covered {
        let packet = Packet { from: From::Stranger, v6: family == Family::V6, port };
        match self.rules.as_ref().map(|rules| rules.fate(packet)) {
            Ok(Fate::Closed(_)) => Covered::Yes,
            Ok(Fate::Open) => Covered::No,
            Ok(Fate::Unknown(why)) => Covered::Unknown(why),
            Err(why) => Covered::Unknown(why.clone()),
        }
    }

    /// The rules of others that keep out those of `from`; one address of each family is tried.
    pub(crate) fn obstacles(&self, port: u16, from: &Ranges) -> Vec<Obstacle> {
        let Ok(rules) = &self.rules else { return Vec::new() };
        let others = rules.clone().without(nft::TABLE).without(nft::TRIAL);
        let v4 = from.v4_networks().next().map(IpNet::from);
        let v6 = from.v6_networks().next().map(IpNet::from);
        let everybody = [from.is_every_v4(), from.is_every_v6()];
        let mut told = Vec::new();
        for (network, everybody) in [v4, v6].into_iter().zip(everybody) {
            let Some(network) = network else { continue };
            let v6 = network.addr().is_ipv6();
            let (from, network) = match (everybody, v6) {
                (true, false) => (From::Stranger, "0.0.0.0/0".to_owned()),
                (true, true) => (From::Stranger, "::/0".to_owned()),
                (false, _) => (From::Address(network.addr()), network.to_string()),
            };
            if let Fate::Closed(chain) = others.fate(Packet { from, v6, port }) {
                let whose = match chain.contains("table inet firewalld") {
                    true => Whose::Firewalld,
                    false if others.has_chain("ufw") => Whose::Ufw,
                    false => Whose::Unknown,
                };
                told.push(Obstacle { network, v6, chain, whose });
            }
        }
        told
    }
}

/// A rule of somebody else that keeps out whom ours let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// Who is kept out, of those that ours let in.
    pub(crate) network: String,
    /// Whether that is one of IPv6.
    pub(crate) v6: bool,
    /// What keeps them out.
    pub(crate) chain: String,
    /// Whose it is.
    pub(crate) whose: Whose,
}

/// Who made a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// firewalld(1).
    Firewalld,
    /// ufw(8).
    Ufw,
    /// Somebody else.
    Unknown,
}

impl Obstacle {
    /// What removes it.
    pub(crate) fn remedy(&self, port: u16) -> String {
        let network = &self.network;
        match self.whose {
            Whose::Firewalld => {
                let family = if self.v6 { "ipv6" } else { "ipv4" };
                format!(
                    "firewall-cmd --permanent --add-rich-rule='rule family={family} source \
                     address={network} port port={port} protocol=tcp accept' && \
                     firewall-cmd --reload"
                )
            }
            Whose::Ufw => format!("ufw allow proto tcp from {network} to any port {port}"),
            Whose::Unknown => format!("add a rule there that accepts tcp {port} from {network}"),
        }
    }
}

fn read(nft: &mut bool) -> Result<Ruleset, String> {
    let mut rules = Ruleset::default();
    let told = |error: crate::cli::report::Error| error.message;
    if installed("nft") {
        let listing = run("nft", &["-j", "list", "ruleset"], "").map_err(told)?;
        *nft = listing.contains("\"table\"");
        rules
            .add_nft(&listing)
            .map_err(|error| format!("`nft` said what is no listing: {error}"))?;
    }
    for (command, v6, legacy) in [
        ("iptables", false, "/proc/net/ip_tables_names"),
        ("ip6tables", true, "/proc/net/ip6_tables_names"),
    ] {
        let plain = format!("{command}-save");
        let nft = format!("{command}-nft-save");
        let program = if installed(&nft) { nft } else { plain };
        if installed(&program) {
            rules.add_iptables(&run(&program, &[], "").map_err(told)?, v6);
        }
        // To list tables that are not there would make them.
        let legacy_tables = fs::read_to_string(legacy).unwrap_or_default();
        let program = format!("{command}-legacy-save");
        if !legacy_tables.trim().is_empty() && installed(&program) {
            rules.add_iptables(&run(&program, &[], "").map_err(told)?, v6);
        } else if !legacy_tables.trim().is_empty() && !installed(&format!("{command}-save")) {
            return Err(format!(
                "there are rules of {command}-legacy, and no program to read them"
            ));
        }
    }
    Ok(rules)
}
