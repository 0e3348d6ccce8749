//! What `scan --fix` may put right by itself: permissions, drop-ins of units, and the engine's list
//! of hosts. Each takes something away from those who should not have it, can be put back, and stops
//! nothing that runs.

use std::collections::BTreeSet;

use super::catalogue::{gate, host, network, socket, tls};
use super::read::unit::Unit;
use super::{Check, Finding, Place};

/// A change that closes a finding, or part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// Permissions are taken away from a file, folder or socket.
    Restrict {
        /// Which.
        path: String,
        /// Bits that go.
        clear: u32,
        /// Whether it is to be root's.
        root: bool,
    },
    /// A drop-in of a unit, which is in force when the unit is restarted.
    DropIn {
        /// The unit.
        unit: String,
        /// The file.
        path: String,
        /// What is to stand in it.
        text: String,
    },
    /// The engine's unit starts it without these hosts, by a drop-in.
    UnitHosts {
        /// The unit.
        unit: String,
        /// The file whose `ExecStart=` has them, and the line of that.
        from: Place,
        /// `tcp://0.0.0.0:2375`, as written.
        hosts: BTreeSet<String>,
    },
    /// The engine's daemon.json loses these hosts.
    FileHosts {
        /// The file.
        path: String,
        /// As written.
        hosts: BTreeSet<String>,
    },
}

impl Fix {
    /// The file that is changed.
    pub fn path(&self) -> String {
        match self {
            Self::Restrict { path, .. }
            | Self::DropIn { path, .. }
            | Self::FileHosts { path, .. } => path.clone(),
            Self::UnitHosts { unit, .. } => drop_in(unit),
        }
    }

    /// Takes in what else is to be done to the same file.
    pub fn join(&mut self, other: Self) {
        match (self, other) {
            (
                Self::Restrict { clear, root, .. },
                Self::Restrict { clear: more, root: also, .. },
            ) => {
                *clear |= more;
                *root |= also;
            }
            (Self::UnitHosts { hosts, .. }, Self::UnitHosts { hosts: more, .. })
            | (Self::FileHosts { hosts, .. }, Self::FileHosts { hosts: more, .. }) => {
                hosts.extend(more);
            }
            // Of one file there is no other pair, and a drop-in is the same each time.
            _ => {}
        }
    }
}

/// Drop-ins are read in the order of their names; this one comes after `override.conf`.
fn drop_in(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/zz-seawall.conf")
}

/// The drop-in that starts the engine as `text`, the unit's file, does at that line, but without
/// these hosts. `None` where the line is not so plain that this is certain.
pub fn unit_without(text: &str, line: u32, hosts: &BTreeSet<String>) -> Option<String> {
    let mut unit = Unit::default();
    unit.add(text, "");
    let commands = unit.values("Service", "ExecStart");
    let (command, _) = commands.into_iter().find(|(_, place)| place.line == Some(line))?;
    // Quotes, and what they hold together, would have to be read as systemd does.
    if command.contains(['"', '\'', '\\']) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut words = command.split_ascii_whitespace().peekable();
    let mut gone = 0;
    while let Some(word) = words.next() {
        let joined = ["-H=", "--host=", "-H"].iter().find_map(|flag| word.strip_prefix(flag));
        let host = match (word, words.peek()) {
            ("-H" | "--host", Some(next)) => Some((*next).to_owned()),
            _ => joined.map(str::to_owned),
        };
        if !host.is_some_and(|host| hosts.contains(&host)) {
            kept.push(word);
            continue;
        }
        gone += 1;
        if matches!(word, "-H" | "--host") {
            words.next();
        }
    }
    (gone == hosts.len()).then(|| {
        format!(
            "# By `seawall scan --fix`: the API is on no TCP port.\n\
             [Service]\nExecStart=\nExecStart={}\n",
            kept.join(" ")
        )
    })
}

/// A daemon.json without these hosts; without the list when nothing is left in it. `None` where
/// they are not in it.
pub fn file_without(text: &str, hosts: &BTreeSet<String>) -> Option<String> {
    let mut document: serde_json::Value = serde_json::from_str(text).ok()?;
    let object = document.as_object_mut()?;
    let list = object.get_mut("hosts")?.as_array_mut()?;
    let before = list.len();
    list.retain(|host| !host.as_str().is_some_and(|host| hosts.contains(host)));
    let gone = before - list.len();
    if list.is_empty() {
        object.shift_remove("hosts");
    }
    let text = serde_json::to_string_pretty(&document).ok()?;
    (gone > 0).then_some(text + "\n")
}

/// What is done about a check's findings.
#[derive(Clone, Copy, Debug)]
enum How {
    /// Permissions of what the finding is about.
    Subject { clear: u32, root: bool },
    /// Permissions of the place where it was seen.
    Seen { clear: u32, root: bool },
    /// A drop-in that leaves a socket unit its Unix socket alone.
    SocketUnit,
    /// The engine starts without the host that the finding is about.
    Host,
}

/// Every check that can be put right.
static FIXES: &[(&Check, How)] = &[
    (&socket::SOCKET_MODE, How::Subject { clear: 0o007, root: false }),
    (&socket::SOCKET_FOLDER, How::Seen { clear: 0o022, root: true }),
    (&socket::RUNTIME_SOCKET, How::Subject { clear: 0o007, root: false }),
    (&tls::SERVER_KEY_MODE, How::Subject { clear: 0o077, root: true }),
    (&tls::CERTIFICATE_WRITABLE, How::Subject { clear: 0o022, root: true }),
    (&tls::CLIENT_KEY_MODE, How::Subject { clear: 0o077, root: false }),
    (&tls::KEY_FOLDER, How::Subject { clear: 0o022, root: false }),
    (&host::FILE_WRITABLE, How::Subject { clear: 0o022, root: true }),
    (&gate::GATE_STATE, How::Subject { clear: 0o077, root: false }),
    (&network::SOCKET_UNIT, How::SocketUnit),
    (&network::PLAIN_TCP, How::Host),
    (&network::UNVERIFIED_TLS, How::Host),
    (&network::PLAIN_TCP_LOOPBACK, How::Host),
];

/// Whether findings of that check can be put right.
pub fn is_fixable(check: &Check) -> bool {
    FIXES.iter().any(|(fixable, _)| *fixable == check)
}

/// What would put a finding right, if that can be done by itself.
pub fn fix(finding: &Finding) -> Option<Fix> {
    let (_, how) = FIXES.iter().find(|(check, _)| *check == finding.check)?;
    match *how {
        How::Subject { clear, root } => restrict(&finding.subject, clear, root),
        How::Seen { clear, root } => restrict(&finding.evidence.first()?.place.name, clear, root),
        How::SocketUnit => socket_unit(finding),
        How::Host => host(finding),
    }
}

/// The evidence says where the engine will have the host from when it starts again.
fn host(finding: &Finding) -> Option<Fix> {
    finding.evidence.iter().find_map(|evidence| {
        let place = &evidence.place;
        let file = place.name.as_str();
        if let Some(host) = evidence.says.strip_prefix("hosts: ") {
            let hosts = BTreeSet::from([host.to_owned()]);
            let path = file.to_owned();
            return (file == "/etc/docker/daemon.json").then_some(Fix::FileHosts { path, hosts });
        }
        let host = evidence.says.strip_prefix("-H ")?;
        let unit = "docker.service";
        let of_unit = file.ends_with("/docker.service") || file.contains("/docker.service.d/");
        (of_unit && is_read_by_systemd(file)).then(|| Fix::UnitHosts {
            unit: unit.to_owned(),
            from: place.clone(),
            hosts: BTreeSet::from([host.to_owned()]),
        })
    })
}

fn restrict(path: &str, clear: u32, root: bool) -> Option<Fix> {
    path.starts_with('/').then(|| Fix::Restrict { path: path.to_owned(), clear, root })
}

fn socket_unit(finding: &Finding) -> Option<Fix> {
    // `tcp://[::]:2375 (docker.socket)`, seen in a unit that systemd reads.
    let unit = finding.subject.rsplit_once('(')?.1.strip_suffix(')')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let seen = &finding.evidence.first()?.place.name;
    if !unit.ends_with(".socket") || !unit.chars().all(plain) || !is_read_by_systemd(seen) {
        return None;
    }
    let socket =
        if unit.contains("podman") { "/run/podman/podman.sock" } else { "/run/docker.sock" };
    Some(Fix::DropIn {
        unit: unit.to_owned(),
        path: drop_in(unit),
        text: format!(
            "# By `seawall scan --fix`: the API is on its Unix socket alone.\n\
             [Socket]\nListenStream=\nListenStream={socket}\n"
        ),
    })
}

fn is_read_by_systemd(path: &str) -> bool {
    let folders = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
    folders.iter().any(|folder| path.starts_with(&format!("{folder}/systemd/system/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static Check, subject: &str, seen: &str) -> Finding {
        Finding::new(check, subject, "x").seen(Place::line(seen, 3), "y")
    }

    #[test]
    fn permissions_are_taken_from_what_the_finding_is_about() {
        let key = finding(&tls::SERVER_KEY_MODE, "/etc/docker/key.pem", "/etc/docker/key.pem");
        let path = "/etc/docker/key.pem".to_owned();
        assert_eq!(fix(&key), Some(Fix::Restrict { path, clear: 0o077, root: true }));
        let folder = finding(&socket::SOCKET_FOLDER, "/run/x/docker.sock", "/run/x");
        let path = "/run/x".to_owned();
        assert_eq!(fix(&folder), Some(Fix::Restrict { path, clear: 0o022, root: true }));
        assert_eq!(fix(&finding(&tls::SERVER_KEY_MODE, "key.pem", "key.pem")), None);
    }

    #[test]
    fn a_socket_unit_gets_a_drop_in_that_is_read_last() {
        let unit = "/lib/systemd/system/docker.socket";
        let open = finding(&network::SOCKET_UNIT, "tcp://[::]:2375 (docker.socket)", unit);
        let Some(Fix::DropIn { unit, path, text }) = fix(&open) else { panic!("no drop-in") };
        assert_eq!(unit, "docker.socket");
        assert!(path.as_str() > "/etc/systemd/system/docker.socket.d/override.conf", "{path}");
        assert!(text.contains("\nListenStream=\nListenStream=/run/docker.sock\n"), "{text}");
        for (subject, seen) in [
            ("tcp://[::]:2375 (../x.socket)", "/lib/systemd/system/docker.socket"),
            ("tcp://[::]:2375 (docker.socket)", "/srv/config/docker.socket"),
            ("tcp://[::]:2375", "/lib/systemd/system/docker.socket"),
        ] {
            assert_eq!(fix(&finding(&network::SOCKET_UNIT, subject, seen)), None, "{subject}");
        }
    }

    #[test]
    fn an_open_host_goes_where_the_engine_has_it_from() {
        let seen = |file: &str, says: &str| {
            let finding = Finding::new(&network::PLAIN_TCP, "tcp://0.0.0.0:2375", "x");
            let finding = finding.seen(Place::whole("/proc/7/cmdline"), "-H tcp://0.0.0.0:2375");
            fix(&finding.seen(Place::line(file, 3), says)).map(|fix| fix.path())
        };
        let drop_in = Some("/etc/systemd/system/docker.service.d/zz-seawall.conf".to_owned());
        let (flag, key) = ("-H tcp://0.0.0.0:2375", "hosts: tcp://0.0.0.0:2375");
        assert_eq!(seen("/lib/systemd/system/docker.service", flag), drop_in);
        assert_eq!(seen("/etc/systemd/system/docker.service.d/tcp.conf", flag), drop_in);
        let file = "/etc/docker/daemon.json".to_owned();
        assert_eq!(seen(&file, key), Some(file));
        for (file, says) in [
            ("/srv/docker.service", flag),
            ("/lib/systemd/system/other.service", flag),
            ("/etc/default/docker", flag),
            ("/srv/daemon.json", key),
        ] {
            assert_eq!(seen(file, says), None, "{file}");
        }
    }

    #[test]
    fn a_unit_starts_the_engine_without_the_host_and_else_as_before() {
        let open = BTreeSet::from(["tcp://0.0.0.0:2375".to_owned()]);
        for (command, expected) in [
            (
                "dockerd -H fd:// -H tcp://0.0.0.0:2375 --debug $OPTS",
                Some("dockerd -H fd:// --debug $OPTS"),
            ),
            ("dockerd -H=tcp://0.0.0.0:2375", Some("dockerd")),
            ("dockerd -Htcp://0.0.0.0:2375 --host fd://", Some("dockerd --host fd://")),
            (
                "-dockerd --host tcp://0.0.0.0:2375 --host=unix:///x",
                Some("-dockerd --host=unix:///x"),
            ),
            ("dockerd -H tcp://0.0.0.0:2376", None),
            ("dockerd $OPTS", None),
            ("dockerd -H tcp://0.0.0.0:2375 --label \"a b\"", None),
        ] {
            let text = format!("[Service]\nType=notify\nExecStart={command}\n");
            let drop_in = unit_without(&text, 3, &open);
            let last = drop_in.as_deref().and_then(|text| text.lines().last());
            assert_eq!(last, expected.map(|it| format!("ExecStart={it}")).as_deref(), "{command}");
            assert!(drop_in.is_none_or(|text| text.contains("[Service]\nExecStart=\nExecStart=")));
        }
        assert_eq!(unit_without("[Service]\nExecStart=dockerd\n", 9, &open), None);
    }

    #[test]
    fn a_daemon_json_loses_the_host_and_nothing_else() {
        let open = BTreeSet::from(["tcp://0.0.0.0:2375".to_owned()]);
        for (text, expected) in [
            (
                r#"{"debug":true,"hosts":["fd://","tcp://0.0.0.0:2375"],"mtu":1450}"#,
                Some(r#"{"debug":true,"hosts":["fd://"],"mtu":1450}"#),
            ),
            (r#"{"hosts":["tcp://0.0.0.0:2375"],"icc":false}"#, Some(r#"{"icc":false}"#)),
            (r#"{"hosts":["fd://"]}"#, None),
            ("{}", None),
            ("no", None),
        ] {
            let plain = |text: String| text.split_ascii_whitespace().collect::<String>();
            assert_eq!(file_without(text, &open).map(plain).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_needs_a_decision_is_left_alone() {
        let plain = finding(&network::PLAIN_TCP, "tcp://0.0.0.0:2375", "/proc/1/cmdline");
        assert_eq!(fix(&plain), None);
        assert!(!is_fixable(&network::ENGINE_ON_NETWORK) && is_fixable(&tls::KEY_FOLDER));
    }
}
