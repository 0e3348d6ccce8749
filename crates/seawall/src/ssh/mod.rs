//! The SSH server. It runs in a process of its own, which speaks SSH to strangers and holds the
//! host key, and nothing else: no configuration, no state, no way to the engine, no file.
//!
//! The gate accepts and admits ([`crate::listen`]) and hands the client's socket to that process,
//! with one end of a [`line`] on which this connection is talked about and nothing else. The
//! gate decides on its end ([`connection`]) whose key that is and what a channel may be, and
//! gives the process one end of a socket pair for each channel to the engine; on the other
//! end is the pipeline of [`crate::session`]. Whoever drops its end of the line ends the
//! connection.

pub mod connection;
pub mod door;
pub mod host_key;
pub mod line;
pub mod process;

use std::path::Path;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::admit::Peer;
use crate::authenticate::Authority;
use crate::cli::report::Error;
use crate::config::{Config, Listen};
use crate::gate::Gate;
use host_key::HostKey;
use process::Process;

/// Whether this server verifies what RSA keys sign: the feature `ssh-rsa`.
pub const RSA: bool = cfg!(feature = "ssh-rsa");

/// The SSH server of a gate.
#[derive(Debug)]
pub struct Server {
    /// The process that speaks SSH.
    pub process: Process,
    /// Of the host key, as `ssh` shows it.
    pub fingerprint: String,
    /// The public host key: algorithm and base64.
    pub host_key: String,
}

impl Server {
    /// Starts it where the configuration has an `ssh://` listener; the task ends once it is
    /// stopped.
    ///
    /// # Errors
    /// When the host key cannot be had, or the process does not start.
    pub async fn start(
        state_dir: &Path,
        config: &Config,
    ) -> Result<Option<(Self, JoinHandle<()>)>, Error> {
        if !config.listen.iter().any(|listen| matches!(listen, Listen::Ssh { .. })) {
            return Ok(None);
        }
        let key = HostKey::ensure(state_dir, config.ssh.host_certificate.as_deref())?;
        let (process, watcher) = Process::start(key.setup()?).await?;
        let (fingerprint, host_key) = (key.fingerprint(), key.public_line());
        Ok(Some((Self { process, fingerprint, host_key }, watcher)))
    }
}

/// Records what somebody asked of SSH, by whichever server, and did not get; `detail` is fit to
/// be recorded.
pub fn record_refused(
    gate: &Gate,
    authority: &Authority,
    peer: Peer,
    asked: &'static str,
    detail: String,
) {
    let detail = json!({
        "identity": authority.subject.name,
        "credential": authority.subject.credential,
        "peer": peer.address.to_string(),
        "asked": asked,
        "detail": detail,
    });
    // Nothing was let in that a missing record could hide.
    if let Err(error) = gate.trail.event("ssh.refused", detail) {
        tracing::error!(%error, "cannot record what was refused over SSH");
    }
}
