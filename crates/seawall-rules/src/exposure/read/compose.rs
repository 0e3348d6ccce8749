//! Compose files: the services as the containers they become.

use std::rc::Rc;

use super::super::Place;
use super::super::facts::{Container, Mount, Published};
use super::yaml::{self, Node};

/// The containers of a Compose file, with what `extends` brings in from it and from files that
/// `load` has by their paths. What `${VARIABLES}` bring in is not seen.
///
/// # Errors
/// Why it cannot be read.
pub fn read(
    text: &str,
    file: &str,
    load: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Container>, String> {
    let tree = yaml::read(text)?;
    let names: Vec<_> = services(&tree).into_iter().map(|(name, _)| name.to_owned()).collect();
    let extended = |name: &String| extended(&tree, name, file, load, DEEPEST);
    Ok(names.iter().filter_map(extended).collect())
}

fn services(tree: &Node) -> Vec<(&str, &Rc<Node>)> {
    tree.get("services").map(|services| services.map()).unwrap_or_default()
}

/// A service with all that it extends.
fn extended(
    tree: &Node,
    name: &str,
    file: &str,
    load: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Option<Container> {
    let (_, service) = services(tree).into_iter().find(|(known, _)| *known == name)?;
    let own = container(name, service, file);
    let base = || {
        let extends = service.get("extends")?;
        let text = |key: &str| extends.get(key).and_then(|node| node.text().map(str::to_owned));
        let of = extends.text().map(str::to_owned).or_else(|| text("service"))?;
        let depth = depth.checked_sub(1)?;
        match text("file") {
            None => extended(tree, &of, file, load, depth),
            Some(other) => {
                let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                let path = match other.starts_with('/') {
                    true => other,
                    false => format!("{folder}/{other}"),
                };
                let tree = yaml::read(&load(&path)?).ok()?;
                extended(&tree, &of, &path, load, depth)
            }
        }
    };
    Some(match base() {
        Some(base) => over(own, base, service),
        None => own,
    })
}

/// A service over the one that it extends: lists are joined, and what it says itself counts.
fn over(own: Container, base: Container, service: &Node) -> Container {
    let says = |key: &str| service.get(key).is_some();
    let text = |own: String, base: String| if own.is_empty() { base } else { own };
    Container {
        image: text(own.image, base.image),
        command: text(own.command, base.command),
        mounts: [base.mounts, own.mounts].concat(),
        published: [base.published, own.published].concat(),
        capabilities: [base.capabilities, own.capabilities].concat(),
        privileged: if says("privileged") { own.privileged } else { base.privileged },
        host_network: if says("network_mode") { own.host_network } else { base.host_network },
        host_pid: if says("pid") { own.host_pid } else { base.host_pid },
        name: own.name,
        place: own.place,
    }
}

fn container(name: &str, service: &Node, file: &str) -> Container {
    let text = |key: &str| service.get(key).and_then(|node| node.text().map(str::to_owned));
    let entries = |key: &str| service.get(key).map(|node| node.list()).unwrap_or_default();
    let at = |line: u32| Place::line(file, line);
    Container {
        name: name.to_owned(),
        image: text("image").unwrap_or_default(),
        place: at(service.line),
        mounts: entries("volumes")
            .iter()
            .take(MOST)
            .filter_map(|volume| {
                let (source, target) = mount(volume)?;
                Some(Mount { source, target, place: at(volume.line) })
            })
            .collect(),
        privileged: text("privileged").as_deref() == Some("true"),
        host_network: text("network_mode").as_deref() == Some("host"),
        host_pid: text("pid").as_deref() == Some("host"),
        capabilities: entries("cap_add")
            .iter()
            .take(MOST)
            .filter_map(|capability| Some(capability.text()?.to_owned()))
            .collect(),
        published: entries("ports")
            .iter()
            .take(MOST)
            .filter_map(|port| published(port, &at(port.line)))
            .collect(),
        command: ["entrypoint", "command"]
            .map(|key| words(service.get(key).map(|node| &**node)))
            .join(" ")
            .trim()
            .to_owned(),
    }
}

/// A command, written as one text or as a list of words.
fn words(command: Option<&Node>) -> String {
    let Some(command) = command else { return String::new() };
    let list = command.list();
    let words = list.iter().take(MOST).filter_map(|word| word.text());
    command.text().map_or_else(|| words.collect::<Vec<_>>().join(" "), str::to_owned)
}

fn mount(volume: &Node) -> Option<(String, String)> {
    if let Some(short) = volume.text() {
        let mut parts = short.split(':');
        return Some((parts.next()?.to_owned(), parts.next()?.to_owned()));
    }
    let text = |key: &str| Some(volume.get(key)?.text()?.to_owned());
    Some((text("source")?, text("target").unwrap_or_default()))
}

/// `"2375"`, `"2375:2375"`, `"127.0.0.1:2375:2375/tcp"`, or the long form. Ranges are read by
/// their first port.
fn published(port: &Node, place: &Place) -> Option<Published> {
    let number = |text: &str| text.split(['-', '/']).next()?.parse().ok();
    let place = place.clone();
    if let Some(short) = port.text() {
        let (rest, inner) = short.rsplit_once(':')?;
        let (address, outer) = match rest.rsplit_once(':') {
            Some((address, outer)) => (address, outer),
            None => ("", rest),
        };
        return Some(Published {
            address: address.trim_matches(['[', ']']).to_owned(),
            port: number(outer)?,
            container_port: number(inner)?,
            place,
        });
    }
    let text = |key: &str| Some(port.get(key)?.text()?.to_owned());
    Some(Published {
        address: text("host_ip").unwrap_or_default(),
        port: number(&text("published")?)?,
        container_port: number(&text("target")?)?,
        place,
    })
}

/// How many services one may extend one after the other.
const DEEPEST: usize = 8;

/// More entries of one list than this are not looked at.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_containers() {
        let text = "services:\n  agent:\n    image: portainer/agent\n    privileged: true\n    \
                    pid: host\n    network_mode: \"host\"\n    cap_add: [SYS_ADMIN]\n    volumes:\n      \
                    - /var/run/docker.sock:/var/run/docker.sock:ro\n      - {type: bind, source: /, \
                    target: /host}\n      - data:/data\n      - /anonymous\n    ports:\n      \
                    - \"9001:9001\"\n      - 127.0.0.1:2375:2375/tcp\n      - \"[::1]:5:6\"\n      \
                    - 8000\n      - {target: 80, published: \"8080\", host_ip: 10.0.0.1}\n";
        let [agent] = &read(text, "compose.yaml", &|_| None).unwrap()[..] else { panic!() };
        assert!(agent.privileged && agent.host_pid && agent.host_network);
        assert_eq!(agent.capabilities, ["SYS_ADMIN"]);
        let sources: Vec<_> = agent.mounts.iter().map(|mount| mount.source.as_str()).collect();
        assert_eq!(sources, ["/var/run/docker.sock", "/", "data"]);
        assert_eq!(agent.mounts[0].place.to_string(), "compose.yaml:9");
        let ports: Vec<_> = agent
            .published
            .iter()
            .map(|port| (port.address.as_str(), port.port, port.container_port))
            .collect();
        assert_eq!(
            ports,
            [("", 9001, 9001), ("127.0.0.1", 2375, 2375), ("::1", 5, 6), ("10.0.0.1", 8080, 80)]
        );
    }

    #[test]
    fn a_service_has_what_it_extends() {
        let text = "services:\n  web:\n    extends: {file: common/base.yaml, service: base}\n    \
                    ports: [\"80:80\"]\n  quiet:\n    extends: web\n    privileged: false\n    \
                    image: quiet\n  round:\n    extends: round\n  lost:\n    \
                    extends: {file: none.yaml, service: x}\n    privileged: true\n";
        let base = "services:\n  base:\n    image: base\n    extends: {service: root}\n    \
                    volumes: [\"/run/docker.sock:/s\"]\n  root:\n    privileged: true\n    \
                    command: [sleep, \"1\"]\n";
        let load = |path: &str| (path == "/srv/common/base.yaml").then(|| base.to_owned());
        let read = read(text, "/srv/compose.yaml", &load).unwrap();
        let [web, quiet, round, lost] = &read[..] else { panic!("{read:#?}") };
        assert!(web.privileged && !quiet.privileged && !round.privileged && lost.privileged);
        assert_eq!((web.image.as_str(), quiet.image.as_str()), ("base", "quiet"));
        assert_eq!(web.command, "sleep 1");
        for service in [web, quiet] {
            assert_eq!(service.mounts[0].place.to_string(), "/srv/common/base.yaml:5");
            assert_eq!(service.published[0].port, 80);
        }
    }

    #[test]
    fn other_yaml_has_no_services() {
        let read = |text| read(text, "f", &|_| None);
        assert_eq!(read("- a\n- b\n"), Ok(Vec::new()));
        assert_eq!(read("services: 7\n"), Ok(Vec::new()));
        assert!(read("services: [").is_err());
    }
}
