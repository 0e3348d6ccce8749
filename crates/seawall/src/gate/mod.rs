//! The running whole: one value that every connection shares, and the snapshot a reload swaps.

mod desk;
mod run;
mod snapshot;
mod upgrade;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use seawall_rules::network::Source;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use run::run;
pub use snapshot::{Expiry, Of, Snapshot, check};

use crate::admit::{Admission, Peer};
use crate::audit::{RefusedConnection, Trail};
use crate::authenticate::Credential;
use crate::buildkit::Builds;
use crate::cli::report::{Doing, Error};
use crate::config::Listen;
use crate::enrol::server::Enrolment;
use crate::exposure::watch::Watch;
use crate::listen::Sources;
use crate::metrics::{Limit, Metrics};
use crate::own::Owners;
use crate::quota::Quotas;
use crate::sessions::{Registered, Session, Sessions, TooMany};
use crate::ssh;
use crate::state::call::{Reply, StateCall};
use crate::state::{self, Store};

/// A running gate.
pub struct Gate {
    /// What is in force: configuration and identities, swapped as one. Load it once a request.
    pub snapshot: ArcSwap<Snapshot>,
    /// Who is connected.
    pub sessions: Sessions,
    /// Connections open now, authenticated or not.
    pub admission: Admission,
    /// From where they came.
    pub sources: Sources,
    /// The record.
    pub trail: Trail,
    /// What identities use of what their roles allow at once.
    pub quotas: Quotas,
    /// Counters.
    pub metrics: Metrics,
    /// Where invitations are spent and certificates renewed.
    pub enrolment: Enrolment,
    /// Cancelled when the gate stops: no new request begins, those under way may end.
    pub draining: CancellationToken,
    /// The SSH server, where an `ssh://` listener asks for one.
    pub ssh: Option<ssh::Server>,
    /// Tells that another snapshot is in force.
    pub published: watch::Sender<()>,
    /// Whose the engine's things are.
    pub owners: Owners,
    /// Build sessions that are open.
    pub builds: Builds,
    /// What is known of the host.
    pub watch: Watch,
    /// When it began to serve.
    pub started: SystemTime,
    /// What it listens on, as `status` shows it.
    pub listeners: Vec<String>,
    // Locked by commands and enrolments only, never on the way of a request.
    store: Arc<Mutex<Store>>,
}

impl Gate {
    /// A gate with nobody connected.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        snapshot: Snapshot,
        store: Store,
        trail: Trail,
        listeners: Vec<String>,
    ) -> Result<Self, Error> {
        let store = Arc::new(Mutex::new(store));
        Ok(Self {
            owners: Owners::of(store.clone())?,
            builds: Builds::default(),
            snapshot: ArcSwap::from_pointee(snapshot),
            sessions: Sessions::default(),
            admission: Admission::default(),
            sources: Sources::default(),
            trail,
            quotas: Quotas::default(),
            metrics: Metrics::default(),
            enrolment: Enrolment::default(),
            watch: Watch::default(),
            draining: CancellationToken::new(),
            ssh: None,
            published: watch::Sender::new(()),
            started: SystemTime::now(),
            listeners,
            store,
        })
    }

    /// The state store. Not for the way of a request: SQLite may fsync.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        // A panic in a transaction rolls it back, so the store is whole.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the session of an authenticated connection.
    ///
    /// # Errors
    /// Why there is none: the credential opens nothing, or its identity has as many connections
    /// as `limits.connections_per_identity` allows.
    pub fn begin_session(
        &self,
        peer: Peer,
        credential: Credential,
    ) -> Result<Registered<'_>, RefusedConnection> {
        let snapshot = self.snapshot.load();
        let authority = snapshot.authorize(&credential, &peer).map_err(|ended| {
            tracing::info!(peer = %peer.address, %credential, reason = %ended, "connection refused");
            RefusedConnection::Certificate
        })?;
        let most = snapshot.config.limits.connections_per_identity;
        let session = Arc::new(Session::new(peer, credential, authority));
        let session = self.sessions.register(session, most).map_err(|TooMany| {
            self.metrics.limit_hit(Limit::ConnectionsPerIdentity);
            RefusedConnection::Limit
        })?;
        // A revocation between the authorization above and the registration must not be missed:
        // `publish` walks the registered sessions only.
        self.judge_again(&session);
        Ok(session)
    }

    /// Puts a snapshot in force and cuts every session that no longer stands under it. Whoever
    /// builds one holds the store until it is in force: of two changes at once, the one that was
    /// read first would otherwise be able to undo the other, a revocation for instance.
    fn publish(&self, _held: &MutexGuard<'_, Store>, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.judge_all_again();
        self.published.send_replace(());
    }

    fn judge_all_again(&self) {
        for session in self.sessions.list() {
            self.judge_again(&session);
        }
    }

    /// Reads identities and certificates from the store again and puts them in force, with the
    /// configuration unchanged.
    ///
    /// # Errors
    /// When the store cannot be read; what was in force stays.
    pub fn refresh(&self) -> Result<(), Error> {
        let mut store = self.store();
        let snapshot = self.snapshot.load().renewed(&mut store)?;
        self.publish(&store, snapshot);
        Ok(())
    }

    /// Reads the configuration again and puts it in force, whole or not at all.
    ///
    /// # Errors
    /// What is wrong with it, or a change that needs a restart; the old stays in force.
    pub fn reload(&self) -> Result<u64, Error> {
        let mut store = self.store();
        let old = self.snapshot.load_full();
        let config = old.config.source.load()?;
        let same_sockets = |old: &[Listen], new: &[Listen]| {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same_socket(new))
        };
        for (key, same) in [
            ("listen", same_sockets(&old.config.listen, &config.listen)),
            ("ssh.sshd_user` or `ssh.sshd_socket", old.config.ssh.sshd == config.ssh.sshd),
            ("admin", old.config.admin == config.admin),
            (
                "ssh.host_certificate",
                old.config.ssh.host_certificate == config.ssh.host_certificate,
            ),
        ] {
            if !same {
                return Err(Error::usage(format!("`{key}` has changed; that needs a restart"))
                    .hint("send SIGUSR2, or run `systemctl restart seawall`"));
            }
        }
        let snapshot = Snapshot::build(&mut store, Arc::new(config))?;
        let generation = snapshot.generation;
        self.trail.reconfigure(&snapshot.config.audit).map_err(|error| {
            Error::usage(error.to_string()).hint("a new audit folder needs a restart")
        })?;
        self.trail
            .event("reload", json!({ "generation": generation }))
            .doing(|| "record the reload".to_owned())?;
        self.publish(&store, snapshot);
        tracing::info!(generation, "configuration reloaded");
        Ok(generation)
    }

    /// Changes or answers something about identities and credentials. A change is recorded
    /// before it is made, and so is that it was refused then; it is in force for every connection
    /// when this returns. One that only takes away is made even when it cannot be recorded.
    ///
    /// # Errors
    /// What was refused; nothing was changed then.
    pub fn change(&self, call: StateCall) -> Result<Reply, Error> {
        let recorded = call.recorded();
        let owners = matches!(call, StateCall::SetOwner { .. });
        if let Some((what, detail)) = &recorded {
            match self.trail.event(what, detail.clone()) {
                // A full disk must not keep anybody in.
                Err(error) if call.only_revokes() => {
                    tracing::error!(%error, change = what, "made without a record");
                }
                recorded => recorded.doing(|| "record the change".to_owned())?,
            }
        }
        let roles = self.snapshot.load().config.roles.clone();
        let done = state::execute(&mut self.store(), call, &roles, SystemTime::now());
        if let (Some((what, _)), Err(error)) = (&recorded, &done) {
            self.trail.change_refused(what, &error.message);
        }
        let reply = done?;
        if owners {
            self.owners.reread()?;
        }
        if recorded.is_some() {
            self.refresh()?;
        }
        Ok(reply)
    }

    /// Notes the time, and renews the gate's own certificate when its time has come.
    fn upkeep(&self) -> Result<(), Error> {
        let mut store = self.store();
        // What it answers is for whoever would issue something, and for `status`.
        store.clock_behind(SystemTime::now())?;
        let before = self.snapshot.load_full();
        let snapshot = Snapshot::build(&mut store, before.config.clone())?;
        if snapshot.shown == before.shown {
            return Ok(());
        }
        self.trail
            .event("server-certificate.renew", json!({}))
            .doing(|| "record the renewal".to_owned())?;
        self.publish(&store, snapshot);
        Ok(())
    }

    /// Counts and records a connection that never became a session. A handshake that failed
    /// counts against its source, unless somebody is authenticated from there: behind one
    /// address there may be many, and those who may enter are not kept out for the others.
    pub fn refused(&self, address: IpAddr, why: RefusedConnection) {
        self.trail.refused_connection(address, why);
        self.metrics.refused_connection(why);
        let source = Source::of(address);
        if why.is_failure() && !self.sessions.any_from(source) {
            let banned = self.admission.failed(source, &self.snapshot.load().config);
            if let Some(time) = banned {
                let seconds = time.as_secs();
                tracing::warn!(%source, seconds, "banned: its handshakes keep failing");
            }
        }
    }

    fn judge_again(&self, session: &Session) {
        match self.snapshot.load().authorize(&session.credential, &session.peer) {
            Ok(authority) => {
                // What it is doing may outlast the role that allowed it: an open exec, a log.
                if let Some(doing) = session.doing().0 {
                    let operation = doing.operation;
                    let before = session.authority();
                    if authority.permissions.rule(operation).is_none()
                        || authority.permissions.hides_more_than(&before.permissions, operation)
                    {
                        session.end(NOT_GRANTED_ANY_MORE);
                    }
                    if !self.owners.still_have(&doing.things, &authority.kin)
                        || doing.shown_to.is_some_and(|kin| kin != authority.kin)
                    {
                        session.end(NOT_ITS_OWN_ANY_MORE);
                    }
                }
                session.set_authority(authority);
            }
            Err(ended) => session.end(&ended.0),
        }
    }
}

/// Why a session ends whose request under way its roles no longer grant.
pub const NOT_GRANTED_ANY_MORE: &str = "its roles no longer grant what it was doing";

/// Why a session ends whose request under way is about what is not its own any more.
pub const NOT_ITS_OWN_ANY_MORE: &str = "what it was doing is about what is not its own any more";

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::Context;
    use crate::config::{Overrides, interpret};
    use crate::state::Lock;

    pub(super) const DAY: Duration = Duration::from_secs(86_400);

    /// A gate whose configuration is `text`, set up and unchanged since `ago`, and where it is.
    pub(super) fn gate(text: &str, ago: Duration) -> (Gate, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            config_file: dir.path().join("seawall.toml"),
            state_dir: dir.path().join("state"),
            json: false,
        };
        let config = interpret(text, &context, &Overrides::default()).unwrap();
        let mut store = Store::create(Lock::take(&context.state_dir).unwrap()).unwrap();
        let set_up =
            StateCall::SetUp { host: "gate".to_owned(), hostnames: config.tls.hostnames.clone() };
        let then = SystemTime::now() - ago;
        state::execute(&mut store, set_up, &config.roles, then).unwrap();
        let snapshot = Snapshot::build_at(&mut store, Arc::new(config.clone()), then).unwrap();
        let trail = Trail::open(&config.audit, &context.state_dir).unwrap();
        (Gate::new(snapshot, store, trail, Vec::new()).unwrap(), dir)
    }

    #[test]
    fn upkeep_notes_the_time_so_that_a_clock_set_back_is_noticed() {
        // Nothing is issued after the first day.
        let (gate, _dir) = gate("", DAY);
        gate.upkeep().unwrap();
        let set_back = SystemTime::now() - Duration::from_secs(600);
        assert!(gate.store().clock_behind(set_back).unwrap().is_some());
    }

    #[test]
    fn a_change_that_is_refused_after_its_record_has_that_in_the_record() {
        let (gate, dir) = gate("", Duration::ZERO);
        let revoke = StateCall::Revoke {
            target: "nobody".to_owned(),
            reason: crate::pki::Reason::default(),
            force: crate::state::call::Force::No,
        };
        let refused = gate.change(revoke).unwrap_err();
        let record = std::fs::read_to_string(dir.path().join("state/audit/00000001.jsonl"));
        let record = record.unwrap();
        let lines: Vec<serde_json::Value> =
            record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events = lines.iter().filter(|line| line["kind"] == "event");
        let [.., asked, outcome] = &events.collect::<Vec<_>>()[..] else { panic!("{record}") };
        assert_eq!(
            (&asked["what"], &asked["detail"]["target"]),
            (&json!("revoke"), &json!("nobody"))
        );
        assert_eq!(outcome["what"], "change.refused");
        let detail = json!({ "change": "revoke", "reason": refused.message });
        assert_eq!(outcome["detail"], detail);
    }
}
