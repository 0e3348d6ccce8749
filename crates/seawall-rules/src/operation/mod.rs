//! Stage 4: the Engine API as one table of operations, and the recognition of a request in it.
//!
//! The table is data: [`Operation::route`] gives an operation's row, and documents, policy,
//! metrics and tests are read from it. What is in no row does not exist for the gate.

mod nearest;
mod recognize;
mod route;
mod table;
mod write;

// The rows, by resource.
mod build;
mod container;
mod exec;
mod image;
mod network;
mod plugin;
mod swarm;
mod system;
mod volume;

pub use recognize::recognize;
pub use route::{BodyKind, Class, QueryKey, Route, UpgradeKind};
pub use table::Operation;

use crate::head::{RequestHead, Upgrade};
use crate::json::Document;
use crate::target::Target;

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
    /// Query keys the table does not know; refused for every role but `admin`, recorded there.
    pub unknown: Vec<String>,
}

impl Request {
    /// The request with its body read. A body the engine does not read ([`BodyKind::Ignored`])
    /// ends here.
    #[must_use]
    pub fn with_body(mut self, body: Document) -> Self {
        if matches!(self.route.body, BodyKind::Json | BodyKind::OptionalJson) {
            self.body = Some(body);
        }
        self
    }

    /// The query key of this operation that is spelled most like `unknown`.
    pub(crate) fn nearest_key(&self, unknown: &str) -> Option<&'static str> {
        nearest::nearest(unknown, self.route.query.iter().map(|key| key.name))
    }
}

#[cfg(test)]
mod tests;
