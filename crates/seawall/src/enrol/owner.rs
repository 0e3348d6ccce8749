//! Whose files a client's credentials become.

use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, geteuid, setfsgid, setfsuid};

/// On whose behalf files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user this process runs as.
    Current,
    /// The user who typed `sudo`.
    Invoker {
        /// Their uid.
        uid: u32,
        /// Their primary group.
        gid: u32,
        /// Their home, from the user database.
        home: PathBuf,
    },
}

impl Owner {
    /// The user behind this process: `SUDO_UID` where root runs it for somebody else, else the
    /// user it runs as.
    ///
    /// # Errors
    /// When `SUDO_UID` is set and names no user.
    pub fn behind_this_process() -> io::Result<Self> {
        let Some(uid) = std::env::var_os("SUDO_UID").filter(|_| geteuid().is_root()) else {
            return Ok(Self::Current);
        };
        let user = uid.to_str().and_then(|uid| uid.parse().ok()).map(Uid::from_raw);
        let user = user.map(User::from_uid).transpose()?.flatten().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "`SUDO_UID` is not the uid of a user")
        })?;
        if user.uid.is_root() {
            return Ok(Self::Current);
        }
        Ok(Self::Invoker { uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir })
    }

    /// Where the owner's docker keeps its contexts: `DOCKER_CONFIG`, else `~/.docker`. `sudo`
    /// passes `DOCKER_CONFIG` on only when told to, so it is the owner's wish where it is set.
    ///
    /// # Errors
    /// When neither `DOCKER_CONFIG` nor `HOME` is set.
    pub fn docker_config(&self) -> io::Result<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(dir) = variable("DOCKER_CONFIG") {
            return Ok(dir.into());
        }
        let home = match self {
            Self::Current => variable("HOME").map(PathBuf::from),
            Self::Invoker { home, .. } => Some(home.clone()),
        };
        home.map(|home| home.join(".docker")).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "neither `DOCKER_CONFIG` nor `HOME` is set")
        })
    }

    /// Runs `work` with the owner's rights on files. What it makes is the owner's from the first
    /// moment, and root follows no link that the owner could not follow: a `chown` afterwards
    /// could be led astray by whoever else runs as that user.
    ///
    /// # Errors
    /// When this process may not act for the owner.
    pub(super) fn act<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let Self::Invoker { uid, gid, .. } = self else { return Ok(work()) };
        let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
        // Linux keeps these ids by thread, so the rest of the process is not touched.
        let acting = move || {
            setfsgid(gid);
            setfsuid(uid);
            // Both calls answer with the id before; only asking again tells whether it worked.
            if setfsgid(gid) != gid || setfsuid(uid) != uid {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied));
            }
            Ok(work())
        };
        let joined = std::thread::scope(|scope| scope.spawn(acting).join());
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
