//! What the gate itself says to a client, and how it makes sure that it is heard.

use seawall_rules::head::{Method, RequestHead};
use seawall_rules::verdict::Refusal;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::Account;
use crate::audit::{Ending, RequestId, Subject};
use crate::forward::After;
use crate::gate::Gate;
use crate::http::body::{self, Body};
use crate::http::wire::{STREAM_BUFFER, Wire};
use crate::http::write::{self, Connection};
use crate::metrics::Limit;

/// A reply of the gate's own.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether the client's connection lives on.
    pub(super) connection: Connection,
    method: Option<Method>,
    /// The client sends its body only when told to.
    waits: bool,
    status: u16,
    body: Value,
}

impl Answer {
    /// An answer to a request, still without content.
    pub(super) fn to(head: &Result<RequestHead, Refusal>) -> Self {
        let head = head.as_ref().ok();
        let keep = head.is_some_and(|head| head.keep_alive);
        Self {
            connection: if keep { Connection::Keep } else { Connection::Close },
            method: head.map(|head| head.method),
            waits: head.is_some_and(|head| head.expect_continue),
            status: 0,
            body: Value::Null,
        }
    }

    pub(super) fn with(self, status: u16, message: String) -> Self {
        Self { status, body: json!({ "message": message }), ..self }
    }

    /// Answers as the engine would.
    pub(super) fn telling(self, body: Value) -> Self {
        Self { status: 200, body, ..self }
    }

    /// Denies. After anything but a well-formed request that may not pass, or not now, the
    /// connection closes: what else it would say is not worth guessing.
    pub(super) fn denying(mut self, subject: &Subject, refusal: &Refusal, id: RequestId) -> Self {
        if !is_of_a_role(refusal) {
            self.connection = Connection::Close;
        }
        self.with(refusal.status, denial(subject, refusal, id))
    }
}

/// Whether the request is well-formed, and another identity could have it.
fn is_of_a_role(refusal: &Refusal) -> bool {
    matches!(refusal.status, 403 | 404 | 409 | 429)
}

/// What a refused client reads: who may not do what, by which rule, and where to read more.
pub fn denial(subject: &Subject, refusal: &Refusal, id: RequestId) -> String {
    let Refusal { rule, reason, status } = refusal;
    // What is somebody else's is not there: in the engine's own words, and nothing else.
    if *status == 404 {
        return reason.clone();
    }
    if !is_of_a_role(refusal) {
        return format!("seawall: {reason} [rule {rule}, request {id}]");
    }
    let mut who = subject.name.clone();
    if !subject.roles.is_empty() {
        who = format!("{who} ({})", subject.roles);
    }
    let joint = if reason.starts_with("may not") { "" } else { ":" };
    format!(
        "seawall: {who}{joint} {reason} [rule {rule}, request {id}]. \
         See: seawall policy explain {id}"
    )
}

/// What a client reads whose request could not be recorded.
pub const UNRECORDED: &str = "seawall: the audit trail cannot be written, and what cannot \
                                     be recorded is not forwarded; `seawall status` on the \
                                     gate's host tells why";

/// Sends an answer. A small rest of the request's body is read over, so that the connection can
/// live on; before a large one it closes.
pub(super) async fn answer<S>(
    client: &mut Wire<S>,
    body: &mut Body,
    account: &mut Account<'_>,
    answer: Answer,
) -> After
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Answer { mut connection, method, waits, status, body: told } = answer;
    let small = body.remaining().is_some_and(|rest| rest <= SMALL_REST);
    if !body.is_done() && (waits || !small) {
        connection = Connection::Close;
    }
    client.output.clear();
    write::json(status, &told, method, connection, &mut client.output);
    account.tally.status = status;
    let heard = account.gate.snapshot.load().config.limits.answer;
    match timeout(heard, client.send()).await {
        Ok(Ok(())) => {}
        gone => {
            if gone.is_err() {
                account.gate.metrics.limit_hit(Limit::Answer);
            }
            account.ended(Ending::ClientGone);
            return After::Drop;
        }
    }
    account.answered();
    if connection == Connection::Close {
        return After::Close;
    }
    match timeout(heard, body::capture(client, body, STREAM_BUFFER)).await {
        Ok(Ok(_)) => After::Next,
        Ok(Err(_)) => After::Close,
        Err(_) => {
            account.gate.metrics.limit_hit(Limit::Answer);
            After::Close
        }
    }
}

/// Closes so that the client can read what was written: closing with unread bytes of its own
/// would reset the connection, and the reply with it (RFC 9112 section 9.6).
pub(super) async fn linger<S>(gate: &Gate, client: &mut Wire<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closes = async {
        if std::future::poll_fn(|cx| client.poll_shutdown(cx)).await.is_err() {
            return true;
        }
        let mut left = LINGER_BYTES;
        while !client.ended && left > 0 {
            client.input.consume(client.input.data().len());
            match client.fill(STREAM_BUFFER).await {
                Ok(1..) => left = left.saturating_sub(client.input.data().len()),
                _ => return true,
            }
        }
        client.ended
    };
    let patience = gate.snapshot.load().config.limits.linger;
    if !timeout(patience, closes).await.unwrap_or(false) {
        gate.metrics.limit_hit(Limit::Linger);
    }
}

/// Read over while it does not.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// A body's rest that is read over rather than cut off.
const SMALL_REST: u64 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, roles: &str) -> Subject {
        Subject { id: None, name: name.into(), roles: roles.into(), credential: "cert:1".into() }
    }

    #[test]
    fn a_denial_is_one_sentence_with_rule_and_request_and_the_command_that_tells_more() {
        let id = RequestId { session: 0x7f3a_91c2_b04e, number: 3 };
        let cases = [
            (
                "viewer",
                Refusal::forbidden("role.operations", "may not create a container: no"),
                "seawall: alice (viewer) may not create a container: no [rule role.operations, \
                 request 7f3a91c2b04e-3]. See: seawall policy explain 7f3a91c2b04e-3",
            ),
            (
                "",
                Refusal::forbidden("route.unknown", "the path `/x` is no known operation"),
                "seawall: alice: the path `/x` is no known operation [rule route.unknown, request \
                 7f3a91c2b04e-3]. See: seawall policy explain 7f3a91c2b04e-3",
            ),
            (
                "viewer",
                Refusal::malformed("head.syntax", "the request head is malformed"),
                "seawall: the request head is malformed [rule head.syntax, request 7f3a91c2b04e-3]",
            ),
        ];
        for (roles, refusal, expected) in cases {
            assert_eq!(denial(&subject("alice", roles), &refusal, id), expected);
        }
    }
}
