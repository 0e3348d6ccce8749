//! Containers that are as good as root on the host.

use std::net::IpAddr;

use super::super::address::Engine;
use super::super::catalogue::container::*;
use super::super::catalogue::engine::USERLAND_PROXY;
use super::super::catalogue::network::PUBLISHED_API;
use super::super::facts::{Container, Facts, Program, Published};
use super::super::read::endpoint::{Reach, reach};
use super::super::vulnerabilities::Release;
use super::super::{Finding, Report, Severity};

pub(super) fn judge(facts: &Facts, report: &mut Report) {
    for container in &facts.containers {
        for check in [&HOLDS_SOCKET, &PRIVILEGED, &PUBLISHED_AGENT, &PUBLISHED_EVERYWHERE] {
            report.looked(check);
        }
        report.looked(&PUBLISHED_API);
        socket(container, report);
        walls(container, report);
        for port in &container.published {
            published(container, port, report);
        }
        loopback(container, facts, report);
        userland_proxy(container, facts, report);
    }
}

/// Ports on loopback that an engine before release 28 forwards to for neighbours too.
fn loopback(container: &Container, facts: &Facts, report: &mut Report) {
    let release = |(_, engine): &(String, Engine)| Release::parse(&engine.version);
    let engines = facts.releases.iter().filter(|(_, engine)| !engine.podman);
    let releases: Vec<_> = engines.filter_map(release).collect();
    if releases.is_empty() {
        return;
    }
    report.looked(&LOOPBACK_PUBLISHED);
    let is_old = releases.iter().any(|release| release.number[0] < LOOPBACK_IS_GUARDED_FROM);
    let local = |port: &&Published| {
        port.address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() && ip.is_loopback())
    };
    for port in container.published.iter().filter(local).filter(|_| is_old) {
        let shown = format!("{}:{}:{}", port.address, port.port, port.container_port);
        let what = "a neighbour on the same network can have packets for it sent here";
        report.find(
            Finding::new(&LOOPBACK_PUBLISHED, about(container, &shown), what)
                .seen(port.place.clone(), shown)
                .remedy(&[]),
        );
    }
}

/// A gate in a container, behind the engine's proxy.
fn userland_proxy(container: &Container, facts: &Facts, report: &mut Report) {
    let is_gate = container.image.contains("seawall") && !container.host_network;
    if !is_gate || container.published.is_empty() {
        return;
    }
    report.looked(&USERLAND_PROXY);
    let settings = facts.engines.iter().filter(|engine| engine.program == Program::Dockerd);
    let mut settings = settings.filter_map(|engine| engine.settings()).peekable();
    // An engine that says nothing of it has it on.
    let is_off = settings.peek().is_some()
        && settings.all(|settings| settings.is_on("userland-proxy") == Some(false));
    if !is_off {
        let what = "clients may come from the bridge's address alone";
        report.find(
            Finding::new(&USERLAND_PROXY, about(container, "published ports"), what)
                .seen(container.place.clone(), format!("image {}", container.image))
                .remedy(&[("container", &container.name)]),
        );
    }
}

/// Containers of one name in several files are several.
fn about(container: &Container, what: &str) -> String {
    match container.place.line {
        Some(_) => format!("{what} of {} ({})", container.name, container.place.name),
        None => format!("{what} of {}", container.name),
    }
}

fn socket(container: &Container, report: &mut Report) {
    for mount in &container.mounts {
        let source = mount.source.trim_end_matches('/');
        let is_socket = source.ends_with("/docker.sock")
            || source.ends_with("/podman.sock")
            || source.ends_with("/containerd.sock");
        let what = match source {
            _ if is_socket => "the engine's socket is in the container",
            "" if mount.source == "/" => "the host's whole file system is in the container",
            "/run" | "/var/run" | "/var" => "the folder of the engine's socket is in the container",
            "/etc" | "/root" | "/var/lib/docker" | "/etc/docker" => {
                "files that decide what root does are in the container"
            }
            _ => continue,
        };
        report.find(
            Finding::new(&HOLDS_SOCKET, about(container, &mount.source), what)
                .seen(mount.place.clone(), format!("{}:{}", mount.source, mount.target))
                .remedy(&[("container", &container.name), ("mount", &mount.source)]),
        );
    }
}

fn walls(container: &Container, report: &mut Report) {
    let capability = |name: &str| {
        let added = &container.capabilities;
        added.iter().any(|it| it.trim_start_matches("CAP_").eq_ignore_ascii_case(name))
    };
    let cases = [
        (container.privileged, "privileged", Severity::High),
        (container.host_pid, "pid: host", Severity::High),
        (container.host_network, "network_mode: host", Severity::Medium),
        (capability("ALL"), "cap_add: ALL", Severity::High),
        (capability("SYS_ADMIN"), "cap_add: SYS_ADMIN", Severity::High),
        (capability("SYS_PTRACE"), "cap_add: SYS_PTRACE", Severity::Medium),
        (capability("SYS_MODULE"), "cap_add: SYS_MODULE", Severity::High),
        (capability("NET_ADMIN"), "cap_add: NET_ADMIN", Severity::Medium),
    ];
    for (_, option, severity) in cases.into_iter().filter(|(is, ..)| *is) {
        let finding =
            Finding::new(&PRIVILEGED, about(container, option), format!("it has `{option}`"))
                .seen(container.place.clone(), format!("{option}, image {}", container.image))
                .remedy(&[("container", &container.name), ("option", option)]);
        report.find(match severity {
            Severity::High => finding,
            _ => finding.weighed(severity, "it takes down one wall of several"),
        });
    }
}

fn published(container: &Container, port: &Published, report: &mut Report) {
    let bound = port.address.parse::<IpAddr>().map_or(Reach::Wildcard, reach);
    if bound == Reach::Loopback {
        return;
    }
    let shown = match port.address.as_str() {
        "" => format!("{}:{}", port.port, port.container_port),
        address => format!("{address}:{}:{}", port.port, port.container_port),
    };
    let instead = format!("127.0.0.1:{}:{}", port.port, port.container_port);
    let image = container.image.as_str();
    let is_engine = image.contains("dind") || image.contains("socket-proxy");
    let named = [("published", instead.as_str()), ("container", container.name.as_str())];
    if matches!(port.container_port, 2375 | 2376) {
        let what = "the port of a Docker API is published to the network";
        let finding = Finding::new(&PUBLISHED_API, about(container, &shown), what)
            .seen(port.place.clone(), format!("{shown}, image {image}"))
            .remedy(&[("published", &shown), ("container", &container.name)]);
        report.find(match port.container_port {
            2376 => finding.weighed(Severity::High, "by its number it asks for certificates"),
            _ => finding,
        });
    } else if AGENTS.iter().any(|agent| image.contains(agent)) || is_engine {
        let what = "a management agent's port is published to the network";
        report.find(
            Finding::new(&PUBLISHED_AGENT, about(container, &shown), what)
                .seen(port.place.clone(), format!("{shown}, image {image}"))
                .remedy(&named),
        );
    } else if bound == Reach::Wildcard {
        let what = "the port is published on every address";
        report.find(
            Finding::new(&PUBLISHED_EVERYWHERE, about(container, &shown), what)
                .seen(port.place.clone(), shown.clone())
                .remedy(&named),
        );
    }
}

/// moby/moby#45610.
const LOOPBACK_IS_GUARDED_FROM: u32 = 28;

/// Images that manage the engine they run on.
const AGENTS: &[&str] =
    &["portainer", "dockge", "yacht", "watchtower", "swarmpit", "komodo-periphery", "arcane"];

#[cfg(test)]
mod tests {
    use super::super::super::Place;
    use super::*;

    #[test]
    fn loopback_is_no_wall_before_release_28() {
        for (version, address, found) in [
            ("27.5.1", "127.0.0.1", 1),
            ("20.10.24+dfsg1", "127.0.0.1", 1),
            ("28.0.0", "127.0.0.1", 0),
            ("27.5.1", "::1", 0),
            ("27.5.1", "10.0.0.1", 0),
        ] {
            let place = Place::whole("container db");
            let address = address.to_owned();
            let port = Published { address, port: 5432, container_port: 5432, place };
            let container = Container { published: vec![port], ..Container::default() };
            let engine = Engine { version: version.to_owned(), ..Engine::default() };
            let releases = vec![("/run/docker.sock".to_owned(), engine)];
            let facts = Facts { containers: vec![container], releases, ..Facts::default() };
            let mut report = Report::default();
            judge(&facts, &mut report);
            let neighbours = report.findings.iter().filter(|it| *it.check == LOOPBACK_PUBLISHED);
            assert_eq!(neighbours.count(), found, "{version} {facts:?}");
        }
    }
}
