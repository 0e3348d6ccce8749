//! What a crash left, put in order at the start: where the chain ends, what was torn off, and
//! which requests have no outcome.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Deserialize;

use super::RequestId;
use super::chain::{Hash, Head};
use super::pen::MAX_LINE;
use super::read::Lines;
use super::segment::{self, Segment};
use super::writer::Writer;

/// How the names of files that keep torn ends finish.
pub(super) const TORN_SUFFIX: &str = ".torn";
/// Bytes of a torn end that are kept beside the trail.
const KEEP_TORN_BYTES: u64 = 1024 * 1024;

/// The trail as the next record finds it.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) segment: Segment,
    pub(super) head: Head,
    pub(super) open: HashSet<RequestId>,
    /// Records after the last checkpoint.
    pub(super) unsigned: u32,
    pub(super) torn: Vec<Torn>,
}

/// An end that was cut off because it was no whole record.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) segment: u64,
    pub(super) bytes: u64,
    hash: Hash,
    /// Name of the file that keeps it, if one could be written.
    saved: Option<String>,
}

impl Torn {
    /// Notes it in the chain.
    pub(super) fn note(&self, writer: &mut Writer) {
        writer.add("recovered", |pen| {
            pen.text("segment", &segment::file_name(self.segment), 32);
            pen.number("torn_bytes", self.bytes);
            pen.text("torn_sha256", &self.hash.to_string(), 64);
            pen.optional("saved", self.saved.as_deref(), 64);
        });
    }
}

/// Finds the end of the chain in the newest segment that has a record, and cuts off what follows.
pub(super) fn recover(dir: &Path) -> io::Result<Recovered> {
    let numbers = segment::list(dir)?;
    let mut torn = Vec::new();
    let mut newest = None;
    for &number in numbers.iter().rev() {
        let scan = scan(&dir.join(segment::file_name(number)))?;
        if scan.whole < scan.len {
            torn.push(cut(dir, number, &scan)?);
        }
        newest.get_or_insert((number, scan.whole));
        if let Some(head) = scan.head {
            let (newest, len) = newest.unwrap_or((number, scan.whole));
            let segment = Segment::open(dir, newest, len)?;
            torn.reverse();
            let Scan { open, unsigned, .. } = scan;
            return Ok(Recovered { segment, head, open, unsigned, torn });
        }
    }
    let segment = match newest {
        Some((number, len)) => Segment::open(dir, number, len)?,
        None => {
            let segment = Segment::create(dir, 1)?;
            File::open(dir)?.sync_all()?;
            segment
        }
    };
    Ok(Recovered { segment, head: Head::NONE, open: HashSet::new(), unsigned: 0, torn })
}

struct Scan {
    len: u64,
    /// Bytes up to the end of the last whole record.
    whole: u64,
    head: Option<Head>,
    open: HashSet<RequestId>,
    unsigned: u32,
}

/// What the scan needs of a record.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    kind: &'a str,
    #[serde(default)]
    id: Option<&'a str>,
    #[serde(default)]
    open: Vec<&'a str>,
}

fn scan(path: &Path) -> io::Result<Scan> {
    let file = File::open(path)?;
    let mut scan = Scan {
        len: file.metadata()?.len(),
        whole: 0,
        head: None,
        open: HashSet::new(),
        unsigned: 0,
    };
    let mut lines = Lines::new(BufReader::with_capacity(MAX_LINE, file));
    let mut end = 0;
    while lines.advance()? {
        let line = lines.line();
        end += line.len() as u64;
        let Some(Line { seq, kind, id, open }) =
            line.ends_with(b"\n").then(|| serde_json::from_slice(line).ok()).flatten()
        else {
            // Not a record. One that follows nonetheless shows that this is damage, which
            // verifying reports, and not a torn end.
            continue;
        };
        scan.whole = end;
        scan.head = Some(Head { seq, hash: Hash::of(line) });
        scan.unsigned = if kind == "checkpoint" { 0 } else { scan.unsigned.saturating_add(1) };
        let id = id.and_then(|id| id.parse().ok());
        match (kind, id) {
            ("decision", Some(id)) => drop(scan.open.insert(id)),
            ("outcome", Some(id)) => drop(scan.open.remove(&id)),
            ("segment", _) => {
                scan.open.extend(open.iter().filter_map(|id| id.parse::<RequestId>().ok()));
            }
            _ => {}
        }
    }
    Ok(scan)
}

/// Cuts a torn end off, after keeping it in a file beside the segment.
fn cut(dir: &Path, number: u64, scan: &Scan) -> io::Result<Torn> {
    let path = dir.join(segment::file_name(number));
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    file.seek(SeekFrom::Start(scan.whole))?;
    let mut end = Vec::new();
    (&file).take(KEEP_TORN_BYTES).read_to_end(&mut end)?;
    let hash = Hash::of(&end);
    let name = format!("{number:08}.{}-{}{TORN_SUFFIX}", scan.whole, &hash.to_string()[..8]);
    let save = || {
        let mut saved = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(dir.join(&name))?;
        saved.write_all(&end)?;
        saved.sync_all()
    };
    // On a full disk it can't be kept; the chain must go on nonetheless.
    let saved = match save() {
        Ok(()) => Some(name),
        Err(error) => {
            tracing::warn!(%error, "cannot keep the torn end of the audit trail");
            let _ = fs::remove_file(dir.join(&name));
            None
        }
    };
    file.set_len(scan.whole)?;
    file.sync_all()?;
    Ok(Torn { segment: number, bytes: scan.len - scan.whole, hash, saved })
}
