//! The client's side: prove the gate first, then ask it for a certificate.

mod verify;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use seawall_rules::ssh::key::PublicKey as PublicSshKey;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::verify::{ByHash, WrongCa, by_bundle};
use super::invitation::{Address, Invitation};
use super::place::Credentials;
use super::wire::{self, Code, Grant, Refusal, SshDoor, from_unix_seconds};
use crate::authenticate::tls::ENROL_ALPN;
use crate::pki::{self, Facts, Key};

/// Asks the gate of an invitation for a certificate for `key`, of which only a request goes out.
/// The gate is verified by the invitation's hash of its CA before the secret leaves this process.
/// With `ssh_key`, as in a `.pub` file, that is registered as well, and the answer says where the
/// gate speaks SSH.
///
/// # Errors
/// [`Failure`].
pub async fn join(
    invitation: &Invitation,
    key: &Key,
    ssh_key: Option<&str>,
) -> Result<Grant, Failure> {
    let tls = connect_anonymously(invitation).await?;
    let request = wire::Join {
        secret: invitation.secret.expose(),
        csr: key.request()?,
        ssh_key: ssh_key.map(str::to_owned),
    };
    let grant = ask(tls, &invitation.address, "/join", &request).await?;
    let pinned = |ca: &CertificateDer<'_>| pki::sha256(ca) == invitation.ca_sha256;
    let host_key = |ssh: &SshDoor| PublicSshKey::from_line(&ssh.host_key).is_ok();
    let ssh = grant.ssh.as_ref().is_some_and(host_key) || ssh_key.is_none();
    match cas(&grant.ca)?.iter().any(pinned) && ssh {
        true => granted(grant, key),
        false => Err(Failure::Answer),
    }
}

/// Asks for a new certificate for `key`, a new one or the present one, with the present
/// certificate and its key as the proof of who asks.
///
/// # Errors
/// [`Failure`].
pub async fn renew(address: &Address, present: &Credentials, key: &Key) -> Result<Grant, Failure> {
    let unusable = |_| Failure::Credentials;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(present.cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(unusable)?;
    let present_key = PrivateKeyDer::from_pem_slice(present.key.as_bytes()).map_err(unusable)?;
    let verifier = by_bundle(&cas(&present.ca).map_err(|_| Failure::Credentials)?)?;
    let tls = connect(address, verifier, Some((chain, present_key))).await?;
    let grant = ask(tls, address, "/renew", &wire::Renew { csr: key.request()? }).await?;
    cas(&grant.ca)?;
    granted(grant, key)
}

// A certificate for another key would be a context that works nowhere.
fn granted(grant: Grant, key: &Key) -> Result<Grant, Failure> {
    let facts = Facts::from_pem(&grant.certificate).map_err(|_| Failure::Answer)?;
    if facts.spki == key.public().spki() { Ok(grant) } else { Err(Failure::Answer) }
}

/// Why no certificate came.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What the gate sent is not an answer of a gate.
    #[error("the gate's answer makes no sense")]
    Answer,
    /// The certificate, key or CA of this client cannot be used.
    #[error("the certificate, its key or `ca.pem` cannot be read")]
    Credentials,
    /// The gate's certificate is of its CA, but not usable.
    #[error("the gate's certificate is not valid for `{host}`: {error}")]
    GateCertificate {
        /// The host that was asked for.
        host: String,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// Connecting or talking failed.
    #[error("cannot {doing} `{address}`: {error}")]
    Io {
        /// `connect to`, `talk to`.
        doing: &'static str,
        /// The gate.
        address: Address,
        /// Why not.
        error: io::Error,
    },
    /// No key or request could be made.
    #[error("cannot make a certificate request: {0}")]
    Key(#[from] pki::Error),
    /// No answer in time.
    #[error("no answer from `{0}` within {n} seconds", n = TIME.as_secs())]
    Late(Address),
    /// What listens there speaks TLS, but not enrolment.
    #[error("what listens on `{0}` is not a seawall gate, or one that enrolls nobody")]
    NoEnrolment(Address),
    /// What listens there does not speak TLS.
    #[error("what listens on `{0}` does not speak TLS")]
    NotTls(Address),
    /// The gate refuses.
    #[error("the gate refuses: {message}")]
    Refused {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        message: String,
        /// With [`Code::TooEarly`]: when to come again.
        from: Option<SystemTime>,
    },
    /// The gate does not take the client's certificate: it is revoked or has expired.
    #[error("the gate does not accept the present certificate: {0}")]
    Rejected(rustls::Error),
    /// Some other TLS failure.
    #[error("no TLS connection to `{address}`: {error}")]
    Tls {
        /// The gate.
        address: Address,
        /// Why not.
        error: rustls::Error,
    },
    /// The CA of whoever answers is not the one that was named: nothing was sent.
    #[error("`{0}` is not the gate it should be: its CA is another one")]
    WrongCa(Address),
}

const TIME: Duration = Duration::from_secs(20);

/// A connection to the gate that the invitation names; the only way to one is by its hash.
pub(super) async fn connect_anonymously(
    invitation: &Invitation,
) -> Result<TlsStream<TcpStream>, Failure> {
    connect(&invitation.address, Arc::new(ByHash::new(invitation.ca_sha256)), None).await
}

type Identification = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

async fn connect(
    address: &Address,
    verifier: Arc<dyn ServerCertVerifier>,
    present: Option<Identification>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let tls = ClientConfig::builder_with_provider(verify::provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| Failure::Tls { address: address.clone(), error })?
        .dangerous() // The verifiers of `verify` are stricter than the default one.
        .with_custom_certificate_verifier(verifier);
    let mut tls = match present {
        Some((chain, key)) => {
            tls.with_client_auth_cert(chain, key).map_err(|_| Failure::Credentials)?
        }
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    // INVARIANT: an `Address` is only made of a host that is a server name.
    let name = address.server_name().ok_or(Failure::Answer)?;

    let connecting = async {
        let tcp = TcpStream::connect((address.host(), address.port())).await;
        let tcp = tcp.map_err(|error| Failure::Io {
            doing: "connect to",
            address: address.clone(),
            error,
        })?;
        let connected = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await;
        let connected = connected.map_err(|error| explain(address, error))?;
        match connected.get_ref().1.alpn_protocol() {
            Some(ENROL_ALPN) => Ok(connected),
            _ => Err(Failure::NoEnrolment(address.clone())),
        }
    };
    let late = |_| Failure::Late(address.clone());
    tokio::time::timeout(TIME, connecting).await.map_err(late)?
}

pub(super) async fn ask(
    tls: TlsStream<TcpStream>,
    address: &Address,
    path: &str,
    request: &impl Serialize,
) -> Result<Grant, Failure> {
    let body = serde_json::to_vec(request).map_err(|_| Failure::Answer)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Failure::Answer)?;
    let asking = async {
        let talk = |error: hyper::Error| explain_hyper(address, error);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(talk)?;
        // Ends with the exchange: dropping the sender closes the connection.
        let driver = tokio::spawn(connection);
        let answered = async {
            let reply = sender.send_request(request).await.map_err(talk)?;
            let status = reply.status();
            let body = Limited::new(reply.into_body(), wire::MAX_ANSWER).collect().await;
            let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => explain_hyper(address, *error),
                Err(_) => Failure::Answer,
            })?;
            read(status, &body.to_bytes())
        };
        let answer = answered.await;
        drop(sender);
        // Its errors are those of the exchange, which were told above.
        let _ = driver.await;
        answer
    };
    let late = |_| Failure::Late(address.clone());
    tokio::time::timeout(TIME, asking).await.map_err(late)?
}

fn read(status: StatusCode, body: &[u8]) -> Result<Grant, Failure> {
    if status == StatusCode::OK {
        return serde_json::from_slice(body).map_err(|_| Failure::Answer);
    }
    let Refusal { code, message, from } =
        serde_json::from_slice(body).map_err(|_| Failure::Answer)?;
    let message = message.escape_debug().take(500).collect();
    Err(Failure::Refused { code, message, from: from.map(from_unix_seconds) })
}

fn cas(pem: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let cas: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::Answer)?;
    if cas.is_empty() { Err(Failure::Answer) } else { Ok(cas) }
}

fn explain_hyper(address: &Address, error: hyper::Error) -> Failure {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let error = match inner {
                Some(tls) => io::Error::other(tls.clone()),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            return explain(address, error);
        }
        source = cause.source();
    }
    Failure::Io { doing: "talk to", address: address.clone(), error: io::Error::other(error) }
}

fn explain(address: &Address, error: io::Error) -> Failure {
    use rustls::AlertDescription as Alert;
    use rustls::{CertificateError, Error};

    let address = address.clone();
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
    let Some(tls) = tls else { return Failure::Io { doing: "talk to", address, error } };
    match tls {
        Error::InvalidCertificate(CertificateError::Other(ref other))
            if other.0.downcast_ref::<WrongCa>().is_some() =>
        {
            Failure::WrongCa(address)
        }
        Error::InvalidCertificate(
            CertificateError::BadSignature | CertificateError::UnknownIssuer,
        ) => Failure::WrongCa(address),
        error @ Error::InvalidCertificate(_) => {
            Failure::GateCertificate { host: address.host().to_owned(), error }
        }
        Error::InvalidMessage(_) => Failure::NotTls(address),
        Error::AlertReceived(Alert::NoApplicationProtocol) => Failure::NoEnrolment(address),
        error @ Error::AlertReceived(
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA,
        ) => Failure::Rejected(error),
        error => Failure::Tls { address, error },
    }
}
