//! Stage 7 for BuildKit: the connections that `/session` and `/grpc` become. Where a role has
//! opened one, the gate speaks HTTP/2 with both ends, and passes gRPC calls one by one.

mod builds;
mod call;
mod control;
mod end;
mod refusing;
mod session;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::client::SendRequest;
use h2::{client, server};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::Ending;
use crate::engine::EngineStream;
use crate::http::hang_up::Socket;
use crate::http::wire::Wire;
use crate::session::Tally;
pub use builds::Builds;
use call::Call;
pub use control::Control;
use end::End;
pub use session::Session;

/// A connection of a role to BuildKit.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as what it is")]
pub enum Connection<'a> {
    Control(Control<'a>),
    Session(Session<'a>),
}

impl Connection<'_> {
    /// Carries its calls, until one of its two ends has gone.
    pub async fn carry<S: Socket>(
        &self,
        client: &mut Wire<S>,
        engine: &mut Wire<EngineStream>,
        tally: &mut Tally<'_>,
    ) -> Ending {
        let engine = End { wire: engine, tally: None };
        let client = End { wire: client, tally: Some(tally) };
        match self {
            Self::Control(control) => {
                let call = |call, engine| control.call(call, engine);
                let gone = match carry(client, engine, call).await {
                    Gone::Caller => Ending::ClientGone,
                    Gone::Callee => Ending::EngineGone,
                    Gone::Nobody => Ending::Complete,
                };
                if control.refusing.has_some() { Ending::Refused } else { gone }
            }
            Self::Session(session) => {
                let call = |call, client| session.call(call, client);
                let gone = match carry(engine, client, call).await {
                    Gone::Caller => Ending::EngineGone,
                    Gone::Callee => Ending::ClientGone,
                    Gone::Nobody => Ending::Complete,
                };
                if session.refusing.has_some() { Ending::Refused } else { gone }
            }
        }
    }
}

/// Who broke the connection off.
enum Gone {
    Callee,
    Caller,
    Nobody,
}

/// Has `carry_one` carry each call that comes.
async fn carry<A, B, F>(
    caller: A,
    callee: B,
    carry_one: impl Fn(Call, SendRequest<Bytes>) -> F,
) -> Gone
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = ()>,
{
    let mut of_caller = server::Builder::new();
    of_caller
        .initial_window_size(WINDOW)
        .initial_connection_window_size(ALL_WINDOWS)
        .max_concurrent_streams(MAX_CALLS)
        .max_header_list_size(MAX_METADATA);
    let Ok(mut calls) = of_caller.handshake::<_, Bytes>(caller).await else {
        return Gone::Caller;
    };
    let mut of_callee = client::Builder::new();
    of_callee
        .initial_window_size(WINDOW)
        .initial_connection_window_size(ALL_WINDOWS)
        .enable_push(false)
        .max_header_list_size(MAX_METADATA);
    let Ok((callee, mut answers)) = of_callee.handshake::<_, Bytes>(callee).await else {
        return Gone::Callee;
    };
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = open.next(), if !open.is_empty() => {}
            call = calls.accept() => match call {
                Some(Ok((request, respond))) => {
                    open.push(carry_one(Call { request, respond }, callee.clone()));
                }
                Some(Err(_)) => return Gone::Caller,
                None => return Gone::Nobody,
            },
            ended = &mut answers => return match ended {
                Ok(()) => Gone::Nobody,
                Err(_) => Gone::Callee,
            },
        }
    }
}

/// Bytes of one call that wait until they are taken (RFC 9113 section 6.9.2), and of all calls.
const WINDOW: u32 = 1 << 20;
const ALL_WINDOWS: u32 = 4 << 20;
/// A build makes some at once for each of its folders, secrets and images.
const MAX_CALLS: u32 = 256;
/// The patterns of a `.dockerignore` are metadata of a call.
const MAX_METADATA: u32 = 1 << 20;
