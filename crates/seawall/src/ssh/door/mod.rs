//! The SSH process. Everything in this folder runs confined, in a process that strangers speak
//! to; it believes nothing it is told by them and can do nothing but ask the gate.

mod backlog;
mod client;
mod relay;
mod sandbox;

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, PrivateKey};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac, server};
use tokio::net::TcpStream;

use super::line::{Accepted, Line, Ready, Setup};
use crate::cli::report::{Doing, Error};

/// Confines this process and serves the connections that the gate hands over on standard input,
/// until the gate is gone.
///
/// # Errors
/// When this was not started by a gate, or cannot be confined.
pub fn run() -> Result<(), Error> {
    let alone = || {
        Error::usage("`seawall ssh-door` is started by the gate, with a socket to it")
            .hint("to serve SSH: `seawall up --ssh`")
    };
    let control = std::io::stdin().as_fd().try_clone_to_owned().map_err(|_| alone())?;
    let kind = rustix::net::sockopt::socket_type(&control).map_err(|_| alone())?;
    if kind != rustix::net::SocketType::SEQPACKET {
        return Err(alone());
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sandbox = sandbox::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("ssh")
        .enable_all()
        .build()
        .doing(|| "start the runtime".to_owned())?;
    runtime.block_on(async {
        let control = Line::new(control).doing(|| "talk to the gate".to_owned())?;
        serve(&control, sandbox).await.doing(|| "talk to the gate".to_owned())
    })
}

async fn serve(control: &Line, sandbox: String) -> std::io::Result<()> {
    let Some((setup, _)) = control.receive::<Setup>().await? else { return Ok(()) };
    let config = Arc::new(config(setup).map_err(std::io::Error::other)?);
    control.send(&Ready { sandbox }, &[]).await?;
    while let Some((Accepted { port }, sockets)) = control.receive().await? {
        let Ok([stream, line]) = <[_; 2]>::try_from(sockets) else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        let stream = TcpStream::from_std(stream.into())?;
        // A task of its own: a panic in it ends this connection only.
        tokio::spawn(client::serve(config.clone(), stream, line, port));
    }
    Ok(())
}

/// Bytes that a client may send on a channel before it is told to go on. The product of 200 ms
/// and 160 Mbit/s; OpenSSH's own is half of it.
const WINDOW: u32 = 4 << 20;

fn config(setup: Setup) -> Result<server::Config, russh::keys::Error> {
    let key = PrivateKey::from_openssh(setup.host_key)?;
    let certificates = setup.host_certificate.as_deref().map(Certificate::from_openssh);
    Ok(server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Seawall")),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // What is refused is refused by a look into a table; there is nothing to guess at.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        // Agents offer every key they hold, and each offer that is refused counts.
        max_auth_attempts: 20,
        keys: vec![key],
        certificates: certificates.transpose()?.into_iter().collect(),
        window_size: WINDOW,
        maximum_packet_size: 64 * 1024 - 1,
        event_buffer_size: 32,
        preferred: preferred(),
        // `docker events` says nothing for hours; a peer that vanished is noticed within a minute.
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        nodelay: true,
        ..server::Config::default()
    })
}

/// Nothing that a client of the last ten years could not do better: no SHA-1, no CBC, no
/// finite-field groups, no encrypt-and-MAC, no compression. What was made before quantum
/// computers were feared comes after what was made against them.
fn preferred() -> Preferred {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const KEYS: &[Algorithm] = &[
        Algorithm::Ed25519,
        Algorithm::SkEd25519,
        Algorithm::SkEcdsaSha2NistP256,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        #[cfg(feature = "ssh-rsa")]
        Algorithm::Rsa { hash: Some(russh::keys::HashAlg::Sha512) },
        #[cfg(feature = "ssh-rsa")]
        Algorithm::Rsa { hash: Some(russh::keys::HashAlg::Sha256) },
    ];
    // docker-py's paramiko has no GCM before 3.5, and CTR with an encrypt-then-MAC.
    const CIPHERS: &[cipher::Name] =
        &[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR];
    const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];
    Preferred {
        kex: Cow::Borrowed(KEX),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}
