//! Stage 7: a hijacked connection. Bytes pass both ways untouched, and so does the end of each
//! direction: `cat | docker run -i` ends its input and still reads the output.

use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::audit::Ending;
use crate::engine::EngineStream;
use crate::http::hang_up::{HangUp, Socket};
use crate::http::wire::{STREAM_BUFFER, Wire};
use crate::session::Tally;

/// Copies both ways until both have ended, or one end has gone. What either wire has in its
/// input already passes first.
pub async fn copy<S>(
    client: &mut Wire<S>,
    engine: &mut Wire<EngineStream>,
    tally: &mut Tally<'_>,
) -> Ending
where
    S: Socket,
{
    let mut up = Direction::Open;
    let mut down = Direction::Open;
    let (mut client_gone, mut engine_gone) = (HangUp::default(), HangUp::default());
    std::future::poll_fn(|cx| {
        // Downward first: what the engine still said is worth more than what it will not read.
        while down == Direction::Open {
            match poll_pass(cx, engine, client, |n| tally.sent(n)) {
                Poll::Ready(Pass::Moved) => {}
                Poll::Ready(Pass::Ended) => down = Direction::Ended,
                Poll::Ready(Pass::SourceGone) => return Poll::Ready(Ending::EngineGone),
                Poll::Ready(Pass::TargetGone) => return Poll::Ready(Ending::ClientGone),
                Poll::Pending => break,
            }
        }
        while up != Direction::Ended {
            let passed = match up {
                Direction::Deaf => poll_discard(cx, client),
                _ => poll_pass(cx, client, engine, |n| tally.received(n)),
            };
            match passed {
                Poll::Ready(Pass::Moved) => {}
                Poll::Ready(Pass::Ended) => up = Direction::Ended,
                Poll::Ready(Pass::SourceGone) => return Poll::Ready(Ending::ClientGone),
                // It may have more to say all the same.
                Poll::Ready(Pass::TargetGone) => up = Direction::Deaf,
                Poll::Pending => break,
            }
        }
        // A client that is not read, because it ended its direction or the engine takes no more,
        // may have gone all the same.
        let unread = up == Direction::Ended || !client.input.is_empty();
        if unread && client_gone.poll(cx, &client.stream).is_ready() {
            return Poll::Ready(Ending::ClientGone);
        }
        match (up, down) {
            (_, Direction::Open | Direction::Deaf) => Poll::Pending,
            (Direction::Open, Direction::Ended) => {
                engine_gone.poll(cx, &engine.stream).map(|()| Ending::Complete)
            }
            // Nothing can reach the engine, and it has nothing more to say.
            (Direction::Deaf | Direction::Ended, Direction::Ended) => Poll::Ready(Ending::Complete),
        }
    })
    .await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Open,
    /// The target takes nothing more; what comes is dropped, so that its end is noticed.
    Deaf,
    /// The source ended, and the target was told.
    Ended,
}

enum Pass {
    Moved,
    Ended,
    SourceGone,
    TargetGone,
}

/// Moves something one way: what is held, then what comes, then the end.
fn poll_pass<A, B>(
    cx: &mut Context<'_>,
    from: &mut Wire<A>,
    to: &mut Wire<B>,
    mut count: impl FnMut(usize),
) -> Poll<Pass>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    while !from.input.is_empty() {
        match ready!(to.poll_write(cx, from.input.data())) {
            Ok(n) => {
                from.input.consume(n);
                count(n);
            }
            Err(_) => return Poll::Ready(Pass::TargetGone),
        }
    }
    if !from.ended {
        match from.poll_fill(cx, STREAM_BUFFER) {
            Poll::Ready(Ok(0)) => {}
            Poll::Ready(Ok(_)) => return Poll::Ready(Pass::Moved),
            // A TLS stream cut without its closing alert is here as well.
            Poll::Ready(Err(_)) => return Poll::Ready(Pass::SourceGone),
            Poll::Pending => {
                return match to.poll_flush(cx) {
                    Poll::Ready(Err(_)) => Poll::Ready(Pass::TargetGone),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                };
            }
        }
    }
    match ready!(to.poll_shutdown(cx)) {
        Ok(()) => Poll::Ready(Pass::Ended),
        Err(_) => Poll::Ready(Pass::TargetGone),
    }
}

fn poll_discard<S>(cx: &mut Context<'_>, from: &mut Wire<S>) -> Poll<Pass>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    from.input.consume(from.input.data().len());
    if from.ended {
        return Poll::Ready(Pass::Ended);
    }
    Poll::Ready(match ready!(from.poll_fill(cx, STREAM_BUFFER)) {
        Ok(0) => Pass::Ended,
        Ok(_) => Pass::Moved,
        Err(_) => Pass::SourceGone,
    })
}
