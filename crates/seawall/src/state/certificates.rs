//! What has been issued, and what was taken back.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::notation::{moment, seconds};
use super::{Certificate, Error, Identity, IdentityId, Store};
use crate::pki::{Crl, PublicKey, Reason, RevokedSerial};

/// What a client gets; with the key it keeps to itself, that is all it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The client's certificate, PEM.
    pub certificate: String,
    /// Every CA the gate may show now or after a rotation that has begun, PEM, for `ca.pem`.
    pub ca: String,
    /// What the certificate is.
    pub issued: Certificate,
}

impl Store {
    /// Issues a certificate to a live identity and remembers it, for as long as
    /// [`Identity::lifetime`] says. `replaces` is the serial of the one being renewed, which
    /// stays valid until its end: a client that loses the answer can ask again.
    ///
    /// # Errors
    /// [`Error::ClockBehind`], [`Error::UnknownIdentity`] when revoked or gone, [`Error::NoCa`],
    /// [`Error::KeyOffline`], [`Error::Pki`], [`Error::Database`].
    pub fn issue(
        &mut self,
        id: &IdentityId,
        public: &PublicKey,
        replaces: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<Credentials, Error> {
        if let Some(behind) = self.clock_behind(now)? {
            return Err(Error::ClockBehind(behind));
        }
        let identity = self.identity_by_id(id)?.filter(|identity| identity.revoked.is_none());
        let identity = identity.ok_or(Error::UnknownIdentity)?;
        let ca = self.signing_ca()?;
        let name = (identity.id.0.as_str(), identity.name.as_str());
        let issued = ca.issue_client(public, name, identity.lifetime(), now)?;
        let facts = &issued.facts;
        self.db.execute(
            "INSERT INTO certificates
             (serial, identity, authority, fingerprint, spki, not_before, not_after, issued, replaces)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                facts.serial,
                identity.id.0,
                ca.facts().fingerprint,
                facts.fingerprint,
                facts.spki,
                seconds(facts.not_before),
                seconds(facts.not_after),
                seconds(now),
                replaces,
            ],
        )?;
        Ok(Credentials {
            certificate: issued.pem,
            ca: self.bundle()?,
            issued: Certificate {
                serial: facts.serial.clone(),
                fingerprint: facts.fingerprint,
                ca: ca.facts().fingerprint,
                not_before: facts.not_before,
                not_after: facts.not_after,
                revoked: None,
                reason: None,
            },
        })
    }

    /// The identity a certificate was issued to, and the certificate, whatever became of them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn certificate(&self, serial: &[u8]) -> Result<Option<(Identity, Certificate)>, Error> {
        let owner: Option<String> = self
            .db
            .query_row("SELECT identity FROM certificates WHERE serial = ?1", [serial], |row| {
                row.get(0)
            })
            .optional()?;
        let Some(owner) = owner else { return Ok(None) };
        let found = self.identity_by_id(&IdentityId(owner))?.and_then(|identity| {
            let held = identity.certificates.iter().find(|held| held.serial == serial)?.clone();
            Some((identity, held))
        });
        Ok(found)
    }

    /// Ends one certificate. Revoking again changes nothing, neither time nor reason.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn revoke_certificate(
        &mut self,
        serial: &[u8],
        reason: Reason,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.db.execute(
            "UPDATE certificates SET revoked = ?3, reason = ?2
             WHERE serial = ?1 AND revoked IS NULL",
            params![serial, reason.as_str(), seconds(now)],
        )?;
        Ok(())
    }

    /// Signs the CRL of one of our CAs, with the next number. It lists what is revoked and has
    /// not expired (RFC 5280 section 3.3 lets it drop the expired).
    ///
    /// # Errors
    /// [`Error::NoCa`] for a CA that is not ours, [`Error::KeyOffline`], [`Error::Pki`],
    /// [`Error::Database`].
    pub fn crl(&mut self, ca: &[u8; 32], now: SystemTime) -> Result<Crl, Error> {
        self.atomically(|store| {
            let signing = store.ca(ca)?;
            let mut query = store.db.prepare(
                "SELECT serial, revoked, reason FROM certificates
                 WHERE authority = ?1 AND revoked IS NOT NULL AND not_after > ?2
                 ORDER BY revoked, serial",
            )?;
            let rows = query.query_map(params![ca, seconds(now)], |row| {
                Ok(RevokedSerial {
                    serial: row.get(0)?,
                    at: moment(row.get(1)?),
                    reason: reason(row.get(2)?).unwrap_or_default(),
                })
            })?;
            let revoked = rows.collect::<Result<Vec<_>, _>>()?;
            let number: i64 = store.db.query_row(
                "UPDATE authorities SET crl_number = crl_number + 1 WHERE fingerprint = ?1
                 RETURNING crl_number",
                [ca],
                |row| row.get(0),
            )?;
            Ok(signing.crl(number.unsigned_abs(), &revoked, CRL_LIFETIME, now)?)
        })
    }
}

/// Others who verify by the CRL must fetch a new one within this time.
const CRL_LIFETIME: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

pub(super) const CERTIFICATE: &str = "SELECT serial, fingerprint, authority, not_before, \
    not_after, revoked, reason FROM certificates";

pub(super) fn certificate(row: &Row<'_>) -> Result<Certificate, rusqlite::Error> {
    Ok(Certificate {
        serial: row.get("serial")?,
        fingerprint: row.get("fingerprint")?,
        ca: row.get("authority")?,
        not_before: moment(row.get("not_before")?),
        not_after: moment(row.get("not_after")?),
        revoked: row.get::<_, Option<i64>>("revoked")?.map(moment),
        reason: reason(row.get("reason")?),
    })
}

fn reason(stored: Option<String>) -> Option<Reason> {
    stored.map(|name| Reason::named(&name).unwrap_or_default())
}
