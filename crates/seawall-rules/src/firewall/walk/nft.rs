//! `nft -j list ruleset`, libnftables-json(5), as far as it bears on a new TCP connection.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

use super::{Base, Chain, Family, Rule, Table, Test, Verdict};

/// Chains of tables that `iptables-nft` keeps in nftables; `iptables-save` reads those better.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

pub(super) fn tables(listing: &str) -> Result<Vec<Table>, serde_json::Error> {
    let listing: Value = serde_json::from_str(listing)?;
    let objects: Vec<&Value> =
        listing.get("nftables").and_then(Value::as_array).into_iter().flatten().collect();
    let mut tables: BTreeMap<(String, String), Table> = BTreeMap::new();
    let mut sets: BTreeMap<(String, String, String), &Value> = BTreeMap::new();
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for object in &objects {
        if let Some(table) = object.get("table") {
            let (family, name) = (text(table, "family"), text(table, "name"));
            let parsed = match family.as_str() {
                "inet" => Family::Inet,
                "ip" => Family::V4,
                "ip6" => Family::V6,
                _ => Family::Other,
            };
            let chains = BTreeMap::new();
            tables.insert((family, name.clone()), Table { name, family: parsed, chains });
        } else if let Some(set) = object.get("set").or(object.get("map")) {
            sets.insert((text(set, "family"), text(set, "table"), text(set, "name")), set);
        }
    }
    for object in &objects {
        if let Some(chain) = object.get("chain") {
            let Some(table) = tables.get_mut(&(text(chain, "family"), text(chain, "table"))) else {
                continue;
            };
            let name = text(chain, "name");
            let base = chain.get("hook").and_then(Value::as_str).map(|hook| Base {
                hook: hook.to_owned(),
                priority: chain.get("prio").and_then(Value::as_i64).unwrap_or_default(),
                policy_drops: text(chain, "policy") == "drop",
            });
            table.chains.insert(name.clone(), Chain { name, base, rules: Vec::new() });
        } else if let Some(rule) = object.get("rule") {
            let (family, name) = (text(rule, "family"), text(rule, "table"));
            let key = (family.clone(), name.clone());
            let chain = tables.get_mut(&key).and_then(|t| t.chains.get_mut(&text(rule, "chain")));
            let named =
                |set: &str| sets.get(&(family.clone(), name.clone(), set.to_owned())).copied();
            if let Some(chain) = chain {
                chain.rules.extend(rules(rule.get("expr"), &named));
            }
        }
    }
    let own = |table: &Table| {
        table.family == Family::Inet
            || !table
                .chains
                .values()
                .any(|chain| chain.base.is_some() && BUILT_IN.contains(&chain.name.as_str()))
    };
    Ok(tables.into_values().filter(own).collect())
}

type Named<'a, 'v> = &'a dyn Fn(&str) -> Option<&'v Value>;

/// A rule; a verdict map is one rule an entry.
fn rules(expressions: Option<&Value>, named: Named<'_, '_>) -> Vec<Rule> {
    let mut rule = Rule::default();
    let mut rules = Vec::new();
    for expression in expressions.and_then(Value::as_array).into_iter().flatten() {
        let Some((kind, value)) = expression.as_object().and_then(|object| object.iter().next())
        else {
            continue;
        };
        match kind.as_str() {
            "match" => rule.tests.push(test(value, named)),
            "counter" | "log" | "set" | "mangle" | "ct helper" | "notrack" | "meta" => {}
            "limit" | "quota" | "ct count" => rule.tests.push(Test::Unread),
            "vmap" => {
                let key = value.get("key").unwrap_or(&Value::Null);
                let data = value.get("data").unwrap_or(&Value::Null);
                for (element, target) in elements(data, named).iter().filter_map(pair) {
                    let mut entry = rule.clone();
                    entry.tests.push(compare(key, element, named));
                    entry.verdict = verdict(target);
                    rules.push(entry);
                }
            }
            _ => rule.verdict = verdict(expression),
        }
    }
    if rule.verdict != Verdict::Continue {
        rules.push(rule);
    }
    rules
}

fn pair(element: &Value) -> Option<(&Value, &Value)> {
    let pair = element.as_array()?;
    Some((pair.first()?, pair.get(1)?))
}

fn verdict(expression: &Value) -> Verdict {
    let Some((kind, value)) = expression.as_object().and_then(|object| object.iter().next()) else {
        return Verdict::Unread;
    };
    let target = || value.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        "jump" => Verdict::Jump(target()),
        "goto" => Verdict::Goto(target()),
        "dnat" | "redirect" | "tproxy" => Verdict::Translate,
        "masquerade" | "snat" => Verdict::Accept,
        _ => Verdict::Unread,
    }
}

fn test(matching: &Value, named: Named<'_, '_>) -> Test {
    let null = &Value::Null;
    let [left, right] = ["left", "right"].map(|side| matching.get(side).unwrap_or(null));
    let test = compare(left, right, named);
    match matching.get("op").and_then(Value::as_str) {
        Some("==" | "in") => test,
        Some("!=") => Test::Not(Box::new(test)),
        _ => Test::Unread,
    }
}

/// `left == right`.
fn compare(left: &Value, right: &Value, named: Named<'_, '_>) -> Test {
    let at = |path: &str| left.pointer(path).and_then(Value::as_str);
    let elements = elements(right, named);
    let is = |words: &[&str]| {
        Test::Fixed(elements.iter().any(|word| word.as_str().is_some_and(|w| words.contains(&w))))
    };
    match (at("/meta/key"), at("/payload/protocol"), at("/payload/field")) {
        (Some("l4proto"), ..)
        | (_, Some("ip"), Some("protocol"))
        | (_, Some("ip6"), Some("nexthdr")) => match elements.iter().any(Value::is_number) {
            true => Test::Fixed(elements.iter().any(|number| number.as_u64() == Some(6))),
            false => is(&["tcp"]),
        },
        (Some("nfproto"), ..) => match elements.first().and_then(Value::as_str) {
            Some("ipv4") => Test::V6(false),
            Some("ipv6") => Test::V6(true),
            _ => Test::Unread,
        },
        // From another host, so not over the loopback; over which interface is not known.
        (Some("iif" | "iifname"), ..)
            if elements.iter().all(|name| name.as_str() == Some("lo")) =>
        {
            Test::Fixed(false)
        }
        (_, Some("ip" | "ip6"), Some("saddr")) => {
            let networks: Option<Vec<_>> = elements.iter().map(networks).collect();
            networks.map_or(Test::Unread, |networks| Test::Source(networks.concat()))
        }
        (_, Some("tcp" | "th"), Some("dport")) => {
            let ports: Option<Vec<_>> = elements.iter().map(ports).collect();
            ports.map_or(Test::Unread, Test::Port)
        }
        (_, Some("udp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "igmp"), _) => Test::Fixed(false),
        _ if at("/ct/key") == Some("state") => is(&["new", "untracked"]),
        // What was translated is told as such already.
        _ if at("/ct/key") == Some("status") && elements.iter().all(|status| status == "dnat") => {
            Test::Fixed(false)
        }
        _ if at("/fib/result") == Some("type") => is(&["local"]),
        // How a reverse path filter asks.
        _ if at("/fib/result") == Some("oif") => Test::Fixed(right != &Value::Bool(false)),
        _ => Test::Unread,
    }
}

/// The elements of what stands on the right: one, a list, a set, or a set by name. An interval of
/// a set stands as `{"elem": {"val": …}}` where it has a timeout or a comment.
fn elements(right: &Value, named: Named<'_, '_>) -> Vec<Value> {
    let set = match right.as_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => named(name).map(|set| set.get("elem").unwrap_or(&Value::Null)),
        None => right.get("set"),
    };
    let bare = |value: &Value| value.pointer("/elem/val").unwrap_or(value).clone();
    match (set.unwrap_or(right), set.is_some()) {
        (Value::Array(elements), _) => elements.iter().map(bare).collect(),
        (Value::Null, true) => Vec::new(),
        (one, _) => vec![bare(one)],
    }
}

fn networks(element: &Value) -> Option<Vec<IpNet>> {
    if let Some(address) = element.as_str() {
        return address.parse().ok().map(|ip: std::net::IpAddr| vec![ip.into()]);
    }
    if let Some(prefix) = element.get("prefix") {
        let address: std::net::IpAddr = prefix.get("addr")?.as_str()?.parse().ok()?;
        let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
        return IpNet::new(address, length).ok().map(|net| vec![net]);
    }
    let range = element.get("range")?.as_array()?;
    let end = |at: usize| range.get(at)?.as_str()?.parse::<std::net::IpAddr>().ok();
    match (end(0)?, end(1)?) {
        (std::net::IpAddr::V4(first), std::net::IpAddr::V4(last)) => {
            Some(ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect())
        }
        (std::net::IpAddr::V6(first), std::net::IpAddr::V6(last)) => {
            Some(ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect())
        }
        _ => None,
    }
}

fn ports(element: &Value) -> Option<(u16, u16)> {
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    if let Some(one) = port(element) {
        return Some((one, one));
    }
    let range = element.get("range")?.as_array()?;
    Some((port(range.first()?)?, port(range.get(1)?)?))
}
