//! What the gate knows of identities and credentials: SQLite (WAL, synchronous=FULL) behind
//! this narrow interface. A running gate owns it (`lock`).

pub mod call;

use std::net::IpAddr;
use std::time::SystemTime;

use ipnet::IpNet;
use seawall_rules::identity::Name;

/// Random, never reused: a new `alice` inherits nothing from an old one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdentityId(pub String);

/// One identity with everything by which it may enter.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// Its name.
    pub name: Name,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// Networks it may come from; empty means any.
    pub from: Vec<IpNet>,
    /// Set when revoked: nothing of it enters any more.
    pub revoked: Option<SystemTime>,
    /// Certificates issued to it that are neither revoked nor expired.
    pub certificates: Vec<Certificate>,
    /// Certificates of outside CAs that are this identity.
    pub matches: Vec<Match>,
}

/// A certificate the gate's own CA issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number, big endian, as in the certificate.
    pub serial: Vec<u8>,
    /// SHA-256 of the DER certificate.
    pub fingerprint: [u8; 32],
    /// End of its validity.
    pub not_after: SystemTime,
    /// Set when revoked.
    pub revoked: Option<SystemTime>,
}

/// How a certificate of an outside CA is matched to an identity (`--match`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the fields of the certificate")]
pub enum Match {
    Cn(String),
    Dns(String),
    Uri(String),
    /// SHA-256 of the SubjectPublicKeyInfo.
    Spki([u8; 32]),
}

impl Identity {
    /// Whether it may connect from `address`.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|net| net.contains(&address.to_canonical()))
    }
}
