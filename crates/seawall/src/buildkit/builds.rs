//! Build sessions that are open, and whose they are: BuildKit gets what it builds from the session
//! that a build names, and that must be its sender's own.

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
    opened: Notify,
}

/// One of them.
#[derive(Debug)]
struct Open {
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
        self.opened.notify_waiters();
        Ok(Opened { builds: self, id: id.to_owned(), open })
    }

    /// Has a build that was granted take what it builds from a session, and narrows the roles that
    /// judge that to those which cover the build. Clients open the session beside the build, so it
    /// is waited for, as the engine does.
    ///
    /// # Errors
    /// A [`Refusal`]: it is not its sender's own, or no role of the session covers the build.
    pub async fn join(&self, id: &str, subject: &Subject, asks: &[Fact]) -> Result<(), Refusal> {
        let open = async {
            loop {
                let mut opened = pin!(self.opened.notified());
                opened.as_mut().enable();
                let open = self.all().get(id).cloned();
                match open {
                    Some(open) => return open,
                    None => opened.await,
                }
            }
        };
        // What is no id of a session need not be waited for.
        let patience = if is_plain(id) { PATIENCE } else { Duration::ZERO };
        match timeout(patience, open).await {
            Ok(open) if open.owner == key(subject) => open.undecided().judge(asks.to_vec()),
            _ => Err(Refusal::forbidden(
                "buildkit.session",
                "may not build from a session that is not open, or not its own",
            )),
        }
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
