//! The chain: which record comes after which, and how its newest end is named and signed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// SHA-256 of a record: of the bytes of its line, the line feed included, so that
/// `sed -n 5p SEGMENT | sha256sum` gives what the next record names as `prev`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first record of a trail names as `prev`.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of one line with its line feed.
    pub fn of(line: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, line).as_ref());
        Self(hash)
    }

    /// Lower-case hexadecimal, as records carry it.
    pub(super) fn hex(&self) -> [u8; 64] {
        let mut hex = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut hex);
        hex
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NotAHead;
    fn from_str(text: &str) -> Result<Self, NotAHead> {
        Ok(Self(hex(text)?))
    }
}

/// One end of the chain: a record's number and its hash. Whoever keeps it can tell later that
/// nothing up to it was changed, removed or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the record; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// The head of an empty trail.
    pub const NONE: Self = Self { seq: 0, hash: Hash::NONE };

    /// The text a checkpoint signs; no other signature of the key is made over such a text.
    pub(super) fn signed_text(&self) -> String {
        format!("seawall audit head\n{self}\n")
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A head with its signature, `SEQ:HASH:SIGNATURE`; what `log head` prints, an anchor command
/// reads and `log verify --head` takes. Kept by hand it may come without the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// Ed25519 over [`Head::signed_text`].
    pub signature: Option<[u8; 64]>,
}

/// A text is not `SEQ:HASH` or `SEQ:HASH:SIGNATURE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a head: write SEQ:HASH or SEQ:HASH:SIGNATURE as `seawall log head` prints it")]
pub struct NotAHead;

impl fmt::Display for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.head)?;
        match &self.signature {
            Some(signature) => write!(f, ":{}", HEXLOWER.encode(signature)),
            None => Ok(()),
        }
    }
}

impl FromStr for SignedHead {
    type Err = NotAHead;
    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let mut parts = text.trim().split(':');
        let (Some(seq), Some(hash)) = (parts.next(), parts.next()) else { return Err(NotAHead) };
        let signature = parts.next().map(hex).transpose()?;
        if parts.next().is_some() {
            return Err(NotAHead);
        }
        let seq = seq.parse().map_err(|_| NotAHead)?;
        Ok(Self { head: Head { seq, hash: hash.parse()? }, signature })
    }
}

/// Exactly `N` bytes of hexadecimal.
pub(super) fn hex<const N: usize>(text: &str) -> Result<[u8; N], NotAHead> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| NotAHead)?;
    bytes.try_into().map_err(|_| NotAHead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_as_it_was_printed() {
        let head = Head { seq: 7, hash: Hash::of(b"line\n") };
        for signature in [None, Some([0xab; 64])] {
            let signed = SignedHead { head, signature };
            assert_eq!(signed.to_string().parse(), Ok(signed));
        }
        let hash = head.hash.to_string();
        for bad in ["", "7", "x:00", "7:00", &format!("7:{hash}:"), &format!("-7:{hash}")] {
            assert_eq!(bad.parse::<SignedHead>(), Err(NotAHead), "{bad}");
        }
    }
}
