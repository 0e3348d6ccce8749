//! Whose things are: asked on the way of requests whose roles are for their identity's own things
//! alone (`isolation = "own"`), and of nobody else. The networks of a service are asked for here as
//! well, for every role.
//!
//! What is made gets two labels: its owner, and a claim that was written to the store before. So
//! whatever happens in between, what carries that claim is known to be its owner's. Labels alone
//! prove nothing: images carry what their authors like.

mod ask;
mod errand;
mod images;
mod look;
mod network;
mod prune;
mod resolve;
mod sees;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use seawall_rules::reference::Kind;

pub use ask::Asking;
pub use errand::Errand;
pub use network::of_the_swarm;
pub use resolve::{full_id, resolve};

use crate::state::{Error, IdentityId, Owned, Promise, Store};

/// Those whose things an identity shares, itself first; empty for who is no identity.
pub type Kin = [IdentityId];

/// Who owns what: a copy of the store's tables to be read at every request. What changes is in the
/// store first.
#[derive(Debug)]
pub struct Owners {
    known: Arc<Mutex<Known>>,
    store: Arc<Mutex<Store>>,
}

#[derive(Debug, Default)]
struct Known {
    things: HashMap<Kind, BTreeMap<String, (IdentityId, Option<String>)>>,
    promises: HashMap<String, Promise>,
    /// What is being made at this moment, by its name, and for whom.
    making: Vec<(Kind, String, IdentityId)>,
    /// The last things that were removed, whose ids are never used again: their events still come.
    gone: VecDeque<(Kind, String, IdentityId)>,
}

impl Known {
    fn read(store: &Store) -> Result<Self, Error> {
        let mut known = Self::default();
        for thing in store.owned()? {
            known.add(thing);
        }
        for promise in store.promises()? {
            known.promises.insert(promise.claim.clone(), promise);
        }
        Ok(known)
    }

    fn remove(&mut self, kind: Kind, id: String) {
        let Some((owner, _)) = self.things.entry(kind).or_default().remove(&id) else { return };
        if matches!(kind, Kind::Container | Kind::Image | Kind::Network) {
            self.gone.truncate(GONE - 1);
            self.gone.push_front((kind, id, owner));
        }
    }

    fn take(&mut self, names: &[Owned], kin: &Kin) -> bool {
        let is_free = |name: &Owned| self.whose_name(&name.id, kin) != sees::Names::Others;
        let all = names.iter().all(is_free);
        names.iter().filter(|_| all).cloned().for_each(|name| self.add(name));
        all
    }

    fn add(&mut self, thing: Owned) {
        if let Some(claim) = &thing.claim {
            self.promises.remove(claim);
        }
        self.things.entry(thing.kind).or_default().insert(thing.id, (thing.identity, thing.claim));
    }
}

impl Owners {
    /// What the store says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(store: Arc<Mutex<Store>>) -> Result<Self, Error> {
        let known = Known::read(&held(&store))?;
        Ok(Self { known: Arc::new(Mutex::new(known)), store })
    }

    /// Reads the store again, after a command has changed whose things are.
    ///
    /// # Errors
    /// When it cannot be read; what was known stays.
    pub fn reread(&self) -> Result<(), Error> {
        let store = held(&self.store);
        let read = Known::read(&store)?;
        let mut known = self.known();
        let making = std::mem::take(&mut known.making);
        *known = Known { making, ..read };
        Ok(())
    }

    /// The ids of all things of a kind that are theirs.
    pub fn ids(&self, kind: Kind, kin: &Kin) -> Vec<String> {
        let known = self.known();
        let all = known.things.get(&kind).into_iter().flatten();
        all.filter(|(_, (owner, _))| kin.contains(owner)).map(|(id, _)| id.clone()).collect()
    }

    /// The only one of their things of a kind whose id begins so.
    fn beginning(&self, kind: Kind, prefix: &str, kin: &Kin) -> Option<String> {
        let known = self.known();
        let from = known.things.get(&kind)?.range(prefix.to_owned()..);
        let mut own = from
            .take_while(|(id, _)| id.starts_with(prefix))
            .filter(|(_, (owner, _))| kin.contains(owner));
        let (id, _) = own.next()?;
        own.next().is_none().then(|| id.clone())
    }

    /// Whose the thing of that full id is, which carries that claim.
    fn owner(&self, kind: Kind, id: &str, claim: Option<&str>) -> Owner {
        let known = self.known();
        if let Some((owner, by)) = known.things.get(&kind).and_then(|all| all.get(id))
            && (by.is_none() || by.as_deref() == claim)
        {
            return Owner::Known(owner.clone());
        }
        let promise = claim.and_then(|claim| known.promises.get(claim));
        match promise.filter(|promise| promise.kind == kind) {
            Some(promise) => Owner::Promised(promise.identity.clone()),
            None => Owner::Nobody,
        }
    }

    /// Whether a thing is on record as theirs.
    fn have(&self, kind: Kind, id: &str, kin: &Kin) -> bool {
        let known = self.known();
        let thing = known.things.get(&kind).and_then(|all| all.get(id));
        thing.is_some_and(|(owner, _)| kin.contains(owner))
    }

    /// Whether all these, which were theirs, are so still; of images nothing is told.
    pub fn still_have(&self, things: &[(Kind, String)], kin: &Kin) -> bool {
        things.iter().all(|(kind, id)| *kind == Kind::Image || self.have(*kind, id, kin))
    }

    fn whose_name(&self, name: &str, kin: &Kin) -> sees::Names {
        self.known().whose_name(name, kin)
    }

    /// Something of that name is being made, until what is returned is dropped.
    fn making(&self, kind: Kind, name: String, own: IdentityId) -> Making {
        let making = (kind, name, own);
        self.known().making.push(making.clone());
        Making { known: self.known.clone(), making }
    }

    /// Whether a thing was made through the gate.
    fn is_claimed(&self, kind: Kind, id: &str) -> bool {
        let known = self.known();
        known.things.get(&kind).and_then(|all| all.get(id)).is_some_and(|thing| thing.1.is_some())
    }

    /// Whether something that was promised to them has not been seen yet.
    fn awaits(&self, kind: Kind, kin: &Kin) -> bool {
        self.known().promises.values().any(|p| p.kind == kind && kin.contains(&p.identity))
    }

    /// The promises to them that are so old that nothing will come of them.
    fn broken(&self, kind: Kind, kin: &Kin, now: SystemTime) -> Vec<String> {
        let old = |since: SystemTime| now.duration_since(since).is_ok_and(|age| age > PATIENCE);
        let known = self.known();
        let broken = known.promises.values();
        let broken = broken.filter(|p| p.kind == kind && kin.contains(&p.identity) && old(p.since));
        broken.map(|promise| promise.claim.clone()).collect()
    }

    async fn promise(&self, promises: Vec<Promise>) -> Result<(), Error> {
        let given = self.write(move |store| store.promise(&promises).map(|()| promises)).await?;
        let mut known = self.known();
        known.promises.extend(given.into_iter().map(|promise| (promise.claim.clone(), promise)));
        Ok(())
    }

    /// Gives them names of images; `false` when one of them has become somebody else's meanwhile.
    async fn take(&self, names: Vec<Owned>, kin: &Kin) -> Result<bool, Error> {
        let taken = self.known().take(&names, kin);
        if taken {
            self.own(names).await?;
        }
        Ok(taken)
    }

    async fn own(&self, things: Vec<Owned>) -> Result<(), Error> {
        let now = SystemTime::now();
        let things = self.write(move |store| store.own(&things, now).map(|()| things)).await?;
        let mut known = self.known();
        things.into_iter().for_each(|thing| known.add(thing));
        Ok(())
    }

    async fn disown(&self, gone: Vec<(Kind, String)>, broken: Vec<String>) -> Result<(), Error> {
        let (gone, broken) =
            self.write(move |store| store.disown(&gone, &broken).map(|()| (gone, broken))).await?;
        let mut known = self.known();
        for (kind, id) in gone {
            known.remove(kind, id);
        }
        for claim in broken {
            known.promises.remove(&claim);
        }
        Ok(())
    }

    /// SQLite waits for the disk, and the lane must not.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || change(&mut held(&store))).await;
        done.map_err(|_| Error::Io {
            doing: "write whose things are".to_owned(),
            error: std::io::ErrorKind::Interrupted.into(),
        })?
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is one insertion or removal.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Owners::making`].
#[derive(Debug)]
struct Making {
    known: Arc<Mutex<Known>>,
    making: (Kind, String, IdentityId),
}

impl Making {
    fn kind(&self) -> Kind {
        self.making.0
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.making.iter().position(|making| *making == self.making) {
            known.making.swap_remove(at);
        }
    }
}

/// Whose a thing is.
#[derive(Debug)]
enum Owner {
    Known(IdentityId),
    /// As the claim that it carries says, for the first time.
    Promised(IdentityId),
    Nobody,
}

/// The store, to be written.
fn held(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    // A panic in a transaction rolls it back, so the store is whole.
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many things are remembered that are no more.
const GONE: usize = 256;

/// How long an engine may take to make what it was asked for.
const PATIENCE: Duration = Duration::from_secs(600);
