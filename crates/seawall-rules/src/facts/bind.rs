//! Paths of the host that a request binds, to be followed to where they lead: what is judged is
//! then what the engine binds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Ask;
use crate::json::Document;
use crate::operation::Request;

impl Request {
    /// The paths of the host that it asks to bind.
    pub fn binds(&self) -> Vec<String> {
        let paths = self.facts.asks.iter().filter_map(|fact| match &fact.ask {
            Ask::Bind(path, _) => Some(path.clone()),
            _ => None,
        });
        paths.collect()
    }

    /// The request with other paths in place of those it binds, in the body as in what it asks for.
    #[must_use]
    pub fn rebound(mut self, to: &BTreeMap<String, String>) -> Self {
        for fact in &mut self.facts.asks {
            if let Ask::Bind(path, _) = &mut fact.ask
                && let Some(other) = to.get(path)
            {
                path.clone_from(other);
            }
        }
        self.body = self.body.map(|body| {
            let mut value = body.into_value();
            replace(&mut value, to);
            Document::of(value)
        });
        self
    }
}

/// Puts other paths in place of sources. The body has been read by its schema, so that they stand
/// where it has them.
fn replace(body: &mut Value, to: &BTreeMap<String, String>) {
    let binds = body.pointer_mut("/HostConfig/Binds").and_then(Value::as_array_mut);
    for bind in binds.into_iter().flatten() {
        if let Some((source, rest)) = bind.as_str().and_then(|bind| bind.split_once(':'))
            && let Some(other) = to.get(source)
        {
            *bind = Value::String(format!("{other}:{rest}"));
        }
    }
    for mounts in ["/HostConfig/Mounts", "/TaskTemplate/ContainerSpec/Mounts"] {
        let mounts = body.pointer_mut(mounts).and_then(Value::as_array_mut);
        for mount in mounts.into_iter().flatten() {
            if mount.get("Type").and_then(Value::as_str) == Some("bind")
                && let Some(source) = mount.get_mut("Source")
                && let Some(other) = source.as_str().and_then(|source| to.get(source))
            {
                *source = Value::String(other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn every_path_of_the_host_is_replaced_and_nothing_else() {
        let text = r#"{"HostConfig":{"Binds":["/a:/x","/b:/y:ro","v:/z","/a"],
            "Mounts":[{"Type":"bind","Source":"/a","Target":"/a"},
                      {"Type":"volume","Source":"v","Target":"/t"},
                      {"Type":"tmpfs","Target":"/t"}]},"Image":"/a",
            "TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/a"}]}}}"#;
        let to = [("/a", "/1"), ("/b", "/2")];
        let to = to.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        let expected = text
            .replace("\"/a:/x\"", "\"/1:/x\"")
            .replace("/b:/y:ro", "/2:/y:ro")
            .replace("\"Source\":\"/a\"", "\"Source\":\"/1\"");
        let mut body = parse(text.as_bytes()).unwrap().into_value();
        replace(&mut body, &to);
        assert_eq!(&body, parse(expected.as_bytes()).unwrap().value());
        for odd in ["{}", r#"{"HostConfig":null}"#, r#"{"HostConfig":{"Binds":null}}"#] {
            let mut body = parse(odd.as_bytes()).unwrap().into_value();
            replace(&mut body, &to);
            assert_eq!(&body, parse(odd.as_bytes()).unwrap().value());
        }
    }
}
