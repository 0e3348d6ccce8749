//! Stage 4: the Engine API as one table of operations, and the recognition of a request in it.
//!
//! The table is data: [`Operation::route`] gives an operation's row, and documents, policy,
//! metrics and tests are read from it. What is in no row does not exist for the gate.

mod nearest;
mod reach;
mod recognize;
mod route;
mod table;
mod write;

// The rows, by resource.
mod build;
mod container;
mod exec;
mod image;
mod libpod;
mod network;
mod plugin;
mod swarm;
mod system;
mod volume;

pub(crate) use nearest::nearest;
pub use recognize::recognize;
pub use route::{BodyKind, Class, QueryKey, Route, UpgradeKind};
pub use table::Operation;

use crate::facts::Facts;
use crate::head::{RequestHead, Upgrade};
use crate::json::Document;
use crate::reference::Scoped;
use crate::target::Target;
use crate::verdict::Refusal;

/// Whether a request has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySeen {
    /// There is none, or none with anything in it.
    Absent,
    /// There is one.
    Present,
}

/// A request that has a place in the table; after [`Request::with_body`] it is complete.
#[derive(Clone, Debug)]
pub struct Request {
    /// The strict head.
    pub head: RequestHead,
    /// The canonical target; its query holds only keys the route knows, and those listed in
    /// `unknown`, which do not case-fold to a known one.
    pub target: Target,
    /// The row of the table.
    pub route: &'static Route,
    /// What stands in the template's braces, in order (`{id}`).
    pub params: Vec<String>,
    /// The judged body of a [`BodyKind::Json`] or [`BodyKind::OptionalJson`] operation.
    pub body: Option<Document>,
    /// The upgrade that will be asked of the engine, never more than the route allows.
    pub upgrade: Option<Upgrade>,
    /// What it asks for beyond the operation itself.
    pub facts: Facts,
    /// Query keys the table does not know; refused for every role but `admin`, recorded there,
    /// as `facts.unknown` is.
    pub unknown: Vec<String>,
    /// Whether all that it names is its sender's own, and written by its full id
    /// ([`crate::reference::Scoping`]): then roles with `isolation = "own"` judge it.
    pub(crate) scoped: Option<Scoped>,
}

impl Request {
    /// Judges whether there is a body, once that is known: a chunked one that turns out empty is
    /// none, as `Content-Length: 0` is none.
    ///
    /// # Errors
    /// A [`Refusal`] with status 400 for a body where none is taken, of another type than JSON,
    /// or none where one is needed.
    pub fn check_body(&self, body: BodySeen) -> Result<(), Refusal> {
        let media = self.head.content_type.as_deref();
        recognize::check_body(self.route, media, body)
    }

    /// The request with its body read. A body the engine does not read ([`BodyKind::Ignored`])
    /// ends here.
    ///
    /// # Errors
    /// A [`Refusal`] with status 400 for a document that is no object, or for the few plugin
    /// operations that take an array, none; and for one with a field that is misspelled or of
    /// another type than its schema says.
    pub fn with_body(mut self, body: Document) -> Result<Self, Refusal> {
        if !matches!(self.route.body, BodyKind::Json | BodyKind::OptionalJson) {
            return Ok(self);
        }
        let has_its_shape = match self.route.operation {
            Operation::PluginPull | Operation::PluginSet | Operation::PluginUpgrade => {
                body.value().is_array()
            }
            _ => body.value().is_object(),
        };
        // Go takes `null` for a document with nothing in it.
        if !has_its_shape && !body.value().is_null() {
            let id = self.route.operation.as_str();
            return Err(Refusal::malformed(
                "body.shape",
                format!("the body of {id} is not of the JSON type it must be"),
            ));
        }
        if let Some(schema) = self.route.schema {
            self.facts.add_body(schema, &body)?;
        }
        self.body = Some(body);
        Ok(self)
    }

    /// What roles for one's own things know of it, where they have judged it.
    pub fn scoped(&self) -> Option<&Scoped> {
        self.scoped.as_ref()
    }

    /// The value of a key of its query, empty where there is none.
    pub fn query(&self, key: &str) -> &str {
        let found = self.target.query.iter().find(|(name, _)| name == key);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether there is nothing in it but its operation that a role would have to grant.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.unknown.is_empty()
            && self.facts.unknown.is_empty()
            && self.facts.all().next().is_none()
            && self.facts.looks.is_empty()
    }

    /// The session by which BuildKit gets what an `ImageBuild` builds.
    pub fn build_session(&self) -> Option<&str> {
        let of_build = self.route.operation == Operation::ImageBuild && self.by_buildkit();
        of_build.then(|| self.query_value("session"))
    }

    /// Whether an `ImageBuild` is BuildKit's.
    pub(crate) fn by_buildkit(&self) -> bool {
        self.query_value("version") == "2"
    }

    /// Whether an `ImageCreate` takes its body for an image, instead of pulling one.
    pub(crate) fn imports(&self) -> bool {
        self.query_value("fromSrc") == "-" && self.query_value("fromImage").is_empty()
    }

    /// The value of a query key that is given once; nothing, where it is not given.
    pub(crate) fn query_value(&self, key: &str) -> &str {
        let mut query = self.target.query.iter();
        query.find(|(name, _)| name == key).map_or("", |(_, value)| value.as_str())
    }

    /// The query key of this operation that is spelled most like `unknown`.
    pub(crate) fn nearest_key(&self, unknown: &str) -> Option<&'static str> {
        nearest::nearest(unknown, self.route.query.iter().map(|key| key.name))
    }
}

#[cfg(test)]
mod tests;
