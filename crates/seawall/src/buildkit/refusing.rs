//! What is refused of a connection after the decision to let it be opened.

use std::sync::atomic::{AtomicBool, Ordering};

use seawall_rules::verdict::Refusal;

use crate::audit::{RequestId, Subject};
use crate::gate::Gate;
use crate::session;

/// Records refusals, and has the words for them.
#[derive(Debug)]
pub(super) struct Refusing<'a> {
    gate: &'a Gate,
    subject: Subject,
    request: RequestId,
    some: AtomicBool,
}

impl<'a> Refusing<'a> {
    /// For what passes in the connection of that request.
    pub(super) fn new(gate: &'a Gate, subject: &Subject, request: RequestId) -> Self {
        Self { gate, subject: subject.clone(), request, some: AtomicBool::new(false) }
    }

    /// Records a refusal, and says what its client is told.
    pub(super) fn say(&self, refusal: &Refusal) -> String {
        self.some.store(true, Ordering::Relaxed);
        session::record_refused(self.gate, self.request, refusal);
        session::denial(&self.subject, refusal, self.request)
    }

    /// Records by which rules something would have been refused, were it not for a role in warn
    /// mode.
    pub(super) fn would_deny(&self, rules: &[&'static str]) {
        session::record_would_deny(self.gate, self.request, rules);
    }

    /// Whether something was refused.
    pub(super) fn has_some(&self) -> bool {
        self.some.load(Ordering::Relaxed)
    }
}
