//! Stage 5: roles, compiled per identity into a table by operation.
//!
//! Nothing is allowed but what a role grants: there is no order, no negation and no exception,
//! so a decision cannot fail. One that asks for nothing beyond its operation is a lookup.
//!
//! One role must grant all of a request: two roles of an identity add up to what either grants,
//! never to a request that neither does.

mod cells;
mod compare;
mod condition;
mod entry;
mod hours;
pub mod import;
mod missing;
mod question;
mod quota;
mod refusal;
mod role;
mod roles;
mod term;
mod undecided;
mod warn;
mod written;

pub use compare::{Beyond, beyond};
pub use condition::Circumstances;
pub use missing::{Missing, Smallest};
pub use question::{NoQuestion, PHRASES, Question, Way};
pub use quota::{Quota, Rate};
pub use role::{Isolation, Role, Standing, Terms};
pub use roles::{ADMIN, Roles};
pub(crate) use term::Pattern;
pub use undecided::Undecided;
pub use written::{KEYS, Problem, RoleKey};

use std::sync::Arc;

use condition::Asleep;

use crate::facts::{Ask, Fact, Facts, ImageName, MAKES};
use crate::operation::{Operation, Request};
use crate::reference::Scoping;
use crate::reply::{self, Edit, Redact};
use crate::verdict::{Grant, Refusal, Verdict};

/// Pings, of which clients make much.
pub const PINGS: [Operation; 4] = [
    Operation::SystemPing,
    Operation::SystemPingHead,
    Operation::SystemPingLibpod,
    Operation::SystemPingHeadLibpod,
];

/// What every authenticated client may do, whatever its roles: a client that gets no ping falls
/// back to guessing, and hides the refusal of its real request.
const EVERYONE: (&str, &[Operation]) = ("everyone.ping", &PINGS);

/// What grants one operation.
#[derive(Clone, Debug)]
struct Granted {
    rule: Arc<str>,
    /// Whose things it is for.
    isolation: Isolation,
    /// What is hidden of the reply.
    redact: Option<Arc<Redact>>,
    /// The rules that would refuse it, were it not for a role in warn mode.
    would_deny: Vec<&'static str>,
}

/// What one identity may do: one entry an operation, made once from its roles.
#[derive(Clone, Debug)]
pub struct Permissions {
    /// What grants each operation, by [`Operation::index`].
    granted: Vec<Option<Granted>>,
    /// The roles it has, the least first.
    roles: Vec<Arc<Role>>,
    /// Roles that it has at other times or elsewhere.
    asleep: Vec<(Arc<Role>, Asleep)>,
    /// Until when that is so, in seconds; `None` where no role has hours.
    until: Option<u64>,
    /// Labels that some role asks for.
    labels: Vec<String>,
    /// What it may use at once.
    quota: Quota,
    /// All there are, for the reason of a refusal.
    all: Arc<Roles>,
}

impl Permissions {
    /// Compiles the union of the roles of these names; one that there is not grants nothing, and
    /// no role grants nothing but `/_ping`. Where several roles grant an operation, the rule named
    /// is that of the least of them; where its reply may hold secrets, of the least that sees them.
    pub fn compile<'a>(all: &Arc<Roles>, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        Self::of(all, all.held(&names))
    }

    fn of(all: &Arc<Roles>, roles: Vec<Arc<Role>>) -> Self {
        let everyone: Arc<str> = Arc::from(EVERYONE.0);
        let rule = |&operation: &Operation| {
            if EVERYONE.1.contains(&operation) {
                let (rule, isolation) = (everyone.clone(), Isolation::All);
                return Some(Granted { rule, isolation, redact: None, would_deny: Vec::new() });
            }
            let hides = reply::has_secrets(operation);
            [Isolation::All, Isolation::Own].into_iter().find_map(|isolation| {
                let such = |role: &&Arc<Role>| role.isolation() == isolation;
                let granting = || roles.iter().filter(such).filter(|role| role.grants(operation));
                let listing = || granting().filter(|role| role.lists(operation));
                let seeing = listing().find(|role| !hides || role.sees_secrets(operation));
                let role = seeing.or_else(|| listing().next()).or_else(|| granting().next())?;
                let redact = (hides && seeing.is_none()).then(|| all.redact(listing()));
                let would_deny = role.would_deny(operation, &Facts::default());
                Some(Granted { rule: role.rule(operation)?, isolation, redact, would_deny })
            })
        };
        let granted = Operation::ALL.iter().map(rule).collect();
        let quota = roles.iter().map(|role| Quota::of(role.terms())).reduce(Quota::or);
        let labels = roles.iter().flat_map(|role| role.terms().labels.iter().flatten());
        let labels = labels.map(|label| label.name.clone()).collect();
        let (quota, all) = (quota.unwrap_or_default(), all.clone());
        Self { granted, roles, asleep: Vec::new(), until: None, labels, quota, all }
    }

    /// As [`Self::compile`], of the roles that are in force under these circumstances.
    pub fn compile_under<'a>(
        all: &Arc<Roles>,
        names: impl IntoIterator<Item = &'a str>,
        circumstances: &Circumstances,
    ) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let held = all.held(&names);
        let until = held.iter().filter_map(|role| role.next_border(circumstances.at)).min();
        let asleep = held.iter().filter_map(|role| {
            let asleep = role.asleep(circumstances)?;
            Some((role.clone(), asleep))
        });
        let asleep = asleep.collect();
        let awake = held.iter().filter(|role| role.is_in_force(circumstances)).cloned();
        Self { asleep, until, ..Self::of(all, awake.collect()) }
    }

    /// What a record says of the labels that something carries: those that a role asks for, since
    /// the others may be secret, and are many.
    pub fn recorded_labels(&self, request: &Request) -> Option<Ask> {
        let Ask::Labels(labels) = &request.facts.carries.as_ref()?.ask else { return None };
        let asked = |(name, _): &(&String, &String)| self.labels.contains(name);
        let some = labels.iter().filter(asked).map(|(n, v)| (n.clone(), v.clone()));
        (!self.labels.is_empty()).then(|| Ask::Labels(some.collect()))
    }

    /// Whether some role asks for labels of what an operation makes.
    pub fn asks_for_labels(&self, operation: Operation) -> bool {
        !self.labels.is_empty() && MAKES.contains(&operation)
    }

    /// Until when it stays so, in seconds since the epoch; `None` where that is without end.
    pub fn until(&self) -> Option<u64> {
        self.until
    }

    /// Whether one of its roles is `admin`.
    pub fn is_unrestricted(&self) -> bool {
        self.roles.iter().any(|role| role.standing() == Standing::Unrestricted)
    }

    /// What the identity may use at once.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Whether roles for one's own things grant the operation, and no other does: then there is
    /// nothing to judge before it is known whose the things are that a request names.
    pub fn grants_own_alone(&self, operation: Operation) -> bool {
        self.granted(operation).is_some_and(|granted| granted.isolation == Isolation::Own)
    }

    /// The id of the rule that grants the operation, if one does.
    pub fn rule(&self, operation: Operation) -> Option<&Arc<str>> {
        self.granted(operation).map(|granted| &granted.rule)
    }

    /// Whether secrets are shown in the reply of an operation, at least of some objects.
    pub fn shows_secrets(&self, operation: Operation) -> bool {
        self.granted(operation).is_some_and(|granted| granted.redact.is_none())
    }

    /// Whether something is hidden in the reply of an operation that these show.
    pub fn hides_more_than(&self, before: &Self, operation: Operation) -> bool {
        match (self.granted(operation), before.granted(operation)) {
            (Some(now), Some(before)) => {
                reply::hides_more(now.redact.as_deref(), before.redact.as_deref())
            }
            _ => false,
        }
    }

    /// Whether a role that is for its identity's own things alone grants the operation.
    pub fn may_if_own(&self, operation: Operation) -> bool {
        let own = |role: &&Arc<Role>| role.isolation() == Isolation::Own;
        self.roles.iter().filter(own).any(|role| role.grants(operation))
    }

    /// Says of which images one of its roles for its own things grants the operation.
    pub fn names_of_own(
        &self,
        operation: Operation,
    ) -> impl Fn(&ImageName) -> bool + Send + Sync + 'static {
        let own = |role: &&Arc<Role>| role.isolation() == Isolation::Own && role.grants(operation);
        let roles: Vec<_> = self.roles.iter().filter(own).cloned().collect();
        move |name| {
            let ask = Ask::Image(name.clone());
            let facts =
                Facts { asks: vec![Fact { field: String::new(), ask }], ..Facts::default() };
            roles.iter().any(|role| role.refuses(&facts).is_none())
        }
    }

    fn granted(&self, operation: Operation) -> Option<&Granted> {
        self.granted.get(operation.index())?.as_ref()
    }

    /// The rule of the least role that grants the whole request, of those for everybody's things
    /// or of those for one's own; of one that sees the secrets of the reply, if there is one.
    ///
    /// # Errors
    /// What stands against it, of the role that gets furthest.
    fn weigh<'a>(
        &self,
        operation: Operation,
        facts: &'a Facts,
        unknown: Unknown,
        isolation: Isolation,
    ) -> Result<Granted, Option<&'a Fact>> {
        let hides = reply::has_secrets(operation);
        let mut lesser: Option<Granted> = None;
        let mut furthest: Option<(usize, &Fact)> = None;
        for role in self.roles.iter().filter(|role| role.isolation() == isolation) {
            let Some(rule) = role.rule(operation) else { continue };
            if unknown == Unknown::Some && role.standing() != Standing::Unrestricted {
                continue;
            }
            match role.refuses(facts) {
                None => {
                    let would_deny = role.would_deny(operation, facts);
                    let sees = would_deny.is_empty() && role.sees_all_of(operation, facts);
                    let whole = would_deny.is_empty() && (sees || !hides);
                    let granted = Granted { rule, isolation, redact: None, would_deny };
                    if whole {
                        return Ok(granted);
                    }
                    // What would be granted in any mode goes before what warn mode lets through.
                    if lesser.as_ref().is_none_or(|before| {
                        !before.would_deny.is_empty() && granted.would_deny.is_empty()
                    }) {
                        lesser = Some(granted);
                    }
                }
                Some(refused) if furthest.is_none_or(|(before, _)| before < refused.0) => {
                    furthest = Some(refused);
                }
                Some(_) => {}
            }
        }
        let mut granted = lesser.ok_or_else(|| furthest.map(|(_, fact)| fact))?;
        // All roles that grant it add up in what they show.
        granted.redact = hides.then(|| {
            self.all.redact(self.roles.iter().filter(|role| {
                role.isolation() == isolation
                    && role.lists(operation)
                    && role.refuses(facts).is_none()
                    && role.would_deny(operation, facts).is_empty()
            }))
        });
        Ok(granted)
    }

    /// What it says to a request that was recorded, as if what it named were its sender's own: the
    /// rule that grants it.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn replay(
        &self,
        operation: Operation,
        asks: Vec<Ask>,
        unknown: Unknown,
    ) -> Result<Arc<str>, &'static str> {
        let rule = self.rule(operation).ok_or(refusal::RULE_OF_OPERATIONS)?;
        if asks.is_empty() && unknown == Unknown::None {
            return Ok(rule.clone());
        }
        let asks = asks.into_iter().map(|ask| Fact { field: String::new(), ask }).collect();
        let facts = Facts { asks, ..Facts::default() };
        let [all, own] = [Isolation::All, Isolation::Own]
            .map(|isolation| self.weigh(operation, &facts, unknown, isolation));
        match all.or_else(|fact| own.map_err(|own| fact.or(own))) {
            Ok(granted) => Ok(granted.rule),
            Err(Some(fact)) => Err(fact.ask.rule()),
            Err(None) => Err("body.unknown"),
        }
    }

    /// [`Self::weigh`], with the words of a refusal.
    fn weigh_request(&self, request: &Request, isolation: Isolation) -> Result<Granted, Refusal> {
        let operation = request.route.operation;
        let unknown = match request.unknown.is_empty() && request.facts.unknown.is_empty() {
            true => Unknown::None,
            false => Unknown::Some,
        };
        self.weigh(operation, &request.facts, unknown, isolation).map_err(|fact| match fact {
            Some(fact) => refusal::not_covered(&self.roles, operation, fact),
            None if unknown == Unknown::Some => refusal::unknown(request),
            None => refusal::not_scoped(request),
        })
    }
}

/// Whether a request has fields or query keys that no table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It has none.
    None,
    /// It has some.
    Some,
}

impl Granted {
    fn of(self, request: Request, undecided: Option<Undecided>) -> Grant {
        let keep = request.scoped().and_then(|scoped| scoped.keep.clone());
        let edit = Edit { redact: self.redact, keep };
        Grant::new(request, self.rule, edit, undecided).warning(self.would_deny)
    }
}

/// What roles for one's own things say of a request, whosever the things are that it names: what
/// they refuse anyhow need not be looked up.
///
/// # Errors
/// What none of them covers.
pub fn foresee(permissions: &Permissions, scoping: &Scoping) -> Result<(), Refusal> {
    match permissions.weigh_request(scoping.request(), Isolation::Own) {
        // A network is known by its name once it is found.
        Err(refusal) if refusal.rule != "role.networks" => Err(refusal),
        _ => Ok(()),
    }
}

/// Decides a request that is only described, as if all that it names were its sender's own.
pub fn judge_if_own(permissions: &Permissions, request: Request) -> Verdict {
    let request = match judge(permissions, request) {
        Verdict::Deny(denied) if permissions.may_if_own(denied.0.route.operation) => denied.0,
        decided => return decided,
    };
    match Scoping::begin(request) {
        Ok(scoping) => judge(permissions, scoping.end()),
        Err(refused) => Verdict::Deny(refused),
    }
}

/// Decides a request: a lookup, for one that asks for nothing beyond its operation. Cannot fail.
///
/// A request that has not been through [`crate::reference::Scoping`] is judged by the roles for
/// everybody's things, and one that has by those for one's own.
///
/// The reason of a refusal begins with "may not", to stand after the name of who asks.
pub fn judge(permissions: &Permissions, request: Request) -> Verdict {
    debug_assert!(
        request.facts.asks.iter().all(|fact| {
            fact.ask.kind().is_none_or(|kind| kind.operations.contains(&request.route.operation))
        }),
        "a kind of `facts::KINDS` lacks an operation: {:?} {:?}",
        request.route.operation,
        request.facts.asks
    );
    let Some(granted) = permissions.granted(request.route.operation) else {
        let refusal = refusal::not_granted(permissions, &request);
        return Verdict::Deny(Box::new((request, refusal)));
    };
    let isolation = Isolation::of(&request);
    let granted = match granted.isolation == isolation && request.asks_for_nothing() {
        true => Ok(granted.clone()),
        false => permissions.weigh_request(&request, isolation),
    };
    match granted {
        Ok(granted) => {
            let undecided = Undecided::of(permissions, &request);
            Verdict::Allow(granted.of(request, undecided))
        }
        Err(refusal) => Verdict::Deny(Box::new((request, refusal))),
    }
}

#[cfg(test)]
mod tests;
