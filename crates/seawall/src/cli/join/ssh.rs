//! `seawall join --ssh`: which key is registered, and how the gate's SSH server is known here.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use seawall_rules::ssh::key::PublicKey;

use crate::cli::identity::ssh_keys;
use crate::cli::report::{Doing as _, Error};
use crate::enrol::invitation::Address;
use crate::enrol::wire::SshDoor;

/// The user's own SSH files.
pub(super) struct SshFolder(PathBuf);

/// A public key to register.
pub(super) struct Chosen {
    /// As in a `.pub` file.
    pub(super) line: String,
    /// Where it was found, or made; `None` when it was typed.
    pub(super) file: Option<PathBuf>,
    /// Whether `ssh` offers it without being told.
    pub(super) offered: bool,
}

impl SshFolder {
    /// `~/.ssh`.
    pub(super) fn of_user() -> Result<Self, Error> {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home =
            home.ok_or_else(|| Error::usage("cannot tell where `~/.ssh` is: HOME is not set"))?;
        Ok(Self(Path::new(&home).join(".ssh")))
    }

    /// The key that was typed, or one that `ssh` offers by itself; the latter is made if there is
    /// none.
    pub(super) fn choose(&self, typed: Option<&str>) -> Result<Chosen, Error> {
        if let Some(source) = typed {
            let [line] = <[String; 1]>::try_from(ssh_keys::lines(source)?).map_err(|all| {
                Error::usage(format!("there are {} keys in `{source}`", all.len()))
                    .hint("one is registered; more on the gate: `seawall identity set`")
            })?;
            let file = Path::new(source).is_file().then(|| PathBuf::from(source));
            let usual = |file: &PathBuf| USUAL.iter().any(|name| self.public(name) == *file);
            let offered = file.as_ref().is_some_and(usual);
            return Ok(Chosen { line, file, offered });
        }
        let found = USUAL.iter().map(|name| self.public(name)).find(|file| file.is_file());
        let file = match found {
            Some(file) => file,
            None => self.make()?,
        };
        let shown = file.display().to_string();
        let line = ssh_keys::lines(&shown)?.into_iter().next();
        let line = line.ok_or_else(|| Error::failed(format!("there is no key in {shown}")))?;
        Ok(Chosen { line, file: Some(file), offered: true })
    }

    /// The gate's line for known_hosts, which is put there unless it is there already.
    pub(super) fn know(&self, address: &Address, door: &SshDoor) -> Result<String, Error> {
        let (host, port) = (address.host(), door.port);
        let (key, _) =
            PublicKey::from_line(&door.host_key).doing(|| "read the gate's host key".to_owned())?;
        // sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
        let line = match port {
            22 => format!("{host} {key}"),
            port => format!("[{host}]:{port} {key}"),
        };
        let path = self.0.join("known_hosts");
        let shown = path.display().to_string();
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        if !known.lines().any(|there| there.trim() == line) {
            self.create()?;
            let gap = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(format!("{gap}{line}\n").as_bytes()))
                .doing(|| format!("write {shown}"))?;
        }
        Ok(line)
    }

    fn public(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pub"))
    }

    fn make(&self) -> Result<PathBuf, Error> {
        self.create()?;
        let file = self.0.join(USUAL[0]);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&file)
            .output()
            .map_err(|error| {
                Error::failed(format!("cannot run `ssh-keygen`: {error}"))
                    .hint("docker reaches `ssh://` hosts by OpenSSH's client: install that")
            })?;
        match made.status.success() {
            true => Ok(self.public(USUAL[0])),
            false => Err(Error::failed(format!(
                "`ssh-keygen` made no key: {}",
                String::from_utf8_lossy(&made.stderr).trim().escape_debug()
            ))
            .hint("register a key you have with `--ssh-key FILE.pub`")),
        }
    }

    fn create(&self) -> Result<(), Error> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .doing(|| format!("create {}", self.0.display()))
    }
}

/// Keys that `ssh` offers by itself and the gate takes (ssh_config(5), `IdentityFile`).
const USUAL: [&str; 4] = ["id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_offered_by_itself() {
        let home = tempfile::tempdir().unwrap();
        let folder = SshFolder(home.path().join(".ssh"));
        let made = folder.choose(None).unwrap();
        assert!(made.offered && made.line.starts_with("ssh-ed25519 "), "{}", made.line);
        assert_eq!(folder.choose(None).unwrap().line, made.line);
        let typed = folder.choose(Some(&made.line)).unwrap();
        assert!(!typed.offered && typed.file.is_none());
        let error = folder.choose(Some(home.path().join(".ssh/id_ed25519").to_str().unwrap()));
        assert!(error.err().unwrap().to_string().contains("it is a private key"));
    }

    #[test]
    fn the_host_key_stands_in_known_hosts_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = SshFolder(home.path().join(".ssh"));
        let host_key = folder.choose(None).unwrap().line;
        let bare = host_key.rsplit_once(' ').unwrap().0;
        let path = home.path().join(".ssh/known_hosts");
        std::fs::write(&path, "other ssh-ed25519 AAAA").unwrap();
        let address: Address = "Gate.example.com:2376".parse().unwrap();
        for _ in 0..2 {
            let door = SshDoor { port: 2222, host_key: host_key.clone() };
            folder.know(&address, &door).unwrap();
        }
        let usual = SshDoor { port: 22, host_key: host_key.clone() };
        folder.know(&"[fd00::1]:2376".parse().unwrap(), &usual).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("other ssh-ed25519 AAAA\n[gate.example.com]:2222 {bare}\nfd00::1 {bare}\n")
        );
    }
}
