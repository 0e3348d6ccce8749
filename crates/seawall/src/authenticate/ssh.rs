//! The SSH door: whose the public key or certificate is that a client proved to hold.
//!
//! Whoever speaks SSH with the client, the gate's own server or the host's sshd, has verified the
//! client's signature; who that is, and whether it may enter, is decided here. The key decides:
//! the user name a client gives opens nothing.

use std::sync::Arc;

use seawall_rules::escape::bounded;
use seawall_rules::ssh::certificate::Certificate;
use seawall_rules::ssh::key::{Kind, PublicKey};
use trust::Shown;

use super::{Authority, Credential};
use crate::admit::Peer;
use crate::gate::Snapshot;
use crate::pki::sha256;

pub mod trust;

/// What a client proved to hold.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The wire form of its public key (RFC 4253 section 6.6), or of its certificate.
    pub public: Vec<u8>,
    /// The user name it gave; empty where it could not choose one.
    pub user: String,
    /// Where it comes from.
    pub peer: Peer,
    /// Who spoke SSH with it.
    pub server: Server,
}

/// Who spoke SSH with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The gate's own server.
    Gate,
    /// The host's sshd, which lets in only identities that are enabled for it.
    Sshd,
}

/// Why a key opens nothing; for the log, not for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Whose it is under this snapshot, and what it may. The session that begins with the answer is
/// judged again under every later one.
///
/// # Errors
/// [`Refused`] with the reason.
pub fn authenticate(
    snapshot: &Snapshot,
    offered: &Offered,
) -> Result<(Credential, Arc<Authority>), Refused> {
    let credential = credential(offered)?;
    let authority = snapshot
        .authorize(&credential, &offered.peer)
        .map_err(|ended| Refused(format!("{credential}: {ended}")))?;
    // A slip, or an attempt to have another's name in a log: nobody is what he is not.
    if authority.subject.name != offered.user && snapshot.is_identity(&offered.user) {
        let user = bounded(offered.user.as_bytes(), MAX_USER);
        let name = &authority.subject.name;
        return Err(Refused(format!("{credential} is {name}'s, not that of the user name {user}")));
    }
    Ok((credential, authority))
}

fn credential(offered: &Offered) -> Result<Credential, Refused> {
    if Certificate::is_one(&offered.public) {
        let certificate =
            Certificate::parse(&offered.public).map_err(|error| Refused(error.to_string()))?;
        return Ok(Credential::SshCertificate(Box::new(Shown {
            fingerprints: trust::fingerprints(certificate.key()),
            certificate,
            user: offered.user.clone(),
            server: offered.server,
        })));
    }
    let key = PublicKey::parse(&offered.public)
        .map_err(|error| Refused(format!("its key is not accepted: {error}")))?;
    Ok(Credential::SshKey {
        fingerprint: sha256(key.blob()),
        rsa: key.kind() == Kind::Rsa,
        server: offered.server,
    })
}

/// Bytes of a user name, in the log.
const MAX_USER: usize = 64;
