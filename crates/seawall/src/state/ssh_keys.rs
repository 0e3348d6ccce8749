//! SSH keys registered with identities. Like certificates they are revoked, never deleted.

use std::time::SystemTime;

use rusqlite::{Row, params};
use seawall_rules::identity::Name;
use seawall_rules::ssh::key::PublicKey;

use super::identities::damaged;
use super::notation::{moment, seconds};
use super::{Error, Identity, IdentityId, SshKey, Store};
use crate::pki::{Reason, sha256};

/// What became of a key that was to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It opens the identity now.
    Now,
    /// It did so before; nothing was changed.
    Before,
    /// It belongs to another live identity, or was in the wrong hands once.
    Refused(Name, SshKey),
}

impl Store {
    /// Registers a key with a live identity. A key that was taken away may come back, unless it
    /// was revoked because others had it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn add_ssh_key(
        &mut self,
        id: &IdentityId,
        key: &PublicKey,
        comment: &str,
        now: SystemTime,
    ) -> Result<Registered, Error> {
        let fingerprint = sha256(key.blob());
        for (owner, held) in self.ssh_key(&fingerprint)? {
            match (held.revoked, held.reason) {
                (None, _) if owner.id == *id => return Ok(Registered::Before),
                (None, _) | (Some(_), Some(Reason::KeyCompromise)) => {
                    return Ok(Registered::Refused(owner.name, held));
                }
                (Some(_), _) => {}
            }
        }
        self.db.execute(
            "INSERT INTO ssh_keys (fingerprint, identity, key, comment, added)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (fingerprint, identity) DO UPDATE SET
                 comment = excluded.comment, added = excluded.added, revoked = NULL, reason = NULL",
            params![fingerprint, id.0, key.blob(), comment, seconds(now)],
        )?;
        Ok(Registered::Now)
    }

    /// Whose a key is and was, the live one first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn ssh_key(&self, fingerprint: &[u8; 32]) -> Result<Vec<(Identity, SshKey)>, Error> {
        let mut query = self.db.prepare(
            "SELECT identity FROM ssh_keys WHERE fingerprint = ?1
             ORDER BY revoked IS NULL DESC, revoked DESC",
        )?;
        let owners = query
            .query_map([fingerprint], |row| row.get(0).map(IdentityId))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for owner in owners {
            let identity = self.identity_by_id(&owner)?.ok_or(Error::UnknownIdentity)?;
            let held = identity.ssh_keys.iter().find(|held| held.fingerprint == *fingerprint);
            let held = held.cloned().ok_or(Error::UnknownIdentity)?;
            found.push((identity, held));
        }
        Ok(found)
    }

    /// Takes a key away from the identity that has it. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn revoke_ssh_key(
        &mut self,
        fingerprint: &[u8; 32],
        reason: Reason,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.db.execute(
            "UPDATE ssh_keys SET revoked = ?2, reason = ?3
             WHERE fingerprint = ?1 AND revoked IS NULL",
            params![fingerprint, seconds(now), reason.as_str()],
        )?;
        Ok(())
    }

    /// Those that open something.
    pub(super) fn live_ssh_keys(&self, id: &IdentityId) -> Result<Vec<SshKey>, Error> {
        let mut keys = self.all_ssh_keys(id)?;
        keys.retain(|key| key.revoked.is_none());
        Ok(keys)
    }

    pub(super) fn all_ssh_keys(&self, id: &IdentityId) -> Result<Vec<SshKey>, Error> {
        let sql = "SELECT fingerprint, key, comment, added, revoked, reason FROM ssh_keys
                   WHERE identity = ?1 ORDER BY added, fingerprint";
        let mut query = self.db.prepare(sql)?;
        let rows = query.query_map([&id.0], ssh_key)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn ssh_key(row: &Row<'_>) -> Result<SshKey, rusqlite::Error> {
    let blob: Vec<u8> = row.get("key")?;
    let key = PublicKey::parse(&blob).map_err(|_| damaged("an SSH key"))?;
    let reason: Option<String> = row.get("reason")?;
    Ok(SshKey {
        fingerprint: row.get("fingerprint")?,
        key: key.to_string(),
        comment: row.get("comment")?,
        added: moment(row.get("added")?),
        revoked: row.get::<_, Option<i64>>("revoked")?.map(moment),
        reason: reason.as_deref().and_then(Reason::named),
    })
}
