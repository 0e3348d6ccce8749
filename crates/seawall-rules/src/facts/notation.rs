//! What can be asked for, as one line of text: a word for its kind and a value. The record keeps
//! it so, and the command line takes it so.

use super::{Access, Ask, CATALOGUE, ImageName, Port, is_plain_path, range};
use crate::operation::Operation;

/// A kind of thing that can be asked for and granted.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The word it begins with.
    pub word: &'static str,
    /// What follows, as it is shown to people.
    pub value: &'static str,
    /// The operations that can ask for it; those that only look at one are not among them.
    pub operations: &'static [Operation],
    /// The operations that only look at one: it is what a role with `secrets` sees whole.
    pub looks: &'static [Operation],
}

use Operation::*;

/// Every kind, in the order of the keys of a role.
pub const KINDS: &[Kind] = &[
    Kind {
        word: "image",
        value: "NAME",
        operations: &[
            ContainerCreate,
            DistributionInspect,
            ImageAttestations,
            ImageBuild,
            ImageCommit,
            ImageCreate,
            ImageDelete,
            ImageGet,
            ImageGetAll,
            ImageSearch,
            ImageTag,
            ServiceCreate,
            ServiceUpdate,
        ],
        looks: &[ImageHistory, ImageHistoryLibpod, ImageInspect, ImageInspectLibpod],
    },
    Kind {
        word: "tag",
        value: "NAME",
        operations: &[ImageBuild, ImageCommit, ImageCreate, ImageLoad, ImagePush, ImageTag],
        looks: &[],
    },
    Kind { word: "bind", value: "/PATH[:ro|:rw]", operations: OF_A_SERVICE_TOO, looks: &[] },
    Kind {
        word: "volume",
        value: "NAME",
        operations: &[
            ContainerCreate,
            ServiceCreate,
            ServiceUpdate,
            VolumeCreate,
            VolumeDelete,
            VolumeUpdate,
        ],
        looks: &[VolumeInspect, VolumeInspectLibpod],
    },
    Kind {
        word: "network",
        value: "NAME",
        operations: &[
            ContainerCreate,
            ImageBuild,
            NetworkConnect,
            NetworkCreate,
            NetworkDelete,
            NetworkDisconnect,
            ServiceCreate,
            ServiceUpdate,
        ],
        looks: &[NetworkInspect, NetworkInspectByNameLibpod, NetworkInspectLibpod],
    },
    Kind {
        word: "port",
        value: "[ADDRESS:]PORT[-PORT]",
        operations: &[ContainerCreate, ServiceCreate, ServiceUpdate],
        looks: &[],
    },
    Kind {
        word: "user",
        value: "USER",
        operations: &[
            ContainerCreate,
            ContainerExec,
            ImageCommit,
            ImageCreate,
            ServiceCreate,
            ServiceUpdate,
        ],
        looks: &[],
    },
    Kind { word: "capability", value: "NAME", operations: OF_A_SERVICE_TOO, looks: &[] },
    Kind { word: "device", value: "/dev/NAME", operations: OF_A_CONTAINER, looks: &[] },
    Kind {
        word: "memory",
        value: "BYTES|unlimited",
        operations: &[ContainerCreate, ContainerUpdate, ImageBuild, ServiceCreate, ServiceUpdate],
        looks: &[],
    },
    Kind {
        word: "cpus",
        value: "N|unlimited",
        operations: &[ContainerCreate, ContainerUpdate, ImageBuild, ServiceCreate, ServiceUpdate],
        looks: &[],
    },
    Kind { word: "labels", value: "NAME=VALUE[,…]", operations: super::MAKES, looks: &[] },
    Kind {
        word: "pids",
        value: "N|unlimited",
        operations: &[ContainerCreate, ContainerUpdate, ImageBuild, ServiceCreate, ServiceUpdate],
        looks: &[],
    },
];

/// What makes or changes a container, and what reaches into one: that asks for what it has.
const OF_A_CONTAINER: &[Operation] = &[
    ContainerArchive,
    ContainerArchiveInfo,
    ContainerAttach,
    ContainerAttachWebsocket,
    ContainerCreate,
    ContainerExec,
    ContainerUpdate,
    ExecStart,
    PutContainerArchive,
];

/// As [`OF_A_CONTAINER`]; a service has no devices.
const OF_A_SERVICE_TOO: &[Operation] = &[
    ContainerArchive,
    ContainerArchiveInfo,
    ContainerAttach,
    ContainerAttachWebsocket,
    ContainerCreate,
    ContainerExec,
    ContainerUpdate,
    ExecStart,
    PutContainerArchive,
    ServiceCreate,
    ServiceUpdate,
];

const UNLIMITED: &str = "unlimited";

impl Ask {
    /// Its kind; none of an entry of the catalogue, which cannot be granted.
    pub fn kind(&self) -> Option<&'static Kind> {
        let word = match self {
            Self::Bind(..) => "bind",
            Self::Capability(_) => "capability",
            Self::Cpus(_) => "cpus",
            Self::Device(_) => "device",
            Self::Escape(..) => return None,
            Self::Image(_) => "image",
            Self::Labels(_) => "labels",
            Self::Memory(_) => "memory",
            Self::Network(_) => "network",
            Self::Pids(_) => "pids",
            Self::Port(_) => "port",
            Self::Tag(_) => "tag",
            Self::User(_) => "user",
            Self::Volume(_) => "volume",
        };
        KINDS.iter().find(|kind| kind.word == word)
    }

    /// `bind /srv/shop:ro`, `memory unlimited`; of an entry of the catalogue its rule alone, since
    /// what stands there may be anything.
    pub fn notation(&self) -> String {
        let Some(kind) = self.kind() else { return self.rule().to_owned() };
        let limit = |limit: Option<u64>| limit.map_or(UNLIMITED.to_owned(), |n| n.to_string());
        let value = match self {
            Self::Bind(path, access) => format!("{path}:{access}"),
            Self::Cpus(nanos) => nanos.map_or(UNLIMITED.to_owned(), decimal),
            Self::Memory(count) | Self::Pids(count) => limit(*count),
            Self::Image(name) | Self::Tag(name) => name.as_written().to_owned(),
            Self::Labels(labels) => super::labels::written(labels),
            Self::Port(port) => port.to_string(),
            Self::Capability(text)
            | Self::Device(text)
            | Self::Network(text)
            | Self::User(text)
            | Self::Volume(text) => text.clone(),
            Self::Escape(..) => String::new(),
        };
        format!("{} {value}", kind.word)
    }

    /// Reads what [`Self::notation`] wrote, and what people write: a bind without access is
    /// read-only. `None` for what is no kind or no value of it.
    pub fn from_notation(text: &str) -> Option<Self> {
        let Some((word, value)) = text.split_once(' ') else {
            let escape = CATALOGUE.iter().find(|escape| escape.rule == text)?;
            return Some(Self::Escape(escape, "set".to_owned()));
        };
        let own = || (!value.is_empty()).then(|| value.to_owned());
        let limit = |read: fn(&str) -> Option<u64>| match value {
            UNLIMITED => Some(None),
            value => read(value).map(Some),
        };
        let number = |text: &str| text.parse().ok();
        Some(match word {
            "bind" => {
                let (path, access) = match value.rsplit_once(':') {
                    Some((path, "ro")) => (path, Access::ReadOnly),
                    Some((path, "rw")) => (path, Access::ReadWrite),
                    _ => (value, Access::ReadOnly),
                };
                is_plain_path(path).then(|| Self::Bind(path.to_owned(), access))?
            }
            "capability" => {
                let name = value.to_ascii_uppercase();
                Self::Capability(name.strip_prefix("CAP_").unwrap_or(&name).to_owned())
            }
            "cpus" => Self::Cpus(limit(billionths)?),
            "device" => Self::Device(own()?),
            "image" => Self::Image(ImageName::new(value)),
            "labels" => Self::Labels(super::labels::read(value)?),
            "memory" => Self::Memory(limit(number)?),
            "network" => Self::Network(own()?),
            "pids" => Self::Pids(limit(number)?),
            "port" => Self::Port(port(value)?),
            "tag" => Self::Tag(ImageName::new(value)),
            "user" => Self::User(own()?),
            "volume" => Self::Volume(own()?),
            _ => return None,
        })
    }
}

fn port(text: &str) -> Option<Port> {
    let (address, ports) = text.rsplit_once(':').unwrap_or(("*", text));
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare.unwrap_or(address) {
        "*" => None,
        address => Some(address.parse().ok()?),
    };
    Some(Port { address, ports: range(ports)? })
}

const NANOS: u64 = 1_000_000_000;

/// `1.5` as 1 500 000 000, exactly.
pub(crate) fn billionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(NANOS)?.checked_add(nanos)
}

/// 1 500 000 000 as `1.5`, exactly; always with a point, as TOML tells a float by it.
pub(crate) fn decimal(nanos: u64) -> String {
    let fraction = format!("{:09}", nanos % NANOS);
    let fraction = fraction.trim_end_matches('0');
    format!("{}.{}", nanos / NANOS, if fraction.is_empty() { "0" } else { fraction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for (text, again) in [
            ("bind /srv/a b:c:rw", "bind /srv/a b:c:rw"),
            ("bind /etc", "bind /etc:ro"),
            ("capability cap_sys_admin", "capability SYS_ADMIN"),
            ("cpus 1.50", "cpus 1.5"),
            ("cpus 2", "cpus 2.0"),
            ("cpus unlimited", "cpus unlimited"),
            ("device /dev/kvm", "device /dev/kvm"),
            ("escape.privileged", "escape.privileged"),
            ("image alpine", "image alpine"),
            ("memory 67108864", "memory 67108864"),
            ("labels team=web,env=", r#"labels {"env":"","team":"web"}"#),
            ("memory unlimited", "memory unlimited"),
            ("network shop", "network shop"),
            ("pids 100", "pids 100"),
            ("port 80", "port *:80"),
            ("port 127.0.0.1:8000-8010", "port 127.0.0.1:8000-8010"),
            ("port [::1]:80", "port [::1]:80"),
            ("tag shop/web:1", "tag shop/web:1"),
            ("user 1000:1000", "user 1000:1000"),
            ("volume data", "volume data"),
        ] {
            let ask = Ask::from_notation(text).expect(text);
            assert_eq!(ask.notation(), again);
            assert_eq!(Ask::from_notation(again).as_ref(), Some(&ask), "{again}");
        }
        for text in
            ["", "bind", "bind etc", "bind /a/../b", "port x", "memory 1k", "escape.x", "x y"]
        {
            assert_eq!(Ask::from_notation(text), None, "{text}");
        }
    }

    #[test]
    fn each_kind_is_told_by_its_word() {
        for kind in KINDS {
            let value = match kind.word {
                "bind" => "/a",
                "port" | "memory" | "cpus" | "pids" => "1",
                _ => "a",
            };
            let ask = Ask::from_notation(&format!("{} {value}", kind.word)).expect(kind.word);
            assert_eq!(ask.kind(), Some(kind));
            assert!(ask.term().is_some_and(|term| term.starts_with(&kind.word[..3])), "{kind:?}");
        }
    }
}
