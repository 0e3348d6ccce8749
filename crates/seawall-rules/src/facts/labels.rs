//! The labels that what is made carries, for roles that ask for some.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Ask, Fact};
use crate::json::{self, Names};
use crate::operation::Operation;

/// The operations by which something is made that can carry labels.
pub(crate) const MAKES: &[Operation] = &[
    Operation::ContainerCreate,
    Operation::ImageBuild,
    Operation::NetworkCreate,
    Operation::VolumeCreate,
];

/// What path and query say; `None` where nothing is made.
pub(super) fn of_target(operation: Operation, query: &[(String, String)]) -> Option<Fact> {
    if !MAKES.contains(&operation) {
        return None;
    }
    let of_query = |(_, value): &(String, String)| {
        let document = json::parse_with(value.as_bytes(), Names::Exact).ok()?;
        Some(in_map(document.value()))
    };
    let written =
        query.iter().find(|(key, _)| operation == Operation::ImageBuild && key == "labels");
    Some(fact("labels", written.and_then(of_query).unwrap_or_default()))
}

/// What a body says.
pub(super) fn of_body(body: &Value) -> Fact {
    fact("Labels", body.get("Labels").map(in_map).unwrap_or_default())
}

fn fact(field: &str, labels: BTreeMap<String, String>) -> Fact {
    Fact { field: field.to_owned(), ask: Ask::Labels(labels) }
}

fn in_map(value: &Value) -> BTreeMap<String, String> {
    let labels = value.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// As it is recorded: a JSON object.
pub(super) fn written(labels: &BTreeMap<String, String>) -> String {
    // INVARIANT: texts always serialize.
    serde_json::to_string(labels).unwrap_or_default()
}

/// Reads what [`written`] wrote, and what people write: `team=web,env=test`.
pub(super) fn read(text: &str) -> Option<BTreeMap<String, String>> {
    if text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    let mut labels = BTreeMap::new();
    for label in text.split(',') {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        if name.is_empty() {
            return None;
        }
        labels.insert(name.to_owned(), value.to_owned());
    }
    Some(labels)
}
