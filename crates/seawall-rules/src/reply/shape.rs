//! The words in which the table is written.

use super::Kind;

/// The form of a reply: where its elements are.
pub(super) enum Shape {
    /// One value, held whole.
    One(Item),
    /// An array; what each of its items is.
    Array(&'static Self),
    /// An object that is not held whole: what some of its members are. The others are small.
    Object(&'static [(&'static str, Self)]),
    /// One value behind another, to no end.
    Stream(Item),
}

/// An element: what it is, and what is hidden in it.
pub(super) struct Item {
    pub(super) whose: Whose,
    pub(super) rule: Rule,
}

/// What an element is, for [`super::Keep`].
pub(super) enum Whose {
    /// What this event is about.
    Event,
    /// Of a kind, known by this member.
    Id(Kind, &'static str),
    /// An image of a list: it stays by its id, or by one of its names.
    Image,
    /// Nothing that could be left out.
    Nobody,
}

/// What is done to a value. `null` and what is empty stay. A value of another type than its rule
/// is made for is hidden whole.
pub(super) enum Rule {
    /// Nothing.
    Pass,
    /// To these members of an object, named in any case, each its own.
    Fields(&'static [(&'static str, Self)]),
    /// To each item of an array, or each member of an object.
    Each(&'static Self),
    /// The members of an object whose names are ids of things that do not stay are left out; of an
    /// array, the texts that are.
    Kept(Kind),
    /// A sum or count over what is everybody's: 0 where anything is left out.
    Figure,
    /// Hidden.
    Hide(Hide),
}

/// What is hidden of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hide {
    /// All texts in it.
    All,
    /// Of an array all but its first text.
    Arguments,
    /// Of each text `SOURCE:TARGET[:OPTIONS]` the source, where it is a path.
    BindSources,
    /// Of a text all behind its first word.
    CommandLine,
    /// Of the text `exec_create: COMMAND` the command.
    ExecCommand,
    /// The values of members with telling names; in an array, of its texts `NAME=VALUE`.
    Labels,
    /// Of each text `NAME=VALUE` the value.
    Values,
    /// Of a text that is a URL its user and password.
    UserInfo,
}

impl Shape {
    /// Whether anything in it is hidden.
    pub(super) fn hides(&self) -> bool {
        match self {
            Self::One(item) | Self::Stream(item) => item.rule.hides(),
            Self::Array(items) => items.hides(),
            Self::Object(members) => members.iter().any(|(_, shape)| shape.hides()),
        }
    }

    /// Whether anything can be left out of it.
    pub(super) fn lists(&self) -> bool {
        match self {
            Self::One(item) | Self::Stream(item) => {
                !matches!(item.whose, Whose::Nobody) || item.rule.lists()
            }
            Self::Array(items) => items.lists(),
            Self::Object(members) => members.iter().any(|(_, shape)| shape.lists()),
        }
    }
}

impl Rule {
    fn hides(&self) -> bool {
        match self {
            Self::Pass | Self::Kept(_) | Self::Figure => false,
            Self::Fields(members) => members.iter().any(|(_, rule)| rule.hides()),
            Self::Each(rule) => rule.hides(),
            Self::Hide(_) => true,
        }
    }

    fn lists(&self) -> bool {
        match self {
            Self::Pass | Self::Hide(_) => false,
            Self::Fields(members) => members.iter().any(|(_, rule)| rule.lists()),
            Self::Each(rule) => rule.lists(),
            Self::Kept(_) | Self::Figure => true,
        }
    }
}
