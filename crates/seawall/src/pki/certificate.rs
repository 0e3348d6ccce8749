//! Reading certificates that are given to us: CAs, and what we have just signed.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::Error;

/// What there is to know about a certificate without trusting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Serial number, big endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Subject, escaped and bounded for display.
    pub subject: String,
    /// SHA-256 of the DER certificate.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki: [u8; 32],
    /// Start of its validity.
    pub not_before: SystemTime,
    /// End of its validity.
    pub not_after: SystemTime,
    /// DNS names and addresses it is for.
    pub hostnames: Vec<String>,
    /// Whether it may sign certificates: `basicConstraints` CA:TRUE, and `keyUsage` keyCertSign
    /// where there is a `keyUsage`.
    pub signs: bool,
}

impl Facts {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`Error::NotACertificate`].
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Error::NotACertificate)?;
        Self::from_der(&der)
    }

    /// Reads a DER certificate.
    ///
    /// # Errors
    /// [`Error::NotACertificate`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let certificate = parse(der)?;
        let usage = certificate.key_usage().map_err(|_| Error::NotACertificate)?;
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            serial: serial(&certificate),
            subject: shown(certificate.subject()),
            fingerprint: sha256(der),
            spki: sha256(certificate.public_key().raw),
            not_before: moment(certificate.validity().not_before),
            not_after: moment(certificate.validity().not_after),
            hostnames: hostnames(&certificate),
            signs: certificate.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign()),
        })
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    // INVARIANT: a SHA-256 digest has 32 bytes.
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// A hash as people compare it: `SHA256:AB:CD:...`, as `openssl x509 -fingerprint` prints it.
pub fn colons(hash: &[u8; 32]) -> String {
    let pairs: Vec<String> = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("SHA256:{}", pairs.join(":"))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Error::NotACertificate),
    }
}

fn serial(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let raw = certificate.raw_serial();
    let zeros = raw.iter().take_while(|&&byte| byte == 0).count();
    raw[zeros..].to_vec()
}

/// DNS names and addresses of its subjectAltName.
pub(crate) fn hostnames(certificate: &X509Certificate<'_>) -> Vec<String> {
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    general_names(certificate).filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(Into::into),
        16 => <[u8; 16]>::try_from(bytes).ok().map(Into::into),
        _ => None,
    }
}

fn general_names<'a>(
    certificate: &'a X509Certificate<'_>,
) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map(|names| names.value.general_names.iter()).into_iter().flatten()
}

/// A name as strangers may have written it: escaped, at most [`SHOWN`] characters.
pub(crate) fn shown(name: &X509Name<'_>) -> String {
    name.to_string().escape_debug().take(SHOWN).collect()
}

/// A certificate's time as the system's.
pub(crate) fn moment(at: ASN1Time) -> SystemTime {
    let seconds = at.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance).unwrap_or(SystemTime::UNIX_EPOCH)
    } else {
        SystemTime::UNIX_EPOCH + distance
    }
}

const SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_shown_as_openssl_shows_it() {
        let shown = colons(&sha256(b""));
        assert!(shown.starts_with("SHA256:E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:"), "{shown}");
        assert_eq!(shown.len(), "SHA256:".len() + 32 * 3 - 1);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(Facts::from_pem("hello").unwrap_err(), Error::NotACertificate);
        assert_eq!(Facts::from_der(b"\x30\x00").unwrap_err(), Error::NotACertificate);
    }
}
