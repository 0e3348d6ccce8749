//! One role, ready to judge by.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::{Asleep, Circumstances, Conditions};
use super::term::{BindTerm, LabelTerm, PathTerm, Pattern, PortTerm, covers_device};
use crate::facts::{Ask, Fact, Facts};
use crate::identity::Name;
use crate::operation::{Class, Operation, Request};

/// A role: operations, and terms over what they ask for. It grants what it lists.
#[derive(Clone, Debug)]
pub struct Role {
    pub(super) name: Name,
    pub(super) summary: String,
    /// The role that lists each operation, by [`Operation::index`]: this one, or one it extends.
    pub(super) operations: Vec<Option<Arc<str>>>,
    pub(super) terms: Terms,
    /// What it lists itself, where it is in warn mode: what is above is then what it lets through.
    pub(super) listed: Option<Listed>,
    pub(super) conditions: Conditions,
    pub(super) standing: Standing,
    pub(super) isolation: Isolation,
    /// What it extends, and what that extends.
    pub(super) extends: Vec<Name>,
}

/// What a role in warn mode grants by its own word.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) operations: Vec<Option<Arc<str>>>,
    pub(super) terms: Terms,
}

/// How far a role goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Ships with Seawall, and grants what it lists.
    BuiltIn,
    /// The same, for one program: what that was seen to ask for.
    Preset,
    /// Of the configuration.
    Configured,
    /// `admin`.
    Unrestricted,
}

/// Whose things a role shows and touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Everybody's.
    #[default]
    All,
    /// Its identity's, and those of its group.
    Own,
}

impl Isolation {
    /// Of the roles that judge a request: those for one's own things where it is known whose all
    /// the things are that it names.
    pub(super) fn of(request: &Request) -> Self {
        if request.scoped.is_some() { Self::Own } else { Self::All }
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Own => "own",
        }
    }
}

/// What of the things that can be asked for a role grants. An empty list grants none.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub(super) binds: Vec<BindTerm>,
    /// Requests at once; `None` is as many as come of `rate`.
    pub(super) burst: Option<u64>,
    pub(super) capabilities: Vec<String>,
    /// Billionths of a CPU; `None` is without limit, and so below.
    pub(super) cpus: Option<u64>,
    pub(super) devices: Vec<PathTerm>,
    pub(super) images: Vec<Pattern>,
    /// Labels that what is made must carry, each name once; `None` is none.
    pub(super) labels: Option<Vec<LabelTerm>>,
    pub(super) memory: Option<u64>,
    pub(super) networks: Vec<Pattern>,
    pub(super) pids: Option<u64>,
    pub(super) ports: Vec<PortTerm>,
    /// Requests a second of one identity.
    pub(super) rate: Option<u64>,
    /// Secrets in what the engine answers.
    pub(super) secrets: bool,
    /// Labels that it sees whatever their names tell.
    pub(super) shown_labels: Vec<Pattern>,
    /// Streams of one identity at once.
    pub(super) streams: Option<u64>,
    pub(super) tags: Vec<Pattern>,
    pub(super) users: Vec<Pattern>,
    pub(super) volumes: Vec<Pattern>,
}

impl Role {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What it is for, one clause.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Where it comes from, and whether anything bounds it.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whose things it shows and touches.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Its mode and isolation, unless those are the usual ones, its conditions and its terms, as
    /// they are written: key and TOML value.
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let warn = self.warns().then(|| ("mode", "\"warn\"".to_owned()));
        let own = (self.isolation == Isolation::Own)
            .then(|| ("isolation", format!("{:?}", self.isolation.as_str())));
        let first = warn.into_iter().chain(own).chain(self.conditions.written());
        first.chain(self.listed_terms().written()).collect()
    }

    /// From where and when it is in force, to stand after "only"; `None` where it always is.
    pub fn conditions(&self) -> Option<String> {
        (!self.conditions.is_none()).then(|| self.conditions.to_string())
    }

    /// Whether it asks where from.
    pub fn has_sources(&self) -> bool {
        self.conditions.sources.is_some()
    }

    /// Whether it asks when.
    pub fn has_hours(&self) -> bool {
        self.conditions.hours.is_some()
    }

    /// Why it is not in force, if it is not.
    pub(super) fn asleep(&self, circumstances: &Circumstances) -> Option<Asleep> {
        self.conditions.asleep(circumstances)
    }

    /// The seconds of the next moment after `at` at which its hours begin or end.
    pub(super) fn next_border(&self, at: u64) -> Option<u64> {
        self.conditions.hours.as_ref().map(|hours| hours.next_border(at))
    }

    /// Whether it is in force.
    pub fn is_in_force(&self, circumstances: &Circumstances) -> bool {
        self.asleep(circumstances).is_none()
    }

    /// Whether it grants all that another one does, by its own word: it is that one, or extends
    /// it, or is `admin`.
    pub fn includes(&self, other: &Self) -> bool {
        self.standing == Standing::Unrestricted
            || self.name == other.name
            || self.extends.contains(&other.name)
    }

    /// What it lets be asked for.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The rule that grants an operation: `ROLE.operations`, by the role that lists it.
    pub fn rule(&self, operation: Operation) -> Option<Arc<str>> {
        match self.standing {
            _ if operation.route().class == Class::Closed => None,
            Standing::Unrestricted => Some(Arc::from(format!("{}.all", self.name))),
            Standing::BuiltIn | Standing::Preset | Standing::Configured => {
                self.operations.get(operation.index()).cloned().flatten()
            }
        }
    }

    /// Whether it grants an operation.
    pub fn grants(&self, operation: Operation) -> bool {
        self.rule(operation).is_some()
    }

    /// Whether it grants an operation by its own word, not only by being in warn mode.
    pub fn lists(&self, operation: Operation) -> bool {
        match &self.listed {
            None => self.grants(operation),
            Some(listed) => listed.operations.get(operation.index()).is_some_and(Option::is_some),
        }
    }

    /// Its terms as they are written.
    pub(super) fn listed_terms(&self) -> &Terms {
        self.listed.as_ref().map_or(&self.terms, |listed| &listed.terms)
    }

    /// Whether secrets are shown in replies to an operation, of what its terms cover.
    pub fn sees_secrets(&self, operation: Operation) -> bool {
        self.standing == Standing::Unrestricted || self.terms.secrets && self.lists(operation)
    }

    /// Whether it sees the secrets of what a request looks at.
    pub(super) fn sees_all_of(&self, operation: Operation, facts: &Facts) -> bool {
        let see = |fact: &Fact| self.listed_terms().see(&fact.ask);
        self.standing == Standing::Unrestricted
            || self.sees_secrets(operation) && facts.looks.iter().all(see)
    }

    /// The first fact that it does not cover, with its place among them.
    pub(super) fn refuses<'a>(&self, facts: &'a Facts) -> Option<(usize, &'a Fact)> {
        match self.standing {
            Standing::Unrestricted => None,
            Standing::BuiltIn | Standing::Preset | Standing::Configured => {
                facts.all().enumerate().find(|(_, fact)| !self.terms.cover(&fact.ask))
            }
        }
    }
}

impl Terms {
    /// Whether they grant what is asked for.
    pub fn cover(&self, ask: &Ask) -> bool {
        let within = |limit: Option<u64>, asked: Option<u64>| {
            limit.is_none_or(|limit| asked.is_some_and(|asked| asked <= limit))
        };
        match ask {
            Ask::Bind(path, access) => self.binds.iter().any(|term| term.covers(path, *access)),
            Ask::Capability(name) => self.capabilities.contains(name),
            Ask::Cpus(nanos) => within(self.cpus, *nanos),
            Ask::Device(path) => covers_device(&self.devices, path),
            Ask::Escape(..) => false,
            Ask::Image(image) => self.images.iter().any(|term| term.covers_image(image)),
            Ask::Labels(labels) => self.lacks(labels).is_none(),
            Ask::Memory(bytes) => within(self.memory, *bytes),
            // Nobody can say which name an id has.
            Ask::Network(name) if could_be_an_id(name) => false,
            Ask::Network(name) => self.networks.iter().any(|term| term.covers(name)),
            Ask::Pids(count) => within(self.pids, *count),
            Ask::Port(port) => self.ports.iter().any(|term| term.covers(port)),
            Ask::Tag(image) => {
                image.canonical().is_some() && self.tags.iter().any(|term| term.covers_image(image))
            }
            Ask::User(user) => self.users.iter().any(|term| term.covers(user)),
            Ask::Volume(name) => self.volumes.iter().any(|term| term.covers(name)),
        }
    }

    /// The first label that they ask for and these lack.
    pub(super) fn lacks(&self, labels: &BTreeMap<String, String>) -> Option<&LabelTerm> {
        self.labels.iter().flatten().find(|term| !term.is_among(labels))
    }

    /// Whether they cover what is only looked at. An id is some network's, so all must be covered.
    fn see(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Network(name) if could_be_an_id(name) => self.networks.iter().any(Pattern::is_all),
            _ => self.cover(ask),
        }
    }

    /// Adds what another role grants.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            binds,
            burst: _,
            capabilities,
            cpus: _,
            devices,
            images,
            labels: _,
            memory: _,
            networks,
            pids: _,
            ports,
            rate: _,
            secrets,
            shown_labels,
            streams: _,
            tags,
            users,
            volumes,
        } = other;
        self.binds.extend_from_slice(binds);
        self.capabilities.extend_from_slice(capabilities);
        self.devices.extend_from_slice(devices);
        self.images.extend_from_slice(images);
        self.networks.extend_from_slice(networks);
        self.ports.extend_from_slice(ports);
        self.secrets |= *secrets;
        self.shown_labels.extend_from_slice(shown_labels);
        self.tags.extend_from_slice(tags);
        self.users.extend_from_slice(users);
        self.volumes.extend_from_slice(volumes);
    }
}

/// The engine takes the beginning of an id for the whole.
fn could_be_an_id(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
