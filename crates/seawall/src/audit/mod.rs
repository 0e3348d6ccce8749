//! Stage 8: the record. Append-only JSON lines in segments, each carrying the SHA-256 of the one
//! before, with signed checkpoints. A decision is in the kernel before its request is forwarded.

mod anchor;
mod chain;
mod flush;
mod key;
mod pen;
pub mod read;
mod recover;
mod refused;
mod retain;
mod segment;
mod trail;
pub mod verify;
mod writer;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

pub use chain::{Hash, Head, NotAHead, SignedHead};
pub use key::PublicKeys;
pub use pen::visible;
pub use trail::{CannotOpen, Health, Trail};

/// Names a request everywhere: the connection's random id and the request's number on it,
/// `7f3a91c2b04e-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// 48 random bits, one per connection; also the session's id.
    pub session: u64,
    /// Counts from 1.
    pub number: u32,
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:012x}-{}", self.session, self.number)
    }
}

/// A text names no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request id: they look like `7f3a91c2d405-3`")]
pub struct NotARequestId;

impl FromStr for RequestId {
    type Err = NotARequestId;
    fn from_str(text: &str) -> Result<Self, NotARequestId> {
        let parse = || {
            let (session, number) = text.split_once('-')?;
            let session = u64::from_str_radix(session, 16).ok()?;
            let id = Self { session, number: number.parse().ok()? };
            // Only the one spelling of each id.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or(NotARequestId)
    }
}

/// Who asks, as it stands in the record.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Id and name of the identity; an outside certificate without one is `CA/subject` and no id.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its roles, comma-separated.
    pub roles: String,
    /// What proved it: `cert:SERIAL`.
    pub credential: String,
}

/// The first record of a request: written before anything of it reaches the engine.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The request.
    pub id: RequestId,
    /// Who asks.
    pub subject: &'a Subject,
    /// From where.
    pub peer: SocketAddr,
    /// Through which balancer, if through one.
    pub balancer: Option<IpAddr>,
    /// Method as received, escaped.
    pub method: &'a str,
    /// Canonical path and query with secrets replaced; the escaped raw target where no
    /// canonical form exists.
    pub target: &'a str,
    /// Operation id, where one was recognized.
    pub operation: Option<&'static str>,
    /// `User-Agent`, bounded and escaped.
    pub user_agent: &'a str,
    /// Of an allowed one, the rules that would have refused it, were it not for a role in warn
    /// mode.
    pub would_deny: &'a [&'static str],
    /// `None` allowed; else the refusal's reason.
    pub refused: Option<&'a str>,
    /// The rule that decided.
    pub rule: &'a str,
    /// Unknown fields and query keys that `admin` was let through with, by name.
    pub unknown: &'a [String],
    /// What it asks for beyond its operation, each as [`seawall_rules::facts::Ask::notation`] has it;
    /// `None` where that is not known, since its body was not read.
    pub asks: Option<&'a [String]>,
    /// Generation of the policy that decided.
    pub generation: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ran to its end.
    Complete,
    /// The client went.
    ClientGone,
    /// The engine went, or could not be reached.
    EngineGone,
    /// Revoked, expired, killed, or the gate stopped.
    Cut,
    /// A limit was hit.
    Limit,
    /// What came with the body was refused, when part of the request was with the engine already.
    Refused,
}

impl Ending {
    /// What a start records for requests that an earlier run left without an outcome.
    pub const UNKNOWN: &'static str = "unknown";

    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client-gone",
            Self::EngineGone => "engine-gone",
            Self::Cut => "cut",
            Self::Limit => "limit",
            Self::Refused => "refused",
        }
    }
}

/// The second record of a request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The request.
    pub id: RequestId,
    /// HTTP status the client got; 0 when it got none.
    pub status: u16,
    /// How it ended.
    pub ending: Ending,
    /// Body bytes from the client.
    pub received: u64,
    /// Body bytes to the client.
    pub sent: u64,
    /// From the head's last byte to the end.
    pub took: Duration,
}

/// Why a connection never became a session; counted per prefix and minute, not one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedConnection {
    /// Its address is not admitted.
    Address,
    /// It is kept out for a while, for its failures.
    Banned,
    /// A balancer's connection that does not begin with a PROXY header.
    ProxyHeader,
    /// A connection limit was hit.
    Limit,
    /// It closed again before a handshake began.
    Left,
    /// No handshake came of it.
    Handshake,
    /// The certificate is unknown, revoked or expired.
    Certificate,
    /// The SSH key is unknown, revoked or expired.
    Key,
    /// It came to enroll with nothing that could be an invitation of ours.
    Invitation,
}

impl RefusedConnection {
    /// Whether it counts against its source: a handshake that was tried and failed.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Handshake | Self::Certificate | Self::Key | Self::Invitation => true,
            Self::Address | Self::Banned | Self::ProxyHeader | Self::Limit | Self::Left => false,
        }
    }

    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Banned => "banned",
            Self::ProxyHeader => "proxy_header",
            Self::Limit => "limit",
            Self::Left => "left",
            Self::Handshake => "handshake",
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Invitation => "invitation",
        }
    }
}

/// Recording failed: the request must not be forwarded.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the audit trail: {0}")]
pub struct CannotRecord(#[from] pub std::io::Error);

#[cfg(test)]
mod tests;
