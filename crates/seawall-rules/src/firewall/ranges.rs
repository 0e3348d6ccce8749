//! A set of networks as sorted ranges that do not touch, which is what a packet filter can look
//! up without knowing of longest prefixes.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use serde::{Deserialize, Serialize};

use crate::network::Networks;

/// Addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    /// First and last address of each range, ascending, with a gap before each.
    pub v4: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// The same for IPv6.
    pub v6: Vec<(Ipv6Addr, Ipv6Addr)>,
}

impl Ranges {
    /// Nobody.
    pub const NONE: Self = Self { v4: Vec::new(), v6: Vec::new() };

    /// The addresses that `networks` admits.
    pub fn admitted(networks: &Networks) -> Self {
        Self::of(networks.prefixes(), |address| networks.admits(address))
    }

    /// The addresses that `admits` lets in, which goes by nothing but these prefixes. It is asked
    /// itself, once between any two of their borders, so that gate and kernel cannot disagree. No
    /// packet carries an IPv4-mapped source (RFC 4038 section 4.2), so those are nobody's.
    pub fn of(prefixes: impl Iterator<Item = IpNet>, admits: impl Fn(IpAddr) -> bool) -> Self {
        let mut borders4 = vec![0];
        let mut borders6 = vec![0, MAPPED_FIRST, MAPPED_LAST + 1];
        for prefix in prefixes {
            match prefix {
                IpNet::V4(net) => border(
                    &mut borders4,
                    u32::from(net.network()).into(),
                    u32::from(net.broadcast()).into(),
                    LAST4,
                ),
                IpNet::V6(net) => {
                    let [first, last] = [net.network(), net.broadcast()].map(u128::from);
                    border(&mut borders6, first, last, u128::MAX);
                }
            }
        }
        let v4 = between(borders4, LAST4, |first| admits(v4(first).into()));
        let v6 = between(borders6, u128::MAX, |first| {
            !(MAPPED_FIRST..=MAPPED_LAST).contains(&first) && admits(Ipv6Addr::from(first).into())
        });
        Self {
            v4: v4.into_iter().map(|(first, last)| (self::v4(first), self::v4(last))).collect(),
            v6: v6.into_iter().map(|(first, last)| (first.into(), last.into())).collect(),
        }
    }

    /// Whether `address` is among them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(ip) => holds(&self.v4, ip),
            IpAddr::V6(ip) => holds(&self.v6, ip),
        }
    }

    /// Whether they are all addresses that a packet can come from.
    pub fn is_everybody(&self) -> bool {
        self.is_every_v4() && self.is_every_v6()
    }

    /// Whether they are all of IPv4.
    pub fn is_every_v4(&self) -> bool {
        self.v4 == [(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)]
    }

    /// Whether they are all of IPv6, but for the mapped addresses that no packet carries.
    pub fn is_every_v6(&self) -> bool {
        let (before, after) = (MAPPED_FIRST - 1, MAPPED_LAST + 1);
        self.v6 == [(0.into(), before.into()), (after.into(), u128::MAX.into())]
    }

    /// The IPv4 ranges as text: an address, a network, or from one address to another.
    pub fn v4_shown(&self) -> impl Iterator<Item = String> {
        let subnets = |first, last| Ipv4Subnets::new(first, last, 0);
        self.v4.iter().map(move |&(first, last)| shown(first, last, subnets(first, last)))
    }

    /// The same for IPv6.
    pub fn v6_shown(&self) -> impl Iterator<Item = String> {
        let subnets = |first, last| Ipv6Subnets::new(first, last, 0);
        self.v6.iter().map(move |&(first, last)| shown(first, last, subnets(first, last)))
    }

    /// The IPv4 part as the fewest networks.
    pub fn v4_networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.v4.iter().flat_map(|&(first, last)| Ipv4Subnets::new(first, last, 0))
    }

    /// The IPv6 part as the fewest networks.
    pub fn v6_networks(&self) -> impl Iterator<Item = Ipv6Net> {
        self.v6.iter().flat_map(|&(first, last)| Ipv6Subnets::new(first, last, 0))
    }
}

const LAST4: u128 = u32::MAX as u128;
/// `::ffff:0.0.0.0`, RFC 4291 section 2.5.5.2.
const MAPPED_FIRST: u128 = 0xffff_0000_0000;
/// `::ffff:255.255.255.255`.
const MAPPED_LAST: u128 = 0xffff_ffff_ffff;

/// Notes where a prefix begins, and where what follows it does.
fn border(borders: &mut Vec<u128>, first: u128, last: u128, end: u128) {
    borders.push(first);
    if last < end {
        borders.push(last + 1);
    }
}

/// Decides each stretch between two borders by its first address, and joins neighbours.
fn between(mut borders: Vec<u128>, end: u128, admits: impl Fn(u128) -> bool) -> Vec<(u128, u128)> {
    borders.sort_unstable();
    borders.dedup();
    let mut ranges: Vec<(u128, u128)> = Vec::new();
    for (at, &first) in borders.iter().enumerate() {
        if !admits(first) {
            continue;
        }
        let last = borders.get(at + 1).map_or(end, |next| next - 1);
        match ranges.last_mut() {
            Some(before) if before.1 + 1 == first => before.1 = last,
            _ => ranges.push((first, last)),
        }
    }
    ranges
}

fn shown<A: Display + PartialEq, N: Display>(
    first: A,
    last: A,
    mut networks: impl Iterator<Item = N>,
) -> String {
    match (networks.next(), networks.next()) {
        _ if first == last => first.to_string(),
        (Some(network), None) => network.to_string(),
        _ => format!("{first}-{last}"),
    }
}

fn holds<A: Ord>(ranges: &[(A, A)], address: A) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

/// Only ever called with 32 bits.
fn v4(bits: u128) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(allow: &[&str], deny: &[&str]) -> Networks {
        let parse = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect();
        Networks::new(parse(allow), parse(deny))
    }

    fn shown(allow: &[&str], deny: &[&str]) -> String {
        let ranges = Ranges::admitted(&networks(allow, deny));
        let v4 = ranges.v4_networks().map(|net| net.to_string());
        let v6 = ranges.v6_networks().map(|net| net.to_string());
        v4.chain(v6).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_prefix_becomes_gaps_and_islands() {
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&["10.0.0.0/24"], &[], "10.0.0.0/24"),
            (&["10.0.0.0/24", "10.0.1.0/24"], &[], "10.0.0.0/23"),
            (&["10.0.0.0/23"], &["10.0.1.0/24"], "10.0.0.0/24"),
            (
                &["10.0.0.0/22", "10.0.1.7/32"],
                &["10.0.1.0/24"],
                "10.0.0.0/24 10.0.1.7/32 10.0.2.0/23",
            ),
            (&["10.0.0.0/8"], &["10.0.0.0/8"], ""),
            (&["fd00:12::/64"], &[], "fd00:12::/64"),
            (&["fd00:12::/64", "0.0.0.0/0"], &["fd00:12::/64"], "0.0.0.0/0"),
            (
                &["10.0.0.0/24", "255.255.255.255/32"],
                &["0.0.0.0/0"],
                "10.0.0.0/24 255.255.255.255/32",
            ),
        ];
        for (allow, deny, expected) in cases {
            assert_eq!(shown(allow, deny), *expected, "allow {allow:?}, deny {deny:?}");
        }
    }

    #[test]
    fn an_empty_allowlist_is_everybody_whom_nothing_denies() {
        assert!(Ranges::admitted(&networks(&[], &[])).is_everybody());
        let all_but = Ranges::admitted(&networks(&[], &["192.0.2.0/24"]));
        assert!(!all_but.is_every_v4() && all_but.is_every_v6());
        assert!(all_but.contains("192.0.1.255".parse().unwrap()));
        assert!(!all_but.contains("192.0.2.0".parse().unwrap()));
        assert!(all_but.contains("192.0.3.0".parse().unwrap()));
        assert_eq!(Ranges::admitted(&networks(&[], &["0.0.0.0/0", "::/0"])), Ranges::NONE);
    }

    prop_compose! {
        /// Prefixes close together, so that they hold and touch one another.
        fn near()(host in 0u32..64, len in 24u8..=32, six in any::<bool>()) -> IpNet {
            match six {
                false => IpNet::new((0x0a00_0000 | host << 2).to_be_bytes().into(), len),
                true => IpNet::new(
                    Ipv6Addr::from(0xfd00 << 112 | u128::from(host) << 2).into(), len + 96
                ),
            }.unwrap().trunc()
        }
    }

    proptest! {
        #[test]
        fn ranges_hold_exactly_whom_the_gate_admits(
            allow in prop::collection::vec(near(), 0..6),
            deny in prop::collection::vec(near(), 0..6),
        ) {
            let networks = Networks::new(allow, deny);
            let ranges = Ranges::admitted(&networks);
            for host in 0..0x120u32 {
                let v4 = IpAddr::V4((0x0a00_0000 | host).into());
                let v6 = IpAddr::V6((0xfd00 << 112 | u128::from(host)).into());
                prop_assert_eq!(ranges.contains(v4), networks.admits(v4), "{}", v4);
                prop_assert_eq!(ranges.contains(v6), networks.admits(v6), "{}", v6);
            }
            for pair in ranges.v4.windows(2) {
                prop_assert!(u32::from(pair[0].1) + 1 < u32::from(pair[1].0));
            }
        }
    }
}
