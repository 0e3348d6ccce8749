//! `daemon.json`, with Docker's keys.

use serde_json::Value;

use super::super::Place;
use super::command_line::{Origin, Setting, Settings};
use super::{json_object, line_of};

/// Reads a `daemon.json`.
///
/// # Errors
/// Why dockerd would not read it: no JSON, no object, a key twice.
pub fn read(text: &str, file: &str) -> Result<Settings, String> {
    // dockerd takes an empty file for an empty object.
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(Settings::default());
    }
    let object = json_object(text)?;
    let mut settings = Vec::new();
    for (key, value) in &object {
        let line = line_of(text, &format!("\"{key}\""));
        let place = Place { name: file.to_owned(), line };
        let name =
            LISTS.iter().find(|(list, _)| list == key).map_or(key.as_str(), |(_, flag)| flag);
        let mut add = |value: String| {
            let (name, place) = (name.to_owned(), place.clone());
            settings.push(Setting { name, value, origin: Origin::File, place });
        };
        match value {
            Value::Array(entries) => {
                for entry in entries {
                    // A list of many lines: each entry has its own.
                    add(entry.as_str().map_or_else(|| entry.to_string(), str::to_owned));
                }
            }
            Value::String(text) => add(text.clone()),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => add(value.to_string()),
            Value::Null => {}
        }
    }
    Ok(Settings(settings))
}

/// Keys that are lists, and the flag that adds to them.
const LISTS: &[(&str, &str)] = &[
    ("authorization-plugins", "authorization-plugin"),
    ("hosts", "host"),
    ("insecure-registries", "insecure-registry"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_flags_given_several_times() {
        let text = "{\n  \"hosts\": [\n    \"fd://\",\n    \"tcp://0.0.0.0:2375\"\n  ],\n  \
                    \"tls\": true,\n  \"insecure-registries\": [\"r:5000\"],\n  \"mtu\": 1400}";
        let settings = read(text, "/etc/docker/daemon.json").unwrap();
        let hosts: Vec<_> = settings.all("host").map(|host| host.value.as_str()).collect();
        assert_eq!(hosts, ["fd://", "tcp://0.0.0.0:2375"]);
        assert_eq!(settings.is_on("tls"), Some(true));
        assert_eq!(settings.one("tls").unwrap().place.to_string(), "/etc/docker/daemon.json:6");
        assert_eq!(settings.one("insecure-registry").unwrap().value, "r:5000");
        assert_eq!(settings.one("mtu").unwrap().value, "1400");
    }

    #[test]
    fn what_dockerd_would_refuse_is_refused() {
        assert_eq!(read("", "f"), Ok(Settings::default()));
        for text in ["[]", "{\"hosts\": [}", "{\"tls\": true, \"tls\": false}", "hosts: x"] {
            assert!(read(text, "f").is_err(), "{text}");
        }
    }
}
