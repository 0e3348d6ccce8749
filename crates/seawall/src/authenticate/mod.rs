//! Stage 3: who is this. Every door ends here, in an [`Authority`]: one identity, whichever way
//! it came in.

mod certificate;
pub mod identities;
pub mod ssh;
pub mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use seawall_rules::policy::Permissions;

use crate::audit::Subject;
use crate::state::IdentityId;
use crate::state::notation::ssh_fingerprint;

/// What a connection proved about itself, kept for as long as it lives so that it can be judged
/// again under every later snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A certificate of our own CA.
    Certificate {
        /// Its serial, big endian.
        serial: Vec<u8>,
        /// SHA-256 of its DER.
        fingerprint: [u8; 32],
        /// End of its validity.
        not_after: SystemTime,
    },
    /// A certificate of the outside CA.
    OutsideCertificate(Box<OutsideCertificate>),
    /// An SSH key registered with an identity.
    SshKey {
        /// SHA-256 of its wire form.
        fingerprint: [u8; 32],
        /// Whether it is an RSA key (`ssh.rsa`).
        rsa: bool,
        /// Who verified the client's signature.
        server: ssh::Server,
    },
    /// A certificate of a CA of `ssh.trusted_user_ca`.
    SshCertificate(Box<ssh::trust::Shown>),
    /// A Unix listener that names its identity.
    Socket {
        /// The identity's name.
        identity: String,
        /// The peer's uid.
        uid: u32,
    },
}

/// The fields of an outside CA's certificate by which it may be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the certificate")]
pub struct OutsideCertificate {
    pub issuer: String,
    pub subject: String,
    pub cn: Option<String>,
    pub dns: Vec<String>,
    pub uri: Vec<String>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki: [u8; 32],
    /// Big endian.
    pub serial: Vec<u8>,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    pub not_after: SystemTime,
    /// It and what came with it, so that it can be verified again.
    pub chain: Vec<CertificateDer<'static>>,
}

impl Credential {
    /// Whether the host's own sshd spoke with the client.
    pub(crate) fn came_through_sshd(&self) -> bool {
        match self {
            Self::SshKey { server, .. } => *server == ssh::Server::Sshd,
            Self::SshCertificate(shown) => shown.server == ssh::Server::Sshd,
            Self::Certificate { .. } | Self::OutsideCertificate(_) | Self::Socket { .. } => false,
        }
    }

    /// When it stops to prove anything.
    pub fn not_after(&self) -> Option<SystemTime> {
        match self {
            Self::Certificate { not_after, .. } => Some(*not_after),
            Self::OutsideCertificate(outside) => Some(outside.not_after),
            Self::SshCertificate(shown) => shown.not_after(),
            Self::Socket { .. } | Self::SshKey { .. } => None,
        }
    }
}

/// As it stands in the record: `cert:SERIAL`, `outside-cert:SERIAL`, `ssh-key:SHA256:…`,
/// `ssh-cert:SERIAL:KEYID:SHA256:…`, `uid:N`.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { serial, .. } => write!(f, "cert:{}", HEXLOWER.encode(serial)),
            Self::OutsideCertificate(outside) => {
                write!(f, "outside-cert:{}", HEXLOWER.encode(&outside.serial))
            }
            Self::SshKey { fingerprint, .. } => {
                write!(f, "ssh-key:{}", ssh_fingerprint(fingerprint))
            }
            Self::SshCertificate(shown) => f.write_str(&shown.describe()),
            Self::Socket { uid, .. } => write!(f, "uid:{uid}"),
        }
    }
}

/// What a credential may do under one snapshot.
#[derive(Debug)]
pub struct Authority {
    /// Who, for the record and for messages.
    pub subject: Subject,
    /// Those whose things it shares, itself first; empty for who is no identity.
    pub kin: Arc<[IdentityId]>,
    /// One entry an operation.
    pub permissions: Arc<Permissions>,
    /// Set where the connection is let in but nothing is granted (an outside certificate that
    /// matches no identity): the text of every 403, which says how to grant it.
    pub ungranted: Option<String>,
    /// End of the credential; open streams are cut then.
    pub not_after: Option<SystemTime>,
    /// Until when `permissions` stand, where hours of a role begin or end.
    pub until: Option<SystemTime>,
}

/// The credential opens nothing (any more): unknown, revoked, expired, wrong network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Ended(pub String);
