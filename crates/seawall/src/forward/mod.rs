//! Stage 7: a granted request goes to the engine, and its reply to the client. Only a [`Grant`]
//! can be forwarded, and it is written from what was judged.

mod download;
pub mod exchange;
mod upload;

use seawall_rules::head::{Framing, Method};
use seawall_rules::operation::{BodyKind, Request, UpgradeKind};
use seawall_rules::verdict::{Grant, Refusal};
use std::time::Duration;

use crate::audit::Ending;
use crate::buildkit;
use crate::engine::{Engine, EngineStream};
use crate::http::body::Body;
use crate::http::hang_up::Socket;
use crate::http::response::Asked;
use crate::http::wire::{STREAM_BUFFER, Wire};
use crate::http::write::Connection;
use crate::metrics::Limit;
use crate::session::Tally;
use crate::stream;
use exchange::{End, Silence, Terms};

/// The engine's connection that belongs to one client's connection. It is used again only after
/// an exchange that ended cleanly, and never for another client.
#[derive(Debug, Default)]
pub struct Link {
    kept: Option<Wire<EngineStream>>,
}

/// The client's end of what is forwarded.
#[derive(Debug)]
pub struct Sender<'a, 'b, S> {
    /// Its connection.
    pub wire: &'a mut Wire<S>,
    /// What it still has to send of its body.
    pub body: &'a mut Body,
    /// Whether its connection lives on.
    pub connection: Connection,
    /// How long it may keep an exchange waiting that is not a stream.
    pub patience: Duration,
    /// What passes.
    pub tally: &'a mut Tally<'b>,
}

/// What is to be done with the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request may come.
    Next,
    /// It closes, once the client has had the time to read what was written.
    Close,
    /// It is dropped.
    Drop,
}

/// Nothing of a reply has reached the client; this is what it is told.
#[derive(Debug)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// One clause.
    pub message: String,
    /// For the record.
    pub ending: Ending,
    /// The limit that was hit, beside those that `ending` tells.
    pub limit: Option<Limit>,
}

/// Forwards a request and relays its reply, to the end of its stream if it becomes one; one that
/// opens `build` is judged call by call there.
///
/// # Errors
/// [`Failure`] when the client got no reply.
pub async fn forward<S>(
    grant: &Grant,
    engine: &Engine,
    link: &mut Link,
    client: Sender<'_, '_, S>,
    build: Option<&buildkit::Connection<'_>>,
) -> Result<(Ending, After), Failure>
where
    S: Socket,
{
    let request = grant.request();
    let Sender { wire, body, connection, patience, tally } = client;
    let terms = terms(grant, connection, patience);
    // What may become a stream gets a connection of its own.
    let mut kept = link.take_alive().await.filter(|_| request.route.upgrade == UpgradeKind::None);
    loop {
        let again = kept.is_some() && is_safe(request) && body.is_done();
        let mut upstream = match kept.take() {
            Some(kept) => kept,
            None => Wire::new(engine.dial().await.map_err(unreachable)?),
        };
        let content = grant.content();
        let rest = if content.is_some() { None } else { body.remaining() };
        write_request(request, rest, &mut upstream.output);
        let editor = grant.editor();
        let end = exchange::run(wire, &mut upstream, tally, body, content, editor, terms).await;
        let replied = tally.status != 0;
        return match end {
            End::Replied { engine, client } => {
                if engine == Connection::Keep {
                    link.kept = Some(upstream);
                }
                let keep = client == Connection::Keep;
                Ok((Ending::Complete, if keep { After::Next } else { After::Close }))
            }
            End::Hijacked => {
                let ending = match build {
                    Some(build) => build.carry(wire, &mut upstream, tally).await,
                    None => stream::copy(wire, &mut upstream, tally).await,
                };
                Ok((ending, After::Close))
            }
            // It went while it was idle; what was asked changes nothing, so it is asked again.
            End::EngineGone if again && !replied => continue,
            End::ClientGone => Ok((Ending::ClientGone, After::Drop)),
            End::NotRelayed(why) if replied => {
                tracing::error!(%why, engine = engine.describe(), "a reply was cut off");
                Ok((Ending::EngineGone, After::Drop))
            }
            End::EngineGone if replied => Ok((Ending::EngineGone, After::Drop)),
            End::Malformed(_) if replied => Ok((Ending::ClientGone, After::Drop)),
            End::Stalled if replied => Ok((Ending::Limit, After::Drop)),
            End::Refused(refusal) => {
                let failure = refused(&refusal);
                tally.refused = Some(refusal);
                if replied { Ok((Ending::Refused, After::Drop)) } else { Err(failure) }
            }
            failed => Err(failure(&failed, engine, patience)),
        };
    }
}

impl Link {
    /// The kept connection, unless the engine has closed it meanwhile or said something unasked.
    async fn take_alive(&mut self) -> Option<Wire<EngineStream>> {
        let mut wire = self.kept.take()?;
        let quiet = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(wire.poll_fill(cx, STREAM_BUFFER).is_pending())
        });
        quiet.await.then_some(wire)
    }
}

fn terms(grant: &Grant, connection: Connection, patience: Duration) -> Terms {
    let request = grant.request();
    let route = request.route;
    let raw_stream = route.upgrade == UpgradeKind::RawStream;
    Terms {
        asked: Asked {
            method: request.head.method,
            version: request.head.version,
            upgrade: request.upgrade,
            raw_stream,
            expect_continue: expects(request),
            connection,
            edited: grant.is_edited(),
        },
        silence: if route.streams && route.upgrade == UpgradeKind::None {
            Silence::Gone
        } else {
            Silence::HalfClosed
        },
        patience: (!route.is_stream()).then_some(patience),
    }
}

/// `rest` is the length of what follows from the client, where that is known.
fn write_request(request: &Request, rest: Option<u64>, out: &mut Vec<u8>) {
    out.clear();
    let json = request.body.as_ref().map(seawall_rules::json::Document::to_bytes);
    let framing = match (&json, rest) {
        (Some(json), _) => Framing::Length(json.len() as u64),
        (None, Some(0)) => Framing::None,
        (None, Some(length)) => Framing::Length(length),
        (None, None) => Framing::Chunked,
    };
    request.write_head(framing, request.route.upgrade == UpgradeKind::None, out);
    if expects(request) {
        // The engine itself says whether it wants the body.
        out.truncate(out.len() - b"\r\n".len());
        out.extend_from_slice(b"Expect: 100-continue\r\n\r\n");
    }
    out.extend_from_slice(&json.unwrap_or_default());
}

/// Whether the client waits for the engine's word before it sends a streamed body.
fn expects(request: &Request) -> bool {
    request.head.expect_continue
        && request.route.body == BodyKind::Stream
        && request.head.framing != Framing::None
}

/// RFC 9110 section 9.2.1.
fn is_safe(request: &Request) -> bool {
    matches!(request.head.method, Method::Get | Method::Head)
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn unreachable(why: crate::engine::Unreachable) -> Failure {
    let message = why.to_string();
    Failure { status: 502, message, ending: Ending::EngineGone, limit: why.limit }
}

/// The session says it in its own words.
fn refused(refusal: &Refusal) -> Failure {
    let (status, message) = (refusal.status, refusal.reason.clone());
    Failure { status, message, ending: Ending::Refused, limit: None }
}

fn failure(end: &End, engine: &Engine, patience: Duration) -> Failure {
    let engine = engine.describe();
    let (status, ending, message) = match end {
        End::NotRelayed(why) => (
            502,
            Ending::EngineGone,
            format!("the reply of the Docker engine at {engine} is not relayed: {why}"),
        ),
        End::Malformed(why) => (400, Ending::Complete, why.to_string()),
        End::Stalled => (
            408,
            Ending::Limit,
            format!("nothing of the request's body came for {} s", patience.as_secs_f32()),
        ),
        _ => (
            503,
            Ending::EngineGone,
            format!(
                "the Docker engine at {engine} closed the connection before it answered; it may \
                 be restarting"
            ),
        ),
    };
    Failure { status, message, ending, limit: None }
}

#[cfg(test)]
mod tests;
