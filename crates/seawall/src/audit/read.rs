//! Reading a trail: line by line in constant memory, also while it is being written, and the
//! records of one request.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{self, Head, SignedHead};
use super::pen::MAX_LINE;
use super::segment;

/// A request's first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named and documented in `audit::Decision`")]
pub struct DecisionRecord {
    pub id: String,
    pub identity: String,
    pub identity_id: Option<String>,
    pub roles: String,
    pub credential: String,
    pub peer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancer: Option<String>,
    pub method: String,
    pub target: String,
    pub operation: Option<String>,
    pub allowed: bool,
    pub rule: String,
    pub reason: Option<String>,
    /// The rules that would have refused it, were it not for a role in warn mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_deny: Vec<String>,
    pub unknown: Vec<String>,
    #[serde(default)]
    pub asks: Option<Vec<String>>,
    pub generation: u64,
    pub user_agent: String,
}

/// A request's second record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The request.
    pub id: String,
    /// HTTP status; null where the gate died before it knew, 0 when the client got none.
    pub status: Option<u16>,
    /// [`super::Ending::as_str`], or `unknown`.
    pub ending: String,
    /// Body bytes from the client.
    pub received: Option<u64>,
    /// Body bytes to the client.
    pub sent: Option<u64>,
    /// Microseconds.
    pub took_us: Option<u64>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A request was judged.
    Decision(Box<DecisionRecord>),
    /// A request ended.
    Outcome(OutcomeRecord),
    /// Any other kind, by name; its fields are in the line.
    Other(String),
    /// The line is no record.
    Unreadable,
}

/// One record of a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub place: Place,
    /// Number in the chain.
    pub seq: u64,
    /// RFC 3339, UTC, microseconds; compares as text.
    pub time: String,
    /// What it says.
    pub body: Body,
    /// The line as it stands, without its line feed.
    pub line: String,
}

/// Where a record stands: `00000001.jsonl:5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the segment.
    pub segment: u64,
    /// Line in it, from 1.
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", segment::file_name(self.segment), self.line)
    }
}

/// The records of a trail in order. At the end `next` gives `None`; called again later it gives
/// what was written since, so the same iterator follows a running gate.
pub struct Records {
    walk: Walk,
}

impl Records {
    /// All records from the beginning of a segment on; 0 for the whole trail.
    pub fn from_segment(dir: &Path, segment: u64) -> Self {
        Self { walk: Walk::new(dir, segment) }
    }
}

impl Iterator for Records {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        match self.walk.advance() {
            Ok(true) => Some(Ok(entry(self.walk.place(), self.walk.line()))),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Numbers of a trail's segments, ascending.
///
/// # Errors
/// The folder can't be read.
pub fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    segment::list(dir)
}

/// The head that the newest checkpoint signed.
///
/// # Errors
/// The trail can't be read.
pub fn newest_signed(dir: &Path) -> io::Result<Option<SignedHead>> {
    #[derive(Deserialize)]
    struct Checkpoint<'a> {
        seq: u64,
        prev: &'a str,
        signature: &'a str,
    }
    let mut segments = segment::list(dir)?;
    while let Some(number) = segments.pop() {
        // One that is removed meanwhile has no newer one to hide.
        let mut walk = Walk::new(dir, number);
        let mut newest = None;
        while walk.advance()? {
            let line = walk.line();
            let signed = || {
                let checkpoint: Checkpoint<'_> = serde_json::from_slice(line).ok()?;
                let hash = checkpoint.prev.parse().ok()?;
                let head = Head { seq: checkpoint.seq.checked_sub(1)?, hash };
                let signature = chain::hex(checkpoint.signature).ok()?;
                Some(SignedHead { head, signature: Some(signature) })
            };
            if contains(&line[..line.len().min(200)], b"\"kind\":\"checkpoint\"") {
                newest = signed().or(newest);
            }
        }
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// Both records of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The decision, unless retention removed it.
    pub decision: Option<Entry>,
    /// The outcome; none while the request runs.
    pub outcome: Option<Entry>,
}

/// What [`find`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No request of that id.
    None,
    /// One.
    One(Box<Request>),
    /// Several ids begin so; some of them.
    Several(Vec<String>),
}

/// Ids named when a prefix isn't unique.
const SEVERAL: usize = 10;

/// Finds a request by its id, or by the beginning of it when that is unique.
///
/// # Errors
/// The trail can't be read.
pub fn find(dir: &Path, id: &str) -> io::Result<Found> {
    let mut matches: BTreeMap<String, Request> = BTreeMap::new();
    let needle = format!("\"id\":\"{}", id.trim());
    let mut walk = Walk::new(dir, 0);
    while walk.advance()? {
        // The id is the first field after the frame.
        let head = &walk.line()[..walk.line().len().min(300)];
        if id.trim().is_empty() || !contains(head, needle.as_bytes()) {
            continue;
        }
        let entry = entry(walk.place(), walk.line());
        let own = match &entry.body {
            Body::Decision(decision) => decision.id.clone(),
            Body::Outcome(outcome) => outcome.id.clone(),
            Body::Other(_) | Body::Unreadable => continue,
        };
        // An exact match wins over those it is the beginning of.
        if !own.starts_with(id.trim()) || (matches.len() > SEVERAL && own != id.trim()) {
            continue;
        }
        let request = matches.entry(own).or_default();
        match entry.body {
            Body::Decision(_) => request.decision = Some(entry),
            _ => request.outcome = Some(entry),
        }
    }
    if let Some(exact) = matches.remove(id.trim()) {
        return Ok(Found::One(Box::new(exact)));
    }
    Ok(match matches.len() {
        0 => Found::None,
        1 => matches.into_values().next().map_or(Found::None, |one| Found::One(Box::new(one))),
        _ => Found::Several(matches.into_keys().take(SEVERAL).collect()),
    })
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

fn entry(place: Place, line: &[u8]) -> Entry {
    #[derive(Deserialize)]
    struct Frame {
        seq: u64,
        time: String,
        kind: String,
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (seq, time, body) = match serde_json::from_slice::<Frame>(line) {
        Ok(Frame { seq, time, kind }) => {
            let body = match kind.as_str() {
                "decision" => serde_json::from_slice(line).map(Body::Decision),
                "outcome" => serde_json::from_slice(line).map(Body::Outcome),
                _ => Ok(Body::Other(kind)),
            };
            (seq, time, body.unwrap_or(Body::Unreadable))
        }
        Err(_) => (0, String::new(), Body::Unreadable),
    };
    Entry { place, seq, time, body, line: String::from_utf8_lossy(line).into_owned() }
}

/// All lines of a trail in order, from one segment on.
pub(super) struct Walk {
    dir: PathBuf,
    from: u64,
    current: Option<(u64, Lines<BufReader<File>>)>,
}

impl Walk {
    pub(super) fn new(dir: &Path, from: u64) -> Self {
        Self { dir: dir.to_owned(), from, current: None }
    }

    /// Goes to the next line; false at the end, for now. A line without its line feed is given
    /// only where nothing can complete it: in a segment that is followed by another.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        loop {
            if let Some((_, lines)) = &mut self.current
                && lines.advance()?
            {
                return Ok(true);
            }
            let next = segment::list(&self.dir)?.into_iter().find(|&number| number >= self.from);
            let Some(next) = next else { return Ok(false) };
            // Once there is a next one this one is complete; look at its end again.
            if let Some((_, lines)) = &mut self.current
                && (lines.advance()? || lines.give_partial())
            {
                return Ok(true);
            }
            match File::open(self.dir.join(segment::file_name(next))) {
                Ok(file) => {
                    let reader = BufReader::with_capacity(MAX_LINE, file);
                    self.current = Some((next, Lines::new(reader)));
                    self.from = next + 1;
                }
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The line, with its line feed.
    pub(super) fn line(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(_, lines)| lines.line())
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        let (segment, line) =
            self.current.as_ref().map_or((0, 0), |(segment, lines)| (*segment, lines.number));
        Place { segment, line }
    }

    /// At the end: bytes of a line that isn't completely written.
    pub(super) fn partial_bytes(&self) -> usize {
        self.current.as_ref().map_or(0, |(_, lines)| lines.partial().len())
    }
}

/// Whole lines of a file that may still grow.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    state: Buffered,
    number: u64,
    /// Whether the line given before ended with its line feed.
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffered {
    Partial,
    Whole,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), state: Buffered::Partial, number: 0, ended: true }
    }

    /// Goes to the next whole line; false at the end, for now. A line longer than any record
    /// comes in pieces without line feeds.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        if self.state == Buffered::Whole {
            self.buffer.clear();
            self.state = Buffered::Partial;
        }
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let room = &bytes[..bytes.len().min(MAX_LINE - self.buffer.len())];
            let end = room.iter().position(|&b| b == b'\n');
            let taken = end.map_or(room.len(), |end| end + 1);
            self.buffer.extend_from_slice(&room[..taken]);
            self.reader.consume(taken);
            if end.is_some() || self.buffer.len() == MAX_LINE {
                self.give();
                return Ok(true);
            }
        }
    }

    pub(super) fn line(&self) -> &[u8] {
        if self.state == Buffered::Whole { &self.buffer } else { &[] }
    }

    /// At the end: the beginning of a line whose end isn't written.
    pub(super) fn partial(&self) -> &[u8] {
        if self.state == Buffered::Partial { &self.buffer } else { &[] }
    }

    /// Takes the partial line as a line; false when there is none.
    fn give_partial(&mut self) -> bool {
        let any = !self.partial().is_empty();
        if any {
            self.give();
        }
        any
    }

    fn give(&mut self) {
        self.state = Buffered::Whole;
        self.number += u64::from(self.ended);
        self.ended = self.buffer.ends_with(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_come_whole_while_the_file_grows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = Lines::new(BufReader::new(File::open(file.path()).unwrap()));
        let steps: &[(&str, &[&str], &str)] = &[
            ("", &[], ""),
            ("a\nb", &["a\n"], "b"),
            ("c", &[], "bc"),
            ("\n\nd\n", &["bc\n", "\n", "d\n"], ""),
        ];
        for (written, whole, partial) in steps {
            file.as_file().write_all(written.as_bytes()).unwrap();
            for line in *whole {
                assert!(lines.advance().unwrap());
                assert_eq!(lines.line(), line.as_bytes());
            }
            assert!(!lines.advance().unwrap());
            assert_eq!(lines.partial(), partial.as_bytes());
        }
        assert_eq!(lines.number, 4);
    }

    #[test]
    fn a_line_longer_than_any_record_comes_in_pieces_and_counts_once() {
        let text = [vec![b'x'; MAX_LINE * 2 + 5], b"\ny\n".to_vec()].concat();
        let mut lines = Lines::new(&text[..]);
        let mut seen = Vec::new();
        while lines.advance().unwrap() {
            seen.push((lines.line().len(), lines.number));
        }
        assert_eq!(seen, [(MAX_LINE, 1), (MAX_LINE, 1), (6, 1), (2, 2)]);
    }
}
