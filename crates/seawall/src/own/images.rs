//! Images: what is owned of them is their names, and those that were made by commit or build.

use seawall_rules::facts::ImageName;
use seawall_rules::reference::{Kind, Scoping};
use seawall_rules::reply::{Claim, Keep, Kind as Shown, Object};
use seawall_rules::verdict::Refusal;
use serde_json::Value;

use super::ask::Said;
use super::errand::Errand;
use super::look::{Look, Thing, label, text, thing};
use super::sees::Names;
use crate::state::{IdentityId, Owned};

/// An image that is there, by the name that was asked for.
struct Found {
    image: Box<Value>,
    /// That name in full, unless it was found by its id.
    name: Option<String>,
}

impl Found {
    fn names(&self, pointer: &str) -> impl Iterator<Item = String> {
        let names = self.image.pointer(pointer).and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.filter_map(|name| ImageName::new(name).canonical().map(str::to_owned))
    }

    fn id(&self) -> &str {
        text(&self.image, "/Id")
    }

    fn shown(&self, kind: Shown, id: &str, sees: &Keep) -> bool {
        let claim = Claim::Says(label(&self.image, "/Config/Labels"));
        sees(&Object { kind, id, claim, made: None })
    }
}

impl Look<'_> {
    /// The engine's image of that name, id or prefix.
    pub(super) async fn image(&mut self, name: &str) -> Result<Option<Box<Value>>, Refusal> {
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

    /// An image that they see, as a list shows it. What is named by its name stays so named: roles
    /// know it by that, and whose that is the store knows.
    pub(super) async fn seen_image(
        &mut self,
        name: &str,
        sees: &Keep,
    ) -> Result<Option<Thing>, Refusal> {
        let Some(found) = self.found(name, sees).await? else { return Ok(None) };
        Ok(Some(thing(if found.name.is_some() { name } else { found.id() }, name)))
    }

    async fn found(&mut self, asked: &str, sees: &Keep) -> Result<Option<Found>, Refusal> {
        let canonical = ImageName::new(asked).canonical().map(str::to_owned);
        let digest = canonical.as_ref().and_then(|name| name.split_once('@'));
        let taken = |name: &String| self.owners.whose_name(name, self.kin) == Names::Others;
        if digest.is_none() && canonical.as_ref().is_some_and(taken) {
            return Ok(None);
        }
        let Some(image) = self.image(asked).await? else { return Ok(None) };
        let mut found = Found { image, name: None };
        let tags: Vec<String> = found.names("/RepoTags").collect();
        let is_shown = match (&canonical, digest) {
            (Some(name), None) if tags.contains(name) => {
                found.name.clone_from(&canonical);
                true
            }
            (Some(_), Some((repository, _))) => {
                found.name.clone_from(&canonical);
                let prefix = format!("{repository}:");
                let mut of_it = tags.iter().filter(|tag| tag.starts_with(&prefix)).peekable();
                match of_it.peek() {
                    Some(_) => of_it.any(|tag| !taken(tag)),
                    None => !canonical.as_ref().is_some_and(taken),
                }
            }
            (Some(_) | None, _) => {
                let digests: Vec<String> = found.names("/RepoDigests").collect();
                let names = if tags.is_empty() { digests } else { tags };
                found.shown(Shown::Image, found.id(), sees)
                    || names.iter().any(|name| found.shown(Shown::ImageName, name, sees))
            }
        };
        Ok(Some(found).filter(|_| is_shown))
    }

    /// Refuses a build that would take its cache from somebody else's image.
    pub(super) fn cache_images(&self, scoping: &Scoping) -> Result<(), Refusal> {
        for name in scoping.used_names() {
            if self.owners.whose_name(name, self.kin) == Names::Others {
                return Err(Kind::Image.missing(name));
            }
        }
        Ok(())
    }

    /// Whether they may take a name off an image: they have given it, or it is nobody's and they
    /// have pulled it.
    pub(super) fn may_remove(&self, name: &str) -> bool {
        match self.owners.whose_name(name, self.kin) {
            Names::Theirs => true,
            Names::Shared => self.owners.have(Kind::Pulled, name, self.kin),
            Names::Others => false,
        }
    }

    /// Takes the names that a request gives. One that the engine has, and that is not theirs, is
    /// not given again; one that another has given is not pulled over.
    pub(super) async fn image_names(
        &mut self,
        scoping: &Scoping,
        own: &IdentityId,
        errand: &mut Errand,
    ) -> Result<(), Refusal> {
        let given = scoping.given_names().map(|name| (name, Kind::Tag));
        let pulled = scoping.pulled_names().map(|name| (name, Kind::Pulled));
        for (name, kind) in given.chain(pulled) {
            let whose = self.owners.whose_name(name, self.kin);
            let is_free = match (whose, kind) {
                (Names::Others, _) => false,
                (Names::Theirs, _) => continue,
                (Names::Shared, Kind::Pulled) => {
                    if self.image(name).await?.is_some() {
                        continue;
                    }
                    true
                }
                (Names::Shared, _) => self.may_remove(name) || self.image(name).await?.is_none(),
            };
            if !is_free {
                return Err(Refusal::forbidden(
                    "isolation.image",
                    format!(
                        "may not give an image the name `{name}`: another one has it, and it \
                             is not its own"
                    ),
                ));
            }
            let (identity, claim) = (own.clone(), None);
            errand.names.push(Owned { kind, id: name.to_owned(), identity, claim });
        }
        Ok(())
    }

    /// A name that is theirs, or an image whose names all are; without one, an image they made.
    pub(super) async fn image_to_remove(
        &mut self,
        scoping: &mut Scoping,
        sees: &Keep,
        errand: &mut Errand,
    ) -> Result<(), Refusal> {
        let asked = scoping.request().params.first().cloned().unwrap_or_default();
        let Some(found) = self.found(&asked, sees).await? else {
            return Err(Kind::Image.missing(&asked));
        };
        let named = |name: &String| [(Kind::Tag, name.clone()), (Kind::Pulled, name.clone())];
        let own = match &found.name {
            Some(name) => {
                errand.removes.extend(named(name));
                // With its last name it goes itself.
                let last = found.names("/RepoTags").all(|tag| tag == *name);
                errand.removes.extend(last.then(|| (Kind::Image, found.id().to_owned())));
                self.may_remove(name)
            }
            None => {
                scoping.image(found.id());
                let tags: Vec<String> = found.names("/RepoTags").collect();
                let claim = label(&found.image, "/Config/Labels");
                let made = self.is_own(Kind::Image, found.id(), claim, &[]).await?;
                errand.removes.push((Kind::Image, found.id().to_owned()));
                errand.removes.extend(tags.iter().flat_map(named));
                tags.iter().all(|name| self.may_remove(name)) && (made || !tags.is_empty())
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
}
