//! What a decision says: a [`Grant`], which is the only thing the gate can forward, or a
//! [`Refusal`], which always names its rule and its reason.

use std::sync::Arc;

use crate::content;
use crate::facts::Fact;
use crate::operation::{Operation, Request};
use crate::policy::Undecided;
use crate::reply::{self, Edit, Editor};

/// The answer of [`crate::policy::judge`]. A `Grant` owns the request it grants, so what is
/// forwarded is what was judged.
#[must_use]
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "allowing is the common case and stays unboxed")]
pub enum Verdict {
    /// The request may be forwarded, exactly as the grant holds it.
    Allow(Grant),
    /// The request must not reach the engine.
    Deny(Box<(Request, Refusal)>),
}

/// A judged request. Only [`crate::policy::judge`] makes one, and only a grant can be written
/// to the engine: skipping the decision does not compile.
#[must_use]
#[derive(Debug)]
pub struct Grant {
    request: Request,
    rule: Arc<str>,
    edit: Edit,
    undecided: Option<Undecided>,
    would_deny: Vec<&'static str>,
}

impl Grant {
    /// A reply that is edited must come as plain text, so the engine is not told what else its
    /// client would take.
    pub(crate) fn new(
        mut request: Request,
        rule: Arc<str>,
        edit: Edit,
        undecided: Option<Undecided>,
    ) -> Self {
        if edit.concerns(request.route.operation) {
            request.head.forwarded.retain(|(name, _)| *name != "Accept-Encoding");
        }
        Self { request, rule, edit, undecided, would_deny: Vec::new() }
    }

    /// The same, of a role in warn mode: by these rules it would have been refused.
    pub(crate) fn warning(self, would_deny: Vec<&'static str>) -> Self {
        Self { would_deny, ..self }
    }

    /// The rules by which it would have been refused, were it not for a role in warn mode.
    pub fn would_deny(&self) -> &[&'static str] {
        &self.would_deny
    }

    /// Whether the reply is edited.
    pub fn is_edited(&self) -> bool {
        self.edit.concerns(self.request.route.operation)
    }

    /// Whether the reply shows some of all things only: those that are its sender's own.
    pub fn is_narrowed(&self) -> bool {
        self.edit.keep.is_some()
    }

    /// Whether something is hidden in the reply that was shown under another grant.
    pub fn hides_more_than(&self, before: &Self) -> bool {
        reply::hides_more(self.edit.redact.as_deref(), before.edit.redact.as_deref())
    }

    /// What edits the reply; `None` where it goes on as it comes.
    pub fn editor(&self) -> Option<Editor> {
        Editor::new(self.request.route.operation, &self.edit)
    }

    /// The request as it will be written to the engine.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What judges its body as it passes; `None` where the body passes as it is.
    pub fn content(&self) -> Option<content::Judge> {
        content::Judge::of(&self.request, self.undecided.clone()?)
    }

    /// The roles that judge what passes in a build session; `None` where that passes as it is.
    pub fn session(&self) -> Option<&Undecided> {
        let of_session = self.request.route.operation == Operation::Session;
        self.undecided.as_ref().filter(|_| of_session)
    }

    /// Whether its connection leads to BuildKit, and what passes there is judged call by call.
    pub fn leads_to_buildkit(&self) -> bool {
        self.request.route.operation == Operation::Grpc && self.undecided.is_some()
    }

    /// The session by which BuildKit gets what a role builds, and what the build asks for beside
    /// that; `None` for all else.
    pub fn build(&self) -> Option<(&str, &[Fact])> {
        let session = self.request.build_session().filter(|_| self.undecided.is_some())?;
        Some((session, &self.request.facts.asks))
    }

    /// The request, to be judged anew.
    pub fn into_request(self) -> Request {
        self.request
    }

    /// The id of the rule that allowed it, as `policy list` shows it (`viewer.operations`).
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// Why a request is not forwarded, for the client and for the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} [rule {rule}]")]
pub struct Refusal {
    /// HTTP status for the client: 400 malformed, 403 refused, 413 too large, 417 unknown
    /// expectation, 431 head too large, 501 unknown method, 505 unknown version. Never 401:
    /// `docker pull` would ask for a login.
    pub status: u16,
    /// Stable id of the rule that refused: `head.duplicate-content-length`, `route.unknown`,
    /// `role.operations`.
    pub rule: &'static str,
    /// One clause in lower case without a final period; client input in backticks, escaped.
    pub reason: String,
}

impl Refusal {
    /// A request that two parsers could read two ways, or that is no HTTP at all (400).
    pub fn malformed(rule: &'static str, reason: impl Into<String>) -> Self {
        Self { status: 400, rule, reason: reason.into() }
    }

    /// A well-formed request that may not pass (403).
    pub fn forbidden(rule: &'static str, reason: impl Into<String>) -> Self {
        Self { status: 403, rule, reason: reason.into() }
    }
}
