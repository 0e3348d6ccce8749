//! The tables, as the steps that made them. `user_version` counts the steps taken; a database
//! with more of them than are known here is a newer version's and refused.

use rusqlite::Connection;

use super::Error;

/// Tells a Seawall state from other SQLite databases (`PRAGMA application_id`): `SEAW`.
pub(super) const APPLICATION: i64 = 0x5345_4157;

/// Takes the steps that are missing, each with its count in one transaction.
///
/// # Errors
/// [`Error::Newer`], [`Error::Database`].
pub(super) fn migrate(db: &mut Connection) -> Result<(), Error> {
    migrate_by(db, STEPS)
}

fn migrate_by(db: &mut Connection, steps: &[&str]) -> Result<(), Error> {
    let taken: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = steps.len() as u32;
    if taken > known {
        return Err(Error::Newer { found: taken, known });
    }
    for (count, step) in (1_u32..).zip(steps).skip(taken as usize) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", count)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Moments are Unix seconds, lists are JSON, hashes and serials are bytes. Rows of identities and
/// certificates are never deleted: an id or a serial cannot come back.
const STEPS: &[&str] = &[
    "
    PRAGMA application_id = 0x53454157;
    CREATE TABLE clock (
        one     INTEGER PRIMARY KEY CHECK (one = 1),
        latest  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE authorities (
        fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
        number      INTEGER NOT NULL UNIQUE,
        certificate TEXT NOT NULL,
        key         TEXT,
        standing    TEXT NOT NULL CHECK (standing IN ('active', 'retiring', 'retired', 'outside')),
        since       INTEGER NOT NULL,
        crl_number  INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE UNIQUE INDEX one_active ON authorities (standing) WHERE standing = 'active';
    CREATE UNIQUE INDEX one_outside ON authorities (standing) WHERE standing = 'outside';
    CREATE TABLE server_certificate (
        one         INTEGER PRIMARY KEY CHECK (one = 1),
        authority   BLOB NOT NULL REFERENCES authorities,
        certificate TEXT NOT NULL,
        key         TEXT NOT NULL
    ) STRICT;
    CREATE TABLE identities (
        id        TEXT PRIMARY KEY,
        name      TEXT NOT NULL,
        kind      TEXT NOT NULL CHECK (kind IN ('person', 'machine')),
        roles     TEXT NOT NULL,
        networks  TEXT NOT NULL,
        lifetime  INTEGER,
        created   INTEGER NOT NULL,
        revoked   INTEGER,
        reason    TEXT,
        removed   INTEGER CHECK (removed IS NULL OR revoked IS NOT NULL)
    ) STRICT;
    CREATE UNIQUE INDEX one_live_identity ON identities (name) WHERE revoked IS NULL;
    CREATE TABLE certificates (
        serial      BLOB PRIMARY KEY,
        identity    TEXT NOT NULL REFERENCES identities,
        authority   BLOB NOT NULL REFERENCES authorities,
        fingerprint BLOB NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
        spki        BLOB NOT NULL CHECK (length(spki) = 32),
        not_before  INTEGER NOT NULL,
        not_after   INTEGER NOT NULL,
        issued      INTEGER NOT NULL,
        replaces    BLOB,
        revoked     INTEGER,
        reason      TEXT
    ) STRICT;
    CREATE INDEX certificates_of ON certificates (identity);
    CREATE INDEX replaced_by ON certificates (replaces);
    CREATE TABLE matches (
        identity  TEXT NOT NULL REFERENCES identities,
        field     TEXT NOT NULL CHECK (field IN ('cn', 'dns', 'uri', 'spki')),
        value     TEXT NOT NULL,
        authority BLOB REFERENCES authorities,
        UNIQUE (identity, field, value, authority)
    ) STRICT;
    CREATE TABLE invitations (
        id          TEXT PRIMARY KEY,
        secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
        identity    TEXT NOT NULL REFERENCES identities,
        created     INTEGER NOT NULL,
        expires     INTEGER NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        used        INTEGER,
        used_spki   BLOB,
        revoked     INTEGER
    ) STRICT;
",
    "
    ALTER TABLE identities ADD COLUMN sshd INTEGER NOT NULL DEFAULT 0 CHECK (sshd IN (0, 1));
    CREATE TABLE ssh_keys (
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        identity    TEXT NOT NULL REFERENCES identities,
        key         BLOB NOT NULL,
        comment     TEXT NOT NULL,
        added       INTEGER NOT NULL,
        revoked     INTEGER,
        reason      TEXT,
        PRIMARY KEY (fingerprint, identity)
    ) STRICT;
    CREATE UNIQUE INDEX one_live_ssh_key ON ssh_keys (fingerprint) WHERE revoked IS NULL;
    CREATE INDEX ssh_keys_of ON ssh_keys (identity);
    CREATE TABLE new_matches (
        identity  TEXT NOT NULL REFERENCES identities,
        field     TEXT NOT NULL CHECK (field IN ('cn', 'dns', 'uri', 'spki', 'ssh-principal')),
        value     TEXT NOT NULL,
        authority BLOB REFERENCES authorities CHECK (authority IS NULL OR field != 'ssh-principal'),
        UNIQUE (identity, field, value, authority)
    ) STRICT;
    INSERT INTO new_matches SELECT identity, field, value, authority FROM matches;
    DROP TABLE matches;
    ALTER TABLE new_matches RENAME TO matches;
",
    "
    CREATE TABLE owned (
        kind     TEXT NOT NULL,
        id       TEXT NOT NULL,
        identity TEXT NOT NULL REFERENCES identities,
        claim    TEXT,
        since    INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE TABLE promises (
        claim    TEXT PRIMARY KEY,
        kind     TEXT NOT NULL,
        identity TEXT NOT NULL REFERENCES identities,
        since    INTEGER NOT NULL
    ) STRICT;
    ALTER TABLE identities ADD COLUMN team TEXT;
",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_once_and_what_was_stored_stays() {
        let mut db = Connection::open_in_memory().unwrap();
        let first: &[&str] = &["CREATE TABLE a (x); INSERT INTO a VALUES (1);"];
        let both = &[first[0], "ALTER TABLE a ADD COLUMN y DEFAULT 2;"];
        migrate_by(&mut db, first).unwrap();
        migrate_by(&mut db, first).unwrap();
        for _ in 0..2 {
            migrate_by(&mut db, both).unwrap();
        }
        let row = db.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.unwrap(), (1, 2));
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut db = Connection::open_in_memory().unwrap();
        let broken = &["CREATE TABLE a (x);", "CREATE TABLE b (x); CREATE TABLE a (x);"];
        migrate_by(&mut db, broken).unwrap_err();
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        let taken: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!((tables, taken), (1, 1));
    }

    #[test]
    fn a_newer_schema_is_refused_and_not_touched() {
        let mut db = Connection::open_in_memory().unwrap();
        let known = STEPS.len() as u32;
        db.pragma_update(None, "user_version", known + 1).unwrap();
        let error = migrate(&mut db).unwrap_err();
        assert!(matches!(error, Error::Newer { found, .. } if found == known + 1), "{error}");
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
    }
}
