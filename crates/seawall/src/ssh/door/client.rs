//! One client: what it asks of SSH is asked of the gate, or refused here.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Certificate;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
    run_stream,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Disconnect, Pty};
use seawall_rules::ssh::exec::MAX_COMMAND;
use tokio::io::BufReader;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::backlog::{Backlog, Paced};
use super::relay::{Input, Shape, refuse, relay};
use crate::ssh::line::{Ask, Kind, Line, Reply, Wish};

/// Channels open at one time on one connection. Each to the engine is also counted by the gate,
/// in `limits.connections_per_identity`.
const MAX_CHANNELS: usize = 512;
/// Bytes read from the socket at once.
const READ_BUFFER: usize = 128 * 1024;
/// Time for the last words to a client whose connection is ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves one connection until the client or the gate ends it.
pub(super) async fn serve(config: Arc<Config>, stream: TcpStream, line: OwnedFd, port: u16) {
    let Ok(line) = Line::new(line).map(Arc::new) else { return };
    // Whatever russh is doing with the stream, this ends it.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let (replies, answers) = mpsc::channel(1);
    let (end, mut ended) = oneshot::channel();
    let listening = tokio::spawn(listen(line.clone(), replies, end));
    let backlog = Backlog::default();
    let client = Client {
        line,
        answers,
        channels: HashMap::new(),
        backlog: backlog.clone(),
        user: String::new(),
        port,
    };
    let stream = BufReader::with_capacity(READ_BUFFER, Paced::new(stream, backlog));
    let session = async {
        let running = run_stream(config, stream, client).await?;
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
    let _: Result<(), Ended> = session.await;
    let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
    listening.abort();
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

impl Handler for Client {
    type Error = Ended;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Ended> {
        let Ok(public) = offer.public_key.to_bytes() else { return Ok(Auth::reject()) };
        self.authenticates(Ask::Offers { public, user: shortened(user) }).await
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Ended> {
        let Ok(public) = key.public_key.to_bytes() else { return Ok(Auth::reject()) };
        self.user = seawall_rules::escape::bounded(user.as_bytes(), 64);
        self.authenticates(Ask::Proves { public, user: shortened(user) }).await
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Ended> {
        let Ok(public) = certificate.to_bytes() else { return Ok(Auth::reject()) };
        if public.len() > MAX_CERTIFICATE {
            return Ok(Auth::reject());
        }
        self.user = seawall_rules::escape::bounded(user.as_bytes(), 64);
        self.authenticates(Ask::Proves { public, user: shortened(user) }).await
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Ended> {
        if self.channels.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        // Without its reading half russh hands data to `data`, and waits for nobody.
        let (_, channel) = channel.split();
        self.channels.insert(id, State::New(channel));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Ended> {
        if self.channels.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        match self.ask(Ask::Opens(Wish::Streamlocal(shortened(path)))).await? {
            (Reply::Opened, Some(gate)) => {
                let gate = UnixStream::from_std(gate.into())?;
                let id = channel.id();
                let (_, channel) = channel.split();
                reply.accept().await;
                self.carry(id, channel, gate, Shape::Stream);
            }
            (Reply::Refused { why }, _) => {
                // `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED`, with a reason that says more.
                let reason = format!("seawall: {why}");
                reply.reject(ChannelOpenFailure::Other { code: 1, reason }).await;
            }
            _ => return Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Ended> {
        self.note(Kind::Forwarding, format!("{host}:{port}")).await?;
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Ended> {
        // One byte more than is ever accepted is enough to be refused by.
        let command = command.get(..=MAX_COMMAND).unwrap_or(command).to_vec();
        self.open(channel, Wish::Exec(command), session).await
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.open(channel, Wish::Shell, session).await
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.open(channel, Wish::Subsystem(shortened(name)), session).await
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        terminal: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.note(Kind::Pty, terminal).await?;
        Ok(session.channel_failure(channel)?)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.note(Kind::Environment, name).await?;
        Ok(session.channel_failure(channel)?)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.note(Kind::X11, "").await?;
        Ok(session.channel_failure(channel)?)
    }

    async fn agent_request(
        &mut self,
        _channel: ChannelId,
        _session: &mut Session,
    ) -> Result<bool, Ended> {
        self.note(Kind::Agent, "").await?;
        Ok(false)
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        _session: &mut Session,
    ) -> Result<bool, Ended> {
        self.note(Kind::Forwarding, format!("from {address}:{port}")).await?;
        Ok(false)
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        _session: &mut Session,
    ) -> Result<bool, Ended> {
        self.note(Kind::Forwarding, format!("from {path}")).await?;
        Ok(false)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Ended> {
        if let Some(State::Carried(input)) = self.channels.get(&channel) {
            let queued = self.backlog.queue(data).ok_or(Ended::Abuse)?;
            // Nobody takes it any more where this fails: the engine's end is the end.
            let _ = input.send(Input::Data(queued));
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Ended> {
        if let Some(State::Carried(input)) = self.channels.get(&channel) {
            let _ = input.send(Input::Eof);
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Ended> {
        self.channels.remove(&channel);
        Ok(())
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.backlog.window()
    }
}

/// Bytes of a certificate; with many principals it has some KiB.
const MAX_CERTIFICATE: usize = 12 * 1024;

/// What a client names, no longer than anything that is ever accepted.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_COMMAND + 1).collect()
}
