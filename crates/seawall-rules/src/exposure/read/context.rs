//! Where clients point: docker's contexts and its `config.json`, podman's connections, Docker
//! Desktop's settings.

use serde_json::Value;

use super::super::Place;
use super::{json_object, line_of};

/// A stored way to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// `tcp://host:2376`, `ssh://user@host`.
    pub host: String,
    /// Whether it takes any certificate for the engine's.
    pub skip_verify: bool,
    /// Where it is stored.
    pub place: Place,
}

/// A context's `meta.json`.
///
/// # Errors
/// Why it cannot be read.
pub fn context(text: &str, file: &str) -> Result<Connection, String> {
    let value = Value::Object(json_object(text)?);
    let endpoint = &value["Endpoints"]["docker"];
    Ok(Connection {
        name: text_of(&value["Name"]),
        host: text_of(&endpoint["Host"]),
        skip_verify: endpoint["SkipTLSVerify"].as_bool().unwrap_or_default(),
        place: Place { name: file.to_owned(), line: line_of(text, "\"Host\"") },
    })
}

/// The current context that docker's `config.json` names, with its place.
///
/// # Errors
/// Why it cannot be read.
pub fn current_context(text: &str, file: &str) -> Result<Option<(String, Place)>, String> {
    let name = text_of(json_object(text)?.get("currentContext").unwrap_or(&Value::Null));
    let place = Place { name: file.to_owned(), line: line_of(text, "\"currentContext\"") };
    Ok((!name.is_empty() && name != "default").then_some((name, place)))
}

/// The connections of podman's `podman-connections.json`.
///
/// # Errors
/// Why it cannot be read.
pub fn podman_connections(text: &str, file: &str) -> Result<Vec<Connection>, String> {
    let value = Value::Object(json_object(text)?);
    let connections = value["Connection"]["Connections"].as_object();
    Ok(connections
        .into_iter()
        .flatten()
        .map(|(name, connection)| Connection {
            name: name.clone(),
            host: text_of(&connection["URI"]),
            skip_verify: false,
            place: Place { name: file.to_owned(), line: line_of(text, &format!("\"{name}\"")) },
        })
        .collect())
}

/// Whether Docker Desktop's settings (`settings-store.json`, before 4.35 `settings.json`) open
/// port 2375, with the place.
///
/// # Errors
/// Why it cannot be read.
pub fn desktop_opens_tcp(text: &str, file: &str) -> Result<Option<Place>, String> {
    let value = Value::Object(json_object(text)?);
    let key = ["ExposeDockerAPIOnTCP2375", "exposeDockerAPIOnTCP2375"]
        .into_iter()
        .find(|key| value[*key].as_bool() == Some(true));
    Ok(key.map(|key| Place { name: file.to_owned(), line: line_of(text, key) }))
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_and_connections_are_read() {
        let meta = "{\"Name\":\"prod\",\"Metadata\":{},\"Endpoints\":{\"docker\":\
                    {\"Host\":\"tcp://h:2376\",\"SkipTLSVerify\":true}}}";
        let read = context(meta, "meta.json").unwrap();
        assert_eq!((read.name.as_str(), read.host.as_str()), ("prod", "tcp://h:2376"));
        assert!(read.skip_verify);
        let config = "{\n \"auths\": {},\n \"currentContext\": \"prod\"\n}";
        let (name, place) = current_context(config, "config.json").unwrap().unwrap();
        assert_eq!((name.as_str(), place.line), ("prod", Some(3)));
        assert_eq!(current_context("{\"currentContext\":\"default\"}", "f"), Ok(None));
        let podman = "{\"Connection\":{\"Default\":\"a\",\"Connections\":{\"a\":\
                      {\"URI\":\"tcp://h:8888\"},\"b\":{\"URI\":\"ssh://u@h/run/x.sock\"}}}}";
        let hosts: Vec<_> =
            podman_connections(podman, "f").unwrap().into_iter().map(|c| c.host).collect();
        assert_eq!(hosts, ["tcp://h:8888", "ssh://u@h/run/x.sock"]);
        assert!(desktop_opens_tcp("{\"ExposeDockerAPIOnTCP2375\":true}", "f").unwrap().is_some());
        assert_eq!(desktop_opens_tcp("{\"ExposeDockerAPIOnTCP2375\":false}", "f"), Ok(None));
        assert!(context("[]", "f").is_err());
    }
}
