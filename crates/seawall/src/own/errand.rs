//! What is done around a request: before it is forwarded, and after.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use seawall_rules::reference::{CLAIM_LABEL, Kind, OWNER_LABEL, Pruning};
use seawall_rules::verdict::Refusal;
use serde_json::{Value, json};

use super::ask::{Asking, Said};
use super::look::{Look, label, text, unwritten};
use super::{Kin, Making, Owners};
use crate::engine::Engine;
use crate::state::{IdentityId, Owned, Promise};

/// What is to be done once the request is recorded, before it is forwarded and after.
#[derive(Debug, Default)]
pub struct Errand {
    promises: Vec<Promise>,
    /// Volumes that the engine would make by itself, each with its claim.
    pub(super) volumes: Vec<(String, String)>,
    /// Names of images that are theirs from now on.
    pub(super) names: Vec<Owned>,
    /// What is no more when the request was successful.
    pub(super) removes: Vec<(Kind, String)>,
    /// What is made by the request, and by which name.
    pub(super) makes: Option<(Kind, String)>,
    /// The name of an image that is built or committed, and for whom.
    pub(super) builds: Option<(String, IdentityId)>,
    /// What the gate does instead of the engine.
    pub(super) prunes: Option<(Kind, Pruning)>,
    making: Vec<Making>,
}

impl Errand {
    pub(super) fn promise(&mut self, kind: Kind, own: &IdentityId) -> Result<String, Refusal> {
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
        kin: &Kin,
        (asking, engine): (&mut Asking, &Engine),
    ) -> Result<(), Refusal> {
        if !self.names.is_empty() {
            let taken = owners.take(self.names.clone(), kin).await;
            if !taken.map_err(|error| unwritten(&error.to_string()))? {
                self.names.clear();
                let reason = "the name of the image is somebody else's by now".to_owned();
                return Err(Refusal { status: 409, rule: "isolation.image", reason });
            }
        }
        if self.promises.is_empty() {
            return Ok(());
        }
        let promises = std::mem::take(&mut self.promises);
        let own = promises.first().map(|promise| promise.identity.clone());
        let own = own.unwrap_or_else(|| IdentityId(String::new()));
        owners.promise(promises).await.map_err(|error| unwritten(&error.to_string()))?;
        let volumes = self.volumes.iter().map(|(name, _)| (Kind::Volume, name.clone()));
        for (kind, name) in volumes.chain(self.makes.take()) {
            self.making.push(owners.making(kind, name, own.clone()));
        }
        for (name, claim) in &self.volumes {
            let labels = json!({ OWNER_LABEL: own.0, CLAIM_LABEL: claim });
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
                identity: own.clone(),
                claim: Some(claim.clone()),
            };
            owners.own(vec![owned]).await.map_err(|error| unwritten(&error.to_string()))?;
        }
        Ok(())
    }

    /// Does what the gate does itself, and says what to answer; `None` where the engine does it.
    pub async fn answer(
        &mut self,
        owners: &Owners,
        kin: &Kin,
        (asking, engine): (&mut Asking, &Engine),
    ) -> Option<Result<Value, Refusal>> {
        let (kind, pruning) = self.prunes.take()?;
        let mut look = Look { owners, kin, asking, engine };
        Some(look.prune(kind, &pruning).await)
    }

    /// Forgets what a successful request has removed and the names that an unsuccessful one has
    /// not given, and finds what was made: its events are its owner's.
    pub async fn done(
        self,
        owners: &Owners,
        kin: &Kin,
        (asking, engine): (&mut Asking, &Engine),
        status: u16,
    ) {
        let good = (200..300).contains(&status);
        let gone = match good {
            true => self.removes,
            false => self.names.into_iter().map(|name| (name.kind, name.id)).collect(),
        };
        if !gone.is_empty()
            && let Err(error) = owners.disown(gone, Vec::new()).await
        {
            // It is known as owned still, and that there is none is the engine's to say.
            tracing::warn!(%error, "what was removed is still on record as somebody's");
        }
        if !good {
            return;
        }
        let mut look = Look { owners, kin, asking, engine };
        let mut found = Ok(());
        for making in &self.making {
            found = found.and(look.settle(making.kind()).await);
        }
        if let Some((name, own)) = &self.builds {
            found = found.and(look.built(name, own).await);
        }
        if let Err(refusal) = found {
            tracing::warn!(%refusal, "what was made is found when it is named");
        }
    }
}

impl Look<'_> {
    /// Writes down the image that was built by that name.
    async fn built(&mut self, name: &str, own: &IdentityId) -> Result<(), Refusal> {
        let Some(image) = self.image(name).await? else { return Ok(()) };
        let claim = label(&image, "/Config/Labels");
        if self.is_own(Kind::Image, text(&image, "/Id"), claim, &[]).await? {
            return Ok(());
        }
        let owner = image.pointer("/Config/Labels").and_then(|all| all.get(OWNER_LABEL));
        if owner.and_then(Value::as_str) != Some(&own.0) {
            return Ok(());
        }
        let id = text(&image, "/Id").to_owned();
        let image = Owned { kind: Kind::Image, id, identity: own.clone(), claim: None };
        let written = self.owners.own(vec![image]).await;
        written.map_err(|error| unwritten(&error.to_string()))
    }
}
