//! The first admin: an identity for whoever typed `up`, and a docker context to use it with.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

use nix::unistd::{Uid, User};
use seawall_rules::identity::Name;
use seawall_rules::policy::ADMIN;

use super::host::Host;
use crate::admin::client::state_call;
use crate::cli::Context;
use crate::cli::report::{Doing, Error};
use crate::config::{At, Config, Listen};
use crate::enrol::context::ContextName;
use crate::enrol::invitation::Address;
use crate::enrol::owner::Owner;
use crate::enrol::place::{self, Enrolled, Overwrite, Place, PlaceError};
use crate::pki::Key;
use crate::state::call::{Reply, SshChange, StateCall};
use crate::state::{self, Identity, Kind};

/// Who typed `up`, and where that user's docker keeps its contexts.
#[derive(Clone, Debug)]
pub(super) struct Invoker {
    pub(super) owner: Owner,
    pub(super) docker_config: PathBuf,
}

impl Invoker {
    /// Looks at this process.
    ///
    /// # Errors
    /// When there is no such user, or no folder for docker's files.
    pub(super) fn look() -> Result<Self, Error> {
        let owner = Owner::behind_this_process().doing(|| "tell who runs this".to_owned())?;
        let docker_config =
            owner.docker_config().doing(|| "find docker's configuration folder".to_owned())?;
        Ok(Self { owner, docker_config })
    }
}

/// What the first admin got.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) name: Name,
    pub(super) place: Place,
    pub(super) not_after: SystemTime,
}

/// Makes an admin where there is none, or ends what a setup cut short began. A key waiting in
/// the admin's folder is the sign of the latter, since it is made first and forgotten last.
///
/// # Errors
/// What keeps the identity or its context from being made.
pub(super) fn ensure(
    context: &Context,
    config: &Config,
    host: &Host,
    invoker: &Invoker,
    ca: &[u8; 32],
) -> Result<Option<Admin>, Error> {
    let Some(address) = address(config) else { return Ok(None) };
    let owner = &invoker.owner;
    let name = name_of(owner);
    let enrolled = Enrolled { address, identity: name.clone(), ssh: None };
    let Reply::Identities(identities) = state_call(context, StateCall::Identities)? else {
        return Err(unexpected());
    };
    let own = identities.iter().find(|identity| identity.name == name);
    let place = place_for(invoker, &enrolled, host)?;
    let (pem, call): (String, fn(Name, String) -> StateCall) =
        match (identities.iter().any(is_admin), own) {
            (false, None) => (place.pending_key(owner, ca, new_key)?, add),
            (false, Some(_)) => {
                let told =
                    format!("there is no admin, and the identity `{name}` is something else");
                return Err(Error::failed(told)
                    .hint(format!("make it one: `seawall identity set {name} --role admin`")));
            }
            (true, Some(own)) if is_admin(own) => {
                match place.pending_key(owner, ca, || Err(Begun::No)) {
                    Ok(pem) => (pem, issue),
                    Err(Begun::No) => return Ok(None),
                    Err(Begun::Unknown(error)) => return Err(error),
                }
            }
            (true, _) => return Ok(None),
        };
    let request = Key::from_pem(&pem).and_then(|key| key.request());
    let request = request.doing(|| "ask for a certificate".to_owned())?;
    let credentials = match state_call(context, call(name.clone(), request))? {
        Reply::Credentials(credentials) => credentials,
        Reply::Added { credentials: Some(credentials), .. } => credentials,
        _ => return Err(unexpected()),
    };
    let state::Credentials { certificate, ca: authorities, issued } = credentials;
    let credentials = place::Credentials { ca: authorities, cert: certificate, key: pem };
    place.install(owner, &enrolled, &credentials, Overwrite::Own)?;
    place.forget_pending_key(owner, ca)?;
    Ok(Some(Admin { name, place, not_after: issued.not_after }))
}

/// Whether a setup had begun and was cut short.
enum Begun {
    No,
    Unknown(Error),
}

impl From<PlaceError> for Begun {
    fn from(error: PlaceError) -> Self {
        Self::Unknown(error.into())
    }
}

fn new_key() -> Result<String, Error> {
    let key = Key::generate().doing(|| "make a key".to_owned())?;
    Ok(key.to_pem().to_string())
}

fn is_admin(identity: &Identity) -> bool {
    identity.revoked.is_none() && identity.roles.iter().any(|role| role == ADMIN)
}

fn add(name: Name, request: String) -> StateCall {
    StateCall::AddIdentity {
        name,
        kind: Kind::Person,
        roles: vec![ADMIN.to_owned()],
        ttl: None,
        from: Vec::new(),
        matches: Vec::new(),
        ssh: SshChange::default(),
        group: None,
        request: Some(request),
        invite: None,
    }
}

fn issue(name: Name, request: String) -> StateCall {
    StateCall::Issue { name, request }
}

/// The user's name as an identity's; `admin` for root, and where nothing of it is left.
fn name_of(owner: &Owner) -> Name {
    let uid = match owner {
        Owner::Current => nix::unistd::geteuid(),
        Owner::Invoker { uid, .. } => Uid::from_raw(*uid),
    };
    let user = User::from_uid(uid).ok().flatten().filter(|_| !uid.is_root());
    user.and_then(|user| identity_name(&user.name)).unwrap_or_else(admin)
}

fn identity_name(user: &str) -> Option<Name> {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => c,
        _ => '-',
    };
    let name: String = user.chars().map(plain).take(63).collect();
    Name::parse(name.trim_start_matches(['.', '_', '-'])).ok()
}

fn admin() -> Name {
    // INVARIANT: five letters are a name.
    Name::parse("admin").expect("`admin` is a name")
}

/// How somebody on this host reaches the gate: by loopback where it listens there.
fn address(config: &Config) -> Option<Address> {
    let reach = |listener: &Listen| match listener {
        Listen::Tcp { at: At::Address(address), .. } if address.ip().is_unspecified() => {
            Some(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), address.port()))
        }
        Listen::Tcp { at: At::Address(address), .. } => Some(*address),
        // What this host sends itself arrives by the loopback, whatever the address.
        Listen::Tcp { at: At::Interface { .. }, .. } => None,
        Listen::Fd { .. } | Listen::Ssh { .. } | Listen::Unix { .. } => None,
    };
    let mut addresses: Vec<_> = config.listen.iter().filter_map(reach).collect();
    addresses.sort_by_key(|address| !address.ip().is_loopback());
    addresses.first()?.to_string().parse().ok()
}

/// The context `seawall`, or one named after the host where that is taken.
fn place_for(invoker: &Invoker, enrolled: &Enrolled, host: &Host) -> Result<Place, Error> {
    let docker_config = &invoker.docker_config;
    let names = ["seawall".to_owned(), format!("seawall-{}", host.name)];
    let mut refused = None;
    for name in names.iter().filter_map(|name| name.parse::<ContextName>().ok()) {
        let place = Place::Context { docker_config: docker_config.clone(), name };
        match place.check(enrolled, Overwrite::Own) {
            Ok(()) => return Ok(place),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused
        .map_or_else(unexpected, Error::from)
        .hint("`docker context rm seawall` removes a context that is of no use any more"))
}

fn unexpected() -> Error {
    Error::failed("the state gave an answer this command does not know")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_become_names_of_identities() {
        let cases = [
            ("alice", Some("alice")),
            ("Alice.B", Some("alice.b")),
            ("DOMAIN\\bob", Some("domain-bob")),
            ("_svc", Some("svc")),
            ("josé", Some("jos-")),
            ("---", None),
            ("", None),
        ];
        for (user, name) in cases {
            assert_eq!(identity_name(user).as_ref().map(Name::as_str), name, "{user}");
        }
    }
}
