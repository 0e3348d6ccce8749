//! The account of one request: opened when its head was read, closed exactly once, on whichever
//! way it ends.

use std::time::Instant;

use seawall_rules::escape::bounded;
use seawall_rules::facts::Ask;
use seawall_rules::head::{self, RequestHead};
use seawall_rules::operation::{Operation, Request};
use seawall_rules::target;
use seawall_rules::verdict::Refusal;

use crate::audit::{Ending, Outcome, RequestId};
use crate::gate::Gate;
use crate::metrics::Limit;
use crate::sessions::Session;

/// What the record says of a request, as far as it could be read.
#[derive(Debug)]
pub(super) struct Seen {
    /// As received, escaped.
    pub(super) method: String,
    /// Canonical where there is such a form, without secrets.
    pub(super) target: String,
    /// The row of the table.
    pub(super) operation: Option<Operation>,
    /// Escaped.
    pub(super) user_agent: String,
    /// Query keys and fields of the body that are in no table.
    pub(super) unknown: Vec<String>,
    /// What it asks for, once all of that is known.
    pub(super) asks: Option<Vec<String>>,
}

impl Seen {
    /// What a head says, or the bytes of one that could not be read.
    pub(super) fn of(head: &Result<RequestHead, Refusal>, bytes: &[u8]) -> Self {
        let (method, target, user_agent) = match head {
            Ok(head) => (
                head.method.as_str().to_owned(),
                target::for_record(head.target.as_bytes()),
                bounded(head.user_agent().as_bytes(), MAX_USER_AGENT),
            ),
            Err(_) => {
                let (method, target) = head::claimed(bytes);
                (method, target, String::new())
            }
        };
        Self { method, target, operation: None, user_agent, unknown: Vec::new(), asks: None }
    }

    /// Adds what is known once the operation is.
    pub(super) fn request(&mut self, request: &Request) {
        self.target = request.recorded_target();
        self.operation = Some(request.route.operation);
        self.unknown.clone_from(&request.unknown);
        if request.route.schema.is_none() {
            self.asks(request);
        }
    }

    /// Adds the labels that a role asks for, of what it makes.
    pub(super) fn labels(&mut self, labels: Option<&Ask>) {
        if let (Some(asks), Some(labels)) = (&mut self.asks, labels) {
            asks.push(labels.notation());
        }
    }

    /// Adds all that it asks for.
    pub(super) fn asks(&mut self, request: &Request) {
        let asks = request.facts.asks.iter().map(|fact| fact.ask.notation());
        self.asks = Some(asks.collect());
    }
}

/// Bytes of `User-Agent` in the record; Compose's is the longest usual one.
const MAX_USER_AGENT: usize = 160;

/// What passed of a request and its reply, counted as it passes.
#[derive(Debug)]
pub struct Tally<'a> {
    session: &'a Session,
    /// Status the client got, 0 when it got none.
    pub status: u16,
    /// What of the body was refused as it passed.
    pub refused: Option<Refusal>,
    /// The rules by which the body would have been refused, were it not for a role in warn mode.
    pub would_deny: Vec<&'static str>,
    received: u64,
    sent: u64,
}

impl<'a> Tally<'a> {
    /// Nothing passed yet.
    pub fn new(session: &'a Session) -> Self {
        Self { session, status: 0, refused: None, would_deny: Vec::new(), received: 0, sent: 0 }
    }

    /// Counts body bytes from the client.
    pub fn received(&mut self, n: usize) {
        self.received += n as u64;
        self.session.count(n as u64, 0);
    }

    /// Counts body bytes to the client.
    pub fn sent(&mut self, n: usize) {
        self.sent += n as u64;
        self.session.count(0, n as u64);
    }
}

/// An open account. Dropping it records the outcome: `Cut`, unless the request ended otherwise.
#[derive(Debug)]
pub(super) struct Account<'a> {
    /// Where it is kept.
    pub(super) gate: &'a Gate,
    /// The request.
    pub(super) id: RequestId,
    /// What passed.
    pub(super) tally: Tally<'a>,
    began: Instant,
    ending: Ending,
}

impl<'a> Account<'a> {
    /// Opens the account of request `number` of a session.
    pub(super) fn open(gate: &'a Gate, session: &'a Session, number: u32) -> Self {
        Self {
            gate,
            id: RequestId { session: session.id, number },
            tally: Tally::new(session),
            began: Instant::now(),
            // Whoever drops this without a word was cut off in the middle.
            ending: Ending::Cut,
        }
    }

    /// Counts what was decided; `refused_by` is the rule, where it was refused.
    pub(super) fn decided(&self, operation: Option<Operation>, refused_by: Option<&'static str>) {
        let metrics = &self.gate.metrics;
        match (refused_by, operation) {
            (None, Some(operation)) => metrics.allowed(operation),
            (_, operation) => metrics.denied(operation),
        }
        if let Some(rule) = refused_by {
            metrics.refused_by(rule);
        }
    }

    /// Says how the request ended.
    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// Says that the gate's own answer was its end, where nothing else was said.
    pub(super) fn answered(&mut self) {
        if self.ending == Ending::Cut {
            self.ending = Ending::Complete;
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let Tally { session, status, received, sent, .. } = self.tally;
        session.set_doing(None);
        let (id, ending) = (self.id, self.ending);
        let took = self.began.elapsed();
        let metrics = &self.gate.metrics;
        metrics.ended(ending, received, sent, took);
        if ending == Ending::Limit {
            metrics.limit_hit(Limit::Idle);
        }
        self.gate.trail.outcome(&Outcome { id, status, ending, received, sent, took });
    }
}
