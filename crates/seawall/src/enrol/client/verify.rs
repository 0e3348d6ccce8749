//! How a client tells the gate from everybody else. There is no trust on first use, and public
//! CAs have no say.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::Failure;
use crate::pki::sha256;

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// None of the certificates presented is the CA that was named.
#[derive(Debug, thiserror::Error)]
#[error("the CA is not the one that was named")]
pub(super) struct WrongCa;

/// First contact: the presented chain must hold a CA certificate of this hash, and its first
/// certificate must verify under that CA alone, for the host that was asked for.
pub(super) struct ByHash {
    ca_sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ByHash {
    pub(super) fn new(ca_sha256: [u8; 32]) -> Self {
        Self { ca_sha256, provider: provider() }
    }
}

impl fmt::Debug for ByHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByHash")
    }
}

impl ServerCertVerifier for ByHash {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ca = others.iter().find(|ca| sha256(ca) == self.ca_sha256).ok_or_else(|| {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(WrongCa))))
        })?;
        under(&[ca.clone().into_owned()], &self.provider)?.verify_server_cert(
            leaf,
            &[],
            name,
            ocsp,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Later contacts: by the CAs of `ca.pem`.
pub(super) fn by_bundle(
    cas: &[CertificateDer<'static>],
) -> Result<Arc<WebPkiServerVerifier>, Failure> {
    under(cas, &provider()).map_err(|_| Failure::Credentials)
}

fn under(
    cas: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for ca in cas {
        roots.add(ca.clone())?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| Error::General(error.to_string()))
}
