//! Networks that a service is put on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::container;
use super::escape::{ENDPOINT, SERVICE_NETWORK};
use super::schema::{Reader, Schema, Shape, escapes, harmless, schema};
use crate::json::Document;
use crate::operation::{Operation, Request};

/// An entry of `Networks`.
pub(super) const ATTACHMENT: Schema = schema(&[
    harmless("Aliases", Shape::Texts),
    escapes("DriverOpts", Shape::TextMap, ENDPOINT),
    harmless("Target", Shape::Text),
]);

/// Clients name networks by their ids, and nobody can say which name an id has before the engine
/// has been asked ([`Request::attached`]).
pub(super) fn of_service(value: &Value, reader: &mut Reader) {
    for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
        let target = entry.get("Target").unwrap_or(&Value::Null);
        reader.escape_in(&format!("[{index}].Target"), SERVICE_NETWORK, target);
    }
}

/// Where a service's networks are.
const ATTACHMENTS: [(&str, &str); 2] =
    [("/TaskTemplate/Networks", "TaskTemplate.Networks"), ("/Networks", "Networks")];

/// A network of the swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its full id.
    pub id: String,
    /// Its name, which never changes.
    pub name: String,
}

impl Request {
    /// The networks that it puts a service on, as it names them.
    pub fn attachments(&self) -> Vec<String> {
        let is_service =
            matches!(self.route.operation, Operation::ServiceCreate | Operation::ServiceUpdate);
        let body = self.body.as_ref().filter(|_| is_service).map(Document::value);
        let lists = ATTACHMENTS.iter().filter_map(|(at, _)| body?.pointer(at)?.as_array());
        let targets = lists.flatten().filter_map(|entry| entry.get("Target")?.as_str());
        targets.map(str::to_owned).collect()
    }

    /// The request with what the engine says of them: the id is what is forwarded, and the name
    /// what is asked for.
    #[must_use]
    pub fn attached(mut self, known: &BTreeMap<String, Attachment>) -> Self {
        let Some(body) = self.body.take() else { return self };
        let mut value = body.into_value();
        for (at, field) in ATTACHMENTS {
            let entries = value.pointer_mut(at).and_then(Value::as_array_mut);
            for (index, entry) in entries.into_iter().flatten().enumerate() {
                let Some(target) = entry.get_mut("Target") else { continue };
                let Some(found) = target.as_str().and_then(|target| known.get(target)) else {
                    continue;
                };
                *target = Value::String(found.id.clone());
                let field = format!("{field}[{index}].Target");
                let asks = &mut self.facts.asks;
                let place = asks.iter().position(|fact| fact.field == field);
                let Some(place) = place else { continue };
                match container::network_mode(&found.name) {
                    Some(ask) => asks[place].ask = ask,
                    None => {
                        asks.remove(place);
                    }
                }
            }
        }
        self.body = Some(Document::of(value));
        self
    }
}
