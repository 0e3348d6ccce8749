//! Stage 5: roles, compiled per identity into a table by operation.

use crate::operation::Request;
use crate::verdict::{Refusal, Verdict};

/// A role that ships with Seawall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything, recorded.
    Admin,
    /// `viewer`, and logs, stats, start, stop, restart, pause, kill.
    Operator,
    /// Lists, events, version; no inspects.
    Viewer,
}

impl Role {
    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "admin" => Some(Self::Admin),
            "operator" => Some(Self::Operator),
            "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }

    /// Its name, as `--role` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

/// What one identity may do: one entry an operation, made once from its roles.
#[derive(Clone, Debug)]
pub struct Permissions {}

impl Permissions {
    /// Compiles the union of `roles`; no role grants nothing but `/_ping`.
    pub fn compile(roles: &[Role]) -> Self {
        let _ = roles;
        Self {}
    }
}

/// Decides a request: a lookup, for an operation without a judged body. Cannot fail.
pub fn judge(permissions: &Permissions, request: Request) -> Verdict {
    let _ = permissions;
    Verdict::Deny(Box::new((request, Refusal::forbidden("policy.none", "not built yet"))))
}
