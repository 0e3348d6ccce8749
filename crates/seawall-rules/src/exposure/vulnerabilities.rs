//! Known vulnerabilities that matter to who can reach an engine or its host from elsewhere, by the
//! version that what answers gives of itself. A short list on purpose: a package manager knows all
//! of them, and better.

use super::Severity;

/// When the list was last gone through.
pub const AS_OF: &str = "2026-11-24";

/// The oldest line of the engine that still counts as current; older ones also leave ports that
/// were published on 127.0.0.1 open to neighbours (moby#45610).
pub const OLDEST_CURRENT_ENGINE: u32 = 28;

/// What a version belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// dockerd.
    Engine,
    /// OpenSSH's server, `9.8p1` counting as 9.8.1.
    OpenSsh,
    /// runc, which `/version` names among the components.
    Runc,
}

/// One known vulnerability.
#[derive(Debug)]
pub struct Vulnerability {
    /// Its CVE id.
    pub id: &'static str,
    /// What has it.
    pub component: Component,
    /// What somebody can do, in a clause.
    pub what: &'static str,
    /// How bad that is for whoever is reachable.
    pub severity: Severity,
    /// Which versions have it, as `from..before`; a fix that came to several lines gives several.
    affected: &'static [([u32; 3], [u32; 3])],
}

/// A version as far as it can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Major, minor, patch.
    pub number: [u32; 3],
    /// Whether a distribution built it, which carries fixes back without changing the number:
    /// `20.10.24+dfsg1`, `OpenSSH_9.2p1 Debian-2+deb12u10`.
    pub of_a_distribution: bool,
}

impl Release {
    /// Reads `29.3.1`, `v20.10.24+dfsg1`, `28.0.0-rc.1`, `9.8p1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != 'p');
        let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
        let mut parts = number.split(['.', 'p']).map(|part| part.parse().ok());
        let first = parts.next()??;
        let mut rest = || parts.next().map_or(Some(0), |part| part);
        let number = [first, rest()?, rest()?];
        // Docker's own builds end in nothing, in `-ce` or in a pre-release.
        let own = ["", "-ce"].contains(&suffix) || suffix.starts_with("-rc");
        Some(Self { number, of_a_distribution: !own })
    }

    /// What OpenSSH's identification line says of it; a comment is a distribution's.
    pub fn of_openssh(identification: &str) -> Option<Self> {
        let (_, rest) = identification.split_once("-OpenSSH_")?;
        let (version, comment) = rest.split_once(' ').unwrap_or((rest, ""));
        let release = Self::parse(version)?;
        Some(Self { of_a_distribution: !comment.is_empty(), ..release })
    }
}

/// What is known about that version of a component, the worst first.
pub fn known(component: Component, release: &Release) -> Vec<&'static Vulnerability> {
    let has = |one: &&Vulnerability| {
        let mut ranges = one.affected.iter();
        one.component == component
            && ranges.any(|(from, before)| (from..before).contains(&&release.number))
    };
    let mut found: Vec<_> = VULNERABILITIES.iter().filter(has).collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.severity));
    found
}

/// The advisories of moby/moby, opencontainers/runc and OpenSSH, and their release notes.
const VULNERABILITIES: &[Vulnerability] = &[
    Vulnerability {
        id: "CVE-2024-41110",
        component: Component::Engine,
        what: "a request with an empty body passes by the authorisation plugins",
        severity: Severity::High,
        affected: &[
            ([19, 3, 0], [23, 0, 15]),
            ([24, 0, 0], [25, 0, 6]),
            ([26, 0, 0], [26, 1, 5]),
            ([27, 0, 0], [27, 1, 1]),
        ],
    },
    Vulnerability {
        id: "CVE-2026-34040",
        component: Component::Engine,
        what: "an oversized body passes by the authorisation plugins",
        severity: Severity::High,
        affected: &[([0, 0, 0], [29, 3, 1])],
    },
    Vulnerability {
        id: "CVE-2026-33997",
        component: Component::Engine,
        what: "a plugin gets a privilege that nobody granted it",
        severity: Severity::Medium,
        affected: &[([0, 0, 0], [29, 3, 1])],
    },
    Vulnerability {
        id: "CVE-2026-41567",
        component: Component::Engine,
        what: "copying an archive into a container runs that container's program as the host's root",
        severity: Severity::High,
        affected: &[([0, 0, 0], [29, 5, 1])],
    },
    Vulnerability {
        id: "CVE-2026-97032",
        component: Component::Engine,
        what: "an HTTP/2 client crashes the daemon",
        severity: Severity::Medium,
        affected: &[([29, 2, 0], [29, 9, 0])],
    },
    Vulnerability {
        id: "CVE-2025-54388",
        component: Component::Engine,
        what: "after a reload of firewalld, neighbours reach ports published on 127.0.0.1",
        severity: Severity::Medium,
        affected: &[([28, 2, 0], [28, 3, 3])],
    },
    Vulnerability {
        id: "CVE-2019-13139",
        component: Component::Engine,
        what: "a build from a git URL runs commands on the host",
        severity: Severity::High,
        affected: &[([0, 0, 0], [18, 9, 4])],
    },
    Vulnerability {
        id: "CVE-2024-21626",
        component: Component::Runc,
        what: "an image or an exec breaks out through its working directory",
        severity: Severity::High,
        affected: &[([1, 0, 0], [1, 1, 12])],
    },
    Vulnerability {
        id: "CVE-2025-31133",
        component: Component::Runc,
        what: "a container that is started breaks out through masked paths",
        severity: Severity::High,
        affected: &[([0, 0, 0], [1, 2, 8]), ([1, 3, 0], [1, 3, 3])],
    },
    Vulnerability {
        id: "CVE-2024-6387",
        component: Component::OpenSsh,
        what: "whoever can connect may become root before logging in (regreSSHion)",
        severity: Severity::Critical,
        affected: &[([8, 5, 0], [9, 8, 0])],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_their_makers_write_them() {
        let cases = [
            ("29.3.1", Some(([29, 3, 1], false))),
            ("v28.0.0-rc.1", Some(([28, 0, 0], false))),
            ("19.03.15-ce", Some(([19, 3, 15], false))),
            ("20.10.24+dfsg1", Some(([20, 10, 24], true))),
            ("27.5.1-0ubuntu3~24.04.2", Some(([27, 5, 1], true))),
            ("1.1.5+ds1", Some(([1, 1, 5], true))),
            ("9.8p1", Some(([9, 8, 1], false))),
            ("library-import", None),
            ("", None),
            ("29..1", None),
            ("99999999999.1", None),
        ];
        for (text, expected) in cases {
            let read = Release::parse(text).map(|it| (it.number, it.of_a_distribution));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn a_comment_in_the_identification_is_a_distribution() {
        let debian = Release::of_openssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10").unwrap();
        assert_eq!((debian.number, debian.of_a_distribution), ([9, 2, 1], true));
        let own = Release::of_openssh("SSH-2.0-OpenSSH_10.2").unwrap();
        assert_eq!((own.number, own.of_a_distribution), ([10, 2, 0], false));
        assert_eq!(Release::of_openssh("SSH-2.0-dropbear_2022.83"), None);
    }

    #[test]
    fn a_fixed_version_is_not_listed() {
        let ids = |component, version: &str| -> Vec<&str> {
            let release = Release::parse(version).unwrap();
            known(component, &release).iter().map(|one| one.id).collect()
        };
        assert_eq!(ids(Component::Engine, "29.9.0"), [""; 0]);
        assert_eq!(ids(Component::Engine, "29.5.1"), ["CVE-2026-97032"]);
        assert!(ids(Component::Engine, "25.0.5").contains(&"CVE-2024-41110"));
        assert!(!ids(Component::Engine, "25.0.6").contains(&"CVE-2024-41110"));
        assert!(!ids(Component::Engine, "23.0.15").contains(&"CVE-2024-41110"));
        assert_eq!(ids(Component::Runc, "1.3.3"), [""; 0]);
        assert_eq!(ids(Component::OpenSsh, "9.7p1"), ["CVE-2024-6387"]);
        assert_eq!(ids(Component::OpenSsh, "9.8p1"), [""; 0]);
    }

    #[test]
    fn every_range_begins_before_it_ends() {
        for one in VULNERABILITIES {
            assert!(!one.affected.is_empty(), "{}", one.id);
            for (from, before) in one.affected {
                assert!(from < before, "{}", one.id);
            }
        }
    }
}
