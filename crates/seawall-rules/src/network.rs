//! Which source addresses may speak to the gate: the longest matching prefix decides, deny on a
//! tie, and an empty allowlist means everyone.

use std::net::IpAddr;

use ipnet::IpNet;

/// Allowed and denied networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

impl Networks {
    /// Networks from the two lists of the configuration.
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        Self { allow, deny }
    }

    /// Every prefix that either list names, in no order.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.allow.iter().chain(&self.deny).copied()
    }

    /// Whether `address` may connect. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is
    /// judged as the IPv4 address it carries.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let longest = |nets: &[IpNet]| {
            nets.iter().filter(|net| net.contains(&address)).map(IpNet::prefix_len).max()
        };
        match (longest(&self.allow), longest(&self.deny)) {
            (allowed, Some(denied)) => allowed.is_some_and(|allowed| allowed > denied),
            (Some(_), None) => true,
            (None, None) => self.allow.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(allow: &[&str], deny: &[&str]) -> Networks {
        let parse = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect();
        Networks::new(parse(allow), parse(deny))
    }

    #[test]
    fn the_longest_prefix_decides_and_deny_wins_a_tie() {
        let cases: &[(&[&str], &[&str], &str, bool)] = &[
            (&[], &[], "192.0.2.1", true),
            (&["10.0.0.0/8"], &[], "10.1.2.3", true),
            (&["10.0.0.0/8"], &[], "192.0.2.1", false),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], "10.1.2.3", false),
            (&["10.0.0.0/8", "10.1.2.0/24"], &["10.1.0.0/16"], "10.1.2.3", true),
            (&["10.0.0.0/8"], &["10.0.0.0/8"], "10.1.2.3", false),
            (&["10.0.0.0/8"], &[], "::ffff:10.1.2.3", true),
            (&[], &["10.0.0.0/8"], "::ffff:10.1.2.3", false),
            (&["fd00:12::/64"], &[], "fd00:12::1", true),
            (&["fd00:12::/64"], &[], "fd00:13::1", false),
        ];
        for (allow, deny, address, admitted) in cases {
            assert_eq!(
                networks(allow, deny).admits(address.parse().unwrap()),
                *admitted,
                "{address} with allow {allow:?}, deny {deny:?}"
            );
        }
    }
}
