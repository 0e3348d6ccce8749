//! The trail of a running gate: decisions inline, everything else by a thread of its own.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::anchor::Anchor;
use super::chain::SignedHead;
use super::flush::{self, Bell};
use super::key::{Made, SigningKey};
use super::recover::{self, Recovered};
use super::refused::Refused;
use super::writer::{Loss, Writer};
use super::{CannotRecord, Decision, Outcome, RefusedConnection, segment};
use crate::config::{Audit, OnFailure, Sync};

/// The audit trail of a running gate. Cheap to call from many tasks; takes no async lock.
pub struct Trail {
    shared: Arc<Shared>,
    flusher: Mutex<Option<JoinHandle<()>>>,
}

/// What the callers and the flusher share.
pub(super) struct Shared {
    writer: Mutex<Writer>,
    refused: Mutex<Refused>,
    settings: Mutex<Settings>,
    /// How far records are on disk; held while syncing, so that waiters are served by one sync.
    synced: Mutex<u64>,
    pub(super) bell: Bell,
    pub(super) anchor: Anchor,
}

/// What a reload may change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) on_failure: OnFailure,
    pub(super) sync: Sync,
    pub(super) keep_bytes: u64,
}

/// How the trail is doing, for `status` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Number of the newest record in the kernel.
    pub seq: u64,
    /// The newest signed head.
    pub signed: Option<SignedHead>,
    /// Why nothing can be recorded at present.
    pub failing: Option<String>,
    /// Why the anchor command failed the last time it was run.
    pub anchor: Option<String>,
}

/// The trail can't be opened; the gate does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// Another process writes this trail.
    #[error("another gate writes the audit trail in {}", .0.display())]
    InUse(PathBuf),
    /// The folder, a segment or the key.
    #[error("cannot open the audit trail in {}: {source}", .dir.display())]
    Io {
        /// The trail's folder.
        dir: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A reload names another folder.
    #[error("the audit trail can move from {} to {} only at a restart", .from.display(), .to.display())]
    Moved {
        /// Where it is written.
        from: PathBuf,
        /// Where the configuration wants it.
        to: PathBuf,
    },
}

impl Trail {
    /// Opens the trail for writing, makes its folder and its key if there are none, and puts in
    /// order what a crash left: a torn last line is cut off and noted, and requests without an
    /// outcome get `unknown`.
    ///
    /// # Errors
    /// [`CannotOpen`]. A full disk is none: the trail opens and refuses decisions.
    pub fn open(config: &Audit, state_dir: &Path) -> Result<Self, CannotOpen> {
        let io = |source| CannotOpen::Io { dir: config.dir.clone(), source };
        segment::make_dir(&config.dir).map_err(io)?;
        let lock = std::fs::File::open(&config.dir).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(CannotOpen::InUse(config.dir.clone()));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
        }
        let (key, made) = SigningKey::open_or_make(state_dir).map_err(io)?;
        let key_id = key.id().to_owned();
        let Recovered { segment, head, open, unsigned, torn } =
            recover::recover(&config.dir).map_err(io)?;

        let mut writer = Writer::new(
            config.dir.clone(),
            segment,
            config.segment_bytes,
            head,
            open,
            unsigned,
            key,
        );
        for torn in &torn {
            tracing::warn!(
                segment = torn.segment,
                bytes = torn.bytes,
                "the last record was torn and is cut off"
            );
            torn.note(&mut writer);
        }
        writer.unknown_outcomes();
        if made == Made::Now {
            writer.add("event", |pen| {
                pen.text("what", "audit.key-made", 64);
                pen.json("detail", &serde_json::json!({ "key": key_id }).to_string());
            });
        }
        // What an earlier run could no longer sign.
        writer.checkpoint();
        if let Err(error) = writer.flush() {
            writer.failing(&error);
        }

        let settings = Settings {
            on_failure: config.on_failure,
            sync: config.sync,
            keep_bytes: config.keep_bytes,
        };
        let shared = Arc::new(Shared {
            writer: Mutex::new(writer),
            refused: Mutex::new(Refused::new()),
            settings: Mutex::new(settings),
            synced: Mutex::new(0),
            bell: Bell::default(),
            anchor: Anchor::new(config.anchor.clone()),
        });
        let flusher = flush::start(shared.clone(), lock).map_err(io)?;
        Ok(Self { shared, flusher: Mutex::new(Some(flusher)) })
    }

    /// Records a decision; on return the record is in the kernel, with `sync = "always"` on disk.
    ///
    /// # Errors
    /// [`CannotRecord`], under `on_failure = "deny"`; the caller answers 503.
    pub fn decision(&self, decision: &Decision<'_>) -> Result<(), CannotRecord> {
        let written = {
            let mut writer = self.shared.writer();
            writer.decision(decision).map(|()| writer.committed().seq)
        };
        self.shared.bell.ring();
        let on_failure = self.shared.settings().on_failure;
        let loss = match on_failure {
            OnFailure::Continue => Loss::Unrecorded,
            OnFailure::Deny => Loss::Denied,
        };
        self.settle(written, loss, on_failure)
    }

    /// Records how a request ended; may be written with the next decision, within 100 ms.
    pub fn outcome(&self, outcome: &Outcome) {
        self.shared.writer().outcome(outcome);
        self.shared.bell.ring();
    }

    /// Records that something other than a request happened (`identity.add`, `reload`,
    /// `start`); `detail` holds no secrets.
    ///
    /// # Errors
    /// [`CannotRecord`]; the caller does not do the thing.
    pub fn event(&self, what: &'static str, detail: serde_json::Value) -> Result<(), CannotRecord> {
        let written = {
            let mut writer = self.shared.writer();
            writer.event(what, &detail).map(|()| writer.committed().seq)
        };
        self.shared.bell.ring();
        self.settle(written, Loss::Event, self.shared.settings().on_failure)
    }

    /// Records that a change was not made whose event `what` stands in the record before it.
    pub fn change_refused(&self, what: &'static str, why: &str) {
        let detail = serde_json::json!({ "change": what, "reason": why });
        if let Err(error) = self.event("change.refused", detail) {
            tracing::error!(%error, change = what, why, "refused, without a record");
        }
    }

    /// Counts a refused connection for the aggregate record of its prefix and minute.
    pub fn refused_connection(&self, address: IpAddr, why: RefusedConnection) {
        if self.shared.refused().count(address, why) {
            self.shared.bell.ring();
        }
    }

    /// Takes over what a reload may change; all but the folder.
    ///
    /// # Errors
    /// [`CannotOpen::Moved`] when the folder is another one; nothing is changed then.
    pub fn reconfigure(&self, config: &Audit) -> Result<(), CannotOpen> {
        let mut writer = self.shared.writer();
        if writer.dir != config.dir {
            return Err(CannotOpen::Moved { from: writer.dir.clone(), to: config.dir.clone() });
        }
        writer.segment_bytes = config.segment_bytes;
        drop(writer);
        *lock(&self.shared.settings) = Settings {
            on_failure: config.on_failure,
            sync: config.sync,
            keep_bytes: config.keep_bytes,
        };
        self.shared.anchor.set_command(config.anchor.clone());
        Ok(())
    }

    /// How the trail is doing.
    pub fn health(&self) -> Health {
        let writer = self.shared.writer();
        Health {
            seq: writer.committed().seq,
            signed: writer.signed(),
            failing: writer.failure().map(str::to_owned),
            anchor: self.shared.anchor.failure(),
        }
    }

    /// Writes what is pending and a last checkpoint, syncs, and gives up the trail's lock.
    /// Dropping the trail does the same.
    pub fn close(&self) {
        if let Some(flusher) = lock(&self.flusher).take() {
            self.shared.bell.stop();
            // A flusher that panicked has nothing more to write.
            let _ = flusher.join();
        }
    }

    /// Turns a write's result into the caller's: counts what failed, syncs where that is asked.
    fn settle(
        &self,
        written: io::Result<u64>,
        loss: Loss,
        on_failure: OnFailure,
    ) -> Result<(), CannotRecord> {
        let result = written.and_then(|seq| match self.shared.settings().sync {
            Sync::Always => wait(|| self.shared.sync_to(seq)),
            Sync::Batched => Ok(()),
        });
        match result {
            Ok(()) => Ok(()),
            Err(error) => {
                self.shared.writer().lost(loss, &error);
                match on_failure {
                    OnFailure::Continue => Ok(()),
                    OnFailure::Deny => Err(CannotRecord(error)),
                }
            }
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trail").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    pub(super) fn refused(&self) -> MutexGuard<'_, Refused> {
        lock(&self.refused)
    }

    pub(super) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    /// Syncs until record `seq` is on disk. One sync serves everyone who waits for it.
    pub(super) fn sync_to(&self, seq: u64) -> io::Result<()> {
        let mut synced = lock(&self.synced);
        if *synced >= seq {
            return Ok(());
        }
        let (files, head) = {
            let mut writer = self.writer();
            (writer.take_unsynced(), writer.committed())
        };
        for file in &files {
            if let Err(error) = file.sync_data() {
                self.writer().not_synced(files, &error);
                return Err(error);
            }
        }
        if !files.is_empty() {
            self.writer().synced();
        }
        *synced = head.seq;
        Ok(())
    }
}

/// Waits for the disk without holding up the other tasks of this worker.
fn wait<T>(sync: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(sync),
        _ => sync(),
    }
}

// Whoever panics while holding one of these locks leaves a value that is whole: the writer
// changes its head only together with its buffer.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::read::{Body, Entry, Found, Records, find};
    use super::super::{Ending, RequestId, Subject};
    use super::*;

    /// A configuration for a trail below `dir`.
    pub(in super::super) fn config(dir: &Path) -> Audit {
        Audit {
            dir: dir.join("audit"),
            on_failure: OnFailure::Deny,
            sync: Sync::Batched,
            segment_bytes: 64 * 1024 * 1024,
            keep_bytes: 1024 * 1024 * 1024,
            anchor: Vec::new(),
        }
    }

    pub(in super::super) fn subject() -> Subject {
        Subject {
            id: Some("0a1b2c3d4e5f6071".to_owned()),
            name: "alice".to_owned(),
            roles: "viewer".to_owned(),
            credential: "cert:01ab".to_owned(),
        }
    }

    pub(in super::super) fn decision(subject: &Subject, id: RequestId) -> Decision<'_> {
        Decision {
            id,
            subject,
            peer: ([192, 0, 2, 7], 50_000).into(),
            balancer: None,
            method: "GET",
            target: "/v1.41/containers/json?all=1",
            operation: Some("ContainerList"),
            user_agent: "Docker-Client/28.2.2 (linux)",
            refused: None,
            rule: "viewer.read",
            would_deny: &[],
            unknown: &[],
            asks: Some(&[]),
            generation: 1,
        }
    }

    pub(in super::super) fn outcome(id: RequestId) -> Outcome {
        Outcome {
            id,
            status: 200,
            ending: Ending::Complete,
            received: 0,
            sent: 1234,
            took: Duration::from_micros(1500),
        }
    }

    pub(in super::super) fn id(number: u32) -> RequestId {
        RequestId { session: 0x7f3a_91c2_d405, number }
    }

    pub(in super::super) fn entries(config: &Audit) -> Vec<Entry> {
        Records::from_segment(&config.dir, 0).map(Result::unwrap).collect()
    }

    fn kinds(config: &Audit) -> Vec<String> {
        let kind = |entry: Entry| match entry.body {
            Body::Decision(decision) => format!("decision {}", decision.id),
            Body::Outcome(outcome) => format!("outcome {} {}", outcome.id, outcome.ending),
            Body::Other(kind) => kind,
            Body::Unreadable => "unreadable".to_owned(),
        };
        entries(config).into_iter().map(kind).collect()
    }

    #[test]
    fn a_decision_is_in_the_file_when_it_returns_and_the_outcome_follows() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let trail = Trail::open(&config, dir.path()).unwrap();
        let subject = subject();
        trail.decision(&decision(&subject, id(1))).unwrap();
        assert_eq!(kinds(&config)[2..], ["decision 7f3a91c2d405-1"]);
        trail.outcome(&outcome(id(1)));
        trail.decision(&decision(&subject, id(2))).unwrap();
        assert_eq!(
            kinds(&config)[3..],
            ["outcome 7f3a91c2d405-1 complete", "decision 7f3a91c2d405-2"]
        );
        let Found::One(found) = find(&config.dir, "7f3a91c2d405-1").unwrap() else { panic!() };
        let line = found.decision.unwrap().line;
        let expected = concat!(
            r#""kind":"decision","id":"7f3a91c2d405-1","identity":"alice","#,
            r#""identity_id":"0a1b2c3d4e5f6071","roles":"viewer","credential":"cert:01ab","#,
            r#""peer":"192.0.2.7:50000","method":"GET","target":"/v1.41/containers/json?all=1","#,
            r#""operation":"ContainerList","allowed":true,"rule":"viewer.read","reason":null,"#,
            r#""unknown":[],"asks":[],"generation":1,"user_agent":"Docker-Client/28.2.2 (linux)"}"#
        );
        assert!(line.ends_with(expected), "{line}");
        let line = found.outcome.unwrap().line;
        let expected = concat!(
            r#""kind":"outcome","id":"7f3a91c2d405-1","status":200,"ending":"complete","#,
            r#""received":0,"sent":1234,"took_us":1500}"#
        );
        assert!(line.ends_with(expected), "{line}");
        let Found::Several(several) = find(&config.dir, "7f3a").unwrap() else { panic!() };
        assert_eq!(several, ["7f3a91c2d405-1", "7f3a91c2d405-2"]);
        assert_eq!(find(&config.dir, "8").unwrap(), Found::None);
    }

    #[test]
    fn closing_writes_what_is_pending_and_signs_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let trail = Trail::open(&config, dir.path()).unwrap();
        let subject = subject();
        trail.decision(&decision(&subject, id(1))).unwrap();
        trail.outcome(&outcome(id(1)));
        trail.refused_connection([192, 0, 2, 9].into(), RefusedConnection::Address);
        trail.close();
        assert_eq!(
            kinds(&config),
            [
                "event",
                "checkpoint",
                "decision 7f3a91c2d405-1",
                "outcome 7f3a91c2d405-1 complete",
                "refused",
                "checkpoint"
            ]
        );
        assert_eq!(trail.health().signed.unwrap().head.seq, 5);
        drop(Trail::open(&config, dir.path()).unwrap());
        assert_eq!(entries(&config).len(), 6, "an idle run adds nothing");
    }

    #[test]
    fn an_outcome_reaches_the_file_without_another_request() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let trail = Trail::open(&config, dir.path()).unwrap();
        let subject = subject();
        trail.decision(&decision(&subject, id(1))).unwrap();
        trail.outcome(&outcome(id(1)));
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while kinds(&config).last().unwrap() != "outcome 7f3a91c2d405-1 complete" {
            assert!(std::time::Instant::now() < until, "never written");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_second_gate_cannot_write_the_same_trail() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let trail = Trail::open(&config, dir.path()).unwrap();
        let second = Trail::open(&config, dir.path());
        assert!(matches!(second, Err(CannotOpen::InUse(_))), "{second:?}");
        trail.close();
        Trail::open(&config, dir.path()).unwrap();
    }
}
