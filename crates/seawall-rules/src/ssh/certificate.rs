//! User certificates of OpenSSH (PROTOCOL.certkeys): read whole, and judged by what the operator
//! trusts. What SSH libraries check of one is its signature and its dates; everything that makes
//! it somebody's is checked here.

use std::net::IpAddr;

use ipnet::IpNet;

use super::exec::{Wish, means_the_engine};
use super::key::{Kind, NotAKey, PublicKey};
use super::krl::{Fingerprints, Revoked};
use super::wire::{Malformed, Reader};

/// A certificate that was read and not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    key: PublicKey,
    serial: u64,
    kind: u32,
    key_id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    critical: Vec<(String, Vec<u8>)>,
    ca: PublicKey,
    algorithm: String,
    signature: Vec<u8>,
    signed: Vec<u8>,
}

/// Why a blob is no certificate that could be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what they are")]
pub enum NotACertificate {
    #[error("the key of its CA is not accepted: {0}")]
    Ca(NotAKey),
    #[error("its key is not accepted: {0}")]
    Key(#[from] NotAKey),
    #[error("the certificate cannot be read: {0}")]
    Malformed(#[from] Malformed),
    #[error("the certificate names more than {MAX_PRINCIPALS} principals")]
    Principals,
}

/// What a certificate's signature is verified over, and with.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named as in RFC 4253 section 6.6")]
pub struct Signature<'a> {
    pub by: &'a PublicKey,
    pub algorithm: &'a str,
    pub message: &'a [u8],
    pub bytes: &'a [u8],
}

/// What the operator trusts and what he has taken back.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// CAs whose user certificates are honoured; those that were revoked are not among them.
    pub cas: Vec<PublicKey>,
    /// Keys and certificates that are not.
    pub revoked: Revoked,
}

/// Why a certificate opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what they are")]
pub enum Refused {
    #[error("its CA is none of `ssh.trusted_user_ca`")]
    Ca,
    #[error("it has the critical option `{0}`, which is not known here")]
    CriticalOption(String),
    #[error("it has expired")]
    Expired,
    #[error("it is for a command that is not the engine")]
    ForceCommand,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it names no principal, which would be everybody")]
    NoPrincipal,
    #[error("it is a host's certificate")]
    NotUser,
    #[error("it was revoked (`ssh.revoked_keys`)")]
    Revoked,
    #[error("its signature is not its CA's")]
    Signature,
    #[error("it may not be used from {0}")]
    SourceAddress(IpAddr),
}

impl Certificate {
    /// Whether a blob says of itself that it is a certificate.
    pub fn is_one(blob: &[u8]) -> bool {
        Reader::new(blob).text().is_ok_and(|name| name.ends_with(SUFFIX))
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`NotACertificate`].
    pub fn parse(blob: &[u8]) -> Result<Self, NotACertificate> {
        let mut reader = Reader::new(blob);
        let name = reader.text()?.strip_suffix(SUFFIX).ok_or(Malformed)?;
        // The kind of a token's key has the suffix behind the @ too.
        let plain = |kind: &Kind| kind.name().trim_end_matches("@openssh.com") == name;
        let kind = Kind::ALL.into_iter().find(plain).ok_or(NotAKey::Unknown)?;
        let _nonce = reader.string()?;
        let key = PublicKey::after_kind(kind, &mut reader)?;
        let serial = reader.u64()?;
        let use_of = reader.u32()?;
        let key_id = reader.text()?.to_owned();
        let principals = principals(reader.string()?)?;
        let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
        let critical = options(reader.string()?)?;
        // Extensions only allow what is never granted here: terminals, forwarding.
        options(reader.string()?)?;
        let _reserved = reader.string()?;
        let ca = PublicKey::parse(reader.string()?).map_err(NotACertificate::Ca)?;
        let signed = blob[..blob.len() - reader.rest().len()].to_vec();
        let mut signature = Reader::new(reader.string()?);
        reader.end()?;
        let algorithm = signature.text()?.to_owned();
        let bytes = signature.string()?.to_vec();
        signature.end()?;
        Ok(Self {
            key,
            serial,
            kind: use_of,
            key_id,
            principals,
            valid_after,
            valid_before,
            critical,
            ca,
            algorithm,
            signature: bytes,
            signed,
        })
    }

    /// Whether it may be used from `source` at `now` (Unix seconds), whoever it then is.
    /// `fingerprints` are those of [`Certificate::key`]; `verifies` does the arithmetic.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(
        &self,
        trust: &Trust,
        fingerprints: &Fingerprints,
        source: IpAddr,
        now: u64,
        verifies: impl FnOnce(Signature<'_>) -> bool,
    ) -> Result<(), Refused> {
        if !trust.cas.contains(&self.ca) {
            return Err(Refused::Ca);
        }
        let signature = Signature {
            by: &self.ca,
            algorithm: &self.algorithm,
            message: &self.signed,
            bytes: &self.signature,
        };
        if !verifies(signature) {
            return Err(Refused::Signature);
        }
        if self.kind != USER {
            return Err(Refused::NotUser);
        }
        if self.principals.is_empty() {
            return Err(Refused::NoPrincipal);
        }
        if now < self.valid_after {
            return Err(Refused::NotYet);
        }
        if now >= self.valid_before {
            return Err(Refused::Expired);
        }
        if trust.revoked.revokes_key(&self.key, fingerprints)
            || trust.revoked.revokes_certificate(&self.ca, self.serial, &self.key_id)
        {
            return Err(Refused::Revoked);
        }
        for (name, data) in &self.critical {
            critical(name, data, source)?;
        }
        Ok(())
    }

    /// The key it certifies.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The CA's number for it; 0 where it gives none.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The CA's words for it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Who its holder may be.
    pub fn principals(&self) -> &[String] {
        &self.principals
    }

    /// End of its validity, Unix seconds; `None` is for ever.
    pub fn valid_before(&self) -> Option<u64> {
        (self.valid_before != u64::MAX).then_some(self.valid_before)
    }
}

fn critical(name: &str, data: &[u8], source: IpAddr) -> Result<(), Refused> {
    let unreadable = || Refused::CriticalOption(name.escape_debug().to_string());
    let text = || {
        let mut reader = Reader::new(data);
        let text = reader.text().ok()?;
        reader.end().ok()?;
        Some(text)
    };
    match name {
        "force-command" => {
            let command = text().ok_or_else(unreadable)?;
            means_the_engine(Wish::Exec(command.as_bytes())).map_err(|_| Refused::ForceCommand)
        }
        "source-address" => {
            let source = source.to_canonical();
            let mut within = false;
            for entry in text().ok_or_else(unreadable)?.split(',') {
                let address = || entry.parse::<IpAddr>().ok().map(IpNet::from);
                let network = entry.parse::<IpNet>().ok().or_else(address);
                within |= network.ok_or_else(unreadable)?.contains(&source);
            }
            if within { Ok(()) } else { Err(Refused::SourceAddress(source)) }
        }
        // `verify-required` too: who speaks SSH with the client does not tell whether the token
        // asked for a PIN.
        _ => Err(unreadable()),
    }
}

fn principals(packed: &[u8]) -> Result<Vec<String>, NotACertificate> {
    let mut reader = Reader::new(packed);
    let mut principals = Vec::new();
    while !reader.is_empty() {
        if principals.len() == MAX_PRINCIPALS {
            return Err(NotACertificate::Principals);
        }
        principals.push(reader.text()?.to_owned());
    }
    Ok(principals)
}

/// Names and data, each name once.
fn options(packed: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    let mut reader = Reader::new(packed);
    let mut options: Vec<(String, Vec<u8>)> = Vec::new();
    while !reader.is_empty() {
        let name = reader.text()?.to_owned();
        let data = reader.string()?.to_vec();
        if options.len() == MAX_OPTIONS || options.iter().any(|(other, _)| *other == name) {
            return Err(Malformed);
        }
        options.push((name, data));
    }
    Ok(options)
}

const SUFFIX: &str = "-cert-v01@openssh.com";
/// `SSH_CERT_TYPE_USER`.
const USER: u32 = 1;
/// As OpenSSH has it.
pub const MAX_PRINCIPALS: usize = 256;
/// Of each list; OpenSSH knows seven in all.
const MAX_OPTIONS: usize = 64;

#[cfg(test)]
mod tests;
