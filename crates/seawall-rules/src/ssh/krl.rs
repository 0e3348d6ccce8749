//! What was revoked: a list of public keys, or OpenSSH's binary form (PROTOCOL.krl) as
//! `ssh-keygen -k` writes it. What is not understood is an error, never skipped: it might be what
//! revokes somebody.

use std::collections::HashSet;

use super::key::{NotAKey, PublicKey};
use super::wire::{Malformed, Reader};

/// Everything that a file revokes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    keys: HashSet<Vec<u8>>,
    sha1: HashSet<Vec<u8>>,
    sha256: HashSet<Vec<u8>>,
    certificates: Vec<Certificates>,
}

/// The certificates of one CA, or of any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Certificates {
    /// Wire form of its key; `None` is any CA.
    ca: Option<Vec<u8>>,
    /// First and last serial of each stretch, sorted.
    serials: Vec<(u64, u64)>,
    key_ids: HashSet<String>,
}

/// Hashes of a public key's wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the hashes a KRL may use")]
pub struct Fingerprints {
    pub sha1: [u8; 20],
    pub sha256: [u8; 32],
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what they are")]
pub enum NotAList {
    #[error("line {0}: {1}")]
    Line(usize, NotAKey),
    #[error("it is cut short, or no KRL of OpenSSH's")]
    Malformed(#[from] Malformed),
    #[error("it is signed, which `ssh-keygen` does no more and nobody would check")]
    Signed,
    #[error("it holds a section of kind {0}, which is not known here")]
    Section(u8),
    #[error("it is of version {0} of the format; version 1 is known")]
    Version(u32),
}

impl Revoked {
    /// Reads a KRL, or a list with a public key a line.
    ///
    /// # Errors
    /// [`NotAList`].
    pub fn parse(file: &[u8]) -> Result<Self, NotAList> {
        match file.strip_prefix(MAGIC) {
            Some(rest) => krl(Reader::new(rest)),
            None => list(file),
        }
    }

    /// Whether a key is on the list, by itself or by a hash.
    pub fn revokes_key(&self, key: &PublicKey, fingerprints: &Fingerprints) -> bool {
        self.keys.contains(key.blob())
            || self.sha1.contains(&fingerprints.sha1[..])
            || self.sha256.contains(&fingerprints.sha256[..])
    }

    /// Whether a certificate is on the list, by its serial or its key id. Serial 0 is no serial.
    pub fn revokes_certificate(&self, ca: &PublicKey, serial: u64, key_id: &str) -> bool {
        let of_it = |section: &&Certificates| {
            section.ca.as_ref().is_none_or(|section| section == ca.blob())
        };
        self.certificates.iter().filter(of_it).any(|section| {
            let before = section.serials.partition_point(|(first, _)| *first <= serial);
            let stretch = before.checked_sub(1).and_then(|index| section.serials.get(index));
            section.key_ids.contains(key_id)
                || serial != 0 && stretch.is_some_and(|(_, last)| serial <= *last)
        })
    }
}

fn list(file: &[u8]) -> Result<Revoked, NotAList> {
    let text = str::from_utf8(file).map_err(|_| Malformed)?;
    let mut revoked = Revoked::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match PublicKey::from_line(line) {
            Ok((key, _)) => {
                revoked.keys.insert(key.blob().to_vec());
            }
            // Such a key never enters.
            Err(NotAKey::Dss | NotAKey::RsaSize(_)) => {}
            Err(error) => return Err(NotAList::Line(number, error)),
        }
    }
    Ok(revoked)
}

fn krl(mut reader: Reader<'_>) -> Result<Revoked, NotAList> {
    match reader.u32()? {
        1 => {}
        other => return Err(NotAList::Version(other)),
    }
    // Its number, its date, flags, reserved, comment.
    for _ in 0..3 {
        reader.u64()?;
    }
    reader.string()?;
    reader.string()?;
    let mut revoked = Revoked::default();
    while !reader.is_empty() {
        let kind = reader.byte()?;
        let mut section = Reader::new(reader.string()?);
        match kind {
            1 => revoked.certificates.push(certificates(&mut section)?),
            2 | 3 | 5 => {
                let (into, length) = match kind {
                    2 => (&mut revoked.keys, None),
                    3 => (&mut revoked.sha1, Some(20)),
                    _ => (&mut revoked.sha256, Some(32)),
                };
                while !section.is_empty() {
                    let entry = section.string()?;
                    if length.is_some_and(|length| length != entry.len()) {
                        return Err(Malformed.into());
                    }
                    into.insert(entry.to_vec());
                }
            }
            4 => return Err(NotAList::Signed),
            EXTENSION => extension(&mut section, kind)?,
            other => return Err(NotAList::Section(other)),
        }
        section.end()?;
    }
    Ok(revoked)
}

fn certificates(section: &mut Reader<'_>) -> Result<Certificates, NotAList> {
    let ca = section.string()?;
    section.string()?;
    let mut revoked =
        Certificates { ca: (!ca.is_empty()).then(|| ca.to_vec()), ..Certificates::default() };
    while !section.is_empty() {
        let kind = section.byte()?;
        let mut part = Reader::new(section.string()?);
        match kind {
            0x20 => {
                while !part.is_empty() {
                    let serial = part.u64()?;
                    revoked.serials.push((serial, serial));
                }
            }
            0x21 => {
                let (first, last) = (part.u64()?, part.u64()?);
                if first > last {
                    return Err(Malformed.into());
                }
                revoked.serials.push((first, last));
            }
            0x22 => {
                let offset = part.u64()?;
                bitmap(offset, part.string()?, &mut revoked.serials)?;
            }
            0x23 => {
                while !part.is_empty() {
                    revoked.key_ids.insert(part.text()?.to_owned());
                }
            }
            0x39 => extension(&mut part, kind)?,
            other => return Err(NotAList::Section(other)),
        }
        part.end()?;
    }
    revoked.serials = merged(revoked.serials);
    Ok(revoked)
}

/// An extension may be skipped unless it says that it may not.
fn extension(section: &mut Reader<'_>, kind: u8) -> Result<(), NotAList> {
    section.text()?;
    let critical = section.byte()? != 0;
    section.string()?;
    if critical { Err(NotAList::Section(kind)) } else { Ok(()) }
}

/// Bit `n` of the number is serial `offset + n`.
fn bitmap(offset: u64, number: &[u8], into: &mut Vec<(u64, u64)>) -> Result<(), NotAList> {
    if number.len() > MAX_BITMAP || number.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(Malformed.into());
    }
    for (index, byte) in (0_u64..).zip(number.iter().rev()) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let serial = offset.checked_add(index * 8 + bit).ok_or(Malformed)?;
            into.push((serial, serial));
        }
    }
    Ok(())
}

/// Sorted, and stretches that touch or overlap made one.
fn merged(mut serials: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    serials.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, last) in serials {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

const MAGIC: &[u8] = b"SSHKRL\n\0";
const EXTENSION: u8 = 255;
/// Bytes; OpenSSH makes none with more than a bignum may have.
const MAX_BITMAP: usize = 2049;

#[cfg(test)]
mod tests;
