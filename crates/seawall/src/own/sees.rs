//! What somebody sees: asked of every element of a reply as it passes, so it goes by what is known
//! and waits for nothing.

use std::sync::{Arc, PoisonError};

use seawall_rules::facts::ImageName;
use seawall_rules::reference::Kind;
use seawall_rules::reply::{self, Claim, Keep, Object};

use super::{Kin, Known, Owners};
use crate::state::IdentityId;

/// Whose a name of an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Somebody's, and not theirs.
    Others,
    /// Nobody's, or it came from a registry: it is for all whose roles name it.
    Shared,
    Theirs,
}

impl Owners {
    /// Says of anything in a reply whether it is theirs to see, as it is known at that moment;
    /// `named` says which images that are nobody's their roles name.
    pub fn sees(
        &self,
        kin: &Arc<Kin>,
        named: impl Fn(&ImageName) -> bool + Send + Sync + 'static,
    ) -> Keep {
        let (known, kin) = (self.known.clone(), kin.clone());
        Arc::new(move |object| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let kind = match object.kind {
                reply::Kind::Container => Kind::Container,
                reply::Kind::Image => Kind::Image,
                reply::Kind::ImageName => {
                    let name = ImageName::new(object.id);
                    let whose = name.canonical().map(|name| known.whose_name(name, &kin));
                    return match whose {
                        Some(Names::Theirs) => true,
                        Some(Names::Shared) => named(&name),
                        Some(Names::Others) | None => false,
                    };
                }
                reply::Kind::Network => Kind::Network,
                reply::Kind::Volume => Kind::Volume,
                reply::Kind::BuildCache | reply::Kind::Other => return false,
            };
            known.shows(kind, object, &kin)
        })
    }
}

impl Known {
    /// Ids are never used again, names of volumes are: where a reply tells which request made one,
    /// that has to be the owner's.
    fn shows(&self, kind: Kind, object: &Object<'_>, kin: &Kin) -> bool {
        let claim = match object.claim {
            Claim::Says(claim) => claim,
            Claim::Untold => None,
        };
        if let Some((owner, by)) = self.things.get(&kind).and_then(|all| all.get(object.id)) {
            let same = kind != Kind::Volume || by.as_deref() == claim;
            if by.is_none() || same || object.claim == Claim::Untold {
                return kin.contains(owner);
            }
        }
        let promised = claim.and_then(|claim| self.promises.get(claim));
        if let Some(promise) = promised.filter(|promise| promise.kind == kind) {
            return kin.contains(&promise.identity);
        }
        let Some(name) = object.made else {
            let gone = self.gone.iter().find(|gone| gone.0 == kind && gone.1 == object.id);
            return gone.is_some_and(|gone| kin.contains(&gone.2));
        };
        let mut makers = self.making.iter().filter(|making| making.0 == kind && making.1 == name);
        makers.clone().count() > 0 && makers.all(|making| kin.contains(&making.2))
    }

    /// Of a digest: whoever has given the repository a tag may have pushed it there.
    pub(super) fn whose_name(&self, name: &str, kin: &Kin) -> Names {
        let of = |owner: &IdentityId| match kin.contains(owner) {
            true => Names::Theirs,
            false => Names::Others,
        };
        let Some(tags) = self.things.get(&Kind::Tag) else { return Names::Shared };
        if let Some((owner, _)) = tags.get(name) {
            return of(owner);
        }
        let Some((repository, _)) = name.split_once('@') else { return Names::Shared };
        let prefix = format!("{repository}:");
        let mut tags = tags.range(prefix.clone()..).take_while(|(tag, _)| tag.starts_with(&prefix));
        let owners = tags.clone().map(|(_, (owner, _))| of(owner));
        match tags.next() {
            None => Names::Shared,
            Some(_) if owners.clone().any(|whose| whose == Names::Others) => Names::Others,
            Some(_) => Names::Theirs,
        }
    }
}
