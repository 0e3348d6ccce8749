//! The terms of a role one by one: what each says, what it covers alone, and the most that can be
//! asked for under it.
//!
//! In a pattern only `*` stands for something else, and no name that is asked for has one. So a
//! pattern's own text, its `*` taken for a character that no other pattern has, is a name that
//! exactly the patterns cover which cover all that this one does. A role covers all of another one
//! exactly if it covers the request that asks for all of that one's terms at once.

use super::role::Terms;
use super::term::{Pattern, show_path};
use crate::facts::{Ask, ImageName};

/// One term.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its key.
    pub(super) key: &'static str,
    /// Its value, as TOML.
    pub(super) value: String,
    /// The most that can be asked for under it.
    pub(super) most: Vec<Ask>,
    /// It, and no other.
    pub(super) alone: Terms,
}

impl Entry {
    /// As it is written: `images = ["alpine"]`.
    pub(super) fn written(&self) -> String {
        match self.key {
            "memory" | "cpus" | "pids" => format!("{} = {}", self.key, self.value),
            key => format!("{key} = [{}]", self.value),
        }
    }
}

impl Terms {
    /// Each term, in the order of the keys.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut list = |key, text: String, most, alone| {
            entries.push(Entry { key, value: format!("{text:?}"), most, alone });
        };
        for term in &self.images {
            let most = images(term).into_iter().map(Ask::Image).collect();
            let alone = Self { images: vec![term.clone()], ..Self::default() };
            list("images", term.as_str().to_owned(), most, alone);
        }
        for term in &self.tags {
            let most = images(term).into_iter().map(Ask::Tag).collect();
            let alone = Self { tags: vec![term.clone()], ..Self::default() };
            list("tags", term.as_str().to_owned(), most, alone);
        }
        for term in &self.binds {
            let (path, access) = term.most();
            let alone = Self { binds: vec![term.clone()], ..Self::default() };
            list("binds", term.show(), vec![Ask::Bind(path, access)], alone);
        }
        for term in &self.volumes {
            let text = term.as_str().to_owned();
            let alone = Self { volumes: vec![term.clone()], ..Self::default() };
            list("volumes", text.clone(), vec![Ask::Volume(text)], alone);
        }
        for term in &self.networks {
            let text = term.as_str().to_owned();
            let alone = Self { networks: vec![term.clone()], ..Self::default() };
            list("networks", text.clone(), vec![Ask::Network(text)], alone);
        }
        for term in &self.ports {
            let alone = Self { ports: vec![term.clone()], ..Self::default() };
            list("ports", term.show(), vec![Ask::Port(term.most())], alone);
        }
        for term in &self.users {
            let text = term.as_str().to_owned();
            let alone = Self { users: vec![term.clone()], ..Self::default() };
            list("users", text.clone(), vec![Ask::User(text)], alone);
        }
        for name in &self.capabilities {
            let alone = Self { capabilities: vec![name.clone()], ..Self::default() };
            list("capabilities", name.clone(), vec![Ask::Capability(name.clone())], alone);
        }
        for term in &self.devices {
            let alone = Self { devices: vec![term.clone()], ..Self::default() };
            // Of what is below a folder, its `*` is as good as any name.
            list("devices", show_path(term), vec![Ask::Device(show_path(term))], alone);
        }
        let labels = self.labels.as_deref().unwrap_or_default();
        let texts: Vec<_> = labels.iter().map(|label| format!("{:?}", label.to_string())).collect();
        // The least that carries them: `*` is a value that only `*` covers.
        let least = labels.iter().map(|label| (label.name.clone(), label.value().to_owned()));
        entries.push(Entry {
            key: "labels",
            value: texts.join(", "),
            most: vec![Ask::Labels(least.collect())],
            alone: Self { labels: self.labels.clone(), ..Self::default() },
        });
        for (key, limit, most) in [
            ("memory", self.memory, Ask::Memory(self.memory)),
            ("cpus", self.cpus, Ask::Cpus(self.cpus)),
            ("pids", self.pids, Ask::Pids(self.pids)),
        ] {
            let value = match (key, limit) {
                (_, None) => "unlimited".to_owned(),
                ("cpus", Some(nanos)) => crate::facts::decimal(nanos),
                (_, Some(limit)) => limit.to_string(),
            };
            let own = |name| if name == key { limit } else { None };
            let alone = Self {
                memory: own("memory"),
                cpus: own("cpus"),
                pids: own("pids"),
                ..Self::default()
            };
            entries.push(Entry { key, value, most: vec![most], alone });
        }
        // A network whose name could be an id is never covered, not even by its own term.
        for entry in &mut entries {
            entry.most.retain(|ask| entry.alone.cover(ask));
        }
        entries
    }

    /// As they are written: key and TOML value, in the order of the keys.
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let mut written: Vec<(&'static str, Vec<String>)> = Vec::new();
        for entry in self.entries() {
            match written.last_mut() {
                Some((key, values)) if *key == entry.key => values.push(entry.value),
                _ => written.push((entry.key, vec![entry.value])),
            }
        }
        written
            .retain(|(_, values)| values.as_slice() != ["unlimited"] && values.as_slice() != [""]);
        let limits = ["memory", "cpus", "pids"];
        let secrets = self.secrets.then(|| ("secrets", "true".to_owned()));
        let labels: Vec<_> =
            self.shown_labels.iter().map(|label| format!("{:?}", label.as_str())).collect();
        let labels =
            (!labels.is_empty()).then(|| ("shown_labels", format!("[{}]", labels.join(", "))));
        let quota = [("rate", self.rate), ("burst", self.burst), ("streams", self.streams)];
        let quota = quota.into_iter().filter_map(|(key, count)| Some((key, count?.to_string())));
        written
            .into_iter()
            .map(|(key, values)| match limits.contains(&key) {
                true => (key, values.concat()),
                false => (key, format!("[{}]", values.join(", "))),
            })
            .chain(secrets)
            .chain(labels)
            .chain(quota)
            .collect()
    }
}

/// The most general names of a pattern: one for each form a name can have that it covers.
fn images(term: &Pattern) -> Vec<ImageName> {
    let text = term.as_str();
    let of = |canonical: String| ImageName::of_pattern(text, Some(canonical));
    match (term.is_all(), term.names_a_version()) {
        (true, _) => vec![ImageName::of_pattern(text, None), of("*:*".to_owned())],
        (false, true) => vec![of(text.to_owned())],
        (false, false) => vec![of(format!("{text}:*")), of(format!("{text}@*:*"))],
    }
}
