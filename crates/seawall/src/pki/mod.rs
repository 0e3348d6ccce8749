//! Certificates: the gate's own CA, the leaves it signs, its CRL, and reading other people's.
//! Bytes and values in, values out; only key generation draws random numbers. What is issued to
//! whom is decided and remembered in [`crate::state`].
//!
//! Everything of ours is ECDSA P-256 with SHA-256. Every Docker client verifies it: Go's
//! crypto/tls since 1.2, OpenSSL since 1.0 (docker-py, Portainer's agents, old distributions),
//! Java, .NET, rustls. Ed25519 would be as good and smaller, but Windows' schannel and macOS'
//! SecureTransport refuse it in TLS, and so do Java before 15 and OpenSSL before 1.1.1; RSA
//! would only be slower. A client may bring an Ed25519 or RSA key of its own: it is the gate
//! that must understand that one.

mod ca;
mod certificate;
mod crl;
mod key;

use std::time::{Duration, SystemTime};

pub use ca::{Ca, Issued};
pub(crate) use certificate::moment;
pub use certificate::{Facts, colons, sha256};
pub(crate) use certificate::{hostnames, shown};
pub use crl::{Crl, Reason, RevokedSerial, next_update};
pub use key::{Key, PublicKey};

/// Lifetime of a person's certificate, unless `--ttl` says otherwise.
pub const PERSON: Duration = days(30);
/// Lifetime of a machine's certificate, unless `--ttl` says otherwise.
pub const MACHINE: Duration = days(365);
/// Lifetime of the gate's own certificate; it renews itself.
pub const GATE: Duration = days(90);
/// Lifetime of a CA.
pub const CA: Duration = days(3652);
/// Validity starts this much before now, for clients whose clock is behind.
pub const EARLY: Duration = Duration::from_secs(3600);

/// Why a certificate, a key or a request cannot be used. Only what is wrong: whose it is and
/// what to do is added where that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its end has come; nothing more can be signed with it.
    #[error("the CA has expired")]
    CaExpired,
    /// Its subject cannot be written byte for byte as the issuer of what it signs.
    #[error("the CA's subject name is one Seawall cannot reproduce exactly as an issuer")]
    CaName,
    /// The cryptographic library refused.
    #[error("cannot sign: {0}")]
    Crypto(String),
    /// The key does not belong to the certificate.
    #[error("the key is not the key of this certificate")]
    KeyMismatch,
    /// Not PEM, or not an X.509 certificate.
    #[error("this is not a PEM certificate")]
    NotACertificate,
    /// `basicConstraints` or `keyUsage` do not let it sign certificates.
    #[error("the certificate is not a CA: basicConstraints CA:TRUE and keyCertSign are needed")]
    NotACa,
    /// Not a PEM private key of a kind that is understood.
    #[error("this is not an unencrypted PEM private key (PKCS#8, SEC1 or PKCS#1)")]
    NotAKey,
    /// Not a CRL in DER.
    #[error("this is not a certificate revocation list")]
    NotACrl,
    /// Not PEM, or not a PKCS#10 request.
    #[error("this is not a PEM certificate request")]
    NotARequest,
    /// A host name or address that cannot stand in a certificate.
    #[error("`{}` is neither a host name nor an IP address", .0.escape_debug())]
    NotAHostname(String),
    /// Whoever sent the request does not hold the key in it.
    #[error("the request is not signed by its own key")]
    RequestSignature,
    /// A kind or size of key that is not accepted.
    #[error("the key is neither P-256, P-384, Ed25519 nor RSA of 2048 to 8192 bits")]
    UnsupportedKey,
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// Fills a new array from the system's random number generator.
///
/// # Errors
/// [`Error::Crypto`] when the system has no random numbers to give.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::Crypto("the system gives no random numbers".to_owned()))?;
    Ok(bytes)
}

/// A moment as certificates have it: whole seconds.
fn whole_seconds(at: SystemTime) -> time::OffsetDateTime {
    let at = time::OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at)
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}
