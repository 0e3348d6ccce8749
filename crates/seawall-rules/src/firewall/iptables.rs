//! The same rules for hosts without nftables: input for `iptables-restore --noflush` and
//! `ip6tables-restore --noflush`, each of which replaces a table in one step. What `nft` does in
//! one table stands here in chains of our own in `raw` and `mangle`.

use std::fmt::Write as _;

use super::{Guard, Plan, Rate};

/// Which of the two commands reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `iptables-restore`.
    V4,
    /// `ip6tables-restore`.
    V6,
}

impl Family {
    /// Both, each to be loaded.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The command for single rules; `-restore` and `-save` follow it.
    pub fn command(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }
}

/// How long rules are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term<'a> {
    /// For good.
    ForGood,
    /// On trial until this time, UTC as `2026-11-24T15:00:00`, which the kernel goes by; what was
    /// in force before stands aside until then.
    Until(&'a str),
}

/// Chains of rules for good: this, and this with `-` and a name.
const CHAIN: &str = "SEAWALL";
/// The same for rules on trial.
const TRIAL: &str = "SEATRIAL";

/// The tables, and the built-in chains that lead into ours.
const TABLES: [(&str, &[&str]); 2] = [("raw", &["PREROUTING"]), ("mangle", &["INPUT", "FORWARD"])];

/// The rules of one family, over whatever `live` (the output of `iptables-save`) has of ours.
pub fn rules(plan: &Plan, family: Family, term: &Term<'_>, live: &str) -> String {
    let mut script = String::new();
    for (table, built_in) in TABLES {
        let ours = Live::read(live, table);
        _ = writeln!(script, "*{table}");
        let (base, stale) = match term {
            Term::ForGood => (CHAIN, ours.chains.clone()),
            Term::Until(_) => (TRIAL, ours.of(TRIAL)),
        };
        let chains = chains(plan, family, table, base);
        for chain in stale.iter().filter(|chain| !chains.iter().any(|(name, _)| name == *chain)) {
            _ = writeln!(script, ":{chain} - [0:0]");
        }
        for (name, _) in &chains {
            _ = writeln!(script, ":{name} - [0:0]");
        }
        for jump in &ours.jumps {
            _ = writeln!(script, "-D {jump}");
        }
        for chain in built_in.iter() {
            match term {
                Term::ForGood => _ = writeln!(script, "-I {chain} 1 -j {CHAIN}"),
                Term::Until(end) => {
                    if ours.chains.iter().any(|known| known == CHAIN) {
                        _ = writeln!(script, "-I {chain} 1 -m time --datestart {end} -j {CHAIN}");
                    }
                    _ = writeln!(script, "-I {chain} 1 -m time --datestop {end} -j {TRIAL}");
                }
            }
        }
        for (name, rules) in &chains {
            for rule in rules {
                _ = writeln!(script, "-A {name} {rule}");
            }
        }
        for chain in stale.iter().filter(|chain| !chains.iter().any(|(name, _)| name == *chain)) {
            _ = writeln!(script, "-X {chain}");
        }
        script += "COMMIT\n";
    }
    script
}

/// Takes away all that `live` has of ours; empty where that is nothing.
pub fn remove(live: &str) -> String {
    let mut script = String::new();
    for (table, _) in TABLES {
        let Live { chains, jumps } = Live::read(live, table);
        if chains.is_empty() {
            continue;
        }
        _ = writeln!(script, "*{table}");
        let flush = chains.iter().map(|chain| format!(":{chain} - [0:0]\n"));
        let leave = jumps.iter().map(|jump| format!("-D {jump}\n"));
        let delete = chains.iter().map(|chain| format!("-X {chain}\n"));
        script.extend(flush.chain(leave).chain(delete));
        script += "COMMIT\n";
    }
    script
}

/// What of `live` is ours, in the form in which two hosts with the same rules agree: without
/// counters, comments, and what others have.
pub fn ours(live: &str) -> String {
    let mut text = String::new();
    for (table, _) in TABLES {
        let Live { chains, jumps } = Live::read(live, table);
        if chains.is_empty() && jumps.is_empty() {
            continue;
        }
        _ = writeln!(text, "*{table}");
        jumps.iter().for_each(|jump| _ = writeln!(text, "-A {jump}"));
        let lines = section(live, table).filter(|line| {
            line.strip_prefix("-A ").and_then(|rule| rule.split(' ').next()).is_some_and(is_ours)
        });
        lines.for_each(|line| _ = writeln!(text, "{line}"));
    }
    text
}

/// When the trial ends, or ended, that `live` has rules of.
pub fn trial_end(live: &str) -> Option<&str> {
    let ends = |line: &&str| line.ends_with(&format!("-j {TRIAL}"));
    let (_, end) = live.lines().find(ends)?.split_once("--datestop ")?;
    end.split(' ').next()
}

/// Our chains in a table, and the rules elsewhere that lead to them, as `CHAIN RULE`.
#[derive(Debug, PartialEq, Eq)]
struct Live {
    chains: Vec<String>,
    jumps: Vec<String>,
}

impl Live {
    fn read(live: &str, table: &str) -> Self {
        let mut found = Self { chains: Vec::new(), jumps: Vec::new() };
        for line in section(live, table) {
            if let Some(chain) = line.strip_prefix(':').and_then(|line| line.split(' ').next()) {
                if is_ours(chain) {
                    found.chains.push(chain.to_owned());
                }
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let from_ours = rule.split(' ').next().is_some_and(is_ours);
                let target = rule.rsplit_once("-j ").map(|(_, target)| target);
                if !from_ours && target.is_some_and(is_ours) {
                    found.jumps.push(rule.to_owned());
                }
            }
        }
        found
    }

    fn of(&self, base: &str) -> Vec<String> {
        let of = |chain: &&String| belongs(chain, base);
        self.chains.iter().filter(of).cloned().collect()
    }
}

fn section<'a>(live: &'a str, table: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("*{table}");
    live.lines().skip_while(move |line| *line != start).skip(1).take_while(|line| *line != "COMMIT")
}

fn is_ours(chain: &str) -> bool {
    belongs(chain, CHAIN) || belongs(chain, TRIAL)
}

fn belongs(chain: &str, base: &str) -> bool {
    chain.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Chains with their rules; the first is where packets come in.
fn chains(plan: &Plan, family: Family, table: &str, base: &str) -> Vec<(String, Vec<String>)> {
    let named = |name: &str| format!("{base}-{name}");
    let mut entry = vec!["-i lo -j RETURN".to_owned()];
    let mut chains = Vec::new();
    for guard in &plan.guards {
        let chain = named(&guard.name);
        // `multiport` takes 15 ports.
        let ports: Vec<_> = guard.ports.iter().map(ToString::to_string).collect();
        for ports in ports.chunks(15) {
            entry.push(format!("{} -j {chain}", local(&ports.join(","))));
        }
        for at in guard.containers.iter().filter(|at| at.is_ipv4() == (family == Family::V4)) {
            entry.push(format!("-d {} -p tcp -m tcp --dport {} -j {chain}", at.ip(), at.port()));
        }
        chains.push((chain, judge(guard, family, &named("denied"))));
    }
    // Counted where packets arrive; a second time would count each connection twice.
    if let Some(rate) = plan.rate.filter(|_| table == "raw") {
        let ports: Vec<_> = plan.ports().iter().map(ToString::to_string).collect();
        for ports in ports.chunks(15) {
            let limit = limit(rate, family, base);
            entry.push(format!("{} {SYN} {limit} -j DROP", local(&ports.join(","))));
        }
    }
    let mut denied = Vec::new();
    if plan.log {
        denied.push(
            "-m limit --limit 1/sec --limit-burst 5 -j LOG --log-prefix \"seawall denied: \" \
             --log-level 6"
                .to_owned(),
        );
    }
    denied.push("-j DROP".to_owned());
    chains.insert(0, (base.to_owned(), entry));
    chains.push((named("denied"), denied));
    chains
}

/// A packet that opens a connection.
const SYN: &str = "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN";

fn local(ports: &str) -> String {
    format!("-p tcp -m multiport --dports {ports} -m addrtype --dst-type LOCAL")
}

fn judge(guard: &Guard, family: Family, denied: &str) -> Vec<String> {
    let mut rules: Vec<_> = match family {
        Family::V4 => guard.from.v4_networks().map(|net| source(&net.to_string())).collect(),
        Family::V6 if guard.from.is_every_v6() => vec!["-j RETURN".to_owned()],
        Family::V6 => guard.from.v6_networks().map(|net| source(&net.to_string())).collect(),
    };
    rules.push(format!("-g {denied}"));
    rules
}

fn source(network: &str) -> String {
    match network {
        "0.0.0.0/0" => "-j RETURN".to_owned(),
        network => format!("-s {network} -j RETURN"),
    }
}

fn limit(rate: Rate, family: Family, base: &str) -> String {
    let Rate { per_second, burst } = rate;
    // A host has a /64 of IPv6, not an address.
    let mask = match family {
        Family::V4 => 32,
        Family::V6 => 64,
    };
    format!(
        "-m hashlimit --hashlimit-above {per_second}/sec --hashlimit-burst {burst} \
         --hashlimit-mode srcip --hashlimit-srcmask {mask} --hashlimit-name {base}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::tests::{container, usual};

    #[test]
    fn both_families_get_the_rules_each_needs() {
        insta::assert_snapshot!("v4", rules(&usual(), Family::V4, &Term::ForGood, ""));
        insta::assert_snapshot!("v6", rules(&usual(), Family::V6, &Term::ForGood, ""));
        insta::assert_snapshot!("container", rules(&container(), Family::V6, &Term::ForGood, ""));
    }

    const LIVE: &str = "# Generated by iptables-save\n\
        *raw\n:PREROUTING ACCEPT [5:300]\n:OUTPUT ACCEPT [0:0]\n:SEAWALL - [0:0]\n\
        :SEAWALL-old - [0:0]\n:SEAWALLOTHER - [0:0]\n\
        -A PREROUTING -j SEAWALL\n-A PREROUTING -j SEAWALLOTHER\n-A SEAWALL -j SEAWALL-old\n\
        -A SEAWALL-old -j DROP\nCOMMIT\n\
        *filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n";

    #[test]
    fn what_was_ours_before_goes_and_what_is_others_stays() {
        let script = rules(&container(), Family::V4, &Term::ForGood, LIVE);
        let raw: Vec<_> = section(&script, "raw").collect();
        assert!(raw.contains(&"-D PREROUTING -j SEAWALL"), "{script}");
        assert!(
            raw.contains(&":SEAWALL-old - [0:0]") && raw.contains(&"-X SEAWALL-old"),
            "{script}"
        );
        assert!(!script.contains("SEAWALLOTHER"), "{script}");
        assert_eq!(trial_end(LIVE), None);
        insta::assert_snapshot!(remove(LIVE), @r"
        *raw
        :SEAWALL - [0:0]
        :SEAWALL-old - [0:0]
        -D PREROUTING -j SEAWALL
        -X SEAWALL
        -X SEAWALL-old
        COMMIT
        ");
        insta::assert_snapshot!(ours(LIVE), @r"
        *raw
        -A PREROUTING -j SEAWALL
        -A SEAWALL -j SEAWALL-old
        -A SEAWALL-old -j DROP
        ");
        assert_eq!(remove("*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), "");
    }

    #[test]
    fn a_trial_stands_before_the_rules_and_leaves_them() {
        let end = Term::Until("2026-11-24T15:00:00");
        let script = rules(&container(), Family::V4, &end, LIVE);
        assert_eq!(trial_end(&script), Some("2026-11-24T15:00:00"));
        let raw: Vec<_> =
            section(&script, "raw").filter(|line| line.contains("PREROUTING")).collect();
        assert_eq!(
            raw,
            [
                "-D PREROUTING -j SEAWALL",
                "-I PREROUTING 1 -m time --datestart 2026-11-24T15:00:00 -j SEAWALL",
                "-I PREROUTING 1 -m time --datestop 2026-11-24T15:00:00 -j SEATRIAL",
            ]
        );
        assert!(!script.contains(":SEAWALL"), "the old chains are not touched: {script}");
    }
}
