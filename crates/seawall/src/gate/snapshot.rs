//! What is in force at one moment. Built whole or not at all, and never changed after.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use seawall_rules::identity::Name;
use seawall_rules::ssh::key::Kind;

use crate::admit::Peer;
use crate::authenticate::identities::Identities;
use crate::authenticate::ssh::trust::Authorities;
use crate::authenticate::tls::{Doors, Material};
use crate::authenticate::{Authority, Credential, Ended};
use crate::cli::report::{Doing, Error};
use crate::config::{Config, OutsideTls, Tls};
use crate::engine::Engine;
use crate::pki::{self, Facts, sha256};
use crate::ssh;
use crate::state::{self, Identity, Standing, Store};

/// When a certificate that matters ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Whose it is.
    pub of: Of,
    /// SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// End of its validity.
    pub not_after: SystemTime,
}

/// Whose certificate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// A CA whose certificates enter.
    Ca,
    /// The one the gate shows.
    Gate,
    /// Of a CA's revocation list: it, when it ends.
    Crl,
    /// An identity's.
    Identity(Name),
}

/// What was read from the files that the configuration names.
#[derive(Clone, Debug)]
struct Files {
    /// Of an outside CA, for TLS.
    tls: Option<Arc<Material>>,
    /// Of SSH's CAs.
    ssh: Arc<Authorities>,
}

impl Files {
    fn read(config: &Config) -> Result<Self, Error> {
        let tls = config.tls.outside.as_ref().map(outside_material).transpose()?;
        let ssh = Authorities::load(&config.ssh)?;
        Ok(Self { tls: tls.map(Arc::new), ssh: Arc::new(ssh) })
    }
}

/// Configuration, identities and certificates; a request is judged by one snapshot only.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots of this process; recorded with every decision.
    pub generation: u64,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The TLS doors that let these identities in.
    pub doors: Doors,
    /// The way to the engine.
    pub engine: Arc<Engine>,
    /// The certificate the doors show.
    pub shown: Option<CertificateDer<'static>>,
    /// How many identities there are.
    pub identity_count: usize,
    /// When certificates end: those of the gate, and the last one of each identity.
    pub expiries: Vec<Expiry>,
    identities: Arc<Identities>,
    files: Files,
}

impl Snapshot {
    /// Reads identities and certificates from the store and the files the configuration names.
    ///
    /// # Errors
    /// What could not be read or does not fit together; nothing is changed.
    pub fn build(store: &mut Store, config: Arc<Config>) -> Result<Self, Error> {
        Self::build_at(store, config, SystemTime::now())
    }

    /// [`Snapshot::build`] as it is at some time: what the gate shows is renewed by it.
    pub(super) fn build_at(
        store: &mut Store,
        config: Arc<Config>,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let files = Files::read(&config)?;
        let engine = Engine::new(&config.upstream, config.limits.connect_engine)
            .map_err(|error| Error::usage(error.to_string()))?;
        Self::assemble(store, config, files, Arc::new(engine), now)
    }

    /// The same configuration, and its files as they were read, with the identities and
    /// certificates that are in the store now: a file that is being replaced at this moment must
    /// not keep a revocation from taking effect.
    ///
    /// # Errors
    /// What could not be read from the store.
    pub fn renewed(&self, store: &mut Store) -> Result<Self, Error> {
        let (config, files, engine) = (&self.config, &self.files, &self.engine);
        Self::assemble(store, config.clone(), files.clone(), engine.clone(), SystemTime::now())
    }

    fn assemble(
        store: &mut Store,
        config: Arc<Config>,
        files: Files,
        engine: Arc<Engine>,
        now: SystemTime,
    ) -> Result<Self, Error> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        let default =
            config.tls.outside.as_ref().and_then(|outside| outside.default_role.as_deref());
        let mut known = store.identities(now)?;
        for identity in &mut known {
            identity.ssh_keys.retain(|key| !files.ssh.revokes(&key.key));
        }
        let material = material(store, &config.tls, files.tls.as_deref(), now)?;
        let expiries = expiries(&material, &known)?;
        let identity_count = known.len();
        let identities = Identities::new(known, default, &config.roles)
            .ended(store.ended_matches()?)
            .over_ssh_at_most(config.ssh.max_role.as_deref());
        let identities = Arc::new(identities);
        let doors = doors(&material, &config.tls, identities.clone())?;
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        let shown = material.chain.into_iter().next();
        Ok(Self {
            generation,
            config,
            doors,
            engine,
            shown,
            identity_count,
            expiries,
            identities,
            files,
        })
    }

    /// When the next revocation list ends, of those that end after `at`, and when hours of a role
    /// next begin or end.
    pub fn next_ends(&self, at: SystemTime) -> (Option<SystemTime>, Option<SystemTime>) {
        let ends = self.expiries.iter().filter(|expiry| expiry.of == Of::Crl);
        let crl = ends.map(|expiry| expiry.not_after).filter(|&end| end > at).min();
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let border = self.config.roles.next_border(seconds);
        let hours = border
            .and_then(|border| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(border)));
        (crl, hours)
    }

    /// What a credential may do now.
    ///
    /// # Errors
    /// [`Ended`] when it opens nothing: unknown, revoked, expired, wrong network.
    pub fn authorize(&self, credential: &Credential, peer: &Peer) -> Result<Arc<Authority>, Ended> {
        // A reload may have taken the network away since the connection was admitted.
        let remote = !matches!(credential, Credential::Socket { .. });
        if remote && !self.config.admits(peer) {
            return Err(Ended("its address may not connect any more".to_owned()));
        }
        if let Credential::OutsideCertificate(outside) = credential {
            let refused = |error| Ended(format!("its certificate is refused now: {error}"));
            self.doors.verify_again(outside).map_err(refused)?;
        }
        let rsa = match credential {
            Credential::SshKey { rsa, .. } => *rsa,
            Credential::SshCertificate(shown) => shown.certificate.key().kind() == Kind::Rsa,
            Credential::Certificate { .. }
            | Credential::OutsideCertificate(_)
            | Credential::Socket { .. } => false,
        };
        if rsa && !self.config.ssh.rsa {
            return Err(Ended("RSA keys do not enter here (`ssh.rsa`)".to_owned()));
        }
        if rsa && !ssh::RSA && !credential.came_through_sshd() {
            return Err(Ended(
                "RSA keys enter through the host's sshd alone: this build has no `ssh-rsa`"
                    .to_owned(),
            ));
        }
        if let Credential::SshCertificate(shown) = credential {
            self.files
                .ssh
                .judge(shown, peer.address.ip(), SystemTime::now())
                .map_err(|refused| Ended(format!("the SSH certificate is refused: {refused}")))?;
        }
        let address = peer.address.ip();
        self.identities.authorize(credential, address, SystemTime::now()).map(Arc::new)
    }

    /// Whose an SSH key in wire form is, if that identity may enter through the host's sshd. Where
    /// from is not asked: sshd does not know yet what the gate will be told.
    pub fn enters_by_sshd(&self, public: &[u8]) -> Option<&str> {
        self.identities.enters_by_sshd(&sha256(public))
    }

    /// Whether there is a live identity of that name.
    pub fn is_identity(&self, name: &str) -> bool {
        self.identities.is_name(name)
    }
}

/// Reads every file that a configuration names, as [`Snapshot::build`] would, and changes nothing.
///
/// # Errors
/// What could not be read or does not fit together; or that the gate's own certificate is to be
/// shown, and there is no state.
pub fn check(config: &Config, state_dir: &Path) -> Result<(), Error> {
    Engine::new(&config.upstream, config.limits.connect_engine)
        .map_err(|error| Error::usage(error.to_string()))?;
    let files = Files::read(config)?;
    match files.tls {
        Some(material) => {
            let nobody = Arc::new(Identities::new(Vec::new(), None, &config.roles));
            doors(&material, &config.tls, nobody).map(drop)
        }
        None if Store::exists(state_dir) => Ok(()),
        None => Err(state::Error::Absent(state_dir.to_owned()).into()),
    }
}

fn doors(material: &Material, tls: &Tls, identities: Arc<Identities>) -> Result<Doors, Error> {
    Doors::build(material, tls, identities)
        .map_err(|error| Error::usage(format!("cannot use the TLS certificates: {error}")))
}

/// The gate's own certificate from the store, made anew when its time has come, or the one
/// `--tlscert` names. Clients of our own CAs may enter in either case.
fn material(
    store: &mut Store,
    tls: &Tls,
    files: Option<&Material>,
    now: SystemTime,
) -> Result<Material, Error> {
    let mut own_cas = Vec::new();
    let mut outside_cas = Vec::new();
    for ca in store.authorities()? {
        let list = match ca.standing {
            Standing::Active | Standing::Retiring => &mut own_cas,
            Standing::Outside => &mut outside_cas,
            Standing::Retired => continue,
        };
        list.extend(pem::<CertificateDer<'_>>(ca.certificate.as_bytes(), "a CA in the state")?);
    }
    let Some(files) = files else {
        let server = store.ensure_server_certificate(&tls.hostnames, now)?;
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes())
            .doing(|| "read the gate's key from the state".to_owned())?;
        return Ok(Material {
            chain: pem(server.chain.as_bytes(), "the gate's certificate in the state")?,
            key,
            own_cas,
            outside_cas,
            outside_crls: Vec::new(),
        });
    };
    // A match is scoped to one CA; with two, one CA's `cn=ci` would be the other's as well.
    if !outside_cas.is_empty() {
        return Err(Error::usage("`tls.ca` names a CA, and another outside CA was imported")
            .hint("remove one: `seawall ca import --remove-outside`, or the `tls` keys"));
    }
    Ok(Material {
        own_cas,
        chain: files.chain.clone(),
        key: files.key.clone_key(),
        outside_cas: files.outside_cas.clone(),
        outside_crls: files.outside_crls.clone(),
    })
}

/// What the files of an outside CA hold.
fn outside_material(outside: &OutsideTls) -> Result<Material, Error> {
    refuse_readable_by_others(&outside.key)?;
    let key = PrivateKeyDer::from_pem_file(&outside.key)
        .doing(|| format!("read a private key from {}", outside.key.display()))?;
    Ok(Material {
        chain: pem_file(&outside.cert)?,
        key,
        own_cas: Vec::new(),
        outside_cas: pem_file(&outside.ca)?,
        outside_crls: match &outside.crl {
            Some(path) => pem_file::<CertificateRevocationListDer<'_>>(path)?,
            None => Vec::new(),
        },
    })
}

fn expiries(material: &Material, identities: &[Identity]) -> Result<Vec<Expiry>, Error> {
    let of = |of: Of, der: &CertificateDer<'_>| -> Result<Expiry, Error> {
        let facts = Facts::from_der(der).doing(|| "read a certificate".to_owned())?;
        Ok(Expiry { of, fingerprint: facts.fingerprint, not_after: facts.not_after })
    };
    let gate = material.chain.first().map(|leaf| of(Of::Gate, leaf));
    let cas = material.own_cas.iter().chain(&material.outside_cas).map(|ca| of(Of::Ca, ca));
    let last = identities.iter().filter_map(|identity| {
        let last = identity.certificates.iter().max_by_key(|held| held.not_after)?;
        Some(Ok(Expiry {
            of: Of::Identity(identity.name.clone()),
            fingerprint: last.fingerprint,
            not_after: last.not_after,
        }))
    });
    let crls = material.outside_crls.iter().filter_map(|der| {
        let end = pki::next_update(der).doing(|| "read a revocation list".to_owned());
        let fingerprint = pki::sha256(der);
        end.map(|end| end.map(|not_after| Expiry { of: Of::Crl, fingerprint, not_after }))
            .transpose()
    });
    cas.chain(gate).chain(crls).chain(last).collect()
}

fn pem_file<T: PemObject>(path: &Path) -> Result<Vec<T>, Error> {
    let shown = path.display();
    let bytes = std::fs::read(path).doing(|| format!("read {shown}"))?;
    pem(&bytes, &shown.to_string())
}

/// Every object of one kind in a PEM file; none at all is an error.
fn pem<T: PemObject>(bytes: &[u8], of: &str) -> Result<Vec<T>, Error> {
    let found: Vec<T> =
        T::pem_slice_iter(bytes).collect::<Result<_, _>>().doing(|| format!("read {of}"))?;
    if found.is_empty() {
        return Err(Error::usage(format!("{of} holds nothing of the kind it should, in PEM")));
    }
    Ok(found)
}

/// A key others can read is no secret; refusing to start is better than serving with it.
fn refuse_readable_by_others(key: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let shown = key.display();
    let mode = std::fs::metadata(key).doing(|| format!("look at {shown}"))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the private key {shown} is open to others (mode {:04o})",
        mode & 0o7777
    ))
    .hint(format!("run: chmod 600 {shown}")))
}
