//! The TLS door: which certificate may finish a handshake, and what it proves.
//!
//! TLS 1.3 unless 1.2 is asked for; `http/1.1` only, so that no HTTP/2 reaches the engine; no
//! session resumption, because a resumed session skips the verifier (RFC 8446 section 4.6.1)
//! and would outlive a revocation.

use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Acceptor, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::identities::Identities;
use super::{Credential, OutsideCertificate, certificate};
use crate::config;

/// The ALPN protocol of enrolment: its handler holds no way to the engine.
pub const ENROL_ALPN: &[u8] = b"seawall-enrol/1";
const API_ALPN: &[u8] = b"http/1.1";

/// Keys and certificates the doors are built from.
#[derive(Debug)]
pub struct Material {
    /// The gate's certificate, its CA behind it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first of `chain`.
    pub key: PrivateKeyDer<'static>,
    /// Our own CAs: the active one and those being rotated out.
    pub own_cas: Vec<CertificateDer<'static>>,
    /// CAs whose certificates enter by `--match` or `--default-role` only.
    pub outside_cas: Vec<CertificateDer<'static>>,
    /// CRLs of the outside CAs. Empty: their certificates are not checked for revocation.
    pub outside_crls: Vec<CertificateRevocationListDer<'static>>,
}

/// The two ways in over TLS.
#[derive(Clone, Debug)]
pub struct Doors {
    api: Arc<ServerConfig>,
    enrol: Arc<ServerConfig>,
    outside: Option<Arc<dyn ClientCertVerifier>>,
    identities: Arc<Identities>,
}

/// A client's connection. rustls reads 4 KiB at a time; the buffer makes that two whole records.
pub type ClientStream = Box<TlsStream<BufReader<TcpStream>>>;
const READ_BUFFER: usize = 32 * 1024;

/// What a finished handshake leads to.
#[derive(Debug)]
pub enum Door {
    /// The Engine API, with what the client proved.
    Api(ClientStream, Credential),
    /// Enrolment: with a certificate of ours, a renewal.
    Enrol(ClientStream, Option<Credential>),
}

/// Why no door opened.
#[derive(Debug, thiserror::Error)]
pub enum NoEntry {
    /// The client's certificate is missing, unknown, revoked or expired.
    #[error("certificate refused: {0}")]
    Certificate(rustls::Error),
    /// Not a handshake we speak, or none at all.
    #[error("no handshake: {0}")]
    Handshake(io::Error),
    /// The client closed before it had said anything whole: somebody looked whether the port
    /// is open.
    #[error("closed before a handshake")]
    Left,
}

impl Doors {
    /// Builds the doors for one snapshot.
    ///
    /// # Errors
    /// When a certificate, key or CRL does not parse or the key does not fit the certificate.
    pub fn build(
        material: &Material,
        tls: &config::Tls,
        identities: Arc<Identities>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions: &[&SupportedProtocolVersion] =
            if tls.allow_tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
        let verifier =
            |anonymous| ClientVerifier::new(material, &provider, identities.clone(), anonymous);
        let config = |anonymous, alpn: &[u8]| -> Result<Arc<ServerConfig>, rustls::Error> {
            let verifier = verifier(anonymous)?;
            let mut config = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(versions)?
                .with_client_cert_verifier(Arc::new(verifier))
                .with_single_cert(material.chain.clone(), material.key.clone_key())?;
            config.alpn_protocols = vec![alpn.to_vec()];
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok(Arc::new(config))
        };
        Ok(Self {
            api: config(Anonymous::Refuse, API_ALPN)?,
            enrol: config(Anonymous::Admit, ENROL_ALPN)?,
            outside: verifier(Anonymous::Refuse)?.outside,
            identities,
        })
    }

    /// Whether a certificate of the outside CA that entered once still would: that CA may be
    /// another one by now, or have revoked it.
    ///
    /// # Errors
    /// Why it would not.
    pub fn verify_again(&self, outside: &OutsideCertificate) -> Result<(), rustls::Error> {
        let (Some(verifier), [leaf, intermediates @ ..]) = (&self.outside, &outside.chain[..])
        else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).map(drop)
    }

    /// Runs the handshake. The protocol is chosen by ALPN before any certificate is asked for,
    /// so an anonymous client never stands on the API's side.
    ///
    /// # Errors
    /// [`NoEntry`]; the client has been told with a TLS alert where that was possible.
    pub async fn open(&self, stream: TcpStream) -> Result<Door, NoEntry> {
        let stream = BufReader::with_capacity(READ_BUFFER, stream);
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let start = start.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => NoEntry::Left,
            _ => NoEntry::from(error),
        })?;
        let enrols = start
            .client_hello()
            .alpn()
            .is_some_and(|mut offered| offered.any(|protocol| protocol == ENROL_ALPN));
        let config = if enrols { &self.enrol } else { &self.api };
        let tls = Box::new(start.into_stream(config.clone()).await.map_err(NoEntry::from)?);
        let chain = tls.get_ref().1.peer_certificates().filter(|chain| !chain.is_empty());
        let unreadable = |error| NoEntry::Certificate(rustls::Error::InvalidCertificate(error));
        let credential = chain.map(|chain| self.identities.credential(chain)).transpose();
        match (enrols, credential.map_err(unreadable)?) {
            (true, credential) => Ok(Door::Enrol(tls, credential)),
            (false, Some(credential)) => Ok(Door::Api(tls, credential)),
            // The API's verifier makes a certificate mandatory.
            (false, None) => Err(NoEntry::Certificate(rustls::Error::NoCertificatesPresented)),
        }
    }
}

impl From<io::Error> for NoEntry {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(
                refused @ (rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented),
            ) => Self::Certificate(refused.clone()),
            _ => Self::Handshake(error),
        }
    }
}

/// Whether a client without a certificate may finish the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anonymous {
    Admit,
    Refuse,
}

/// Verifies a client's chain, then that we still know it: a certificate of our own CA must be
/// on record and neither revoked nor expired.
#[derive(Debug)]
struct ClientVerifier {
    own: Option<Arc<dyn ClientCertVerifier>>,
    outside: Option<Arc<dyn ClientCertVerifier>>,
    roots: Vec<DistinguishedName>,
    identities: Arc<Identities>,
    anonymous: Anonymous,
    provider: Arc<CryptoProvider>,
}

impl ClientVerifier {
    fn new(
        material: &Material,
        provider: &Arc<CryptoProvider>,
        identities: Arc<Identities>,
        anonymous: Anonymous,
    ) -> Result<Self, rustls::Error> {
        let verifier = |cas: &[CertificateDer<'static>],
                        crls: &[CertificateRevocationListDer<'static>]|
         -> Result<Option<Arc<dyn ClientCertVerifier>>, rustls::Error> {
            if cas.is_empty() {
                return Ok(None);
            }
            let mut roots = RootCertStore::empty();
            for ca in cas {
                roots.add(ca.clone())?;
            }
            let mut builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            if !crls.is_empty() {
                // Without this an expired CRL would still count (rustls 0.23's default).
                builder = builder.with_crls(crls.to_vec()).enforce_revocation_expiration();
            }
            let built =
                builder.build().map_err(|error| rustls::Error::General(error.to_string()))?;
            Ok(Some(built))
        };
        let own = verifier(&material.own_cas, &[])?;
        let outside = verifier(&material.outside_cas, &material.outside_crls)?;
        let roots = [&own, &outside]
            .into_iter()
            .flatten()
            .flat_map(|verifier| verifier.root_hint_subjects().to_vec())
            .collect();
        Ok(Self { own, outside, roots, identities, anonymous, provider: provider.clone() })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.anonymous == Anonymous::Refuse
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.roots
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let refused = match &self.own {
            Some(own) => match own.verify_client_cert(leaf, intermediates, now) {
                Ok(verified) if self.identities.knows(leaf) => return Ok(verified),
                Ok(_) => return Err(CertificateError::Revoked.into()),
                Err(refused) => refused,
            },
            None => unknown(),
        };
        let Some(outside) = &self.outside else { return Err(refused) };
        // Enrolment renews our own certificates only.
        if self.anonymous == Anonymous::Admit {
            return Err(refused);
        }
        let verified = outside.verify_client_cert(leaf, intermediates, now)?;
        // webpki lets a certificate without extended key usage pass; a server's or a CA's
        // certificate of the same CA must not be a client here.
        if certificate::client_auth(leaf) {
            Ok(verified)
        } else {
            Err(CertificateError::InvalidPurpose.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
