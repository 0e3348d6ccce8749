//! What russh asks while it speaks with a client.

use std::io;

use russh::keys::{Algorithm, Certificate};
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use seawall_rules::ssh::exec::MAX_COMMAND;
use tokio::net::UnixStream;

use super::{Client, Ended, State, shortened};
use crate::ssh::door::relay::{Input, Shape};
use crate::ssh::line::{Ask, Kind, Reply, Wish};

/// Channels open at one time on one connection. Each to the engine is also counted by the gate,
/// in `limits.connections_per_identity`.
const MAX_CHANNELS: usize = 512;
/// Bytes of a certificate; with many principals it has some KiB.
const MAX_CERTIFICATE: usize = 12 * 1024;

/// `ssh-rsa`, an RSA key that signs with SHA-1.
const SHA1: Algorithm = Algorithm::Rsa { hash: None };

impl Handler for Client {
    type Error = Ended;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Ended> {
        // russh verifies what it does not advertise too, and asks this before each signature.
        if *offer.algorithm == SHA1 {
            return Ok(Auth::reject());
        }
        let Ok(public) = offer.public_key.to_bytes() else { return Ok(Auth::reject()) };
        self.authenticates(Ask::Offers { public, user: shortened(user) }).await
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Ended> {
        match key.public_key.to_bytes() {
            Ok(public) => self.proves(user, public).await,
            Err(_) => Ok(Auth::reject()),
        }
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Ended> {
        match certificate.to_bytes() {
            Ok(public) if public.len() <= MAX_CERTIFICATE => self.proves(user, public).await,
            _ => Ok(Auth::reject()),
        }
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
        self.fails(Kind::Pty, terminal, channel, session).await
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.fails(Kind::Environment, name, channel, session).await
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
        self.fails(Kind::X11, "", channel, session).await
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
