//! What the bodies name: the places are those of the schemas in [`crate::facts`], which have
//! checked types and spelling before.

use serde_json::Value;

use super::{Absent, Kind, Place, Reach, Reference};
use crate::json::Document;
use crate::operation::Operation;

pub(super) fn references(operation: Operation, body: Option<&Document>) -> Vec<Reference> {
    let Some(body) = body.map(Document::value) else { return Vec::new() };
    match operation {
        Operation::ContainerCreate => of_new_container(body),
        Operation::NetworkConnect | Operation::NetworkDisconnect => {
            let name = body.get("Container").and_then(Value::as_str).unwrap_or_default();
            vec![container(name, "/Container".to_owned(), ("", ""), "Container", Reach::Onto)]
        }
        _ => Vec::new(),
    }
}

fn of_new_container(body: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    if let Some(image) = body.get("Image").and_then(Value::as_str).filter(|name| !name.is_empty()) {
        let pointer = "/Image".to_owned();
        let place = Place::Text { pointer, before: "", after: String::new(), field: "" };
        found.push(Reference::to_image(image, place));
    }
    let host = body.get("HostConfig");
    let text = |name: &str| host.and_then(|host| host.get(name)).and_then(Value::as_str);
    let list = |name: &str| {
        let list = host.and_then(|host| host.get(name)).and_then(Value::as_array);
        list.into_iter().flatten().enumerate()
    };
    const MODES: [(&str, &str, &str); 3] = [
        ("IpcMode", "/HostConfig/IpcMode", "HostConfig.IpcMode"),
        ("NetworkMode", "/HostConfig/NetworkMode", "HostConfig.NetworkMode"),
        ("PidMode", "/HostConfig/PidMode", "HostConfig.PidMode"),
    ];
    for (name, pointer, field) in MODES {
        let mode = text(name).unwrap_or_default();
        if let Some(other) = mode.strip_prefix("container:") {
            let around = ("container:", "");
            found.push(container(other, pointer.to_owned(), around, field, Reach::Into));
        } else if name == "NetworkMode" && is_own_network(mode) {
            found.push(Reference {
                kind: Kind::Network,
                name: mode.to_owned(),
                reach: Reach::Onto,
                absent: Absent::Refused,
                place: Place::Text {
                    pointer: pointer.to_owned(),
                    before: "",
                    after: String::new(),
                    field,
                },
            });
        }
    }
    for (name, field, reach) in [
        ("Links", "HostConfig.Links", Reach::Onto),
        ("VolumesFrom", "HostConfig.VolumesFrom", Reach::Into),
    ] {
        for (index, item) in list(name) {
            let written = item.as_str().unwrap_or_default();
            let end = written.find(':').unwrap_or(written.len());
            let (other, after) = written.split_at(end);
            let pointer = format!("/HostConfig/{name}/{index}");
            found.push(container(other, pointer, ("", after), field, reach));
        }
    }
    for (index, item) in list("Binds") {
        let parts: Vec<&str> = item.as_str().unwrap_or_default().split(':').collect();
        if let [source, _, ..] = parts[..]
            && !source.starts_with('/')
        {
            let after = item.as_str().unwrap_or_default()[source.len()..].to_owned();
            found.push(volume(source, format!("/HostConfig/Binds/{index}"), after));
        }
    }
    for (index, mount) in list("Mounts") {
        let text = |name: &str| mount.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("Type") == "volume" && !text("Source").is_empty() {
            let pointer = format!("/HostConfig/Mounts/{index}/Source");
            found.push(volume(text("Source"), pointer, String::new()));
        }
    }
    const ENDPOINTS: &str = "/NetworkingConfig/EndpointsConfig";
    for name in body.pointer(ENDPOINTS).and_then(Value::as_object).into_iter().flatten() {
        if is_own_network(name.0) {
            found.push(Reference {
                kind: Kind::Network,
                name: name.0.clone(),
                reach: Reach::Onto,
                absent: Absent::Refused,
                place: Place::Member(ENDPOINTS),
            });
        }
    }
    found
}

/// A network that somebody made. The engine's own are nobody's; `host`, and what has a colon,
/// are on the catalogue.
fn is_own_network(name: &str) -> bool {
    !matches!(name, "" | "bridge" | "default" | "host" | "none") && !name.contains(':')
}

fn container(
    name: &str,
    pointer: String,
    (before, after): (&'static str, &str),
    field: &'static str,
    reach: Reach,
) -> Reference {
    Reference {
        kind: Kind::Container,
        name: name.to_owned(),
        reach,
        absent: Absent::Refused,
        place: Place::Text { pointer, before, after: after.to_owned(), field },
    }
}

fn volume(name: &str, pointer: String, after: String) -> Reference {
    Reference {
        kind: Kind::Volume,
        name: name.to_owned(),
        reach: Reach::Onto,
        absent: Absent::Made,
        place: Place::Text { pointer, before: "", after, field: "" },
    }
}
