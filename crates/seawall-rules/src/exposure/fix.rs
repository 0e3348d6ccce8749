//! What `scan --fix` may put right by itself: permissions, and drop-ins of units. Each takes
//! something away from those who should not have it, can be put back, and stops nothing that runs.

use super::catalogue::{gate, host, network, socket, tls};
use super::{Check, Finding};

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
    }
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
        // Drop-ins are read in the order of their names; this one comes after `override.conf`.
        path: format!("/etc/systemd/system/{unit}.d/zz-seawall.conf"),
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
    use super::super::Place;
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
    fn what_needs_a_decision_is_left_alone() {
        let plain = finding(&network::PLAIN_TCP, "tcp://0.0.0.0:2375", "/proc/1/cmdline");
        assert_eq!(fix(&plain), None);
        assert!(!is_fixable(&network::PLAIN_TCP) && is_fixable(&tls::KEY_FOLDER));
    }
}
