//! What a client's certificate says of itself, read after its chain was verified.

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::OutsideCertificate;
use crate::pki::{moment, sha256};

/// SHA-256 of the DER: names one certificate.
pub(super) fn fingerprint(leaf: &CertificateDer<'_>) -> [u8; 32] {
    sha256(leaf)
}

/// Whether the extended key usage names client authentication (RFC 5280 section 4.2.1.12).
pub(super) fn client_auth(leaf: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, certificate)| {
        certificate
            .extended_key_usage()
            .is_ok_and(|usage| usage.is_some_and(|usage| usage.value.client_auth))
    })
}

/// The fields by which a certificate of an outside CA is matched.
///
/// # Errors
/// [`CertificateError::BadEncoding`] when it does not parse.
pub(super) fn outside(
    leaf: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
) -> Result<OutsideCertificate, CertificateError> {
    let (_, certificate) =
        X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::BadEncoding)?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let mut dns = Vec::new();
    let mut uri = Vec::new();
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::URI(name) => uri.push((*name).to_owned()),
            _ => {}
        }
    }
    // With several common names there is no telling which one is meant: none is.
    let mut names = certificate.subject().iter_common_name();
    let cn = match (names.next(), names.next()) {
        (Some(name), None) => name.as_str().ok().map(str::to_owned),
        _ => None,
    };
    Ok(OutsideCertificate {
        issuer: certificate.issuer().to_string(),
        subject: certificate.subject().to_string(),
        cn,
        dns,
        uri,
        spki: sha256(certificate.public_key().raw),
        serial: certificate.raw_serial().to_vec(),
        fingerprint: sha256(leaf),
        not_after: moment(certificate.validity().not_after),
        chain: chain.iter().map(|held| held.clone().into_owned()).collect(),
    })
}
