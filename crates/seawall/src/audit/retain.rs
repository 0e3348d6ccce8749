//! Retention: the oldest segments go when the closed ones take more than `keep_bytes`. What goes
//! is named in a signed tombstone first, so that the rest still verifies.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::chain::{Head, NotAHead};
use super::pen::MAX_LINE;
use super::read::Lines;
use super::recover;
use super::segment;
use super::trail::Shared;
use super::writer::Removed;

/// Removes what is over, oldest first, each under its own tombstone: wherever a crash interrupts
/// it, the newest segment removed has one.
pub(super) fn retain(shared: &Shared) -> io::Result<()> {
    let (dir, live) = {
        let writer = shared.writer();
        (writer.dir.clone(), writer.segment.number)
    };
    while let Some(removed) = oldest_over(&dir, live, shared.settings().keep_bytes)? {
        let seq = {
            let mut writer = shared.writer();
            writer.tombstone(&removed)?;
            writer.committed().seq
        };
        // The tombstone must not be lost when the segment is gone.
        shared.sync_to(seq)?;
        fs::remove_file(dir.join(segment::file_name(removed.segment)))?;
        remove_torn(&dir, removed.segment)?;
        tracing::info!(
            segment = removed.segment,
            bytes = removed.bytes,
            "an old audit segment is removed"
        );
    }
    Ok(())
}

/// Removes the torn ends kept for a segment.
fn remove_torn(dir: &Path, segment: u64) -> io::Result<()> {
    let prefix = format!("{segment:08}.");
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let of_segment =
            |name: &str| name.starts_with(&prefix) && name.ends_with(recover::TORN_SUFFIX);
        if name.to_str().is_some_and(of_segment) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The oldest segment, when the closed ones take more than `keep_bytes`.
fn oldest_over(dir: &Path, live: u64, keep_bytes: u64) -> io::Result<Option<Removed>> {
    let closed: Vec<u64> = segment::list(dir)?.into_iter().filter(|&n| n < live).collect();
    let bytes = |number: u64| Ok::<_, io::Error>(path(dir, number).metadata()?.len());
    let mut total = 0;
    for &number in &closed {
        total += bytes(number)?;
    }
    let Some(&oldest) = closed.first().filter(|_| total > keep_bytes) else { return Ok(None) };
    let next = closed.get(1).copied().unwrap_or(live);
    // A segment without a record yet is looked at again in the next round.
    let Some(last) = before(&path(dir, next))? else { return Ok(None) };
    let first_seq = before(&path(dir, oldest))?.map_or(0, |before| before.seq + 1);
    Ok(Some(Removed { segment: oldest, first_seq, last, bytes: bytes(oldest)? }))
}

fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(segment::file_name(segment))
}

/// The head before a segment's first record.
fn before(path: &Path) -> io::Result<Option<Head>> {
    #[derive(Deserialize)]
    struct Line<'a> {
        seq: u64,
        prev: &'a str,
    }
    let mut lines = Lines::new(BufReader::with_capacity(MAX_LINE, File::open(path)?));
    if !lines.advance()? {
        return Ok(None);
    }
    let Ok(Line { seq, prev }) = serde_json::from_slice(lines.line()) else { return Ok(None) };
    let Ok(hash) = prev.parse().map_err(|_: NotAHead| ()) else { return Ok(None) };
    Ok(seq.checked_sub(1).map(|seq| Head { seq, hash }))
}
