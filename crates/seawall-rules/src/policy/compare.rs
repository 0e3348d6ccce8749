//! What one set of roles grants beyond another, exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cells::cells;
use super::role::{Role, Standing, Terms};
use super::{ADMIN, Circumstances, EVERYONE, Pattern, Quota, Rate};
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
/// grants is granted by one of the others, wherever from and whenever, as often.
pub fn beyond(these: &[Arc<Role>], others: &[Arc<Role>]) -> Beyond {
    let mut found = Beyond::default();
    let mut elsewhere: Vec<(String, String)> = Vec::new();
    let mut places: Vec<Circumstances> = Vec::new();
    // What is so everywhere and always is told as such; the rest by an example of where and when.
    for (place, shown) in cells(these.iter().chain(others)) {
        let there = |roles: &[Arc<Role>]| -> Vec<Arc<Role>> {
            roles.iter().filter(|role| role.is_in_force(&place)).cloned().collect()
        };
        let more = beyond_there(&there(these), &there(others));
        let operations = more.operations.iter().map(|operation| operation.as_str().to_owned());
        let all: Vec<_> = operations.chain(more.terms.iter().cloned()).collect();
        if places.is_empty() {
            found = more;
        } else {
            found.operations.retain(|operation| more.operations.contains(operation));
            found.terms.retain(|term| more.terms.contains(term));
        }
        places.push(place);
        elsewhere.extend(all.into_iter().map(|what| (what, shown.clone())));
    }
    let told = |what: &str| {
        found.terms.iter().any(|term| term == what)
            || found.operations.iter().any(|operation| operation.as_str() == what)
    };
    let mut only: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (what, shown) in elsewhere.into_iter().filter(|(what, _)| !told(what)) {
        only.entry(what).or_insert((shown, 0)).1 += 1;
    }
    // Many things that differ in the same hours are one line.
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (what, (shown, _)) in only {
        lines.entry(shown).or_default().push(what);
    }
    found
        .terms
        .extend(lines.into_iter().map(|(shown, what)| format!("{shown}: {}", what.join(", "))));
    found
}

/// [`beyond`] among roles that are all in force.
fn beyond_there(these: &[Arc<Role>], others: &[Arc<Role>]) -> Beyond {
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
                those.iter().filter(|other| other.sees_secrets(operation)).copied().collect();
            match role.sees_secrets(operation) && reply::has_secrets(operation) {
                true if seeing.is_empty() => {
                    terms.insert("secrets = true".to_owned());
                    terms.extend(more(role, &those, operation));
                }
                true => terms.extend(more(role, &seeing, operation)),
                false => terms.extend(more(role, &those, operation)),
            }
            if reply::has_secrets(operation) && !role.sees_secrets(operation) {
                terms.extend(labels(role, &those, operation));
            }
        }
    }
    if !others.is_empty() {
        terms.extend(faster(quota(these), quota(others)));
    }
    found.terms = terms.into_iter().collect();
    found
}

/// The labels that a role shows and none of the others.
fn labels(role: &Role, others: &[&Arc<Role>], operation: Operation) -> Vec<String> {
    let shown = |other: &Role, label: &Pattern| {
        let labels = &other.listed_terms().shown_labels;
        other.sees_secrets(operation) || labels.iter().any(|it| it.covers(label.as_str()))
    };
    let labels = role.listed_terms().shown_labels.iter();
    labels
        .filter(|label| !others.iter().any(|other| shown(other, label)))
        .map(|label| format!("shown_labels = [{:?}]", label.as_str()))
        .collect()
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
    let entries = entries(role, operation);
    let covered = |other: &Role, (of, most): &(Of, Vec<Ask>)| {
        most.iter().all(|ask| of.terms(other).cover(ask))
    };
    if others.iter().any(|other| entries.iter().all(|(_, entry)| covered(other, entry))) {
        return Vec::new();
    }
    let single: Vec<_> = entries
        .iter()
        .filter(|(_, entry)| !others.iter().any(|other| covered(other, entry)))
        .map(|(written, _)| written.clone())
        .collect();
    match single.is_empty() {
        true => vec![format!("{}: the terms of {} together", operation.as_str(), role.name())],
        false => single,
    }
}

/// Which terms of a role count: those by which it lets through what is asked for, or those that
/// say what it sees whole. They differ in warn mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Asking,
    Seeing,
}

impl Of {
    fn terms(self, role: &Role) -> &Terms {
        match self {
            Self::Asking => &role.terms,
            Self::Seeing => role.listed_terms(),
        }
    }
}

/// The terms that concern an operation, as they are written, each with the most that can be asked
/// for under it.
fn entries(role: &Role, operation: Operation) -> Vec<(String, (Of, Vec<Ask>))> {
    let sees = role.sees_secrets(operation) && reply::has_secrets(operation);
    let of = |of: Of| {
        let concerns = move |ask: &Ask| {
            ask.kind().is_some_and(|kind| match of {
                Of::Asking => kind.operations.contains(&operation),
                Of::Seeing => {
                    kind.operations.contains(&operation) || kind.looks.contains(&operation)
                }
            })
        };
        let all = of.terms(role).entries().into_iter();
        all.filter(move |entry| entry.most.iter().any(concerns))
            .map(move |entry| (entry.written(), (of, entry.most)))
    };
    let seen = sees.then(|| of(Of::Seeing)).into_iter().flatten();
    of(Of::Asking).chain(seen).collect()
}
