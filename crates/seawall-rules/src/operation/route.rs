//! What a row of the table says, and the words in which the rows are written.

use crate::facts::Schema;
use crate::head::{Method, Upgrade};
use crate::target::ApiVersion;

use super::Operation;

/// What an operation touches, after the threat it is when nobody looks at its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Daemon-wide administration.
    Admin,
    /// Changes one object.
    Change,
    /// Known, and open to nobody, not even to `admin`.
    Closed,
    /// Gives the host away unless the body is policed.
    Host,
    /// Metadata.
    Metadata,
    /// Reads what containers and images hold.
    Read,
}

impl Class {
    /// The class in lower case, as metrics and documents show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Change => "change",
            Self::Closed => "closed",
            Self::Host => "host",
            Self::Metadata => "metadata",
            Self::Read => "read",
        }
    }
}

/// The body an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// The engine reads none. One JSON document is read, checked and dropped, never forwarded:
    /// docker-modem (dockerode) repeats the query of every POST as one.
    Ignored,
    /// One JSON document, bounded, judged and written afresh.
    Json,
    /// None; a request with one is refused.
    None,
    /// JSON or nothing at all.
    OptionalJson,
    /// A byte stream relayed as it passes (a tar), or nothing.
    Stream,
}

/// How the engine answers when it does not answer with plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeKind {
    /// 101 to h2c; the engine has no other answer.
    H2c,
    /// Never upgrades.
    None,
    /// Docker's raw stream: 101 on `Upgrade: tcp`, or a 200 that ends with the connection.
    RawStream,
    /// 101 to a websocket; the engine has no other answer.
    Websocket,
}

impl UpgradeKind {
    /// The protocol that may be asked for.
    pub const fn protocol(self) -> Option<Upgrade> {
        match self {
            Self::H2c => Some(Upgrade::H2c),
            Self::None => None,
            Self::RawStream => Some(Upgrade::Tcp),
            Self::Websocket => Some(Upgrade::Websocket),
        }
    }
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
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Operation id, as the Engine API spells it (`ContainerCreate`).
    pub operation: Operation,
    /// Its method.
    pub method: Method,
    /// Path template without version prefix. `{id}` is one segment, `{name...}` one or more
    /// (image names hold slashes); `**` at the end is anything at all, by any method.
    pub template: &'static str,
    /// First API version that has it.
    pub since: ApiVersion,
    /// First API version that no longer has it.
    pub until: Option<ApiVersion>,
    /// What it touches.
    pub class: Class,
    /// The body it takes.
    pub body: BodyKind,
    /// The fields its JSON body may have; `None` where nobody but `admin` may send one at all.
    pub schema: Option<&'static Schema>,
    /// How it may upgrade.
    pub upgrade: UpgradeKind,
    /// Whether the reply may be endless, large or long in coming, so that no idle limit holds
    /// (logs, events, wait, build, prune).
    pub streams: bool,
    /// The keys its query may have.
    pub query: &'static [QueryKey],
    /// What it does, to stand after "may not": `create a container`.
    pub phrase: &'static str,
}

impl Route {
    /// Whether it is of Podman's own API.
    pub fn is_libpod(&self) -> bool {
        self.template.starts_with("/libpod/")
    }

    /// Whether what it opens may stay open for as long as somebody likes.
    pub fn is_stream(&self) -> bool {
        self.streams || self.upgrade != UpgradeKind::None
    }

    /// Whether a key of a query is one of this row's. Podman takes those of its own API in any case,
    /// and its clients and documents spell them differently.
    pub(super) fn takes_for(&self, key: &QueryKey, name: &str) -> bool {
        match self.is_libpod() {
            true => key.name.eq_ignore_ascii_case(name),
            false => key.name == name,
        }
    }

    /// The query key of that name.
    pub fn query_key(&self, name: &str) -> Option<&'static QueryKey> {
        self.query.iter().find(|key| self.takes_for(key, name))
    }

    const fn new(
        operation: Operation,
        method: Method,
        template: &'static str,
        class: Class,
        phrase: &'static str,
    ) -> Self {
        Self {
            operation,
            method,
            template,
            // The oldest version `min_api` can ask for.
            since: ApiVersion::new(1, 24),
            until: None,
            class,
            body: BodyKind::None,
            schema: None,
            upgrade: UpgradeKind::None,
            streams: false,
            query: &[],
            phrase,
        }
    }

    pub(super) const fn since(mut self, minor: u16) -> Self {
        self.since = ApiVersion::new(1, minor);
        self
    }

    pub(super) const fn body(mut self, body: BodyKind) -> Self {
        self.body = body;
        self
    }

    /// Takes one JSON document of these fields.
    pub(super) const fn json(mut self, schema: &'static Schema) -> Self {
        self.schema = Some(schema);
        self.body(BodyKind::Json)
    }

    /// Takes one JSON document of these fields, or none.
    pub(super) const fn optional_json(mut self, schema: &'static Schema) -> Self {
        self.schema = Some(schema);
        self.body(BodyKind::OptionalJson)
    }

    pub(super) const fn upgrades(mut self, upgrade: UpgradeKind) -> Self {
        self.upgrade = upgrade;
        self.streams = true;
        self
    }

    pub(super) const fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    pub(super) const fn query(mut self, query: &'static [QueryKey]) -> Self {
        self.query = query;
        self
    }
}

pub(super) const fn delete(
    operation: Operation,
    template: &'static str,
    class: Class,
    phrase: &'static str,
) -> Route {
    Route::new(operation, Method::Delete, template, class, phrase)
}

pub(super) const fn get(
    operation: Operation,
    template: &'static str,
    class: Class,
    phrase: &'static str,
) -> Route {
    Route::new(operation, Method::Get, template, class, phrase)
}

pub(super) const fn head(
    operation: Operation,
    template: &'static str,
    class: Class,
    phrase: &'static str,
) -> Route {
    Route::new(operation, Method::Head, template, class, phrase)
}

/// A POST takes no body unless its row says so, but docker-modem sends one all the same.
pub(super) const fn post(
    operation: Operation,
    template: &'static str,
    class: Class,
    phrase: &'static str,
) -> Route {
    Route::new(operation, Method::Post, template, class, phrase).body(BodyKind::Ignored)
}

pub(super) const fn put(
    operation: Operation,
    template: &'static str,
    class: Class,
    phrase: &'static str,
) -> Route {
    Route::new(operation, Method::Put, template, class, phrase)
}

/// A key that may be given once.
pub(super) const fn key(name: &'static str) -> QueryKey {
    QueryKey { name, repeats: false, secret: false }
}

/// A key that may be given many times, each value counting.
pub(super) const fn repeated(name: &'static str) -> QueryKey {
    QueryKey { name, repeats: true, secret: false }
}

/// A key whose value may hold secrets.
pub(super) const fn secret(name: &'static str) -> QueryKey {
    QueryKey { name, repeats: false, secret: true }
}
