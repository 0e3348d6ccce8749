//! The key that signs the trail: Ed25519, made at the first run, kept in the state folder and
//! not beside the trail, so that whoever can write only the trail can't sign what he made of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// The private key, `audit.key`.
pub(super) struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether the key was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Before,
    Now,
}

impl SigningKey {
    /// Reads `STATE/audit.key`, or makes it and adds its public half to `STATE/audit.pub`.
    pub(super) fn open_or_make(state_dir: &Path) -> io::Result<(Self, Made)> {
        let path = state_dir.join("audit.key");
        match File::open(&path) {
            Ok(file) => Ok((Self::read(file, &path)?, Made::Before)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok((Self::make(&path, state_dir)?, Made::Now))
            }
            Err(error) => Err(named(&path, error)),
        }
    }

    /// Signs a text of [`super::chain`].
    pub(super) fn sign(&self, text: &str) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        signature
    }

    /// Names the key in a checkpoint.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn read(mut file: File, path: &Path) -> io::Result<Self> {
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            let why = format!("readable by others (mode {:03o}): chmod 600 it", mode & 0o777);
            return Err(named(path, io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        let mut pem = Zeroizing::new(String::new());
        file.read_to_string(&mut pem).map_err(|error| named(path, error))?;
        let der = Zeroizing::new(pem_blocks(&pem).next().unwrap_or_default());
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|_| named(path, io::Error::other("no Ed25519 key in PKCS#8")))?;
        Ok(Self::new(pair))
    }

    fn make(path: &Path, state_dir: &Path) -> io::Result<Self> {
        let failed = |_| io::Error::other("cannot make an Ed25519 key");
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let key = Self::new(pair);
        // The public half first: a key that signs must have one.
        let public = path.with_extension("pub");
        let spki = [&SPKI_PREFIX[..], key.pair.public_key().as_ref()].concat();
        let known = match fs::read_to_string(&public) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| named(&public, error))?,
        };
        replace(&public, 0o644, (known + &pem("PUBLIC KEY", &spki)).as_bytes())?;
        let text = Zeroizing::new(pem("PRIVATE KEY", der.as_ref()));
        replace(path, 0o600, text.as_bytes())?;
        File::open(state_dir)?.sync_all()?;
        Ok(key)
    }

    fn new(pair: Ed25519KeyPair) -> Self {
        let id = key_id(pair.public_key().as_ref());
        Self { pair, id }
    }
}

/// The public keys, `audit.pub`: usually one; an earlier one stays when a key was lost and made
/// anew, so that what it signed can still be verified.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(Vec<(String, Vec<u8>)>);

impl PublicKeys {
    /// Reads a file of PEM public keys.
    ///
    /// # Errors
    /// The file can't be read or holds no Ed25519 key.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| named(path, error))?;
        let keys: Vec<_> = pem_blocks(&text)
            .filter_map(|der| der.strip_prefix(&SPKI_PREFIX).map(<[u8]>::to_vec))
            .filter(|key| key.len() == 32)
            .map(|key| (key_id(&key), key))
            .collect();
        if keys.is_empty() {
            return Err(named(path, io::Error::other("no Ed25519 public key in PEM")));
        }
        Ok(Self(keys))
    }

    /// Whether one of the keys made this signature.
    pub(super) fn signed(&self, text: &str, signature: &[u8; 64]) -> bool {
        let made_by = |key: &[u8]| {
            UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), signature).is_ok()
        };
        self.0.iter().any(|(_, key)| made_by(key))
    }

    /// Whether a key of that id is among them.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|(known, _)| known == id)
    }
}

/// The first 16 digits of the key's SHA-256.
fn key_id(public: &[u8]) -> String {
    HEXLOWER.encode(&digest(&SHA256, public).as_ref()[..8])
}

fn pem(label: &str, der: &[u8]) -> String {
    // An Ed25519 key in base64 fits one line of a little over 64 characters; RFC 7468 wraps.
    let text = BASE64.encode(der);
    let (first, rest) = text.split_at(text.len().min(64));
    let rest = if rest.is_empty() { String::new() } else { format!("{rest}\n") };
    format!("-----BEGIN {label}-----\n{first}\n{rest}-----END {label}-----\n")
}

/// The contents of every PEM block; what isn't base64 is no block.
fn pem_blocks(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (_, body) = block.split_once("-----\n")?;
        let (body, _) = body.split_once("-----END ")?;
        let body: String = body.split_ascii_whitespace().collect();
        BASE64.decode(body.as_bytes()).ok()
    })
}

/// Writes a file so that it is there whole or not at all.
fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let new = PathBuf::from(format!("{}.new", path.display()));
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| named(path, error))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_its_public_half_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let (key, made) = SigningKey::open_or_make(dir.path()).unwrap();
        assert_eq!(made, Made::Now);
        let mode = fs::metadata(dir.path().join("audit.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (again, made) = SigningKey::open_or_make(dir.path()).unwrap();
        assert_eq!(made, Made::Before);
        assert_eq!(key.id(), again.id());

        let public = PublicKeys::read(&dir.path().join("audit.pub")).unwrap();
        assert!(public.knows(key.id()));
        let signature = again.sign("text");
        assert!(public.signed("text", &signature));
        assert!(!public.signed("test", &signature));
    }

    #[test]
    fn a_lost_key_is_made_anew_and_the_old_public_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (old, _) = SigningKey::open_or_make(dir.path()).unwrap();
        fs::remove_file(dir.path().join("audit.key")).unwrap();
        let (new, made) = SigningKey::open_or_make(dir.path()).unwrap();
        assert_eq!(made, Made::Now);
        let public = PublicKeys::read(&dir.path().join("audit.pub")).unwrap();
        assert!(public.signed("a", &old.sign("a")) && public.signed("a", &new.sign("a")));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::open_or_make(dir.path()).unwrap();
        let path = dir.path().join("audit.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKey::open_or_make(dir.path()).err().unwrap().to_string();
        assert!(error.contains("readable by others (mode 640)"), "{error}");
    }

    #[test]
    fn openssl_reads_the_public_key() {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::open_or_make(dir.path()).unwrap();
        for (file, pubin) in [("audit.pub", &["-pubin"][..]), ("audit.key", &[])] {
            let out = std::process::Command::new("openssl")
                .args(["pkey", "-noout", "-text", "-in"])
                .arg(dir.path().join(file))
                .args(pubin)
                .output()
                .expect("install openssl: the tests read keys with it");
            assert!(String::from_utf8_lossy(&out.stdout).contains("ED25519"), "{file}: {out:?}");
        }
    }
}
