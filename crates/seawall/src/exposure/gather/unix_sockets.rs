//! Unix sockets of engines and of the runtimes beneath them.

use seawall_rules::exposure::facts::{Engine, SocketOf, UnixSocket};
use seawall_rules::exposure::read::endpoint::Endpoint;

use super::Gathering;

impl Gathering {
    pub(super) fn unix_sockets(&mut self) {
        let mut paths = vec!["/run/docker.sock".to_owned()];
        for settings in self.facts.engines.iter().filter_map(Engine::settings) {
            for host in settings.all("host") {
                if let Endpoint::Unix(path) = Endpoint::of_engine(&host.value, false) {
                    paths.push(path);
                }
            }
        }
        for unit in self.facts.socket_units.iter().filter(|unit| unit.name == "docker.socket") {
            let files = unit.streams.iter().filter(|(stream, _)| stream.starts_with('/'));
            paths.extend(files.map(|(stream, _)| stream.replace("%t", "/run")));
        }
        for path in paths {
            self.unix_socket(&path, SocketOf::Engine);
        }
        for uid in self.root.list("/run/user").known().unwrap_or_default() {
            for socket in ["docker.sock", "podman/podman.sock"] {
                self.unix_socket(&format!("/run/user/{uid}/{socket}"), SocketOf::Rootless);
            }
        }
        for path in RUNTIMES {
            self.unix_socket(path, SocketOf::Runtime);
        }
    }

    fn unix_socket(&mut self, path: &str, of: SocketOf) {
        // The older name of the same folder.
        let path = match path.strip_prefix("/var/run/") {
            Some(rest) => format!("/run/{rest}"),
            None => path.to_owned(),
        };
        let known = self.facts.unix_sockets.iter().any(|socket| socket.path == path);
        if known || !self.root.is_socket(&path) {
            return;
        }
        let Some(access) = self.root.access(&path) else { return };
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let folder = self.root.access(folder);
        let acl = self.root.has_acl(&path);
        let of = match (of, access.uid) {
            (SocketOf::Engine, uid) if uid >= super::FIRST_PERSON => SocketOf::Rootless,
            _ => of,
        };
        self.facts.unix_sockets.push(UnixSocket { path, access, folder, acl, of });
    }
}

const RUNTIMES: &[&str] = &[
    "/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
];
