//! What is decided only when a body has come.

use std::sync::Arc;

use super::{Isolation, Permissions, Role, Standing, refusal};
use crate::facts::{Ask, Fact, Facts};
use crate::operation::{BodyKind, Operation, Request};
use crate::reference;
use crate::reply::{self, Claim, Keep, Object};
use crate::verdict::Refusal;

/// The roles that grant a request as far as it is known. What its body asks for narrows them:
/// one of them must cover it all.
#[derive(Clone)]
pub struct Undecided {
    operation: Operation,
    /// Each with the rules by which it would have refused some of it, were it not in warn mode.
    roles: Vec<(Arc<Role>, Vec<&'static str>)>,
    /// Which images are there for roles for one's own things.
    keep: Option<Keep>,
}

impl std::fmt::Debug for Undecided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Undecided").field("roles", &self.roles).finish_non_exhaustive()
    }
}

impl Undecided {
    /// `None` where nothing of the body would make a difference: it is no stream, or a role
    /// grants the request whatever is in it.
    pub(super) fn of(permissions: &Permissions, request: &Request) -> Option<Self> {
        let asked = request.route.operation;
        // What BuildKit's connections are for is a build.
        let operation = match (request.route.body, asked) {
            (BodyKind::Stream, _) => asked,
            (_, Operation::Grpc | Operation::Session) => Operation::ImageBuild,
            _ => return None,
        };
        let isolation = Isolation::of(request);
        let granting = || {
            let such = permissions.roles.iter().filter(|role| role.isolation() == isolation);
            such.filter(|role| role.grants(asked) && role.grants(operation))
        };
        if granting().any(|role| role.standing() == Standing::Unrestricted) {
            return None;
        }
        let roles = granting().filter(|role| role.refuses(&request.facts).is_none());
        let with = |role: &Arc<Role>| (role.clone(), role.would_deny(operation, &request.facts));
        let keep = request.scoped().and_then(|own| own.keep.clone());
        Some(Self { operation, roles: roles.map(with).collect(), keep })
    }

    /// Judges what the body asks for beside what was asked before.
    ///
    /// # Errors
    /// What no role covers, of the one that gets furthest.
    pub fn judge(&mut self, asks: Vec<Fact>) -> Result<(), Refusal> {
        let facts = Facts { asks, ..Facts::default() };
        let refused = self.roles.iter().map(|(role, _)| role.refuses(&facts)).collect::<Vec<_>>();
        if refused.iter().all(Option::is_some) {
            let furthest = refused.into_iter().flatten().max_by_key(|(place, _)| *place);
            return Err(match furthest {
                Some((_, fact)) => {
                    let roles: Vec<_> = self.roles.iter().map(|(role, _)| role.clone()).collect();
                    refusal::not_covered(&roles, self.operation, fact)
                }
                // INVARIANT: some role granted the request, and the last one is never dropped.
                None => Refusal::forbidden("role.operations", "may not do this"),
            });
        }
        self.roles.retain(|(role, _)| role.refuses(&facts).is_none());
        for (role, would_deny) in &mut self.roles {
            would_deny.extend(role.would_deny(self.operation, &facts));
            would_deny.sort_unstable();
            would_deny.dedup();
        }
        self.sees(&facts)
    }

    /// Somebody else's image is not there for a build. Nor is one that is named by what could be an
    /// id: nobody has looked up which one that is.
    fn sees(&self, facts: &Facts) -> Result<(), Refusal> {
        let Some(keep) = &self.keep else { return Ok(()) };
        for fact in &facts.asks {
            let Ask::Image(name) = &fact.ask else { continue };
            let id = name.as_written();
            let (kind, claim) = (reply::Kind::ImageName, Claim::Untold);
            if !keep(&Object { kind, id, claim, made: None }) {
                return Err(reference::Kind::Image.missing(id));
            }
        }
        Ok(())
    }

    /// The rules by which the request would have been refused by now, were it not for a role in
    /// warn mode.
    pub fn would_deny(&self) -> &[&'static str] {
        let least = self.roles.iter().min_by_key(|(_, would_deny)| would_deny.len());
        least.map_or(&[], |(_, would_deny)| would_deny)
    }
}
