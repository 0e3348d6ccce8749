//! Ports on which a Docker engine of this host listens itself, past the gate.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Ports of the Engine API, plain and with TLS, where an address names none.
const PLAIN: u16 = 2375;
const TLS: u16 = 2376;

/// The API ports of every dockerd in this network namespace that other hosts can reach: those its
/// command line and its `daemon.json` name, and the usual ones among the sockets it holds (systemd
/// hands those over without a name). Its ports for a swarm are not among them.
pub(super) fn detect() -> BTreeSet<u16> {
    let ours = fs::read_link("/proc/self/ns/net").ok();
    let mut ports = BTreeSet::new();
    for process in daemons() {
        if fs::read_link(process.join("ns/net")).ok() != ours {
            continue;
        }
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let args: Vec<_> =
            line.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg)).collect();
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        let file = value_of(&args, &["--config-file"]).pop().unwrap_or("/etc/docker/daemon.json");
        let daemon_json = fs::read_to_string(file).unwrap_or_default();
        ports.extend(named(&args, &daemon_json));
        ports.extend(held(&process).intersection(&BTreeSet::from([PLAIN, TLS])));
    }
    ports
}

fn daemons() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let is_dockerd = |path: &PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim_end() == "dockerd")
    };
    processes.map(|entry| entry.path()).filter(is_dockerd).collect()
}

fn named(args: &[&str], daemon_json: &str) -> BTreeSet<u16> {
    let file: serde_json::Value = serde_json::from_str(daemon_json).unwrap_or_default();
    let is_true = |key: &str| file.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    let tls =
        args.iter().any(|arg| arg.starts_with("--tls")) || is_true("tls") || is_true("tlsverify");
    let hosts = file.get("hosts").and_then(serde_json::Value::as_array);
    let typed = value_of(args, &["-H", "--host"]);
    let hosts = hosts.into_iter().flatten().filter_map(serde_json::Value::as_str).chain(typed);
    hosts.filter_map(|host| port(host, tls)).collect()
}

/// The port of a `tcp://` host that is not on the loopback.
fn port(host: &str, tls: bool) -> Option<u16> {
    let rest = host.strip_prefix("tcp://").or_else(|| (!host.contains("://")).then_some(host))?;
    let (address, port) = match rest.rsplit_once(':') {
        Some((address, port)) if !port.contains(']') => (address, port.parse().ok()?),
        _ => (rest, if tls { TLS } else { PLAIN }),
    };
    let address = address.trim_matches(['[', ']']);
    // dockerd listens on the loopback where no address is named.
    let local = matches!(address, "" | "localhost")
        || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    (!local && port != 0).then_some(port)
}

/// Values of a flag in the forms `-H VALUE`, `-H=VALUE`, `-HVALUE`, `--host VALUE`, `--host=VALUE`.
fn value_of<'a>(args: &[&'a str], flags: &[&str]) -> Vec<&'a str> {
    let mut values = Vec::new();
    for (at, arg) in args.iter().enumerate() {
        for flag in flags {
            match arg.strip_prefix(flag) {
                Some("") => values.extend(args.get(at + 1)),
                Some(value) if value.starts_with('=') => values.push(&value[1..]),
                Some(value) if !flag.starts_with("--") => values.push(value),
                _ => {}
            }
        }
    }
    values
}

/// Listening TCP ports of a process, those on the loopback left out.
fn held(process: &Path) -> BTreeSet<u16> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let sockets: HashSet<_> = links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    ["net/tcp", "net/tcp6"]
        .iter()
        .flat_map(|table| listening(&fs::read_to_string(process.join(table)).unwrap_or_default()))
        .filter(|(_, inode)| sockets.contains(inode))
        .map(|(port, _)| port)
        .collect()
}

/// Ports and inodes of listeners in a table as of proc_pid_net(5).
fn listening(table: &str) -> Vec<(u16, String)> {
    const LISTEN: &str = "0A";
    // As the kernel writes them, four bytes at a time in the host's order.
    const LOOPBACK: [&str; 2] = ["0100007F", "00000000000000000000000001000000"];
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| {
        let (address, port) = row.get(1)?.rsplit_once(':')?;
        let reachable = *row.get(3)? == LISTEN && !LOOPBACK.contains(&address);
        let port = u16::from_str_radix(port, 16).ok()?;
        reachable.then(|| row.get(9).map(|inode| (port, (*inode).to_owned()))).flatten()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_file_name_ports() {
        let cases: &[(&[&str], &str, &[u16])] = &[
            (&["dockerd", "-H", "tcp://0.0.0.0:2375"], "", &[2375]),
            (&["dockerd", "-H=tcp://0.0.0.0", "--host=unix:///x"], "", &[2375]),
            (&["dockerd", "-Htcp://[::]:99", "--tlsverify"], "", &[99]),
            (&["dockerd", "--host", "tcp://10.0.0.1", "--tlsverify"], "", &[2376]),
            (&["dockerd", "-H", "tcp://127.0.0.1:2375", "-H", "tcp://[::1]:1"], "", &[]),
            (&["dockerd", "-H", "fd://"], "", &[]),
            (&["dockerd"], r#"{"hosts": ["tcp://0.0.0.0", "fd://"], "tlsverify": true}"#, &[2376]),
            (&["dockerd"], r#"{"hosts": ["tcp://:2375"]}"#, &[]),
            (&["dockerd"], "not JSON", &[]),
        ];
        for (args, file, ports) in cases {
            assert_eq!(named(args, file), ports.iter().copied().collect(), "{args:?} {file}");
        }
    }

    #[test]
    fn listeners_are_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 00000000:0947 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0\n\
            \x20  2: 00000000:0949 0200000A:0050 01 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0\n";
        assert_eq!(listening(table), [(2375, "111".to_owned())]);
    }
}
