//! What a person may write where an address to scan is expected.

use std::fmt;
use std::net::Ipv6Addr;

/// A host to look at, on the ports that were named or are usual.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How the API would be reached there.
    pub way: Way,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port that was named; otherwise the usual ones are looked at.
    pub port: Option<u16>,
}

/// How the API would be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// `ssh://`: the host's SSH server.
    Ssh,
    /// `tcp://`: the Engine API itself, in the clear or over TLS.
    Tcp,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATarget {
    /// Another scheme.
    #[error("is neither `tcp://` nor `ssh://`")]
    Scheme,
    /// A path, a query or a password, which an address has no use for.
    #[error("is more than a host and a port")]
    More,
    /// No host, or one with characters that no host has.
    #[error("names no host")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("has no usable port")]
    Port,
}

impl Target {
    /// Reads `tcp://HOST[:PORT]`, `ssh://[USER@]HOST[:PORT]`, or `HOST[:PORT]` for `tcp://`. An
    /// IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// [`NotATarget`].
    pub fn parse(text: &str) -> Result<Self, NotATarget> {
        let (way, rest) = match text.split_once("://") {
            Some(("tcp", rest)) => (Way::Tcp, rest),
            Some(("ssh", rest)) => (Way::Ssh, rest),
            Some(_) => return Err(NotATarget::Scheme),
            None => (Way::Tcp, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The user is docker's business: nothing here authenticates.
        let rest = match (way, rest.split_once('@')) {
            (Way::Ssh, Some((_, host))) => host,
            (_, Some(_)) => return Err(NotATarget::More),
            (_, None) => rest,
        };
        if rest.contains(['/', '?', '#']) {
            return Err(NotATarget::More);
        }
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or(NotATarget::Host)?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or(NotATarget::More)?),
            };
            (ipv6(host)?, port)
        } else if rest.parse::<Ipv6Addr>().is_ok() {
            (rest, None)
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (name(host)?, Some(port)),
                None => (name(rest)?, None),
            }
        };
        let port = match port {
            None => None,
            Some(text) => Some(number(text).ok_or(NotATarget::Port)?),
        };
        Ok(Self { way, host: host.to_owned(), port })
    }

    /// The ports to look at: the one that was named, or dockerd's two, or SSH's.
    pub fn ports(&self) -> &[u16] {
        match (&self.port, self.way) {
            (Some(port), _) => std::slice::from_ref(port),
            (None, Way::Tcp) => &[2375, 2376],
            (None, Way::Ssh) => &[22],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.way {
            Way::Ssh => "ssh",
            Way::Tcp => "tcp",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]", self.host)?;
        } else {
            write!(f, "{scheme}://{}", self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

// A zone (`fe80::1%eth0`) says by which interface a link-local address is reached.
fn ipv6(host: &str) -> Result<&str, NotATarget> {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let zone_is_plain = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_graphic());
    let plain = address.parse::<Ipv6Addr>().is_ok() && zone_is_plain;
    if plain { Ok(host) } else { Err(NotATarget::Host) }
}

fn name(host: &str) -> Result<&str, NotATarget> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let good = (1..=253).contains(&host.len()) && host.bytes().all(plain) && !host.starts_with('-');
    if good { Ok(host) } else { Err(NotATarget::Host) }
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let cases: &[(&str, &str, &[u16])] = &[
            ("tcp://build-7:2376", "tcp://build-7:2376", &[2376]),
            ("build-7.example.com", "tcp://build-7.example.com", &[2375, 2376]),
            ("10.0.0.9:4243", "tcp://10.0.0.9:4243", &[4243]),
            ("tcp://[fd00::9]:2375", "tcp://[fd00::9]:2375", &[2375]),
            ("[fe80::1%eth0]:2375", "tcp://[fe80::1%eth0]:2375", &[2375]),
            ("fd00::9", "tcp://[fd00::9]", &[2375, 2376]),
            ("tcp://[fd00::9]/", "tcp://[fd00::9]", &[2375, 2376]),
            ("ssh://alice@build-7", "ssh://build-7", &[22]),
            ("ssh://build-7:2222", "ssh://build-7:2222", &[2222]),
        ];
        for (text, shown, ports) in cases {
            let target = Target::parse(text).unwrap_or_else(|why| panic!("{text} {why}"));
            assert_eq!(target.to_string(), *shown);
            assert_eq!(target.ports(), *ports, "{text}");
            assert_eq!(Target::parse(&target.to_string()), Ok(target));
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let cases = [
            ("unix:///run/docker.sock", NotATarget::Scheme),
            ("https://build-7:2376", NotATarget::Scheme),
            ("tcp://build-7:2376/v1.41", NotATarget::More),
            ("tcp://alice@build-7", NotATarget::More),
            ("[::1]2375", NotATarget::More),
            ("", NotATarget::Host),
            ("tcp://:2375", NotATarget::Host),
            ("tcp://[build-7]:2375", NotATarget::Host),
            ("--help", NotATarget::Host),
            ("a b", NotATarget::Host),
            ("build-7:", NotATarget::Port),
            ("build-7:0", NotATarget::Port),
            ("build-7:+1", NotATarget::Port),
            ("build-7:65536", NotATarget::Port),
            ("1::2:3:4:5:6:7:8:9", NotATarget::Port),
        ];
        for (text, expected) in cases {
            assert_eq!(Target::parse(text), Err(expected), "{text}");
        }
    }
}
