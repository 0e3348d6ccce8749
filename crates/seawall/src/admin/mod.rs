//! The admin socket: how commands on the host reach the running gate (Unix, 0600, the peer's
//! uid checked). JSON over HTTP/1.1: `POST /call` takes a [`Call`] and answers with an
//! [`Answer`] or an error; `GET /metrics` is Prometheus' text.

pub mod client;
pub mod server;
pub mod status;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::state::call::{Reply, StateCall};
use status::{Network, SessionRow, Status};

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
    /// Who may connect, and who is kept out for a while.
    Network,
    /// Let a source in again that is kept out for its failures.
    Unban {
        /// One of its addresses; `None` is everybody.
        address: Option<IpAddr>,
    },
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
    /// To [`Call::Network`].
    Network(Box<Network>),
    /// To [`Call::Unban`]: who was kept out.
    Unbanned(Vec<String>),
    /// To [`Call::Sessions`].
    Sessions(Vec<SessionRow>),
    /// To [`Call::KillSession`].
    Killed,
}
