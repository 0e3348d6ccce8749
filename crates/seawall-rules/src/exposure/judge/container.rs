//! Containers that are as good as root on the host.

use std::net::IpAddr;

use super::super::catalogue::container::*;
use super::super::catalogue::network::PUBLISHED_API;
use super::super::facts::{Container, Facts, Published};
use super::super::read::endpoint::{Reach, reach};
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

/// Images that manage the engine they run on.
const AGENTS: &[&str] =
    &["portainer", "dockge", "yacht", "watchtower", "swarmpit", "komodo-periphery", "arcane"];
