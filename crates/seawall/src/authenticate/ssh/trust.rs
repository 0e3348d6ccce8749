//! Whose SSH certificates are honoured, and what was revoked: the files that `[ssh]` names.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use seawall_rules::escape::bounded;
use seawall_rules::ssh::certificate::{Certificate, Refused, Signature, Trust};
use seawall_rules::ssh::key::{Kind, Material, PublicKey};
use seawall_rules::ssh::krl::{Fingerprints, Revoked};
use seawall_rules::ssh::signature::ecdsa_fixed;

use super::Server;
use crate::cli::report::{Doing as _, Error};
use crate::config;
use crate::pki::sha256;

/// A certificate that a client showed and whose key it proved to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The certificate.
    pub certificate: Certificate,
    /// Of its key.
    pub fingerprints: Fingerprints,
    /// The user name the client gave: which of several principals it means.
    pub user: String,
    /// Who verified the client's signature.
    pub server: Server,
}

/// The CAs and revocations of one snapshot.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Trust);

impl Authorities {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// What cannot be read or makes no sense, or that others may write what decides who enters.
    pub fn load(config: &config::Ssh) -> Result<Self, Error> {
        let revoked = match &config.revoked_keys {
            Some(path) => Revoked::parse(&read(path)?)
                .map_err(|error| Error::usage(format!("{}: {error}", path.display())))?,
            None => Revoked::default(),
        };
        let mut cas = Vec::new();
        if let Some(path) = &config.trusted_user_ca {
            let shown = path.display();
            let text = String::from_utf8(read(path)?).doing(|| format!("read {shown}"))?;
            for (number, line) in (1..).zip(text.lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let ca = ca(line).map_err(|why| {
                    Error::usage(format!("{shown}:{number}: this is no key of a CA: {why}"))
                        .hint("put the public key there that `ssh-keygen -s` signs with")
                })?;
                cas.push(ca);
            }
            if cas.is_empty() {
                return Err(Error::usage(format!("there is no key in {shown}")));
            }
        }
        cas.retain(|ca| {
            let gone = revoked.revokes_key(ca, &fingerprints(ca));
            if gone {
                tracing::warn!(%ca, "this CA of `ssh.trusted_user_ca` is in `ssh.revoked_keys`");
            }
            !gone
        });
        Ok(Self(Trust { cas, revoked }))
    }

    /// Whether a certificate may be used from `source` now, whoever it then is.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn judge(&self, shown: &Shown, source: IpAddr, now: SystemTime) -> Result<(), Refused> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        shown.certificate.judge(&self.0, &shown.fingerprints, source, now, verifies)
    }

    /// Whether a key that somebody registered, as in a `.pub` file, was revoked by the operator's
    /// file.
    pub fn revokes(&self, key: &str) -> bool {
        PublicKey::from_line(key)
            .map_or(true, |(key, _)| self.0.revoked.revokes_key(&key, &fingerprints(&key)))
    }
}

impl Shown {
    /// As it stands in the record.
    pub fn describe(&self) -> String {
        let id = bounded(self.certificate.key_id().as_bytes(), MAX_KEY_ID);
        let key = crate::state::notation::ssh_fingerprint(&self.fingerprints.sha256);
        format!("ssh-cert:{}:{id}:{key}", self.certificate.serial())
    }

    /// When it stops to prove anything.
    pub fn not_after(&self) -> Option<SystemTime> {
        let end = Duration::from_secs(self.certificate.valid_before()?);
        SystemTime::UNIX_EPOCH.checked_add(end)
    }
}

/// The hashes by which a list may name a key.
pub(super) fn fingerprints(key: &PublicKey) -> Fingerprints {
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.blob());
    // INVARIANT: a SHA-1 digest has 20 bytes.
    let sha1 = sha1.as_ref().try_into().expect("SHA-1 gives 20 bytes");
    Fingerprints { sha1, sha256: sha256(key.blob()) }
}

fn ca(line: &str) -> Result<PublicKey, String> {
    let (key, _) = PublicKey::from_line(line).map_err(|error| error.to_string())?;
    match key.kind() {
        Kind::SkEcdsaP256 | Kind::SkEd25519 => Err("it is on a FIDO token".to_owned()),
        Kind::EcdsaP256 | Kind::EcdsaP384 | Kind::EcdsaP521 | Kind::Ed25519 | Kind::Rsa => Ok(key),
    }
}

/// SHA-1 (`ssh-rsa`) is no signature any more.
fn verifies(signed: Signature<'_>) -> bool {
    let Signature { by, algorithm, message, bytes } = signed;
    let plain = |how: &'static dyn signature::VerificationAlgorithm, point: &[u8], bytes: &[u8]| {
        UnparsedPublicKey::new(how, point).verify(message, bytes).is_ok()
    };
    let ecdsa = |how: &'static dyn signature::VerificationAlgorithm, point: &[u8], width| {
        ecdsa_fixed(bytes, width).is_some_and(|bytes| plain(how, point, &bytes))
    };
    match (by.material(), by.kind(), algorithm) {
        (Material::Point(point), Kind::Ed25519, "ssh-ed25519") => plain(&ED25519, point, bytes),
        (Material::Point(point), Kind::EcdsaP256, "ecdsa-sha2-nistp256") => {
            ecdsa(&ECDSA_P256_SHA256_FIXED, point, 32)
        }
        (Material::Point(point), Kind::EcdsaP384, "ecdsa-sha2-nistp384") => {
            ecdsa(&ECDSA_P384_SHA384_FIXED, point, 48)
        }
        (Material::Point(point), Kind::EcdsaP521, "ecdsa-sha2-nistp521") => {
            ecdsa(&ECDSA_P521_SHA512_FIXED, point, 66)
        }
        (Material::Rsa { exponent, modulus }, Kind::Rsa, "rsa-sha2-256" | "rsa-sha2-512") => {
            let key = RsaPublicKeyComponents { n: modulus, e: exponent };
            let how = match algorithm {
                "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            key.verify(how, message, bytes).is_ok()
        }
        _ => false,
    }
}

/// Whoever could write such a file could let himself in.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let shown = path.display();
    let facts = std::fs::metadata(path).doing(|| format!("read {shown}"))?;
    let us = nix::unistd::geteuid().as_raw();
    if facts.mode() & 0o022 != 0 || ![0, us].contains(&facts.uid()) {
        return Err(Error::usage(format!("others may change {shown}, and with it who may enter"))
            .hint(format!("chown root {shown} && chmod 0644 {shown}")));
    }
    if facts.len() > MAX_FILE {
        return Err(Error::usage(format!("{shown} is larger than {MAX_FILE} bytes")));
    }
    std::fs::read(path).doing(|| format!("read {shown}"))
}

const MAX_FILE: u64 = 16 << 20;
/// Bytes of what a CA says of a certificate, in records.
const MAX_KEY_ID: usize = 64;

#[cfg(test)]
mod tests;
