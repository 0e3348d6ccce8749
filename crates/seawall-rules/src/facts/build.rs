//! What the query of `ImageBuild` asks for, by the classic builder or by BuildKit.

use serde_json::Value;

use super::escape::{
    BUILD_FRONTEND, BUILD_OPTION, BUILD_OUTPUT, BUILD_SOURCE, BUILDKIT, CGROUP_PARENT, LABEL,
    SECURITY_OPT,
};
use super::query::{Query, value, values};
use super::{Ask, Escape, Fact, ImageName, RESERVED_LABELS, container, resources};
use crate::json::{self, Names};

/// Every key that is given is judged here; what is not named only shapes the image.
pub(super) fn read(query: &Query) -> Vec<Fact> {
    let mut asks = Vec::new();
    let mut ask = |field: &str, ask: Ask| asks.push(Fact { field: field.to_owned(), ask });
    let set = |escape: &'static Escape| Ask::Escape(escape, "set".to_owned());
    let by_buildkit = value(query, "version") == "2";
    if by_buildkit {
        // All that it takes comes by a session, which is judged by itself.
        if value(query, "session").is_empty() {
            ask("session", set(BUILDKIT));
        }
        if value(query, "remote") != "client-session" {
            ask("remote", set(BUILD_SOURCE));
        }
        // What the session has under such a name is not read as a Dockerfile.
        if value(query, "dockerfile").contains(".dockerignore") {
            ask("dockerfile", set(BUILD_OPTION));
        }
        for key in ["buildargs", "outputs"] {
            match document(value(query, key)).map(|document| facts_in(key, &document)) {
                Some(Some(found)) => found.into_iter().for_each(|found| ask(key, found)),
                _ => ask(key, set(BUILD_OPTION)),
            }
        }
    } else {
        if !matches!(value(query, "version"), "" | "1") {
            ask("version", set(BUILDKIT));
        }
        for (key, escape) in
            [("session", BUILDKIT), ("remote", BUILD_SOURCE), ("outputs", BUILD_OUTPUT)]
        {
            if values(query, key).any(|value| !value.is_empty()) {
                ask(key, set(escape));
            }
        }
    }
    for (key, escape) in [("cgroupparent", CGROUP_PARENT), ("securityopt", SECURITY_OPT)] {
        if values(query, key).any(|value| !value.is_empty()) {
            ask(key, set(escape));
        }
    }
    if let Some(mode) = container::network_mode(value(query, "networkmode")) {
        ask("networkmode", mode);
    }
    for name in values(query, "t").filter(|name| !name.is_empty()) {
        ask("t", Ask::Tag(ImageName::new(name)));
    }
    for key in ["cachefrom", "labels", "ulimits"] {
        match document(value(query, key)).map(|document| facts_in(key, &document)) {
            Some(Some(found)) => found.into_iter().for_each(|found| ask(key, found)),
            _ => ask(key, set(BUILD_OPTION)),
        }
    }
    // What is no number, the engine takes for 0.
    let number = |key: &str| match by_buildkit {
        // It knows no limits.
        true => 0,
        false => value(query, key).parse::<i64>().unwrap_or_default(),
    };
    let [memory, cpus, pids] = resources::limits_of_new(&serde_json::json!({
        "Memory": number("memory"),
        "CpuPeriod": number("cpuperiod"),
        "CpuQuota": number("cpuquota"),
    }));
    ask("memory", Ask::Memory(memory));
    ask("cpuquota", Ask::Cpus(cpus));
    // The classic builder knows no limit of processes.
    ask("pids", Ask::Pids(pids));
    asks
}

/// A key that is JSON; nothing is `null`.
fn document(text: &str) -> Option<Value> {
    let text = if text.is_empty() { "null" } else { text };
    json::parse_with(text.as_bytes(), Names::Exact).ok().map(|document| document.value().clone())
}

/// `None` where it is not of the type the engine decodes.
fn facts_in(key: &str, value: &Value) -> Option<Vec<Ask>> {
    let mut asks = Vec::new();
    match (key, value) {
        (_, Value::Null) => {}
        ("labels", Value::Object(labels)) => {
            if labels.keys().any(|name| name.starts_with(RESERVED_LABELS)) {
                asks.push(Ask::Escape(LABEL, "set".to_owned()));
            }
        }
        ("buildargs", Value::Object(arguments)) => {
            for name in arguments.keys().filter(|name| name.starts_with("BUILDKIT_")) {
                match name.as_str() {
                    "BUILDKIT_SYNTAX" => {
                        asks.push(Ask::Escape(BUILD_FRONTEND, "set".to_owned()));
                    }
                    name if HARMLESS.contains(&name) => {}
                    _ => return None,
                }
            }
        }
        ("outputs", Value::Array(outputs)) => {
            for output in outputs {
                let fields = output.as_object()?;
                if fields.keys().any(|name| !matches!(name.as_str(), "Attrs" | "Type")) {
                    return None;
                }
                let attributes = match fields.get("Attrs") {
                    Some(Value::Object(attributes)) => attributes.keys().collect(),
                    Some(Value::Null) | None => Vec::new(),
                    Some(_) => return None,
                };
                // What the client gets itself. Where it puts that is its own business.
                let to_client = matches!(fields.get("Type")?.as_str()?, "local" | "tar")
                    && attributes.iter().all(|name| matches!(name.as_str(), "dest"));
                if !to_client {
                    asks.push(Ask::Escape(BUILD_OUTPUT, "set".to_owned()));
                }
            }
        }
        ("cachefrom", Value::Array(images)) => {
            for image in images {
                asks.push(Ask::Image(ImageName::new(image.as_str()?)));
            }
        }
        ("ulimits", Value::Array(limits)) => {
            for limit in limits {
                let fields = limit.as_object()?;
                // Go would take another spelling for the same field.
                if fields.keys().any(|name| !matches!(name.as_str(), "Hard" | "Name" | "Soft")) {
                    return None;
                }
                asks.extend(resources::ulimit(fields.get("Name")?));
            }
        }
        _ => return None,
    }
    Some(asks)
}

/// Arguments that BuildKit itself reads, and that only shape the image. Others reach for a
/// frontend, for caches, or are not known.
const HARMLESS: &[&str] = &[
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME",
];
