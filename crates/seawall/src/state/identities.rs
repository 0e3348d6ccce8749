//! Who may enter.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Row, params};
use seawall_rules::identity::Name;

use super::certificates::{CERTIFICATE, certificate};
use super::notation::{hex, moment, seconds};
use super::{Certificate, Error, Identity, IdentityId, Kind, Match, Standing, Store};
use crate::pki::{self, Reason};

impl Store {
    /// Every identity that is not removed, by name, with what opens something at `now`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn identities(&self, now: SystemTime) -> Result<Vec<Identity>, Error> {
        let sql = format!("{IDENTITY} WHERE removed IS NULL ORDER BY name, created, id");
        let mut identities =
            self.db.prepare(&sql)?.query_map([], identity)?.collect::<Result<Vec<_>, _>>()?;
        for identity in &mut identities {
            if identity.revoked.is_none() {
                identity.certificates = self.live_certificates(&identity.id, now)?;
                identity.ssh_keys = self.live_ssh_keys(&identity.id)?;
            }
            identity.matches = self.matches(&identity.id)?;
        }
        Ok(identities)
    }

    /// The identity of that name: the live one, else the one revoked last. With every
    /// certificate it ever had.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn identity(&self, name: &Name) -> Result<Option<Identity>, Error> {
        let sql = format!(
            "{IDENTITY} WHERE name = ?1 AND removed IS NULL
             ORDER BY revoked IS NULL DESC, revoked DESC, created DESC LIMIT 1"
        );
        let found = self.db.query_row(&sql, [name.as_str()], identity).optional()?;
        found.map(|identity| self.with_all(identity)).transpose()
    }

    /// The identity of that id, with every certificate it ever had; also a removed one.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn identity_by_id(&self, id: &IdentityId) -> Result<Option<Identity>, Error> {
        let sql = format!("{IDENTITY} WHERE id = ?1");
        let found = self.db.query_row(&sql, [&id.0], identity).optional()?;
        found.map(|identity| self.with_all(identity)).transpose()
    }

    /// Adds an identity with a new id; the id, creation time, certificates and revocation of
    /// `new` are not looked at. The caller has checked that no live one has the name.
    ///
    /// # Errors
    /// [`Error::Database`], also for a name that is taken.
    pub fn add_identity(&mut self, new: &Identity, now: SystemTime) -> Result<IdentityId, Error> {
        let id = new_id()?;
        self.atomically(|store| {
            store.db.execute(
                "INSERT INTO identities
                 (id, name, kind, roles, networks, lifetime, created, sshd, team)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    id.0,
                    new.name.as_str(),
                    new.kind.as_str(),
                    list(&new.roles),
                    list(&new.from),
                    new.ttl.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX)),
                    seconds(now),
                    new.sshd,
                    new.group.as_ref().map(Name::as_str),
                ],
            )?;
            store.set_matches(&id, &new.matches)?;
            Ok::<_, Error>(())
        })?;
        Ok(id)
    }

    /// Writes roles, networks, kind, lifetime, matches, group and the way by sshd of `changed`.
    ///
    /// # Errors
    /// [`Error::UnknownIdentity`] when it is revoked or gone; [`Error::Database`].
    pub fn set_identity(&mut self, changed: &Identity) -> Result<(), Error> {
        self.atomically(|store| {
            let rows = store.db.execute(
                "UPDATE identities SET kind = ?2, roles = ?3, networks = ?4, lifetime = ?5,
                     sshd = ?6, team = ?7
                 WHERE id = ?1 AND revoked IS NULL",
                params![
                    changed.id.0,
                    changed.kind.as_str(),
                    list(&changed.roles),
                    list(&changed.from),
                    changed.ttl.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX)),
                    changed.sshd,
                    changed.group.as_ref().map(Name::as_str),
                ],
            )?;
            if rows == 0 {
                return Err(Error::UnknownIdentity);
            }
            store.set_matches(&changed.id, &changed.matches)
        })
    }

    /// Ends an identity: its certificates, its SSH keys, its matches, its open invitations. Revoking again
    /// changes nothing, neither time nor reason.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn revoke_identity(
        &mut self,
        id: &IdentityId,
        reason: Reason,
        now: SystemTime,
    ) -> Result<(), Error> {
        let (id, reason, now) = (&id.0, reason.as_str(), seconds(now));
        self.atomically(|store| {
            for sql in [
                "UPDATE identities SET revoked = ?3, reason = ?2 WHERE id = ?1 AND revoked IS NULL",
                "UPDATE certificates SET revoked = ?3, reason = ?2
                 WHERE identity = ?1 AND revoked IS NULL",
                "UPDATE ssh_keys SET revoked = ?3, reason = ?2
                 WHERE identity = ?1 AND revoked IS NULL",
            ] {
                store.db.execute(sql, params![id, reason, now])?;
            }
            store.db.execute(
                "UPDATE invitations SET revoked = ?2 WHERE identity = ?1 AND revoked IS NULL",
                params![id, now],
            )?;
            Ok(())
        })
    }

    /// Revokes an identity and takes it off every list.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn remove_identity(
        &mut self,
        id: &IdentityId,
        reason: Reason,
        now: SystemTime,
    ) -> Result<(), Error> {
        self.atomically(|store| {
            store.revoke_identity(id, reason, now)?;
            let sql = "UPDATE identities SET removed = ?2 WHERE id = ?1 AND removed IS NULL";
            store.db.execute(sql, params![id.0, seconds(now)])?;
            Ok(())
        })
    }

    /// The live identity, if any, that has this match for the outside CAs now in force.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn matched(&self, wanted: &Match) -> Result<Option<Name>, Error> {
        let (field, value) = wanted.columns();
        let name: Option<String> = self
            .db
            .query_row(
                "SELECT name FROM identities JOIN matches ON identity = id
                 WHERE revoked IS NULL AND field = ?1 AND value = ?2 AND authority IS ?3",
                params![field, value, self.scope(wanted)?],
                |row| row.get(0),
            )
            .optional()?;
        Ok(name.and_then(|name| Name::parse(&name).ok()))
    }

    /// The matches, for the outside CA now in force, of every identity that was revoked, removed
    /// ones included.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn ended_matches(&self) -> Result<Vec<Match>, Error> {
        let sql = "SELECT DISTINCT field, value FROM identities JOIN matches ON identity = id
                   WHERE revoked IS NOT NULL AND field != 'ssh-principal' AND authority IS ?1
                   ORDER BY field, value";
        let mut query = self.db.prepare(sql)?;
        let rows = query.query_map(params![self.outside_authority()?], a_match)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn with_all(&self, mut identity: Identity) -> Result<Identity, Error> {
        let sql = format!("{CERTIFICATE} WHERE identity = ?1 ORDER BY issued, serial");
        let mut query = self.db.prepare(&sql)?;
        let rows = query.query_map([&identity.id.0], certificate)?;
        identity.certificates = rows.collect::<Result<_, _>>()?;
        identity.ssh_keys = self.all_ssh_keys(&identity.id)?;
        identity.matches = self.matches(&identity.id)?;
        Ok(identity)
    }

    fn live_certificates(
        &self,
        id: &IdentityId,
        now: SystemTime,
    ) -> Result<Vec<Certificate>, Error> {
        let sql = format!(
            "{CERTIFICATE} WHERE identity = ?1 AND revoked IS NULL AND not_after > ?2
             AND authority IN
                 (SELECT fingerprint FROM authorities WHERE standing IN ('active', 'retiring'))
             ORDER BY issued, serial"
        );
        let mut query = self.db.prepare(&sql)?;
        let rows = query.query_map(params![id.0, seconds(now)], certificate)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A match holds for the one outside CA it was made under: the imported one of that moment,
    /// or else the one the configuration names. The CAs of SSH certificates are always those of
    /// the configuration.
    fn matches(&self, id: &IdentityId) -> Result<Vec<Match>, Error> {
        let sql = "SELECT field, value FROM matches
                   WHERE identity = ?1 AND (authority IS ?2 OR field = 'ssh-principal')
                   ORDER BY field, value";
        let mut query = self.db.prepare(sql)?;
        let rows = query.query_map(params![id.0, self.outside_authority()?], a_match)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn set_matches(&mut self, id: &IdentityId, matches: &[Match]) -> Result<(), Error> {
        self.db.execute(
            "DELETE FROM matches
             WHERE identity = ?1 AND (authority IS ?2 OR field = 'ssh-principal')",
            params![id.0, self.outside_authority()?],
        )?;
        for wanted in matches {
            let (field, value) = wanted.columns();
            self.db.execute(
                "INSERT INTO matches (identity, field, value, authority) VALUES (?1, ?2, ?3, ?4)",
                params![id.0, field, value, self.scope(wanted)?],
            )?;
        }
        Ok(())
    }

    /// The CA a match is made under.
    fn scope(&self, wanted: &Match) -> Result<Option<[u8; 32]>, Error> {
        match wanted {
            Match::SshPrincipal(_) => Ok(None),
            Match::Cn(_) | Match::Dns(_) | Match::Uri(_) | Match::Spki(_) => {
                self.outside_authority()
            }
        }
    }

    fn outside_authority(&self) -> Result<Option<[u8; 32]>, Error> {
        let outside = self.authorities()?.into_iter().find(|ca| ca.standing == Standing::Outside);
        Ok(outside.map(|ca| ca.fingerprint))
    }
}

impl Kind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Person => "person",
        }
    }
}

impl Match {
    fn columns(&self) -> (&'static str, String) {
        match self {
            Self::Cn(value) => ("cn", value.clone()),
            Self::Dns(value) => ("dns", value.clone()),
            Self::Uri(value) => ("uri", value.clone()),
            Self::Spki(hash) => ("spki", hex(hash)),
            Self::SshPrincipal(value) => ("ssh-principal", value.clone()),
        }
    }

    fn from_columns(field: &str, value: String) -> Option<Self> {
        Some(match field {
            "cn" => Self::Cn(value),
            "dns" => Self::Dns(value),
            "uri" => Self::Uri(value),
            "spki" => Self::Spki(super::notation::from_hex(&value)?.try_into().ok()?),
            "ssh-principal" => Self::SshPrincipal(value),
            _ => return None,
        })
    }
}

/// 80 random bits in base32: short enough to read aloud, and a row with it stays for ever.
pub(super) fn new_id() -> Result<IdentityId, pki::Error> {
    let id = data_encoding::BASE32_NOPAD.encode(&pki::random::<10>()?);
    Ok(IdentityId(id.to_ascii_lowercase()))
}

const IDENTITY: &str =
    "SELECT id, name, kind, roles, networks, lifetime, created, revoked, sshd, team
     FROM identities";

fn identity(row: &Row<'_>) -> Result<Identity, rusqlite::Error> {
    let name: String = row.get("name")?;
    let kind: String = row.get("kind")?;
    let ttl: Option<i64> = row.get("lifetime")?;
    let parsed = |column| {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|_| damaged(column))
    };
    Ok(Identity {
        id: IdentityId(row.get("id")?),
        name: Name::parse(&name).map_err(|_| damaged("name"))?,
        kind: if kind == Kind::Machine.as_str() { Kind::Machine } else { Kind::Person },
        roles: parsed("roles")?,
        from: {
            let text: String = row.get("networks")?;
            serde_json::from_str(&text).map_err(|_| damaged("networks"))?
        },
        ttl: ttl.map(i64::unsigned_abs),
        created: moment(row.get("created")?),
        revoked: row.get::<_, Option<i64>>("revoked")?.map(moment),
        certificates: Vec::new(),
        matches: Vec::new(),
        ssh_keys: Vec::new(),
        sshd: row.get("sshd")?,
        group: {
            let name: Option<String> = row.get("team")?;
            name.map(|name| Name::parse(&name)).transpose().map_err(|_| damaged("team"))?
        },
    })
}

fn a_match(row: &Row<'_>) -> Result<Match, rusqlite::Error> {
    let (field, value): (String, String) = (row.get(0)?, row.get(1)?);
    Match::from_columns(&field, value).ok_or_else(|| damaged("a match"))
}

fn list<T: serde::Serialize>(values: &[T]) -> String {
    // INVARIANT: a list of texts can always be written as JSON.
    serde_json::to_string(values).unwrap_or_else(|_| "[]".to_owned())
}

/// A row that this version of Seawall cannot have written.
pub(super) fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{what} (damaged)"))
}
