//! Who is at the keyboard: the address from which the SSH session comes that runs this.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

/// Where the session comes from that this command runs in; more than one when it is nested. Looks
/// at the environment of every process above this one too, because `sudo` clears its own; but not
/// at those of another network namespace, whose connections come another way.
pub(crate) fn remote_addresses() -> BTreeSet<IpAddr> {
    let mut found: BTreeSet<_> =
        std::env::var("SSH_CONNECTION").iter().filter_map(|value| peer(value)).collect();
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let ours = network("self");
    let mut next = parent("self");
    // A chain of processes is short; a bound is there for the one that is not.
    for _ in 0..64 {
        let Some(pid) = next.filter(|pid| pid != "0") else { break };
        if network(&pid) != ours {
            break;
        }
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let variables = environment.split(|byte| *byte == 0);
        let values = variables.filter_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="));
        found.extend(values.filter_map(|value| peer(&String::from_utf8_lossy(value))));
        next = parent(&pid);
    }
    found
}

/// `SSH_CONNECTION` is `CLIENT PORT SERVER PORT`, sshd(8).
fn peer(value: &str) -> Option<IpAddr> {
    // An IPv6 link-local address carries its interface.
    let address = value.split(' ').next()?.split('%').next()?;
    address.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn parent(pid: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_the_first_word() {
        for (value, address) in [
            ("10.0.0.5 51234 10.0.0.1 22", Some("10.0.0.5")),
            ("fe80::1%eth0 51234 fe80::2%eth0 22", Some("fe80::1")),
            ("::ffff:10.0.0.5 51234 ::ffff:10.0.0.1 22", Some("10.0.0.5")),
            ("UNKNOWN 65535 UNKNOWN 65535", None),
            ("", None),
        ] {
            assert_eq!(peer(value), address.map(|ip| ip.parse().unwrap()), "{value}");
        }
    }
}
