//! `iptables-save`, as far as it bears on a new TCP connection.

use std::collections::BTreeMap;

use super::{Base, Chain, Family, Rule, Table, Test, Verdict};

pub(super) fn tables(saved: &str, v6: bool) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            let family = if v6 { Family::V6 } else { Family::V4 };
            tables.push(Table { name: name.to_owned(), family, chains: BTreeMap::new() });
        }
        let Some(table) = tables.last_mut() else { continue };
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split(' ');
            let name = words.next().unwrap_or_default().to_owned();
            let base = base(&table.name, &name, words.next());
            table.chains.insert(name.clone(), Chain { name, base, rules: Vec::new() });
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            let Some((chain, rest)) = words.split_first() else { continue };
            if let Some(chain) = table.chains.get_mut(chain) {
                chain.rules.push(read(rest));
            }
        }
    }
    tables
}

fn base(table: &str, chain: &str, policy: Option<&str>) -> Option<Base> {
    let hook = match chain {
        "PREROUTING" => "prerouting",
        "INPUT" => "input",
        "FORWARD" => "forward",
        _ => return None,
    };
    // linux/netfilter_ipv4.h
    let priority = match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" => -100,
        "security" => 50,
        _ => 0,
    };
    Some(Base { hook: hook.to_owned(), priority, policy_drops: policy == Some("DROP") })
}

/// Words of a rule; one in double quotes may hold spaces.
fn words(rule: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in rule.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words
}

fn read(words: &[String]) -> Rule {
    let mut rule = Rule::default();
    let mut words = words.iter().map(String::as_str);
    let mut not = false;
    while let Some(word) = words.next() {
        let test = match word {
            "!" => {
                not = true;
                continue;
            }
            // What a module tests stands after it, in options of its own.
            "-m" => match words.next() {
                Some("limit" | "hashlimit" | "recent" | "time" | "statistic" | "connlimit") => {
                    Test::Unread
                }
                _ => continue,
            },
            "--comment" => {
                words.next();
                continue;
            }
            "-p" => Test::Fixed(matches!(words.next(), Some("tcp" | "6" | "all"))),
            "-s" => network(words.next()),
            "-i" => match words.next() {
                Some("lo") => Test::Fixed(false),
                _ => Test::Unread,
            },
            "--dport" | "--dports" => ports(words.next()),
            "--state" | "--ctstate" => {
                let states = words.next().unwrap_or_default();
                Test::Fixed(states.split(',').any(|state| matches!(state, "NEW" | "UNTRACKED")))
            }
            "--dst-type" => Test::Fixed(words.next() == Some("LOCAL")),
            // A SYN and nothing else.
            "--tcp-flags" => {
                words.next();
                Test::Fixed(words.next() == Some("SYN"))
            }
            "-j" | "-g" => {
                rule.verdict = verdict(words.next().unwrap_or_default(), word == "-g");
                break;
            }
            _ => Test::Unread,
        };
        rule.tests.push(if not { Test::Not(Box::new(test)) } else { test });
        not = false;
    }
    rule
}

fn verdict(target: &str, goes: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" | "TARPIT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "DNAT" | "REDIRECT" | "TPROXY" => Verdict::Translate,
        "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "CT" | "NOTRACK" | "TCPMSS" | "DSCP"
        | "TOS" | "TTL" | "SET" | "AUDIT" | "TRACE" | "CHECKSUM" | "CLASSIFY" => Verdict::Continue,
        "QUEUE" | "NFQUEUE" | "SYNPROXY" => Verdict::Unread,
        chain if goes => Verdict::Goto(chain.to_owned()),
        chain => Verdict::Jump(chain.to_owned()),
    }
}

fn network(text: Option<&str>) -> Test {
    let text = text.unwrap_or_default();
    let address = || text.parse::<std::net::IpAddr>().ok().map(Into::into);
    text.parse().ok().or_else(address).map_or(Test::Unread, |net| Test::Source(vec![net]))
}

fn ports(text: Option<&str>) -> Test {
    let one = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let ports: Option<Vec<_>> = text.unwrap_or_default().split(',').map(one).collect();
    ports.map_or(Test::Unread, Test::Port)
}
