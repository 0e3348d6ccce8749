//! Stage 7: what the engine answers, edited on its way. Its secrets are hidden from who may not
//! see them, and what is somebody else's is left out of lists.
//!
//! An [`Editor`] takes a reply as it comes and holds one element of it at a time: a container of a
//! list, an event, the one object of an inspect. [`table`] says for every operation where these
//! are and what is hidden in them. Whatever no row names passes byte by byte as the engine wrote
//! it, numbers and order included. A reply of another form than its row says is cut, never passed.

mod edit;
mod podman;
mod redact;
mod shape;
mod stream;
mod table;

use std::fmt;
use std::sync::Arc;

pub use redact::{Redact, TELLING};
pub use stream::Editor;

use crate::operation::Operation;
use shape::Shape;

/// The most bytes of one element.
pub const MAX_ELEMENT: usize = 16 * 1024 * 1024;

/// What is done to a reply; by default nothing.
#[derive(Clone, Default)]
pub struct Edit {
    /// What is hidden; `None` shows everything.
    pub redact: Option<Arc<Redact>>,
    /// Which objects stay; `None` is all.
    pub keep: Option<Keep>,
}

/// Says whether an object stays.
pub type Keep = Arc<dyn Fn(&Object<'_>) -> bool + Send + Sync>;

/// What a reply says of an object, as far as it tells whose that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// Of what kind.
    pub kind: Kind,
    /// Its full id; of volumes and image names, the name.
    pub id: &'a str,
    /// What its labels say.
    pub claim: Claim<'a>,
    /// Its name, where this is the event of its making.
    pub made: Option<&'a str>,
}

/// What the labels of an object say of the request that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// The label [`crate::reference::CLAIM_LABEL`], or that there is none.
    Says(Option<&'a str>),
    /// They are not shown there.
    Untold,
}

/// What an element of a list is, or an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A record of the build cache.
    BuildCache,
    /// A container.
    Container,
    /// An image.
    Image,
    /// A name of an image, by tag or digest.
    ImageName,
    /// A network.
    Network,
    /// What only events are about: the engine itself, a plugin, a swarm's object.
    Other,
    /// A volume.
    Volume,
}

/// Why a reply is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It ends inside a value.
    #[error("its reply ends inside a JSON value")]
    CutShort,
    /// It is no JSON.
    #[error("its reply is not the JSON that it has to be")]
    Malformed,
    /// It is JSON of another form than the operation answers with.
    #[error("its reply is JSON of another form than the operation answers with")]
    OtherShape,
    /// One element is over [`MAX_ELEMENT`].
    #[error("one element of its reply is larger than {} MiB", MAX_ELEMENT >> 20)]
    TooLarge,
}

impl Edit {
    /// Whether it changes anything in the reply of an operation.
    pub fn concerns(&self, operation: Operation) -> bool {
        table::shape(operation).is_some_and(|shape| {
            self.redact.is_some() && shape.hides() || self.keep.is_some() && shape.lists()
        })
    }
}

/// Whether an edit hides what another one shows; `None` shows everything.
pub(crate) fn hides_more(now: Option<&Redact>, before: Option<&Redact>) -> bool {
    match (now, before) {
        (Some(_), None) => true,
        (Some(now), Some(before)) => now.hides_more_than(before),
        (None, _) => false,
    }
}

/// Whether an operation's reply holds anything that [`Redact`] hides.
pub fn has_secrets(operation: Operation) -> bool {
    table::shape(operation).is_some_and(Shape::hides)
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("redact", &self.redact.is_some())
            .field("keep", &self.keep.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
