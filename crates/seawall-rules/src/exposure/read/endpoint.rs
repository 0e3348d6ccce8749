//! What `-H` means: where an engine listens, or where a client points.

use std::net::{IpAddr, Ipv6Addr};

/// One `-H`, `hosts` entry or `DOCKER_HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `fd://`: what systemd opened.
    Systemd,
    /// A TCP address.
    Tcp {
        /// An address or a name, without brackets.
        host: String,
        /// The port, 2375 or 2376 where none is written.
        port: u16,
    },
    /// A Unix socket's path.
    Unix(String),
    /// Something else: `ssh://`, `npipe://`, what cannot be read.
    Other(String),
}

/// Who can reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This host alone.
    Loopback,
    /// One address that others can reach.
    One,
    /// Every address of the host.
    Wildcard,
}

impl Endpoint {
    /// Reads it as dockerd does (`opts.ParseHost`): no address is loopback, no port is 2376 with
    /// TLS and 2375 without.
    pub fn of_engine(text: &str, tls: bool) -> Self {
        let text = text.trim();
        let port = if tls { 2376 } else { 2375 };
        match text.split_once("://") {
            Some(("fd", _)) => Self::Systemd,
            Some(("unix", path)) => Self::Unix(with_default(path, "/var/run/docker.sock")),
            Some(("tcp", address)) => Self::tcp(address, "127.0.0.1", port),
            Some(_) => Self::Other(text.to_owned()),
            None if text.is_empty() => Self::Unix("/var/run/docker.sock".to_owned()),
            None => Self::tcp(text, "127.0.0.1", port),
        }
    }

    /// Reads it as a client does. A bare `host:port` is TCP.
    pub fn of_client(text: &str, tls: bool) -> Self {
        match text.trim().split_once("://") {
            Some(("http", address)) => Self::tcp(address, "localhost", 80),
            Some(("https", _)) | None if text.trim().is_empty() => Self::Other(String::new()),
            _ => Self::of_engine(text, tls),
        }
    }

    fn tcp(address: &str, host: &str, port: u16) -> Self {
        let address = address.split('/').next().unwrap_or_default();
        let unreadable = || Self::Other(format!("tcp://{address}"));
        let (name, digits) = match address.strip_prefix('[') {
            Some(bracketed) => match bracketed.split_once(']') {
                Some((name, rest)) => (name, rest.strip_prefix(':').unwrap_or_default()),
                None => return unreadable(),
            },
            None => address.rsplit_once(':').unwrap_or((address, "")),
        };
        let port = match digits {
            "" => port,
            digits => match digits.parse() {
                Ok(port) => port,
                Err(_) => return unreadable(),
            },
        };
        Self::Tcp { host: with_default(name, host), port }
    }

    /// Who can reach it, where it is TCP. A name other than `localhost` may mean anything.
    pub fn reach(&self) -> Option<Reach> {
        let Self::Tcp { host, .. } = self else { return None };
        Some(match host.parse::<IpAddr>() {
            Ok(address) => reach(address),
            Err(_) if host == "localhost" => Reach::Loopback,
            Err(_) => Reach::One,
        })
    }
}

/// Who can reach a socket bound to `address`.
pub fn reach(address: IpAddr) -> Reach {
    let address = address.to_canonical();
    match address {
        _ if address.is_loopback() => Reach::Loopback,
        _ if address.is_unspecified() => Reach::Wildcard,
        _ => Reach::One,
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Systemd => f.write_str("fd://"),
            Self::Tcp { host, port } if host.parse::<Ipv6Addr>().is_ok() => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn with_default(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_mean_what_dockerd_takes_them_for() {
        let cases = [
            ("", false, "unix:///var/run/docker.sock", None),
            ("unix://", false, "unix:///var/run/docker.sock", None),
            ("fd://", false, "fd://", None),
            ("tcp://", false, "tcp://127.0.0.1:2375", Some(Reach::Loopback)),
            ("tcp://", true, "tcp://127.0.0.1:2376", Some(Reach::Loopback)),
            (":2375", false, "tcp://127.0.0.1:2375", Some(Reach::Loopback)),
            ("0.0.0.0:2375", false, "tcp://0.0.0.0:2375", Some(Reach::Wildcard)),
            ("tcp://0.0.0.0", false, "tcp://0.0.0.0:2375", Some(Reach::Wildcard)),
            ("tcp://[::]:2375", false, "tcp://[::]:2375", Some(Reach::Wildcard)),
            ("tcp://[::1]:2375", false, "tcp://[::1]:2375", Some(Reach::Loopback)),
            ("tcp://127.9.9.9:1", false, "tcp://127.9.9.9:1", Some(Reach::Loopback)),
            ("tcp://10.0.0.7:2375/v1", false, "tcp://10.0.0.7:2375", Some(Reach::One)),
            ("tcp://localhost:2375", false, "tcp://localhost:2375", Some(Reach::Loopback)),
            ("tcp://box.example:2375", false, "tcp://box.example:2375", Some(Reach::One)),
            ("ssh://user@box", false, "ssh://user@box", None),
            ("tcp://x:99999", false, "tcp://x:99999", None),
        ];
        for (text, tls, shown, reach) in cases {
            let endpoint = Endpoint::of_engine(text, tls);
            assert_eq!((endpoint.to_string().as_str(), endpoint.reach()), (shown, reach), "{text}");
        }
    }
}
