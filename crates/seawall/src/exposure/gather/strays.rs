//! Files of a folder that are not where a host has them: what a repository of configuration
//! keeps for many hosts.

use seawall_rules::exposure::catalogue::container::{HOLDS_SOCKET, PRIVILEGED};
use seawall_rules::exposure::catalogue::network::{PLAIN_TCP, PUBLISHED_API, SOCKET_UNIT};
use seawall_rules::exposure::facts::{Engine, Program};
use seawall_rules::exposure::read::unit::Unit;
use seawall_rules::exposure::read::{command_line, compose};

use super::{Gathering, material};

impl Gathering {
    pub(super) fn strays(&mut self) {
        let (files, whole) = self.root.walk();
        if !whole {
            let why = "there are more files than are looked at, or some may not be read";
            self.gap(&[&PLAIN_TCP, &HOLDS_SOCKET], "the folder", why);
        }
        for path in files {
            self.stray(&path);
        }
    }

    fn stray(&mut self, path: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        let in_a_hosts_place = HOSTS_PLACES.iter().any(|place| folder.starts_with(place));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending {
            "yml" | "yaml" if is_compose(name) => self.compose(path),
            "yml" | "yaml" if folder.ends_with("/workflows") || name.contains("ci.y") => {
                self.profile(path);
            }
            "env" => self.profile(path),
            _ if name == "Dockerfile" || name == ".envrc" => self.profile(path),
            _ if in_a_hosts_place => {}
            "json" if name.ends_with("daemon.json") => self.stray_daemon_json(path),
            "json" if name == "meta.json" && folder.contains("contexts/meta/") => {
                self.context(path);
            }
            "service" => self.stray_service(path),
            "socket" if name.contains("docker") || name.contains("podman") => {
                self.stray_socket(path);
            }
            _ if material::ENDINGS.iter().any(|known| known[1..] == *ending) => {
                self.pem(path, material::by_name(path));
            }
            _ => {}
        }
    }

    fn compose(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&HOLDS_SOCKET, &PRIVILEGED, &PUBLISHED_API]) else {
            return;
        };
        let load = |path: &str| self.root.text(path).known();
        let read = compose::read(&text, path, &load);
        let read = self.understood(read, path).unwrap_or_default();
        self.facts.containers.extend(read);
        self.profile(path);
    }

    fn stray_daemon_json(&mut self, path: &str) {
        let Some(on_disk) = self.daemon_json(path) else { return };
        self.stray_engine(path, on_disk);
    }

    fn stray_service(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&PLAIN_TCP]) else { return };
        if !text.contains("dockerd") && !text.contains("podman") {
            return;
        }
        let mut unit = Unit::default();
        unit.add(&text, path);
        self.podman_unit(&unit, Some(path.to_owned()));
        let environment = self.environment(&unit);
        if let Some((command, place)) = unit.command(&["dockerd"], &environment) {
            self.stray_engine(path, command_line::dockerd(&command[1..], &place));
        }
    }

    fn stray_socket(&mut self, path: &str) {
        let Some(text) = self.text(path, &[&SOCKET_UNIT]) else { return };
        let mut unit = Unit::default();
        unit.add(&text, path);
        self.socket_unit(path.trim_start_matches('/'), &unit);
    }

    fn stray_engine(&mut self, path: &str, on_disk: command_line::Settings) {
        self.facts.engines.push(Engine {
            program: Program::Dockerd,
            stray: Some(path.to_owned()),
            pid: None,
            rootless: false,
            running: None,
            on_disk: Some(on_disk),
            file_is_newer: false,
            environment: Vec::new(),
            ca_count: None,
        });
    }
}

fn is_compose(name: &str) -> bool {
    name.starts_with("compose")
        || name.starts_with("docker-compose")
        || name.contains(".compose.")
        || name.starts_with("stack")
        || name.starts_with("docker-stack")
}

/// Where the host scan reads by itself; and packages' own files, which are no configuration.
const HOSTS_PLACES: &[&str] = &[
    "/etc/docker",
    "/etc/systemd",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/home/",
    "/lib/",
    "/root",
    "/run/",
    "/usr/",
    "/var/lib/",
];
