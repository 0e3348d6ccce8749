//! Everything that changes identities and credentials, as one closed enum: the commands on the
//! host send these over the admin socket, or run them here when no gate holds the state.
//!
//! No private key of a client and no secret of an invitation is ever in a call: keys are made by
//! whoever will use them, and only requests and hashes travel. The CA's own key does travel, when
//! it is imported or exported, between two processes of the same user on the same host.

use std::time::SystemTime;

use ipnet::IpNet;
use seawall_rules::identity::Name;
use seawall_rules::{reference, ssh};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroize as _;

use super::{Authority, Credentials, Identity, IdentityId, Invited, Kind, Match, notation};
use crate::pki::{PublicKey, Reason, sha256};

/// One change or question; answered by [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StateCall {
    /// Takes the clock for right although it is behind the latest time noted.
    AcceptClock,
    /// A new identity, and with it at once a certificate or an invitation. [`Reply::Added`].
    AddIdentity {
        /// Its name; no live identity may have it.
        name: Name,
        /// Decides the lifetime of its certificates where `ttl` does not.
        kind: Kind,
        /// Names of known roles; at least one.
        roles: Vec<String>,
        /// Lifetime of its certificates, seconds.
        ttl: Option<u64>,
        /// Networks it may come from; empty means any.
        from: Vec<IpNet>,
        /// Certificates of outside CAs that are this identity.
        matches: Vec<Match>,
        /// How it may enter over SSH.
        ssh: SshChange,
        /// Whose things it shares.
        group: Option<Name>,
        /// PEM certificate request: answer with credentials.
        request: Option<String>,
        /// Answer with an invitation.
        invite: Option<Invite>,
    },
    /// The CAs and who has not renewed. [`Reply::Authorities`].
    Authorities,
    /// The whole state, to be kept elsewhere. [`Reply::Secret`], base64.
    Backup,
    /// The key of a CA, to be kept elsewhere. [`Reply::Secret`], PEM.
    CaKey {
        /// Its fingerprint, hex; the active one if there is none.
        ca: Option<String>,
    },
    /// The CRL of a CA. [`Reply::Text`], PEM.
    Crl {
        /// Its fingerprint, hex; the active one if there is none.
        ca: Option<String>,
    },
    /// Ends a rotation: retiring CAs are trusted no longer. [`Reply::Authorities`].
    FinishRotation {
        /// Also when some have not renewed.
        force: Force,
    },
    /// Forgets the key of a CA. Sent after [`StateCall::CaKey`] was answered and kept.
    ForgetCaKey {
        /// Its fingerprint, hex; the active one if there is none.
        ca: Option<String>,
    },
    /// Every identity. [`Reply::Identities`].
    Identities,
    /// One identity with its history. [`Reply::Identity`].
    Identity {
        /// Its name.
        name: Name,
    },
    /// Brings in the operator's own CA with its key, which becomes the active one; the key of a
    /// CA of ours that was offline; or, without a key, an outside CA for client certificates.
    /// [`Reply::Authorities`].
    ImportCa {
        /// PEM; for an offline key of the active CA it may be left out.
        certificate: Option<String>,
        /// PEM.
        key: Option<Secret>,
    },
    /// Open and past invitations. [`Reply::Invitations`].
    Invitations,
    /// An invitation for an identity that is there. [`Reply::Invitation`].
    Invite {
        /// For whom.
        name: Name,
        /// The invitation.
        invite: Invite,
    },
    /// A certificate for an identity that is there. [`Reply::Credentials`].
    Issue {
        /// For whom.
        name: Name,
        /// PEM certificate request.
        request: String,
    },
    /// Revokes an identity and takes it off the lists. [`Reply::Revoked`].
    RemoveIdentity {
        /// Its name.
        name: Name,
        /// Also when it is the last admin.
        force: Force,
    },
    /// Trusts the outside CA no longer. [`Reply::Authorities`].
    RemoveOutsideCa,
    /// Ends an identity, one certificate or one SSH key, at once. [`Reply::Revoked`].
    Revoke {
        /// A name, a serial in hex, or the fingerprint of an SSH key (`SHA256:…`).
        target: String,
        /// Why.
        reason: Reason,
        /// Also when it is the last admin.
        force: Force,
    },
    /// Takes an invitation back.
    RevokeInvitation {
        /// Its id, as listed.
        id: String,
    },
    /// Begins a rotation: a new CA becomes the active one. [`Reply::Authorities`].
    RotateCa {
        /// The host's name, for the CA's subject.
        host: String,
    },
    /// Whose things are. [`Reply::Owners`].
    Owners,
    /// Gives a thing to an identity, or takes it from whoever has it.
    SetOwner {
        /// Of what kind.
        kind: OwnedKind,
        /// Its full id; of a volume, its name. A running gate asks the engine for it.
        id: String,
        /// To whom; `None` is nobody.
        owner: Option<Name>,
    },
    /// Changes an identity; what is `None` stays. [`Reply::Identity`].
    SetIdentity {
        /// Its name.
        name: Name,
        /// Person or machine.
        kind: Option<Kind>,
        /// All its roles from now on.
        roles: Option<Vec<String>>,
        /// Lifetime of its next certificates, seconds.
        ttl: Option<u64>,
        /// All its networks from now on.
        from: Option<Vec<IpNet>>,
        /// All its matches from now on.
        matches: Option<Vec<Match>>,
        /// How it may enter over SSH.
        ssh: SshChange,
        /// Whose things it shares from now on.
        group: Option<Membership>,
        /// Also when it is the last admin and would be none any more.
        force: Force,
    },
    /// Makes the CA and the gate's certificate if there are none, and brings the certificate up
    /// to date. Run again, it changes nothing. [`Reply::SetUp`].
    SetUp {
        /// The host's name, for the CA's subject.
        host: String,
        /// Names and addresses by which clients reach the gate.
        hostnames: Vec<String>,
    },
}

/// What changes in how an identity may enter over SSH.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshChange {
    /// Keys it may enter with from now on too, as in a `.pub` file.
    pub add: Vec<String>,
    /// Fingerprints (`SHA256:…`) of keys it may not enter with any more.
    pub remove: Vec<String>,
    /// Whether it may enter through the host's own sshd; `None` leaves that as it is.
    pub sshd: Option<bool>,
}

/// Whose things an identity shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// Nobody's: it has its own.
    None,
    /// Those of all who have this group.
    Of(Name),
}

/// Whether to do what would lock people out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Force {
    /// Refuse, and say how.
    #[default]
    No,
    /// Do it.
    Yes,
}

impl From<bool> for Force {
    /// From a `--force` flag.
    fn from(given: bool) -> Self {
        if given { Self::Yes } else { Self::No }
    }
}

/// What the gate is told of an invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// SHA-256 of its secret.
    #[serde(with = "notation::bytes")]
    pub secret_hash: [u8; 32],
    /// How long it can be used, seconds.
    pub valid_for: u64,
}

/// The answer to a [`StateCall`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "one at a time, soon taken apart")]
pub enum Reply {
    /// A new identity and what was asked for with it.
    Added {
        /// As it is now.
        identity: Identity,
        /// To a `request`.
        credentials: Option<Credentials>,
        /// To an `invite`.
        invitation: Option<Invitation>,
    },
    /// The CAs.
    Authorities {
        /// Oldest first.
        authorities: Vec<Authority>,
        /// Certificates of retiring CAs that nobody has renewed yet.
        not_renewed: Vec<NotRenewed>,
    },
    /// A certificate.
    Credentials(Credentials),
    /// Done; nothing to say.
    Done,
    /// By name.
    Identities(Vec<Identity>),
    /// One.
    Identity(Identity),
    /// A new invitation.
    Invitation(Invitation),
    /// Newest first.
    Invitations(Vec<Invited>),
    /// Whose things are.
    Owners(Vec<OwnerRow>),
    /// What was revoked.
    Revoked {
        /// Whose.
        identity: Name,
        /// Which certificate, hex; `None` unless one was.
        serial: Option<String>,
        /// Which SSH key, its fingerprint; `None` unless one was.
        ssh_key: Option<String>,
        /// Set when it had been revoked before: nothing was changed.
        #[serde(with = "notation::some_at")]
        before: Option<SystemTime>,
    },
    /// To be written where nobody else reads.
    Secret(Secret),
    /// After [`StateCall::SetUp`].
    SetUp {
        /// Whether the CA was made now.
        made: Made,
        /// The active CA.
        ca: Authority,
        /// Names and addresses of the gate's certificate.
        hostnames: Vec<String>,
    },
    /// For people or files.
    Text(String),
}

/// What can be given to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants are the engine's objects")]
pub enum OwnedKind {
    Container,
    Network,
    Volume,
}

impl From<OwnedKind> for reference::Kind {
    fn from(kind: OwnedKind) -> Self {
        match kind {
            OwnedKind::Container => Self::Container,
            OwnedKind::Network => Self::Network,
            OwnedKind::Volume => Self::Volume,
        }
    }
}

/// A thing and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRow {
    /// `container`, `network` or `volume`.
    pub kind: String,
    /// Its full id; of a volume, its name.
    pub id: String,
    /// Whose it is; the name that its identity has or had.
    pub owner: String,
    /// That identity's id.
    pub identity: IdentityId,
}

/// What the caller needs to write an invitation out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Its id, for lists and for taking it back.
    pub id: String,
    /// SHA-256 of the DER certificate of the CA by which the gate is verified.
    #[serde(with = "notation::bytes")]
    pub ca: [u8; 32],
    /// When it ends by itself.
    #[serde(with = "notation::at")]
    pub expires: SystemTime,
}

/// A certificate that a finished rotation would shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRenewed {
    /// Whose it is.
    pub identity: Name,
    /// Its serial.
    #[serde(with = "notation::bytes")]
    pub serial: Vec<u8>,
}

/// Whether something is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Made {
    /// It was there.
    Before,
    /// It was not.
    Now,
}

/// A text that is wiped when dropped and does not show itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl SshChange {
    /// What it does, without the keys themselves: somebody may have sent a private one.
    fn recorded(&self) -> Value {
        let fingerprint = |line: &String| {
            let (key, _) = ssh::key::PublicKey::from_line(line).ok()?;
            Some(notation::ssh_fingerprint(&sha256(key.blob())))
        };
        let add: Vec<_> = self.add.iter().map(fingerprint).collect();
        json!({ "add": add, "remove": self.remove, "sshd": self.sshd })
    }
}

impl StateCall {
    /// Whether nobody can do more after this call than before.
    pub fn only_revokes(&self) -> bool {
        match self {
            Self::RemoveIdentity { .. }
            | Self::RemoveOutsideCa
            | Self::Revoke { .. }
            | Self::RevokeInvitation { .. } => true,
            Self::SetIdentity { kind, roles, ttl, from, matches, ssh, group, .. } => {
                ssh.add.is_empty()
                    && group.is_none()
                    && ssh.sshd != Some(true)
                    && (kind, roles, ttl, from, matches) == (&None, &None, &None, &None, &None)
            }
            _ => false,
        }
    }

    /// The event this call is recorded as, before it is carried out, with its detail; `None` for
    /// what changes nothing. Holds no secrets: of requests the key's hash, of keys nothing.
    pub fn recorded(&self) -> Option<(&'static str, Value)> {
        let known = |text: &str| PublicKey::from_request(text).ok();
        let spki = |text: &str| known(text).map(|key| notation::hex(&key.spki()));
        let of = |pem: &str| {
            use rustls::pki_types::pem::PemObject as _;
            let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).ok();
            der.map(|der| notation::hex(&sha256(&der)))
        };
        Some(match self {
            Self::Authorities
            | Self::Identities
            | Self::Identity { .. }
            | Self::Invitations
            | Self::Owners => {
                return None;
            }
            Self::SetOwner { kind, id, owner } => {
                ("owner.set", json!({ "kind": kind, "id": id, "owner": owner }))
            }
            Self::AcceptClock => ("clock.accept", json!({})),
            Self::AddIdentity {
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
            } => (
                "identity.add",
                json!({
                    "name": name, "kind": kind, "roles": roles, "ttl": ttl, "from": from,
                    "matches": matches, "ssh": ssh.recorded(), "group": group,
                    "spki": request.as_deref().and_then(spki),
                    "invitation_seconds": invite.as_ref().map(|invite| invite.valid_for),
                }),
            ),
            Self::Backup => ("state.backup", json!({})),
            Self::CaKey { ca } => ("ca.export-key", json!({ "ca": ca })),
            Self::Crl { ca } => ("ca.crl", json!({ "ca": ca })),
            Self::FinishRotation { force } => ("ca.rotate-finish", json!({ "force": force })),
            Self::ForgetCaKey { ca } => ("ca.forget-key", json!({ "ca": ca })),
            Self::ImportCa { certificate, key } => (
                "ca.import",
                json!({ "ca": certificate.as_deref().and_then(of), "with_key": key.is_some() }),
            ),
            Self::Invite { name, invite } => {
                ("invitation.create", json!({ "name": name, "seconds": invite.valid_for }))
            }
            Self::Issue { name, request } => {
                ("certificate.issue", json!({ "name": name, "spki": spki(request) }))
            }
            Self::RemoveIdentity { name, force } => {
                ("identity.remove", json!({ "name": name, "force": force }))
            }
            Self::RemoveOutsideCa => ("ca.remove-outside", json!({})),
            Self::Revoke { target, reason, force } => {
                ("revoke", json!({ "target": target, "reason": reason, "force": force }))
            }
            Self::RevokeInvitation { id } => ("invitation.revoke", json!({ "id": id })),
            Self::RotateCa { host } => ("ca.rotate", json!({ "host": host })),
            Self::SetIdentity { name, kind, roles, ttl, from, matches, ssh, group, force } => (
                "identity.set",
                json!({
                    "name": name, "kind": kind, "roles": roles, "ttl": ttl, "from": from,
                    "matches": matches, "ssh": ssh.recorded(), "group": group, "force": force,
                }),
            ),
            Self::SetUp { host, hostnames } => {
                ("state.set-up", json!({ "host": host, "hostnames": hostnames }))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_recorded_or_shown() {
        let key = crate::pki::Key::generate().unwrap();
        let call =
            StateCall::ImportCa { certificate: None, key: Some(Secret(key.to_pem().to_string())) };
        let shown = format!("{call:?} {:?}", call.recorded());
        assert!(!shown.contains("PRIVATE"), "{shown}");
        let call = StateCall::Invite {
            name: Name::parse("alice").unwrap(),
            invite: Invite { secret_hash: [0xab; 32], valid_for: 900 },
        };
        assert_eq!(
            call.recorded(),
            Some(("invitation.create", json!({ "name": "alice", "seconds": 900 })))
        );
    }

    #[test]
    fn a_call_survives_the_socket() {
        let call = StateCall::AddIdentity {
            name: Name::parse("alice").unwrap(),
            kind: Kind::Person,
            roles: vec!["admin".to_owned()],
            ttl: Some(60),
            from: vec!["10.0.0.0/8".parse().unwrap()],
            matches: vec![Match::Spki([7; 32]), Match::Cn("a".to_owned())],
            ssh: SshChange { sshd: Some(true), ..SshChange::default() },
            group: Some(Name::parse("web").unwrap()),
            request: None,
            invite: Some(Invite { secret_hash: [1; 32], valid_for: 5 }),
        };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<StateCall>(&text).unwrap(), call);
    }
}
