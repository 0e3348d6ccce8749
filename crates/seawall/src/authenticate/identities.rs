//! Who is who under one snapshot: from what a connection proved to what it may do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use seawall_rules::escape::bounded;
use seawall_rules::identity::Name;
use seawall_rules::network::Networks;
use seawall_rules::policy::{Circumstances, Permissions, Role, Roles, Standing};

use super::ssh::trust::Shown;
use super::{Authority, Credential, Ended, OutsideCertificate, certificate};
use crate::audit::Subject;
use crate::state::{Certificate, Identity, IdentityId, Match};

/// Every identity that may enter, found by what it proves.
#[derive(Debug)]
pub struct Identities {
    by_certificate: HashMap<[u8; 32], (Arc<Member>, Certificate)>,
    by_match: Vec<(Match, Arc<Member>)>,
    by_ssh_key: HashMap<[u8; 32], Arc<Member>>,
    /// Matches of identities that were revoked: whoever has one of these, and no live one, must
    /// not fall back to what strangers of the CA may do.
    ended: Vec<Match>,
    by_name: HashMap<String, Arc<Member>>,
    /// What certificates of the outside CA that match nobody may do (`--default-role`).
    default: Option<(String, Arc<Permissions>)>,
    most_over_ssh: MostOverSsh,
    roles: Arc<Roles>,
}

/// The most that anybody is over SSH.
#[derive(Debug)]
enum MostOverSsh {
    /// Nothing at all.
    Nothing,
    /// Every role but one that is unrestricted, which becomes this.
    Restricted(Arc<Role>),
    /// This role, and what it includes.
    Role(Arc<Role>),
}

/// Where from and when, for roles that ask. A Unix socket has no address.
fn circumstances(credential: &Credential, peer: IpAddr, now: SystemTime) -> Circumstances {
    let from = match credential {
        Credential::Socket { .. } => None,
        _ => Some(peer),
    };
    let at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Circumstances { from, at }
}

fn until(permissions: &Permissions) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(permissions.until()?))
}

#[derive(Debug)]
struct Member {
    identity: Identity,
    roles: String,
    permissions: Arc<Permissions>,
    /// Itself, and all who have its group, revoked ones too: what they made stays the group's.
    kin: Arc<[IdentityId]>,
    /// Where it may come from.
    networks: Networks,
}

impl Identities {
    /// Compiles every identity's roles into its table. One that is not among `roles` grants
    /// nothing.
    pub fn new(identities: Vec<Identity>, default: Option<&str>, roles: &Arc<Roles>) -> Self {
        let mut index = Self {
            default: default
                .map(|role| (role.to_owned(), Arc::new(Permissions::compile(roles, [role])))),
            by_certificate: HashMap::new(),
            by_match: Vec::new(),
            by_ssh_key: HashMap::new(),
            ended: Vec::new(),
            by_name: HashMap::new(),
            most_over_ssh: MostOverSsh::Nothing,
            roles: roles.clone(),
        };
        let mut groups: HashMap<Name, Vec<IdentityId>> = HashMap::new();
        for identity in &identities {
            if let Some(group) = &identity.group {
                groups.entry(group.clone()).or_default().push(identity.id.clone());
            }
        }
        for identity in identities.into_iter().filter(|identity| identity.revoked.is_none()) {
            let names = identity.roles.iter().map(String::as_str);
            let member = Arc::new(Member {
                roles: identity.roles.join(","),
                permissions: Arc::new(Permissions::compile(roles, names)),
                kin: {
                    let group = identity.group.as_ref().and_then(|group| groups.get(group));
                    let others = group.into_iter().flatten().filter(|id| **id != identity.id);
                    std::iter::once(&identity.id).chain(others).cloned().collect()
                },
                networks: identity.networks(),
                identity,
            });
            let live = member.identity.certificates.iter().filter(|held| held.revoked.is_none());
            for held in live {
                index.by_certificate.insert(held.fingerprint, (member.clone(), held.clone()));
            }
            for key in member.identity.ssh_keys.iter().filter(|key| key.revoked.is_none()) {
                index.by_ssh_key.insert(key.fingerprint, member.clone());
            }
            for rule in &member.identity.matches {
                index.by_match.push((rule.clone(), member.clone()));
            }
            index.by_name.insert(member.identity.name.to_string(), member);
        }
        index
    }

    /// Ends what these matches opened; a live identity's match goes before them.
    pub fn ended(mut self, matches: Vec<Match>) -> Self {
        self.ended = matches;
        self
    }

    /// Lets nobody be more than this over SSH (`ssh.max_role`), or `admin` where nothing is said:
    /// who holds which key is said there by a process that strangers speak to, and the gate cannot
    /// verify it.
    pub fn over_ssh_at_most(mut self, role: Option<&str>) -> Self {
        let (name, most): (_, fn(Arc<Role>) -> MostOverSsh) = match role {
            Some(name) => (name, MostOverSsh::Role),
            None => (ADMIN_OVER_SSH, MostOverSsh::Restricted),
        };
        self.most_over_ssh = self.roles.named(name).cloned().map_or(MostOverSsh::Nothing, most);
        self
    }

    /// Whether this certificate of our own CA is on record and not revoked.
    pub(super) fn knows(&self, leaf: &CertificateDer<'_>) -> bool {
        self.by_certificate.contains_key(&certificate::fingerprint(leaf))
    }

    /// What a verified certificate proves.
    pub(super) fn credential(
        &self,
        chain: &[CertificateDer<'_>],
    ) -> Result<Credential, CertificateError> {
        let leaf = chain.first().ok_or(CertificateError::BadEncoding)?;
        let fingerprint = certificate::fingerprint(leaf);
        Ok(match self.by_certificate.get(&fingerprint) {
            Some((_, held)) => Credential::Certificate {
                serial: held.serial.clone(),
                fingerprint,
                not_after: held.not_after,
            },
            None => Credential::OutsideCertificate(Box::new(certificate::outside(leaf, chain)?)),
        })
    }

    /// The name of the identity a credential is now, if it is one.
    pub fn name(&self, credential: &Credential) -> Option<&str> {
        self.member(credential).map(|member| member.identity.name.as_str())
    }

    /// Whose the SSH key of that fingerprint is, if that identity may enter through the host's
    /// sshd.
    pub fn enters_by_sshd(&self, fingerprint: &[u8; 32]) -> Option<&str> {
        let member = self.by_ssh_key.get(fingerprint)?;
        member.identity.sshd.then(|| member.identity.name.as_str())
    }

    /// Whether there is a live identity of that name.
    pub fn is_name(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// What a credential may do at `now` from `peer`.
    ///
    /// # Errors
    /// [`Ended`] when it opens nothing (any more).
    pub fn authorize(
        &self,
        credential: &Credential,
        peer: IpAddr,
        now: SystemTime,
    ) -> Result<Authority, Ended> {
        let not_after = credential.not_after();
        if not_after.is_some_and(|end| end <= now) {
            return Err(Ended("the certificate has expired".to_owned()));
        }
        let Some(member) = self.member(credential) else {
            return match credential {
                Credential::OutsideCertificate(outside) if self.has_ended(outside) => {
                    Err(Ended("the identity it matched was revoked".to_owned()))
                }
                Credential::OutsideCertificate(outside) => {
                    Ok(self.unmatched(outside, circumstances(credential, peer, now)))
                }
                Credential::Certificate { .. } | Credential::Socket { .. } => {
                    Err(Ended("the identity or its certificate was revoked".to_owned()))
                }
                Credential::SshKey { .. } => {
                    Err(Ended("the SSH key is registered with no identity".to_owned()))
                }
                Credential::SshCertificate(_) => Err(Ended(
                    "no principal of the SSH certificate is an identity, or several are and the \
                     user name is none of them"
                        .to_owned(),
                )),
            };
        };
        let identity = &member.identity;
        if !member.networks.admits(peer) {
            return Err(Ended(format!("{} may not connect from {peer}", identity.name)));
        }
        if credential.came_through_sshd() && !identity.sshd {
            return Err(Ended(format!("{} may not enter through the host's sshd", identity.name)));
        }
        let here = circumstances(credential, peer, now);
        let (roles, permissions) = match credential {
            Credential::SshKey { .. } | Credential::SshCertificate(_) => {
                self.over_ssh(member, &here)
            }
            Credential::Certificate { .. }
            | Credential::OutsideCertificate(_)
            | Credential::Socket { .. } => {
                let names: Vec<&str> = identity.roles.iter().map(String::as_str).collect();
                (member.roles.clone(), self.under(&names, Some(&member.permissions), &here))
            }
        };
        Ok(Authority {
            subject: Subject {
                id: Some(identity.id.0.clone()),
                name: identity.name.to_string(),
                roles,
                credential: credential.to_string(),
            },
            kin: member.kin.clone(),
            until: until(&permissions),
            permissions,
            ungranted: None,
            not_after,
        })
    }

    /// What these roles come to under these circumstances; `always` is what they come to whatever
    /// those are.
    fn under(
        &self,
        names: &[&str],
        always: Option<&Arc<Permissions>>,
        here: &Circumstances,
    ) -> Arc<Permissions> {
        let names = || names.iter().copied();
        match (self.roles.depend(&names().collect::<Vec<_>>()), always) {
            (true, _) => Arc::new(Permissions::compile_under(&self.roles, names(), here)),
            (false, Some(always)) => always.clone(),
            (false, None) => Arc::new(Permissions::compile(&self.roles, names())),
        }
    }

    fn over_ssh(&self, member: &Member, here: &Circumstances) -> (String, Arc<Permissions>) {
        let named = member.identity.roles.iter().filter_map(|role| self.roles.named(role));
        let (most, strict) = match &self.most_over_ssh {
            MostOverSsh::Nothing => {
                return (String::new(), Arc::new(Permissions::compile(&self.roles, [])));
            }
            MostOverSsh::Restricted(most) => (most, false),
            MostOverSsh::Role(most) => (most, true),
        };
        let is_within = |role: &&Arc<Role>| match strict {
            true => most.includes(role),
            false => role.standing() != Standing::Unrestricted,
        };
        let (mut within, beyond): (Vec<_>, Vec<_>) = named.partition(is_within);
        if beyond.is_empty() {
            let names: Vec<&str> = member.identity.roles.iter().map(String::as_str).collect();
            return (member.roles.clone(), self.under(&names, Some(&member.permissions), here));
        }
        // What is more than the most becomes that; what is something else is nothing here.
        if beyond.iter().any(|role| role.includes(most)) {
            within.retain(|role| !most.includes(role));
            within.push(most);
        }
        let names: Vec<&str> = within.into_iter().map(|role| role.name()).collect();
        let shown = format!("{} by ssh.max_role", names.join(","));
        (shown, self.under(&names, None, here))
    }

    fn member(&self, credential: &Credential) -> Option<&Arc<Member>> {
        match credential {
            Credential::Certificate { fingerprint, .. } => {
                self.by_certificate.get(fingerprint).map(|(member, _)| member)
            }
            Credential::OutsideCertificate(outside) => self
                .by_match
                .iter()
                .find(|(rule, _)| rule.matches(outside))
                .map(|(_, member)| member),
            Credential::SshKey { fingerprint, .. } => self.by_ssh_key.get(fingerprint),
            Credential::SshCertificate(shown) => self.by_principal(shown),
            Credential::Socket { identity, .. } => self.by_name.get(identity),
        }
    }

    /// The identity of which one principal is a match; of several, the one whose name the client
    /// gave as its user.
    fn by_principal(&self, shown: &Shown) -> Option<&Arc<Member>> {
        let is_meant = |rule: &Match| match rule {
            Match::SshPrincipal(principal) => shown.certificate.principals().contains(principal),
            Match::Cn(_) | Match::Dns(_) | Match::Uri(_) | Match::Spki(_) => false,
        };
        let mut found: Vec<&Arc<Member>> = Vec::new();
        for (_, member) in self.by_match.iter().filter(|(rule, _)| is_meant(rule)) {
            if !found.iter().any(|other| Arc::ptr_eq(other, member)) {
                found.push(member);
            }
        }
        match found[..] {
            [one] => Some(one),
            _ => found.into_iter().find(|member| member.identity.name.as_str() == shown.user),
        }
    }

    fn has_ended(&self, outside: &OutsideCertificate) -> bool {
        self.ended.iter().any(|rule| rule.matches(outside))
    }

    /// A verified certificate of the outside CA that is no identity: it may finish the handshake,
    /// so that the person behind it is told how to be let in.
    fn unmatched(&self, outside: &OutsideCertificate, here: Circumstances) -> Authority {
        let name = bounded(format!("{}/{}", outside.issuer, outside.subject).as_bytes(), MAX_NAME);
        // It is meant to be pasted into a shell: nothing that a shell could read otherwise.
        let plain = |text: &&String| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/@+ ".contains(&b);
            text.len() <= MAX_NAME && text.bytes().all(allowed)
        };
        let uri = outside.uri.first().filter(plain).map(|uri| format!("uri={uri}"));
        let cn = || outside.cn.as_ref().filter(plain).map(|cn| format!("cn={cn}"));
        let how =
            uri.or_else(cn).unwrap_or_else(|| format!("spki={}", HEXLOWER.encode(&outside.spki)));
        let ungranted = format!(
            "the certificate `{}` is valid but belongs to no identity; on the gate's host, run: \
             seawall identity add NAME --role viewer --match '{how}'",
            bounded(outside.subject.as_bytes(), MAX_NAME)
        );
        let (roles, permissions, ungranted) = match &self.default {
            Some((role, always)) => {
                (role.clone(), self.under(&[role.as_str()], Some(always), &here), None)
            }
            None => {
                let nothing = Permissions::compile(&Roles::built_in(), []);
                (String::new(), Arc::new(nothing), Some(ungranted))
            }
        };
        Authority {
            subject: Subject {
                id: None,
                name,
                roles,
                credential: Credential::OutsideCertificate(Box::new(outside.clone())).to_string(),
            },
            kin: Arc::new([]),
            until: until(&permissions),
            permissions,
            ungranted,
            not_after: Some(outside.not_after),
        }
    }
}

/// What an `admin` is over SSH where the configuration says nothing.
const ADMIN_OVER_SSH: &str = "operator";
/// Bytes of what a certificate says of itself, in messages and records.
const MAX_NAME: usize = 256;

impl Match {
    /// Whether a certificate of an outside CA is meant.
    fn matches(&self, outside: &OutsideCertificate) -> bool {
        match self {
            Self::Cn(cn) => outside.cn.as_ref() == Some(cn),
            Self::Dns(dns) => outside.dns.iter().any(|name| name.eq_ignore_ascii_case(dns)),
            Self::Uri(uri) => outside.uri.contains(uri),
            Self::Spki(spki) => outside.spki == *spki,
            Self::SshPrincipal(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use seawall_rules::identity::Name;

    use super::*;
    use crate::state::{IdentityId, Kind, SshKey};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);
    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn alice(matches: Vec<Match>) -> Identity {
        Identity {
            id: IdentityId("1f".to_owned()),
            name: Name::parse("alice").unwrap(),
            kind: Kind::Person,
            roles: vec!["viewer".to_owned()],
            from: vec!["127.0.0.0/8".parse().unwrap()],
            ttl: None,
            created: NOW,
            revoked: None,
            certificates: vec![Certificate {
                serial: vec![1],
                fingerprint: [1; 32],
                ca: [9; 32],
                not_before: NOW,
                not_after: NOW + HOUR,
                revoked: None,
                reason: None,
            }],
            matches,
            ssh_keys: Vec::new(),
            sshd: false,
            group: None,
        }
    }

    fn hers() -> Credential {
        Credential::Certificate { serial: vec![1], fingerprint: [1; 32], not_after: NOW + HOUR }
    }

    fn outside() -> OutsideCertificate {
        OutsideCertificate {
            issuer: "CN=Corp".to_owned(),
            subject: "CN=ci".to_owned(),
            cn: Some("ci".to_owned()),
            dns: vec!["Runner.example.com".to_owned()],
            uri: vec!["spiffe://corp/ci".to_owned()],
            spki: [7; 32],
            serial: vec![2],
            fingerprint: [2; 32],
            not_after: NOW + HOUR,
            chain: Vec::new(),
        }
    }

    fn refused(
        identities: &Identities,
        credential: &Credential,
        peer: &str,
        at: SystemTime,
    ) -> String {
        identities.authorize(credential, peer.parse().unwrap(), at).unwrap_err().0
    }

    fn identities(known: Vec<Identity>, default: Option<&str>) -> Identities {
        Identities::new(known, default, &Roles::built_in())
    }

    #[test]
    fn a_certificate_opens_what_its_identity_may_until_anything_about_it_ends() {
        let known = identities(vec![alice(vec![])], None);
        let authority = known.authorize(&hers(), HOME, NOW).unwrap();
        assert_eq!(authority.subject.name, "alice");
        assert_eq!(authority.subject.credential, "cert:01");
        assert_eq!(authority.ungranted, None);

        assert!(refused(&known, &hers(), "192.0.2.1", NOW).contains("may not connect from"));
        assert!(refused(&known, &hers(), "127.0.0.1", NOW + HOUR).contains("expired"));

        let mut ended = alice(vec![]);
        ended.revoked = Some(NOW);
        let gone = identities(vec![ended], None);
        assert!(refused(&gone, &hers(), "127.0.0.1", NOW).contains("revoked"));

        let mut withdrawn = alice(vec![]);
        withdrawn.certificates[0].revoked = Some(NOW);
        let gone = identities(vec![withdrawn], None);
        assert!(refused(&gone, &hers(), "127.0.0.1", NOW).contains("revoked"));
    }

    #[test]
    fn an_outside_certificate_is_an_identity_by_any_field_that_matches_whole() {
        let credential = Credential::OutsideCertificate(Box::new(outside()));
        let cases = [
            (Match::Cn("ci".to_owned()), true),
            (Match::Cn("c".to_owned()), false),
            (Match::Dns("runner.EXAMPLE.com".to_owned()), true),
            (Match::Dns("example.com".to_owned()), false),
            (Match::Uri("spiffe://corp/ci".to_owned()), true),
            (Match::Uri("spiffe://corp/".to_owned()), false),
            (Match::Spki([7; 32]), true),
            (Match::Spki([8; 32]), false),
        ];
        for (rule, is_alice) in cases {
            let known = identities(vec![alice(vec![rule.clone()])], None);
            let authority = known.authorize(&credential, HOME, NOW).unwrap();
            assert_eq!(authority.subject.id.is_some(), is_alice, "{rule:?}");
            assert_eq!(authority.ungranted.is_none(), is_alice, "{rule:?}");
        }
    }

    #[test]
    fn an_outside_certificate_of_nobody_is_told_how_to_be_let_in() {
        let credential = Credential::OutsideCertificate(Box::new(outside()));
        let strict = identities(vec![alice(vec![])], None);
        let authority = strict.authorize(&credential, HOME, NOW).unwrap();
        assert_eq!(authority.subject.name, "CN=Corp/CN=ci", "no identity can have such a name");
        let how = authority.ungranted.as_deref().unwrap();
        assert!(how.contains("--match 'uri=spiffe://corp/ci'"), "{how}");

        let open = identities(vec![], Some("viewer"));
        let authority = open.authorize(&credential, HOME, NOW).unwrap();
        assert_eq!(authority.ungranted, None);
        assert_eq!(authority.subject.roles, "viewer");
    }

    #[test]
    fn a_revoked_match_opens_nothing_whatever_strangers_may() {
        let credential = Credential::OutsideCertificate(Box::new(outside()));
        let rule = Match::Cn("ci".to_owned());
        for default in [None, Some("admin")] {
            let ended = identities(vec![], default).ended(vec![rule.clone()]);
            assert!(refused(&ended, &credential, "127.0.0.1", NOW).contains("revoked"));
            // A new identity of the same match inherits nothing, and is not shut out by it.
            let again =
                identities(vec![alice(vec![rule.clone()])], default).ended(vec![rule.clone()]);
            assert_eq!(again.authorize(&credential, HOME, NOW).unwrap().subject.name, "alice");
        }
    }

    #[test]
    fn what_a_certificate_says_of_itself_is_safe_to_print_and_to_paste() {
        let mut evil = outside();
        evil.subject = format!("CN=\u{1b}[31m{}", "x".repeat(10_000));
        evil.cn = Some("x'; rm -rf / #".to_owned());
        evil.uri = vec!["spiffe://\u{1b}[0m'".to_owned()];
        let credential = Credential::OutsideCertificate(Box::new(evil));
        let authority = identities(vec![], None).authorize(&credential, HOME, NOW).unwrap();
        let how = authority.ungranted.as_deref().unwrap();
        for text in [how, &authority.subject.name] {
            assert!(!text.contains(char::is_control) && text.len() < 1000, "{text}");
        }
        assert!(how.contains("--match 'spki=0707"), "{how}");
    }

    #[test]
    fn an_ssh_key_is_the_identity_it_is_registered_with() {
        use crate::authenticate::ssh::Server;
        let with = |server| Credential::SshKey { fingerprint: [5; 32], rsa: false, server };
        let (gate, sshd) = (with(Server::Gate), with(Server::Sshd));
        let key = SshKey {
            fingerprint: [5; 32],
            key: String::new(),
            comment: String::new(),
            added: NOW,
            revoked: None,
            reason: None,
        };
        let mut identity = alice(vec![]);
        identity.ssh_keys = vec![key.clone()];
        let known = identities(vec![identity.clone()], None);
        let authority = known.authorize(&gate, HOME, NOW).unwrap();
        assert_eq!(authority.subject.name, "alice");
        assert!(authority.subject.credential.starts_with("ssh-key:SHA256:BQUF"));
        assert!(refused(&known, &gate, "192.0.2.1", NOW).contains("may not connect from"));
        assert!(refused(&known, &sshd, "127.0.0.1", NOW).contains("through the host's sshd"));

        identity.sshd = true;
        let known = identities(vec![identity.clone()], None);
        assert_eq!(known.authorize(&sshd, HOME, NOW).unwrap().subject.name, "alice");

        identity.ssh_keys = vec![SshKey { revoked: Some(NOW), ..key }];
        let gone = identities(vec![identity.clone()], None);
        assert!(refused(&gone, &gate, "127.0.0.1", NOW).contains("registered with no identity"));
        identity.revoked = Some(NOW);
        let gone = identities(vec![identity], None);
        assert!(refused(&gone, &gate, "127.0.0.1", NOW).contains("registered with no identity"));
    }

    #[test]
    fn a_certificate_of_several_principals_is_whom_its_user_name_says() {
        use crate::authenticate::ssh::Server;
        use seawall_rules::ssh::certificate::Certificate;
        use seawall_rules::ssh::krl::Fingerprints;
        let identity = |name: &str, principal: &str| {
            let mut identity = alice(vec![Match::SshPrincipal(principal.to_owned())]);
            identity.name = Name::parse(name).unwrap();
            identity.certificates.clear();
            identity
        };
        // Its principals are `alice`, `deploy` and `team`.
        let blob = data_encoding::BASE64.decode(CERTIFICATE.as_bytes()).unwrap();
        let certificate = Certificate::parse(&blob).unwrap();
        assert_eq!(certificate.principals(), ["alice", "deploy", "team"]);
        let shown = |user: &str| {
            Credential::SshCertificate(Box::new(Shown {
                certificate: certificate.clone(),
                fingerprints: Fingerprints { sha1: [0; 20], sha256: [0; 32] },
                user: user.to_owned(),
                server: Server::Gate,
            }))
        };
        let name = |identities: Vec<Identity>, user: &str| {
            let known = Identities::new(identities, None, &Roles::built_in());
            known.authorize(&shown(user), HOME, NOW).map(|authority| authority.subject.name)
        };
        let one = || vec![identity("alice", "alice"), identity("bob", "bob")];
        assert_eq!(name(one(), "whoever").unwrap(), "alice");
        let two = || vec![identity("alice", "alice"), identity("ci", "deploy")];
        assert_eq!(name(two(), "ci").unwrap(), "ci");
        assert_eq!(name(two(), "alice").unwrap(), "alice");
        assert!(name(two(), "deploy").unwrap_err().0.contains("several are"));
        // A name alone opens nothing, nor does a principal that nobody was given.
        assert!(name(vec![identity("alice", "other")], "alice").is_err());
        let mut both = identity("alice", "alice");
        both.matches.push(Match::SshPrincipal("team".to_owned()));
        assert_eq!(name(vec![both], "").unwrap(), "alice");
    }

    #[test]
    fn over_ssh_nobody_is_more_than_allowed() {
        use crate::authenticate::ssh::Server;
        use seawall_rules::operation::Operation::{ContainerCreate, ContainerList, ContainerStart};
        let key = SshKey {
            fingerprint: [5; 32],
            key: String::new(),
            comment: String::new(),
            added: NOW,
            revoked: None,
            reason: None,
        };
        let by_ssh = Credential::SshKey { fingerprint: [5; 32], rsa: false, server: Server::Gate };
        let may = |roles: &[&str], most: Option<&str>, credential: &Credential| {
            let mut identity = alice(vec![]);
            identity.ssh_keys = vec![key.clone()];
            identity.roles = roles.iter().map(|&role| role.to_owned()).collect();
            let known = identities(vec![identity], None).over_ssh_at_most(most);
            let authority = known.authorize(credential, HOME, NOW).unwrap();
            let rule = |operation| authority.permissions.rule(operation).is_some();
            let may = [ContainerList, ContainerStart, ContainerCreate].map(rule);
            (authority.subject.roles.clone(), may)
        };
        let (lists, starts, creates) =
            ([true, false, false], [true, true, false], [true, true, true]);
        let cases = [
            (&["admin"][..], Some("operator"), "operator by ssh.max_role", starts),
            (&["admin", "viewer"], Some("operator"), "operator by ssh.max_role", starts),
            (&["admin"], Some("viewer"), "viewer by ssh.max_role", lists),
            (&["operator"], Some("operator"), "operator", starts),
            (&["viewer"], Some("operator"), "viewer", lists),
            // What is no part of the other is neither kept nor turned into it.
            (&["developer"], Some("operator"), " by ssh.max_role", [false; 3]),
            (&["developer", "viewer"], Some("operator"), "viewer by ssh.max_role", lists),
            (&["admin"], Some("admin"), "admin", creates),
            (&[], Some("admin"), "", [false; 3]),
            (&["admin"], Some("nobody"), "", [false; 3]),
            (&["admin"], None, "operator by ssh.max_role", starts),
            (&["admin", "viewer"], None, "operator by ssh.max_role", starts),
            (&["developer"], None, "developer", creates),
            (&["admin", "developer"], None, "developer,operator by ssh.max_role", creates),
        ];
        for (roles, most, shown, expected) in cases {
            let found = may(roles, most, &by_ssh);
            assert_eq!(found, (shown.to_owned(), expected), "{roles:?} at most {most:?}");
        }
        let socket = Credential::Socket { identity: "alice".to_owned(), uid: 0 };
        assert_eq!(may(&["admin"], Some("viewer"), &socket).1, creates);
    }

    #[test]
    fn a_socket_is_the_identity_it_names_while_there_is_one() {
        let credential = Credential::Socket { identity: "alice".to_owned(), uid: 1000 };
        let known = identities(vec![alice(vec![])], None);
        assert_eq!(known.authorize(&credential, HOME, NOW).unwrap().subject.credential, "uid:1000");
        let empty = identities(vec![], None);
        assert!(refused(&empty, &credential, "127.0.0.1", NOW).contains("revoked"));
    }

    const CERTIFICATE: &str = "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIFvJik8xLMEA2slBj1Kb/trDMG1gF7VT\
        JVvObaJHSeIbAAAAIKU7VXpMCH/PfkQ/Y8bF+HPpcZShCGc20h8oRD10sKpjAAAAAAAAAAAAAAABAAAABHRl\
        YW0AAAAbAAAABWFsaWNlAAAABmRlcGxveQAAAAR0ZWFtAAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBl\
        cm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1p\
        dC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAA\
        AAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIHJ0BoDq0BmXxghwcmq+iUPT2O/NgZmM8N5+bCI1/wFqAAAAUwAA\
        AAtzc2gtZWQyNTUxOQAAAECGHhZiSSH+CvgutRjBtqXRsRaKzrQXRAruYHH6FvbqCdn03JPcRQDr9vM2lQe7\
        3/TtrAdK6W5gvzbpyhzYdV0F";
}
