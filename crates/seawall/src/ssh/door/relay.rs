//! One channel to the engine: bytes between the client's channel and the gate's pipeline, with
//! half-close, and the end as OpenSSH's client expects it.

use bytes::BytesMut;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use seawall_rules::ssh::exec::NOT_FOUND;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc::UnboundedReceiver;

use super::backlog::Queued;

/// What comes from the client. The end of the queue is the end of the channel.
#[derive(Debug)]
pub(super) enum Input {
    Data(Queued),
    /// The client sends nothing more, and still reads.
    Eof,
}

/// What the channel was opened as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A command, which ends with an exit status.
    Command,
    /// A stream, which ends.
    Stream,
}

/// Bytes read from the gate at once.
const PIECE: usize = 64 * 1024;

/// Carries a channel to its end.
pub(super) async fn relay(
    channel: ChannelWriteHalf<Msg>,
    gate: UnixStream,
    mut input: UnboundedReceiver<Input>,
    shape: Shape,
) {
    let (mut from_gate, to_gate) = gate.into_split();
    let to_client = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(PIECE);
            match from_gate.read_buf(&mut buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
            if channel.data_bytes(buffer.split().freeze()).await.is_err() {
                return;
            }
        }
    };
    // As with dial-stdio, the engine's end is the end, whatever the client still has to send.
    tokio::select! {
        () = to_client => {}
        () = from_client(&mut input, to_gate) => return,
    }
    // Without the status, docker takes the engine for one that is too old (commandconn).
    let end = async {
        if shape == Shape::Command {
            channel.exit_status(0).await?;
        }
        channel.eof().await?;
        channel.close().await
    };
    // The connection is gone where this fails, and then nobody waits for it.
    let _ = end.await;
}

/// Completes when the channel is closed by the client.
async fn from_client(input: &mut UnboundedReceiver<Input>, to_gate: OwnedWriteHalf) {
    let mut to_gate = Some(to_gate);
    while let Some(input) = input.recv().await {
        let written = match (&mut to_gate, input) {
            (Some(to_gate), Input::Data(queued)) => to_gate.write_all(&queued.bytes).await,
            (Some(to_gate), Input::Eof) => to_gate.shutdown().await,
            // What comes after the gate has stopped reading is dropped; its answer still passes.
            (None, _) => Ok(()),
        };
        if written.is_err() {
            to_gate = None;
        }
    }
}

/// Ends a channel that is not to be, with a line that says why.
pub(super) async fn refuse(channel: ChannelWriteHalf<Msg>, text: String) {
    let end = async {
        channel.extended_data_bytes(STDERR, text.into_bytes()).await?;
        channel.exit_status(NOT_FOUND.into()).await?;
        channel.eof().await?;
        channel.close().await
    };
    let _ = end.await;
}

/// `SSH_EXTENDED_DATA_STDERR` (RFC 4254 section 5.2).
const STDERR: u32 = 1;
