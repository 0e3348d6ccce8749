//! Ports on which a Docker engine of this host listens itself, past the gate.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use seawall_rules::exposure::Place;
use seawall_rules::exposure::read::command_line::{self, Settings};
use seawall_rules::exposure::read::daemon_json;
use seawall_rules::exposure::read::endpoint::{Endpoint, Reach};
use seawall_rules::exposure::read::sockets::{inode, listening};

/// Ports of the Engine API, plain and with TLS, where nobody says otherwise.
const USUAL: [u16; 2] = [2375, 2376];

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
        let words = line.split(|byte| *byte == 0).skip(1).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let flags = command_line::dockerd(&words, &Place { name: String::new(), line: None });
        let file = flags.one("config-file").map_or("/etc/docker/daemon.json", |file| &file.value);
        // What dockerd could not read it does not run with.
        let in_file =
            fs::read_to_string(file).ok().and_then(|text| daemon_json::read(&text, file).ok());
        let mut settings = flags.clone();
        settings.0.extend(in_file.unwrap_or_default().0);
        ports.extend(named(&settings));
        ports.extend(held(&process).into_iter().filter(|port| USUAL.contains(port)));
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

/// Ports of the `host` settings that are not on the loopback.
fn named(settings: &Settings) -> BTreeSet<u16> {
    let tls = ["tls", "tlsverify"].iter().any(|name| settings.is_on(name) == Some(true));
    let endpoints = settings.all("host").map(|host| Endpoint::of_engine(&host.value, tls));
    endpoints
        .filter(|endpoint| endpoint.reach() != Some(Reach::Loopback))
        .filter_map(|endpoint| match endpoint {
            Endpoint::Tcp { port, .. } => Some(port),
            Endpoint::Systemd | Endpoint::Unix(_) | Endpoint::Other(_) => None,
        })
        .collect()
}

/// Listening TCP ports of a process, those on the loopback left out.
fn held(process: &Path) -> BTreeSet<u16> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let sockets: HashSet<_> = links.filter_map(|link| inode(link.to_str()?)).collect();
    ["net/tcp", "net/tcp6"]
        .iter()
        .flat_map(|table| listening(&fs::read_to_string(process.join(table)).unwrap_or_default()))
        .filter(|row| sockets.contains(&row.inode))
        .map(|row| row.address)
        .filter(|address| !address.ip().to_canonical().is_loopback())
        .map(|address| address.port())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_file_name_ports() {
        let cases: &[(&[&str], &str, &[u16])] = &[
            (&["-H", "tcp://0.0.0.0:2375"], "{}", &[2375]),
            (&["-H=tcp://0.0.0.0", "--host=unix:///x"], "{}", &[2375]),
            (&["-Htcp://[::]:99", "--tlsverify"], "{}", &[99]),
            (&["--host", "tcp://10.0.0.1", "--tlsverify"], "{}", &[2376]),
            (&["-H", "tcp://127.0.0.1:2375", "-H", "tcp://[::1]:1"], "{}", &[]),
            (&["-H", "fd://"], "{}", &[]),
            (&[], r#"{"hosts": ["tcp://0.0.0.0", "fd://"], "tlsverify": true}"#, &[2376]),
            (&[], r#"{"hosts": ["tcp://:2375"]}"#, &[]),
        ];
        for (args, file, ports) in cases {
            let args: Vec<_> = args.iter().map(ToString::to_string).collect();
            let place = Place { name: String::new(), line: None };
            let mut settings = command_line::dockerd(&args, &place);
            settings.0.extend(daemon_json::read(file, "daemon.json").unwrap().0);
            assert_eq!(named(&settings), ports.iter().copied().collect(), "{args:?} {file}");
        }
    }
}
