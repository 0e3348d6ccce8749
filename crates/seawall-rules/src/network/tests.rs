use proptest::prelude::*;

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
        // A mapped prefix is the IPv4 one; a wider one holds no IPv4 address.
        (&["::ffff:10.0.0.0/104"], &[], "10.1.2.3", true),
        (&["::ffff:10.0.0.0/104"], &[], "11.1.2.3", false),
        (&["::/0"], &[], "10.1.2.3", false),
        (&["::/0"], &[], "2001:db8::1", true),
        (&["0.0.0.0/0"], &[], "2001:db8::1", false),
        // The ends of the address spaces.
        (&["0.0.0.0/0"], &["255.255.255.255/32"], "255.255.255.255", false),
        (&["0.0.0.0/0"], &["255.255.255.255/32"], "255.255.255.254", true),
        (&["0.0.0.0/0"], &["0.0.0.0/32"], "0.0.0.0", false),
        (&["0.0.0.0/0"], &["0.0.0.0/32"], "0.0.0.1", true),
        (&["ffff::/16"], &[], "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        (&[], &["::/0"], "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
    ];
    for (allow, deny, address, admitted) in cases {
        assert_eq!(
            networks(allow, deny).admits(address.parse().unwrap()),
            *admitted,
            "{address} with allow {allow:?}, deny {deny:?}"
        );
    }
}

#[test]
fn only_these_is_nobody_when_there_are_none() {
    let nobody = Networks::only(Vec::new());
    assert!(nobody.is_nobody() && !nobody.is_everyone());
    assert!(!nobody.admits([127, 0, 0, 1].into()));
    assert!(Networks::default().is_everyone());
    assert!(Networks::only(vec!["::1/128".parse().unwrap()]).admits("::1".parse().unwrap()));
}

#[test]
fn networks_that_add_up_to_all_addresses_are_everyone() {
    let halves = ["0.0.0.0/1", "128.0.0.0/1", "::/0"];
    assert!(networks(&halves, &[]).is_everyone());
    assert!(!networks(&halves[..2], &[]).is_everyone());
    assert!(networks(&[], &["0.0.0.0/0", "::/0"]).is_nobody());
}

#[test]
fn a_source_is_an_ipv4_address_or_64_bits_of_ipv6() {
    for (address, shown) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
    ] {
        assert_eq!(Source::of(address.parse().unwrap()).to_string(), shown);
    }
    for (address, loopback) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("10.0.0.1", false),
        ("fd::1", false),
    ] {
        assert_eq!(Source::of(address.parse().unwrap()).is_loopback(), loopback, "{address}");
    }
}

/// The rule itself, word by word.
fn naive(allow: &[IpNet], deny: &[IpNet], address: IpAddr) -> bool {
    let longest = |nets: &[IpNet]| {
        nets.iter().filter(|net| net.contains(&address)).map(IpNet::prefix_len).max()
    };
    match (longest(allow), longest(deny)) {
        (allowed, Some(denied)) => allowed.is_some_and(|allowed| allowed > denied),
        (Some(_), None) => true,
        (None, None) => allow.is_empty(),
    }
}

/// Prefixes that nest and meet often: a few address bits only.
fn prefix() -> impl Strategy<Value = IpNet> {
    let bits = prop_oneof![Just(0), Just(u128::MAX), any::<u128>()];
    prop_oneof![
        (bits.clone(), 0..=32_u8, 0..4_u32).prop_map(|(bits, length, low)| {
            let address = ((bits >> 96) as u32 & 0xf000_0003) ^ low;
            IpNet::new(address.to_be_bytes().into(), length).unwrap()
        }),
        (bits, 0..=128_u8, 0..4_u128).prop_map(|(bits, length, low)| {
            let address = (bits & (0xf << 124 | 3)) ^ low;
            IpNet::new(address.to_be_bytes().into(), length).unwrap()
        }),
    ]
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_search_through_the_lists(
        allow in prop::collection::vec(prefix(), 0..12),
        deny in prop::collection::vec(prefix(), 0..12),
        random in prop::collection::vec(any::<u128>(), 4),
    ) {
        let networks = Networks::new(allow.clone(), deny.clone());
        // Both sides of every border, and anywhere.
        let borders = allow.iter().chain(&deny).flat_map(|net| {
            let (first, last) = (net.network(), net.broadcast());
            [first, last, step(first, false), step(last, true)]
        });
        let anywhere = random.iter().flat_map(|bits| {
            [IpAddr::from(bits.to_be_bytes()), IpAddr::from((*bits as u32).to_be_bytes())]
        });
        for address in borders.chain(anywhere) {
            // A mapped address is an IPv4 one for both.
            let address = address.to_canonical();
            let admitted = networks.admits(address);
            prop_assert_eq!(
                admitted,
                naive(&allow, &deny, address),
                "{} with allow {:?}, deny {:?}", address, allow, deny
            );
            // What is said to have decided is what did.
            let said = networks.decided_by(address).map_or(allow.is_empty(), |(_, admits)| admits);
            prop_assert_eq!(said, admitted);
        }
    }
}

fn step(address: IpAddr, up: bool) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let n = u32::from(v4);
            (if up { n.wrapping_add(1) } else { n.wrapping_sub(1) }).to_be_bytes().into()
        }
        IpAddr::V6(v6) => {
            let n = u128::from(v6);
            (if up { n.wrapping_add(1) } else { n.wrapping_sub(1) }).to_be_bytes().into()
        }
    }
}
