//! How long a look at 1,000 loopback addresses takes: `make bench`, or
//! `cargo bench -p seawall --bench scan_addresses`. The promise is 5 s for each kind of them; it
//! fails above. The servers that are looked at share the cores with the scan.

#![allow(missing_docs, reason = "a program, not an interface")]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ADDRESSES: u16 = 1_000;
const PROMISE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let closed = free_port();
    let open = runtime.block_on(engine());
    let shut = runtime.block_on(mutual_tls());
    let mut kept = true;
    // Each is looked at as a whole: the plain one with `/version`, the shut one with a handshake
    // for each question that strangers are asked to be tried with.
    for (what, port) in [("closed", closed), ("an open engine", open), ("mutual TLS", shut)] {
        let took = scan(port);
        println!("{ADDRESSES} addresses, {what}: {took:.2?}; at most {PROMISE:?}");
        kept &= took <= PROMISE;
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn scan(port: u16) -> Duration {
    let targets: String =
        (0..ADDRESSES).map(|n| format!("127.0.{}.{}:{port}\n", n / 250, 1 + n % 250)).collect();
    let begun = Instant::now();
    let mut scan = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["scan", "--targets", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the scan starts");
    let mut stdin = scan.stdin.take().expect("its standard input");
    stdin.write_all(targets.as_bytes()).expect("the targets");
    drop(stdin);
    let code = scan.wait().expect("the scan ends").code();
    assert!(matches!(code, Some(0 | 3 | 4)), "the scan ended with {code:?}");
    begun.elapsed()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

async fn listener() -> (TcpListener, u16) {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let listener = TcpListener::bind(everywhere).await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    (listener, port)
}

/// An engine in the clear, as far as the scan asks.
async fn engine() -> u16 {
    const ANSWER: &[u8] =
        b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/29.9.0 (linux)\r\n\
        Content-Length: 20\r\n\r\n{\"Version\":\"29.9.0\"}";
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 1024];
                // A TLS hello is answered too: with what is no TLS.
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(ANSWER).await;
            });
        }
    });
    port
}

/// A server of TLS 1.2 and 1.3 that lets nobody in.
async fn mutual_tls() -> u16 {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_certificate = ca.self_signed(&ca_key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, &ca_key)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(ca_certificate.der().clone()).expect("the CA");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(clients.build().expect("a verifier"))
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Nobody gets as far as an answer.
            tokio::spawn(acceptor.accept(stream));
        }
    });
    port
}
