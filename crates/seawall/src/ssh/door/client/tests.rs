use std::path::Path;
use std::process::Command;

use russh::client;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A client connected to this handler, and the task that serves it.
async fn connected<H>(handler: H) -> (client::Handle<Trusting>, JoinHandle<()>)
where
    H: Handler + Send + 'static,
{
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let config = Arc::new(Config { keys: vec![key], ..Config::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (_end, ended) = oneshot::channel();
        speak(config, stream, handler, &Backlog::default(), ended).await;
    });
    let client = client::connect(Arc::default(), address, Trusting).await.unwrap();
    (client, serving)
}

/// A client that knows any host.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Lets everybody in, or panics as a hole in the library would.
struct Welcomes {
    panics: bool,
}

impl Handler for Welcomes {
    type Error = russh::Error;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, russh::Error> {
        assert!(!self.panics, "as a hole in the library would");
        Ok(Auth::Accept)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_ends_its_connection_and_no_other() {
    let (mut other, other_served) = connected(Welcomes { panics: false }).await;
    let (mut client, served) = connected(Welcomes { panics: true }).await;
    let entered = client.authenticate_none("alice").await.is_ok_and(|told| told.success());
    assert!(!entered && client.is_closed());
    served.await.expect("the panic went no further than russh's own task");
    assert!(other.authenticate_none("alice").await.unwrap().success());
    assert!(!other_served.is_finished());
}

#[tokio::test]
async fn a_client_that_says_nothing_is_ended_with_its_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let (gate, line) = Line::pair().unwrap();
    let gate = Line::new(gate).unwrap();
    let config = Arc::new(Config::default());
    let serving = tokio::spawn(serve(config, stream, line, 2222));
    drop(gate);
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client, &mut said).await.unwrap();
    assert!(said.starts_with(b"SSH-2.0-"), "{said:?}");
    serving.await.unwrap();
}

#[tokio::test]
async fn the_gate_is_told_who_left_without_a_word() {
    for (word, left) in [(&b""[..], true), (b"SSH", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (gate, line) = Line::pair().unwrap();
        let gate = Line::new(gate).unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, word).await.unwrap();
        drop(client);
        serve(Arc::new(Config::default()), stream, line, 2222).await;
        let told = gate.receive::<Ask>().await.unwrap();
        assert_eq!(matches!(told, Some((Ask::Left, _))), left, "{word:?}: {told:?}");
    }
}

/// Serves one connection, for which the gate agrees to every key, and answers whether one was
/// proved; `connects` is told where, and ends the connection.
async fn proves(connects: impl AsyncFnOnce(u16)) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gate, line) = Line::pair().unwrap();
    let gate = Line::new(gate).unwrap();
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let host_key = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap().to_string();
    let setup = crate::ssh::line::Setup { host_key, host_certificate: None };
    let config = Arc::new(crate::ssh::door::config(setup).unwrap());
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(config, stream, line, port).await;
    });
    let answering = tokio::spawn(async move {
        let mut proved = false;
        while let Ok(Some((ask, _))) = gate.receive::<Ask>().await {
            let reply = match ask {
                Ask::Offers { .. } => Reply::Yes,
                Ask::Proves { .. } => {
                    proved = true;
                    Reply::Yes
                }
                Ask::Opens(_) => Reply::Refused { why: "this is a test".to_owned() },
                Ask::Left | Ask::Noted(..) => continue,
            };
            gate.send(&reply, &[]).await.unwrap();
        }
        proved
    });
    connects(port).await;
    serving.await.unwrap();
    answering.await.unwrap()
}

/// A new RSA key in this folder.
fn rsa_key(dir: &Path) -> std::path::PathBuf {
    let file = dir.join("id_rsa");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "rsa", "-b", "3072", "-N", "", "-f"]).arg(&file);
    assert!(keygen.status().unwrap().success());
    file
}

#[tokio::test]
async fn an_rsa_key_is_proved_where_that_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    let key = rsa_key(dir.path());
    for (algorithm, enters) in
        [("rsa-sha2-512", crate::ssh::RSA), ("rsa-sha2-256", crate::ssh::RSA), ("ssh-rsa", false)]
    {
        let openssh = async |port: u16| {
            let mut ssh = tokio::process::Command::new("ssh");
            for option in [
                "IdentitiesOnly=yes",
                "IdentityAgent=none",
                "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null",
                "BatchMode=yes",
                &format!("PubkeyAcceptedAlgorithms={algorithm}"),
            ] {
                ssh.args(["-o", option]);
            }
            ssh.args(["-F", "none", "-i"]).arg(&key);
            ssh.args(["-p", &port.to_string(), "alice@127.0.0.1", "true"]);
            assert!(!ssh.output().await.unwrap().status.success());
        };
        assert_eq!(proves(openssh).await, enters, "{algorithm}");
    }
}

/// OpenSSH's client signs with nothing that is not advertised; another may.
#[cfg(feature = "ssh-rsa")]
#[tokio::test]
async fn an_rsa_key_that_signs_with_sha1_is_refused() {
    use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
    let dir = tempfile::tempdir().unwrap();
    let key = std::fs::read_to_string(rsa_key(dir.path())).unwrap();
    let key = Arc::new(PrivateKey::from_openssh(key).unwrap());
    for (hash, enters) in [(None, false), (Some(HashAlg::Sha256), true)] {
        let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
        let russh = async |port: u16| {
            let address = ("127.0.0.1", port);
            let mut client = client::connect(Arc::default(), address, Trusting).await.unwrap();
            let told = client.authenticate_publickey("alice", key).await.unwrap();
            assert_eq!(told.success(), enters);
        };
        assert_eq!(proves(russh).await, enters, "{hash:?}");
    }
}
