//! Requests written byte by byte, and what really comes back.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A connection to the engine or to the gate.
pub(crate) enum Connection {
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer's head and body.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Status line and headers as received.
    pub(crate) head: String,
    /// The body, decoded from its framing.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects to the engine's own socket.
    pub(crate) fn unix(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::Unix(stream)
    }

    /// Connects over mutual TLS with the certificates of a `DOCKER_CERT_PATH` folder.
    pub(crate) fn tls(address: SocketAddr, credentials: &Path) -> io::Result<Self> {
        Self::tls_after(address, credentials, b"")
    }

    /// The same, with these bytes before the handshake: a balancer's.
    pub(crate) fn tls_after(
        address: SocketAddr,
        credentials: &Path,
        before: &[u8],
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(before)?;
        Self::handshake(stream, address, client_config(credentials, Some(credentials)))
    }

    /// Connects to the door of enrolment without a certificate, trusting the CA in that folder.
    pub(crate) fn enrol(address: SocketAddr, trusted: &Path) -> Self {
        let mut config = client_config(trusted, None);
        config.alpn_protocols = vec![b"seawall-enrol/1".to_vec()];
        Self::handshake(TcpStream::connect(address).unwrap(), address, config).unwrap()
    }

    fn handshake(stream: TcpStream, address: SocketAddr, config: ClientConfig) -> io::Result<Self> {
        let connection = ClientConnection::new(Arc::new(config), ip_name(address));
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(connection.unwrap(), stream);
        stream.flush()?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Writes bytes as they stand.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).unwrap();
    }

    /// Writes bytes as they stand, to a peer that may have gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Writes again and again until nobody has taken anything for a while.
    pub(crate) fn flood(&mut self) {
        let Self::Tls(stream) = self else { panic!("for TLS connections") };
        stream.sock.set_nonblocking(true).unwrap();
        let full = Duration::from_millis(300);
        let mut taken = Instant::now();
        while taken.elapsed() < full {
            if !stream.conn.wants_write() {
                stream.conn.writer().write_all(&[b'x'; 16_384]).unwrap();
            }
            match stream.conn.write_tls(&mut stream.sock) {
                Ok(_) => taken = Instant::now(),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Breaks the connection as the kernel does for a process that was killed: with a reset.
    pub(crate) fn reset(self) {
        let Self::Tls(stream) = self else { panic!("for TLS connections") };
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&stream.sock).set_linger(linger).unwrap();
    }

    /// Says that nothing more will be written; reading goes on.
    pub(crate) fn half_close(&mut self) {
        match self {
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write).unwrap(),
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
        }
    }

    /// Reads one answer to a request of this method.
    #[track_caller]
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).unwrap()
    }

    /// Reads one answer, from a peer that may close instead.
    pub(crate) fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        let head = self.head()?;
        let status = head[9..12].parse().map_err(io::Error::other)?;
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let mut body = Vec::new();
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
        } else if header("transfer-encoding").is_some() {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                let start = body.len();
                body.resize(start + size, 0);
                self.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = header("content-length") {
            body.resize(length.parse().map_err(io::Error::other)?, 0);
            self.read_exact(&mut body)?;
        } else {
            self.read_to_end(&mut body)?;
        }
        Ok(Answer { status, head, body })
    }

    /// Reads a status line and headers up to the empty line.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line == "\r\n" {
                return Ok(head);
            }
            head += &line;
        }
    }

    /// Whether the peer has closed, or closes now, without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.read_to_end(&mut rest);
        // A reset is a close; running out of patience is not.
        let gave_up = read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        !gave_up && rest.is_empty()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            self.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        String::from_utf8(line).map_err(io::Error::other)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A request with a JSON body.
pub(crate) fn post_json(target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request without a body.
pub(crate) fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: docker\r\n\r\n")
}

// Longer than anything takes; a read that waits longer than this is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

// Trusts the `ca.pem` of one folder and shows the certificate of another.
fn client_config(trusted: &Path, shown: Option<&Path>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(trusted.join("ca.pem")).unwrap()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let Some(folder) = shown else { return config.with_no_client_auth() };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("cert.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    config.with_client_auth_cert(chain, key).unwrap()
}

fn ip_name(address: SocketAddr) -> ServerName<'static> {
    ServerName::from(address.ip())
}
