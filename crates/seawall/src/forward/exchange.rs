//! One request's bytes to the engine and its reply's bytes back, both at once: the engine may
//! answer while the client still sends (`/build`), and a client that leaves must not wait for
//! the next byte of a silent log.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use seawall_rules::content::Judge;
use seawall_rules::reply::Editor;
use seawall_rules::verdict::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::download::Download;
use super::upload::Upload;
use crate::engine::EngineStream;
use crate::http::body::{Body, Malformed};
use crate::http::hang_up::{HangUp, Socket};
use crate::http::response::{Asked, NotRelayed};
use crate::http::wire::{EARLY_BUFFER, Wire};
use crate::http::write::Connection;
use crate::session::Tally;

/// What an exchange is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the reply depends on.
    pub asked: Asked,
    /// What the client's end of stream means while it waits for the reply.
    pub silence: Silence,
    /// How long the client may neither send nor take a byte; `None` is for ever.
    pub patience: Option<Duration>,
}

/// What the client's end of stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It has gone: nobody half-closes to read a log.
    Gone,
    /// It has half-closed, and waits for the reply or for its stream.
    HalfClosed,
}

/// How an exchange ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The reply reached the client whole.
    Replied {
        /// Whether the engine's connection can carry another exchange.
        engine: Connection,
        /// Whether the client's can.
        client: Connection,
    },
    /// The head of a hijacked reply reached the client; from here on it is bytes both ways.
    Hijacked,
    /// The engine closed or broke its connection inside the exchange.
    EngineGone,
    /// The engine's reply is not relayed.
    NotRelayed(NotRelayed),
    /// The client closed or broke its connection inside the exchange.
    ClientGone,
    /// The client's body is not what its framing says.
    Malformed(Malformed),
    /// What came with the body is refused; the engine has not seen the end of it.
    Refused(Refusal),
    /// The client kept the exchange waiting for too long.
    Stalled,
}

/// Both ends of a relay, and the count of what passes.
pub(super) struct Ends<'a, 'b, S> {
    pub(super) client: &'a mut Wire<S>,
    pub(super) engine: &'a mut Wire<EngineStream>,
    pub(super) tally: &'a mut Tally<'b>,
    /// The client is what is waited for.
    pub(super) client_waits: bool,
    /// The client sent or took something since the last look.
    pub(super) client_moved: bool,
}

/// Carries one exchange to its end. `engine.output` holds the request's head, and its body if
/// that was judged; `body` is what is still to come from the client and streamed, by way of
/// `content` where that judges it. `editor` edits the reply, if `terms` say that it is edited.
pub async fn run<S>(
    client: &mut Wire<S>,
    engine: &mut Wire<EngineStream>,
    tally: &mut Tally<'_>,
    body: &mut Body,
    content: Option<Judge>,
    editor: Option<Editor>,
    terms: Terms,
) -> End
where
    S: Socket,
{
    let mut upload = Upload::new(body, content);
    let mut download = Download::new(terms.asked, editor);
    let mut client_gone = HangUp::default();
    let mut stall = Stall { patience: terms.patience, sleep: None };
    let mut ends = Ends { client, engine, tally, client_waits: false, client_moved: false };
    std::future::poll_fn(|cx| {
        ends.client_waits = false;
        if let Poll::Ready(Err(end)) = upload.poll(cx, &mut ends) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = download.poll(cx, &mut ends, upload.is_finished()) {
            return Poll::Ready(end);
        }
        let unread = if upload.is_running() {
            !ends.client.input.is_empty()
        } else if let Poll::Ready(end) = watch(cx, ends.client, terms.silence) {
            return Poll::Ready(end);
        } else {
            ends.client.ended
        };
        if unread && client_gone.poll(cx, &ends.client.stream).is_ready() {
            return Poll::Ready(End::ClientGone);
        }
        stall.poll(cx, &mut ends)
    })
    .await
}

/// Notices that a client which waits for its reply has gone; what it sends early is kept.
fn watch<S>(cx: &mut Context<'_>, client: &mut Wire<S>, silence: Silence) -> Poll<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while !client.ended && client.input.data().len() < EARLY_BUFFER {
        match client.poll_fill(cx, EARLY_BUFFER) {
            Poll::Ready(Ok(0)) if silence == Silence::HalfClosed => {}
            Poll::Ready(Ok(1..)) => {}
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(End::ClientGone),
            Poll::Pending => break,
        }
    }
    // With its buffer full it is read no more, so its end would not be noticed; and nobody
    // pipelines so much behind a stream that may never end.
    if silence == Silence::Gone && client.input.data().len() >= EARLY_BUFFER {
        return Poll::Ready(End::ClientGone);
    }
    Poll::Pending
}

struct Stall {
    patience: Option<Duration>,
    // Made when the client is first waited for: most exchanges never do.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn poll<S>(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_, '_, S>) -> Poll<End> {
        let Some(patience) = self.patience.filter(|_| ends.client_waits) else {
            return Poll::Pending;
        };
        let moved = std::mem::take(&mut ends.client_moved);
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if moved {
                    sleep.as_mut().reset(Instant::now() + patience);
                }
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep(patience))),
        };
        sleep.as_mut().poll(cx).map(|()| End::Stalled)
    }
}
