//! The files of a trail: `00000001.jsonl`, `00000002.jsonl` and so on in a folder of their own,
//! only ever appended to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// File name of a segment.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:08}.jsonl")
}

/// Numbers of the segments in a folder, ascending.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let number = number.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let number = number.and_then(|digits| digits.parse().ok());
        // Only the one spelling of each number: `1.jsonl` is not a segment.
        numbers.extend(number.filter(|&number| name == *file_name(number)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the folder of a trail, 0700; one that others can enter is closed to them.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let permissions = fs::metadata(dir)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The segment being written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Shared with the thread that syncs it.
    pub(super) file: Arc<File>,
    /// Bytes that hold whole records.
    pub(super) len: u64,
    tail: Tail,
}

/// What stands after the whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Clean,
    /// A failed write may have left a part of its bytes; they are cut off before the next one.
    Torn,
}

impl Segment {
    /// Makes a new, empty segment, 0600.
    pub(super) fn create(dir: &Path, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(file_name(number)))?;
        Ok(Self { number, file: Arc::new(file), len: 0, tail: Tail::Clean })
    }

    /// Opens an existing segment whose first `len` bytes are whole records.
    pub(super) fn open(dir: &Path, number: u64, len: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(dir.join(file_name(number)))?;
        Ok(Self { number, file: Arc::new(file), len, tail: Tail::Clean })
    }

    /// Appends whole records: all of them or, after an error, none.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        self.cut_torn_tail()?;
        match (&*self.file).write_all(records) {
            Ok(()) => {
                self.len += records.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.tail = Tail::Torn;
                // When even this fails it is tried again before the next write.
                let _ = self.cut_torn_tail();
                Err(error)
            }
        }
    }

    fn cut_torn_tail(&mut self) -> io::Result<()> {
        if self.tail == Tail::Torn {
            self.file.set_len(self.len)?;
            self.tail = Tail::Clean;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_are_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["00000010.jsonl", "00000002.jsonl", "3.jsonl", "00000004.torn", "x", "100000000.jsonl"]
        {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(list(dir.path()).unwrap(), [2, 10, 100_000_000]);
    }

    #[test]
    fn folder_and_segments_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let trail = dir.path().join("a/audit");
        make_dir(&trail).unwrap();
        fs::set_permissions(&trail, fs::Permissions::from_mode(0o755)).unwrap();
        make_dir(&trail).unwrap();
        Segment::create(&trail, 1).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&trail), mode(&trail.join(file_name(1)))), (0o700, 0o600));
        assert!(Segment::create(&trail, 1).is_err(), "a segment is never overwritten");
    }
}
