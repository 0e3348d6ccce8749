//! What the engine says of its containers (`GET /containers/json`, `GET /containers/{id}/json`).

use serde_json::Value;

use super::super::Place;
use super::super::facts::{Container, Mount, Published};

/// The ids of a list of containers.
///
/// # Errors
/// That it is no such list.
pub fn ids(list: &str) -> Result<Vec<String>, String> {
    let list: Vec<Value> = parse(list)?;
    Ok(list.iter().map(|container| text(&container["Id"])).collect())
}

/// A container.
///
/// # Errors
/// That it is none.
pub fn container(inspected: &str) -> Result<Container, String> {
    let value: Value = parse(inspected)?;
    let host = &value["HostConfig"];
    let name = text(&value["Name"]).trim_start_matches('/').to_owned();
    let place = Place::whole(format!("container {name}"));
    let entries = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let ports = host["PortBindings"].as_object();
    let mut published = Vec::new();
    for (inner, outer) in ports.into_iter().flatten() {
        for binding in entries(outer) {
            let number = |text: &str| text.split('/').next()?.parse().ok();
            if let (Some(port), Some(container_port)) =
                (number(&text(&binding["HostPort"])), number(inner))
            {
                let address = text(&binding["HostIp"]);
                published.push(Published { address, port, container_port, place: place.clone() });
            }
        }
    }
    Ok(Container {
        image: text(&value["Config"]["Image"]),
        mounts: entries(&value["Mounts"])
            .iter()
            .filter(|mount| mount["Type"] == "bind")
            .map(|mount| Mount {
                source: text(&mount["Source"]),
                target: text(&mount["Destination"]),
                place: place.clone(),
            })
            .collect(),
        privileged: host["Privileged"].as_bool().unwrap_or_default(),
        host_network: host["NetworkMode"] == "host",
        host_pid: host["PidMode"] == "host",
        capabilities: entries(&host["CapAdd"]).iter().map(text).collect(),
        published,
        command: [&value["Config"]["Entrypoint"], &value["Config"]["Cmd"]]
            .map(|words| entries(words).iter().map(text).collect::<Vec<_>>().join(" "))
            .join(" "),
        name,
        place,
    })
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|_| "its answer is not the engine's".to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_may_do_is_read() {
        assert_eq!(ids("[{\"Id\":\"a\"},{\"Id\":\"b\"}]").unwrap(), ["a", "b"]);
        assert!(ids("{\"message\":\"no\"}").is_err());
        let inspected = "{\"Name\":\"/agent\",\"Config\":{\"Image\":\"portainer/agent\"},\
            \"HostConfig\":{\"Privileged\":true,\"NetworkMode\":\"host\",\"PidMode\":\"\",\
            \"CapAdd\":[\"SYS_ADMIN\"],\"PortBindings\":{\"2375/tcp\":[{\"HostIp\":\"\",\
            \"HostPort\":\"12375\"}],\"80/tcp\":null}},\"Mounts\":[{\"Type\":\"bind\",\
            \"Source\":\"/var/run/docker.sock\",\"Destination\":\"/s\"},{\"Type\":\"volume\",\
            \"Source\":\"/var/lib/docker/volumes/x\"}]}";
        let read = container(inspected).unwrap();
        assert!(read.privileged && read.host_network && !read.host_pid);
        assert_eq!((read.name.as_str(), read.mounts.len()), ("agent", 1));
        assert_eq!((read.published[0].port, read.published[0].container_port), (12375, 2375));
        assert_eq!(container("{}").unwrap().name, "");
        assert!(container("no").is_err());
    }
}
