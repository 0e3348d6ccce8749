//! Rules for people.

use seawall_rules::firewall::{Guard, Plan};

use crate::firewall::wanted;

/// Networks that are named before the rest is counted.
const SHOWN: usize = 6;

/// What each port is held to, and what else holds.
pub(super) fn lines(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for guard in &plan.guards {
        let ports: Vec<_> = guard.ports.iter().map(ToString::to_string).collect();
        let ports = ports.join(", ");
        let engine = wanted::engine(plan) == Some(guard);
        let port = if engine { format!("{ports}, the engine itself") } else { ports };
        lines.push(("tcp", format!("{port}: {}", from(guard))));
    }
    if let Some(rate) = plan.rate {
        let seawall_rules::firewall::Rate { per_second, burst } = rate;
        lines.push(("per source", format!("{per_second} connections a second, {burst} at once")));
    }
    lines
}

fn from(guard: &Guard) -> String {
    if guard.from.is_everybody() {
        return "from everywhere (`[network]` allows every address)".to_owned();
    }
    let mut networks: Vec<_> = guard.from.v4_shown().chain(guard.from.v6_shown()).collect();
    if networks.is_empty() {
        return "closed to other hosts".to_owned();
    }
    let more = networks.len().saturating_sub(SHOWN);
    networks.truncate(SHOWN);
    let more = if more > 0 { format!(" and {more} networks more") } else { String::new() };
    format!("from {}{more}", networks.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use seawall_rules::firewall::ranges::Ranges;
    use seawall_rules::network::Networks;

    use super::*;

    #[test]
    fn a_guard_says_who_comes_in() {
        let cases = [
            (&[][..], "2376: from everywhere (`[network]` allows every address)"),
            (&["10.0.0.0/24", "fd00::/64"], "2376: from 10.0.0.0/24, fd00::/64"),
            (
                &[
                    "10.0.0.0/25",
                    "10.1.0.0/25",
                    "10.2.0.0/25",
                    "10.3.0.0/25",
                    "10.4.0.0/25",
                    "10.5.0.0/25",
                    "10.6.0.0/25",
                    "10.7.0.0/25",
                ],
                "2376: from 10.0.0.0/25, 10.1.0.0/25, 10.2.0.0/25, 10.3.0.0/25, 10.4.0.0/25, \
                 10.5.0.0/25 and 2 networks more",
            ),
        ];
        for (allow, expected) in cases {
            let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
            let guard = Guard {
                name: "gate".to_owned(),
                ports: BTreeSet::from([2376]),
                containers: BTreeSet::new(),
                from: Ranges::admitted(&Networks::new(allow, Vec::new())),
            };
            let plan = Plan { guards: vec![guard], rate: None, log: false };
            assert_eq!(lines(&plan), [("tcp", expected.to_owned())]);
        }
    }
}
