//! The engine's direction of an exchange: the reply's head written afresh, then its body as it
//! comes, in reads as large as there is data.

use std::task::{Context, Poll, ready};

use seawall_rules::head::Version;
use seawall_rules::reply::{Broken, Editor};
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{End, Ends};
use crate::http::body::{Body, Step};
use crate::http::response::{Asked, Then, translate};
use crate::http::wire::STREAM_BUFFER;
use crate::http::write::{self, Connection};

pub(super) struct Download {
    asked: Asked,
    state: State,
    /// Bytes at the front of the engine's input that go to the client, and after them some that
    /// are dropped.
    ready: usize,
    dropped: usize,
    /// Edits the body, until it has ended.
    editor: Option<Editor>,
    /// What was edited last, before it is framed.
    shown: Vec<u8>,
}

enum State {
    Head,
    Body { body: Body, keep_alive: bool, connection: Connection },
    Hijacked,
}

impl Download {
    pub(super) fn new(asked: Asked, editor: Option<Editor>) -> Self {
        Self { asked, state: State::Head, ready: 0, dropped: 0, editor, shown: Vec::new() }
    }

    /// Moves what can be moved, until the exchange ends. `uploaded` says that all of the
    /// request has reached the engine: else neither connection can carry another.
    pub(super) fn poll<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
        uploaded: bool,
    ) -> Poll<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if let Err(end) = ready!(self.poll_client(cx, ends)) {
                return Poll::Ready(end);
            }
            let step = match &mut self.state {
                State::Head => self.head(ends, uploaded),
                State::Body { .. } if self.editor.is_some() => self.edit(ends),
                State::Body { body, keep_alive, connection } if body.is_done() => {
                    let reusable = uploaded && *keep_alive && ends.engine.input.is_empty();
                    let engine = if reusable { Connection::Keep } else { Connection::Close };
                    let client = *connection;
                    return self.flushed(cx, ends, End::Replied { engine, client });
                }
                State::Body { .. } => self.scan(ends),
                State::Hijacked => return self.flushed(cx, ends, End::Hijacked),
            };
            match step {
                Ok(true) => {}
                Ok(false) => {
                    if let Err(end) = ready!(self.poll_engine(cx, ends)) {
                        return Poll::Ready(end);
                    }
                }
                Err(end) => return Poll::Ready(end),
            }
        }
    }

    /// Writes what is ready for the client.
    fn poll_client<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
    ) -> Poll<Result<(), End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Until it is done, it is the client that is waited for.
        ends.client_waits = true;
        if !ends.client.output.is_empty() {
            if ready!(ends.client.poll_output(cx)).is_err() {
                return Poll::Ready(Err(End::ClientGone));
            }
            ends.client_moved = true;
        }
        while self.ready > 0 {
            let bytes = &ends.engine.input.data()[..self.ready];
            let Ok(n) = ready!(ends.client.poll_write(cx, bytes)) else {
                return Poll::Ready(Err(End::ClientGone));
            };
            ends.engine.input.consume(n);
            self.ready -= n;
            ends.client_moved = true;
        }
        ends.engine.input.consume(std::mem::take(&mut self.dropped));
        ends.client_waits = false;
        Poll::Ready(Ok(()))
    }

    /// Reads more from the engine, having sent on to the client what there was.
    fn poll_engine<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
    ) -> Poll<Result<(), End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match ends.engine.poll_fill(cx, STREAM_BUFFER) {
            Poll::Ready(Ok(1..)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(0)) => match &mut self.state {
                State::Body { body, .. } => Poll::Ready(body.end().map_err(|_| End::EngineGone)),
                State::Head | State::Hijacked => Poll::Ready(Err(End::EngineGone)),
            },
            Poll::Ready(Err(_)) => Poll::Ready(Err(End::EngineGone)),
            Poll::Pending => match ends.client.poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(Err(End::ClientGone)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            },
        }
    }

    /// Reads the reply's head; `false` when it is not there yet.
    fn head<S>(&mut self, ends: &mut Ends<'_, '_, S>, uploaded: bool) -> Result<bool, End> {
        let mut asked = self.asked;
        if !uploaded {
            asked.connection = Connection::Close;
        }
        let before = ends.client.output.len();
        let translated = translate(ends.engine.input.data(), asked, &mut ends.client.output);
        let Some(response) = translated.map_err(End::NotRelayed)? else { return Ok(false) };
        ends.engine.input.consume(response.head);
        if !response.edited && response.then != Then::Interim {
            self.editor = None;
        }
        match response.then {
            Then::Interim => return Ok(true),
            Then::Hijacked => self.state = State::Hijacked,
            Then::Body { body, keep_alive, connection } => {
                self.state = State::Body { body, keep_alive, connection };
                if self.editor.is_some() {
                    if let Err(end) = self.edit(ends) {
                        // The client has nothing of it yet, and is told so.
                        ends.client.output.truncate(before);
                        return Err(end);
                    }
                    ends.tally.status = response.status;
                    return Ok(true);
                }
                self.scan(ends)?;
                // A small reply is one write, and one TLS record.
                if self.ready <= SMALL {
                    let bytes = &ends.engine.input.data()[..self.ready];
                    ends.client.output.extend_from_slice(bytes);
                    ends.engine.input.consume(std::mem::take(&mut self.ready));
                }
            }
        }
        ends.tally.status = response.status;
        Ok(true)
    }

    /// Finds how much of the engine's bytes belongs to the client; `false` when nothing does.
    fn scan<S>(&mut self, ends: &mut Ends<'_, '_, S>) -> Result<bool, End> {
        let State::Body { body, .. } = &mut self.state else { return Ok(true) };
        while self.dropped == 0 {
            let bytes = &ends.engine.input.data()[self.ready..];
            match body.step(bytes).map_err(|_| End::EngineGone)? {
                Step::Data(n) => {
                    self.ready += n;
                    ends.tally.sent(n);
                }
                Step::Framing(n) if self.asked.version == Version::Http11 => self.ready += n,
                Step::Framing(n) | Step::Trailer(n) => self.dropped = n,
                Step::More => return Ok(self.ready > 0 || body.is_done()),
            }
        }
        Ok(true)
    }

    /// Edits what there is of the body, and frames what is shown of it; `false` when there is
    /// nothing.
    fn edit<S>(&mut self, ends: &mut Ends<'_, '_, S>) -> Result<bool, End> {
        let (State::Body { body, .. }, Some(editor)) = (&mut self.state, &mut self.editor) else {
            return Ok(true);
        };
        let broken = |broken: Broken| End::NotRelayed(broken.into());
        self.shown.clear();
        loop {
            let bytes = ends.engine.input.data();
            let used = match body.step(bytes).map_err(|_| End::EngineGone)? {
                Step::Data(n) => {
                    editor.push(&bytes[..n], &mut self.shown).map_err(broken)?;
                    n
                }
                Step::Framing(n) | Step::Trailer(n) => n,
                Step::More => break,
            };
            ends.engine.input.consume(used);
        }
        let ended = body.is_done();
        if ended {
            editor.end(&mut self.shown).map_err(broken)?;
            self.editor = None;
        }
        ends.tally.sent(self.shown.len());
        let out = &mut ends.client.output;
        match self.asked.version {
            Version::Http10 => out.extend_from_slice(&self.shown),
            Version::Http11 => write::chunk(&self.shown, ended, out),
        }
        Ok(ended || !self.shown.is_empty())
    }

    fn flushed<S>(&self, cx: &mut Context<'_>, ends: &mut Ends<'_, '_, S>, end: End) -> Poll<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        ends.client_waits = true;
        match ready!(ends.client.poll_flush(cx)) {
            Ok(()) => {
                // A large element may have been in it.
                ends.client.output.shrink_to(STREAM_BUFFER);
                Poll::Ready(end)
            }
            Err(_) => Poll::Ready(End::ClientGone),
        }
    }
}

/// Bytes of a body that are copied behind the head rather than written by themselves: about a
/// TLS record.
const SMALL: usize = 15 * 1024;
