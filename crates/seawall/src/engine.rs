//! Stage 7: the engine behind the gate, and how a connection to it is made.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::Upstream;
use crate::http::hang_up::{Socket, Watched};
use crate::metrics::Limit;

/// Where the engine is and how to speak to it; made once per snapshot.
pub struct Engine {
    way: Way,
    connect: Duration,
}

enum Way {
    Unix(PathBuf),
    Tls { address: String, server_name: ServerName<'static>, config: Arc<ClientConfig> },
}

/// The upstream's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A PEM file does not read as what it must hold.
    #[error("cannot use `{}` for the engine: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// `server_name` is neither a host name nor an address.
    #[error("`{}` is no name a certificate could carry", .0.escape_debug())]
    ServerName(String),
    /// Key, certificate and CA do not fit together.
    #[error("cannot use the engine's certificates: {0}")]
    Tls(#[from] rustls::Error),
}

/// The engine does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the Docker engine at {engine} does not answer ({why})")]
pub struct Unreachable {
    /// Where it should be.
    pub engine: String,
    /// What the system says.
    pub why: String,
    /// The limit that ended the attempt, if one did.
    pub limit: Option<Limit>,
}

/// A connection to the engine.
#[derive(Debug)]
pub enum EngineStream {
    /// The engine's Unix socket.
    Unix(UnixStream),
    /// Mutual TLS to an engine elsewhere. Read through a buffer: rustls reads 4 KiB at a time.
    Tls(Box<TlsStream<BufReader<TcpStream>>>),
}

impl Engine {
    /// Prepares the way to `upstream`; `connect` bounds each attempt to reach it.
    ///
    /// # Errors
    /// [`Unusable`] when the certificates of a TLS upstream do not load.
    pub fn new(upstream: &Upstream, connect: Duration) -> Result<Self, Unusable> {
        let way = match upstream {
            Upstream::Unix(path) => Way::Unix(path.clone()),
            Upstream::Tls { address, server_name, ca, cert, key } => Way::Tls {
                address: address.clone(),
                server_name: ServerName::try_from(server_name.clone())
                    .map_err(|_| Unusable::ServerName(server_name.clone()))?,
                config: Arc::new(client_config(ca, cert, key)?),
            },
        };
        Ok(Self { way, connect })
    }

    /// Where the engine is, as it stands in the configuration.
    pub fn describe(&self) -> String {
        match &self.way {
            Way::Unix(path) => format!("unix://{}", path.display()),
            Way::Tls { address, .. } => format!("tcp://{address}"),
        }
    }

    /// Whether it is on this host. A gate in a container sees other files than it; there paths are
    /// mostly missing, and stay as they are.
    pub fn is_here(&self) -> bool {
        matches!(self.way, Way::Unix(_))
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// [`Unreachable`] when nobody listens, TLS fails or the time is up.
    pub async fn dial(&self) -> Result<EngineStream, Unreachable> {
        let (why, limit) = match tokio::time::timeout(self.connect, self.way.dial()).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => (reason(&error), None),
            Err(_) => {
                let why = format!("no connection within {} s", self.connect.as_secs_f32());
                (why, Some(Limit::ConnectEngine))
            }
        };
        Err(Unreachable { engine: self.describe(), why, limit })
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.describe()).finish()
    }
}

impl Way {
    async fn dial(&self) -> io::Result<EngineStream> {
        match self {
            Self::Unix(path) => Ok(EngineStream::Unix(UnixStream::connect(path).await?)),
            Self::Tls { address, server_name, config } => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let stream = BufReader::with_capacity(TLS_READ_AHEAD, stream);
                let connector = TlsConnector::from(config.clone());
                let stream = connector.connect(server_name.clone(), stream).await?;
                Ok(EngineStream::Tls(Box::new(stream)))
            }
        }
    }
}

impl Socket for EngineStream {
    fn watched(&self) -> io::Result<Watched> {
        match self {
            Self::Unix(stream) => stream.watched(),
            Self::Tls(stream) => stream.get_ref().0.get_ref().watched(),
        }
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for EngineStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn client_config(ca: &Path, cert: &Path, key: &Path) -> Result<ClientConfig, Unusable> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| Unusable::Pem { path, source }
    };
    let certificates = |path: &Path| -> Result<Vec<CertificateDer<'static>>, Unusable> {
        let found = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem(path))?;
        if found.is_empty() {
            return Err(pem(path)(rustls::pki_types::pem::Error::NoItemsFound));
        }
        Ok(found)
    };
    // Only the named CA, never the system's: an engine is not a website.
    let mut roots = RootCertStore::empty();
    for root in certificates(ca)? {
        roots.add(root)?;
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(cert)?, key_der)?;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Bytes read from a TLS upstream's socket at once: a few TLS records (RFC 8446 section 5.1).
const TLS_READ_AHEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Ca, Key};

    #[tokio::test]
    async fn an_engine_that_never_answers_the_handshake_hits_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let (ca, key) = (Ca::create("test", now).unwrap(), Key::generate().unwrap());
        let day = Duration::from_secs(86_400);
        let cert = ca.issue_client(&key.public(), ("1", "gate"), day, now).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        // Connections wait in its backlog, and nobody takes them.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream::Tls {
            address: silent.local_addr().unwrap().to_string(),
            server_name: "localhost".to_owned(),
            ca: file("ca.pem", ca.pem()),
            cert: file("cert.pem", &cert.pem),
            key: file("key.pem", &key.to_pem()),
        };
        let engine = Engine::new(&upstream, Duration::from_millis(50)).unwrap();
        let unreachable = engine.dial().await.unwrap_err();
        assert_eq!(unreachable.limit, Some(Limit::ConnectEngine));
        assert_eq!(unreachable.why, "no connection within 0.05 s");
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_the_reason() {
        let engine =
            Engine::new(&Upstream::Unix("/nowhere/docker.sock".into()), Duration::from_secs(1));
        let unreachable = engine.unwrap().dial().await.unwrap_err();
        assert_eq!(unreachable.limit, None);
        assert_eq!(
            unreachable.to_string(),
            "the Docker engine at unix:///nowhere/docker.sock does not answer (no such socket)"
        );
    }
}
