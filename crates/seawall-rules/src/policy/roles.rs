//! The built-in roles, as data: everything they grant is on this page.

use std::fmt;

use crate::operation::{Class, Operation};

use Operation::*;

/// A role that ships with Seawall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, recorded.
    Admin,
    /// `viewer`, and logs, stats, start, stop, restart, pause, kill.
    Operator,
    /// Lists, events, version; no inspects.
    Viewer,
}

/// What every authenticated client may do, whatever its roles: a client that gets no ping falls
/// back to guessing, and hides the refusal of its real request.
pub(super) const EVERYONE: &[Rule] =
    &[Rule { id: "everyone.ping", set: Set::These(&[SystemPing, SystemPingHead]) }];

const VIEWER: &[Rule] = &[
    Rule {
        id: "viewer.list",
        set: Set::These(&[ContainerList, ImageList, NetworkList, VolumeList]),
    },
    Rule {
        id: "viewer.system",
        set: Set::These(&[SystemDataUsage, SystemEvents, SystemInfo, SystemVersion]),
    },
];

const OPERATOR: &[Rule] = &[
    Rule {
        id: "operator.lifecycle",
        set: Set::These(&[
            ContainerKill,
            ContainerPause,
            ContainerRestart,
            ContainerStart,
            ContainerStop,
            ContainerUnpause,
        ]),
    },
    // Waiting tells no more than `ps` does, the exit code, and scripts that stop a container
    // wait for it.
    Rule {
        id: "operator.observe",
        set: Set::These(&[ContainerLogs, ContainerStats, ContainerWait]),
    },
];

const ADMIN: &[Rule] = &[Rule { id: "admin.all", set: Set::AllButClosed }];

/// One rule: what it grants, under an id that is stable.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    set: Set,
}

#[derive(Debug)]
enum Set {
    AllButClosed,
    These(&'static [Operation]),
}

impl Rule {
    pub(super) fn grants(&self) -> impl Iterator<Item = Operation> {
        let all = match self.set {
            Set::AllButClosed => Operation::ALL,
            Set::These(these) => these,
        };
        all.iter().copied().filter(|operation| operation.route().class != Class::Closed)
    }
}

/// What becomes of query keys that the table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnknownKeys {
    Refuse,
    /// They pass, and are recorded by name.
    Pass,
}

impl Role {
    /// Every role, the least first: each grants all that the one before it does.
    pub const ALL: &'static [Self] = &[Self::Viewer, Self::Operator, Self::Admin];

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == name)
    }

    /// The role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// What the role is for, one clause.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Admin => "everything, recorded; unknown query keys pass",
            Self::Operator => {
                "what viewer may, and logs, statistics, start, stop, restart, pause, kill, wait"
            }
            Self::Viewer => "lists, events, version, information and disk usage; no inspects",
        }
    }

    /// What the role grants, each operation with the id of its rule; in the table's order.
    pub fn operations(self) -> Vec<(Operation, &'static str)> {
        let permissions = super::Permissions::compile(&[self]);
        Operation::ALL
            .iter()
            .filter_map(|&operation| Some((operation, permissions.rule(operation)?)))
            .collect()
    }

    /// The roles that grant an operation, the least first.
    pub fn granting(operation: Operation) -> Vec<Self> {
        let grants = |role: &&Self| {
            EVERYONE
                .iter()
                .chain(role.rules())
                .any(|rule| rule.grants().any(|granted| granted == operation))
        };
        Self::ALL.iter().filter(grants).copied().collect()
    }

    pub(super) fn rules(self) -> impl Iterator<Item = &'static Rule> {
        let (own, inherited): (_, &[Rule]) = match self {
            Self::Admin => (ADMIN, &[]),
            Self::Operator => (OPERATOR, VIEWER),
            Self::Viewer => (VIEWER, &[]),
        };
        inherited.iter().chain(own)
    }

    pub(super) const fn unknown_keys(self) -> UnknownKeys {
        match self {
            Self::Admin => UnknownKeys::Pass,
            Self::Operator | Self::Viewer => UnknownKeys::Refuse,
        }
    }

    /// The id of the rule that refuses what the role does not grant.
    pub(super) const fn not_granted(self) -> &'static str {
        match self {
            Self::Admin => "admin.not-granted",
            Self::Operator => "operator.not-granted",
            Self::Viewer => "viewer.not-granted",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
