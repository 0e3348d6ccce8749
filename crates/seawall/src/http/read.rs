//! One request head from the client, within its bounds of size and time.

use std::pin::Pin;
use std::time::Duration;

use seawall_rules::head::{self, HeadLimits, RequestHead};
use seawall_rules::verdict::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::alarm::{Alarm, Late};
use super::wire::Wire;
use crate::config::Limits;

/// How long and how large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes and header lines.
    pub head: HeadLimits,
    /// From its first byte to its last.
    pub complete: Duration,
    /// Until its first byte.
    pub idle: Duration,
}

impl Bounds {
    /// The bounds a configuration sets.
    pub fn of(limits: &Limits) -> Self {
        Self { head: limits.head, complete: limits.request_head, idle: limits.idle }
    }
}

/// Why there is no request.
#[derive(Debug)]
pub enum NoHead {
    /// The client kept silent for too long between requests.
    Idle,
    /// The client closed, or the gate drains: nobody waits for a reply.
    Over,
    /// What came is no request; the client is told and the connection closed.
    Refused(Refusal),
}

/// Reads the next request's head. Nothing is read beyond `bounds`, except that bytes which came
/// together with the head stay in the wire's input. Completing `drain` ends the wait for a first
/// byte; it must not have completed before.
///
/// # Errors
/// [`NoHead`] when there is none.
pub async fn request_head<S>(
    client: &mut Wire<S>,
    alarm: &mut Alarm,
    bounds: Bounds,
    drain: Pin<&mut impl Future<Output = ()>>,
) -> Result<RequestHead, NoHead>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let most = bounds.head.bytes;
    if client.input.is_empty() {
        tokio::select! {
            biased;
            () = drain => return Err(NoHead::Over),
            filled = alarm.before(Instant::now() + bounds.idle, client.fill(most)) => match filled {
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(NoHead::Over),
                Err(Late) => return Err(NoHead::Idle),
            }
        }
    }
    let deadline = Instant::now() + bounds.complete;
    let mut parser = head::Parser::default();
    loop {
        match parser.parse(client.input.data(), bounds.head) {
            Ok(Some((head, length))) => {
                client.input.consume(length);
                return Ok(head);
            }
            Ok(None) => {}
            Err(refusal) => return Err(NoHead::Refused(refusal)),
        }
        match alarm.before(deadline, client.fill(most)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Err(NoHead::Over),
            Err(Late) => return Err(NoHead::Refused(too_slow(bounds.complete))),
        }
    }
}

fn too_slow(allowed: Duration) -> Refusal {
    let reason = format!("the request head did not come within {} s", allowed.as_secs_f32());
    Refusal { status: 408, rule: "head.too-slow", reason }
}
