//! Who could ever do a thing: answered from the roles themselves, for every request there is.

use std::sync::Arc;

use super::role::{Role, Standing};
use super::term::{BindTerm, capability, device};
use super::{ADMIN, EVERYONE};
use crate::escape::quoted;
use crate::facts::{Ask, CATALOGUE, KINDS};
use crate::operation::{Class, Operation, nearest};

/// What somebody could do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Ask for this, with whatever operation.
    Ask(Ask),
    /// Carry out this operation, on whatever it is.
    Operation(Operation),
    /// Get at the host: by the catalogue, by a path, device or capability that gives it away, or
    /// by an operation that nobody judges.
    Root,
}

/// How a role lets it be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The rule that grants it: `developer.operations`.
    pub rule: Arc<str>,
    /// The term that covers it, as it is written, where one must: `images = ["*"]`.
    pub term: Option<String>,
    /// The operations by which it is done.
    pub operations: Vec<Operation>,
    /// From where and when alone, to stand after "only".
    pub only: Option<String>,
    /// Whether it is only let through, by a role in warn mode.
    pub warned: bool,
}

/// A text is no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoQuestion {
    /// What is wrong with it.
    pub message: String,
    /// What could be asked.
    pub hint: String,
}

/// Words for what people ask about, each with the question it is.
pub const PHRASES: &[(&str, &str)] = &[
    ("attach", "ContainerAttach"),
    ("become-root", ""),
    ("build", "ImageBuild"),
    ("commit", "ImageCommit"),
    ("create", "ContainerCreate"),
    ("exec", "ContainerExec"),
    ("inspect", "ContainerInspect"),
    ("kill", "ContainerKill"),
    ("load", "ImageLoad"),
    ("logs", "ContainerLogs"),
    ("ps", "ContainerList"),
    ("publish-port", "port"),
    ("pull", "ImageCreate"),
    ("push", "ImagePush"),
    ("rm", "ContainerDelete"),
    ("rmi", "ImageDelete"),
    ("run", "ContainerCreate"),
    ("run-as", "user"),
    ("run-privileged", "escape.privileged"),
    ("start", "ContainerStart"),
    ("stop", "ContainerStop"),
    ("use-image", "image"),
];

impl Question {
    /// Reads a question: `become-root`; an operation's id or a word for it; a rule of the
    /// catalogue; or a kind of thing and its value.
    ///
    /// # Errors
    /// [`NoQuestion`] for anything else.
    pub fn parse(words: &[&str]) -> Result<Self, NoQuestion> {
        let no = |message: String, hint: String| Err(NoQuestion { message, hint });
        let Some((&first, values)) = words.split_first() else {
            return no("nothing is asked".to_owned(), known());
        };
        let word = PHRASES.iter().find(|(phrase, _)| *phrase == first).map_or(first, |(_, is)| is);
        let shown = quoted(first.as_bytes());
        if let Some(kind) = KINDS.iter().find(|kind| kind.word == word) {
            let hint = format!("write `{first} {}`", kind.value);
            let [value] = values else {
                return no(format!("{shown} takes one value"), hint);
            };
            return match Ask::from_notation(&format!("{word} {value}")) {
                Some(ask) => Ok(Self::Ask(ask)),
                None => no(format!("{} is no value of {shown}", quoted(value.as_bytes())), hint),
            };
        }
        if !values.is_empty() {
            return no(format!("{shown} takes no value"), known());
        }
        if word.is_empty() {
            return Ok(Self::Root);
        }
        if let Some(operation) = Operation::named(word) {
            return Ok(Self::Operation(operation));
        }
        if let Some(ask) = Ask::from_notation(word) {
            return Ok(Self::Ask(ask));
        }
        let known_words = PHRASES
            .iter()
            .map(|(phrase, _)| *phrase)
            .chain(KINDS.iter().map(|kind| kind.word))
            .chain(CATALOGUE.iter().map(|escape| escape.rule))
            .chain(Operation::ALL.iter().map(|operation| operation.as_str()));
        let hint = match nearest(first, known_words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => known(),
        };
        no(format!("{shown} is nothing that can be done"), hint)
    }

    /// How a role lets it be done, if it does.
    pub fn answer(&self, role: &Role) -> Option<Way> {
        let way = self.way(role)?;
        let listed = way.operations.iter().any(|&operation| role.lists(operation));
        let covered = match self {
            Self::Ask(ask) => wider(ask).iter().any(|ask| role.listed_terms().cover(ask)),
            Self::Operation(_) | Self::Root => true,
        };
        Some(Way { only: role.conditions(), warned: role.warns() && !(listed && covered), ..way })
    }

    fn way(&self, role: &Role) -> Option<Way> {
        if role.standing() == Standing::Unrestricted {
            let operations = match self {
                Self::Operation(operation) if operation.route().class == Class::Closed => {
                    return None;
                }
                Self::Operation(operation) => vec![*operation],
                Self::Ask(ask) => ask.kind().map_or(Vec::new(), |kind| kind.operations.to_vec()),
                Self::Root => Vec::new(),
            };
            return Some(Way {
                rule: format!("{ADMIN}.all").into(),
                term: None,
                operations,
                only: None,
                warned: false,
            });
        }
        match self {
            Self::Operation(operation) => {
                let rule = role.rule(*operation)?;
                Some(Way {
                    rule,
                    term: None,
                    operations: vec![*operation],
                    only: None,
                    warned: false,
                })
            }
            Self::Ask(ask) => by_term(role, ask),
            Self::Root => root(role),
        }
    }

    /// Whether everybody may who is let in.
    pub fn is_for_everyone(&self) -> bool {
        matches!(self, Self::Operation(operation) if EVERYONE.1.contains(operation))
    }
}

fn known() -> String {
    let words: Vec<_> = PHRASES.iter().map(|(phrase, _)| *phrase).collect();
    let kinds: Vec<_> = KINDS.iter().map(|kind| format!("{} {}", kind.word, kind.value)).collect();
    format!(
        "ask for {}, {}, a rule such as `escape.host-pid`, or an operation's id",
        words.join(", "),
        kinds.join(", ")
    )
}

/// By a term that covers it, of a role that has an operation to ask with. A path is had by whoever
/// may bind it or a folder it is in.
fn by_term(role: &Role, ask: &Ask) -> Option<Way> {
    let operations: Vec<_> = ask
        .kind()?
        .operations
        .iter()
        .copied()
        .filter(|&operation| role.grants(operation))
        .collect();
    let rule = role.rule(*operations.first()?)?;
    let wider = wider(ask);
    let wide = wider.iter().find(|ask| role.terms.cover(ask))?;
    let term = ask.term()?;
    let entries = role.terms.entries();
    let entry = entries.iter().find(|entry| entry.key == term && entry.alone.cover(wide))?;
    Some(Way { rule, term: Some(entry.written()), operations, only: None, warned: false })
}

/// What has it too: of a path, the folders it is in.
fn wider(ask: &Ask) -> Vec<Ask> {
    match ask {
        Ask::Bind(path, access) => {
            folders(path).map(|path| Ask::Bind(path.to_owned(), *access)).collect()
        }
        ask => vec![ask.clone()],
    }
}

/// A path, and the folders it is in.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (folder, _) => Some(folder),
    })
}

/// What no role can be given, looked for all the same in what this one was given.
fn root(role: &Role) -> Option<Way> {
    let unjudged = Operation::ALL
        .iter()
        .copied()
        .find(|&operation| role.grants(operation) && operation.route().admin_only().is_some());
    if let Some(operation) = unjudged {
        let rule = role.rule(operation)?;
        return Some(Way {
            rule,
            term: None,
            operations: vec![operation],
            only: None,
            warned: false,
        });
    }
    role.terms.entries().into_iter().find_map(|entry| {
        let gives_away = entry.most.iter().any(|ask| match ask {
            Ask::Bind(path, access) => BindTerm::parse(&format!("{path}:{access}"), &[]).is_err(),
            Ask::Capability(name) => capability(name).is_err(),
            Ask::Device(path) => device(path).is_err(),
            Ask::Escape(..) => true,
            _ => false,
        });
        let kind = entry.most.first().filter(|_| gives_away)?.kind()?;
        let operations: Vec<_> =
            kind.operations.iter().copied().filter(|&operation| role.grants(operation)).collect();
        let rule = role.rule(*operations.first()?)?;
        Some(Way { rule, term: Some(entry.written()), operations, only: None, warned: false })
    })
}
