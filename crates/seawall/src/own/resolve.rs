//! Between reading a request and judging it by roles for one's own things: what it names is looked
//! up, and written by its full id.

use std::sync::Arc;

use super::ask::{Asking, Said};
use super::errand::Errand;
use super::look::{Look, text};
use super::{Kin, Owners};
use crate::engine::Engine;
use seawall_rules::operation::{Operation, Request};
use seawall_rules::policy::{self, Permissions};
use seawall_rules::reference::{Absent, CLAIM_LABEL, Kind, OWNER_LABEL, Scope, Scoping, scope};
use seawall_rules::verdict::Refusal;

/// Looks up everything a request names, and has it say so.
///
/// # Errors
/// A [`Refusal`]: what no role covers, whosever it is; the engine's own answer for what there is
/// not, for somebody else's thing as well; 502 when the engine does not tell.
pub async fn resolve(
    request: Request,
    permissions: &Permissions,
    owners: &Owners,
    kin: &Arc<Kin>,
    (asking, engine): (&mut Asking, &Engine),
) -> Result<(Request, Errand), Refusal> {
    let operation = request.route.operation;
    let scoping = Scoping::begin(request);
    let mut scoping = scoping.map_err(|refused| refused.1)?;
    policy::foresee(permissions, &scoping)?;
    let Some(own) = kin.first() else {
        return Err(Refusal::forbidden(
            "isolation.nobody",
            "may not have things of its own: its certificate belongs to no identity",
        ));
    };
    let mut errand = Errand::default();
    let sees = owners.sees(kin, permissions.names_of_own(operation));
    let mut look = Look { owners, kin, asking, engine };
    for place in 0..scoping.references().len() {
        let Some(reference) = scoping.references().get(place).cloned() else { break };
        match look.up(&reference, &sees).await? {
            Some(thing) => scoping.found(place, &thing.found()),
            None if reference.absent == Absent::Made => {
                if !errand.volumes.iter().any(|(name, _)| *name == reference.name) {
                    let claim = errand.promise(Kind::Volume, own)?;
                    errand.volumes.push((reference.name, claim));
                }
            }
            None => return Err(reference.kind.missing(&reference.name)),
        }
    }
    match scope(operation) {
        Scope::Builds => {
            look.cache_images(&scoping)?;
            look.image_names(&scoping, own, &mut errand).await?;
            // Without a name the label has to tell which one it is; with one, the same build is to
            // give the same image.
            let name = scoping.given_names().next().map(str::to_owned);
            let claim = match &name {
                Some(_) => None,
                None => Some(errand.promise(Kind::Image, own)?),
            };
            let claim = claim.as_deref().map(|claim| (CLAIM_LABEL, claim));
            let labels: Vec<_> = [(OWNER_LABEL, own.0.as_str())].into_iter().chain(claim).collect();
            scoping.label_build(&labels)?;
            scoping.keep(sees)?;
            errand.builds = name.map(|name| (name, own.clone()));
        }
        Scope::Pulls | Scope::Tags => look.image_names(&scoping, own, &mut errand).await?,
        Scope::Prunes(kind) => errand.prunes = Some((kind, scoping.pruning(kind)?)),
        Scope::Removes => look.image_to_remove(&mut scoping, &sees, &mut errand).await?,
        of @ (Scope::Makes(_) | Scope::Commits) => {
            let kind = match of {
                Scope::Makes(kind) => kind,
                _ => Kind::Image,
            };
            look.image_names(&scoping, own, &mut errand).await?;
            let claim = errand.promise(kind, own)?;
            scoping.label(&[(OWNER_LABEL, &own.0), (CLAIM_LABEL, &claim)]);
            let tag = scoping.given_names().next().map(str::to_owned);
            errand.builds = tag.map(|name| (name, own.clone()));
            let name = scoping.request().body.as_ref().and_then(|body| body.field("Name"));
            let name = name.and_then(|name| name.as_str()).unwrap_or_default().to_owned();
            let is_told = matches!(kind, Kind::Network | Kind::Volume);
            errand.makes = is_told.then_some((kind, name));
        }
        Scope::List(kind) => {
            look.settle(kind).await?;
            scoping.narrow(kind, &owners.ids(kind, kin))?;
        }
        Scope::Usage => {
            look.settle(Kind::Container).await?;
            scoping.keep(sees)?;
        }
        Scope::Events | Scope::Images | Scope::Sees => scoping.keep(sees)?,
        Scope::Names { kind, .. } => {
            scoping.keep(sees)?;
            let removes = matches!(
                operation,
                Operation::ContainerDelete | Operation::NetworkDelete | Operation::VolumeDelete
            );
            let id = || scoping.request().params.first().cloned().unwrap_or_default();
            errand.removes.extend(removes.then(|| (kind, id())));
        }
        // What is built in a session is judged by it.
        Scope::Nothing if operation == Operation::Session => scoping.keep(sees)?,
        Scope::Nothing | Scope::Whole => {}
    }
    Ok((scoping.end(), errand))
}

/// The full id of what the engine finds by that name, whosever it is.
///
/// # Errors
/// A [`Refusal`] when there is no such thing, or the engine does not tell.
pub async fn full_id(engine: &Engine, kind: Kind, name: &str) -> Result<String, Refusal> {
    let (path, id): (&[&str], _) = match kind {
        Kind::Container => (&["containers", name, "json"], "/Id"),
        Kind::Exec => (&["exec", name, "json"], "/ID"),
        Kind::Image | Kind::Pulled | Kind::Tag => (&["images", name, "json"], "/Id"),
        Kind::Network => (&["networks", name], "/Id"),
        Kind::Volume => (&["volumes", name], "/Name"),
    };
    if name.is_empty() || name.contains('/') {
        return Err(kind.missing(name));
    }
    match Asking::default().get(engine, path, &[]).await? {
        Said::Thing(thing) => Ok(text(&thing, id).to_owned()),
        Said::Nothing => Err(kind.missing(name)),
    }
}
