//! TLS as a stranger speaks it: anybody is listened to, and nothing is believed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use seawall_rules::exposure::address::suites::Version;
use seawall_rules::exposure::address::{
    Access, Engine, Offer, Reply, Target, Tls, hello, read_reply,
};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http;
use super::wire::{self, Dialed, Heard};
use crate::cli::report::{Doing as _, Error};
use crate::exposure::certificate;

/// Somebody nobody knows, with a certificate of his own making.
#[derive(Debug)]
pub(super) struct Stranger {
    patience: Duration,
    provider: Arc<CryptoProvider>,
    self_made: Arc<CertifiedKey>,
}

impl Stranger {
    /// # Errors
    /// When no key can be made.
    pub(super) fn new(patience: Duration) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let doing = || "make a certificate to try".to_owned();
        let key = rcgen::KeyPair::generate().doing(doing)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "seawall-scan");
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let own = parameters.self_signed(&key).doing(doing)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = provider.key_provider.load_private_key(key).doing(doing)?;
        let self_made = Arc::new(CertifiedKey::new(vec![own.der().clone()], key));
        Ok(Self { patience, provider, self_made })
    }

    /// Tries the doors of a port that speaks TLS: without a certificate, and with the self-made
    /// one where one is asked for. The engine's version comes from whichever is open.
    pub(super) async fn look(
        &self,
        target: &Target,
        address: SocketAddr,
        versions: Vec<(Version, Offer)>,
    ) -> (Tls, Option<Engine>) {
        let without = self.knock(target, address, None).await;
        let asks_for = without.shown.asks_for;
        let mut engine = without.engine;
        let mut self_made = None;
        if asks_for.is_some() {
            let with = self.knock(target, address, Some(self.self_made.clone())).await;
            engine = engine.or(with.engine);
            self_made = Some(with.access);
        }
        let chain = without.shown.chain;
        let tls = Tls {
            versions,
            names_target: chain.first().is_some_and(|leaf| is_for(leaf, target)),
            chain: chain.iter().filter_map(|der| certificate::read(der)).collect(),
            asks_for,
            without_certificate: without.access,
            self_made,
        };
        (tls, engine)
    }

    async fn knock(
        &self,
        target: &Target,
        address: SocketAddr,
        own: Option<Arc<CertifiedKey>>,
    ) -> Knock {
        let seen =
            Arc::new(Onlooker { seen: Mutex::default(), own, provider: self.provider.clone() });
        let request = http::request("/_ping", target);
        let mut engine = None;
        let access = match self.connect(target, address, &seen).await {
            Err(access) => access,
            // TLS 1.3 refuses a client only after the handshake: what counts is an answer.
            Ok(mut stream) => {
                let heard = wire::ask(&mut stream, &request, self.patience, read_reply).await;
                let access = access(heard);
                if let Access::Api(_) = access
                    && let Ok(mut stream) = self.connect(target, address, &seen).await
                {
                    engine = http::version_on(&mut stream, target, self.patience).await;
                }
                access
            }
        };
        let shown = seen.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Knock { access, shown, engine }
    }

    async fn connect(
        &self,
        target: &Target,
        address: SocketAddr,
        seen: &Arc<Onlooker>,
    ) -> Result<TlsStream<tokio::net::TcpStream>, Access> {
        let unknown = |why: &str| Access::Unknown(why.to_owned());
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unknown(&error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(seen.clone())
            .with_client_cert_resolver(seen.clone());
        let name = server_name(target).ok_or_else(|| unknown("the name is none for TLS"))?;
        let stream = wire::dial(address, self.patience).await.map_err(|dialed| match dialed {
            Dialed::Refused => unknown("connection refused"),
            Dialed::Failed(why) => Access::Unknown(why),
        })?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        match tokio::time::timeout(self.patience, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(unknown("no end to the handshake in time")),
        }
    }
}

struct Knock {
    access: Access,
    shown: Shown,
    engine: Option<Engine>,
}

fn access(heard: Heard<Reply>) -> Access {
    match heard {
        Heard::Answer(Reply::Api(api)) => Access::Api(api),
        Heard::Answer(Reply::Http(status, server)) => Access::Http(status, server),
        Heard::Answer(_) => Access::Unknown("it answers with something else than HTTP".to_owned()),
        Heard::Broke(error) => refused(&error),
        Heard::Closed(_) => Access::Refused("it hangs up".to_owned()),
        Heard::Silent(_) => Access::Unknown("no answer in time".to_owned()),
    }
}

fn refused(error: &io::Error) -> Access {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => {
            Access::Refused(hello::alert_name(u8::from(*alert)).to_owned())
        }
        // Of old versions, weak keys and the like: the doors behind them were not tried.
        Some(other) => Access::Unknown(format!("TLS cannot be spoken with it: {other}")),
        None if error.kind() == io::ErrorKind::TimedOut => Access::Unknown(wire::plain(error)),
        None => Access::Refused("it hangs up".to_owned()),
    }
}

fn server_name(target: &Target) -> Option<ServerName<'static>> {
    let host = target.host.split('%').next()?;
    ServerName::try_from(host.to_owned()).ok()
}

fn is_for(leaf: &CertificateDer<'_>, target: &Target) -> bool {
    let parsed = ParsedCertificate::try_from(leaf);
    match (parsed, server_name(target)) {
        (Ok(leaf), Some(name)) => verify_server_name(&leaf, &name).is_ok(),
        _ => false,
    }
}

/// What a server showed in a handshake.
#[derive(Clone, Debug, Default)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    asks_for: Option<Vec<String>>,
}

/// Notes what a server shows, and shows what there is to show.
struct Onlooker {
    seen: Mutex<Shown>,
    own: Option<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Onlooker")
    }
}

// Nothing is told to the server that anybody could not tell it, and nothing it says is taken for
// more than what somebody at that address says: that is the point of the look.
impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = [leaf].into_iter().chain(rest).map(|der| der.clone().into_owned());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).chain = chain.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Onlooker {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let names = root_hint_subjects.iter().map(|name| certificate::name(name)).collect();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).asks_for = Some(names);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
