//! `seawall dial-stdio`: what sshd runs, as the one user that is for it, in place of whatever its
//! client asked for.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::{Answer, Ask, MAX_LINE};
use crate::cli::report::Error;

/// What sshd tells of its client.
#[derive(Debug)]
pub struct Client {
    /// The wire form of the key or certificate it proved to hold, base64.
    pub key: String,
    /// Its address.
    pub peer: SocketAddr,
    /// What it asked for.
    pub command: Option<String>,
}

impl Client {
    /// Reads what sshd put into the environment.
    ///
    /// # Errors
    /// When this was not run by sshd, or sshd does not tell which key was proved.
    pub fn of_sshd(command: Option<String>) -> Result<Self, Error> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let connection = variable("SSH_CONNECTION").ok_or_else(|| {
            Error::usage("this is for sshd to run, for a client that came over SSH")
                .hint("`seawall ssh authorized-keys` prints the lines that make it do so")
        })?;
        let peer = peer(&connection)
            .ok_or_else(|| Error::failed("SSH_CONNECTION does not hold an address"))?;
        let file = variable("SSH_USER_AUTH").ok_or_else(|| {
            Error::failed("sshd does not say which key was proved")
                .hint("set `ExposeAuthInfo yes` in sshd_config")
        })?;
        let key = proved(&read_own(Path::new(&file))?)?;
        Ok(Self { key, peer, command: variable("SSH_ORIGINAL_COMMAND").or(command) })
    }
}

/// Carries standard input and output to the gate and back, until the gate has said all.
///
/// # Errors
/// When the gate is not there or does not let the client in.
pub fn carry(socket: &Path, client: Client) -> Result<(), Error> {
    let Client { key, peer, command } = client;
    let shell = command.is_none();
    let (answer, stream) = ask(socket, &Ask::Enter { key, peer, command })?;
    match answer {
        Answer::Yes { .. } => relay(stream),
        Answer::No { why } if shell => Err(Error::not_run(why).hint(format!(
            "use it as a docker host: `docker -H ssh://{}HOST ps`",
            std::env::var("USER").map_or_else(|_| String::new(), |user| user + "@")
        ))),
        Answer::No { why } => Err(Error::not_run(why)),
    }
}

/// Asks the gate at `socket`; the connection goes on after its answer.
///
/// # Errors
/// When the gate is not there.
pub fn ask(socket: &Path, ask: &Ask) -> Result<(Answer, UnixStream), Error> {
    let shown = socket.display();
    let mut stream = UnixStream::connect(socket).map_err(|error| {
        Error::failed(format!("cannot reach the gate at {shown}: {error}"))
            .hint("is it running, with `sshd_user` set in `[ssh]` of its configuration?")
    })?;
    let lost = |error: io::Error| {
        Error::failed(format!("the gate at {shown} does not answer: {error}"))
            .hint("it answers only the user that `sshd_user` in its `[ssh]` names")
    };
    let mut line = serde_json::to_vec(ask).map_err(|error| lost(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(lost)?;
    let answer = first_line(&mut stream).map_err(lost)?;
    let answer = serde_json::from_slice(&answer).map_err(|error| lost(error.into()))?;
    Ok((answer, stream))
}

/// Byte by byte, because what follows the line is the client's.
fn first_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        if line.len() > MAX_LINE || stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend(byte);
    }
    Ok(line)
}

/// The end of the client's input is passed on and the answers still come; the end of the answers
/// is the end.
fn relay(stream: UnixStream) -> Result<(), Error> {
    let failed = |error: io::Error| Error::failed(format!("the connection broke: {error}"));
    // Not the buffered ones of std: a line of a container's must not wait for the next.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
    let mut upward = stream.try_clone().map_err(failed)?;
    thread::spawn(move || {
        // Whether it ended or broke, nothing more comes from the client.
        let _ = copy(&mut input, &mut upward);
        let _ = upward.shutdown(Shutdown::Write);
    });
    let mut downward = stream;
    copy(&mut downward, &mut output).map_err(failed)
}

/// Not `io::copy`, which on Linux splices: while that waits for the socket it holds the pipe's
/// lock, and sshd, which reads the pipe's other end, waits with it.
fn copy(from: &mut impl io::Read, to: &mut impl io::Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The client's end of `SSH_CONNECTION`: its address and port, then ours.
fn peer(connection: &str) -> Option<SocketAddr> {
    let mut words = connection.split(' ');
    // A link-local address carries its interface.
    let address = words.next()?.split('%').next()?;
    Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, words.next()?.parse().ok()?))
}

/// The file of `SSH_USER_AUTH`: sshd's own, made for this session alone. One that another user
/// wrote could name another's key.
fn read_own(path: &Path) -> Result<String, Error> {
    let unusable = |why: String| Error::failed(format!("cannot use {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
    let facts = file.metadata().map_err(|error| unusable(error.to_string()))?;
    let ours = [0, nix::unistd::geteuid().as_raw()].contains(&facts.uid());
    if !facts.is_file() || !ours || facts.mode() & 0o077 != 0 {
        return Err(unusable("it is not sshd's".to_owned()));
    }
    let mut text = String::new();
    file.take(MAX_LINE as u64)
        .read_to_string(&mut text)
        .map_err(|error| unusable(error.to_string()))?;
    Ok(text)
}

/// The one key among the methods by which the client authenticated (sshd_config(5),
/// `ExposeAuthInfo`).
fn proved(methods: &str) -> Result<String, Error> {
    let mut keys = methods.lines().filter_map(|line| line.strip_prefix("publickey "));
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key.split(' ').nth(1).unwrap_or_default().to_owned()),
        (None, _) => Err(Error::failed("the client authenticated without a public key")
            .hint("allow nothing else in sshd_config: `AuthenticationMethods publickey`")),
        (Some(_), Some(_)) => Err(Error::failed("the client authenticated with several keys")
            .hint("ask for one in sshd_config: `AuthenticationMethods publickey`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_address_is_the_first_of_the_connection() {
        for (connection, expected) in [
            ("192.0.2.7 5123 192.0.2.1 22", Some("192.0.2.7:5123")),
            ("fd00::7 5123 fd00::1 22", Some("[fd00::7]:5123")),
            ("fe80::7%eth0 5123 fe80::1%eth0 22", Some("[fe80::7]:5123")),
            ("UNKNOWN 65535 UNKNOWN 65535", None),
            ("192.0.2.7", None),
            ("", None),
        ] {
            assert_eq!(peer(connection), expected.map(|text| text.parse().unwrap()));
        }
    }

    #[test]
    fn the_proved_key_is_the_one_that_sshd_names() {
        for (methods, expected) in [
            ("publickey ssh-ed25519 AAAA\n", Some("AAAA")),
            ("keyboard-interactive/pam\npublickey ssh-ed25519 BBBB\n", Some("BBBB")),
            ("publickey ssh-ed25519 AAAA\npublickey ssh-ed25519 BBBB\n", None),
            ("password\n", None),
            ("", None),
        ] {
            assert_eq!(proved(methods).ok().as_deref(), expected, "{methods}");
        }
    }

    #[test]
    fn a_file_that_others_could_have_written_is_not_sshds() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sshauth");
        std::fs::write(&path, "publickey ssh-ed25519 AAAA\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        mode(0o600).unwrap();
        assert!(read_own(&path).is_ok());
        mode(0o620).unwrap();
        assert!(read_own(&path).unwrap_err().to_string().contains("not sshd's"));
        assert!(read_own(dir.path()).is_err());
    }
}
