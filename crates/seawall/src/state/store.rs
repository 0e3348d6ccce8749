//! The database: where it lies, who may read it, and who holds it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::notation::{moment, seconds};
use super::{Error, schema};

/// The right to touch a state directory: held by a running gate for its lifetime, or by a command
/// while it works. Whoever has it is alone.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    // The lock goes with the file, also when the process dies.
    file: File,
}

impl Lock {
    /// Takes the lock of a state directory, which is made (0700) if it is not there.
    ///
    /// Waits a second for a command that is about to be done.
    ///
    /// # Errors
    /// [`Error::Busy`] while somebody else has it; [`Error::Exposed`] and [`Error::Foreign`] for
    /// a directory that others may read or that is not ours; [`Error::Io`].
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let make = || DirBuilder::new().recursive(true).mode(0o700).create(dir);
        make().map_err(doing("make", dir))?;
        check_private(dir)?;
        let path = dir.join("lock");
        let open =
            || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open().map_err(doing("open", &path))?;
        let patience = Instant::now() + Duration::from_secs(1);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { dir: dir.to_owned(), file }),
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => return Err(Error::Busy(dir.to_owned())),
                Err(TryLockError::Error(error)) => return Err(doing("lock", &path)(error)),
            }
        }
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is being started right now has a copy of the file until it runs its own
        // program; letting go must not wait for that. Should it fail, closing does it later.
        let _ = self.file.unlock();
    }
}

/// What the gate knows, on disk. Every change is one transaction, and on disk when its call
/// returns.
#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    pub(super) lock: Lock,
}

impl Store {
    /// Opens the state, and makes it when there is none: first-run setup.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn create(lock: Lock) -> Result<Self, Error> {
        let path = database(lock.dir());
        let make = || OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        make().map_err(doing("make", &path))?;
        let sync = || File::open(lock.dir())?.sync_all();
        sync().map_err(doing("make", &path))?;
        Self::open(lock)
    }

    /// Opens the state and takes the migration steps that are missing.
    ///
    /// # Errors
    /// [`Error::Absent`] when there is none; [`Error::Exposed`] and [`Error::Foreign`] when
    /// others may read it or it is not ours; [`Error::Newer`]; [`Error::Database`].
    pub fn open(lock: Lock) -> Result<Self, Error> {
        let path = database(lock.dir());
        if !path.exists() {
            return Err(Error::Absent(lock.dir().to_owned()));
        }
        check_private(&path)?;
        let mut db = connect(&path)?;
        schema::migrate(&mut db)?;
        Ok(Self { db, lock })
    }

    /// Whether a state directory holds a state.
    pub fn exists(dir: &Path) -> bool {
        database(dir).exists()
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        self.lock.dir()
    }

    /// Notes the time. With the clock more than [`TOLERANCE`] behind the latest time noted, it
    /// answers by how much: nothing may be issued then, since an old clock would revive what has
    /// expired.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn clock_behind(&mut self, now: SystemTime) -> Result<Option<Duration>, Error> {
        let latest: Option<i64> =
            self.db.query_row("SELECT latest FROM clock", [], |row| row.get(0)).optional()?;
        if let Some(latest) = latest {
            let behind = moment(latest).duration_since(now).unwrap_or_default();
            if behind > TOLERANCE {
                return Ok(Some(behind));
            }
        }
        // A minute's grain spares a write per call.
        if latest.is_none_or(|latest| latest + 60 <= seconds(now)) {
            self.accept_clock(now)?;
        }
        Ok(None)
    }

    /// Takes the clock's word for it that the latest time noted was wrong.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn accept_clock(&mut self, now: SystemTime) -> Result<(), Error> {
        let sql = "INSERT INTO clock VALUES (1, ?1) ON CONFLICT DO UPDATE SET latest = ?1";
        self.db.execute(sql, [seconds(now)])?;
        Ok(())
    }

    /// Runs `work` whole or not at all; may be nested.
    pub(super) fn atomically<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let run = |store: &Self, sql| store.db.execute_batch(sql).map_err(Error::from);
        run(self, "SAVEPOINT work")?;
        match work(self) {
            Ok(done) => {
                run(self, "RELEASE work")?;
                Ok(done)
            }
            Err(error) => {
                run(self, "ROLLBACK TO work; RELEASE work")?;
                Err(error)
            }
        }
    }
}

/// How far the clock may be behind the latest time noted.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

pub(super) fn database(dir: &Path) -> PathBuf {
    dir.join("seawall.db")
}

/// A connection as this store wants it. The lock makes it the only one, so SQLite need not share
/// an index of its log with others (`-shm`).
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite refuses to follow links anywhere in the path; only the last part is our concern.
    let path = fs::canonicalize(path).map_err(doing("open", path))?;
    let db = Connection::open_with_flags(path, flags)?;
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(db)
}

/// Refuses what others may read or change, and what somebody else owns.
fn check_private(path: &Path) -> Result<(), Error> {
    let facts = fs::symlink_metadata(path).map_err(doing("read", path))?;
    // A link to a directory is fine where the directory is.
    let facts = match facts.is_symlink() {
        true => fs::metadata(path).map_err(doing("read", path))?,
        false => facts,
    };
    if facts.uid() != nix::unistd::geteuid().as_raw() {
        return Err(Error::Foreign { path: path.to_owned(), uid: facts.uid() });
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o7777;
        return Err(Error::Exposed { path: path.to_owned(), mode, directory: facts.is_dir() });
    }
    Ok(())
}

pub(super) fn doing(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let doing = format!("{what} {}", path.display());
    move |error| Error::Io { doing, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_made_is_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/state");
        let mut store = Store::create(Lock::take(&state).unwrap()).unwrap();
        store.accept_clock(at(1)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&state), 0o700);
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_state_that_others_may_read_is_refused_naming_the_chmod() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        drop(Store::create(Lock::take(&state).unwrap()).unwrap());
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        chmod(&database(&state), 0o640);
        let error = Store::open(Lock::take(&state).unwrap()).unwrap_err();
        let text = crate::cli::report::Error::from(error).to_string();
        let shown = text.replace(&state.display().to_string(), "STATE");
        insta::assert_snapshot!(shown, @"
        error: STATE/seawall.db may be read by others (mode 0640)
        hint: run `chmod 600 STATE/seawall.db`, and if others did read it, `seawall ca rotate`
        ");
        chmod(&database(&state), 0o600);
        chmod(&state, 0o750);
        let error = crate::cli::report::Error::from(Lock::take(&state).unwrap_err());
        assert!(error.hints[0].contains("chmod 700"), "{error}");
    }

    #[test]
    fn the_lock_lets_in_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let first = Lock::take(&state).unwrap();
        assert!(matches!(Lock::take(&state), Err(Error::Busy(_))));
        drop(first);
        Lock::take(&state).unwrap();
    }

    #[test]
    fn no_state_is_not_made_by_opening_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let error = Store::open(Lock::take(&state).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Absent(_)));
        assert!(!Store::exists(&state));
    }

    #[test]
    fn a_clock_that_went_back_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(Lock::take(&dir.path().join("state")).unwrap()).unwrap();
        assert_eq!(store.clock_behind(at(10_000)).unwrap(), None);
        assert_eq!(store.clock_behind(at(9_700)).unwrap(), None);
        assert_eq!(store.clock_behind(at(9_699)).unwrap(), Some(Duration::from_secs(301)));
        store.accept_clock(at(9_000)).unwrap();
        assert_eq!(store.clock_behind(at(9_001)).unwrap(), None);
    }

    #[test]
    fn work_that_fails_leaves_nothing_even_when_nested() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(Lock::take(&dir.path().join("state")).unwrap()).unwrap();
        store.accept_clock(at(10_000)).unwrap();
        let result: Result<(), Error> = store.atomically(|store| {
            store.atomically(|store| store.accept_clock(at(50_000)))?;
            Err(Error::Absent(PathBuf::new()))
        });
        result.unwrap_err();
        assert_eq!(store.clock_behind(at(10_000)).unwrap(), None);
    }

    #[test]
    fn what_was_answered_survives_a_crash_right_after() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut store = Store::create(Lock::take(&state).unwrap()).unwrap();
        store.accept_clock(at(77_000)).unwrap();
        // A crash: the files as they are on disk, with the log not yet merged into the database.
        let copy = dir.path().join("copy");
        DirBuilder::new().mode(0o700).create(&copy).unwrap();
        for entry in fs::read_dir(&state).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        assert!(copy.join("seawall.db-wal").metadata().unwrap().len() > 0);
        let mut store = Store::open(Lock::take(&copy).unwrap()).unwrap();
        assert!(store.clock_behind(at(1)).unwrap().is_some());
    }
}
