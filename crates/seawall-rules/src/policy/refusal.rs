//! What is said to whoever may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::roles::listed;
use super::{ADMIN, Permissions, Role, Standing};
use crate::escape::{bounded, quoted};
use crate::facts::{Ask, Fact};
use crate::operation::{Operation, Request};
use crate::verdict::Refusal;

/// The rule that refuses an operation which no role of the identity has.
pub(super) const RULE_OF_OPERATIONS: &str = "role.operations";

/// No role of the identity has the operation.
pub(super) fn not_granted(permissions: &Permissions, request: &Request) -> Refusal {
    let operation = request.route.operation;
    let (phrase, id) = (request.route.phrase, operation.as_str());
    if let Some((role, asleep)) = permissions.asleep.iter().find(|(role, _)| role.grants(operation))
    {
        let only = role.conditions().unwrap_or_default();
        let reason = format!("may not {phrase} ({id}): role {} grants it only {only}", role.name());
        return Refusal::forbidden(asleep.rule(), reason);
    }
    // Roles of the configuration are nobody's business who has none of them, and a preset is no
    // answer to what another program lacks.
    let granting: Vec<&str> = permissions
        .all
        .granting(operation)
        .filter(|role| !matches!(role.standing(), Standing::Preset | Standing::Configured))
        .map(|role| role.name())
        .collect();
    if granting.is_empty() {
        return Refusal::forbidden(
            "everyone.closed",
            format!("may not {phrase} ({id}): it is closed to every role"),
        );
    }
    let who = match permissions.roles.as_slice() {
        [] => "no role is given that grants it".to_owned(),
        [role] => format!("role {} does not grant it", role.name()),
        roles => format!("none of the roles {} grants it", named(roles)),
    };
    let rule =
        crate::facts::of_operation(operation).map_or(RULE_OF_OPERATIONS, |escape| escape.rule);
    Refusal::forbidden(
        rule,
        format!("may not {phrase} ({id}): {who}; {} would", listed(&granting, "or")),
    )
}

/// A role has the operation, but not what is asked for with it.
pub(super) fn not_covered(roles: &[Arc<Role>], operation: Operation, fact: &Fact) -> Refusal {
    let Fact { field, ask } = fact;
    if let Ask::Labels(labels) = ask {
        return without_label(roles, operation, labels);
    }
    let field = format!("`{}`", bounded(field.as_bytes(), 96));
    let why = match ask.term() {
        None => format!("and only {ADMIN} may"),
        Some(term) => {
            let granting: Vec<_> =
                roles.iter().filter(|role| role.grants(operation)).cloned().collect();
            let roles = if granting.len() == 1 { "role" } else { "the roles" };
            format!("and no `{term}` of {roles} {} covers it", named(&granting))
        }
    };
    let is = match ask {
        Ask::Cpus(None) | Ask::Memory(None) | Ask::Pids(None) => "is not given, so".to_owned(),
        ask => format!("is {ask},"),
    };
    let why = match ask {
        Ask::Cpus(None) | Ask::Memory(None) | Ask::Pids(None) => {
            format!("there is no limit, {why}")
        }
        _ => why,
    };
    Refusal::forbidden(ask.rule(), format!("may not {}: {field} {is} {why}", ask.phrase()))
}

/// What is made lacks a label that the roles ask for.
fn without_label(
    roles: &[Arc<Role>],
    operation: Operation,
    labels: &BTreeMap<String, String>,
) -> Refusal {
    let granting = roles.iter().filter(|role| role.grants(operation));
    let lacking = granting.filter_map(|role| Some((role, role.terms().lacks(labels)?)));
    let mut reason = format!("may not {} without a label", operation.route().phrase);
    for (at, (role, label)) in lacking.enumerate() {
        let and = if at == 0 { ":" } else { ", or" };
        reason += &format!("{and} `{label}`, which role {} asks for", role.name());
    }
    Refusal::forbidden("role.labels", reason)
}

/// Only roles for one's own things have the operation, and nobody has looked whose these are.
pub(super) fn not_scoped(request: &Request) -> Refusal {
    let phrase = request.route.phrase;
    Refusal::forbidden(
        "isolation.unknown",
        format!("may not {phrase}: it is not known whose the things are that are named"),
    )
}

/// A query key or a field that is in no table.
pub(super) fn unknown(request: &Request) -> Refusal {
    let (phrase, id) = (request.route.phrase, request.route.operation.as_str());
    if let Some(field) = request.facts.unknown.first().filter(|_| request.unknown.is_empty()) {
        let field = bounded(field.as_bytes(), 96);
        return Refusal::forbidden(
            "body.unknown",
            format!(
                "may not {phrase} ({id}) with the unknown field `{field}`: only {ADMIN} may send it"
            ),
        );
    }
    // INVARIANT: only called when there is one or the other.
    let key = request.unknown.first().map(String::as_str).unwrap_or_default();
    let nearest = request
        .nearest_key(key)
        .map(|nearest| format!(" (the nearest known one is `{nearest}`)"))
        .unwrap_or_default();
    Refusal::forbidden(
        "query.unknown",
        format!(
            "may not {phrase} ({id}) with the unknown query key {}{nearest}: only {ADMIN} may \
             send it",
            quoted(key.as_bytes()),
        ),
    )
}

fn named(roles: &[Arc<Role>]) -> String {
    listed(&roles.iter().map(|role| role.name()).collect::<Vec<_>>(), "and")
}
