//! What one set of roles grants beyond another, exactly.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::role::{Role, Standing};
use super::{ADMIN, EVERYONE, Quota, Rate};
use crate::facts::Ask;
use crate::operation::Operation;
use crate::reply;

/// What some roles grant and others do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Operations that no role of the others grants.
    pub operations: Vec<Operation>,
    /// Terms over what the others grant too, each as it is written.
    pub terms: Vec<String>,
}

impl Beyond {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.terms.is_empty()
    }
}

/// What `these` grant beyond `others`: it is empty exactly if each request that one of these
/// grants is granted by one of the others, as often.
pub fn beyond(these: &[Arc<Role>], others: &[Arc<Role>]) -> Beyond {
    let mut found = Beyond::default();
    let mut terms = BTreeSet::new();
    for &operation in Operation::ALL.iter().filter(|operation| !EVERYONE.1.contains(operation)) {
        let those: Vec<_> = others.iter().filter(|role| role.grants(operation)).collect();
        for role in these.iter().filter(|role| role.grants(operation)) {
            if those.is_empty() {
                found.operations.push(operation);
                break;
            }
            // What shows secrets is covered only by what shows them too.
            let seeing: Vec<_> =
                those.iter().filter(|other| other.sees_secrets()).copied().collect();
            match role.sees_secrets() && reply::has_secrets(operation) {
                true if seeing.is_empty() => {
                    terms.insert("secrets = true".to_owned());
                    terms.extend(more(role, &those, operation));
                }
                true => terms.extend(more(role, &seeing, operation)),
                false => terms.extend(more(role, &those, operation)),
            }
        }
    }
    if !others.is_empty() {
        terms.extend(faster(quota(these), quota(others)));
    }
    found.terms = terms.into_iter().collect();
    found
}

/// What roles come to, the larger bound of each.
fn quota(roles: &[Arc<Role>]) -> Option<Quota> {
    roles.iter().map(|role| Quota::of(&role.terms)).reduce(Quota::or)
}

/// The bounds of these that are larger than those.
fn faster(these: Option<Quota>, those: Option<Quota>) -> Vec<String> {
    let Some((these, those)) = these.zip(those) else { return Vec::new() };
    let bounds = |quota: Quota| {
        let rate = |of: fn(Rate) -> u64| quota.rate.map(of);
        [
            ("rate", rate(|rate| rate.per_second)),
            ("burst", rate(|rate| rate.burst)),
            ("streams", quota.streams),
        ]
    };
    let larger = |a: Option<u64>, b: Option<u64>| b.is_some_and(|b| a.is_none_or(|a| a > b));
    bounds(these)
        .into_iter()
        .zip(bounds(those))
        .filter(|((_, this), (_, that))| larger(*this, *that))
        .map(|((key, this), _)| {
            format!("{key} = {}", this.map_or("unlimited".to_owned(), |count| count.to_string()))
        })
        .collect()
}

/// The terms by which a role grants more of an operation than any of the others.
fn more(role: &Role, others: &[&Arc<Role>], operation: Operation) -> Vec<String> {
    if others.iter().any(|other| other.standing() == Standing::Unrestricted) {
        return Vec::new();
    }
    if role.standing() == Standing::Unrestricted {
        return vec![format!("everything, as {ADMIN}")];
    }
    let asked_by = |ask: &Ask| {
        ask.kind().is_some_and(|kind| {
            kind.operations.contains(&operation)
                || role.sees_secrets() && kind.looks.contains(&operation)
        })
    };
    let entries: Vec<_> =
        role.terms.entries().into_iter().filter(|entry| entry.most.iter().any(asked_by)).collect();
    let covered = |other: &Role, most: &[Ask]| most.iter().all(|ask| other.terms.cover(ask));
    if others.iter().any(|other| entries.iter().all(|entry| covered(other, &entry.most))) {
        return Vec::new();
    }
    let single: Vec<_> = entries
        .iter()
        .filter(|entry| !others.iter().any(|other| covered(other, &entry.most)))
        .map(|entry| entry.written())
        .collect();
    match single.is_empty() {
        true => vec![format!("{}: the terms of {} together", operation.as_str(), role.name())],
        false => single,
    }
}
