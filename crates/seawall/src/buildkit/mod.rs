//! Stage 7 for BuildKit: the connections that `/session` becomes. Where a role has opened one, the
//! gate speaks HTTP/2 with both ends, and passes gRPC calls one by one.
//!
//! In a session the engine calls, and the client answers.

mod builds;
mod call;
mod end;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::client::SendRequest;
use h2::{client, server};
use seawall_rules::buildkit::{Answer, in_session};
use seawall_rules::policy::Undecided;
use seawall_rules::verdict::Refusal;

use crate::audit::{Ending, RequestId, Subject};
use crate::engine::EngineStream;
use crate::gate::Gate;
use crate::http::hang_up::Socket;
use crate::http::wire::Wire;
use crate::session::{self, Tally};
pub use builds::Builds;
use builds::Opened;
use call::Call;
use end::End;

/// A build session of a role, from the decision to its end.
#[derive(Debug)]
pub struct Session<'a> {
    gate: &'a Gate,
    opened: Opened<'a>,
    subject: Subject,
    request: RequestId,
    refused: AtomicBool,
}

impl<'a> Session<'a> {
    /// Opens the session that a request asks for; `id` is what its client calls it.
    ///
    /// # Errors
    /// A [`Refusal`] for an id that cannot be used.
    pub fn open(
        gate: &'a Gate,
        id: &str,
        subject: &Subject,
        undecided: &Undecided,
        request: RequestId,
    ) -> Result<Self, Refusal> {
        let opened = gate.builds.open(id, subject, undecided.clone())?;
        let refused = AtomicBool::new(false);
        Ok(Self { gate, opened, subject: subject.clone(), request, refused })
    }

    /// Carries the calls of the engine to the client, until one of the two has gone.
    pub async fn carry<S: Socket>(
        &self,
        client: &mut Wire<S>,
        engine: &mut Wire<EngineStream>,
        tally: &mut Tally<'_>,
    ) -> Ending {
        let engine = End { wire: engine, tally: None };
        let client = End { wire: client, tally: Some(tally) };
        let mut caller = server::Builder::new();
        caller
            .initial_window_size(WINDOW)
            .initial_connection_window_size(ALL_WINDOWS)
            .max_concurrent_streams(MAX_CALLS)
            .max_header_list_size(MAX_METADATA);
        let Ok(mut calls) = caller.handshake::<_, Bytes>(engine).await else {
            return Ending::EngineGone;
        };
        let mut callee = client::Builder::new();
        callee
            .initial_window_size(WINDOW)
            .initial_connection_window_size(ALL_WINDOWS)
            .enable_push(false)
            .max_header_list_size(MAX_METADATA);
        let Ok((callee, mut answers)) = callee.handshake::<_, Bytes>(client).await else {
            return Ending::ClientGone;
        };
        let mut open = FuturesUnordered::new();
        let ending = loop {
            tokio::select! {
                Some(()) = open.next(), if !open.is_empty() => {}
                call = calls.accept() => match call {
                    Some(Ok((request, respond))) => {
                        open.push(self.call(Call { request, respond }, callee.clone()));
                    }
                    Some(Err(_)) => break Ending::EngineGone,
                    None => break Ending::Complete,
                },
                ended = &mut answers => break match ended {
                    Ok(()) => Ending::Complete,
                    Err(_) => Ending::ClientGone,
                },
            }
        };
        if self.refused.load(Ordering::Relaxed) { Ending::Refused } else { ending }
    }

    async fn call(&self, call: Call, callee: SendRequest<Bytes>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let folder = call.metadata("dir-name");
        match in_session(call.method(), folder, &self.opened.undecided(), now) {
            Ok(mut answer) => {
                call.carry(callee, answer.as_mut(), |refusal| self.refuse(refusal)).await;
                let would_deny = answer.as_ref().map_or(&[][..], Answer::would_deny);
                session::record_would_deny(self.gate, self.request, would_deny);
            }
            Err(refusal) => call.refuse(refusal.status, &self.refuse(&refusal)),
        }
    }

    /// Records a refusal, and says what its client is told.
    fn refuse(&self, refusal: &Refusal) -> String {
        self.refused.store(true, Ordering::Relaxed);
        session::record_refused(self.gate, self.request, refusal);
        session::denial(&self.subject, refusal, self.request)
    }
}

/// Bytes of one call that wait until they are taken (RFC 9113 section 6.9.2), and of all calls.
const WINDOW: u32 = 1 << 20;
const ALL_WINDOWS: u32 = 4 << 20;
/// A build makes some at once for each of its folders, secrets and images.
const MAX_CALLS: u32 = 256;
/// The patterns of a `.dockerignore` are metadata of a call.
const MAX_METADATA: u32 = 1 << 20;
