//! Backups: a whole copy of the state in one file, and the way back.
//!
//! A restored backup brings back who there was, with their roles; it never gives anybody back
//! what was taken from them since. Where the state it replaces still exists, everything revoked,
//! removed or retired there stays so; identities that the backup does not know yet are kept as
//! revoked, so that the CRL names their certificates; renewed certificates of those it does know
//! are kept. Invitations are void, for nobody can tell whether they were used in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::call::Force;
use super::notation::seconds;
use super::store::{connect, database, doing};
use super::{Error, Lock, Store, schema};
use crate::cli::report;

impl Store {
    /// The whole state as a file that [`restore`] takes. It holds the CA's key.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Io`].
    pub fn backup(&self) -> Result<Vec<u8>, Error> {
        let path = self.dir().join("backup.db");
        // SQLite fills a file that is there and empty; made here, it is never open to others.
        create_private(&path, b"").map_err(doing("make", &path))?;
        let copied = self.db.execute("VACUUM INTO ?1", [path.to_string_lossy()]);
        let bytes =
            copied.map_err(Error::from).and_then(|_| fs::read(&path).map_err(doing("read", &path)));
        fs::remove_file(&path).map_err(doing("remove", &path))?;
        bytes
    }
}

/// Puts a backup in the place of the state, if there is one. `Force::Yes` is needed when that
/// state belongs to another gate, whose revocations would be lost.
///
/// # Errors
/// What is wrong with the backup, or why it could not be put in place; nothing has changed then.
pub fn restore(
    lock: Lock,
    backup: &[u8],
    force: Force,
    now: SystemTime,
) -> Result<Store, report::Error> {
    let new = lock.dir().join("restore.db");
    create_private(&new, backup).map_err(doing("write", &new))?;
    let done = prepare(&lock, &new, force, now).and_then(|()| Ok(put_in_place(&lock, &new)?));
    if let Err(error) = done {
        // The first error is the one to tell; what stays behind is private and replaced by the
        // next attempt.
        let _ = remove_database(&new);
        return Err(error);
    }
    Ok(Store::open(lock)?)
}

fn prepare(lock: &Lock, new: &Path, force: Force, now: SystemTime) -> Result<(), report::Error> {
    let refused = |why: &str| {
        report::Error::failed(format!("this is not a backup of a Seawall state: {why}"))
    };
    let mut db = connect(new).map_err(|_| refused("it is not a database"))?;
    let application: i64 = db
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|_| refused("it is not a database"))?;
    if application != schema::APPLICATION {
        return Err(refused("it is another program's database"));
    }
    let health: String = db
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|_| refused("it is damaged"))?;
    if health != "ok" {
        return Err(refused("it is damaged"));
    }
    schema::migrate(&mut db)?;
    if Store::exists(lock.dir()) {
        merge(lock, &db, force, now)?;
    }
    let void = "UPDATE invitations SET revoked = ?1 WHERE revoked IS NULL";
    db.execute(void, [seconds(now)]).map_err(Error::from)?;
    // Everything into the one file that is about to be renamed.
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))
        .map_err(Error::from)?;
    debug_assert_eq!(mode, "delete");
    db.close().map_err(|(_, error)| Error::from(error))?;
    Ok(())
}

/// Carries over what the state now in place has taken away since the backup was made.
fn merge(lock: &Lock, db: &Connection, force: Force, now: SystemTime) -> Result<(), report::Error> {
    let path = database(lock.dir());
    {
        let mut current = connect(&path)?;
        schema::migrate(&mut current)?;
        current.close().map_err(|(_, error)| Error::from(error))?;
    }
    let attach = "ATTACH DATABASE ?1 AS now";
    db.execute(attach, [path.to_string_lossy()]).map_err(Error::from)?;
    let count = |sql| db.query_row::<i64, _, _>(sql, [], |row| row.get(0)).map_err(Error::from);
    let common =
        count("SELECT count(*) FROM main.authorities JOIN now.authorities USING (fingerprint)")?;
    if common > 0 {
        carry_over(db, seconds(now)).map_err(Error::from)?;
    } else if count("SELECT count(*) FROM now.authorities")? > 0 && force == Force::No {
        return Err(report::Error::failed("the backup is of another gate than the state here")
            .hint("`--force` replaces it, and with it its identities and revocations"));
    }
    db.execute("DETACH DATABASE now", []).map_err(Error::from)?;
    Ok(())
}

fn carry_over(db: &Connection, now: i64) -> Result<(), rusqlite::Error> {
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch(
        // CAs as they are now; one that only the backup knows stays out of force.
        "UPDATE main.authorities SET standing = 'retired', number = -number;
         INSERT INTO main.authorities SELECT * FROM now.authorities WHERE true
         ON CONFLICT (fingerprint) DO UPDATE SET
             number = excluded.number, key = excluded.key, standing = excluded.standing,
             since = excluded.since, crl_number = max(crl_number, excluded.crl_number);
         INSERT INTO main.clock SELECT * FROM now.clock WHERE true
         ON CONFLICT DO UPDATE SET latest = max(latest, excluded.latest);
         UPDATE main.identities AS old
         SET revoked = coalesce(old.revoked, new.revoked), reason = coalesce(old.reason, new.reason),
             removed = coalesce(old.removed, new.removed)
         FROM now.identities AS new WHERE new.id = old.id AND new.revoked IS NOT NULL;
         UPDATE main.certificates AS old SET revoked = new.revoked, reason = new.reason
         FROM now.certificates AS new
         WHERE new.serial = old.serial AND old.revoked IS NULL AND new.revoked IS NOT NULL;
         UPDATE main.ssh_keys AS old SET revoked = new.revoked, reason = new.reason
         FROM now.ssh_keys AS new
         WHERE new.fingerprint = old.fingerprint AND new.identity = old.identity
             AND old.revoked IS NULL AND new.revoked IS NOT NULL;",
    )?;
    transaction.execute(
        "INSERT INTO main.identities
         (id, name, kind, roles, networks, lifetime, created, revoked, reason, removed, team)
         SELECT id, name, kind, roles, networks, lifetime, created, coalesce(revoked, ?1),
                coalesce(reason, 'unspecified'), removed, team
         FROM now.identities WHERE id NOT IN (SELECT id FROM main.identities)",
        [now],
    )?;
    transaction.execute_batch(
        "INSERT INTO main.certificates
         SELECT * FROM now.certificates
         WHERE serial NOT IN (SELECT serial FROM main.certificates);
         UPDATE main.certificates AS held SET revoked = owner.revoked, reason = owner.reason
         FROM main.identities AS owner
         WHERE owner.id = held.identity AND owner.revoked IS NOT NULL AND held.revoked IS NULL;
         UPDATE main.ssh_keys AS held SET revoked = owner.revoked, reason = owner.reason
         FROM main.identities AS owner
         WHERE owner.id = held.identity AND owner.revoked IS NOT NULL AND held.revoked IS NULL;",
    )?;
    // What was made since the backup is still its owner's.
    transaction.execute_batch(
        "INSERT OR REPLACE INTO main.owned SELECT * FROM now.owned;
         INSERT OR REPLACE INTO main.promises SELECT * FROM now.promises;",
    )?;
    // A key that both have given to a live identity, each to another, stays with the backup's.
    transaction.execute(
        "INSERT INTO main.ssh_keys
         SELECT fingerprint, identity, key, comment, added,
                coalesce(key.revoked, owner.revoked), coalesce(key.reason, owner.reason)
         FROM now.ssh_keys AS key JOIN main.identities AS owner ON owner.id = key.identity
         WHERE true ON CONFLICT DO NOTHING",
        [],
    )?;
    transaction.commit()
}

fn put_in_place(lock: &Lock, new: &Path) -> Result<(), Error> {
    let path = database(lock.dir());
    let put = || -> io::Result<()> {
        File::open(new)?.sync_all()?;
        // A log of the old database must not be taken for one of the new.
        match fs::remove_file(with_suffix(&path, "-wal")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(new, &path)?;
        File::open(lock.dir())?.sync_all()
    };
    put().map_err(doing("replace", &path))
}

fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    remove_database(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Removes a database and the files SQLite may have left beside it.
fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests;
