//! Verifying a trail: every record names the one before it, every checkpoint is signed, what
//! retention removed has a tombstone, and a head kept elsewhere is still on the chain. One pass,
//! constant memory, also while a gate writes.

use std::io;
use std::path::Path;

use serde::Deserialize;

use super::chain::{self, Hash, Head, SignedHead};
use super::key::PublicKeys;
use super::read::{Place, Walk};
use super::writer::{CHECKPOINT_RECORDS, Removed};

/// Problems told one by one; more are only counted.
const PROBLEMS: usize = 100;
/// A gate never leaves so many records in a row without a signature.
const UNSIGNED_RECORDS: u64 = 2 * CHECKPOINT_RECORDS as u64;

/// What a trail is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Number of the first of them; higher than 1 where retention removed what was before.
    pub first_seq: u64,
    /// The last record.
    pub last: Head,
    /// The newest head with a good signature: up to here nothing can be changed unnoticed, not
    /// even by whoever can write the trail.
    pub signed: Option<Head>,
    /// What was changed, removed, reordered or inserted, and where; empty when nothing was.
    pub problems: Vec<Problem>,
    /// Further problems, not listed.
    pub more_problems: u64,
    /// Bytes of a line at the end that is being written, or was torn by a crash.
    pub torn_bytes: usize,
    /// What became of the head that was given.
    pub head: HeadCheck,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something wrong with a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it shows.
    pub place: Place,
    /// What it is.
    pub what: String,
}

/// What became of a head kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadCheck {
    /// None was given: that the end was not cut off is known for [`Report::signed`] only if that
    /// is known from elsewhere.
    NotGiven,
    /// The record it names is there and is the one.
    Found,
    /// Retention removed the record it names.
    Removed,
    /// It is not there; a problem says more.
    Missing,
}

/// Verifies the trail in `dir`.
///
/// # Errors
/// The trail can't be read.
pub fn verify(dir: &Path, keys: &PublicKeys, head: Option<&SignedHead>) -> io::Result<Report> {
    let mut check = Check::new(keys, head);
    let mut walk = Walk::new(dir, 0);
    while walk.advance()? {
        check.line(walk.place(), walk.line());
    }
    Ok(check.finish(walk.place(), walk.partial_bytes()))
}

/// What the check needs of a record.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    prev: &'a str,
    kind: &'a str,
    #[serde(default)]
    signature: Option<&'a str>,
    #[serde(default)]
    key: Option<&'a str>,
    #[serde(default)]
    first_seq: Option<u64>,
    #[serde(default)]
    last_seq: Option<u64>,
    #[serde(default)]
    last_hash: Option<&'a str>,
}

struct Check<'a> {
    keys: &'a PublicKeys,
    wanted: Option<&'a SignedHead>,
    report: Report,
    /// The last record and where it stands.
    last: Option<(Head, Place)>,
    /// Lines after it that are no records.
    unreadable: u64,
    /// The record after which the chain doesn't go on as it says; told once it is known whether
    /// that record or the one after was changed.
    broken: Option<(u64, Place)>,
    /// What is before the first record, and where that is; until a tombstone accounts for it.
    removed: Option<(Head, Place)>,
    unsigned: u64,
}

impl<'a> Check<'a> {
    fn new(keys: &'a PublicKeys, wanted: Option<&'a SignedHead>) -> Self {
        let head = if wanted.is_some() { HeadCheck::Missing } else { HeadCheck::NotGiven };
        let report = Report {
            records: 0,
            first_seq: 0,
            last: Head::NONE,
            signed: None,
            problems: Vec::new(),
            more_problems: 0,
            torn_bytes: 0,
            head,
        };
        Self {
            keys,
            wanted,
            report,
            last: None,
            unreadable: 0,
            broken: None,
            removed: None,
            unsigned: 0,
        }
    }

    fn line(&mut self, place: Place, bytes: &[u8]) {
        let line = bytes.ends_with(b"\n").then(|| serde_json::from_slice::<Line<'_>>(bytes).ok());
        let Some((line, prev)) = line
            .flatten()
            .and_then(|line| Some((line.prev.parse().ok()?, line)))
            .map(|(p, l)| (l, p))
        else {
            self.tell_broken();
            self.problem(place, "this line is no record: it was changed or inserted".to_owned());
            self.unreadable += 1;
            return;
        };
        self.link(place, line.seq, prev);
        let head = Head { seq: line.seq, hash: Hash::of(bytes) };
        self.look_for_head(place, &head);
        self.report.records += 1;
        self.unsigned += 1;
        match line.kind {
            "checkpoint" => self.checkpoint(place, &line, prev),
            "tombstone" => self.tombstone(place, &line),
            _ => {}
        }
        self.last = Some((head, place));
        self.unreadable = 0;
    }

    /// Whether the record comes after the last one.
    fn link(&mut self, place: Place, seq: u64, prev: Hash) {
        let Some((last, last_place)) = self.last else { return self.first(place, seq, prev) };
        let next = last.seq + 1;
        if seq == next && prev == last.hash {
            self.tell_broken();
        } else if seq == next && self.unreadable == 0 {
            if self.broken.take().is_some() {
                // It names another one before it, and the one after names another in its place.
                self.changed(last.seq, last_place);
            } else {
                self.broken = Some((last.seq, last_place));
            }
        } else if self.unreadable == 0 || seq != next + self.unreadable {
            self.tell_broken();
            let what = match seq.checked_sub(next) {
                Some(0) => format!("record {seq} does not follow the one before it"),
                Some(1) => format!("record {next} is missing before this one, record {seq}"),
                Some(_) => {
                    format!("records {next} to {} are missing before record {seq}", seq - 1)
                }
                None => format!("record {seq} stands where record {next} belongs"),
            };
            self.problem(place, what);
        }
    }

    fn first(&mut self, place: Place, seq: u64, prev: Hash) {
        self.report.first_seq = seq;
        let before = Head { seq: seq.saturating_sub(1), hash: prev };
        if before == Head::NONE || self.unreadable > 0 {
            return;
        }
        self.removed = Some((before, place));
        if let Some(wanted) = self.wanted
            && wanted.head.seq <= before.seq
        {
            let same = wanted.head.seq < before.seq || wanted.head == before;
            self.report.head = if same { HeadCheck::Removed } else { HeadCheck::Missing };
        }
    }

    fn look_for_head(&mut self, place: Place, head: &Head) {
        let Some(wanted) = self.wanted.filter(|wanted| wanted.head.seq == head.seq) else { return };
        if wanted.head == *head {
            self.report.head = HeadCheck::Found;
        } else if self.report.head != HeadCheck::Found {
            self.problem(place, format!("record {} is not the one the head names", head.seq));
        }
    }

    fn checkpoint(&mut self, place: Place, line: &Line<'_>, prev: Hash) {
        let head = Head { seq: line.seq.saturating_sub(1), hash: prev };
        if self.signed(place, line, &head.signed_text()) {
            self.tell_unsigned(place);
            self.report.signed = Some(head);
        }
    }

    fn tombstone(&mut self, place: Place, line: &Line<'_>) {
        let removed = || {
            let hash = line.last_hash?.parse().ok()?;
            let last = Head { seq: line.last_seq?, hash };
            Some(Removed { segment: 0, first_seq: line.first_seq?, last, bytes: 0 })
        };
        let Some(removed) = removed() else {
            return self.problem(place, "this tombstone does not say what was removed".to_owned());
        };
        if self.signed(place, line, &removed.signed_text())
            && self.removed.is_some_and(|(before, _)| before == removed.last)
        {
            self.removed = None;
        }
    }

    fn signed(&mut self, place: Place, line: &Line<'_>, text: &str) -> bool {
        let key = line.key.unwrap_or_default();
        let signature = line.signature.and_then(|signature| chain::hex(signature).ok());
        let good = signature.is_some_and(|signature| self.keys.signed(text, &signature));
        if !good {
            let what = if self.keys.knows(key) {
                format!("the signature of this {} is wrong", line.kind)
            } else {
                let key = key.escape_debug();
                format!("this {} was signed by another key, `{key}`", line.kind)
            };
            self.problem(place, what);
        }
        good
    }

    fn finish(mut self, end: Place, torn_bytes: usize) -> Report {
        self.tell_broken();
        self.tell_unsigned(end);
        if let Some((before, place)) = self.removed {
            let what =
                format!("records up to {} are gone and no signed tombstone says so", before.seq);
            self.problem(place, what);
        }
        if let Some((last, _)) = self.last {
            self.report.last = last;
        }
        if let Some(wanted) = self.wanted {
            let head = wanted.head;
            let signature = wanted.signature;
            if signature.is_some_and(|s| !self.keys.signed(&head.signed_text(), &s)) {
                self.problem(end, "the head that was given is not signed by this gate".to_owned());
            }
            if head.seq > self.report.last.seq {
                let last = self.report.last.seq;
                let what = format!(
                    "the end is cut off: it is record {last}, and the head names {}",
                    head.seq
                );
                self.problem(end, what);
            } else if self.report.head == HeadCheck::Missing && self.report.problems.is_empty() {
                self.problem(
                    end,
                    format!("record {}, which the head names, is not there", head.seq),
                );
            }
        }
        self.report.torn_bytes = torn_bytes;
        self.report
    }

    fn tell_broken(&mut self) {
        if let Some((seq, place)) = self.broken.take() {
            self.changed(seq, place);
        }
    }

    fn changed(&mut self, seq: u64, place: Place) {
        self.problem(place, format!("record {seq} was changed: the one after it names another"));
    }

    fn tell_unsigned(&mut self, place: Place) {
        if self.unsigned > UNSIGNED_RECORDS {
            let what = format!("{} records before this one have no signature", self.unsigned);
            self.problem(place, what);
        }
        self.unsigned = 0;
    }

    fn problem(&mut self, place: Place, what: String) {
        if self.report.problems.len() < PROBLEMS {
            self.report.problems.push(Problem { place, what });
        } else {
            self.report.more_problems += 1;
        }
    }
}
