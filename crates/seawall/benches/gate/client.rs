//! The clients: blocking threads with TLS 1.3 and a certificate, which resume no session.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http::{CHUNK, chunk, read_head, skip_body};

/// Connections, and threads, that the small requests and the handshakes come from.
pub(crate) const CONNECTIONS: u32 = 4;

/// A client of one proxy.
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
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
        Self { address, tls: Arc::new(tls) }
    }

    /// A connection whose handshake is done and which has had an answer.
    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let tls = ClientConnection::new(self.tls.clone(), name).map_err(io::Error::other)?;
        let stream = BufReader::with_capacity(64 << 10, StreamOwned::new(tls, tcp));
        let mut connection = Connection { stream };
        connection.get("/_ping")?;
        Ok(connection)
    }

    /// As many connections, each with one answer, as are asked for.
    pub(crate) fn handshakes(&self, count: u32) -> io::Result<()> {
        in_threads(
            (0..CONNECTIONS)
                .map(|_| || (0..count / CONNECTIONS).try_for_each(|_| self.connect().map(drop))),
        )
    }
}

/// As many small requests, spread over these connections.
pub(crate) fn small_requests(connections: &mut [Connection], count: u32) -> io::Result<()> {
    let each = count / connections.len() as u32;
    in_threads(connections.iter_mut().map(|connection| {
        move || (0..each).try_for_each(|_| connection.get("/v1.41/containers/json").map(drop))
    }))
}

fn in_threads<F>(work: impl Iterator<Item = F>) -> io::Result<()>
where
    F: FnOnce() -> io::Result<()> + Send,
{
    thread::scope(|scope| {
        let threads: Vec<_> = work.map(|work| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|it| it.join().expect("no panic"))
    })
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Connection {
    /// Asks for `path` and reads the whole answer; how many bytes its body had.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<u64> {
        // In one write, so that it is one TLS record.
        let head = format!("GET {path} HTTP/1.1\r\n{HEADERS}\r\n");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer()
    }

    /// Sends a body of this many bytes, in chunks.
    pub(crate) fn post(&mut self, path: &str, bytes: u64) -> io::Result<()> {
        let stream = self.stream.get_mut();
        let head = format!("POST {path} HTTP/1.1\r\n{HEADERS}{CHUNKED}\r\n");
        stream.write_all(head.as_bytes())?;
        let chunk = chunk();
        for _ in 0..bytes / CHUNK as u64 {
            stream.write_all(&chunk)?;
        }
        stream.write_all(b"0\r\n\r\n")?;
        self.answer().map(drop)
    }

    fn answer(&mut self) -> io::Result<u64> {
        let head = read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !head.first.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("the answer was `{}`", head.first)));
        }
        skip_body(&mut self.stream, &head)
    }
}

const HEADERS: &str = "Host: 127.0.0.1\r\nUser-Agent: Docker-Client/28.2.2 (linux)\r\n";
const CHUNKED: &str = "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n";
