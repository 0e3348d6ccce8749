//! Whether addresses are translated before a client reaches the gate: Docker's userland proxy, a
//! masquerading router. Then every client comes from one address, this host's default gateway, and
//! no list of networks tells them apart.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is wrong where [`Sources::translated`] finds an address.
pub const TRANSLATED: &str = "every client so far came from this address, the default gateway: \
    something translates their addresses, so networks, bans and the record cannot tell them apart; \
    use `--network host`, or a balancer with `network.proxy_protocol_from`";

/// From where clients came since the gate started.
#[derive(Debug, Default)]
pub struct Sources {
    /// Somebody came from elsewhere, so there is nothing to note any more.
    distinct: AtomicBool,
    /// The gateways that somebody came from while nobody came from elsewhere.
    gateways: Mutex<BTreeSet<IpAddr>>,
}

impl Sources {
    /// Notes the source of a connection that no balancer passed on. Whether it is the first from
    /// a gateway, and nobody came from elsewhere before: worth a warning.
    pub fn note(&self, source: IpAddr) -> bool {
        // What this host says to itself tells nothing.
        if source.is_loopback() || self.distinct.load(Ordering::Relaxed) {
            return false;
        }
        self.note_under(source, default_gateways)
    }

    fn note_under(&self, source: IpAddr, gateways: impl FnOnce() -> BTreeSet<IpAddr>) -> bool {
        let mut seen = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&source) {
            return false;
        }
        if gateways().contains(&source) {
            return seen.insert(source);
        }
        self.distinct.store(true, Ordering::Relaxed);
        seen.clear();
        false
    }

    /// The addresses behind which all clients so far hide.
    pub fn translated(&self) -> BTreeSet<IpAddr> {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The gateways of this host's default routes, of both families; none where they cannot be read.
fn default_gateways() -> BTreeSet<IpAddr> {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    gateways_v4(&text("/proc/net/route"))
        .chain(gateways_v6(&text("/proc/net/ipv6_route")))
        .collect()
}

/// Destination and gateway are the second and third column, in the byte order of the host
/// (proc_net_route in the kernel's net/ipv4/fib_trie.c).
fn gateways_v4(table: &str) -> impl Iterator<Item = IpAddr> {
    table.lines().filter_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (columns.next()?, columns.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let is_default = destination == "00000000" && gateway != 0;
        is_default.then(|| IpAddr::V4(Ipv4Addr::from(gateway.to_ne_bytes())))
    })
}

/// Destination, its length, source, its length, next hop, all as they are sent
/// (rt6_info_route in the kernel's net/ipv6/route.c).
fn gateways_v6(table: &str) -> impl Iterator<Item = IpAddr> {
    table.lines().filter_map(|line| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let (length, next_hop) = (columns.get(1)?, columns.get(4)?);
        let gateway = Ipv6Addr::from_bits(u128::from_str_radix(next_hop, 16).ok()?);
        (*length == "00" && !gateway.is_unspecified()).then_some(IpAddr::V6(gateway))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_are_read_as_the_kernel_shows_them() {
        let words = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let v4 = format!(
            "Iface\tDestination\tGateway \tFlags\neth0\t00000000\t{}\t0003\n\
             eth0\t{}\t00000000\t0001\neth1\t00000000\t00000000\t0001\n",
            words([172, 17, 0, 1]),
            words([172, 17, 0, 0]),
        );
        let v4: Vec<_> = gateways_v4(&v4).collect();
        assert_eq!(v4, ["172.17.0.1".parse::<IpAddr>().unwrap()]);
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fd770000000000000000000000000002 00000400 1 0 00000003 eth0\n\
             fd770000000000000000000000000000 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        let v6: Vec<_> = gateways_v6(&v6).collect();
        assert_eq!(v6, ["fd77::2".parse::<IpAddr>().unwrap()]);
        assert_eq!(gateways_v4("junk\n\n").count() + gateways_v6("junk\n00 00\n").count(), 0);
    }

    #[test]
    fn only_where_nobody_comes_from_elsewhere_are_addresses_translated() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let gateways = || BTreeSet::from([ip("172.17.0.1"), ip("fd00::1")]);
        let sources = Sources::default();
        assert!(sources.note_under(ip("172.17.0.1"), gateways));
        assert!(!sources.note_under(ip("172.17.0.1"), gateways), "said already");
        assert!(sources.note_under(ip("fd00::1"), gateways));
        assert_eq!(sources.translated(), gateways());
        assert!(!sources.note_under(ip("10.0.0.5"), gateways));
        assert!(sources.translated().is_empty());
        assert!(!sources.note(ip("172.17.0.1")), "somebody came from elsewhere");
        assert!(sources.translated().is_empty());
    }
}
