//! One client: what it asks of SSH is asked of the gate, or refused here.

mod handler;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use russh::server::{Auth, Config, Handler, Msg, Session, run_stream};
use russh::{ChannelId, ChannelWriteHalf, Disconnect};
use seawall_rules::escape::bounded;
use seawall_rules::ssh::exec::MAX_COMMAND;
use tokio::io::BufReader;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::backlog::{Backlog, Paced};
use super::relay::{Input, Shape, refuse, relay};
use crate::ssh::line::{Ask, Kind, Line, Reply, Wish};

/// Bytes read from the socket at once.
const READ_BUFFER: usize = 128 * 1024;
/// Time for the last words to a client whose connection is ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves one connection until the client or the gate ends it.
pub(super) async fn serve(config: Arc<Config>, stream: TcpStream, line: OwnedFd, port: u16) {
    let Ok(line) = Line::new(line).map(Arc::new) else { return };
    let (replies, answers) = mpsc::channel(1);
    let (end, ended) = oneshot::channel();
    let listening = tokio::spawn(listen(line.clone(), replies, end));
    let backlog = Backlog::default();
    let client = Client {
        line: line.clone(),
        answers,
        channels: HashMap::new(),
        backlog: backlog.clone(),
        user: String::new(),
        port,
    };
    speak(config, stream, client, &backlog, ended).await;
    if !backlog.was_heard() {
        // The gate may have ended it, and then it does not want to know.
        let _ = line.send(&Ask::Left, &[]).await;
    }
    listening.abort();
}

/// Speaks SSH with a client until either side ends it; russh's panic is an end too.
async fn speak<H>(
    config: Arc<Config>,
    stream: TcpStream,
    client: H,
    backlog: &Backlog,
    mut ended: oneshot::Receiver<String>,
) where
    H: Handler + Send + 'static,
{
    // Whatever russh is doing with the stream, this ends it.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let stream = BufReader::with_capacity(READ_BUFFER, Paced::new(stream, backlog.clone()));
    let session = async {
        // It waits for the client's first line.
        let running = tokio::select! {
            running = run_stream(config, stream, client) => running?,
            _ = &mut ended => return Ok(()),
        };
        let handle = running.handle();
        tokio::select! {
            done = running => done,
            why = &mut ended => {
                let why = why.unwrap_or_default();
                let told = handle.disconnect(Disconnect::ByApplication, why, String::new());
                if tokio::time::timeout(LAST_WORDS, told).await.is_ok() {
                    tokio::time::sleep(LAST_WORDS / 5).await;
                }
                Ok(())
            }
        }
    };
    // How a connection with a stranger ended is nobody's news.
    let _: Result<(), H::Error> = session.await;
    let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
}

/// Takes the gate's answers off the line, until it ends the connection.
async fn listen(line: Arc<Line>, replies: mpsc::Sender<Answer>, end: oneshot::Sender<String>) {
    let why = loop {
        match line.receive().await {
            Ok(Some((Reply::End { why }, _))) => break why,
            Ok(Some((reply, descriptors))) => {
                if replies.send((reply, descriptors.into_iter().next())).await.is_err() {
                    break String::new();
                }
            }
            Ok(None) | Err(_) => break String::new(),
        }
    };
    let _ = end.send(why);
}

type Answer = (Reply, Option<OwnedFd>);

/// Why a connection ends here.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Client(#[from] russh::Error),
    #[error("the gate: {0}")]
    Gate(#[from] io::Error),
    #[error("sends beyond its windows")]
    Abuse,
}

struct Client {
    line: Arc<Line>,
    answers: mpsc::Receiver<Answer>,
    channels: HashMap<ChannelId, State>,
    backlog: Backlog,
    /// As the client gave it, for the hint to a person.
    user: String,
    port: u16,
}

/// How far a channel is.
enum State {
    /// Open, and nothing yet.
    New(ChannelWriteHalf<Msg>),
    /// To the engine.
    Carried(mpsc::UnboundedSender<Input>),
    /// Refused.
    Over,
}

impl Client {
    async fn ask(&mut self, ask: Ask) -> Result<Answer, Ended> {
        self.line.send(&ask, &[]).await?;
        // The gate has ended the connection where no answer comes.
        self.answers.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    async fn note(&mut self, kind: Kind, detail: impl Into<String>) -> Result<(), Ended> {
        let detail = shortened(&detail.into());
        Ok(self.line.send(&Ask::Noted(kind, detail), &[]).await?)
    }

    async fn authenticates(&mut self, ask: Ask) -> Result<Auth, Ended> {
        match self.ask(ask).await? {
            (Reply::Yes, _) => Ok(Auth::Accept),
            _ => Ok(Auth::reject()),
        }
    }

    async fn proves(&mut self, user: &str, public: Vec<u8>) -> Result<Auth, Ended> {
        self.user = bounded(user.as_bytes(), 64);
        self.authenticates(Ask::Proves { public, user: shortened(user) }).await
    }

    /// Refuses what a channel was to have beside a program.
    async fn fails(
        &mut self,
        kind: Kind,
        detail: &str,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.note(kind, detail).await?;
        Ok(session.channel_failure(channel)?)
    }

    /// Makes a channel of a session what the client wants, or tells it why not.
    async fn open(
        &mut self,
        id: ChannelId,
        wish: Wish,
        session: &mut Session,
    ) -> Result<(), Ended> {
        let shell = matches!(wish, Wish::Shell);
        let answer = match self.channels.get(&id) {
            Some(State::New(_)) => self.ask(Ask::Opens(wish)).await?,
            // One program per channel (RFC 4254 section 6.5).
            _ => return Ok(session.channel_failure(id)?),
        };
        let Some(State::New(channel)) = self.channels.insert(id, State::Over) else {
            return Ok(());
        };
        session.channel_success(id)?;
        match answer {
            (Reply::Opened, Some(gate)) => {
                let gate = UnixStream::from_std(gate.into())?;
                self.carry(id, channel, gate, Shape::Command);
            }
            (Reply::Refused { why }, _) => {
                let text = self.explain(&why, shell);
                tokio::spawn(refuse(channel, text));
            }
            _ => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
        Ok(())
    }

    fn carry(
        &mut self,
        id: ChannelId,
        channel: ChannelWriteHalf<Msg>,
        gate: UnixStream,
        shape: Shape,
    ) {
        let (input, queue) = mpsc::unbounded_channel();
        self.channels.insert(id, State::Carried(input));
        tokio::spawn(relay(channel, gate, queue, shape));
    }

    /// What a person reads who typed `ssh`.
    fn explain(&self, why: &str, shell: bool) -> String {
        let (user, port) = (&self.user, self.port);
        let greeting =
            if shell { "This is Seawall, the front door of a Docker engine.\r\n" } else { "" };
        format!(
            "{greeting}seawall: {why}\r\n\
             hint: docker -H ssh://{user}@THIS-HOST:{port} ps\r\n"
        )
    }
}

/// What a client names, no longer than anything that is ever accepted.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_COMMAND + 1).collect()
}

#[cfg(test)]
mod tests;
