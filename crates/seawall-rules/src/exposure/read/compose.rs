//! Compose files: the services as the containers they become.

use super::super::Place;
use super::super::facts::{Container, Mount, Published};
use super::yaml::{self, Node};

/// The containers of a Compose file. What `extends` or `${VARIABLES}` bring in is not seen.
///
/// # Errors
/// Why it cannot be read.
pub fn read(text: &str, file: &str) -> Result<Vec<Container>, String> {
    let tree = yaml::read(text)?;
    let services = tree.get("services");
    let services = services.map(|services| services.map()).unwrap_or_default();
    Ok(services.into_iter().map(|(name, service)| container(name, service, file)).collect())
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
            .join(" "),
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
        let [agent] = &read(text, "compose.yaml").unwrap()[..] else { panic!() };
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
    fn other_yaml_has_no_services() {
        assert_eq!(read("- a\n- b\n", "f"), Ok(Vec::new()));
        assert_eq!(read("services: 7\n", "f"), Ok(Vec::new()));
        assert!(read("services: [", "f").is_err());
    }
}
