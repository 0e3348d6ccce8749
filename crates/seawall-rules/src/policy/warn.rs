//! Roles in warn mode: they let through what another role could be given, and say what they would
//! have refused.
//!
//! What is let through is closed: the operations that a role of this isolation can list, and of
//! what is asked for what only a rule `role.…` stands against. So it is never an entry of the
//! catalogue (a path, a capability or a device of the host among them), never an operation that is
//! `admin`'s alone or closed to all, nor one that reaches into a container unless the role is for
//! one's own things, and never somebody else's thing.

use std::sync::Arc;

use super::role::{Isolation, Listed, Role, Standing, Terms};
use super::term::{Pattern, PortTerm};
use crate::facts::Facts;
use crate::operation::{Class, Operation, Route};
use crate::reference::{Scope, scope};

impl Role {
    /// Whether it is in warn mode.
    pub fn warns(&self) -> bool {
        self.listed.is_some()
    }

    /// The same role in warn mode.
    pub(super) fn warning(self) -> Self {
        let rule: Arc<str> = Arc::from(format!("{}.warn", self.name));
        let operations = Operation::ALL.iter().zip(&self.operations).map(|(&operation, listed)| {
            let through = lets_through(operation.route(), self.isolation);
            listed.clone().or_else(|| through.then(|| rule.clone()))
        });
        let (operations, terms) = (operations.collect(), self.terms.let_through());
        let listed = Listed { operations: self.operations, terms: self.terms };
        Self { operations, terms, listed: Some(listed), ..self }
    }

    /// The same role as it is written, whatever its mode.
    pub(super) fn enforced(&self) -> Self {
        let mut role = self.clone();
        if let Some(Listed { operations, terms }) = role.listed.take() {
            role.operations = operations;
            role.terms = terms;
        }
        role
    }

    /// The rules by which it would have refused what it grants, were it not in warn mode.
    pub(super) fn would_deny(&self, operation: Operation, facts: &Facts) -> Vec<&'static str> {
        let Some(listed) = self.listed.as_ref().filter(|_| self.standing != Standing::Unrestricted)
        else {
            return Vec::new();
        };
        if !self.lists(operation) {
            return vec![super::refusal::RULE_OF_OPERATIONS];
        }
        let mut rules: Vec<_> = facts
            .all()
            .filter(|fact| !listed.terms.cover(&fact.ask))
            .map(|fact| fact.ask.rule())
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

/// Whether a role of this isolation could list the operation.
fn lets_through(route: &Route, isolation: Isolation) -> bool {
    let given = route.class != Class::Closed && route.admin_only().is_none();
    given
        && match isolation {
            Isolation::All => !route.own_only(),
            Isolation::Own => scope(route.operation) != Scope::Whole,
        }
}

impl Terms {
    /// These, and all that is on no catalogue.
    fn let_through(&self) -> Self {
        let all = || vec![Pattern::all()];
        Self {
            cpus: None,
            images: all(),
            labels: None,
            memory: None,
            networks: all(),
            pids: None,
            ports: vec![PortTerm::all()],
            tags: all(),
            users: all(),
            volumes: all(),
            ..self.clone()
        }
    }
}
