//! Where a client keeps its credentials: a docker context, or a folder for `DOCKER_CERT_PATH`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use seawall_rules::identity::Name;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::context::{self, ContextName};
use super::files::{self, Access};
use super::invitation::Address;
use super::owner::Owner;

/// What a client needs to enter, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The CAs by which the gate is verified.
    pub ca: String,
    /// The client's certificate.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("cert", &self.cert).finish_non_exhaustive()
    }
}

/// Whose credentials they are, and for which gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The gate.
    pub address: Address,
    /// The identity.
    pub identity: Name,
    /// The port of the gate's SSH server, where docker is to reach it by that.
    pub ssh: Option<u16>,
}

impl Enrolled {
    /// What docker is told: `tcp://…` or `ssh://…`.
    pub fn docker_host(&self) -> String {
        match self.ssh {
            None => format!("tcp://{}", self.address),
            Some(port) => format!("ssh://{}@{}", self.identity, self.address.with_port(port)),
        }
    }
}

/// What may be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Anything (`--force`).
    Anything,
    /// What Seawall wrote for the same identity at the same gate.
    Own,
}

/// A place for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A docker context.
    Context {
        /// The docker configuration folder (`~/.docker`).
        docker_config: PathBuf,
        /// The context's name.
        name: ContextName,
    },
    /// A folder with `ca.pem`, `cert.pem` and `key.pem`, as `DOCKER_CERT_PATH` names one.
    Folder(PathBuf),
}

/// Which key a renewal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalKey {
    /// A new one.
    New,
    /// The present one: here certificate and key cannot be replaced in one step, and a crash
    /// between the two would leave a pair that does not fit.
    Present,
}

/// Why credentials cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Something else is there.
    #[error("{place} exists and was not made by seawall")]
    Foreign {
        /// As [`Place`] prints itself.
        place: String,
    },
    /// Another gate's or another identity's credentials are there.
    #[error("{place} is for `{}` at `{}`", .enrolled.identity, .enrolled.address)]
    Other {
        /// As [`Place`] prints itself.
        place: String,
        /// Whose they are.
        enrolled: Box<Enrolled>,
    },
    /// Nothing is there.
    #[error("{place} does not exist")]
    Absent {
        /// As [`Place`] prints itself.
        place: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {doing}: {error}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why not.
        error: io::Error,
    },
}

impl Place {
    /// What is there now: `None` if nothing is.
    ///
    /// # Errors
    /// [`PlaceError::Foreign`] for what Seawall did not make, [`PlaceError::Io`].
    pub fn enrolled(&self) -> Result<Option<Enrolled>, PlaceError> {
        let marker = match self {
            Self::Context { docker_config, name } => context::meta_path(docker_config, name),
            Self::Folder(dir) => dir.join(MARKER),
        };
        let text = match fs::read(&marker) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = |dir: &PathBuf| PEM_FILES.iter().any(|file| dir.join(file).exists());
                return match self {
                    Self::Folder(dir) if pem(dir) => Err(self.foreign()),
                    // docker does not look for keys without a meta file either.
                    _ => Ok(None),
                };
            }
            Err(error) => return Err(doing("read", &marker)(error)),
        };
        let enrolled = match self {
            Self::Context { .. } => context::parse_meta(&text).and_then(|(_, enrolled)| enrolled),
            Self::Folder(_) => {
                serde_json::from_slice::<Marker>(&text).ok().and_then(|marker| marker.read())
            }
        };
        enrolled.map(Some).ok_or_else(|| self.foreign())
    }

    /// Whether `enrolled` may be written here; asked before an invitation is spent on it.
    ///
    /// # Errors
    /// [`PlaceError::Foreign`] and [`PlaceError::Other`] for what `overwrite` does not cover.
    pub fn check(&self, enrolled: &Enrolled, overwrite: Overwrite) -> Result<(), PlaceError> {
        if overwrite == Overwrite::Anything {
            return Ok(());
        }
        match self.enrolled()? {
            Some(other)
                if (&other.address, &other.identity) != (&enrolled.address, &enrolled.identity) =>
            {
                Err(PlaceError::Other { place: self.to_string(), enrolled: Box::new(other) })
            }
            _ => Ok(()),
        }
    }

    /// Writes credentials. A crash leaves the old ones, the new ones, or for a first time
    /// nothing that docker would take for a context.
    ///
    /// # Errors
    /// As [`Place::check`]; [`PlaceError::Io`].
    pub fn install(
        &self,
        owner: &Owner,
        enrolled: &Enrolled,
        credentials: &Credentials,
        overwrite: Overwrite,
    ) -> Result<(), PlaceError> {
        let write = || {
            let _lock = self.lock()?;
            self.check(enrolled, overwrite)?;
            let written = match self {
                Self::Context { docker_config, name } => {
                    context::install(docker_config, name, enrolled, credentials)
                }
                Self::Folder(dir) => install_folder(dir, enrolled, credentials),
            };
            written.map_err(doing("write", &self.tls()))
        };
        owner.act(write).map_err(doing("act for the owner of", &self.root()))?
    }

    /// Reads the credentials.
    ///
    /// # Errors
    /// [`PlaceError::Absent`], [`PlaceError::Io`].
    pub fn credentials(&self) -> Result<Credentials, PlaceError> {
        let read = |file| {
            let path = self.tls().join(file);
            fs::read_to_string(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => PlaceError::Absent { place: self.to_string() },
                _ => doing("read", &path)(error),
            })
        };
        Ok(Credentials { ca: read("ca.pem")?, cert: read("cert.pem")?, key: read("key.pem")? })
    }

    /// Which key a renewal of what is here should be for.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn renewal_key(&self) -> Result<RenewalKey, PlaceError> {
        let Self::Context { .. } = self else { return Ok(RenewalKey::Present) };
        let _lock = self.lock()?;
        let root = self.root();
        match files::swaps_folders(&root).map_err(doing("write to", &root))? {
            true => Ok(RenewalKey::New),
            false => Ok(RenewalKey::Present),
        }
    }

    /// The private key of a join that has begun and may not have ended: the same invitation may
    /// be tried again with the same key, but with no other. `id` names the attempt.
    ///
    /// # Errors
    /// [`PlaceError::Io`]; whatever `make` fails with.
    pub fn pending_key<E: From<PlaceError> + Send>(
        &self,
        owner: &Owner,
        id: &[u8; 32],
        make: impl FnOnce() -> Result<String, E> + Send,
    ) -> Result<String, E> {
        let path = self.pending_path(id);
        let key = || {
            let _lock = self.lock()?;
            match fs::read_to_string(&path) {
                Ok(key) => return Ok(key),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(doing("read", &path)(error).into()),
            }
            let key = make()?;
            files::replace(&path, key.as_bytes(), Access::Owner).map_err(doing("write", &path))?;
            Ok(key)
        };
        owner.act(key).map_err(doing("act for the owner of", &self.root()))?
    }

    /// Forgets a pending key: its join has ended one way or the other.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn forget_pending_key(&self, owner: &Owner, id: &[u8; 32]) -> Result<(), PlaceError> {
        let path = self.pending_path(id);
        let forgotten = owner.act(|| files::remove(&path));
        forgotten.flatten().map_err(doing("remove", &path))
    }

    fn pending_path(&self, id: &[u8; 32]) -> PathBuf {
        let id = data_encoding::HEXLOWER.encode(&id[..8]);
        self.root().join(format!(".seawall-join-{id}.pem"))
    }

    // Where the three PEM files are.
    fn tls(&self) -> PathBuf {
        match self {
            Self::Context { docker_config, name } => context::tls_path(docker_config, name),
            Self::Folder(dir) => dir.clone(),
        }
    }

    // Everything written stays below this folder.
    fn root(&self) -> PathBuf {
        match self {
            Self::Context { docker_config, .. } => docker_config.join("contexts"),
            Self::Folder(dir) => dir.clone(),
        }
    }

    // Keeps a renewal by timer and one by hand from mixing their files; makes the folder.
    fn lock(&self) -> Result<File, PlaceError> {
        let root = self.root();
        let open = || {
            if let Self::Context { docker_config, .. } = self {
                files::folder(docker_config, Access::Owner)?;
                files::folder(&root, Access::Everyone)?;
            } else {
                files::folder(&root, Access::Owner)?;
            }
            let folder = File::open(&root)?;
            folder.lock()?;
            Ok(folder)
        };
        open().map_err(doing("lock", &root))
    }

    fn foreign(&self) -> PlaceError {
        PlaceError::Foreign { place: self.to_string() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Context { name, .. } => write!(f, "the docker context `{name}`"),
            Self::Folder(dir) => write!(f, "the folder `{}`", dir.display()),
        }
    }
}

pub(super) fn doing(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PlaceError {
    let doing = format!("{what} {}", path.display());
    move |error| PlaceError::Io { doing, error }
}

const PEM_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// Beside the PEM files of a `DOCKER_CERT_PATH` folder: says that they are ours, and where a
/// renewal has to go.
const MARKER: &str = "seawall.json";

#[derive(Serialize, Deserialize)]
struct Marker {
    address: String,
    identity: Name,
}

impl Marker {
    fn read(self) -> Option<Enrolled> {
        let address = self.address.parse().ok()?;
        Some(Enrolled { address, identity: self.identity, ssh: None })
    }
}

// File by file, since clients hold on to the folder itself (a bind mount in a container). The
// key comes before the certificate; a renewal here keeps the key, so there is no mismatch in
// between, and a first certificate cut short is a folder without `cert.pem`.
fn install_folder(dir: &Path, enrolled: &Enrolled, credentials: &Credentials) -> io::Result<()> {
    let marker =
        Marker { address: enrolled.address.to_string(), identity: enrolled.identity.clone() };
    files::replace(&dir.join(MARKER), &serde_json::to_vec(&marker)?, Access::Everyone)?;
    replace_pem_files(dir, credentials)
}

pub(super) fn replace_pem_files(dir: &Path, credentials: &Credentials) -> io::Result<()> {
    let Credentials { ca, cert, key } = credentials;
    if fs::read(dir.join("key.pem")).ok().as_deref() != Some(key.as_bytes()) {
        // A certificate without its key is worse than none: clients say so clearly.
        files::remove(&dir.join("cert.pem"))?;
        files::replace(&dir.join("key.pem"), key.as_bytes(), Access::Owner)?;
    }
    files::replace(&dir.join("ca.pem"), ca.as_bytes(), Access::Owner)?;
    files::replace(&dir.join("cert.pem"), cert.as_bytes(), Access::Owner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn enrolled(identity: &str, address: &str) -> Enrolled {
        let identity = Name::parse(identity).unwrap();
        Enrolled { address: address.parse().unwrap(), identity, ssh: None }
    }

    fn credentials(n: u32) -> Credentials {
        let pem = |what: &str| format!("{what} {n}\n");
        Credentials { ca: pem("ca"), cert: pem("cert"), key: pem("key") }
    }

    fn places(dir: &Path) -> [Place; 2] {
        let name = "prod".parse().unwrap();
        [
            Place::Context { docker_config: dir.join("docker"), name },
            Place::Folder(dir.join("certs")),
        ]
    }

    fn files_below(dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files_below(&path));
            } else {
                found.push(path);
            }
        }
        found
    }

    #[test]
    fn what_is_installed_reads_back_and_keys_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        for place in places(dir.path()) {
            let alice = enrolled("alice", "gate:2376");
            assert_eq!(place.enrolled().unwrap(), None);
            for n in 1..3 {
                let new = credentials(n);
                place.install(&Owner::Current, &alice, &new, Overwrite::Own).unwrap();
                assert_eq!(place.enrolled().unwrap().as_ref(), Some(&alice));
                assert_eq!(place.credentials().unwrap(), new);
            }
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&place.tls().join("key.pem")), 0o600);
            assert_eq!(mode(&place.tls()), 0o700);
            assert_eq!(files_below(&place.root()).len(), 4, "nothing is left behind");
        }
    }

    #[test]
    fn only_ones_own_credentials_are_replaced_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        for place in places(dir.path()) {
            let install = |who: &Enrolled, overwrite| {
                place.install(&Owner::Current, who, &credentials(1), overwrite)
            };
            install(&enrolled("alice", "gate:2376"), Overwrite::Own).unwrap();
            for other in [enrolled("bob", "gate:2376"), enrolled("alice", "other:2376")] {
                let refused = install(&other, Overwrite::Own).unwrap_err();
                assert_eq!(refused.to_string(), format!("{place} is for `alice` at `gate:2376`"));
            }
            install(&enrolled("bob", "gate:2376"), Overwrite::Anything).unwrap();
            assert_eq!(place.enrolled().unwrap(), Some(enrolled("bob", "gate:2376")));
        }
    }

    #[test]
    fn a_folder_with_certificates_of_other_origin_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), "theirs").unwrap();
        let place = Place::Folder(dir.path().to_owned());
        let refused = place.check(&enrolled("alice", "gate:2376"), Overwrite::Own).unwrap_err();
        assert!(matches!(refused, PlaceError::Foreign { .. }), "{refused}");
    }

    #[test]
    fn a_pending_key_is_made_once_and_forgotten_when_told() {
        let dir = tempfile::tempdir().unwrap();
        for place in places(dir.path()) {
            let key = |made: &'static str| {
                let make = || Ok::<_, PlaceError>(made.to_owned());
                place.pending_key(&Owner::Current, &[7; 32], make).unwrap()
            };
            assert_eq!(key("one"), "one");
            assert_eq!(key("two"), "one");
            place.forget_pending_key(&Owner::Current, &[7; 32]).unwrap();
            assert_eq!(key("two"), "two");
        }
    }

    #[test]
    fn what_root_writes_for_its_invoker_is_the_invokers_and_no_link_leads_it_astray() {
        if !nix::unistd::geteuid().is_root() {
            return; // Only root writes for others.
        }
        let (uid, gid) = (65534, 65534);
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let owner = Owner::Invoker { uid, gid, home: dir.path().to_owned() };
        let alice = enrolled("alice", "gate:2376");
        for place in places(dir.path()) {
            place.install(&owner, &alice, &credentials(1), Overwrite::Own).unwrap();
            for file in files_below(&place.root()) {
                let found = fs::metadata(&file).unwrap();
                assert_eq!((found.uid(), found.gid()), (uid, gid), "{}", file.display());
            }
        }
        let theirs = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(theirs.path(), dir.path().join("link")).unwrap();
        let astray = Place::Folder(dir.path().join("link"));
        astray.install(&owner, &alice, &credentials(1), Overwrite::Own).unwrap_err();
        assert_eq!(files_below(theirs.path()).len(), 0);
    }

    const FOREVER: &str = "SEAWALL_TEST_INSTALLS_FOREVER";

    #[test]
    #[ignore = "run by a_kill_at_any_moment_leaves_a_certificate_and_the_key_that_fits_it"]
    fn installs_forever() {
        let Some(dir) = std::env::var_os(FOREVER) else { return };
        let [place, _] = places(Path::new(&dir));
        let alice = enrolled("alice", "gate:2376");
        for n in 0.. {
            place.install(&Owner::Current, &alice, &credentials(n), Overwrite::Own).unwrap();
        }
    }

    #[test]
    fn a_kill_at_any_moment_leaves_a_certificate_and_the_key_that_fits_it() {
        let dir = tempfile::tempdir().unwrap();
        let [place, _] = places(dir.path());
        let mut kills = 0;
        while kills < 20 {
            let before = place.credentials().ok();
            let mut child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "enrol::place::tests::installs_forever"])
                .env(FOREVER, dir.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            // Until it is at work; the reads here run against its writes.
            while place.credentials().ok() == before || place.enrolled().ok().flatten().is_none() {
                assert_eq!(child.try_wait().unwrap(), None);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let left = place.credentials().unwrap();
            let number = |text: &str| text.split(' ').nth(1).map(str::to_owned);
            assert_eq!(number(&left.cert), number(&left.key));
            assert_eq!(number(&left.cert), number(&left.ca));
            kills += 1;
        }
    }
}
