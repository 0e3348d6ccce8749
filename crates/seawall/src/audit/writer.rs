//! The one place where records are made and written. Everything here happens under the trail's
//! mutex, which is never held across an await.
//!
//! INVARIANT: `pending` chains on from `committed`, and what is in the file ends with
//! `committed`; a write that fails changes neither.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;

use super::chain::{Hash, Head, SignedHead};
use super::key::SigningKey;
use super::pen::{Clock, MAX_LINE, Pen};
use super::segment::Segment;
use super::{Decision, Ending, Outcome, RequestId};

/// A checkpoint follows at latest after so many records.
pub(super) const CHECKPOINT_RECORDS: u32 = 1024;
/// Outcomes that can't be written are kept up to so many bytes; then they are lost and counted.
const PENDING_BYTES: usize = 1024 * 1024;
/// Ids in one `segment` record; each takes at most 30 bytes.
const OPEN_IDS: usize = 1500;
/// When no new segment can be made, the old one grows by this much before it is tried again.
const ROTATE_AGAIN_BYTES: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) segment: Segment,
    pub(super) segment_bytes: u64,
    rotate_at: u64,
    /// Segments closed since the last sync.
    closed: Vec<Arc<File>>,
    unsynced: bool,
    /// What is written may not reach the disk; nothing more is recorded until a sync works.
    sync_error: Option<String>,

    committed: Head,
    head: Head,
    /// Whole records not yet in the kernel.
    pending: Vec<u8>,
    /// Records after the last checkpoint.
    unsigned: u32,
    signed: Option<SignedHead>,
    /// Requests with a decision and no outcome.
    open: HashSet<RequestId>,
    lost: Lost,

    key: SigningKey,
    clock: Clock,
}

/// What could not be recorded since writing began to fail.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    /// The first error; set while writing fails.
    pub(super) error: Option<String>,
    since: Option<SystemTime>,
    /// Requests that were denied because they couldn't be recorded.
    denied: u64,
    /// Requests that were forwarded without a record (`on_failure = "continue"`).
    unrecorded: u64,
    outcomes: u64,
    events: u64,
}

/// What was lost, for [`Writer::lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Denied,
    Event,
    Unrecorded,
}

/// Where the writer was before records that must be written now or not at all.
struct Mark {
    pending: usize,
    head: Head,
    unsigned: u32,
    signed: Option<SignedHead>,
}

impl Writer {
    pub(super) fn new(
        dir: PathBuf,
        segment: Segment,
        segment_bytes: u64,
        head: Head,
        open: HashSet<RequestId>,
        unsigned: u32,
        key: SigningKey,
    ) -> Self {
        Self {
            dir,
            segment,
            segment_bytes,
            rotate_at: segment_bytes,
            closed: Vec::new(),
            unsynced: false,
            sync_error: None,
            committed: head,
            head,
            pending: Vec::with_capacity(16 * 1024),
            unsigned,
            signed: None,
            open,
            lost: Lost::default(),
            key,
            clock: Clock::new(),
        }
    }

    /// Writes a decision and everything pending.
    pub(super) fn decision(&mut self, decision: &Decision<'_>) -> io::Result<()> {
        // Before it is written: the write may begin a segment, which lists what is under way.
        self.open.insert(decision.id);
        let written = self.now_or_never(|writer| {
            let subject = decision.subject;
            writer.record("decision", |pen| {
                pen.text("id", &decision.id.to_string(), 32);
                pen.text("identity", &subject.name, 512);
                pen.optional("identity_id", subject.id.as_deref(), 64);
                pen.text("roles", &subject.roles, 512);
                pen.text("credential", &subject.credential, 256);
                pen.text("peer", &decision.peer.to_string(), 64);
                if let Some(balancer) = decision.balancer {
                    pen.text("balancer", &balancer.to_string(), 64);
                }
                pen.text("method", decision.method, 32);
                pen.text("target", decision.target, 4096);
                pen.optional("operation", decision.operation, 64);
                pen.json("allowed", if decision.refused.is_none() { "true" } else { "false" });
                pen.text("rule", decision.rule, 128);
                pen.optional("reason", decision.refused, 1024);
                if !decision.would_deny.is_empty() {
                    pen.list("would_deny", decision.would_deny, 32, 64);
                }
                pen.list("unknown", decision.unknown, 32, 64);
                match decision.asks {
                    Some(asks) => pen.list("asks", asks, 32, 192),
                    None => pen.json("asks", "null"),
                }
                pen.number("generation", decision.generation);
                pen.text("user_agent", decision.user_agent, 256);
            });
        });
        if written.is_err() {
            self.open.remove(&decision.id);
        }
        written
    }

    /// Adds an outcome to what is pending. One whose decision could not be recorded is dropped.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        if !self.open.remove(&outcome.id) {
            return;
        }
        if self.pending.len() > PENDING_BYTES {
            self.lost.outcomes += 1;
            return;
        }
        self.record("outcome", |pen| {
            pen.text("id", &outcome.id.to_string(), 32);
            pen.number("status", u64::from(outcome.status));
            pen.text("ending", outcome.ending.as_str(), 16);
            pen.number("received", outcome.received);
            pen.number("sent", outcome.sent);
            pen.number("took_us", u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX));
        });
        if self.pending.len() > PENDING_BYTES / 16 {
            // Noted by the flusher when it fails.
            let _ = self.commit();
        }
    }

    /// Adds `outcome: unknown` for every request an earlier run left without one.
    pub(super) fn unknown_outcomes(&mut self) {
        let mut ids: Vec<_> = self.open.drain().collect();
        ids.sort_unstable_by_key(|id| (id.session, id.number));
        for id in ids {
            if self.pending.len() > PENDING_BYTES {
                self.lost.outcomes += 1;
                continue;
            }
            self.record("outcome", |pen| {
                pen.text("id", &id.to_string(), 32);
                pen.json("status", "null");
                pen.text("ending", Ending::UNKNOWN, 16);
                pen.json("received", "null");
                pen.json("sent", "null");
                pen.json("took_us", "null");
            });
            if self.pending.len() > PENDING_BYTES / 16 {
                // Noted by the flusher when it fails.
                let _ = self.commit();
            }
        }
    }

    /// Writes an event and everything pending.
    pub(super) fn event(&mut self, what: &str, detail: &serde_json::Value) -> io::Result<()> {
        self.now_or_never(|writer| writer.add_event(what, detail))
    }

    /// Writes a tombstone for the segment that retention is about to remove.
    pub(super) fn tombstone(&mut self, removed: &Removed) -> io::Result<()> {
        let signature = self.key.sign(&removed.signed_text());
        let key = self.key.id().to_owned();
        self.now_or_never(|writer| {
            writer.record("tombstone", |pen| {
                pen.number("segment", removed.segment);
                pen.number("first_seq", removed.first_seq);
                pen.number("last_seq", removed.last.seq);
                pen.text("last_hash", &removed.last.hash.to_string(), 64);
                pen.number("bytes", removed.bytes);
                pen.text("key", &key, 16);
                pen.text("signature", &hex(&signature), 128);
            });
        })
    }

    /// Adds any other record to what is pending, unless too much is.
    pub(super) fn add(&mut self, kind: &str, write: impl FnOnce(&mut Pen<'_>)) {
        if self.pending.len() > PENDING_BYTES {
            self.lost.events += 1;
        } else {
            self.record(kind, write);
        }
    }

    /// Adds a checkpoint if there is anything after the last one.
    pub(super) fn checkpoint(&mut self) {
        if self.unsigned > 0 {
            let head = self.head;
            let signature = self.key.sign(&head.signed_text());
            let key = self.key.id().to_owned();
            self.line("checkpoint", |pen| {
                pen.text("key", &key, 16);
                pen.text("signature", &hex(&signature), 128);
            });
            self.unsigned = 0;
            self.signed = Some(SignedHead { head, signature: Some(signature) });
        }
    }

    /// Writes what is pending, and after a failure what was lost in it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() && self.lost.error.is_none() && !self.lost.any() {
            return Ok(());
        }
        self.now_or_never(|_| ())
    }

    /// Counts what could not be recorded.
    pub(super) fn lost(&mut self, loss: Loss, error: &io::Error) {
        match loss {
            Loss::Denied => self.lost.denied += 1,
            Loss::Event => self.lost.events += 1,
            Loss::Unrecorded => self.lost.unrecorded += 1,
        }
        self.failing(error);
    }

    /// Notes that writing fails, and says so the first time.
    pub(super) fn failing(&mut self, error: &io::Error) {
        if self.lost.error.is_none() {
            self.lost.error = Some(error.to_string());
            self.lost.since = Some(SystemTime::now());
            tracing::error!(dir = %self.dir.display(), %error, "cannot write the audit trail");
        }
    }

    /// Whether writing fails at present, and how.
    pub(super) fn failure(&self) -> Option<&str> {
        self.lost.error.as_deref()
    }

    /// The files to sync; with them every record written so far is on disk.
    pub(super) fn take_unsynced(&mut self) -> Vec<Arc<File>> {
        let mut files = std::mem::take(&mut self.closed);
        if std::mem::take(&mut self.unsynced) {
            files.push(self.segment.file.clone());
        }
        files
    }

    /// The files could not be synced; they must be again.
    pub(super) fn not_synced(&mut self, files: Vec<Arc<File>>, error: &io::Error) {
        self.closed.extend(files);
        self.sync_error = Some(error.to_string());
        self.failing(error);
    }

    /// Every file to sync was.
    pub(super) fn synced(&mut self) {
        self.sync_error = None;
    }

    /// The newest head, of what is in the kernel.
    pub(super) fn committed(&self) -> Head {
        self.committed
    }

    /// The newest signed head, if it is in the kernel.
    pub(super) fn signed(&self) -> Option<SignedHead> {
        self.signed.filter(|signed| signed.head.seq < self.committed.seq)
    }

    /// Records after the last checkpoint.
    pub(super) fn unsigned(&self) -> u32 {
        self.unsigned
    }

    /// Whether the segment being written was removed by somebody else.
    pub(super) fn segment_is_gone(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.segment.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Goes on in a new segment. Its first record lists the requests under way, so that a start
    /// after a crash needs to read no more than the last segment.
    pub(super) fn rotate(&mut self) {
        match Segment::create(&self.dir, self.segment.number + 1) {
            Ok(next) => {
                let old = std::mem::replace(&mut self.segment, next);
                self.closed.push(old.file);
                self.rotate_at = self.segment_bytes;
                let mut open: Vec<_> = self.open.iter().map(RequestId::to_string).collect();
                open.sort_unstable();
                let number = self.segment.number;
                let mut rest = &open[..];
                loop {
                    let (ids, more) = rest.split_at(rest.len().min(OPEN_IDS));
                    self.record("segment", |pen| {
                        pen.number("number", number);
                        pen.list("open", ids, OPEN_IDS, 32);
                    });
                    rest = more;
                    if rest.is_empty() {
                        break;
                    }
                }
            }
            Err(error) => {
                // A segment too large is better than a request denied or lost.
                self.rotate_at = self.segment.len + ROTATE_AGAIN_BYTES;
                tracing::error!(dir = %self.dir.display(), %error, "cannot begin a new segment");
            }
        }
    }

    /// Makes records and writes them with everything pending, or takes them back.
    fn now_or_never(&mut self, make: impl FnOnce(&mut Self)) -> io::Result<()> {
        if let Some(error) = &self.sync_error {
            return Err(io::Error::other(error.clone()));
        }
        let mark = Mark {
            pending: self.pending.len(),
            head: self.head,
            unsigned: self.unsigned,
            signed: self.signed,
        };
        if self.lost.any() {
            let lost = self.lost.clone();
            self.add_event("audit.resumed", &lost.detail());
        }
        make(self);
        match self.commit() {
            Ok(()) => {
                if self.lost.error.is_some() {
                    tracing::warn!(dir = %self.dir.display(), "the audit trail is written again");
                }
                self.lost = Lost::default();
                Ok(())
            }
            Err(error) => {
                self.pending.truncate(mark.pending);
                self.head = mark.head;
                self.unsigned = mark.unsigned;
                self.signed = mark.signed;
                Err(error)
            }
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.segment.append(&self.pending)?;
        self.pending.clear();
        self.committed = self.head;
        self.unsynced = true;
        if self.segment.len >= self.rotate_at {
            self.rotate();
        }
        Ok(())
    }

    fn add_event(&mut self, what: &str, detail: &serde_json::Value) {
        let json = detail.to_string();
        self.record("event", |pen| {
            pen.text("what", what, 64);
            // Escaping makes at most six bytes of one, and the line has its bound.
            if json.len() <= MAX_LINE / 8 {
                pen.json("detail", &json);
            } else {
                pen.json("detail", &format!("{{\"omitted_bytes\":{}}}", json.len()));
            }
        });
    }

    /// Adds one record, and a checkpoint when one is due.
    fn record(&mut self, kind: &str, write: impl FnOnce(&mut Pen<'_>)) {
        self.line(kind, write);
        self.unsigned += 1;
        if self.unsigned >= CHECKPOINT_RECORDS {
            self.checkpoint();
        }
    }

    fn line(&mut self, kind: &str, write: impl FnOnce(&mut Pen<'_>)) {
        let start = self.pending.len();
        let time = self.clock.show(SystemTime::now());
        let mut pen = Pen::begin(&mut self.pending, &self.head, &time, kind);
        write(&mut pen);
        pen.end();
        let line = &self.pending[start..];
        debug_assert!(line.len() <= MAX_LINE, "{} bytes of {kind}", line.len());
        self.head = Head { seq: self.head.seq + 1, hash: Hash::of(line) };
    }
}

impl Lost {
    fn any(&self) -> bool {
        self.denied + self.unrecorded + self.outcomes + self.events > 0
    }

    fn detail(&self) -> serde_json::Value {
        let since = self.since.map(|since| Clock::new().show(since));
        json!({
            "error": self.error,
            "since": since.map(|since| String::from_utf8_lossy(&since).into_owned()),
            "denied_requests": self.denied,
            "unrecorded_requests": self.unrecorded,
            "lost_outcomes": self.outcomes,
            "lost_events": self.events,
        })
    }
}

/// A segment that retention removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) segment: u64,
    pub(super) first_seq: u64,
    /// The last record removed, as the first one kept names it.
    pub(super) last: Head,
    pub(super) bytes: u64,
}

impl Removed {
    /// The text a tombstone signs.
    pub(super) fn signed_text(&self) -> String {
        format!("seawall audit tombstone\n{}-{}\n", self.first_seq, self.last)
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
