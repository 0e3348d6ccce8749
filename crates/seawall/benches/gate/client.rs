//! The clients: connections of one thread, with TLS 1.3 and a certificate, which resume no
//! session.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http::{CHUNK, chunk, read_head, skip_body};

/// A client of one proxy.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Client {
    /// A client with the `ca.pem`, `cert.pem` and `key.pem` of a folder.
    pub(crate) fn new(address: SocketAddr, credentials: &Path) -> Self {
        let file = |name: &str| credentials.join(name);
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(file("ca.pem")).expect("ca.pem");
        roots.add(ca).expect("a CA");
        let chain = CertificateDer::pem_file_iter(file("cert.pem")).expect("cert.pem");
        let chain = chain.collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(file("key.pem")).expect("key.pem");
        let mut tls = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("a client certificate");
        tls.resumption = Resumption::disabled();
        Self { address, tls: Arc::new(tls).into() }
    }

    /// A connection whose handshake is done and which has had an answer.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(ServerName::from(self.address.ip()), tcp).await?;
        let mut connection = Connection { stream: BufReader::with_capacity(64 << 10, tls) };
        connection.get("/_ping").await?;
        Ok(connection)
    }

    /// As many connections, each with one answer, as are asked for, some at a time.
    pub(crate) async fn handshakes(&self, count: u32, at_once: u32) -> io::Result<()> {
        at_the_same_time((0..at_once).map(|_| {
            let client = self.clone();
            async move {
                for _ in 0..count / at_once {
                    client.connect().await?;
                }
                Ok(())
            }
        }))
        .await
    }

    /// As many small requests, spread over some kept connections.
    pub(crate) async fn small_requests(&self, count: u32, at_once: u32) -> io::Result<()> {
        at_the_same_time((0..at_once).map(|_| {
            let client = self.clone();
            async move {
                let mut connection = client.connect().await?;
                for _ in 0..count / at_once {
                    connection.get("/v1.41/containers/json").await?;
                }
                Ok(())
            }
        }))
        .await
    }
}

async fn at_the_same_time<F>(work: impl Iterator<Item = F>) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let results = work.collect::<JoinSet<_>>().join_all().await;
    results.into_iter().collect()
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Connection {
    /// Asks for `path` and reads the whole answer; how many bytes its body had.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<u64> {
        // In one write, so that it is one TLS record.
        let head = format!("GET {path} HTTP/1.1\r\n{HEADERS}\r\n");
        self.stream.get_mut().write_all(head.as_bytes()).await?;
        self.answer().await
    }

    /// Sends a body of this many bytes, in chunks.
    pub(crate) async fn post(&mut self, path: &str, bytes: u64) -> io::Result<()> {
        let stream = self.stream.get_mut();
        let head = format!("POST {path} HTTP/1.1\r\n{HEADERS}{CHUNKED}\r\n");
        stream.write_all(head.as_bytes()).await?;
        let chunk = chunk();
        for _ in 0..bytes / CHUNK as u64 {
            stream.write_all(&chunk).await?;
        }
        stream.write_all(b"0\r\n\r\n").await?;
        stream.flush().await?;
        self.answer().await.map(drop)
    }

    async fn answer(&mut self) -> io::Result<u64> {
        let head = read_head(&mut self.stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !head.first.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("the answer was `{}`", head.first)));
        }
        skip_body(&mut self.stream, &head).await
    }
}

const HEADERS: &str = "Host: 127.0.0.1\r\nUser-Agent: Docker-Client/28.2.2 (linux)\r\n";
const CHUNKED: &str = "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n";
