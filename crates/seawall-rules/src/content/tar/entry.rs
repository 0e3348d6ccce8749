//! One entry as it was judged, and the header blocks by which it goes to the engine.

use std::io::Write as _;

use super::Malformed;
use super::header::{BLOCK, Header, Kind};
use super::pax::Records;

/// An entry, its name in the one plain form: `a/b`, the root itself empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::content) struct Entry {
    pub(in crate::content) name: Vec<u8>,
    pub(in crate::content) kind: Kind,
    /// Where a link leads: for a hard link a name of the archive, plain as `name` is; for a
    /// symbolic one any text.
    pub(in crate::content) link: Vec<u8>,
    /// Bytes of a file; of everything else there are none.
    pub(in crate::content) size: u64,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
    major: u32,
    minor: u32,
    kept: Vec<(String, Vec<u8>)>,
}

impl Entry {
    /// What a header and what was said before it come to.
    pub(super) fn new(header: Header, kind: Kind, more: Records) -> Result<Self, Malformed> {
        let size = more.size.unwrap_or(header.size);
        let name = more.path.unwrap_or(header.name);
        let kind = match kind {
            Kind::File if name.ends_with(b"/") && header.old => Kind::Directory,
            Kind::File if name.ends_with(b"/") => {
                return Err(Malformed("a file's name ends with a slash"));
            }
            kind => kind,
        };
        if kind != Kind::File && size != 0 {
            return Err(Malformed("an entry has data that is no file"));
        }
        let link = more.link.unwrap_or(header.link);
        let link = match kind {
            Kind::HardLink => plain(&link)?,
            Kind::Symlink if link.is_empty() => {
                return Err(Malformed("a symbolic link leads nowhere"));
            }
            Kind::Symlink => link,
            _ => Vec::new(),
        };
        let name = plain(&name)?;
        if name.is_empty() && kind != Kind::Directory {
            return Err(Malformed("the root of an archive is no directory"));
        }
        let id = |id: u64| {
            // The kernel has 32 bits, and the last value means "none".
            let max = u64::from(u32::MAX) - 1;
            if id <= max { Ok(id) } else { Err(Malformed("an owner's number is too large")) }
        };
        let uid = id(more.uid.unwrap_or(header.uid))?;
        let gid = id(more.gid.unwrap_or(header.gid))?;
        let Header { mode, mtime, major, minor, .. } = header;
        Ok(Self { name, kind, link, size, mode, uid, gid, mtime, major, minor, kept: more.kept })
    }

    /// Whether it is a file of that name, given as text.
    pub(in crate::content) fn is(&self, name: &str) -> bool {
        self.name == name.as_bytes()
    }

    /// Writes its header, and before it the pax records of what a header cannot hold.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut name = self.name.clone();
        match (self.kind, name.is_empty()) {
            (_, true) => name.extend_from_slice(b"./"),
            (Kind::Directory, false) => name.push(b'/'),
            _ => {}
        }
        let mut records = Vec::new();
        let mut record = |key: &str, value: &[u8]| put_record(&mut records, key, value);
        // The engine takes the first bytes of an archive for what they may be compressed by.
        if name.len() > 100 || crate::content::decode::is_compressed(&name) {
            record("path", &name);
        }
        if self.link.len() > 100 {
            record("linkpath", &self.link);
        }
        for (key, value, digits) in
            [("size", self.size, 11), ("uid", self.uid, 7), ("gid", self.gid, 7)]
        {
            if value >= 1 << (3 * digits) {
                record(key, value.to_string().as_bytes());
            }
        }
        let has_time = self.kept.iter().any(|(key, _)| key == "mtime");
        if self.mtime >= 1 << 33 && !has_time {
            record("mtime", self.mtime.to_string().as_bytes());
        }
        for (key, value) in &self.kept {
            record(key, value);
        }
        if !records.is_empty() {
            let about = Fields { name: b"pax", size: records.len() as u64, flag: b'x', ..FIELDS };
            about.write(out);
            out.extend_from_slice(&records);
            pad(records.len() as u64, out);
        }
        let flag = match self.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::Character => b'3',
            Kind::Block => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        };
        let within = |value: u64, digits: u32| if value < 1 << (3 * digits) { value } else { 0 };
        let short =
            if name.len() > 100 || records_have_path(&records) { b"pax" } else { &name[..] };
        Fields {
            name: short,
            link: if self.link.len() > 100 { b"" } else { &self.link },
            flag,
            mode: u64::from(self.mode),
            uid: within(self.uid, 7),
            gid: within(self.gid, 7),
            size: within(self.size, 11),
            mtime: within(self.mtime, 11),
            major: u64::from(self.major),
            minor: u64::from(self.minor),
        }
        .write(out);
    }
}

fn records_have_path(records: &[u8]) -> bool {
    // INVARIANT: it is the first that is written.
    let mut words = records.splitn(2, |&byte| byte == b' ').skip(1);
    words.next().is_some_and(|rest| rest.starts_with(b"path="))
}

/// Fills up the block after `size` bytes of data.
pub(super) fn pad(size: u64, out: &mut Vec<u8>) {
    out.resize(out.len() + padding(size), 0);
}

/// Bytes after `size` bytes of data up to the next block.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

/// A name without `.`, doubled and trailing slashes. What leads out of the archive is refused.
fn plain(name: &[u8]) -> Result<Vec<u8>, Malformed> {
    if name.starts_with(b"/") {
        return Err(Malformed("a name in the archive is absolute"));
    }
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Malformed("a name in the archive is empty or too long"));
    }
    let mut plain = Vec::with_capacity(name.len());
    for segment in name.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => return Err(Malformed("a name in the archive has `..`")),
            segment => {
                if !plain.is_empty() {
                    plain.push(b'/');
                }
                plain.extend_from_slice(segment);
            }
        }
    }
    Ok(plain)
}

/// Linux takes no longer path.
const MAX_NAME: usize = 4096;

/// One header block to be written.
struct Fields<'a> {
    name: &'a [u8],
    link: &'a [u8],
    flag: u8,
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: u64,
    major: u64,
    minor: u64,
}

const FIELDS: Fields<'static> = Fields {
    name: b"",
    link: b"",
    flag: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    major: 0,
    minor: 0,
};

impl Fields<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let text = |text: &[u8], width: usize, out: &mut Vec<u8>| {
            let end = out.len() + width;
            out.extend_from_slice(text);
            out.resize(end, 0);
        };
        let octal = |value: u64, digits: usize, out: &mut Vec<u8>| {
            // INVARIANT: writing to a Vec does not fail.
            let _ = write!(out, "{value:0digits$o}\0");
        };
        text(self.name, 100, out);
        octal(self.mode, 7, out);
        octal(self.uid, 7, out);
        octal(self.gid, 7, out);
        octal(self.size, 11, out);
        octal(self.mtime, 11, out);
        out.extend_from_slice(b"        ");
        out.push(self.flag);
        text(self.link, 100, out);
        out.extend_from_slice(b"ustar\x0000");
        text(b"", 64, out);
        octal(self.major, 7, out);
        octal(self.minor, 7, out);
        text(b"", 167, out);
        let sum: u64 = out[start..].iter().map(|&byte| u64::from(byte)).sum();
        let sum = format!("{sum:06o}\0 ");
        out[start + 148..start + 156].copy_from_slice(sum.as_bytes());
    }
}

/// The length of a record counts its own digits.
fn put_record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}
