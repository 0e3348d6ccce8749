//! Invitations: a secret that the gate knows only by its hash, good for one key of one identity.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, params};
use seawall_rules::identity::Name;
use serde::{Deserialize, Serialize};

use super::identities::{damaged, new_id};
use super::notation::{moment, seconds};
use super::{Error, IdentityId, Store, notation};

/// An invitation as it is listed; the secret is not known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Names it in lists and records; opens nothing.
    pub id: String,
    /// For whom.
    pub identity: Name,
    /// When it was made.
    #[serde(with = "notation::at")]
    pub created: SystemTime,
    /// When it ends by itself.
    #[serde(with = "notation::at")]
    pub expires: SystemTime,
    /// What has become of it.
    pub standing: InvitedStanding,
}

/// What has become of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvitedStanding {
    /// Nobody used it in time.
    Expired,
    /// It can be used.
    Open,
    /// It was taken back.
    Revoked,
    /// It was used.
    Used,
}

/// Why an invitation is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvitationRefused {
    /// No invitation has this secret.
    #[error("there is no such invitation")]
    Unknown,
    /// It has ended by itself.
    #[error("the invitation has expired")]
    Expired,
    /// It, or its identity, was taken back.
    #[error("the invitation was revoked")]
    Revoked,
    /// Another key has used it.
    #[error("the invitation was already used")]
    Used,
    /// It was tried as often as it may be, right or wrong.
    #[error("the invitation was tried too often")]
    TooManyAttempts,
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] Error),
}

impl Store {
    /// Makes an invitation for an identity; answers its id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn create_invitation(
        &mut self,
        identity: &IdentityId,
        secret_hash: &[u8; 32],
        valid_for: Duration,
        now: SystemTime,
    ) -> Result<String, Error> {
        let IdentityId(id) = new_id()?;
        self.db.execute(
            "INSERT INTO invitations (id, secret_hash, identity, created, expires)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, secret_hash, identity.0, seconds(now), seconds(now + valid_for)],
        )?;
        Ok(id)
    }

    /// Uses an invitation for a key (SHA-256 of its SubjectPublicKeyInfo), in one transaction:
    /// of two keys that come at once, one is refused. The same key may come again until the
    /// invitation expires, for it may never have seen the answer. It may be tried `attempts`
    /// times, right or wrong.
    ///
    /// # Errors
    /// [`InvitationRefused`]; what is refused counts as an attempt too.
    pub fn use_invitation(
        &mut self,
        secret_hash: &[u8; 32],
        spki: &[u8; 32],
        attempts: u32,
        now: SystemTime,
    ) -> Result<IdentityId, InvitationRefused> {
        if let Some(behind) = self.clock_behind(now)? {
            return Err(Error::ClockBehind(behind).into());
        }
        // The refusal is inside the answer, so that the attempt it cost is committed.
        self.atomically(|store| {
            Ok::<_, Error>(store.judge_use(secret_hash, spki, attempts, now)?)
        })?
    }

    /// Every invitation that was not forgotten, newest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn invitations(&self, now: SystemTime) -> Result<Vec<Invited>, Error> {
        let mut query = self.db.prepare(
            "SELECT invitations.id, name, invitations.created, expires, used, invitations.revoked
             FROM invitations JOIN identities ON identities.id = identity
             ORDER BY invitations.created DESC, invitations.id",
        )?;
        let rows = query.query_map([], |row| {
            let name: String = row.get(1)?;
            let expires = moment(row.get(3)?);
            let (used, revoked): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
            Ok(Invited {
                id: row.get(0)?,
                identity: Name::parse(&name).map_err(|_| damaged("name"))?,
                created: moment(row.get(2)?),
                expires,
                standing: match (used, revoked) {
                    (Some(_), _) => InvitedStanding::Used,
                    (None, Some(_)) => InvitedStanding::Revoked,
                    (None, None) if expires <= now => InvitedStanding::Expired,
                    (None, None) => InvitedStanding::Open,
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes an invitation back; also from the key that has used it and may come again. Answers
    /// whether there is one of that id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn revoke_invitation(&mut self, id: &str, now: SystemTime) -> Result<bool, Error> {
        let sql = "UPDATE invitations SET revoked = coalesce(revoked, ?2) WHERE id = ?1";
        Ok(self.db.execute(sql, params![id, seconds(now)])? > 0)
    }

    fn judge_use(
        &mut self,
        secret_hash: &[u8; 32],
        spki: &[u8; 32],
        most: u32,
        now: SystemTime,
    ) -> Result<Result<IdentityId, InvitationRefused>, rusqlite::Error> {
        type Row = (String, String, i64, u32, Option<Vec<u8>>, bool);
        let row: Option<Row> = self
            .db
            .query_row(
                "SELECT invitations.id, identity, expires, attempts, used_spki,
                        invitations.revoked IS NOT NULL OR identities.revoked IS NOT NULL
                 FROM invitations JOIN identities ON identities.id = identity
                 WHERE secret_hash = ?1",
                [secret_hash],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                    ))
                },
            )
            .optional()?;
        let Some((id, identity, expires, attempts, used_spki, revoked)) = row else {
            return Ok(Err(InvitationRefused::Unknown));
        };
        self.db.execute("UPDATE invitations SET attempts = attempts + 1 WHERE id = ?1", [&id])?;
        let refused = if revoked {
            Some(InvitationRefused::Revoked)
        } else if expires <= seconds(now) {
            Some(InvitationRefused::Expired)
        } else if attempts >= most {
            Some(InvitationRefused::TooManyAttempts)
        } else if used_spki.as_deref().is_some_and(|used| used != spki) {
            Some(InvitationRefused::Used)
        } else {
            None
        };
        if let Some(refused) = refused {
            return Ok(Err(refused));
        }
        self.db.execute(
            "UPDATE invitations SET used = coalesce(used, ?2), used_spki = ?3 WHERE id = ?1",
            params![id, seconds(now), spki],
        )?;
        Ok(Ok(IdentityId(identity)))
    }
}
