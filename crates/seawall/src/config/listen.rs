//! Addresses of listeners and of the engine, as dockerd writes them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use seawall_rules::identity::Name;
use seawall_rules::network::Networks;

use super::{At, Listen};

/// Why an address cannot be used: the message, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The port of `tcp://` addresses that name none.
pub(crate) const TLS_PORT: u16 = 2376;
/// The port of `ssh://` listeners that name none; 22 is the host's own sshd's.
pub(crate) const SSH_PORT: u16 = 2222;

/// Parses a listener: `tcp://ADDRESS:PORT` (the scheme may be left out, the host then is
/// 127.0.0.1 and the port 2376, as with dockerd), `tcp://%INTERFACE:PORT`, the same with `ssh://` (whose
/// port is 2222 where it names none), `fd://`, each perhaps with `?allow=CIDR,…&deny=CIDR,…`; `unix:///PATH?identity=NAME`.
pub(crate) fn parse_listen(text: &str) -> Result<Listen, Unusable> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    match scheme {
        "tcp" => {
            let (rest, networks) = parse_networks(text, rest)?;
            Ok(Listen::Tcp { at: parse_at(text, rest, TLS_PORT)?, networks })
        }
        "ssh" => {
            let (rest, networks) = parse_networks(text, rest)?;
            Ok(Listen::Ssh { at: parse_at(text, rest, SSH_PORT)?, networks })
        }
        "fd" => match parse_networks(text, rest)? {
            ("" | "*", networks) => Ok(Listen::Fd { networks }),
            _ => Err(unusable(
                text,
                "sockets are not chosen by name",
                "write `fd://`, which is every socket systemd passes",
            )),
        },
        "unix" => parse_unix(text, rest),
        "http" | "https" | "npipe" => Err(refuse_scheme(text, scheme)),
        _ => {
            let hint = "use tcp://, ssh://, unix:// or fd://";
            Err(unusable(text, "unknown kind of listener", hint))
        }
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
        (
            Listen::Tcp { at: a, .. } | Listen::Ssh { at: a, .. },
            Listen::Tcp { at: b, .. } | Listen::Ssh { at: b, .. },
        ) => a.port() == b.port() && a.port() != 0 && (covers(a, b) || covers(b, a)),
        (Listen::Unix { path: a, .. }, Listen::Unix { path: b, .. }) => same_file(a, b),
        (Listen::Fd { .. }, Listen::Fd { .. }) => true,
        _ => false,
    }
}

/// Whether the listener is the engine's own address: requests would go round in a circle.
pub(crate) fn is_engine(listen: &Listen, engine: &Engine) -> bool {
    match (listen, engine) {
        (Listen::Unix { path, .. }, Engine::Unix(engine)) => same_file(path, engine),
        (Listen::Tcp { at, .. } | Listen::Ssh { at, .. }, Engine::Tcp { host, port }) => {
            let address = at.address();
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

/// Takes `?allow=…&deny=…` off the end.
fn parse_networks<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Networks), Unusable> {
    let Some((rest, query)) = rest.split_once('?') else { return Ok((rest, Networks::default())) };
    let [mut allow, mut deny] = [None, None];
    for part in query.split('&') {
        let list = match part.split_once('=') {
            Some(("allow", list)) if allow.is_none() => (&mut allow, list),
            Some(("deny", list)) if deny.is_none() => (&mut deny, list),
            _ => {
                return Err(unusable(
                    text,
                    "what follows the `?` is not understood",
                    "write `?allow=10.0.0.0/8,fd00::/8`, or `deny=` likewise, with `&` between",
                ));
            }
        };
        let nets: Result<Vec<IpNet>, _> = list.1.split(',').map(parse_network).collect();
        *list.0 = Some(nets?);
    }
    Ok((rest, Networks::new(allow.unwrap_or_default(), deny.unwrap_or_default())))
}

/// A network, or one address.
pub(crate) fn parse_network(text: &str) -> Result<IpNet, Unusable> {
    let written = text.escape_debug();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    match text.parse::<IpNet>() {
        Ok(net) if net.addr() == net.network() => Ok(net),
        Ok(net) => Err(Unusable {
            message: format!("`{written}` is an address inside a network, not a network"),
            hint: format!(
                "write `{}` for the network, `{}` for the address",
                net.trunc(),
                net.addr()
            ),
        }),
        Err(_) => Err(Unusable {
            message: format!("`{written}` is not a network"),
            hint: "write `10.0.0.0/24`, `fd00:12::/64`, or one address".to_owned(),
        }),
    }
}

fn parse_at(text: &str, rest: &str, usual_port: u16) -> Result<At, Unusable> {
    let scheme = if usual_port == SSH_PORT { "ssh" } else { "tcp" };
    let (host, port) = split_port(rest);
    let port = match port.map(str::parse) {
        None => usual_port,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            let hint = format!("write it as `{scheme}://0.0.0.0:{usual_port}`");
            return Err(unusable(text, "the port is not one of 0 to 65535", &hint));
        }
    };
    if let Some(name) = host.strip_prefix('%') {
        // Longer names cannot be an interface's (IFNAMSIZ).
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        return match name.len() {
            1..=15 if name.bytes().all(plain) => Ok(At::Interface { name: name.to_owned(), port }),
            _ => Err(unusable(
                text,
                "no interface can have that name",
                &format!("write `{scheme}://%eth0:{usual_port}`; `ip link` shows the interfaces"),
            )),
        };
    }
    let ip = match host {
        "" | "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => {
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse()
        }
    };
    ip.map(|ip| At::Address(SocketAddr::new(ip, port))).map_err(|_| {
        let hint = format!(
            "a listener is an address of this host, or all of them: `{scheme}://[::]:{usual_port}`; \
             the names clients use go into `hostnames`"
        );
        unusable(text, "not an IP address", &hint)
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

fn covers(wide: &At, narrow: &At) -> bool {
    let (At::Address(address), narrowed) = (wide, narrow.address().ip()) else {
        return wide == narrow;
    };
    // A socket on `[::]` takes both families.
    let ip = address.ip();
    wide == narrow || ip.is_unspecified() && (ip.is_ipv6() || narrowed.is_ipv4())
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
        let everyone = Networks::default;
        let tcp = |address: &str| {
            let at = At::Address(address.parse().unwrap());
            Some(Listen::Tcp { at, networks: everyone() })
        };
        let ssh = |address: &str| {
            let at = At::Address(address.parse().unwrap());
            Some(Listen::Ssh { at, networks: everyone() })
        };
        let interface = |name: &str, port| {
            let at = At::Interface { name: name.to_owned(), port };
            Some(Listen::Tcp { at, networks: everyone() })
        };
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
            ("fd://", Some(Listen::Fd { networks: everyone() })),
            ("fd://*", Some(Listen::Fd { networks: everyone() })),
            ("tcp://%eth0:99", interface("eth0", 99)),
            ("tcp://%wg0", interface("wg0", 2376)),
            ("tcp://%eth0.100:2376", interface("eth0.100", 2376)),
            ("tcp://%:2376", None),
            ("tcp://%eth/0:2376", None),
            ("tcp://%sixteen-letters.:2376", None),
            ("tcp://[::]:2376?", None),
            ("tcp://[::]:2376?allow=", None),
            ("tcp://[::]:2376?allow=10.0.0.1/8", None),
            ("tcp://[::]:2376?allow=10.0.0.0/8&allow=11.0.0.0/8", None),
            ("tcp://[::]:2376?from=10.0.0.0/8", None),
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
            ("ssh://0.0.0.0:22", ssh("0.0.0.0:22")),
            ("ssh://[::]", ssh("[::]:2222")),
            ("ssh://alice@0.0.0.0:22", None),
            ("gopher://x", None),
        ];
        for (text, listen) in cases {
            assert_eq!(parse_listen(text).ok(), listen, "{text}");
        }
    }

    #[test]
    fn a_listener_may_narrow_the_networks_and_reads_back_as_it_is_shown() {
        let text = "tcp://[::]:2376?allow=10.0.0.0/8,fd00::/8&deny=10.1.0.0/16";
        let listen = parse_listen(text).unwrap();
        assert_eq!(listen.to_string(), text);
        for (address, admitted) in [("10.2.0.1", true), ("10.1.0.1", false), ("11.0.0.1", false)] {
            assert_eq!(listen.networks().admits(address.parse().unwrap()), admitted, "{address}");
        }
        for text in ["fd://?deny=192.0.2.1/32", "ssh://%eth0:1?allow=fd00::/8", "tcp://[::1]:1"] {
            assert_eq!(parse_listen(text).unwrap().to_string(), text);
        }
        assert!(parse_listen(text).unwrap().is_same_socket(&parse_listen("tcp://[::]").unwrap()));
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
            ("tcp://[::]:2376", "tcp://%eth0:2376", true),
            ("tcp://%eth0:2376", "tcp://%eth0:2376", true),
            ("tcp://%eth0:2376", "tcp://%eth1:2376", false),
            ("unix:///x?identity=a", "unix:///x?identity=b", true),
            ("fd://", "fd://*", true),
            ("fd://", "tcp://[::]:2376", false),
            ("tcp://[::]:2376", "ssh://0.0.0.0:2376", true),
            ("tcp://[::]:2376", "ssh://[::]:2222", false),
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
