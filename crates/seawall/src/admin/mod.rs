//! The admin socket: how commands on the host reach the running gate (Unix, 0600, the peer's
//! uid checked). JSON over HTTP/1.1; `GET /metrics` is served here as well.

pub mod client;

use serde::{Deserialize, Serialize};

use crate::state::call::StateCall;

/// One thing a command may ask of the running gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Call {
    /// Anything about identities and credentials. Also works without a running gate.
    State(StateCall),
    /// Read the configuration again.
    Reload,
    /// The one-screen summary.
    Status,
    /// Who is connected.
    Sessions,
    /// Cut one session.
    KillSession {
        /// Its id, as `sessions` shows it.
        id: String,
    },
}
