//! What the audit trail says was asked for, for `replay` and `learn`.

use std::net::SocketAddr;
use std::path::Path;

use seawall_rules::facts::Ask;
use seawall_rules::operation::Operation;
use seawall_rules::policy::{Circumstances, Permissions, Roles, Unknown};

use crate::audit::read::{Body, DecisionRecord, Records};
use crate::cli::log::{self, Moment};
use crate::cli::report::{Doing as _, Error};

/// A recorded request that the roles decided.
pub(super) struct Recorded {
    pub(super) decision: DecisionRecord,
    pub(super) operation: Operation,
    /// Where from and when.
    pub(super) circumstances: Circumstances,
    /// What it asked for; `None` where the record does not say, or not all of it: the body was not
    /// read, or the record is older than this list.
    pub(super) asks: Option<Vec<Ask>>,
}

impl Recorded {
    fn of(decision: DecisionRecord, time: &str) -> Option<Self> {
        let operation = Operation::named(decision.operation.as_deref()?)?;
        if !decision.allowed && !is_of_roles(&decision.rule) {
            return None;
        }
        let asks = decision.asks.as_ref().and_then(|asks| {
            // A text that was cut ends so.
            let whole = |text: &String| match text.ends_with('…') {
                true => None,
                false => Ask::from_notation(text),
            };
            asks.iter().map(whole).collect()
        });
        // What came by a Unix socket has no address.
        let local = decision.credential.starts_with("uid:");
        let peer = decision.peer.parse::<SocketAddr>().ok().filter(|_| !local);
        let at = log::seconds(time);
        let circumstances = Circumstances { from: peer.map(|peer| peer.ip()), at };
        Some(Self { decision, operation, circumstances, asks })
    }

    /// What these permissions say to it: the rule that grants or refuses it. `None` where the
    /// record does not say enough to tell.
    pub(super) fn under(&self, permissions: &Permissions) -> Option<Result<String, &'static str>> {
        let unknown = match self.decision.unknown.is_empty() {
            true => Unknown::None,
            false => Unknown::Some,
        };
        // Without its asks: what is refused for the operation alone is refused all the same.
        let alone = permissions.replay(self.operation, Vec::new(), unknown);
        let said = match &self.asks {
            // Of labels only those are recorded that a role asked for then.
            Some(asks)
                if alone.is_ok()
                    && permissions.asks_for_labels(self.operation)
                    && !asks.iter().any(|ask| matches!(ask, Ask::Labels(_))) =>
            {
                return None;
            }
            Some(asks) => permissions.replay(self.operation, asks.clone(), unknown),
            None if alone.is_err() => alone,
            None => return None,
        };
        Some(said.map(|rule| rule.to_string()))
    }
}

/// Whether a rule refuses by what the roles grant, not by what the request or its sender is.
fn is_of_roles(rule: &str) -> bool {
    rule.starts_with("role.")
        || rule.starts_with("escape.")
        || matches!(rule, "body.unknown" | "everyone.closed" | "query.unknown")
}

/// Calls `each` with every request that the roles decided since then, the oldest first; gives how
/// many others there were.
///
/// # Errors
/// The trail cannot be read.
pub(super) fn since(
    dir: &Path,
    since: Option<&Moment>,
    mut each: impl FnMut(Recorded),
) -> Result<u64, Error> {
    let mut others = 0;
    for entry in Records::from_segment(dir, 0) {
        let entry = entry.doing(|| format!("read the audit trail in {}", dir.display()))?;
        if since.is_some_and(|since| !since.is_before_or_at(&entry)) {
            continue;
        }
        if let Body::Decision(decision) = entry.body {
            match Recorded::of(*decision, &entry.time) {
                Some(recorded) => each(recorded),
                None => others += 1,
            }
        }
    }
    Ok(others)
}

/// Whether everybody may, so that no role need say it.
pub(super) fn is_for_everyone(operation: Operation) -> bool {
    Permissions::compile(&Roles::built_in(), []).rule(operation).is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A decision on one of alice's requests.
    pub(in super::super) fn decision(
        operation: &str,
        asks: Option<&[&str]>,
        refused_by: Option<&str>,
    ) -> DecisionRecord {
        DecisionRecord {
            id: "7f3a91c2b04e-3".to_owned(),
            identity: "alice".to_owned(),
            identity_id: Some("0a1b".to_owned()),
            roles: "developer".to_owned(),
            credential: "cert:1d2e".to_owned(),
            peer: "10.0.0.5:4711".to_owned(),
            balancer: None,
            method: "POST".to_owned(),
            target: "/v1.41/x".to_owned(),
            operation: Some(operation.to_owned()),
            allowed: refused_by.is_none(),
            rule: refused_by.unwrap_or("developer.operations").to_owned(),
            reason: None,
            would_deny: Vec::new(),
            unknown: Vec::new(),
            asks: asks.map(|asks| asks.iter().map(|ask| (*ask).to_owned()).collect()),
            generation: 1,
            user_agent: String::new(),
        }
    }

    pub(in super::super) fn recorded(
        operation: &str,
        asks: Option<&[&str]>,
        refused_by: Option<&str>,
    ) -> Option<Recorded> {
        Recorded::of(decision(operation, asks, refused_by), "2026-11-24T10:00:00Z")
    }

    #[test]
    fn what_a_record_does_not_say_is_not_guessed() {
        let permissions = Permissions::compile(&Roles::built_in(), ["developer"]);
        let under = |operation, asks| recorded(operation, asks, None).unwrap().under(&permissions);
        let allowed = Some(Ok("developer.operations".to_owned()));
        assert_eq!(under("ContainerCreate", Some(&["image alpine", "memory unlimited"])), allowed);
        assert_eq!(under("ContainerCreate", Some(&["bind /etc:ro"])), Some(Err("escape.bind")));
        assert_eq!(
            under("ContainerCreate", Some(&["escape.privileged"])),
            Some(Err("escape.privileged"))
        );
        for unclear in [None, Some(&["image alp…"][..]), Some(&["image a1", "… and 3 more"])] {
            assert_eq!(under("ContainerCreate", unclear), None);
            assert_eq!(under("BuildPrune", unclear), Some(Err("role.operations")));
        }
        assert!(recorded("ContainerCreate", None, Some("head.framing")).is_none());
        assert!(recorded("ContainerCreate", None, Some("body.type")).is_none());
        assert!(recorded("ContainerStop", None, Some("role.operations")).is_some());
    }
}
