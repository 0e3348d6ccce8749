//! The admin socket: how commands on the host reach the running gate (Unix, 0600, the peer's
//! uid checked). JSON over HTTP/1.1: `POST /call` takes a [`Call`] and answers with an
//! [`Answer`] or an error; `GET /metrics` is Prometheus' text.

pub mod client;
pub mod server;
pub mod status;

use serde::{Deserialize, Serialize};

use crate::state::call::{Reply, StateCall};
use status::{SessionRow, Status};

/// One thing a command may ask of the running gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Call {
    /// Anything about identities and credentials. Also works without a running gate.
    State(Box<StateCall>),
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

/// What the gate answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Call::State`].
    State(Box<Reply>),
    /// To [`Call::Reload`]: the generation now in force.
    Reloaded(u64),
    /// To [`Call::Status`].
    Status(Box<Status>),
    /// To [`Call::Sessions`].
    Sessions(Vec<SessionRow>),
    /// To [`Call::KillSession`].
    Killed,
}
