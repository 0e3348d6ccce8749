//! Stage 4, the second half: what a request asks for beyond the operation itself.
//!
//! A body is read by a closed schema, a table of fields, and a query by the function of its
//! operation; both say the same thing, a list of [`Fact`]s. What asks for nothing is no fact:
//! most requests have none, and then there is nothing left for a role to grant.

mod address;
mod attachment;
mod bind;
mod build;
mod changes;
mod container;
mod endpoint;
mod escape;
mod image;
mod labels;
mod mount;
mod network;
mod notation;
mod plugin;
mod query;
mod registry;
mod resources;
mod schema;
mod service;
mod swarm;
mod volume;

use std::collections::BTreeMap;
use std::fmt;

pub(crate) use address::range;
pub use address::{Port, Ports};
pub use attachment::Attachment;
pub(crate) use changes::{reserved_label, sets_reserved_label};
pub(crate) use container::{CHECKPOINT_OF, COMMIT, CREATE, EXEC, EXEC_START, UPDATE, of_container};
pub(crate) use escape::of_operation;
pub use escape::{CATALOGUE, Escape};
pub use image::ImageName;
pub(crate) use image::{repository_in_full, split_tag};
pub(crate) use labels::MAKES;
pub use mount::{Access, is_plain_path};
pub(crate) use network::{CONNECT, DISCONNECT, NETWORK};
pub use notation::{KINDS, Kind};
pub(crate) use notation::{billionths, decimal};
pub(crate) use plugin::{PRIVILEGES, SETTINGS};
pub(crate) use registry::{LOGIN, PUSH};
pub use schema::Schema;
pub(crate) use service::{SERVICE, SERVICE_CHANGE};
pub(crate) use swarm::{CONFIG, INIT, JOIN, NODE, SECRET, SPEC, UNLOCK};
pub(crate) use volume::{VOLUME, VOLUME_CHANGE};

use crate::json::Document;
use crate::operation::Operation;
use crate::verdict::Refusal;

/// Labels that belong to the gate.
pub const RESERVED_LABELS: &str = "io.seawall.";

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order of the request.
    pub asks: Vec<Fact>,
    /// What it only looks at: a role's terms say whether it sees secrets there, not whether it
    /// may look.
    pub looks: Vec<Fact>,
    /// The labels of what is made, where something is made that can carry some: a role may ask
    /// for them.
    pub carries: Option<Fact>,
    /// Fields of the body that are in no table, by their path; only `admin` may send them.
    pub unknown: Vec<String>,
}

/// One thing that is asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The field or query key as the Engine API spells it: `HostConfig.Binds[0]`.
    pub field: String,
    /// What it asks for.
    pub ask: Ask,
}

/// What can be asked for. All but [`Ask::Escape`] can be granted by a term of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A path of the host inside the container.
    Bind(String, Access),
    /// A capability beyond those a container has anyway, in capitals without `CAP_`.
    Capability(String),
    /// CPU time in billionths of a CPU; `None` is no limit.
    Cpus(Option<u64>),
    /// A device of the host, by its path.
    Device(String),
    /// An entry of the catalogue, with its value as it is shown.
    Escape(&'static Escape, String),
    /// Use or read an image.
    Image(ImageName),
    /// Make something that carries these labels and no others.
    Labels(BTreeMap<String, String>),
    /// Bytes of memory; `None` is no limit.
    Memory(Option<u64>),
    /// Use or change a network.
    Network(String),
    /// Processes; `None` is no limit.
    Pids(Option<u64>),
    /// Publish a port on the host.
    Port(Port),
    /// Give an image this name, or send it there.
    Tag(ImageName),
    /// Run as this user, or as a member of `:GROUP`.
    User(String),
    /// Use or change a volume.
    Volume(String),
}

impl Ask {
    /// Whether it reaches for another container, which may be one's own.
    pub(crate) fn is_of_another_container(&self) -> bool {
        use escape::{CONNECT, JOINED, LINK, VOLUMES_FROM};
        matches!(self, Self::Escape(escape, _)
            if [CONNECT, JOINED, LINK, VOLUMES_FROM].contains(escape))
    }

    /// The rule that refuses it where no role grants it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Bind(..) => "escape.bind",
            Self::Capability(_) => "escape.capability",
            Self::Cpus(_) => "role.cpus",
            Self::Device(_) => "escape.device",
            Self::Escape(escape, _) => escape.rule,
            Self::Image(_) => "role.images",
            Self::Labels(_) => "role.labels",
            Self::Memory(_) => "role.memory",
            Self::Network(_) => "role.networks",
            Self::Pids(_) => "role.pids",
            Self::Port(_) => "role.ports",
            Self::Tag(_) => "role.tags",
            Self::User(_) => "role.users",
            Self::Volume(_) => "role.volumes",
        }
    }

    /// What it is, to stand after "may not".
    pub fn phrase(&self) -> &'static str {
        match self {
            Self::Bind(..) => "bind a path of the host",
            Self::Capability(_) => "add a capability",
            Self::Cpus(_) => "take so much CPU",
            Self::Device(_) => "use a device of the host",
            Self::Escape(escape, _) => escape.phrase,
            Self::Image(_) => "use this image",
            Self::Labels(_) => "make this without a label",
            Self::Memory(_) => "take so much memory",
            Self::Network(_) => "use this network",
            Self::Pids(_) => "have so many processes",
            Self::Port(_) => "publish this port",
            Self::Tag(_) => "give an image this name",
            Self::User(_) => "run as this user",
            Self::Volume(_) => "use this volume",
        }
    }

    /// The key of a role that grants it.
    pub fn term(&self) -> Option<&'static str> {
        term_of(self.rule())
    }
}

/// The key of a role that would have kept this rule from refusing, if one can.
pub fn term_of(rule: &str) -> Option<&str> {
    match rule {
        "escape.bind" => Some("binds"),
        "escape.capability" => Some("capabilities"),
        "escape.device" => Some("devices"),
        rule => rule.strip_prefix("role."),
    }
}

/// The value in a sentence, escaped.
impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |f: &mut fmt::Formatter<'_>, text: &str| {
            f.write_str(&crate::escape::quoted(text.as_bytes()))
        };
        match self {
            Self::Bind(path, access) => quoted(f, &format!("{path}:{access}")),
            Self::Escape(_, shown) => f.write_str(shown),
            Self::Cpus(None) | Self::Memory(None) | Self::Pids(None) => {
                f.write_str("without limit")
            }
            #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
            Self::Cpus(Some(nanos)) => write!(f, "{:.2} CPUs", *nanos as f64 / 1e9),
            Self::Labels(labels) => quoted(f, &labels::written(labels)),
            Self::Memory(Some(bytes)) => write!(f, "{bytes} bytes"),
            Self::Pids(Some(count)) => write!(f, "{count}"),
            Self::Image(name) | Self::Tag(name) => quoted(f, name.as_written()),
            Self::Port(port) => quoted(f, &port.to_string()),
            Self::Capability(text)
            | Self::Device(text)
            | Self::Network(text)
            | Self::User(text)
            | Self::Volume(text) => quoted(f, text),
        }
    }
}

impl Facts {
    /// All that a role must cover: what is asked for, and the labels of what is made.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Fact> {
        self.asks.iter().chain(&self.carries)
    }

    /// What path and query say.
    pub(crate) fn of_target(
        operation: Operation,
        params: &[String],
        query: &[(String, String)],
    ) -> Self {
        let facts = query::read(operation, params, query);
        let carries = labels::of_target(operation, query);
        match operation {
            Operation::ImageHistory
            | Operation::ImageHistoryLibpod
            | Operation::ImageInspect
            | Operation::ImageInspectLibpod
            | Operation::NetworkInspect
            | Operation::NetworkInspectByNameLibpod
            | Operation::NetworkInspectLibpod
            | Operation::VolumeInspect
            | Operation::VolumeInspectLibpod => Self { looks: facts, ..Self::default() },
            _ => Self { asks: facts, carries, ..Self::default() },
        }
    }

    /// Adds what the body says, by the schema of its operation.
    ///
    /// # Errors
    /// A [`Refusal`] with status 400 for a body that is not of its schema's types and spelling.
    pub(crate) fn add_body(&mut self, schema: &Schema, body: &Document) -> Result<(), Refusal> {
        if self.carries.is_some() {
            self.carries = Some(labels::of_body(body.value()));
        }
        schema.read(body.value(), self)
    }
}

#[cfg(test)]
mod tests;
