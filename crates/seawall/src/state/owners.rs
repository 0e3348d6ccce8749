//! Whose the engine's containers, volumes and networks are, by their full ids.

use std::time::SystemTime;

use rusqlite::params;
use seawall_rules::reference::Kind;

use super::notation::{moment, seconds};
use super::{Error, IdentityId, Store};

/// A thing and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Of what kind.
    pub kind: Kind,
    /// Its full id; of a volume, its name.
    pub id: String,
    /// Whose.
    pub identity: IdentityId,
    /// What its label [`seawall_rules::reference::CLAIM_LABEL`] says, where it was made through
    /// the gate: another volume of the same name has another one.
    pub claim: Option<String>,
}

/// A thing that is about to be made; what then has this claim is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// 128 random bits, hex.
    pub claim: String,
    /// Of what kind.
    pub kind: Kind,
    /// For whom.
    pub identity: IdentityId,
    /// When it was given.
    pub since: SystemTime,
}

impl Store {
    /// Everything that has an owner.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn owned(&self) -> Result<Vec<Owned>, Error> {
        let mut query = self.db.prepare("SELECT kind, id, identity, claim FROM owned")?;
        let rows = query.query_map([], |row| {
            Ok(Owned {
                kind: kind(row, 0)?,
                id: row.get(1)?,
                identity: IdentityId(row.get(2)?),
                claim: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is about to be made.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn promises(&self) -> Result<Vec<Promise>, Error> {
        let mut query = self.db.prepare("SELECT claim, kind, identity, since FROM promises")?;
        let rows = query.query_map([], |row| {
            Ok(Promise {
                claim: row.get(0)?,
                kind: kind(row, 1)?,
                identity: IdentityId(row.get(2)?),
                since: moment(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes what is about to be made, before it is asked for.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn promise(&mut self, promises: &[Promise]) -> Result<(), Error> {
        self.atomically(|store| {
            for promise in promises {
                store.db.execute(
                    "INSERT INTO promises (claim, kind, identity, since) VALUES (?1, ?2, ?3, ?4)",
                    params![
                        promise.claim,
                        promise.kind.as_str(),
                        promise.identity.0,
                        seconds(promise.since)
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Notes whose things are; a promise that one of them keeps is kept.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn own(&mut self, things: &[Owned], now: SystemTime) -> Result<(), Error> {
        self.atomically(|store| {
            for thing in things {
                store.db.execute(
                    "INSERT INTO owned (kind, id, identity, claim, since) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (kind, id) DO UPDATE SET
                         identity = excluded.identity, claim = excluded.claim,
                         since = excluded.since",
                    params![
                        thing.kind.as_str(),
                        thing.id,
                        thing.identity.0,
                        thing.claim,
                        seconds(now)
                    ],
                )?;
                store.db.execute("DELETE FROM promises WHERE claim = ?1", [&thing.claim])?;
            }
            Ok(())
        })
    }

    /// Forgets what is no more, and promises that came to nothing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn disown(&mut self, gone: &[(Kind, String)], broken: &[String]) -> Result<(), Error> {
        self.atomically(|store| {
            for (kind, id) in gone {
                let sql = "DELETE FROM owned WHERE kind = ?1 AND id = ?2";
                store.db.execute(sql, params![kind.as_str(), id])?;
            }
            for claim in broken {
                store.db.execute("DELETE FROM promises WHERE claim = ?1", [claim])?;
            }
            Ok(())
        })
    }
}

fn kind(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    Kind::named(&name).ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(column, name, rusqlite::types::Type::Text)
    })
}
