//! The data types of RFC 4251 section 5, read strictly.

/// What is read does not hold what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is cut short, or not written as SSH writes it")]
pub struct Malformed;

/// Reads one value after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        self.bytes(length)
    }

    /// A `string` that is UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.string()?).map_err(|_| Malformed)
    }

    /// A positive `mpint`, without the zero byte that keeps it positive. Zero bytes that are not
    /// needed for that are refused.
    pub(super) fn positive(&mut self) -> Result<&'a [u8], Malformed> {
        match self.string()? {
            [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => Ok(rest),
            plain @ [1..=0x7f, ..] => Ok(plain),
            _ => Err(Malformed),
        }
    }

    /// Ends the reading.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_end_is_refused_not_allocated() {
        for bytes in [&[][..], &[0, 0, 0], &[0, 0, 0, 1], &[0xff; 4], &[0xff; 9]] {
            assert_eq!(Reader::new(bytes).string(), Err(Malformed), "{bytes:?}");
        }
        let mut reader = Reader::new(&[0, 0, 0, 1, b'a', 7]);
        assert_eq!(reader.text(), Ok("a"));
        assert_eq!(reader.bytes(1), Ok(&[7][..]));
        assert!(reader.end().is_ok());
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (bytes, value) in [
            (&[0, 0, 0, 1, 0x7f][..], Some(&[0x7f][..])),
            (&[0, 0, 0, 2, 0, 0x80], Some(&[0x80])),
            (&[0, 0, 0, 0], None),
            (&[0, 0, 0, 1, 0], None),
            (&[0, 0, 0, 1, 0x80], None),
            (&[0, 0, 0, 2, 0, 0x7f], None),
        ] {
            assert_eq!(Reader::new(bytes).positive().ok(), value, "{bytes:?}");
        }
    }
}
