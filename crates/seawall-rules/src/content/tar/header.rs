//! One header block of a tar (POSIX.1-1988 `ustar`, GNU's `ustar  `, and the nameless format of
//! the seventh edition): read strictly, so that there is nothing in it that two readers take for
//! two things.

use super::Malformed;

/// A tar is made of blocks of this many bytes.
pub(super) const BLOCK: usize = 512;

/// One header block.
pub(super) type Block = [u8; BLOCK];

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::content) enum Kind {
    Block,
    Character,
    Directory,
    Fifo,
    File,
    HardLink,
    Symlink,
}

/// What a header's type byte says: an entry, or something about the entry that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Entry(Kind),
    /// GNU: the data is the next entry's link target.
    LongLink,
    /// GNU: the data is the next entry's name.
    LongName,
    /// pax records of the next entry.
    Pax,
    /// pax records of all that follow.
    PaxGlobal,
}

/// The fields of one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) kind: Type,
    /// The type byte is the seventh edition's, which had none for a folder.
    pub(super) old: bool,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: u64,
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl Header {
    /// Reads a block that is not all zeros.
    pub(super) fn read(block: &Block) -> Result<Self, Malformed> {
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
        if number(&block[148..156])? != sum - own + 8 * u64::from(b' ') {
            return Err(Malformed("a header's checksum is wrong"));
        }
        let prefix = match &block[257..265] {
            b"ustar  \0" | b"\0\0\0\0\0\0\0\0" => b"".as_slice(),
            // Schily's `tar` keeps other things in the last bytes of the prefix.
            b"ustar\x0000" if &block[508..512] != b"tar\0" => text(&block[345..500]),
            _ => return Err(Malformed("a header is of no known format")),
        };
        let mut name = prefix.to_vec();
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(text(&block[..100]));
        let size = number(&block[124..136])?;
        let kind = match block[156] {
            0 | b'0' => Type::Entry(Kind::File),
            b'1' => Type::Entry(Kind::HardLink),
            b'2' => Type::Entry(Kind::Symlink),
            b'3' => Type::Entry(Kind::Character),
            b'4' => Type::Entry(Kind::Block),
            b'5' => Type::Entry(Kind::Directory),
            b'6' => Type::Entry(Kind::Fifo),
            b'K' => Type::LongLink,
            b'L' => Type::LongName,
            b'g' => Type::PaxGlobal,
            b'x' => Type::Pax,
            b'S' => return Err(Malformed("sparse files are not taken")),
            _ => return Err(Malformed("an entry is of a type that is not taken")),
        };
        // Of another entry they mean nothing, and old programs leave anything there.
        let (mut major, mut minor) = (0, 0);
        if matches!(kind, Type::Entry(Kind::Block | Kind::Character)) {
            major = small(number(&block[329..337])?)?;
            minor = small(number(&block[337..345])?)?;
        }
        Ok(Self {
            link: text(&block[157..257]).to_vec(),
            kind,
            old: block[156] == 0,
            // Bits of the file's type stand there in some archives, and count for Go.
            mode: small(number(&block[100..108])? & 0o7777)?,
            uid: number(&block[108..116])?,
            gid: number(&block[116..124])?,
            size,
            mtime: number(&block[136..148])?,
            major,
            minor,
            name,
        })
    }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or GNU's binary form.
fn number(field: &[u8]) -> Result<u64, Malformed> {
    const WRONG: Malformed = Malformed("a number in a header is malformed");
    if let Some((&first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        // Base 256; 0xff begins a negative one.
        let (high, low) = rest.split_at(rest.len().saturating_sub(8));
        if first != 0x80 || high.iter().any(|&byte| byte != 0) {
            return Err(WRONG);
        }
        return Ok(low.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)));
    }
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|&byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if rest.iter().any(|&byte| !matches!(byte, 0 | b' ')) {
        return Err(WRONG);
    }
    digits.iter().try_fold(0_u64, |value, &byte| match byte {
        b'0'..=b'7' => Ok(value << 3 | u64::from(byte - b'0')),
        _ => Err(WRONG),
    })
}

fn small(value: u64) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed("a number in a header is too large"))
}
