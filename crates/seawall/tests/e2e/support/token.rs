//! A FIDO token behind an SSH agent's socket: its signatures are made as OpenSSH's PROTOCOL.u2f
//! says, with the flag for a touch as a test wants it.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;

const KIND: &str = "sk-ssh-ed25519@openssh.com";
const APPLICATION: &str = "ssh:";
/// The flag that says that somebody touched it.
const TOUCHED: u8 = 1;

// Messages of an agent (draft-ietf-sshm-ssh-agent, section 5.1).
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGNATURE: u8 = 14;

/// A token with one key. Its agent serves until the tests end.
pub(crate) struct Token {
    /// The agent's socket.
    pub(crate) agent: PathBuf,
    /// The file of the public key.
    pub(crate) public_key: PathBuf,
}

impl Token {
    /// One whose files are in `dir`, and that somebody touches each time or nobody ever.
    pub(crate) fn new(dir: &Path, touched: bool) -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        let blob = [KIND.as_bytes(), key.public_key().as_ref(), APPLICATION.as_bytes()];
        let blob: Vec<u8> = blob.into_iter().flat_map(string).collect();
        let public_key = dir.join("token.pub");
        std::fs::write(&public_key, format!("{KIND} {} token\n", BASE64.encode(&blob))).unwrap();
        let agent = dir.join("agent.sock");
        let listener = UnixListener::bind(&agent).unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                // The client hangs up when it has what it wants.
                let _ = serve(&mut client.unwrap(), &key, &blob, u8::from(touched) * TOUCHED);
            }
        });
        Self { agent, public_key }
    }

    /// The lines of `ssh_config` that make a client use it.
    pub(crate) fn config(&self) -> String {
        let (agent, key) = (self.agent.display(), self.public_key.display());
        format!("IdentityAgent {agent}\nIdentityFile {key}\nIdentitiesOnly yes\n")
    }
}

fn serve(client: &mut UnixStream, key: &Ed25519KeyPair, blob: &[u8], flags: u8) -> io::Result<()> {
    loop {
        let message = read_string(client)?;
        let answer = match message.split_first() {
            Some((&REQUEST_IDENTITIES, _)) => {
                [&[IDENTITIES, 0, 0, 0, 1][..], &string(blob), &string(b"token")].concat()
            }
            Some((&SIGN_REQUEST, mut rest)) => {
                read_string(&mut rest)?;
                let data = read_string(&mut rest)?;
                [&[SIGNATURE][..], &string(&signature(key, &data, flags))].concat()
            }
            _ => vec![FAILURE],
        };
        client.write_all(&string(&answer))?;
    }
}

fn signature(key: &Ed25519KeyPair, data: &[u8], flags: u8) -> Vec<u8> {
    let hash = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
    let shown = [&[flags][..], &7_u32.to_be_bytes()].concat();
    let signed = [hash(APPLICATION.as_bytes()), shown.clone(), hash(data)].concat();
    [string(KIND.as_bytes()), string(key.sign(&signed).as_ref()), shown].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn read_string(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
