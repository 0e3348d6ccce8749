//! What this host is called and which addresses it has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Listen;

/// This host, as others reach it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Its name, without the domain's.
    pub(super) name: String,
    /// Its name and its fully qualified one.
    names: Vec<String>,
    /// Addresses of its interfaces, loopback included, link-local not.
    pub(super) addresses: Vec<IpAddr>,
}

impl Host {
    /// Looks at the host.
    pub(super) fn look() -> Self {
        let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        Self {
            names: names(&name, &hosts),
            name: name.split('.').next().unwrap_or_default().to_owned(),
            addresses: addresses(),
        }
    }

    /// Names and addresses for the gate's certificate.
    pub(super) fn certificate_names(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let usual = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut seen = BTreeSet::new();
        usual
            .into_iter()
            .chain(self.names.iter().cloned())
            .chain(addresses)
            .filter(|name| seen.insert(name.clone()))
            .filter(|name| rustls::pki_types::ServerName::try_from(name.as_str()).is_ok())
            .collect()
    }

    /// The addresses on which these listeners can be reached from the internet.
    pub(super) fn public_addresses(&self, listeners: &[Listen]) -> Vec<IpAddr> {
        let mut public = BTreeSet::new();
        for listener in listeners {
            let Listen::Tcp(address) = listener else { continue };
            let wanted = address.ip().to_canonical();
            let taken = |ip: &&IpAddr| wanted.is_ipv6() || ip.is_ipv4();
            if wanted.is_unspecified() {
                public.extend(self.addresses.iter().filter(taken).filter(|ip| is_public(**ip)));
            } else if is_public(wanted) {
                public.insert(wanted);
            }
        }
        public.into_iter().collect()
    }
}

fn names(name: &str, hosts: &str) -> Vec<String> {
    let short = name.split('.').next().unwrap_or(name);
    let mut names = vec![short.to_owned()];
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    // `hostname --fqdn` goes by the same lines: a name before the short one is the long one.
    let qualified = lines
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>())
        .filter(|aliases| aliases.contains(&name) || aliases.contains(&short))
        .flatten()
        .find(|alias| alias.strip_prefix(short).is_some_and(|rest| rest.starts_with('.')));
    for longer in [name, qualified.unwrap_or(name)] {
        if !names.iter().any(|known| known == longer) {
            names.push(longer.to_owned());
        }
    }
    names
}

fn addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether an address is one of the internet's, not of this host or a private network's.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            // RFC 6598: shared with a provider's other customers only, as overlay networks use it.
            let shared: IpNet = IpNet::V4(ipnet::Ipv4Net::new_assert([100, 64, 0, 0].into(), 10));
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

    fn host(addresses: &[&str]) -> Host {
        Host {
            name: "docker1".to_owned(),
            names: names("docker1", "127.0.1.1 docker1.example.com docker1\n"),
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn the_certificate_names_the_host_its_domain_name_and_its_addresses() {
        let host = host(&["127.0.0.1", "10.0.0.5", "::1", "fd00::5"]);
        assert_eq!(
            host.certificate_names(),
            [
                "localhost",
                "127.0.0.1",
                "::1",
                "docker1",
                "docker1.example.com",
                "10.0.0.5",
                "fd00::5"
            ]
        );
    }

    #[test]
    fn the_fully_qualified_name_is_the_hosts_file_or_the_name_itself() {
        let cases = [
            ("gate", "127.0.0.1 localhost\n", vec!["gate"]),
            ("gate", "10.0.0.1 gate # gate.example.com\n", vec!["gate"]),
            ("gate", "10.0.0.1 gate gate.lan\n", vec!["gate", "gate.lan"]),
            ("gate", "10.0.0.1 other.lan other\n", vec!["gate"]),
            ("gate", "10.0.0.1 gateway.lan gate\n", vec!["gate"]),
            ("gate.example.com", "", vec!["gate", "gate.example.com"]),
        ];
        for (name, hosts, expected) in cases {
            assert_eq!(names(name, hosts), expected, "{name} with {hosts:?}");
        }
    }

    #[test]
    fn public_is_what_the_internet_can_reach() {
        let laptop = host(&["127.0.0.1", "192.168.1.5", "172.17.0.1", "100.100.1.1", "fd00::5"]);
        let server = host(&["127.0.0.1", "10.0.0.5", "203.0.113.7", "2a00::7"]);
        let public = |host: &Host, listen: &str| {
            host.public_addresses(&[crate::config::parse_listen(listen).unwrap()])
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (listen, on_laptop, on_server) in [
            ("tcp://[::]:2376", "", "203.0.113.7 2a00::7"),
            ("tcp://0.0.0.0:2376", "", "203.0.113.7"),
            ("tcp://127.0.0.1:2376", "", ""),
            ("tcp://203.0.113.7:2376", "203.0.113.7", "203.0.113.7"),
            ("fd://", "", ""),
        ] {
            assert_eq!(public(&laptop, listen), on_laptop, "{listen} on a laptop");
            assert_eq!(public(&server, listen), on_server, "{listen} on a server");
        }
    }
}
