//! The files of a host or of a folder, read from its root and never past it: symbolic links
//! mean what they would mean there, devices and pipes are not opened, and nothing is read that
//! is larger than its bound.

use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;
use seawall_rules::exposure::facts::Access;

/// Something that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen<T> {
    /// It is there.
    Known(T),
    /// It is not there.
    Absent,
    /// It may be there; why that is not known.
    Unreadable(String),
}

impl<T> Seen<T> {
    /// What is there, if it is known.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

impl<T> From<Result<T, Errno>> for Seen<T> {
    fn from(result: Result<T, Errno>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            // ESRCH: the process has ended.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => Self::Absent,
            Err(errno) => Self::Unreadable(plain(&errno.into())),
        }
    }
}

/// A root to read from.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    /// Owners count on a host and in an image; in a checkout they are those of whoever made it.
    owners: bool,
}

impl Root {
    /// Opens a folder as a root.
    ///
    /// # Errors
    /// As `open`.
    pub(crate) fn open(folder: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(folder, flags, Mode::empty())?;
        let mut root = Self { dir, owners: true };
        let images = ["/etc/passwd", "/etc/os-release", "/usr/lib/os-release"];
        root.owners = images.into_iter().any(|file| root.access(file).is_some());
        Ok(root)
    }

    /// Whether it is a host's or an image's root, not just a folder of files.
    pub(crate) fn is_a_hosts(&self) -> bool {
        self.owners
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Seen<String> {
        match self.bytes(path) {
            Seen::Known(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Seen::Known(text),
                Err(_) => Seen::Unreadable("it is not text".to_owned()),
            },
            Seen::Absent => Seen::Absent,
            Seen::Unreadable(why) => Seen::Unreadable(why),
        }
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Seen<Vec<u8>> {
        let fd = match self.at(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(fd) => fd,
            // A socket.
            Err(Errno::NXIO) => return Seen::Unreadable("it is not a file".to_owned()),
            Err(errno) => return Seen::from(Err(errno)),
        };
        match fstat(&fd) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
            Ok(_) => return Seen::Unreadable("it is not a file".to_owned()),
            Err(errno) => return Seen::from(Err(errno)),
        }
        let mut bytes = Vec::new();
        match std::fs::File::from(fd).take(MOST_BYTES + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > MOST_BYTES => {
                Seen::Unreadable(format!("it has more than {} MiB", MOST_BYTES >> 20))
            }
            Ok(_) => Seen::Known(bytes),
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Seen::Absent,
            Err(error) => Seen::Unreadable(plain(&error)),
        }
    }

    /// Whose a file is and who may do what with it. In a folder that is no host's, the owner
    /// counts as root.
    pub(crate) fn access(&self, path: &str) -> Option<Access> {
        let fd = self.at(path, OFlags::PATH).ok()?;
        let stat = fstat(&fd).ok()?;
        let (uid, gid) = if self.owners { (stat.st_uid, stat.st_gid) } else { (0, 0) };
        Some(Access { mode: stat.st_mode & 0o7777, uid, gid })
    }

    /// Whether a path is a socket.
    pub(crate) fn is_socket(&self, path: &str) -> bool {
        let stat = self.at(path, OFlags::PATH).and_then(|fd| fstat(&fd));
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
    }

    /// When a file was last written, in seconds since 1970.
    pub(crate) fn written(&self, path: &str) -> Option<i64> {
        let fd = self.at(path, OFlags::PATH).ok()?;
        Some(fstat(&fd).ok()?.st_mtime)
    }

    /// Whether a file has an access control list beyond its mode.
    pub(crate) fn has_acl(&self, path: &str) -> bool {
        let Ok(fd) = self.at(path, OFlags::PATH) else { return false };
        let itself = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let mut list = [0; 4096];
        let length = rustix::fs::getxattr(itself, "system.posix_acl_access", &mut list[..]);
        // A header of four bytes and three entries of eight are the mode again (acl(5)).
        length.is_ok_and(|length| length > 4 + 3 * 8)
    }

    /// What a symbolic link says.
    pub(crate) fn link(&self, path: &str) -> Seen<String> {
        let fd = self.at(path, OFlags::PATH | OFlags::NOFOLLOW);
        let target = fd.and_then(|fd| readlinkat(&fd, "", Vec::new()));
        Seen::from(target.map(|target| target.to_string_lossy().into_owned()))
    }

    /// The names in a folder, in order.
    pub(crate) fn list(&self, path: &str) -> Seen<Vec<String>> {
        let names = |fd| {
            let mut names = Vec::new();
            for entry in Dir::new(fd)?.take(MOST_NAMES) {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name != "." && name != ".." {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        Seen::from(self.at(path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(names))
    }

    /// The links in a folder, as `/proc/PID/fd` has them.
    pub(crate) fn links(&self, path: &str) -> Seen<Vec<String>> {
        let links = |fd: OwnedFd| {
            let names = Dir::read_from(&fd)?.take(MOST_NAMES);
            let read = |name: &std::ffi::CStr| readlinkat(&fd, name, Vec::new()).ok();
            Ok(names
                .filter_map(|entry| read(entry.ok()?.file_name()))
                .map(|target| target.to_string_lossy().into_owned())
                .collect())
        };
        Seen::from(self.at(path, OFlags::RDONLY | OFlags::DIRECTORY).and_then(links))
    }

    /// Every file beneath the root, without following links and without what a kernel makes.
    /// The second is whether that was all.
    pub(crate) fn walk(&self) -> (Vec<String>, bool) {
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        let mut whole = true;
        while let Some((folder, depth)) = folders.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let shown = if folder.is_empty() { "/" } else { &folder };
            let Ok(entries) = self.at(shown, flags).and_then(Dir::new) else {
                whole = false;
                continue;
            };
            for entry in entries.filter_map(Result::ok) {
                let name = entry.file_name().to_string_lossy();
                let path = format!("{folder}/{name}");
                match entry.file_type() {
                    _ if name == "." || name == ".." => {}
                    FileType::Directory if KERNEL.contains(&path.as_str()) || name == ".git" => {}
                    FileType::Directory if depth < MOST_DEPTH => folders.push((path, depth + 1)),
                    FileType::RegularFile | FileType::Socket if files.len() < MOST_FILES => {
                        files.push(path);
                    }
                    FileType::Directory | FileType::RegularFile | FileType::Socket => whole = false,
                    _ => {}
                }
            }
        }
        files.sort();
        (files, whole)
    }

    fn at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        // NO_MAGICLINKS: /proc/PID/root and the like lead out of any root.
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}

/// An error in the words of the system, without its number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The path of a process's root, to be opened as one.
pub(crate) fn of_process(pid: u32) -> PathBuf {
    format!("/proc/{pid}/root").into()
}

const KERNEL: &[&str] = &["/proc", "/sys", "/dev"];
const MOST_BYTES: u64 = 1 << 20;
const MOST_NAMES: usize = 10_000;
const MOST_FILES: usize = 200_000;
const MOST_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc/docker")).unwrap();
        std::fs::write(dir.path().join("etc/docker/daemon.json"), "{}").unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn links_never_lead_out_of_the_root() {
        let (dir, root) = folder();
        let outside = tempfile::NamedTempFile::new().unwrap();
        symlink(outside.path(), dir.path().join("absolute")).unwrap();
        symlink("../../../../../../../../etc/passwd", dir.path().join("relative")).unwrap();
        symlink("/etc/docker/daemon.json", dir.path().join("inside")).unwrap();
        symlink("/", dir.path().join("top")).unwrap();
        assert_eq!(root.bytes("/absolute"), Seen::Absent);
        assert_eq!(root.bytes("/relative"), Seen::Absent);
        assert_eq!(root.text("/inside"), Seen::Known("{}".to_owned()));
        assert_eq!(root.text("/top/../../etc/docker/daemon.json"), Seen::Known("{}".to_owned()));
        assert_eq!(root.link("/top"), Seen::Known("/".to_owned()));
        assert_eq!(root.walk(), (vec!["/etc/docker/daemon.json".to_owned()], true));
    }

    #[test]
    fn what_is_no_file_is_not_opened_and_what_is_large_not_read() {
        let (dir, root) = folder();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(root.bytes("/pipe"), Seen::Unreadable("it is not a file".to_owned()));
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("sock")).unwrap();
        assert_eq!(root.bytes("/sock"), Seen::Unreadable("it is not a file".to_owned()));
        assert!(root.is_socket("/sock") && !root.is_socket("/pipe"));
        let large = vec![b' '; MOST_BYTES as usize];
        std::fs::write(dir.path().join("fits"), &large).unwrap();
        std::fs::write(dir.path().join("large"), [&large[..], b" "].concat()).unwrap();
        assert!(matches!(root.bytes("/fits"), Seen::Known(_)));
        assert_eq!(root.bytes("/large"), Seen::Unreadable("it has more than 1 MiB".to_owned()));
        assert_eq!(root.bytes("/etc/none"), Seen::Absent);
    }

    #[test]
    fn owners_count_where_there_are_accounts() {
        let (dir, root) = folder();
        std::fs::set_permissions(dir.path().join("etc"), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(root.access("/etc"), Some(Access { mode: 0o777, uid: 0, gid: 0 }));
        assert!(!root.is_a_hosts());
        std::fs::write(dir.path().join("etc/passwd"), "").unwrap();
        assert!(Root::open(dir.path()).unwrap().is_a_hosts());
    }
}
