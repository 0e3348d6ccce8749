//! By which of this host's addresses a listener is reached, and whether they are the internet's.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::{At, Config, Listen};

/// The interfaces of this host that are up, and their addresses: loopback included, link-local
/// not.
#[derive(Clone, Debug, Default)]
pub struct Interfaces(Vec<(String, IpAddr)>);

impl Interfaces {
    /// Looks at the host.
    pub fn look() -> Self {
        let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Self::default() };
        let found = interfaces.filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            let ip = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))?;
            Some((interface.interface_name, ip))
        });
        let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        Self(found.filter(|(_, ip)| !link_local(ip)).collect())
    }

    /// Every address once, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().map(|(_, ip)| *ip).collect::<BTreeSet<_>>().into_iter()
    }

    /// The addresses of the internet by which a socket there can be reached.
    pub fn public(&self, at: &At) -> BTreeSet<IpAddr> {
        let everywhere = |wanted: IpAddr| {
            self.addresses().filter(move |ip| wanted.is_ipv6() || ip.is_ipv4()).collect()
        };
        let reached: BTreeSet<IpAddr> = match at {
            At::Interface { name, .. } => {
                self.0.iter().filter(|(of, _)| of == name).map(|(_, ip)| *ip).collect()
            }
            At::Address(address) => match address.ip().to_canonical() {
                ip if ip.is_unspecified() => everywhere(ip),
                ip => BTreeSet::from([ip]),
            },
        };
        reached.into_iter().filter(|ip| is_public(*ip)).collect()
    }

    #[cfg(test)]
    pub(crate) fn of<'a>(list: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self(list.map(|(name, ip)| (name.to_owned(), ip.parse().unwrap())).collect())
    }
}

/// What is wrong where [`open_to_the_internet`] finds an address.
pub const OPEN_TO_THE_INTERNET: &str = "everybody on the internet reaches this address; set \
    `allow` in [network] to those who need it";

/// The addresses of the internet by which everybody there gets as far as a handshake: no `allow`
/// narrows it. A socket that systemd holds is not looked at.
pub fn open_to_the_internet(config: &Config, interfaces: &Interfaces) -> BTreeSet<IpAddr> {
    let anybody = config.networks.allowed().is_empty();
    let open = config.listen.iter().filter_map(|listen| match listen {
        Listen::Tcp { at, networks } | Listen::Ssh { at, networks }
            if anybody && networks.allowed().is_empty() =>
        {
            Some(at)
        }
        Listen::Tcp { .. } | Listen::Ssh { .. } | Listen::Fd { .. } | Listen::Unix { .. } => None,
    });
    open.flat_map(|at| interfaces.public(at)).collect()
}

/// Whether an address is one of the internet's, not of this host or a private network's.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            // RFC 6598: shared with a provider's other customers only, as overlay networks use it.
            let shared: IpNet = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10).into();
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared.contains(&ip))
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Listen, parse_listen};

    #[test]
    fn public_is_what_the_internet_can_reach() {
        let host =
            |addresses: &[(&'static str, &'static str)]| Interfaces::of(addresses.iter().copied());
        let laptop = host(&[
            ("lo", "127.0.0.1"),
            ("wlan0", "192.168.1.5"),
            ("docker0", "172.17.0.1"),
            ("tailscale0", "100.100.1.1"),
            ("wg0", "fd00::5"),
        ]);
        let server = host(&[
            ("lo", "127.0.0.1"),
            ("wg0", "10.0.0.5"),
            ("eth0", "203.0.113.7"),
            ("eth0", "2a00::7"),
        ]);
        let public = |host: &Interfaces, listen: &str| {
            let Ok(Listen::Tcp { at, .. }) = parse_listen(listen) else { panic!("{listen}") };
            host.public(&at).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        for (listen, on_laptop, on_server) in [
            ("tcp://[::]:2376", "", "203.0.113.7 2a00::7"),
            ("tcp://0.0.0.0:2376", "", "203.0.113.7"),
            ("tcp://127.0.0.1:2376", "", ""),
            ("tcp://203.0.113.7:2376", "203.0.113.7", "203.0.113.7"),
            ("tcp://%wg0:2376", "", ""),
            ("tcp://%eth0:2376", "", "203.0.113.7 2a00::7"),
        ] {
            assert_eq!(public(&laptop, listen), on_laptop, "{listen} on a laptop");
            assert_eq!(public(&server, listen), on_server, "{listen} on a server");
        }
    }
}
