//! The CAs, and the gate's own certificate.
//!
//! **Rotation.** `ca rotate` makes a new CA the active one, which signs clients from then on; the
//! old one is retiring. Both are trusted for clients, and both are in every `ca.pem` that is
//! given out, also with a renewal. The gate goes on showing a certificate of the *oldest* CA in
//! force, because a client that has not renewed knows no other; one that has knows both. When all
//! have renewed, `ca rotate --finish` retires the old CA: its client certificates open nothing
//! any more, and the gate shows one of the new.
//!
//! Signing the new CA with the old one would let the gate show the new one at once. It is not
//! done: our CAs are `pathlen:0`, so a chain through another CA verifies nowhere, and giving that
//! up to spare a step in a command would be a bad trade.

use std::collections::BTreeSet;
use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, params};
use seawall_rules::identity::Name;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::identities::damaged;
use super::notation::{moment, seconds};
use super::{Error, Store, notation};
use crate::pki::{self, Ca, Facts, Key};

/// A CA the gate has to do with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// SHA-256 of its DER certificate: its name everywhere.
    #[serde(with = "notation::bytes")]
    pub fingerprint: [u8; 32],
    /// Its subject, escaped.
    pub subject: String,
    /// What it is to the gate.
    pub standing: Standing,
    /// Since when.
    #[serde(with = "notation::at")]
    pub since: SystemTime,
    /// Start of its validity.
    #[serde(with = "notation::at")]
    pub not_before: SystemTime,
    /// End of its validity.
    #[serde(with = "notation::at")]
    pub not_after: SystemTime,
    /// Whether its key is in the state.
    pub has_key: bool,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// What a CA is to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It signs clients.
    Active,
    /// Not ours: its certificates enter where an identity matches them.
    Outside,
    /// It signs nothing any more; what it signed is trusted no longer.
    Retired,
    /// It signs no more clients; what it signed is still trusted.
    Retiring,
}

/// What the gate shows to clients.
#[derive(Clone)]
pub struct ServerCertificate {
    /// Leaf and its CA, PEM: a client that holds only the CA's hash finds it here.
    pub chain: String,
    /// Its key, PKCS#8 PEM.
    pub key: Zeroizing<String>,
    /// SHA-256 of the DER certificate of its CA: what an invitation carries.
    pub ca: [u8; 32],
    /// Names and addresses it is for.
    pub hostnames: Vec<String>,
    /// End of its validity.
    pub not_after: SystemTime,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("hostnames", &self.hostnames)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Every CA, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn authorities(&self) -> Result<Vec<Authority>, Error> {
        let mut query = self.db.prepare(
            "SELECT fingerprint, certificate, key IS NOT NULL, standing, since FROM authorities
             ORDER BY number",
        )?;
        let rows = query.query_map([], |row| {
            let certificate: String = row.get(1)?;
            let facts = Facts::from_pem(&certificate).map_err(|_| damaged("a CA"))?;
            let standing: String = row.get(3)?;
            Ok(Authority {
                fingerprint: row.get(0)?,
                subject: facts.subject,
                standing: Standing::named(&standing).ok_or_else(|| damaged("standing"))?,
                since: moment(row.get(4)?),
                not_before: facts.not_before,
                not_after: facts.not_after,
                has_key: row.get(2)?,
                certificate,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The CA that signs clients.
    ///
    /// # Errors
    /// [`Error::NoCa`] before the first run, [`Error::Database`].
    pub fn active_authority(&self) -> Result<Authority, Error> {
        let found = self.authorities()?.into_iter().find(|ca| ca.standing == Standing::Active);
        found.ok_or(Error::NoCa)
    }

    /// Makes a new CA the active one; the one that was active before is retiring.
    ///
    /// # Errors
    /// [`Error::Database`], also for a CA that is known already.
    pub fn activate(&mut self, ca: &Ca, now: SystemTime) -> Result<(), Error> {
        self.atomically(|store| {
            let (fingerprint, now) = (ca.facts().fingerprint, seconds(now));
            store.db.execute(
                "UPDATE authorities SET standing = 'retiring', since = ?1
                 WHERE standing = 'active'",
                params![now],
            )?;
            store.db.execute(
                "INSERT INTO authorities (fingerprint, number, certificate, key, standing, since)
                 VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM authorities),
                         ?2, ?3, 'active', ?4)",
                params![fingerprint, ca.pem(), ca.key().to_pem().as_str(), now],
            )?;
            Ok(())
        })
    }

    /// Gives a CA of ours its key back.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn return_ca_key(&mut self, ca: &Ca) -> Result<(), Error> {
        self.db.execute(
            "UPDATE authorities SET key = ?2 WHERE fingerprint = ?1",
            params![ca.facts().fingerprint, ca.key().to_pem().as_str()],
        )?;
        Ok(())
    }

    /// Trusts a CA of somebody else's for client certificates.
    ///
    /// # Errors
    /// [`Error::Database`], also when there is one already.
    pub fn trust_outside(&mut self, pem: &str, now: SystemTime) -> Result<(), Error> {
        let facts = Facts::from_pem(pem)?;
        if !facts.signs {
            return Err(pki::Error::NotACa.into());
        }
        self.db.execute(
            "INSERT INTO authorities (fingerprint, number, certificate, standing, since)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM authorities), ?2, 'outside', ?3)
             ON CONFLICT (fingerprint) DO UPDATE SET standing = 'outside', since = ?3
             WHERE standing = 'retired' AND key IS NULL",
            params![facts.fingerprint, pem, seconds(now)],
        )?;
        Ok(())
    }

    /// Trusts a CA no longer, for anything.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn retire(&mut self, ca: &[u8; 32], now: SystemTime) -> Result<(), Error> {
        self.db.execute(
            "UPDATE authorities SET standing = 'retired', since = ?2
             WHERE fingerprint = ?1 AND standing <> 'retired'",
            params![ca, seconds(now)],
        )?;
        Ok(())
    }

    /// The key of one of our CAs, to be kept elsewhere.
    ///
    /// # Errors
    /// [`Error::NoCa`], [`Error::KeyOffline`], [`Error::Database`].
    pub fn ca_key(&self, ca: &[u8; 32]) -> Result<Zeroizing<String>, Error> {
        let key: Option<Option<String>> = self
            .db
            .query_row("SELECT key FROM authorities WHERE fingerprint = ?1", [ca], |row| row.get(0))
            .optional()?;
        key.ok_or(Error::NoCa)?.map(Zeroizing::new).ok_or(Error::KeyOffline)
    }

    /// Forgets the key of one of our CAs: until it is imported again nothing is signed with it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn forget_ca_key(&mut self, ca: &[u8; 32]) -> Result<(), Error> {
        self.db.execute("UPDATE authorities SET key = NULL WHERE fingerprint = ?1", [ca])?;
        // The old key must not linger in the write-ahead log either.
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Live certificates of retiring CAs that have not been renewed: who would be locked out if
    /// the rotation were finished at `now`, with the serial.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn not_renewed(&self, now: SystemTime) -> Result<Vec<(Name, Vec<u8>)>, Error> {
        let mut query = self.db.prepare(
            "SELECT name, old.serial FROM certificates AS old
             JOIN identities ON identities.id = old.identity
             JOIN authorities ON authorities.fingerprint = old.authority
             WHERE standing = 'retiring' AND old.revoked IS NULL AND old.not_after > ?1
             AND NOT EXISTS (SELECT 1 FROM certificates AS new WHERE new.replaces = old.serial
                             AND new.revoked IS NULL)
             ORDER BY name, old.issued, old.serial",
        )?;
        let rows = query.query_map([seconds(now)], |row| {
            let name: String = row.get(0)?;
            Ok((Name::parse(&name).map_err(|_| damaged("name"))?, row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What clients verify the gate by: the certificates of our CAs in force.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn bundle(&self) -> Result<String, Error> {
        let own = |ca: &Authority| matches!(ca.standing, Standing::Active | Standing::Retiring);
        let own = self.authorities()?.into_iter().filter(own);
        Ok(own.map(|ca| ca.certificate).collect())
    }

    /// The certificate to show, as it is stored; `None` before the first run.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn server_certificate(&self) -> Result<Option<ServerCertificate>, Error> {
        let sql = "SELECT server_certificate.certificate, server_certificate.key, authority,
                          authorities.certificate
                   FROM server_certificate JOIN authorities ON fingerprint = authority";
        let stored = self.db.query_row(sql, [], |row| {
            let (leaf, issuer): (String, String) = (row.get(0)?, row.get(3)?);
            let facts = Facts::from_pem(&leaf).map_err(|_| damaged("the server certificate"))?;
            Ok(ServerCertificate {
                chain: leaf + &issuer,
                key: Zeroizing::new(row.get(1)?),
                ca: row.get(2)?,
                hostnames: facts.hostnames,
                not_after: facts.not_after,
            })
        });
        Ok(stored.optional()?)
    }

    /// The certificate to show, for exactly these names: made anew (with a new key) when there is
    /// none, the names differ, two thirds of its lifetime are over, or another CA should have
    /// signed it. Where it cannot be made, the one that is there does until it expires.
    ///
    /// # Errors
    /// [`Error::NoCa`], [`Error::KeyOffline`], [`Error::ClockBehind`], [`Error::Pki`] when there
    /// is none that would do; [`Error::Database`].
    pub fn ensure_server_certificate(
        &mut self,
        hostnames: &[String],
        now: SystemTime,
    ) -> Result<ServerCertificate, Error> {
        let oldest = self.showing_authority(now)?;
        let names: BTreeSet<String> = hostnames.iter().map(|name| canonical(name)).collect();
        let Some(stored) = self.server_certificate()? else {
            return self.make_server_certificate(&oldest, names, now);
        };
        let rest = stored.not_after.duration_since(now).unwrap_or_default();
        let stored_names: BTreeSet<String> = stored.hostnames.iter().cloned().collect();
        if stored_names == names && stored.ca == oldest && rest > pki::GATE / 3 {
            return Ok(stored);
        }
        match self.make_server_certificate(&oldest, names, now) {
            Err(error @ (Error::ClockBehind(_) | Error::KeyOffline)) if !rest.is_zero() => {
                tracing::error!(%error, "cannot renew the gate's certificate");
                Ok(stored)
            }
            made => made,
        }
    }

    fn make_server_certificate(
        &mut self,
        authority: &[u8; 32],
        names: BTreeSet<String>,
        now: SystemTime,
    ) -> Result<ServerCertificate, Error> {
        if let Some(behind) = self.clock_behind(now)? {
            return Err(Error::ClockBehind(behind));
        }
        let ca = self.ca(authority)?;
        let key = Key::generate()?;
        let names = Vec::from_iter(names);
        let issued = ca.issue_server(&key.public(), &names, pki::GATE, now)?;
        self.db.execute(
            "INSERT INTO server_certificate VALUES (1, ?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET authority = ?1, certificate = ?2, key = ?3",
            params![authority, issued.pem, key.to_pem().as_str()],
        )?;
        Ok(ServerCertificate {
            chain: issued.pem + ca.pem(),
            key: key.to_pem(),
            ca: *authority,
            hostnames: names,
            not_after: issued.facts.not_after,
        })
    }

    /// One of our CAs with its key.
    pub(super) fn ca(&self, fingerprint: &[u8; 32]) -> Result<Ca, Error> {
        let key = self.ca_key(fingerprint)?;
        let certificate: String = self.db.query_row(
            "SELECT certificate FROM authorities WHERE fingerprint = ?1",
            [fingerprint],
            |row| row.get(0),
        )?;
        Ok(Ca::load(&certificate, &key)?)
    }

    pub(super) fn signing_ca(&self) -> Result<Ca, Error> {
        self.ca(&self.active_authority()?.fingerprint)
    }

    /// The CA by which the gate is to be verified: the oldest in force that every client knows,
    /// as long as it can sign.
    fn showing_authority(&self, now: SystemTime) -> Result<[u8; 32], Error> {
        let can_sign = |ca: &&Authority| ca.has_key && ca.not_after > now;
        let all = self.authorities()?;
        let retiring = all.iter().filter(|ca| ca.standing == Standing::Retiring).find(can_sign);
        match retiring {
            Some(ca) => Ok(ca.fingerprint),
            None => Ok(self.active_authority()?.fingerprint),
        }
    }
}

impl Standing {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Outside => "outside",
            Self::Retired => "retired",
            Self::Retiring => "retiring",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Outside, Self::Retired, Self::Retiring]
            .into_iter()
            .find(|standing| standing.as_str() == name)
    }
}

/// A host name or address as a certificate gives it back.
fn canonical(host: &str) -> String {
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}
