//! Stage 4: the Engine API as one table of operations, and the recognition of a request in it.

use crate::head::{Method, RequestHead, Upgrade};
use crate::json::Document;
use crate::target::{ApiVersion, Target};
use crate::verdict::Refusal;

/// What an operation touches, after docker-api.md section 1: the unit in which built-in roles
/// are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Daemon-wide administration.
    Admin,
    /// Gives the host away unless the body is policed.
    Host,
    /// Changes one object.
    Change,
    /// Metadata.
    Metadata,
    /// Reads what containers and images hold.
    Read,
    // The owner of this file extends the list as the roles need it.
}

/// The body an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// None; a request with one is refused.
    None,
    /// One JSON document, bounded, judged and written afresh.
    Json,
    /// JSON or nothing at all.
    OptionalJson,
    /// A byte stream relayed as it passes (tar, or the stdin of a 200 hijack).
    Stream,
}

/// How the engine answers when it does not answer with plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeKind {
    /// Never upgrades.
    None,
    /// Docker's raw stream: 101 on `Upgrade: tcp`, or a 200 that ends with the connection.
    RawStream,
    /// 101 to h2c.
    H2c,
    /// 101 to a websocket.
    Websocket,
}

/// One key of an operation's query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryKey {
    /// The key, as spelled by the Engine API (keys are case-sensitive).
    pub name: &'static str,
    /// Whether it may be given more than once (`names`, `t`, `changes`, `type`).
    pub repeats: bool,
    /// Whether its value may hold secrets and must never be recorded (`buildargs`).
    pub secret: bool,
}

/// One row of the route table.
#[derive(Debug)]
pub struct Route {
    /// Operation id, as the Engine API spells it (`ContainerCreate`).
    pub operation: Operation,
    /// Its method.
    pub method: Method,
    /// Path template without version prefix, `/containers/{id}/json`.
    pub template: &'static str,
    /// First API version that has it.
    pub since: ApiVersion,
    /// First API version that no longer has it.
    pub until: Option<ApiVersion>,
    /// What it touches.
    pub class: Class,
    /// The body it takes.
    pub body: BodyKind,
    /// How it may upgrade.
    pub upgrade: UpgradeKind,
    /// Whether the reply may be endless or large, so that no idle limit holds (logs, events).
    pub streams: bool,
    /// The keys its query may have.
    pub query: &'static [QueryKey],
}

/// An Engine API operation; the owner of this file generates the closed enum from the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the Engine API's operation ids")]
pub enum Operation {
    SystemPing,
}

impl Operation {
    /// The operation id as the Engine API spells it.
    pub fn as_str(self) -> &'static str {
        "SystemPing"
    }

    /// Number of operations: the size of a decision table.
    pub const COUNT: usize = 1;

    /// Position in the table, below [`Self::COUNT`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A request that has a place in the table; after [`Request::with_body`] it is complete.
#[derive(Clone, Debug)]
pub struct Request {
    /// The strict head.
    pub head: RequestHead,
    /// The canonical target; its query holds only keys the route knows (for `admin`: also
    /// unknown ones that do not case-fold to a known one, listed in `unknown`).
    pub target: Target,
    /// The row of the table.
    pub route: &'static Route,
    /// What stands in the template's braces, in order (`{id}`).
    pub params: Vec<String>,
    /// The judged body of a [`BodyKind::Json`] operation.
    pub body: Option<Document>,
    /// The upgrade that will be asked of the engine, never more than the route allows.
    pub upgrade: Option<Upgrade>,
    /// Query keys the table does not know; refused for every role but `admin`, recorded there.
    pub unknown: Vec<String>,
}

/// Finds the operation of a request.
///
/// # Errors
/// A [`Refusal`] when no row fits, the version is below `floor`, a query key is unknown and
/// case-folds to a known one or repeats a single key, the body's framing or media type does not
/// fit the route (form and multipart nowhere), or the upgrade is not the route's.
pub fn recognize(
    head: RequestHead,
    target: Target,
    floor: ApiVersion,
) -> Result<Request, (Box<(RequestHead, Target)>, Refusal)> {
    let _ = floor;
    Err((Box::new((head, target)), Refusal::forbidden("route.unknown", "not built yet")))
}

impl Request {
    /// Writes the request head that goes to the engine: request line and headers written afresh
    /// from what was judged, ending with the blank line. `framing` is that of the body that will
    /// follow; `keep_alive` is false for an upgrade's connection.
    pub fn write_head(&self, framing: crate::head::Framing, keep_alive: bool, out: &mut Vec<u8>) {
        let _ = (framing, keep_alive, out);
    }

    /// The path and query for the record: canonical, secret query values replaced by `***`.
    pub fn recorded_target(&self) -> String {
        String::new()
    }
}
