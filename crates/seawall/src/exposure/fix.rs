//! Carries out what `scan --fix` may put right, and takes it back again. What a file was is on the
//! disk before it is changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fstat, mkdirat, openat, openat2,
    unlinkat,
};
use rustix::io::Errno;
use seawall_rules::exposure::Finding;
use seawall_rules::exposure::fix::{self, Fix};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::root::Root;
use crate::cli::report::{Doing as _, Error};
use crate::enrol::files;

/// A change that is planned, with the findings it is for.
#[derive(Debug)]
pub(crate) struct Planned {
    /// What is changed.
    pub(crate) change: Change,
    /// `KEY-002 /etc/docker/key.pem` of each finding.
    pub(crate) closes: Vec<String>,
}

/// A change, with what was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Permissions of a file, folder or socket.
    Access {
        /// Which.
        path: String,
        /// As they are.
        before: Access,
        /// As they are to be.
        after: Access,
    },
    /// The text of a file.
    Text {
        /// Which.
        path: String,
        /// What stands there, if it is there.
        before: Option<String>,
        /// What is to stand there.
        after: String,
        /// The unit that has it in force when it is restarted.
        unit: String,
    },
}

/// Permissions of a file, and which file that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What was done in one go, to take it back.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    root: PathBuf,
    changes: Vec<Change>,
}

/// What would put the findings right, and what of it cannot be done by itself.
///
/// # Errors
/// When the root cannot be opened.
pub(crate) fn plan(
    root: &Path,
    findings: &[Finding],
) -> Result<(Vec<Planned>, Vec<String>), Error> {
    let place = Place::open(root)?;
    // Several findings may be about one file.
    let mut fixes: BTreeMap<String, (Fix, Vec<String>)> = BTreeMap::new();
    for finding in findings {
        let Some(fix) = fix::fix(finding) else { continue };
        let (all, closes) = fixes.entry(fix.path()).or_insert((fix.clone(), Vec::new()));
        all.join(fix);
        closes.push(finding.fingerprint());
    }
    let (mut planned, mut left) = (Vec::new(), Vec::new());
    for (path, (fix, closes)) in fixes {
        match place.change(fix) {
            Ok(Some(change)) => planned.push(Planned { change, closes }),
            Ok(None) => {}
            Err(error) => left.push(format!("{path}: {error}")),
        }
    }
    Ok((planned, left))
}

/// Carries changes out. What was there before is kept in `state` first; returns the file that has
/// it, and what could not be done.
///
/// # Errors
/// When nothing was changed, because it could not be kept.
pub(crate) fn apply(
    root: &Path,
    state: &Path,
    changes: Vec<Change>,
) -> Result<(PathBuf, Vec<String>), Error> {
    let place = Place::open(root)?;
    let root = std::path::absolute(root).doing(|| format!("find {}", root.display()))?;
    let journal = Journal { time: OffsetDateTime::now_utc(), root, changes };
    let file = keep(state, &journal)?;
    let mut failed = Vec::new();
    for change in &journal.changes {
        if let Err(error) = place.make(change) {
            failed.push(format!("{}: {error}", change.path()));
        }
    }
    Ok((file, failed))
}

/// Takes back what was done last. Returns what was taken back, and what was left alone and why.
///
/// # Errors
/// When there is nothing to take back, or it cannot be read.
pub(crate) fn undo(state: &Path) -> Result<(Vec<Change>, Vec<String>), Error> {
    let folder = state.join(FOLDER);
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|it| it == "json"));
        files.sort();
        Ok(files)
    };
    let newest = match list() {
        Ok(mut files) => files.pop(),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).doing(|| format!("read {}", folder.display())),
    };
    let Some(file) = newest else {
        return Err(Error::failed("there is nothing to take back")
            .hint(format!("`scan --fix` keeps what it changes in {}", folder.display())));
    };
    let doing = || format!("read {}", file.display());
    let text = fs::read_to_string(&file).doing(doing)?;
    let journal: Journal = serde_json::from_str(&text).doing(doing)?;
    let place = Place::open(&journal.root)?;
    let (mut undone, mut left) = (Vec::new(), Vec::new());
    for change in journal.changes.into_iter().rev() {
        match place.take_back(&change) {
            Ok(true) => undone.push(change),
            Ok(false) => {}
            Err(error) => left.push(format!("{}: {error}", change.path())),
        }
    }
    // What was left alone stays kept.
    if left.is_empty() {
        files::remove(&file).doing(|| format!("remove {}", file.display()))?;
    }
    Ok((undone, left))
}

/// Where journals are, in the state folder.
const FOLDER: &str = "fixes";

fn keep(state: &Path, journal: &Journal) -> Result<PathBuf, Error> {
    let folder = state.join(FOLDER);
    let text = serde_json::to_string_pretty(journal).doing(|| "write a journal".to_owned())?;
    let write = || -> io::Result<PathBuf> {
        files::folder(&folder, files::Access::Owner)?;
        let stamp = journal.time.unix_timestamp_nanos() / 1_000_000;
        let file = folder.join(format!("{stamp}.json"));
        files::create(&file, text.as_bytes(), files::Access::Owner)?;
        files::sync_folder(&folder)?;
        Ok(file)
    };
    write().doing(|| format!("keep what is there in {}; nothing was changed", folder.display()))
}

impl Change {
    /// What is changed.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Access { path, .. } | Self::Text { path, .. } => path,
        }
    }

    /// The unit that has it in force when it is restarted, if one has.
    pub(crate) fn unit(&self) -> Option<&str> {
        match self {
            Self::Access { .. } => None,
            Self::Text { unit, .. } => Some(unit),
        }
    }

    /// The change as a diff.
    pub(crate) fn diff(&self) -> String {
        match self {
            Self::Access { path, before, after } => {
                format!("--- {path}\n+++ {path}\n-{}\n+{}\n", before.shown(), after.shown())
            }
            Self::Text { path, before, after, .. } => {
                let old = if before.is_some() { path } else { "/dev/null" };
                let lines = |sign: char, text: &str| -> String {
                    text.lines().map(|line| format!("{sign}{line}\n")).collect()
                };
                let gone = lines('-', before.as_deref().unwrap_or_default());
                format!("--- {old}\n+++ {path}\n{gone}{}", lines('+', after))
            }
        }
    }
}

impl Access {
    fn shown(&self) -> String {
        format!("mode {:04o}, owner {}, group {}", self.mode, self.uid, self.gid)
    }
}

/// The root that changes are made below.
struct Place {
    dir: OwnedFd,
    owners: bool,
}

impl Place {
    fn open(root: &Path) -> Result<Self, Error> {
        let doing = || format!("open {}", root.display());
        let owners = Root::open(root).doing(doing)?.is_a_hosts();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(root, flags, Mode::empty()).doing(doing)?;
        Ok(Self { dir, owners })
    }

    /// The file itself, never one that a link in its place names.
    fn at(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.dir, path, flags, Mode::empty(), resolve)?)
    }

    fn access(&self, path: &str) -> io::Result<(OwnedFd, Access)> {
        let fd = self.at(path)?;
        let stat = fstat(&fd)?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if kind.is_symlink() {
            return Err(io::Error::other("it is a symbolic link; change what it names by hand"));
        }
        if kind.is_file() && stat.st_nlink > 1 {
            return Err(io::Error::other("it has other names (hard links); change it by hand"));
        }
        let access = Access {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            device: stat.st_dev,
            inode: stat.st_ino,
        };
        Ok((fd, access))
    }

    /// The folder that a path is in, and its name there. Links on the way mean what they mean
    /// below the root.
    fn folder<'a>(&self, path: &'a str, make: Make) -> io::Result<Option<(OwnedFd, &'a str)>> {
        let (folder, name) = path.rsplit_once('/').ok_or(ErrorKind::InvalidInput)?;
        let open = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let shown = if folder.is_empty() { "/" } else { folder };
            openat2(&self.dir, shown, flags, Mode::empty(), resolve)
        };
        match (open(), make) {
            (Ok(fd), _) => Ok(Some((fd, name))),
            (Err(Errno::NOENT), Make::Nothing) => Ok(None),
            (Err(Errno::NOENT), Make::Missing) => {
                let Some((above, missing)) = self.folder(folder, make)? else { return Ok(None) };
                mkdirat(&above, missing, Mode::from_raw_mode(0o755))?;
                Ok(Some((open()?, name)))
            }
            (Err(errno), _) => Err(errno.into()),
        }
    }

    fn change(&self, fix: Fix) -> io::Result<Option<Change>> {
        match fix {
            Fix::Restrict { path, clear, root } => {
                let (_, before) = self.access(&path)?;
                let mut after = Access { mode: before.mode & !clear, ..before };
                if root && self.owners {
                    after.uid = 0;
                    // The group keeps what the mode leaves it; a key's mode leaves it nothing.
                    after.gid = if before.uid == 0 { before.gid } else { 0 };
                }
                Ok((before != after).then_some(Change::Access { path, before, after }))
            }
            Fix::DropIn { unit, path, text } => {
                let before = self.text(&path)?;
                let same = before.as_deref() == Some(text.as_str());
                Ok((!same).then_some(Change::Text { path, before, after: text, unit }))
            }
            Fix::UnitHosts { unit, from, hosts } => {
                let by_hand = || io::Error::other("its command is to be changed by hand");
                let text = self.text(&from.name)?.ok_or_else(changed)?;
                let line = from.line.unwrap_or_default();
                let text = fix::unit_without(&text, line, &hosts).ok_or_else(by_hand)?;
                let path = Fix::UnitHosts { unit: unit.clone(), from, hosts }.path();
                self.change(Fix::DropIn { unit, path, text })
            }
            Fix::FileHosts { path, hosts } => {
                let before = self.text(&path)?.ok_or_else(changed)?;
                let after = fix::file_without(&before, &hosts).ok_or_else(changed)?;
                let unit = "docker.service".to_owned();
                Ok(Some(Change::Text { path, before: Some(before), after, unit }))
            }
        }
    }

    fn text(&self, path: &str) -> io::Result<Option<String>> {
        let Some((folder, name)) = self.folder(path, Make::Nothing)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&folder, name, flags, Mode::empty()) {
            Ok(fd) => {
                let mut text = String::new();
                fs::File::from(fd).take(MOST_TEXT).read_to_string(&mut text)?;
                Ok(Some(text))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn make(&self, change: &Change) -> io::Result<()> {
        match change {
            Change::Access { path, before, after } => self.set(path, *before, *after),
            Change::Text { path, before, after, .. } => {
                if self.text(path)? != *before {
                    return Err(changed());
                }
                self.replace(path, after)
            }
        }
    }

    /// Whether there was something to take back.
    fn take_back(&self, change: &Change) -> io::Result<bool> {
        match change {
            Change::Access { path, before, after } => {
                let (_, now) = self.access(path)?;
                if now == *before {
                    return Ok(false);
                }
                self.set(path, *after, *before)?;
            }
            Change::Text { path, before, after, .. } => {
                let now = self.text(path)?;
                if now == *before {
                    return Ok(false);
                }
                if now.as_ref() != Some(after) {
                    return Err(changed());
                }
                match before {
                    Some(text) => self.replace(path, text)?,
                    None => self.remove(path)?,
                }
            }
        }
        Ok(true)
    }

    fn replace(&self, path: &str, text: &str) -> io::Result<()> {
        let folder = self.folder(path, Make::Missing)?;
        let (folder, name) = folder.ok_or(ErrorKind::NotFound)?;
        let file = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        // Nobody may read more than before.
        let is_private = |access: Access| access.mode & 0o044 == 0;
        let before = match self.access(path) {
            Ok((_, access)) => Some(access),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let access = match before.is_some_and(is_private) {
            true => files::Access::Owner,
            false => files::Access::Everyone,
        };
        files::replace(&file, text.as_bytes(), access)
    }

    /// Removes a file, and its folder if nothing else is in it.
    fn remove(&self, path: &str) -> io::Result<()> {
        let Some((folder, name)) = self.folder(path, Make::Nothing)? else { return Ok(()) };
        unlinkat(&folder, name, AtFlags::empty())?;
        let (folder, _) = path.rsplit_once('/').ok_or(ErrorKind::InvalidInput)?;
        if let Some((above, name)) = self.folder(folder, Make::Nothing)? {
            match unlinkat(&above, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOTEMPTY) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn set(&self, path: &str, expected: Access, wanted: Access) -> io::Result<()> {
        let (fd, now) = self.access(path)?;
        if now != expected {
            return Err(changed());
        }
        // First the owner: a chown may clear bits of the mode (chown(2)).
        if (now.uid, now.gid) != (wanted.uid, wanted.gid) {
            let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
            chownat(&fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        }
        // Of a descriptor that was opened for no more than its place (open(2), O_PATH).
        let itself = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::fs::chmod(itself, Mode::from_raw_mode(wanted.mode))?;
        Ok(())
    }
}

/// Whether folders that are missing are made.
#[derive(Clone, Copy)]
enum Make {
    Missing,
    Nothing,
}

/// A drop-in has a few lines.
const MOST_TEXT: u64 = 1 << 20;

fn changed() -> io::Error {
    io::Error::other("it has been changed by somebody else since")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use seawall_rules::exposure::catalogue::{network, tls};
    use seawall_rules::exposure::{Check, Place};

    use super::*;

    struct Folder {
        dir: tempfile::TempDir,
        state: tempfile::TempDir,
    }

    impl Folder {
        fn new() -> Self {
            let folder =
                Self { dir: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
            fs::create_dir_all(folder.path("/etc/docker")).unwrap();
            fs::write(folder.path("/etc/docker/key.pem"), "key").unwrap();
            folder.chmod("/etc/docker/key.pem", 0o644);
            folder
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(&path[1..])
        }

        fn chmod(&self, path: &str, mode: u32) {
            fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn mode(&self, path: &str) -> u32 {
            fs::metadata(self.path(path)).unwrap().mode() & 0o7777
        }

        fn plan(&self, findings: &[Finding]) -> (Vec<Change>, Vec<String>) {
            let (planned, left) = plan(self.dir.path(), findings).unwrap();
            (planned.into_iter().map(|planned| planned.change).collect(), left)
        }

        fn apply(&self, changes: Vec<Change>) -> Vec<String> {
            apply(self.dir.path(), self.state.path(), changes).unwrap().1
        }
    }

    fn finding(check: &'static Check, subject: &str) -> Finding {
        let unit = Place::whole("/etc/systemd/system/docker.socket");
        Finding::new(check, subject, "x").seen(unit, "y")
    }

    fn key() -> Finding {
        finding(&tls::SERVER_KEY_MODE, "/etc/docker/key.pem")
    }

    #[test]
    fn permissions_are_changed_and_put_back() {
        let folder = Folder::new();
        let (changes, left) = folder.plan(&[key()]);
        assert!(left.is_empty(), "{left:?}");
        let diff = changes[0].diff();
        assert!(diff.contains("\n-mode 0644") && diff.contains("\n+mode 0600"), "{diff}");
        assert!(folder.apply(changes).is_empty());
        assert_eq!(folder.mode("/etc/docker/key.pem"), 0o600);
        assert!(folder.plan(&[key()]).0.is_empty(), "there is nothing left to do");
        let (undone, left) = undo(folder.state.path()).unwrap();
        assert_eq!((undone.len(), left.len()), (1, 0));
        assert_eq!(folder.mode("/etc/docker/key.pem"), 0o644);
        assert!(undo(folder.state.path()).is_err(), "there is nothing more to take back");
    }

    #[test]
    fn a_drop_in_is_written_and_removed() {
        let folder = Folder::new();
        let open = finding(&network::SOCKET_UNIT, "tcp://[::]:2375 (docker.socket)");
        let (changes, _) = folder.plan(&[open]);
        let diff = changes[0].diff();
        assert!(diff.starts_with("--- /dev/null\n+++ /etc/systemd/system/docker.socket.d/"));
        assert!(diff.contains("\n+ListenStream=\n+ListenStream=/run/docker.sock\n"), "{diff}");
        assert_eq!(changes[0].unit(), Some("docker.socket"));
        assert!(folder.apply(changes).is_empty());
        let file = folder.path("/etc/systemd/system/docker.socket.d/zz-seawall.conf");
        assert!(fs::read_to_string(&file).unwrap().contains("ListenStream=/run/docker.sock"));
        undo(folder.state.path()).unwrap();
        assert!(!file.exists() && !file.parent().unwrap().exists());
    }

    #[test]
    fn a_link_never_leads_out_of_the_root() {
        let (folder, outside) = (Folder::new(), tempfile::tempdir().unwrap());
        fs::create_dir_all(folder.path("/etc/systemd")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path("/etc/systemd/system")).unwrap();
        let open = finding(&network::SOCKET_UNIT, "tcp://[::]:2375 (docker.socket)");
        let (changes, _) = folder.plan(&[open]);
        assert_eq!(folder.apply(changes).len(), 1, "there is no such folder below the root");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_a_link_or_has_other_names_is_left_alone() {
        let folder = Folder::new();
        let other = folder.path("/etc/docker/other.pem");
        fs::hard_link(folder.path("/etc/docker/key.pem"), &other).unwrap();
        let (changes, left) = folder.plan(&[key()]);
        assert!(changes.is_empty() && left[0].contains("hard links"), "{left:?}");
        fs::remove_file(folder.path("/etc/docker/key.pem")).unwrap();
        std::os::unix::fs::symlink("other.pem", folder.path("/etc/docker/key.pem")).unwrap();
        let (changes, left) = folder.plan(&[key()]);
        assert!(changes.is_empty() && left[0].contains("symbolic link"), "{left:?}");
        assert_eq!(fs::metadata(other).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn what_somebody_changed_meanwhile_is_left_alone() {
        let folder = Folder::new();
        let (changes, _) = folder.plan(&[key()]);
        let file = folder.path("/etc/docker/key.pem");
        fs::write(folder.path("/etc/docker/new"), "another").unwrap();
        fs::rename(folder.path("/etc/docker/new"), &file).unwrap();
        folder.chmod("/etc/docker/key.pem", 0o644);
        let failed = folder.apply(changes);
        assert!(failed[0].contains("changed by somebody else"), "{failed:?}");
        assert_eq!(folder.mode("/etc/docker/key.pem"), 0o644);

        let folder = Folder::new();
        let (changes, _) = folder.plan(&[key()]);
        folder.apply(changes);
        folder.chmod("/etc/docker/key.pem", 0o400);
        let (undone, left) = undo(folder.state.path()).unwrap();
        assert!(undone.is_empty() && left[0].contains("changed by somebody else"), "{left:?}");
        assert_eq!(folder.mode("/etc/docker/key.pem"), 0o400);
    }

    #[test]
    fn nothing_is_changed_that_cannot_be_kept() {
        let folder = Folder::new();
        let (changes, _) = folder.plan(&[key()]);
        let no_folder = folder.path("/etc/docker/key.pem");
        let error = apply(folder.dir.path(), &no_folder, changes).unwrap_err();
        assert!(error.message.contains("nothing was changed"), "{error}");
        assert_eq!(folder.mode("/etc/docker/key.pem"), 0o644);
    }
}
