//! What the gate knows of identities and credentials: SQLite (WAL, synchronous=FULL) behind
//! this narrow interface. A running gate owns it ([`Lock`]).
//!
//! [`call`] is everything that can be asked of it, as one closed enum.

pub mod call;
pub mod notation;

mod authorities;
mod backup;
mod certificates;
mod execute;
mod identities;
mod invitations;
mod owners;
mod schema;
mod ssh_keys;
mod store;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use seawall_rules::identity::Name;
use seawall_rules::network::Networks;
use serde::{Deserialize, Serialize};

pub use authorities::{Authority, ServerCertificate, Standing};
pub use backup::restore;
pub use certificates::Credentials;
pub use execute::execute;
pub use invitations::{InvitationRefused, Invited, InvitedStanding};
pub use owners::{Owned, Promise};
pub use ssh_keys::Registered;
pub use store::{Lock, Store, TOLERANCE};

use crate::cli::report;
use crate::pki;

/// Random, never reused: a new `alice` inherits nothing from an old one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentityId(pub String);

/// One identity with everything by which it may enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// Its name; of all with that name, at most one is not revoked.
    pub name: Name,
    /// Decides the lifetime of its certificates where none was set.
    pub kind: Kind,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// Networks it may come from; empty means any.
    pub from: Vec<IpNet>,
    /// Lifetime of its certificates in seconds, where one was set (`--ttl`).
    pub ttl: Option<u64>,
    /// When it was added.
    #[serde(with = "notation::at")]
    pub created: SystemTime,
    /// Set when revoked: nothing of it enters any more.
    #[serde(with = "notation::some_at")]
    pub revoked: Option<SystemTime>,
    /// Certificates issued to it. From [`Store::identities`], only those that open something:
    /// neither revoked nor expired, of a CA that is still trusted.
    pub certificates: Vec<Certificate>,
    /// Certificates of the outside CAs that are this identity.
    pub matches: Vec<Match>,
    /// SSH keys registered with it. From [`Store::identities`], only those that open something.
    pub ssh_keys: Vec<SshKey>,
    /// Whether it may enter through the host's own sshd.
    pub sshd: bool,
    /// Those who have the same group share what they make.
    pub group: Option<Name>,
}

/// Whose an identity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A program: [`pki::MACHINE`].
    Machine,
    /// A human being: [`pki::PERSON`].
    #[default]
    Person,
}

/// A certificate the gate's own CA issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Serial number, big endian, as in the certificate.
    #[serde(with = "notation::bytes")]
    pub serial: Vec<u8>,
    /// SHA-256 of the DER certificate.
    #[serde(with = "notation::bytes")]
    pub fingerprint: [u8; 32],
    /// SHA-256 of the DER certificate of the CA that signed it.
    #[serde(with = "notation::bytes")]
    pub ca: [u8; 32],
    /// Start of its validity.
    #[serde(with = "notation::at")]
    pub not_before: SystemTime,
    /// End of its validity.
    #[serde(with = "notation::at")]
    pub not_after: SystemTime,
    /// Set when revoked.
    #[serde(with = "notation::some_at")]
    pub revoked: Option<SystemTime>,
    /// Why it was revoked.
    pub reason: Option<pki::Reason>,
}

/// A public SSH key by which an identity may enter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// SHA-256 of its wire form, as `ssh-keygen -l` shows it. One live key has it at most.
    #[serde(with = "notation::ssh")]
    pub fingerprint: [u8; 32],
    /// As in a `.pub` file, without the comment.
    pub key: String,
    /// Its holder's words for it.
    pub comment: String,
    /// When it was registered.
    #[serde(with = "notation::at")]
    pub added: SystemTime,
    /// Set when it was taken away.
    #[serde(with = "notation::some_at")]
    pub revoked: Option<SystemTime>,
    /// Why it was taken away.
    pub reason: Option<pki::Reason>,
}

/// How a certificate of an outside CA is matched to an identity (`--match`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants are the fields of the certificate")]
pub enum Match {
    Cn(String),
    Dns(String),
    Uri(String),
    /// SHA-256 of the SubjectPublicKeyInfo.
    Spki(#[serde(with = "notation::bytes")] [u8; 32]),
    /// A principal of an SSH certificate. Its CAs are those of `ssh.trusted_user_ca`.
    SshPrincipal(String),
}

impl Identity {
    /// Where it may connect from.
    pub fn networks(&self) -> Networks {
        Networks::new(self.from.clone(), Vec::new())
    }

    /// How long a certificate issued to it is valid.
    pub fn lifetime(&self) -> Duration {
        match (self.ttl, self.kind) {
            (Some(seconds), _) => Duration::from_secs(seconds),
            (None, Kind::Machine) => pki::MACHINE,
            (None, Kind::Person) => pki::PERSON,
        }
    }
}

/// Why the state cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no state in the directory.
    #[error("there is no Seawall state in {}", .0.display())]
    Absent(PathBuf),
    /// Somebody else holds the lock.
    #[error("the state in {} is in use by another seawall process", .0.display())]
    Busy(PathBuf),
    /// The clock is behind the latest time noted.
    #[error("the clock is {} s behind the latest time seen here", .0.as_secs())]
    ClockBehind(Duration),
    /// SQLite failed, or what it holds makes no sense.
    #[error("cannot use the state database: {0}")]
    Database(#[from] rusqlite::Error),
    /// Group or others have rights.
    #[error("{} may be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// What they may read.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a directory.
        directory: bool,
    },
    /// It belongs to another user.
    #[error("{} belongs to uid {uid}, not to you", path.display())]
    Foreign {
        /// What belongs to somebody else.
        path: PathBuf,
        /// To whom.
        uid: u32,
    },
    /// A file could not be read or written.
    #[error("cannot {doing}: {error}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The CA's key is not in the state.
    #[error("the key of the CA is offline: nothing can be signed")]
    KeyOffline,
    /// A newer version of Seawall has written it.
    #[error("the state has schema {found}; this version of seawall knows up to {known}")]
    Newer {
        /// Steps taken.
        found: u32,
        /// Steps known.
        known: u32,
    },
    /// There is no CA.
    #[error("there is no CA yet")]
    NoCa,
    /// A certificate, key or request is wrong.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// No such identity.
    #[error("the identity is gone")]
    UnknownIdentity,
}

impl From<Error> for report::Error {
    fn from(error: Error) -> Self {
        let told = Self::failed(error.to_string());
        match error {
            Error::Absent(_) | Error::NoCa => told.hint("run `seawall up` first"),
            Error::Busy(_) => told.hint(
                "a running gate is asked by its admin socket; if that is gone, restart the gate",
            ),
            Error::ClockBehind(_) => told
                .hint("set the clock right")
                .hint("if it was ahead before and is right now, run `seawall ca accept-clock`"),
            Error::Exposed { path, directory, .. } => {
                let mode = if directory { "700" } else { "600" };
                let path = path.display();
                told.hint(format!(
                    "run `chmod {mode} {path}`, and if others did read it, `seawall ca rotate`"
                ))
            }
            Error::Foreign { uid, .. } => {
                told.hint(format!("run this as uid {uid}, or give --state another directory"))
            }
            Error::KeyOffline => told.hint("bring it back with `seawall ca import --key FILE`"),
            Error::Newer { .. } => told.hint("install the newer seawall again"),
            Error::Database(_) | Error::Io { .. } | Error::Pki(_) | Error::UnknownIdentity => told,
        }
    }
}
