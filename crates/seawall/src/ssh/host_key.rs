//! The host key: by it clients know the gate over SSH. Ed25519, made at the first run, 0600.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey};

use crate::cli::report::{Doing, Error};
use crate::enrol::files::{self, Access};

/// Name of the key in the state folder.
pub const FILE: &str = "ssh_host_ed25519_key";

/// The host key, and its certificate where the operator has one made.
pub struct HostKey {
    private: PrivateKey,
    certificate: Option<Certificate>,
}

impl HostKey {
    /// Reads the key, or makes it; and the certificate that `ssh.host_certificate` names.
    ///
    /// # Errors
    /// When the key cannot be read or written, others can read it, or the certificate is not a
    /// host certificate for it.
    pub fn ensure(state_dir: &Path, certificate: Option<&Path>) -> Result<Self, Error> {
        let file = state_dir.join(FILE);
        let private = match read(&file)? {
            Some(private) => private,
            None => make(&file)?,
        };
        let certificate = certificate.map(|path| certified(path, &private)).transpose()?;
        Ok(Self { private, certificate })
    }

    /// Reads the key.
    ///
    /// # Errors
    /// As [`HostKey::ensure`]; and when there is none yet.
    pub fn read(state_dir: &Path) -> Result<Self, Error> {
        let file = state_dir.join(FILE);
        let Some(private) = read(&file)? else {
            return Err(Error::failed("there is no SSH host key yet")
                .hint("the gate makes it when it first listens on SSH: `seawall up --ssh`"));
        };
        Ok(Self { private, certificate: None })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        self.private.public_key()
    }

    /// `SHA256:...`, as `ssh` shows it at the first connection.
    pub fn fingerprint(&self) -> String {
        self.public().fingerprint(HashAlg::Sha256).to_string()
    }

    /// The line for `~/.ssh/known_hosts` of clients that reach the gate by these names.
    pub fn known_hosts(&self, names: &[String], port: u16) -> String {
        let mut line = String::new();
        for name in names {
            let comma = if line.is_empty() { "" } else { "," };
            // OpenSSH leaves out the usual port (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
            let _ = match port {
                22 => write!(line, "{comma}{name}"),
                port => write!(line, "{comma}[{name}]:{port}"),
            };
        }
        format!("{line} {}", self.public_line())
    }

    /// Algorithm and base64, without a comment.
    pub fn public_line(&self) -> String {
        let line = self.public().to_openssh().unwrap_or_default();
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// What the SSH process gets: the key and its certificate, in OpenSSH's format.
    ///
    /// # Errors
    /// When they cannot be written so.
    pub fn setup(&self) -> Result<super::line::Setup, Error> {
        let key =
            self.private.to_openssh(LineEnding::LF).doing(|| "write the host key".to_owned())?;
        let certificate = self.certificate.as_ref().map(Certificate::to_openssh).transpose();
        Ok(super::line::Setup {
            host_key: key.to_string(),
            host_certificate: certificate.doing(|| "write the host certificate".to_owned())?,
        })
    }
}

fn make(file: &Path) -> Result<PrivateKey, Error> {
    let shown = file.display();
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *seed).map_err(|_| Error::failed("no random numbers"))?;
    let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&seed);
    let key = PrivateKey::from(pair);
    let text = key.to_openssh(LineEnding::LF).doing(|| format!("make {shown}"))?;
    files::replace(file, text.as_bytes(), Access::Owner).doing(|| format!("write {shown}"))?;
    tracing::info!(fingerprint = %key.fingerprint(HashAlg::Sha256), "made the SSH host key");
    Ok(key)
}

fn read(file: &Path) -> Result<Option<PrivateKey>, Error> {
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    let text = match std::fs::read(file) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(|| format!("read the SSH host key {shown}")),
    };
    let mode = std::fs::metadata(file).doing(|| format!("look at {shown}"))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::usage(format!(
            "the SSH host key {shown} is open to others (mode {:04o})",
            mode & 0o7777
        ))
        .hint(format!("run: chmod 600 {shown}")));
    }
    let key =
        PrivateKey::from_openssh(&*text).doing(|| format!("read the SSH host key {shown}"))?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(Error::usage(format!("the SSH host key {shown} is no Ed25519 key")));
    }
    Ok(Some(key))
}

fn certified(path: &Path, key: &PrivateKey) -> Result<Certificate, Error> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).doing(|| format!("read {shown}"))?;
    let certificate =
        Certificate::from_openssh(&text).doing(|| format!("read the certificate {shown}"))?;
    if certificate.cert_type() != CertType::Host {
        return Err(Error::usage(format!(
            "`ssh.host_certificate`: {shown} is a user's certificate"
        ))
        .hint("sign with `ssh-keygen -h`"));
    }
    if certificate.public_key() != key.public_key().key_data() {
        return Err(Error::usage(format!(
            "`ssh.host_certificate`: {shown} is for another key than the gate's"
        ))
        .hint("sign the line that `seawall ssh host-key` prints"));
    }
    Ok(certificate)
}

/// Where the key is.
pub fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(HostKey::read(dir.path()).is_err());
        let made = HostKey::ensure(dir.path(), None).unwrap();
        let again = HostKey::ensure(dir.path(), None).unwrap();
        assert_eq!(made.fingerprint(), again.fingerprint());
        let file = file(dir.path());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = HostKey::ensure(dir.path(), None).unwrap_err().to_string();
        assert!(open.contains("open to others"), "{open}");
    }

    #[test]
    fn known_hosts_lines_name_the_port_as_openssh_does() {
        let dir = tempfile::tempdir().unwrap();
        let key = HostKey::ensure(dir.path(), None).unwrap();
        let names = ["prod".to_owned(), "fd00::1".to_owned()];
        let line = key.public_line();
        assert_eq!(key.known_hosts(&names, 2222), format!("[prod]:2222,[fd00::1]:2222 {line}"));
        assert_eq!(key.known_hosts(&names, 22), format!("prod,fd00::1 {line}"));
        assert!(line.starts_with("ssh-ed25519 AAAA"), "{line}");
    }
}
