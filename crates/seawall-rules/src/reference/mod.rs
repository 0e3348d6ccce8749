//! Stage 5, for roles with `isolation = "own"`: what a request names, so that the gate can ask
//! the engine which thing that is and whose. What is found is written into the request by its
//! full id, so nothing can change between the look and the use.
//!
//! The tables say of every operation which of its parameters and fields name something
//! ([`scope`]); an operation that is in none of them is closed to such roles.

mod body;
mod filter;
mod pruning;
mod scope;

pub use pruning::Pruning;
pub use scope::{Scope, scope};

use serde_json::{Map, Value};

use crate::escape::quoted;
use crate::facts::{self, Ask, Fact};
use crate::json::Document;
use crate::operation::{Operation, Request};
use crate::reply::Keep;
use crate::verdict::Refusal;

/// What can be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are the engine's objects")]
pub enum Kind {
    Container,
    Exec,
    Image,
    Network,
    /// A name of an image that came from a registry: whoever has pulled it may remove it.
    Pulled,
    /// A name that was given to an image, in full (`docker.io/library/busybox:latest`).
    Tag,
    Volume,
}

impl Kind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Container,
        Self::Exec,
        Self::Image,
        Self::Network,
        Self::Pulled,
        Self::Tag,
        Self::Volume,
    ];

    /// In lower case, as commands show it and the store holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Exec => "exec",
            Self::Image => "image",
            Self::Network => "network",
            Self::Pulled => "pulled",
            Self::Tag => "tag",
            Self::Volume => "volume",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// The engine's own answer for a name that nothing has: somebody else's thing is answered
    /// with it too.
    pub fn missing(self, name: &str) -> Refusal {
        let reason = match self {
            Self::Container => format!("No such container: {name}"),
            Self::Exec => format!("No such exec instance: {name}"),
            Self::Image | Self::Pulled | Self::Tag => format!("No such image: {name}"),
            Self::Network => format!("network {name} not found"),
            Self::Volume => format!("get {name}: no such volume"),
        };
        Refusal { status: 404, rule: "isolation.not-own", reason }
    }
}

/// What is done with a thing that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Something is done inside it, with all that it may do: its own privileges count.
    Into,
    /// It is looked at, started, stopped or removed.
    Onto,
}

/// What becomes of a name that nothing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The engine would make it (`-v name:/data`), so the gate does.
    Made,
    /// Nothing can be done with it.
    Refused,
}

/// One name in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Of what.
    pub kind: Kind,
    /// As it is written.
    pub name: String,
    /// What is done with it.
    pub reach: Reach,
    /// What if there is none.
    pub absent: Absent,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The template's first parameter.
    Param,
    /// The value of a key of the query, or of the one of several that says this.
    Query(&'static str),
    /// The name of a member of the object at this JSON pointer.
    Member(&'static str),
    /// The text at this JSON pointer, before and after which stands something else; and the field
    /// of the fact that asks for it.
    Text { pointer: String, before: &'static str, after: String, field: &'static str },
}

/// What a reference was found to be.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its full id; of a volume, its name; of an image, its id where it was named by that.
    pub id: &'a str,
    /// Whose thing it is: itself, or the container of an exec.
    pub of: (Kind, &'a str),
    /// Its name, by which roles know networks.
    pub name: &'a str,
    /// What the engine says of a container that is reached into.
    pub inspect: Option<&'a Value>,
}

/// What roles for one's own things know of a request.
#[derive(Clone, Default)]
pub struct Scoped {
    /// The things that it was found to name.
    pub things: Vec<(Kind, String)>,
    /// What of its reply is its sender's.
    pub(crate) keep: Option<Keep>,
}

impl std::fmt::Debug for Scoped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scoped").field("things", &self.things).finish_non_exhaustive()
    }
}

/// A request whose references are being resolved.
#[derive(Debug)]
pub struct Scoping {
    request: Request,
    references: Vec<Reference>,
    scoped: Scoped,
}

impl Scoping {
    /// Reads what a request names.
    ///
    /// # Errors
    /// A [`Refusal`] with status 403 for an operation that shows or touches what belongs to
    /// others and cannot be narrowed.
    pub fn begin(mut request: Request) -> Result<Self, Box<(Request, Refusal)>> {
        let operation = request.route.operation;
        let references = match scope(operation) {
            Scope::Whole => {
                let phrase = request.route.phrase;
                let refusal = Refusal::forbidden(
                    "isolation.whole",
                    format!(
                        "may not {phrase}: that concerns what belongs to others, and roles with \
                         `isolation = \"own\"` see their own only"
                    ),
                );
                return Err(Box::new((request, refusal)));
            }
            Scope::Nothing
            | Scope::List(_)
            | Scope::Events
            | Scope::Images
            | Scope::Usage
            | Scope::Builds
            | Scope::Prunes(_)
            | Scope::Pulls
            | Scope::Removes => Vec::new(),
            Scope::Sees if operation == Operation::ImageGetAll => {
                let names = request.target.query.iter().filter(|(key, _)| key == "names");
                names.map(|(_, name)| Reference::to_image(name, Place::Query("names"))).collect()
            }
            Scope::Sees | Scope::Tags => {
                let name = request.params.first().cloned().unwrap_or_default();
                let name = match (operation, request.query("tag")) {
                    (Operation::ImagePush, tag) if !tag.is_empty() => format!("{name}:{tag}"),
                    _ => name,
                };
                vec![Reference::to_image(&name, Place::Param)]
            }
            Scope::Names { kind, reach } => {
                let mut references = body::references(operation, request.body.as_ref());
                references.push(Reference {
                    kind,
                    name: request.params.first().cloned().unwrap_or_default(),
                    reach,
                    absent: Absent::Refused,
                    place: Place::Param,
                });
                references
            }
            Scope::Commits => vec![Reference {
                kind: Kind::Container,
                name: request.query("container").to_owned(),
                reach: Reach::Onto,
                absent: Absent::Refused,
                place: Place::Query("container"),
            }],
            Scope::Makes(_) => body::references(operation, request.body.as_ref()),
        };
        // What is asked for by these names is decided by whose the named things are.
        request.facts.asks.retain(|fact| {
            !(fact.ask.is_of_another_container()
                && references.iter().any(|reference| reference.is_asked_for_in(&fact.field)))
        });
        Ok(Self { request, references, scoped: Scoped::default() })
    }

    /// What is still to be found, in order.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The request as it stands.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Writes what the reference at this place was found to be, and asks for what it may do.
    pub fn found(&mut self, place: usize, found: &Found<'_>) {
        let Some(reference) = self.references.get(place).cloned() else { return };
        self.scoped.things.push((found.of.0, found.of.1.to_owned()));
        if found.id != reference.name {
            reference.write(&mut self.request, found.id);
        }
        for fact in &mut self.request.facts.asks {
            if reference.kind == Kind::Network
                && matches!(&fact.ask, Ask::Network(name) if *name == reference.name)
            {
                fact.ask = Ask::Network(found.name.to_owned());
            }
        }
        if let Some(inspect) = found.inspect.filter(|_| reference.reach == Reach::Into) {
            let shown = quoted(reference.name.as_bytes());
            self.request.facts.asks.extend(facts::of_container(inspect).into_iter().map(|fact| {
                Fact { field: format!("{} of container {shown}", fact.field), ask: fact.ask }
            }));
        }
    }

    /// Names the image of a request by its full id.
    pub fn image(&mut self, id: &str) {
        Reference::to_image("", Place::Param).write(&mut self.request, id);
    }

    /// The names that the request gives to images, in full.
    pub fn given_names(&self) -> impl Iterator<Item = &str> {
        self.request.facts.asks.iter().filter_map(|fact| match &fact.ask {
            Ask::Tag(name) => name.canonical(),
            _ => None,
        })
    }

    /// The names of images that the request pulls, in full.
    pub fn pulled_names(&self) -> impl Iterator<Item = &str> {
        let pulls = scope(self.request.route.operation) == Scope::Pulls;
        self.used_names().filter(move |_| pulls)
    }

    /// The names of images that the request uses, in full.
    pub fn used_names(&self) -> impl Iterator<Item = &str> {
        self.request.facts.asks.iter().filter_map(|fact| match &fact.ask {
            Ask::Image(name) => name.canonical(),
            _ => None,
        })
    }

    /// Gives what is made these labels, over whatever an image would say.
    pub fn label(&mut self, labels: &[(&str, &str)]) {
        let mut value = self
            .request
            .body
            .take()
            .map_or_else(|| Value::Object(Map::new()), Document::into_value);
        if let Some(body) = value.as_object_mut() {
            let all = body.entry("Labels").or_insert(Value::Null);
            if all.is_null() {
                *all = Value::Object(Map::new());
            }
            for (name, label) in labels {
                all[*name] = Value::String((*label).to_owned());
            }
        }
        self.request.body = Some(Document::of(value));
    }

    /// Narrows a list to the things of these ids (volumes: names).
    ///
    /// # Errors
    /// A [`Refusal`] for filters that cannot be read, or that would tell of things of others.
    pub fn narrow(&mut self, kind: Kind, own: &[String]) -> Result<(), Refusal> {
        filter::narrow(&mut self.request.target.query, kind, own)
    }

    /// Leaves out of the reply what is not its sender's.
    ///
    /// # Errors
    /// A [`Refusal`] for filters that cannot be read, or that would tell of things of others.
    pub fn keep(&mut self, keep: Keep) -> Result<(), Refusal> {
        filter::tells_nothing(&self.request.target.query)?;
        self.scoped.keep = Some(keep);
        Ok(())
    }

    /// What is to be pruned, of what is its sender's.
    ///
    /// # Errors
    /// A [`Refusal`] for filters that cannot be read, or that are not known.
    pub fn pruning(&self, kind: Kind) -> Result<Pruning, Refusal> {
        Pruning::read(kind, &self.request.target)
    }

    /// Labels the image that is built.
    ///
    /// # Errors
    /// A [`Refusal`] for labels that cannot be read.
    pub fn label_build(&mut self, labels: &[(&str, &str)]) -> Result<(), Refusal> {
        let query = &mut self.request.target.query;
        let written =
            query.iter().find(|(key, _)| key == "labels").map(|(_, value)| value.as_str());
        let read: Option<Value> = match written {
            None | Some("" | "null") => Some(Value::Object(Map::new())),
            Some(written) => serde_json::from_str(written).ok().filter(Value::is_object),
        };
        let Some(mut all) = read else {
            return Err(Refusal::malformed("query.labels", "`labels` is not a map of texts"));
        };
        for (name, label) in labels {
            all[*name] = Value::String((*label).to_owned());
        }
        query.retain(|(key, _)| key != "labels");
        query.push(("labels".to_owned(), all.to_string()));
        Ok(())
    }

    /// The request, to be judged by what its own-only roles say of the rest.
    pub fn end(mut self) -> Request {
        self.request.scoped = Some(self.scoped);
        self.request
    }
}

impl Reference {
    /// Of an image that is used.
    fn to_image(name: &str, place: Place) -> Self {
        let (kind, reach, absent) = (Kind::Image, Reach::Onto, Absent::Refused);
        Self { kind, name: name.to_owned(), reach, absent, place }
    }

    fn is_asked_for_in(&self, asked: &str) -> bool {
        self.kind == Kind::Container
            && matches!(&self.place, Place::Text { field, .. } if *field == asked)
    }

    fn write(&self, request: &mut Request, id: &str) {
        let body = |request: &mut Request, write: &dyn Fn(&mut Value)| {
            if let Some(document) = request.body.take() {
                let mut value = document.into_value();
                write(&mut value);
                request.body = Some(Document::of(value));
            }
        };
        match &self.place {
            Place::Param => {
                let parts = request.route.template.split('/').skip(1);
                if let Some(at) = parts.into_iter().position(|part| part.starts_with('{'))
                    && let Some(segment) = request.target.segments.get_mut(at)
                {
                    id.clone_into(segment);
                }
                if let Some(param) = request.params.first_mut() {
                    id.clone_into(param);
                }
            }
            Place::Query(key) => {
                for (name, value) in &mut request.target.query {
                    if name == key && (*key != "names" || *value == self.name) {
                        id.clone_into(value);
                    }
                }
            }
            Place::Member(pointer) => body(request, &|value| {
                let Some(members) = value.pointer_mut(pointer).and_then(Value::as_object_mut)
                else {
                    return;
                };
                if let Some(member) = members.remove(&self.name) {
                    members.insert(id.to_owned(), member);
                }
            }),
            Place::Text { pointer, before, after, .. } => body(request, &|value| {
                if let Some(text) = value.pointer_mut(pointer) {
                    *text = Value::String(format!("{before}{id}{after}"));
                }
            }),
        }
    }
}

/// The label that says whose a thing is: the id of an identity.
pub const OWNER_LABEL: &str = "io.seawall.owner";

/// The label that says by which request of the gate a thing was made.
pub const CLAIM_LABEL: &str = "io.seawall.claim";

/// Whether a name of a container could be taken for the id of another one: the engine prefers
/// a name to the beginning of an id.
pub fn could_be_an_id(operation: Operation, query: &[(String, String)]) -> Option<&str> {
    if !matches!(operation, Operation::ContainerCreate | Operation::ContainerRename) {
        return None;
    }
    let (_, name) = query.iter().find(|(key, _)| key == "name")?;
    let plain = name.strip_prefix('/').unwrap_or(name);
    let id = (12..=64).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_hexdigit());
    id.then_some(name)
}

#[cfg(test)]
mod tests;
