//! Docker contexts, as the docker CLI lays them out (`cli/context/store` in docker/cli).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use data_encoding::HEXLOWER;
use seawall_rules::identity::Name;
use serde_json::{Value, json};

use super::files::{self, Access};
use super::owner::Owner;
use super::place::{Credentials, Enrolled, PlaceError, doing, replace_pem_files};
use crate::pki::sha256;

/// The name of a docker context: `[a-zA-Z0-9][a-zA-Z0-9_.+-]+`, and not `default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextName(String);

/// Why a text is not a [`ContextName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a name for a docker context: use at least two of a-z, A-Z, 0-9, `_`, `.`, `+`, \
     `-`, beginning with a letter or digit, and not `default`",
    .0.escape_debug()
)]
pub struct NotAContextName(pub String);

impl ContextName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    // docker names the folders of a context so.
    fn id(&self) -> String {
        HEXLOWER.encode(&sha256(self.0.as_bytes()))
    }
}

impl FromStr for ContextName {
    type Err = NotAContextName;

    fn from_str(text: &str) -> Result<Self, NotAContextName> {
        let rest = |b: &u8| b.is_ascii_alphanumeric() || b"_.+-".contains(b);
        let ok = text.len() >= 2
            && text.len() <= 255
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.as_bytes().iter().all(rest)
            && text != "default";
        if ok { Ok(Self(text.to_owned())) } else { Err(NotAContextName(text.to_owned())) }
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes an archive that `docker context import` takes; 0600, since it holds the key.
///
/// # Errors
/// [`PlaceError::Io`], when the file exists as well: it may be somebody else's key.
pub fn write_archive(
    path: &Path,
    owner: &Owner,
    name: &ContextName,
    enrolled: &Enrolled,
    credentials: &Credentials,
) -> Result<(), PlaceError> {
    let write = || {
        let bytes = archive(name, enrolled, credentials)?;
        files::create(path, &bytes, Access::Owner)
    };
    owner.act(write).flatten().map_err(doing("write", path))
}

/// The contexts of a docker configuration folder that Seawall made, by name.
///
/// # Errors
/// [`PlaceError::Io`]. Contexts that can't be read are not Seawall's, and left out.
pub fn list(docker_config: &Path) -> Result<Vec<(ContextName, Enrolled)>, PlaceError> {
    let dir = docker_config.join("contexts/meta");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(doing("read", &dir)(error)),
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| fs::read(entry.ok()?.path().join("meta.json")).ok())
        .filter_map(|text| parse_meta(&text))
        .filter_map(|(name, enrolled)| Some((name, enrolled?)))
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Makes a context the one docker uses when none is named (`currentContext`).
///
/// # Errors
/// [`PlaceError::Io`], also for a `config.json` that is not JSON: it is left as it is.
pub fn select(docker_config: &Path, owner: &Owner, name: &ContextName) -> Result<(), PlaceError> {
    let path = docker_config.join("config.json");
    let edit = || -> io::Result<()> {
        // docker follows a link here (people link it into their dotfiles); so does this.
        let path = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let mut config = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
            Err(error) => return Err(error),
        };
        let fields = config.as_object_mut().ok_or(io::ErrorKind::InvalidData)?;
        fields.insert("currentContext".to_owned(), name.as_str().into());
        files::replace(&path, format!("{config:#}\n").as_bytes(), Access::Owner)
    };
    owner.act(edit).flatten().map_err(doing("change", &path))
}

pub(super) fn meta_path(docker_config: &Path, name: &ContextName) -> PathBuf {
    docker_config.join("contexts/meta").join(name.id()).join("meta.json")
}

pub(super) fn tls_path(docker_config: &Path, name: &ContextName) -> PathBuf {
    docker_config.join("contexts/tls").join(name.id()).join("docker")
}

/// Name of a context, and whose it is where Seawall made it.
pub(super) fn parse_meta(text: &[u8]) -> Option<(ContextName, Option<Enrolled>)> {
    let meta: Value = serde_json::from_slice(text).ok()?;
    let name = meta["Name"].as_str()?.parse().ok()?;
    let enrolled = || {
        let host = meta["Endpoints"]["docker"]["Host"].as_str()?;
        let mark = &meta["Metadata"][MARK];
        let identity = Name::parse(mark["Identity"].as_str()?).ok()?;
        let Some(over_ssh) = host.strip_prefix("ssh://") else {
            let address = host.strip_prefix("tcp://")?.parse().ok()?;
            return Some(Enrolled { address, identity, ssh: None });
        };
        // docker's own address is that of SSH; certificates are renewed at the other.
        let address = mark["Address"].as_str()?.parse().ok()?;
        let (_, ssh) = over_ssh.rsplit_once(':')?;
        Some(Enrolled { address, identity, ssh: Some(ssh.parse().ok()?) })
    };
    Some((name, enrolled()))
}

// The caller holds the lock.
pub(super) fn install(
    docker_config: &Path,
    name: &ContextName,
    enrolled: &Enrolled,
    credentials: &Credentials,
) -> io::Result<()> {
    let contexts = docker_config.join("contexts");
    let tls = tls_path(docker_config, name);
    let new = contexts.join(format!(".seawall-{}", name.id()));
    files::remove_folder(&new)?;
    files::folder(&new, Access::Owner)?;
    files::create(&new.join("ca.pem"), credentials.ca.as_bytes(), Access::Owner)?;
    files::create(&new.join("cert.pem"), credentials.cert.as_bytes(), Access::Owner)?;
    files::create(&new.join("key.pem"), credentials.key.as_bytes(), Access::Owner)?;
    files::sync_folder(&new)?;

    files::folder(&contexts.join("tls"), Access::Owner)?;
    files::folder(&contexts.join("tls").join(name.id()), Access::Owner)?;
    if !files::swap_folder(&new, &tls)? {
        replace_pem_files(&tls, credentials)?;
    }
    // The old key, if there was one.
    files::remove_folder(&new)?;

    // The meta file comes last: without it docker knows of no context.
    let meta = meta_path(docker_config, name);
    let text = serde_json::to_vec(&meta_json(name, enrolled))?;
    if fs::read(&meta).ok().as_ref() != Some(&text) {
        files::folder(&contexts.join("meta").join(name.id()), Access::Everyone)?;
        files::replace(&meta, &text, Access::Everyone)?;
        files::sync_folder(&contexts.join("meta"))?;
    }
    files::sync_folder(&contexts)
}

// Under `Metadata`, docker keeps fields that it does not know.
const MARK: &str = "Seawall";

fn meta_json(name: &ContextName, enrolled: &Enrolled) -> Value {
    let Enrolled { address, identity, ssh } = enrolled;
    let mut mark = json!({ "Identity": identity.as_str() });
    if ssh.is_some() {
        mark["Address"] = address.to_string().into();
    }
    json!({
        "Name": name.as_str(),
        "Metadata": {
            "Description": format!("{identity} at {address}, through Seawall"),
            MARK: mark,
        },
        "Endpoints": {
            "docker": { "Host": enrolled.docker_host(), "SkipTLSVerify": false },
        },
    })
}

fn archive(
    name: &ContextName,
    enrolled: &Enrolled,
    credentials: &Credentials,
) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8], mode| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        tar.append_data(&mut header, path, content)
    };
    let meta = serde_json::to_vec(&meta_json(name, enrolled))?;
    add("meta.json", &meta, 0o644)?;
    add("tls/", &[], 0o700)?;
    add("tls/docker/", &[], 0o700)?;
    add("tls/docker/ca.pem", credentials.ca.as_bytes(), 0o600)?;
    add("tls/docker/cert.pem", credentials.cert.as_bytes(), 0o600)?;
    add("tls/docker/key.pem", credentials.key.as_bytes(), 0o600)?;
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::enrol::place::{Overwrite, Place};

    fn enrolled() -> Enrolled {
        Enrolled {
            address: "gate.example.com:2376".parse().unwrap(),
            identity: Name::parse("alice").unwrap(),
            ssh: None,
        }
    }

    fn credentials() -> Credentials {
        // docker looks for a PEM block before it imports a file.
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
        Credentials { ca: cert.clone(), cert, key: key.serialize_pem() }
    }

    fn docker(config: &Path, args: &[&str]) -> String {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_CONFIG", config).env_remove("DOCKER_HOST").env_remove("DOCKER_CONTEXT");
        let output = docker.args(args).output().expect("the docker CLI is installed");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn inspect(config: &Path, name: &str) -> Value {
        serde_json::from_str(&docker(config, &["context", "inspect", name])).unwrap()
    }

    #[test]
    fn a_name_is_what_docker_takes() {
        for good in ["ab", "prod", "gate.example.com", "A_b+c-1", "192.0.2.1"] {
            assert_eq!(good.parse::<ContextName>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "default", "-ab", ".ab", "a b", "a/b", "fd00::1", "é1"] {
            assert_eq!(bad.parse::<ContextName>(), Err(NotAContextName(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn docker_finds_an_installed_context_with_its_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let name: ContextName = "prod".parse().unwrap();
        let place = Place::Context { docker_config: dir.path().to_owned(), name: name.clone() };
        place.install(&Owner::Current, &enrolled(), &credentials(), Overwrite::Own).unwrap();

        let context = &inspect(dir.path(), "prod")[0];
        let endpoint = &context["Endpoints"]["docker"];
        assert_eq!(endpoint["Host"], "tcp://gate.example.com:2376");
        assert_eq!(endpoint["SkipTLSVerify"], false);
        assert_eq!(context["TLSMaterial"]["docker"], json!(["ca.pem", "cert.pem", "key.pem"]));
        assert_eq!(
            context["Storage"]["TLSPath"].as_str().map(Path::new),
            tls_path(dir.path(), &name).parent()
        );
        let names = docker(dir.path(), &["context", "ls", "--format", "{{.Name}}"]);
        assert_eq!(names, "default\nprod");
    }

    #[test]
    fn a_context_over_ssh_is_dockers_and_still_known_as_ours() {
        let dir = tempfile::tempdir().unwrap();
        let name: ContextName = "prod".parse().unwrap();
        let place = Place::Context { docker_config: dir.path().to_owned(), name };
        let over_ssh = Enrolled { ssh: Some(2222), ..enrolled() };
        place.install(&Owner::Current, &over_ssh, &credentials(), Overwrite::Own).unwrap();
        let host = &inspect(dir.path(), "prod")[0]["Endpoints"]["docker"]["Host"];
        assert_eq!(host, "ssh://alice@gate.example.com:2222");
        assert_eq!(place.enrolled().unwrap(), Some(over_ssh));
        // The same identity at the same gate may change the way.
        place.install(&Owner::Current, &enrolled(), &credentials(), Overwrite::Own).unwrap();
        assert_eq!(place.enrolled().unwrap(), Some(enrolled()));
    }

    #[test]
    fn docker_imports_the_archive_and_the_context_is_still_known_as_ours() {
        let dir = tempfile::tempdir().unwrap();
        let (config, tar) = (dir.path().join("docker"), dir.path().join("prod.tar"));
        let credentials = credentials();
        let name = "prod".parse().unwrap();
        write_archive(&tar, &Owner::Current, &name, &enrolled(), &credentials).unwrap();
        docker(&config, &["context", "import", "elsewhere", tar.to_str().unwrap()]);
        docker(&config, &["context", "update", "elsewhere", "--description", "changed"]);

        let elsewhere: ContextName = "elsewhere".parse().unwrap();
        assert_eq!(list(&config).unwrap(), [(elsewhere.clone(), enrolled())]);
        let place = Place::Context { docker_config: config, name: elsewhere };
        assert_eq!(place.enrolled().unwrap(), Some(enrolled()));
        assert_eq!(place.credentials().unwrap(), credentials);
    }

    #[test]
    fn a_context_of_other_origin_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        docker(dir.path(), &["context", "create", "prod", "--docker", "host=tcp://other:2376"]);
        let name = "prod".parse().unwrap();
        let place = Place::Context { docker_config: dir.path().to_owned(), name };
        let install =
            |overwrite| place.install(&Owner::Current, &enrolled(), &credentials(), overwrite);
        let refused = install(Overwrite::Own).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the docker context `prod` exists and was not made by seawall"
        );
        assert_eq!(list(dir.path()).unwrap(), []);
        install(Overwrite::Anything).unwrap();
        let context = &inspect(dir.path(), "prod")[0];
        assert_eq!(context["Endpoints"]["docker"]["Host"], "tcp://gate.example.com:2376");
    }

    #[test]
    fn selecting_a_context_keeps_the_rest_of_dockers_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        let name = "prod".parse().unwrap();
        select(dir.path(), &Owner::Current, &name).unwrap();
        assert_eq!(docker(dir.path(), &["context", "show"]), "prod");

        fs::write(&config, r#"{"zeta":{"a":[1]},"currentContext":"old","auths":{}}"#).unwrap();
        select(dir.path(), &Owner::Current, &name).unwrap();
        let text: String = fs::read_to_string(&config).unwrap().split_whitespace().collect();
        assert_eq!(text, r#"{"zeta":{"a":[1]},"currentContext":"prod","auths":{}}"#);

        fs::write(&config, "not json").unwrap();
        select(dir.path(), &Owner::Current, &name).unwrap_err();
        assert_eq!(fs::read_to_string(&config).unwrap(), "not json");
    }
}
