//! The client's direction of an exchange: the request's head, then its body, decoded from the
//! client's framing and framed afresh.

use std::io::{self, IoSlice, Write as _};
use std::task::{Context, Poll, ready};

use seawall_rules::content::Judge;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{End, Ends};
use crate::http::body::{Body, Step};
use crate::http::wire::STREAM_BUFFER;

pub(super) struct Upload<'a> {
    body: &'a mut Body,
    chunked: bool,
    content: Option<Judge>,
    /// Bytes at the front of the client's input that are still to be judged.
    unjudged: usize,
    state: State,
    piece: Piece,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// All of it is with the engine.
    Finished,
    /// The engine takes no more of it; its reply may still come.
    Refused,
}

/// Part of the body on its way: chunk header, data, end of chunk, as one vectored write.
#[derive(Default)]
struct Piece {
    header: Vec<u8>,
    data: usize,
    written: usize,
}

impl<'a> Upload<'a> {
    /// The upload of `body`, chunked if its length is not known: what is judged is written afresh.
    pub(super) fn new(body: &'a mut Body, content: Option<Judge>) -> Self {
        let chunked = body.remaining().is_none() || content.is_some();
        let (state, piece) = (State::Running, Piece::default());
        Self { body, chunked, content, unjudged: 0, state, piece }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Moves what can be moved. An error ends the exchange.
    pub(super) fn poll<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
    ) -> Poll<Result<(), End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while self.state == State::Running {
            if !ends.engine.output.is_empty() {
                let written = ready!(ends.engine.poll_output(cx));
                self.check(written);
            } else if self.piece.data > 0 {
                let written = ready!(self.piece.poll(cx, ends, self.chunked));
                self.check(written);
            } else if self.unjudged > 0 {
                self.judge(ends)?;
            } else {
                ready!(self.poll_next(cx, ends))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Judges some of what has come, and makes a chunk of what may go on.
    fn judge<S>(&mut self, ends: &mut Ends<'_, '_, S>) -> Result<(), End> {
        let Some(content) = &mut self.content else { return Ok(()) };
        let mut judged = Vec::new();
        let data = &ends.client.input.data()[..self.unjudged];
        let taken = content.push(data, &mut judged).map_err(End::Refused)?;
        ends.client.input.consume(taken);
        self.unjudged -= taken;
        put_chunk(&judged, &mut ends.engine.output);
        Ok(())
    }

    /// Finds what comes next in the client's bytes.
    fn poll_next<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
    ) -> Poll<Result<(), End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.body.step(ends.client.input.data()) {
            Ok(Step::Data(n)) => {
                ends.tally.received(n);
                match self.content {
                    Some(_) => self.unjudged = n,
                    None => self.piece.begin(n, self.chunked),
                }
            }
            Ok(Step::Framing(n) | Step::Trailer(n)) => ends.client.input.consume(n),
            Ok(Step::More) if self.body.is_done() => {
                if let Some(mut content) = self.content.take() {
                    let mut judged = Vec::new();
                    content.finish(&mut judged).map_err(End::Refused)?;
                    ends.tally.would_deny = content.would_deny().to_vec();
                    put_chunk(&judged, &mut ends.engine.output);
                }
                if std::mem::take(&mut self.chunked) {
                    ends.engine.output.extend_from_slice(b"0\r\n\r\n");
                } else {
                    let flushed = ready!(ends.engine.poll_flush(cx));
                    self.state = State::Finished;
                    self.check(flushed);
                }
            }
            Ok(Step::More) => ready!(self.poll_client(cx, ends))?,
            Err(malformed) => return Poll::Ready(Err(End::Malformed(malformed))),
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until the client has no more at the moment, or enough for a large write.
    fn poll_client<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
    ) -> Poll<Result<(), End>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if ends.client.ended {
            return Poll::Ready(Err(End::ClientGone));
        }
        while ends.client.input.data().len() < STREAM_BUFFER / 2 {
            match ends.client.poll_fill(cx, STREAM_BUFFER) {
                Poll::Ready(Ok(1..)) => ends.client_moved = true,
                Poll::Pending if ends.client.input.is_empty() => {
                    ends.client_waits = true;
                    if let Poll::Ready(flushed) = ends.engine.poll_flush(cx) {
                        self.check(flushed);
                    }
                    return Poll::Pending;
                }
                // What came before the end may complete the body.
                Poll::Pending | Poll::Ready(Ok(0)) if !ends.client.input.is_empty() => break,
                _ => return Poll::Ready(Err(End::ClientGone)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn check(&mut self, written: io::Result<()>) {
        if written.is_err() {
            self.state = State::Refused;
        }
    }
}

/// A chunk by itself; the empty one would be the end.
fn put_chunk(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        // INVARIANT: writing to a Vec does not fail.
        let _ = write!(out, "{:x}\r\n", data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

impl Piece {
    fn begin(&mut self, data: usize, chunked: bool) {
        self.header.clear();
        if chunked {
            // INVARIANT: writing to a Vec does not fail.
            let _ = write!(self.header, "{data:x}\r\n");
        }
        (self.data, self.written) = (data, 0);
    }

    fn poll<S>(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_, '_, S>,
        chunked: bool,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let end: &[u8] = if chunked { b"\r\n" } else { b"" };
        let whole = self.header.len() + self.data + end.len();
        while self.written < whole {
            let data = &ends.client.input.data()[..self.data];
            let mut pieces = [&self.header, data, end].map(IoSlice::new);
            let mut rest = &mut pieces[..];
            IoSlice::advance_slices(&mut rest, self.written);
            self.written += ready!(ends.engine.poll_write_pieces(cx, rest))?;
        }
        ends.client.input.consume(self.data);
        self.data = 0;
        Poll::Ready(Ok(()))
    }
}
