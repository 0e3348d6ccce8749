//! What this host is called and which addresses it has.

use std::collections::BTreeSet;

use crate::listen::Interfaces;

/// This host, as others reach it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Its name, without the domain's.
    pub(super) name: String,
    /// Its name and its fully qualified one.
    names: Vec<String>,
    /// Its interfaces and their addresses.
    pub(super) interfaces: Interfaces,
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
            interfaces: Interfaces::look(),
        }
    }

    /// Names and addresses for the gate's certificate.
    pub(super) fn certificate_names(&self) -> Vec<String> {
        let addresses = self.interfaces.addresses().map(|ip| ip.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn host(addresses: &[&str]) -> Host {
        Host {
            name: "docker1".to_owned(),
            names: names("docker1", "127.0.1.1 docker1.example.com docker1\n"),
            interfaces: Interfaces::of(addresses.iter().map(|ip| ("eth0", *ip))),
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
}
