//! All roles there are: those that ship with Seawall and those of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use toml::de::DeTable;

use super::condition::{Circumstances, Conditions};
use super::role::{Isolation, Role, Standing, Terms};
use super::term::LabelTerm;
use super::written::{Author, Draft, Problem, Writing};
use crate::escape::quoted;
use crate::facts::MAKES;
use crate::operation::Operation;
use crate::reply::Redact;

/// The name of the role that may do everything.
pub const ADMIN: &str = "admin";

/// Every role, by name, the built-in ones first and `admin` last: each that the next one extends
/// comes before it.
#[derive(Clone)]
pub struct Roles {
    all: Vec<Arc<Role>>,
    /// What is hidden from those that see no secrets.
    redact: Arc<Redact>,
}

impl Roles {
    /// The roles that ship with Seawall.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Roles>> = LazyLock::new(|| {
            // INVARIANT: the text is ours, and a test reads it.
            Roles::with(&[], &[]).map(Arc::new).unwrap_or_else(|_| unreachable!("it is tested"))
        });
        BUILT_IN.clone()
    }

    /// The text of the built-in roles.
    pub const BUILT_IN: &str = include_str!("built-in.toml");

    /// The built-in roles, and those of these tables, whose keys are names of roles.
    /// `protected` are paths of the host that no role may bind, beside those that are never
    /// bound: the gate's own state, the engine's socket.
    ///
    /// # Errors
    /// Everything that is wrong with the tables. There are no roles then.
    pub fn with(tables: &[&DeTable<'_>], protected: &[String]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (ours, _) = DeTable::parse_recoverable(Self::BUILT_IN);
        let mut writing =
            Writing { text: 0, author: Author::Seawall, protected, problems: &mut problems };
        let mut drafts = writing.roles(ours.get_ref());
        let built_in = drafts.len();
        for (text, table) in tables.iter().enumerate() {
            let mut writing =
                Writing { text, author: Author::Operator, protected, problems: &mut problems };
            drafts.extend(writing.roles(table));
        }
        refuse_repeated(&mut drafts, built_in, &mut problems);
        refuse_undermined(&drafts, &mut problems);
        let by_name: BTreeMap<&str, &Draft> =
            drafts.iter().map(|draft| (draft.name.as_str(), draft)).collect();
        let mut compiled = BTreeMap::new();
        for draft in &drafts {
            compile(draft, &by_name, &mut compiled, &mut Vec::new(), &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // In the order of the texts, but `admin` last.
        let role = |draft: &Draft| {
            let role = compiled.remove(draft.name.as_str())?;
            Some(if draft.warns { role.warning() } else { role })
        };
        let mut all: Vec<_> = drafts.iter().filter_map(role).collect();
        all.sort_by_key(|role| role.standing);
        Ok(Self { all: all.into_iter().map(Arc::new).collect(), redact: Arc::default() })
    }

    /// The same roles, with what is hidden from those that see no secrets.
    #[must_use]
    pub fn redacting(self, redact: Redact) -> Self {
        Self { redact: Arc::new(redact), ..self }
    }

    /// Every role, the least first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Role>> {
        self.all.iter()
    }

    /// What is hidden from who sees no secrets and has these roles.
    pub(super) fn redact<'a>(&self, roles: impl Iterator<Item = &'a Arc<Role>>) -> Arc<Redact> {
        let shown: Vec<_> =
            roles.flat_map(|role| &role.listed_terms().shown_labels).cloned().collect();
        match shown.is_empty() {
            true => self.redact.clone(),
            false => Arc::new(self.redact.but(shown)),
        }
    }

    /// The role of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Role>> {
        self.all.iter().find(|role| role.name() == name)
    }

    /// The roles of these names as they count together, the least first. Warn mode never lets
    /// anybody through to somebody else's things: where one of them is for one's own things, those
    /// for everybody's are enforced.
    pub fn held(&self, names: &[&str]) -> Vec<Arc<Role>> {
        let held = || self.all.iter().filter(|role| names.contains(&role.name()));
        let own = held().any(|role| role.isolation == Isolation::Own);
        let as_it_counts = |role: &Arc<Role>| match own && role.isolation == Isolation::All {
            true if role.warns() => Arc::new(role.enforced()),
            _ => role.clone(),
        };
        held().map(as_it_counts).collect()
    }

    /// The seconds of the next moment after `at` at which some role begins or ceases to be in
    /// force; `None` where none has hours.
    pub fn next_border(&self, at: u64) -> Option<u64> {
        self.all.iter().filter_map(|role| role.next_border(at)).min()
    }

    /// Whether a role of these names is in force only from somewhere or at some time.
    pub fn depend(&self, names: &[&str]) -> bool {
        let of = |role: &&Arc<Role>| names.contains(&role.name());
        self.all.iter().filter(of).any(|role| !role.conditions.is_none())
    }

    /// Those of these names that are in force.
    pub fn in_force<'a>(&self, names: &[&'a str], circumstances: &Circumstances) -> Vec<&'a str> {
        let asleep = |name: &str| self.named(name).is_some_and(|r| !r.is_in_force(circumstances));
        names.iter().copied().filter(|name| !asleep(name)).collect()
    }

    /// A sentence for each role in warn mode.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.all.iter().filter(|role| role.warns()).map(|role| {
            let operations = Operation::ALL.iter().filter(|&&operation| role.grants(operation));
            let beyond = operations.filter(|&&operation| !role.lists(operation)).count();
            format!(
                "the role `{}` is in warn mode: it lets through {beyond} operations that it does not \
                 list, and any image, volume, network, port and user; what it would refuse is \
                 recorded as `would_deny`",
                role.name()
            )
        })
    }

    /// The roles that grant an operation, the least first.
    pub fn granting(&self, operation: Operation) -> impl Iterator<Item = &Arc<Role>> {
        self.all.iter().filter(move |role| role.grants(operation))
    }
}

/// The names alone: what a role grants is long.
impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roles({self})")
    }
}

/// The names, for a sentence: `viewer, operator and admin`.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.all.iter().map(|role| role.name()).collect();
        f.write_str(&listed(&names, "and"))
    }
}

/// `viewer`, `viewer or operator`, `viewer, operator or admin`.
pub(super) fn listed(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// A name that ships with Seawall means the same everywhere, and no other has two meanings.
fn refuse_repeated(drafts: &mut Vec<Draft>, built_in: usize, problems: &mut Vec<Problem>) {
    let mut place = 0;
    let mut seen: Vec<String> = Vec::new();
    drafts.retain(|draft| {
        let ours = place < built_in;
        place += 1;
        let name = draft.name.as_str();
        let before = seen.iter().position(|other| other == name);
        seen.push(name.to_owned());
        let message = match before {
            None if ours || !RESERVED.contains(&name) => return true,
            None => format!("`{name}` cannot be the name of a role"),
            Some(before) if before < built_in => format!("the role `{name}` ships with Seawall"),
            Some(_) => format!("there are two roles `{name}`"),
        };
        let hint = "give this one another name; `extends` takes over what a role grants";
        problems.push(complaint(draft, message, hint));
        false
    });
}

/// Names that stand for something else in the ids of rules.
const RESERVED: &[&str] = &["escape", "everyone", "role"];

/// The operations whose resources are bounded by a role.
const CEILED: &[Operation] = &[
    Operation::ContainerCreate,
    Operation::ContainerUpdate,
    Operation::ImageBuild,
    Operation::ServiceCreate,
    Operation::ServiceUpdate,
];

/// What one role lets be written, another must not read below.
fn refuse_undermined(drafts: &[Draft], problems: &mut Vec<Problem>) {
    let all =
        || drafts.iter().flat_map(|d| d.binds.iter().map(move |(term, span)| (d, term, span)));
    for (draft, below, span) in all() {
        if let Some((other, written, _)) = all().find(|(_, term, _)| term.undermines(below)) {
            problems.push(Problem {
                text: draft.place.0,
                span: span.clone(),
                message: format!(
                    "`{}` is undermined by `{}` of the role `{}`: a symbolic link that is put \
                     there would be followed",
                    below.show(),
                    written.show(),
                    other.name
                ),
                hint: Some("name the paths to be read one by one".to_owned()),
            });
        }
    }
}

fn complaint(draft: &Draft, message: String, hint: &str) -> Problem {
    let (text, span) = draft.place.clone();
    Problem { text, span, message, hint: Some(hint.to_owned()) }
}

/// Compiles a role after those it extends. `below` is the way down to it.
fn compile<'a>(
    draft: &'a Draft,
    by_name: &BTreeMap<&str, &'a Draft>,
    done: &mut BTreeMap<&'a str, Role>,
    below: &mut Vec<&'a str>,
    problems: &mut Vec<Problem>,
) {
    let name = draft.name.as_str();
    if done.contains_key(name) {
        return;
    }
    below.push(name);
    let mut operations = vec![None; Operation::COUNT];
    let mut terms = draft.terms.clone();
    let mut ceilings: Vec<[Option<u64>; 3]> = Vec::new();
    let mut quotas: Vec<[Option<u64>; 3]> = Vec::new();
    let mut extends = Vec::new();
    let mut inherited_own = None;
    let mut inherited: Vec<Conditions> = Vec::new();
    let mut labels: Vec<Option<Vec<LabelTerm>>> = Vec::new();
    for (parent, span) in &draft.extends {
        let complain = |message: String, hint: String, problems: &mut Vec<Problem>| {
            let text = draft.place.0;
            problems.push(Problem { text, span: span.clone(), message, hint: Some(hint) });
        };
        let Some(found) = by_name.get(parent.as_str()) else {
            let shown = quoted(parent.as_bytes());
            let hint = match crate::operation::nearest(parent, by_name.keys().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`seawall policy list` lists the roles".to_owned(),
            };
            complain(format!("there is no role {shown} to extend"), hint, problems);
            continue;
        };
        if found.standing == Standing::Unrestricted {
            let hint = "give the identity `admin` itself, so that it can be seen".to_owned();
            complain(format!("`{parent}` cannot be extended"), hint, problems);
            continue;
        }
        if below.contains(&parent.as_str()) {
            complain(
                format!("`{name}` extends itself, by way of `{parent}`"),
                "take one of them out".to_owned(),
                problems,
            );
            continue;
        }
        compile(found, by_name, done, below, problems);
        let Some(found) = done.get(parent.as_str()) else { continue };
        for (own, inherited) in operations.iter_mut().zip(&found.operations) {
            if own.is_none() {
                own.clone_from(inherited);
            }
        }
        if found.isolation == Isolation::Own {
            inherited_own = Some(parent.as_str());
        }
        inherited.push(found.conditions.clone());
        if MAKES.iter().any(|&operation| found.grants(operation)) {
            labels.push(found.terms.labels.clone());
        }
        extends.push(found.name.clone());
        extends.extend_from_slice(&found.extends);
        terms.add(&found.terms);
        // One that neither makes nor changes a container has no say in what it may take.
        if CEILED.iter().any(|&operation| found.grants(operation)) {
            ceilings.push([found.terms.memory, found.terms.cpus, found.terms.pids]);
        }
        quotas.push([found.terms.rate, found.terms.burst, found.terms.streams]);
    }
    below.pop();
    let rule: Arc<str> = Arc::from(format!("{name}.operations"));
    let isolation = isolation(draft, name, inherited_own, problems);
    for (operation, span) in &draft.operations {
        if operation.route().own_only() && isolation == Isolation::All {
            problems.push(Problem {
                text: draft.place.0,
                span: span.clone(),
                message: format!(
                    "`{}` takes `isolation = \"own\"`: it reaches into a container, with all \
                     that that may do",
                    operation.as_str()
                ),
                hint: Some("add the key, or leave the operation to `admin`".to_owned()),
            });
        }
        operations[operation.index()].get_or_insert_with(|| rule.clone());
    }
    // Its own word, or the widest of what it extends.
    let inherit = |own: Option<u64>, of: &[[Option<u64>; 3]], place: usize| {
        own.or_else(|| {
            let all: Option<Vec<u64>> = of.iter().map(|of| of[place]).collect();
            all.and_then(|all| all.into_iter().max())
        })
    };
    if terms.labels.is_none()
        && let Some((first, others)) = labels.split_first()
    {
        if others.iter().any(|other| other != first) {
            let message = format!("what the role `{name}` extends has different `labels`");
            problems.push(complaint(draft, message, ALIKE));
        }
        terms.labels.clone_from(first);
    }
    let terms = Terms {
        memory: inherit(terms.memory, &ceilings, 0),
        cpus: inherit(terms.cpus, &ceilings, 1),
        pids: inherit(terms.pids, &ceilings, 2),
        rate: inherit(terms.rate, &quotas, 0),
        burst: inherit(terms.burst, &quotas, 1),
        streams: inherit(terms.streams, &quotas, 2),
        ..terms
    };
    let summary = draft.summary.clone().unwrap_or_else(|| {
        let parents: Vec<&str> = draft.extends.iter().map(|(parent, _)| parent.as_str()).collect();
        match parents.as_slice() {
            [] => "what the configuration says".to_owned(),
            parents => format!("what {} may, and more", listed(parents, "and")),
        }
    });
    let (name_of, standing) = (draft.name.clone(), draft.standing);
    let conditions = conditions(draft, &inherited, problems);
    let role = Role {
        name: name_of,
        summary,
        operations,
        terms,
        listed: None,
        conditions,
        standing,
        isolation,
        extends,
    };
    done.insert(name, role);
}

/// Its own word, or what all that it extends say alike: what is for some hours in a role must not
/// become for all in another without a word.
fn conditions(draft: &Draft, of: &[Conditions], problems: &mut Vec<Problem>) -> Conditions {
    let mut conditions = draft.conditions.clone();
    let first = of.first().cloned().unwrap_or_default();
    let mut inherit = |key: &str, said: bool, alike: bool| {
        if !said && !alike {
            let message = format!("what the role `{}` extends has different `{key}`", draft.name);
            problems.push(complaint(draft, message, ALIKE));
        }
    };
    inherit("sources", conditions.sources.is_some(), of.iter().all(|c| c.sources == first.sources));
    inherit("hours", conditions.hours.is_some(), of.iter().all(|c| c.hours == first.hours));
    conditions.sources = conditions.sources.or(first.sources);
    conditions.hours = conditions.hours.or(first.hours);
    conditions
}

/// What to do about parents that differ.
const ALIKE: &str = "write the key here too, or take one of them out";

/// Its own word, or that of what it extends; what is for one's own things in a role must not
/// become for everybody's in another.
fn isolation(
    draft: &Draft,
    name: &str,
    inherited_own: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Isolation {
    match (&draft.isolation, inherited_own) {
        (Some((Isolation::All, span)), Some(parent)) => {
            problems.push(Problem {
                text: draft.place.0,
                span: span.clone(),
                message: format!("`{name}` extends `{parent}`, whose isolation is `own`"),
                hint: Some(
                    "give the identity a second role for what concerns everybody's things"
                        .to_owned(),
                ),
            });
            Isolation::Own
        }
        (Some((isolation, _)), _) => *isolation,
        (None, Some(_)) => Isolation::Own,
        (None, None) => Isolation::All,
    }
}
