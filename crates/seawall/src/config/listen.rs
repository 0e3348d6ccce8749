//! Addresses of listeners and of the engine, as dockerd writes them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use seawall_rules::identity::Name;

use super::Listen;

/// Why an address cannot be used: the message, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The port of `tcp://` addresses that name none.
pub(crate) const TLS_PORT: u16 = 2376;

/// Parses a listener: `tcp://ADDRESS:PORT` (the scheme may be left out, the host then is
/// 127.0.0.1 and the port 2376, as with dockerd), `fd://`,
/// `unix:///PATH?identity=NAME`.
pub(crate) fn parse_listen(text: &str) -> Result<Listen, Unusable> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    match scheme {
        "tcp" => parse_tcp(text, rest).map(Listen::Tcp),
        "fd" if matches!(rest, "" | "*") => Ok(Listen::Fd),
        "fd" => Err(unusable(
            text,
            "sockets are not chosen by name",
            "write `fd://`, which is every socket systemd passes",
        )),
        "unix" => parse_unix(text, rest),
        "http" | "https" | "npipe" | "ssh" => Err(refuse_scheme(text, scheme)),
        _ => Err(unusable(text, "unknown kind of listener", "use tcp://, unix:// or fd://")),
    }
}

/// What stands in `upstream`, before TLS is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

/// Parses `unix:///PATH` or `tcp://HOST:PORT`.
pub(crate) fn parse_upstream(text: &str) -> Result<Engine, Unusable> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("unix", text));
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Engine::Unix(PathBuf::from(rest))),
        "unix" => Err(unusable(
            text,
            "the path of the engine's socket must be absolute",
            "the engine's usual socket is `unix:///var/run/docker.sock`",
        )),
        "tcp" => {
            let (host, port) = split_port(rest);
            let port = match port {
                None => Some(TLS_PORT),
                Some(port) => port.parse().ok().filter(|&port| port != 0),
            };
            match port {
                Some(port) if !host.is_empty() => Ok(Engine::Tcp { host: host.to_owned(), port }),
                _ => Err(unusable(text, "no host and port", "write `tcp://HOST:2376`")),
            }
        }
        _ => Err(unusable(
            text,
            "unknown kind of engine address",
            "use `unix:///PATH`, or `tcp://HOST:2376` with `[upstream_tls]`",
        )),
    }
}

/// Whether binding `a` also takes what `b` wants.
pub(crate) fn overlap(a: &Listen, b: &Listen) -> bool {
    match (a, b) {
        (Listen::Tcp(a), Listen::Tcp(b)) => {
            a.port() == b.port()
                && a.port() != 0
                && (covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
        }
        (Listen::Unix { path: a, .. }, Listen::Unix { path: b, .. }) => same_file(a, b),
        (Listen::Fd, Listen::Fd) => true,
        _ => false,
    }
}

/// Whether the listener is the engine's own address: requests would go round in a circle.
pub(crate) fn is_engine(listen: &Listen, engine: &Engine) -> bool {
    match (listen, engine) {
        (Listen::Unix { path, .. }, Engine::Unix(engine)) => same_file(path, engine),
        (Listen::Tcp(address), Engine::Tcp { host, port }) => {
            let host = match host.as_str() {
                "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                host => host.trim_matches(['[', ']']).parse().ok(),
            };
            let local = |ip: IpAddr| ip.is_loopback() && address.ip().is_unspecified();
            address.port() == *port && host.is_some_and(|host| host == address.ip() || local(host))
        }
        _ => false,
    }
}

fn parse_tcp(text: &str, rest: &str) -> Result<SocketAddr, Unusable> {
    let (host, port) = split_port(rest);
    let port = match port.map(str::parse) {
        None => TLS_PORT,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            return Err(unusable(
                text,
                "the port is not one of 0 to 65535",
                "write it as \
                `tcp://0.0.0.0:2376`",
            ));
        }
    };
    let ip = match host {
        "" | "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => {
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse()
        }
    };
    ip.map(|ip| SocketAddr::new(ip, port)).map_err(|_| {
        unusable(
            text,
            "not an IP address",
            "a listener is an address of this host, or all of them: `tcp://[::]:2376`; the \
             names clients use go into `hostnames`",
        )
    })
}

fn parse_unix(text: &str, rest: &str) -> Result<Listen, Unusable> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') {
        return Err(unusable(text, "the path must be absolute", "write `unix:///run/...`"));
    }
    let Some(identity) = query.strip_prefix("identity=") else {
        return Err(unusable(
            text,
            "a unix socket carries no certificate, so it must name the identity whose rights \
             everybody who can open it gets",
            &format!("write `unix://{}?identity=NAME`", path.escape_debug()),
        ));
    };
    match Name::parse(identity) {
        Ok(name) => Ok(Listen::Unix { path: path.into(), identity: name.as_str().to_owned() }),
        Err(error) => Err(unusable(text, &error.to_string(), "see `seawall identity list`")),
    }
}

fn refuse_scheme(text: &str, scheme: &str) -> Unusable {
    match scheme {
        "ssh" => unusable(
            text,
            "SSH listeners are not supported yet",
            "SSH comes with a later version; use `tcp://[::]:2376`, which is mutual TLS",
        ),
        "http" => unusable(
            text,
            "plain HTTP would make everybody who reaches it root on this host",
            "write `tcp://ADDRESS:2376`, which is mutual TLS",
        ),
        "https" => unusable(
            text,
            "not how Docker writes it",
            "write `tcp://ADDRESS:2376`, which is mutual TLS",
        ),
        _ => unusable(text, "named pipes are Windows'", "use `tcp://[::]:2376`"),
    }
}

fn unusable(text: &str, why: &str, hint: &str) -> Unusable {
    Unusable {
        message: format!("cannot use `{}`: {why}", text.escape_debug()),
        hint: hint.to_owned(),
    }
}

/// `HOST:PORT` with the host perhaps an IPv6 address in brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn covers(wide: IpAddr, narrow: IpAddr) -> bool {
    // A socket on `[::]` takes both families.
    wide == narrow || wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}

/// The same path, or the same file by another one.
fn same_file(a: &Path, b: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    a == b || resolved(a) == resolved(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_as_dockerd_reads_them() {
        let tcp = |address: &str| Some(Listen::Tcp(address.parse().unwrap()));
        let unix = |path: &str, identity: &str| {
            Some(Listen::Unix { path: path.into(), identity: identity.to_owned() })
        };
        let cases = [
            ("tcp://0.0.0.0:2376", tcp("0.0.0.0:2376")),
            ("tcp://[::]:2376", tcp("[::]:2376")),
            ("tcp://[::1]", tcp("[::1]:2376")),
            ("tcp://:2376", tcp("127.0.0.1:2376")),
            ("tcp://", tcp("127.0.0.1:2376")),
            ("tcp://localhost:99", tcp("127.0.0.1:99")),
            ("192.0.2.1:2376", tcp("192.0.2.1:2376")),
            ("fd://", Some(Listen::Fd)),
            ("fd://*", Some(Listen::Fd)),
            ("fd://tls", None),
            ("unix:///run/ci.sock?identity=ci", unix("/run/ci.sock", "ci")),
            ("unix:///run/ci.sock", None),
            ("unix:///run/ci.sock?identity=No", None),
            ("unix:///run/ci.sock?identity=", None),
            ("unix://ci.sock?identity=ci", None),
            ("unix://", None),
            ("tcp://example.com:2376", None),
            ("tcp://0.0.0.0:70000", None),
            ("tcp://0.0.0.0:", None),
            ("tcp://0.0.0.0:2376/path", None),
            ("http://0.0.0.0:2375", None),
            ("https://0.0.0.0:2376", None),
            ("ssh://0.0.0.0:22", None),
            ("gopher://x", None),
        ];
        for (text, listen) in cases {
            assert_eq!(parse_listen(text).ok(), listen, "{text}");
        }
    }

    #[test]
    fn engines_are_a_socket_or_a_host_and_port() {
        let tcp = |host: &str, port| Some(Engine::Tcp { host: host.to_owned(), port });
        let cases = [
            ("unix:///var/run/docker.sock", Some(Engine::Unix("/var/run/docker.sock".into()))),
            ("/var/run/docker.sock", Some(Engine::Unix("/var/run/docker.sock".into()))),
            ("unix://docker.sock", None),
            ("tcp://engine.example.com", tcp("engine.example.com", 2376)),
            ("tcp://[::1]:99", tcp("[::1]", 99)),
            ("tcp://:2376", None),
            ("tcp://host:0", None),
            ("ssh://host", None),
            ("", None),
        ];
        for (text, engine) in cases {
            assert_eq!(parse_upstream(text).ok(), engine, "{text}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_covers_the_others_of_its_port() {
        let cases = [
            ("tcp://[::]:2376", "tcp://0.0.0.0:2376", true),
            ("tcp://192.0.2.1:2376", "tcp://0.0.0.0:2376", true),
            ("tcp://0.0.0.0:2376", "tcp://[::1]:2376", false),
            ("tcp://192.0.2.1:2376", "tcp://192.0.2.2:2376", false),
            ("tcp://[::]:2376", "tcp://[::]:2377", false),
            ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", false),
            ("unix:///x?identity=a", "unix:///x?identity=b", true),
            ("fd://", "fd://*", true),
            ("fd://", "tcp://[::]:2376", false),
        ];
        for (a, b, overlapping) in cases {
            let (left, right) = (parse_listen(a).unwrap(), parse_listen(b).unwrap());
            assert_eq!(overlap(&left, &right), overlapping, "{a} and {b}");
            assert_eq!(overlap(&right, &left), overlapping, "{b} and {a}");
        }
    }

    #[test]
    fn the_engine_itself_is_recognized_by_path_link_and_address() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let link = dir.path().join("link.sock");
        std::fs::write(&socket, "").unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let unix = |path: &Path| Listen::Unix { path: path.into(), identity: "a".to_owned() };
        assert!(is_engine(&unix(&socket), &Engine::Unix(socket.clone())));
        assert!(is_engine(&unix(&link), &Engine::Unix(socket.clone())));
        assert!(!is_engine(&unix(&dir.path().join("other.sock")), &Engine::Unix(socket)));

        let engine = parse_upstream("tcp://127.0.0.1:2376").unwrap();
        for (listen, same) in [
            ("127.0.0.1:2376", true),
            ("[::]:2376", true),
            ("192.0.2.1:2376", false),
            ("[::]:1", false),
        ] {
            assert_eq!(is_engine(&parse_listen(listen).unwrap(), &engine), same, "{listen}");
        }
    }
}
