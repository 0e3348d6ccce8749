//! Carries out a [`StateCall`]: checks what was asked for against what is there, says clearly
//! what is wrong, and changes the store in one transaction.
//!
//! **The last admin.** Taking the admin role from the last live identity that has it needs
//! `--force`. It is a guard against slips, not against loss: whoever is root on the gate's host
//! can add a new admin at any time.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use seawall_rules::identity::Name;
use seawall_rules::policy::{ADMIN, Roles};
use seawall_rules::reference::Kind;
use seawall_rules::ssh::key::PublicKey as PublicSshKey;

use super::call::{
    Force, Invitation, Invite, Made, Membership, NotRenewed, OwnerRow, Reply, Secret, SshChange,
    StateCall,
};
use super::notation::{from_hex, from_ssh_fingerprint, hex, rfc3339, ssh_fingerprint};
use super::{Authority, Error, Identity, IdentityId, Match, Owned, Registered, Standing, Store};
use crate::cli::report;
use crate::pki::{self, Ca, PublicKey, Reason};

/// Carries out a call at `now`, whole or not at all; `roles` are those there are. The caller has recorded it
/// ([`StateCall::recorded`]).
///
/// # Errors
/// What is wrong with the call, or why the store could not be read or written; nothing has
/// changed then.
pub fn execute(
    store: &mut Store,
    call: StateCall,
    roles: &Roles,
    now: SystemTime,
) -> Result<Reply, report::Error> {
    match call {
        // SQLite copies and truncates only outside of transactions.
        StateCall::Backup => {
            let bytes = store.backup()?;
            Ok(Reply::Secret(Secret(data_encoding::BASE64.encode(&bytes))))
        }
        StateCall::ForgetCaKey { ca } => {
            let ca = own_authority(store, ca.as_deref())?;
            store.forget_ca_key(&ca.fingerprint)?;
            Ok(Reply::Done)
        }
        call => store.atomically(|store| change(store, call, roles, now)),
    }
}

fn change(
    store: &mut Store,
    call: StateCall,
    known_roles: &Roles,
    now: SystemTime,
) -> Result<Reply, report::Error> {
    Ok(match call {
        StateCall::AcceptClock => {
            store.accept_clock(now)?;
            Reply::Done
        }
        StateCall::AddIdentity {
            name,
            kind,
            roles,
            ttl,
            from,
            matches,
            ssh,
            group,
            request,
            invite,
        } => {
            if let Some(old) = store.identity(&name)?.filter(|old| old.revoked.is_none()) {
                return Err(report::Error::failed(format!("there is an identity `{}`", old.name))
                    .hint(format!("`seawall identity set {name}` changes it"))
                    .hint(format!("`seawall identity issue {name}` gives it a new certificate")));
            }
            let new = Identity {
                id: IdentityId(String::new()),
                name,
                kind,
                roles: checked_roles(roles, known_roles)?,
                from,
                ttl: checked_ttl(ttl)?,
                created: now,
                revoked: None,
                certificates: Vec::new(),
                matches,
                ssh_keys: Vec::new(),
                sshd: ssh.sshd.unwrap_or(false),
                group,
            };
            check_matches(store, &new)?;
            let id = store.add_identity(&new, now)?;
            change_ssh_keys(store, &id, &ssh, now)?;
            let credentials = match request {
                Some(request) => Some(issue(store, &id, &request, now)?),
                None => None,
            };
            let invitation = match invite {
                Some(invited) => Some(invite_to(store, &id, &invited, now)?),
                None => None,
            };
            let identity = store.identity_by_id(&id)?.ok_or(Error::UnknownIdentity)?;
            Reply::Added { identity, credentials, invitation }
        }
        StateCall::Authorities => authorities(store, now)?,
        StateCall::CaKey { ca } => {
            let ca = own_authority(store, ca.as_deref())?;
            Reply::Secret(Secret(store.ca_key(&ca.fingerprint)?.to_string()))
        }
        StateCall::Crl { ca } => {
            let ca = own_authority(store, ca.as_deref())?;
            Reply::Text(store.crl(&ca.fingerprint, now)?.pem)
        }
        StateCall::FinishRotation { force } => {
            finish_rotation(store, force, now)?;
            authorities(store, now)?
        }
        StateCall::Identities => Reply::Identities(store.identities(now)?),
        StateCall::Identity { name } => Reply::Identity(known(store, &name)?),
        StateCall::ImportCa { certificate, key } => {
            import(store, certificate.as_deref(), key.as_ref(), now)?;
            authorities(store, now)?
        }
        StateCall::Invitations => Reply::Invitations(store.invitations(now)?),
        StateCall::Invite { name, invite } => {
            let identity = live(store, &name)?;
            Reply::Invitation(invite_to(store, &identity.id, &invite, now)?)
        }
        StateCall::Issue { name, request } => {
            let identity = live(store, &name)?;
            Reply::Credentials(issue(store, &identity.id, &request, now)?)
        }
        StateCall::Owners => Reply::Owners(owners(store)?),
        StateCall::RemoveIdentity { name, force } => {
            let identity = known(store, &name)?;
            check_last_admin(store, &identity, force, now)?;
            store.remove_identity(&identity.id, Reason::CessationOfOperation, now)?;
            let before = identity.revoked;
            Reply::Revoked { identity: identity.name, serial: None, ssh_key: None, before }
        }
        StateCall::RemoveOutsideCa => {
            let all = store.authorities()?;
            let outside = all.iter().find(|ca| ca.standing == Standing::Outside);
            let outside = outside.ok_or_else(|| report::Error::failed("there is no outside CA"))?;
            store.retire(&outside.fingerprint, now)?;
            authorities(store, now)?
        }
        StateCall::Revoke { target, reason, force } => revoke(store, &target, reason, force, now)?,
        StateCall::RevokeInvitation { id } => {
            if !store.revoke_invitation(&id, now)? {
                let message = format!("there is no invitation `{}`", id.escape_debug());
                return Err(report::Error::failed(message)
                    .hint("`seawall identity invitations` lists them with their ids"));
            }
            Reply::Done
        }
        StateCall::RotateCa { host } => {
            rotate(store, &host, now)?;
            authorities(store, now)?
        }
        StateCall::SetIdentity { name, kind, roles, ttl, from, matches, ssh, group, force } => {
            let mut identity = live(store, &name)?;
            if let Some(roles) = roles {
                let roles = checked_roles(roles, known_roles)?;
                if !roles.iter().any(|role| role == ADMIN) {
                    check_last_admin(store, &identity, force, now)?;
                }
                identity.roles = roles;
            }
            identity.kind = kind.unwrap_or(identity.kind);
            identity.ttl = checked_ttl(ttl)?.or(identity.ttl);
            identity.from = from.unwrap_or(identity.from);
            identity.sshd = ssh.sshd.unwrap_or(identity.sshd);
            match group {
                Some(Membership::Of(group)) => identity.group = Some(group),
                Some(Membership::None) => identity.group = None,
                None => {}
            }
            if let Some(matches) = matches {
                identity.matches = matches;
                check_matches(store, &identity)?;
            }
            store.set_identity(&identity)?;
            change_ssh_keys(store, &identity.id, &ssh, now)?;
            Reply::Identity(known(store, &name)?)
        }
        StateCall::SetOwner { kind, id, owner } => {
            set_owner(store, kind.into(), id, owner.as_ref(), now)?;
            Reply::Done
        }
        StateCall::SetUp { host, hostnames } => set_up(store, &host, &hostnames, now)?,
        StateCall::Backup | StateCall::ForgetCaKey { .. } => Reply::Done,
    })
}

fn owners(store: &Store) -> Result<Vec<OwnerRow>, Error> {
    let mut names = HashMap::new();
    let mut rows = Vec::new();
    for thing in store.owned()? {
        if !names.contains_key(&thing.identity) {
            let name = store.identity_by_id(&thing.identity)?.map(|identity| identity.name);
            let name = name.ok_or(Error::UnknownIdentity)?.to_string();
            names.insert(thing.identity.clone(), name);
        }
        rows.push(OwnerRow {
            kind: thing.kind.as_str().to_owned(),
            id: thing.id,
            owner: names[&thing.identity].clone(),
            identity: thing.identity,
        });
    }
    rows.sort_by(|a, b| (&a.kind, &a.owner, &a.id).cmp(&(&b.kind, &b.owner, &b.id)));
    Ok(rows)
}

fn set_owner(
    store: &mut Store,
    kind: Kind,
    id: String,
    owner: Option<&Name>,
    now: SystemTime,
) -> Result<(), report::Error> {
    // A name or the beginning of an id would be nobody's.
    let full = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if kind != Kind::Volume && !full {
        let message = format!("`{}` is no full id", id.escape_debug());
        return Err(report::Error::usage(message)
            .hint("with a gate running, names are looked up; without one, give all 64 digits"));
    }
    match owner {
        Some(name) => {
            let identity = live(store, name)?.id;
            Ok(store.own(&[Owned { kind, id, identity, claim: None }], now)?)
        }
        None => Ok(store.disown(&[(kind, id)], &[])?),
    }
}

fn set_up(
    store: &mut Store,
    host: &str,
    hostnames: &[String],
    now: SystemTime,
) -> Result<Reply, report::Error> {
    let made = match store.active_authority() {
        Ok(_) => Made::Before,
        Err(Error::NoCa) => {
            store.activate(&Ca::create(host, now).map_err(Error::from)?, now)?;
            Made::Now
        }
        Err(error) => return Err(error.into()),
    };
    let shown = store.ensure_server_certificate(hostnames, now)?;
    Ok(Reply::SetUp { made, ca: store.active_authority()?, hostnames: shown.hostnames })
}

fn rotate(store: &mut Store, host: &str, now: SystemTime) -> Result<(), report::Error> {
    store.active_authority()?;
    if let Some(behind) = store.clock_behind(now)? {
        return Err(Error::ClockBehind(behind).into());
    }
    check_no_rotation(store)?;
    store.activate(&Ca::create(host, now).map_err(Error::from)?, now)?;
    Ok(())
}

fn finish_rotation(store: &mut Store, force: Force, now: SystemTime) -> Result<(), report::Error> {
    let all = store.authorities()?;
    let retiring: Vec<_> = all.iter().filter(|ca| ca.standing == Standing::Retiring).collect();
    if retiring.is_empty() {
        return Err(report::Error::failed("no rotation has begun")
            .hint("`seawall ca rotate` makes the new CA first"));
    }
    let late = store.not_renewed(now)?;
    if !late.is_empty() && force == Force::No {
        let names = shortened(late.iter().map(|(name, _)| name.as_str()));
        return Err(report::Error::failed(format!("not all have renewed: {names}"))
            .hint("they renew with `seawall renew --force`; `seawall ca show` lists them")
            .hint("`--force` shuts them out; they will need new certificates"));
    }
    for ca in retiring {
        store.retire(&ca.fingerprint, now)?;
    }
    let hostnames = store.server_certificate()?.map(|shown| shown.hostnames);
    if let Some(hostnames) = hostnames {
        store.ensure_server_certificate(&hostnames, now)?;
    }
    Ok(())
}

fn import(
    store: &mut Store,
    certificate: Option<&str>,
    key: Option<&Secret>,
    now: SystemTime,
) -> Result<(), report::Error> {
    let known = match certificate {
        Some(pem) => {
            let fingerprint = pki::Facts::from_pem(pem).map_err(Error::from)?.fingerprint;
            store.authorities()?.into_iter().find(|ca| ca.fingerprint == fingerprint)
        }
        None => Some(store.active_authority()?),
    };
    match (certificate, key, known) {
        (_, Some(_), Some(known)) if known.standing == Standing::Retired => {
            Err(report::Error::failed("this CA was retired, and what is retired stays so")
                .hint("`seawall ca rotate` makes a new one"))
        }
        // A key that was offline comes back; the CA's standing is what it was.
        (_, Some(key), Some(known)) if known.standing != Standing::Outside => {
            let ca = Ca::load(&known.certificate, &key.0).map_err(Error::from)?;
            Ok(store.return_ca_key(&ca)?)
        }
        (Some(certificate), Some(key), _) => {
            check_no_rotation(store)?;
            let ca = Ca::load(certificate, &key.0).map_err(Error::from)?;
            if ca.facts().not_after <= now {
                return Err(Error::from(pki::Error::CaExpired).into());
            }
            Ok(store.activate(&ca, now)?)
        }
        (Some(certificate), None, known) => {
            match known.map(|known| known.standing) {
                None => {}
                Some(Standing::Outside) => return Ok(()),
                Some(_) => return Err(report::Error::failed("this CA is the gate's own")),
            }
            if store.authorities()?.iter().any(|ca| ca.standing == Standing::Outside) {
                return Err(report::Error::failed("there is an outside CA already")
                    .hint("`seawall ca import --remove-outside` ends the trust in it first"));
            }
            Ok(store.trust_outside(certificate, now)?)
        }
        (None, _, _) => Err(report::Error::usage("neither a certificate nor a key was given")),
    }
}

fn revoke(
    store: &mut Store,
    target: &str,
    reason: Reason,
    force: Force,
    now: SystemTime,
) -> Result<Reply, report::Error> {
    let named = match Name::parse(target) {
        Ok(name) => store.identity(&name)?,
        Err(_) => None,
    };
    if let Some(identity) = named {
        check_last_admin(store, &identity, force, now)?;
        store.revoke_identity(&identity.id, reason, now)?;
        let before = identity.revoked;
        let identity = identity.name;
        return Ok(Reply::Revoked { identity, serial: None, ssh_key: None, before });
    }
    if let Some(fingerprint) = from_ssh_fingerprint(target) {
        let known = store.ssh_key(&fingerprint)?.into_iter().next();
        let Some((identity, held)) = known else { return Err(unknown_ssh_key(target)) };
        store.revoke_ssh_key(&fingerprint, reason, now)?;
        return Ok(Reply::Revoked {
            identity: identity.name,
            serial: None,
            ssh_key: Some(ssh_fingerprint(&fingerprint)),
            before: held.revoked,
        });
    }
    let held = match from_hex(target) {
        Some(serial) => store.certificate(&serial)?,
        None => None,
    };
    let Some((identity, held)) = held else { return Err(unknown(store, target)?) };
    store.revoke_certificate(&held.serial, reason, now)?;
    Ok(Reply::Revoked {
        identity: identity.name,
        serial: Some(hex(&held.serial)),
        ssh_key: None,
        before: held.revoked,
    })
}

fn issue(
    store: &mut Store,
    id: &IdentityId,
    request: &str,
    now: SystemTime,
) -> Result<super::Credentials, Error> {
    let public = PublicKey::from_request(request)?;
    store.issue(id, &public, None, now)
}

fn invite_to(
    store: &mut Store,
    id: &IdentityId,
    invite: &Invite,
    now: SystemTime,
) -> Result<Invitation, report::Error> {
    let valid_for = Duration::from_secs(invite.valid_for);
    if valid_for < Duration::from_secs(60) || valid_for > MAX_INVITATION {
        return Err(report::Error::usage("an invitation is valid for 1 minute to 7 days")
            .hint("`--valid-for 15m` is the default"));
    }
    if let Some(behind) = store.clock_behind(now)? {
        return Err(Error::ClockBehind(behind).into());
    }
    let shown = store.server_certificate()?.ok_or(Error::NoCa)?;
    let id = store.create_invitation(id, &invite.secret_hash, valid_for, now)?;
    Ok(Invitation { id, ca: shown.ca, expires: now + valid_for })
}

fn authorities(store: &Store, now: SystemTime) -> Result<Reply, Error> {
    let late = store.not_renewed(now)?;
    let not_renewed =
        late.into_iter().map(|(identity, serial)| NotRenewed { identity, serial }).collect();
    Ok(Reply::Authorities { authorities: store.authorities()?, not_renewed })
}

/// One of our CAs by the beginning of its fingerprint, else the active one.
fn own_authority(store: &Store, fingerprint: Option<&str>) -> Result<Authority, report::Error> {
    let Some(wanted) = fingerprint else { return Ok(store.active_authority()?) };
    let bare = wanted.trim_start_matches("SHA256:");
    let bytes = from_hex(bare).filter(|bytes| bytes.len() >= 4);
    let mut found = store.authorities()?.into_iter().filter(|ca| {
        ca.standing != Standing::Outside
            && bytes.as_ref().is_some_and(|bytes| ca.fingerprint.starts_with(bytes))
    });
    match (found.next(), found.next()) {
        (Some(ca), None) => Ok(ca),
        _ => {
            let message = format!("no CA has the fingerprint `{}`", wanted.escape_debug());
            Err(report::Error::failed(message).hint("`seawall ca show` lists them"))
        }
    }
}

fn known(store: &Store, name: &Name) -> Result<Identity, report::Error> {
    match store.identity(name)? {
        Some(identity) => Ok(identity),
        None => Err(unknown(store, name.as_str())?),
    }
}

fn live(store: &Store, name: &Name) -> Result<Identity, report::Error> {
    let identity = known(store, name)?;
    match identity.revoked {
        None => Ok(identity),
        Some(at) => {
            let message = format!("`{name}` was revoked at {}", rfc3339(at));
            let hint = format!("`seawall identity add {name}` makes a new one of that name");
            Err(report::Error::failed(message).hint(hint))
        }
    }
}

fn unknown(store: &Store, wanted: &str) -> Result<report::Error, Error> {
    let message = format!("there is no identity `{}`", wanted.escape_debug());
    let all = store.identities(SystemTime::UNIX_EPOCH)?;
    let names = all.iter().map(|identity| identity.name.as_str());
    Ok(match nearest(wanted, names) {
        Some(near) => report::Error::failed(message).hint(format!("did you mean `{near}`?")),
        None => report::Error::failed(message).hint("`seawall identity list` shows who there is"),
    })
}

fn checked_roles(mut roles: Vec<String>, all: &Roles) -> Result<Vec<String>, report::Error> {
    if roles.is_empty() {
        return Err(report::Error::usage("an identity without a role could do nothing")
            .hint(format!("give it one with `--role`: {all}")));
    }
    for role in &roles {
        if all.named(role).is_none() {
            let message = format!("there is no role `{}`", role.escape_debug());
            let hint = match nearest(role, all.all().map(|role| role.name())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the roles are {all}"),
            };
            return Err(report::Error::usage(message).hint(hint));
        }
    }
    roles.sort();
    roles.dedup();
    Ok(roles)
}

fn checked_ttl(ttl: Option<u64>) -> Result<Option<u64>, report::Error> {
    match ttl {
        Some(seconds) if seconds < 5 || seconds > pki::CA.as_secs() => {
            Err(report::Error::usage("certificates live for 5 seconds to 10 years"))
        }
        ttl => Ok(ttl),
    }
}

/// Two identities with the same match would leave it open who somebody is.
fn check_matches(store: &Store, identity: &Identity) -> Result<(), report::Error> {
    for wanted in &identity.matches {
        let empty = match wanted {
            Match::Cn(value)
            | Match::Dns(value)
            | Match::Uri(value)
            | Match::SshPrincipal(value) => value.is_empty(),
            Match::Spki(_) => false,
        };
        if empty {
            return Err(report::Error::usage("`--match` needs a value that is not empty"));
        }
        if let Some(other) = store.matched(wanted)?.filter(|other| *other != identity.name) {
            return Err(report::Error::failed(format!("`{other}` has the same match already"))
                .hint(format!("take it from `{other}` first: `seawall identity set {other}`")));
        }
    }
    Ok(())
}

fn change_ssh_keys(
    store: &mut Store,
    id: &IdentityId,
    change: &SshChange,
    now: SystemTime,
) -> Result<(), report::Error> {
    for fingerprint in &change.remove {
        let held = from_ssh_fingerprint(fingerprint).map(|hash| store.ssh_key(&hash));
        let held = held.transpose()?.unwrap_or_default().into_iter().next();
        match held {
            Some((owner, held)) if owner.id == *id => {
                store.revoke_ssh_key(&held.fingerprint, Reason::Unspecified, now)?;
            }
            _ => return Err(unknown_ssh_key(fingerprint)),
        }
    }
    for line in &change.add {
        let (key, comment) = PublicSshKey::from_line(line).map_err(|error| {
            report::Error::usage(format!("this SSH key is not accepted: {error}"))
        })?;
        if let Registered::Refused(owner, held) = store.add_ssh_key(id, &key, comment, now)? {
            let fingerprint = ssh_fingerprint(&held.fingerprint);
            return Err(match held.revoked {
                None => report::Error::failed(format!(
                    "the SSH key {fingerprint} is registered with `{}`",
                    owner
                ))
                .hint(format!(
                    "one key is one identity: make another with `ssh-keygen -t ed25519`, or run \
                     `seawall identity set {} --remove-ssh-key {fingerprint}` first",
                    owner
                )),
                Some(at) => report::Error::failed(format!(
                    "the SSH key {fingerprint} of `{}` was revoked at {} as compromised",
                    owner,
                    rfc3339(at)
                ))
                .hint("make another with `ssh-keygen -t ed25519`"),
            });
        }
    }
    Ok(())
}

fn unknown_ssh_key(fingerprint: &str) -> report::Error {
    let message = format!("no such SSH key is registered: `{}`", fingerprint.escape_debug());
    report::Error::failed(message).hint("`seawall identity show NAME` lists its keys")
}

fn check_last_admin(
    store: &Store,
    identity: &Identity,
    force: Force,
    now: SystemTime,
) -> Result<(), report::Error> {
    let admin = |identity: &Identity| {
        identity.revoked.is_none() && identity.roles.iter().any(|role| role == ADMIN)
    };
    if force == Force::Yes || !admin(identity) {
        return Ok(());
    }
    let others = store.identities(now)?;
    if others.iter().any(|other| other.id != identity.id && admin(other)) {
        return Ok(());
    }
    Err(report::Error::failed(format!("`{}` is the last admin", identity.name))
        .hint("add another one first, or do it all the same with `--force`")
        .hint("root on this host can always add an admin with `seawall identity add`"))
}

fn check_no_rotation(store: &Store) -> Result<(), report::Error> {
    if store.authorities()?.iter().any(|ca| ca.standing == Standing::Retiring) {
        return Err(report::Error::failed("a rotation has begun and is not finished")
            .hint("`seawall ca rotate --finish` ends it; `seawall ca show` says who is late"));
    }
    Ok(())
}

fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(wanted, known);
    let best = known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best)
}

/// The first few names, each once, and how many more there are.
fn shortened<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.dedup();
    let rest = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let shown = names.join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

const SHOWN: usize = 5;
const MAX_INVITATION: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests;
