//! Who is connected and doing what; and the way to cut one off at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use seawall_rules::network::Source;
use seawall_rules::operation::Operation;
use seawall_rules::reference;
use tokio_util::sync::CancellationToken;

use crate::admit::Peer;
use crate::authenticate::{Authority, Credential};
use crate::state::IdentityId;

/// One authenticated connection.
#[derive(Debug)]
pub struct Session {
    /// Random; the first half of its requests' ids.
    pub id: u64,
    /// From where.
    pub peer: Peer,
    /// When it was authenticated.
    pub since: SystemTime,
    /// What it proved.
    pub credential: Credential,
    /// Cancelled when the session must end now: revoked, expired, killed, stopped. Everything
    /// that waits on behalf of the session waits for this as well.
    pub cut: CancellationToken,
    /// Bytes from the client and to it, bodies and streams.
    pub received: AtomicU64,
    /// See `received`.
    pub sent: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    authority: Arc<Authority>,
    doing: Option<Doing>,
    requests: u64,
}

/// The request a session is serving.
#[derive(Clone, Debug)]
pub struct Doing {
    /// The row of the table.
    pub operation: Operation,
    /// Canonical target, secrets replaced.
    pub target: String,
    /// Since when.
    pub since: SystemTime,
    /// What it was granted for because that is its own.
    pub things: Vec<(reference::Kind, String)>,
    /// Whose things it is shown, where others' are left out.
    pub shown_to: Option<Arc<[IdentityId]>>,
}

impl Session {
    /// A session with a fresh random id, not yet registered.
    pub fn new(peer: Peer, credential: Credential, authority: Arc<Authority>) -> Self {
        Self {
            id: random_id(),
            peer,
            since: SystemTime::now(),
            credential,
            cut: CancellationToken::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            state: Mutex::new(State { authority, doing: None, requests: 0 }),
        }
    }

    /// The authority under the newest snapshot that judged this session.
    pub fn authority(&self) -> Arc<Authority> {
        self.state().authority.clone()
    }

    /// Replaces the authority after a reload.
    pub fn set_authority(&self, authority: Arc<Authority>) {
        self.state().authority = authority;
    }

    /// Says what the session is doing now, `None` between requests.
    pub fn set_doing(&self, doing: Option<Doing>) {
        let mut state = self.state();
        state.requests += u64::from(doing.is_some());
        state.doing = doing;
    }

    /// What it is doing now, and how many requests it has made.
    pub fn doing(&self) -> (Option<Doing>, u64) {
        let state = self.state();
        (state.doing.clone(), state.requests)
    }

    /// Ends the session now; the first reason is logged.
    pub fn end(&self, why: &str) {
        if !self.cut.is_cancelled() {
            let authority = self.authority();
            let identity = authority.subject.name.escape_debug();
            tracing::info!(session = %format_args!("{:012x}", self.id), %identity, why, "cut");
        }
        self.cut.cancel();
    }

    /// Adds to the byte counts.
    pub fn count(&self, received: u64, sent: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    // Nothing panics while holding the lock, and every value in it is whole at every moment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 48 bits: short enough to read aloud, and no two connections of a gate's life share one.
fn random_id() -> u64 {
    let mut bytes = [0; 8];
    // aws-lc's generator does not fail in a running process; no decision rests on these ids.
    let _ = aws_lc_rs::rand::fill(&mut bytes[2..]);
    u64::from_be_bytes(bytes)
}

/// All sessions of the gate. Locked when one begins or ends, and for listing; never by requests.
#[derive(Debug, Default)]
pub struct Sessions {
    live: Mutex<HashMap<u64, Arc<Session>>>,
}

/// The identity has as many connections as it may have.
#[derive(Debug)]
pub struct TooMany;

impl Sessions {
    /// Lists a session until the guard goes, unless its identity already has `most`.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn register(&self, session: Arc<Session>, most: usize) -> Result<Registered<'_>, TooMany> {
        let name = session.authority().subject.name.clone();
        let mut live = self.live();
        let same = |other: &&Arc<Session>| other.authority().subject.name == name;
        if live.values().filter(same).count() >= most {
            return Err(TooMany);
        }
        live.insert(session.id, session.clone());
        Ok(Registered { sessions: self, session })
    }

    /// Every session now.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.live().values().cloned().collect()
    }

    /// Whether somebody is authenticated from there. For connections that were refused, not for
    /// requests: it looks through all of them.
    pub fn any_from(&self, source: Source) -> bool {
        self.live().values().any(|session| Source::of(session.peer.address.ip()) == source)
    }

    /// The session of that id.
    pub fn find(&self, id: u64) -> Option<Arc<Session>> {
        self.live().get(&id).cloned()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is listed.
#[derive(Debug)]
pub struct Registered<'a> {
    sessions: &'a Sessions,
    session: Arc<Session>,
}

impl std::ops::Deref for Registered<'_> {
    type Target = Arc<Session>;

    fn deref(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.sessions.live().remove(&self.session.id);
    }
}
