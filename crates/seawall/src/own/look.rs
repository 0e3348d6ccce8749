//! What the engine says a name means, and whose that is.

use std::time::SystemTime;

use seawall_rules::reference::{CLAIM_LABEL, Found, Kind, Reference};
use seawall_rules::reply::Keep;
use seawall_rules::verdict::Refusal;
use serde_json::{Value, json};

use super::ask::{Asking, Said};
use super::{Kin, Owner, Owners};
use crate::engine::Engine;
use crate::state::{IdentityId, Owned};

/// A thing that is theirs.
pub(super) struct Thing {
    id: String,
    name: String,
    /// Itself, or the container of an exec.
    of: (Kind, String),
    inspect: Option<Box<Value>>,
}

impl Thing {
    pub(super) fn found(&self) -> Found<'_> {
        let of = (self.of.0, &*self.of.1);
        Found { id: &self.id, of, name: &self.name, inspect: self.inspect.as_deref() }
    }
}

pub(super) struct Look<'a> {
    pub(super) owners: &'a Owners,
    pub(super) kin: &'a Kin,
    pub(super) asking: &'a mut Asking,
    pub(super) engine: &'a Engine,
}

impl Look<'_> {
    /// What is meant, if it is theirs; `None` where there is nothing of that name or prefix.
    pub(super) async fn up(
        &mut self,
        reference: &Reference,
        sees: &Keep,
    ) -> Result<Option<Thing>, Refusal> {
        let name = reference.name.as_str();
        if reference.kind == Kind::Image {
            return self.seen_image(name, sees).await;
        }
        // The engine has no such name, and would read it as another path.
        if name.is_empty() || name.contains('/') {
            return Ok(None);
        }
        match reference.kind {
            Kind::Container => self.container(name).await,
            Kind::Image | Kind::Pulled | Kind::Tag => Ok(None),
            Kind::Exec => {
                let said = self.asking.get(self.engine, &["exec", name, "json"], &[]).await?;
                let Said::Thing(exec) = said else { return Ok(None) };
                let container = exec.get("ContainerID").and_then(Value::as_str);
                let Some(found) = self.container(container.unwrap_or_default()).await? else {
                    return Ok(None);
                };
                Ok(Some(Thing { id: name.to_owned(), ..found }))
            }
            Kind::Network => {
                let said = self.asking.get(self.engine, &["networks", name], &[]).await?;
                let Said::Thing(network) = said else { return Ok(None) };
                let id = text(&network, "/Id");
                let own = self.is_own(Kind::Network, id, label(&network, "/Labels"), &[]).await?;
                let name = text(&network, "/Name");
                let of = (Kind::Network, id.to_owned());
                Ok(own.then(|| Thing { of, ..thing(id, name) }))
            }
            Kind::Volume => {
                let said = self.asking.get(self.engine, &["volumes", name], &[]).await?;
                let Said::Thing(volume) = said else { return Ok(None) };
                let claim = label(&volume, "/Labels");
                if self.is_own(Kind::Volume, name, claim, &[]).await? {
                    let of = (Kind::Volume, name.to_owned());
                    return Ok(Some(Thing { of, ..thing(name, name) }));
                }
                // There is one, so it cannot be made.
                Err(Kind::Volume.missing(name))
            }
        }
    }

    /// As the engine finds it: full id, name, unique prefix. Where that is somebody else's, a
    /// prefix that is unique among their own.
    async fn container(&mut self, name: &str) -> Result<Option<Thing>, Refusal> {
        if let Some(found) = self.container_of(name).await? {
            return Ok(Some(found));
        }
        let own = self.owners.beginning(Kind::Container, name, self.kin);
        match own {
            Some(id) => {
                let found = self.container_of(&id).await?;
                if found.is_none() {
                    // As `--rm` removes it.
                    self.forget(vec![(Kind::Container, id)]).await?;
                }
                Ok(found)
            }
            None => Ok(None),
        }
    }

    /// What is no more.
    pub(super) async fn forget(&self, gone: Vec<(Kind, String)>) -> Result<(), Refusal> {
        let forgotten = self.owners.disown(gone, Vec::new()).await;
        forgotten.map_err(|error| unwritten(&error.to_string()))
    }

    async fn container_of(&mut self, name: &str) -> Result<Option<Thing>, Refusal> {
        let said = self.asking.get(self.engine, &["containers", name, "json"], &[]).await?;
        let Said::Thing(inspect) = said else { return Ok(None) };
        let id = text(&inspect, "/Id").to_owned();
        let claim = label(&inspect, "/Config/Labels");
        let volumes = nameless_volumes(inspect.get("Mounts"));
        if !self.is_own(Kind::Container, &id, claim, &volumes).await? {
            return Ok(None);
        }
        let name = text(&inspect, "/Name").trim_start_matches('/').to_owned();
        let of = (Kind::Container, id.clone());
        Ok(Some(Thing { id, name, of, inspect: Some(inspect) }))
    }

    /// Whether the thing of that id is theirs; what is seen for the first time is written down,
    /// and with a container the volumes that were made for it.
    pub(super) async fn is_own(
        &self,
        kind: Kind,
        id: &str,
        claim: Option<&str>,
        volumes: &[String],
    ) -> Result<bool, Refusal> {
        match self.owners.owner(kind, id, claim) {
            Owner::Known(owner) => Ok(self.kin.contains(&owner)),
            Owner::Nobody => Ok(false),
            Owner::Promised(owner) => {
                let theirs = self.kin.contains(&owner);
                let things = self.with_volumes(kind, id, claim, &owner, volumes);
                self.owners.own(things).await.map_err(|error| unwritten(&error.to_string()))?;
                Ok(theirs)
            }
        }
    }

    fn with_volumes(
        &self,
        kind: Kind,
        id: &str,
        claim: Option<&str>,
        owner: &IdentityId,
        volumes: &[String],
    ) -> Vec<Owned> {
        let of = |kind, id: &str, claim: Option<&str>| Owned {
            kind,
            id: id.to_owned(),
            identity: owner.clone(),
            claim: claim.map(str::to_owned),
        };
        let new =
            |name: &&String| matches!(self.owners.owner(Kind::Volume, name, None), Owner::Nobody);
        let volumes = volumes.iter().filter(new).map(|name| of(Kind::Volume, name, None));
        std::iter::once(of(kind, id, claim)).chain(volumes).collect()
    }

    /// Finds what was made and not yet seen, so that a list has it; and forgets what is no more.
    pub(super) async fn settle(&mut self, kind: Kind) -> Result<(), Refusal> {
        let ids = self.owners.ids(kind, self.kin);
        if !self.owners.awaits(kind, self.kin) && ids.len() < MANY {
            return Ok(());
        }
        let now = SystemTime::now();
        let broken = self.owners.broken(kind, self.kin, now);
        let filters = json!({ "label": { CLAIM_LABEL: true } }).to_string();
        let (path, at, id_at, label_at): (&[&str], _, _, _) = match kind {
            Kind::Container => (&["containers", "json"], "", "/Id", "/Labels"),
            Kind::Network => (&["networks"], "", "/Id", "/Labels"),
            Kind::Volume => (&["volumes"], "/Volumes", "/Name", "/Labels"),
            Kind::Exec | Kind::Image | Kind::Pulled | Kind::Tag => return Ok(()),
        };
        let all = ("all", "1");
        let query = [all, ("filters", filters.as_str())];
        let query = if kind == Kind::Container { &query[..] } else { &query[1..] };
        let Said::Thing(list) = self.asking.get(self.engine, path, query).await? else {
            return Ok(());
        };
        let mut things = Vec::new();
        let mut seen = Vec::new();
        for entry in list.pointer(at).and_then(Value::as_array).into_iter().flatten() {
            let (id, claim) = (text(entry, id_at), label(entry, label_at));
            seen.push(id.to_owned());
            if let Owner::Promised(owner) = self.owners.owner(kind, id, claim) {
                let volumes = nameless_volumes(entry.get("Mounts"));
                things.extend(self.with_volumes(kind, id, claim, &owner, &volumes));
            }
        }
        // An adopted thing has no such label, and one without is not in the list.
        let gone = |id: &String| !seen.contains(id) && self.owners.is_claimed(kind, id);
        let gone = ids.into_iter().filter(gone).map(|id| (kind, id)).collect();
        let written = async {
            self.owners.own(things).await?;
            self.owners.disown(gone, broken).await
        };
        written.await.map_err(|error| unwritten(&error.to_string()))
    }
}

/// An image, which no stream goes into.
pub(super) fn thing(id: &str, name: &str) -> Thing {
    let of = (Kind::Image, id.to_owned());
    Thing { id: id.to_owned(), name: name.to_owned(), of, inspect: None }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What the claim among these labels says.
pub(super) fn label<'a>(value: &'a Value, labels: &str) -> Option<&'a str> {
    value.pointer(labels)?.get(CLAIM_LABEL)?.as_str()
}

/// Volumes that the engine made for a container, by their names of 64 digits.
fn nameless_volumes(mounts: Option<&Value>) -> Vec<String> {
    let mounts = mounts.and_then(Value::as_array).into_iter().flatten();
    let volumes = mounts.filter(|mount| text(mount, "/Type") == "volume");
    let names = volumes.map(|mount| text(mount, "/Name"));
    let nameless = |name: &&str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    names.filter(nameless).map(str::to_owned).collect()
}

pub(super) fn unwritten(why: &str) -> Refusal {
    Refusal {
        status: 503,
        rule: "isolation.unwritten",
        reason: format!("it cannot be written down whose this is: {why}"),
    }
}

/// So many things are looked through for such as are no more.
const MANY: usize = 64;
