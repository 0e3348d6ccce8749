//! The kernel's packet filter: its rules, what loads them again, and what they do not end.

use seawall_rules::exposure::catalogue::abuse::SIGNS_OF_ABUSE;
use seawall_rules::exposure::catalogue::firewall::*;
use seawall_rules::exposure::facts::KeptOut;
use seawall_rules::exposure::read::sockets;
use seawall_rules::exposure::{Check, Place};
use seawall_rules::firewall::walk::Ruleset;

use super::{Gathering, Seen};
use crate::cli::Context;
use crate::config::Config;
use crate::firewall::health;
use crate::firewall::live::Live;

impl Gathering {
    /// Everything about the filter but the rules in force, which are read with the listeners that
    /// they matter for. Comes after the gate's configuration.
    pub(super) fn filter(&mut self, live: Option<&Context>, gate: Option<&Config>) {
        self.at_boot();
        if !self.is_live {
            self.saved_rules();
        }
        if let Some(gate) = gate {
            self.kept_out(gate);
        }
        if let Some(rules) = self.rules.take() {
            self.facts.filter.nft |= rules.has_nft();
            match rules.rules() {
                Ok(rules) => self.facts.filter.rules = Some(rules.clone()),
                Err(why) => self.gap(OF_RULES, "the kernel's rules", why),
            }
        }
        for names in ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"] {
            let names = self.root.text(names).known().unwrap_or_default();
            self.facts.filter.legacy |= !names.trim().is_empty();
        }
        self.source_checks();
        if let Some(context) = live {
            match health(context) {
                Ok(health) => {
                    self.facts.filter.drift = health.map(|(_, differences)| differences);
                }
                Err(error) => self.gap(&[&DRIFT], "Seawall's rules", &error.message),
            }
        }
    }

    /// The rules in force, read when somebody first asks.
    pub(super) fn rules_in_force(&mut self) -> &Live {
        self.facts.filter.in_force = true;
        self.rules.get_or_insert_with(Live::read)
    }

    /// Files that are loaded at boot, as far as their services are enabled.
    fn at_boot(&mut self) {
        let enabled = ["sysinit.target.wants", "multi-user.target.wants"].iter().any(|target| {
            let link = format!("/etc/systemd/system/{target}/nftables.service");
            matches!(self.root.link(&link), Seen::Known(_))
        });
        let nftables: &[&str] = match enabled {
            true => &["/etc/nftables.conf", "/etc/sysconfig/nftables.conf"],
            false => &[],
        };
        for path in nftables.iter().chain(SAVED.iter().map(|(path, _)| path)) {
            if let Some(text) = self.text(path, &[&NOT_KEPT]) {
                self.facts.filter.nft |=
                    !self.is_live && text.lines().any(|line| line.starts_with("table "));
                self.facts.filter.at_boot.push(((*path).to_owned(), text));
            }
        }
    }

    /// Of a folder the rules are those that would be loaded, where they can be read.
    fn saved_rules(&mut self) {
        let mut rules = Ruleset::default();
        let mut seen = false;
        for (path, text) in &self.facts.filter.at_boot {
            if let Some((_, v6)) = SAVED.iter().find(|(saved, _)| saved == path) {
                rules.add_iptables(text, *v6);
                seen = true;
            }
        }
        if seen {
            self.rules = Some(Live::of(rules));
        }
    }

    fn kept_out(&mut self, gate: &Config) {
        let listens = self.facts.gate.iter().flat_map(|gate| gate.listens.clone());
        let mut ports: Vec<_> = listens
            .filter(|at| !at.ip().to_canonical().is_loopback())
            .map(|at| at.port())
            .collect();
        ports.dedup();
        if ports.is_empty() || (!self.is_live && self.rules.is_none()) {
            return;
        }
        let from = gate.reached_from(&gate.listen);
        if self.is_live {
            self.rules_in_force();
        }
        for port in ports {
            let obstacles = self.rules.iter().flat_map(|rules| rules.obstacles(port, &from));
            self.facts.filter.kept_out.extend(obstacles.map(|obstacle| KeptOut {
                port,
                fix: obstacle.remedy(port),
                network: obstacle.network,
                chain: obstacle.chain,
            }));
        }
    }

    /// Connections to ports that are listened on.
    pub(super) fn sessions(&mut self, table: &str, ports: &[u16]) {
        for file in ["tcp", "tcp6"] {
            let table = self.root.text(&format!("{table}/{file}")).known().unwrap_or_default();
            let open = sockets::established(&table);
            let open = open.filter(|(local, _)| ports.contains(&local.port()));
            self.facts.filter.sessions.extend(open.take(MOST));
        }
    }

    /// `rp_filter` of interfaces to other networks: the larger of its own and that of `all`
    /// (the kernel's Documentation/networking/ip-sysctl.rst).
    fn source_checks(&mut self) {
        let folder = "/proc/sys/net/ipv4/conf";
        let mode = |name: &str| -> Option<u8> {
            let path = format!("{folder}/{name}/rp_filter");
            self.root.text(&path).known()?.trim().parse().ok()
        };
        let all = mode("all").unwrap_or_default();
        let names = self.root.list(folder).known().unwrap_or_default();
        let own = |name: &String| {
            !matches!(name.as_str(), "all" | "default" | "lo")
                && !BRIDGES.iter().any(|start| name.starts_with(start))
        };
        let checks = names.into_iter().filter(own);
        let checks = checks.filter_map(|name| mode(&name).map(|mode| (name, mode.max(all))));
        self.facts.filter.source_checks = checks.collect();
    }

    /// What cron runs, line by line.
    pub(super) fn cron(&mut self) {
        if self.facts.engines.is_empty() {
            return;
        }
        let mut files = vec!["/etc/crontab".to_owned()];
        for folder in ["/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron"] {
            files.extend(self.beneath(folder, ""));
        }
        files.retain(|file| file != "/var/spool/cron/crontabs");
        for file in files {
            let Some(text) = self.text(&file, &[&SIGNS_OF_ABUSE]) else { continue };
            let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
            let lines = lines.filter(|(line, _)| !line.starts_with('#')).take(MOST);
            let lines = lines.map(|(line, at)| (Place::line(&file, at), line.to_owned()));
            self.facts.cron.extend(lines);
        }
    }
}

/// Checks that are blind without the rules.
const OF_RULES: &[&Check] =
    &[&SHADOWED, &PAST_INPUT, &TRANSLATED_PORT, &NOT_KEPT, &OPEN_SESSION, &KEPT_OUT];

/// What iptables-persistent and the like load at boot, and whether that is IPv6's.
const SAVED: &[(&str, bool)] = &[
    ("/etc/iptables/rules.v4", false),
    ("/etc/iptables/rules.v6", true),
    ("/etc/sysconfig/iptables", false),
    ("/etc/sysconfig/ip6tables", true),
];

/// Interfaces to containers.
const BRIDGES: &[&str] = &["docker", "br-", "veth", "virbr", "podman", "cni"];

/// Connections and lines beyond this are not looked at.
const MOST: usize = 1_000;
