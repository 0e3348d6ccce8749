//! Who is connected and doing what; and the way to cut one off at once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::authenticate::{Authority, Credential};

/// One authenticated connection.
#[derive(Debug)]
pub struct Session {
    /// Random; the first half of its requests' ids.
    pub id: u32,
    /// From where.
    pub peer: SocketAddr,
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
    why_cut: Option<String>,
    requests: u64,
}

/// The request a session is serving.
#[derive(Clone, Debug)]
pub struct Doing {
    /// Operation id.
    pub operation: &'static str,
    /// Canonical target, secrets replaced.
    pub target: String,
    /// Since when.
    pub since: SystemTime,
}

impl Session {
    /// A session of its own, not yet registered.
    pub fn new(
        id: u32,
        peer: SocketAddr,
        credential: Credential,
        authority: Arc<Authority>,
    ) -> Self {
        Self {
            id,
            peer,
            since: SystemTime::now(),
            credential,
            cut: CancellationToken::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            state: Mutex::new(State { authority, doing: None, why_cut: None, requests: 0 }),
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

    /// Ends the session now; the first reason stands.
    pub fn end(&self, why: &str) {
        self.state().why_cut.get_or_insert_with(|| why.to_owned());
        self.cut.cancel();
    }

    /// Why it was cut, if it was.
    pub fn why_cut(&self) -> Option<String> {
        self.state().why_cut.clone()
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

/// All sessions of the gate. Locked when one begins or ends, and for listing; never by requests.
#[derive(Debug, Default)]
pub struct Sessions {
    live: Mutex<HashMap<u32, Arc<Session>>>,
}

impl Sessions {
    /// Adds a session; it is removed when the returned guard goes.
    pub fn register(&self, session: Arc<Session>) -> Registered<'_> {
        self.live().insert(session.id, session.clone());
        Registered { sessions: self, id: session.id }
    }

    /// Every session now.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.live().values().cloned().collect()
    }

    /// The session of that id.
    pub fn find(&self, id: u32) -> Option<Arc<Session>> {
        self.live().get(&id).cloned()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<u32, Arc<Session>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a session listed.
#[derive(Debug)]
pub struct Registered<'a> {
    sessions: &'a Sessions,
    id: u32,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.sessions.live().remove(&self.id);
    }
}
