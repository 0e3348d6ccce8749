//! Where rules that are in force differ from those that should be: two listings of a table by the
//! same program, line by line, sets by their elements.

use std::collections::{BTreeMap, BTreeSet};

use super::nft::{ARMED, SUSPENDED};

/// What `live` (as `nft -s list table` prints it) lacks of `wanted`, and has beyond it; a
/// sentence each, nothing where they agree. What the rules note of the traffic they see is not
/// compared.
pub fn tables(wanted: &str, live: &str) -> Vec<String> {
    let (wanted, live) = (blocks(wanted), blocks(live));
    let mut told = Vec::new();
    for (head, want) in &wanted {
        match live.get(head) {
            None => told.push(format!("the {head} is missing")),
            Some(have) => told.extend(block(head, want, have)),
        }
    }
    let extra = live.keys().filter(|head| !wanted.contains_key(*head));
    told.extend(extra.map(|head| format!("there is a {head} that should not be there")));
    told
}

/// The same for lines whose order counts, as of [`super::iptables::ours`].
pub fn lines(wanted: &str, live: &str) -> Vec<String> {
    let (wanted, live): (Vec<_>, Vec<_>) = (wanted.lines().collect(), live.lines().collect());
    let missing = wanted.iter().filter(|line| !live.contains(line));
    let extra = live.iter().filter(|line| !wanted.contains(line));
    let mut told: Vec<_> = missing.map(|line| format!("missing: `{line}`")).collect();
    told.extend(extra.map(|line| format!("not from us: `{line}`")));
    if told.is_empty() && wanted != live {
        told.push("the rules are in another order".to_owned());
    }
    told
}

/// The lines of a `chain`, `set` or other object, and the elements of a set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    lines: Vec<String>,
    elements: BTreeSet<String>,
}

fn block(head: &str, want: &Block, have: &Block) -> Vec<String> {
    let mut told = Vec::new();
    for element in want.elements.difference(&have.elements) {
        told.push(format!("the {head} lacks {element}"));
    }
    for element in have.elements.difference(&want.elements) {
        told.push(format!("the {head} also has {element}"));
    }
    if want.lines != have.lines {
        let differ = want.lines.iter().zip(&have.lines).position(|(want, have)| want != have);
        let at = differ.unwrap_or(want.lines.len().min(have.lines.len()));
        let show = |line: Option<&String>| match line {
            Some(line) => format!("`{line}`"),
            None => "the end".to_owned(),
        };
        told.push(format!(
            "in the {head}, {} stands where {} should",
            show(have.lines.get(at)),
            show(want.lines.get(at))
        ));
    }
    told
}

/// Objects by what they are called: `chain prerouting`.
fn blocks(listing: &str) -> BTreeMap<String, Block> {
    let mut blocks = BTreeMap::new();
    let mut open: Option<(String, Block)> = None;
    let mut in_elements = false;
    for line in listing.lines().map(str::trim) {
        if line.starts_with("table ") || line.is_empty() {
            continue;
        }
        let Some((head, block)) = &mut open else {
            if let Some(head) = line.strip_suffix(" {") {
                open = Some((head.to_owned(), Block::default()));
            }
            continue;
        };
        let elements = line.strip_prefix("elements = {");
        if elements.is_some() || in_elements {
            let line = elements.unwrap_or(line);
            in_elements = !line.ends_with('}');
            let items = line.trim_end_matches('}').split(',').map(str::trim);
            let noted = head.starts_with("set rate_");
            let items = items.filter(|item| !item.is_empty() && !noted).map(|item| {
                // What is left of a timeout changes as one looks.
                item.split(" expires ").next().unwrap_or(item).to_owned()
            });
            block.elements.extend(items);
        } else if line == "}" {
            blocks.extend(open.take());
        } else if !line.starts_with("packets ") {
            block.lines.push(line.to_owned());
        }
    }
    blocks
}

/// Whether a listing of [`super::nft::TRIAL`] says that the trial still runs.
pub fn is_armed(listing: &str) -> bool {
    holds_tcp(listing, ARMED)
}

/// Whether a listing of [`super::nft::TABLE`] says that its rules stand aside for a trial.
pub fn is_suspended(listing: &str) -> bool {
    holds_tcp(listing, SUSPENDED)
}

fn holds_tcp(listing: &str, set: &str) -> bool {
    blocks(listing)
        .get(&format!("set {set}"))
        .is_some_and(|set| set.elements.iter().any(|element| element.starts_with("tcp")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "table inet seawall {\n\
        \tcounter denied {\n\t\tpackets 5 bytes 300\n\t}\n\n\
        \tset suspended {\n\t\ttype inet_proto\n\t\tflags timeout\n\t}\n\n\
        \tset gate_v4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\
        \t\telements = { 10.0.0.0/24, 10.0.2.0/24,\n\t\t\t     10.0.4.0/24 }\n\t}\n\n\
        \tset rate_v4 {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.5 expires 3s limit rate over 1/second }\n\t}\n\n\
        \tchain gate {\n\t\tip saddr @gate_v4 return\n\t\tgoto denied\n\t}\n}\n";

    #[test]
    fn what_traffic_leaves_is_no_difference() {
        let before = TABLE.replace("packets 5 bytes 300", "packets 0 bytes 0");
        let before = before.replace("10.0.0.5 expires 3s limit rate over 1/second", "");
        assert_eq!(tables(&before, TABLE), [""; 0]);
    }

    #[test]
    fn each_difference_is_a_sentence() {
        let cases = [
            ("10.0.2.0/24,", "the set gate_v4 lacks 10.0.2.0/24", ""),
            (
                "10.0.4.0/24",
                "the set gate_v4 lacks 10.0.4.0/24; the set gate_v4 also has 0.0.0.0/1",
                "0.0.0.0/1",
            ),
            (
                "\t\tip saddr @gate_v4 return\n",
                "in the chain gate, `goto denied` stands where `ip saddr @gate_v4 return` should",
                "",
            ),
            (
                "\t\tgoto denied\n",
                "in the chain gate, `accept` stands where `goto denied` should",
                "\t\taccept\n",
            ),
            (
                "\t\tgoto denied\n",
                "in the chain gate, `drop` stands where the end should",
                "\t\tgoto denied\n\t\tdrop\n",
            ),
            (
                "chain gate",
                "the chain gate is missing; there is a chain other that should not be there",
                "chain other",
            ),
            (
                "\t\tflags timeout\n",
                "the set suspended also has tcp timeout 1m",
                "\t\tflags timeout\n\t\telements = { tcp timeout 1m expires 3s }\n",
            ),
        ];
        for (old, told, new) in cases {
            assert_eq!(tables(TABLE, &TABLE.replace(old, new)).join("; "), told, "{old} -> {new}");
        }
    }

    #[test]
    fn a_trial_runs_while_its_element_is_there() {
        let with = |set: &str| {
            format!(
                "table inet x {{\n\tset {set} {{\n\t\ttype inet_proto\n\t\telements = {{ tcp timeout 1m expires 9s }}\n\t}}\n}}\n"
            )
        };
        assert!(is_armed(&with("armed")) && !is_armed(&with("suspended")));
        assert!(is_suspended(&with("suspended")) && !is_suspended(TABLE));
    }

    #[test]
    fn lines_are_compared_with_their_order() {
        assert_eq!(lines("a\nb\n", "a\nb\n"), [""; 0]);
        assert_eq!(lines("a\nb\n", "b\na\n"), ["the rules are in another order"]);
        assert_eq!(lines("a\n", "b\n"), ["missing: `a`", "not from us: `b`"]);
    }
}
