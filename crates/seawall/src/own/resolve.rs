//! Between reading a request and judging it by roles for one's own things: what it names is looked
//! up, and written by its full id.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use seawall_rules::facts::ImageName;
use seawall_rules::operation::{Operation, Request};
use seawall_rules::policy::{self, Permissions};
use seawall_rules::reference::{
    Absent, CLAIM_LABEL, Found, Kind, OWNER_LABEL, Reference, Scope, Scoping, scope,
};
use seawall_rules::verdict::Refusal;
use serde_json::{Value, json};

use super::ask::{Asking, Said};
use super::{Kin, Owner, Owners};
use crate::engine::Engine;
use crate::state::{IdentityId, Owned, Promise};

/// What is to be done once the request is recorded, before it is forwarded.
#[derive(Debug, Default)]
pub struct Errand {
    promises: Vec<Promise>,
    /// Volumes that the engine would make by itself, each with its claim.
    volumes: Vec<(String, String)>,
    /// Names of images that are theirs from now on.
    names: Vec<Owned>,
    /// What is no more when the request was successful.
    removes: Vec<(Kind, String)>,
}

/// Looks up everything a request names, and has it say so.
///
/// # Errors
/// A [`Refusal`]: what no role covers, whosever it is; the engine's own answer for what there is
/// not, for somebody else's thing as well; 502 when the engine does not tell.
pub async fn resolve(
    request: Request,
    permissions: &Permissions,
    owners: &Owners,
    kin: &Kin,
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
    let mut look = Look { owners, kin, asking, engine };
    for place in 0..scoping.references().len() {
        let Some(reference) = scoping.references().get(place).cloned() else { break };
        match look.up(&reference).await? {
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
        Scope::Builds | Scope::Pulls | Scope::Tags => {
            look.image_names(&scoping, own, &mut errand).await?
        }
        Scope::Removes => look.image_to_remove(&mut scoping, &mut errand).await?,
        of @ (Scope::Makes(_) | Scope::Commits) => {
            let kind = match of {
                Scope::Makes(kind) => kind,
                _ => Kind::Image,
            };
            look.image_names(&scoping, own, &mut errand).await?;
            let claim = errand.promise(kind, own)?;
            scoping.label(&[(OWNER_LABEL, &own.0), (CLAIM_LABEL, &claim)]);
        }
        Scope::List(kind) => {
            look.settle(kind).await?;
            scoping.narrow(kind, &owners.ids(kind, kin))?;
        }
        Scope::Events => scoping.narrow_to_label(&format!("{OWNER_LABEL}={}", own.0))?,
        Scope::Names { kind, .. } => {
            let removes = matches!(
                operation,
                Operation::ContainerDelete | Operation::NetworkDelete | Operation::VolumeDelete
            );
            let id = || scoping.request().params.first().cloned().unwrap_or_default();
            errand.removes.extend(removes.then(|| (kind, id())));
        }
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
        Kind::Image | Kind::Tag => (&["images", name, "json"], "/Id"),
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

impl Errand {
    fn promise(&mut self, kind: Kind, own: &IdentityId) -> Result<String, Refusal> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| unwritten("no random numbers"))?;
        let claim = HEXLOWER.encode(&random);
        self.promises.push(Promise {
            claim: claim.clone(),
            kind,
            identity: own.clone(),
            since: SystemTime::now(),
        });
        Ok(claim)
    }

    /// Writes down what is about to be made, and makes the volumes.
    ///
    /// # Errors
    /// A [`Refusal`]: 409 for a volume that somebody else made meanwhile.
    pub async fn run(
        &mut self,
        owners: &Owners,
        asking: &mut Asking,
        engine: &Engine,
    ) -> Result<(), Refusal> {
        if !self.names.is_empty() {
            let names = std::mem::take(&mut self.names);
            owners.own(names).await.map_err(|error| unwritten(&error.to_string()))?;
        }
        if self.promises.is_empty() {
            return Ok(());
        }
        let promises = std::mem::take(&mut self.promises);
        let own = promises.first().map(|promise| promise.identity.clone());
        owners.promise(promises).await.map_err(|error| unwritten(&error.to_string()))?;
        for (name, claim) in &self.volumes {
            let owner = own.as_ref().map(|own| own.0.as_str());
            let labels = json!({ OWNER_LABEL: owner, CLAIM_LABEL: claim });
            let body = json!({ "Name": name, "Labels": labels });
            let made = asking.post(engine, &["volumes", "create"], &body).await?;
            let ours = match &made {
                Said::Thing(volume) => label(volume, "/Labels") == Some(claim),
                Said::Nothing => false,
            };
            if !ours {
                let reason = format!("the volume {name} is not to be had");
                return Err(Refusal { status: 409, rule: "isolation.not-own", reason });
            }
            let owned = Owned {
                kind: Kind::Volume,
                id: name.clone(),
                identity: own.clone().unwrap_or_else(|| IdentityId(String::new())),
                claim: Some(claim.clone()),
            };
            owners.own(vec![owned]).await.map_err(|error| unwritten(&error.to_string()))?;
        }
        Ok(())
    }

    /// Forgets what a successful request has removed.
    pub async fn done(self, owners: &Owners, status: u16) {
        if !self.removes.is_empty()
            && (200..300).contains(&status)
            && let Err(error) = owners.disown(self.removes, Vec::new()).await
        {
            // It is known as owned still, and that there is none is the engine's to say.
            tracing::warn!(%error, "what was removed is still on record as somebody's");
        }
    }
}

/// A thing that is theirs.
struct Thing {
    id: String,
    name: String,
    inspect: Option<Box<Value>>,
}

impl Thing {
    fn found(&self) -> Found<'_> {
        Found { id: &self.id, name: &self.name, inspect: self.inspect.as_deref() }
    }
}

struct Look<'a> {
    owners: &'a Owners,
    kin: &'a Kin,
    asking: &'a mut Asking,
    engine: &'a Engine,
}

impl Look<'_> {
    /// What is meant, if it is theirs; `None` where there is nothing of that name or prefix.
    async fn up(&mut self, reference: &Reference) -> Result<Option<Thing>, Refusal> {
        let name = reference.name.as_str();
        // The engine has no such name, and would read it as another path.
        if name.is_empty() || name.contains('/') {
            return Ok(None);
        }
        match reference.kind {
            Kind::Container => self.container(name).await,
            // Images are shared; their names are looked at by what is done with them.
            Kind::Image | Kind::Tag => Ok(None),
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
                Ok(own.then(|| thing(id, name)))
            }
            Kind::Volume => {
                let said = self.asking.get(self.engine, &["volumes", name], &[]).await?;
                let Said::Thing(volume) = said else { return Ok(None) };
                let claim = label(&volume, "/Labels");
                if self.is_own(Kind::Volume, name, claim, &[]).await? {
                    return Ok(Some(thing(name, name)));
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
        match own.filter(|own| own != name) {
            Some(id) => self.container_of(&id).await,
            None => Ok(None),
        }
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
        Ok(Some(Thing { id, name, inspect: Some(inspect) }))
    }

    /// The engine's image of that name, id or prefix.
    async fn image(&mut self, name: &str) -> Result<Option<Box<Value>>, Refusal> {
        let mut path = vec!["images"];
        path.extend(name.split('/'));
        path.push("json");
        if path.iter().any(|part| part.is_empty()) {
            return Ok(None);
        }
        match self.asking.get(self.engine, &path, &[]).await? {
            Said::Thing(image) => Ok(Some(image)),
            Said::Nothing => Ok(None),
        }
    }

    fn is_own_name(&self, name: &str) -> bool {
        match self.owners.owner(Kind::Tag, name, None) {
            Owner::Known(owner) => self.kin.contains(&owner),
            Owner::Promised(_) | Owner::Nobody => false,
        }
    }

    /// Takes the names that a request gives. One that the engine has, and that is not theirs, is
    /// not given again; to pull it anew is for all.
    async fn image_names(
        &mut self,
        scoping: &Scoping,
        own: &IdentityId,
        errand: &mut Errand,
    ) -> Result<(), Refusal> {
        let given = scoping.given_names().map(|name| (name, true));
        let pulled = scoping.pulled_names().map(|name| (name, false));
        for (name, given) in given.chain(pulled) {
            if self.is_own_name(name) {
                continue;
            }
            if self.image(name).await?.is_none() {
                let (kind, identity, claim) = (Kind::Tag, own.clone(), None);
                errand.names.push(Owned { kind, id: name.to_owned(), identity, claim });
            } else if given {
                return Err(Refusal::forbidden(
                    "isolation.image",
                    format!(
                        "may not give an image the name `{name}`: another one has it, and it \
                             is not its own"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// A name that is theirs, or an image whose names all are; without one, an image they made.
    async fn image_to_remove(
        &mut self,
        scoping: &mut Scoping,
        errand: &mut Errand,
    ) -> Result<(), Refusal> {
        let asked = scoping.request().params.first().cloned().unwrap_or_default();
        let Some(image) = self.image(&asked).await? else {
            return Err(Kind::Image.missing(&asked));
        };
        let all = |pointer: &str| {
            let names = image.pointer(pointer).and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            names.filter_map(|name| ImageName::new(name).canonical().map(str::to_owned))
        };
        let tags: Vec<String> = all("/RepoTags").collect();
        let id = text(&image, "/Id").to_owned();
        let named = ImageName::new(&asked).canonical().map(str::to_owned);
        let own = match named
            .filter(|name| tags.contains(name) || all("/RepoDigests").any(|d| d == *name))
        {
            Some(name) => {
                errand.removes.push((Kind::Tag, name.clone()));
                self.is_own_name(&name)
            }
            None if asked.contains('/') => return Err(Kind::Image.missing(&asked)),
            None => {
                scoping.image(&id);
                let claim = label(&image, "/Config/Labels");
                let made = self.is_own(Kind::Image, &id, claim, &[]).await?;
                errand.removes.push((Kind::Image, id));
                errand.removes.extend(tags.iter().map(|name| (Kind::Tag, name.clone())));
                tags.iter().all(|name| self.is_own_name(name)) && (made || !tags.is_empty())
            }
        };
        match own {
            true => Ok(()),
            false => Err(Refusal::forbidden(
                "isolation.image",
                format!("may not remove the image `{}`: it is not its own", asked.escape_debug()),
            )),
        }
    }

    /// Whether the thing of that id is theirs; what is seen for the first time is written down,
    /// and with a container the volumes that were made for it.
    async fn is_own(
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
    async fn settle(&mut self, kind: Kind) -> Result<(), Refusal> {
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
            Kind::Exec | Kind::Image | Kind::Tag => return Ok(()),
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

fn thing(id: &str, name: &str) -> Thing {
    Thing { id: id.to_owned(), name: name.to_owned(), inspect: None }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What the claim among these labels says.
fn label<'a>(value: &'a Value, labels: &str) -> Option<&'a str> {
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

fn unwritten(why: &str) -> Refusal {
    Refusal {
        status: 503,
        rule: "isolation.unwritten",
        reason: format!("it cannot be written down whose this is: {why}"),
    }
}

/// So many things are looked through for such as are no more.
const MANY: usize = 64;
