//! The certificate revocation list, for others who verify our certificates; the gate itself goes
//! by the store.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use serde::{Deserialize, Serialize};

use super::{Ca, Error, moment, whole_seconds};

/// Why a certificate was revoked (RFC 5280 section 5.3.1), as `--reason` spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The holder left, or changed names.
    AffiliationChanged,
    /// It is no longer needed.
    CessationOfOperation,
    /// The key is or may be in other hands.
    KeyCompromise,
    /// The holder may no longer do what it was for.
    PrivilegeWithdrawn,
    /// Another certificate has taken its place.
    Superseded,
    /// No reason given.
    #[default]
    Unspecified,
}

/// One entry of a CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedSerial {
    /// The certificate's serial, big endian.
    pub serial: Vec<u8>,
    /// When.
    pub at: SystemTime,
    /// Why.
    pub reason: Reason,
}

/// A signed CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    /// PEM.
    pub pem: String,
    /// DER.
    pub der: Vec<u8>,
}

/// When a CRL (DER) ends, if it says so; RFC 5280 section 5.1.2.5 wants that it does.
///
/// # Errors
/// [`Error::NotACrl`].
pub fn next_update(der: &[u8]) -> Result<Option<SystemTime>, Error> {
    let (_, crl) = x509_parser::parse_x509_crl(der).map_err(|_| Error::NotACrl)?;
    Ok(crl.next_update().map(moment))
}

impl Ca {
    /// Signs a version 2 CRL with this number, to be replaced within `valid_for`.
    ///
    /// # Errors
    /// [`Error::Crypto`], also for a CA whose `keyUsage` lacks cRLSign.
    pub fn crl(
        &self,
        number: u64,
        revoked: &[RevokedSerial],
        valid_for: Duration,
        now: SystemTime,
    ) -> Result<Crl, Error> {
        let entry = |entry: &RevokedSerial| RevokedCertParams {
            serial_number: SerialNumber::from(entry.serial.clone()),
            revocation_time: whole_seconds(entry.at),
            reason_code: entry.reason.code(),
            invalidity_date: None,
        };
        let issuer = self.issuer()?;
        let crl = CertificateRevocationListParams {
            this_update: whole_seconds(now),
            next_update: whole_seconds(now + valid_for),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            // The identifier that the CA's certificate gives, not one made anew: an imported CA
            // may have chosen another way to make it.
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_identifier()?),
        }
        .signed_by(&issuer)?;
        Ok(Crl { pem: crl.pem()?, der: crl.der().to_vec() })
    }

    fn key_identifier(&self) -> Result<Vec<u8>, Error> {
        use x509_parser::extensions::ParsedExtension;
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.facts().der)
            .map_err(|_| Error::NotACertificate)?;
        let found = certificate.iter_extensions().find_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            }
        });
        Ok(found.unwrap_or_else(|| self.facts().spki[..20].to_vec()))
    }
}

impl Reason {
    /// As `--reason` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AffiliationChanged => "affiliation-changed",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::KeyCompromise => "key-compromise",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
            Self::Superseded => "superseded",
            Self::Unspecified => "unspecified",
        }
    }

    /// The reason of that name.
    pub fn named(name: &str) -> Option<Self> {
        use clap::ValueEnum as _;
        Self::value_variants().iter().copied().find(|reason| reason.as_str() == name)
    }

    /// RFC 5280 section 5.3.1: the extension is left out where no reason is given.
    fn code(self) -> Option<RevocationReason> {
        match self {
            Self::AffiliationChanged => Some(RevocationReason::AffiliationChanged),
            Self::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
            Self::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Self::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
            Self::Superseded => Some(RevocationReason::Superseded),
            Self::Unspecified => None,
        }
    }
}
