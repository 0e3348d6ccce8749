//! Stage 5: roles, compiled per identity into a table by operation.
//!
//! Nothing is allowed but what a role grants: there is no order, no negation and no exception,
//! so a decision is a lookup and cannot fail.

mod roles;

pub use roles::Role;

use crate::escape::quoted;
use crate::operation::{Operation, Request};
use crate::verdict::{Grant, Refusal, Verdict};

use roles::{EVERYONE, UnknownKeys};

/// What one identity may do: one entry an operation, made once from its roles.
#[derive(Clone, Debug)]
pub struct Permissions {
    /// The rule that grants each operation, by [`Operation::index`].
    granted: [Option<&'static str>; Operation::COUNT],
    unknown_keys: UnknownKeys,
    /// Which roles these are, for the reason of a refusal.
    roles: Vec<Role>,
}

impl Permissions {
    /// Compiles the union of `roles`; no role grants nothing but `/_ping`. Where several roles
    /// grant an operation, the rule named is that of the least of them.
    pub fn compile(roles: &[Role]) -> Self {
        let mut permissions = Self {
            granted: [None; Operation::COUNT],
            unknown_keys: UnknownKeys::Refuse,
            roles: roles.to_vec(),
        };
        permissions.add(EVERYONE);
        for role in Role::ALL.iter().filter(|role| roles.contains(role)) {
            permissions.add(role.rules());
            permissions.unknown_keys = permissions.unknown_keys.max(role.unknown_keys());
        }
        permissions
    }

    /// The id of the rule that grants the operation, if one does.
    pub fn rule(&self, operation: Operation) -> Option<&'static str> {
        self.granted[operation.index()]
    }

    fn add(&mut self, rules: impl IntoIterator<Item = &'static roles::Rule>) {
        for rule in rules {
            for operation in rule.grants() {
                self.granted[operation.index()].get_or_insert(rule.id);
            }
        }
    }
}

/// Decides a request: a lookup, for an operation without a judged body. Cannot fail.
///
/// The reason of a refusal begins with "may not", to stand after the name of who asks.
pub fn judge(permissions: &Permissions, request: Request) -> Verdict {
    match permissions.rule(request.route.operation) {
        None => deny(request, |request| not_granted(permissions, request)),
        Some(_)
            if !request.unknown.is_empty() && permissions.unknown_keys == UnknownKeys::Refuse =>
        {
            deny(request, unknown_key)
        }
        Some(_) if restores(&request) && permissions.rule(CHECKPOINT).is_none() => {
            deny(request, |_| checkpoint())
        }
        Some(rule) => Verdict::Allow(Grant::new(request, rule)),
    }
}

/// Restoring processes from a checkpoint, in any folder of the host that the request names, is
/// more than starting what somebody else created: it takes the right to make checkpoints.
const CHECKPOINT: Operation = Operation::CheckpointCreate;

fn restores(request: &Request) -> bool {
    request.route.operation == Operation::ContainerStart
        && request.target.query.iter().any(|(key, _)| key.starts_with("checkpoint"))
}

fn checkpoint() -> Refusal {
    let start = Operation::ContainerStart.route().phrase;
    let who = listed(&Role::granting(CHECKPOINT), "or");
    Refusal::forbidden(
        "checkpoint.not-granted",
        format!("may not {start} (ContainerStart) from a checkpoint: only {who} may"),
    )
}

fn deny(request: Request, refusal: impl FnOnce(&Request) -> Refusal) -> Verdict {
    let refusal = refusal(&request);
    Verdict::Deny(Box::new((request, refusal)))
}

fn not_granted(permissions: &Permissions, request: &Request) -> Refusal {
    let operation = request.route.operation;
    let (phrase, id) = (request.route.phrase, operation.as_str());
    let granting = Role::granting(operation);
    if granting.is_empty() {
        return Refusal::forbidden(
            "everyone.closed",
            format!("may not {phrase} ({id}): it is closed to every role"),
        );
    }
    let (rule, who) = match *permissions.roles.as_slice() {
        [] => ("none.not-granted", "no role is given that grants it".to_owned()),
        [role] => (role.not_granted(), format!("role {role} does not grant it")),
        ref roles => {
            ("roles.not-granted", format!("none of the roles {} grants it", listed(roles, "and")))
        }
    };
    Refusal::forbidden(
        rule,
        format!("may not {phrase} ({id}): {who}; {} would", listed(&granting, "or")),
    )
}

fn unknown_key(request: &Request) -> Refusal {
    let (phrase, id) = (request.route.phrase, request.route.operation.as_str());
    // INVARIANT: only called when there is an unknown key.
    let key = request.unknown.first().map(String::as_str).unwrap_or_default();
    let nearest = request
        .nearest_key(key)
        .map(|nearest| format!(" (the nearest known one is `{nearest}`)"))
        .unwrap_or_default();
    Refusal::forbidden(
        "query.unknown",
        format!(
            "may not {phrase} ({id}) with the unknown query key {}{nearest}: only {} may send it",
            quoted(key.as_bytes()),
            listed(
                &Role::ALL
                    .iter()
                    .copied()
                    .filter(|role| role.unknown_keys() == UnknownKeys::Pass)
                    .collect::<Vec<_>>(),
                "or"
            ),
        ),
    )
}

/// `viewer`, `viewer or operator`, `viewer, operator or admin`.
fn listed(roles: &[Role], last: &str) -> String {
    match roles {
        [] => String::new(),
        [role] => role.to_string(),
        [first @ .., end] => {
            let first: Vec<_> = first.iter().map(ToString::to_string).collect();
            format!("{} {last} {end}", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
