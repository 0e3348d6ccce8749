//! Build sessions that are open, builds that are under way, and whose they are: BuildKit gets what
//! it builds from the session that a build names, and shows a build to whoever names that.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall_rules::facts::Fact;
use seawall_rules::policy::Undecided;
use seawall_rules::verdict::Refusal;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::audit::Subject;

/// The sessions of roles; those of `admin` are not among them.
#[derive(Debug, Default)]
pub struct Builds {
    open: Mutex<HashMap<String, Arc<Open>>>,
    /// By their names: whose they are, and their sessions.
    building: Mutex<HashMap<String, (String, String)>>,
    /// A session was opened, or a build begun.
    news: Notify,
}

/// One of them.
#[derive(Debug)]
pub struct Open {
    owner: String,
    /// The roles that judge what comes by it, and that cover every build which named it: one role
    /// must cover all of a build.
    undecided: Mutex<Undecided>,
}

/// A session as long as it is open.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    builds: &'a Builds,
    id: String,
    open: Arc<Open>,
}

impl Builds {
    /// Opens a session by the id that its client gave it.
    ///
    /// # Errors
    /// A [`Refusal`] for an id that is not written plainly, or that is taken.
    pub(super) fn open(
        &self,
        id: &str,
        subject: &Subject,
        undecided: Undecided,
    ) -> Result<Opened<'_>, Refusal> {
        if !is_plain(id) {
            return Err(Refusal::malformed(
                "buildkit.session",
                "a build session needs an id of letters and digits",
            ));
        }
        let open = Arc::new(Open { owner: key(subject), undecided: Mutex::new(undecided) });
        let mut all = self.all();
        if all.contains_key(id) {
            return Err(Refusal::forbidden(
                "buildkit.session",
                "may not open a build session by an id that is taken",
            ));
        }
        all.insert(id.to_owned(), open.clone());
        drop(all);
        self.news.notify_waiters();
        Ok(Opened { builds: self, id: id.to_owned(), open })
    }

    /// Has a build that was granted take what it builds from a session, and narrows the roles that
    /// judge that to those which cover the build.
    ///
    /// # Errors
    /// A [`Refusal`]: it is not its sender's own, or no role of the session covers the build.
    pub async fn join(&self, id: &str, subject: &Subject, asks: &[Fact]) -> Result<(), Refusal> {
        match self.opened(id).await {
            Some(open) if open.owner == key(subject) => open.undecided().judge(asks.to_vec()),
            _ => Err(Refusal::forbidden(
                "buildkit.session",
                "may not build from a session that is not open, or not its own",
            )),
        }
    }

    /// A session once it is open: clients open it beside the build, so it is waited for, as the
    /// engine does.
    pub async fn opened(&self, id: &str) -> Option<Arc<Open>> {
        self.wait(id, || self.all().get(id).cloned()).await
    }

    /// Begins a build by the name that its client gave it.
    ///
    /// # Errors
    /// A [`Refusal`] for a name that is not written plainly, or that is taken.
    pub(super) fn begin(
        &self,
        name: &str,
        session: &str,
        subject: &Subject,
    ) -> Result<Built<'_>, Refusal> {
        let mut building = self.building();
        if !is_plain(name) || building.contains_key(name) {
            return Err(Refusal::forbidden(
                "buildkit.build",
                "may not build by a name that is taken, or that is not of letters and digits",
            ));
        }
        building.insert(name.to_owned(), (key(subject), session.to_owned()));
        drop(building);
        self.news.notify_waiters();
        Ok(Built { builds: self, name: name.to_owned() })
    }

    /// The session of a build that is under way. Clients ask about it beside having it built, so
    /// it is waited for.
    ///
    /// # Errors
    /// A [`Refusal`] where there is none, or it is somebody else's.
    pub(super) async fn built(&self, name: &str, subject: &Subject) -> Result<String, Refusal> {
        match self.wait(name, || self.building().get(name).cloned()).await {
            Some((owner, session)) if owner == key(subject) => Ok(session),
            _ => Err(Refusal::forbidden(
                "buildkit.build",
                "may not ask about a build that is not under way, or not its own",
            )),
        }
    }

    /// Waits until there is what is asked for, but not for ever; for what nobody can have called
    /// anything, not at all.
    async fn wait<T>(&self, name: &str, look: impl Fn() -> Option<T>) -> Option<T> {
        let found = async {
            loop {
                let mut news = pin!(self.news.notified());
                news.as_mut().enable();
                match look() {
                    Some(found) => return found,
                    None => news.await,
                }
            }
        };
        let patience = if is_plain(name) { PATIENCE } else { Duration::ZERO };
        timeout(patience, found).await.ok()
    }

    fn building(&self) -> MutexGuard<'_, HashMap<String, (String, String)>> {
        // Each change is one insertion or removal.
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Open>>> {
        // Each change is one insertion or removal.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn undecided(&self) -> MutexGuard<'_, Undecided> {
        // A refusal changes nothing, and the rest is one change.
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened<'_> {
    /// The roles that judge what comes by it now.
    pub(super) fn undecided(&self) -> Undecided {
        self.open.undecided().clone()
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.builds.all().remove(&self.id);
    }
}

/// A build as long as it is under way.
#[derive(Debug)]
pub(super) struct Built<'a> {
    builds: &'a Builds,
    name: String,
}

impl Drop for Built<'_> {
    fn drop(&mut self) {
        self.builds.building().remove(&self.name);
    }
}

/// Whether the engine takes it for the id of a session as it stands: what is before a colon, it
/// leaves out.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// As long as the engine waits for a session.
const PATIENCE: Duration = Duration::from_secs(5);

/// An id is never given twice; a name without one has a `/`, which no id has.
fn key(subject: &Subject) -> String {
    subject.id.as_ref().unwrap_or(&subject.name).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(id: &str) -> Subject {
        Subject {
            id: Some(id.to_owned()),
            name: "x".to_owned(),
            roles: String::new(),
            credential: String::new(),
        }
    }

    #[tokio::test]
    async fn a_build_is_shown_to_its_sender_alone_and_as_long_as_it_is_under_way() {
        let (builds, alice, bob) = (Builds::default(), subject("a"), subject("b"));
        let rule = |built: Result<String, Refusal>| built.map_err(|refusal| refusal.rule);
        // Alice asks about it before it has begun.
        let beside = builds.built("r", &alice);
        let begun = async { builds.begin("r", "s", &alice).unwrap() };
        let (session, built) = tokio::join!(beside, begun);
        assert_eq!(rule(session), Ok("s".to_owned()));
        assert_eq!(rule(builds.built("r", &bob).await), Err("buildkit.build"));
        assert!(builds.begin("r", "s", &bob).is_err(), "the name is taken");
        assert!(builds.begin("x:r", "s", &bob).is_err(), "no plain name");
        drop(built);
        assert!(builds.building().is_empty());
    }
}
