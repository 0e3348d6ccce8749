//! Rules for `nft -f`: one table of our own, replaced in one transaction.
//!
//! It hooks in where a packet arrives, before anybody's address translation and before every
//! other filter's accept, and once more where it is delivered or forwarded, for whatever some
//! other rule has redirected to a guarded port in between. A drop is final whatever another table
//! says; an accept of ours is not.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Guard, Plan, Rate};

/// The table that holds the rules.
pub const TABLE: &str = "seawall";
/// The table of rules on trial; it is void when its time is over.
pub const TRIAL: &str = "seawall_trial";
/// In [`TRIAL`]: holds `tcp` for as long as the trial lasts.
pub const ARMED: &str = "armed";
/// In [`TABLE`]: holds `tcp` for as long as a trial of others lasts.
pub const SUSPENDED: &str = "suspended";
/// Counter of packets from those who may not reach a guarded port.
pub const DENIED: &str = "denied";
/// Counter of connections beyond the rate.
pub const TOO_FAST: &str = "too_fast";

/// The rules for good. Ends a trial in the same transaction.
pub fn rules(plan: &Plan) -> String {
    let aside = format!("meta l4proto @{SUSPENDED} accept");
    format!("{}\n{}", gone(TRIAL), table(TABLE, plan, SUSPENDED, &aside))
}

/// The rules for `seconds`, held by the kernel's own clock: the element in [`ARMED`] times out,
/// and with it all of this table; the one in [`SUSPENDED`] times out, and [`TABLE`], where there
/// is one, is in force again.
pub fn trial(plan: &Plan, seconds: u32, over: Over) -> String {
    let void = format!("meta l4proto != @{ARMED} accept");
    let mut script = table(TRIAL, plan, ARMED, &void);
    let element = format!("{{ tcp timeout {seconds}s }}");
    _ = writeln!(script, "add element inet {TRIAL} {ARMED} {element}");
    if over == Over::Rules {
        _ = writeln!(script, "flush set inet {TABLE} {SUSPENDED}");
        _ = writeln!(script, "add element inet {TABLE} {SUSPENDED} {element}");
    }
    script
}

/// What a trial stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing of ours.
    Nothing,
    /// [`TABLE`].
    Rules,
}

/// Takes all of it away.
pub fn remove() -> String {
    format!("{}\n{}\n", gone(TABLE), gone(TRIAL))
}

// A table that is not there cannot be deleted, so it is added first.
fn gone(table: &str) -> String {
    format!("table inet {table}\ndelete table inet {table}")
}

fn table(name: &str, plan: &Plan, timed: &str, first: &str) -> String {
    let mut t = gone(name) + "\n";
    t += &format!("table inet {name} {{\n");
    t += &format!("\tcounter {DENIED} {{ }}\n\tcounter {TOO_FAST} {{ }}\n");
    t += &set(timed, "inet_proto", &["flags timeout"]);
    for guard in &plan.guards {
        t += &sets(guard);
    }
    if plan.rate.is_some() {
        for (name, kind) in [("rate_v4", "ipv4_addr"), ("rate_v6", "ipv6_addr")] {
            // Bounded, or strangers could fill the kernel's memory.
            t += &set(name, kind, &["size 65535", "flags dynamic,timeout", "timeout 1m"]);
        }
    }
    let arriving: Vec<_> =
        plan.guards.iter().map(|guard| dispatch(guard, "fib daddr type local ")).collect();
    let syn = plan.rate.map(|_| {
        let ports = braces(plan.ports());
        format!("tcp dport {ports} fib daddr type local {SYN} jump rate\n")
    });
    let containers: Vec<_> = plan.guards.iter().map(to_containers).collect();
    let delivered: Vec<_> = plan.guards.iter().map(|guard| dispatch(guard, "")).collect();
    let start = [first.to_owned() + "\n", "iif lo accept\n".to_owned()].concat();
    let arriving = [&arriving[..], &containers].concat().concat() + &syn.unwrap_or_default();
    t += &chain("prerouting", &(hook("prerouting", "raw") + &start + &arriving));
    t += &chain("input", &(hook("input", "filter - 10") + &start + &delivered.concat()));
    let containers = containers.concat();
    if !containers.is_empty() {
        t += &chain("forward", &(hook("forward", "filter - 10") + &start + &containers));
    }
    for guard in &plan.guards {
        t += &chain(&guard.name, &judge(guard));
    }
    if let Some(rate) = plan.rate {
        t += &chain("rate", &limited(rate));
        t += &chain("too_fast", &format!("counter name {TOO_FAST} drop\n"));
    }
    let log = match plan.log {
        true => "limit rate 1/second burst 5 packets log prefix \"seawall denied: \" level info\n",
        false => "",
    };
    t += &chain("denied", &format!("{log}counter name {DENIED} drop\n"));
    t + "}\n"
}

/// A packet that opens a connection.
const SYN: &str = "tcp flags & (fin | syn | rst | ack) == syn";

fn hook(hook: &str, priority: &str) -> String {
    format!("type filter hook {hook} priority {priority}; policy accept;\n")
}

fn chain(name: &str, rules: &str) -> String {
    let rules: Vec<_> = rules.lines().map(|rule| format!("\t\t{rule}\n")).collect();
    format!("\n\tchain {name} {{\n{}\t}}\n", rules.concat())
}

fn set(name: &str, kind: &str, lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("\t\t{line}\n")).collect();
    format!("\n\tset {name} {{\n\t\ttype {kind}\n{}\t}}\n", lines.concat())
}

fn sets(guard: &Guard) -> String {
    let mut text = String::new();
    let from = &guard.from;
    if !from.v4.is_empty() && !from.is_every_v4() {
        text += &addresses(guard, "v4", from.v4_shown().collect());
    }
    if !from.v6.is_empty() && !from.is_every_v6() {
        text += &addresses(guard, "v6", from.v6_shown().collect());
    }
    text
}

fn addresses(guard: &Guard, family: &str, elements: Vec<String>) -> String {
    let elements = format!("elements = {{ {} }}", elements.join(",\n\t\t\t"));
    set(
        &format!("{}_{family}", guard.name),
        &format!("ip{family}_addr"),
        &["flags interval", &elements],
    )
}

fn dispatch(guard: &Guard, to: &str) -> String {
    format!("tcp dport {} {to}jump {}\n", braces(guard.ports.iter()), guard.name)
}

fn to_containers(guard: &Guard) -> String {
    let mut rules = String::new();
    for (ip, v4) in [("ip", true), ("ip6", false)] {
        let pairs: Vec<_> = guard
            .containers
            .iter()
            .filter(|at| at.is_ipv4() == v4)
            .map(|at: &SocketAddr| format!("{} . {}", at.ip(), at.port()))
            .collect();
        if !pairs.is_empty() {
            let pairs = braces(pairs);
            rules += &format!("{ip} daddr . tcp dport {pairs} jump {}\n", guard.name);
        }
    }
    rules
}

fn judge(guard: &Guard) -> String {
    let Guard { name, from, .. } = guard;
    let mut rules = String::new();
    match (from.v4.is_empty(), from.is_every_v4()) {
        (true, _) => {}
        (false, true) => rules += "meta nfproto ipv4 return\n",
        (false, false) => rules += &format!("ip saddr @{name}_v4 return\n"),
    }
    match (from.v6.is_empty(), from.is_every_v6()) {
        (true, _) => {}
        (false, true) => rules += "meta nfproto ipv6 return\n",
        (false, false) => rules += &format!("ip6 saddr @{name}_v6 return\n"),
    }
    rules + "goto denied\n"
}

fn limited(rate: Rate) -> String {
    let Rate { per_second, burst } = rate;
    let over = format!("limit rate over {per_second}/second burst {burst} packets");
    // A host has a /64 of IPv6, not an address.
    format!(
        "update @rate_v4 {{ ip saddr {over} }} goto too_fast\n\
         update @rate_v6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {over} }} goto too_fast\n"
    )
}

fn braces<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::tests::{container, usual};

    #[test]
    fn the_rules_are_one_table_replaced_at_once() {
        insta::assert_snapshot!("usual", rules(&usual()));
        insta::assert_snapshot!("container", rules(&container()));
    }

    #[test]
    fn a_trial_is_held_by_a_timeout_and_suspends_the_rules_for_as_long() {
        let script = trial(&container(), 60, Over::Rules);
        assert!(script.starts_with("table inet seawall_trial\ndelete table inet seawall_trial\n"));
        assert!(script.contains("\t\tmeta l4proto != @armed accept\n\t\tiif lo accept\n"));
        assert!(
            script.ends_with(
                "add element inet seawall_trial armed { tcp timeout 60s }\n\
                 flush set inet seawall suspended\n\
                 add element inet seawall suspended { tcp timeout 60s }\n"
            ),
            "{script}"
        );
        assert!(!trial(&container(), 60, Over::Nothing).contains("suspended"));
    }
}
