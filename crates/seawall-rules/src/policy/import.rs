//! What a docker-socket-proxy lets through, as a role.
//!
//! The variables and what follows from them are those of Tecnativa/docker-socket-proxy and of
//! linuxserver/docker-socket-proxy, as their `haproxy.cfg` reads them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::escape::quoted;
use crate::head::Method;
use crate::identity::Name;
use crate::operation::{Class, Operation, nearest};

/// What opens all of a first path segment, and whether it is open where nothing is said.
const SECTIONS: &[(&str, &str, bool)] = &[
    ("AUTH", "auth", false),
    ("BUILD", "build", false),
    ("COMMIT", "commit", false),
    ("CONFIGS", "configs", false),
    ("CONTAINERS", "containers", false),
    ("DISTRIBUTION", "distribution", false),
    ("EVENTS", "events", true),
    ("EXEC", "exec", false),
    ("GRPC", "grpc", false),
    ("IMAGES", "images", false),
    ("INFO", "info", false),
    ("NETWORKS", "networks", false),
    ("NODES", "nodes", false),
    ("PING", "_ping", true),
    ("PLUGINS", "plugins", false),
    ("SECRETS", "secrets", false),
    ("SERVICES", "services", false),
    ("SESSION", "session", false),
    ("SWARM", "swarm", false),
    ("SYSTEM", "system", false),
    ("TASKS", "tasks", false),
    ("VERSION", "version", true),
    ("VOLUMES", "volumes", false),
];

/// What opens single operations, whatever else is closed.
const SINGLES: &[(&str, &[Operation])] = &[
    ("ALLOW_PAUSE", &[Operation::ContainerPause]),
    (
        "ALLOW_RESTARTS",
        &[Operation::ContainerKill, Operation::ContainerRestart, Operation::ContainerStop],
    ),
    ("ALLOW_START", &[Operation::ContainerStart]),
    ("ALLOW_STOP", &[Operation::ContainerStop]),
    ("ALLOW_UNPAUSE", &[Operation::ContainerUnpause]),
];

/// What linuxserver's keeps closed below `CONTAINERS` unless it is said; Tecnativa's has none of
/// these and closes nothing there.
const WITHHELD: &[(&str, &[Operation])] = &[
    (
        "ALLOW_ARCHIVE",
        &[
            Operation::ContainerArchive,
            Operation::ContainerArchiveInfo,
            Operation::PutContainerArchive,
        ],
    ),
    ("ALLOW_CHANGES", &[Operation::ContainerChanges]),
    ("ALLOW_EXPORT", &[Operation::ContainerExport]),
    ("ALLOW_LOGS", &[Operation::ContainerLogs]),
    ("ALLOW_TOP", &[Operation::ContainerTop]),
];

/// Opens everything but GET and HEAD.
const POST: &str = "POST";

/// How the proxy itself runs.
const OF_THE_PROXY: &[&str] =
    &["BIND_CONFIG", "DISABLE_IPV6", "LOG_LEVEL", "PROXY_READ_TIMEOUT", "SOCKET_PATH", "TZ"];

/// Podman's own API.
const LIBPOD: &str = "LIBPOD_";

/// What a request for one of these operations asks of a role beyond the operation.
const TERMS: &[(&str, &str, &[Operation])] = &[
    (
        "images",
        "*",
        &[
            Operation::ContainerCreate,
            Operation::DistributionInspect,
            Operation::ImageAttestations,
            Operation::ImageBuild,
            Operation::ImageCreate,
            Operation::ImageDelete,
            Operation::ImageGet,
            Operation::ImageGetAll,
            Operation::ImageHistory,
            Operation::ImageInspect,
            Operation::ImageSearch,
            Operation::ImageTag,
            Operation::ServiceCreate,
            Operation::ServiceUpdate,
        ],
    ),
    (
        "tags",
        "*",
        &[
            Operation::ImageBuild,
            Operation::ImageCommit,
            Operation::ImageLoad,
            Operation::ImagePush,
            Operation::ImageTag,
        ],
    ),
    (
        "networks",
        "*",
        &[
            Operation::ContainerCreate,
            Operation::ImageBuild,
            Operation::NetworkConnect,
            Operation::NetworkDelete,
            Operation::NetworkDisconnect,
            Operation::NetworkInspect,
            Operation::ServiceCreate,
            Operation::ServiceUpdate,
        ],
    ),
    (
        "volumes",
        "*",
        &[
            Operation::ContainerCreate,
            Operation::ServiceCreate,
            Operation::ServiceUpdate,
            Operation::VolumeCreate,
            Operation::VolumeDelete,
            Operation::VolumeInspect,
        ],
    ),
    (
        "ports",
        "1024-65535",
        &[Operation::ContainerCreate, Operation::ServiceCreate, Operation::ServiceUpdate],
    ),
    (
        "users",
        "*",
        &[Operation::ContainerCreate, Operation::ServiceCreate, Operation::ServiceUpdate],
    ),
];

/// The variables cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is no such variable, and it looks like one.
    #[error(
        "docker-socket-proxy has no variable {} (the nearest one is `{near}`)",
        quoted(.name.as_bytes())
    )]
    Unknown {
        /// The variable.
        name: String,
        /// The known one that is spelled most like it.
        near: &'static str,
    },
    /// It is neither on nor off.
    #[error("`{name}` is {}, and must be 0 or 1", quoted(.value.as_bytes()))]
    NoTruth {
        /// The variable.
        name: String,
        /// What it is.
        value: String,
    },
    /// None was given.
    #[error("there is no variable of docker-socket-proxy")]
    None,
}

/// Whether docker-socket-proxy reads a variable of this name.
pub fn is_variable(name: &str) -> bool {
    switches().any(|known| known == name)
}

fn switches() -> impl Iterator<Item = &'static str> {
    let sections = SECTIONS.iter().map(|(name, ..)| *name);
    let singles = SINGLES.iter().chain(WITHHELD).map(|(name, _)| *name);
    sections.chain(singles).chain([POST])
}

/// The role, as TOML to be put in the configuration or in a file of `roles.d`. What is not carried
/// over stands before it as comments.
///
/// # Errors
/// [`Unreadable`].
pub fn from_env(
    role: &Name,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<String, Unreadable> {
    let mut set = BTreeMap::new();
    let mut ignored = Vec::new();
    for (name, value) in variables {
        if OF_THE_PROXY.contains(&name.as_str()) || name.starts_with(LIBPOD) {
            ignored.push(name);
            continue;
        }
        let Some(known) = switches().find(|known| *known == name) else {
            match nearest(&name, switches()) {
                Some(near) => return Err(Unreadable::Unknown { near, name }),
                // A container has others besides.
                None => continue,
            }
        };
        let on = match value.trim().to_ascii_lowercase().as_str() {
            "1" | "true" => true,
            "" | "0" | "false" => false,
            _ => return Err(Unreadable::NoTruth { name, value }),
        };
        set.insert(known, on);
    }
    if set.is_empty() {
        return Err(Unreadable::None);
    }
    Ok(write(role, &set, &ignored))
}

/// Whether the proxy lets an operation through.
fn opens(set: &BTreeMap<&str, bool>, operation: Operation) -> bool {
    let is = |name: &str| set.get(name).copied();
    let among = |rows: &[(&str, &[Operation])], on: bool| {
        rows.iter().any(|(name, operations)| {
            operations.contains(&operation) && is(name).unwrap_or_default() == on
        })
    };
    if among(SINGLES, true) {
        return true;
    }
    let linuxservers = WITHHELD.iter().any(|(name, _)| is(name).is_some());
    if linuxservers && among(WITHHELD, false) {
        return false;
    }
    let route = operation.route();
    let reads = matches!(route.method, Method::Get | Method::Head);
    let first = route.template.split('/').nth(1).unwrap_or_default();
    let section = SECTIONS.iter().find(|(_, segment, _)| *segment == first);
    (reads || is(POST).unwrap_or_default())
        && section.is_some_and(|(name, _, default)| is(name).unwrap_or(*default))
}

fn write(role: &Name, set: &BTreeMap<&str, bool>, ignored: &[String]) -> String {
    let open: Vec<_> = Operation::ALL
        .iter()
        .copied()
        .filter(|operation| operation.route().class != Class::Closed && opens(set, *operation))
        .collect();
    let (kept, left): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|operation| closed(*operation).is_none());
    let given: Vec<_> = set.iter().map(|(name, on)| format!("{name}={}", u8::from(*on))).collect();
    let mut text = String::new();
    // INVARIANT: writing to a String cannot fail.
    let _ = writeln!(text, "# What docker-socket-proxy lets through with {}.", given.join(" "));
    if !left.is_empty() {
        text += "# It would let these through too, which no role here can be given:\n";
        for operation in left {
            let why = closed(operation).unwrap_or_default();
            let _ = writeln!(text, "#   {}: {why}", operation.as_str());
        }
    }
    if kept.contains(&Operation::ContainerCreate) {
        text += "# It let a container have anything of the host. Here it has nothing of it but what\n\
                 # `binds`, `capabilities` and `devices` of the role name.\n";
    }
    let shows = kept.iter().any(|&operation| crate::reply::has_secrets(operation));
    if shows {
        text += "# It showed environments, arguments and paths of the host. Take `secrets` out where\n\
                 # the client needs none of them.\n";
    }
    if !ignored.is_empty() {
        let _ = writeln!(text, "# Not a matter of roles: {}.", ignored.join(", "));
    }
    let _ = writeln!(text, "[roles.{role}]");
    text += "summary = \"what docker-socket-proxy let through\"\n";
    text += "operations = [\n";
    for operation in &kept {
        let _ = writeln!(text, "    \"{}\",", operation.as_str());
    }
    text += "]\n";
    for (term, value, operations) in TERMS {
        if operations.iter().any(|operation| kept.contains(operation)) {
            let _ = writeln!(text, "{term} = [\"{value}\"]");
        }
    }
    if shows {
        text += "secrets = true\n";
    }
    text
}

/// Why a role for everybody's things cannot be given an operation.
fn closed(operation: Operation) -> Option<&'static str> {
    let route = operation.route();
    let inside = route.own_only().then_some("only roles with `isolation = \"own\"` reach inside");
    route.admin_only().or(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::policy::{Permissions, Roles};

    fn import(given: &str) -> Result<String, Unreadable> {
        let pairs = given.split_whitespace().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        from_env(&Name::parse("old").unwrap(), pairs)
    }

    fn permissions(given: &str) -> Permissions {
        let text = import(given).unwrap();
        let (table, errors) = toml::de::DeTable::parse_recoverable(&text);
        assert!(errors.is_empty(), "{text}");
        let roles = table.get_ref().get("roles").unwrap().get_ref().as_table().unwrap();
        let roles = Roles::with(&[roles], &[]).unwrap_or_else(|all| panic!("{all:?}\n{text}"));
        Permissions::compile(&std::sync::Arc::new(roles), ["old"])
    }

    #[test]
    fn each_variable_opens_what_it_opened_there() {
        use Operation::*;
        for (given, open, closed) in [
            (
                "CONTAINERS=1",
                &[ContainerList, ContainerInspect, ContainerLogs, SystemEvents, SystemVersion][..],
                &[ContainerStart, ContainerCreate, ImageList, SystemInfo][..],
            ),
            (
                "POST=0 CONTAINERS=1 ALLOW_START=1",
                &[ContainerList, ContainerStart],
                &[ContainerStop, ContainerCreate],
            ),
            (
                "ALLOW_RESTARTS=1",
                &[ContainerStop, ContainerKill, ContainerRestart],
                &[ContainerList],
            ),
            (
                "CONTAINERS=1 POST=1",
                &[ContainerCreate, ContainerDelete],
                &[ImageCreate, NetworkList],
            ),
            ("POST=1", &[SystemVersion], &[ContainerCreate, ContainerList]),
            ("CONTAINERS=1 ALLOW_LOGS=1", &[ContainerLogs], &[ContainerTop, ContainerExport]),
            ("SYSTEM=1 EVENTS=0", &[SystemDataUsage], &[SystemEvents]),
            (
                "CONTAINERS=true IMAGES= PATH=/bin HAPROXY_VERSION=3.2",
                &[ContainerList],
                &[ImageList],
            ),
        ] {
            let permissions = permissions(given);
            let has = |operation| permissions.rule(operation).is_some();
            for &operation in open {
                assert!(has(operation), "{given}: {}", operation.as_str());
                assert!(permissions.shows_secrets(operation), "{given}: {}", operation.as_str());
            }
            for &operation in closed {
                assert!(!has(operation), "{given}: {}", operation.as_str());
            }
        }
    }

    #[test]
    fn everything_open_is_still_a_role_that_can_be_read_and_gives_no_host_away() {
        let all: Vec<_> = switches().map(|name| format!("{name}=1")).collect();
        let permissions = permissions(&all.join(" "));
        for &operation in Operation::ALL {
            assert!(
                closed(operation).is_none() || permissions.rule(operation).is_none(),
                "{}",
                operation.as_str()
            );
        }
    }

    #[test]
    fn an_operation_comes_with_the_terms_that_its_requests_ask_for() {
        for &operation in Operation::ALL {
            let route = operation.route();
            if closed(operation).is_some() || route.class == Class::Closed {
                continue;
            }
            let query: Vec<_> = route
                .query
                .iter()
                .filter(|key| !["fromSrc", "repo", "changes", "message"].contains(&key.name))
                .map(|key| (key.name.to_owned(), "busybox".to_owned()))
                .collect();
            let asks = Facts::of_target(operation, &["busybox".to_owned()], &query).asks;
            // A role without a ceiling covers any number.
            let ceilings = ["cpus", "memory", "pids"];
            let terms = asks.iter().filter_map(|fact| fact.ask.term());
            for term in terms.filter(|term| !ceilings.contains(term)) {
                let listed = TERMS
                    .iter()
                    .any(|(name, _, operations)| *name == term && operations.contains(&operation));
                assert!(listed, "{} asks for `{term}`", operation.as_str());
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (given, said) in [
            (
                "CONTAINER=1",
                "docker-socket-proxy has no variable `CONTAINER` (the nearest one is `CONTAINERS`)",
            ),
            ("POST=yes", "`POST` is `yes`, and must be 0 or 1"),
            ("LOG_LEVEL=info", "there is no variable of docker-socket-proxy"),
        ] {
            assert_eq!(import(given).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn the_role_says_what_is_not_carried_over() {
        let role = import("CONTAINERS=0 INFO=1 EVENTS=0 PLUGINS=1 LOG_LEVEL=info").unwrap();
        insta::assert_snapshot!(role, @r#"
        # What docker-socket-proxy lets through with CONTAINERS=0 EVENTS=0 INFO=1 PLUGINS=1.
        # It would let these through too, which no role here can be given:
        #   GetPluginPrivileges: it runs or reads as root on the host
        # It showed environments, arguments and paths of the host. Take `secrets` out where
        # the client needs none of them.
        # Not a matter of roles: LOG_LEVEL.
        [roles.old]
        summary = "what docker-socket-proxy let through"
        operations = [
            "SystemPing",
            "SystemPingHead",
            "SystemInfo",
            "SystemVersion",
            "PluginList",
            "PluginInspect",
        ]
        secrets = true
        "#);
    }
}
