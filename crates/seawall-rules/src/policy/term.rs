//! The terms of a role: what each says, as text, and what it covers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::escape::quoted;
use crate::facts::{Access, ImageName, Port, Ports, is_plain_path};

/// A text in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// Paths of the host: one, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTerm {
    /// Without the `/*`.
    path: String,
    below: bool,
}

/// What may be bound, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BindTerm {
    paths: PathTerm,
    access: Access,
}

/// Ports, on one address of the host or on all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortTerm {
    address: Option<IpAddr>,
    ports: Ports,
}

/// A label that what is made must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelTerm {
    pub(super) name: String,
    value: Pattern,
}

/// Why a term cannot be used, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) hint: String,
}

fn unusable<T>(message: String, hint: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable { message, hint: hint.into() })
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return unusable(
                format!("{} is no pattern", quoted(text.as_bytes())),
                "write a name, with `*` for any characters",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// A pattern of image names, in the spelling that images are compared in: with the registry,
    /// and any tag or digest where it names none.
    pub(super) fn of_images(text: &str) -> Result<Self, Unusable> {
        let Self(text) = Self::parse(text)?;
        if text == "*" {
            return Ok(Self(text));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text.as_str(), None),
        };
        let (repository, tag) = crate::facts::split_tag(name);
        if repository.starts_with('*') {
            return unusable(
                format!("{} would match any registry", quoted(text.as_bytes())),
                "begin with the registry or the repository; `\"*\"` alone is every image",
            );
        }
        let repository = crate::facts::repository_in_full(repository);
        Ok(Self(match (digest, tag) {
            (Some(digest), _) => format!("{repository}@{digest}"),
            (None, Some(tag)) => format!("{repository}:{tag}"),
            (None, None) => repository,
        }))
    }

    /// The one that stands for everything.
    pub(super) fn all() -> Self {
        Self("*".to_owned())
    }

    /// Whether it stands for everything.
    pub(super) fn is_all(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it is about tags or digests too.
    pub(super) fn names_a_version(&self) -> bool {
        self.0.contains('@') || crate::facts::split_tag(&self.0).1.is_some()
    }

    /// Whether it covers a name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// Whether it covers an image; an image without a name, only if it covers all.
    pub(super) fn covers_image(&self, image: &ImageName) -> bool {
        let Some(name) = image.canonical() else { return self.is_all() };
        if self.names_a_version() || self.is_all() {
            return self.covers(name);
        }
        let repository = name.split_once('@').map_or(name, |(repository, _)| repository);
        self.covers(crate::facts::split_tag(repository).0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is what `pattern` says, `*` being any characters, none as well. Linear but for
/// the last `*`, to which it goes back.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&byte) if byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl PathTerm {
    fn parse(text: &str) -> Result<Self, Unusable> {
        let (path, below) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        if !is_plain_path(path) || path.contains('*') {
            return unusable(
                format!("{} is no plain absolute path", quoted(text.as_bytes())),
                "write `/srv/shop` for one path, `/srv/shop/*` for what is below it",
            );
        }
        Ok(Self { path: path.to_owned(), below })
    }

    /// `path` has been found plain: it has no `..` to lead out again.
    fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.as_str()) {
            Some("") => !self.below,
            Some(rest) => self.below && rest.starts_with('/'),
            None => false,
        }
    }

    /// Whether some path is in both, or below one and in the other.
    fn overlaps(&self, other: &str) -> bool {
        is_within(&self.path, other) || is_within(other, &self.path)
    }
}

/// Whether a path is another one or below it.
fn is_within(inner: &str, outer: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    outer == "/" || inner.strip_prefix(outer).is_some_and(below)
}

impl BindTerm {
    pub(super) fn parse(text: &str, protected: &[String]) -> Result<Self, Unusable> {
        let Some((path, access)) = text.rsplit_once(':') else {
            return unusable(
                format!("{} does not say how it may be bound", quoted(text.as_bytes())),
                format!("write `{text}:ro` or `{text}:rw`"),
            );
        };
        let access = match access {
            "ro" => Access::ReadOnly,
            "rw" => Access::ReadWrite,
            _ => {
                return unusable(
                    format!("{} ends in neither `:ro` nor `:rw`", quoted(text.as_bytes())),
                    "write `/srv/shop:ro`",
                );
            }
        };
        let paths = PathTerm::parse(path)?;
        if paths.below && access == Access::ReadWrite {
            return unusable(
                format!(
                    "{}: whoever writes in a folder can put a symbolic link there that leads to \
                     all of the host, and then bind that",
                    quoted(text.as_bytes())
                ),
                "name each path that may be written: `/srv/shop/data:rw`",
            );
        }
        // The root of the host holds everything; it is never bound, whatever is protected.
        let mut never = NEVER_BOUND.iter().copied().chain(protected.iter().map(String::as_str));
        if paths.path == "/" || never.any(|never| paths.overlaps(never)) {
            return unusable(
                format!("{} would give the host away", quoted(text.as_bytes())),
                "only `admin` binds the host's own folders; keep what is shared in `/srv`",
            );
        }
        Ok(Self { paths, access })
    }

    /// Whether it covers a bind of this path.
    pub(super) fn covers(&self, path: &str, access: Access) -> bool {
        access <= self.access && self.paths.covers(path)
    }

    /// The most that it covers; of what is below a folder, its `*` is as good as any name.
    pub(super) fn most(&self) -> (String, Access) {
        (show_path(&self.paths), self.access)
    }

    /// Whether a symbolic link that is put in place by way of this term would be followed by a
    /// bind that the other one grants.
    pub(super) fn undermines(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.paths.path, &other.paths);
        self.access == Access::ReadWrite
            && (is_within(&theirs.path, ours) && theirs.path != *ours
                || theirs.below && theirs.overlaps(ours))
    }

    pub(super) fn show(&self) -> String {
        format!("{}:{}", show_path(&self.paths), self.access)
    }
}

impl LabelTerm {
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let usable = |(name, value): (&str, &str)| {
            let plain = |text: &str| !text.contains(|c: char| c.is_control() || c.is_whitespace());
            let name_is = plain(name) && !name.is_empty() && !name.contains('*');
            (name_is && plain(value))
                .then(|| Self { name: name.to_owned(), value: Pattern(value.to_owned()) })
        };
        text.split_once('=').and_then(usable).ok_or_else(|| Unusable {
            message: format!("{} is no label", quoted(text.as_bytes())),
            hint: "write `team=web`, or `env=*` for any value".to_owned(),
        })
    }

    /// Whether these labels have it.
    pub(super) fn is_among(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.name).is_some_and(|value| self.value.covers(value))
    }

    /// The value as it is written.
    pub(super) fn value(&self) -> &str {
        self.value.as_str()
    }
}

/// `team=web`.
impl fmt::Display for LabelTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value.as_str())
    }
}

impl PortTerm {
    pub(super) fn parse(text: &str) -> Result<Self, Unusable> {
        let (address, ports) = match text.rsplit_once(':') {
            None => (None, text),
            Some(("*", ports)) => (None, ports),
            Some((address, ports)) => {
                let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
                match bare.unwrap_or(address).parse::<IpAddr>() {
                    Ok(address) if !address.is_unspecified() => (Some(address), ports),
                    _ => {
                        return unusable(
                            format!("{} has no address of the host", quoted(text.as_bytes())),
                            "write `127.0.0.1:8080`, or `8080` for any address",
                        );
                    }
                }
            }
        };
        match crate::facts::range(ports) {
            Some(ports) => Ok(Self { address, ports }),
            None => unusable(
                format!("{} has no port", quoted(text.as_bytes())),
                "write `8080`, `8000-8999` or `127.0.0.1:8000-8999`",
            ),
        }
    }

    /// Whether it covers whatever port this one may come to be.
    pub(super) fn covers(&self, port: &Port) -> bool {
        (self.address.is_none() || self.address == port.address)
            && self.ports.start() <= port.ports.start()
            && port.ports.end() <= self.ports.end()
    }

    /// Any port, on any address.
    pub(super) fn all() -> Self {
        Self { address: None, ports: 1..=u16::MAX }
    }

    /// The most that it covers.
    pub(super) fn most(&self) -> Port {
        Port { address: self.address, ports: self.ports.clone() }
    }

    pub(super) fn show(&self) -> String {
        self.most().to_string()
    }
}

/// A capability that a role may be given.
pub(super) fn capability(text: &str) -> Result<String, Unusable> {
    let name = text.strip_prefix("CAP_").unwrap_or(text);
    if CAPABILITIES.contains(&name) {
        return Ok(name.to_owned());
    }
    unusable(
        format!("no role can be given the capability {}", quoted(text.as_bytes())),
        format!("those that do not give the host away are {}", CAPABILITIES.join(", ")),
    )
}

/// Devices that a role may be given.
pub(super) fn device(text: &str) -> Result<PathTerm, Unusable> {
    let term = PathTerm::parse(text)?;
    let may = DEVICES.iter().any(|device| match device.strip_suffix('*') {
        Some(prefix) => format!("{}/", term.path).starts_with(prefix),
        None => term.path == *device && !term.below,
    });
    if may {
        return Ok(term);
    }
    unusable(
        format!("no role can be given the device {}", quoted(text.as_bytes())),
        format!("those that do not give the host away are {}", DEVICES.join(", ")),
    )
}

/// Whether a device's path, as the request has it, is one of `terms`.
pub(super) fn covers_device(terms: &[PathTerm], path: &str) -> bool {
    is_plain_path(path) && terms.iter().any(|term| term.covers(path))
}

pub(super) fn show_path(term: &PathTerm) -> String {
    format!("{}{}", term.path, if term.below { "/*" } else { "" })
}

/// What is the host itself, or leads to it: its programs, settings, kernel, sockets, and what
/// engines keep.
pub(super) const NEVER_BOUND: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/snap",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/seawall",
    "/var/run",
    "/var/spool/cron",
];

/// Capabilities that stay within the container's own namespaces.
const CAPABILITIES: &[&str] = &[
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "NET_ADMIN",
    "NET_BROADCAST",
    "SYS_NICE",
    "SYS_PTRACE",
    "SYS_RESOURCE",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Devices that hold nothing of the host's disks and memory.
const DEVICES: &[&str] = &[
    "/dev/dri/*",
    "/dev/full",
    "/dev/fuse",
    "/dev/kvm",
    "/dev/net/tun",
    "/dev/null",
    "/dev/random",
    "/dev/snd/*",
    "/dev/ttyACM*",
    "/dev/ttyUSB*",
    "/dev/urandom",
    "/dev/video*",
    "/dev/zero",
];
