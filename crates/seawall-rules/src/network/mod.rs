//! Which source addresses may speak to the gate: the longest matching prefix decides, deny on a
//! tie, and an empty allowlist means everyone.

pub mod filter;
mod source;
mod table;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

pub use source::Source;
use table::{Rule, Table};

/// Allowed and denied networks.
#[derive(Clone, PartialEq, Eq)]
pub struct Networks {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    v4: Table<u32>,
    v6: Table<u128>,
}

impl Networks {
    /// Networks from the two lists of the configuration. A prefix of IPv4-mapped IPv6 addresses
    /// (RFC 4291 section 2.5.5.2) is the IPv4 prefix it carries.
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        let others = allow.is_empty();
        Self::with(allow, deny, others)
    }

    /// These networks and nobody else: an empty list is nobody.
    pub fn only(allow: Vec<IpNet>) -> Self {
        Self::with(allow, Vec::new(), false)
    }

    fn with(allow: Vec<IpNet>, deny: Vec<IpNet>, others: bool) -> Self {
        let [allow, deny] =
            [allow, deny].map(|list| list.into_iter().map(canonical).collect::<Vec<_>>());
        let rules = |family: fn(&IpNet) -> Option<Rule>| -> Vec<Rule> {
            let allowed = allow.iter().filter_map(family).map(|rule| rule.admitting(true));
            let denied = deny.iter().filter_map(family).map(|rule| rule.admitting(false));
            allowed.chain(denied).collect()
        };
        let v4 = Table::new(rules(Rule::v4), others);
        let v6 = Table::new(rules(Rule::v6), others);
        Self { allow, deny, v4, v6 }
    }

    /// Whether `address` may connect. An IPv4-mapped IPv6 address is judged as the IPv4 address
    /// it carries. Takes at most one step more than the address has bits, however many prefixes
    /// there are.
    pub fn admits(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.admits(v4.into()),
            IpAddr::V6(v6) => self.v6.admits(v6.into()),
        }
    }

    /// The prefix that decides about `address` and whether it lets it in, for people: this looks
    /// through the lists. `None` where no prefix matches.
    pub fn decided_by(&self, address: IpAddr) -> Option<(IpNet, bool)> {
        let address = address.to_canonical();
        let of = |list: &[IpNet], admits| {
            let matching = list.iter().filter(move |net| net.contains(&address));
            matching.max_by_key(|net| net.prefix_len()).map(|net| (*net, admits))
        };
        let (allowed, denied) = (of(&self.allow, true), of(&self.deny, false));
        // Of equals the last is taken, which is the one that denies.
        [allowed, denied].into_iter().flatten().max_by_key(|(net, _)| net.prefix_len())
    }

    /// Whether nobody is kept out.
    pub fn is_everyone(&self) -> bool {
        self.v4.is_everyone() && self.v6.is_everyone()
    }

    /// Whether nobody is let in.
    pub fn is_nobody(&self) -> bool {
        self.v4.is_nobody() && self.v6.is_nobody()
    }

    /// The networks that were allowed, as they were written.
    pub fn allowed(&self) -> &[IpNet] {
        &self.allow
    }

    /// The networks that were denied, as they were written.
    pub fn denied(&self) -> &[IpNet] {
        &self.deny
    }

    /// Every prefix that either list names, in no order.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.allow.iter().chain(&self.deny).copied()
    }
}

/// Everyone.
impl Default for Networks {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

// The tables are the lists once more.
impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Networks").field("allow", &self.allow).field("deny", &self.deny).finish()
    }
}

fn canonical(net: IpNet) -> IpNet {
    let mapped = |net: ipnet::Ipv6Net| {
        let length = net.prefix_len().checked_sub(96)?;
        IpNet::new(net.network().to_ipv4_mapped()?.into(), length).ok()
    };
    match net.trunc() {
        IpNet::V6(v6) => mapped(v6).unwrap_or(v6.into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
